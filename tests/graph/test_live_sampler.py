"""The live sampler against the compiled kernel over an export of the same graph, on the real server."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from graph_worlds import World, item_rows, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import InputError, UnknownNameError, UnknownNodeError
from engine.graph.connection import Graph
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_export import export_snapshot
from engine.hashing import keys64
from engine.sampling import live_lists
from engine.sampling.config import WalkConfig
from engine.sampling.live import LiveNeighbourhoods, LiveSampler
from engine.sampling.walks import neighbourhoods, neighbourhoods_of_new
from engine.settings import GraphMapping, Settings
from engine.types import Neighbourhoods

pytestmark = pytest.mark.graph
MAPPING = GraphMapping()


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Random graphs with parallel edges, isolated nodes, a super-node and mixed revs."""
    items = [f"item {n} é'" for n in range(draw(st.integers(1, 25)))]
    contexts = [f'context "{n}"' for n in range(draw(st.integers(1, 8)))]
    edge = st.tuples(st.sampled_from(contexts), st.sampled_from(items), st.integers(0, 4), st.none())
    saves = draw(st.lists(edge, max_size=120))
    if draw(st.booleans()):
        saves += [(contexts[0], item, 2, None) for item in items] * 3
        saves += [(context, items[0], 3, None) for context in contexts] * 2
    return World(item_rows(items), contexts, saves=saves, rev=draw(st.one_of(st.none(), st.integers(5, 9))))


def as_live(snapshot: Snapshot, found: Neighbourhoods) -> LiveNeighbourhoods:
    ids = snapshot.items.ids[:]
    return LiveNeighbourhoods([[ids[i] for i in row if i >= 0] for row in found.idx.tolist()], found.weight)


def assert_equal(live: LiveNeighbourhoods, compiled: LiveNeighbourhoods) -> None:
    assert live.ids == compiled.ids
    assert live.weight.tobytes() == compiled.weight.tobytes()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    world=worlds(),
    config=st.builds(
        WalkConfig,
        num_walks=st.sampled_from([1, 7, 60]),
        walk_length=st.integers(1, 4),
        restart=st.sampled_from([0.0, 0.3]),
        top_t=st.sampled_from([1, 5, 40]),
        seed=st.integers(0, (1 << 64) - 1),
    ),
)
def test_live_neighbourhoods_equal_the_snapshots_bit_for_bit(
    graph: Graph, neo4j_settings: Settings, tmp_path: Path, world: World, config: WalkConfig
) -> None:
    write(graph, world)
    home = Path(tempfile.mkdtemp(dir=tmp_path))  # worlds share watermarks, so each needs a home of its own
    snapshot = export_snapshot(graph, neo4j_settings.model_copy(update={"home": home}))
    ids = snapshot.items.ids[:]
    sampler = LiveSampler(graph, MAPPING, config, relation="saves", capacity=50)
    if not world.saves:
        assert sampler.neighbourhoods(ids).ids == [[] for _ in ids]
        return
    walked = snapshot.walk_graph("saves")
    expected = as_live(snapshot, neighbourhoods(walked, np.arange(len(ids)), config))
    assert_equal(sampler.neighbourhoods(ids), expected)
    assert_equal(sampler.neighbourhoods(ids), expected)  # from what was kept
    held = list(world.contexts)[: 1 + len(world.saves) % 3]
    rows = [snapshot.contexts.index_of(held), np.empty(0, np.int32)]
    expected_new = neighbourhoods_of_new(walked, rows, keys64(["new", "lonely"]), config)
    assert_equal(sampler.neighbourhoods_of_new(["new", "lonely"], [held, []]), as_live(snapshot, expected_new))


def small() -> World:
    items, contexts = [f"i{n}" for n in range(30)], ["a", "b", "c"]
    saves = [(contexts[n % 3], items[n], 1 + n % 2, None) for n in range(30)]
    saves += [("a", "i1", 3, None), ("b", "i0", 3, None)]
    return World(
        item_rows(items), contexts, ["u"], saves=saves, interactions=[("u", "i1", 4.0), ("u", "i2", None)], rev=3
    )


def test_a_repeated_question_costs_one_round_trip(graph: Graph) -> None:
    write(graph, small())
    sampler = LiveSampler(graph, MAPPING, WalkConfig())
    sampler.neighbourhoods(["i0", "i5"])
    before = sampler.round_trips
    sampler.neighbourhoods(["i5", "i0", "i0"])
    assert sampler.round_trips == before + 1


