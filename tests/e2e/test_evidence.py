"""Answers of models with attention say what they rest on, and Neo4j shows it; whoever came later is answered without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import neo4j
import numpy as np
import pytest

from engine import Engine
from engine.datasets.folder_write import write_dataset
from engine.errors import NotReadyError
from engine.graph.connection import Graph
from engine.serving.results import Evidence
from engine.settings import Settings

pytestmark = pytest.mark.graph
SMALL: dict[str, Any] = {"dim": 8, "epochs": 40, "batch_size": 32, "dropout": 0.0}
SEQUENCE: dict[str, Any] = {"dim": 8, "epochs": 3, "length": 6}
USERS, FILMS = 30, 16


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users of two kinds rate films of two kinds, their own high and the others low, and follow their own kind."""
    rng = np.random.default_rng(0)
    rows = [(u, i) for u in range(USERS) for i in range(FILMS) if rng.random() < 0.5]
    follows = [(u, v) for u in range(USERS) for v in range(USERS) if u != v and (u + v) % 2 == 0 and rng.random() < 0.4]
    return write_dataset(
        tmp_path_factory.mktemp("circle") / "circle",
        "circle",
        items={"item_id": [f"film-{i}" for i in range(FILMS)], "title": [f"Film {i}" for i in range(FILMS)]},
        users={"user_id": [f"user-{u}" for u in range(USERS)]},
        interactions={
            "user_id": [f"user-{u}" for u, _ in rows],
            "item_id": [f"film-{i}" for _, i in rows],
            "rating": [5.0 if (u + i) % 2 == 0 else 1.0 for u, i in rows],
            "time": list(range(len(rows))),
        },
        follows={"user_id": [f"user-{u}" for u, _ in follows], "followed_id": [f"user-{v}" for _, v in follows]},
        item_fields={"title": "text"},
    ).path


@pytest.fixture
def engine(settings: Settings, graph: Graph, circle: Path):
    del graph  # it empties the database
    with Engine(settings) as opened:
        opened.ingest(circle)
        yield opened


def drawn(engine: Engine, why: Evidence) -> set[tuple[str, str]]:
    """The nodes of the paths that the query returns: kind and id."""
    settings = engine.settings.graph
    driver = neo4j.GraphDatabase.driver(str(settings.uri), auth=(settings.user, settings.password.get_secret_value()))
    with driver, driver.session(database=settings.database) as session:
        paths = [record["path"] for record in session.run(why.cypher, dict(why.parameters))]
    nodes = {node for path in paths for node in path.nodes}
    return {("item", n["item_id"]) if "Item" in n.labels else ("user", n["user_id"]) for n in nodes}


def check(engine: Engine, why: Evidence | None, roles: list[str]) -> None:
    assert why is not None
    assert [part.role for part in why.parts] == roles
    for part in why.parts:
        weights = [node.weight for node in part.nodes]
        assert weights == sorted(weights, reverse=True)
        assert 0 < sum(weights) <= 1 + 1e-5
        assert len(part.nodes) <= part.of
        if part.role != "takers" and len(part.nodes) == part.of:
            assert sum(weights) == pytest.approx(1, abs=1e-5)
    assert {(node.kind, node.id) for node in why.nodes} <= drawn(engine, why)
    assert "$" in why.cypher
    assert "user-0" not in why.cypher  # values are parameters


def test_graphrec_shows_whom_and_what_it_attended_to(engine: Engine):
    engine.build("graphrec", SMALL)
    told = engine.predict("user-0", "film-3", explain=True)
    check(engine, told.evidence, ["items", "friends", "raters"])
    assert told.evidence is not None
    assert told.evidence.parameters["item"] == "film-3"
    assert all(int(node.id.removeprefix("user-")) % 2 == 0 for node in told.evidence.parts[1].nodes)
    assert told.evidence.parts[0].nodes[0].title == f"Film {told.evidence.parts[0].nodes[0].id.removeprefix('film-')}"
    assert "of the user it reads ratings and friends" in told.rests_on
    assert engine.predict("user-0", "film-3").evidence is None
    check(engine, engine.recommend("user-0", 3, explain=True).evidence, ["items", "friends"])
    assert ":params {id: 'user-0'" in str(told)


