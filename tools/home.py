"""Devices of a house, by Home Assistant's intents: what is turned, set, opened, asked for and cleaned.

Names in a call are names of the house that stand in the request: the grammar admits no others
(`speeddial.household`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from speeddial import OneOf, ToolContext, ToolError, tool
from speeddial.house import Entity
from speeddial.household import (
    Deed,
    Home,
    RemoteHome,
    areas,
    changed,
    chosen,
    effect,
    floors,
    home_for,
    names,
    spoken_of,
    states,
)

EFFECT = effect()

Name = Annotated[str, OneOf(names)]
Area = Annotated[str, OneOf(areas)]
Floor = Annotated[str, OneOf(floors)]
State = Annotated[str, OneOf(states)]
Percent = Annotated[int, Field(ge=0, le=100)]
Degrees = Annotated[float, Field(ge=-50, le=150)]
Domain = Literal[
    "binary_sensor",
    "climate",
    "cover",
    "fan",
    "light",
    "lock",
    "media_player",
    "person",
    "scene",
    "script",
    "sensor",
    "switch",
    "vacuum",
    "valve",
    "weather",
]
Color = Literal[
    "white", "black", "red", "orange", "yellow", "green", "blue", "purple", "brown", "pink", "turquoise"
]
DeviceClass = Literal[
    "apparent_power",
    "aqi",
    "atmospheric_pressure",
    "awning",
    "battery",
    "battery_charging",
    "blind",
    "carbon_dioxide",
    "carbon_monoxide",
    "cold",
    "connectivity",
    "current",
    "curtain",
    "damper",
    "data_rate",
    "data_size",
    "date",
    "distance",
    "door",
    "duration",
    "energy",
    "energy_storage",
    "frequency",
    "garage",
    "garage_door",
    "gas",
    "gate",
    "heat",
    "humidity",
    "illuminance",
    "irradiance",
    "light",
    "lock",
    "moisture",
    "monetary",
    "motion",
    "moving",
    "nitrogen_dioxide",
    "nitrogen_monoxide",
    "nitrous_oxide",
    "occupancy",
    "opening",
    "ozone",
    "ph",
    "plug",
    "pm1",
    "pm10",
    "pm25",
    "power",
    "power_factor",
    "precipitation",
    "precipitation_intensity",
    "presence",
    "pressure",
    "problem",
    "reactive_power",
    "running",
    "safety",
    "shade",
    "shutter",
    "signal_strength",
    "smoke",
    "sound",
    "sound_pressure",
    "speed",
    "sulphur_dioxide",
    "tamper",
    "temperature",
    "update",
    "vibration",
    "volatile_organic_compounds",
    "volatile_organic_compounds_parts",
    "voltage",
    "volume",
    "volume_storage",
    "water",
    "weight",
    "wind_speed",
    "window",
]

_TURNED = {
    "cover": ("open_cover", "close_cover"),
    "valve": ("open_valve", "close_valve"),
    "lock": ("lock", "unlock"),
    "vacuum": ("start", "return_to_base"),
    "scene": ("turn_on", ""),
    "script": ("turn_on", "turn_off"),
    **dict.fromkeys(
        [
            "automation",
            "climate",
            "fan",
            "humidifier",
            "input_boolean",
            "light",
            "media_player",
            "remote",
            "siren",
            "switch",
        ],
        ("turn_on", "turn_off"),
    ),
}
"""Domain -> the services that turn it on and off."""


class HomeChange(BaseModel):
    """What was done to the house."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    did: str
    names: list[str] = []
    resolved: dict[str, list[str]] = {}
    """The devices, by their ids."""

    def __str__(self) -> str:
        return f"{', '.join(self.names)}: {self.did}." if self.names else self.did


class HomeAnswer(BaseModel):
    """What the house says about itself."""

    produces: ClassVar[frozenset[str]] = frozenset({"text", "scalar"})

    text: str
    matched: list[str] = []
    """Names of the devices in the state that was asked for, or of all when none was."""
    unmatched: list[str] = []
    resolved: dict[str, list[str]] = {}

    def __str__(self) -> str:
        return self.text


def _do(context: ToolContext, deeds: list[Deed], did: str) -> HomeChange:
    result = HomeChange(
        did=did,
        names=list(dict.fromkeys(deed.entity.name for deed in deeds)),
        resolved={"entities": [deed.entity.id for deed in deeds]},
    )

    def act(home: Home) -> HomeChange:
        home.do(deeds)
        return result

    return changed(context, act, HomeChange)


