"""Training and development data of the caller: typed calls of tools that it has never seen.

    python -m training.caller DATA OUT [--tokens 3000000] [--seed N]

DATA holds sgd/, seal_tools/ and taskmaster4/. OUT receives caller_train.jsonl, half as many tokens in
caller_train_3.jsonl and caller_train_4.jsonl for later stages, most of them over tools composed by lot, and
development cases in the manner of the function-calling leaderboard, all over tools that no training row has:
dev_simple, dev_multiple, dev_parallel, dev_missing and dev_irrelevance.jsonl. The same seed gives the same
bytes. Rows of one toolset stand together, so that the trainer reads their opening once.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from training import caller_coffee, caller_generated, caller_seal, caller_sgd
from training.caller_catalogue import TRAIN, UNSEEN
from training.caller_composed import composed
from training.caller_rows import Definition, Row, training_row
from training.organizer import write
from training.recipe import options

SHARES = {"gen": 0.46, "sgd": 0.42, "seal": 0.08, "tm4": 0.04}
"""Of the rows; a source that has less gives all that it has."""
LATER_SHARES = {"composed": 0.55, "gen": 0.1, "sgd": 0.3, "seal": 0.05}
COMPOSED = 1500
"""Tools that are composed."""
CHARACTERS_OF_A_TOKEN = 3.5
"""Measured on these rows with the base's tokenizer."""
DEV_CASES = 200


def train_rows(data: Path, tokens: int, shares: Mapping[str, float], rng: random.Random) -> list[Row]:
    """Rows of about so many tokens in all, in groups of one toolset."""
    dialogues = caller_sgd.dialogues(data / "sgd", "train")
    numbers = caller_sgd.numbers_in(dialogues)
    wordings = caller_sgd.services(data / "sgd", "train", numbers)
    seal = list(caller_seal.rows(data / "seal_tools", rng, held_out=False))
    strangers = [
        caller_seal.public(tool)
        for name, tool in caller_seal.catalogue(data / "seal_tools").items()
        if not caller_seal.is_held(name)
    ]
    sources = {
        "gen": caller_generated.rows(TRAIN, strangers, 40_000, rng),
        "sgd": caller_sgd.rows("train", dialogues, wordings, rng, set(wordings[0])),
        "seal": iter(seal),
        "tm4": caller_coffee.rows(data / "taskmaster4", "train", rng),
        "composed": _composed(strangers, rng),
    }
    rows: list[Row] = []
    for source, share in shares.items():
        budget = tokens * share * CHARACTERS_OF_A_TOKEN
        for case in sources[source]:
            row = training_row(case)
            rows.append(row)
            budget -= sum(len(message["content"]) for message in row["messages"])
            if budget <= 0:
                break
    return rows


def _composed(strangers: Sequence[Definition], rng: random.Random) -> Iterator[Row]:
    yield from caller_generated.rows(
        composed(COMPOSED, rng), strangers, 40_000, rng, caller_generated.TALK_KINDS, talk=True
    )


def dev_cases(data: Path, rng: random.Random) -> dict[str, list[Row]]:
    """Cases by kind, over services, tools and specs that no training row has."""
    known = set(caller_sgd.services(data / "sgd", "train", set())[0])
    dialogues = caller_sgd.dialogues(data / "sgd", "dev")
    wordings = caller_sgd.services(data / "sgd", "dev", caller_sgd.numbers_in(dialogues))
    unseen = set(wordings[0]) - known
    held = [
        caller_seal.public(tool)
        for name, tool in caller_seal.catalogue(data / "seal_tools").items()
        if caller_seal.is_held(name)
    ]
    found = [
        *caller_sgd.rows("dev", dialogues, wordings, rng, unseen),
        *caller_seal.rows(data / "seal_tools", rng, held_out=True),
        *caller_generated.rows(UNSEEN, held, 1500, rng),
    ]
    kinds: dict[str, list[Row]] = defaultdict(list)
    for case in found:
        if _kind(case) == "multiple" and rng.random() < 0.5:
            # The called tool alone is as good a case, of the simple kind.
            called = case["calls"][0]["name"]
            case = {**case, "tools": [tool for tool in case["tools"] if tool["name"] == called]}
        kinds[_kind(case)].append(case)
    return {kind: _evenly(kinds[kind], rng) for kind in sorted(kinds)}


def _kind(case: Row) -> str:
    if len(case["calls"]) > 1:
        return "parallel"
    named = {"ask": "missing", "refuse": "irrelevance"}.get(case["calls"][0]["name"])
    return named or ("simple" if len(case["tools"]) == 1 else "multiple")


def _evenly(cases: list[Row], rng: random.Random) -> list[Row]:
    """A sample in which every source has as much of a part as it can."""
    by_source: dict[str, list[Row]] = defaultdict(list)
    for case in rng.sample(cases, len(cases)):
        by_source[case["source"].partition("-")[0]].append(case)
    picked: list[Row] = []
    while len(picked) < DEV_CASES and any(by_source.values()):
        for group in by_source.values():
            if group and len(picked) < DEV_CASES:
                picked.append(group.pop())
    return picked


def main() -> None:
    given = options(__doc__, tokens=3_000_000, seed=7)
    for name, tokens, shares, seed in (
        ("caller_train.jsonl", given.tokens, SHARES, given.seed),
        ("caller_train_3.jsonl", given.tokens // 2, LATER_SHARES, given.seed + 1),
        ("caller_train_4.jsonl", given.tokens // 2, LATER_SHARES, given.seed + 2),
    ):
        rows = train_rows(given.data, tokens, shares, random.Random(seed))
        write(given.out / name, rows)
        print(name, len(rows), "rows:", dict(Counter(row["source"] for row in rows)))
    for kind, cases in dev_cases(given.data, random.Random(given.seed)).items():
        write(given.out / f"dev_{kind}.jsonl", cases)
        print(kind, len(cases), dict(Counter(case["source"] for case in cases)))


if __name__ == "__main__":
    main()
