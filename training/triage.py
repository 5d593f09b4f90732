"""Triage: label sets from CLINC150 and Banking77, evaluation rows, and training data of the encoder.

    python -m training.triage rows DATA OUT               evaluation rows, and rows for speeddial.flywheel.encoder
    python -m training.triage statistics DATA src/speeddial/models        what n-grams and embeddings are like
    python -m training.triage sets DATA OUT [--encoder BASE] [--adapter FOLDER]       the two label sets

DATA holds clinc150/, banking77/ and hwu64/. `sets` needs scikit-learn (the train extra); with --encoder the sets have
weights over the embeddings too. A tenth of each training part, by hash, is held out: Banking77's is its development
part, CLINC150's fits the calibration and its own validation part is left for figures.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speeddial.given import NONE
from speeddial.models.base_model import DEFAULT_BASE
from speeddial.models.calibration import Calibration, Floats, calibrated
from speeddial.models.encoder import Encoder, load_encoder
from speeddial.models.fewshot import COLUMNS as FEW
from speeddial.models.labelset import Dense, LabelSet
from speeddial.models.ngrams import COLUMNS, columns_of
from training.organizer import read, write

Row = dict[str, Any]
Pairs = Sequence[tuple[str, str]]
"""Texts with their labels."""

ABOUT = {
    "clinc150": "CLINC150 (CC BY 3.0, Larson et al. 2019, github.com/clinc/oos-eval), training part",
    "banking77": "Banking77 (CC BY 4.0, Casanueva et al. 2020, github.com/PolyAI-LDN), training part, nine tenths",
}
START = Calibration(6.0, (4.0, 1.0, 2.0))
FOLDS = 4
"""Parts of the labels that are left out in turn, where a set has no strangers of its own."""
GAINS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Weights of the embeddings' scores that are tried."""
SAMPLE = 800
RIDGE = 1.0


def held_out(text: str) -> bool:
    """Whether a text is of the tenth that is not learnt from."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10 == 0


def pairs(rows: Iterable[Row]) -> Pairs:
    return [(row["text"], row["intent"]) for row in rows]


# --- label sets ---------------------------------------------------------------------------------------------


class Fitted:
    """Linear weights over n-grams, and over embeddings where there is an encoder.

    Args:
        known: what is learnt.
        vectors: text -> its embedding, one long; empty without an encoder.
    """

    def __init__(self, known: Pairs, vectors: dict[str, Floats]) -> None:
        from sklearn.svm import LinearSVC

        self.labels = sorted({label for _, label in known})
        found = [columns_of(text) for text, _ in known]
        counts = np.bincount(np.concatenate(found), minlength=COLUMNS)
        self.rarity = (np.log((1 + len(found)) / (1 + counts)) + 1).astype(np.float32)
        truth = self.truth(known)
        machine = LinearSVC(C=1.0, random_state=7).fit(self._sparse(found), truth)
        self.table, self.bias = machine.coef_.T, machine.intercept_
        self.vectors = vectors
        if vectors:
            rows = np.stack([vectors[text] for text, _ in known])
            wanted = np.eye(len(self.labels))[truth]
            self.dense = np.linalg.solve(rows.T @ rows + RIDGE * np.eye(rows.shape[1]), rows.T @ wanted)

    def truth(self, known: Pairs) -> npt.NDArray[np.intp]:
        place = {label: number for number, label in enumerate(self.labels)}
        return np.array([place[label] for _, label in known], np.intp)

    def scores(self, texts: Sequence[str], gain: float = 0.0) -> Floats:
        """Shape (texts, labels)."""
        found = self._sparse([columns_of(text) for text in texts]) @ self.table + self.bias
        if gain:
            found = found + gain * np.stack([self.vectors[text] for text in texts]) @ self.dense
        return np.asarray(found)

    def _sparse(self, found: Sequence[npt.NDArray[np.intp]]) -> Any:
        from scipy.sparse import csr_matrix

        ends = np.cumsum([0, *map(len, found)])
        columns = np.concatenate(found)
        values = self.rarity[columns]
        norms = np.sqrt(np.add.reduceat(values**2, ends[:-1]))
        return csr_matrix((values / np.repeat(norms, np.diff(ends)), columns, ends), (len(found), COLUMNS))


def label_set(
    known: Pairs, checked: Pairs, strangers: Sequence[str], vectors: dict[str, Floats], identity: str
) -> LabelSet:
    """Fit, calibrate on what was held out, and fit again on all of it.

    Args:
        known: what is learnt at first.
        checked: what the calibration is fitted on, and learnt in the end.
        strangers: messages that no label fits; empty takes those of labels that are left out in turn.
        vectors: see `Fitted`.
        identity: of the encoder.
    """
    first = Fitted(known, vectors)
    truth = first.truth(checked)
    texts = [text for text, _ in checked]

    def strange(gain: float) -> Floats:
        if strangers:
            return first.scores(strangers, gain)
        return np.vstack([scores(gain) for scores in left_out])

    left_out = [] if strangers else [_without(known, checked, vectors, fold) for fold in range(FOLDS)]
    gains = GAINS if vectors else (0.0,)
    right = [float((first.scores(texts, gain).argmax(1) == truth).mean()) for gain in gains]
    gain = gains[int(np.argmax(right))]
    print("  held out, by weight of the embeddings:", dict(zip(gains, np.round(right, 4), strict=True)))
    alone = calibrated(first.scores(texts), truth, strange(0.0), START)
    both = calibrated(first.scores(texts, gain), truth, strange(gain), START) if gain else alone
    last = Fitted([*known, *checked], vectors)
    return LabelSet(
        labels=tuple(last.labels),
        rarity=last.rarity,
        table=last.table,
        scale=np.ones(len(last.labels)),
        bias=last.bias,
        calibration=alone,
        dense=Dense(identity, gain * last.dense, both) if gain else None,
    )


def _without(
    known: Pairs, checked: Pairs, vectors: dict[str, Floats], fold: int
) -> Callable[[float], Floats]:
    """Scores of held-out messages by weights that never saw their labels; the best scores come first."""
    labels = sorted({label for _, label in known})
    gone = set(labels[fold::FOLDS])
    fitted = Fitted([pair for pair in known if pair[1] not in gone], vectors)
    texts = [text for text, label in checked if label in gone]

    def scores(gain: float) -> Floats:
        # The other folds have other labels: their number is made the same by labels that fit nothing.
        found = fitted.scores(texts, gain)
        spare = np.full((len(found), len(labels) - found.shape[1]), found.min())
        return np.hstack([found, spare])

    return scores


def write_sets(data: Path, out: Path, encoder: Encoder | None) -> None:
    clinc, banking = (pairs(read(data / name / "train.jsonl.xz")) for name in ("clinc150", "banking77"))
    strangers = [row["text"] for row in read(data / "clinc150" / "oos_train.jsonl")]
    out.mkdir(parents=True, exist_ok=True)
    for name, rows, strange in (("clinc150", clinc, strangers), ("banking77", learnt(banking), [])):
        texts = [*(text for text, _ in rows), *strange]
        vectors = {}
        if encoder is not None:
            vectors = dict(zip(texts, encoder.embed(texts), strict=True))
        known = [pair for pair in rows if not _second(pair[0])]
        checked = [pair for pair in rows if _second(pair[0])]
        made = label_set(known, checked, strange, vectors, encoder.identity if encoder else "")
        path = out / f"{name}.safetensors"
        made.save(path, {"source": ABOUT[name], "licence": "as the source's", "recipe": "training/triage.py"})
        print(f"{path}: {len(made.labels)} labels, {path.stat().st_size:,} bytes, {made.calibration}")


def learnt(rows: Pairs) -> Pairs:
    return [pair for pair in rows if not held_out(pair[0])]


def _second(text: str) -> bool:
    """A tenth of what is learnt, for the calibration; other than `held_out`."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) // 10 % 10 == 0


