"""What few examples of a label are compared by: the base's embedding beside a network's features.

The network was trained to tell the labels of Banking77 and HWU64; what it tells them by serves labels that it
never saw. On 600 messages of CLINC150, which it never saw, 81.3 % are right with five examples of each of 150
labels, by the embedding alone 77.5 %, by the features alone 79.8 %.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speeddial.errors import DefinitionError
from speeddial.models.encoder import Encoder, load_encoder
from speeddial.models.labelnetwork import LabelNetwork
from speeddial.models.labelset import unit
from speeddial.models.lstm import Float32

TENSORS = Path(__file__).with_name("reader.safetensors")
_FEATURES = "features."


class Reader:
    """Embeds messages. Safe to use from several threads.

    Args:
        encoder: of the base.
        tensors: of the network, with centre and spread of its features.
        identity: of the tensors.
    """

    def __init__(
        self, encoder: Encoder, tensors: Mapping[str, npt.NDArray[np.floating]], identity: str
    ) -> None:
        self._encoder = encoder
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(_FEATURES)}
        self._network = LabelNetwork(own)
        self._centre = tensors[f"{_FEATURES}centre"].astype(np.float32)
        self._spread = tensors[f"{_FEATURES}spread"].astype(np.float32)
        self.identity = f"{encoder.identity}+{identity}"
        """What tells its embeddings from another's."""

    def embed(self, texts: Sequence[str]) -> Float32:
        """Embeddings of texts, each one long, shape (texts, hidden + features).

        Raises:
            EngineError: the runtime failed.
        """
        rows = []
        for text in texts:
            states = self._encoder.states(text)
            features = (self._network.features(states) - self._centre) / self._spread
            rows.append(np.concatenate([self._encoder.embedding(states), unit(features[None])[0]]))
        return np.asarray(np.stack(rows) / np.sqrt(2), np.float32)


_readers: dict[str, Reader] = {}
_loading = threading.Lock()


def load_reader(name: str, adapter: Path | None = None) -> Reader | Encoder:
    """The reader of a base by its name, the same object every time.

    Args:
        name: of the base.
        adapter: folder of an adapter of the encoder. With one, or with a base that the network was not
            trained on, the encoder reads alone.

    Raises:
        EngineUnreachable: the base has not been pulled.
        DefinitionError: the network's file is broken.
    """
    encoder = load_encoder(name, adapter)
    with _loading:
        if encoder.identity not in _readers:
            made = _read(encoder)
            if made is None:
                return encoder
            _readers[encoder.identity] = made
        return _readers[encoder.identity]


def _read(encoder: Encoder) -> Reader | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(TENSORS, "np") as file:
            if (file.metadata() or {})["encoder"] != encoder.identity:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        digest = hashlib.sha256(TENSORS.read_bytes()).hexdigest()[:16]
        return Reader(encoder, tensors, digest)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DefinitionError(
            f"{TENSORS}: expected the reader's network, got {error!r}",
            hint="`python -m training.triage reader` writes it",
        ) from error


def write_reader(
    network: LabelNetwork, encoder: Encoder, texts: Sequence[str], path: Path, about: Mapping[str, str]
) -> None:
    """Write the file.

    Args:
        texts: messages that the features' centre and spread are taken of.
        about: notes for the file's header: source, licence, recipe.
    """
    from safetensors.numpy import save_file

    found = np.stack([network.features(encoder.states(text)) for text in texts])
    tensors = {
        **network.tensors,
        f"{_FEATURES}centre": found.mean(0),
        f"{_FEATURES}spread": found.std(0) + 1e-3,
    }
    halves = {name: np.ascontiguousarray(tensor.astype(np.float16)) for name, tensor in tensors.items()}
    save_file(halves, path, {**about, "encoder": encoder.identity})
