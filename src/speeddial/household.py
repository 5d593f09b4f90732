"""A house at work: what the words of a call mean in it, the states of its devices, and what is done to them.

A described house keeps its states in the workspace; with Home Assistant configured they are there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from speeddial.errors import ToolError, UserError
from speeddial.homeassistant import HomeAssistant
from speeddial.house import FILE, Entity, House, Mention, heading, house_of, mentions, read_house
from speeddial.tool import Effect, ToolContext
from speeddial.workspace import Ledger, inside, locked, write_whole

STATE_FILE = "house_state.json"
ALL = "all"
"""A name that stands for every device that the other arguments admit."""
STATES = (
    *("on", "off", "open", "closed", "opening", "closing", "locked", "unlocked", "home", "not_home"),
    *("playing", "paused", "idle"),
)
Change = TypeVar("Change", bound=BaseModel)
_FRESH = 60.0
"""Seconds for which Home Assistant's names are kept; its states are always read anew."""


@dataclass(frozen=True)
class Deed:
    """One service on one device, named as in Home Assistant."""

    entity: Entity
    service: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class State:
    """State and attributes of one entity."""

    state: str
    attributes: dict[str, Any]


# --- the house of a call ------------------------------------------------------------------------------------


def house_for(context: ToolContext) -> House | None:
    """The house that came with the call, Home Assistant's, or that of the workspace; None when there is none.

    Raises:
        UserError: it is no house, or Home Assistant cannot be asked.
    """
    if "house" in context.given:
        return _given(context.given["house"])
    if (server := HomeAssistant.configured()) is not None:
        return _fetched(server, int(time.monotonic() / _FRESH))
    path = context.workspace / FILE
    return _written(path, path.stat().st_mtime_ns) if path.is_file() else None


def _given(value: Any) -> House:
    global _last_given
    # The same object for all tools of a call, and often for all lines of a batch.
    known = _last_given
    if known is None or known[0] is not value:
        known = _last_given = (value, house_of(value))
    return known[1]


_last_given: tuple[Any, House] | None = None


@lru_cache(maxsize=4)
def _written(path: Path, changed: int) -> House:
    return read_house(path)


def _fetched(server: HomeAssistant, period: int) -> House:
    known = _KNOWN.get(server.url)
    if known is None or known[0] != period:
        known = _KNOWN[server.url] = (period, server.house())
    return known[1]


_KNOWN: dict[str, tuple[int, House]] = {}


def _heard(context: ToolContext) -> tuple[House, list[Mention]] | None:
    house = house_for(context)
    if house is None:
        return None
    global _last
    text = "\n".join([context.request, *context.references.values()])
    # Every source of every tool asks for the same; houses are kept, so that the same one is the same object.
    known = _last
    if known is None or known[0] is not house or known[1] != text:
        known = _last = (house, text, mentions(house, text))
    return house, known[2]


_last: tuple[House, str, list[Mention]] | None = None


def names(context: ToolContext) -> list[str] | None:
    """Names of the house's devices in the request, and "all"."""
    heard = _heard(context)
    return None if heard is None else [*(one.name for one in heard[1] if not one.place), ALL]


def areas(context: ToolContext) -> list[str] | None:
    """Names of the house's areas in the request, and the one where the speaker is."""
    heard = _heard(context)
    here = [heard[0].here] if heard and heard[0].here else []
    return None if heard is None else [*(one.name for one in heard[1] if one.place == "area"), *here]


def floors(context: ToolContext) -> list[str] | None:
    """Names of the house's floors in the request."""
    heard = _heard(context)
    return None if heard is None else [one.name for one in heard[1] if one.place == "floor"]


def states(context: ToolContext) -> list[str] | None:
    """States of devices, and the house's zones in the request, where people can be."""
    heard = _heard(context)
    return None if heard is None else [*STATES, *(one.name for one in heard[1] if one.place == "zone")]


def spoken_of(context: ToolContext) -> str:
    """The line that tells a model what the names in the request are."""
    heard = _heard(context)
    return "" if heard is None else heading(*heard)


# --- what is meant ------------------------------------------------------------------------------------------


def chosen(
    house: House,
    *,
    name: str | None = None,
    area: str | None = None,
    floor: str | None = None,
    domains: Sequence[str] = (),
    device_class: str | None = None,
) -> list[Entity]:
    """The devices that a call means, in the house's order.

    Args:
        name: of a device; None or "all" for every one that the rest admits.
        domains: those that come into question; all when empty.

    Raises:
        ToolError: none; says what there is.
    """
    if name in (None, ALL) and not (area or floor or domains or device_class):
        raise ToolError("expected a name, an area, a floor or a domain, got none of them")
    found = list(house.entities) if name in (None, ALL) else house.entities_named(str(name))
    if not found:
        raise ToolError(f"name: expected a device of the house, got {name!r}")
    if area is not None:
        place = house.area_named(area)
        if place is None:
            valid = ", ".join(one.name for one in house.areas) or "none"
            raise ToolError(f"area: expected an area of the house, got {area!r}; valid: {valid}")
        found = [one for one in found if one.area and house.area_named(one.area) is place]
    if floor is not None:
        level = house.floor_named(floor)
        if level is None:
            valid = ", ".join(one.name for one in house.floors) or "none"
            raise ToolError(f"floor: expected a floor of the house, got {floor!r}; valid: {valid}")
        found = [one for one in found if house.floor_of(one) is level]
    if domains:
        found = [one for one in found if one.domain in domains]
    if device_class is not None:
        found = [one for one in found if one.device_class == device_class]
    if not found:
        said = (("name", name), ("area", area), ("floor", floor), ("device_class", device_class))
        wanted = ", ".join(f"{key} {value!r}" for key, value in said if value)
        raise ToolError(f"no {' or '.join(domains) or 'device'} with {wanted}" if wanted else
                        f"the house has no {' or '.join(domains)}")  # fmt: skip
    return found


