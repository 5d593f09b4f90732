"""The sliced loss: torch's own loss and gradient, whatever the slices, weights and teachers."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from speeddial.flywheel.loss import SLICE, Taught, summed_cross_entropy

pytestmark = pytest.mark.slow
COUNTS = [1, SLICE - 1, SLICE, 2 * SLICE + 5]
TOKENS, WIDTH, MOST = 97, 12, 5


def states(targets: int) -> tuple[torch.Tensor, torch.Tensor]:
    ours, theirs = (torch.randn(targets, WIDTH, requires_grad=True) for _ in range(2))
    theirs.data.copy_(ours.data)
    return ours, theirs


def same(ours: Any, loss: Any, theirs: Any, expected: Any) -> bool:
    (loss * 0.5).backward()
    (expected * 0.5).backward()
    return bool(
        torch.allclose(loss, expected, rtol=1e-5) and torch.allclose(ours.grad, theirs.grad, atol=1e-5)
    )


@pytest.mark.parametrize("targets", COUNTS)
def test_loss_and_gradient_are_those_of_all_logits_at_once(targets: int) -> None:
    torch.manual_seed(targets)
    vocabulary = torch.randn(TOKENS, WIDTH)
    wanted = torch.randint(TOKENS, (targets,))
    ours, theirs = states(targets)
    loss = summed_cross_entropy(ours, vocabulary, wanted)
    expected = torch.nn.functional.cross_entropy(theirs @ vocabulary.T, wanted, reduction="sum")
    assert same(ours, loss, theirs, expected)


@pytest.mark.parametrize("targets", COUNTS)
def test_a_teachers_share_and_weights_are_what_plain_torch_makes_of_them(targets: int) -> None:
    torch.manual_seed(targets)
    vocabulary = torch.randn(TOKENS, WIDTH)
    wanted = torch.randint(TOKENS, (targets,))
    weights = torch.rand(targets)
    taught = Taught(
        torch.stack([torch.randperm(TOKENS)[:MOST] for _ in range(targets)]),
        torch.softmax(2 * torch.randn(targets, MOST + 1), dim=1),
        torch.where(torch.rand(targets) < 0.3, 0.0, 0.6),
    )
    ours, theirs = states(targets)
    loss = summed_cross_entropy(ours, vocabulary, wanted, weights, taught)

    logs = torch.log_softmax(theirs @ vocabulary.T, dim=1)
    listed = torch.zeros(targets, TOKENS, dtype=torch.bool).scatter(1, taught.tokens, True)
    rest = torch.logsumexp(logs.masked_fill(listed, -torch.inf), dim=1, keepdim=True)
    said = torch.cat([logs.gather(1, taught.tokens), rest], dim=1)
    divergence = torch.nn.functional.kl_div(said, taught.chances, reduction="none").sum(1)
    own = torch.nn.functional.nll_loss(logs, wanted, reduction="none")
    expected = (weights * ((1 - taught.share) * own + taught.share * divergence)).sum()
    assert same(ours, loss, theirs, expected)


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn() -> None:
    torch.manual_seed(3)
    vocabulary, hidden = torch.randn(TOKENS, WIDTH), torch.randn(7, WIDTH, requires_grad=True)
    chances, tokens = torch.softmax((hidden @ vocabulary.T).detach(), dim=1).topk(MOST)
    taught = Taught(tokens, torch.cat([chances, 1 - chances.sum(1, keepdim=True)], dim=1), torch.ones(7))
    loss = summed_cross_entropy(hidden, vocabulary, torch.zeros(7, dtype=torch.long), None, taught)
    loss.backward()
    assert abs(loss.item()) < 1e-4 and hidden.grad.abs().max().item() < 1e-4


def test_a_teacher_or_student_that_leaves_nothing_to_the_rest_breaks_nothing() -> None:
    vocabulary = torch.eye(6)
    hidden = torch.tensor([[300.0, 0, 0, 0, 0, 0]], requires_grad=True)
    for chances in ([[1.0, 0.0, 0.0]], [[0.5, 0.2, 0.3]]):
        taught = Taught(torch.tensor([[0, 1]]), torch.tensor(chances), torch.tensor([0.5]))
        hidden.grad = None
        loss = summed_cross_entropy(hidden, vocabulary, torch.tensor([0]), None, taught)
        loss.backward()
        assert torch.isfinite(loss) and bool(torch.isfinite(hidden.grad).all())
