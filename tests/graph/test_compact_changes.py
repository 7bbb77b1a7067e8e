"""Compaction of the change feed: what every reader has passed goes, and who stands before it is told."""

from __future__ import annotations

import pytest

from engine.errors import ChangesGoneError, InputError
from engine.graph.changes import collect_changes
from engine.graph.compact_changes import compact_changes
from engine.graph.connection import Graph
from engine.graph.state import read_state
from engine.graph.write import GraphWriter
from engine.settings import GraphMapping

pytestmark = pytest.mark.graph
PLAIN = GraphMapping()


def marks(graph: Graph) -> tuple[int, int]:
    (row,) = graph.read("RETURN COUNT { (:_EngineTombstone) } AS stones, COUNT { (:_EngineRev) } AS commits")
    return row["stones"], row["commits"]


def test_what_all_have_passed_goes_and_the_rest_stays(graph: Graph) -> None:
    writer = GraphWriter(graph, PLAIN)
    writer.add_items([{"item_id": f"i{n}"} for n in range(6)])
    passed = writer.remove_items(["i0", "i1", "i2"]).rev
    writer.remove_items(["i3"])
    before = read_state(graph)
    gone = compact_changes(graph, PLAIN, passed, batch=2)
    assert (gone.rev, gone.tombstones, gone.commits) == (passed, 3, 2)
    assert marks(graph) == (1, 1)
    assert read_state(graph).compacted == passed
    assert read_state(graph).rev == before.rev, "a compaction is no change"
    assert collect_changes(graph, PLAIN, passed).items.removed == ("i3",)
    with pytest.raises(ChangesGoneError, match="no longer all there"):
        collect_changes(graph, PLAIN, passed - 1)
    again = compact_changes(graph, PLAIN, passed - 1)
    assert (again.rev, again.tombstones, again.commits) == (passed, 0, 0), "it never reaches further back again"
    with pytest.raises(InputError, match="is at rev"):
        compact_changes(graph, PLAIN, before.rev + 1)


def test_nothing_goes_where_nobody_has_read_anything(graph: Graph) -> None:
    writer = GraphWriter(graph, PLAIN)
    writer.add_items([{"item_id": "a"}])
    writer.remove_items(["a"])
    assert compact_changes(graph, PLAIN, 0).tombstones == 0
    assert (marks(graph), read_state(graph).compacted) == ((1, 2), 0)
