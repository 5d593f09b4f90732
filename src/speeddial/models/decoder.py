"""The base's graph running in ONNX Runtime: forward passes over a KV cache, adapters, prefixes kept."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort  # type: ignore[import-untyped]

from speeddial.errors import EngineError
from speeddial.models.adapter import TENSORS, no_adapter, read_adapter
from speeddial.models.base_graph import GRAPH, map_embedding, read_shape

Float32 = npt.NDArray[np.float32]

MOST_WANTED = 8
"""Most positions whose logits one forward pass gives."""
_ADAPTERS_KEPT = 32
_PREFIXES_KEPT = 32
_SEQUENCES_KEPT = 4
_GRANULE = 256
"""Tokens by which the capacity of a sequence's KV cache is rounded up, so that it can be used again."""
_THREADS = 4
"""More do not make a token of a model this small faster."""
_SPIN_MICROSECONDS = "20"
"""How long an idle worker thread spins before it sleeps: the gap between two products. At the runtime's
default, spinning threads take the processor from each other where others are at work: 31 to 44 ms a token
instead of 19 to 29 on two cores with four busy processes; without any spinning it was 15 to 24."""

_QUOTA = Path("/sys/fs/cgroup/cpu.max")

Key = tuple[str, int, int]


@dataclass(frozen=True)
class Adapter:
    """An adapter's matrices as the session takes them."""

    key: Key
    inputs: dict[str, ort.OrtValue]


@dataclass
class Context:
    """Tokens seen so far and their keys and values; one decode at a time uses it."""

    capacity: int
    binding: ort.IOBinding
    caches: list[Float32]
    """Keys and values of each layer, shape (1, kv_heads, capacity, head_size)."""
    logits: Float32
    values: list[ort.OrtValue]
    adapter: Key | None = None
    tokens: list[int] = field(default_factory=list)
    """Those whose keys and values are in the caches."""


