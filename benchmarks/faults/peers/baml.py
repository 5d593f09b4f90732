"""BAML: a generated client that parses the model's text into a class; its values are handed to the tool."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.faults.harness import Message, run

CLASSES = {
    "f": 'n int\nflag bool\ntags int[]\nmode "a" | "b"',
    "weigh": "x float",
    "say": "s string\nnote string?",
    "limit": "most int?\nleast int?",
    "find": "key int | string",
    "price": "prices map<string, int>",
    "wind": 'winds map<"north" | "south", int>',
}
"""What BAML's language has of the tools' types; of its own classes no tool of ours declares a parameter."""
DEFAULTS = ("note", "least")
"""Keys that may be absent, which BAML gives as None."""


def source() -> str:
    """The BAML file: a client, and for each tool a class with a function that answers it."""
    parts = [
        'generator g {\noutput_type "python/pydantic"\noutput_dir "../"\ndefault_client_mode sync\n'
        f'version "{version("baml-py")}"\n}}',
        'client<llm> Fault {\nprovider "openai-generic"\n'
        'options {\nbase_url env.FAULTS_URL\nmodel "fault"\napi_key "none"\n}\n}',
    ]
    for name, fields in CLASSES.items():
        prompt = '#"{{ _.role("user") }}{{ task }} {{ ctx.output_format }}"#'
        parts.append(f"class Of_{name} {{\n{fields}\n}}")
        parts.append(f"function Call_{name}(task: string) -> Of_{name} {{\nclient Fault\nprompt {prompt}\n}}")
    return "\n".join(parts)


@cache
def client(url: str) -> Any:
    os.environ |= {"FAULTS_URL": f"{url}/v1", "BAML_LOG": "off"}
    folder = Path(tempfile.mkdtemp())
    (folder / "baml_src").mkdir()
    (folder / "baml_src" / "main.baml").write_text(source(), encoding="utf-8")
    subprocess.run([Path(sys.executable).with_name("baml-cli"), "generate"], cwd=folder, check=True)
    sys.path.insert(0, str(folder))
    return import_module("baml_client").b


def ask(function: Callable[..., str], url: str) -> None:
    if function.__name__ not in CLASSES:
        raise TypeError("BAML has no such type, or gives a class of its own for it")
    given = getattr(client(url), f"Call_{function.__name__}")("go").model_dump()
    function(**{name: value for name, value in given.items() if value is not None or name not in DEFAULTS})


def say(name: str, arguments: str) -> Message | None:
    """The arguments alone: a BAML function answers with one class, so that there is no tool to be named."""
    return {"content": arguments} if name != "get_it" else None


run("baml-py", ask, say=say)
