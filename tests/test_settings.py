"""Settings: precedence, provenance, and errors that name the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from speeddial.errors import SettingsError
from speeddial.settings import Settings


def project_file(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(f"[tool.speeddial]\n{text}", encoding="utf-8")
    return folder


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    root = project_file(tmp_path, 'max_steps = 3\nworkspace = "file"\nplanner = "scripted:file"\n')
    environment = {"SPEEDDIAL_MAX_STEPS": "4", "SPEEDDIAL_WORKSPACE": "environment"}
    settings = Settings.load(root, {"max_steps": 5, "workspace": None}, environment)
    assert (settings.max_steps, settings.workspace, settings.planner) == (5, "environment", "scripted:file")
    assert settings.max_replans == 1
    assert settings.sources["max_steps"] == "--max-steps"
    assert settings.sources["workspace"] == "SPEEDDIAL_WORKSPACE"
    assert settings.sources["planner"] == "pyproject.toml [tool.speeddial]"
    assert settings.sources["max_replans"] == "default" and settings.is_default("max_replans")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("max_steps = true", "max_steps"),
        ("max_steps = 1.5", "max_steps"),
        ('max_steps = "many"', "max_steps"),
        ("max_seconds = -1", "max_seconds"),
        ("max_cost = nan", "max_cost"),
        ("model = 3", "model"),
        ("colour = 1", "colour"),
        ('timezone = "Mars/Olympus"', "Mars/Olympus"),
        ('now = "yesterday"', "yesterday"),
        ("expert_models = 4", "expert_models"),
    ],
)
def test_a_wrong_value_is_named_with_its_source(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        Settings.load(project_file(tmp_path, text), environment={})


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("Yes", True), ("false", False), ("0", False)]
)
def test_a_switch_is_set_by_words(text: str, value: bool) -> None:
    settings = Settings.load(None, None, {"SPEEDDIAL_ALLOW_UNPROVEN": text})
    assert settings.allow_unproven is value


def test_a_switch_takes_no_other_word() -> None:
    with pytest.raises(SettingsError, match="SPEEDDIAL_ALLOW_UNPROVEN: allow_unproven = 'maybe'"):
        Settings.load(None, None, {"SPEEDDIAL_ALLOW_UNPROVEN": "maybe"})


def test_models_per_expert_come_as_a_table_or_as_text(tmp_path: Path) -> None:
    root = project_file(tmp_path, '[tool.speeddial.expert_models]\ntables = "scripted"\n')
    assert Settings.load(root, environment={}).expert_models == {"tables": "scripted"}
    text = {"SPEEDDIAL_EXPERT_MODELS": "a=scripted, b=vllm:b@http://127.0.0.1:1/v1"}
    assert Settings.load(root, environment=text).expert_models == {
        "a": "scripted",
        "b": "vllm:b@http://127.0.0.1:1/v1",
    }


def test_the_clock_is_aware_and_can_be_fixed(tmp_path: Path) -> None:
    root = project_file(tmp_path, 'now = "2026-11-22T09:00:00"\ntimezone = "Europe/Berlin"\n')
    moment = Settings.load(root, environment={}).clock()
    assert moment.isoformat() == "2026-11-22T09:00:00+01:00"
    assert Settings.load(None, environment={}).clock().tzinfo is not None


def test_a_broken_project_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.speeddial\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"pyproject\.toml: not valid TOML"):
        Settings.load(tmp_path, environment={})
