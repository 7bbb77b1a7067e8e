"""Change sets of the real server applied to snapshots: whatever was written, the result is what a fresh export gives."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from plain_state import plain_state
from random_writes import FOREIGN, OPERATIONS, PLAIN, perform, start_over

from engine.errors import EmptyGraphError
from engine.graph.changes import collect_changes
from engine.graph.connection import Graph
from engine.graph.mapping import EDGES, ENDS, NODES
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_apply import Applied, apply_changes
from engine.graph.snapshot_export import export_snapshot
from engine.graph.state import read_state
from engine.graph.write import GraphWriter
from engine.sampling.config import WalkConfig
from engine.sampling.walks import neighbourhoods
from engine.settings import GraphMapping, Settings
from engine.types import CSR, ChangedLists

pytestmark = pytest.mark.graph
WALKS = WalkConfig(num_walks=12, walk_length=2, top_t=4)


def walked(snapshot: Snapshot, relation: Any) -> dict[str, tuple[list[str], bytes]]:
    """Each item's neighbourhood by id."""
    try:
        graph = snapshot.walk_graph(relation)
    except EmptyGraphError:
        return {}
    rows = np.flatnonzero(snapshot.items.alive)
    found = neighbourhoods(graph, rows, WALKS, threads=1)
    return {
        snapshot.items.ids[int(row)]: (snapshot.items.ids.take(idx[idx >= 0]), weight.tobytes())
        for row, idx, weight in zip(rows, found.idx, found.weight, strict=True)
    }


def assert_same(applied: Snapshot, exported: Snapshot) -> None:
    assert applied.watermark == exported.watermark
    assert plain_state(applied) == plain_state(exported)
    for relation in ("saves", "interactions"):
        assert walked(applied, relation) == walked(exported, relation)
    for kind in NODES:
        table = getattr(applied, kind)
        rows = table.order.by_rank if len(table.order.by_rank) else np.arange(len(table))
        assert (np.diff(table.key[rows].astype(object)) > 0).all()


def assert_told(before: Snapshot, applied: Applied) -> None:
    """Every difference between two snapshots is among the rows that are told."""
    old, new = plain_state(before), plain_state(applied.snapshot)
    for kind in NODES:
        was, table, rows = getattr(before, kind), getattr(applied.snapshot, kind), applied.nodes[kind]
        assert np.array_equal(rows.new, np.arange(len(was), len(table)))
        assert np.array_equal(rows.gone, np.flatnonzero(was.alive & ~table.alive[: len(was)]))
        told = set(table.ids.take(rows.changed))
        stayed = np.flatnonzero(was.alive & table.alive[: len(was)])
        assert was.ids.take(stayed) == table.ids.take(stayed)
        assert told == {i for i in was.ids.take(stayed) if old.nodes[kind][i] != new.nodes[kind][i]}
    for name in EDGES:
        for direction, kind in zip(("forward", "backward"), ENDS[name], strict=True):
            lists = [getattr(state, direction)[name] for state in (old, new)]
            differ = {i for i in {*lists[0], *lists[1]} if lists[0].get(i) != lists[1].get(i)}
            lists_told = getattr(applied.edges[name], direction)
            rows = lists_told.rows
            ids = [getattr(one, kind).ids for one in (before, applied.snapshot)]
            told = {i for each in ids for i in each.take(rows[rows < len(each)])}
            assert differ <= told
            was, now = (getattr(one.relations, name) for one in (before, applied.snapshot))
            assert_lengths(getattr(was, direction), getattr(now, direction), lists_told)


def assert_lengths(was: CSR, now: CSR, told: ChangedLists) -> None:
    """The lengths that are told are right, and what is told to be in its old place is."""
    for row, before, after, same in zip(told.rows, told.before, told.now, told.same, strict=True):
        old = was.row(row).tolist() if row < was.num_rows else []
        assert (before, after) == (len(old), len(now.row(row)))
        assert old[:same] == now.row(row)[:same].tolist()


@pytest.mark.parametrize(
    "examples", [6, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])], ids=["few", "many"]
)
@pytest.mark.parametrize("mapping", [PLAIN, FOREIGN], ids=["plain", "foreign"])
def test_any_changes_applied_in_any_parts_equal_a_fresh_export(
    graph: Graph, settings: Settings, tmp_path: Path, mapping: GraphMapping, examples: int
) -> None:
    mapped = settings.model_copy(update={"graph": settings.graph.model_copy(update={"mapping": mapping})})
    number = itertools.count()

    @hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.lists(OPERATIONS, min_size=1, max_size=12), min_size=1, max_size=4))
    def holds(parts: list[list[tuple[str, Any]]]) -> None:
        writer = start_over(graph, mapping)
        snapshot = first = export_snapshot(graph, mapped)
        for operations in parts:
            for operation in operations:
                perform(writer, operation)
            changes = collect_changes(graph, mapping, snapshot.watermark)
            applied = apply_changes(snapshot, changes, tmp_path / str(next(number)))
            assert not applied.poison
            assert_told(snapshot, applied)
            snapshot = applied.snapshot
        try:
            exported = export_snapshot(graph, mapped)
        except EmptyGraphError:
            return
        assert_same(snapshot, exported)
        at_once = apply_changes(
            first, collect_changes(graph, mapping, first.watermark), tmp_path / str(next(number))
        ).snapshot
        assert_same(at_once, exported)
        assert_same(Snapshot.open(snapshot.path or tmp_path), exported)

    holds()


