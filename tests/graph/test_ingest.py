"""Loading a data set: right, idempotent, resumable after a kill, and nothing written of a bad one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_worlds import edges_dataset
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.datasets.folder import DatasetFolder
from engine.datasets.folder_batch import Batch
from engine.datasets.folder_write import write_dataset
from engine.errors import DataError, RejectsError
from engine.graph import ingest as loading
from engine.graph.connection import Graph
from engine.graph.ingest import ingest
from engine.graph.ingest_rows import by_source
from engine.graph.state import read_state
from engine.graph.write import GraphWriter
from engine.settings import EdgeMapping, GraphMapping, ItemMapping, NodeMapping, Settings

pytestmark = pytest.mark.graph
IDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20)


def small(path: Path, **changed: Any) -> DatasetFolder:
    tables: dict[str, Any] = {
        "items": {
            "item_id": ["a", "b", 'odd "id", ü'],
            "corpus": ["organic", "organic", "ads"],
            "title": ["x", None, "z"],
            "tags": [["p", "q"], ["p"], None],
            "price": [1.5, None, 2],
        },
        "contexts": {"context_id": ["c", "d"], "owner_id": ["u", None]},
        "users": {"user_id": ["u", "v"]},
        "saves": {"context_id": ["c", "c", "d"], "item_id": ["a", "a", "b"], "time": [5, None, 7]},
        "interactions": {"user_id": ["u"], "item_id": ["a"], "rating": [4.5], "time": [9]},
        "follows": {"user_id": ["u"], "followed_id": ["v"], "weight": [0.5]},
        "vectors": {"visual": np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)},
        "item_fields": {"title": "text", "tags": "categorical", "price": "numeric"},
    }
    return write_dataset(path, "small", **{**tables, **changed})


def one(graph: Graph, query: str, **params: Any) -> Any:
    (row,) = graph.read(query, params)
    (value,) = row.values()
    return value


def content(graph: Graph) -> tuple[list[Any], list[Any]]:
    nodes = graph.read(
        "MATCH (n) WHERE NOT any(l IN labels(n) WHERE l STARTS WITH '_') RETURN labels(n) AS l, n {.*} AS p"
    )
    found = graph.read("MATCH (a)-[r]->(b) RETURN a {.*} AS a, type(r) AS t, r {.*} AS p, b {.*} AS b")
    return sorted(map(repr, nodes)), sorted(map(repr, found))


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_everything_of_a_set_is_in_the_graph(graph: Graph, settings: Settings, tmp_path: Path, format: str) -> None:
    report = ingest(graph, settings, small(tmp_path / "d", format=format))
    assert report.rows == {"items": 3, "contexts": 2, "users": 2, "saves": 3, "interactions": 1, "follows": 1}
    item = one(graph, "MATCH (i:Item {item_id: 'a'}) RETURN i {.*}")
    assert np.frombuffer(item.pop("visual"), "<f4").tolist() == [1, 2]
    assert item.pop("rev") <= report.rev
    assert item == {"item_id": "a", "corpus": "organic", "title": "x", "tags": ["p", "q"], "price": 1.5}
    assert one(graph, "MATCH (i:Item {item_id: $id}) RETURN keys(i)", id="b").count("title") == 0
    times = graph.read(
        "MATCH (:Context {context_id: 'c'})-[s:SAVED]->(:Item {item_id: 'a'}) RETURN s.time AS t ORDER BY t"
    )
    assert [row["t"] for row in times] == [5, None]
    assert one(graph, "MATCH (:User {user_id: 'u'})-[r:INTERACTED]->() RETURN r.rating") == 4.5
    assert one(graph, "MATCH (:User {user_id: 'u'})-[r:FOLLOWS]->(:User {user_id: 'v'}) RETURN r.weight") == 0.5
    assert one(graph, "MATCH (:User {user_id: 'u'})-[:OWNS]->(c) RETURN c.context_id") == "c"
    assert one(graph, "MATCH ()-[r]->() RETURN count(CASE WHEN r.rev IS NULL THEN 1 END)") == 0
    state = read_state(graph)
    assert state.rev == report.rev
    assert state.fields["items"] == {"title": "text", "tags": "categorical", "price": "numeric", "visual": "vector"}
    assert state.widths == {"visual": 2}


def test_loading_again_changes_nothing(graph: Graph, settings: Settings, tmp_path: Path) -> None:
    data = small(tmp_path / "d")
    first = ingest(graph, settings, data)
    before = content(graph)
    second = ingest(graph, settings, data)
    assert (second.unchanged, second.rev) == (True, first.rev)
    GraphWriter(graph, settings.graph.mapping).add_users([{"user_id": "w"}])
    before = content(graph)
    third = ingest(graph, settings, data)
    assert not third.unchanged
    assert set(third.changed.values()) == {0}
    assert content(graph) == before


def test_what_was_removed_comes_back_with_the_next_load(graph: Graph, settings: Settings, tmp_path: Path) -> None:
    data = small(tmp_path / "d")
    ingest(graph, settings, data)
    graph.write("MATCH (:Context {context_id: 'd'})-[s:SAVED]->() DELETE s")
    report = ingest(graph, settings, data)
    assert report.changed["saves"] == 1
    assert one(graph, "MATCH ()-[s:SAVED]->() RETURN count(s)") == 3


def test_a_changed_value_is_written_and_stamped_and_nothing_else(
    graph: Graph, settings: Settings, tmp_path: Path
) -> None:
    ingest(graph, settings, small(tmp_path / "d"))
    before = read_state(graph).rev
    changed = {"user_id": ["u"], "item_id": ["a"], "rating": [2.0], "time": [9]}
    report = ingest(graph, settings, small(tmp_path / "d", interactions=changed))
    assert report.changed == {"users": 0, "items": 0, "contexts": 0, "saves": 0, "interactions": 1, "follows": 0}
    assert one(graph, "MATCH ()-[r:INTERACTED]->() RETURN r.rating") == 2.0
    assert one(graph, "MATCH ()-[r]->() WHERE r.rev > $rev RETURN count(r)", rev=before) == 1


def test_a_bad_line_stops_before_anything_is_written(graph: Graph, settings: Settings, tmp_path: Path) -> None:
    data = small(tmp_path / "d")
    with (tmp_path / "d" / "saves.csv").open("a") as stream:
        stream.write("c,nobody,5\n")
    with pytest.raises(RejectsError, match=r"saves.csv:5: item_id 'nobody' is unknown") as error:
        ingest(graph, settings, data)
    assert one(graph, "MATCH (n) WHERE NOT n:_EngineMigration RETURN count(n)") == 0
    rejects = settings.home / "rejects" / "d.csv"
    assert str(rejects) in (error.value.hint or "")
    assert "nobody" in rejects.read_text()
    assert ingest(graph, settings, data, max_rejects=1).rows["saves"] == 3


def test_an_edge_may_name_nodes_of_an_earlier_load(graph: Graph, settings: Settings, tmp_path: Path) -> None:
    ingest(graph, settings, small(tmp_path / "d"))
    later = write_dataset(
        tmp_path / "later", "later", items={"item_id": ["n"]}, saves={"context_id": ["c", "c"], "item_id": ["n", "b"]}
    )
    assert ingest(graph, settings, later).changed["saves"] == 2


def test_a_field_of_another_kind_or_width_is_refused(graph: Graph, settings: Settings, tmp_path: Path) -> None:
    ingest(graph, settings, small(tmp_path / "d"))
    other = write_dataset(
        tmp_path / "e", "e", items={"item_id": ["n"], "price": ["much"]}, item_fields={"price": "text"}
    )
    with pytest.raises(DataError, match="field 'price' is text, and in the graph it is numeric"):
        ingest(graph, settings, other)
    wide = write_dataset(tmp_path / "f", "f", items={"item_id": ["n"]}, vectors={"visual": np.zeros((1, 3))})
    with pytest.raises(DataError, match="vector 'visual' is 3 wide, and in the graph it is 2"):
        ingest(graph, settings, wide)


def test_a_foreign_model_takes_a_load(graph: Graph, settings: Settings, tmp_path: Path) -> None:
    mapping = GraphMapping(
        items=ItemMapping(label="Pin", id="pin id", corpus_labels={"organic": "Pin", "ads": "The `Ad`"}),
        contexts=NodeMapping(label="Bôard", id="näme"),
        saves=EdgeMapping(type="PINNED TO", reverse=True, time="at"),
        interactions=EdgeMapping(type="CLICKED", value="stars"),
    )
    foreign = settings.model_copy(update={"graph": settings.graph.model_copy(update={"mapping": mapping})})
    graph.write("CREATE (:Bôard {näme: 'c', colour: 'red'})")
    data = small(tmp_path / "d")
    ingest(graph, foreign, data)
    assert (
        one(graph, "MATCH (p:Pin)-[s:`PINNED TO` {at: 5}]->(:Bôard {näme: 'c', colour: 'red'}) RETURN p.`pin id`")
        == "a"
    )
    assert one(graph, "MATCH (:Person|User)-[r:CLICKED]->() RETURN r.stars") == 4.5
    assert one(graph, "MATCH (a:`The ``Ad```) RETURN a.corpus IS NULL AND a.`pin id` = $id", id='odd "id", ü')
    assert set(ingest(graph, foreign, data, batch_size=1).changed.values()) <= {0}


def test_a_field_that_is_an_id_in_the_mapping_is_refused(graph: Graph, settings: Settings, tmp_path: Path) -> None:
    mapping = GraphMapping(items=ItemMapping(label="Pin", id="title"))
    foreign = settings.model_copy(update={"graph": settings.graph.model_copy(update={"mapping": mapping})})
    with pytest.raises(DataError, match="field 'title' of items is an id or corpus"):
        ingest(graph, foreign, small(tmp_path / "d"))


def test_a_rating_without_a_property_to_hold_it_is_refused(graph: Graph, settings: Settings, tmp_path: Path) -> None:
    mapping = GraphMapping(interactions=EdgeMapping(type="CLICKED"))
    foreign = settings.model_copy(update={"graph": settings.graph.model_copy(update={"mapping": mapping})})
    with pytest.raises(DataError, match=r"interactions.value names no property"):
        ingest(graph, foreign, small(tmp_path / "d"))


@hypothesis_settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(IDS.filter(lambda text: not text.isspace()), min_size=1, max_size=5, unique=True))
@example(ids=["'; MATCH (n) DETACH DELETE n //", "`", "\\u0060", "$x", '"', "a b", "\u202e", "x" * 1024])
def test_any_id_goes_into_the_graph_and_out_again(
    graph: Graph, settings: Settings, tmp_path_factory: pytest.TempPathFactory, ids: list[str]
) -> None:
    graph.write("MATCH (n) WHERE NOT n:_EngineMigration DETACH DELETE n")
    data = write_dataset(
        tmp_path_factory.mktemp("odd"),
        "odd",
        items={"item_id": ids},
        contexts={"context_id": ids},
        saves={"context_id": ids, "item_id": ids},
    )
    ingest(graph, settings, data)
    rows = graph.read("MATCH (c:Context)-[:SAVED]->(i:Item) WHERE c.context_id = i.item_id RETURN i.item_id AS id")
    assert sorted(row["id"] for row in rows) == sorted(ids)


def _load_slowly(settings: Settings, path: Path) -> None:
    original = loading._Load._write

    def slow(self: Any, *args: Any) -> Any:
        time.sleep(0.05)
        return original(self, *args)

    loading._Load._write = slow  # type: ignore[method-assign]
    loading.WINDOW = 250
    with Graph.connect(settings) as graph:
        ingest(graph, settings, path, batch_size=100)


def test_a_load_that_is_killed_goes_on_and_nothing_is_lost_or_doubled(
    graph: Graph, settings: Settings, tmp_path: Path
) -> None:
    data = edges_dataset(6_000, tmp_path / "d")
    context = multiprocessing.get_context("spawn")
    seen = -1
    for _ in range(2):
        process = context.Process(target=_load_slowly, args=(settings, data.path))
        process.start()
        assert process.pid is not None
        while (count := one(graph, "MATCH ()-[s:SAVED]->() RETURN count(s)")) <= max(seen, 0) + 300:
            assert process.is_alive()
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert count < 6_000
        seen = count
    report = ingest(graph, settings, data)
    assert report.resumed
    assert 0 < report.changed["saves"] < 6_000
    assert one(graph, "MATCH ()-[s:SAVED]->() RETURN count(s)") == 6_000
    assert one(graph, "MATCH (c)-[s:SAVED]->(i) RETURN count(DISTINCT [c.context_id, i.item_id, s.time])") == 6_000


def test_an_interrupted_load_goes_on(
    graph: Graph, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = edges_dataset(1_000, tmp_path / "d")
    original = loading._Load._record
    calls = 0

    def interrupted(self: Any, *args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        original(self, *args)

    monkeypatch.setattr(loading._Load, "_record", interrupted)
    monkeypatch.setattr(loading, "WINDOW", 250)
    with pytest.raises(KeyboardInterrupt):
        ingest(graph, settings, data, batch_size=100)
    monkeypatch.undo()
    assert 0 < one(graph, "MATCH ()-[s:SAVED]->() RETURN count(s)") < 1_000
    assert ingest(graph, settings, data).resumed
    assert one(graph, "MATCH ()-[s:SAVED]->() RETURN count(s)") == 1_000


def test_two_loads_of_one_set_at_once_double_nothing(graph: Graph, settings: Settings, tmp_path: Path) -> None:
    data = edges_dataset(2_000, tmp_path / "d")
    failures: list[BaseException] = []

    def load() -> None:
        try:
            with Graph.connect(settings) as mine:
                ingest(mine, settings, data, batch_size=200)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert one(graph, "MATCH ()-[s:SAVED]->() RETURN count(s)") == 2_000


def test_a_commit_whose_answer_was_lost_is_not_doubled(
    graph: Graph, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Graph.write_transaction

    def twice(self: Graph, work: Any) -> Any:
        original(self, work)
        return original(self, work)

    monkeypatch.setattr(Graph, "write_transaction", twice)
    ingest(graph, settings, edges_dataset(500, tmp_path / "d"), batch_size=100)
    assert one(graph, "MATCH ()-[s:SAVED]->() RETURN count(s)") == 500


def test_edges_of_one_source_are_written_side_by_side() -> None:
    columns = {"context_id": ["b", "a", "b", "c", "a"], "item_id": ["1", "2", "3", "4", "5"]}
    batch = Batch(Path("saves.csv"), [0, 1, 3, 4, 5], [2, 3, 5, 6, 7], columns, (), 6)
    assert by_source("saves", batch) == [0, 2, 1, 4, 3]
