"""The scripted model: its ways of scripting, and that no script escapes the contract."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speeddial.contract import Contract
from speeddial.errors import (
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    NotFound,
    UnprovenConstraint,
    UserError,
)
from speeddial.messages import Message, ToolCall
from speeddial.models import Request, load_model
from speeddial.models.scripted import Reply, Scripted

PERSON = Contract.from_schema(
    {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
)
ANNA = '{"name":"Anna","age":31}'


def ask(said: str = "who?", contract: Contract = PERSON, **fields: float) -> Request:
    return Request((Message("system", "You know people."), Message("user", said)), contract, **fields)


async def test_a_list_is_given_in_order_and_then_ends_clearly() -> None:
    model = Scripted([ANNA, {"name": "Bert", "age": 4}])
    assert (await model.complete(ask())).text == ANNA
    assert (await model.complete(ask())).text == '{"name":"Bert","age":4}'
    with pytest.raises(EngineRefused, match="2 outputs and all are used"):
        await model.complete(ask())


async def test_a_mapping_answers_by_part_or_pattern_of_the_last_user_message() -> None:
    model = Scripted({"anna": ANNA, re.compile("b.rt", re.IGNORECASE): [{"name": "Bert", "age": 4}, ANNA]})
    assert (await model.complete(ask("who is anna?"))).text == ANNA
    assert "Bert" in (await model.complete(ask("BERT?"))).text
    assert "Anna" in (await model.complete(ask("BERT?"))).text
    with pytest.raises(EngineRefused, match="nothing for 'carla'"):
        await model.complete(ask("carla"))


async def test_a_callable_sees_the_request() -> None:
    model = Scripted(lambda request: {"name": request.messages[-1].content, "age": 1})
    assert (await model.complete(ask("Dora"))).text == '{"name":"Dora","age":1}'
    assert [request.messages[-1].content for request in model.requests] == ["Dora"]


async def test_without_a_script_the_answer_is_the_example_of_any_contract() -> None:
    for contract in (
        PERSON,
        Contract.of(list[Literal["a", "b"]]),
        Contract.of(dict[str, float]),
        Contract.of(str),
    ):
        completion = await load_model("scripted").complete(ask(contract=contract))
        contract.parse(completion.text)


async def test_a_tool_call_is_written_in_the_form_that_experts_are_trained_on() -> None:
    contract = Contract.from_schema({"const": {"name": "add", "arguments": {"a": 1}}})
    completion = await Scripted([ToolCall("add", {"a": 1})]).complete(ask(contract=contract))
    assert completion.text == '{"name":"add","arguments":{"a":1}}'


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"Anna","age":"31"}',
        '{"name":"Anna","age":-1}',
        '{"name":"Anna", "age":31}',
        '{"name":"Anna","age":31} and more',
        '{"name":"Anna","age":31,"x":1}',
        '```json\n{"name":"Anna","age":31}\n```',
        '{"name":"Anna"',
        "",
    ],
)
async def test_an_output_that_the_grammar_does_not_admit_is_an_error(text: str) -> None:
    with pytest.raises(EngineRefused, match=r"does not admit|ends too early"):
        await Scripted([text]).complete(ask())
    completion = await Scripted([text], unconstrained=True).complete(ask())
    assert completion.text == text
    assert not completion.receipt.constrained
    assert completion.receipt.proven_by == ""


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20), st.integers(0, 10**6))
def test_every_valid_instance_passes_the_constraint(name: str, age: int) -> None:
    text = PERSON.dump({"name": name, "age": age})
    completion = asyncio.run(Scripted([text]).complete(ask()))
    assert PERSON.parse(completion.text) == {"name": name, "age": age}


async def test_a_text_cut_off_by_the_budget_may_be_scripted() -> None:
    completion = await Scripted([Reply('{"name":"An', finish="length")]).complete(ask())
    assert (completion.text, completion.finish) == ('{"name":"An', "length")


async def test_errors_are_raised_as_scripted() -> None:
    model = Scripted([EngineUnreachable("down"), EngineTimeout("slow"), ANNA])
    for error in (EngineUnreachable, EngineTimeout):
        with pytest.raises(error):
            await model.complete(ask())
    assert (await model.complete(ask())).text == ANNA


async def test_a_delay_beyond_the_timeout_times_out_at_the_timeout() -> None:
    model = Scripted([Reply(ANNA, delay=30.0)])
    began = time.perf_counter()
    with pytest.raises(EngineTimeout, match=r"within 0\.05 s"):
        await model.complete(ask(timeout=0.05))
    assert time.perf_counter() - began < 5


async def test_delays_of_parallel_requests_overlap() -> None:
    model = Scripted(None, delay=0.2)
    await model.complete(ask())
    began = time.perf_counter()
    await asyncio.gather(*(model.complete(ask()) for _ in range(20)))
    assert time.perf_counter() - began < 3.0


async def test_the_receipt_names_the_constraint() -> None:
    completion = await Scripted([Reply(ANNA, confidence=0.25)], name="people").complete(ask())
    assert completion.receipt.constrained
    assert completion.receipt.backend.startswith("llguidance ")
    assert completion.receipt.schema_hash == PERSON.schema_hash
    assert completion.receipt.proven_by == "in-process"
    assert (completion.model, completion.confidence) == ("scripted:people", 0.25)


async def test_an_engine_that_fails_its_canary_can_be_played() -> None:
    model = Scripted([ANNA], proven=False)
    with pytest.raises(UnprovenConstraint):
        await model.complete(ask())
    assert model.requests == []


async def test_scripts_are_addressed_by_name_or_file(tmp_path: Path) -> None:
    Scripted.register("people", [ANNA])
    assert (await load_model("scripted:people").complete(ask())).text == ANNA
    Scripted.register("people", [{"name": "Bert", "age": 4}])
    assert "Bert" in (await load_model("scripted:people").complete(ask())).text
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"who": {"name": "Cara", "age": 9}}), encoding="utf-8")
    assert "Cara" in (await load_model(f"scripted:{path}").complete(ask())).text


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nobody"):
        load_model("scripted:nobody")
    with pytest.raises(NotFound, match=r"gone\.json"):
        load_model(f"scripted:{tmp_path / 'gone.json'}")
    path = tmp_path / "bad.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        load_model(f"scripted:{path}")
    path.write_text("3", encoding="utf-8")
    with pytest.raises(UserError, match="holds a int"):
        load_model(f"scripted:{path}")
