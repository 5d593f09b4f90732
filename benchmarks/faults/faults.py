"""The faults: for every kind of type the texts of the wrong kind, and for the call as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Parts = dict[str, str]
"""Argument name -> its JSON text."""

VALID: dict[str, Parts] = {
    "f": {"n": "5", "flag": "true", "tags": "[1,2]", "mode": '"a"'},
    "weigh": {"x": "1.5"},
    "say": {"s": '"hello"', "note": '"loudly"'},
    "code": {"pin": '"AB-123"', "name": '"Anna"'},
    "scale": {"count": "7", "share": "0.5", "step": "10"},
    "paint": {"color": '"red"', "level": "1"},
    "limit": {"most": "7", "least": "null"},
    "find": {"key": '"abc"'},
    "go": {"point": "[1,2]"},
    "price": {"prices": '{"tea":3}'},
    "wind": {"winds": '{"north":3}'},
    "order": {"what": '{"item":"tea","count":2,"size":"S","to":{"street":"Elm","number":4}}'},
    "add": {"row": '{"name":"tea","value":1.5}'},
    "turn": {"page": '{"title":"One","number":1}'},
    "draw": {"shape": '{"kind":"circle","radius":1.5}'},
    "plant": {"tree": '{"label":"a","children":[{"label":"b"}]}'},
    "book": {"day": '"2028-02-29"'},
    "wake": {"at": '"07:30:00"'},
    "meet": {"start": '"2028-02-29T07:30:00"'},
    "wait": {"span": '"PT1H30M"'},
    "pay": {"amount": '"1.50"'},
    "fetch": {"uid": '"123e4567-e89b-42d3-a456-426614174000"'},
    "visit": {"url": '"https://example.com/"'},
    "mail": {"to": '"anna@example.com"'},
    "remind": {"who": '"Anna"', "when": '"tomorrow"', "often": '"every friday"'},
}
"""A valid call of each tool; one that a framework cannot even run says nothing about its faults."""

TYPES: dict[str, str] = {
    "f": "n: int, flag: bool, tags: list[int], mode: Literal['a', 'b']",
    "weigh": "x: float",
    "say": "s: str, note: str = ''",
    "code": "pin: str of a pattern, name: str of at most 5",
    "scale": "count: int 1 to 99, share: float 0 to 1, step: int in fives",
    "paint": "color: Enum, level: Literal[1, 2]",
    "limit": "most: int | None, least: int | None = None",
    "find": "key: int | str",
    "go": "point: tuple[int, int]",
    "price": "prices: dict[str, int]",
    "wind": "winds: dict[Literal['north', 'south'], int]",
    "order": "what: a Pydantic model in which another is nested",
    "add": "row: dataclass",
    "turn": "page: TypedDict",
    "draw": "shape: union of two models, told apart by kind",
    "plant": "tree: recursive model",
    "book": "day: date",
    "wake": "at: time",
    "meet": "start: datetime",
    "wait": "span: timedelta",
    "pay": "amount: Decimal",
    "fetch": "uid: UUID",
    "visit": "url: HttpUrl",
    "mail": "to: Email",
    "remind": "who: Phrase, when: DatePhrase, often: Repeat (copied strings, typed values)",
}
"""What each tool declares, for the reader of the table."""


@dataclass(frozen=True)
class Fault:
    """One way in which a call is wrong."""

    tool: str
    title: str
    arguments: str
    """Their text."""
    reason: str
    """What our message to the model must say."""
    name: str = ""
    """The tool that is called, where it is not `tool`."""
    around: Callable[[str], str] | None = None
    """What is made of the whole text; of the arguments' text where a protocol carries these apart."""
    drops: bool = False
    """Whether running it means that a key was dropped."""

    @property
    def id(self) -> str:
        return f"{self.tool}: {self.title}"

    @property
    def spoken(self) -> str:
        """The arguments as a chat protocol carries them."""
        return self.around(self.arguments) if self.around else self.arguments

    def text(self, form: str = "{}") -> str:
        """The whole call as our experts write it.

        Args:
            form: what a dialect wraps about a call, ``{}`` standing for it.
        """
        call = f'{{"name":{json.dumps(self.name or self.tool)},"arguments":{self.arguments}}}'
        call = form.replace("{}", call)
        return self.around(call) if self.around else call

    @property
    def place(self) -> str:
        """Where in the call it lies."""
        return self.reason.partition(":")[0]


def arguments_text(parts: Parts) -> str:
    """The arguments of a call."""
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in parts.items()) + "}"


