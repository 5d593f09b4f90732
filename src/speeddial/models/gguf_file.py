"""Reader for GGUF version 3 files: metadata and tensors, memory-mapped, nothing copied until asked for."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from speeddial.errors import EngineError

QK = 32
"""Weights per quantised block, in Q4_1 and Q8_0 alike."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_F32, _Q4_1, _Q8_0 = 0, 3, 8
_BLOCK_BYTES = {_Q4_1: 4 + QK // 2, _Q8_0: 2 + QK}


class Quantised4(NamedTuple):
    """A matrix in Q4_1: ``weight = scale * code + minimum``, one scale and minimum per block of 32."""

    codes: npt.NDArray[np.uint8]
    """Shape (rows, blocks, 32), values 0..15."""
    scale: npt.NDArray[np.float32]
    """Shape (rows, blocks)."""
    minimum: npt.NDArray[np.float32]
    """Shape (rows, blocks)."""

    def rows(self, order: npt.NDArray[np.int64]) -> Quantised4:
        """The same matrix with its rows in another order."""
        return Quantised4(self.codes[order], self.scale[order], self.minimum[order])

    def dequantised(self) -> npt.NDArray[np.float32]:
        """The weights, shape (rows, columns)."""
        weights = self.codes * self.scale[..., None] + self.minimum[..., None]
        return weights.reshape(len(self.codes), -1).astype(np.float32, copy=False)

    @staticmethod
    def stacked(parts: list[Quantised4]) -> Quantised4:
        """Matrices over the same input, one below the other."""
        return Quantised4(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


class Quantised8(NamedTuple):
    """A matrix in Q8_0: ``weight = scale * code``."""

    codes: npt.NDArray[np.int8]
    """Shape (rows, blocks, 32)."""
    scale: npt.NDArray[np.float32]
    """Shape (rows, blocks)."""

    def dequantised(self) -> npt.NDArray[np.float32]:
        """The weights, shape (rows, columns)."""
        weights = self.codes.astype(np.float32) * self.scale[..., None]
        return weights.reshape(len(self.codes), -1)


class GgufFile:
    """One GGUF file.

    Args:
        path: the file; it is mapped, so it has to stay where it is while this object lives.

    Raises:
        EngineError: not a GGUF version 3 file, or cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata: dict[str, Any] = {}
        try:
            self._bytes = np.memmap(path, np.uint8, mode="r")
            self._tensors, self._data_start = self._read_header()
        except (struct.error, ValueError, KeyError, IndexError) as error:
            raise EngineError(
                f"{path}: not a GGUF version 3 file, or cut short ({error})",
                hint="fetch it again with `speeddial models pull`",
            ) from error

    def _read_header(self) -> tuple[dict[str, tuple[tuple[int, ...], int, int]], int]:
        # The header is at most a few MB (vocabulary and merges); bytes are parsed faster than a memmap.
        header = self._bytes[: 16 << 20].tobytes()
        magic, version, tensor_count, entry_count = struct.unpack_from("<4sIQQ", header)
        if magic != b"GGUF" or version != 3:
            raise ValueError(f"magic {magic!r}, version {version}")
        position = 24

        def string() -> str:
            nonlocal position
            (length,) = struct.unpack_from("<Q", header, position)
            position += 8 + length
            return header[position - length : position].decode()

        def value(kind: int) -> Any:
            nonlocal position
            if kind == _STRING:
                return string()
            if kind == _ARRAY:
                item_kind, count = struct.unpack_from("<IQ", header, position)
                position += 12
                return [value(item_kind) for _ in range(count)]
            code = f"<{_SCALARS[kind]}"
            (scalar,) = struct.unpack_from(code, header, position)
            position += struct.calcsize(code)
            return scalar

        for _ in range(entry_count):
            key = string()
            (kind,) = struct.unpack_from("<I", header, position)
            position += 4
            self.metadata[key] = value(kind)
        tensors = {}
        for _ in range(tensor_count):
            name = string()
            (rank,) = struct.unpack_from("<I", header, position)
            *shape, kind, offset = struct.unpack_from(f"<{rank}QIQ", header, position + 4)
            position += 4 + 8 * rank + 12
            tensors[name] = (tuple(reversed(shape)), kind, offset)
        alignment = int(self.metadata.get("general.alignment", 32))
        return tensors, -(-position // alignment) * alignment

    def _blocks(self, name: str, kind: int) -> npt.NDArray[np.uint8]:
        shape, stored, offset = self._tensors[name]
        if stored != kind:
            raise EngineError(f"{self.path}: tensor {name} is of GGML type {stored}, expected {kind}")
        rows, columns = shape
        start = self._data_start + offset
        size = rows * columns // QK * _BLOCK_BYTES[kind]
        return self._bytes[start : start + size].reshape(rows, columns // QK, _BLOCK_BYTES[kind])

    def float32(self, name: str) -> npt.NDArray[np.float32]:
        """A tensor stored in fp32, in its own shape."""
        shape, kind, offset = self._tensors[name]
        if kind != _F32:
            raise EngineError(f"{self.path}: tensor {name} is of GGML type {kind}, expected {_F32}")
        start = self._data_start + offset
        size = 4 * int(np.prod(shape))
        return self._bytes[start : start + size].view(np.float32).reshape(shape)

    def q4_1(self, name: str) -> Quantised4:
        """A matrix stored in Q4_1. Low nibbles are a block's first half, high nibbles its second."""
        blocks = self._blocks(name, _Q4_1)
        scale, minimum = np.moveaxis(blocks[..., :4].copy().view(np.float16).astype(np.float32), -1, 0)
        nibbles = blocks[..., 4:]
        return Quantised4(np.concatenate([nibbles & 15, nibbles >> 4], axis=-1), scale, minimum)

    def q8_0(self, name: str) -> Quantised8:
        """A matrix stored in Q8_0."""
        blocks = self._blocks(name, _Q8_0)
        scale = blocks[..., :2].copy().view(np.float16).astype(np.float32)[..., 0]
        return Quantised8(blocks[..., 2:].view(np.int8), scale)