def _turn(context: ToolContext, found: list[Entity], on: bool) -> HomeChange:
    known = [(one, _TURNED[one.domain][0 if on else 1]) for one in found if one.domain in _TURNED]
    deeds = [Deed(one, service) for one, service in known if service]
    if not deeds:
        kind = found[0].domain
        raise ToolError(f"{found[0].name} is a {kind}, which cannot be turned {'on' if on else 'off'}")
    said = list(dict.fromkeys(deed.service.replace("_", " ") for deed in deeds))
    return _do(context, deeds, ", ".join(said))


@tool(effect=EFFECT, name="HassTurnOn", preface=spoken_of)
def turn_on(
    context: ToolContext,
    name: Name | None = None,
    area: Area | None = None,
    floor: Floor | None = None,
    domain: Domain | None = None,
    device_class: DeviceClass | None = None,
) -> HomeChange:
    """Turn on, open, lock, activate or run.

    Args:
        name: of the device, or "all".
        area: where.
        floor: where.
        domain: what kind of device.
        device_class: of covers.
    """
    domains = [domain] if domain else []
    house = home_for(context).house
    found = chosen(house, name=name, area=area, floor=floor, domains=domains, device_class=device_class)
    return _turn(context, found, True)


@tool(effect=EFFECT, name="HassTurnOff", preface=spoken_of)
def turn_off(
    context: ToolContext,
    name: Name | None = None,
    area: Area | None = None,
    floor: Floor | None = None,
    domain: Domain | None = None,
    device_class: DeviceClass | None = None,
) -> HomeChange:
    """Turn off, close or unlock.

    Args:
        name: of the device, or "all".
        area: where.
        floor: where.
        domain: what kind of device.
        device_class: of covers.
    """
    domains = [domain] if domain else []
    house = home_for(context).house
    found = chosen(house, name=name, area=area, floor=floor, domains=domains, device_class=device_class)
    return _turn(context, found, False)


@tool(effect="read", name="HassGetState", preface=spoken_of)
def get_state(
    context: ToolContext,
    name: Name | None = None,
    area: Area | None = None,
    floor: Floor | None = None,
    domain: Domain | None = None,
    device_class: DeviceClass | None = None,
    state: State | None = None,
) -> HomeAnswer:
    """Say what state a device or person is in, or which are in a state.

    Args:
        name: of the device or person.
        area: where.
        floor: where.
        domain: what kind of device.
        device_class: what it measures or covers.
        state: the one that is asked about.
    """
    home = home_for(context)
    domains = [domain] if domain else []
    found = chosen(home.house, name=name, area=area, floor=floor, domains=domains, device_class=device_class)
    now = [(one, home.state(one)) for one in found]
    resolved = {"entities": [one.id for one in found]}
    if state is None:
        said = [f"{one.name}: {_with_unit(at.state, at.attributes)}" for one, at in now]
        return HomeAnswer(text="; ".join(said), matched=[one.name for one in found], resolved=resolved)
    wanted = state.casefold()
    matched = [one.name for one, at in now if at.state.casefold() == wanted]
    unmatched = [one.name for one, at in now if at.state.casefold() != wanted]
    who = f": {', '.join(matched)}" if matched else ""
    return HomeAnswer(
        text=f"{len(matched)} of {len(now)} {state}{who}",
        matched=matched,
        unmatched=unmatched,
        resolved=resolved,
    )


def _with_unit(state: str, attributes: dict[str, object]) -> str:
    unit = attributes.get("unit_of_measurement", "")
    return f"{state} {unit}".strip() or "no state"


@tool(effect=EFFECT, name="HassLightSet", preface=spoken_of)
def light_set(
    context: ToolContext,
    name: Name | None = None,
    area: Area | None = None,
    floor: Floor | None = None,
    brightness: Percent | None = None,
    color: Color | None = None,
) -> HomeChange:
    """Set the brightness or colour of lights.

    Args:
        name: of the light, or "all".
        area: where.
        floor: where.
        brightness: in percent.
        color: its colour.
    """
    if brightness is None and color is None:
        raise ToolError("expected a brightness or a color, got neither")
    found = chosen(home_for(context).house, name=name, area=area, floor=floor, domains=["light"])
    given = {"brightness_pct": brightness, "color_name": color}
    data = {key: value for key, value in given.items() if value is not None}
    said = [f"{brightness} %"] * (brightness is not None) + [color or ""] * (color is not None)
    return _do(context, [Deed(one, "turn_on", data) for one in found], ", ".join(said))


