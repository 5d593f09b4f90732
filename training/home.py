"""Training and development data of the expert `home`, from Home Assistant's sentence templates.

    python -m training.home DATA OUT [--seed N] [--rows N]

DATA holds home_assistant_intents/, snips/ and clinc150/. OUT receives train.jsonl, and dev_en.jsonl,
dev_ru.jsonl and dev_zh.jsonl as cases for `speeddial eval home`. The same seed gives the same bytes. Every
row has a made-up house of its own, of which the model reads what the call path writes
(`speeddial.house.heading`).
"""

from __future__ import annotations

import random
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speeddial.house import House, Mention, folded, forms_of, heading, house_of, mentions
from training.home_names import (
    LANGUAGES,
    NUMBERS,
    POLITE,
    QUERIES,
    Name,
    area_name,
    entity_name,
    words,
)
from training.home_templates import Block, Slot, blocks, draw, value_of
from training.organizer import compact, read, write
from training.recipe import options

Json = dict[str, Any]
SYSTEM = "You are home. You control a house. Reply with one call as JSON."
ORDER = (
    *(
        "name",
        "area",
        "floor",
        "domain",
        "device_class",
        "state",
        "brightness",
        "color",
        "temperature",
        "position",
    ),
    *(
        "volume_level",
        "search_query",
        "media_class",
        "item",
        "message",
        "hours",
        "minutes",
        "seconds",
        "start_hours",
    ),
    *("start_minutes", "start_seconds", "conversation_command"),
)
"""Arguments in the order of the tools' signatures."""
SHARE = {"en": 0.4, "ru": 0.35, "zh-cn": 0.25}
REFUSALS = 0.05
NOT_HERE = "no such name in the house"
NOT_HOME = "not about the house"

_DOMAINS = {
    "HassLightSet": ("light",),
    "HassClimateGetTemperature": ("climate",),
    "HassClimateSetTemperature": ("climate",),
    "HassSetVolume": ("media_player",),
    "HassGetWeather": ("weather",),
    "HassVacuumStart": ("vacuum",),
    "HassVacuumReturnToBase": ("vacuum",),
    "HassSetPosition": ("cover",),
}
_SWITCHED = ("light", "light", "switch", "switch", "fan", "media_player", "climate", "cover")
_WATCHED = (
    "light",
    "switch",
    "fan",
    "media_player",
    "climate",
    "sensor",
    "sensor",
    "lock",
    "weather",
    "valve",
)
_TOLD_APART = (
    *("battery", "battery_charging", "connectivity", "plug", "presence", "update", "vibration", "running"),
    *("moisture", "heat", "safety"),
)
"""Classes of binary sensors that the words of a request tell apart, so that one name may have several."""
_WILDCARDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "timer_name": words("timers"),
    "shopping_list_item": words("items"),
    "todo_list_item": words("items"),
    "message": words("messages"),
    "timer_command": words("commands"),
    "zone": words("zones"),
}
ROUND = (1, 2, 5, 10, 15, 20, 25, 30, 40, 45, 50, 60, 75, 80, 90, 100)
"""Numbers that people say more often than others."""
_QUESTIONS = ("HassGet", "HassTimerStatus", "HassClimateGet")
_WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x30, 0x3A)} | {"%": "％", "?": "？"})


@dataclass
class Drawn:
    """One sentence with what was put into it."""

    text: str
    slots: Json
    house: Json
    named: bool
    """Whether words of this recipe's own stand in it."""
    numbers: list[int | float] = field(default_factory=list)