# --- rows ---------------------------------------------------------------------------------------------------


def case(identity: str, text: str, label: str, labels: str) -> Row:
    call = {"name": "route", "arguments": {"label": NONE if label == "oos" else label}}
    return {"id": identity, "input": text, "labels": labels, "calls": [call]}


def write_rows(data: Path, out: Path) -> None:
    """Evaluation rows of both sets, and rows of an encoder's training: {"text", "label", "set"}."""
    out.mkdir(parents=True, exist_ok=True)
    clinc = data / "clinc150"
    banking = read(data / "banking77" / "train.jsonl.xz")
    dev = {
        "clinc150": [*read(clinc / "val.jsonl.xz"), *read(clinc / "oos_val.jsonl")],
        "banking77": [row for row in banking if held_out(row["text"])],
    }
    for name, rows in dev.items():
        cases = [
            case(f"{name}-{number}", row["text"], row["intent"], name) for number, row in enumerate(rows)
        ]
        print(f"{name}_dev.jsonl: {write(out / f'{name}_dev.jsonl', cases)} rows")
    sources = {
        "clinc150": pairs(read(clinc / "train.jsonl.xz")),
        "banking77": learnt(pairs(banking)),
        "hwu64": [
            (row["text"], f"{row['scenario']}_{row['intent']}")
            for row in read(data / "hwu64" / "train.jsonl.xz")
        ],
    }
    train = [
        {"set": name, "text": text, "label": label} for name, rows in sources.items() for text, label in rows
    ]
    train += [
        {"set": "clinc150", "text": row["text"], "label": ""} for row in read(clinc / "oos_train.jsonl")
    ]
    print(f"encoder_train.jsonl: {write(out / 'encoder_train.jsonl', train)} rows")


def write_statistics(data: Path, out: Path, encoder: Encoder) -> None:
    """How common n-grams are, and centre and spread of embeddings, in Banking77 and HWU64.

    CLINC150 has no part in them, so that figures on it are of a set that nothing was fitted on.
    """
    from safetensors.numpy import save_file

    rows = [
        *read(data / "hwu64" / "train.jsonl.xz"),
        *(row for row in read(data / "banking77" / "train.jsonl.xz") if not held_out(row["text"])),
    ]
    texts = [row["text"] for row in rows]
    about = {"texts": "Banking77 (CC BY 4.0) and HWU64 (CC BY 4.0), training parts"}
    counts = np.bincount(np.concatenate([columns_of(text, FEW) for text in texts]), minlength=FEW)
    save_file({"share": (counts / len(texts)).astype(np.float16)}, out / "ngrams.safetensors", about)
    sample = random.Random(7).sample(texts, SAMPLE)
    states = np.stack([encoder.raw(text) for text in sample])
    found = {"centre": states.mean(0), "spread": states.std(0) + 1e-3}
    save_file({name: np.float32(value) for name, value in found.items()}, out / "encoder.safetensors", about)
    print(f"{out}: n-grams of {len(texts)} texts, embeddings of {SAMPLE}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("rows", "statistics", "sets"))
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoder", nargs="?", const=DEFAULT_BASE, default="")
    parser.add_argument("--adapter", type=Path)
    options = parser.parse_args()
    if options.what == "rows":
        write_rows(options.data, options.out)
    elif options.what == "statistics":
        write_statistics(options.data, options.out, load_encoder(DEFAULT_BASE))
    else:
        encoder = load_encoder(options.encoder, options.adapter) if options.encoder else None
        write_sets(options.data, options.out, encoder)


if __name__ == "__main__":
    main()
