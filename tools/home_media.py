"""Media players, lists and announcements of a house, by Home Assistant's intents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from speeddial import OneOf, ToolContext, ToolError, tool
from speeddial.household import (
    Deed,
    Home,
    LocalHome,
    RemoteHome,
    areas,
    changed,
    chosen,
    effect,
    names,
    spoken_of,
)
from speeddial.values import Phrase

EFFECT = effect()
SHOPPING = "todo.shopping_list"
"""Where Home Assistant keeps the shopping list."""

Name = Annotated[str, OneOf(names)]
Area = Annotated[str, OneOf(areas)]
Percent = Annotated[int, Field(ge=0, le=100)]


class HomeNote(BaseModel):
    """What was done with media, lists or announcements."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    did: str
    resolved: dict[str, list[str]] = {}
    """The devices or lists, by their ids."""

    def __str__(self) -> str:
        return self.did


# --- media players ------------------------------------------------------------------------------------------


def _play(
    context: ToolContext, name: str | None, area: str | None, service: str, did: str, **data: object
) -> HomeNote:
    def act(home: Home) -> HomeNote:
        # Without a name or area it is every player; a sensible home has one, or says where the speaker is.
        found = chosen(home.house, name=name, area=area, domains=["media_player"])
        home.do([Deed(one, service, data) for one in found])
        players = ", ".join(dict.fromkeys(one.name for one in found))
        return HomeNote(did=f"{players}: {did}.", resolved={"entities": [one.id for one in found]})

    return changed(context, act, HomeNote)


@tool(effect=EFFECT, name="HassMediaPause", preface=spoken_of)
def media_pause(context: ToolContext, name: Name | None = None, area: Area | None = None) -> HomeNote:
    """Pause what is playing.

    Args:
        name: of the media player.
        area: where it is.
    """
    return _play(context, name, area, "media_pause", "paused")


@tool(effect=EFFECT, name="HassMediaUnpause", preface=spoken_of)
def media_unpause(context: ToolContext, name: Name | None = None, area: Area | None = None) -> HomeNote:
    """Go on with what was paused.

    Args:
        name: of the media player.
        area: where it is.
    """
    return _play(context, name, area, "media_play", "playing")


@tool(effect=EFFECT, name="HassMediaNext", preface=spoken_of)
def media_next(context: ToolContext, name: Name | None = None, area: Area | None = None) -> HomeNote:
    """Skip to the next song or track.

    Args:
        name: of the media player.
        area: where it is.
    """
    return _play(context, name, area, "media_next_track", "next")


@tool(effect=EFFECT, name="HassMediaPrevious", preface=spoken_of)
def media_previous(context: ToolContext, name: Name | None = None, area: Area | None = None) -> HomeNote:
    """Go back to the last song or track.

    Args:
        name: of the media player.
        area: where it is.
    """
    return _play(context, name, area, "media_previous_track", "back")


@tool(effect=EFFECT, name="HassSetVolume", preface=spoken_of)
def set_volume(
    context: ToolContext, *, name: Name | None = None, area: Area | None = None, volume_level: Percent
) -> HomeNote:
    """Set how loud a media player is.

    Args:
        name: of the media player.
        area: where it is.
        volume_level: in percent.
    """
    level = volume_level / 100
    return _play(context, name, area, "volume_set", f"volume {volume_level} %", volume_level=level)


@tool(effect=EFFECT, name="HassMediaSearchAndPlay", preface=spoken_of)
def search_and_play(
    context: ToolContext,
    *,
    name: Name | None = None,
    area: Area | None = None,
    search_query: Phrase,
    media_class: Literal["artist", "album", "track", "playlist", "podcast", "movie", "tv_show"] | None = None,
) -> HomeNote:
    """Look for a song, album, film or another medium, and play it.

    Args:
        name: of the media player.
        area: where it is.
        search_query: what to look for.
        media_class: what kind of medium it is.
    """
    said = {"name": name, "area": area, "search_query": search_query, "media_class": media_class}

    def act(home: Home) -> HomeNote:
        if isinstance(home, RemoteHome):
            return _handled(home, "HassMediaSearchAndPlay", said, f"Playing {search_query}.")
        found = chosen(home.house, name=name, area=area, domains=["media_player"])
        wanted = {"media_title": search_query} | ({"media_content_type": media_class} if media_class else {})
        home.do([Deed(one, "play_media", wanted) for one in found])
        players = ", ".join(one.name for one in found)
        return HomeNote(did=f"{players}: {search_query}.", resolved={"entities": [one.id for one in found]})

    return changed(context, act, HomeNote)


