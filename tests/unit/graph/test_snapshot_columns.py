"""Snapshots as columns, without a server: tables, adjacency, files, data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.datasets.folder import DatasetTables
from engine.errors import CorruptFileError, DataError, EmptyGraphError, GraphError, InputError, UnknownNameError
from engine.files import atomic_folder
from engine.graph.snapshot import Relations, Snapshot
from engine.graph.snapshot_columns import DEAD, IdColumn, NodeTable, field_column, node_table
from engine.graph.snapshot_csr import NO_TIME, edge_rows, relation
from engine.graph.snapshot_files import write_snapshot
from engine.hashing import keys64
from engine.types import CSR


def edges_of(csr: CSR) -> list[tuple[int, int, int]]:
    time = np.zeros(csr.num_edges, np.int64) if csr.time is None else csr.time
    return list(zip(edge_rows(csr).tolist(), csr.indices.tolist(), time.tolist(), strict=True))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 3), st.integers(-1, 3)), max_size=300),
    st.booleans(),
)
def test_both_directions_are_in_creation_order(edges: list[tuple[int, int, int, int]], with_rev: bool) -> None:
    source, target, rev, time = (np.array([e[n] for e in edges], dtype=np.int64) for n in range(4))
    built = relation(5, 6, source, target, rev=rev if with_rev else None, time=time)
    stamps = rev if with_rev else np.zeros_like(rev)
    times = time if (time != NO_TIME).any() else np.zeros_like(time)
    rows = list(zip(source.tolist(), target.tolist(), stamps.tolist(), times.tolist(), strict=True))
    forward = sorted((s, r, t, at) for s, t, r, at in rows)
    backward = sorted((t, r, s, at) for s, t, r, at in rows)
    assert edges_of(built.forward) == [(a, b, at) for a, _, b, at in forward]
    assert edges_of(built.backward) == [(a, b, at) for a, _, b, at in backward]


def test_a_long_list_is_in_creation_order_too() -> None:
    rev = np.random.default_rng(0).integers(0, 50, 5_000)
    built = relation(1, 5_000, np.zeros(5_000, int), np.arange(5_000), rev=rev)
    assert built.forward.indices.tolist() == np.lexsort((np.arange(5_000), rev)).tolist()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=40))
def test_without_some_edges_the_others_keep_their_order(edges: list[tuple[int, int, int, bool]]) -> None:
    source, target, rev = (np.array([e[n] for e in edges], dtype=np.int64) for n in range(3))
    built = relation(4, 4, source, target, rev=rev, time=np.arange(len(edges)))
    dropped = np.zeros(len(edges), dtype=bool)
    if len(edges):
        assert built.forward.time is not None
        dropped = np.array([edges[at][3] for at in built.forward.time], dtype=bool)
    kept = np.array([not e[3] for e in edges], dtype=bool)
    rest = relation(4, 4, source[kept], target[kept], rev=rev[kept], time=np.arange(len(edges))[kept])
    cut = built.without(dropped)
    assert edges_of(cut.forward) == edges_of(rest.forward) if kept.any() else cut.num_edges == 0
    assert edges_of(cut.backward) == edges_of(rest.backward) if kept.any() else cut.backward.num_edges == 0


def test_a_mask_of_another_length_is_refused() -> None:
    built = relation(1, 1, np.zeros(2, int), np.zeros(2, int))
    with pytest.raises(InputError, match="mask over 2 edges"):
        built.without(np.zeros(3, dtype=bool))


def test_rows_are_found_by_id_and_unknown_ids_are_not() -> None:
    names = [f"n{n}" for n in range(500)]
    table, rank = node_table(names, what="item")
    assert table.index_of(names).tolist() == rank.tolist()
    assert table.index_of(["nobody", names[3]]).tolist() == [-1, rank[3]]
    assert table.key.tolist() == sorted(keys64(names).tolist())
    assert [table.ids[int(row)] for row in rank[:5]] == names[:5]
    assert list(table.ids) == table.ids[:]
    assert node_table([])[0].index_of(["x"]).tolist() == [-1]


def with_a_dead_row() -> NodeTable:
    """Rows in an order of their own: p, q, r and s, of which q was removed."""
    ids = pa.array(["p", None, "r", "s"], pa.large_string())
    key = keys64(["p", "made up", "r", "s"])
    fields = {"title": field_column("text", ["P", None, "R", "S"], name="title")}
    return NodeTable(IdColumn(ids), key, np.array([0, DEAD, 1, 0], np.int16), ["organic", "ads"], fields)


def test_rows_in_any_order_are_found_and_dead_ones_are_not(tmp_path: Path) -> None:
    table = with_a_dead_row()
    assert sorted(table.order.by_rank) == [0, 1, 2, 3]
    pairs = node_table(["k", "l"])[0]
    none = {name: relation(2, 2, *np.empty((2, 0))) for name in ("follows", "owns")}
    none |= {name: relation(2, 4, *np.empty((2, 0))) for name in ("saves", "interactions")}
    snapshot, facts = Snapshot(None, 0, table, pairs, pairs, Relations(**none)), dict[str, Any]()
    with atomic_folder(tmp_path / "s", facts) as folder:
        facts.update(write_snapshot(folder, snapshot))
    for read in (table, Snapshot.open(tmp_path / "s").items):
        assert read.index_of(["s", "q", "p", "", "made up", "r"]).tolist() == [3, -1, 0, -1, -1, 2]
        assert (read.ids[1], read.ids[:], list(read.ids), read.ids.take(np.array([3, 1]))) == (
            "", ["p", "", "r", "s"], ["p", "", "r", "s"], ["s", ""],
        )  # fmt: skip
        assert (read.alive.tolist(), read.num_alive, len(read)) == ([True, False, True, True], 3, 4)
        assert read.key[read.order.by_rank].tolist() == sorted(table.key.tolist())
        assert read.order.ranks(read.order.by_rank).tolist() == [0, 1, 2, 3]
        assert read.corpus.tolist() == [0, DEAD, 1, 0]


def test_two_nodes_with_one_id_are_refused() -> None:
    with pytest.raises(GraphError, match="two items have the id 'a'"):
        node_table(["a", "b", "a"], what="item")


@pytest.mark.parametrize(("kind", "values"), [("numeric", ["cheap"]), ("vector", [[1.0], [1.0, 2.0]])])
def test_values_of_another_kind_are_refused(kind: Any, values: list[Any]) -> None:
    with pytest.raises(InputError, match="field 'f'"):
        field_column(kind, values, name="f")


def test_a_categorical_cell_may_be_split_by_bars() -> None:
    column = field_column("categorical", ["a| b|", None, ["c"], float("nan")], name="f")
    assert column.to_list() == [["a", "b"], [], ["c"], []]


def tables() -> DatasetTables:
    return DatasetTables(
        "small",
        items={
            "item_id": ["a", "b", "c"],
            "corpus": ["organic", "ads", "organic"],
            "title": ["x", None, "z"],
            "price": np.array([1.0, np.nan, 3.0]),
            "tags": [["t"], None, ["u", "v"]],
            "visual": np.ones((3, 2), np.float32),
        },
        contexts={"context_id": ["k", "l"], "owner_id": ["u", None]},
        saves={"context_id": ["k", "k", "l", "k"], "item_id": ["a", "b", "b", "a"], "time": np.array([4, 5, -1, 1])},
        interactions={"user_id": ["u"], "item_id": ["c"], "rating": np.array([2.0]), "time": np.array([-1])},
        follows={"user_id": ["u"], "followed_id": ["w"], "weight": np.array([np.nan]), "time": np.array([-1])},
        item_fields={"title": "text", "price": "numeric", "tags": "categorical"},
        vector_fields=("visual",),
    )


def named(snapshot: Snapshot) -> set[tuple[str, str, int]]:
    edges = edges_of(snapshot.relations.saves.forward)
    return {(snapshot.contexts.ids[c], snapshot.items.ids[i], t) for c, i, t in edges}


def test_a_data_set_becomes_a_snapshot_without_a_server() -> None:
    snapshot = Snapshot.from_dataset(tables())
    assert named(snapshot) == {("k", "a", 1), ("k", "a", 4), ("k", "b", 5), ("l", "b", -1)}
    assert sorted(snapshot.users.ids) == ["u", "w"]
    assert snapshot.relations.owns.num_edges == 1
    assert snapshot.relations.follows.forward.value is None
    assert snapshot.relations.interactions.forward.value is not None
    row = int(snapshot.items.index_of(["c"])[0])
    assert snapshot.items.fields["tags"].to_list()[row] == ["u", "v"]
    assert snapshot.items.fields["visual"].values.shape == (3, 2)


def test_saves_and_items_can_be_left_out_and_items_keep_their_row() -> None:
    snapshot = Snapshot.from_dataset(
        tables(), exclude_saves=np.array([False, True, False, False]), exclude_items=["a", "c"]
    )
    assert named(snapshot) == {("l", "b", 0)}  # no time column is left
    assert len(snapshot.items) == 3
    assert snapshot.relations.interactions.num_edges == 0
    with pytest.raises(InputError, match="exclude_saves"):
        Snapshot.from_dataset(tables(), exclude_saves=np.zeros(2, dtype=bool))


def test_edges_to_unknown_nodes_are_refused() -> None:
    wrong = tables()
    wrong.saves["item_id"][2] = "nobody"
    with pytest.raises(DataError, match="saves: there is no item with the id 'nobody'"):
        Snapshot.from_dataset(wrong)


def test_without_items_there_is_no_snapshot() -> None:
    with pytest.raises(EmptyGraphError):
        Snapshot.from_dataset(DatasetTables("none"))


def test_walks_take_saves_and_without_saves_interactions() -> None:
    whole = Snapshot.from_dataset(tables())
    assert whole.walk_graph().num_contexts == 2
    assert whole.walk_graph("interactions").context_to_item.num_edges == 1
    bare = tables()
    bare.saves.clear()
    assert Snapshot.from_dataset(bare).walk_graph().context_to_item.num_edges == 1
    with pytest.raises(UnknownNameError, match="'likes'"):
        whole.walk_graph("likes")  # type: ignore[arg-type]


def stored(folder: Path) -> Path:
    snapshot, facts = Snapshot.from_dataset(tables()), dict[str, Any]()
    with atomic_folder(folder, facts) as temporary:
        facts.update(write_snapshot(temporary, snapshot))
    return folder


def test_a_stored_snapshot_reads_back_the_same(tmp_path: Path) -> None:
    before, after = Snapshot.from_dataset(tables()), Snapshot.open(stored(tmp_path / "s"))
    assert named(before) == named(after)
    assert after.items.ids[:] == before.items.ids[:]
    assert after.items.corpus.tolist() == before.items.corpus.tolist()
    for name, column in before.items.fields.items():
        assert after.items.fields[name].kind == column.kind
        assert str(after.items.fields[name].to_list()) == str(column.to_list())
    assert after.relations.interactions.backward.value is not None


@pytest.mark.parametrize("name", ["items.arrow", "contexts.key.npy", "saves.backward.indptr.npy", "manifest.json"])
def test_a_missing_or_cut_file_is_refused(tmp_path: Path, name: str) -> None:
    for number, harm in enumerate((Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1]))):
        folder = stored(tmp_path / str(number))
        harm(folder / name)
        if name == "manifest.json" and number:
            (folder / name).write_text("{")
        with pytest.raises(CorruptFileError, match="snapshot"):
            Snapshot.open(folder, verify=False)


def test_another_format_and_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    snapshot = Snapshot.from_dataset(tables())
    with atomic_folder(tmp_path / "format", {"format": 99, "watermark": 0}) as folder:
        write_snapshot(folder, snapshot)
    with pytest.raises(CorruptFileError, match="format 99"):
        Snapshot.open(tmp_path / "format")
    for number, (name, array) in enumerate(
        [("items.key.npy", np.zeros(5, np.uint64)), ("saves.forward.indptr.npy", np.zeros(9, np.int64)),
         ("saves.forward.indptr.npy", np.array(["x"]))]
    ):  # fmt: skip
        facts: dict[str, Any] = {}
        with atomic_folder(tmp_path / str(number), facts) as folder:
            facts.update(write_snapshot(folder, snapshot))
            np.save(folder / name, array)
        with pytest.raises(CorruptFileError):
            Snapshot.open(tmp_path / str(number))
