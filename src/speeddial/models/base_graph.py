"""The embedded engine's ONNX graph: a Llama decoder in 8-bit blocks, with adapters as inputs.

Measured on two AVX-512 cores with this base (KL divergence from an fp32 forward pass over 78 tokens of
text; ms a token without and with an r=8 adapter; figures in benchmarks/README.md):

- 4 bits, Q4_1's minimum rounded to an integer zero point: 6.3 and 7.8 ms, KL 0.45, hence not used;
- 4 bits and an exact side branch for the minimum: 7.6 and 8.9 ms, KL 0.004;
- 8 bits with codes times 17 and an integer zero point (here): 6.9 and 8.6 ms, KL 0.004, no extra nodes.

MatMulNBits takes fractional zero points too, but then dequantises the whole matrix at every call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from speeddial.models.gguf_file import QK, GgufFile, Quantised4

GRAPH, WEIGHTS, SHAPE = "graph.onnx", "weights.bin", "shape.json"
CONTRIB = "com.microsoft"
GROUP_WIDTH = 16
"""Most columns of an adapter's matrix A in one product. A wider product is cut among threads once it has rows
enough, and the parts are then summed in other blocks: the same row would give other bits in a longer pass."""
_INLINE_BYTES = 1024
_PAGE = 4096
"""ONNX Runtime maps external data when it starts on a page."""

FUSED: dict[str, tuple[str, ...]] = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "o": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
"""The products of one layer and the modules (by Hugging Face's names) whose rows each of them stacks."""


@dataclass(frozen=True)
class LlamaShape:
    """The numbers that make a Llama decoder."""

    layers: int
    heads: int
    kv_heads: int
    head_size: int
    hidden: int
    feed_forward: int
    vocabulary: int
    context: int
    rope_base: float
    norm_epsilon: float

    def rows(self, module: str) -> int:
        """Outputs of a module, by the last part of its name."""
        return {
            "q_proj": self.heads * self.head_size,
            "k_proj": self.kv_heads * self.head_size,
            "v_proj": self.kv_heads * self.head_size,
            "o_proj": self.hidden,
            "gate_proj": self.feed_forward,
            "up_proj": self.feed_forward,
            "down_proj": self.hidden,
        }[module.rpartition(".")[2]]

    def columns(self, module: str) -> int:
        """Inputs of a module, by the last part of its name."""
        last = module.rpartition(".")[2]
        sizes = {"o_proj": self.heads * self.head_size, "down_proj": self.feed_forward}
        return sizes.get(last, self.hidden)


class Block8(NamedTuple):
    """A matrix in 8 bits: ``weight = scale * (code - zero)``, one scale and zero per block of 32."""

    codes: npt.NDArray[np.uint8]
    """Shape (rows, blocks, 32)."""
    scale: npt.NDArray[np.float32]
    """Shape (rows, blocks)."""
    zero: npt.NDArray[np.uint8]
    """Shape (rows, blocks)."""

    @staticmethod
    def stacked(parts: list[Block8]) -> Block8:
        """Matrices over the same input, one below the other."""
        return Block8(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))

    def rows(self, numbers: Sequence[int]) -> npt.NDArray[np.float32]:
        """Some rows in fp32, shape (numbers, columns)."""
        picked = np.asarray(numbers, np.int64)
        codes = self.codes[picked].astype(np.float32) - self.zero[picked][..., None]
        return (codes * self.scale[picked][..., None]).reshape(len(picked), -1)

    @staticmethod
    def of_weights(weights: npt.NDArray[np.float32]) -> Block8:
        """Quantise fp32 weights of shape (rows, columns), columns a multiple of 32."""
        blocks = weights.reshape(len(weights), -1, QK)
        low = np.minimum(blocks.min(-1), 0)
        scale = np.maximum((np.maximum(blocks.max(-1), 0) - low) / 255, np.float32(1e-12))
        zero = np.rint(-low / scale)
        codes = np.clip(np.rint(blocks / scale[..., None]) + zero[..., None], 0, 255)
        return Block8(codes.astype(np.uint8), scale.astype(np.float32), zero.astype(np.uint8))

    @staticmethod
    def of_q4_1(matrix: Quantised4) -> Block8:
        """Take over a Q4_1 matrix: its 16 steps stay evenly spaced, its offset moves by at most 1/34 step."""
        safe = np.where(matrix.scale == 0, 1, matrix.scale)
        zero = np.rint(-17 * matrix.minimum / safe)
        if (matrix.scale == 0).any() or zero.min() < 0 or zero.max() > 255:
            return Block8.of_weights(matrix.dequantised())
        return Block8(matrix.codes * np.uint8(17), matrix.scale / np.float32(17), zero.astype(np.uint8))

    def dequantised(self) -> npt.NDArray[np.float32]:
        """The weights as the graph sees them, shape (rows, columns)."""
        centred = self.codes.astype(np.float32) - self.zero[..., None]
        return (centred * self.scale[..., None]).reshape(len(self.codes), -1)


