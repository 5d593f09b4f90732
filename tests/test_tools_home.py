"""The house's tools: a described house with its state file, and Home Assistant over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from home_assistant import TOKEN, Fake, home_assistant
from rooms import NOW, ROOT, Desk, project

from speeddial import homeassistant, household
from speeddial.errors import ContractViolation, ToolError, UserError
from speeddial.prepared import prepare
from speeddial.project import Project
from speeddial.tool import ToolContext, ToolResult

HOUSE = """
[[areas]]
name = "Study"

[[areas]]
name = "Гостиная"

[[entities]]
name = "Desk Lamp"
id = "light.desk"
area = "Study"
state = "off"

[[entities]]
name = "Торшер"
id = "light.torchere"
area = "Гостиная"
state = "off"

[[entities]]
name = "Blind"
id = "cover.blind"
area = "Study"
state = "closed"
attributes = { device_class = "blind" }

[[entities]]
name = "Heating"
id = "climate.heating"
area = "Study"
attributes = { current_temperature = 19.5 }

[[entities]]
name = "Radio"
id = "media_player.radio"
area = "Study"

[[entities]]
name = "Freezer"
id = "sensor.freezer"
state = "-18"
attributes = { device_class = "temperature", unit_of_measurement = "°C" }

[[entities]]
name = "Tools"
id = "todo.tools"

[[entities]]
name = "Oslo"
id = "weather.oslo"
state = "snowy"
attributes = { temperature = -4, temperature_unit = "°C" }
"""


class House(Desk):
    """Calls tools with the request that they were decoded from."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(workspace)
        self.given: dict[str, Any] = {}

    def say(self, request: str, tool: str, key: str | None = None, **arguments: Any) -> str:
        return self.called(request, tool, key, **arguments).text

    def called(self, request: str, tool: str, key: str | None = None, **arguments: Any) -> ToolResult:
        context = replace(self.context(key), request=request, given=self.given)
        return asyncio.run(self.tools[tool].run(arguments, context))

    @property
    def tools(self) -> Any:
        return project().tools

    def states(self) -> Any:
        path = self.workspace / household.STATE_FILE
        return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def house(tmp_path: Path) -> House:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "house.toml").write_text(HOUSE, encoding="utf-8")
    return House(workspace)


def test_a_lamp_is_turned_on_and_its_state_is_in_the_file(house: House) -> None:
    result = house.called("turn on the desk lamp", "HassTurnOn", name="Desk Lamp")
    assert result.text == "Desk Lamp: turn on."
    assert result.resolved == {"name": "Desk Lamp", "entities": ["light.desk"]} | {
        key: None for key in ("area", "floor", "domain", "device_class") if key in result.resolved
    }
    assert house.states()["entities"]["light.desk"]["state"] == "on"
    assert house.say("is the desk lamp on?", "HassGetState", name="Desk Lamp", state="on") == (
        "1 of 1 on: Desk Lamp"
    )


def test_the_same_call_again_gives_the_first_result_and_changes_nothing(house: House) -> None:
    said = house.say("set a timer for 5 minutes", "HassStartTimer", key="run-1", minutes=5)
    assert house.say("set a timer for 5 minutes", "HassStartTimer", key="run-1", minutes=5) == said
    assert len(house.states()["timers"]) == 1


def test_names_come_from_the_house_and_the_request_alone(house: House) -> None:
    with pytest.raises(ContractViolation, match="name: expected one of the valid choices"):
        house.say("turn on the desk lamp", "HassTurnOn", name="Торшер")
    assert house.say("включи свет в гостиной", "HassTurnOn", area="Гостиная", domain="light") == (
        "Торшер: turn on."
    )
    with pytest.raises(ToolError, match="expected a name, an area, a floor or a domain"):
        house.say("turn on", "HassTurnOn")
    with pytest.raises(ToolError, match="Freezer is a sensor, which cannot be turned off"):
        house.say("turn off the freezer", "HassTurnOff", name="Freezer")
    with pytest.raises(ToolError, match="no fan with area 'Study'"):
        house.say("fans off in the study", "HassTurnOff", area="Study", domain="fan")


