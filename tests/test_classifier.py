"""The classifier engine: its answers are labels, its probabilities add up, three examples make a label."""

from __future__ import annotations

import asyncio
import json
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speeddial.contract import Contract
from speeddial.errors import DefinitionError, EngineRefused
from speeddial.given import NONE
from speeddial.models import load_model, on_embedded_base
from speeddial.models.calibration import Calibration, best_and_lead, calibrated
from speeddial.models.classifier import ClassifierModel
from speeddial.models.fewshot import RIDGE, START, fit
from speeddial.models.labelset import LabelSet, find, labels_in
from speeddial.models.model import Request
from speeddial.models.ngrams import COLUMNS, columns_of

if TYPE_CHECKING:
    from speeddial.models.base_model import BaseModel

SHIPPED = Path(__file__).resolve().parents[1] / "experts" / "triage" / "adapter"
LABELS = {
    "refund": ["I want my money back", "please refund my last order", "how do I return this"],
    "delivery": ["where is my parcel", "my package has not arrived yet", "when will it be delivered"],
    "login": ["I cannot sign in", "I forgot my password", "my account is locked"],
}
NEW = [
    ("can I get a refund for this order", "refund"),
    ("my parcel has not arrived", "delivery"),
    ("where is the package", "delivery"),
    ("I forgot the password of my account", "login"),
]
FAR = ["who painted the mona lisa", "what is seventeen times four", "how tall is mount everest", "xyzzy", "♜"]

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name.strip() and name != NONE
)
messages = st.text(st.characters(codec="utf-8"), max_size=60)
label_sets = st.dictionaries(names, st.lists(messages, max_size=3), min_size=1, max_size=5)


def contract_of(labels: Any) -> Contract:
    return Contract.from_schema(
        {
            "type": "object",
            "properties": {"label": {"enum": [*labels, NONE]}},
            "required": ["label"],
            "additionalProperties": False,
        }
    )


def asked(model: ClassifierModel, text: str, labels: Any, **fields: Any) -> tuple[str, float]:
    request = Request((), contract_of(labels), text=text, given={"labels": labels}, **fields)
    completion = asyncio.run(model.complete(request))
    assert completion.receipt.constrained and completion.receipt.proven_by.startswith("canary")
    assert completion.confidence is not None
    return json.loads(completion.text)["label"], completion.confidence


MODEL = ClassifierModel("ngrams")


@pytest.fixture
def spelling() -> ClassifierModel:
    return MODEL


# --- answers ------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(text=messages, labels=label_sets)
@example(text="", labels={"a": [""]})
@example(text="a", labels={"a": ["same"], "b": ["same"]})
def test_every_answer_is_one_of_the_labels_with_a_probability(
    text: str, labels: dict[str, list[str]]
) -> None:
    model = MODEL
    answer, confidence = asked(model, text, labels)
    assert answer in {*labels, NONE} and 0 < confidence <= 1
    likely = model.probabilities(text, model.label_set({"labels": labels}, None))
    assert sum(likely.values()) == pytest.approx(1) and confidence == max(likely.values())


@pytest.mark.parametrize(("text", "label"), NEW)
def test_new_labels_work_from_three_examples(spelling: ClassifierModel, text: str, label: str) -> None:
    answer, confidence = asked(spelling, text, LABELS)
    assert answer == label and confidence > 1 / 3


@pytest.mark.parametrize("text", FAR)
def test_what_is_far_from_all_labels_is_none_of_them(spelling: ClassifierModel, text: str) -> None:
    assert asked(spelling, text, LABELS)[0] == NONE


def test_an_example_itself_gets_its_label(spelling: ClassifierModel) -> None:
    for label, texts in LABELS.items():
        assert all(asked(spelling, text, LABELS)[0] == label for text in texts)


def test_a_label_without_examples_goes_by_its_name(spelling: ClassifierModel) -> None:
    labels = ["lost_card", "exchange_rate", "opening_hours"]
    assert asked(spelling, "what are the opening hours", labels)[0] == "opening_hours"


