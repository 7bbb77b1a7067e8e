"""Recent neighbours and friends out of Neo4j are those of a snapshot of the same graph, and are found by an index."""

from __future__ import annotations

import neo4j
import numpy as np
import pytest

from engine.errors import InputError, UnknownNodeError
from engine.graph.connection import Graph
from engine.graph.migrate import migrate
from engine.graph.queries import load_queries, run
from engine.graph.snapshot_export import export_snapshot
from engine.graph.write import GraphWriter
from engine.models.friends import ties
from engine.sampling.friends import Friendship, directions, friend_lists, friends
from engine.sampling.live_times import LiveTimes
from engine.sampling.recent import by_time, recent
from engine.settings import GraphMapping, Settings

pytestmark = pytest.mark.graph
MAPPING = GraphMapping()
USERS, ITEMS = [f"user {n}" for n in range(12)], [f"item {n}" for n in range(9)]


def busy(graph: Graph) -> None:
    """Interactions and follows with equal times, out of order, repeated, and some without a time; follows of oneself and cycles."""
    migrate(graph, MAPPING)
    rng, writer = np.random.default_rng(4), GraphWriter(graph, MAPPING)
    writer.add_users([{"user_id": user} for user in USERS])
    writer.add_items([{"item_id": item} for item in ITEMS])
    edges = {(rng.integers(11), rng.integers(9), rng.integers(-1, 12)) for _ in range(150)}
    rows = [{"user_id": USERS[u], "item_id": ITEMS[i], **({"time": int(t)} if t >= 0 else {})} for u, i, t in edges]
    writer.add_interactions(rows)
    follows = {(rng.integers(11), rng.integers(11), rng.integers(-1, 12)) for _ in range(90)}
    weights = [None, None, 1.0, 2.5, 0.0, -1.0]
    writer.add_follows(
        [
            {
                "user_id": USERS[a],
                "followed_id": USERS[b],
                "weight": weights[rng.integers(6)],
                **({"time": int(t)} if t >= 0 else {}),
            }
            for a, b, t in follows
        ]
    )


def test_live_answers_equal_those_of_a_snapshot(graph: Graph, settings: Settings) -> None:
    busy(graph)
    snapshot, live = export_snapshot(graph, settings), LiveTimes(graph, MAPPING)
    done, follows = snapshot.relations.interactions, snapshot.relations.follows
    taken = by_time(done.forward, snapshot.items.order), by_time(done.backward, snapshot.users.order)
    for before in (0, 1, 5, 6, 12, 99):
        for most in (1, 3, 50):
            for names, nodes, others, lists, ask in (
                (USERS, snapshot.users, snapshot.items, taken[0], live.recent_items),
                (ITEMS, snapshot.items, snapshot.users, taken[1], live.recent_users),
            ):
                found = recent(lists, nodes.index_of(names), np.full(len(names), before), most)
                assert found.time is not None
                pairs = list(zip(others.ids.take(found.indices), found.time.tolist(), strict=True))
                expected = [pairs[a:b] for a, b in zip(found.indptr[:-1], found.indptr[1:], strict=True)]
                answers = ask(names, [before] * len(names), most)
                assert answers == expected
                assert all(time < before for answer in answers for _, time in answer)
            for friendship in ("following", "followers", "both"):
                rows = snapshot.users.index_of(USERS)
                near = friends(
                    friend_lists(follows, friendship), snapshot.users.key, rows, np.full(len(rows), before), most, 7
                )
                asked = live.friends(USERS, [before] * len(USERS), most, 7, friendship)
                assert asked == [snapshot.users.ids.take(near.row(at)) for at in range(len(rows))]


@pytest.mark.parametrize("friendship", ["following", "followers", "both"])
def test_the_ties_that_queries_tell_are_those_of_a_snapshot(
    graph: Graph, settings: Settings, friendship: Friendship
) -> None:
    busy(graph)
    snapshot, sides = export_snapshot(graph, settings), directions(friendship)
    follows, names = snapshot.relations.follows.forward, snapshot.users.ids
    for at, user in enumerate(names):
        near = ties(follows, friendship)[[at]]
        (row,) = run(graph, "serving/friends", mapping=MAPPING, id=user, before=99, **sides)
        assert dict(zip(row["friends"], row["ties"], strict=True)) == dict(
            zip(names.take(near.indices), near.data.tolist(), strict=True)
        )
        (row,) = run(graph, "serving/taken/interactions", mapping=MAPPING, id=user, before=99, **sides)
        told = set(zip(row["friends"], row["ties"], row["outward"], strict=True))
        read = [(side, ties(follows, side)[[at]]) for side, asked in sides.items() if asked]
        assert told == {
            (friend, tie, side == "following")
            for side, one in read
            for friend, tie in zip(names.take(one.indices), one.data.tolist(), strict=True)
        }


def test_each_question_has_a_time_of_its_own_and_an_unknown_id_is_told(graph: Graph) -> None:
    busy(graph)
    live = LiveTimes(graph, MAPPING)
    early, late = live.recent_items([USERS[0]] * 2, [3, 12], 50)
    assert early == [pair for pair in late if pair[1] < 3]
    assert live.friends([USERS[11]], [99], 5, 0) == [[]]  # follows nobody
    for ask in (live.recent_items, live.recent_users):
        with pytest.raises(UnknownNodeError, match="nobody"):
            ask(["nobody"], [5], 3)
        with pytest.raises(InputError, match="time"):
            ask(["a", "b"], [5], 3)
    with pytest.raises(InputError, match="at least 1"):
        live.friends([USERS[0]], [5], 0, 0)


def test_a_friend_who_is_deleted_is_nobodys_friend(graph: Graph) -> None:
    busy(graph)
    live = LiveTimes(graph, MAPPING)
    before = live.friends(USERS, [99] * 12, 50, 0)
    gone = before[0][0]
    graph.write("MATCH (u:User {user_id: $id}) DETACH DELETE u", {"id": gone})
    left = [user for user in USERS if user != gone]
    assert gone not in {friend for friends in live.friends(left, [99] * 11, 50, 0) for friend in friends}


@pytest.mark.parametrize("of_times", [False, True], ids=["as migrated", "beside an index of times"])
@pytest.mark.parametrize("name", ["recent_items", "recent_users", "friends"])
def test_the_edges_are_reached_from_the_index_of_ids(
    graph: Graph, settings: Settings, name: str, of_times: bool
) -> None:
    """An index of the edges' times, where a team has one, is not taken: it would lead to everybody's edges."""
    busy(graph)
    if of_times:
        for kind in ("INTERACTED", "FOLLOWS"):
            graph.auto_commit(f"CREATE INDEX FOR ()-[r:{kind}]-() ON (r.time)")
        graph.auto_commit("CALL db.awaitIndexes(120)")
    query = load_queries()[f"sample/{name}"]
    given = {"ids": ["a"], "before": [1], **({"most": 1} if name != "friends" else {})}
    auth = (settings.graph.user, settings.graph.password.get_secret_value())
    driver = neo4j.GraphDatabase.driver(str(settings.graph.uri), auth=auth)
    with driver, driver.session(database=settings.graph.database) as session:
        plan = session.run("EXPLAIN " + query.render(MAPPING), query.arguments(given)).consume().plan

    def kinds(step: dict) -> list[str]:
        return [
            step["operatorType"].split("@")[0],
            *(kind for child in step.get("children", ()) for kind in kinds(child)),
        ]

    found = kinds(plan)
    assert "NodeUniqueIndexSeek" in found
    assert "Expand(All)" in found
    assert not [kind for kind in found if kind.endswith("Scan") or "RelationshipIndex" in kind]
