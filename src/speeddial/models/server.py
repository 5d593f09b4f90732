"""One OpenAI-compatible server: constrained requests go out through outlines, replies come back with tokens.

The vLLM and OpenAI engines share it; the `openai` package is imported nowhere else.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import math
import re
import secrets
import time
import weakref
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal
from urllib.parse import urlsplit

from speeddial.errors import EngineError, EngineRefused, EngineTimeout, EngineUnreachable, UserError
from speeddial.messages import Message, compact_json, storable
from speeddial.models.canary import SchemaRefused
from speeddial.models.confidence import Chosen, confidence
from speeddial.models.model import Token
from speeddial.models.output_type import output_type

_ADDRESS = re.compile(r"^(?P<name>.+?)@(?P<url>https?://.+)$")
_in_flight: ContextVar[_InFlight] = ContextVar("speeddial_server_in_flight")
_SCHEMA = f"schema {secrets.token_hex(16)}"
"""Stands for the schema while outlines writes a request for vLLM, and says where it belongs: to have 8 kB of
an expert's read from text and written anew took 0.3 ms a call. Random, so that no message holds it."""


@dataclass
class _InFlight:
    """What goes around outlines on a request's way to the client and back."""

    schema: str
    """JSON; empty without a constraint."""
    reply: Any = None
    """The whole of it; outlines hands back its text alone."""


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    text: str
    finish: Literal["stop", "length"]
    tokens_in: int
    tokens_out: int
    tokens_forced: int
    """-1 when the server sent no alternatives to tell by."""
    confidence: float | None
    latency_ms: float
    tokens: tuple[Token, ...] = ()
    """Of `text`; empty when the server did not tell them, or in another form."""


def split_address(spec: str, default_url: str) -> tuple[str, str]:
    """Model name and base URL (with its ``/v1``) of ``NAME[@URL]``.

    Raises:
        UserError: no name, or a URL that carries a password.
    """
    match = _ADDRESS.match(spec)
    name, url = (match["name"], match["url"]) if match else (spec, default_url)
    if not name or name.startswith(("http://", "https://", "@")):
        raise UserError(
            f"model {spec!r} has no name", hint="write NAME@URL, for instance base@http://host:8000"
        )
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise UserError(
            f"the URL of model {name!r} carries a password or a query, which would end up in the record",
            hint="give the key in the environment (VLLM_API_KEY or OPENAI_API_KEY) and the URL without it",
        )
    return name, url.rstrip("/") + ("" if parts.path.strip("/") else "/v1")