class Recipe:
    """Draws rows; see the module's first lines.

    Args:
        source: folder of home_assistant_intents.
        queries: names of songs, albums and films, for searches of media in English.
        seed: of all that is drawn.
    """

    def __init__(self, source: Path, queries: Sequence[str], seed: int) -> None:
        self.dice = random.Random(f"home-{seed}")
        self.queries = queries
        templates = read_json(source / "templates.json.xz")
        fixtures = read_json(source / "fixtures.json.xz")
        self.blocks = {language: list(blocks(templates, language)) for language in LANGUAGES}
        self.houses = {language: house_of(fixtures[language]) for language in LANGUAGES}
        self.taken = {
            folded(form)
            for house in self.houses.values()
            for name in [one.name for one in (*house.areas, *house.floors)]
            + [one.name for one in house.entities]
            for form in forms_of(name)
        }
        dev = read(source / "dev.jsonl.xz")
        self.dev = {language: [row for row in dev if row["lang"] == language] for language in LANGUAGES}
        self.said = {key(row["text"]) for rows in self.dev.values() for row in rows}
        self.sampled = {
            language: {key(row["text"]) for row in read(source / f"train_sampled_{language}.jsonl.xz")}
            for language in LANGUAGES
        }
        # Numbers of the test's sentences: with these, a sentence without a name could be one of them.
        self.numbers = {
            language: {int(said) for row in rows for said in re.findall(r"\d+", row["text"])}
            for language, rows in self.dev.items()
        }
        self.dropped: Counter[str] = Counter()

    # ---- one row ----

    def row(self, block: Block) -> Json | None:
        """A row of a block; None when what was drawn cannot be used."""
        dice = self.dice
        drawn = self.sentence(block)
        if drawn is None:
            return None
        language = block.language
        # The public samples hold no sentence of the tests; one without a name that is not among them could be
        # a test's, and gets words that those have not.
        new = {int(number) for number in drawn.numbers} - self.numbers[language]
        sure = drawn.named or bool(new) or key(drawn.text) in self.sampled[language]
        text, slots = self.styled(block, drawn, polite=dice.random() < 0.12 if sure else True)
        if key(text) in self.said:
            return self._drop("stands in the development part")
        if dice.random() < (0.8 if block.here else 0.45):
            drawn.house["here"] = area_name(language, dice).nominative
        house = house_of(drawn.house)
        found = mentions(house, text)
        if block.here and house.here:
            slots.setdefault("area", house.here)
        problem = self.bind(block, slots, found, house, text)
        if problem:
            return self._drop(problem)
        return row_of(house, text, block.intent, slots)

    def _drop(self, why: str) -> Json | None:
        self.dropped[why] += 1
        return None

    def bind(self, block: Block, slots: Json, found: Sequence[Mention], house: House, text: str) -> str:
        """Write names as the house does; returns why that cannot be."""
        for slot in ("area", "floor"):
            if slot in slots and slots[slot] != house.here:
                names = [one.name for one in found if one.place == slot]
                if slots[slot].nominative not in self.aliases(names, slot, house):
                    return f"{slot} not found"
                slots[slot] = next(
                    one for one in names if slots[slot].nominative in self.aliases([one], slot, house)
                )
        name = slots.get("name")
        if isinstance(name, Name):
            names = [one.name for one in found if not one.place and any(
                name.nominative == forms_of(entity.name)[0] for entity in one.entities)]  # fmt: skip
            if len(set(names)) != 1:
                return "name not found"
            slots["name"] = names[0]
        for slot in ("item", "message", "search_query", "conversation_command"):
            if slot in slots and slots[slot] not in text:
                return "words not found"
        return ""

    def aliases(self, names: Sequence[str], slot: str, house: House) -> set[str]:
        """The first forms of the places with these names."""
        every = house.areas if slot == "area" else house.floors
        return {forms_of(one.name)[0] for one in every if set(names) & set(forms_of(one.name))}

    def sentence(self, block: Block) -> Drawn | None:
        """The sentence as the template has it, lower case but for names."""
        dice, language = self.dice, block.language
        parts = draw(dice.choice(block.sentences), block.rules, dice)
        text, slots, named = "", dict(block.slots), False
        numbers: list[int | float] = []
        house: Json = {"areas": [], "floors": [], "entities": []}
        for part in parts:
            if isinstance(part, str):
                text += part
                continue
            if part.list in ("name", "area", "floor"):
                if part.list == "floor" and language != "en":
                    return None
                domain = self.domain_of(block) if part.list == "name" else ""
                chosen = self.name_for(language, part.list, domain)
                if chosen is None:
                    return None
                if part.list == "name" and language != "ru" and dice.random() < 0.2:
                    # "Bedroom lamp" is a name, and the bedroom is not asked for.
                    place = area_name(language, dice).nominative
                    chosen = Name.fixed(f"{place}{' ' if language == 'en' else ''}{chosen.nominative}")
                    house["areas"].append({"name": place, "id": "of_name"})
                slots[part.slot] = chosen
                text += self.cased(chosen, text, language)
                self.put(house, block, part.list, chosen, domain)
                named = True
                continue
            said, value = self.listed(block, part)
            if said is None:
                return None
            named = named or part.list in _WILDCARDS or part.list == "search_query"
            if part.list == "zone" and value != "home":
                house["entities"].append({"name": value, "id": "zone.place"})
            if isinstance(value, int | float) and "range" in block.lists.get(part.list, {}):
                numbers.append(value)
                named = named or not said[0].isdigit()
            slots[part.slot] = value
            text += said
        self.distract(house, block, slots, text)
        text = " ".join(text.split())
        if language == "zh-cn":
            text = re.sub(r"\s*([^\x00-\x7f]|(?<=\d)%)\s*", r"\1", text) if dice.random() < 0.9 else text
        return Drawn(text, slots, house, named, numbers)

    def name_for(self, language: str, kind: str, domain: str) -> Name | None:
        """A name that no test's house has; None when luck runs out."""
        dice = self.dice
        for _ in range(20):
            if kind == "floor":
                name = Name.fixed(dice.choice(words("floors")[language]))
            elif kind == "area":
                name = area_name(language, dice)
            else:
                name = entity_name(language, domain, dice)
            if not {folded(form) for form in name.forms} & self.taken:
                roll = dice.random()
                write = (
                    string.capwords if roll < 0.35 and language == "en" else _sentence if roll < 0.55 else str
                )
                return Name(
                    write(name.nominative),
                    write(name.accusative),
                    write(name.genitive),
                    write(name.prepositional),
                )
        return None

    def domain_of(self, block: Block) -> str:
        if block.domains:
            return self.dice.choice(block.domains)
        if block.intent in _DOMAINS:
            return self.dice.choice(_DOMAINS[block.intent])
        if block.intent.startswith("HassMedia"):
            return "media_player"
        usual = _WATCHED if block.intent == "HassGetState" else _SWITCHED
        return self.dice.choice([domain for domain in usual if domain not in block.not_domains])

    def put(self, house: Json, block: Block, kind: str, name: Name, domain: str) -> None:
        """Write a name into the house: with its cases, or its first form alone."""
        dice = self.dice
        written = (
            f"({'|'.join(name.forms)})" if len(name.forms) > 1 and dice.random() < 0.4 else name.nominative
        )
        if kind != "name":
            house[f"{kind}s"].append({"name": written, "id": f"{kind}_{len(house[f'{kind}s'])}"})
            return
        first = dice.choice(block.device_classes) if block.device_classes else ""
        classes = [
            first or (dice.choice(("door", "curtain", "shade", "window", "")) if domain == "cover" else "")
        ]
        watched = domain == "sensor" or (first and first in _TOLD_APART)
        if first and watched and dice.random() < (0.45 if domain == "sensor" else 0.3):
            others = _TOLD_APART if domain == "binary_sensor" else self.sensor_classes(block)
            classes += dice.sample(
                sorted(set(others) - {first}), dice.randint(1, 8 if domain == "sensor" else 4)
            )
            dice.shuffle(classes)
        for number, device_class in enumerate(classes):
            entity: Json = {"name": written, "id": f"{domain}.it_{number}"}
            if device_class:
                entity["attributes"] = {"device_class": device_class}
            house["entities"].append(entity)
        if watched and block.language == "ru" and dice.random() < 0.15:
            # A bed has a weight and shakes: a sensor of the other kind is called the same, written otherwise.
            house["entities"].append(self.twin(name, domain, block))

    def twin(self, name: Name, domain: str, block: Block) -> Json:
        write = str.lower if name.nominative[:1].isupper() else _sentence
        other = "binary_sensor" if domain == "sensor" else "sensor"
        others = _TOLD_APART if domain == "sensor" else self.sensor_classes(block)
        return {
            "name": write(name.nominative),
            "id": f"{other}.twin",
            "attributes": {"device_class": self.dice.choice(others)},
        }

    def sensor_classes(self, block: Block) -> list[str]:
        every = {item for other in self.blocks[block.language] if other.domains == ("sensor",)
                 for item in other.device_classes}  # fmt: skip
        return sorted(every)

    def distract(self, house: Json, block: Block, slots: Json, text: str) -> None:
        """Other things of the house, some of which share words with the request."""
        dice, language = self.dice, block.language
        for _ in range(dice.choice((0, 1, 2))):
            name = area_name(language, dice)
            house["areas"].append({"name": name.nominative, "id": f"other_{len(house['areas'])}"})
        if "area" not in slots and "garage" in text and dice.random() < 0.5:
            house["areas"].append({"name": "Garage", "id": "garage"})
        if query := slots.get("search_query"):
            # "Play The Office" is no request about the office, and a "tv show" none about the set.
            if dice.random() < 0.2:
                house["areas"].append({"name": query.split()[-1].title(), "id": "in_query"})
            if "name" not in slots and dice.random() < 0.3:
                house["entities"].append({"name": "TV", "id": "media_player.set"})
        # Asked about by a name, a thing may really be called so; or what is named is another thing.
        if dice.random() < (0.25 if "name" in slots else 0.35):
            for called, domain, device_class in GENERIC[language]:
                if dice.random() < 0.5:
                    house["entities"].append({"name": called, "id": f"{domain}.{device_class}",
                                              "attributes": {"device_class": device_class}})  # fmt: skip

    def cased(self, name: Name, before: str, language: str) -> str:
        """A name in the case that the words before it ask for, mostly."""
        dice = self.dice
        if language != "ru" or dice.random() < 0.25:
            return dice.choice((name.nominative, name.accusative)) if language == "ru" else name.nominative
        last = before.split()[-1] if before.split() else ""
        if last in ("в", "во", "на"):
            return name.prepositional
        if last in ("у", "с", "для", "яркость", "цвет", "положение", "громкость", "датчика", "сенсора"):
            return name.genitive
        return name.accusative if before else name.nominative

    def listed(self, block: Block, part: Slot) -> tuple[str | None, Any]:
        """What is said and meant for a slot of a list; None when the list is unknown."""
        dice, language = self.dice, block.language
        if part.list == "search_query":
            said = dice.choice(self.queries if dice.random() < 0.7 else QUERIES)
            return said, said
        if part.list in _WILDCARDS:
            said = dice.choice(_WILDCARDS[part.list][language])
            if part.list == "timer_name" and dice.random() < 0.5:
                said = dice.choice(words("items" if dice.random() < 0.3 else "objects")[language])
            elif part.list.endswith("_item") and dice.random() < 0.6:
                # Of a few dozen items a small model learns the words, and not where an item ends.
                blank = "" if language == "zh-cn" else " "
                said = blank.join(dice.choice(words(kind)[language]) for kind in ("verbs", "objects"))
            return said, said
        known = block.lists.get(part.list)
        if known is None or "wildcard" in known:
            return None, None
        if "values" in known:
            return value_of(dice.choice(known["values"]), dice)
        low, high = known["range"]["from"], known["range"]["to"]
        roll = dice.random()
        number: int | float = dice.randint(max(1, low), 24)
        if roll < 0.75:
            number = dice.randint(low, high) if roll < 0.5 else dice.choice(ROUND)
        if known["range"].get("type") == "temperature":
            number = dice.choice((number, dice.randint(15, 30)))
            if "fractions" in known["range"] and dice.random() < 0.2:
                number = number + 0.5
        said = NUMBERS[language].get(int(number), "") if number == int(number) else ""
        return (said if said and dice.random() < 0.1 else str(number)), number

    # ---- style ----

    def styled(self, block: Block, drawn: Drawn, *, polite: bool) -> tuple[str, Json]:
        """The sentence as people and speech recognisers write it, with the values that are copied from it."""
        dice, language = self.dice, block.language
        text, slots = drawn.text, dict(drawn.slots)
        front = ""
        if polite:
            front, back = dice.choice(POLITE[language])
            gap = "" if language == "zh-cn" else " "
            text = f"{front}{gap if front else ''}{text}{gap if back else ''}{back}"
        roll = dice.random()
        if roll < 0.45:
            text = text.lower()
        elif roll < 0.65:
            text = text[:1].upper() + text[1:]
        elif roll < 0.7:
            text = text.title() if language == "en" else text.lower()
        elif roll < 0.72:
            text = text.upper()
        if language == "ru" and dice.random() < 0.5:
            text = text.replace("ё", "е").replace("Ё", "Е")
        if block.intent.startswith(_QUESTIONS):
            text += "?" if dice.random() < 0.6 else ""
        elif front in ASKING and dice.random() < 0.6:
            text += "?"
        elif dice.random() < 0.12:
            text += dice.choice("..!")
        if language == "zh-cn" and dice.random() < 0.4:
            text = text.translate(_WIDE)
        for slot, value in slots.items():
            if slot in ("item", "message", "search_query", "conversation_command") or (
                slot == "name" and "Timer" in block.intent):  # fmt: skip
                slots[slot] = said_in(text, value)
        return text, slots

    # ---- rows without a template ----

    def refusal(self, language: str, strangers: Sequence[str]) -> Json:
        """A request that is not about the house, or names what it does not have."""
        dice = self.dice
        house: Json = {"areas": [{"name": area_name(language, dice).nominative}]}
        if dice.random() < 0.55:
            house["here"] = area_name(language, dice).nominative
        return row_of(house_of(house), dice.choice(strangers), "refuse", {"reason": NOT_HOME})

    def nevermind(self, language: str) -> Json:
        dice = self.dice
        house = house_of({"here": area_name(language, dice).nominative} if dice.random() < 0.55 else {})
        text = dice.choice(words("nevermind")[language])
        text = text[:1].upper() + text[1:] if dice.random() < 0.3 else text
        return row_of(house, text + dice.choice(("", "", ".", "!")), "HassNevermind", {})


