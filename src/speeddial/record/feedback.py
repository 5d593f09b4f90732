"""Feedback: what people say about a decode or a run, and the calls that would have been right.

    record.feedback.accept(interaction, by="ana")
    record.feedback.correct(interaction, {"name": "add", "arguments": {"a": 1, "b": 2}}, by="ana")

Feedback is a history: nothing is overwritten, several people may say several things. The newest `accept`
or `correct` of a decode is its verdict (`corrections`): a correction takes the place of the call in
exports, and an `accept` after it takes the correction back. Comments and labels change nothing there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from speeddial.contract import (
    CallsContract,
    Contract,
    SeveralCallsContract,
    parse_json,
    union_of_calls,
    write_json,
)
from speeddial.contract.foreign import second_opinion, well_formed
from speeddial.contract.schemas import hash_of, join
from speeddial.errors import ContractViolation, NotFound, Problem, UserError
from speeddial.messages import ASK, REFUSE, calls_in
from speeddial.record.database import Database
from speeddial.record.rows import RUNNING, moment

Verdict = Literal["accept", "correct", "comment", "label"]
MOST_LABEL = 80
"""Characters of a label: it is a word to filter by, not a text."""

_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class FeedbackRow:
    """What one person said once."""

    id: int
    run: str
    interaction: int | None
    """None when it is about the run's answer."""
    verdict: Verdict
    call: dict[str, Any] | None
    """The right call (or plan), as it was stored; for `correct` only."""
    label: str
    text: str
    by: str
    """Who said it; empty when nobody told."""
    created_ns: int

    def as_dict(self) -> dict[str, Any]:
        """JSON form, with the time in ISO 8601."""
        body = asdict(self)
        created = moment(body.pop("created_ns")).isoformat(timespec="microseconds")
        return {**body, "created": created.replace("+00:00", "Z")}