class Server:
    """A connection pool per event loop to one server, and the mapping of its errors.

    Args:
        label: how messages name it, for instance ``vllm:base@http://127.0.0.1:8000/v1``.
        url: base URL with its ``/v1``.
        key: API key; sent as a bearer token, never shown.
        key_variable: the environment variable that a message about the key should name.
        protocol: in which form outlines writes the constraint.
    """

    def __init__(
        self, label: str, url: str, key: str, key_variable: str, protocol: Literal["vllm", "openai"]
    ) -> None:
        self.label = label
        self.url = url
        self._key = key
        self._key_variable = key_variable
        self._protocol = protocol
        # An HTTP pool belongs to the loop that opened its connections; a sync caller makes a loop per call.
        self._models: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()

    async def chat(
        self,
        model: str,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        seconds: float = 60.0,
        logprobs: bool = False,
        budget_field: str = "max_tokens",
        **fields: Any,
    ) -> Reply:
        """One chat completion under a JSON schema (None: under what `fields` carry, if anything).

        Raises:
            EngineTimeout: no whole answer within `seconds`.
            EngineUnreachable: no connection, a 5xx answer, or one that is no chat completion.
            SchemaRefused: HTTP 400 or 422.
            EngineRefused: HTTP 401, 403, 404, 429 (retryable unless the quota is used up), or a refusal.
        """
        from outlines.inputs import Chat

        if logprobs:
            fields |= {"logprobs": True, "top_logprobs": 2}
        flight = _InFlight("" if schema is None else compact_json(dict(schema)))
        # For other servers outlines looks into the schema.
        written = compact_json(_SCHEMA) if self._protocol == "vllm" else flight.schema
        output = None if schema is None else output_type(written)
        chat = Chat([{"role": message.role, "content": message.content} for message in messages])
        began = time.perf_counter()
        token = _in_flight.set(flight)
        try:
            async with asyncio.timeout(seconds):
                await self._model()(
                    chat,
                    output,
                    model=model,
                    temperature=temperature,
                    seed=seed,
                    timeout=seconds,
                    **{budget_field: max_tokens},
                    **fields,
                )
        except TimeoutError:
            raise EngineTimeout(f"{self.label}: no answer within {seconds:g} s") from None
        except EngineError:
            raise
        except Exception as error:
            mapped = await self._mapped(error, model, seconds)
            if mapped is None:
                raise
            raise mapped from error
        finally:
            _in_flight.reset(token)
        return _reply(flight.reply, (time.perf_counter() - began) * 1000)

    async def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Decoded JSON from a further endpoint of the same host, None when it does not have it.

        Args:
            path: from the host's root, such as ``/version``; one below ``/v1`` is given relative, ``models``.
            body: sent by POST; without one the endpoint is read by GET.
        """
        import openai

        client = self._model().client
        url = self._address(path)
        try:
            if body is None:
                return await client.get(url, cast_to=object, options={"timeout": 5.0})
            return await client.post(url, cast_to=object, body=dict(body), options={"timeout": 5.0})
        except openai.OpenAIError:
            return None

    async def post(self, path: str, body: Mapping[str, Any], model: str, *, seconds: float = 120.0) -> Any:
        """Decoded JSON from a further endpoint that must answer.

        Args:
            path: as for `ask`.
            model: that the body names, for messages.

        Raises:
            EngineError: as for `chat`.
        """
        from outlines.exceptions import normalize_provider_errors

        client, options = self._model().client, {"timeout": seconds}
        try:
            with normalize_provider_errors("openai"):
                return await client.post(
                    self._address(path), cast_to=object, body=dict(body), options=options
                )
        except Exception as error:
            mapped = await self._mapped(error, model, seconds)
            if mapped is None:
                raise
            raise mapped from error

    def _address(self, path: str) -> str:
        return f"{self.url.removesuffix('/v1')}{path}" if path.startswith("/") else f"{self.url}/{path}"

    async def aclose(self) -> None:
        """Close this loop's connections; a later request opens new ones."""
        model = self._models.pop(asyncio.get_running_loop(), None)
        if model is not None:
            await model.client.close()

    def _model(self) -> Any:
        loop = asyncio.get_running_loop()
        model = self._models.get(loop)
        if model is None:
            model = self._models[loop] = self._connect()
        return model

    def _connect(self) -> Any:
        import openai
        import outlines

        # Retries are the call path's, which records each of them.
        client = openai.AsyncOpenAI(
            base_url=self.url,
            api_key=self._key or "none",
            max_retries=0,
            # Not the client's own kind, which closes itself when collected, on whichever loop runs by then.
            http_client=openai.DefaultAsyncHttpxClient(),
        )

        async def create_and_keep(*, extra_body: Mapping[str, Any] | None = None, **body: Any) -> Any:
            # The client's own `create` looks through every message for what it might have to rewrite, and its
            # types through every token of the answer: a millisecond of processor time a call.
            timeout = body.pop("timeout")
            flight = _in_flight.get()
            text = compact_json({**body, **(extra_body or {})}).replace(compact_json(_SCHEMA), flight.schema)
            reply = await client.post(
                "/chat/completions", cast_to=object, content=text.encode(), options={"timeout": timeout}
            )
            choice = self._choice(reply)
            flight.reply = reply
            message = SimpleNamespace(content=choice["message"]["content"], refusal=None)
            return SimpleNamespace(choices=[SimpleNamespace(message=message)])

        client.chat.completions.create = create_and_keep  # type: ignore[method-assign, assignment]
        return outlines.from_vllm(client) if self._protocol == "vllm" else outlines.from_openai(client)

    def _choice(self, reply: Any) -> dict[str, Any]:
        """The one choice of an answer, which nobody has checked: a web page comes as a string."""
        if isinstance(reply, str) and reply.lstrip().startswith(("data:", "event:")):
            raise EngineRefused(
                f"{self.label}: the server streams its answer, which was not asked of it",
                hint="turn forced streaming off, on the server or on the gateway before it",
            )
        choices = reply.get("choices") if isinstance(reply, dict) else None
        first = choices[0] if isinstance(choices, list) and choices else None
        choice: dict[str, Any] = first if isinstance(first, dict) else {}
        message = choice.get("message")
        if not isinstance(message, dict):
            raise self._no_completion()
        refusal = message.get("refusal")
        if refusal or choice.get("finish_reason") == "content_filter":
            raise EngineRefused(f"{self.label}: the server's filter refused: {refusal or ''}".rstrip(": "))
        if not isinstance(message.get("content"), str):
            raise EngineRefused(f"{self.label}: the server answered without text")
        return choice

    def _no_completion(self) -> EngineUnreachable:
        return EngineUnreachable(
            f"{self.label}: the answer is not a chat completion",
            hint=f"check that {self.url} is the base URL of an OpenAI-compatible server",
        )

    async def _mapped(self, error: Exception, model: str, seconds: float) -> EngineError | None:
        from outlines import exceptions as outlines_errors

        told = self._told(error)
        match error:
            case json.JSONDecodeError():
                return self._no_completion()
            case outlines_errors.APITimeoutError():
                return EngineTimeout(f"{self.label}: no answer within {seconds:g} s")
            case outlines_errors.APIConnectionError():
                return EngineUnreachable(
                    f"{self.label}: no connection to {self.url}",
                    hint="start the server, or mend the model's URL",
                )
            case outlines_errors.AuthenticationError() | outlines_errors.PermissionDeniedError():
                return EngineRefused(
                    f"{self.label}: the server does not accept the key ({told})",
                    hint=f"set {self._key_variable} to a key of that server",
                )
            case outlines_errors.NotFoundError():
                served = await self.served()
                return EngineRefused(
                    f"{self.label}: the server has no model {model!r} ({told})",
                    hint=f"it serves: {', '.join(served)}" if served else "check the model's name and URL",
                )
            case outlines_errors.RateLimitError():
                refused = EngineRefused(f"{self.label}: too many requests ({told})")
                refused.retryable = "insufficient_quota" not in told
                return refused
            case outlines_errors.BadRequestError():
                return SchemaRefused(f"{self.label}: the server refused the request: {told}")
            case outlines_errors.ServerError() | outlines_errors.ProviderResponseError():
                return EngineUnreachable(f"{self.label}: the server failed: {told}")
        return None

    async def served(self) -> list[str]:
        """The model names that the server lists; empty when it lists none."""
        listing = await self.ask("models")
        rows = listing.get("data") if isinstance(listing, dict) else None
        return [str(row["id"]) for row in rows or () if isinstance(row, dict) and "id" in row]

    def _told(self, error: Exception) -> str:
        """The server's own words, shortened, without the key should it echo it."""
        original = getattr(error, "original_exception", None) or error
        body = getattr(original, "body", None)
        words = str(body.get("message") or body) if isinstance(body, dict) else str(original)
        if isinstance(body, dict) and body.get("code") == "insufficient_quota":
            words += " (insufficient_quota)"
        if self._key:
            words = words.replace(self._key, "***")
        return words[:500]