@tool(effect=EFFECT, name="HassSetPosition", preface=spoken_of)
def set_position(
    context: ToolContext,
    *,
    name: Name | None = None,
    area: Area | None = None,
    domain: Literal["cover", "valve"] | None = None,
    device_class: DeviceClass | None = None,
    position: Percent,
) -> HomeChange:
    """Set how far covers or valves are open.

    Args:
        name: of the cover or valve.
        area: where.
        domain: cover or valve.
        device_class: of covers.
        position: in percent; 100 is open.
    """
    domains = [domain] if domain else ["cover", "valve"]
    found = chosen(home_for(context).house, name=name, area=area, domains=domains, device_class=device_class)
    deeds = [Deed(one, f"set_{one.domain}_position", {"position": position}) for one in found]
    return _do(context, deeds, f"position {position} %")


@tool(effect="read", name="HassClimateGetTemperature", preface=spoken_of)
def get_temperature(context: ToolContext, name: Name | None = None, area: Area | None = None) -> HomeAnswer:
    """Say how warm it is in the house.

    Args:
        name: of the thermostat.
        area: where.
    """
    home = home_for(context)
    found = chosen(home.house, name=name, area=area, domains=["climate", "sensor"])
    for one in sorted(found, key=lambda entity: entity.domain):
        now = home.state(one)
        warm = now.attributes.get("current_temperature") if one.domain == "climate" else now.state
        if warm is not None and (one.domain == "climate" or one.device_class == "temperature"):
            return HomeAnswer(
                text=f"{one.name}: {warm}°", matched=[one.name], resolved={"entities": [one.id]}
            )
    raise ToolError("nothing there measures the temperature")


@tool(effect=EFFECT, name="HassClimateSetTemperature", preface=spoken_of)
def set_temperature(
    context: ToolContext,
    *,
    name: Name | None = None,
    area: Area | None = None,
    floor: Floor | None = None,
    temperature: Degrees,
) -> HomeChange:
    """Set the temperature of thermostats.

    Args:
        name: of the thermostat.
        area: where.
        floor: where.
        temperature: in degrees.
    """
    found = chosen(home_for(context).house, name=name, area=area, floor=floor, domains=["climate"])
    deeds = [Deed(one, "set_temperature", {"temperature": temperature}) for one in found]
    return _do(context, deeds, f"{temperature:g}°")


@tool(effect=EFFECT, name="HassVacuumStart", preface=spoken_of)
def vacuum_start(
    context: ToolContext, name: Name | None = None, area: Area | None = None, floor: Floor | None = None
) -> HomeChange:
    """Start a vacuum cleaner.

    Args:
        name: of the vacuum cleaner.
        area: what to clean.
        floor: what to clean.
    """
    found = chosen(home_for(context).house, name=name, area=area, floor=floor, domains=["vacuum"])
    return _do(context, [Deed(one, "start") for one in found], "cleaning")


@tool(effect=EFFECT, name="HassVacuumReturnToBase", preface=spoken_of)
def vacuum_return(context: ToolContext, name: Name | None = None, area: Area | None = None) -> HomeChange:
    """Send a vacuum cleaner back to its base.

    Args:
        name: of the vacuum cleaner.
        area: where it is.
    """
    found = chosen(home_for(context).house, name=name, area=area, domains=["vacuum"])
    return _do(context, [Deed(one, "return_to_base") for one in found], "back to its base")


@tool(effect="read", name="HassGetWeather", preface=spoken_of)
def get_weather(context: ToolContext, name: Name | None = None) -> HomeAnswer:
    """Say what the weather is like.

    Args:
        name: of the place.
    """
    home = home_for(context)
    one = chosen(home.house, name=name, domains=["weather"])[0]
    now = home.state(one)
    warm = now.attributes.get("temperature")
    degrees = "" if warm is None else f", {warm} {now.attributes.get('temperature_unit', '°')}"
    return HomeAnswer(
        text=f"{one.name}: {now.state}{degrees}", matched=[one.name], resolved={"entities": [one.id]}
    )


@tool(effect="read", name="HassGetCurrentDate")
def get_date(context: ToolContext) -> HomeAnswer:
    """Say today's date."""
    return HomeAnswer(text=f"{context.now:%A}, {context.now.date().isoformat()}")


@tool(effect="read", name="HassGetCurrentTime")
def get_time(context: ToolContext) -> HomeAnswer:
    """Say what time it is."""
    return HomeAnswer(text=f"{context.now:%H:%M}")


@tool(effect="read", name="HassNevermind")
def nevermind() -> HomeAnswer:
    """Do nothing: the user calls it off."""
    return HomeAnswer(text="Nothing done.")


@tool(effect="read", name="HassRespond")
def respond(context: ToolContext) -> HomeAnswer:
    """Answer a greeting or a question about this assistant."""
    home = home_for(context)
    where = "Home Assistant" if isinstance(home, RemoteHome) else "the house described in the workspace"
    return HomeAnswer(text=f"I act on {where}; nothing is heard or kept but the requests you give me.")
