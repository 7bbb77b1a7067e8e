"""The feed as a person reads it, and how far a reader is behind."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.errors import ChangesGoneError
from engine.graph.changes_lag import CorpusLag, Unseen, lag, oldest_unseen
from engine.graph.changes_stream import Change, stream_changes
from engine.graph.connection import Graph
from engine.graph.state import read_state
from engine.graph.write import GraphWriter
from engine.settings import GraphMapping, Settings

pytestmark = pytest.mark.graph
PLAIN = GraphMapping()


@pytest.fixture
def writer(graph: Graph) -> GraphWriter:
    """Revs 1 to 4: items a, b and the ad d; user u; context c of u; c saves a and d."""
    writer = GraphWriter(graph, PLAIN)
    writer.add_items(
        [{"item_id": "a", "title": "x", "visual": [1.0, 2.0]}, {"item_id": "b"}, {"item_id": "d", "corpus": "ads"}]
    )
    writer.add_users([{"user_id": "u"}])
    writer.add_contexts([{"context_id": "c", "owner_id": "u"}])
    writer.add_saves([{"context_id": "c", "item_id": "a", "time": 5}, {"context_id": "c", "item_id": "d"}])
    return writer


def stream(writer: GraphWriter, since: int, until: int | None = None, **more: Any) -> list[Change]:
    return list(stream_changes(writer.graph, PLAIN, since, until, **more))


def brief(changes: list[Change]) -> list[tuple[int, str, str, str | None]]:
    return [(c.rev, c.op, c.kind, c.id or f"{c.source}->{c.target}") for c in changes]


def test_every_kind_of_change_comes_in_the_order_of_its_rev(writer: GraphWriter) -> None:
    writer.remove_saves([{"context_id": "c", "item_id": "d"}])
    writer.remove_items(["b"])
    writer.add_interactions([{"user_id": "u", "item_id": "a", "rating": 4.0}])
    told = brief(stream(writer, 0))
    # The nodes of one kind and rev come by their internal ids, which a store that freed some hands out anew.
    assert sorted(told[:2]) == [(1, "set", "items", "a"), (1, "set", "items", "d")]
    assert told[2:] == [
        (3, "set", "owns", "u->c"),
        (4, "set", "saves", "c->a"),
        (5, "remove", "saves", "c->d"), (5, "set", "contexts", "c"),
        (6, "remove", "items", "b"),
        (7, "set", "users", "u"), (7, "set", "interactions", "u->a"),
    ]  # fmt: skip
    by_id = {change.id: change for change in stream(writer, 0)}
    assert (by_id["a"].corpus, by_id["a"].fields) == ("organic", {"title": "x", "visual": [1.0, 2.0]})
    assert by_id["d"].corpus == "ads"
    (rated,) = [change for change in stream(writer, 6) if change.kind == "interactions"]
    assert (rated.value, rated.time) == (4.0, None)


def test_a_limit_never_cuts_a_rev_and_the_last_rev_goes_on(writer: GraphWriter) -> None:
    whole = stream(writer, 0)
    pages, since = [], 0
    while page := stream(writer, since, limit=1):
        pages += page
        since = page[-1].rev
    assert pages == whole
    assert {change.rev for change in stream(writer, 0, limit=1)} == {1}
    assert {change.rev for change in stream(writer, 1, 3)} == {3}


def test_a_malformed_edge_is_left_out_of_the_stream_with_a_warning(
    writer: GraphWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.graph.write("MATCH (:Context)-[s:SAVED]->(:Item {item_id: 'a'}) SET s.time = 'monday'")
    assert ("saves", "c->a") not in [(c.kind, f"{c.source}->{c.target}") for c in stream(writer, 0)]
    assert "saves c -> a: its time is not an integer: 'monday'" in caplog.text


def test_the_command_prints_lines_or_json_and_where_to_go_on(
    writer: GraphWriter, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    from engine.cli import changes

    for name, value in (
        ("HOME", settings.home), ("GRAPH_URI", settings.graph.uri), ("GRAPH_PASSWORD", settings.graph.password.get_secret_value()),
    ):  # fmt: skip
        monkeypatch.setenv(f"ENGINE_{name}", str(value))
    app = typer.Typer()
    changes.register(app)
    shown = CliRunner().invoke(app, ["changes", "--since", "3"]).stdout.splitlines()
    assert sorted(line.split()[:3] for line in shown[:-1]) == [
        ["4", "+", "contexts"],
        ["4", "+", "saves"],
        ["4", "+", "saves"],
    ]
    assert shown[-1] == "3 changes; go on with: engine changes --since 4"
    lines = CliRunner().invoke(app, ["changes", "--since", "0", "--limit", "1", "--json"]).stdout.splitlines()
    assert json.loads(lines[0]) | {"id": "a"} == json.loads(lines[0]) | {
        "rev": 1,
        "op": "set",
        "kind": "items",
        "id": "a",
    }


def test_the_lag_counts_by_corpus_and_tells_ages(writer: GraphWriter) -> None:
    graph, since = writer.graph, read_state(writer.graph).rev
    assert lag(graph, PLAIN, since).oldest_ms is None
    assert oldest_unseen(graph, since) == Unseen(since, None)
    before = time.time()
    writer.add_items([{"item_id": "e", "corpus": "ads"}, {"item_id": "f"}])
    first = oldest_unseen(graph, since)
    assert first.rev == since + 1
    assert first.age_s is not None
    assert 0 <= first.age_s <= time.time() - before + 0.001
    writer.add_saves([{"context_id": "c", "item_id": "f"}])
    writer.remove_saves([{"context_id": "c", "item_id": "d"}])
    writer.remove_items(["b"])
    behind = lag(graph, PLAIN, since)
    assert (behind.revs, behind.removed_nodes, behind.complete) == (4, 1, True)
    assert {name: one.changes for name, one in behind.corpora.items()} == {"ads": 2, "organic": 2}
    ads = behind.corpora["ads"]
    assert 0 <= (ads.p50_ms or 0) <= (ads.p95_ms or 0) <= (ads.oldest_ms or 0) <= (behind.oldest_ms or 0)
    assert not lag(graph, PLAIN, since, most=1).complete
    with pytest.raises(ChangesGoneError):
        lag(graph, PLAIN, since + 100)


def test_a_clock_that_was_set_back_makes_no_change_younger_than_now(writer: GraphWriter) -> None:
    since = read_state(writer.graph).rev
    writer.add_items([{"item_id": "e"}])
    writer.graph.write("MATCH (m:_EngineRev) SET m.at = m.at + 3600000")
    assert lag(writer.graph, PLAIN, since).oldest_ms == 0


def test_a_graph_without_times_still_counts(writer: GraphWriter) -> None:
    writer.graph.write("MATCH (m:_EngineRev) DELETE m")
    assert lag(writer.graph, PLAIN, 0).corpora["ads"] == CorpusLag(2)