@pytest.fixture
def writer(graph: Graph) -> GraphWriter:
    return start_over(graph, PLAIN)


def test_a_node_that_comes_back_later_has_a_new_row_and_at_once_its_old_one(
    writer: GraphWriter, settings: Settings, tmp_path: Path
) -> None:
    first = export_snapshot(writer.graph, settings)
    row = int(first.items.index_of(["i0"])[0])
    writer.remove_items(["i0"])
    gone = apply_changes(first, collect_changes(writer.graph, PLAIN, first.watermark), tmp_path / "gone")
    writer.add_items([{"item_id": "i0", "title": "back"}])
    back = apply_changes(gone.snapshot, collect_changes(writer.graph, PLAIN, gone.snapshot.watermark), tmp_path / "b")
    once = apply_changes(first, collect_changes(writer.graph, PLAIN, first.watermark), tmp_path / "once")
    assert (gone.nodes["items"].gone.tolist(), gone.snapshot.items.index_of(["i0"]).tolist()) == ([row], [-1])
    assert (back.nodes["items"].new.tolist(), back.snapshot.items.index_of(["i0"]).tolist()) == ([3], [3])
    assert (once.nodes["items"].changed.tolist(), once.snapshot.items.index_of(["i0"]).tolist()) == ([row], [row])
    assert not once.snapshot.relations.saves.backward.degrees()[row]
    assert row in once.edges["saves"].backward.rows


def test_a_field_and_a_corpus_that_come_later_are_there(
    writer: GraphWriter, settings: Settings, tmp_path: Path
) -> None:
    first = export_snapshot(writer.graph, settings)
    more = {"brand": "b", "colour": ["red"], "audio": [1.0, 2.0, 3.0], "year": 1999}
    writer.add_items([{"item_id": "new", "corpus": "ads", **more}, {"item_id": "i0", **more}])
    writer.add_users([{"user_id": "u0", "age": 30}])
    applied = apply_changes(first, collect_changes(writer.graph, PLAIN, first.watermark), tmp_path / "next")
    assert_same(applied.snapshot, export_snapshot(writer.graph, settings))
    assert applied.snapshot.items.corpora == ["organic", "ads"]
    writer.remove_items(["new"])
    last = apply_changes(
        applied.snapshot, collect_changes(writer.graph, PLAIN, applied.snapshot.watermark), tmp_path / "last"
    )
    assert last.snapshot.items.corpora == ["organic", "ads"]
    assert_same(last.snapshot, export_snapshot(writer.graph, settings))


def test_what_is_malformed_is_named_and_the_rest_is_applied(
    writer: GraphWriter, settings: Settings, tmp_path: Path
) -> None:
    first = export_snapshot(writer.graph, settings)
    rev = writer.add_saves([{"context_id": "c1", "item_id": "i2"}]).rev
    writer.graph.write(
        "MATCH (i:Item {item_id: 'i1'}) SET i.price = 'cheap', i.title = 'z', i.rev = $rev", {"rev": rev}
    )
    applied = apply_changes(first, collect_changes(writer.graph, PLAIN, first.watermark), tmp_path / "next")
    items = applied.snapshot.items
    row = int(items.index_of(["i1"])[0])
    assert [(one.kind, one.id) for one in applied.poison] == [("items", "i1")]
    assert (items.fields["title"].to_list()[row], np.isnan(items.fields["price"].values[row])) == ("z", True)
    assert applied.snapshot.relations.saves.backward.degrees()[items.index_of(["i2"])[0]] == 1


def test_nothing_new_shares_every_file(writer: GraphWriter, settings: Settings, tmp_path: Path) -> None:
    first = export_snapshot(writer.graph, settings)
    assert first.path is not None
    rev = read_state(writer.graph).rev
    applied = apply_changes(first, collect_changes(writer.graph, PLAIN, rev), tmp_path / "next")
    data = [path.name for path in first.path.iterdir() if not path.name.endswith(".json")]
    assert {(tmp_path / "next" / name).stat().st_ino for name in data} == {
        (first.path / name).stat().st_ino for name in data
    }
    assert plain_state(applied.snapshot) == plain_state(first)
