"""A house: its floors, areas, devices and people, as a user describes them; which of them a text names."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from speeddial.errors import UserError

FILE = "house.toml"
"""Name of the file in the workspace."""
MOST_FORMS = 64
"""Ways of writing one name that are told apart; a template of more has its first ones."""

# Chinese and Japanese are written without blanks: there every letter counts as a word.
_WORD = re.compile(r"[぀-ヿ㐀-鿿]|[^\W_぀-ヿ㐀-鿿]+")
# Endings of Russian cases, as light stemmers take them off (Dolamic and Savoy, 2009): "кухня", "кухне".
_ENDING = re.compile(r"(?<=[а-я]{3})[аеиоуыэюяйьмхвг]{1,3}$")
_PLURAL = re.compile(r"(?<=[a-z]{3}[^s])s$")


class _Item(BaseModel):
    # A house may come from other programs, with keys of their own.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Place(_Item):
    """A floor or an area."""

    name: str = Field(min_length=1)
    """May be a template: ``[x]`` may be left out, ``(a|b)`` is either, as in "Кух(ня|не)"."""
    aliases: tuple[str, ...] = ()
    id: str = ""
    floor: str = ""
    """Name or id of an area's floor."""


class Entity(_Item):
    """A device, sensor, scene, person, list or anything else that has a state."""

    name: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    id: str = Field(pattern=r"^[a-z_]+\.[^\s/]([^/]*[^\s/])?$")
    """As in Home Assistant: ``light.bedroom_lamp``; before the dot stands the domain."""
    area: str = ""
    """Name or id of its area."""
    state: Any = ""
    """What it is at first; of ``{"in": said, "out": state}`` the state counts."""
    attributes: Mapping[str, Any] = {}

    @property
    def domain(self) -> str:
        return self.id.partition(".")[0]

    @property
    def device_class(self) -> str:
        return str(self.attributes.get("device_class", ""))

    @property
    def first_state(self) -> str:
        state = self.state.get("out", "") if isinstance(self.state, Mapping) else self.state
        return str(state)


class House(_Item):
    """What a user describes in ``house.toml`` or gives with a request."""

    floors: tuple[Place, ...] = ()
    areas: tuple[Place, ...] = ()
    entities: tuple[Entity, ...] = ()
    here: str = ""
    """Name of the area in which the speaker is, where that is known."""

    @property
    def zones(self) -> tuple[Place, ...]:
        """Where people can be besides at home: entities ``zone.…``, and where somebody is now."""
        named = [Place(name=one.name, aliases=one.aliases) for one in self.entities if one.domain == "zone"]
        known = {one.first_state for one in self.entities if one.domain == "person"} - {
            "",
            "home",
            "not_home",
        }
        return (*named, *(Place(name=state) for state in sorted(known)))

    def area_named(self, said: str) -> Place | None:
        """The area with this name, alias or id."""
        return _named(self.areas, said)

    def floor_named(self, said: str) -> Place | None:
        """The floor with this name, alias or id."""
        return _named(self.floors, said)

    def floor_of(self, entity: Entity) -> Place | None:
        area = self.area_named(entity.area) if entity.area else None
        return self.floor_named(area.floor) if area and area.floor else None

    def entities_named(self, said: str) -> list[Entity]:
        """The entities with this name, alias or id, in the house's order."""
        wanted = folded(said)
        return [one for one in self.entities if one.id == said or wanted in _keys(one.name, one.aliases)]


@dataclass(frozen=True)
class Mention:
    """A name of the house that a text has."""

    name: str
    """As the house writes it, in the form that stands in the text; else its first form."""
    place: str = ""
    """``area``, ``floor`` or ``zone``; empty for entities."""
    entities: tuple[Entity, ...] = ()
    span: tuple[int, int] = field(default=(0, 0), compare=False)
    """First word in the text, and the one after the last."""


def read_house(path: Path) -> House:
    """Read a house's file.

    Raises:
        UserError: it cannot be read, is no TOML or no house.
    """
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path}: expected a house in TOML, got: {error}", hint="mend the file") from error
    return house_of(value, str(path))


def house_of(value: Any, source: str = "house") -> House:
    """The house of JSON or TOML types.

    Raises:
        UserError: it is no house; names the first fault.
    """
    try:
        return House.model_validate(value)
    except ValidationError as error:
        fault = error.errors()[0]
        at = ".".join(str(part) for part in fault["loc"])
        raise UserError(
            f"{source}: {at or 'the whole'}: {fault['msg'].lower()}, got {str(fault['input'])[:80]!r}",
            hint='entities have a name and an id such as "light.bedroom_lamp"; areas and floors a name',
        ) from error


def heading(house: House, found: Sequence[Mention]) -> str:
    """The line that tells a model what the names in a request are, and where the speaker is; may be empty.

    A house of any size adds no more than the names that are spoken of.

    Args:
        found: `mentions` of the request.
    """
    kinds: dict[str, list[str]] = {}
    for one in found:
        said = kinds.setdefault(one.name, [])
        said += [one.place] if one.place else [word for entity in one.entities for word in _kind(entity)]
    parts = [f"{name} = {' '.join(dict.fromkeys(words))}" for name, words in kinds.items()]
    return "; ".join([*parts, *([f"here = {house.here}"] if house.here else [])])


