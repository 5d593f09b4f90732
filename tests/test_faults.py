"""Our column of the fault table: every fault of every type, on every engine that it can come from."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

if str(Path(__file__).parents[1]) not in sys.path:
    sys.path.append(str(Path(__file__).parents[1]))  # benchmarks run from the repository's root, in no wheel

from benchmarks.faults import ours
from benchmarks.faults.environment import PeerRun
from benchmarks.faults.faults import FAULTS, TYPES, VALID, valid_call
from benchmarks.faults.outcome import Seen, letter
from benchmarks.faults.table import column_of, joined, markdown, notes
from benchmarks.faults.tools import TOOLS, fits

CALLS = [*map(valid_call, ours.FUNCTIONS), *FAULTS]

_EXAMPLE = re.compile(r", for example .*?(?=, got )")
"""The valid value in a message, which the reasons do without."""


def test_every_tool_has_a_valid_call_faults_and_a_name_in_the_table() -> None:
    assert len({fault.id for fault in CALLS}) == len(CALLS)
    assert set(ours.FUNCTIONS) == set(VALID) == set(TYPES) == {fault.tool for fault in FAULTS}


def test_the_page_shows_the_faults_as_they_are_now() -> None:
    page = (Path(__file__).parents[1] / "docs/faults.md").read_text(encoding="utf-8")
    rows = [line.split("` |")[0].removeprefix("| `") for line in page.splitlines() if line.startswith("| `")]
    assert rows == [fault.title for fault in FAULTS]


@pytest.mark.parametrize("way", ours.WAYS)
async def test_every_fault_is_rejected_with_its_reason_and_every_valid_call_runs(way: str) -> None:
    seen = await ours.observe(way, CALLS)
    column = column_of(seen, FAULTS)
    assert {tool: column[valid_call(tool).id] for tool in ours.FUNCTIONS} == dict.fromkeys(
        ours.FUNCTIONS, "ok"
    )
    assert {key: sign for key, sign in column.items() if sign not in ("R", "ok")} == {}
    told = {place: _EXAMPLE.sub("", observed.feedback or "") for place, observed in seen.items()}
    silent = [fault.id for fault in FAULTS if fault.reason not in told[fault.id]]
    assert silent == []


@pytest.mark.parametrize("way", ["vllm", "openai", "openai, strict subset", "ollama"])
@pytest.mark.parametrize("title", ours.SENT)
async def test_what_is_no_answer_is_an_error_and_runs_nothing(way: str, title: str) -> None:
    (seen,) = (await ours.observe(way, FAULTS[:1], ours.SENT[title])).values()
    assert seen.ran == ()
    assert re.search("not a chat completion|without text|streams its answer", seen.error)


def test_the_grammars_in_process_admit_every_valid_call_and_no_fault_but_those_left_to_the_check() -> None:
    admits = ours.grammars()["bytes"]
    assert ours.barred(map(valid_call, ours.FUNCTIONS), admits) == set()
    left = {fault.id for fault in FAULTS} - ours.barred(FAULTS, admits)
    assert left == {"price: tea twice", "remind: no day, though in the request", "remind: no repetition"}


# ---- the table can fail ----

WRONG = next(fault for fault in FAULTS if fault.title == 'n = "5"')


def test_a_framework_that_coerces_is_seen_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peers' harness on a planted framework: it reads with int() what the model said."""
    seen = _harness(monkeypatch, _coercing_agent)
    assert letter(WRONG, seen[WRONG.id]) == "C"
    column = column_of(seen, [WRONG])
    assert column == {valid_call("f").id: "ok", WRONG.id: "C"}
    table = markdown([WRONG], {"ours": joined([column, {**column, WRONG.id: "R"}])})
    assert "| C/R |" in table


