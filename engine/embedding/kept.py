"""What an embedding leaves behind, so that the next one need not begin anew. Knows arrays and shapes; computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.embedding.bounds import Certificate, Sensitivity
from engine.types import FloatArray, IndexArray, Neighbourhoods

if TYPE_CHECKING:
    from torch import Tensor


class ScaledLayer(Protocol):
    """A convolution whose output is brought to length 1."""

    def messages(self, inputs: Tensor) -> Tensor:
        """What a node sends to whoever has it as a neighbour: `[B, dim]` -> `[B, hidden]`."""
        ...

    def unscaled(self, own: Tensor, pooled: Tensor) -> Tensor:
        """A node's output before it is brought to length 1, `[B, dim]`."""
        ...


class FollowedModel(Protocol):
    """A model as `layerwise.LayerwiseModel`, open where its vectors are brought to length 1."""

    @property
    def hidden(self) -> int: ...

    @property
    def layers(self) -> Sequence[ScaledLayer]: ...

    def unscaled_head(self, hidden: Tensor, inputs: Tensor) -> Tensor:
        """The embedding before it is brought to length 1."""
        ...

    def sensitivity(self) -> Sensitivity:
        """How far the last layer and the head carry a change."""
        ...


@dataclass(slots=True)
class Kept:
    """What was computed of N nodes; `incremental.follow` changes it in place.

    Attributes:
        idx, weight: int32 and float32 `[N, T]`, the neighbourhoods as they are now.
        hidden: float32 `[N, dim]` each: h0 and the outputs of all layers but the last.
        vectors: float32 `[N, dim]`, the embeddings.
        accounts: float32 `[N, 3]`, columns as in `bounds`. The account of a node that was never embedded is `bounds.UNKNOWN`.
    """

    idx: IndexArray
    weight: FloatArray
    hidden: list[FloatArray]
    vectors: FloatArray
    accounts: FloatArray

    def around(self, rows: IndexArray) -> Neighbourhoods:
        """The neighbourhoods of some nodes."""
        return Neighbourhoods(self.idx[rows], self.weight[rows])


@dataclass(frozen=True, slots=True)
class Change:
    """What is not as it was when `Kept` was computed. Rows are int32 and increasing; new nodes are in both kinds.

    Attributes:
        content: nodes whose h0 may have changed.
        inputs: h0 of some of them, float `[rows, dim]`.
        around: nodes whose neighbourhood in `Kept` is another one by now.
        before: what those neighbourhoods were, `[len(around), T]`; nobody, for new nodes.
    """

    content: IndexArray
    inputs: Callable[[IndexArray], Tensor]
    around: IndexArray
    before: Neighbourhoods


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be left as it is. Nodes that were never embedded always are.

    Attributes:
        epsilon: a node is embedded again once its account would pass this; 0 is exact.
        max_nodes: embed at most so many again; those with the smallest accounts are put off.
        budget_s: the same by seconds; what is begun is ended.
    """

    epsilon: float = 0.0
    max_nodes: int | None = None
    budget_s: float | None = None

    @property
    def exact(self) -> bool:
        """Whether nothing may be left."""
        return self.epsilon == 0 and self.max_nodes is None and self.budget_s is None


EXACT = Limits()


@dataclass(frozen=True, slots=True)
class Followed:
    """Which rows `incremental.follow` changed. Rows are int32 and increasing.

    Attributes:
        hidden: of each array of `Kept.hidden`.
        vectors: nodes embedded again.
        accounts: nodes with another account, all that were embedded again among them.
        reached: how many embeddings the change can alter, with those put off before.
        put_off: how many nodes have an account past epsilon, left for the next time.
        certificate: for all nodes.
    """

    hidden: list[IndexArray]
    vectors: IndexArray
    accounts: IndexArray
    reached: int
    put_off: int
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Moved:
    """Rows of an input array that changed.

    Attributes:
        rows: int32, increasing.
        before: `[len(rows), dim]`, what they were; no rows where nobody asks.
    """

    rows: IndexArray
    before: FloatArray


def joined(parts: Sequence[IndexArray]) -> IndexArray:
    """Rows one after the other."""
    return np.concatenate([np.empty(0, dtype=np.int32), *parts]).astype(np.int32)
