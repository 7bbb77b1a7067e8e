"""Graphs with everything odd that friends and times can be: each model about them builds, answers, or says what is wrong."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from engine import Engine
from engine.datasets.folder_write import write_dataset
from engine.errors import DataError, InputError, RejectsError
from engine.graph.connection import Graph
from engine.settings import Settings

pytestmark = pytest.mark.graph
QUICK = {"dim": 4, "epochs": 2}
USERS = ["one", "equal", "late first", "nobody", "narcissus", "a", "b", "c", "ghosts"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One item; equal times; times out of order and repeated pairs; neither friends nor items; a follow of oneself; a cycle of
    three; and follows of two who will be deleted."""
    rows = [
        ("one", 0, 5.0, 10),
        *(("equal", item, 4.0, 50) for item in range(4)),
        *(("late first", item, 3.0, 100 - item) for item in range(5)),
        ("narcissus", 1, 1.0, 3),
        ("narcissus", 2, 2.0, 1),
        *(
            (user, (item + place) % 6, float(1 + item), 20 * place + item)
            for place, user in enumerate("abc")
            for item in range(4)
        ),
        *(("gone", item, 5.0, item) for item in range(3)),
        *(("gone too", item, 1.0, item) for item in range(3)),
    ]
    follows = [
        ("narcissus", "narcissus"),
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("ghosts", "gone"),
        ("ghosts", "gone too"),
    ]
    return write_dataset(
        tmp_path_factory.mktemp("odd") / "odd",
        "odd",
        items={"item_id": [f"i{item}" for item in range(6)]},
        users={"user_id": [*USERS, "gone", "gone too"]},
        interactions={
            "user_id": [user for user, *_ in rows],
            "item_id": [f"i{item}" for _, item, *_ in rows],
            "rating": [rating for *_, rating, _ in rows],
            "time": [time for *_, time in rows],
        },
        follows={"user_id": [a for a, _ in follows], "followed_id": [b for _, b in follows]},
    ).path


@pytest.fixture
def engine(settings: Settings, graph: Graph, odd: Path):
    del graph  # it empties the database
    with Engine(settings) as opened:
        opened.ingest(odd)
        opened.remove_users(["gone", "gone too"])  # the friends of "ghosts"
        opened.graph.write(  # the client refuses it; another program need not
            "MATCH (u:User {user_id: 'a'}), (i:Item {item_id: 'i5'}) "
            "CREATE (u)-[:INTERACTED {time: 32503680000000, rating: 5.0}]->(i)"
        )
        yield opened


@pytest.mark.parametrize("model", ["graphrec", "trustsvd"])
def test_models_of_ratings_and_friends_answer_everybody_of_whom_they_know_anything(engine: Engine, model: str):
    engine.build(model, QUICK)
    for user in USERS:
        answer = engine.recommend(user, 3)
        knows = user not in ("nobody", "ghosts")
        assert (answer.method == model) == knows, user
        assert all(math.isfinite(item.score) for item in answer)
        if knows:
            told = engine.predict(user, "i3")
            assert 1 <= told.rating <= 5
            rests = "ratings and friends" if user in "abc" else "ratings"
            assert told.rests_on.endswith(f"of the user it reads {rests}")


def test_a_model_of_interests_and_friends_does_too(engine: Engine):
    engine.build("diffnet", {**QUICK, "loss": "bpr"})
    for user in USERS:
        answer = engine.recommend(user, 3)
        assert (answer.method == "diffnet") == (user not in ("nobody", "ghosts")), user
        assert len(answer) >= 1
    engine.add_users([{"user_id": "newcomer"}])
    assert engine.similar_users("newcomer").ids == ()  # nothing is known of them yet, and nobody is like that


