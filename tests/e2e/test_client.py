"""The client from an empty graph to answers, on the genuine Neo4j: load, build, ask, add, ask again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine import Engine
from engine.datasets.generator import generate, write_generated
from engine.datasets.world import WorldConfig
from engine.errors import (
    EmptyGraphError,
    GraphError,
    InputError,
    LeaseHeldError,
    NotReadyError,
    StaleAnswerError,
    UnknownNameError,
    UnknownNodeError,
)
from engine.graph.connection import Graph
from engine.registry import TrainingState
from engine.settings import Settings
from tests.e2e.command import cli

pytestmark = pytest.mark.graph
QUICK = {"epochs": 2, "dim": 32, "hidden": 32, "batch_size": 512, "negatives": 128, "num_walks": 50}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "world"
    write_generated(folder, generate(WorldConfig(items=600, seed=3)))
    return folder


@pytest.fixture
def engine(settings: Settings, graph: Graph):
    del graph  # it empties the database
    with Engine(settings) as opened:
        yield opened


def test_an_empty_graph_and_an_unbuilt_engine_say_what_to_do(engine: Engine):
    with pytest.raises(NotReadyError, match="engine build"):
        engine.related("a")
    with pytest.raises(EmptyGraphError, match="engine ingest"):
        engine.build(config=QUICK)
    engine.add_items([{"item_id": "alone", "title": "Alone"}])
    with pytest.raises(EmptyGraphError, match="edges"):
        engine.build(config=QUICK)
    with pytest.raises(UnknownNameError, match="no model 'magic'"):
        engine.train("magic")
    assert engine.status().generation is None
    assert "engine build" in str(engine.status())


def test_from_a_data_set_to_answers_and_on_to_what_came_later(engine: Engine, settings: Settings, world: Path):
    engine.ingest(world)
    built = engine.build(config=QUICK)
    assert built.serving
    assert built.metrics["ann_recall"] >= 0.95
    learned = engine.registry.trainings.get(built.training)
    assert (learned.state, learned.watermark) == (TrainingState.DONE, built.watermark)
    assert learned.metrics.items() <= built.metrics.items()
    assert engine.default_method in ("blend", "pinsage")
    assert set(engine.methods) == {"blend", "pinsage", "walks", "content", "popularity"}

    view = engine.view()
    saves = view.graph.item_to_context.degrees()
    organic = view.items.corpora.index("organic")
    query = view.items.ids[int((saves * (view.items.corpus == organic)).argmax())]
    for method in (None, *engine.methods):
        answer = engine.related(query, 7, method=method)
        assert len(answer) == 7
        assert query not in answer.ids
        assert {item.corpus for item in answer} == {"organic"}
        assert (answer.generation, answer.watermark) == (built.id, built.watermark)
    assert {item.corpus for item in engine.related(query, 3, corpus="ads")} == {"ads"}
    explained = engine.related(query, 5, method="walks", explain=True).items[0].explanation
    assert explained is not None
    assert explained.paths
    assert engine.graph.read(explained.cypher.replace("RETURN path", "RETURN count(path) AS found"))[0]["found"] > 0
    user = next(iter(view.snapshot.users.ids))
    assert len(engine.home(user, 5)) == 5
    assert len(engine.user_clusters(3)) == 3

    # Described by the caller: found at once, by its words and by its boards.
    board = view.contexts.ids[int(view.graph.item_to_context.row(view.item_row(query))[0])]
    title = view.titles([view.item_row(query)])[0]
    described = engine.new_item("described", {"title": title}, contexts=[board], k=5)
    assert len(described) == 5
    with pytest.raises(InputError, match="already"):
        engine.new_item(query, {})

    # Written to the graph: asked for before any build, through the live path, and from then on in others' answers.
    engine.add_items([{"item_id": "written", "title": title}])
    engine.add_saves([{"context_id": board, "item_id": "written"}])
    written = engine.related("written", 5)
    assert len(written) == 5
    assert written.generation == built.id
    near = engine.related(written.ids[0], 50, method="pinsage")
    assert "written" in near.ids
    assert engine.status().behind

    # A question may refuse what is unseen, or read its own items from the graph as it stands.
    with pytest.raises(StaleAnswerError, match="behind the graph"):
        engine.related(query, 3, max_staleness_s=0)
    live = engine.related({query: 2.0, "written": 1.0}, 3, max_staleness_s=0, when_stale="live")
    assert (len(live), live.method, live.generation) == (3, "pinsage", built.id)
    assert not {query, "written"} & set(live.ids)
    assert "was read from the graph as it stands" in live.reason
    with pytest.raises(UnknownNodeError, match="as it stands"):
        engine.related("nowhere", 3, max_staleness_s=0, when_stale="live")
    with pytest.raises(UnknownNodeError, match="no item 'nowhere'"):
        engine.related("nowhere")

    # The next generation knows it; a reader of another process follows; the same graph is not built twice from scratch.
    second = engine.build(config=QUICK)
    assert (second.id, engine.status().generation, engine.status().behind) == ("g0002", "g0002", 0)
    assert engine.view().item_row("written") >= 0
    assert [one.id for one in engine.generations()] == ["g0002", "g0001"]
    models = sorted(p.name for p in (settings.home / "models").iterdir())
    with engine.registry.leases.hold("build"), pytest.raises(LeaseHeldError, match="'build' is held by"):
        engine.train(config=QUICK)
    aside = engine.build(config=QUICK, publish=False)
    assert (aside.id, aside.serving, engine.status().generation) == ("g0003", False, "g0002")
    assert sorted(p.name for p in (settings.home / "models").iterdir()) == models
    assert len(engine.registry.trainings.list()) == 2
    engine.registry.generations.publish(aside.id)

    asked = cli(settings, "related", query, "-k", "4", "--json", "--where", f"title={title}", "--explain")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["generation"] == "g0003"
    shown = cli(settings, "home", user, "-k", "3")
    assert shown.returncode == 0, shown.stderr
    assert f"home feed of {user}: 3 of organic" in shown.stdout
    refused = cli(settings, "related", "nowhere")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: there is no item 'nowhere'")
    assert "Traceback" not in refused.stderr
    listed = cli(settings, "generations", "list")
    assert "g0003" in listed.stdout


def test_a_server_that_is_gone_leaves_the_published_answers_in_place(engine: Engine, settings: Settings, world: Path):
    engine.ingest(world)
    built = engine.build(config=QUICK)
    item = built and next(iter(engine.view().items.ids))
    gone = settings.graph.model_copy(update={"uri": "bolt://127.0.0.1:1"})
    with Engine(settings.model_copy(update={"graph": gone})) as cut_off:
        assert len(cut_off.related(item, 3)) == 3
        assert cut_off.status().graph.startswith("not available")
        with pytest.raises(GraphError):
            cut_off.related("not in the generation")


def test_importing_the_engine_loads_no_torch():
    code = (
        "import sys, engine; from engine import Engine; Engine; print('torch' in sys.modules, 'neo4j' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
