"""The sliced cross entropy: torch's own loss and gradient, whatever the slices."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from speeddial.flywheel.loss import SLICE, summed_cross_entropy

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("targets", [1, SLICE - 1, SLICE, 2 * SLICE + 5])
def test_loss_and_gradient_are_those_of_all_logits_at_once(targets: int) -> None:
    torch.manual_seed(targets)
    vocabulary = torch.randn(97, 12)
    wanted = torch.randint(97, (targets,))
    ours, theirs = (torch.randn(targets, 12, requires_grad=True) for _ in range(2))
    theirs.data.copy_(ours.data)

    loss = summed_cross_entropy(ours, vocabulary, wanted)
    (loss * 0.5).backward()
    expected = torch.nn.functional.cross_entropy(theirs @ vocabulary.T, wanted, reduction="sum")
    (expected * 0.5).backward()

    assert torch.allclose(loss, expected, rtol=1e-5) and torch.allclose(ours.grad, theirs.grad, atol=1e-5)