def _reply(completion: dict[str, Any], latency_ms: float) -> Reply:
    choice = completion["choices"][0]
    usage = completion.get("usage") or {}
    logprobs = (choice.get("logprobs") or {}).get("content") or ()
    chosen = [_chosen(token) for token in logprobs]
    sure, forced = confidence(chosen)
    text = storable(choice["message"]["content"])
    return Reply(
        text=text,
        finish="length" if choice.get("finish_reason") == "length" else "stop",
        tokens_in=usage.get("prompt_tokens") or 0,
        tokens_out=usage.get("completion_tokens") or 0,
        tokens_forced=forced,
        confidence=sure,
        latency_ms=latency_ms,
        tokens=_tokens(text, logprobs, chosen),
    )


def _tokens(text: str, told: Sequence[Any], chosen: Sequence[Chosen]) -> tuple[Token, ...]:
    """The tokens of a text, a character's bytes counted to its last one; none where they do not make it up.

    A token may end within a character: OpenAI tells its bytes, vLLM a replacement character. An end token
    comes last and is no part of the text.
    """
    reader = codecs.getincrementaldecoder("utf-8")()
    tokens: list[Token] = []
    written = 0
    try:
        for token, how in zip(told, chosen, strict=True):
            if written == len(text):
                break
            raw = token.get("bytes")
            piece = token["token"] if raw is None else reader.decode(bytes(raw))
            written += len(piece)
            tokens.append(Token(piece, None if how.is_forced else min(1.0, math.exp(how.logprob))))
    except (ValueError, TypeError):  # bytes that are none, or no UTF-8
        return ()
    return tuple(tokens) if "".join(token.text for token in tokens) == text else ()


def _chosen(token: dict[str, Any]) -> Chosen:
    others = [
        other["logprob"] for other in token.get("top_logprobs") or () if other["token"] != token["token"]
    ]
    return Chosen(token["logprob"], max(others) if others else None)
