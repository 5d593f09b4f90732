"""A dataset folder in the Hub's layout: README.md, and Parquet files by split.

Tools, arguments and other objects of changing shape are JSON text: Arrow would merge them into one struct
and fill in nulls, or fail where two tools have an argument of one name and two types. TRL takes tools so.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speeddial.errors import UserError
from speeddial.filehash import sha256_of
from speeddial.messages import compact_json
from speeddial.record.export.card import card
from speeddial.record.export.examples import Example
from speeddial.record.export.files import writable
from speeddial.record.export.openai import definitions, said
from speeddial.record.export.report import TEST, TRAIN, ExportReport

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 1000


def write_folder(folder: Path, examples: Iterable[Example], report: ExportReport) -> None:
    """Write the folder anew; it is there when it is complete.

    Args:
        folder: not there yet, empty, or an earlier export.

    Raises:
        UserError: pyarrow is missing, the folder holds something else, or it cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            "Parquet needs pyarrow, which is not installed", hint="pip install 'speeddial[parquet]'"
        ) from error
    _check_free(folder)
    schema = _schema(pa)
    splits = (TRAIN, TEST) if report.test_share else (TRAIN,)
    names = {split: f"data/{split}-00000-of-00001.parquet" for split in splits}
    with writable(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            (partial / "data").mkdir()
            writers = {
                split: pq.ParquetWriter(partial / name, schema, compression="zstd")
                for split, name in names.items()
            }
            rows = iter(examples)
            while some := list(islice(rows, _ROWS_AT_ONCE)):
                for split, writer in writers.items():
                    of_split = [_row(example) for example in some if example.provenance["split"] == split]
                    if of_split:
                        writer.write_table(pa.Table.from_pylist(of_split, schema=schema))
            for split, writer in writers.items():
                writer.close()
                if split == TEST and not report.splits[TEST]:
                    # `datasets` does not load a split without rows.
                    (partial / names.pop(split)).unlink()
                    continue
                report.files[folder / names[split]] = sha256_of([partial / names[split]]).removeprefix(
                    "sha256:"
                )
            (partial / "README.md").write_text(card(report, names), encoding="utf-8")
            # mkdtemp makes it for its owner alone, which is right for a record's texts; an earlier one goes.
            if folder.exists():
                shutil.rmtree(folder)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _check_free(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file", hint="name a folder for Parquet")
    found = {path.name for path in folder.iterdir()}
    if found - {"README.md", "data"} or any(
        path.suffix != ".parquet" for path in (folder / "data").glob("*")
    ):
        raise UserError(f"{folder} holds other files than a dataset", hint="name a new folder")


def _schema(pa: Any) -> pa.Schema:
    text, real, whole = pa.string(), pa.float64(), pa.int64()
    function = pa.struct([("name", text), ("arguments", text)])
    call = pa.struct([("id", text), ("type", text), ("function", function)])
    message = pa.struct([("role", text), ("content", text), ("tool_calls", pa.list_(call))])
    kinds = {
        **dict.fromkeys(("interaction_id", "step", "attempt", "escalated_from"), whole),
        **dict.fromkeys(("tokens_in", "tokens_out"), whole),
        **dict.fromkeys(("confidence", "cost", "latency_ms"), real),
        **dict.fromkeys(("constrained", "redacted"), pa.bool_()),
    }  # fmt: skip
    columns = [("messages", pa.list_(message)), ("prompt_messages", whole), ("tools", text)]
    return pa.schema(columns + [(name, kinds.get(name, text)) for name in PROVENANCE])


PROVENANCE = (
    *("source", "split", "run_id", "interaction_id", "trace_id", "span_id", "kind", "step", "expert"),
    *("model", "adapter", "model_revision", "licence", "prompt_name", "prompt_version", "schema_sha256"),
    *("constrained", "constrained_by", "status", "attempt", "escalated_from", "confidence"),
    *("finish_reason", "validators", "human_label", "tokens_in", "tokens_out", "cost", "latency_ms"),
    *("redacted", "redactions", "created", "content_sha256"),
)


def _row(example: Example) -> dict[str, Any]:
    messages = [*example.prompt, said(example.answer)]
    return {
        "messages": messages,
        "prompt_messages": len(example.prompt),
        "tools": compact_json(definitions(example.tools)) if example.tools else None,
        **{
            name: compact_json(value) if isinstance(value, Mapping) else value
            for name, value in example.provenance.items()
        },
    }
