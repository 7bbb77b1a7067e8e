"""Users and items are followed layer by layer: those that a change can alter are computed, no others, the most altered first."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from engine.arrays import patch_from, write_base
from engine.embedding.kept import EXACT, Limits
from engine.graph.snapshot_columns import field_column, node_table
from engine.models.diffnet.answers import Diffusing
from engine.models.diffnet.files import Trained
from engine.models.diffnet.scorer import DiffnetScorer
from engine.models.row_embedder import SIDES, Joined, Outputs, RowEmbedder, Rows, Side, embed_all
from engine.refresh import row_plan
from engine.refresh.row_follow import RowChange, RowsFollowed, as_served, difference, follow
from engine.refresh.row_state import VECTORS, RowState, write_begun, write_next
from engine.serving import layout
from engine.types import ChangedLists, FloatArray, IndexArray
from tests.unit.models.model_checks import following
from tests.unit.models.ranking_checks import likes

Edges = frozenset[tuple[int, int]]
USERS, ITEMS = 7, 6
ROWS: Mapping[Side, int] = {"users": USERS, "items": ITEMS}
CLOSE = 1e-5


@dataclass(frozen=True)
class World:
    """Who has what, who follows whom, and a field of each user and then of each item, by row."""

    taken: Edges
    follows: Edges = frozenset()
    tastes: tuple[str, ...] = ("loud",) * (USERS + ITEMS)


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


def of_tastes(tastes: tuple[str, ...]) -> dict[Side, tuple[str, ...]]:
    return {"users": tastes[:USERS], "items": tastes[USERS:]}


def joined(world: World) -> Joined:
    nodes = {}
    for side, its in of_tastes(world.tastes).items():
        ids = [f"{side[0]}{number}" for number in range(len(its))]
        by_number = [its[row] for row in node_table(ids)[1]]
        nodes[side] = node_table(ids, fields={"taste": field_column("categorical", by_number, name="taste")})[0]

    def matrix(edges: Edges, shape: tuple[int, int]) -> csr_array:
        there = np.zeros(shape, np.float32)
        for row, column in edges:
            there[row, column] = 1
        return csr_array(there)

    has, heeds = matrix(world.taken, (USERS, ITEMS)), matrix(world.follows, (USERS, USERS))
    lists = {("users", "items"): has, ("items", "users"): has.T.tocsr(), ("users", "users"): heeds}
    return Joined(nodes, lists, heeds.T.tocsr())


@functools.cache
def trained(**settings: Any) -> Trained:
    """A DiffNet++ of some users and items of another graph: it has nothing of the last ones."""
    taken = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (3, 3), (3, 4), (4, 4), (5, 0)]
    fields = {
        f"{side[:-1]}_fields": {"taste": ("categorical", its)}
        for side, its in of_tastes(("loud", "quiet") * 6 + ("loud",)).items()
    }
    data = following(likes(taken, USERS, ITEMS, **fields), (0, 1), (1, 2), (2, 0), (3, 0), (4, 5), (5, 5), (6, 0))
    model = DiffnetScorer.from_settings(
        {"dim": 4, "layers": 2, "epochs": 3, "batch_size": 3, "candidates": 0, "negatives": 2, **settings}
    )
    model.fit(data)
    return model.trained


def diffusing(**settings: Any) -> Callable[[Joined], RowEmbedder]:
    return lambda graph: Diffusing(trained(**settings), graph)


FIELDS = {"features": True, "min_items": 1}
MODELS: Mapping[str, Callable[[Joined], RowEmbedder]] = {
    "averages": Averages,
    "diffnet": diffusing(),
    "diffnet by pairs": diffusing(loss="bpr", normalisation="mean"),
    "diffnet by squares of one layer": diffusing(loss="squared", layers=1),
    "diffnet without friends of three layers": diffusing(social=False, layers=3),
    "diffnet without attention": diffusing(attention=False, graph_attention=False),
    "diffnet of fields": diffusing(**FIELDS),
    "diffnet of fields by pairs": diffusing(loss="bpr", **FIELDS),
}


def changed(before: World, now: World) -> RowChange:
    none: Rows = {side: np.empty(0, np.int32) for side in SIDES}

    def between(old: csr_array, new: csr_array) -> ChangedLists:
        rows = np.flatnonzero((old.toarray() != new.toarray()).any(axis=1)).astype(np.int32)
        sizes = [np.diff(one.indptr)[rows].astype(np.int32) for one in (old, new)]
        same = (old.toarray() * new.toarray()).sum(axis=1)[rows].astype(np.int32)
        return ChangedLists(rows, *sizes, same)

    old, new = joined(before).lists, joined(now).lists
    were, are = of_tastes(before.tastes), of_tastes(now.tastes)
    others = {side: np.flatnonzero(np.array(were[side]) != np.array(are[side])).astype(np.int32) for side in SIDES}
    return RowChange(none, none, others, {name: between(old[name], new[name]) for name in old})


def begun(folder: Path, embedder: RowEmbedder, graph: Joined) -> RowState:
    """A generation's folder of everything embedded."""
    outputs = embed_all(embedder, graph)
    for side in SIDES:
        write_base(folder, VECTORS[side], as_served(outputs[-1][side], graph.nodes[side].alive))
    (folder / layout.STATE).mkdir()
    write_begun(folder / layout.STATE, outputs[:-1])
    return opened(folder)


