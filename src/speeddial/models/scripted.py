"""The shipped test double: a model that follows a script, under the same constraint as a real one."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal

from llguidance import LLMatcher, LLTokenizer

from speeddial.contract import Contract, write_json
from speeddial.contract.foreign import ordered
from speeddial.errors import EngineRefused, EngineTimeout, NotFound, SpeeddialError, UserError
from speeddial.messages import Message, ToolCall, storable
from speeddial.models.model import Canary, Completion, Model, Receipt, Request


@dataclass(frozen=True)
class Reply:
    """One scripted output, when more than its text matters."""

    output: Any
    """Text as it is to be decoded; a JSON value or `ToolCall` is written in the contract's form."""
    confidence: float | None = 1.0
    delay: float = 0.0
    """Seconds before it comes; longer than the request's timeout gives `EngineTimeout`."""
    finish: Literal["stop", "length"] = "stop"
    """``length`` plays a text cut off by the token budget; such a text need not be complete."""


Output = str | dict[str, Any] | list[Any] | ToolCall | Reply | BaseException
"""What a script may hold: text, a JSON value, a call, a `Reply`, or an error to be raised."""

Script = (
    Sequence[Output] | Mapping[str | re.Pattern[str], Output | list[Output]] | Callable[[Request], Output]
)


class Scripted(Model):
    """A model that follows a script.

    Every output goes through outlines and is checked by llguidance against the request's contract, so a
    script cannot say what a constrained model could not have said.

    Args:
        script: one of
            a list of outputs, given in order;
            a mapping from a part (or a compiled regular expression) of the last user message to an output
            or to a list of outputs, where the first key that matches counts;
            a callable that gets the `Request` and gives an output;
            None for the contract's own example instance, whatever is asked.
        name: shown as ``scripted:NAME``.
        delay: seconds before each output.
        unconstrained: let outputs through that the grammar does not admit, to see how the rest of the
            system takes them; the receipts say so.
        proven: False plays an engine that fails its canary.
    """

    _registered: ClassVar[dict[str, Scripted]] = {}
    _registering: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        script: Script | None = None,
        *,
        name: str = "",
        delay: float = 0.0,
        unconstrained: bool = False,
        proven: bool = True,
    ) -> None:
        super().__init__(f"scripted:{name}" if name else "scripted")
        self.requests: list[Request] = []
        """Every request so far, in the order of arrival."""
        self._script = script
        self._delay = delay
        self._unconstrained = unconstrained
        self._proven = proven
        self._position = itertools.count()
        self._positions: dict[str | re.Pattern[str], Iterator[int]] = {}
        self._decoder = _Decoder()

    @classmethod
    def register(cls, name: str, script: Script | None = None, **options: Any) -> Scripted:
        """Make a script addressable as ``scripted:NAME`` in this process; a second one replaces the first."""
        model = cls(script, name=name, **options)
        with cls._registering:
            cls._registered[name] = model
        return model

    @classmethod
    def named(cls, name: str) -> Scripted:
        """The model behind ``scripted:NAME``; without a name one that answers with example instances.

        A name that ends in ``.json`` is a file with a list of outputs, or an object from message parts to
        outputs, so that a script reaches a command in another process.

        Raises:
            NotFound: nothing is registered under that name, or the file is not there.
            UserError: the file does not hold a script.
        """
        if not name:
            return cls()
        if name.endswith(".json"):
            return cls(_script_file(Path(name)), name=name)
        model = cls._registered.get(name)
        if model is None:
            raise NotFound(
                f"no script {name!r} is registered; registered: {', '.join(cls._registered) or 'none'}",
                hint=f'call Scripted.register("{name}", [...]) first, or name a .json file',
            )
        return model

    async def _complete(self, request: Request, canary: Canary) -> Completion:
        began = time.perf_counter()
        self.requests.append(request)
        reply = self._next(request)
        delay = self._delay + reply.delay
        if delay > request.timeout:
            await asyncio.sleep(request.timeout)
            raise EngineTimeout(f"{self.name}: no answer within {request.timeout:g} s")
        await asyncio.sleep(delay)
        if isinstance(reply.output, BaseException):
            raise reply.output
        text = _text(reply.output, request.contract)
        if not self._unconstrained:
            self._decoder.decode(text, request.contract, whole=reply.finish == "stop", name=self.name)
        return Completion(
            text=text,
            receipt=Receipt(
                constrained=not self._unconstrained,
                backend=canary.backend,
                schema_hash=request.contract.schema_hash,
                proven_by="" if self._unconstrained else "in-process",
            ),
            model=self.name,
            tokens_in=sum(_tokens(message.content) for message in request.messages),
            tokens_out=_tokens(text),
            tokens_forced=-1,
            confidence=reply.confidence,
            finish=reply.finish,
            latency_ms=(time.perf_counter() - began) * 1000,
        )

    async def _canary(self) -> Canary:
        backend = f"llguidance {version('llguidance')} via outlines {version('outlines')}"
        detail = "scripted: every output is checked against the grammar"
        if self._unconstrained:
            backend, detail = "none", "scripted without a constraint"
        if not self._proven:
            detail = "scripted to fail its canary"
        return Canary(self._proven, backend, detail, datetime.now(UTC).isoformat(timespec="seconds"))

    def _next(self, request: Request) -> Reply:
        script = self._script
        output: Output
        if script is None:
            output = write_json(request.contract.example())
        elif callable(script):
            output = script(request)
        elif isinstance(script, Mapping):
            output = self._matching(script, _last_user(request.messages))
        else:
            output = self._in_order(script, self._position, "the script")
        return output if isinstance(output, Reply) else Reply(output)

    def _matching(self, script: Mapping[str | re.Pattern[str], Output | list[Output]], said: str) -> Output:
        for key, output in script.items():
            if key in said if isinstance(key, str) else key.search(said):
                if isinstance(output, list):
                    position = self._positions.setdefault(key, itertools.count())
                    return self._in_order(output, position, f"the script for {key!r}")
                return output
        keys = ", ".join(repr(key if isinstance(key, str) else key.pattern) for key in script)
        raise EngineRefused(f"{self.name}: the script has nothing for {said[:200]!r}; keys: {keys}")

    def _in_order(self, outputs: Sequence[Output], position: Iterator[int], what: str) -> Output:
        at = next(position)
        if at >= len(outputs):
            raise EngineRefused(f"{self.name}: {what} has {len(outputs)} outputs and all are used")
        return outputs[at]


