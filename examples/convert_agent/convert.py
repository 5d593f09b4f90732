"""The story from its first request to the ledger, by real processes: an agent is converted to specialists.

    python -m examples.convert_agent.convert [DATA] --work FOLDER

DATA holds ``snips/`` and ``hwu64/``; without it, made-up requests of four tools take its place. Everything is
kept in the folder, so a story that was killed goes on where it was: what is done is found done. Options that
are not known here go to `speeddial flywheel`, as ``--margin 0.05`` does.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from examples.convert_agent.agent import answered
from examples.convert_agent.invented import REQUESTS, UNSEEN, invented
from examples.convert_agent.score import report, shown
from examples.convert_agent.story import Story, Turn

REPOSITORY = Path(__file__).resolve().parents[2]
SPEEDDIAL = (sys.executable, "-m", "speeddial")
KEY = "STORY_TEACHER_KEY"
"""Environment variable in which the proxy finds the large model's key; the agent never sees it."""


class Conversion:
    """One run of the story.

    Args:
        story: what is asked and answered.
        work: where all of it is kept.
        options: of `speeddial flywheel`, as words.
        told: takes a line when a phase begins or ends.
    """

    def __init__(
        self,
        story: Story,
        work: Path,
        *,
        options: Sequence[str] = (),
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.story, self.work, self.told = story, work, told
        self._options = tuple(options)
        self.project = work / "project"

    def run(self, *, compare: bool = True) -> dict[str, Any]:
        """Play what is left of the story; gives the report.

        Args:
            compare: whether the same model is trained again, on all that was recorded.
        """
        self.phase("tell", self.tell)
        self.phase("record", lambda: self.traffic("traffic"))
        self.phase("flywheel", self.flywheel)
        self.phase("replay", lambda: self.traffic("unseen"))
        self.phase("ledger", lambda: self._json("ledger", "--json"))
        if compare:
            self.phase("compare", self.compare)
        return self.phase("report", lambda: report(self.work))

    def phase(self, name: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """What a phase left, which is made unless it is there."""
        file = self.work / f"{name}.json"
        if not file.exists():
            self.told(f"{name} ...")
            began = time.perf_counter()
            made = {**make(), "seconds": round(time.perf_counter() - began, 1)}
            _written(file, json.dumps(made, indent=1))
            self.told(f"{name}: {made['seconds']} s")
        done: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return done

    # ---- phases ----

    def tell(self) -> dict[str, Any]:
        """Write down who asks what; the truth stands apart, and is read at the end only."""
        self.project.mkdir(parents=True, exist_ok=True)
        _written(self.project / "pyproject.toml", PROJECT)
        told = self.work / "story"
        told.mkdir(exist_ok=True)
        _written(told / "tools.json", json.dumps(self.story.tools))
        answers, truth = [], []
        for part, turns in (("traffic", self.story.traffic), ("unseen", self.story.unseen)):
            named = [(f"{part}-{number}", *row) for number, row in enumerate(self.story.answers(turns))]
            _rows(told / f"{part}.jsonl", ({"id": name, "text": turn.text} for name, turn, _, _ in named))
            answers += [{"text": turn.text, "call": call} for _, turn, call, _ in named]
            truth += [_true(name, turn, spoilt) for name, turn, _, spoilt in named]
        _rows(told / "answers.jsonl", answers)
        _rows(told / "truth.jsonl", truth)
        return {"traffic": len(self.story.traffic), "unseen": len(self.story.unseen)}

    def traffic(self, part: str) -> dict[str, Any]:
        """The agent at work on a part of the story, through the proxy."""
        told, out = self.work / "story", self.work / f"{part}.answers.jsonl"
        teacher = [sys.executable, "-m", "examples.convert_agent.teacher", str(told / "answers.jsonl")]
        teacher += ["--log", str(self.work / f"{part}.teacher.jsonl")]
        with serving(teacher, cwd=REPOSITORY, log=self.work / "teacher.log") as large:
            proxy = [*SPEEDDIAL, "serve", "--record", "--port", "0", "--to", large["base_url"]]
            proxy += ["--key-variable", KEY]
            key = {KEY: large["api_key"]}
            with serving(proxy, cwd=self.project, log=self.work / "proxy.log", **key) as small:
                agent = [sys.executable, "-m", "examples.convert_agent.agent", str(told / f"{part}.jsonl")]
                agent += ["--tools", str(told / "tools.json"), "--out", str(out)]
                two_lines = {"OPENAI_BASE_URL": small["base_url"], "OPENAI_API_KEY": small["api_key"]}
                run(agent, cwd=REPOSITORY, **two_lines)
        return {"requests": len(answered(out))}

    def flywheel(self) -> dict[str, Any]:
        """All its steps; what has passed serves all of its requests at once."""
        found = self._json("flywheel", "--workflow", "proxy", "--yes", "--json", *self._options)
        # A phase has seconds of its own.
        return {**found, "seconds of training": found["seconds"]}

    def compare(self) -> dict[str, Any]:
        command = [sys.executable, "-m", "examples.convert_agent.compare"]
        told: dict[str, Any] = json.loads(
            run([*command, str(self.work / "story" / "truth.jsonl")], cwd=self.project)
        )
        return told

    def _json(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run([*SPEEDDIAL, *words], cwd=self.project))
        return found


PROJECT = """\
[tool.speeddial]
workspace = "workspace"
machine_price = 0.1  # US dollars an hour, two cores

[tool.speeddial.licences]
# Under which the large model's answers come: SNIPS is CC0-1.0, HWU64 CC-BY-4.0.
large = "CC-BY-4.0"

[tool.speeddial.prices]
# US dollars per million tokens in and out, of a large model of 2026.
large = "1.25/10"
"""


def run(command: Sequence[str], *, cwd: Path, **more: str) -> str:
    """What a command writes to its output; its progress goes to ours.

    Raises:
        CalledProcessError: it failed.
    """
    found = subprocess.run(
        command, cwd=cwd, env=environment(more), stdout=subprocess.PIPE, check=True, text=True
    )
    return found.stdout


@contextmanager
def serving(command: Sequence[str], *, cwd: Path, log: Path, **more: str) -> Iterator[dict[str, str]]:
    """A server that prints its ``base_url`` and ``api_key``, until the block ends.

    Args:
        log: where all else goes that it says.
    """
    with log.open("a", encoding="utf-8") as said:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(more), stdout=subprocess.PIPE, stderr=said, text=True
        )
    assert process.stdout is not None
    try:
        pairs = [process.stdout.readline().strip().partition("=") for _ in range(2)]
        if not all(value for _, _, value in pairs):
            raise SystemExit(f"{command[2]} did not come up; {log} says why")
        yield {name: value for name, _, value in pairs}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        process.stdout.close()


def environment(more: Mapping[str, str]) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **more}


def _true(name: str, turn: Turn, spoilt: str) -> dict[str, Any]:
    return {"id": name, "text": turn.text, "call": turn.call, "intent": turn.intent, "spoilt": spoilt}


def _rows(file: Path, rows: Any) -> None:
    _written(file, "".join(json.dumps(row) + "\n" for row in rows))


def _written(file: Path, text: str) -> None:
    """Whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=0, help="of the traffic; 0 takes all there are")
    parser.add_argument("--unseen", type=int, default=0)
    parser.add_argument("--no-compare", action="store_true", help="do not train on the raw record as well")
    parser.add_argument("--json", action="store_true")
    options, words = parser.parse_known_args()
    if options.data is None:
        story: Story = invented(options.requests or REQUESTS, options.unseen or UNSEEN)
    else:
        story = Story.of(options.data, requests=options.requests, unseen=options.unseen)
    conversion = Conversion(
        story, options.work.resolve(), options=words, told=lambda line: print(line, file=sys.stderr)
    )
    found = conversion.run(compare=not options.no_compare)
    print(json.dumps(found, indent=1) if options.json else shown(found))


if __name__ == "__main__":
    main()