def test_the_speakers_area_may_be_chosen(house: House) -> None:
    house.given = {"house": {"areas": [{"name": "Loft"}], "here": "Loft", "entities": [
        {"name": "Spot", "id": "light.spot", "area": "Loft"}]}}  # fmt: skip
    assert house.say("turn on the lights", "HassTurnOn", area="Loft", domain="light") == "Spot: turn on."


def test_light_position_climate_and_volume_are_set(house: House) -> None:
    house.say("desk lamp red, 40 %", "HassLightSet", name="Desk Lamp", brightness=40, color="red")
    house.say("blind to 30 %", "HassSetPosition", name="Blind", domain="cover", position=30)
    house.say("study to 21.5", "HassClimateSetTemperature", area="Study", temperature=21.5)
    house.say("radio to 25", "HassSetVolume", name="Radio", volume_level=25)
    kept = house.states()["entities"]
    assert kept["light.desk"] == {"state": "on", "attributes": {"brightness_pct": 40, "color_name": "red"}}
    assert (
        kept["cover.blind"]["state"] == "open" and kept["cover.blind"]["attributes"]["current_position"] == 30
    )
    assert kept["climate.heating"]["attributes"]["temperature"] == 21.5
    assert kept["media_player.radio"]["attributes"]["volume_level"] == 0.25
    assert house.say("how warm is the study", "HassClimateGetTemperature", area="Study") == "Heating: 19.5°"
    with pytest.raises(ToolError, match="expected a brightness or a color"):
        house.say("desk lamp", "HassLightSet", name="Desk Lamp")
    with pytest.raises(ContractViolation, match="brightness"):
        house.say("desk lamp 140", "HassLightSet", name="Desk Lamp", brightness=140)


def test_questions_are_answered_from_the_states(house: House) -> None:
    assert house.say("freezer?", "HassGetState", name="Freezer") == "Freezer: -18 °C"
    lights = house.called("which lights are on", "HassGetState", domain="light", state="on")
    assert lights.text == "0 of 2 on" and lights.value["unmatched"] == ["Desk Lamp", "Торшер"]
    assert house.say("weather in Oslo", "HassGetWeather", name="Oslo") == "Oslo: snowy, -4 °C"
    assert house.say("what day is it", "HassGetCurrentDate") == "Sunday, 2026-11-22"
    assert house.say("what time is it", "HassGetCurrentTime") == "14:00"
    assert house.say("never mind", "HassNevermind") == "Nothing done."


def test_timers_run_pause_change_and_end(house: House) -> None:
    house.say("timer for bread, 20 minutes", "HassStartTimer", name="bread", minutes=20)
    house.say("timer for 90 seconds", "HassStartTimer", seconds=90)
    with pytest.raises(
        ToolError, match="expected one timer, 2 are meant; there are: timer bread, timer 1 min 30 s"
    ):
        house.say("pause the timer", "HassPauseTimer")
    assert "22 min left" in house.say(
        "2 more minutes for bread", "HassIncreaseTimer", name="bread", minutes=2
    )
    assert "paused" in house.say("pause bread", "HassPauseTimer", name="bread")
    house.now = NOW + timedelta(minutes=5)
    assert house.say("how are the timers", "HassTimerStatus") == (
        "timer bread: 22 min left (paused); timer 1 min 30 s: over"
    )
    assert "21 min left" in house.say("1 less for bread", "HassDecreaseTimer", name="bread", minutes=1)
    assert "running" in house.say("resume bread", "HassUnpauseTimer", name="bread")
    assert house.say("cancel bread", "HassCancelTimer", name="bread") == "Timer bread: cancelled."
    assert house.say("cancel all timers", "HassCancelAllTimers") == "1 cancelled."
    with pytest.raises(ToolError, match="got none of them"):
        house.say("set a timer", "HassStartTimer")


