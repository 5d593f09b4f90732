"""The model card of a version: what it learnt, from what, at which cost, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_card(report: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
    """Markdown with a YAML head, as the Hub and `speeddial.record.export.licence_in` read it.

    Args:
        report: of the `train` artefact.
        trained: what training.json says.
    """
    one, rows, found = report["candidate"], report["rows"], report["calibration"]
    scratch = one["kind"] == "scratch"
    head = ["---", f"license: {report['licence']}"]
    head += [] if scratch else [f"base_model: {trained['base']['name']}"]
    head += [f"library_name: {'transformers' if scratch else 'peft'}"]
    head += ["pipeline_tag: text-generation", "tags:", "- tool-calling", "- speeddial", "---"]
    kind = f"A model from scratch, {report['parameters']:,} parameters" if scratch else "A LoRA adapter"
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