class LlamaWeights(Protocol):
    """Where a decoder's weights come from; modules are named as in Hugging Face's Llama."""

    shape: LlamaShape

    def linear(self, layer: int, module: str) -> Block8: ...
    def norm(self, name: str) -> npt.NDArray[np.float32]: ...
    def embedding(self) -> Block8: ...


GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


class GgufWeights:
    """Weights of a Llama in a GGUF file (Q4_1, embedding in Q8_0), rows of q and k put back in order."""

    def __init__(self, file: GgufFile) -> None:
        self.file = file
        data = file.metadata
        heads = int(data["llama.attention.head_count"])
        self.shape = LlamaShape(
            layers=int(data["llama.block_count"]),
            heads=heads,
            kv_heads=int(data["llama.attention.head_count_kv"]),
            head_size=int(data["llama.embedding_length"]) // heads,
            hidden=int(data["llama.embedding_length"]),
            feed_forward=int(data["llama.feed_forward_length"]),
            vocabulary=int(data["llama.vocab_size"]),
            context=int(data["llama.context_length"]),
            rope_base=float(data["llama.rope.freq_base"]),
            # Stored as fp32: 9.999999747378752e-06 for what the model's config calls 1e-5.
            norm_epsilon=float(f"{data['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        )

    def quantised(self, layer: int, module: str) -> Quantised4:
        """One matrix as stored, rows in Hugging Face's order.

        llama.cpp's converter interleaves the two halves of every head in q and k for its own rotary
        embedding; here the halves are put side by side again.
        """
        matrix = self.file.q4_1(f"blk.{layer}.{GGUF_NAMES[module]}.weight")
        if not module.endswith(("q_proj", "k_proj")):
            return matrix
        size = self.shape.head_size
        rows = np.arange(len(matrix.codes)).reshape(-1, size // 2, 2)
        return matrix.rows(rows.swapaxes(1, 2).ravel())

    def linear(self, layer: int, module: str) -> Block8:
        return Block8.of_q4_1(self.quantised(layer, module))

    def norm(self, name: str) -> npt.NDArray[np.float32]:
        """A norm's weight by its Hugging Face name, such as ``model.layers.3.input_layernorm``."""
        if name == "model.norm":
            return self.file.float32("output_norm.weight")
        _, _, layer, kind = name.split(".")
        return self.file.float32(f"blk.{layer}.{'attn' if kind == 'input_layernorm' else 'ffn'}_norm.weight")

    def embedding(self) -> Block8:
        matrix = self.file.q8_0("token_embd.weight")
        zero = np.full(matrix.scale.shape, 128, np.uint8)
        return Block8(matrix.codes.view(np.uint8) ^ np.uint8(128), matrix.scale, zero)


def adapter_inputs(shape: LlamaShape) -> Iterator[tuple[str, int, str]]:
    """Names of the graph's adapter inputs: for each product its name, layer and kind.

    The product ``x W`` becomes ``x W + (x A) B``, with A's columns in groups, of shape
    (groups, 1, columns, width), in the input ``NAME.A`` and B of shape (groups * width, rows) in
    ``NAME.B``; width 0 means no adapter. See `GROUP_WIDTH`.
    """
    for layer in range(shape.layers):
        for product in FUSED:
            yield f"{layer}.{product}", layer, product


class _GraphWriter:
    """Collects nodes and initialisers; big tensors go straight to the weights file."""

    def __init__(self, data: BinaryIO) -> None:
        from onnx import TensorProto, helper

        self.helper = helper
        self.proto = TensorProto
        self.data = data
        self.offset = 0
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}

    def tensor(self, name: str, array: npt.NDArray[Any]) -> str:
        if name in self.tensors:
            return name
        array = np.ascontiguousarray(array)
        proto = self.proto(name=name, data_type=self.helper.np_dtype_to_tensor_dtype(array.dtype))
        proto.dims.extend(array.shape)
        if array.nbytes < _INLINE_BYTES:
            proto.raw_data = array.tobytes()
        else:
            padding = -self.offset % _PAGE
            self.data.write(b"\0" * padding)
            self.offset += padding
            proto.data_location = self.proto.EXTERNAL
            where = {"location": WEIGHTS, "offset": self.offset, "length": array.nbytes}
            for key, value in where.items():
                proto.external_data.add(key=key, value=str(value))
            self.data.write(array.data)
            self.offset += array.nbytes
        self.tensors[name] = proto
        return name

    def node(self, op: str, inputs: list[str], outputs: list[str], domain: str = "", **fields: Any) -> str:
        self.nodes.append(self.helper.make_node(op, inputs, outputs, domain=domain, **fields))
        return outputs[0]

    def product(self, name: str, source: str, matrix: Block8) -> str:
        rows, blocks, _ = matrix.codes.shape
        return self.node(
            "MatMulNBits",
            [
                source,
                self.tensor(f"{name}.codes", matrix.codes),
                self.tensor(f"{name}.scale", matrix.scale.ravel()),
                self.tensor(f"{name}.zero", matrix.zero.ravel()),
            ],
            [name],
            CONTRIB,
            K=blocks * QK,
            N=rows,
            bits=8,
            block_size=QK,
            # Activations in int8: with fp32 ones (level 1) a token takes over 100 ms.
            accuracy_level=4,
        )

    def adapted(self, name: str, source: str, matrix: Block8) -> str:
        down = self.node("MatMul", [source, f"{name}.A"], [f"{name}.down"])
        last = self.node("Transpose", [down], [f"{name}.groups"], perm=[1, 2, 0, 3])
        joined = self.tensor("joined_groups", np.array([0, 0, -1]))
        ranks = self.node("Reshape", [last, joined], [f"{name}.ranks"])
        up = self.node("MatMul", [ranks, f"{name}.B"], [f"{name}.up"])
        return self.node("Add", [self.product(name, source, matrix), up], [f"{name}.sum"])


def write_graph(folder: Path, weights: LlamaWeights) -> None:
    """Write the graph and its weights into a folder.

    Inputs: ``embeddings`` (sequences, tokens, hidden) fp32; ``last_index`` int32 (sequences), the index
    of each one's last token after this pass; ``total`` int32 (1), tokens of the longest after this pass;
    ``wanted`` int64, the tokens whose logits are wanted, counted over all sequences; per layer
    ``past_key.N`` and ``past_value.N`` (sequences, kv_heads, capacity, head_size); the adapter inputs of
    `adapter_inputs`.
    Outputs: ``logits`` (wanted, vocabulary); per layer ``key.N`` and ``value.N``, bound to the
    same memory as the inputs so that nothing is copied.

    Args:
        folder: gets `GRAPH`, `WEIGHTS` and `SHAPE`.
        weights: where they come from.
    """
    from onnx import save_model

    with (folder / WEIGHTS).open("wb") as data:
        writer = _GraphWriter(data)
        _write_decoder(writer, weights)
        model = _model(writer, weights.shape)
    save_model(model, str(folder / GRAPH))
    (folder / SHAPE).write_text(json.dumps(asdict(weights.shape)), encoding="utf-8")


def read_shape(folder: Path) -> LlamaShape:
    """The numbers of the decoder whose graph is in a folder."""
    return LlamaShape(**json.loads((folder / SHAPE).read_text(encoding="utf-8")))


def map_embedding(folder: Path, shape: LlamaShape) -> Block8:
    """The embedding's rows, mapped from the weights file and so shared with the graph's last product."""
    rows, blocks = shape.vocabulary, shape.hidden // QK
    codes = np.memmap(folder / WEIGHTS, np.uint8, "r", 0, (rows, blocks, QK))
    scale = np.memmap(folder / WEIGHTS, np.float32, "r", -(-codes.nbytes // _PAGE) * _PAGE, (rows, blocks))
    return Block8(codes, scale, np.broadcast_to(np.uint8(128), (rows, blocks)))


def _write_decoder(writer: _GraphWriter, weights: LlamaWeights) -> None:
    shape = weights.shape
    epsilon = shape.norm_epsilon
    # First in the weights file, where `map_embedding` looks for it; the product of the logits shares it.
    embedding = weights.embedding()
    writer.tensor("logits.codes", embedding.codes)
    writer.tensor("logits.scale", embedding.scale.ravel())
    powers = shape.rope_base ** (-np.arange(0, shape.head_size, 2) / shape.head_size)
    angles = np.outer(np.arange(shape.context), powers)
    rotary = [
        writer.tensor("rope.cos", np.cos(angles).astype(np.float32)),
        writer.tensor("rope.sin", np.sin(angles).astype(np.float32)),
    ]
    residual, delta = "embeddings", ""

    def normed(name: str, number: str) -> str:
        nonlocal residual
        gain = writer.tensor(name, weights.norm(name))
        if not delta:
            inputs, outputs = [residual, gain], [f"{number}.normed"]
            return writer.node("SimplifiedLayerNormalization", inputs, outputs, axis=-1, epsilon=epsilon)
        inputs, outputs = [residual, delta, gain], [f"{number}.normed", "", "", f"{number}.residual"]
        residual = outputs[3]
        return writer.node("SkipSimplifiedLayerNormalization", inputs, outputs, CONTRIB, epsilon=epsilon)

    for layer in range(shape.layers):

        def fused(product: str, layer: int = layer) -> Block8:
            return Block8.stacked([weights.linear(layer, module) for module in FUSED[product]])

        prefix = f"model.layers.{layer}"
        source = normed(f"{prefix}.input_layernorm", f"{layer}.attention")
        source = writer.adapted(f"{layer}.qkv", source, fused("qkv"))
        cache = [f"past_key.{layer}", f"past_value.{layer}", "last_index", "total", *rotary]
        outputs = [f"{layer}.attended", f"key.{layer}", f"value.{layer}"]
        source = writer.node(
            "GroupQueryAttention",
            [source, "", "", *cache],
            outputs,
            CONTRIB,
            num_heads=shape.heads,
            kv_num_heads=shape.kv_heads,
            do_rotary=1,
        )
        delta = writer.adapted(f"{layer}.o", source, fused("o"))
        source = normed(f"{prefix}.post_attention_layernorm", f"{layer}.feed_forward")
        source = writer.adapted(f"{layer}.gate_up", source, fused("gate_up"))
        writer.node("Split", [source], [f"{layer}.gate", f"{layer}.up"], axis=-1, num_outputs=2)
        # QuickGelu with alpha 1 is x * sigmoid(x), which is SiLU in one node.
        gate = writer.node("QuickGelu", [f"{layer}.gate"], [f"{layer}.silu"], CONTRIB, alpha=1.0)
        source = writer.node("Mul", [gate, f"{layer}.up"], [f"{layer}.gated"])
        delta = writer.adapted(f"{layer}.down", source, fused("down"))

    source = writer.node("Add", [residual, delta], ["hidden"])
    flat = writer.tensor("flat", np.array([-1, shape.hidden]))
    source = writer.node("Reshape", [source, flat], ["rows"])
    source = writer.node("Gather", [source, "wanted"], ["wanted.rows"], axis=0)
    gain = writer.tensor("model.norm", weights.norm("model.norm"))
    source = writer.node("SimplifiedLayerNormalization", [source, gain], ["final"], axis=-1, epsilon=epsilon)
    writer.product("logits", source, embedding)


def _model(writer: _GraphWriter, shape: LlamaShape) -> Any:
    float32, int32, int64 = writer.proto.FLOAT, writer.proto.INT32, writer.proto.INT64
    value = writer.helper.make_tensor_value_info
    inputs = [
        value("embeddings", float32, ["sequences", "tokens", shape.hidden]),
        value("last_index", int32, ["sequences"]),
        value("total", int32, [1]),
        value("wanted", int64, ["wanted"]),
    ]
    outputs = [value("logits", float32, ["wanted", shape.vocabulary])]
    for layer in range(shape.layers):
        for kind in ("key", "value"):
            dims = ["sequences", shape.kv_heads, "capacity", shape.head_size]
            inputs.append(value(f"past_{kind}.{layer}", float32, dims))
            outputs.append(value(f"{kind}.{layer}", float32, dims))
    for name, _, product in adapter_inputs(shape):
        groups, width = f"groups.{product}", f"width.{product}"
        rows = sum(shape.rows(module) for module in FUSED[product])
        inputs.append(value(f"{name}.A", float32, [groups, 1, shape.columns(FUSED[product][0]), width]))
        inputs.append(value(f"{name}.B", float32, [f"rank.{product}", rows]))
    graph = writer.helper.make_graph(writer.nodes, "decoder", inputs, outputs, list(writer.tensors.values()))
    opsets = [writer.helper.make_opsetid("", 21), writer.helper.make_opsetid(CONTRIB, 1)]
    return writer.helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="speeddial")
