"""Whether to embed only the users and items that a change can alter, or all of them: by the entries of lists that are read.
Decides nothing about the result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.models.row_embedder import SIDES, Joined, RowEmbedder, Rows, Side

SCATTERED = 2
"""An entry read here and there takes as long as so many that are read one after the other: measured 1.2 to 1.5 where a tenth of
the rows is read, 2.3 to 2.5 where a hundredth is."""

Way = Literal["follow the changes", "embed everything", "no rows"]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The way taken, and why.

    Attributes:
        users, items: that are new or gone, have other lists, or were put off.
        entries: rows, and entries of their lists, that following them reads at most, in all layers; `all_entries`: that
            embedding everything reads.
    """

    way: Way
    users: int
    items: int
    entries: int = 0
    all_entries: int = 0

    def __str__(self) -> str:
        if self.way == "no rows":
            return "no rows: no list that the model reads changed"
        return (
            f"{self.way}: {self.users:,} users and {self.items:,} items are new, gone, have other lists or were put off; to"
            f" follow them reads up to {self.entries:,} entries of lists, here and there, and to embed everything reads"
            f" {self.all_entries:,}, one after the other"
        )

    def to_json(self) -> dict[str, Any]:
        """For the run's row."""
        return {**asdict(self), "why": str(self)}


def choose(embedder: RowEmbedder, joined: Joined, begun: Rows) -> RowPlan:
    """Choose by estimated cost.

    Args:
        begun: the rows that may have changed whatever their neighbours did.
    """
    users, items = len(begun["users"]), len(begun["items"])
    if not users and not items:
        return RowPlan("no rows", 0, 0)
    weight = {side: _weight(embedder, joined, side) for side in SIDES}
    whole = embedder.layers * int(sum(weight[side].sum() for side in SIDES))
    entries, reached = 0, begun
    for layer in range(embedder.layers):
        if layer:
            reached = reach(embedder, joined, reached)
        entries += int(sum(weight[side][reached[side]].sum() for side in SIDES))
        if SCATTERED * entries >= whole:
            return RowPlan("embed everything", users, items, entries, whole)
    return RowPlan("follow the changes", users, items, entries, whole)


def reach(embedder: RowEmbedder, joined: Joined, moved: Rows) -> Rows:
    """The rows whose next layer reads some rows, those themselves among them."""
    found = {}
    for side in SIDES:
        parts = [moved[side], *(joined.readers(side, other, moved[other]) for other in embedder.reads[side])]
        found[side] = np.unique(np.concatenate(parts)).astype(np.int32)
    return found


def _weight(embedder: RowEmbedder, joined: Joined, side: Side) -> NDArray[np.int64]:
    """int64 `[N]`, the entries that each row reads, and itself."""
    found = np.ones(len(joined.nodes[side]), np.int64)
    for other in embedder.reads[side]:
        found += np.diff(joined.lists[side, other].indptr)
    return found
