"""What a batch of query-answer pairs costs. Knows embeddings, not how they came about."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

MASKED = -1e9
"""The logit of a candidate that does not count."""


def max_margin(
    query: Tensor, positive: Tensor, negatives: Tensor, margin: float, *, own_negatives: Tensor | None = None
) -> Tensor:
    """PinSage's loss (section 3.3, equation 1): E max(0, z_q.z_n - z_q.z_i + margin).

    Args:
        query: float `[B, d]`.
        positive: float `[B, d]`, aligned.
        negatives: float `[M, d]`, shared by the whole batch.
        own_negatives: float `[B, H, d]`, hard negatives of each query.

    Returns:
        A scalar: the mean over pairs and negatives.
    """
    good = (query * positive).sum(dim=1, keepdim=True)
    bad = query @ negatives.T
    if own_negatives is not None:
        bad = torch.cat([bad, torch.einsum("bd,bhd->bh", query, own_negatives)], dim=1)
    return F.relu(bad - good + margin).mean()


def sampled_softmax(
    query: Tensor,
    candidates: Tensor,
    *,
    scale: Tensor,
    log_expected: Tensor,
    same: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    """InfoNCE over in-batch answers and shared negatives, corrected for how often each is drawn (logQ).

    Candidate j is the answer of query j for j < B. Subtracting the log of the expected number of times that a candidate
    is drawn makes the sampled softmax an estimate of the full one (Bengio & Senecal; Yi et al., RecSys'19).

    Args:
        query: float `[B, d]`.
        candidates: float `[M, d]`, M >= B; the first B are the answers.
        scale: scalar, the learned inverse temperature.
        log_expected: float `[M]`, log of the expected count of each candidate in a batch.
        same: bool `[B, M]`, candidates that are the query or once more its answer; they do not count.
        bias: float `[M]`, what is added to a candidate's logit whatever the query.

    Returns:
        A scalar: the mean over pairs.
    """
    shift = -log_expected if bias is None else bias - log_expected
    loss: Tensor = _SharedCandidates.apply(query * scale, candidates, shift, same)
    return loss


class _SharedCandidates(torch.autograd.Function):
    """Cross-entropy of `query @ candidates.T + shift` with the answers on the diagonal, in one `[B, M]` buffer.

    Written out because the buffer is the largest array of a training step by far: composed from torch's operators, the same
    loss walks over half a dozen fresh ones, and took longer than both convolutions.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, candidates: Tensor, shift: Tensor, same: Tensor) -> Tensor:
        logits = torch.addmm(shift, query, candidates.T)
        logits[same.nonzero(as_tuple=True)] = MASKED
        own = logits.diagonal().clone()
        top = logits.amax(dim=1, keepdim=True)
        share = logits.sub_(top).exp_()
        total = share.sum(dim=1, keepdim=True)
        loss = (total.log() + top).squeeze(1).sub_(own).mean()
        share.div_(total).diagonal().sub_(1)
        ctx.save_for_backward(query, candidates, share.div_(len(query)))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, candidates, share = ctx.saved_tensors
        (loss,) = outer
        return share @ candidates * loss, share.T @ query * loss, share.sum(dim=0) * loss, None


def collisions(query: Tensor, answer: Tensor, candidates: Tensor) -> Tensor:
    """Where a candidate is the query itself or its answer in another place, bool `[B, M]`.

    Args:
        query, answer: int64 `[B]`, rows of items.
        candidates: int64 `[M]`; the first B are `answer`.
    """
    same = (candidates[None] == answer[:, None]) | (candidates[None] == query[:, None])
    own = torch.arange(len(query))
    same[own, own] = False
    return same
