"""How often a model repairs a faulty call, over wordings of the feedback, on the embedded base and adapters.

    python -m benchmarks.repair [--cases N] [--models adapter,base,loose] [--out FILE.jsonl]

Gold calls of the experts' own cases get one fault each. The model is shown its request, the faulty call as
its own answer and the problems in one of the wordings, and answers again: `repaired` is the share of answers
that equal the gold call. Under the contract's grammar faults of type cannot come back; `loose` is the adapter
with a grammar of plain calls (any name, any JSON), where `valid` says how many answers pass the check at all.
`unhelped` is the answer to the request alone. All wordings see the same faults: they are compared in pairs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, product, zip_longest
from pathlib import Path
from typing import Any, TextIO

from speeddial.contract import CallsContract, Contract, problems_text, union_of_calls, write_json
from speeddial.contract.copied import words_of
from speeddial.errors import ContractViolation, Problem
from speeddial.expert import Expert
from speeddial.flywheel.cases import Case, read_cases
from speeddial.flywheel.evaluate import wilson
from speeddial.messages import Message
from speeddial.models import Request, load_model
from speeddial.project import Project
from speeddial.tool import ToolContext

Call = dict[str, Any]
MODEL = "embedded:smollm2-135m-instruct"
ANSWER_TOKENS = 128
LOOSE = Contract.from_schema(
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "arguments": {"type": "object"}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    },
    name="any call",
)


# ---- wordings: what the model reads after its faulty answer ----


def _bare(trial: Trial) -> list[Problem]:
    return [problem._replace(example="") for problem in trial.violation.problems]


def _list(trial: Trial) -> str:
    return f"Wrong:\n{problems_text(_bare(trial), trial.violation.example)}"


def _no_example(trial: Trial) -> str:
    return f"Wrong:\n{problems_text(_bare(trial))}"


def _request_again(trial: Trial) -> str:
    return f"{_no_example(trial)}\nAgain: {trial.case.input}"


def _all_again(trial: Trial) -> str:
    return f"{_list(trial)}\nAgain: {trial.case.input}"


def _value_again(trial: Trial) -> str:
    return f"Wrong:\n{problems_text(trial.violation.problems)}\nAgain: {trial.case.input}"


def _request_only(trial: Trial) -> str:
    return trial.case.input


def _sentence(trial: Trial) -> str:
    first = _bare(trial)[0]
    where = f"`{first.path}`" if first.path else "The answer"
    return f"{where} must be {first.expected}, not {first.got}. Reply with the corrected JSON only."


# `speeddial.call` said the first before this was measured, and says the one with a valid value since.
WORDINGS: dict[str, Callable[[Trial], str]] = {
    "problems and example": _list,
    "problems": _no_example,
    "problems, request again": _request_again,
    "problems, example, request again": _all_again,
    "problems with a valid value, request again": _value_again,
    "request again only": _request_only,
    "one sentence": _sentence,
}


# ---- faults: a gold call with one thing wrong, or None where it cannot have this one ----


def _strings(arguments: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(arguments, str):
        yield path, arguments
    elif isinstance(arguments, dict | list):
        items = arguments.items() if isinstance(arguments, dict) else enumerate(arguments)
        for key, item in items:
            yield from _strings(item, (*path, key))


def _with(call: Call, path: tuple[Any, ...], value: Any) -> Call:
    changed: Call = json.loads(write_json(call))
    place: Any = changed["arguments"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def _wrong_type(call: Call, random: random.Random) -> str | None:
    places = list(call["arguments"].items())
    if not places:
        return None
    key, value = random.choice(places)
    wrong = [value] if isinstance(value, str) else write_json(value)
    return write_json(_with(call, (key,), wrong))


def _missing_key(call: Call, random: random.Random) -> str | None:
    return write_json({"name": call["name"]})


def _unknown_key(call: Call, random: random.Random) -> str | None:
    arguments = call["arguments"]
    if not arguments:
        return None
    renamed = random.choice(list(arguments))
    return write_json(
        {**call, "arguments": {f"{key}_value" if key == renamed else key: v for key, v in arguments.items()}}
    )


def _wrong_name(call: Call, random: random.Random) -> str | None:
    return write_json({**call, "name": f"{call['name']}s"})


def _invented(call: Call, random: random.Random) -> str | None:
    """A word that the request does not have, as small models mend and invent names."""
    places = [(path, text) for path, text in _strings(call["arguments"]) if text.isascii() and len(text) > 3]
    if not places:
        return None
    path, text = random.choice(places)
    word = max(words_of(text), key=len)
    return write_json(_with(call, path, text.replace(word, f"{word[0]}{word[2:]}o", 1)))


def _cut_off(call: Call, random: random.Random) -> str | None:
    text = write_json(call)
    return text[: max(12, len(text) - random.randint(2, 12))]


FAULTS: dict[str, Callable[[Call, random.Random], str | None]] = {
    "wrong type": _wrong_type,
    "missing key": _missing_key,
    "unknown key": _unknown_key,
    "wrong tool name": _wrong_name,
    "invented value": _invented,
    "cut off": _cut_off,
}


@dataclass(frozen=True)
class Trial:
    """One case with one fault."""

    expert: Expert
    case: Case
    contract: CallsContract
    preface: str
    fault: str
    faulty: str
    violation: ContractViolation


def trials(project: Project, expert: Expert, most: int, seed: int) -> Iterator[Trial]:
    """Cases of an expert in random order, each with the fault that is due, where it is one for the check."""
    random_ = random.Random(seed)
    cases = list(read_cases(expert.folder / "cases.jsonl", expert.folder, frozenset(expert.unordered)))
    random_.shuffle(cases)
    names = list(FAULTS)
    made = 0
    for case in cases:
        gold = json.loads(case.expected)[0]
        if gold["name"] == "refuse" or made >= most:
            continue
        context = ToolContext(
            workspace=Path(), files={}, now=datetime(2026, 11, 22, 9, tzinfo=UTC), idempotency_key="",
            given=case.given, request=case.input,
        )  # fmt: skip
        tools = [project.tools[name] for name in expert.tools]
        contract = union_of_calls({tool.name: tool.contract_for(context) for tool in tools})
        bound = contract.bound(case.input, context)
        prefaces = [tool.preface(context) for tool in tools if tool.preface]
        for offset in range(len(names)):
            fault = names[(made + offset) % len(names)]
            faulty = FAULTS[fault](gold, random_)
            violation = _violation(bound, faulty) if faulty is not None else None
            if faulty is not None and violation is not None:
                made += 1
                preface = "".join(f"{line}\n" for line in prefaces if line)
                yield Trial(expert, case, bound, preface, fault, faulty, violation)
                break


def _violation(contract: CallsContract, text: str) -> ContractViolation | None:
    try:
        contract.parse(text)
    except ContractViolation as error:
        return error
    return None


async def answer(trial: Trial, tuned: bool, contract: Contract, said: Sequence[Message]) -> str:
    """What the model says to the request and what was said after it."""
    system = trial.expert.prompt if tuned else f"{trial.expert.prompt}\n{trial.contract.describe()}"
    messages = (Message("system", system), Message("user", trial.preface + trial.case.input), *said)
    adapter = trial.expert.adapter if tuned else None
    completion = await load_model(MODEL).complete(
        Request(messages, contract, adapter=adapter, max_tokens=ANSWER_TOKENS, timeout=600)
    )
    return completion.text


def judged(trial: Trial, text: str) -> tuple[bool, bool]:
    """Whether an answer passes the check, and whether it is the gold call."""
    try:
        call = trial.contract.parse(text)
    except ContractViolation:
        return False, False
    return True, trial.case.judge(call).exact


async def measure(
    project: Project, cases: int, seed: int, models: Sequence[str]
) -> AsyncIterator[dict[str, Any]]:
    """One row for each trial, model and wording; the experts take turns."""
    experts = [project.expert(name) for name in ("organizer", "tables")]
    pairs = zip_longest(*(trials(project, expert, cases, seed) for expert in experts))
    for trial, model in product(filter(None, chain.from_iterable(pairs)), models):
        contract = LOOSE if model == "loose" else trial.contract
        for wording, words in {"unhelped": None, **WORDINGS}.items():
            said: tuple[Message, ...] = ()
            if words is not None:
                said = (Message("assistant", trial.faulty), Message("user", words(trial)))
            text = await answer(trial, model != "base", contract, said)
            valid, exact = judged(trial, text)
            yield {
                "expert": trial.expert.name,
                "id": trial.case.id,
                "fault": trial.fault,
                "model": model,
                "wording": wording,
                "valid": valid,
                "exact": exact,
                "text": text,
            }


def share(rows: Sequence[dict[str, Any]], what: str) -> str:
    """``48 % (35 to 61)`` with Wilson's 95 % interval."""
    right = sum(row[what] for row in rows)
    low, high = wilson(right, len(rows))
    return f"{right / len(rows):.0%} ({low:.0%} to {high:.0%})" if rows else "-"


def lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The table, in Markdown."""
    yield "| expert | model | wording | n | valid | repaired | better, worse than the first wording |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    experts = dict.fromkeys(row["expert"] for row in rows)
    for model, expert in product(dict.fromkeys(row["model"] for row in rows), [*experts, "both"]):
        own = [row for row in rows if row["model"] == model and expert in (row["expert"], "both")]
        first = {row["id"]: row["exact"] for row in own if row["wording"] == next(iter(WORDINGS))}
        for wording in dict.fromkeys(row["wording"] for row in own):
            part = [row for row in own if row["wording"] == wording and row["id"] in first]
            better = sum(row["exact"] and not first[row["id"]] for row in part)
            worse = sum(first[row["id"]] and not row["exact"] for row in part)
            shares = f"{share(part, 'valid')} | {share(part, 'exact')}"
            yield f"| {expert} | {model} | {wording} | {len(part)} | {shares} | {better}, {worse} |"


async def run(project: Project, given: argparse.Namespace, out: TextIO) -> list[dict[str, Any]]:
    """All rows; each is written when it is there."""
    rows = []
    async for row in measure(project, given.cases, given.seed, given.models.split(",")):
        rows.append(row)
        print(write_json(row), file=out, flush=True)
        print(f"\r{len(rows)} answers", end="", file=sys.stderr)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=42, help="cases of each expert")
    parser.add_argument("--models", default="adapter,base,loose")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(os.devnull), help="one line for each answer")
    given = parser.parse_args()
    project = Project.load(Path(__file__).resolve().parents[1])
    with given.out.open("w", encoding="utf-8") as out:
        rows = asyncio.run(run(project, given, out))
    print("\n".join(lines(rows)))


if __name__ == "__main__":
    main()
