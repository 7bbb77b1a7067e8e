"""What friends took up, out of the graph as it stands: by ties, by a social model, and whatever the graph holds."""

from __future__ import annotations

import json

import pytest

from engine import Engine
from engine.errors import InputError, NotReadyError, RejectsError, UnknownNameError, UnknownNodeError
from engine.graph.connection import Graph
from engine.graph.migrate import migrate
from engine.sampling.live_times import LiveTimes
from engine.serving.results import Evidence
from engine.serving.results_users import FromFriends
from engine.settings import GraphMapping, Settings
from tests.e2e.command import cli

pytestmark = pytest.mark.graph


@pytest.fixture
def engine(settings: Settings, graph: Graph):
    """Ann follows Bob (tie 2), Cid (tie 1), Dan (no tie given) and herself; Bob follows Ann back."""
    migrate(graph, GraphMapping())
    with Engine(settings) as opened:
        opened.add_users([{"user_id": name} for name in ("ann", "bob", "cid", "dan", "eve")])
        opened.add_items([{"item_id": f"film-{n}", "title": f"Film {n}"} for n in range(8)])
        opened.add_items([{"item_id": "ad", "corpus": "ads"}])
        opened.add_follows(
            [
                {"user_id": "ann", "followed_id": "bob", "weight": 2.0, "time": 5},
                {"user_id": "ann", "followed_id": "cid", "weight": 1.0, "time": 50},
                {"user_id": "ann", "followed_id": "dan"},
                {"user_id": "ann", "followed_id": "ann", "weight": 9.0},
                {"user_id": "bob", "followed_id": "ann", "weight": 1.0},
            ]
        )
        taken = [
            *(("ann", 0, 5.0, 1), ("bob", 0, 5.0, 2), ("bob", 1, 5.0, 3), ("bob", 2, 1.0, 4)),
            *(("cid", 2, 5.0, 60), ("cid", 3, 5.0, 61), ("dan", 3, 1.0, 7), ("dan", 4, 5.0, 8), ("eve", 5, 5.0, 9)),
        ]
        opened.add_interactions(
            [{"user_id": u, "item_id": f"film-{i}", "rating": r, "time": t} for u, i, r, t in taken]
        )
        opened.add_interactions([{"user_id": "bob", "item_id": "ad", "rating": 5.0, "time": 10}])
        yield opened


def told(answer: FromFriends) -> dict[str, tuple[float, list[tuple[str, float]]]]:
    return {item.item_id: (item.score, [tuple(friend) for friend in item.friends]) for item in answer}


def test_friends_items_count_their_ties_and_say_who_has_them(engine: Engine):
    answer = engine.recommend_from_friends("ann")
    assert told(answer) == {
        "film-2": (3.0, [("bob", 2.0), ("cid", 1.0)]),
        "film-3": (2.0, [("cid", 1.0), ("dan", 1.0)]),  # later than film-1, which counts as much
        "film-1": (2.0, [("bob", 2.0)]),
        "film-4": (1.0, [("dan", 1.0)]),
    }
    assert answer.ids == ("film-2", "film-3", "film-1", "film-4")
    assert (answer.method, answer.friends, answer.of, answer.generation) == ("ties", 3, 3, None)
    assert answer.reason == "only 4: 3 friends took up no more that 'ann' has not"
    rows = engine.graph.read(
        f"CALL () {{ {answer.cypher} }} UNWIND nodes(path) AS n RETURN DISTINCT coalesce(n.user_id, n.item_id) AS id",
        dict(answer.parameters),
    )
    assert {row["id"] for row in rows} == {"ann", "bob", "cid", "dan", *answer.ids}
    assert "film-2" in str(answer)
    assert json.loads(answer.to_json())["items"][0]["friends"][0] == {"user_id": "bob", "tie": 2.0}
    assert engine.recommend_from_friends("ann", 1, exclude=["film-2"]).ids == ("film-3",)
    assert engine.recommend_from_friends("ann", corpus="ads").ids == ("ad",)


def test_nothing_at_or_after_the_time_asked_about_is_read(engine: Engine):
    assert told(engine.recommend_from_friends("ann", at=50)) == {
        "film-1": (2.0, [("bob", 2.0)]),
        "film-2": (2.0, [("bob", 2.0)]),
        "film-3": (1.0, [("dan", 1.0)]),
        "film-4": (1.0, [("dan", 1.0)]),
    }
    assert engine.recommend_from_friends("ann", at=5).ids == ()  # dan is always a friend, and had nothing yet
    engine.graph.write(
        "MATCH (:User {user_id: 'bob'})-[r:INTERACTED]->(:Item {item_id: 'film-1'}) SET r.time = 9999999999999"
    )
    assert "film-1" not in engine.recommend_from_friends("ann").ids


