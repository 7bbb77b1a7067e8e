"""A model that answers by vectors of any length serves the ranking and the scores that it has itself, on the genuine Neo4j."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine import Engine
from engine.arrays import open_array
from engine.graph.connection import Graph
from engine.serving import layout
from engine.settings import Settings

pytestmark = pytest.mark.graph
USERS, ITEMS, KNOWN = 120, 1100, 700


@pytest.fixture
def engine(settings: Settings, graph: Graph) -> Iterator[Engine]:
    """What few items have many users of, and 400 items nobody has."""
    del graph  # it empties the database
    rng = np.random.default_rng(0)
    share = 1.0 / np.arange(1, KNOWN + 1)
    pairs = {(u, int(i)) for u in range(USERS) for i in rng.choice(KNOWN, 20, p=share / share.sum())}
    pairs |= {(int(rng.integers(USERS)), i) for i in range(KNOWN)}
    with Engine(settings, threads=1) as opened:
        opened.add_items([{"item_id": f"i{n}"} for n in range(ITEMS)])
        opened.add_users([{"user_id": f"u{n}"} for n in range(USERS)])
        opened.add_interactions([{"user_id": f"u{u}", "item_id": f"i{i}"} for u, i in sorted(pairs)])
        yield opened


def best_by_the_model(engine: Engine, model: str, user: str, k: int) -> dict[str, float]:
    """Items by `score`, which reads no index."""
    one = engine.opened.user_model(model).recommender()
    scores = one.method.score(np.array([one.row_of(user)], np.int32))[0]
    scores[one.asker(user).have] = -np.inf
    first = [int(row) for row in np.argsort(-scores, kind="stable")[:k] if np.isfinite(scores[row])]
    return {one.view.items.ids[row]: float(scores[row]) for row in first}


@pytest.mark.parametrize(
    ("model", "config", "exact"),
    [
        ("als", {"dim": 16}, True),
        ("bpr", {"dim": 16, "epochs": 5}, True),
        ("lightgcn", {"dim": 16, "epochs": 3, "popularity": 0.5}, False),
        ("diffnet", {"dim": 8, "layers": 1, "epochs": 3, "popularity": 0.5}, False),
    ],
)
def test_served_answers_are_the_models_own_where_lengths_vary_and_many_items_are_unknown(
    engine: Engine, model: str, config: dict[str, float], exact: bool
):
    built = engine.build(model, config)
    assert built.metrics["ann_recall"] >= engine.settings.gate.ann_recall
    assert (built.metrics["items"], KNOWN) == (
        ITEMS,
        len(engine.opened.user_model(model).recommender().view.indexes[0]),
    )
    lengths = np.linalg.norm(open_array(built.path, layout.VECTORS), axis=1)
    assert np.ptp(lengths[lengths > 0]) > 0.5 * lengths.max()
    found = 0
    for user in (f"u{n}" for n in range(0, USERS, 10)):
        served, own = engine.recommend(user, 3), best_by_the_model(engine, model, user, ITEMS)
        assert served.method == model
        scores = [item.score for item in served]
        np.testing.assert_allclose(scores, [own[item] for item in served.ids], rtol=1e-5, atol=1e-6)
        assert scores == sorted(scores, reverse=True)
        found += len({*served.ids} & {*list(own)[:3]})
    assert found >= (1 if exact else engine.settings.gate.ann_recall) * 3 * len(range(0, USERS, 10))
    everything = engine.recommend("u0", ITEMS)
    assert set(everything.ids) == set(best_by_the_model(engine, model, "u0", ITEMS))
    assert everything.reason == f"only {len(everything)}: nothing is known of more"
    (lists,) = list(engine.recommend_all(ITEMS, model=model))[:1]
    assert max(int(one.removeprefix("i")) for one in lists["item_id"].to_pylist()) < KNOWN


def test_users_are_alike_by_the_angle_between_their_vectors(engine: Engine):
    engine.build("als", {"dim": 16})
    alike = engine.similar_users("u0", 5)
    one = engine.opened.user_model("als").recommender()
    rows = [one.row_of("u0"), *(one.row_of(user) for user in alike.ids)]
    mine, *theirs = (vector / np.linalg.norm(vector) for vector in one.user_vectors[rows])
    np.testing.assert_allclose([user.score for user in alike.users], [vector @ mine for vector in theirs], atol=1e-6)
    assert alike.users[0].score < 1
