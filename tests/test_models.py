"""Models by name: the engine table, its errors, and what loading costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from speeddial.errors import NotFound, UserError
from speeddial.models import ENGINES, Engine, load_model
from speeddial.models.scripted import Scripted


def test_an_unknown_engine_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(UserError) as caught:
        load_model("gpt:4")
    for engine in ENGINES:
        assert engine in str(caught.value)


@pytest.mark.parametrize("spec", ["", ":", "smollm2-135m-instruct"])
def test_a_name_without_an_engine_is_a_user_error(spec: str) -> None:
    with pytest.raises(UserError, match="there is no engine"):
        load_model(spec)


def test_a_missing_package_is_answered_with_one_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        ENGINES,
        "vllm-offline",
        Engine("nowhere:Nothing", "vllm-offline:FOLDER", ("no_such_package",), "vllm"),
    )
    with pytest.raises(UserError, match=r'^model .* needs no_such_package: pip install "speeddial\[vllm\]"$'):
        load_model("vllm-offline:somewhere")


def test_a_name_gives_the_same_object_every_time() -> None:
    first = load_model("vllm:base@http://127.0.0.1:9")
    assert load_model("vllm:base@http://127.0.0.1:9") is first
    assert load_model("vllm:other@http://127.0.0.1:9") is not first


def test_a_script_registered_anew_replaces_the_loaded_one() -> None:
    Scripted.register("twice", ["1"])
    first = load_model("scripted:twice")
    second = Scripted.register("twice", ["2"])
    assert load_model("scripted:twice") is second is not first


def test_the_name_of_an_unregistered_script_is_not_remembered() -> None:
    with pytest.raises(NotFound):
        load_model("scripted:later")
    Scripted.register("later", ["1"])
    assert load_model("scripted:later").name == "scripted:later"


def test_loading_by_name_imports_no_engine_library() -> None:
    code = (
        "import sys; from speeddial.models import load_model; load_model('vllm:a@http://h:1');"
        "print({'torch', 'openai', 'outlines', 'vllm', 'transformers'} & set(sys.modules) or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