def test_what_the_user_took_up_later_is_in_the_answer_as_of_before(engine: Engine):
    engine.add_interactions([{"user_id": "ann", "item_id": "film-2", "rating": 4.0, "time": 50}])
    engine.add_interactions([{"user_id": "ann", "item_id": "film-4", "rating": 4.0}])  # always there
    assert engine.recommend_from_friends("ann", at=50).ids == ("film-2", "film-1", "film-3")
    assert engine.recommend_from_friends("ann", at=51).ids == ("film-1", "film-3")
    assert "film-2" not in engine.recommend_from_friends("ann").ids
    engine.build("graphrec", {"dim": 4, "epochs": 1})
    assert set(engine.recommend_from_friends("ann", at=50).ids) == {"film-1", "film-2", "film-3"}


def shown(engine: Engine, why: Evidence) -> set[str]:
    """The ids of the nodes that the query returns."""
    rows = engine.graph.read(
        f"CALL () {{ {why.cypher} }} UNWIND nodes(path) AS n RETURN DISTINCT coalesce(n.user_id, n.item_id) AS id",
        dict(why.parameters),
    )
    return {row["id"] for row in rows}


def test_the_evidence_is_the_ties_to_friends_and_a_models_attention_to_them(engine: Engine):
    assert engine.recommend_from_friends("ann").evidence is None
    answer = engine.recommend_from_friends("ann", explain=True)
    why = answer.evidence
    assert why is not None
    assert [(part.name, part.role, part.of) for part in why.parts] == [("ties", "friends", 3)]
    assert [(node.id, node.weight) for node in why.nodes] == [("bob", 0.5), ("cid", 0.25), ("dan", 0.25)]
    assert shown(engine, why) == {"ann", "bob", "cid", "dan", *answer.ids}
    assert answer.rests_on is None
    assert ":params {id: 'ann'" in str(answer)
    then = engine.recommend_from_friends("ann", at=50, explain=True).evidence
    assert then is not None
    assert [node.id for node in then.nodes] == ["bob", "dan"]
    assert shown(engine, then) == {"ann", "bob", "dan", "film-1", "film-2", "film-3", "film-4"}
    one = engine.recommend_from_friends("ann", 1, exclude=["film-2", "film-3"], explain=True).evidence
    assert one is not None
    assert [(node.id, node.weight) for node in one.nodes] == [("bob", 0.5)]
    none = engine.recommend_from_friends("eve", explain=True).evidence
    assert none is not None
    assert (none.nodes, shown(engine, none)) == ((), set())
    engine.build("graphrec", {"dim": 4, "epochs": 3})
    answer = engine.recommend_from_friends("ann", exclude=["film-2", "film-3"], explain=True)
    assert answer.rests_on == "ratings and friends"
    assert "of the user graphrec reads ratings and friends" in str(answer)
    assert answer.evidence is not None
    ties, social = answer.evidence.parts
    assert {node.id for node in ties.nodes} == {node.id for node in social.nodes} == {"bob", "dan"}
    recommended = engine.recommend("ann", explain=True).evidence
    assert recommended is not None
    (whole,) = (part for part in recommended.parts if part.role == "friends")
    assert (social.name, social.of) == (whole.name, whole.of)
    assert set(social.nodes) < set(whole.nodes)  # without cid, through whom no item came
    assert shown(engine, answer.evidence) == {"ann", "bob", "dan", *answer.ids}


def test_who_is_a_friend_and_how_many_are_read_can_be_chosen(engine: Engine):
    assert engine.recommend_from_friends("ann", friendship="followers").ids == ("film-2", "film-1")
    assert engine.recommend_from_friends("ann", friendship="both").of == 3
    few = engine.recommend_from_friends("ann", friends=1)
    assert (few.friends, few.of) == (1, 3)
    mapping = engine.settings.graph.mapping
    drawn = LiveTimes(engine.graph, mapping).friends(["ann"], [10**15], 1, engine.settings.seed)
    assert {friend.user_id for item in few for friend in item.friends} == set(drawn[0])
    with pytest.raises(UnknownNameError, match="enemies"):
        engine.recommend_from_friends("ann", friendship="enemies")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="friends must be at least 1"):
        engine.recommend_from_friends("ann", friends=0)


def test_users_without_friends_friends_without_items_and_deleted_friends_do_no_harm(engine: Engine):
    alone = engine.recommend_from_friends("eve")
    assert (alone.ids, alone.reason) == ((), "'eve' has no friends")
    with pytest.raises(UnknownNodeError, match="nobody"):
        engine.recommend_from_friends("nobody")
    engine.add_users([{"user_id": "fay"}, {"user_id": "gus"}])
    engine.add_follows([{"user_id": "fay", "followed_id": "gus"}, {"user_id": "gus", "followed_id": "fay"}])
    assert engine.recommend_from_friends("fay").ids == ()  # a cycle of two who have nothing
    with pytest.raises((InputError, RejectsError), match="nobody"):
        engine.add_follows([{"user_id": "fay", "followed_id": "nobody"}])
    engine.remove_users(["bob"])
    left = engine.recommend_from_friends("ann")
    assert (left.of, told(left)["film-2"]) == (2, (1.0, [("cid", 1.0)]))


