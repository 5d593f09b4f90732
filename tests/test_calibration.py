"""Calibrated confidence: measures of tokens, fits, exact bounds, and what the call path makes of them."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from speeddial import Desk
from speeddial.calibration import MEASURES, Calibration, Piece, last_value, least, mean, product, worst_value
from speeddial.errors import ProjectError, UserError
from speeddial.flywheel.calibrate import (
    METHODS,
    Answered,
    auroc,
    bound,
    calibrated,
    ece,
    expected,
    fit,
    plot,
    proven,
    save,
)
from speeddial.models.model import Token
from speeddial.models.scripted import Scripted

ANSWER = (
    Piece('{"name":"', None),
    Piece("add", 0.9),
    Piece('","arguments":{"', None),
    Piece("a", 0.8),
    Piece('":', None),
    Piece("12", 0.5),
    Piece(',"b":', 0.95),
    Piece("7", 0.7),
    Piece("}}", 0.6),
)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_measures() -> None:
    assert product(ANSWER) == pytest.approx(0.9 * 0.8 * 0.5 * 0.95 * 0.7 * 0.6)
    assert mean(ANSWER) == pytest.approx(product(ANSWER) ** (1 / 6))
    assert least(ANSWER) == 0.5
    assert worst_value(ANSWER) == pytest.approx(0.7 * 0.6)
    assert last_value(ANSWER) == pytest.approx(0.7 * 0.6)


@given(st.lists(st.tuples(st.text(max_size=8), st.none() | st.floats(0, 1)), max_size=30))
def test_a_measure_is_a_probability_whatever_the_tokens(pieces: list[tuple[str, float | None]]) -> None:
    for measure in MEASURES.values():
        assert 0 <= measure([Piece(*piece) for piece in pieces]) <= 1


def noisy(cases: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are too high by half of their logit, and what came true."""
    draw = random.Random(seed)
    logits = [draw.gauss(1, 2) for _ in range(cases)]
    right = [draw.random() < 1 / (1 + math.exp(-one)) for one in logits]
    return np.array([1 / (1 + math.exp(-2 * one)) for one in logits]), np.array(right)


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_makes_chances_of_scores(method: str) -> None:
    scores, right = noisy(2000)
    made = Calibration("m", "", "mean", method, fit(method, scores, right))  # type: ignore[arg-type]
    fresh, came = noisy(2000, seed=2)
    chances = np.array([made.chance(score) for score in fresh])
    assert ece(chances, came) < 0.04 < ece(fresh, came)
    assert auroc(chances, came) == pytest.approx(auroc(fresh, came), abs=0.01)
    assert all(np.diff(np.sort(chances)) >= 0)


def test_a_fit_never_says_that_it_is_certain() -> None:
    for method in METHODS:
        made = Calibration(
            "m", "", "mean", method, fit(method, np.linspace(0.1, 0.9, 60), np.arange(60) > 30)
        )
        assert 0 < made.chance(0.0) < made.chance(1.0) < 1


@pytest.mark.parametrize(
    ("right", "taken", "low"),
    [(0, 10, 0.0), (10, 10, 0.05 ** (1 / 10)), (59, 59, 0.95), (95, 100, 0.897754), (8, 10, 0.493099)],
)  # the last two as scipy.stats.beta.ppf(0.05, right, taken - right + 1) gives them
def test_exact_bound(right: int, taken: int, low: float) -> None:
    assert bound(right, taken) == pytest.approx(low, abs=5e-4)


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.5, 0.999))
def test_proven_is_what_the_bound_says(right: int, wrong: int, precision: float) -> None:
    low = bound(right, right + wrong)
    # At the bound itself rounding decides.
    assume(abs(low - precision) > 1e-9)
    assert proven(right, right + wrong, precision) is (low > precision)


def answers(cases: int) -> list[Answered]:
    scores, right = noisy(cases)
    return [
        Answered((Piece("{", None), Piece("x", float(score)), Piece("}", None)), bool(good))
        for score, good in zip(scores, right, strict=True)
    ]


