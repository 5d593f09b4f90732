"""What it costs to hold a string to the words of a text: as a pattern, and as the text's suffix automaton.

    python -m benchmarks.copied

The texts are the beginnings of this project's documentation. Compiling and masks are llguidance's, with the
embedded base's tokenizer; the walk is a span of eight words. The least of five rounds is given.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from llguidance import LLMatcher

from speeddial import Copied
from speeddial.contract import Contract, write_json
from speeddial.contract.copied import cut
from speeddial.contract.grammar import compiled
from speeddial.models.base_model import ensure_base
from speeddial.models.embedded import load_engine

WORDS = (10, 50, 150, 500, 1500, 3500)


def text_of(context: str) -> str:
    """The source: the context is the text."""
    return context


def least(work: Callable[[], Any], rounds: int = 5) -> float:
    """The least time of some rounds in ms."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


def main() -> None:
    tokenizer = load_engine(ensure_base()).guided.native
    pages = sorted((Path(__file__).resolve().parents[1] / "docs").glob("*.md"))
    words = re.findall(r"\S+", " ".join(page.read_text(encoding="utf-8") for page in pages))
    contract = Contract.of(Annotated[str, Copied(of=text_of)])
    print("| words and marks | form | kB | write and compile, ms | longest mask, ms | check, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for count in WORDS:
        text = " ".join(words[:count])
        span = " ".join(words[:count][count // 3 : count // 3 + 8])
        bound = contract.bound(context=text)
        check = least(lambda bound=bound, span=span: bound.check(span))  # type: ignore[misc]
        forms: dict[str, Callable[[], str]] = {
            "automaton": lambda text=text: contract.bound(context=text).grammar  # type: ignore[misc]
        }
        if "pattern" in bound.schema["$defs"]["x-copied-0"]:
            forms["pattern"] = lambda text=text: compiled(  # type: ignore[misc]
                contract.bound(context=text).schema, "pattern"
            )
        for name, write in forms.items():
            took = least(lambda write=write: LLMatcher(tokenizer, write(), log_level=0))  # type: ignore[misc]
            masks = []
            matcher = LLMatcher(tokenizer, write(), log_level=0)
            for token in tokenizer.tokenize_str(write_json(span)):
                masks.append(least(matcher.compute_bitmask, rounds=1))
                assert matcher.consume_token(token), (span, matcher.get_error())
            size = len(write()) / 1000
            row = f"| {len(cut(text))} | {name} | {size:.1f} | {took:.1f} | {max(masks):.1f} | {check:.2f} |"
            print(row)


if __name__ == "__main__":
    main()
