"""Cross-entropy over all candidates, in chunks, so that the logits of a batch are never there at once. Knows tensors only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_ENTRIES = 8_000_000
"""So many logits are held at once, about."""


def full_softmax(query: Tensor, candidates: Tensor, answer: Tensor) -> Tensor:
    """The mean of -log softmax(query candidates^T) at the answers.

    The gradients are worked out together with the loss, chunk by chunk, so that each logit is computed once and dropped.

    Args:
        query: float `[B, d]`.
        candidates: float `[N, d]`.
        answer: int64 `[B]`, rows of `candidates`.

    Returns:
        A scalar.
    """
    loss: Tensor = _FullSoftmax.apply(query, candidates, answer)  # type: ignore[no-untyped-call]
    return loss


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, candidates: Tensor, answer: Tensor) -> Tensor:
        with torch.no_grad():
            chunk = max(1, CHUNK_ENTRIES // len(candidates))
            to_query, to_candidates = torch.empty_like(query), torch.zeros_like(candidates)
            total = query.new_zeros(())
            for start in range(0, len(query), chunk):
                some, its = query[start : start + chunk], answer[start : start + chunk]
                right = candidates[its]
                logits = candidates @ some.T  # with the long side first, products are up to twice as fast
                highest = logits.amax(0)
                weight = logits.sub_(highest).exp_()
                mass = weight.sum(0)
                total += (mass.log() + highest).sum() - (some * right).sum()
                to_query[start : start + chunk] = (weight.T @ candidates) / mass[:, None] - right
                to_candidates.addmm_(weight, some / mass[:, None])
                to_candidates.index_add_(0, its, some, alpha=-1)
            ctx.save_for_backward(to_query.div_(len(query)), to_candidates.div_(len(query)))
            return total / len(query)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outward: Tensor) -> tuple[Tensor, Tensor, None]:
        to_query, to_candidates = ctx.saved_tensors
        return to_query * outward, to_candidates * outward, None