async def test_a_check_that_coerced_would_show_in_our_column(monkeypatch: pytest.MonkeyPatch) -> None:
    from speeddial.contract.calls import CallsContract

    strict = CallsContract.parse

    def lax(self: CallsContract, text: str) -> Any:
        return strict(self, text.replace('"5"', "5"))

    monkeypatch.setattr(CallsContract, "parse", lax)
    seen = await ours.observe("scripted", [valid_call("f"), WRONG])
    assert column_of(seen, [WRONG])[WRONG.id] == "C"


SEEN = Seen(ran=({"n": "5"},))


@pytest.mark.parametrize(
    ("seen", "sign"),
    [
        (SEEN, "C"),
        (replace(SEEN, fits=False), "X"),
        (Seen(feedback="n: expected an integer"), "R"),
        (Seen(feedback=""), "R!"),
        (Seen(error="ValueError: no"), "R!"),
        (Seen(barred=True), "R"),
        (Seen(), "END"),
    ],
)
def test_letters_follow_from_what_was_seen(seen: Seen, sign: str) -> None:
    assert letter(WRONG, seen) == sign


def test_one_sentence_for_everything_is_no_reason() -> None:
    faults = [fault for fault in FAULTS if fault.tool in ("f", "say", "code", "scale")]
    seen = {fault.id: Seen(feedback="An error occurred.") for fault in faults}
    seen |= {valid_call(tool).id: SEEN for tool in ("f", "say", "code", "scale")}
    assert set(column_of(seen, faults).values()) == {"ok", "R!"}
    seen[WRONG.id] = Seen(feedback="5 is not of type 'integer'")
    assert column_of(seen, faults)[WRONG.id] == "R"


def test_a_dropped_key_is_told_apart_and_a_tool_without_a_valid_call_has_no_letters() -> None:
    dropped = next(fault for fault in FAULTS if fault.title == "unknown key")
    assert letter(dropped, SEEN) == "D"
    assert column_of({dropped.id: SEEN, valid_call("f").id: Seen(error="no")}, [dropped])[dropped.id] == "-"
    assert column_of(None, [dropped])[dropped.id] == "-"
    told = notes(
        {
            "one": PeerRun("1.0", {valid_call("f").id: Seen(error="no such\ntype")}),
            "two": PeerRun(why_not="gone"),
        }
    )
    assert "no such type" in told and "two: gone" in told


def test_types_are_compared_strictly() -> None:
    call = {"n": 5, "flag": True, "tags": [1], "mode": "a"}
    assert fits(TOOLS["f"], call)
    for wrong in ({"n": True}, {"n": 5.0}, {"tags": ["1"]}, {"tags": (1,)}, {"mode": "c"}, {"flag": 1}):
        assert not fits(TOOLS["f"], {**call, **wrong})
    assert fits(TOOLS["weigh"], {"x": float("nan")})
    assert not fits(TOOLS["paint"], {"color": "red", "level": 1})


def _coercing_agent(function: Any, url: str) -> None:
    from urllib.request import Request, urlopen

    messages: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for _ in range(2):
        body = json.dumps({"messages": messages}).encode()
        with urlopen(Request(f"{url}/v1/chat/completions", body)) as reply:
            message = json.load(reply)["choices"][0]["message"]
        for call in message.get("tool_calls", ()):
            arguments = json.loads(call["function"]["arguments"])
            messages += [
                message,
                {"role": "tool", "content": function(**{**arguments, "n": int(arguments["n"])})},
            ]


def _harness(monkeypatch: pytest.MonkeyPatch, ask: Any) -> dict[str, Seen]:
    import io
    import os

    from benchmarks.faults.harness import run

    calls = [
        {"id": fault.id, "tool": "f", "name": "f", "arguments": fault.spoken}
        for fault in (valid_call("f"), WRONG)
    ]
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(calls)))
    kept = os.dup(1)
    read, write = os.pipe()
    os.dup2(write, 1)
    os.close(write)
    try:
        run("pydantic", ask)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    with os.fdopen(read) as pipe:
        _, *lines = pipe.read().splitlines()
    return {key: Seen(**{**values, "ran": tuple(values["ran"])}) for key, values in map(json.loads, lines)}
