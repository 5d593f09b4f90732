"""Houses as users write them, and the names of theirs that a request has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speeddial.errors import UserError
from speeddial.house import forms_of, heading, house_of, mentions, read_house, words_of

HOUSE = house_of(
    {
        "floors": [{"name": "Upper Floor", "id": "up"}],
        "areas": [
            {"name": "Study", "id": "study", "floor": "up"},
            {"name": "Кух(ня|не|ню)", "id": "kitchen"},
            {"name": "Гостиная"},
            {"name": "客厅"},
        ],
        "entities": [
            {"name": "Desk Lamp", "aliases": ["work light"], "id": "light.desk", "area": "study"},
            {"name": "Phone", "id": "binary_sensor.plug", "attributes": {"device_class": "plug"}},
            {"name": "My Phone", "id": "sensor.level", "attributes": {"device_class": "battery"}},
            {"name": "Ночная лампа", "id": "light.night", "area": "Гостиная"},
            {"name": "落地灯", "id": "light.floor", "area": "客厅"},
            {"name": "Vera", "id": "person.vera", "state": "Allotment"},
            {"name": "Door", "id": "binary_sensor.door", "state": {"in": "closed", "out": "off"}},
        ],
        "here": "Study",
    }
)


def named(text: str) -> list[tuple[str, str]]:
    return [(one.name, one.place) for one in mentions(HOUSE, text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("turn on the desk lamp", [("Desk Lamp", "")]),
        ("WORK LIGHT off", [("work light", "")]),
        ("lamps of the study", [("Study", "area")]),
        ("the studio", []),
        ("how much battery does my phone have", [("My Phone", "")]),
        ("is the phone plugged in", [("Phone", "")]),
        ("lights on the upper floor", [("Upper Floor", "floor")]),
        ("свет на кухне", [("Кухне", "area")]),
        ("свет в гостиной", [("Гостиная", "area")]),
        ("выключи ночную лампу", [("Ночная лампа", "")]),
        ("把客厅的落地灯打开", [("客厅", "area"), ("落地灯", "")]),
        ("is Vera at the allotment", [("Vera", ""), ("Allotment", "zone")]),
    ],
)
def test_names_are_found_in_any_case_ending_and_script(text: str, found: list[tuple[str, str]]) -> None:
    assert named(text) == found


def test_a_place_within_an_entity_s_name_is_not_spoken_of() -> None:
    house = house_of(
        {
            "areas": [{"name": "Bedroom"}, {"name": "Kitchen"}],
            "entities": [{"name": "Bedroom Lamp", "id": "light.one"}],
        }
    )

    def found(text: str) -> list[tuple[str, str]]:
        return [(one.name, one.place) for one in mentions(house, text)]

    assert found("turn on the bedroom lamp") == [("Bedroom Lamp", "")]
    assert found("bedroom lamp on in the bedroom") == [("Bedroom Lamp", ""), ("Bedroom", "area")]
    assert found("turn on the bedroom light") == [("Bedroom", "area")]
    # The lamps of the bedroom, maybe: with another ending it need not be the name.
    assert found("turn on the bedroom lamps") == [("Bedroom", "area"), ("Bedroom Lamp", "")]
    assert found("bedroom lamp and kitchen") == [("Bedroom Lamp", ""), ("Kitchen", "area")]


def test_a_name_written_so_is_not_another_one_s_other_ending() -> None:
    entities = [{"name": "Лампа", "id": "light.one"}, {"name": "Лампы", "id": "light.group"}]
    house = house_of({"entities": entities})
    for text, ids in (
        ("включи лампы", ["light.group"]),
        ("лампа включена?", ["light.one"]),
        ("включи лампу", ["light.one", "light.group"]),
    ):
        assert [entity.id for one in mentions(house, text) for entity in one.entities] == ids


def test_the_heading_says_what_the_names_are_and_where_the_speaker_is() -> None:
    said = heading(HOUSE, mentions(HOUSE, "is the phone in the study"))
    assert said == "Phone = binary_sensor plug; Study = area; here = Study"
    assert heading(house_of({}), []) == ""


def test_a_template_is_all_its_forms() -> None:
    assert forms_of("Кух(ня|не)") == ("Кухня", "Кухне")
    assert forms_of("(Зал[е]|Big [old ]Hall)") == ("Зал", "Зале", "Big Hall", "Big old Hall")
    assert forms_of("Пёс|пса") == ("Пёс", "пса")
    assert forms_of("odd (name") == ("odd (name",)
    assert len(forms_of("[a][b][c][d][e][f][g][h]")) == 64


@given(st.text(st.characters(exclude_characters="()[]|", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_name_that_has_words_is_found_in_a_text_that_has_it(name: str) -> None:
    house = house_of({"areas": [{"name": name}]})
    assert [one.name for one in mentions(house, f"go to {name} now")] == list(
        forms_of(name) if words_of(name) else ()
    )


@given(st.lists(st.sampled_from("ab(|)[] "), max_size=12).map("".join))
def test_brackets_in_any_order_are_read(template: str) -> None:
    assert all(isinstance(form, str) for form in forms_of(template))


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"entities": [{"name": "Lamp", "id": "lamp"}]}, "entities.0.id"),
        ({"areas": [{"id": "x"}]}, "areas.0.name"),
        ([], "the whole"),
    ],
)
def test_what_is_no_house_is_named(value: Any, fault: str) -> None:
    with pytest.raises(UserError, match=f"house: {fault}"):
        house_of(value)


def test_a_house_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    path.write_text('[[entities]]\nname = "Lamp"\nid = "light.lamp"\n', encoding="utf-8")
    assert read_house(path).entities[0].domain == "light"
    path.write_text("entities = 3", encoding="utf-8")
    with pytest.raises(UserError, match=r"house\.toml: entities"):
        read_house(path)
    path.write_text("[[", encoding="utf-8")
    with pytest.raises(UserError, match="expected a house in TOML"):
        read_house(path)


def test_states_and_floors_of_entities() -> None:
    assert HOUSE.entities_named("door")[0].first_state == "off"
    lamp = HOUSE.entities_named("the desk lamp") or HOUSE.entities_named("Desk Lamp")
    floor = HOUSE.floor_of(lamp[0])
    assert floor is not None and floor.name == "Upper Floor"
    assert HOUSE.floor_of(HOUSE.entities_named("Vera")[0]) is None