def test_a_social_model_puts_them_in_order(engine: Engine):
    with pytest.raises(NotReadyError, match="no model 'graphrec' is published"):
        engine.recommend_from_friends("ann", model="graphrec")
    with pytest.raises(InputError, match="'item-knn' does not read whom users follow"):
        engine.recommend_from_friends("ann", model="item-knn")
    engine.build("item-knn")
    assert engine.recommend_from_friends("ann").method == "ties"
    for model, config in (("graphrec", {"dim": 4, "epochs": 3}), ("diffnet", {"dim": 4, "epochs": 3, "loss": "bpr"})):
        built = engine.build(model, config)
        answer = engine.recommend_from_friends("ann", model=model)
        assert (answer.method, answer.generation, answer.watermark) == (model, built.id, built.watermark)
        assert set(answer.ids) == {"film-1", "film-2", "film-3", "film-4"}
        scores = [item.score for item in answer]
        assert scores == sorted(scores, reverse=True)
        assert answer.items[0].title == f"Film {answer.ids[0].removeprefix('film-')}"
        assert all(item.friends for item in answer)
    for item in engine.recommend_from_friends("ann", model="graphrec"):
        assert item.score == pytest.approx(engine.predict("ann", item.item_id, model="graphrec").rating, abs=1e-5)
    with pytest.raises(InputError, match="several social models are published"):
        engine.recommend_from_friends("ann")
    engine.add_users([{"user_id": "late"}])
    engine.add_follows([{"user_id": "late", "followed_id": "cid"}])
    engine.add_items([{"item_id": "film-new"}])
    engine.add_interactions([{"user_id": "cid", "item_id": "film-new", "rating": 5.0}])
    late = engine.recommend_from_friends("late", model="graphrec")
    assert (late.method, set(late.ids)) == ("graphrec", {"film-2", "film-3"})
    assert "1 items of friends are newer than generation" in str(late.reason)


def test_a_hub_of_a_hundred_thousand_followers_is_capped(engine: Engine):
    engine.graph.auto_commit(
        "MATCH (hub:User {user_id: 'eve'}), (i:Item {item_id: 'film-7'}) "
        "CALL (hub, i) { UNWIND range(1, 100000) AS n WITH hub, i, n "
        "CREATE (f:User {user_id: 'fan-' + n})-[:FOLLOWS]->(hub) "
        "FOREACH (_ IN CASE WHEN n % 10 = 0 THEN [1] ELSE [] END | CREATE (f)-[:INTERACTED]->(i)) }"
    )
    hub = engine.recommend_from_friends("eve", friendship="followers", friends=50)
    assert (hub.friends, hub.of) == (50, 100_000)
    again = engine.recommend_from_friends("eve", friendship="followers", friends=50)
    assert told(again) == told(hub)
    live = LiveTimes(engine.graph, engine.settings.graph.mapping)
    drawn = live.friends(["eve"], [10**15], 50, engine.settings.seed, "followers")[0]
    assert {friend.user_id for item in hub for friend in item.friends} <= set(drawn)
    fan = engine.recommend_from_friends("fan-1")
    assert (fan.ids, fan.of) == (("film-5",), 1)


def test_a_hub_is_trained_on_by_a_cap_and_answered_from_all_its_friends_by_graphrec(engine: Engine):
    fans = [f"fan-{n}" for n in range(3_000)]
    speak = fans[:300]
    engine.add_users([{"user_id": fan} for fan in fans])
    engine.add_follows([{"user_id": fan, "followed_id": "eve"} for fan in fans])
    engine.add_interactions([{"user_id": fan, "item_id": "film-6", "rating": 5.0} for fan in speak])
    engine.build("graphrec", {"dim": 4, "epochs": 1, "friends": 5, "friendship": "followers"})
    why = engine.predict("eve", "film-7", explain=True)
    assert why.rests_on.endswith("of the user it reads ratings and friends")
    assert why.evidence is not None
    assert next(part.of for part in why.evidence.parts if part.role == "friends") == len(speak)
    hub = engine.recommend_from_friends("eve", friendship="followers", friends=500)
    assert (hub.method, hub.ids, hub.friends, hub.of) == ("graphrec", ("film-6",), 500, len(fans))
    (item,) = hub
    assert item.score == pytest.approx(engine.predict("eve", "film-6").rating, abs=1e-5)
    drawn = LiveTimes(engine.graph, engine.settings.graph.mapping)
    kept = drawn.friends(["eve"], [10**15], 500, engine.settings.seed, "followers")[0]
    assert {friend.user_id for friend in item.friends} == set(kept) & set(speak)
    assert engine.recommend("eve", 1).method == "graphrec"


def test_the_command_asks_the_same(engine: Engine, settings: Settings):
    done = cli(settings, "from-friends", "ann", "-k", "2", "--explain", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [item["item_id"] for item in told["items"]] == ["film-2", "film-3"]
    assert told["evidence"]["parts"][0]["nodes"][0] == {"kind": "user", "id": "bob", "title": None, "weight": 0.5}
