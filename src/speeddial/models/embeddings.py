"""Texts as vectors, near each other where they mean the same: by the base, a sentence transformer, a server.

`load_embedder` takes a spec:

- ``embedded``: the embedded base's lower layers, see `encoder.py`; nothing to install or to load.
- ``minilm``, or ``hub:NAME``: a sentence transformer from the Hugging Face hub, at a fixed revision or the
  newest; a folder (``./models/minilm``) has one in Hugging Face form. Their mean pooling, as their cards say.
- ``openai:NAME[@URL]``, ``vllm:NAME[@URL]``: any server with OpenAI's ``/v1/embeddings``.
"""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speeddial.errors import EngineError, EngineUnreachable, UserError
from speeddial.filehash import sha256_of
from speeddial.models.base_model import DEFAULT_BASE
from speeddial.models.encoder import load_encoder
from speeddial.models.server import Server, split_address

Float32 = npt.NDArray[np.float32]

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
FORMS = "embedded, minilm, a folder, hub:NAME, openai:NAME[@URL] or vllm:NAME[@URL]"
_BATCH = 32
"""Texts of one pass or request."""
_LONGEST = 256
"""Tokens that a sentence transformer reads, as all-MiniLM-L6-v2 was made for."""
_REMEMBERED = 20_000
"""Texts whose vectors are kept: finding tasks asks for the same ones many times."""
_SERVERS = {
    "openai": ("OPENAI_BASE_URL", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    "vllm": ("VLLM_BASE_URL", "http://127.0.0.1:8000/v1", "VLLM_API_KEY"),
}


class Embedder(ABC):
    """Makes vectors of texts, and remembers them."""

    identity: str
    """What tells its vectors from another's: weights by their hash, a server's by its name."""

    def __init__(self) -> None:
        self._known: dict[str, Float32] = {}

    def embed(self, texts: Sequence[str]) -> Float32:
        """Vectors of texts, each one long, shape (texts, dimensions).

        Raises:
            EngineError: it failed, or its server did.
        """
        known, wanted = self._known, list(dict.fromkeys(texts))
        new = [text for text in wanted if text not in known]
        if new and len(known) + len(new) > _REMEMBERED:
            # Another dict, not an emptied one: other threads may be reading theirs.
            known, new = {}, wanted
            self._known = known
        for at in range(0, len(new), _BATCH):
            part = new[at : at + _BATCH]
            rows = self._vectors(part)
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
            known.update(zip(part, rows.astype(np.float32), strict=True))
        return np.stack([known[text] for text in texts])

    @abstractmethod
    def _vectors(self, texts: Sequence[str]) -> npt.NDArray[Any]: ...


class _Embedded(Embedder):
    def __init__(self) -> None:
        super().__init__()
        self._encoder = load_encoder(DEFAULT_BASE)
        self.identity = self._encoder.identity

    def _vectors(self, texts: Sequence[str]) -> npt.NDArray[Any]:
        return self._encoder.embed(texts)


class _SentenceTransformer(Embedder):
    """A BERT and the mean of its last states over a text's tokens.

    Args:
        name: a folder, or a name on the hub.

    Raises:
        UserError: transformers or torch is absent.
        EngineUnreachable: there is none of this name, or no hub.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        try:
            import torch
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise UserError(
                f"embeddings of {name} need torch and transformers",
                hint="pip install 'speeddial[transformers]'",
            ) from error
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(name)
            self._model = AutoModel.from_pretrained(name).eval()
        except (OSError, ValueError) as error:
            said = str(error).splitlines()[0]
            raise EngineUnreachable(
                f"embeddings: no model {name!r} is here, nor did the hub give it: {said}",
                hint="name the folder of a copy, or use --embeddings embedded, which needs no download",
            ) from error
        self._torch = torch
        files = sorted(Path(name).glob("*.safetensors")) if Path(name).is_dir() else []
        found = sha256_of(files) if files else getattr(self._model.config, "_commit_hash", None)
        self.identity = f"{name if not files else 'folder'}@{found or 'unknown'}"

    def _vectors(self, texts: Sequence[str]) -> npt.NDArray[Any]:
        torch = self._torch
        inputs = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=_LONGEST, return_tensors="pt"
        )
        with torch.inference_mode():
            states = self._model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
            means = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return np.asarray(means.float().numpy())


class _Served(Embedder):
    """A server's model."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__()
        variable, usual, key = _SERVERS[kind]
        self._name, url = split_address(name, os.environ.get(variable) or usual)
        self.identity = f"{kind}:{self._name}@{url}"
        self._server = Server(self.identity, url, os.environ.get(key, ""), key, "openai")

    def _vectors(self, texts: Sequence[str]) -> npt.NDArray[Any]:
        body = {"model": self._name, "input": list(texts), "encoding_format": "float"}

        def ask() -> Any:
            return asyncio.run(self._ask(body))

        # Whoever calls may be in an event loop, which must not be entered a second time.
        with ThreadPoolExecutor(1) as thread:
            reply = thread.submit(ask).result()
        try:
            rows = sorted(reply["data"], key=lambda row: int(row["index"]))
            found = np.array([row["embedding"] for row in rows], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(f"{self.identity}: expected embeddings, got {str(reply)[:100]!r}") from error
        if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
            raise EngineError(
                f"{self.identity}: expected a vector for each of {len(texts)} texts, got shape {found.shape}"
            )
        return found

    async def _ask(self, body: dict[str, Any]) -> Any:
        try:
            return await self._server.post("embeddings", body, self._name)
        finally:
            await self._server.aclose()


_loaded: dict[str, Embedder] = {}
_loading = threading.Lock()


def load_embedder(spec: str) -> Embedder:
    """The embedder of a spec, the same object every time; see this module's first lines.

    Raises:
        UserError: no such spec, or what it needs is not installed.
        EngineUnreachable: the base has not been pulled, or no model of the name can be had.
    """
    with _loading:
        if spec not in _loaded:
            _loaded[spec] = _made(spec)
        return _loaded[spec]


def _made(spec: str) -> Embedder:
    kind, _, name = spec.partition(":")
    if spec == "embedded":
        return _Embedded()
    if spec == "minilm":
        return _SentenceTransformer(MINILM)
    if kind == "hub" and name:
        return _SentenceTransformer(name)
    if kind in _SERVERS and name:
        return _Served(kind, name)
    if Path(spec).is_dir():
        return _SentenceTransformer(str(Path(spec).resolve()))
    raise UserError(f"embeddings {spec!r}: there are none of this name", hint=f"tfidf, {FORMS}")
