"""An item's own content as tensors, and the layer that turns it into h0. Knows no graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.features.encoder import Content
from engine.tensors import tensor
from engine.types import FloatArray


@dataclass(frozen=True, slots=True)
class ContentBatch:
    """The content of B items, ready for an embedding bag.

    Attributes:
        token: int64 `[tokens]`, columns of the vocabulary, item after item.
        weight: float32 `[tokens]`.
        offset: int64 `[B]`, where each item begins in `token`.
        dense: float32 `[B, D]`.
    """

    token: Tensor
    weight: Tensor
    offset: Tensor
    dense: Tensor

    def __len__(self) -> int:
        return len(self.offset)


def take_content(content: Content, rows: NDArray[np.integer]) -> ContentBatch:
    """The content of some items as tensors."""
    indptr, wanted = content.tokens.indptr.astype(np.int64), np.asarray(rows, dtype=np.int64)
    begin, count = indptr[wanted], indptr[wanted + 1] - indptr[wanted]
    offset = np.concatenate([[0], np.cumsum(count)])
    at = np.arange(offset[-1]) + np.repeat(begin - offset[:-1], count)
    return ContentBatch(
        token=torch.from_numpy(content.tokens.indices[at].astype(np.int64)),
        weight=torch.from_numpy(content.tokens.data[at]),
        offset=torch.from_numpy(offset[:-1]),
        dense=tensor(content.dense[wanted]),
    )


def without_some(batch: ContentBatch, chance: float, rng: np.random.Generator) -> ContentBatch:
    """Leave out tokens, each alone, and weigh the others more: in expectation the sum of an item stays."""
    if not chance:
        return batch
    keep = rng.random(len(batch.token), dtype=np.float32) >= chance
    before = np.concatenate([[0], np.cumsum(keep)])
    kept = torch.from_numpy(np.flatnonzero(keep))
    return ContentBatch(
        token=batch.token[kept],
        weight=batch.weight[kept] / (1 - chance),
        offset=torch.from_numpy(before[batch.offset.numpy()]),
        dense=batch.dense,
    )


class ContentLayer(nn.Module):
    """h0: a learned vector a token, summed by weight, plus a projection of the dense features, of length 1.

    Args:
        vocabulary: V, the number of tokens.
        dense: D, the width of the dense features.
        dim: width of h0.

    Shapes:
        - ContentBatch of B items -> `[B, dim]`
    """

    def __init__(self, vocabulary: int, dense: int, dim: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(vocabulary, dim) / dim**0.5)
        self.dense = nn.Linear(dense, dim) if dense else None
        self.shift = nn.Parameter(torch.randn(dim) * 0.01)

    def forward(self, batch: ContentBatch) -> Tensor:
        content = F.embedding_bag(batch.token, self.tokens, batch.offset, mode="sum", per_sample_weights=batch.weight)
        if self.dense is not None:
            content = content + self.dense(batch.dense)
        return F.normalize(content + self.shift, dim=1)

    def start_from(self, basis: FloatArray, typical: float) -> None:
        """Begin with the singular vectors of the token weights instead of random vectors.

        Args:
            basis: float32 `[V, C]`; the columns past `dim` are left out.
            typical: mean length of an item's projection onto `basis`, which becomes 1.
        """
        width = min(basis.shape[1], self.tokens.shape[1])
        with torch.no_grad():
            self.tokens.zero_()
            self.tokens[:, :width] = torch.from_numpy(basis[:, :width] / max(typical, 1e-6))