class Feedback:
    """The feedback of one record; made by `Record.feedback`.

    All writing methods take an interaction's id and raise NotFound when it is not on record, RecordError
    when the row could not be written. What is written is redacted like all else, `by` included.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, interaction: int | None, *, run: str = "", by: str = "", text: str = "") -> FeedbackRow:
        """Say that a decode, a tool's result or a run's answer is right.

        Args:
            interaction: None for the answer of `run`.

        Raises:
            UserError: it has not ended, or is a decode without a valid call: there is nothing to accept.
        """
        if interaction is not None:
            row = self._ended(interaction)
            if row["kind"] != "tool" and row["parsed"] is None:
                raise UserError(
                    f"interaction {interaction} gave no valid call ({row['status']})",
                    hint="correct it with the call that would have been right",
                )
        return self._write(interaction, run, "accept", text=text, by=by)

    def correct(
        self,
        interaction: int,
        call: Mapping[str, Any],
        *,
        by: str = "",
        text: str = "",
        tools: Mapping[str, Contract] | None = None,
    ) -> FeedbackRow:
        """Say what the right call would have been; it takes the decode's place in training data.

        Args:
            call: ``{"name", "arguments"}``, the refusal included; a plan for a planner's decode.
            tools: the project's own contracts by tool; one is held against the call as well where the tool
                is still as it was recorded. They know validators that no schema tells.

        Returns:
            the row with the call as it was stored: redacted, its keys in the schema's order.

        Raises:
            ContractViolation: the call breaks the contract that the model was held to, or does so once its
                secrets are taken out; nothing was written.
            UserError: no decode, one that has not ended, or one whose contract is not on record.
        """
        row = self._ended(interaction)
        if row["kind"] == "tool":
            hint = f"correct the decode that called it: {row['parent']}" if row["parent"] else ""
            raise UserError(f"interaction {interaction} ran a tool, it decoded nothing", hint=hint)
        checked = self._checked(row, _as_json(call), tools or {})
        columns, _ = self._database.seal({"call": checked}, ("call",))
        redacted = json.loads(columns["call"])
        if redacted != checked:
            redacted = self._checked(row, redacted, tools or {})
        return self._write(interaction, "", "correct", call=redacted, text=text, by=by)

    def comment(self, interaction: int | None, text: str, *, run: str = "", by: str = "") -> FeedbackRow:
        """Say anything about an interaction, or about the answer of `run`.

        Raises:
            UserError: the text is empty.
        """
        if not text.strip():
            raise UserError("the comment is empty", hint="say something")
        return self._write(interaction, run, "comment", text=text, by=by)

    def label(
        self, interaction: int | None, label: str, *, run: str = "", by: str = "", text: str = ""
    ) -> FeedbackRow:
        """Mark an interaction, or the answer of `run`, with a word of your own to find it by.

        Raises:
            UserError: the label is empty, longer than `MOST_LABEL` characters, or of several lines.
        """
        word = label.strip()
        if not word or len(word) > MOST_LABEL or not word.isprintable():
            raise UserError(
                f"{label[:MOST_LABEL]!r} cannot be a label",
                hint=f"give one line of 1 to {MOST_LABEL} characters",
            )
        return self._write(interaction, run, "label", label=word, text=text, by=by)

    # ---- reading ----

    def of(self, interaction: int) -> list[FeedbackRow]:
        """What was said about one interaction, oldest first."""
        return self.of_interactions((interaction,)).get(interaction, [])

    def of_run(self, run: str) -> list[FeedbackRow]:
        """What was said about a run, its answer and its interactions, oldest first."""
        rows = self._database.read("SELECT * FROM feedback WHERE run = ? ORDER BY id", (run,))
        return [_row(row) for row in rows]

    def of_interactions(self, interactions: Iterable[int]) -> dict[int, list[FeedbackRow]]:
        """What was said about many interactions, oldest first; those without any are left out."""
        found: dict[int, list[FeedbackRow]] = {}
        for some, marks in _batches(interactions):
            for row in self._database.read(
                f"SELECT * FROM feedback WHERE interaction IN ({marks}) ORDER BY id", some
            ):
                found.setdefault(row["interaction"], []).append(_row(row))
        return found

    def corrections(self, interactions: Iterable[int]) -> dict[int, dict[str, Any]]:
        """The right call of each interaction whose newest verdict is a correction."""
        found: dict[int, dict[str, Any]] = {}
        for some, marks in _batches(interactions):
            for row in self._database.read(
                f"SELECT interaction, call FROM feedback WHERE interaction IN ({marks})"
                " AND verdict = 'correct' AND id = (SELECT max(id) FROM feedback AS newer"
                " WHERE newer.interaction = feedback.interaction AND newer.verdict IN ('accept', 'correct'))",
                some,
            ):
                found[row["interaction"]] = json.loads(row["call"])
        return found

    # ---- inside ----

    def _ended(self, interaction: int) -> Any:
        rows = self._database.read(
            "SELECT run, kind, parent, status, parsed, tools, schema FROM interactions WHERE id = ?",
            (interaction,),
        )
        if not rows:
            raise _no_interaction(interaction)
        if rows[0]["status"] == RUNNING:
            raise UserError(f"interaction {interaction} has not ended", hint="wait for it, or comment on it")
        return rows[0]

    def _checked(self, row: Any, call: Any, tools: Mapping[str, Contract]) -> dict[str, Any]:
        """`call` with its keys in the schema's order, when it satisfies what is on record."""
        definitions = self._content(row["tools"])
        if definitions:
            return _checked_call(call, definitions, tools)
        schema = self._content(row["schema"])
        if schema is None:
            raise UserError(
                "no tools and no schema are on record for this decode, so nothing says what would be right",
                hint="comment on it instead",
            )
        return _checked_value(call, schema)

    def _content(self, name: str | None) -> Any:
        rows = self._database.read("SELECT body FROM contents WHERE hash = ?", (name,)) if name else []
        return json.loads(rows[0]["body"]) if rows else None

    def _write(self, interaction: int | None, run: str, verdict: Verdict, **values: Any) -> FeedbackRow:
        columns, counts = self._database.seal(
            {"call": None, "label": "", "text": "", **values}
            | {"interaction": interaction, "verdict": verdict, "created_ns": time.time_ns()},
            ("call",),
        )
        columns["author"] = columns.pop("by")
        columns["redactions"] = json.dumps(counts)
        with self._database.writing() as db:
            columns["run"] = self._run_of(interaction, run)
            number = self._database.insert(db, "feedback", columns)
        return _row({**columns, "id": number})

    def _run_of(self, interaction: int | None, run: str) -> str:
        """The run that feedback belongs to, inside the transaction that writes it."""
        if interaction is None:
            if not self._database.read("SELECT 1 FROM runs WHERE id = ?", (run,)):
                raise NotFound(f"there is no run {run!r} on record", hint="`speeddial trace list` shows them")
            return run
        rows = self._database.read("SELECT run FROM interactions WHERE id = ?", (interaction,))
        if not rows:
            raise _no_interaction(interaction)
        return str(rows[0]["run"])