def test_a_hop_costs_one_round_trip(graph: Graph) -> None:
    write(graph, small())
    config = WalkConfig(walk_length=2)
    sampler = LiveSampler(graph, MAPPING, config)
    sampler.neighbourhoods([f"i{n}" for n in range(30)])
    assert sampler.round_trips <= 1 + 2 * config.walk_length


def test_a_large_hop_is_shared_out_and_gives_the_same(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    write(graph, small())
    asked = [f"i{n}" for n in range(30)]
    expected = LiveSampler(graph, MAPPING, WalkConfig()).neighbourhoods(asked)
    monkeypatch.setattr(live_lists, "NODES_A_PART", 4)
    for known in (0, 2, 1_000):  # how many nodes the server may be told not to name again
        monkeypatch.setattr(live_lists, "KNOWN_SENT", known)
        for capacity in (20, 1_000):
            sampler = LiveSampler(graph, MAPPING, WalkConfig(), capacity=capacity)
            assert_equal(sampler.neighbourhoods(asked[:7]), LiveNeighbourhoods(expected.ids[:7], expected.weight[:7]))
            assert_equal(sampler.neighbourhoods(asked), expected)


def test_a_commit_is_seen_by_the_next_call(graph: Graph, settings: Settings) -> None:
    write(graph, small())
    sampler = LiveSampler(graph, MAPPING, WalkConfig())
    before = sampler.neighbourhoods(["i0"])
    graph.write(
        "MATCH (e:_EngineState) SET e.rev = e.rev + 1 WITH e.rev AS rev CREATE (i:Item {item_id: 'fresh'}) "
        "WITH i, rev MATCH (c:Context) CREATE (c)-[:SAVED {rev: rev}]->(i)"
    )
    after = sampler.neighbourhoods(["i0"])
    assert "fresh" not in before.ids[0]
    assert "fresh" in after.ids[0]
    snapshot = export_snapshot(graph, settings)
    expected = neighbourhoods(snapshot.walk_graph(), snapshot.items.index_of(["i0"]), WalkConfig())
    assert_equal(after, as_live(snapshot, expected))


def test_a_writer_that_never_rests_is_made_to_wait(graph: Graph) -> None:
    write(graph, small())
    sampler = LiveSampler(graph, MAPPING, WalkConfig())
    expected = sampler.neighbourhoods(["i0"])
    fetch, busy = sampler._lists._ask, [True]

    def ask_and_commit(name: str, params: dict[str, object]) -> list[dict[str, object]]:
        if busy[0]:  # a commit after every question of the first tries
            graph.write("MATCH (e:_EngineState) SET e.rev = e.rev + 1")
        return fetch(name, params)

    hold = sampler._graph.write_transaction

    def quiet(work: object) -> object:
        busy[0] = False  # from here on a writer would wait for the lock
        return hold(work)  # type: ignore[arg-type]

    sampler._lists._ask = ask_and_commit  # type: ignore[method-assign]
    sampler._lists.forget()
    graph.write_transaction = quiet  # type: ignore[method-assign, assignment]
    assert_equal(sampler.neighbourhoods(["i0"]), expected)
    assert not busy[0]


def test_users_are_contexts_where_there_are_no_saves(graph: Graph) -> None:
    world = small()
    write(graph, World(world.items, users=["u"], interactions=world.interactions, rev=1))
    found = LiveSampler(graph, MAPPING, WalkConfig()).neighbourhoods(["i1", "i3"])
    assert found.ids == [["i2"], []]


def test_it_survives_pickling(graph: Graph) -> None:
    write(graph, small())
    sampler = LiveSampler(graph, MAPPING, WalkConfig())
    expected = sampler.neighbourhoods(["i4"])
    copy = pickle.loads(pickle.dumps(sampler))
    assert_equal(copy.neighbourhoods(["i4"]), expected)
    copy.close()


def test_unknown_nodes_and_relations_are_refused(graph: Graph) -> None:
    write(graph, small())
    sampler = LiveSampler(graph, MAPPING, WalkConfig())
    with pytest.raises(UnknownNodeError, match="no item with the id 'nobody'"):
        sampler.neighbourhoods(["i0", "nobody"])
    with pytest.raises(UnknownNodeError, match="no context with the id 'nowhere'"):
        sampler.neighbourhoods_of_new(["x"], [["a", "nowhere"]])
    with pytest.raises(InputError, match="2 new items and 1 lists"):
        sampler.neighbourhoods_of_new(["x", "y"], [["a"]])
    with pytest.raises(UnknownNameError, match="'likes'"):
        LiveSampler(graph, MAPPING, WalkConfig(), relation="likes")  # type: ignore[arg-type]