def gone_on(folder: Path, state: RowState, found: RowsFollowed) -> RowState:
    """The folder of the generation after."""
    for side, name in VECTORS.items():
        patch_from(state.folder, name, folder, ROWS[side], found.vectors[side].rows, found.vectors[side].values)
    (folder / layout.STATE).mkdir()
    write_next(folder / layout.STATE, state, ROWS, found.hidden, found.left)
    return opened(folder)


def opened(folder: Path) -> RowState:
    state = RowState.open(folder)
    assert state is not None
    return state


def off(found: RowsFollowed, state: RowState, embedder: RowEmbedder, graph: Joined) -> dict[Side, list[int]]:
    """The rows whose vectors are not those of embedding everything."""
    exact, wrong = embed_all(embedder, graph)[-1], {}
    for side in SIDES:
        kept = state.vectors(ROWS)[side]
        kept[found.vectors[side].rows] = found.vectors[side].values
        wanted = as_served(exact[side], graph.nodes[side].alive)
        distance = difference(wanted, kept, np.arange(len(kept), dtype=np.int32))
        wrong[side] = np.flatnonzero(distance > CLOSE).tolist()
    return wrong


EDGES = st.frozensets(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=12)
FOLLOWS = st.frozensets(st.tuples(st.integers(0, USERS - 1), st.integers(0, USERS - 1)), max_size=8)


TASTES = st.lists(st.sampled_from(["loud", "quiet"]), min_size=USERS + ITEMS, max_size=USERS + ITEMS).map(tuple)
WORLDS = st.lists(st.builds(World, EDGES, FOLLOWS, TASTES), min_size=2, max_size=3)


@pytest.mark.parametrize("model", MODELS)
@settings(deadline=None, max_examples=10)
@given(WORLDS, st.integers(0, 9), st.sampled_from([0, 2, 10**9]))
def test_what_is_followed_equals_embedding_everything_but_for_what_is_put_off_which_the_next_time_does(
    tmp_path_factory: pytest.TempPathFactory, model: str, worlds: list[World], most: int, scattered: int
):
    folders = (tmp_path_factory.mktemp("generation") for _ in itertools.count())
    make = MODELS[model]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_plan, "SCATTERED", scattered)
        first = joined(worlds[0])
        state = begun(next(folders), make(first), first)
        for before, now in itertools.pairwise(worlds):
            graph, change = joined(now), changed(before, now)
            part = follow(make(graph), graph, state, change, Limits(max_nodes=most))
            assert part.embedded <= most
            assert part.embedded + part.put_off == part.reached
            for side, rows in off(part, state, make(graph), graph).items():
                assert set(rows) <= set(part.left[side].tolist())
            whole = follow(make(graph), graph, state, change, EXACT)
            assert off(whole, state, make(graph), graph) == {"users": [], "items": []}
            state = gone_on(next(folders), state, part)
        rest = follow(make(graph), graph, state, changed(now, now), EXACT)
        every = rest.plan.way == "embed everything"
        assert rest.embedded == (USERS + ITEMS if every else state.num_left)
        assert off(rest, state, make(graph), graph) == {"users": [], "items": []}


def test_a_field_that_changes_begins_with_its_row_where_fields_are_read_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(row_plan, "SCATTERED", 0)
    item = int(joined(World(frozenset())).nodes["items"].index_of(["i0"])[0])
    before = World(frozenset([(0, item), (1, item), (2, (item + 1) % ITEMS)]))
    tastes = list(before.tastes)
    tastes[USERS + item] = "quiet"
    now = World(before.taken, tastes=tuple(tastes))
    graph, change = joined(now), changed(before, now)
    for model, moved in (("diffnet of fields", [item]), ("diffnet", []), ("averages", [])):
        (tmp_path / model).mkdir()
        make = MODELS[model]
        state = begun(tmp_path / model, make(joined(before)), joined(before))
        found = follow(make(graph), graph, state, change, EXACT)
        assert (found.plan.way, found.plan.users, found.plan.items) == (
            ("follow the changes", 0, 1) if moved else ("no rows", 0, 0)
        )
        assert found.vectors["items"].rows.tolist() == moved
        assert found.vectors["users"].rows.tolist() == ([0, 1] if moved else [])
        assert off(found, state, make(graph), graph) == {"users": [], "items": []}


def test_only_what_a_change_reaches_is_computed_and_the_most_altered_comes_first(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(row_plan, "SCATTERED", 0)
    taken = frozenset([(0, 0), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 5)])
    before, now = World(taken), World(taken | {(0, 3), (2, 5)}, frozenset([(5, 6)]))
    graph = joined(now)
    state, embedder = begun(tmp_path, Averages(joined(before)), joined(before)), Averages(graph)
    found = follow(embedder, graph, state, changed(before, now), Limits(max_nodes=2))
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