def _no_interaction(interaction: int) -> NotFound:
    return NotFound(
        f"there is no interaction {interaction} on record", hint="`speeddial show RUN` prints their numbers"
    )


def _as_json(call: Mapping[str, Any]) -> Any:
    """`call` as a decoder would have given it: JSON types only, numbers finite, nothing shared."""
    try:
        return parse_json(write_json(dict(call)))
    except (TypeError, ValueError) as error:
        raise ContractViolation([Problem("", "a call as JSON", str(error))]) from None


def _checked_call(
    call: Any, definitions: Sequence[Mapping[str, Any]], tools: Mapping[str, Contract]
) -> dict[str, Any]:
    schemas = {str(item["name"]): item.get("parameters") or {} for item in definitions}
    recorded = {name: Contract.from_schema(schema, name=name) for name, schema in schemas.items()}
    contract: CallsContract
    if ASK in recorded:
        contract = SeveralCallsContract(recorded)
    else:
        contract = union_of_calls(recorded, refuse=REFUSE not in recorded)
    written: dict[str, Any] = contract.load(call).as_dict()
    for one in calls_in(written) or ():
        name, arguments = one["name"], one["arguments"]
        problems: list[Problem] = []
        if name in schemas:
            # jsonschema has its say on the schema as it was recorded, whatever our own check makes of it.
            well_formed(schemas[name])
            problems = second_opinion(arguments, schemas[name])
            own = tools.get(name)
            if not problems and own is not None and hash_of(own.unbound.schema) == hash_of(schemas[name]):
                problems = own.check(arguments)
        if problems:
            raise ContractViolation(
                [problem._replace(path=join("arguments", problem.path)) for problem in problems],
                example=contract.example_text,
            )
    ordered: dict[str, Any] = parse_json(contract.dump(written))
    return ordered


def _checked_value(value: Any, schema: dict[str, Any]) -> dict[str, Any]:
    contract = Contract.from_schema(schema, name="the recorded schema")
    well_formed(schema)
    contract.load(value)
    if problems := second_opinion(value, schema):
        raise ContractViolation(problems, example=contract.example_text)
    ordered: dict[str, Any] = parse_json(contract.dump(value))
    return ordered


def _batches(interactions: Iterable[int]) -> Iterator[tuple[list[int], str]]:
    """Ids in portions that an SQL statement takes, each with its marks."""
    ids = list(dict.fromkeys(interactions))
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        yield some, ", ".join("?" * len(some))


def _row(row: Any) -> FeedbackRow:
    return FeedbackRow(
        id=row["id"],
        run=row["run"],
        interaction=row["interaction"],
        verdict=row["verdict"],
        call=None if row["call"] is None else json.loads(row["call"]),
        label=row["label"],
        text=row["text"],
        by=row["author"],
        created_ns=row["created_ns"],
    )
