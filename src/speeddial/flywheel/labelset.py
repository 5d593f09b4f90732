"""S5 for labels: makes a label set of many messages, for `triage` to route others by.

    python -m speeddial.flywheel.labelset ROWS.jsonl --out experts/triage/adapter/NAME.safetensors

Rows are {"text", "label"}; where the label is empty, none fits. Two things read a message: a linear machine
its n-grams, a network the states that the base has of its tokens. A tenth of the messages, by hash, says how
sure the set may be, and is learnt in the end. Killed, the same command goes on with the networks that it has.
Some messages of each label are enough for no training at all: see `speeddial.models.fewshot`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speeddial.errors import UserError
from speeddial.filehash import sha256_of
from speeddial.flywheel import labelling
from speeddial.flywheel.dataset import DatasetError, training_files
from speeddial.flywheel.trainer import REPORT
from speeddial.jsonlines import read_objects
from speeddial.messages import compact_json
from speeddial.models.base_model import DEFAULT_BASE
from speeddial.models.calibration import Calibration, Floats, best_and_lead, calibrated
from speeddial.models.encoder import Encoder, load_encoder
from speeddial.models.labelnetwork import LabelNetwork
from speeddial.models.labelset import LabelSet, Trained, evidence
from speeddial.models.ngrams import columns_of

Pairs = Sequence[tuple[str, str]]
"""Texts with their labels."""
LEAST = 10
"""Messages of each label."""
LEAST_CHECKED = 20
"""Messages that say how sure the set may be."""
COLUMNS = 1 << 14
"""Of the n-grams: 150 labels with their network come to 4.7 MB."""
START = Calibration(6.0, (4.0, 1.0, 2.0))
"""Of the n-grams' scores."""
START_TRAINED = Calibration(1.0, (1.5, 2.0, 5.0))
"""Of a mixture, see `speeddial.models.labelset.Trained`: about that of CLINC150."""
FOLDS = 2
"""Parts of the labels that are left out in turn, where a set has no strangers of its own."""
SHARES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
"""Of the n-grams in the mixture, that are tried."""
SHARPNESS = 6.0
"""Of the n-grams' scores; 4 to 8 are as good."""


class Fitted:
    """Linear weights over n-grams.

    Args:
        known: what is learnt.
    """

    def __init__(self, known: Pairs) -> None:
        from sklearn.svm import LinearSVC

        self.labels = sorted({label for _, label in known})
        found = [columns_of(text, COLUMNS) for text, _ in known]
        counts = np.bincount(np.concatenate(found), minlength=COLUMNS)
        self.rarity = (np.log((1 + len(found)) / (1 + counts)) + 1).astype(np.float32)
        machine = LinearSVC(C=1.0, random_state=7).fit(self._sparse(found), self.truth(known))
        self.table, self.bias = machine.coef_.T, machine.intercept_
        if len(self.labels) == 2:
            # Of two labels scikit-learn keeps one line of weights, the second label's.
            self.table = np.hstack([-self.table, self.table])
            self.bias = np.concatenate([-self.bias, self.bias])

    def truth(self, known: Pairs) -> npt.NDArray[np.intp]:
        place = {label: number for number, label in enumerate(self.labels)}
        return np.array([place[label] for _, label in known], np.intp)

    def scores(self, texts: Sequence[str]) -> Floats:
        """Shape (texts, labels)."""
        return np.asarray(
            self._sparse([columns_of(text, COLUMNS) for text in texts]) @ self.table + self.bias
        )

    def _sparse(self, found: Sequence[npt.NDArray[np.intp]]) -> Any:
        from scipy.sparse import csr_matrix

        ends = np.cumsum([0, *map(len, found)])
        columns = np.concatenate(found)
        values = self.rarity[columns]
        norms = np.sqrt(np.add.reduceat(values**2, ends[:-1]))
        return csr_matrix((values / np.repeat(norms, np.diff(ends)), columns, ends), (len(found), COLUMNS))