_BINARY = "binary_sensor"
GENERIC: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "en": (
        *(("Fan", _BINARY, "running"), ("Light", _BINARY, "light"), ("Gas", _BINARY, "gas")),
        *(("Music", _BINARY, "sound"), ("Motion", _BINARY, "motion"), ("Motion sensor", _BINARY, "motion")),
        *(("Occupancy", _BINARY, "occupancy"), ("Phone", _BINARY, "battery"), ("Phone", _BINARY, "update")),
        *(("Smoke", _BINARY, "smoke"), ("Leak sensor", _BINARY, "moisture")),
    ),
    "ru": (
        *(("Свет", _BINARY, "light"), ("Окно", _BINARY, "window"), ("Музыка", _BINARY, "sound")),
        *(("Датчик", _BINARY, "motion"), ("Датчик", _BINARY, "occupancy"), ("Таймер", _BINARY, "running")),
        *(("Датчик протечки", _BINARY, "moisture"), ("Датчик света", "sensor", "illuminance")),
        *(("Датчик дыма", _BINARY, "smoke"), ("Датчик звука", _BINARY, "sound")),
    ),
    "zh-cn": (
        *(("灯", _BINARY, "light"), ("风扇", _BINARY, "running"), ("窗户", _BINARY, "window")),
        ("音乐", _BINARY, "sound"),
    ),
}
"""Sensors that are called like what a request may speak of."""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def said_in(text: str, value: str) -> str:
    """A value as the styled text writes it."""
    for said in (value, value.replace("ё", "е")):
        at = text.casefold().find(said.casefold())
        if at >= 0:
            return text[at : at + len(said)]
    wide = value.translate(_WIDE)
    return wide if wide in text else value


