"""A refresh makes the models about users and items equal to the same models over the graph as it is, on the genuine Neo4j."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_writes import OPERATIONS, perform
from refresh_world import quietly

from engine import Engine
from engine.arrays import open_array
from engine.graph.connection import Graph
from engine.models.row_embedder import SIDES, Joined, embed_all
from engine.models.user_graph import taker_relation
from engine.models.user_methods import find_user_method
from engine.refresh.row_follow import as_served
from engine.refresh.row_state import VECTORS, RowState
from engine.registry import Job, Outcome
from engine.serving import layout
from engine.serving.live import open_view
from engine.settings import Settings as EngineSettings

pytestmark = pytest.mark.graph

SETTINGS: dict[str, dict[str, Any]] = {
    "lightgcn": {"dim": 8, "layers": 2, "epochs": 3, "batch_size": 16, "negatives": 4},
    "als": {"dim": 8, "epochs": 2, "ridge": 0.01},
    "bpr": {"dim": 8, "epochs": 5},
    "diffnet": {"dim": 8, "layers": 2, "epochs": 3, "batch_size": 16, "candidates": 4, "negatives": 2},
}
USERS, ITEMS = 24, 16
CLOSE = 1e-5


@pytest.fixture
def engine(settings: EngineSettings, graph: Graph) -> Iterator[Engine]:
    del graph  # it empties the database
    with Engine(settings, threads=1) as opened:
        yield opened


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Users of two tastes, who follow the next one."""
    rng = np.random.default_rng(0)
    engine.add_items([{"item_id": f"i{n}"} for n in range(ITEMS)])
    engine.add_users([{"user_id": f"u{n}"} for n in range(USERS)])
    pairs = [(u, i) for u in range(USERS) for i in range(ITEMS) if (u + i) % 2 == 0 and rng.random() < 0.6]
    engine.add_interactions([{"user_id": f"u{u}", "item_id": f"i{i}", "time": n} for n, (u, i) in enumerate(pairs)])
    engine.add_follows([{"user_id": f"u{n}", "followed_id": f"u{(n + 2) % USERS}"} for n in range(USERS)])
    return engine


def build(engine: Engine, *models: str) -> None:
    for model in models:
        engine.build(model, SETTINGS.get(model))


def differences(engine: Engine, model: str) -> float:
    """Compare what a model serves with everything exported and embedded from nothing by what it learned: the largest distance
    of a vector from the exact one."""
    served = engine.registry.generations.serving(model)
    assert served is not None
    view, fresh = open_view(served), engine.snapshot()
    state, joined = RowState.open(view.folder), Joined.in_snapshot(fresh)
    embedder = find_user_method(model).embedder
    assert state is not None
    assert embedder is not None
    exact, nodes = embed_all(embedder(view.folder / layout.MODEL, joined), joined)[-1], joined.nodes
    mine = {"users": taker_relation(view.snapshot)[0], "items": view.items}
    worst = 0.0
    for side in SIDES:
        rows, kept = mine[side].index_of(list(nodes[side].ids)), open_array(view.folder, VECTORS[side])
        assert (rows >= 0).all()
        assert mine[side].num_alive == len(nodes[side])
        off = kept[rows] - as_served(side, exact[side], nodes[side].alive, state.longest)
        worst = max(worst, float(np.linalg.norm(off, axis=1).max(initial=0)))
    return worst


@settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.lists(OPERATIONS, min_size=1, max_size=6), min_size=1, max_size=3))
def test_any_sequence_of_writes_split_in_any_way_gives_what_embedding_everything_gives(engine: Engine, parts):
    writer = engine.opened.writer
    for n in range(5):
        for operation in (("remove_items", f"i{n}"), ("remove_users", f"u{n}"), ("remove_contexts", f"c{n}")):
            perform(writer, operation)
    writer.add_items([{"item_id": f"i{n}"} for n in range(4)])
    writer.add_users([{"user_id": f"u{n}"} for n in range(3)])
    writer.add_interactions([{"user_id": f"u{u}", "item_id": f"i{i}"} for u, i in ((0, 1), (1, 0), (1, 2), (2, 0))])
    if not engine.published_models():
        build(engine, *SETTINGS)
    for operations in parts:
        for operation in operations:
            perform(writer, operation)
        if quietly(engine.refresh_models) is not None:
            for model in SETTINGS:
                assert differences(engine, model) < CLOSE


@pytest.mark.parametrize("model", SETTINGS)
def test_what_a_user_takes_up_is_in_their_next_answers_and_what_it_cannot_alter_stays(filled: Engine, model: str):
    build(filled, model)
    first, before = filled.registry.generations.serving(model), filled.recommend("u0", 4)
    taken = before.ids[0]
    filled.add_users([{"user_id": "late"}])
    filled.add_interactions([{"user_id": "u0", "item_id": taken}, {"user_id": "late", "item_id": "i3"}])
    rehearsed = filled.rehearse_models()[model]
    assert filled.registry.generations.serving_id(model) == first.id
    told = filled.refresh_models(cause="a test")[model]
    served = filled.registry.generations.serving(model)
    assert (served.id, served.kind, served.parent, served.slot) == (told.generation, "delta", first.id, model)
    assert (told.parent, told.changes["interactions"], told.counts) == (first.id, 2, rehearsed.counts)
    # Two layers of diffusion carry further than the lists that changed.
    most = (2, 2) if model != "diffnet" else (USERS, ITEMS - 1)
    assert told.counts["users"] <= most[0]
    assert told.counts["items"] <= most[1]
    assert taken not in filled.recommend("u0", 4).ids
    assert filled.recommend("late", 4).generation == served.id
    assert differences(filled, model) < CLOSE
    run = filled.registry.runs.last(Job.MODELS)
    assert (run.outcome, run.cause, run.counts["models"]) == (Outcome.DONE, "a test", 1)
    assert run.plan[model]["why"] == told.plan
    assert filled.refresh_models() == {}
    assert filled.registry.runs.last(Job.MODELS).outcome == Outcome.NOTHING