def valid_call(tool: str) -> Fault:
    """What should run; it has no fault and hence no letter."""
    return Fault(tool, "a valid call", arguments_text(VALID[tool]), "")


def _wrong(tool: str, *rows: tuple[str, dict[str, str | None], str]) -> list[Fault]:
    """Faults of single arguments.

    Args:
        rows: title, what replaces valid arguments (None: nothing), and the reason, without its first
            ``arguments.`` or behind a ``=`` as it stands.
    """
    made = []
    for title, changes, reason in rows:
        parts = {**VALID[tool], **changes}
        text = arguments_text({name: part for name, part in parts.items() if part is not None})
        told = reason[1:] if reason.startswith("=") else f"arguments.{reason}"
        drops = "no such key" in reason or "each key once" in reason
        made.append(Fault(tool, title, text, told, drops=drops))
    return made


def _whole(title: str, around: Callable[[str], str], reason: str, **more: Any) -> Fault:
    return Fault("f", title, arguments_text(VALID["f"]), reason, around=around, **more)


_INTEGER = "expected an integer, for example 1"
_STRING = "expected a string"
_DAY = "expected a date YYYY-MM-DD"
_TIME = "expected a time HH:MM:SS"
_MOMENT = "expected a date and time YYYY-MM-DDTHH:MM:SS"
_SPAN = "expected an ISO 8601 duration"
_DECIMAL = "expected a decimal number"
_F = arguments_text(VALID["f"])