@pytest.mark.parametrize(
    "fields", [{"given": {}}, {"given": {"labels": "no such set"}}, {"given": {"labels": []}}]
)
def test_without_labels_it_refuses(spelling: ClassifierModel, fields: dict[str, Any]) -> None:
    with pytest.raises(EngineRefused) as raised:
        asyncio.run(spelling.complete(Request((), contract_of(LABELS), text="x", **fields)))
    assert raised.value.hint


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        {"type": "string"},
        {
            "type": "object",
            "properties": {"label": {"enum": ["refund", "other"]}},
            "required": ["label"],
        },
    ],
)
def test_a_contract_that_asks_for_something_else_is_refused(
    spelling: ClassifierModel, schema: dict[str, Any]
) -> None:
    request = Request((), Contract.from_schema(schema), text="x", given={"labels": LABELS})
    with pytest.raises(EngineRefused):
        asyncio.run(spelling.complete(request))


def test_too_many_examples_are_refused(spelling: ClassifierModel) -> None:
    labels = {"a": [f"text {number}" for number in range(3001)]}
    with pytest.raises(EngineRefused, match="3000"):
        spelling.label_set({"labels": labels}, None)


def test_a_label_set_is_made_once_for_the_same_labels(spelling: ClassifierModel) -> None:
    first = spelling.label_set({"labels": LABELS}, None)
    assert spelling.label_set({"labels": {key: tuple(value) for key, value in LABELS.items()}}, None) is first
    assert spelling.label_set({"labels": {**LABELS, "other": ["else"]}}, None) is not first


def test_only_the_spelling_needs_no_base() -> None:
    assert not on_embedded_base("classifier:ngrams") and on_embedded_base("classifier:smollm2-135m-instruct")
    assert isinstance(load_model("classifier:ngrams"), ClassifierModel)


# --- regression and calibration -----------------------------------------------------------------------------


def test_scores_without_an_example_are_those_of_a_regression_that_never_saw_it() -> None:
    from speeddial.models.fewshot import _Ridge

    rng = np.random.default_rng(3)
    rows = rng.normal(size=(12, 20))
    truth = np.repeat(np.arange(4), 3)
    ridge = _Ridge(rows @ rows.T, truth, 4)

    def without(gone: Any) -> Any:
        kept = np.setdiff1d(np.arange(12), gone)
        kernel = rows[kept] @ rows[kept].T + RIDGE * np.eye(len(kept))
        return rows[gone] @ rows[kept].T @ np.linalg.solve(kernel, np.eye(4)[truth[kept]])

    for at in range(12):
        assert np.allclose(ridge.left_out()[at], without([at])[0])
    for label in range(4):
        mine = np.flatnonzero(truth == label)
        assert np.allclose(ridge.strange()[mine], without(mine))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_a_calibration_gives_probabilities(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(40, 5)) * rng.uniform(0.01, 3)
    strange = best_and_lead(rng.normal(size=(7, 5)))
    made = calibrated(scores, rng.integers(0, 5, 40), best_and_lead(scores), strange, START)
    likely = made.probabilities(rng.normal(size=(9, 5)) * 10)
    assert np.isfinite(likely).all() and (likely >= 0).all() and np.allclose(likely.sum(1), 1)


def test_a_calibration_tells_strangers_from_known_and_does_not_claim_more_than_is_right() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 4, 2000)
    known = rng.normal(0, 0.3, (2000, 4))
    known[np.arange(2000), truth] += 0.6
    strange = rng.normal(-0.4, 0.3, (400, 4))
    seen = best_and_lead(known[:1000]), best_and_lead(strange[:200])
    made = calibrated(known[:1000], truth[:1000], *seen, START)
    likely, unlike = made.probabilities(known[1000:]), made.probabilities(strange[200:])
    assert unlike[:, -1].mean() > likely[:, -1].mean() + 0.3
    right = np.concatenate([likely.argmax(1) == truth[1000:], unlike.argmax(1) == 4])
    claimed = np.concatenate([likely.max(1), unlike.max(1)])
    assert abs(right.mean() - claimed.mean()) < 0.05


def test_without_cases_a_calibration_stays_as_it_starts() -> None:
    nothing = np.empty((0, 2))
    assert calibrated(nothing, np.empty(0, np.intp), nothing, nothing, START) is START


# --- label sets in files ------------------------------------------------------------------------------------


def test_a_saved_label_set_answers_the_same(tmp_path: Path) -> None:
    rows = {text: np.eye(8)[number] for number, text in enumerate(list(chain(*LABELS.values()))[:8])}
    examples = {label: texts[:2] for label, texts in LABELS.items()}
    made = fit(examples, lambda texts: np.stack([rows[text] for text in texts]), "test/1/base")
    path = tmp_path / "mine.safetensors"
    made.save(path, {"source": "a test"})
    again = LabelSet.load(path)
    assert labels_in(path) == made.labels == again.labels
    assert again.dense is not None and again.dense.encoder == "test/1/base"
    for text, _ in NEW:
        for embedding in (None, np.eye(8)[0]):
            assert np.allclose(
                made.probabilities(text, embedding), again.probabilities(text, embedding), atol=0.05
            )


