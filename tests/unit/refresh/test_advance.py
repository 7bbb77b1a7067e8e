"""Advancing a generation's state by changes gives what embedding the changed graph from nothing gives."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from changing_world import ChangingWorld
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.arrays import open_array, patch_from, write_base
from engine.embedding.bounds import ACCOUNT
from engine.embedding.kept import EXACT, Kept, Limits
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_apply import Applied
from engine.models.pinsage.embed import embed_items
from engine.refresh import advance as advancing
from engine.refresh.advance import Network, advance, begin
from engine.refresh.content import content_of
from engine.refresh.plan import Plan
from engine.refresh.state import State
from engine.serving import layout

ROUNDING = 2e-5


class Lineage:
    """Generations one after the other, as far as a refresh looks at them."""

    def __init__(self, world: ChangingWorld, network: Network) -> None:
        self.world, self.network, self.number = world, network, 0
        work = world.home / "work"
        work.mkdir()
        begun = begin(world.snapshot, network, work)
        (self.folder / layout.STATE).mkdir(parents=True)
        write_base(self.folder, layout.VECTORS, begun.vectors)
        begun.write(self.folder / layout.STATE)
        shutil.rmtree(work)

    @property
    def folder(self) -> Path:
        return self.world.home / f"g{self.number}"

    def advance(self, limits: Limits = EXACT, **changes: int):
        old, applied, parent = self.world.snapshot, self.world.step(**changes), self.folder
        check_lists(old, applied)
        state = State.open(parent)
        assert state is not None
        told = advance(state, applied, self.network, limits)
        self.number += 1
        (self.folder / layout.STATE).mkdir(parents=True)
        patch_from(parent, layout.VECTORS, self.folder, len(applied.snapshot.items), told.rows, told.vectors)
        told.write(self.folder / layout.STATE)
        return told

    def kept(self) -> Kept:
        state = State.open(self.folder)
        assert state is not None
        return state.kept(state.rows)

    def check(self) -> np.ndarray:
        """Compare with everything computed from nothing; how far each embedding is off."""
        snapshot, kept = self.world.snapshot, self.kept()
        alive = snapshot.items.alive
        exact = exactly(snapshot, self.network)
        work = Path(tempfile.mkdtemp(dir=self.world.home))
        begun = begin(snapshot, self.network, work)
        np.testing.assert_allclose(begun.vectors, exact, atol=ROUNDING)
        for name in ("idx", "weight", *(["footprints"] if not self.network.model.config.content_only else [])):
            held = open_array(self.folder / layout.STATE, name)
            np.testing.assert_array_equal(held[alive], open_array(work, name)[alive], err_msg=name)
        return np.linalg.norm(kept.vectors.astype(np.float64) - exact, axis=1)[alive]


def check_lists(old: Snapshot, applied: Applied) -> None:
    """Compare what is told of the lists of saves with the lists."""
    told, now = applied.edges["saves"], applied.snapshot.relations.saves
    for lists, before, after in (
        (told.forward, old.relations.saves.forward, now.forward),
        (told.backward, old.relations.saves.backward, now.backward),
    ):
        was = [before.row(row).tolist() if row < before.num_rows else [] for row in range(after.num_rows)]
        told_of = zip(*(getattr(lists, name).tolist() for name in ("rows", "before", "now", "same")), strict=True)
        for row, length, new_length, same in told_of:
            assert (length, new_length) == (len(was[row]), len(after.row(row)))
            assert was[row][:same] == after.row(row)[:same].tolist()
        others = {row for row in range(after.num_rows) if was[row] != after.row(row).tolist()}
        assert others <= set(lists.rows.tolist())


def exactly(snapshot: Snapshot, network: Network) -> np.ndarray:
    graph = snapshot.walk_graph()
    return embed_items(network.model, content_of(network.encoder, snapshot, graph, None), graph, threads=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


steps = st.fixed_dictionaries(
    {
        name: st.integers(0, most)
        for name, most in {"saves": 3, "unsaves": 2, "new": 2, "lost": 2, "edits": 2, "titles": 1}.items()
    }
)
networks = st.sampled_from(
    [{}, {"layers": 1}, {"layers": 3}, {"content_only": True}, {"pooling": "mean", "residual": False}]
)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 99), networks, st.lists(steps, min_size=1, max_size=4))
def test_any_sequence_of_changes_gives_what_embedding_from_nothing_gives(seed, network, history):
    with tempfile.TemporaryDirectory() as home:
        world = ChangingWorld(Path(home), seed)
        lineage = Lineage(world, world.network(**network))
        assert lineage.check().max() < ROUNDING
        for changes in history:
            told = lineage.advance(**changes)
            assert lineage.check().max() < ROUNDING
            assert told.certificate.skipped == told.counts["put_off"] == 0


@settings(deadline=None, max_examples=8)
@given(
    st.integers(0, 99),
    st.lists(steps, min_size=1, max_size=4),
    st.sampled_from([0.0, 0.05, 0.3]),
    st.sampled_from([None, 0, 5]),
)
def test_what_is_left_is_within_its_account_in_the_state(seed, history, epsilon, most):
    with tempfile.TemporaryDirectory() as home:
        world = ChangingWorld(Path(home), seed)
        lineage = Lineage(world, world.network())
        for changes in history:
            told = lineage.advance(Limits(epsilon, max_nodes=most), **changes)
            account = lineage.kept().accounts[world.snapshot.items.alive, ACCOUNT]
            assert (lineage.check() <= account + ROUNDING).all()
            assert told.certificate.largest == account.max()
        lineage.advance()
        assert lineage.check().max() < ROUNDING


@pytest.mark.parametrize("way", ["look up", "walk from everywhere"])
def test_both_ways_of_the_planner_give_the_same(home, way, monkeypatch):
    def forced(walk, look_up, footprints, nodes, new, config):
        return Plan(way, nodes, len(footprints))

    monkeypatch.setattr(advancing, "choose", forced)
    world = ChangingWorld(home, 5, items=60, contexts=30, saves=120)
    lineage = Lineage(world, world.network())
    told = lineage.advance(saves=2, unsaves=1, new=2, lost=1)
    assert lineage.check().max() < ROUNDING
    alive = world.snapshot.items.num_alive
    assert told.counts["walked"] == alive if way == "walk from everywhere" else told.counts["walked"] < alive


def test_nothing_to_do_walks_nowhere_and_shares_every_array(home):
    world = ChangingWorld(home, 5)
    lineage = Lineage(world, world.network())
    told = lineage.advance()
    assert told.plan.way == "no walks"
    assert len(told.rows) == told.counts["walked"] == told.counts["reached"] == 0
    bases = list((lineage.folder / layout.STATE).glob("*.base"))
    assert len(bases) == 6
    assert all(base.samefile(home / "g0" / layout.STATE / base.name) for base in bases)
    assert not list((lineage.folder / layout.STATE).glob("*.values.npy"))


def test_the_plan_says_what_it_measured(home):
    world = ChangingWorld(home, 5)
    plan = Lineage(world, world.network()).advance(saves=1).plan
    assert "footprints" in str(plan)
    assert plan.to_json()["why"] == str(plan)
    assert plan.everywhere_s > 0
