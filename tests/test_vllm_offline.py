"""vLLM in process, in the environment that `.ci/vllm-server install` makes: run these with its Python."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from speeddial.contract import Contract
from speeddial.errors import DefinitionError, EngineRefused, UserError
from speeddial.messages import Message
from speeddial.models import Request
from speeddial.models.vllm_offline import VLLMOfflineModel

# What vLLM and its libraries warn about at import is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

REPOSITORY = Path(__file__).resolve().parents[1]
HELLO = (Message("system", "You are organizer."), Message("user", "remind me at 9 to call mum"))
PAIR = Contract.from_schema(
    {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": 30},
            "count": {"type": "integer", "minimum": 3, "maximum": 9},
        },
        "required": ["text", "count"],
        "additionalProperties": False,
    }
)


def test_a_folder_without_a_model_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no model in"):
        VLLMOfflineModel(str(tmp_path))


@pytest.fixture(scope="module")
def model(base_model: Any) -> Iterator[VLLMOfflineModel]:
    pytest.importorskip("vllm")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    model = VLLMOfflineModel(str(base_model.export_hf()), max_model_len=1024, enforce_eager=True)
    yield model
    asyncio.run(model.aclose())


@pytest.mark.vllm
@pytest.mark.timeout(900)
async def test_the_constraint_is_proven_and_kept(model: VLLMOfflineModel, tmp_path: Path) -> None:
    canary = await model.canary()
    assert canary.passed, canary.detail
    completion = await model.complete(Request(HELLO, PAIR, max_tokens=60))
    PAIR.parse(completion.text)
    assert completion.receipt.backend.startswith("vllm 0.")
    assert completion.receipt.schema_hash == PAIR.schema_hash
    assert 0 < completion.tokens_forced < completion.tokens_out
    assert completion.confidence is not None
    assert (await model.complete(Request(HELLO, PAIR, max_tokens=4))).finish == "length"
    long = (Message("user", "again and " * 2000),)
    with pytest.raises(EngineRefused, match="1024"):
        await model.complete(Request(long, PAIR))
    with pytest.raises(DefinitionError, match=str(tmp_path)):
        await model.complete(Request(HELLO, PAIR, adapter=tmp_path))
    together = await asyncio.gather(
        *(model.complete(Request(HELLO, Contract.from_schema({"enum": [n]}))) for n in range(100, 104))
    )
    assert [completion.text for completion in together] == ["100", "101", "102", "103"]


@pytest.mark.vllm
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "adapter",
    sorted(config.parent for config in REPOSITORY.glob("*/*/adapter/adapter_config.json")),
    ids=lambda path: path.parent.name,
)
async def test_each_adapter_of_the_project_serves(model: VLLMOfflineModel, adapter: Path) -> None:
    completion = await model.complete(Request(HELLO, PAIR, adapter=adapter, max_tokens=60))
    if completion.finish == "stop":
        PAIR.parse(completion.text)
    assert completion.tokens_out > 0
