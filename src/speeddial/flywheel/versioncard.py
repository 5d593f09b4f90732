"""The cards of a version: an expert's folder for each task, and the model card of what they share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speeddial.expert import Expert
from speeddial.flywheel.candidate import Candidate
from speeddial.flywheel.rows import Form

ADAPTER, WEIGHTS, LEXICON = "adapter", "weights", "lexicon.json"
"""What the experts of a version share; their cards name it."""


def folder_of(one: Candidate) -> str:
    """Where a candidate's weights stand in a version."""
    return ADAPTER if one.kind == "lora" else WEIGHTS


def model_card(report: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
    """Markdown with a YAML head, as the Hub and `speeddial.record.export.licence_in` read it.

    Args:
        report: of the `train` artefact.
        trained: what training.json says.
    """
    one, rows, found = report["candidate"], report["rows"], report["calibration"]
    kind, library, task = {
        "tagger": ("A tagger, {:,} parameters", "speeddial", "token-classification"),
        "scratch": ("A model from scratch, {:,} parameters", "transformers", "text-generation"),
        "lora": ("A LoRA adapter", "peft", "text-generation"),
    }[one["kind"]]
    head = ["---", f"license: {report['licence']}"]
    head += [f"base_model: {trained['base']['name']}"] if one["kind"] == "lora" else []
    head += [f"library_name: {library}", f"pipeline_tag: {task}"]
    head += ["tags:", "- tool-calling", "- speeddial", "---"]
    kind = kind.format(report["parameters"])
    tools = ", ".join(dict.fromkeys(tool for row in report["tasks"] for tool in row["tools"]))
    lines = [
        f"# {', '.join(row['task'] for row in report['tasks'])}: model card",
        "",
        f"{kind}, trained by Speeddial's flywheel on what a larger model answered. It writes calls of "
        f"{tools} and nothing else.",
        "",
        "| task | learnt from | calibrated on | kept for the test |",
        "| --- | --- | --- | --- |",
        *(
            f"| {row['task']} | {' | '.join(str(row['samples'][part]) for part in row['samples'])} |"
            for row in report["tasks"]
        ),
        "",
        f"Rows: {rows['calls']} calls, {rows['refusals']} refusals; data {trained['data']['sha256']}. "
        f"{report['tokens']:,} tokens, {report['epochs']:g} epochs, {report['seconds']:,.0f} s on "
        f"{trained['device']} in {trained['precision']}.",
        "",
        f"Of {found['cases']} samples that it did not learn from it answers {found['right']:.1%} exactly.",
    ]
    if teacher := report.get("teacher"):
        said = (
            f"Teacher: {teacher['teacher']} ({teacher['model']}). Its probabilities in place of "
            f"{teacher['tokens']:,} tokens of {teacher['rows']:,} answers have {teacher['share']:g} of the "
            f"loss; to these tokens it gives {teacher['given']:.1%}, as a geometric mean."
        )
        lines.insert(-2, said)
    if rows.get("weighted"):
        lines.insert(
            -2, f"{rows['weighted']:,} answers count as much as the model that gave them was sure of them."
        )
    if found.get("threshold") is None:
        lines.append(
            "No confidence of its answers stands for enough right ones, so it serves none by itself."
        )
    else:
        lines.append(
            f"Where its confidence is {found['threshold']:g} or more it answers {found['coverage']:.1%} of "
            f"them, at least {found['at_least']:.1%} right (exact bound, 95 %; threshold from one half, "
            "counted on the other)."
        )
    return "\n".join([*head, "", *lines]) + "\n"


def write_experts(
    folder: Path,
    tasks: Sequence[Mapping[str, Any]],
    form: Form,
    one: Candidate,
    trained: Mapping[str, Any],
    own: Expert | None,
) -> list[Path]:
    """An expert's folder for each task; gives their cards.

    Args:
        folder: of all experts of the version.
        own: the project's expert that is to become better; its folder is then the model of the new one.
    """
    cards = []
    version = trained["data"]["sha256"].removeprefix("sha256:")[:12]
    for row in tasks:
        place = folder / row["expert"]
        place.mkdir(parents=True, exist_ok=True)
        if own is not None:
            for name in ("prompt.md", LEXICON):
                if (own.folder / name).is_file():
                    shutil.copy(own.folder / name, place)
            cards.append(place / "card.toml")
            text = (own.folder / "card.toml").read_text(encoding="utf-8")
            values = {"adapter": f"../../{ADAPTER}", "threshold": 1.0, "version": version}
            cards[-1].write_text(with_values(text, values), encoding="utf-8")
            continue
        said = json.dumps(list(form.definitions.values()), indent=1, ensure_ascii=False)
        (place / "tools.json").write_text(f"{said}\n", encoding="utf-8")
        (place / "prompt.md").write_text(f"{form.prompt}\n", encoding="utf-8")
        cards.append(place / "card.toml")
        _write_card(cards[-1], row, form, one, version)
    return cards


def _write_card(
    path: Path,
    row: Mapping[str, Any],
    form: Form,
    one: Candidate,
    version: str,
) -> None:
    called = ", ".join(row["tools"])
    values: dict[str, Any] = {
        "name": row["expert"],
        "summary": f"requests that lead to {called}",
        "task": f"{row['task']}: found in the record, answered with {called}",
        "definitions": "tools.json",
        **({"lexicon": f"../../{LEXICON}"} if form.lexicon else {}),
        "calls": form.calls,
        "threshold": 1.0,
        "planned": False,
        "version": version,
    }
    if one.kind != "lora":
        values["weights"] = f"../../{WEIGHTS}"
    else:
        values |= {"model": one.model, "adapter": f"../../{ADAPTER}"}
    # JSON's strings, numbers and truth values are TOML's.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """A card's text with other values for keys that stand above its tables."""
    lines = text.splitlines()
    for key, value in values.items():
        said = f"{key} = {json.dumps(value)}"
        at = [number for number, line in enumerate(lines) if line.partition("=")[0].strip() == key]
        if at:
            lines[at[0]] = said
        else:
            lines.insert(0, said)
    return "\n".join(lines) + "\n"