def test_diffnet_shows_whom_and_what_it_attended_to(engine: Engine):
    engine.build("diffnet", {"dim": 8, "epochs": 10, "loss": "bpr"})
    check(engine, engine.recommend("user-0", 3, explain=True).evidence, ["items", "friends"])


@pytest.mark.parametrize(
    ("model", "roles"), [("sasrec", ["items"] * 2), ("dgsr", ["items", "items", "takers", "takers"])]
)
def test_what_comes_next_shows_what_was_attended_to(engine: Engine, model: str, roles: list[str]):
    engine.build(model, SEQUENCE)
    check(engine, engine.next_items("user-0", 3, explain=True).evidence, roles)
    found = engine.recommend("user-0", 3, explain=True).evidence
    check(engine, found, roles)
    early = engine.next_items("user-0", 3, at=3, explain=True).evidence
    assert early is not None
    assert {node.kind for node in early.nodes} == {"item"}  # nobody else had taken anything by then
    assert len(early.parts[0].nodes) == 3
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions([{"user_id": "late", "item_id": "film-2", "rating": 5.0, "time": 10_000}])
    late = engine.next_items("late", 3, explain=True).evidence
    assert late is not None
    assert [(node.id, node.weight) for node in late.parts[0].nodes] == [("film-2", pytest.approx(1))]
    assert {(node.kind, node.id) for node in late.nodes} <= drawn(engine, late)
    for told, user in ((found, "user-0"), (late, "late")):
        assert told is not None
        assert ("user", user) not in {(node.kind, node.id) for node in told.nodes}  # nobody takes after themselves


def test_a_method_without_attention_has_no_evidence_of_this_kind(engine: Engine):
    engine.build("item-knn")
    assert engine.recommend("user-0", 3, explain=True).evidence is None


def test_a_new_user_with_friends_only_or_ratings_only_is_answered_without_training_and_told_from_what(engine: Engine):
    engine.build("graphrec", SMALL)
    engine.add_users([{"user_id": name} for name in ("follower", "critic", "both", "nobody's friend")])
    own_kind = [f"user-{u}" for u in range(0, 12, 2)]
    engine.add_follows([{"user_id": user, "followed_id": v} for user in ("follower", "both") for v in own_kind])
    engine.add_interactions(
        [{"user_id": user, "item_id": f"film-{i}", "rating": 5.0} for user in ("critic", "both") for i in (0, 2, 4)]
    )
    for user, rests in (("follower", "friends"), ("critic", "ratings"), ("both", "ratings and friends")):
        told = engine.predict(user, "film-6", explain=True)
        assert told.rests_on.endswith(f"of the user it reads {rests}")
        assert 1 <= told.rating <= 5
        assert told.evidence is not None
        parts = {part.role: part for part in told.evidence.parts}
        assert bool(parts["friends"].nodes) == ("friends" in rests)
        assert bool(parts["items"].nodes) == ("ratings" in rests)
        assert {(node.kind, node.id) for node in told.evidence.nodes} <= drawn(engine, told.evidence)
        answer = engine.recommend(user, 3)
        assert answer.method == "graphrec"
        assert ("answered from their friends" in str(answer.reason)) == (user == "follower")
    with pytest.raises(NotReadyError, match="nothing is known of user"):
        engine.predict("nobody's friend", "film-6")
    assert engine.recommend("nobody's friend", 3).method == "popularity"
    engine.refresh_models()
    now = engine.predict("follower", "film-6")
    assert now.rests_on.startswith("0 ratings of the user") or "newer than the generation" in now.rests_on
    assert now.rests_on.endswith("of the user it reads friends")
