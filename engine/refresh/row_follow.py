"""Embed again the users and items that a change of the graph alters, layer by layer, and no others.

A row's output in a layer depends on its own and its neighbours' outputs of the layer before, and on who they are. So what
changes in a layer are rows whose own lists changed, or that have one in their lists whose output did. The result equals
`models.row_embedder.embed_all` on the graph as it is now.

The last layer, and it alone, may put rows off: those of whose lists the least changed. They are written down, and come first
the next time. Knows methods by their protocol; no server and no registry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.embedding.bounds import Certificate
from engine.embedding.kept import Limits
from engine.models.row_embedder import SIDES, Joined, Outputs, RowEmbedder, Rows, Side
from engine.refresh.row_plan import RowPlan, choose, reach
from engine.refresh.row_state import RowState
from engine.refresh.state import Patch, taken
from engine.types import ChangedLists, FloatArray, IndexArray

BLOCK = 4096
"""Rows that are embedded at a time."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """What is not as it was.

    Attributes:
        new, gone, changed: rows that were appended, that are dead now and were not, and whose fields are others.
        lists: (side, other side) -> whose lists changed.
    """

    new: Rows
    gone: Rows
    changed: Rows
    lists: Mapping[tuple[Side, Side], ChangedLists]

    def whose(self, embedder: RowEmbedder) -> Rows:
        """The rows that read other lists than before, and those that came and went."""
        return {
            side: _union(
                self.new[side],
                self.gone[side],
                *((self.changed[side],) if embedder.reads_fields else ()),
                *(self.lists[side, other].rows for other in embedder.reads[side]),
            )
            for side in SIDES
        }


@dataclass(frozen=True, slots=True)
class RowsFollowed:
    """What `follow` changed.

    Attributes:
        hidden: of each layer but the last, which rows differ; new ones are among them.
        vectors: of the vectors, likewise.
        left: rows that were put off.
        reached: how many vectors the change can alter, with those put off before.
        embedded: how many were computed again.
    """

    hidden: list[Mapping[Side, Patch]]
    vectors: Mapping[Side, Patch]
    left: Rows
    reached: int
    embedded: int
    plan: RowPlan

    @property
    def put_off(self) -> int:
        """How many rows are left for the next time."""
        return sum(len(rows) for rows in self.left.values())

    @property
    def certificate(self) -> Certificate:
        """How far vectors may be from exact: nothing is known of those that were put off."""
        return Certificate(None, self.put_off) if self.put_off else Certificate()


def follow(embedder: RowEmbedder, joined: Joined, state: RowState, change: RowChange, limits: Limits) -> RowsFollowed:
    """Bring vectors up to date.

    Args:
        state: true for the graph before the change.

    Raises:
        CorruptFileError: a file of the state is missing or does not fit.
    """
    started = time.monotonic()
    rows = {side: len(joined.nodes[side]) for side in SIDES}
    hidden, stored = state.hidden(rows), state.vectors(rows)
    begun = change.whose(embedder)
    plan = choose(embedder, joined, _unions(begun, state.left))
    every = joined.every() if plan.way == "embed everything" else None
    moved: Rows = {side: begun[side][:0] for side in SIDES}
    before: Outputs = {}
    patches: list[Mapping[Side, Patch]] = []
    for layer, outputs in enumerate(hidden):
        asked = every or _unions(begun, reach(embedder, joined, moved))
        moved = {side: _replace(outputs[side], asked[side], _layer(embedder, layer, side, before)) for side in SIDES}
        patches.append({side: taken(outputs[side], _union(moved[side], change.new[side])) for side in SIDES})
        before = outputs
    asked = every or _unions(begun, state.left, reach(embedder, joined, moved))
    must = _unions(change.new, change.gone)
    queue = _Queue.of(
        {side: np.setdiff1d(asked[side], must[side]) for side in SIDES},
        {side: _urgency(embedder, joined, change, side, moved, state.left[side]) for side in SIDES},
    )
    last = {side: _last(embedder, joined, side, before) for side in SIDES}
    differ = [{side: _replace(stored[side], must[side], last[side]) for side in SIDES}]
    at, stop = 0, len(queue) if limits.max_nodes is None else min(limits.max_nodes, len(queue))
    while at < stop and (limits.budget_s is None or time.monotonic() - started < limits.budget_s):
        block = queue.part(at, min(at + BLOCK, stop))
        differ.append({side: _replace(stored[side], block[side], last[side]) for side in SIDES})
        at = min(at + BLOCK, stop)
    return RowsFollowed(
        hidden=patches,
        vectors={
            side: taken(stored[side], _union(change.new[side], *(part[side] for part in differ))) for side in SIDES
        },
        left=queue.part(at, len(queue)),
        reached=sum(len(rows) for rows in asked.values()),
        embedded=at + sum(len(rows) for rows in must.values()),
        plan=plan,
    )


@dataclass(frozen=True, slots=True)
class _Queue:
    """Rows of both sides, the most urgent first.

    Attributes:
        side: int8, a place in `SIDES`.
    """

    side: NDArray[np.int8]
    rows: IndexArray

    @staticmethod
    def of(rows: Rows, urgency: Mapping[Side, NDArray[np.float64]]) -> _Queue:
        side = np.concatenate([np.full(len(rows[name]), number, np.int8) for number, name in enumerate(SIDES)])
        row = np.concatenate([rows[name] for name in SIDES]).astype(np.int32)
        order = np.argsort(-np.concatenate([urgency[name][rows[name]] for name in SIDES]), kind="stable")
        return _Queue(side[order], row[order])

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> Rows:
        """Some of them, by side."""
        side, rows = self.side[start:stop], self.rows[start:stop]
        return {name: np.sort(rows[side == number]) for number, name in enumerate(SIDES)}


def _urgency(
    embedder: RowEmbedder, joined: Joined, change: RowChange, side: Side, moved: Rows, left: IndexArray
) -> NDArray[np.float64]:
    """float64 `[N]`: which share of a row's lists changed, who is in them counting where their outputs did; those that were put
    off come first."""
    share = np.zeros(len(joined.nodes[side]))
    share[moved[side]] = 1
    for other in embedder.reads[side]:
        lists = change.lists[side, other]
        longest = np.maximum(np.maximum(lists.before, lists.now), 1)
        share[lists.rows] += (np.maximum(lists.before, lists.now) - lists.same) / longest
        if len(moved[other]):
            matrix = joined.lists[side, other]
            marks = np.zeros(matrix.shape[1], np.float32)
            marks[moved[other]] = 1
            share += (matrix @ marks) / np.maximum(np.diff(matrix.indptr), 1)
    share[left] = np.inf
    return share


def _layer(embedder: RowEmbedder, layer: int, side: Side, before: Outputs) -> Callable[[IndexArray], FloatArray]:
    return lambda rows: embedder.embed(layer, side, rows, before)


def _last(embedder: RowEmbedder, joined: Joined, side: Side, before: Outputs) -> Callable[[IndexArray], FloatArray]:
    """The vectors of some rows as they are served."""
    compute = _layer(embedder, embedder.layers - 1, side, before)
    return lambda rows: as_served(compute(rows), joined.nodes[side].alive[rows])


def as_served(vectors: FloatArray, alive: NDArray[np.bool_]) -> FloatArray:
    """Vectors as a generation keeps them: zeros for who is dead."""
    return np.where(alive[:, None], vectors, np.float32(0))


def difference(found: FloatArray, kept: FloatArray, rows: IndexArray) -> NDArray[np.float64]:
    """How far vectors of some rows are from those that are kept, `[R]`: Euclidean, in shares of the longest one that is kept of
    their side. With users and items off by such a share, no score is further off than twice that share of the highest there could
    be.

    Args:
        kept: float32 `[N, d]`, of all rows.
    """
    longest = float(np.linalg.norm(kept, axis=1).max(initial=0.0)) or 1.0
    off: NDArray[np.float64] = np.linalg.norm(found.astype(np.float64) - kept[rows], axis=1) / longest
    return off


def _replace(outputs: FloatArray, rows: IndexArray, compute: Callable[[IndexArray], FloatArray]) -> IndexArray:
    """Compute some rows of an array anew, in it. Returns those that differ."""
    differing = [rows[:0]]
    for at in range(0, len(rows), BLOCK):
        block = rows[at : at + BLOCK]
        values = compute(block)
        differing.append(block[(values != outputs[block]).any(axis=1)])
        outputs[block] = values
    return np.concatenate(differing)


def _union(*rows: IndexArray) -> IndexArray:
    return np.unique(np.concatenate(rows)).astype(np.int32)


def _unions(*rows: Rows) -> Rows:
    return {side: _union(*(some[side] for some in rows)) for side in SIDES}