def test_every_case_is_held_out_once(tmp_path: Path) -> None:
    data = tmp_path / "cases.jsonl"
    data.write_text("{}\n", encoding="utf-8")
    outcome = calibrated(answers(1000), model="scripted:x", adapter=None, data=data)
    made = outcome.calibration
    assert made.about is not None
    assert made.about["cases"] == len(outcome.held_out) == 1000
    assert made.about["ece"] < 0.06 < made.about["raw_mean_ece"]
    target = made.targets[0]
    assert target.threshold is not None and target.precision == 0.9
    assert target.right / target.taken > 0.85
    assert target.coverage == target.taken / 1000 and target.at_least < target.right / target.taken
    path, picture = save(outcome, tmp_path)
    assert Calibration.read(path) == made
    assert picture.read_text(encoding="utf-8") == plot(outcome.held_out)


@pytest.mark.parametrize(
    ("right", "taken", "holds"),
    [(995, 1000, True), (994, 1000, False), (149, 149, True), (148, 148, False), (0, 0, False)],
)
def test_half_the_mistakes_are_expected_and_twice_as_many_ruled_out(
    right: int, taken: int, holds: bool
) -> None:
    assert expected(right, taken, 0.99) is holds
    assert not proven(right, taken, 0.99)


def test_odd_labels_leave_a_threshold(tmp_path: Path) -> None:
    data = tmp_path / "cases.jsonl"
    data.write_text("{}\n", encoding="utf-8")
    sure = [Answered((Piece("x", 0.95 + number * 4e-5),), number % 300 != 0) for number in range(1000)]
    doubtful = [Answered((Piece("x", number * 9e-4),), number % 2 == 0) for number in range(1000)]
    found = {
        holds: calibrated([*sure, *doubtful], model="m", adapter=None, data=data, holds=holds)
        for holds in (proven, expected)
    }
    strict, usual = (found[holds].calibration.targets[-1] for holds in (proven, expected))
    assert strict.threshold is None or (usual.threshold or 1) <= strict.threshold
    assert usual.coverage > max(0.4, strict.coverage) and usual.right / usual.taken > 0.99


@pytest.mark.parametrize(
    ("given_answers", "said"),
    [
        (answers(39), "39 of 39 answers"),
        ([Answered((), True)] * 100, "0 of 100 answers"),
        ([Answered((Piece("x", 0.5),), True)] * 100, "are right"),
    ],
)
def test_too_little_to_calibrate_by(given_answers: list[Answered], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        calibrated(given_answers, model="m", adapter=None, data=tmp_path)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text('{"model": 1}', encoding="utf-8")
    with pytest.raises(ProjectError, match=r"calibration\.json"):
        Calibration.read(tmp_path / "calibration.json")


def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


class Telling(Scripted):
    """A script whose answers tell that one token was in doubt."""

    async def _complete(self, request, canary):  # type: ignore[no-untyped-def]
        from dataclasses import replace

        completion = await super()._complete(request, canary)
        half = len(completion.text) // 2
        tokens = (Token(completion.text[:half], None), Token(completion.text[half:], 0.5))
        return replace(completion, tokens=tokens, confidence=0.99)


def called(calibration: Calibration | None, threshold: float = 0.0) -> tuple[str, float | None, float | None]:
    """Status, confidence of the outcome, confidence on record."""
    script = Telling.register("telling", [{"name": "add", "arguments": {"a": 2, "b": 3}}] * 2)
    desk = Desk(planner="scripted:telling").add_expert(
        "adder", "sums", tools=[add], model=script.name, calibration=calibration, threshold=threshold
    )
    with desk:
        outcome = desk.call("adder", "2 and 3?", execute=False)
        row = desk.runner.record.interaction(outcome.interactions[0])
    return outcome.status, outcome.confidence, row.confidence


def test_the_calls_confidence_is_the_calibrated_one_and_the_raw_one_is_kept() -> None:
    made = Calibration("scripted:telling", "", "product", "isotonic", (0.0, 0.1, 1.0, 0.9))
    assert called(None) == ("exact", 0.99, 0.99)
    assert called(made) == ("exact", pytest.approx(0.5), 0.99)
    assert called(Calibration("another:model", "", "product", "isotonic", (0.0, 0.1, 1.0, 0.9)))[1] == 0.99


def test_a_call_below_the_threshold_is_asked_about() -> None:
    made = Calibration("scripted:telling", "", "product", "isotonic", (0.0, 0.1, 1.0, 0.9))
    assert called(made, threshold=0.6) == ("question", pytest.approx(0.5), 0.99)
    assert called(None, threshold=0.6)[0] == "exact"
