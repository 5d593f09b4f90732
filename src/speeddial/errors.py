"""Every error Speeddial raises, by who has to act on it.

SpeeddialError
├── UserError                 the user can mend it: printed without a traceback       (exit 2)
│   ├── DefinitionError       a tool, card, contract or workflow is defined wrongly
│   ├── ProjectError          no project here, or one that does not load
│   ├── SettingsError         a setting has a value that it cannot have
│   └── NotFound              a run, expert, file or workflow of that name is not there
├── EngineError               a model engine failed                                   (exit 3)
│   ├── EngineUnreachable     no connection, no server, model files missing
│   ├── EngineTimeout         it did not answer in time
│   ├── EngineRefused         it answered that it will not serve this request
│   └── UnprovenConstraint    constrained decoding could not be proven: fails closed
├── ModelError                goes back to the model, short
│   ├── ContractViolation     its output does not satisfy the contract
│   └── ToolError             a tool said no; the text says what would be right
├── PlanError                 a plan that does not type-check                         (exit 1)
├── RecordError               the record could not be written or read                 (exit 1)
├── RunFailed                 the task could not be done                              (exit 1)
├── LimitReached              steps, tokens, time or cost ran out                     (exit 4)
├── NeedsPerson               the run waits for a person's decision                   (exit 5)
└── Cancelled                 the run was cancelled                                   (exit 130)

Anything else that surfaces is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One way in which a value breaks its contract, or a project its rules."""

    path: str
    """Where: a dotted path such as ``arguments.items[2]``, or a file with its key."""
    expected: str
    """What would have been right, in a few words."""
    got: str
    """What was there, shortened."""
    valid: tuple[str, ...] = ()
    """Valid choices, when they are few."""
    example: str = ""
    """A valid value for this place as compact JSON, where one helps."""

    def __str__(self) -> str:
        wanted = f"{self.expected}, for example {self.example}" if self.example else self.expected
        text = f"{self.path or 'value'}: expected {wanted}, got {self.got}"
        return f"{text}; valid: {', '.join(self.valid)}" if self.valid else text


class SpeeddialError(Exception):
    """Base of all errors; `hint` is the next step for whoever reads it."""

    exit_code = 1
    retryable = False
    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


class UserError(SpeeddialError):
    """Something the user gave cannot be used; says what was given, expected, and what to do."""

    exit_code = 2
    code = "usage"


class DefinitionError(UserError):
    """A tool, contract, card or workflow is defined in a way that cannot work."""

    code = "definition"


class ProjectError(UserError):
    """There is no project here, or it does not load."""

    code = "project"


class SettingsError(UserError):
    """A setting has a value that it cannot have."""

    code = "settings"


class NotFound(UserError):
    """A named thing (run, expert, tool, workflow, file) is not there."""

    code = "not_found"


class EngineError(SpeeddialError):
    """A model engine failed."""

    exit_code = 3
    code = "engine"


class EngineUnreachable(EngineError):
    """The engine could not be reached: no server, no model files, no connection."""

    retryable = True
    code = "engine_unreachable"


class EngineTimeout(EngineError):
    """The engine did not answer in time."""

    retryable = True
    code = "engine_timeout"


class EngineRefused(EngineError):
    """The engine answered that it will not serve this request (schema, model name, key, budget)."""

    code = "engine_refused"


class UnprovenConstraint(EngineError):
    """The engine did not pass the canary: its constrained decoding is not proven, so nothing is sent."""

    code = "unproven_constraint"


class ModelError(SpeeddialError):
    """Base of the errors whose reader is the model: short, with the valid choices."""

    code = "model"


class ContractViolation(ModelError):
    """A model's output breaks its contract.

    Args:
        problems: every problem found, in document order.
        example: a valid instance as compact JSON, for models that may be shown one.
        raw: the output as it was decoded.
    """

    code = "contract_violation"

    def __init__(self, problems: Sequence[Problem], *, example: str = "", raw: str = "") -> None:
        self.problems = tuple(problems)
        self.example = example
        self.raw = raw
        super().__init__("; ".join(str(problem) for problem in self.problems[:5]))


class ToolError(ModelError):
    """Raised by a tool when the call cannot be done as asked; its text goes back to the model."""

    code = "tool"


class PlanError(SpeeddialError):
    """A plan that does not type-check: unknown expert, bad reference, wrong type, missing file."""

    code = "plan"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class RecordError(SpeeddialError):
    """The record could not be written or read; the run stops rather than lose a row."""

    code = "record"


class RunFailed(SpeeddialError):
    """The task could not be done; the message says at which step and why."""

    code = "failed"


class LimitReached(SpeeddialError):
    """A limit of the run (steps, tokens, seconds, cost) was reached."""

    exit_code = 4
    code = "limit"


class NeedsPerson(SpeeddialError):
    """The run stopped and waits for a person; `speeddial resume RUN` goes on."""

    exit_code = 5
    code = "needs_person"


class Cancelled(SpeeddialError):
    """The run was cancelled; what was done is on record and `speeddial resume RUN` goes on."""

    exit_code = 130
    code = "cancelled"