def test_what_is_no_label_set_is_not_found_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    with pytest.raises(EngineRefused, match="shipped: none"):
        find("broken", tmp_path)
    with pytest.raises(EngineRefused, match="label set"):
        LabelSet.load(tmp_path / "broken.safetensors")
    with pytest.raises(EngineRefused, match="label set"):
        labels_in(tmp_path / "missing.safetensors")


@pytest.mark.parametrize(
    ("name", "labels", "text", "label"),
    [
        ("clinc150", 150, "could you set an alarm for six tomorrow morning", "alarm"),
        ("banking77", 77, "my card was stolen, please block it", "lost_or_stolen_card"),
    ],
)
def test_the_shipped_sets_route(
    spelling: ClassifierModel, name: str, labels: int, text: str, label: str
) -> None:
    path = find(name, SHIPPED)
    assert path.stat().st_size <= 5_000_000 and len(labels_in(path)) == labels
    made = spelling.label_set({"labels": name}, SHIPPED)
    likely = spelling.probabilities(text, made, SHIPPED)
    assert max(likely, key=likely.__getitem__) == label
    likely = spelling.probabilities("the dog ate nine purple bananas", made, SHIPPED)
    assert likely[NONE] > 0.5


# --- n-grams ------------------------------------------------------------------------------------------------


@given(messages)
def test_a_text_has_columns_whatever_it_is(text: str) -> None:
    columns = columns_of(text)
    assert len(columns) and columns.min() >= 0 and columns.max() < COLUMNS
    assert np.array_equal(columns, columns_of(text.upper().lower() if text.isascii() else text))


def test_columns_fold_into_fewer_ones() -> None:
    text = "where is my parcel"
    assert set(columns_of(text, 1 << 13)) == set(columns_of(text, 1 << 15) % (1 << 13))


# --- the encoder --------------------------------------------------------------------------------------------


def test_embeddings_are_one_long_and_alike_for_what_is_alike(base_model: BaseModel) -> None:
    from speeddial.models.encoder import load_encoder

    encoder = load_encoder(base_model.source.name)
    assert load_encoder(base_model.source.name, SHIPPED) is encoder
    texts = [
        "where is my parcel",
        "my package has not come",
        "the capital of France",
        "",
        "where is my parcel",
    ]
    rows = encoder.embed(texts)
    assert rows.shape == (5, 576) and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    assert np.array_equal(rows[0], rows[4])
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_the_encoder_gives_the_decoders_own_states(base_model: BaseModel) -> None:
    """Cut after no layer, the graph gives back what goes in: the mean of the words' own vectors."""
    from speeddial.models.base_graph import map_embedding, read_shape
    from speeddial.models.chat_tokenizer import ChatTokenizer
    from speeddial.models.encoder import load_encoder

    encoder = load_encoder(base_model.source.name)
    shape = read_shape(base_model.graph)
    table = map_embedding(base_model.graph, shape).codes
    tokens = ChatTokenizer(base_model.vocabulary).encode("hello there")
    assert table[tokens].shape == (len(tokens), shape.hidden // 32, 32)
    state = encoder.raw("hello there")
    assert state.shape == (shape.hidden,) and np.isfinite(state).all() and np.abs(state).max() > 1


def test_new_labels_work_with_embeddings_too(base_model: BaseModel) -> None:
    model = ClassifierModel(base_model.source.name)
    assert [asked(model, text, LABELS)[0] for text, _ in NEW] == [label for _, label in NEW]
    assert model.label_set({"labels": LABELS}, None).dense is not None


def test_an_adapter_must_say_for_how_many_layers_it_is(base_model: BaseModel, tmp_path: Path) -> None:
    from speeddial.models.encoder import Encoder

    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DefinitionError, match="layers_to_transform"):
        Encoder(base_model, tmp_path)


def test_sharper_scores_give_surer_answers() -> None:
    scores = np.array([[0.9, 0.1, 0.0]])
    sure = [Calibration(value, (8.0, 6.0, -1.8)).probabilities(scores)[0, 0] for value in (1.0, 4.0, 16.0)]
    assert sure == sorted(sure)