class _Decoder:
    """Runs a scripted text through outlines, checking it byte by byte against the contract's grammar."""

    def __init__(self) -> None:
        self._model: Any = None
        self._matchers: dict[str, LLMatcher] = {}

    def decode(self, text: str, contract: Contract, *, whole: bool, name: str) -> None:
        """Raises EngineRefused when the grammar does not admit the text."""
        from outlines.generator import SteerableGenerator

        if self._model is None:
            self._model = _typist()
        generator = SteerableGenerator.from_processor(self._model, _ByteMatcher(self._matcher(contract)))
        admitted, complete = generator(text)
        size = len(text.encode())
        if admitted < size:
            at = len(text.encode()[:admitted].decode(errors="ignore"))
            raise EngineRefused(
                f"{name}: the contract does not admit the scripted output from character {at}: "
                f"{text[:at][-60:]!r} then {text[at:][:40]!r}",
                hint=f"valid would be {contract.example_text}; or make the script unconstrained",
            )
        if whole and not complete:
            raise EngineRefused(
                f"{name}: the scripted output ends too early for its contract: {text[-60:]!r}",
                hint='complete it, or give it as Reply(..., finish="length")',
            )

    def _matcher(self, contract: Contract) -> LLMatcher:
        matcher = self._matchers.get(contract.schema_hash)
        if matcher is None:
            matcher = LLMatcher(LLTokenizer("byte"), contract.grammar)
            if matcher.is_error():
                raise SpeeddialError(
                    f"the grammar of {contract.schema_hash} does not compile: {matcher.get_error()}"
                )
            self._matchers[contract.schema_hash] = matcher
        return matcher.deep_copy()


class _ByteMatcher:
    """The processor: one use of a compiled grammar."""

    def __init__(self, matcher: LLMatcher) -> None:
        self.matcher = matcher

    def reset(self) -> None:
        self.matcher.reset()


def _typist() -> Any:
    """An outlines model that types a given text for as long as the grammar admits it.

    Made in a function because importing outlines takes half a second, which a script that is only
    registered should not pay.
    """
    from outlines.models.base import Model as OutlinesModel

    class Typist(OutlinesModel):
        def generate(self, model_input: Any, output_type: Any = None, **_: Any) -> tuple[int, bool]:
            admitted = output_type.matcher.try_consume_tokens(list(model_input.encode()))
            return admitted, output_type.matcher.is_accepting()

        def generate_batch(self, model_input: Any, output_type: Any = None, **_: Any) -> list[Any]:
            raise TypeError("a script is decoded one output at a time")

        def generate_stream(self, model_input: Any, output_type: Any = None, **_: Any) -> Iterator[Any]:
            raise TypeError("a script is decoded one output at a time")

    return Typist()


def _script_file(path: Path) -> Script:
    try:
        script = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"script file {path} is not there") from None
    except (OSError, ValueError) as error:
        raise UserError(f"script file {path} cannot be read: {error}") from error
    if not isinstance(script, (list, dict)):
        raise UserError(
            f"script file {path} holds a {type(script).__name__}",
            hint='write a list of outputs, or an object {"part of the message": output}',
        )
    return script


def _last_user(messages: Sequence[Message]) -> str:
    return next((message.content for message in reversed(messages) if message.role == "user"), "")


def _text(output: Any, contract: Contract) -> str:
    if isinstance(output, str):
        return storable(output)
    value = output.as_dict() if isinstance(output, ToolCall) else output
    return write_json(ordered(value, contract.full_schema, contract.full_schema))


def _tokens(text: str) -> int:
    """A token is about four bytes; scripts have no tokenizer, and budgets need some count."""
    return -(-len(text.encode()) // 4)
