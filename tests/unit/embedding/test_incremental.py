"""Following a change gives what embedding everything gives; what is left is never further off than its account says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from engine.embedding import incremental, last_layer, layerwise, messages
from engine.embedding.bounds import ACCOUNT, UNKNOWN, Certificate, chord
from engine.embedding.incremental import follow
from engine.embedding.kept import EXACT, Change, Followed, Kept, Limits
from engine.embedding.layerwise import embed_all
from engine.models.pinsage.config import PinSageConfig
from engine.models.pinsage.model import PinSage

DIM, WIDTH, ROUNDING = 6, 4, 2e-5


def pinsage(layers: int, seed: int, **config: Any) -> PinSage:
    torch.manual_seed(seed)
    sizes = {"content_only": True} if layers == 0 else {"layers": layers}
    return PinSage(PinSageConfig(dim=DIM, hidden=DIM + 1, **sizes, **config), vocabulary=1, dense=0, items=0).eval()


@dataclass
class World:
    """N nodes that change, and what is kept of them."""

    model: PinSage
    rng: np.random.Generator
    h0: torch.Tensor
    kept: Kept

    @staticmethod
    def of(model: PinSage, nodes: int, seed: int) -> World:
        rng = np.random.default_rng(seed)
        kept = Kept(
            idx=np.empty((0, WIDTH), np.int32),
            weight=np.empty((0, WIDTH), np.float32),
            hidden=[np.empty((0, DIM), np.float32) for _ in range(max(1, len(model.layers)))],
            vectors=np.empty((0, DIM), np.float32),
            accounts=np.empty((0, 3), np.float32),
        )
        world = World(model, rng, torch.empty(0, DIM), kept)
        world.change(new=nodes)
        return world

    def __len__(self) -> int:
        return len(self.h0)

    def change(
        self, new: int = 0, content: int = 0, around: int = 0, slight: float = 1.0, limits: Limits = EXACT
    ) -> Followed:
        """Add nodes, give some others another h0 and others another neighbourhood, and follow that."""
        old, nodes, kept = len(self), len(self) + new, self.kept

        def grow(array, fill=0):
            return np.concatenate([array, np.full((new, array.shape[1]), fill, array.dtype)])

        kept.idx, kept.weight = grow(kept.idx, -1), grow(kept.weight)
        kept.hidden, kept.vectors = [grow(array) for array in kept.hidden], grow(kept.vectors)
        kept.accounts = grow(kept.accounts, UNKNOWN)
        fresh = np.arange(old, nodes)
        moved = np.union1d(self.rng.choice(old, min(content, old), replace=False) if old else fresh, fresh).astype(
            np.int32
        )
        self.h0 = torch.cat([self.h0, torch.zeros(new, DIM)])
        step = torch.from_numpy(self.rng.normal(size=(len(moved), DIM)).astype(np.float32))
        step[moved < old] *= slight
        self.h0[moved] = F.normalize(self.h0[moved] + step, dim=1)
        walked = np.union1d(self.rng.choice(old, min(around, old), replace=False) if old else fresh, fresh).astype(
            np.int32
        )
        before = kept.around(walked)
        for row in walked:
            degree = int(self.rng.integers(0, WIDTH + 1))
            kept.idx[row], kept.weight[row] = -1, 0
            kept.idx[row, :degree] = self.rng.integers(0, nodes, degree)
            if degree:
                share = self.rng.integers(1, 9, degree).astype(np.float32)
                kept.weight[row, :degree] = share / share.sum()
        return follow(self.model, kept, Change(moved, lambda rows: self.h0[rows], walked, before), limits)

    def exact(self) -> np.ndarray:
        return embed_all(self.model, lambda block: self.h0[block], self.kept.around, len(self))

    def off(self) -> np.ndarray:
        """How far each embedding is from the exact one."""
        return np.linalg.norm(self.kept.vectors.astype(np.float64) - self.exact(), axis=1)


steps = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3), st.sampled_from([1.0, 0.1, 0.003])), max_size=5
)
models = st.builds(pinsage, st.integers(0, 3), st.integers(0, 99), residual=st.booleans())


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (incremental, last_layer, layerwise, messages):
        monkeypatch.setattr(module, "BLOCK", 5)


@settings(deadline=None, max_examples=25)
@given(models, st.integers(1, 25), st.integers(0, 99), steps)
def test_any_sequence_of_changes_gives_what_embedding_everything_gives(model, nodes, seed, history):
    world = World.of(model, nodes, seed)
    assert world.off().max() < ROUNDING
    for new, content, around, slight in history:
        told = world.change(new, content, around, slight)
        assert world.off().max() < ROUNDING
        assert told.certificate == Certificate()
        assert told.put_off == 0


@settings(deadline=None, max_examples=30)
@given(models, st.integers(1, 25), st.integers(0, 99), steps, st.sampled_from([0.01, 0.1, 0.5]))
def test_with_epsilon_no_node_is_further_off_than_its_account_and_no_account_passes_epsilon(
    model, nodes, seed, history, epsilon
):
    world = World.of(model, nodes, seed)
    for new, content, around, slight in history:
        told = world.change(new, content, around, slight, Limits(epsilon))
        account = world.kept.accounts[:, ACCOUNT]
        assert (world.off() <= account + ROUNDING).all()
        assert account.max() <= epsilon
        assert told.certificate.largest == account.max()
        assert told.certificate.skipped == np.count_nonzero(account)
        assert told.put_off == 0
    world.change()
    assert world.off().max() < ROUNDING, "an exact call makes up for all that was left"


@settings(deadline=None, max_examples=30)
@given(models, st.integers(1, 25), st.integers(0, 99), steps, st.sampled_from([0.0, 0.1]), st.integers(0, 6))
def test_what_is_put_off_is_accounted_for_and_made_up_for_first(model, nodes, seed, history, epsilon, most):
    world = World.of(model, nodes, seed)
    for new, content, around, slight in history:
        owed = np.flatnonzero(world.kept.accounts[:, ACCOUNT] > epsilon)
        told = world.change(new, content, around, slight, Limits(epsilon, max_nodes=most))
        account = world.kept.accounts[:, ACCOUNT]
        assert (world.off() <= account + ROUNDING).all()
        assert len(told.vectors) <= max(most, new)
        assert np.isfinite(account).all(), "new nodes are never put off"
        assert told.put_off == np.count_nonzero(account > epsilon)
        made_up = np.isin(owed, told.vectors)
        assert made_up.all() or len(np.setdiff1d(told.vectors, owed)) <= new
    told = world.change(limits=Limits(epsilon, max_nodes=max(1, most)))
    while told.put_off:
        told = world.change(limits=Limits(epsilon, max_nodes=len(told.vectors) + 3))
    assert (world.off() <= epsilon + ROUNDING).all()


def test_a_budget_that_is_used_up_ends_after_a_block_and_the_rest_comes_next():
    world = World.of(pinsage(2, 0), 40, 0)
    told = world.change(content=30, limits=Limits(budget_s=0.0))
    assert len(told.vectors) == 5
    assert told.put_off == told.reached - 5
    assert (world.off() <= world.kept.accounts[:, ACCOUNT] + ROUNDING).all()
    assert world.change(limits=Limits(budget_s=60.0)).put_off == 0
    assert world.off().max() < ROUNDING


def test_only_what_a_change_reaches_is_told_and_touched():
    world = World.of(pinsage(2, 1), 60, 3)
    before = [world.kept.vectors.copy(), *(array.copy() for array in world.kept.hidden)]
    told = world.change(content=1)
    for array, old, rows in zip(
        [world.kept.vectors, *world.kept.hidden], before, [told.vectors, *told.hidden], strict=True
    ):
        assert np.isin(np.flatnonzero((array != old).any(axis=1)), rows).all()
    assert len(told.hidden[0]) == 1
    assert len(told.vectors) < 60
    nothing = world.change()
    assert nothing.reached == len(nothing.vectors) == len(nothing.accounts) == 0


def test_a_slight_change_is_left_by_more_than_a_hair():
    """The bounds are of use: most of what a small step reaches stays."""
    world = World.of(pinsage(2, 2), 200, 5)
    told = world.change(content=20, slight=0.003, limits=Limits(0.05))
    assert 0 < len(told.vectors) < 0.5 * told.reached
    assert world.off().max() <= told.certificate.largest


@given(st.floats(0.01, 9), st.floats(0, 2), st.integers(0, 99))
def test_a_chord_bounds_how_far_directions_part(length, share, seed):
    rng = np.random.default_rng(seed)
    step, start = rng.normal(size=(2, 5))
    start *= length / np.linalg.norm(start)
    moved = start + step / np.linalg.norm(step) * share * length
    apart = np.linalg.norm(start / np.linalg.norm(start) - moved / max(np.linalg.norm(moved), 1e-12))
    bound = chord(np.array([share * length]), np.array([length]))[0]
    assert apart <= bound + 1e-9
    assert bound <= 2
