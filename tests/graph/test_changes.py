"""The change feed on the real server: a change set turns what was true at one rev into what is true at another."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from plain_state import apply, plain_state
from random_writes import FOREIGN, OPERATIONS, PLAIN, perform, start_over

from engine.errors import ChangesGoneError
from engine.graph import changes as changes_module
from engine.graph.changes import Changes, collect_changes
from engine.graph.connection import Graph
from engine.graph.mapping import EDGES, NODES
from engine.graph.snapshot import NO_TIME, Snapshot
from engine.graph.snapshot_export import export_snapshot
from engine.graph.state import read_state
from engine.graph.write import GraphWriter
from engine.settings import GraphMapping, Settings

pytestmark = pytest.mark.graph


def tables(snapshot: Snapshot) -> dict[str, Any]:
    return {kind: getattr(snapshot, kind) for kind in NODES}


@pytest.mark.parametrize(
    "examples", [6, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])], ids=["few", "many"]
)
@pytest.mark.parametrize("mapping", [PLAIN, FOREIGN], ids=["plain", "foreign"])
def test_a_change_set_turns_the_old_state_into_the_new_one(
    graph: Graph, settings: Settings, mapping: GraphMapping, examples: int
) -> None:
    mapped = settings.model_copy(update={"graph": settings.graph.model_copy(update={"mapping": mapping})})

    @hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],  # a failure prints its operations; shrinking them on a server would take for ever
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.lists(OPERATIONS, min_size=1, max_size=8), min_size=1, max_size=3))
    def holds(refreshes: list[list[tuple[str, Any]]]) -> None:
        writer = start_over(graph, mapping)
        snapshot = export_snapshot(graph, mapped)
        state = plain_state(snapshot)
        for operations in refreshes:
            for operation in operations:
                perform(writer, operation)
            changes = collect_changes(graph, mapping, snapshot.watermark)
            assert not changes.poison
            state = apply(state, tables(snapshot), changes)
            snapshot = export_snapshot(graph, mapped)
            assert changes.until == snapshot.watermark
            assert state == plain_state(snapshot)

    holds()


@pytest.fixture
def writer(graph: Graph) -> GraphWriter:
    return start_over(graph, PLAIN)


def test_nothing_past_the_watermark_is_an_empty_change_set(writer: GraphWriter) -> None:
    rev = read_state(writer.graph).rev
    changes = collect_changes(writer.graph, PLAIN, rev)
    assert (len(changes), changes.since, changes.until, changes.committed_at_ms) == (0, rev, rev, None)


def test_a_change_set_says_when_its_oldest_change_was_committed(writer: GraphWriter) -> None:
    rev = read_state(writer.graph).rev
    before = int(time.time() * 1000)
    writer.add_items([{"item_id": "i3"}])
    between = int(time.time() * 1000)
    writer.add_items([{"item_id": "i4"}])
    assert before <= (collect_changes(writer.graph, PLAIN, rev).committed_at_ms or 0) <= between + 1


def test_an_edge_that_came_back_is_removed_and_new(writer: GraphWriter) -> None:
    rev = read_state(writer.graph).rev
    row = {"context_id": "c0", "item_id": "i0", "time": 5}
    writer.remove_saves([row])
    again = writer.add_saves([row]).rev
    changes = collect_changes(writer.graph, PLAIN, rev)
    assert list(changes.saves.removed.source_id) == ["c0"]
    edges = changes.saves.edges
    assert (list(edges.source_id), list(edges.target_id), edges.rev.tolist(), edges.time.tolist()) == (
        ["c0"], ["i0"], [again], [5],
    )  # fmt: skip


def test_a_removed_popular_node_is_one_tombstone_and_no_neighbour(writer: GraphWriter) -> None:
    rev = read_state(writer.graph).rev
    writer.remove_items(["i0"])
    changes = collect_changes(writer.graph, PLAIN, rev)
    assert changes.items.removed == ("i0",)
    assert len(changes) == 1


def test_a_target_that_no_write_of_the_engine_stamped_comes_with_its_edge(writer: GraphWriter) -> None:
    rev = read_state(writer.graph).rev
    writer.graph.write("CREATE (:Item {item_id: 'theirs', title: 'new here'})")
    writer.add_saves([{"context_id": "c0", "item_id": "theirs"}])
    changes = collect_changes(writer.graph, PLAIN, rev)
    assert list(changes.items.table.ids) == ["theirs"]
    assert changes.saves.edges.time.tolist() == [NO_TIME]


@pytest.mark.parametrize(
    ("harm", "kind", "reason"),
    [
        ("MATCH (i:Item {item_id: 'i0'}) SET i.price = 'cheap', i.rev = $rev", "items", "'price' is not numeric: 'cheap'"),
        ("MATCH (i:Item {item_id: 'i0'}) SET i.visual = [1.0], i.rev = $rev", "items", "4 bytes, 8 are wanted"),
        ("MATCH (i:Item {item_id: 'i0'}) SET i.visual = 'x', i.rev = $rev", "items", "'visual' is not vector: 'x'"),
        ("MATCH (i:Item {item_id: 'i0'}) SET i.item_id = 17, i.rev = $rev", "items", "has the id 17"),
        ("MATCH (i:Item {item_id: 'i0'}) REMOVE i.item_id SET i.rev = $rev", "items", "has no id"),
        ("MATCH (c:Context {context_id: 'c0'})-[s]->(:Item {item_id: 'i0'}) SET s.time = 'monday', s.rev = $rev, c.rev = $rev",
         "saves", "its time is not an integer: 'monday'"),
        ("MATCH (u:User {user_id: 'u0'})-[s:INTERACTED]->() SET s.rating = 'good', s.rev = $rev, u.rev = $rev",
         "interactions", "its value is not a number: 'good'"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_named_and_does_not_block_the_rest(
    writer: GraphWriter, harm: str, kind: str, reason: str
) -> None:
    since = read_state(writer.graph).rev
    rev = writer.add_saves([{"context_id": "c1", "item_id": "i2"}]).rev
    writer.graph.write(harm, {"rev": rev})
    changes = collect_changes(writer.graph, PLAIN, since)
    assert {one.kind for one in changes.poison} == {kind}
    assert reason in changes.poison[0].reason
    assert "c1" in list(changes.saves.edges.source_id)
    assert "i2" in list(changes.saves.edges.target_id)


def test_a_node_with_a_malformed_field_is_there_without_it_and_whole_once_mended(writer: GraphWriter) -> None:
    since = read_state(writer.graph).rev
    writer.add_items([{"item_id": "bad", "title": "t", "price": 3.0}])
    writer.graph.write("MATCH (i:Item {item_id: 'bad'}) SET i.price = 'cheap'")
    first = collect_changes(writer.graph, PLAIN, since)
    fields = first.items.table.fields
    assert (fields["title"].to_list(), np.isnan(fields["price"].values).tolist()) == (["t"], [True])
    writer.add_items([{"item_id": "bad", "price": 4.0}])
    second = collect_changes(writer.graph, PLAIN, first.until)
    assert not second.poison
    assert second.items.table.fields["price"].values.tolist() == [4.0]


def test_an_id_that_two_corpora_share_is_named_and_read_once(graph: Graph) -> None:
    writer = start_over(graph, FOREIGN)
    since = read_state(graph).rev
    writer.add_items([{"item_id": "i9"}])
    graph.write("CREATE (:`The ``Ad``` {`pin id`: 'i9', rev: $rev})", {"rev": read_state(graph).rev})
    changes = collect_changes(graph, FOREIGN, since)
    assert [one.id for one in changes.poison] == ["i9"]
    assert list(changes.items.table.ids) == ["i9"]


def test_edges_that_agree_in_ends_and_time_change_together(writer: GraphWriter) -> None:
    writer.graph.write(
        "MATCH (u:User {user_id: 'u0'}) MATCH (i:Item {item_id: 'i0'}) CREATE (u)-[:INTERACTED {rating: 9.0}]->(i)"
    )
    since = read_state(writer.graph).rev
    writer.add_interactions([{"user_id": "u0", "item_id": "i0", "rating": 2.0}])
    assert collect_changes(writer.graph, PLAIN, since).interactions.edges.value.tolist() == [2.0, 2.0]


def test_a_reader_that_the_feed_does_not_reach_is_told(writer: GraphWriter) -> None:
    rev = read_state(writer.graph).rev
    with pytest.raises(ChangesGoneError, match=f"is at rev {rev} and never was at rev {rev + 1}"):
        collect_changes(writer.graph, PLAIN, rev + 1)
    writer.graph.write("MATCH (s:_EngineState) SET s.compacted = $rev", {"rev": rev})
    assert len(collect_changes(writer.graph, PLAIN, rev)) == 0
    with pytest.raises(ChangesGoneError, match=f"past rev {rev - 1} are no longer all there"):
        collect_changes(writer.graph, PLAIN, rev - 1)


def test_a_commit_in_between_starts_the_reading_again(writer: GraphWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    since = read_state(writer.graph).rev
    real, tries = changes_module._collect, []

    def disturbed(*args: Any) -> Changes:
        found = real(*args)
        tries.append(1)
        if len(tries) == 1:
            writer.add_items([{"item_id": "i3"}])
        return found

    monkeypatch.setattr(changes_module, "_collect", disturbed)
    changes = collect_changes(writer.graph, PLAIN, since)
    assert (len(tries), list(changes.items.table.ids)) == (2, ["i3"])


def test_a_writer_that_never_rests_is_made_to_wait(writer: GraphWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    since = read_state(writer.graph).rev
    real, threads = changes_module._collect, []

    def disturbed(*args: Any) -> Changes:
        thread = threading.Thread(target=writer.add_items, args=([{"item_id": f"n{len(threads)}"}],))
        thread.start()
        thread.join(timeout=60 if len(threads) < changes_module.TRIES - 1 else 0.5)
        assert thread.is_alive() == (len(threads) == changes_module.TRIES - 1)
        threads.append(thread)
        return real(*args)

    monkeypatch.setattr(changes_module, "_collect", disturbed)
    changes = collect_changes(writer.graph, PLAIN, since)
    threads[-1].join()
    assert (changes.until, sorted(changes.items.table.ids)) == (since + 2, ["n0", "n1"])
    assert read_state(writer.graph).rev == since + 3


def test_a_graph_that_the_engine_never_wrote_to_has_no_changes(graph: Graph) -> None:
    graph.write("CREATE (:Item {item_id: 'a'})")
    changes = collect_changes(graph, PLAIN, 0)
    assert (changes.until, len(changes)) == (0, 0)
    assert all(len(getattr(changes, kind)) == 0 for kind in (*NODES, *EDGES))