@dataclass(frozen=True)
class Told:
    """What n-grams and the network say of messages, each of shape (messages, labels)."""

    by_grams: Floats
    by_network: Floats

    @classmethod
    def joined(cls, parts: Sequence[Told]) -> Told:
        """The rows of all; labels that a part does not have fit nothing."""
        most = max(part.by_grams.shape[1] for part in parts)

        def padded(rows: Floats, value: float) -> Floats:
            return np.pad(rows, ((0, 0), (0, most - rows.shape[1])), constant_values=value)

        return cls(
            np.vstack([padded(part.by_grams, part.by_grams.min()) for part in parts]),
            np.vstack([padded(part.by_network, 0.0) for part in parts]),
        )


class Maker:
    """Makes a label set, by networks that are kept in a work folder.

    Args:
        base: whose states the networks read, as `speeddial models` names it.
        work: rows and networks go there.
        licence: of the data.
        tell: told in words how far it is.
        recipe: of the networks; the usual one unless given.

    Raises:
        EngineUnreachable: the base has not been pulled.
    """

    def __init__(
        self,
        base: str,
        work: Path,
        licence: str = "",
        tell: Callable[[str], None] = lambda line: None,
        recipe: labelling.Recipe | None = None,
    ) -> None:
        self.base, self.work, self.licence, self.tell = base, work, licence, tell
        self.recipe = recipe or labelling.Recipe()
        self.encoder: Encoder = load_encoder(base)

    def make(self, rows: Pairs, strangers: Sequence[str] = ()) -> LabelSet:
        """The label set.

        Args:
            rows: messages with their labels.
            strangers: messages that no label fits; without any, those of labels that are left out in turn.

        Raises:
            DatasetError: too few labels, or messages.
            UserError: torch or scikit-learn is not installed.
        """
        missing = [name for name in ("torch", "sklearn") if find_spec(name) is None]
        if missing:
            raise UserError(
                f"a label set needs {' and '.join(missing)}", hint="pip install 'speeddial[train]'"
            )
        counts = Counter(label for _, label in rows)
        few = [label for label, count in counts.items() if count < LEAST]
        labels = 2 if strangers else 2 * FOLDS
        checked = [pair for pair in rows if kept(pair[0])]
        if few or len(counts) < labels or len(checked) < LEAST_CHECKED:
            raise DatasetError(
                f"{len(rows)} messages of {len(counts)} labels, {len(few)} of these with fewer than {LEAST}:"
                f" expected {labels} labels and more, and some {15 * LEAST_CHECKED} messages",
                hint="labels of few messages need no training: give them to triage as examples",
            )
        return self.label_set([pair for pair in rows if not kept(pair[0])], checked, strangers)

    def network(self, known: Pairs, how: str) -> LabelNetwork:
        """Train one, or go on with it."""
        self.work.mkdir(parents=True, exist_ok=True)
        rows, out = self.work / f"{how}.jsonl", self.work / how
        lines = (compact_json({"text": text, "label": label}) for text, label in known)
        rows.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        if self._finished(out, rows):
            return LabelNetwork.load(out)[1]
        self.tell(f"{how}: {len(known):,} messages")
        labelling.train(
            [rows],
            self.base,
            out,
            self.recipe,
            licence=self.licence,
            report_every=200,
            reading=self._tell_reading,
            progress=lambda at: self.tell(f"step {at.step} of {at.steps}, loss {at.loss:.3f}"),
        )
        return LabelNetwork.load(out)[1]

    def _tell_reading(self, done: int, of: int) -> None:
        if done % 1000 == 0:
            self.tell(f"the base has read {done:,} of {of:,} texts")

    def _finished(self, out: Path, rows: Path) -> bool:
        report = out / REPORT
        if not report.is_file():
            return False
        told = json.loads(report.read_text(encoding="utf-8"))
        return bool(told["finished"] and told["data"]["sha256"] == sha256_of([rows]))

    def said(self, fitted: Fitted, network: LabelNetwork, texts: Sequence[str]) -> Told:
        by_network = np.stack([network.read(self.encoder.states(text)) for text in texts])
        return Told(fitted.scores(texts), by_network)

    def label_set(self, known: Pairs, checked: Pairs, strangers: Sequence[str]) -> LabelSet:
        """Fit, calibrate on what was held out, and fit again on all of it.

        Args:
            known: what is learnt at first.
            checked: what the calibration is fitted on, and learnt in the end.
            strangers: messages that no label fits; empty takes those of labels that are left out in turn.
        """
        first, network = Fitted(known), self.network(known, "known")
        truth = first.truth(checked)
        inside = self.said(first, network, [text for text, _ in checked])
        outside = self.said(first, network, strangers) if strangers else self.left_out(known, checked)
        sets = {
            share: Trained(self.encoder.identity, network, share, SHARPNESS, START_TRAINED)
            for share in SHARES
        }
        right = {
            share: float((one.scores(inside.by_grams, inside.by_network).argmax(1) == truth).mean())
            for share, one in sets.items()
        }
        share = max(right, key=right.__getitem__)
        self.tell(f"{right[share]:.1%} of {len(truth):,} messages right, {share:.0%} of it by n-grams")
        known_scores = sets[share].scores(inside.by_grams, inside.by_network)
        strange_scores = sets[share].scores(outside.by_grams, outside.by_network)
        both = calibrated(
            known_scores,
            truth,
            evidence(known_scores, inside.by_grams),
            evidence(strange_scores, outside.by_grams),
            START_TRAINED,
        )
        alone = calibrated(
            inside.by_grams, truth, best_and_lead(inside.by_grams), best_and_lead(outside.by_grams), START
        )
        last = Fitted([*known, *checked])
        whole = self.network([*known, *checked], "all")
        return LabelSet(
            labels=tuple(last.labels),
            rarity=last.rarity,
            table=last.table,
            scale=np.ones(len(last.labels)),
            bias=last.bias,
            calibration=alone,
            trained=Trained(self.encoder.identity, whole, share, SHARPNESS, both),
        )

    def left_out(self, known: Pairs, checked: Pairs) -> Told:
        """Of held-out messages, by weights that never saw their labels."""
        labels = sorted({label for _, label in known})
        parts = []
        for fold in range(FOLDS):
            gone = set(labels[fold::FOLDS])
            without = [pair for pair in known if pair[1] not in gone]
            network = self.network(without, f"without-{fold}")
            texts = [text for text, label in checked if label in gone]
            parts.append(self.said(Fitted(without), network, texts))
        return Told.joined(parts)


