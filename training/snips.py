"""SNIPS as calls: tool names are the intents in snake case, argument names the slots', values verbatim."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

EXPERTS: Mapping[str, tuple[str, ...]] = {
    "music": ("AddToPlaylist", "PlayMusic"),
    "dining": ("BookRestaurant",),
    "weather": ("GetWeather",),
    "library": ("RateBook", "SearchCreativeWork", "SearchScreeningEvent"),
}
"""The switchboard's experts, and the intents that each serves."""

EXPERT_OF = {intent: expert for expert, intents in EXPERTS.items() for intent in intents}

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "AddToPlaylist": ("music_item", "entity_name", "artist", "playlist_owner", "playlist"),
    "PlayMusic": (
        *("sort", "genre", "track", "album", "music_item", "artist", "playlist", "year", "service"),
    ),
    "BookRestaurant": (
        *("party_size_number", "party_size_description", "sort", "cuisine", "restaurant_type"),
        *("restaurant_name", "served_dish", "facility", "spatial_relation", "poi", "city", "state"),
        *("country", "timeRange"),
    ),
    "GetWeather": (
        *("condition_description", "condition_temperature", "spatial_relation", "current_location"),
        *("geographic_poi", "city", "state", "country", "timeRange"),
    ),
    "RateBook": (
        *("object_select", "object_part_of_series_type", "object_name", "object_type", "rating_value"),
        *("best_rating", "rating_unit"),
    ),
    "SearchCreativeWork": ("object_type", "object_name"),
    "SearchScreeningEvent": (
        *("object_type", "movie_type", "movie_name", "spatial_relation", "object_location_type"),
        *("location_name", "timeRange"),
    ),
}
"""Intent -> its tool's arguments, in the order in which requests mostly name them."""

_GARBLED = re.compile(r"[ÃÂãâ][\x80-\xbf©±¦]|[\x80-\x9f]")
_PUT = re.compile(r"\b(to|into|onto|in|on)\b", re.IGNORECASE)


def tool_name(intent: str) -> str:
    """AddToPlaylist -> add_to_playlist."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", intent).lower()


def spoken(text: str) -> str:
    """A text as MixSNIPS writes it: lower case, without apostrophes, stops and question marks."""
    text = re.sub(r"['’\"“”]", " ", text.lower())
    text = re.sub(r"[.?!;,]+(?=\s|$)", " ", text)
    return " ".join(text.replace(".", " ").split())


def fault(row: Mapping[str, Any]) -> str:
    """Why a labelled utterance is no training row; empty when it is one."""
    slots = row["slots"]
    if any(count > 1 for count in Counter(name for name, *_ in slots).values()):
        return "a slot twice"
    if _GARBLED.search(row["text"]):
        return "garbled letters"
    named = {name: (start, end) for name, _, start, end in slots}
    if row["intent"] == "AddToPlaylist" and "playlist" in named:
        item = named.get("entity_name") or named.get("artist")
        between = row["text"][named["playlist"][1] : item[0]] if item else ""
        # "add the piano bar to my Cindy Wilson" with the piano bar as the playlist: the two are swapped.
        put = re.match(r"\W*(please )?(add|put)\b", row["text"], re.IGNORECASE)
        if put and _PUT.search(between) and not _PUT.search(row["text"][: named["playlist"][0]]):
            return "item and playlist swapped"
    return ""


def call(row: Mapping[str, Any], *, as_spoken: bool = False) -> dict[str, Any]:
    """The call that a labelled utterance stands for."""
    write = spoken if as_spoken else str.strip
    values = {slot[0]: write(slot[1]) for slot in row["slots"]}
    arguments = {name: values[name] for name in ARGUMENTS[row["intent"]] if name in values}
    return {"name": tool_name(row["intent"]), "arguments": arguments}
