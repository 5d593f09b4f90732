"""The trainer: the loss falls, a stopped training goes on bit for bit, PEFT reads the adapter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from speeddial.errors import UserError
from speeddial.flywheel.dataset import ChatEncoder, epoch_batches, micro_batches, read_examples
from speeddial.flywheel.lora import LoraShape, attach, compute_fused, load_base
from speeddial.flywheel.train import Recipe, main, train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

CITIES = ["Berlin", "Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi", "Tokyo"]
RECIPE = Recipe(lr=5e-3, steps=12, batch=8, micro_tokens=400, warmup=2, precision="fp32", seed=3)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: place for place, token in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        initializer_range=0.3,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "rows.jsonl"
    rows = []
    for number in range(40):
        city = CITIES[number % len(CITIES)]
        messages = [
            {"role": "system", "content": "Copy the city."},
            {"role": "user", "content": f"Number {number} is {city}{'!' * (number % 5)}"},
            {"role": "assistant", "content": json.dumps({"city": city})},
        ]
        rows.append(json.dumps({"id": str(number), "messages": messages, "source": "test"}))
    file.write_text("\n".join(rows) + "\n")
    return file


def test_loss_falls_and_the_adapter_loads_with_peft(base: Path, data: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    losses: list[float] = []
    done = train(
        [data],
        base,
        tmp_path / "adapter",
        replace(RECIPE, lr=2e-2, steps=40),
        report_every=1,
        device="cpu",
        progress=lambda at: losses.append(at.loss),
    )
    assert done.finished and done.step == 40 and losses[-1] < losses[0] - 0.5
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert len(weights) == 2 * 7 * 2 and all(value.dtype == torch.float16 for value in weights.values())
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["r"] == 8 and config["lora_alpha"] == 16 and config["peft_type"] == "LORA"
    assert config["base_model_name_or_path"] == RECIPE.base_name
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter")
    ids = torch.tensor([ChatEncoder(base / "tokenizer.json").prompt([{"role": "user", "content": "hi"}])])
    with torch.no_grad():
        tuned = model(ids).logits
        with model.disable_adapter():
            assert not torch.allclose(tuned, model(ids).logits, atol=1e-3)
    report = json.loads((tmp_path / "adapter" / "training.json").read_text())
    assert report["finished"] and report["step"] == 40 and report["data"]["rows"] == 40
    assert report["data"]["sha256"].startswith("sha256:") and report["base"]["sha256"].startswith("sha256:")
    assert report["recipe"]["seed"] == 3 and report["tokens"] > 0 and len(report["loss"]) > 1


def test_a_stopped_training_goes_on_bit_for_bit(base: Path, data: Path, tmp_path: Path) -> None:
    whole = train([data], base, tmp_path / "whole", RECIPE, device="cpu")
    stages = [train([data], base, tmp_path / "parts", RECIPE, device="cpu", max_minutes=0)]
    assert not stages[0].finished and stages[0].step == 1
    assert (tmp_path / "parts" / "adapter_model.safetensors").is_file()
    while not stages[-1].finished:
        stages.append(
            train([data], base, tmp_path / "parts", RECIPE, device="cpu", max_minutes=0, resume="must")
        )
    assert whole.finished and len(stages) == RECIPE.steps
    first, second = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "parts"))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert not (tmp_path / "parts" / "checkpoint.pt").exists()
    assert json.loads((tmp_path / "parts" / "training.json").read_text())["stages"] == RECIPE.steps


def test_a_checkpoint_of_another_recipe_is_not_used(base: Path, data: Path, tmp_path: Path) -> None:
    train([data], base, tmp_path, RECIPE, device="cpu", max_minutes=0)
    other = replace(RECIPE, seed=4)
    with pytest.raises(UserError, match="no checkpoint of the same data"):
        train([data], base, tmp_path, other, device="cpu", resume="must")
    assert train([data], base, tmp_path, other, device="cpu", max_minutes=0).step == 1


def test_splitting_a_batch_into_micro_batches_does_not_change_what_is_learnt(
    base: Path, data: Path, tmp_path: Path
) -> None:
    for name, tokens in (("one", 100_000), ("many", 120)):
        recipe = replace(RECIPE, steps=3, micro_tokens=tokens)
        train([data], base, tmp_path / name, recipe, device="cpu")
    one, many = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("one", "many"))
    assert all(torch.allclose(one[name], many[name], atol=2e-3) for name in one)


def test_computing_the_common_prompt_once_does_not_change_what_is_learnt(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, steps=3)
    train([data], base, tmp_path / "shared", recipe, device="cpu")
    monkeypatch.setattr("speeddial.flywheel.chattrainer.common_prefix", lambda _: 0)
    train([data], base, tmp_path / "apart", recipe, device="cpu")
    shared, apart = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("shared", "apart"))
    assert all(torch.allclose(shared[name], apart[name], atol=2e-3) for name in shared)


def test_fused_layers_compute_what_pefts_own_do(base: Path) -> None:
    def loss_and_gradients(fused: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
        torch.manual_seed(1)
        model = attach(load_base(base), LoraShape(4, 8))
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.1)
        if fused:
            compute_fused(model)
        loss = model(input_ids=torch.arange(24).reshape(2, 12)).logits.square().mean()
        loss.backward()
        return loss, [weight.grad for weight in model.parameters() if weight.requires_grad]

    (ours, mine), (theirs, pefts) = loss_and_gradients(True), loss_and_gradients(False)
    assert torch.allclose(ours, theirs, rtol=1e-5) and len(mine) == len(pefts) > 0
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(mine, pefts, strict=True))


def test_rows_with_one_opening_come_together_and_share_a_pass(base: Path, tmp_path: Path) -> None:
    def messages(registry: str, task: str) -> list[dict[str, str]]:
        contents = (("system", f"Plan.\n- {registry}"), ("user", task), ("assistant", "{}"))
        return [{"role": role, "content": content} for role, content in contents]

    file = tmp_path / "rows.jsonl"
    rows = [(name * 40, f"task {number}") for number in range(4) for name in "abcd"]
    lines = [json.dumps({"id": "".join(row), "messages": messages(*row)}) for row in rows]
    file.write_text("\n".join(lines) + "\n")
    examples, _ = read_examples([file], ChatEncoder(base / "tokenizer.json"), 500)

    for batch in epoch_batches(examples, 8, 1, 0):
        assert len({examples[row].family for row in batch}) == 2
        parts = list(micro_batches(examples, batch, 4000, pass_cost=8))
        assert [len({examples[row].family for row in part}) for part in parts] == [1, 1]
        assert len(list(micro_batches(examples, batch, 4000))) == 1, "a costly pass takes them all"


def test_a_schedule_too_long_is_cut_to_fit(base: Path, data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=1_000_000, warmup=8)
    done = train([data], base, tmp_path, recipe, device="cpu", fit_minutes=0.05, max_minutes=1)
    report = json.loads((tmp_path / "training.json").read_text())
    assert (
        done.finished
        and 8 < done.steps < 1_000_000
        and report["steps_cut_to_fit"]
        and report["steps"] == done.steps
    )


def test_only_the_answer_and_its_end_mark_are_learnt(base: Path) -> None:
    encoder = ChatEncoder(base / "tokenizer.json")
    asked = [{"role": "system", "content": "s"}, {"role": "user", "content": "a <|im_end|> b"}]
    example = encoder.example("x", [*asked, {"role": "assistant", "content": "{}"}])
    assert [example.tokens[at] for at in example.targets] == [
        *encoder.tokenizer.encode("{}").ids,
        encoder.end,
    ]
    assert list(example.tokens[: example.targets[0]]) == encoder.prompt(asked)
    assert example.tokens.count(encoder.end) == 3, "a control token inside the text stays text"


def test_batches_hold_every_row_once_and_repeat_for_the_same_seed(base: Path, data: Path) -> None:
    examples, too_long = read_examples([data], ChatEncoder(base / "tokenizer.json"), 500)
    batches = epoch_batches(examples, 8, 1, 0)
    assert too_long == 0 and sorted(row for batch in batches for row in batch) == list(range(40))
    assert batches == epoch_batches(examples, 8, 1, 0) != epoch_batches(examples, 8, 1, 1)
    parts = list(micro_batches(examples, batches[0], 200))
    assert [row for part in parts for row in part] == batches[0] and len(parts) > 1


@pytest.mark.parametrize(
    "line", ["not json", '{"id": 1}', '{"id": 1, "messages": [{"role": "user", "content": "x"}]}']
)
def test_a_bad_row_is_named_by_file_and_line(base: Path, tmp_path: Path, line: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(UserError, match=r"bad\.jsonl:1: "):
        read_examples([file], ChatEncoder(base / "tokenizer.json"), 500)


def test_the_command_says_what_is_wrong_with_its_input(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.jsonl"), "--base", str(base), "--out", str(tmp_path / "out")]) == 2
    assert "none.jsonl: there is no such training file" in capsys.readouterr().err
