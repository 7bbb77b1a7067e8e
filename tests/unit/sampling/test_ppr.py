"""Hard negatives by personalised-PageRank rank."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError, UnknownNodeError
from engine.graph.snapshot_csr import relation
from engine.hashing import keys64
from engine.sampling.config import WalkConfig
from engine.sampling.ppr import ppr_candidates
from engine.sampling.walks import neighbourhoods
from engine.types import ItemContextGraph

CONFIG = WalkConfig(num_walks=500, walk_length=4, top_t=400)


def graph() -> ItemContextGraph:
    rng = np.random.default_rng(0)
    saves = relation(60, 400, rng.integers(0, 60, 2_500), (rng.random(2_500) ** 2 * 399).astype(int))
    alone = relation(60, 401, np.repeat(np.arange(60), saves.forward.degrees()), saves.forward.indices)
    return ItemContextGraph(
        alone.backward, alone.forward, keys64([f"i{n}" for n in range(401)]), keys64([f"c{n}" for n in range(60)])
    )


def test_candidates_have_the_ranks_asked_for() -> None:
    world = graph()
    seeds = np.flatnonzero(world.item_to_context.degrees())[:50]
    ranked = neighbourhoods(world, seeds, CONFIG)
    drawn = ppr_candidates(world, seeds, 40, 80, 10, CONFIG, seed=1)
    for row in range(50):
        assert len(set(drawn[row])) == 10
        assert set(drawn[row]) <= set(ranked.idx[row, 40:80])


def test_every_rank_of_the_range_is_drawn() -> None:
    world = graph()
    ranked = neighbourhoods(world, np.array([0]), CONFIG)
    drawn = np.concatenate([ppr_candidates(world, np.array([0]), 10, 30, 5, CONFIG, seed=s)[0] for s in range(100)])
    assert set(drawn) == set(ranked.idx[0, 10:30])
    assert np.bincount(drawn).max() < 60  # 25 expected


def test_a_row_depends_on_its_seed_alone() -> None:
    world = graph()
    seeds = np.flatnonzero(world.item_to_context.degrees())[:100]
    everything = ppr_candidates(world, seeds, 20, 60, 6, CONFIG, seed=3)
    some = ppr_candidates(world, seeds[::-7], 20, 60, 6, CONFIG, seed=3, threads=1)
    assert np.array_equal(some, everything[::-7])
    assert not np.array_equal(everything, ppr_candidates(world, seeds, 20, 60, 6, CONFIG, seed=4))


def test_where_too_few_are_reached_the_range_shrinks_in_proportion() -> None:
    names = [f"i{n}" for n in range(11)]
    saves = relation(1, 11, np.zeros(11, int), np.arange(11))
    world = ItemContextGraph(saves.backward, saves.forward, keys64(names), keys64(["c"]))
    ranked = neighbourhoods(world, np.array([0]), CONFIG).idx[0]
    drawn = ppr_candidates(world, np.array([0]), 2_000, 5_000, 8, CONFIG, seed=0)[0]
    assert set(drawn) == set(ranked[4:10])  # of 10 reached the last six, some of them twice


def test_a_seed_that_reaches_nothing_has_no_candidates() -> None:
    assert (ppr_candidates(graph(), np.array([400]), 1, 5, 3, CONFIG, seed=0) == -1).all()


@pytest.mark.parametrize(("low", "high", "count"), [(5, 5, 1), (-1, 5, 1), (0, 5, 0)])
def test_an_empty_range_is_refused(low: int, high: int, count: int) -> None:
    with pytest.raises(InputError, match="the range must hold a rank"):
        ppr_candidates(graph(), np.array([0]), low, high, count, CONFIG, seed=0)


def test_an_unknown_seed_is_refused() -> None:
    with pytest.raises(UnknownNodeError):
        ppr_candidates(graph(), np.array([401]), 0, 5, 1, CONFIG, seed=0)