def test_lists_media_and_announcements_are_kept(house: House) -> None:
    assert (
        house.say("nails on tools", "HassListAddItem", name="Tools", item="nails")
        == "nails added to Tools (1 now)."
    )
    assert "stands already" in house.say("Nails on tools", "HassListAddItem", name="Tools", item="Nails")
    with pytest.raises(ToolError, match="got 'glue'; valid: nails"):
        house.say("glue off tools", "HassListCompleteItem", name="Tools", item="glue")
    house.say("nails off tools", "HassListCompleteItem", name="Tools", item="nails")
    house.say("buy tea", "HassShoppingListAddItem", item="tea")
    house.say("tea is bought", "HassShoppingListCompleteItem", item="tea")
    house.say("broadcast lunch", "HassBroadcast", message="lunch")
    house.say(
        "play Kind of Blue on the radio", "HassMediaSearchAndPlay", name="Radio", search_query="Kind of Blue"
    )
    kept = house.states()
    assert kept["lists"] == {"todo.tools": [], "todo.shopping_list": []}
    assert kept["announced"] == [{"at": NOW.isoformat(timespec="seconds"), "message": "lunch"}]
    assert kept["entities"]["media_player.radio"]["attributes"]["media_title"] == "Kind of Blue"
    assert kept["entities"]["media_player.radio"]["state"] == "playing"


def test_without_a_house_the_user_is_told_what_to_do(tmp_path: Path) -> None:
    bare = House(tmp_path)
    with pytest.raises(UserError, match=r"describe yours in .*house\.toml"):
        bare.say("turn on the lamp", "HassTurnOn", name="lamp")


