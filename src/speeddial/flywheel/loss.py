"""Cross entropy over a large vocabulary, in slices: logits of all targets at once are never held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SLICE = 64
"""Targets of one slice: 64 x 49,152 logits are 12 MiB, which a processor's last cache holds."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What a teacher would have said in place of each target, as tensors."""

    tokens: Any
    """Ids of its most likely tokens, shape (targets, most), no id twice in a row."""
    chances: Any
    """Their probabilities and, last, that of all other tokens together, shape (targets, most + 1), fp32."""
    share: Any
    """Of the loss that is the teacher's, shape (targets,); 0 for a target that no teacher has scored."""


def summed_cross_entropy(
    hidden: Any, vocabulary: Any, wanted: Any, weights: Any = None, taught: Taught | None = None
) -> Any:
    """Summed loss of the targets under a frozen output matrix; its gradient goes to `hidden` alone.

    Of each target the cross entropy; with a teacher ``(1 - share) * cross entropy + share * KL(teacher ||
    student)`` (Hinton et al., arXiv 1503.02531), at temperature 1: of the tokens that the teacher lumps
    together only their sum is known, which says nothing of other temperatures. Student and teacher are
    compared over the teacher's tokens and one more outcome, any other token: both are whole distributions.

    The gradient is made with the loss, slice by slice, as in Liger Kernel's fused linear cross entropy
    (arXiv 2410.10989): on a CPU this halves the time of a step's last layer.

    Args:
        hidden: last hidden states at the targets' positions, shape (targets, width).
        vocabulary: the output matrix, shape (tokens, width), whose type the products are computed in.
        wanted: token ids, shape (targets,).
        weights: what each target counts, shape (targets,); 1 unless given.
        taught: what a teacher says of them.
    """
    import torch

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, hidden: Any) -> Any:
            gradient = torch.empty_like(hidden)
            total = torch.zeros((), dtype=torch.float32, device=hidden.device)
            for at in range(0, len(hidden), SLICE):
                part = slice(at, at + SLICE)
                labels = wanted[part, None]
                logits = hidden[part].to(vocabulary.dtype) @ vocabulary.T
                logs = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
                losses = -logs.gather(1, labels)
                own = torch.ones_like(losses)
                if taught is None:
                    chances = logs.exp_()
                else:
                    share = taught.share[part, None]
                    own -= share
                    divergence, chances = _divergence(logs, taught.tokens[part], taught.chances[part], share)
                    losses = own * losses + share * divergence
                chances.scatter_add_(1, labels, -own)
                if weights is not None:
                    losses *= weights[part, None]
                    chances *= weights[part, None]
                total += losses.sum()
                gradient[part] = chances.to(vocabulary.dtype) @ vocabulary
            ctx.save_for_backward(gradient)
            return total

        @staticmethod
        def backward(ctx: Any, scale: Any) -> Any:
            return ctx.saved_tensors[0] * scale

    return Loss.apply(hidden)


def _divergence(logs: Any, tokens: Any, teacher: Any, share: Any) -> tuple[Any, Any]:
    """KL of a slice, shape (targets, 1), and the student's chances less `share` times the teacher's.

    Args:
        logs: the student's log probabilities, shape (targets, vocabulary); they are used up.
    """
    import torch

    likely = logs.gather(1, tokens)
    chances = logs.exp_()
    own = chances.gather(1, tokens)
    # By a sum, not as 1 less the others: a sure student leaves 1e-9 to the rest.
    rest = chances.scatter_(1, tokens, 0.0).sum(1, keepdim=True).clamp_min_(torch.finfo(torch.float32).tiny)
    said = torch.cat([likely, rest.log()], dim=1)
    divergence = (torch.xlogy(teacher, teacher) - teacher * said).sum(1, keepdim=True)
    # Each of the other tokens takes of the teacher's rest as much as it has of the student's.
    chances *= 1 - share * teacher[:, -1:] / rest
    chances.scatter_(1, tokens, own - share * teacher[:, :-1])
    return divergence, chances