def row_of(house: House, text: str, name: str, slots: Mapping[str, Any]) -> Json:
    """A training row, as the call path writes it."""
    arguments = {slot: slots[slot] for slot in (*ORDER, "reason") if slot in slots}
    asked = "\n".join(line for line in (heading(house, mentions(house, text)), text) if line)
    said = (
        ("system", SYSTEM),
        ("user", asked),
        ("assistant", compact({"name": name, "arguments": arguments})),
    )
    return {"messages": [{"role": role, "content": content} for role, content in said]}


def key(text: str) -> str:
    """Sentences with the same key are the same but for case, blanks and marks."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    return re.sub(r"[\W_]+", "", plain)


def read_json(path: Path) -> Any:
    return read(path)[0]


ASKING = frozenset(["can you", "could you", "would you", "can you please", "можешь"])
"""Fronts of requests that look like questions, and are none."""
OFTEN = {
    "light": 3.0,
    "homeassistant": 1.5,
    "binary": 1.5,
    "sensor": 2.0,
    "cover": 2.4,
    "fan": 2.0,
    "person": 1.5,
    "todo": 2.5,
    "shopping": 2.0,
    "HassStartTimer": 2.0,
    "HassIncreaseTimer": 2.0,
    "HassMediaSearchAndPlay": 8.0,
}
"""How much more often than their templates say these stand in the rows."""
ABOUT_HOME = frozenset(
    [
        "smart_home",
        "timer",
        "weather",
        "time",
        "date",
        "shopping_list",
        "shopping_list_update",
        "todo_list",
        "todo_list_update",
        "play_music",
        "next_song",
        "change_volume",
        "alarm",
        "reminder",
        "reminder_update",
        "greeting",
        "goodbye",
        "cancel",
        "what_song",
        "no",
        "yes",
        "maybe",
        "repeat",
        "who_made_you",
        "what_can_i_ask_you",
        "are_you_a_bot",
        "where_are_you_from",
        "what_are_your_hobbies",
        "what_is_your_name",
        "thank_you",
    ],
)
"""Intents of CLINC150 that `home` serves, or that could be meant for it."""


def rows_of(recipe: Recipe, language: str, wanted: int, strangers: Sequence[str]) -> list[Json]:
    """That many different rows of a language, fewer where there are no more."""
    files: dict[str, list[Block]] = {}
    for block in recipe.blocks[language]:
        files.setdefault(block.file, []).append(block)
    # Blocks by the number of their templates; a file of many blocks by less than their sum, and lights,
    # timers and media, of which people speak most, by more.
    weights = {
        file: sum(len(one.sentences) ** 0.5 for one in of) ** 0.7
        * OFTEN.get(file.split("_")[0], 1)
        * OFTEN.get(of[0].intent, 1)
        for file, of in files.items()
    }
    dice, rows = recipe.dice, dict[str, Json]()
    for _ in range(wanted * 12):
        if len(rows) >= wanted:
            break
        roll = dice.random()
        if roll < REFUSALS and strangers:
            row: Json | None = recipe.refusal(language, strangers)
        elif roll < REFUSALS + 0.006:
            row = recipe.nevermind(language)
        else:
            file = dice.choices(list(weights), list(weights.values()))[0]
            of = files[file]
            row = recipe.row(dice.choices(of, [len(one.sentences) ** 0.5 for one in of])[0])
        if row is not None:
            rows.setdefault(row["messages"][1]["content"], row)
    return list(rows.values())


def case_of(row: Json, house: House, number: int) -> Json:
    """A test sentence as a case: of several right values the one that the house's names give.

    The public rows do not say in which area the speaker was; where the expected area does not stand in the
    sentence, it was that one.
    """
    found = {(one.place, one.name) for one in mentions(house, row["text"])}
    arguments: Json = {}
    given = house.model_dump(exclude_defaults=True)
    for slot in ORDER:
        if slot in row["slots"]:
            value = row["slots"][slot]
            values = [item.strip() if isinstance(item, str) else item for item in
                      (value if isinstance(value, list) else [value])]  # fmt: skip
            place = "" if slot == "name" else slot
            arguments[slot] = next((item for item in values if (place, item) in found), values[0])
    if "area" in arguments and ("area", arguments["area"]) not in found:
        given["here"] = arguments["area"]
    call = {"name": row["intent"], "arguments": arguments}
    return {"id": f"home-{row['lang']}-{number}", "input": row["text"], "house": given, "calls": [call]}


def main() -> None:
    given = options(__doc__, seed=7, rows=100_000)
    snips = read(given.data / "snips" / "train.jsonl.xz")
    names = ("track", "album", "artist", "playlist", "object_name", "movie_name")
    queries = sorted(
        {value for row in snips for slot, value, *_ in row["slots"] if slot in names and len(value) < 40}
    )
    recipe = Recipe(given.data / "home_assistant_intents", queries, given.seed)
    clinc = read(given.data / "clinc150" / "train.jsonl.xz")
    rows: dict[str, Json] = {}
    for language in LANGUAGES:
        wanted = int(given.rows * SHARE[language])
        own = [row["text"] for row in clinc if row["intent"] not in ABOUT_HOME] if language == "en" else []
        made = rows_of(recipe, language, wanted, [*own, *words("strangers")[language]])
        rows |= {f"home-{language}-{number}": row for number, row in enumerate(made)}
    identified = [{"id": identity, **row} for identity, row in rows.items()]
    recipe.dice.shuffle(identified)
    print(f"train.jsonl: {write(given.out / 'train.jsonl', identified)} rows")
    print("  left out:", dict(recipe.dropped))
    for language in LANGUAGES:
        cases = [
            case_of(row, recipe.houses[language], number) for number, row in enumerate(recipe.dev[language])
        ]
        file = f"dev_{language[:2]}.jsonl"
        print(f"{file}: {write(given.out / file, cases)} rows")


if __name__ == "__main__":
    main()
