"""TRL trains on the exports as they are: a step of SFT and of DPO on a tiny Llama with our tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
import trl
from datasets import load_dataset
from exported import ADD, FIND, REFUSE, decode
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from speeddial.models.base_model import ensure_base
from speeddial.record import Record
from speeddial.record.export import export

pytestmark = [
    pytest.mark.slow,
    # What trl and its libraries warn of among themselves is theirs to mend.
    pytest.mark.filterwarnings("ignore:::(trl|torch|transformers|accelerate|datasets|multiprocess|dill)"),
]
TOOL_TEMPLATE = """
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' }}
{%- if loop.first and tools %}{{ tools | tojson }}{% endif %}{{ message.content }}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>' + (call.function | tojson) + '</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
"""A template that knows tools, as those of larger models do; the base's own knows none."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every form that TRL takes, of decodes of two tools that a person corrected or accepted."""
    folder = tmp_path_factory.mktemp("exported")
    with Record.open(folder / "record.db") as record:
        for number in range(4):
            run = record.begin_run("x")
            decode(record, run, f"add {number}", ADD)
            record.feedback.correct(decode(record, run, f"find {number}", ADD), FIND)
            record.feedback.correct(decode(record, run, f"what is {number}", FIND), REFUSE)
            record.feedback.correct(decode(record, run, f"{number}?", None, "failed", raw='{"na'), ADD)
        for text in (False, True):
            for form in ("trl", "preference"):
                export(record, folder / f"{form}-{text}.jsonl", form, text=text)
        export(record, folder / "parquet", "parquet")
    return folder


@pytest.fixture
def tokenizer(request: pytest.FixtureRequest) -> Any:
    loaded = AutoTokenizer.from_pretrained(ensure_base().export_hf())
    if not request.param:
        loaded.chat_template = TOOL_TEMPLATE
    return loaded


@pytest.fixture
def model() -> Iterator[Any]:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4
    )
    yield LlamaForCausalLM(config)


def options(tmp_path: Path) -> dict[str, Any]:
    return {
        "output_dir": str(tmp_path / "out"),
        "max_steps": 1,
        "per_device_train_batch_size": 2,
        "learning_rate": 0.1,
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 1,
    }


def one_step(trainer: Any) -> None:
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    loss = trainer.train().training_loss
    assert 0 < loss < 20
    changed = [
        name for name, value in trainer.model.named_parameters() if not torch.equal(value, before[name])
    ]
    assert changed, "the step changed nothing"


def rows(path: Path) -> Any:
    return load_dataset("json", data_files=str(path), split="train", cache_dir=str(path.parent / ".cache"))


@pytest.mark.parametrize(("text", "tokenizer"), [(False, False), (True, True)], indirect=["tokenizer"])
def test_one_step_of_sft(exported: Path, tmp_path: Path, text: bool, tokenizer: Any, model: Any) -> None:
    trainer = trl.SFTTrainer(
        model=model,
        args=trl.SFTConfig(**options(tmp_path), max_length=1024),
        train_dataset=rows(exported / f"trl-{text}.jsonl"),
        processing_class=tokenizer,
    )
    trained = [label for label in trainer.train_dataset[0]["labels"] if label != -100]
    said = tokenizer.decode(trained)
    assert '"name":' in said.replace(" ", "") and "add 0" not in said, "TRL trains on something else"
    one_step(trainer)


@pytest.mark.parametrize("tokenizer", [False], indirect=True)
def test_one_step_of_sft_on_parquet(exported: Path, tmp_path: Path, tokenizer: Any, model: Any) -> None:
    found = load_dataset(str(exported / "parquet"), split="train", cache_dir=str(tmp_path / "cache"))
    trainer = trl.SFTTrainer(
        model=model,
        args=trl.SFTConfig(**options(tmp_path), max_length=1024),
        train_dataset=found,
        processing_class=tokenizer,
    )
    one_step(trainer)


@pytest.mark.parametrize(("text", "tokenizer"), [(False, False), (True, True)], indirect=["tokenizer"])
def test_one_step_of_dpo(exported: Path, tmp_path: Path, text: bool, tokenizer: Any, model: Any) -> None:
    trainer = trl.DPOTrainer(
        model=model,
        ref_model=deepcopy(model),
        args=trl.DPOConfig(**options(tmp_path), max_length=1024),
        train_dataset=rows(exported / f"preference-{text}.jsonl"),
        processing_class=tokenizer,
    )
    one_step(trainer)
