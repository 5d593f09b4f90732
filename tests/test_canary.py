"""The proof's questions: finite, random, admitted by their schemas, and failed by whoever ignores these."""

from __future__ import annotations

import json

import pytest

from speeddial.contract import Contract
from speeddial.errors import EngineUnreachable
from speeddial.messages import compact_json
from speeddial.models.canary import Probe, SchemaRefused, latch_probe, plain_probe, prove, union_probe

PROBES = [plain_probe, latch_probe, union_probe]


@pytest.mark.parametrize("make", PROBES)
def test_the_accepted_answers_satisfy_the_schema_and_no_other_does(make: type[Probe]) -> None:
    probe = make()
    contract = Contract.from_schema(probe.schema)
    for value in probe.accepted:
        assert contract.check(value) == []
        assert probe.fault(compact_json(value)) == ""
        assert probe.fault(json.dumps(value, indent=2)) == ""
    for text in ("ready", "{}", "[]", "1", "", '{"name":"ready"}', compact_json(make().accepted[0])):
        assert probe.fault(text)


@pytest.mark.parametrize("make", PROBES)
def test_no_answer_can_be_known_beforehand(make: type[Probe]) -> None:
    assert not {compact_json(value) for value in make().accepted} & {
        compact_json(value) for value in make().accepted
    }


async def test_the_first_probe_that_fails_ends_the_proof() -> None:
    sent = []

    async def send(probe: Probe) -> str:
        sent.append(probe)
        return compact_json(probe.accepted[0]) if len(sent) == 1 else "ready"

    assert "an allOf of two after a plain schema was not enforced" in await prove(
        send, [plain_probe(), latch_probe(), union_probe()]
    )
    assert len(sent) == 2


async def test_a_refused_schema_is_no_proof_and_a_dead_server_is_no_verdict() -> None:
    async def refuse(probe: Probe) -> str:
        raise SchemaRefused("no allOf here")

    async def die(probe: Probe) -> str:
        raise EngineUnreachable("gone")

    assert "was refused: no allOf here" in await prove(refuse, [latch_probe()])
    with pytest.raises(EngineUnreachable):
        await prove(die, [latch_probe()])