def test_a_broken_state_file_is_not_overwritten(house: House) -> None:
    (house.workspace / household.STATE_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(ToolError, match=r"house_state\.json is no JSON"):
        house.say("desk lamp on", "HassTurnOn", name="Desk Lamp")
    assert (house.workspace / household.STATE_FILE).read_text(encoding="utf-8") == "{"


def test_every_case_can_be_decoded_and_reads_the_names_once() -> None:
    expert = project().expert("home")
    lines = (ROOT / "experts/home/cases.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 60
    for line in lines[::6]:
        case = json.loads(line)
        context = ToolContext(ROOT, {}, NOW, "key", given={"house": case["house"]}, request=case["input"])
        prepared = asyncio.run(prepare(expert, context, project().tools))
        assert prepared.contract.check(case["calls"][0]) == []
        assert len(prepared.prefaces) <= 1


# --- Home Assistant -----------------------------------------------------------------------------------------


class Remote(House):
    """Tools of a project that was loaded with Home Assistant configured."""

    loaded: Project

    @property
    def tools(self) -> Any:
        return self.loaded.tools


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    with home_assistant() as fake:
        monkeypatch.setenv(homeassistant.SERVER, fake.url)
        monkeypatch.setenv(homeassistant.TOKEN, TOKEN)
        yield fake


@pytest.fixture
def remote(server: Fake, tmp_path: Path) -> Remote:
    desk = Remote(tmp_path)
    desk.loaded = Project(ROOT)
    return desk


def test_services_are_called_on_the_entities_that_are_meant(remote: Remote, server: Fake) -> None:
    assert remote.tools["HassTurnOn"].effect == "external" and remote.tools["HassTurnOn"].needs_approval
    assert remote.tools["HassGetState"].effect == "read"
    assert remote.say("turn on the desk lamp", "HassTurnOn", name="Desk Lamp") == "Desk Lamp: turn on."
    remote.say("all lights to 30 %", "HassLightSet", name="all", brightness=30)
    remote.say("blinds in the study to 50", "HassSetPosition", area="Study", domain="cover", position=50)
    remote.say("lights off on the upper floor", "HassTurnOff", floor="Upper Floor", domain="light")
    assert server.services == [
        ("light/turn_on", {"entity_id": ["light.desk"]}),
        ("light/turn_on", {"entity_id": ["light.desk", "light.porch"], "brightness_pct": 30}),
        ("cover/set_cover_position", {"entity_id": ["cover.blind"], "position": 50}),
        ("light/turn_off", {"entity_id": ["light.desk"]}),
    ]
    assert remote.say("is the desk lamp on", "HassGetState", name="Desk Lamp", state="on") == (
        "1 of 1 on: Desk Lamp"
    )
    assert not (remote.workspace / household.STATE_FILE).exists()


def test_what_only_home_assistant_can_do_is_left_to_it(remote: Remote, server: Fake) -> None:
    assert remote.say("add tea to the shopping list", "HassShoppingListAddItem", item="tea") == "Done it"
    remote.say("timer for 5 minutes", "HassStartTimer", minutes=5)
    remote.say("play jazz on the hi-fi", "HassMediaSearchAndPlay", name="Hi-Fi", search_query="jazz")
    assert server.intents == [
        {"name": "HassShoppingListAddItem", "data": {"item": "tea"}},
        {"name": "HassStartTimer", "data": {"minutes": 5}},
        {"name": "HassMediaSearchAndPlay", "data": {"name": "Hi-Fi", "search_query": "jazz"}},
    ]
    server.refuses = "timers are not supported on this device"
    with pytest.raises(ToolError, match="Home Assistant: timers are not supported"):
        remote.say("timer for 5 minutes", "HassStartTimer", minutes=5)


def test_a_given_house_is_not_home_assistants(remote: Remote, server: Fake) -> None:
    remote.given = {"house": {"entities": [{"name": "Spot", "id": "light.spot"}]}}
    remote.say("spot on", "HassTurnOn", name="Spot")
    assert server.services == [] and "light.spot" in remote.states()["entities"]


def test_faults_of_home_assistant_are_named(
    remote: Remote, server: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.breaks = 400
    with pytest.raises(ToolError, match="400 it broke"):
        remote.say("desk lamp on", "HassTurnOn", name="Desk Lamp")
    server.breaks = 500
    # Nobody knows what a service did before it broke: no ToolError, which would say that nothing happened.
    with pytest.raises(ConnectionError, match="500"):
        remote.say("desk lamp on", "HassTurnOn", name="Desk Lamp")
    server.breaks = 0
    monkeypatch.setattr(homeassistant, "SECONDS", 0.2)
    server.slow = 1.0
    with pytest.raises(TimeoutError, match="did not answer within"):
        remote.say("desk lamp on", "HassTurnOn", name="Desk Lamp")
    server.slow = 0.0
    del server.states["light.porch"]
    with pytest.raises(UserError, match=r"Home Assistant has no light\.porch"):
        remote.say("porch lamp?", "HassGetState", name="Porch Lamp")
    monkeypatch.setenv(homeassistant.TOKEN, "wrong")
    with pytest.raises(ToolError, match="does not accept the token") as refused:
        remote.say("desk lamp on", "HassTurnOn", name="Desk Lamp")
    assert "wrong" not in str(refused.value)


def test_a_server_that_is_not_there_or_half_configured_is_the_users_matter(
    remote: Remote, server: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(homeassistant.SERVER, "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached"):
        remote.say("desk lamp on", "HassTurnOn", name="Desk Lamp")
    monkeypatch.setenv(homeassistant.SERVER, "ftp://house")
    with pytest.raises(UserError, match="is no URL"):
        remote.say("desk lamp on", "HassTurnOn", name="Desk Lamp")
    monkeypatch.setenv(homeassistant.SERVER, server.url)
    monkeypatch.delenv(homeassistant.TOKEN)
    with pytest.raises(UserError, match="HASS_TOKEN is not"):
        remote.say("desk lamp on", "HassTurnOn", name="Desk Lamp")
