"""Requests of Seal-Tools' development part as typed calls: one or several tools of a catalogue of 4,076.

Rows are dropped where a text is not in the request (made up, inflected or reformatted), where a call takes
another's result, where a number is not in the request, and where the value is a placeholder ("a specific
country" with location "country"): a person who says that has not given the argument.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speeddial.jsonlines import read_objects
from training.caller_rows import Definition, Row, call, example, refuse, shuffled, spoken_name

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_VAGUE = r"(?:specific|specified|certain|particular|given|some|any)\s+"


def catalogue(folder: Path) -> dict[str, Definition]:
    """The tools in the form of OpenAI's, and their field under ``field``; names with blanks are left out."""
    tools = {}
    for _, row in read_objects(folder / "tools.jsonl.xz"):
        if not row["api_name"].isidentifier():
            continue
        tools[row["api_name"]] = {
            "name": row["api_name"],
            "description": row["api_description"],
            "field": row["field"],
            "parameters": {
                "type": "object",
                "properties": {
                    name: {"type": _TYPES[item["type"]], "description": item["description"]}
                    for name, item in row["parameters"].items()
                },
                "required": [name for name in row["required"] if name in row["parameters"]],
            },
        }
    return tools


def fault(row: Row, tools: dict[str, Definition]) -> str:
    """Why a row's labels are not used; empty when they are."""
    query = row["query"].casefold()
    if not row["calling"] or any(made["api"] not in tools for made in row["calling"]):
        return "tool not in the catalogue"
    for made in row["calling"]:
        properties = tools[made["api"]]["parameters"]["properties"]
        for name, value in made["parameters"].items():
            if name not in properties:
                return "no such argument"
            if "API_call_" in str(value):
                return "takes another call's result"
            if isinstance(value, str) and value.casefold() not in query:
                return "text not in the request"
            if isinstance(value, str) and re.search(rf"\b{_VAGUE}{re.escape(value.casefold())}(?!\w)", query):
                return "placeholder"
            if (
                isinstance(value, (int, float))
                and not isinstance(value, bool)
                and f"{value:g}" not in query.replace(",", "")
            ):
                return "number not in the request"
    return ""


def rows(folder: Path, rng: random.Random, held_out: bool) -> Iterator[Row]:
    """Cases over the tools that are held out, or over the others: by the tool's name, a quarter of them."""
    tools = catalogue(folder)
    fields: dict[str, list[str]] = defaultdict(list)
    for name, tool in tools.items():
        if is_held(name) == held_out:
            fields[tool["field"]].append(name)
    for _, row in read_objects(folder / "dev.jsonl.xz"):
        if fault(row, tools) or any(is_held(made["api"]) != held_out for made in row["calling"]):
            continue
        own = list(dict.fromkeys(made["api"] for made in row["calling"]))
        near = [name for api in own for name in fields[tools[api]["field"]] if name not in own]
        far = rng.sample(fields[rng.choice(sorted(fields))], 1)
        more = dict.fromkeys([*rng.sample(near, min(len(near), rng.choice([0, 1, 2]))), *far])
        others = [name for name in more if name not in own]
        shown = [public(tools[name]) for name in [*own, *others]][:6]
        calls = [call(made["api"], made["parameters"]) for made in row["calling"]]
        kind = "several" if len(calls) > 1 else "call"
        if case := example(f"seal-{row['id']}", f"seal-{kind}", shuffled(shown, rng), row["query"], calls):
            yield case
        if others and len(own) == 1:
            strange = [public(tools[name]) for name in others]
            reason = refuse(spoken_name(own[0]))
            if case := example(f"seal-{row['id']}-refuse", "seal-refuse", strange, row["query"], [reason]):
                yield case


def is_held(name: str) -> bool:
    return sum(name.encode()) % 4 == 0


def public(tool: Definition) -> dict[str, Any]:
    return {key: tool[key] for key in ("name", "description", "parameters")}