def kept(text: str) -> bool:
    """Whether a message is of the tenth that says how sure the set may be."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) // 10 % 10 == 0


def say(line: str) -> None:
    """On the standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when the set is made, 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m speeddial.flywheel.labelset",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", nargs="+", type=Path, help="JSONL rows")
    parser.add_argument("--out", type=Path, required=True, help="file of the label set, NAME.safetensors")
    parser.add_argument("--base", default=DEFAULT_BASE, help="whose states are read")
    parser.add_argument("--licence", default="", help="of the data, kept in the file")
    parser.add_argument("--work", type=Path, help="folder of rows and networks; beside the file unless given")
    options = parser.parse_args(arguments)
    work = options.work or options.out.with_suffix(".work")
    try:
        rows = [row for file in training_files(options.data) for _, row in read_objects(file)]
        if not all(isinstance(row.get(key), str) for row in rows for key in ("text", "label")):
            raise DatasetError(f'{options.data[0]}: expected rows of {{"text", "label"}}')
        pairs = [(row["text"], row["label"]) for row in rows if row["label"]]
        strangers = [row["text"] for row in rows if not row["label"]]
        made = Maker(options.base, work, options.licence, say).make(pairs, strangers)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    options.out.parent.mkdir(parents=True, exist_ok=True)
    about = {"source": ", ".join(file.name for file in options.data), "licence": options.licence}
    made.save(options.out, about)
    say(f"{options.out}: {len(made.labels)} labels, {options.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