FAULTS: list[Fault] = [
    *_wrong(
        "f",
        ('n = "5"', {"n": '"5"'}, f'n: {_INTEGER}, got "5"'),
        ("n = 5.0", {"n": "5.0"}, f"n: {_INTEGER}, got 5.0"),
        ("n = true", {"n": "true"}, f"n: {_INTEGER}, got true"),
        ("n = null", {"n": "null"}, f"n: {_INTEGER}, got null"),
        ("n = [5]", {"n": "[5]"}, f"n: {_INTEGER}"),
        ("n = NaN", {"n": "NaN"}, "=value: expected a finite number, got NaN"),
        ("n = 1e999", {"n": "1e999"}, "=value: expected a finite number, got 1e999"),
        ("n of 5,000 digits", {"n": "9" * 5000}, "=value: expected a number of ordinary size"),
        ("n missing", {"n": None}, f"n: {_INTEGER}"),
        ('flag = "yes"', {"flag": '"yes"'}, "flag: expected true or false"),
        ('flag = "true"', {"flag": '"true"'}, "flag: expected true or false"),
        ("flag = 1", {"flag": "1"}, "flag: expected true or false"),
        ("flag = null", {"flag": "null"}, "flag: expected true or false"),
        ('tags = ["1","2"]', {"tags": '["1","2"]'}, f"tags[0]: {_INTEGER}"),
        ('tags = "[1,2]"', {"tags": '"[1,2]"'}, "tags: expected an array"),
        ("tags = 1", {"tags": "1"}, "tags: expected an array"),
        ('tags = {"0":1}', {"tags": '{"0":1}'}, "tags: expected an array"),
        ("tags = [1,null]", {"tags": "[1,null]"}, f"tags[1]: {_INTEGER}"),
        ('mode = "c"', {"mode": '"c"'}, "mode: expected one of the valid choices"),
        ('mode = "A"', {"mode": '"A"'}, "mode: expected one of the valid choices"),
        ('mode = "a "', {"mode": '"a "'}, "mode: expected one of the valid choices"),
        ("unknown key", {"extra": "1"}, "extra: expected no such key"),
        ("unknown key = null", {"extra": "null"}, "extra: expected no such key"),
        ("N for n", {"n": None, "N": "5"}, f"n: {_INTEGER}"),
    ),
    Fault("f", "n twice", '{"n":4,' + _F[1:], "n: expected each key once", drops=True),
    Fault("f", "no arguments", "{}", f"arguments.n: {_INTEGER}"),
    Fault("f", "arguments = null", "null", "arguments: expected an object"),
    Fault("f", "arguments as a string", json.dumps(_F), "arguments: expected an object"),
    Fault("f", "arguments in a list", f"[{_F}]", "arguments: expected an object"),
    Fault("f", "arguments by position", '[5,true,[1,2],"a"]', "arguments: expected an object"),
    Fault("f", "unknown tool", _F, "name: expected one of the valid choices", name="get_it"),
    _whole("JSON + prose after", lambda text: f"{text} I hope this helps!", "value: expected one JSON value"),
    _whole("prose before", lambda text: f"Here you are: {text}", "value: expected JSON from the first"),
    _whole("truncated JSON", lambda text: text[:-9], "value: expected complete JSON"),
    _whole("last bracket missing", lambda text: text[:-1], "value: expected complete JSON"),
    _whole(
        "fenced JSON", lambda text: f"```json\n{text}\n```", "value: expected bare JSON without a code fence"
    ),
    _whole("two objects", lambda text: f"{text}\n{text}", "value: expected one JSON value"),
    _whole("an empty text", lambda text: "", "value: expected one JSON value, got no text"),
    _whole("trailing comma", lambda text: f"{text[:-1]},}}", "value: expected valid JSON"),
    _whole("a comment", lambda text: f"{text[:-1]} // done\n}}", "value: expected valid JSON"),
    _whole("single quotes", lambda text: text.replace('"', "'"), "value: expected valid JSON"),
    _whole("True for true", lambda text: text.replace("true", "True"), "value: expected valid JSON"),
    _whole(
        "tags about it", lambda text: f"<tool_call>{text}</tool_call>", "value: expected JSON from the first"
    ),
    _whole("a byte order mark", lambda text: f"\ufeff{text}", "value: expected JSON from the first"),
    _whole("10,000 brackets", lambda text: "[" * 10_000, "value: expected"),
    *_wrong(
        "weigh",
        ('x = "1.5"', {"x": '"1.5"'}, "x: expected a number"),
        ('x = "1,5"', {"x": '"1,5"'}, "x: expected a number"),
        ("x = true", {"x": "true"}, "x: expected a number"),
        ("x = null", {"x": "null"}, "x: expected a number"),
        ("x = Infinity", {"x": "Infinity"}, "=value: expected a finite number"),
        ('x = "NaN"', {"x": '"NaN"'}, "x: expected a number"),
        ("x = -1e999", {"x": "-1e999"}, "=value: expected a finite number"),
        ("x = .5", {"x": ".5"}, "=value: expected valid JSON"),
    ),
    *_wrong(
        "say",
        ("s = 5", {"s": "5"}, f"s: {_STRING}"),
        ("s = true", {"s": "true"}, f"s: {_STRING}"),
        ("s = null", {"s": "null"}, f"s: {_STRING}"),
        ('s = ["a"]', {"s": '["a"]'}, f"s: {_STRING}"),
        ('s = {"text":"a"}', {"s": '{"text":"a"}'}, f"s: {_STRING}"),
        ("s missing", {"s": None}, f"s: {_STRING}"),
        ("note = 5, optional", {"note": "5"}, f"note: {_STRING}"),
        ("half a surrogate pair, escaped", {"s": '"\\ud800"'}, "=value: expected valid Unicode"),
        ("half a surrogate pair, bare", {"s": '"\ud800"'}, "=value: expected valid Unicode"),
        ("a bare line break in s", {"s": '"a\nb"'}, "=value: expected valid JSON"),
        ("an unknown escape in s", {"s": r'"a\'b"'}, "=value: expected valid JSON"),
    ),
    *_wrong(
        "code",
        ("pin off its pattern", {"pin": '"ab-123"'}, "pin: expected a string"),
        ("pin and a line break", {"pin": '"AB-123\\n"'}, "pin: expected a string"),
        ("pin in Arabic digits", {"pin": '"AB-١٢٣"'}, "pin: expected a string"),
        ("name too long", {"name": '"Annabel"'}, "name: expected at most 5 characters"),
    ),
    *_wrong(
        "scale",
        ("count = 0 (>= 1)", {"count": "0"}, f"count: {_INTEGER} >= 1"),
        ("count = 100 (<= 99)", {"count": "100"}, f"count: {_INTEGER} >= 1 and <= 99"),
        ('count = "7"', {"count": '"7"'}, f"count: {_INTEGER}"),
        ("share = 1.5 (<= 1)", {"share": "1.5"}, "share: expected a number"),
        ('share = "50%"', {"share": '"50%"'}, "share: expected a number"),
        ("step = 7 (times 5)", {"step": "7"}, f"step: {_INTEGER}"),
    ),
    *_wrong(
        "paint",
        ('color = "blue"', {"color": '"blue"'}, "color: expected one of the valid choices"),
        ('color = "RED", its name', {"color": '"RED"'}, "color: expected one of the valid choices"),
        ("color = 1", {"color": "1"}, "color: expected one of the valid choices"),
        ('level = "1"', {"level": '"1"'}, "level: expected one of the valid choices"),
        ("level = true", {"level": "true"}, "level: expected one of the valid choices"),
    ),
    *_wrong(
        "limit",
        ('most = "null"', {"most": '"null"'}, f"most: {_INTEGER} or null"),
        ('most = "7"', {"most": '"7"'}, f"most: {_INTEGER} or null"),
        ('most = ""', {"most": '""'}, f"most: {_INTEGER} or null"),
        ("most = false", {"most": "false"}, f"most: {_INTEGER} or null"),
        ("most missing", {"most": None}, f"most: {_INTEGER} or null"),
    ),
    *_wrong(
        "find",
        ("key = 5.5", {"key": "5.5"}, f"key: {_INTEGER} or a string"),
        ("key = true", {"key": "true"}, f"key: {_INTEGER} or a string"),
        ("key = null", {"key": "null"}, f"key: {_INTEGER} or a string"),
        ("key = [5]", {"key": "[5]"}, f"key: {_INTEGER} or a string"),
    ),
    *_wrong(
        "go",
        ("point = [1]", {"point": "[1]"}, "point: expected at least 2 items"),
        ("point = [1,2,3]", {"point": "[1,2,3]"}, "point: expected 2 items"),
        ('point = ["1","2"]', {"point": '["1","2"]'}, f"point[0]: {_INTEGER}"),
        ('point = "1,2"', {"point": '"1,2"'}, "point: expected an array"),
    ),
    *_wrong(
        "price",
        ('tea = "3"', {"prices": '{"tea":"3"}'}, f"prices.tea: {_INTEGER}"),
        ("tea = null", {"prices": '{"tea":null}'}, f"prices.tea: {_INTEGER}"),
        ("prices as a list of pairs", {"prices": '[["tea",3]]'}, "prices: expected an object"),
        ("prices as a string", {"prices": '"{\\"tea\\":3}"'}, "prices: expected an object"),
        ("tea twice", {"prices": '{"tea":3,"tea":4}'}, "=tea: expected each key once"),
    ),
    *_wrong(
        "wind",
        ("a key that is no choice", {"winds": '{"east":3}'}, "winds.east: expected no such key"),
        ('north = "3"', {"winds": '{"north":"3"}'}, f"winds.north: {_INTEGER}"),
    ),
    *_wrong(
        "order",
        (
            "count as a string",
            {"what": VALID["order"]["what"].replace("2", '"2"', 1)},
            f"what.count: {_INTEGER}",
        ),
        (
            "count below its bound",
            {"what": VALID["order"]["what"].replace("2", "0", 1)},
            f"what.count: {_INTEGER}",
        ),
        (
            "to.number as a string",
            {"what": VALID["order"]["what"].replace("4", '"4"')},
            f"what.to.number: {_INTEGER}",
        ),
        (
            "to.street missing",
            {"what": VALID["order"]["what"].replace('"street":"Elm",', "")},
            "what.to.street: exp",
        ),
        (
            "to.zip unknown",
            {"what": VALID["order"]["what"].replace("4", '4,"zip":1')},
            "what.to.zip: expected no such key",
        ),
        ("as a JSON string", {"what": json.dumps(VALID["order"]["what"])}, "what: expected an object"),
    ),
    Fault("order", "its fields not nested", VALID["order"]["what"], "arguments.what: expected an object"),
    *_wrong(
        "add",
        ('value = "1.5"', {"row": '{"name":"tea","value":"1.5"}'}, "row.value: expected a number"),
        ("value missing", {"row": '{"name":"tea"}'}, "row.value: expected a number"),
        ("unknown field", {"row": '{"name":"tea","value":1.5,"x":1}'}, "row.x: expected no such key"),
        ("as a list", {"row": '["tea",1.5]'}, "row: expected an object"),
    ),
    *_wrong(
        "turn",
        ('number = "1"', {"page": '{"title":"One","number":"1"}'}, f"page.number: {_INTEGER}"),
        ("number missing", {"page": '{"title":"One"}'}, f"page.number: {_INTEGER}"),
        ("unknown key", {"page": '{"title":"One","number":1,"x":1}'}, "page.x: expected no such key"),
    ),
    *_wrong(
        "draw",
        (
            "unknown kind",
            {"shape": '{"kind":"line","radius":1.5}'},
            "shape.kind: expected one of the valid choices",
        ),
        ("kind missing", {"shape": '{"radius":1.5}'}, "shape"),
        (
            "fields of the other kind",
            {"shape": '{"kind":"circle","side":1.5}'},
            "shape.radius: expected a number",
        ),
        (
            "fields of both kinds",
            {"shape": '{"kind":"circle","radius":1.5,"side":2.5}'},
            "shape.side: expected no such key",
        ),
        ('radius = "1.5"', {"shape": '{"kind":"circle","radius":"1.5"}'}, "shape.radius: expected a number"),
    ),
    *_wrong(
        "plant",
        (
            "a fault two levels down",
            {"tree": '{"label":"a","children":[{"label":5}]}'},
            "tree.children[0].label: exp",
        ),
        (
            "children as one node",
            {"tree": '{"label":"a","children":{"label":"b"}}'},
            "tree.children: expected an array",
        ),
        ("children = null", {"tree": '{"label":"a","children":null}'}, "tree.children: expected an array"),
    ),
    *_wrong(
        "book",
        ("30 February", {"day": '"2028-02-30"'}, f"day: {_DAY}"),
        ("29 February 2027", {"day": '"2027-02-29"'}, f"day: {_DAY}"),
        ("year 0000", {"day": '"0000-01-01"'}, f"day: {_DAY}"),
        ("2028-2-9", {"day": '"2028-2-9"'}, f"day: {_DAY}"),
        ("02/09/2028", {"day": '"02/09/2028"'}, f"day: {_DAY}"),
        ("a timestamp", {"day": "1835395200"}, f"day: {_DAY}"),
        ("a timestamp in a string", {"day": '"1835395200"'}, f"day: {_DAY}"),
        ("midnight of a day", {"day": '"2028-02-09T00:00:00"'}, f"day: {_DAY}"),
        ("a blank after it", {"day": '"2028-02-09 "'}, f"day: {_DAY}"),
    ),
    *_wrong(
        "wake",
        ("07:30:60", {"at": '"07:30:60"'}, f"at: {_TIME}"),
        ("24:00:00", {"at": '"24:00:00"'}, f"at: {_TIME}"),
        ("7:30 am", {"at": '"7:30 am"'}, f"at: {_TIME}"),
        ("seconds as a number", {"at": "27000"}, f"at: {_TIME}"),
    ),
    *_wrong(
        "meet",
        ("31 April", {"start": '"2028-04-31T07:30:00"'}, f"start: {_MOMENT}"),
        ("second 60", {"start": '"2028-04-30T07:30:60"'}, f"start: {_MOMENT}"),
        ("a day alone", {"start": '"2028-04-30"'}, f"start: {_MOMENT}"),
        ("a timestamp", {"start": "1835395200"}, f"start: {_MOMENT}"),
        ("a timestamp in a string", {"start": '"1835395200"'}, f"start: {_MOMENT}"),
    ),
    *_wrong(
        "wait",
        ("seconds as a number", {"span": "5400"}, f"span: {_SPAN}"),
        ("1:30", {"span": '"1:30"'}, f"span: {_SPAN}"),
        ("P1Y, of no certain length", {"span": '"P1Y"'}, f"span: {_SPAN}"),
    ),
    *_wrong(
        "pay",
        ("1,50", {"amount": '"1,50"'}, f"amount: {_DECIMAL}"),
        ("NaN", {"amount": '"NaN"'}, f"amount: {_DECIMAL}"),
        ("true", {"amount": "true"}, f"amount: {_DECIMAL}"),
    ),
    *_wrong(
        "fetch",
        ("one digit short", {"uid": '"123e4567-e89b-42d3-a456-42661417400"'}, "uid: expected a UUID"),
        ("a number", {"uid": "5"}, "uid: expected a UUID"),
    ),
    *_wrong(
        "visit",
        ("ftp", {"url": '"ftp://example.com/"'}, "url: expected an http"),
        ("no scheme", {"url": '"example.com"'}, "url: expected an http"),
        ("a blank in the host", {"url": '"https://exa mple.com/"'}, "url: expected an http"),
        ("a number", {"url": "5"}, "url: expected an http"),
    ),
    *_wrong(
        "mail",
        ("no @", {"to": '"anna.example.com"'}, "to: expected an e-mail address"),
        ("with a name", {"to": '"Anna <anna@example.com>"'}, "to: expected an e-mail address"),
    ),
    *_wrong(
        "remind",
        ("who, not in the request", {"who": '"Anne"'}, "who: expected"),
        ("who = 5", {"who": "5"}, "who: expected"),
        ("a day, not in the request", {"when": '"next tuesday"'}, "when: expected"),
        ("no day, though in the request", {"when": '"someday"'}, "=when: expected a date"),
        ("no repetition", {"often": '"tomorrow"'}, "=often: expected how often"),
    ),
]
