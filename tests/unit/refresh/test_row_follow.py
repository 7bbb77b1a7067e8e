"""Users and items are followed layer by layer: those that a change can alter are computed, no others, the most altered first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from engine.arrays import write_base
from engine.embedding.kept import EXACT, Limits
from engine.graph.snapshot_columns import node_table
from engine.models.row_embedder import SIDES, Joined, Outputs, Rows, Side, embed_all
from engine.refresh import row_plan
from engine.refresh.row_follow import RowChange, RowsFollowed, as_served, difference, follow
from engine.refresh.row_state import VECTORS, RowState, write_begun
from engine.serving import layout
from engine.types import ChangedLists, FloatArray, IndexArray

Edges = frozenset[tuple[int, int]]
USERS, ITEMS = 7, 6


class Averages:
    """A `RowEmbedder` of three layers: a node's own vector, and then itself and the mean of its lists."""

    layers, reads_fields = 3, False
    reads: Mapping[Side, tuple[Side, ...]] = {"users": ("items", "users"), "items": ("users",)}

    def __init__(self, joined: Joined) -> None:
        self.joined = joined
        self.asked: list[tuple[int, Side, list[int]]] = []

    def embed(self, layer: int, side: Side, rows: IndexArray, before: Outputs) -> FloatArray:
        if len(rows):
            self.asked.append((layer, side, rows.tolist()))
        if layer == 0:
            angle = (rows + 1 + 10 * SIDES.index(side))[:, None] * np.array([1.0, 2.0, 3.0])
            return np.sin(angle).astype(np.float32)
        found = before[side][rows].copy()
        for other in self.reads[side]:
            lists = self.joined.rows_of(side, other, rows)
            found += (lists @ before[other]) / np.maximum(np.diff(lists.indptr), 1)[:, None].astype(np.float32)
        return (found / 4).astype(np.float32)


def joined(taken: Edges, follows: Edges) -> Joined:
    nodes = {
        "users": node_table([f"u{n}" for n in range(USERS)])[0],
        "items": node_table([f"i{n}" for n in range(ITEMS)])[0],
    }

    def matrix(edges: Edges, shape: tuple[int, int]) -> csr_array:
        there = np.zeros(shape, np.float32)
        for row, column in edges:
            there[row, column] = 1
        return csr_array(there)

    has, heeds = matrix(taken, (USERS, ITEMS)), matrix(follows, (USERS, USERS))
    lists = {("users", "items"): has, ("items", "users"): has.T.tocsr(), ("users", "users"): heeds}
    return Joined(nodes, lists, heeds.T.tocsr())


def changed(before: Joined, now: Joined) -> RowChange:
    none: Rows = {side: np.empty(0, np.int32) for side in SIDES}

    def between(old: csr_array, new: csr_array) -> ChangedLists:
        rows = np.flatnonzero((old.toarray() != new.toarray()).any(axis=1)).astype(np.int32)
        sizes = [np.diff(one.indptr)[rows].astype(np.int32) for one in (old, new)]
        same = (old.toarray() * new.toarray()).sum(axis=1)[rows].astype(np.int32)
        return ChangedLists(rows, *sizes, same)

    return RowChange(none, none, none, {name: between(before.lists[name], now.lists[name]) for name in before.lists})


def begun(folder: Path, graph: Joined) -> RowState:
    """A generation's folder of everything embedded."""
    outputs = embed_all(Averages(graph), graph)
    for side in SIDES:
        write_base(folder, VECTORS[side], as_served(outputs[-1][side], graph.nodes[side].alive))
    (folder / layout.STATE).mkdir()
    write_begun(folder / layout.STATE, outputs[:-1])
    state = RowState.open(folder)
    assert state is not None
    return state


def off(found: RowsFollowed, state: RowState, graph: Joined) -> dict[Side, list[int]]:
    """The rows whose vectors are not those of embedding everything."""
    exact, wrong = embed_all(Averages(graph), graph)[-1], {}
    for side in SIDES:
        kept = state.vectors({"users": USERS, "items": ITEMS})[side]
        kept[found.vectors[side].rows] = found.vectors[side].values
        wanted = as_served(exact[side], graph.nodes[side].alive)
        distance = difference(wanted, kept, np.arange(len(kept), dtype=np.int32))
        wrong[side] = np.flatnonzero(distance > 1e-6).tolist()
    return wrong


EDGES = st.frozensets(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=12)
FOLLOWS = st.frozensets(st.tuples(st.integers(0, USERS - 1), st.integers(0, USERS - 1)), max_size=8)


@settings(deadline=None, max_examples=40)
@given(EDGES, FOLLOWS, EDGES, FOLLOWS, st.integers(0, 9), st.sampled_from([0, 2, 10**9]))
def test_what_is_followed_equals_embedding_everything_but_for_what_is_put_off(
    tmp_path_factory, taken, follows, taken_then, follows_then, most, scattered
):
    row_plan_scattered, row_plan.SCATTERED = row_plan.SCATTERED, scattered
    try:
        graph = joined(taken_then, follows_then)
        state, change = (
            begun(tmp_path_factory.mktemp("generation"), joined(taken, follows)),
            changed(joined(taken, follows), graph),
        )
        found = follow(Averages(graph), graph, state, change, EXACT)
        assert off(found, state, graph) == {"users": [], "items": []}
        part = follow(Averages(graph), graph, state, change, Limits(max_nodes=most))
        assert part.embedded <= most
        assert part.embedded + part.put_off == part.reached
        for side, rows in off(part, state, graph).items():
            assert set(rows) <= set(part.left[side].tolist())
    finally:
        row_plan.SCATTERED = row_plan_scattered


def test_only_what_a_change_reaches_is_computed_and_the_most_altered_comes_first(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(row_plan, "SCATTERED", 0)
    taken = frozenset([(0, 0), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 5)])
    before, now = joined(taken, frozenset()), joined(taken | {(0, 3), (2, 5)}, frozenset([(5, 6)]))
    state, embedder = begun(tmp_path, before), Averages(now)
    found = follow(embedder, now, state, changed(before, now), Limits(max_nodes=2))
    computed = {(layer, side): rows for layer, side, rows in embedder.asked}
    assert computed[0, "users"] == [0, 2, 5]
    assert computed[0, "items"] == [3, 5]
    assert computed[1, "users"] == [0, 2, 5]
    assert computed[1, "items"] == [3, 5]
    # What moved in the layer before reaches who reads it: users 1, 3 and 4 have items 3 and 5, items 0, 1, 2 and 4 are had.
    assert found.reached == 12
    assert (found.embedded, found.put_off) == (2, 10)
    assert computed[2, "users"] == [2, 5]
    assert str(found.plan).startswith("follow the changes: 3 users and 2 items")