class Decoder:
    """A graph folder, loaded. Safe to use from several threads.

    Passes of several sequences run side by side: on two cores that gives 1.4 to 1.8 times the tokens of one
    after the other, for a pass of a few tokens keeps one and a half cores busy. Several sequences in one pass
    are not to be had: the runtime's attention takes them with a single new token each only.

    Args:
        folder: written by `base_graph.write_graph`.
        threads: for the products; None takes the processors this process may use, four at most.

    Raises:
        EngineError: the folder is broken.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or min(_THREADS, _processors())
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN_MICROSECONDS)
        try:
            self.shape = read_shape(folder)
            self._embedding = map_embedding(folder, self.shape)
            self._session = ort.InferenceSession(
                str(folder / GRAPH), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no common base but Exception
            raise EngineError(
                f"{folder}: the model cannot be loaded ({error})",
                hint=f"delete {folder}; it is made anew from the weights beside it",
            ) from error
        self._lock = threading.Lock()
        self._free: list[Context] = []
        self._adapters: OrderedDict[Key, Adapter] = OrderedDict()
        self._prefixes: OrderedDict[tuple[Key, tuple[int, ...]], list[Float32]] = OrderedDict()
        self.base = Adapter(("", 0, 0), _values(no_adapter(self.shape)))

    def adapter(self, folder: Path | None) -> Adapter:
        """The adapter in a folder, read again when its file has changed; the base for None.

        Raises:
            DefinitionError: it cannot be applied to this base.
        """
        if folder is None:
            return self.base
        try:
            status = (folder / TENSORS).stat()
            key = (str(folder.resolve()), status.st_mtime_ns, status.st_size)
        except OSError:
            key = (str(folder), 0, 0)
        with self._lock:
            adapter = self._adapters.get(key)
            if adapter is None:
                adapter = Adapter(key, _values(read_adapter(folder, self.shape)))
                self._adapters[key] = adapter
                if len(self._adapters) > _ADAPTERS_KEPT:
                    self._adapters.popitem(last=False)
            self._adapters.move_to_end(key)
            return adapter

    @contextmanager
    def sequence(self, capacity: int, adapter: Adapter) -> Iterator[Context]:
        """An empty sequence for one decode.

        Args:
            capacity: tokens it has to hold.
            adapter: used for all of them.
        """
        sequence = self._take(-(-capacity // _GRANULE) * _GRANULE)
        if sequence.adapter != adapter.key:
            for name, value in adapter.inputs.items():
                sequence.binding.bind_ortvalue_input(name, value)
            sequence.adapter = adapter.key
        sequence.tokens.clear()
        try:
            yield sequence
        finally:
            with self._lock:
                self._free.append(sequence)
                del self._free[:-_SEQUENCES_KEPT]

    def keeps(self, tokens: list[int], adapter: Adapter) -> bool:
        """Whether this fixed part of prompts has been read and is kept."""
        with self._lock:
            return (adapter.key, tuple(tokens)) in self._prefixes

    def read(self, tokens: list[int], adapter: Adapter, capacity: int) -> None:
        """Read the fixed part of prompts ahead of `start`; `capacity` as for `sequence`."""
        with self.sequence(capacity, adapter) as sequence:
            self.start(sequence, tokens, len(tokens))

    def start(self, sequence: Context, tokens: list[int], fixed: int) -> list[int]:
        """Read a prompt's fixed part, from the prefixes kept when it is there.

        Args:
            sequence: empty.
            tokens: the prompt.
            fixed: how many of them come again with the next prompt.

        Returns:
            The other tokens, for `extend`.
        """
        assert sequence.adapter is not None
        key = (sequence.adapter, tuple(tokens[:fixed]))
        with self._lock:
            kept = self._prefixes.get(key)
            if kept is not None:
                self._prefixes.move_to_end(key)
        if kept is not None:
            for cache, part in zip(sequence.caches, kept, strict=True):
                cache[:, :, :fixed] = part
            sequence.tokens.extend(tokens[:fixed])
        elif fixed:
            self.extend(sequence, tokens[:fixed])
            copies = [cache[:, :, :fixed].copy() for cache in sequence.caches]
            with self._lock:
                self._prefixes[key] = copies
                if len(self._prefixes) > _PREFIXES_KEPT:
                    self._prefixes.popitem(last=False)
        return tokens[fixed:]

    def extend(self, sequence: Context, tokens: Sequence[int], wanted: int = 1) -> Float32:
        """Read tokens in one forward pass.

        Args:
            sequence: grows by them.
            tokens: at least `wanted`.
            wanted: the last positions whose logits are given, `MOST_WANTED` at most.

        Returns:
            Logits after each of those, shape (wanted, vocabulary), valid until the next pass.

        Raises:
            EngineError: the runtime failed.
        """
        # A pass of one token takes other kernels than a longer one and rounds differently; with a second
        # row, whose keys and values the next pass overwrites, a token gives the same bits in any pass.
        rows = [*tokens, tokens[-1]] if len(tokens) == 1 else tokens
        total = len(sequence.tokens) + len(rows)
        if total > sequence.capacity:
            raise EngineError(f"{total} tokens do not fit into a sequence of {sequence.capacity}")
        # Held until the pass is over: the binding keeps addresses, not the arrays.
        inputs: dict[str, npt.NDArray[Any]] = {
            "embeddings": self._embed(rows),
            "last_index": np.array([total - 1], np.int32),
            "total": np.array([total], np.int32),
            "wanted": np.arange(len(tokens) - wanted, len(tokens)),
        }
        for name, array in inputs.items():
            sequence.binding.bind_cpu_input(name, array)
        sequence.binding.bind_ortvalue_output("logits", sequence.values[wanted - 1])
        try:
            self._session.run_with_iobinding(sequence.binding)
        except Exception as error:  # as above
            raise EngineError(f"the embedded engine failed on {len(tokens)} tokens: {error}") from error
        sequence.tokens.extend(tokens)
        return sequence.logits[:wanted]

    def logits_of(self, prompt: list[int], answer: list[int], adapter: Adapter, fixed: int = 0) -> Float32:
        """Logits in place of each token of an answer that is given, shape (answer, vocabulary).

        Args:
            fixed: as for `start`.

        Raises:
            EngineError: the runtime failed.
        """
        found = []
        with self.sequence(len(prompt) + len(answer) + 1, adapter) as sequence:
            pending = self.start(sequence, prompt, fixed)
            for at in range(0, len(answer), MOST_WANTED):
                wanted = min(MOST_WANTED, len(answer) - at)
                known = [*pending, *answer[: wanted - 1]] if at == 0 else answer[at - 1 : at - 1 + wanted]
                found.append(self.extend(sequence, known, wanted).copy())
        return np.concatenate(found)

    def _embed(self, tokens: Sequence[int]) -> Float32:
        return self._embedding.rows(tokens)[None]

    def _take(self, capacity: int) -> Context:
        with self._lock:
            for number, sequence in enumerate(self._free):
                if sequence.capacity >= capacity:
                    return self._free.pop(number)
        shape = self.shape
        binding = self._session.io_binding()
        caches = []
        for layer in range(shape.layers):
            for kind in ("key", "value"):
                cache = np.zeros((1, shape.kv_heads, capacity, shape.head_size), np.float32)
                caches.append(cache)
                value = ort.OrtValue.ortvalue_from_numpy(cache)
                # The same memory in and out: the runtime then appends in place instead of copying.
                binding.bind_ortvalue_input(f"past_{kind}.{layer}", value)
                binding.bind_ortvalue_output(f"{kind}.{layer}", value)
        logits = np.zeros((MOST_WANTED, shape.vocabulary), np.float32)
        values = [ort.OrtValue.ortvalue_from_numpy(logits[:rows]) for rows in range(1, MOST_WANTED + 1)]
        return Context(capacity, binding, caches, logits, values)


def _values(arrays: dict[str, Float32]) -> dict[str, ort.OrtValue]:
    return {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in arrays.items()}


def _processors() -> int:
    """The processors this process may use: by its affinity, and by its container's quota (cgroup v2)."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, _QUOTA.read_text().split())
    except (OSError, ValueError):  # no such file, or "max 100000": no quota
        return here
    return max(1, min(here, quota // period))
