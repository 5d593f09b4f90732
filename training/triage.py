"""Triage: label sets from CLINC150 and Banking77, evaluation rows, and training data of the encoder.

    python -m training.triage rows DATA OUT        evaluation rows, and rows for speeddial.flywheel.encoder
    python -m training.triage statistics DATA src/speeddial/models    what n-grams and embeddings are like
    python -m training.triage reader DATA src/speeddial/models    what few examples are compared by
    python -m training.triage sets DATA OUT [--work FOLDER]    the two label sets

DATA holds clinc150/, banking77/ and hwu64/. `sets` needs the train extra, and takes half an hour on one core,
`reader` ten minutes; killed, it goes on where it was. A tenth of Banking77's training part, by hash, is its
development part, never learnt from; CLINC150 has a validation part. Another tenth of each fits the
calibration, and is learnt in the end.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from speeddial.flywheel import labelling
from speeddial.flywheel.labelset import Maker, Pairs, say
from speeddial.given import NONE
from speeddial.models.base_model import DEFAULT_BASE
from speeddial.models.encoder import Encoder, load_encoder
from speeddial.models.fewshot import COLUMNS as FEW
from speeddial.models.ngrams import columns_of
from speeddial.models.reader import write_reader
from training.organizer import read, write

Row = dict[str, Any]

ABOUT = {
    "clinc150": "CLINC150 (CC BY 3.0, Larson et al. 2019, github.com/clinc/oos-eval), training part",
    "banking77": "Banking77 (CC BY 4.0, Casanueva et al. 2020, github.com/PolyAI-LDN), 9/10 of training",
}
READER = "Banking77, 9/10 of training, and HWU64 (both CC BY 4.0)"
SAMPLE = 800


def held_out(text: str) -> bool:
    """Whether a text is of the tenth that is not learnt from."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10 == 0


def pairs(rows: Iterable[Row]) -> Pairs:
    return [(row["text"], row["intent"]) for row in rows]


# --- label sets ---------------------------------------------------------------------------------------------


def write_sets(data: Path, out: Path, work: Path) -> None:
    clinc, banking = (pairs(read(data / name / "train.jsonl.xz")) for name in ("clinc150", "banking77"))
    strangers = [row["text"] for row in read(data / "clinc150" / "oos_train.jsonl")]
    out.mkdir(parents=True, exist_ok=True)
    for name, rows, strange in (("clinc150", clinc, strangers), ("banking77", learnt(banking), [])):
        made = Maker(DEFAULT_BASE, work / name, ABOUT[name], say).make(rows, strange)
        path = out / f"{name}.safetensors"
        made.save(path, {"source": ABOUT[name], "licence": "as the source's", "recipe": "training/triage.py"})
        print(f"{path}: {len(made.labels)} labels, {path.stat().st_size:,} bytes, {made.calibration}")


def learnt(rows: Pairs) -> Pairs:
    return [pair for pair in rows if not held_out(pair[0])]


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
        "hwu64": [(row["text"], row["intent"]) for row in read(data / "hwu64" / "train.jsonl.xz")],
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
    save_file(
        {name: np.asarray(value, np.float32) for name, value in found.items()},
        out / "encoder.safetensors",
        about,
    )
    print(f"{out}: n-grams of {len(texts)} texts, embeddings of {SAMPLE}")


def write_the_reader(data: Path, out: Path, work: Path) -> None:
    """A network that tells the labels of Banking77 and HWU64, for its features."""
    banking = learnt(pairs(read(data / "banking77" / "train.jsonl.xz")))
    hwu = pairs(read(data / "hwu64" / "train.jsonl.xz"))
    rows = [(text, f"banking77/{label}") for text, label in banking]
    rows += [(text, f"hwu64/{label}") for text, label in hwu]
    recipe = labelling.Recipe(epochs=8.0, members=1, hidden=96)
    network = Maker(DEFAULT_BASE, work / "reader", READER, say, recipe).network(rows, "all")
    texts = random.Random(7).sample([text for text, _ in rows], SAMPLE)
    path = out / "reader.safetensors"
    write_reader(network, load_encoder(DEFAULT_BASE), texts, path, {"source": READER})
    print(f"{path}: {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("rows", "statistics", "reader", "sets"))
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--work", type=Path, default=Path("triage-work"), help="of `sets`: kept until the end"
    )
    options = parser.parse_args()
    if options.what == "rows":
        write_rows(options.data, options.out)
    elif options.what == "statistics":
        write_statistics(options.data, options.out, load_encoder(DEFAULT_BASE))
    elif options.what == "reader":
        write_the_reader(options.data, options.out, options.work)
    else:
        write_sets(options.data, options.out, options.work)


if __name__ == "__main__":
    main()