def _handled(home: RemoteHome, intent: str, slots: dict[str, str | None], otherwise: str) -> HomeNote:
    """What Home Assistant says when it is to handle an intent by itself."""
    given = {slot: value for slot, value in slots.items() if value is not None}
    return HomeNote(did=home.server.handle(intent, given) or otherwise)


# --- lists --------------------------------------------------------------------------------------------------


def _listed(
    context: ToolContext, intent: str, item: str, name: str | None, change: Callable[[list[str]], str]
) -> HomeNote:
    """Change a list: one of the house's, or the shopping list."""
    said = {"item": item, "name": name}

    def act(home: Home) -> HomeNote:
        if isinstance(home, RemoteHome):
            return _handled(home, intent, said, f"{item}: done.")
        assert isinstance(home, LocalHome)
        one = chosen(home.house, name=name, domains=["todo"])[0] if name else None
        items = home.items(one.id if one else SHOPPING)
        did = change(items)
        where = one.name if one else "shopping list"
        return HomeNote(
            did=f"{item} {did} {where} ({len(items)} now).", resolved={"list": [one.id if one else SHOPPING]}
        )

    return changed(context, act, HomeNote)


def _add(item: str) -> Callable[[list[str]], str]:
    def change(items: list[str]) -> str:
        if any(item.casefold() == known.casefold() for known in items):
            return "stands already on"
        items.append(item)
        return "added to"

    return change


def _complete(item: str) -> Callable[[list[str]], str]:
    def change(items: list[str]) -> str:
        known = next((one for one in items if one.casefold() == item.casefold()), None)
        if known is None:
            raise ToolError(
                f"item: expected one of the list, got {item!r}; valid: {', '.join(items) or 'none'}"
            )
        items.remove(known)
        return "off"

    return change


@tool(effect=EFFECT, name="HassListAddItem", preface=spoken_of)
def list_add(context: ToolContext, *, name: Name, item: Phrase) -> HomeNote:
    """Add an item to a list of the house.

    Args:
        name: of the list.
        item: what to add.
    """
    return _listed(context, "HassListAddItem", item, name, _add(item))


@tool(effect=EFFECT, name="HassListCompleteItem", preface=spoken_of)
def list_complete(context: ToolContext, *, name: Name, item: Phrase) -> HomeNote:
    """Check an item off a list of the house.

    Args:
        name: of the list.
        item: what to check off.
    """
    return _listed(context, "HassListCompleteItem", item, name, _complete(item))


@tool(effect=EFFECT, name="HassShoppingListAddItem", preface=spoken_of)
def shopping_add(context: ToolContext, item: Phrase) -> HomeNote:
    """Add an item to the shopping list.

    Args:
        item: what to buy.
    """
    return _listed(context, "HassShoppingListAddItem", item, None, _add(item))


@tool(effect=EFFECT, name="HassShoppingListCompleteItem", preface=spoken_of)
def shopping_complete(context: ToolContext, item: Phrase) -> HomeNote:
    """Check an item off the shopping list.

    Args:
        item: what to check off.
    """
    return _listed(context, "HassShoppingListCompleteItem", item, None, _complete(item))


@tool(effect=EFFECT, name="HassBroadcast", preface=spoken_of)
def broadcast(context: ToolContext, message: Phrase) -> HomeNote:
    """Announce a message in the house.

    Args:
        message: what to say.
    """

    def act(home: Home) -> HomeNote:
        if isinstance(home, RemoteHome):
            return _handled(home, "HassBroadcast", {"message": message}, f"Announced: {message}.")
        assert isinstance(home, LocalHome)
        announced = home.content.setdefault("announced", [])
        announced.append({"at": context.now.isoformat(timespec="seconds"), "message": message})
        return HomeNote(did=f"Noted for announcement: {message}.")

    return changed(context, act, HomeNote)
