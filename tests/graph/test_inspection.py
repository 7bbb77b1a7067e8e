"""What serves, shown in the graph: all of it, nothing else, kept current through every flip, and gone when it is dropped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from refresh_world import fill, publish_untrained
from typer.testing import CliRunner

from engine import Engine
from engine.client.jobs import jobs_of
from engine.errors import GraphUnavailableError, InputError, LeaseLostError, NotReadyError
from engine.graph.connection import Graph
from engine.graph.inspection import InspectionWriter
from engine.index.exact import ExactIndex
from engine.refresh import inspection
from engine.refresh.job_control import ASKED, LEASE
from engine.refresh.state import State
from engine.registry import Job, Outcome
from engine.settings import GraphSettings, Settings

pytestmark = pytest.mark.graph
TOP_K = 4


@pytest.fixture
def engine(settings: Settings, graph: Graph) -> Iterator[Engine]:
    del graph  # it empties the database
    with Engine(settings, threads=1) as opened:
        fill(opened)
        publish_untrained(opened)
        yield opened


def shown(engine: Engine) -> dict[str, Any]:
    """What the graph shows of each item: embedding, neighbours with weights and related items with scores, in their order."""
    rows = engine.graph.read(
        "MATCH (e:_EngineItem)-[:_ENGINE_OF]->(i:Item) WHERE i.item_id = e.id AND e.digest IS NOT NULL "
        "RETURN e.id AS id, e.embedding AS vector, "
        "COLLECT { MATCH (e)-[n:_ENGINE_NEIGHBOUR]->(o) RETURN [o.id, n.weight] ORDER BY n.rank } AS near, "
        "COLLECT { MATCH (e)-[r:_ENGINE_RELATED]->(o) RETURN [o.id, r.score] ORDER BY r.rank } AS related"
    )
    assert engine.graph.read("MATCH (e:_EngineItem) RETURN count(e) AS n")[0]["n"] == len(rows)
    return {row.pop("id"): row for row in rows}


def expected(engine: Engine) -> dict[str, Any]:
    """The same of what serves, the related items by exact search."""
    view = engine.view()
    state = State.open(view.folder)
    assert state is not None
    kept, ids = state.kept(len(view.items)), view.items.ids
    rows = np.flatnonzero(view.items.alive)
    hits = ExactIndex.build(view.vectors[rows], rows).query(view.vectors[rows], TOP_K + 1)
    told = {}
    for row, labels, scores in zip(rows, hits.labels, hits.scores, strict=True):
        around = kept.idx[row] >= 0
        pairs = zip(ids.take(kept.idx[row][around]), kept.weight[row][around].tolist(), strict=True)
        like = [[ids[int(to)], float(score)] for to, score in zip(labels, scores, strict=True) if to != row][:TOP_K]
        told[ids[int(row)]] = {
            "vector": view.vectors[row].tolist(),
            "near": [list(one) for one in pairs],
            "related": like,
        }
    return told


def assert_shows_what_serves(engine: Engine) -> None:
    status, serving, ours, theirs = (
        engine.inspection_status(),
        engine.registry.generations.serving(),
        expected(engine),
        shown(engine),
    )
    assert status is not None
    assert serving is not None
    assert (status.generation, status.state, status.items) == (serving.id, "complete", len(ours))
    assert theirs.keys() == ours.keys()
    for item, one in theirs.items():
        assert one["vector"] == ours[item]["vector"]
        assert one["near"] == ours[item]["near"]
        assert [score for _, score in one["related"]] == pytest.approx(
            [score for _, score in ours[item]["related"]], abs=inspection.SCORE_STEP
        )


def test_what_is_published_is_the_generation_and_publishing_again_writes_nothing(engine: Engine) -> None:
    assert engine.inspection_status() is None
    done = engine.publish_inspection(top_k=TOP_K)
    assert (done.items, done.embeddings, done.linked, done.absent) == (40, 40, 40, 0)
    assert_shows_what_serves(engine)
    exact = expected(engine)
    found = 0
    for item in exact:
        near = engine.cypher("inspect/nearest", item_id=item, limit=TOP_K)
        found += len({row["item_id"] for row in near} & {name for name, _ in exact[item]["related"]})
        assert near[0]["score"] == pytest.approx(exact[item]["related"][0][1], abs=1e-5)
    assert found >= 0.95 * TOP_K * len(exact)
    again = engine.publish_inspection()
    assert (again.items, again.embeddings, again.linked, again.removed, again.top_k) == (40, 0, 0, 0, TOP_K)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    written = readme.split("```cypher\n")[1].split("```")[0]
    assert len(engine.graph.read(written.replace("pin-42", "p1"))) == TOP_K
    assert [row["item_id"] for row in engine.cypher("inspect/related", item_id="p1")] == [
        name for name, _ in shown(engine)["p1"]["related"]
    ]


def test_refreshes_and_rollbacks_are_followed_and_only_what_they_touch_is_written(engine: Engine) -> None:
    # A second world that no walk leads to from the first, and that looks like nothing in it.
    engine.add_items([{"item_id": f"q{n}", "tags": [f"far{n % 2}"], "price": 900.0 + n} for n in range(80)])
    engine.add_contexts([{"context_id": f"d{n}"} for n in range(8)])
    engine.add_saves([{"context_id": f"d{n % 8}", "item_id": f"q{n}"} for n in range(80)])
    engine.refresh()
    engine.publish_inspection(top_k=TOP_K)
    assert_shows_what_serves(engine)

    engine.add_items([{"item_id": "new", "tags": ["far1"], "price": 950.0}])
    engine.add_saves([{"context_id": "d1", "item_id": "new"}])
    engine.refresh()
    counts = engine.registry.runs.last(Job.INSPECT, Outcome.DONE)
    assert counts is not None
    assert 0 < counts.counts["embeddings"] <= 24
    assert_shows_what_serves(engine)
    engine.remove_items(["q9", "p3"])
    engine.refresh()
    assert_shows_what_serves(engine)
    assert engine.rollback().id == "g0003"
    status = engine.inspection_status()
    assert status is not None
    assert (status.generation, status.items) == ("g0003", 119)  # 121 then, and two of them are not in the graph
    engine.refresh()
    assert_shows_what_serves(engine)
    assert engine.compact(everything=True) is not None
    assert_shows_what_serves(engine)


def test_the_change_feed_and_all_that_reads_the_graph_are_as_before(engine: Engine) -> None:
    def told() -> dict[str, Any]:
        asked = {
            name: engine.cypher(f"inspect/{name}")
            for name in ("counts", "orphans", "degrees", "supernodes", "top_items")
        }
        status = engine.status()
        return {
            **asked,
            "fingerprint": engine.cypher("engine/fingerprint"),
            "changes": list(engine.changes(0)),
            "status": (status.graph_watermark, status.behind, status.lag),
            "item": engine.cypher("inspect/item", item_id="p1"),
            "snapshot": engine.snapshot().path,
        }

    before = told()
    engine.publish_inspection(top_k=TOP_K)
    assert told() == before
    assert engine.refresh().generation is None
    assert engine.reconcile().found == {}
    engine.drop_inspection()
    assert told() == before


def test_dropping_leaves_nothing_of_it_and_what_serves_is_followed_no_more(engine: Engine) -> None:
    def there() -> set[str]:
        names = [row["name"] for row in engine.graph.read("SHOW INDEXES YIELD name")]
        kinds = engine.graph.read("MATCH (n) UNWIND labels(n) AS l RETURN DISTINCT l AS name")
        types = engine.graph.read("MATCH ()-[r]->() RETURN DISTINCT type(r) AS name")
        return {*names, *(row["name"] for row in (*kinds, *types))}

    before = there()
    engine.publish_inspection(top_k=TOP_K)
    assert there() - before == {
        "_EngineItem", "_EngineInspection", "_ENGINE_OF", "_ENGINE_NEIGHBOUR", "_ENGINE_RELATED", "_engine_item",
        "_engine_embedding",
    }  # fmt: skip
    assert engine.drop_inspection() == 40
    assert there() == before
    assert engine.inspection_status() is None
    assert engine.drop_inspection() == 0
    engine.add_saves([{"context_id": "b1", "item_id": "p3", "time": 5}])
    engine.refresh()
    assert there() == before


def test_a_publishing_that_is_killed_says_so_and_the_next_run_completes_it(engine: Engine, settings: Settings) -> None:
    alike = [{"item_id": f"alike{n}", "tags": ["t1"], "title": "pin 1"} for n in range(6)]
    engine.add_items(alike[:5])
    engine.refresh()
    engine.publish_inspection(top_k=TOP_K)
    changes = {
        "unfinish 0": lambda: engine.add_items([alike[5]]),
        "remove 0": lambda: engine.remove_items(["p4"]),
        "write_links 2": lambda: engine.add_saves([{"context_id": "b1", "item_id": "p3", "time": 7}]),
        "prepare_index 0": lambda: engine.remove_saves([{"context_id": "b1", "item_id": "p3", "time": 7}]),
        "end 0": lambda: engine.remove_items(["alike2"]),
        "write_items 3": engine.drop_inspection,  # nothing is shown yet
    }
    environment = {
        **os.environ,
        "ENGINE_HOME": str(settings.home),
        "ENGINE_GRAPH_URI": str(settings.graph.uri),
        "ENGINE_GRAPH_PASSWORD": settings.graph.password.get_secret_value(),
    }
    command = [sys.executable, Path(__file__).with_name("inspection_victim.py")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as victim:
        assert victim.stdin is not None
        assert victim.stdout is not None
        for step, change in changes.items():
            with engine.registry.leases.hold(LEASE):  # a scheduler leads, and would follow: nobody does
                change()
                engine.refresh()
            victim.stdin.write(step + "\n")
            victim.stdin.flush()
            assert victim.stdout.readline() == "killed\n", step
            status = engine.inspection_status()
            assert status is not None
            assert status.state == "writing"
            if step == "write_items 3":
                assert status.written == 21
            assert engine.publish_inspection(top_k=TOP_K).generation == status.generation
            assert_shows_what_serves(engine)
            assert [run.outcome for run in engine.registry.runs.list(Job.INSPECT)][:2] == [Outcome.DONE, Outcome.LOST]
        victim.stdin.close()
        assert victim.wait(60) == 0


def test_a_writer_that_was_overtaken_or_dropped_writes_no_more(engine: Engine) -> None:
    engine.publish_inspection(top_k=TOP_K)
    first, second = (InspectionWriter(engine.graph, engine.settings.graph.mapping, 8) for _ in range(2))
    first.begin("g0001", "then", 1, TOP_K)
    second.begin("g0002", "now", 2, TOP_K)
    row = {"row": 0, "id": "p1", "vector": [0.0] * 8}
    with pytest.raises(LeaseLostError, match="another process publishes"):
        first.write_items("g0001", [row])
    assert list(second.write_items("g0002", [row, {**row, "id": "nobody", "row": 1}])) == [0]
    engine.drop_inspection()
    with pytest.raises(LeaseLostError):
        second.end(1)
    assert engine.graph.read("MATCH (e:_EngineItem) RETURN e.id") == []


def test_what_is_forgotten_is_shown_no_more_and_is_not_written_again(engine: Engine) -> None:
    engine.publish_inspection(top_k=TOP_K)
    writer = InspectionWriter(engine.graph, engine.settings.graph.mapping, 8)
    writer.begin("g0001", "then", 1, TOP_K)  # it read what serves before the item was forgotten
    saves = engine.cypher("inspect/item", item_id="p1")[0]["saves"]
    (receipt,) = engine.forget("item", "p1")
    assert receipt.removed["graph"]["inspected"] == 1
    assert receipt.removed["graph"]["seen"] == 0
    assert receipt.removed["graph"]["edges"] == saves
    assert "p1" not in shown(engine)
    assert_shows_what_serves(engine)
    writer.begin("g0001", "then", 1, TOP_K)
    assert writer.write_items("g0001", [{"row": 0, "id": "p1", "vector": [0.0] * 8}]) == {}
    assert [one.removed["graph"]["inspected"] for one in engine.forget("context", "b1")] == [0]


def test_a_scheduler_that_leads_is_asked_to_follow_and_its_job_does(engine: Engine) -> None:
    job = jobs_of(engine)[Job.INSPECT]
    job("schedule")
    assert engine.registry.runs.last(Job.INSPECT) is None
    engine.publish_inspection(top_k=TOP_K)
    with engine.registry.leases.hold(LEASE):
        engine.add_saves([{"context_id": "b1", "item_id": "p3", "time": 5}])
        engine.refresh()
        assert engine.registry.flags.get(ASKED + Job.INSPECT) == {"cause": "another generation serves"}
        status = engine.inspection_status()
        assert status is not None
        assert status.generation == "g0001"
    job("another generation serves")
    assert engine.registry.flags.clear(ASKED + Job.INSPECT)
    with engine.registry.leases.hold(LEASE):
        assert engine.refresh().generation is None
        assert engine.registry.flags.get(ASKED + Job.INSPECT) is None
    assert_shows_what_serves(engine)
    last = engine.registry.runs.last(Job.INSPECT)
    job("schedule")
    assert engine.registry.runs.last(Job.INSPECT) == last
    engine.pause_job("inspect")
    engine.rollback()
    assert engine.registry.runs.last(Job.INSPECT) == last


def test_a_flip_goes_through_where_the_graph_is_gone_and_each_error_is_clear(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        Engine(settings, threads=1, home=settings.home / "other") as empty,
        pytest.raises(NotReadyError, match="no generation"),
    ):
        empty.publish_inspection()
    with pytest.raises(InputError, match="k must be"):
        engine.publish_inspection(top_k=0)
    assert engine.inspection_status() is None
    with monkeypatch.context() as narrow:
        narrow.setattr(inspection, "WIDEST", 4)
        with pytest.raises(InputError, match="are 8 wide, and Neo4j's vector index takes 4"):
            engine.publish_inspection()
    engine.publish_inspection(top_k=TOP_K)
    engine.add_saves([{"context_id": "b1", "item_id": "p3", "time": 5}])
    engine.refresh()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = GraphSettings(uri=f"bolt://127.0.0.1:{nobody.getsockname()[1]}", password=SecretStr("x"))
        with Engine(settings.model_copy(update={"graph": gone})) as alone:
            with pytest.raises(GraphUnavailableError):
                alone.publish_inspection()
            assert alone.rollback().id == "g0001"
    assert "the graph does not show what serves yet" in caplog.text
    engine.opened.live.look_again()
    engine.keep_inspection(cause="later")
    assert_shows_what_serves(engine)


def test_the_commands_say_what_they_did(engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from engine.cli import inspect

    for name, value in (
        ("HOME", settings.home), ("GRAPH_URI", settings.graph.uri), ("GRAPH_PASSWORD", settings.graph.password.get_secret_value()),
    ):  # fmt: skip
        monkeypatch.setenv(f"ENGINE_{name}", str(value))
    app = typer.Typer()
    inspect.register(app)

    def ask(*words: str) -> str:
        return CliRunner().invoke(app, [*words]).stdout

    assert "shows no generation" in ask("inspect", "status")
    assert "g0001 is shown in the graph: 40 items" in ask("inspect", "publish", "--top-k", "3")
    assert "3 related items each" in ask("inspect", "status")
    assert '"state": "complete"' in ask("inspect", "status", "--json")
    assert '"linked": 0' in ask("inspect", "publish", "--json")
    assert "removed from the graph: 40 items" in ask("inspect", "drop")
    assert ask("inspect", "drop") == "nothing of it is in the graph\n"