# --- where it is done ---------------------------------------------------------------------------------------


class Home(Protocol):
    """Where the states of a house are."""

    house: House

    def state(self, entity: Entity) -> State: ...
    def do(self, deeds: Sequence[Deed]) -> None: ...


class RemoteHome:
    """A house of Home Assistant's."""

    def __init__(self, server: HomeAssistant, house: House) -> None:
        self.server, self.house = server, house

    def state(self, entity: Entity) -> State:
        state, attributes = self.server.state(entity.id)
        return State(state, dict(attributes))

    def do(self, deeds: Sequence[Deed]) -> None:
        together: dict[tuple[str, str, str], list[Deed]] = {}
        for deed in deeds:
            key = (deed.entity.domain, deed.service, json.dumps(deed.data, sort_keys=True))
            together.setdefault(key, []).append(deed)
        for (domain, service, _), of in together.items():
            entities = [deed.entity.id for deed in of]
            self.server.call(domain, service, {"entity_id": entities, **of[0].data})


class LocalHome:
    """A described house; its states stand in a file that a person can read.

    Args:
        content: of the file, changed in place.
    """

    def __init__(self, house: House, content: dict[str, Any]) -> None:
        self.house, self.content = house, content

    @property
    def timers(self) -> list[dict[str, Any]]:
        timers: list[dict[str, Any]] = self.content.setdefault("timers", [])
        return timers

    def items(self, of: str) -> list[str]:
        """The items of a list, by its entity's id."""
        items: list[str] = self.content.setdefault("lists", {}).setdefault(of, [])
        return items

    def state(self, entity: Entity) -> State:
        known = self.content.get("entities", {}).get(entity.id, {})
        return State(
            known.get("state", entity.first_state), {**entity.attributes, **known.get("attributes", {})}
        )

    def do(self, deeds: Sequence[Deed]) -> None:
        for deed in deeds:
            now = self.state(deed.entity)
            state, attributes = _after(deed, now)
            self.content.setdefault("entities", {})[deed.entity.id] = {
                "state": state,
                "attributes": attributes,
            }


_ENDS = {
    "turn_on": "on",
    "turn_off": "off",
    "open_cover": "open",
    "close_cover": "closed",
    "open_valve": "open",
    "close_valve": "closed",
    "lock": "locked",
    "unlock": "unlocked",
    "start": "cleaning",
    "return_to_base": "returning",
    "media_play": "playing",
    "media_pause": "paused",
    "play_media": "playing",
}
"""Service -> the state that it ends in."""


def _after(deed: Deed, now: State) -> tuple[str, dict[str, Any]]:
    data = dict(deed.data)
    state = _ENDS.get(deed.service, now.state)
    if "position" in data:
        state = "open" if data["position"] else "closed"
        data = {"current_position": data["position"]}
    if deed.service == "turn_on" and deed.entity.domain in ("scene", "script"):
        state = now.state
    return state, {**now.attributes, **data}


def effect() -> Effect:
    """What acting on the house is, as this process is configured: `external` with Home Assistant."""
    return "write" if HomeAssistant.configured() is None else "external"


def home_for(context: ToolContext) -> Home:
    """The house to read from.

    Raises:
        UserError: there is none; otherwise as `house_for`.
    """
    house = house_for(context)
    if house is None:
        raise UserError(
            "there is no house", hint=f"describe yours in {context.workspace / FILE}, see docs/experts.md"
        )
    server = None if "house" in context.given else HomeAssistant.configured()
    return RemoteHome(server, house) if server else LocalHome(house, _content(context))


def changed(context: ToolContext, act: Callable[[Home], Change], kind: type[Change]) -> Change:
    """Act on the house; on a described one, once for each idempotency key.

    Args:
        act: does it, and gives the call's result.
        kind: of that result.

    Raises:
        ToolError, UserError: as `home_for` and `act`.
    """
    home = home_for(context)
    if not isinstance(home, LocalHome):
        return act(home)
    path = inside(context.workspace, STATE_FILE)
    with locked(path):
        content = _content(context)
        ledger = Ledger(content.pop("done", ()))
        done = ledger.result_of(context.idempotency_key)
        if done is not None:
            return kind.model_validate(done)
        result = act(LocalHome(home.house, content))
        ledger.add(context.idempotency_key, result.model_dump())
        text = json.dumps({**content, "done": ledger.entries}, ensure_ascii=False, indent=1)
        write_whole(path, f"{text}\n".encode())
        return result


def _content(context: ToolContext) -> dict[str, Any]:
    path = inside(context.workspace, STATE_FILE)
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ToolError(f"{STATE_FILE} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ToolError(f"{STATE_FILE}: expected an object")
    return content
