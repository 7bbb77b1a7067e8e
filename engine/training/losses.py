"""What a batch of query-answer pairs costs. Knows embeddings, not how they came about."""

from __future__ import annotations

import torch
from torch import Tensor
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
    logits = query @ candidates.T * scale - log_expected
    if bias is not None:
        logits = logits + bias
    return F.cross_entropy(logits.masked_fill(same, MASKED), torch.arange(len(query)))


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