def _kind(entity: Entity) -> tuple[str, ...]:
    return (entity.domain, entity.device_class) if entity.device_class else (entity.domain,)


# --- names in a text ----------------------------------------------------------------------------------------


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: lower case, ё as е, full-width letters as others."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    return _WORD.findall(plain)


def folded(text: str) -> str:
    """Names with the same key are the same to a person."""
    return " ".join(words_of(text))


def stem(word: str) -> str:
    """A word without its case ending (Russian) or the ``s`` of its plural."""
    return _PLURAL.sub("", _ENDING.sub("", word))


@lru_cache(maxsize=4096)
def forms_of(name: str) -> tuple[str, ...]:
    """The ways of writing a name: the first alternatives first, at most `MOST_FORMS`."""
    written = (" ".join(form.split()) for form in _expanded(name))
    return tuple(dict.fromkeys(islice((form for form in written if form), MOST_FORMS))) or (name,)


def mentions(house: House, text: str) -> list[Mention]:
    """The names of a house that stand in a text, in the text's order.

    A name is found in any of its forms, or with other case endings. A name within a longer one of an entity
    does not count: in "turn on the bedroom lamp" nobody speaks of the bedroom, where the lamp is called so.
    Where two entities stand in the same words both do, unless one is written so and the other with another
    ending.
    """
    said = words_of(text)
    stems = [stem(word) for word in said]
    named: dict[tuple[str, tuple[int, int]], list[Entity]] = {}
    for entity in house.entities:
        if entity.domain != "zone" and (hit := _found(entity.name, entity.aliases, said, stems)):
            named.setdefault(hit, []).append(entity)
    whole = [hit for hit in named if not any(_within(hit[1], other[1]) for other in named)]
    # With other endings it may not be the name: "the bedroom lamps" are those of the bedroom.
    taken = [span for name, span in whole if words_of(name) == said[slice(*span)]]
    whole = [hit for hit in whole if hit[1] not in taken or words_of(hit[0]) == said[slice(*hit[1])]]
    found = [Mention(hit[0], entities=tuple(named[hit]), span=hit[1]) for hit in whole]
    for place, items in (("area", house.areas), ("floor", house.floors), ("zone", house.zones)):
        for item in items:
            if hit := _found(item.name, item.aliases, said, stems, taken):
                found.append(Mention(hit[0], place, span=hit[1]))
    return sorted(found, key=lambda mention: mention.span)


def _found(
    name: str,
    aliases: tuple[str, ...],
    said: list[str],
    stems: list[str],
    taken: Sequence[tuple[int, int]] = (),
) -> tuple[str, tuple[int, int]] | None:
    """The form of a name that stands in a text, and where; exact ones before those with other endings.

    Args:
        taken: spans that are longer names; what stands within one of them is not looked at.
    """
    written = _written(name, aliases)
    if all(one.stems[0] not in stems for one in written):
        return None
    hits = [(one.form, span) for one in written if (span := _place(one.words, said, taken))]
    if hits:
        return max(hits, key=lambda hit: hit[1][1] - hit[1][0])
    return next(((one.first, span) for one in written if (span := _place(one.stems, stems, taken))), None)


class _Written(NamedTuple):
    form: str
    first: str
    """The name's first form."""
    words: list[str]
    stems: list[str]


@lru_cache(maxsize=4096)
def _written(name: str, aliases: tuple[str, ...]) -> tuple[_Written, ...]:
    """The forms of a name and its aliases, cut into words once."""
    made = []
    for given in (name, *aliases):
        for form in forms_of(given):
            if words := words_of(form):
                made.append(_Written(form, forms_of(given)[0], words, [stem(word) for word in words]))
    return tuple(made)


def _place(words: list[str], said: list[str], taken: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    size = len(words)
    for start in range(len(said) - size + 1):
        span = start, start + size
        if said[start : start + size] == words and not any(_within(span, other) for other in taken):
            return span
    return None


def _within(span: tuple[int, int], other: tuple[int, int]) -> bool:
    return other[0] <= span[0] and span[1] <= other[1] and span != other


def _named(places: Sequence[Place], said: str) -> Place | None:
    wanted = folded(said)
    return next((one for one in places if one.id == said or wanted in _keys(one.name, one.aliases)), None)


@lru_cache(maxsize=4096)
def _keys(name: str, aliases: tuple[str, ...]) -> frozenset[str]:
    return frozenset(folded(form) for given in (name, *aliases) for form in forms_of(given))


def _expanded(template: str) -> Iterator[str]:
    """The texts of a template of ``(a|b)`` and ``[x]``, depth first; unbalanced brackets are text."""
    opening = next((at for at, letter in enumerate(template) if letter in "(["), None)
    closing = None if opening is None else _closing(template, opening)
    if opening is None or closing is None:
        # A bar outside of brackets parts two whole names.
        yield from template.split("|")
        return
    head, body, rest = template[:opening], template[opening + 1 : closing], template[closing + 1 :]
    options = _parted(body)
    if template[opening] == "[":
        options = ["", *options]
    for tail_options in options:
        for inner in _expanded(tail_options) if tail_options else [""]:
            for tail in _expanded(rest):
                yield head + inner + tail


def _closing(text: str, opening: int) -> int | None:
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at] in "([") - (text[at] in ")]")
        if depth == 0:
            return at
    return None


def _parted(text: str) -> list[str]:
    """The alternatives of a bracket's inside."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "|" and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