@pytest.mark.parametrize("model", ["dgsr", "sasrec", "markov", "session-knn"])
def test_models_of_sequences_answer_everybody_and_never_from_the_future(engine: Engine, model: str):
    engine.build(model, QUICK if model in ("dgsr", "sasrec") else {})
    for user in USERS:
        answer = engine.next_items(user, 6, explain=True)
        nothing = user in ("nobody", "ghosts")
        assert ("nothing is known of what" in str(answer.reason)) == nothing
        assert all(math.isfinite(item.score) for item in answer)
    assert "i5" in engine.next_items("a", 6).ids  # had in the future only
    assert "i5" not in engine.next_items("a", 6, at=32503680000001).ids


@pytest.mark.parametrize("model", ["dgsr", "sasrec"])
def test_an_interaction_of_the_future_changes_nothing_recommended(engine: Engine, settings: Settings, model: str):
    engine.build(model, QUICK)
    found = _recommended(engine)
    assert "i5" in engine.recommend("a", 6).ids  # had in the future only
    engine.graph.write("MATCH (:User)-[r:INTERACTED {time: 32503680000000}]->() DELETE r")
    with Engine(settings.model_copy(update={"home": settings.home / "without"})) as without:
        without.build(model, QUICK)
        assert _recommended(without) == found


def _recommended(engine: Engine) -> tuple[dict[str, list[object]], list[list[dict[str, object]]]]:
    """What each user is recommended, asked alone and all at once."""
    alone = {user: [*engine.recommend(user, 6)] for user in USERS}
    return alone, [batch.to_pylist() for batch in engine.recommend_all(6)]


def test_what_a_newcomer_does_in_the_future_is_not_read_either(engine: Engine):
    engine.build("sasrec", QUICK)
    engine.add_users([{"user_id": "newcomer"}])
    engine.add_interactions([{"user_id": "newcomer", "item_id": "i0", "rating": 5.0, "time": 5}])
    before = [*engine.recommend("newcomer", 6)]
    engine.graph.write(
        "MATCH (u:User {user_id: 'newcomer'}), (i:Item {item_id: 'i5'}) "
        "CREATE (u)-[:INTERACTED {time: 32503680000000, rating: 5.0}]->(i)"
    )
    assert [*engine.recommend("newcomer", 6)] == before


def test_whom_a_newcomer_follows_in_the_future_is_no_friend(engine: Engine):
    engine.build("trustsvd", QUICK)
    engine.add_users([{"user_id": "newcomer"}])
    engine.graph.write(
        "MATCH (u:User {user_id: 'newcomer'}), (a:User {user_id: 'a'}) CREATE (u)-[:FOLLOWS {time: 32503680000000}]->(a)"
    )
    assert engine.recommend("newcomer", 3).method == "popularity"
    engine.graph.write("MATCH (:User {user_id: 'newcomer'})-[f:FOLLOWS]->() SET f.time = 1")
    assert engine.recommend("newcomer", 3).method == "trustsvd"


def test_a_later_rating_that_is_none_of_the_levels_is_named(engine: Engine):
    engine.build("graphrec", QUICK)
    engine.add_users([{"user_id": "off"}])
    engine.add_interactions([{"user_id": "off", "item_id": "i0", "rating": 2.5}])
    with pytest.raises(DataError, match=r"2\.5"):
        engine.predict("off", "i1")
    assert 1 <= engine.predict("a", "i1").rating <= 5


def test_a_follow_of_nobody_is_refused_wherever_it_comes_from(engine: Engine, tmp_path: Path):
    with pytest.raises(InputError, match="nobody at all"):
        engine.add_follows([{"user_id": "a", "followed_id": "nobody at all"}])
    bad = write_dataset(
        tmp_path / "bad",
        "bad",
        items={"item_id": ["i0"]},
        users={"user_id": ["a"]},
        follows={"user_id": ["a"], "followed_id": ["nobody at all"]},
    )
    with pytest.raises(RejectsError):
        engine.ingest(bad.path)
    assert engine.recommend_from_friends("a").of == 1
