"""What models say that they attended to is what their answers were made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from engine.graph.snapshot_csr import relation
from engine.models.attention.lists import Lists
from engine.models.attention.node import Attention
from engine.models.attention.weighed import Attends, AttendsFurther, AttendsInTime, Weighed
from engine.models.dgsr.ranker import DgsrRanker
from engine.models.diffnet.scorer import DiffnetScorer
from engine.models.dropout import Dropout
from engine.models.graphrec.predictor import GraphrecPredictor
from engine.models.sasrec.ranker import SasrecRanker
from engine.models.sequences import History
from engine.models.user_item import UserItemData
from engine.types import FloatArray
from tests.unit.models.model_checks import ratings_of
from tests.unit.models.sequence_checks import dated, ring, rows

QUICK: dict[str, Any] = {"dim": 16, "length": 6, "dropout": 0.1, "batch_size": 64, "learning_rate": 0.02}
NOBODY = np.empty(0, np.int32)


def sums_to_one(weighed: Weighed) -> bool:
    size = np.diff(weighed.indptr)
    total = np.add.reduceat(np.append(weighed.weight, 0), weighed.indptr[:-1])[size > 0]
    return bool(np.allclose(total, 1, atol=1e-5) and (weighed.weight >= 0).all())


def rated() -> UserItemData:
    """20 users rate 12 items of two kinds, and follow those who agree; the last user follows and has rated nothing."""
    rng = np.random.default_rng(0)
    pairs = [(u, i, 5.0 if (u + i) % 2 == 0 else 1.0) for u in range(20) for i in range(12) if rng.random() < 0.6]
    data = ratings_of(pairs, 21, 12, levels=(1.0, 5.0))
    follows = [(u, v) for u in range(21) for v in range(20) if u != v and (u + v) % 2 == 0]
    source, target = (rows(data, *(pair[end] for pair in follows)) for end in (0, 1))
    return replace(data, follows=relation(21, 21, source, target).forward)


@pytest.fixture(scope="module")
def graphrec() -> tuple[GraphrecPredictor, UserItemData]:
    data = rated()
    method = GraphrecPredictor.from_settings(
        {"dim": 8, "epochs": 30, "batch_size": 16, "dropout": 0.0, "tastes": False}
    )
    method.fit(data)
    return method, data


@pytest.fixture(scope="module")
def sasrec() -> tuple[SasrecRanker, UserItemData]:
    data, method = ring(), SasrecRanker.from_settings({**QUICK, "epochs": 20, "heads": 2})
    method.fit(data)
    return method, data


@pytest.fixture(scope="module")
def dgsr() -> tuple[DgsrRanker, UserItemData]:
    data, method = ring(), DgsrRanker.from_settings({**QUICK, "users": 3, "epochs": 20})
    method.fit(data)
    return method, data


def test_the_largest_are_sums_over_lists_and_products_on_the_way() -> None:
    indptr = np.array([0, 2, 3])
    there = np.array([4, 5, 4], np.int32)
    first = Weighed("a", "items", 1, indptr, there, np.array([0.25, 0.75, 1], np.float32))
    assert [part.tolist() for part in first.largest(2)] == [[4, 5], [1.25, 0.75]]
    second = replace(first, hop=2, way=np.array([0.8, 0.2], np.float32))
    assert second.largest(1)[0].tolist() == [5]
    assert second.largest(9)[1] == pytest.approx([0.6, 0.4])
    share, even = first.profile(3)
    assert share == pytest.approx([0.75, 0.25, 0])  # the second list has no choice
    assert even == pytest.approx([0.5, 0.5, 0])


def test_graphrec_tells_what_it_weighed(graphrec: tuple[GraphrecPredictor, UserItemData]) -> None:
    method, data = graphrec
    assert isinstance(method, Attends)
    asked, item = rows(data, 0, 20, 3), data.items.index_of(["i4", "i5"])
    items, friends, raters = method.attention(asked, item)
    assert [part.role for part in (items, friends, raters)] == ["items", "friends", "raters"]
    assert all(sums_to_one(part) for part in (items, friends, raters))
    train = data.train
    for at, user in enumerate(asked):
        own = slice(items.indptr[at], items.indptr[at + 1])
        assert sorted(items.rows[own]) == sorted(train.item[train.user == user])
        near = slice(friends.indptr[at], friends.indptr[at + 1])
        assert data.follows is not None
        assert sorted(friends.rows[near]) == sorted(set(data.follows.row(int(user)).tolist()) - {int(user)})
    for at, one in enumerate(item):
        assert sorted(raters.rows[raters.indptr[at] : raters.indptr[at + 1]]) == sorted(train.user[train.item == one])
    assert len(method.attention(asked, NOBODY)) == 2


def test_what_is_told_are_the_weights_that_sums_are_made_with() -> None:
    torch.manual_seed(0)
    attention, own, table = Attention(3), torch.randn(3, 3), torch.randn(4, 3)
    lists = Lists(np.array([0, 2, 2, 5]), np.array([1, 3, 0, 3, 2]))
    weight, value = torch.from_numpy(attention.weights(own, table, lists)), table[lists.at]
    expected = torch.stack([(weight[a:b, None] * value[a:b]).sum(0) for a, b in ((0, 2), (2, 2), (2, 5))])
    assert torch.allclose(attention(own, table, lists), expected, atol=1e-6)


def test_a_friend_who_is_attended_to_most_moves_more_than_the_one_attended_to_least(
    graphrec: tuple[GraphrecPredictor, UserItemData],
) -> None:
    method, data = graphrec
    user = rows(data, 20)  # has nothing but friends
    (friends,) = (part for part in method.attention(user, NOBODY) if part.role == "friends")
    order, weight = friends.largest(99)
    assert weight[0] > weight[-1]
    users, items = np.repeat(user, 12), np.arange(12, dtype=np.int32)
    assert data.follows is not None
    source = np.repeat(np.arange(21), data.follows.degrees())
    moved = []
    for gone in (order[0], order[-1]):
        kept = ~((source == user[0]) & (data.follows.indices == gone))
        left = replace(data, follows=relation(21, 21, source[kept], data.follows.indices[kept]).forward)
        moved.append(np.abs(method.fold_in(left).predict(users, items) - method.predict(users, items)).mean())
    assert moved[0] > moved[1]


def test_sasrec_tells_what_its_last_place_attends_to(sasrec: tuple[SasrecRanker, UserItemData]) -> None:
    method, data = sasrec
    assert isinstance(method, Attends)
    asked = rows(data, 0, 3, 41)
    last, first = method.attention(asked, NOBODY)
    assert (last.part, first.part) == ("attention of block 2 to items", "attention of block 1 to items")
    assert np.diff(last.indptr).tolist() == [1, 5, 0]
    assert sums_to_one(last)
    assert sums_to_one(first)
    assert sorted(data.items.ids.take(last.rows[1:])) == sorted(f"i{(2 + step) % 8}" for step in range(5))
    model, sequence = method.trained.model, torch.tensor([[2, 5, 1, 4]])
    block, x = model.blocks[0], model.items[sequence] + model.positions[:4]
    with torch.no_grad():
        _, value = block.told(x).chunk(2, dim=-1)
        by_hand = (block.weights(x)[:, :, None] @ block._split(value)).transpose(1, 2).flatten(2)
        x = x[:, -1:] + block.joined(by_hand)
        inner = torch.relu(block.inner(block.before_layer(x)))
        expected = x + block.outer(inner)
        assert torch.allclose(
            block(model.items[sequence] + model.positions[:4], Dropout(0, None))[:, -1:], expected, atol=1e-5
        )


def test_dgsr_tells_what_its_last_layers_attended_to(dgsr: tuple[DgsrRanker, UserItemData]) -> None:
    method, data = dgsr
    assert isinstance(method, Attends)
    found = method.attention(rows(data, 0, 3, 41), NOBODY)
    assert [(part.part, part.hop) for part in found] == [
        ("long-term attention to items", 1),
        ("short-term attention to items", 1),
        ("long-term attention to users", 2),
        ("short-term attention to users", 2),
    ]
    assert all(sums_to_one(part) for part in found)
    items, _, takers, _ = found
    assert np.diff(items.indptr).tolist() == [1, 5, 0]
    assert len(takers.indptr) == 7
    assert takers.way is not None
    assert (takers.way == items.weight).all()
    assert takers.largest(99)[1].sum() == pytest.approx(2, abs=1e-4)  # of two users who have something


def test_diffnet_tells_what_its_last_layer_attended_to() -> None:
    data = rated()
    method = DiffnetScorer.from_settings({"dim": 8, "layers": 2, "epochs": 40, "loss": "bpr", "learning_rate": 0.03})
    method.fit(data)
    assert isinstance(method, Attends)
    asked = rows(data, 0, 20, 3)
    items, friends, raters = method.attention(asked, data.items.index_of(["i4"]))
    assert [part.role for part in (items, friends, raters)] == ["items", "friends", "raters"]
    assert all(sums_to_one(part) for part in (items, friends, raters))
    assert np.diff(items.indptr)[1] == 0
    assert sorted(raters.rows) == sorted(data.train.user[data.train.item == data.items.index_of(["i4"])[0]])
    own = slice(items.indptr[0], items.indptr[1])
    dim, before = 8, method._known.before
    table, mine = (
        torch.from_numpy(before[side][some, -dim:]) for side, some in (("items", items.rows[own]), ("users", asked[:1]))
    )
    with torch.no_grad():
        by: Any = method.trained.model.layers[-1].interest
        whole = by(mine, table, Lists(np.array([0, len(table)]), np.arange(len(table))))
        assert torch.allclose(whole[0], torch.from_numpy(items.weight[own]) @ table, atol=1e-5)


def gained(parts: list[Weighed], users: FloatArray, items: FloatArray) -> FloatArray:
    """What the told weights and shares make of the rows of tables, for each list: `[S, D]`."""
    total = np.zeros((len(parts[0].indptr) - 1, users.shape[1]), np.float32)
    for part in parts:
        owner = np.repeat(np.arange(len(total)), np.diff(part.indptr))
        weight = part.weight if part.share is None else part.weight * part.share[owner]
        np.add.at(total, owner, weight[:, None] * (items if part.role == "items" else users)[part.rows])
    return total


def test_diffnet_tells_the_layers_before_as_further_hops_and_what_interest_and_influence_take() -> None:
    data = rated()
    method = DiffnetScorer.from_settings(
        {"dim": 8, "layers": 3, "epochs": 5, "loss": "bpr", "normalisation": "mean", "learning_rate": 0.03}
    )
    method.fit(data)
    assert isinstance(method, AttendsFurther)
    asked, after = rows(data, 0), {"users": method._known.vectors.users, "items": method._known.vectors.items}
    hops = [method.attention(asked, NOBODY)]
    further = method.attention_further(asked)
    hops += [[part for part in further if part.hop == hop] for hop in (2, 3)]
    kinds = [("interest attention", "items"), ("influence attention", "friends"), ("adoption attention", "takers")]
    assert [[(part.part, part.role) for part in hop] for hop in hops] == [kinds[:2], kinds, kinds]
    assert all(sums_to_one(part) for hop in hops for part in hop)
    assert hops[0][0].portion() == pytest.approx(1 - (hops[0][1].portion() or 0))
    users, items = asked, NOBODY
    for number, hop in zip((2, 1, 0), hops, strict=True):
        before, then = (
            {side: its[:, 8 * at : 8 * at + 8] for side, its in after.items()} for at in (number, number + 1)
        )
        assert np.allclose(before["users"][users] + gained(hop[:2], **before), then["users"][users], atol=1e-5)
        if len(items):
            assert np.allclose(before["items"][items] + gained(hop[2:], **before), then["items"][items], atol=1e-5)
            assert sum(part.way.sum() for part in (hop[0], hop[2]) if part.way is not None) == pytest.approx(
                1, abs=1e-5
            )
        users = np.unique(np.concatenate([part.rows for part in hop if part.role != "items"]))
        items = np.unique(hop[0].rows)
    alone = DiffnetScorer.from_settings({"dim": 4, "layers": 1, "epochs": 1, "social": False})
    alone.fit(data)
    assert [part.portion() for part in alone.attention(asked, NOBODY)] == [None]
    assert alone.attention_further(asked) == []


def moved(method: AttendsInTime, whole: History, gone: int) -> float:
    """How far the scores move without one of the items."""
    less = method.score_next(whole.only(np.flatnonzero(whole.items != gone)))
    return float(np.abs(less - method.score_next(whole)).mean())


def rounds(data: UserItemData) -> Iterator[History]:
    """Five items after each other, from each of the eight on."""
    for start in range(8):
        items = data.items.index_of([f"i{(start + step) % 8}" for step in range(5)])
        yield History.of(items, np.arange(1000, 1005), 2000, data.items.order)


def test_what_sasrec_attends_to_most_moves_more_than_what_it_attends_to_least(
    sasrec: tuple[SasrecRanker, UserItemData],
) -> None:
    method, data = sasrec
    more = 0
    for whole in rounds(data):
        (most, *_, least), weight = method.attention_next(whole)[0].largest(99)
        assert weight.sum() == pytest.approx(1, abs=1e-5)
        more += moved(method, whole, most) > moved(method, whole, least)
    assert more >= 6


def test_the_newest_item_which_dgsr_also_reads_beside_what_it_attends_to_moves_most(
    dgsr: tuple[DgsrRanker, UserItemData],
) -> None:
    method, data = dgsr
    most = 0
    for whole in rounds(data):
        assert method.attention_next(whole)[0].weight.sum() == pytest.approx(1, abs=1e-5)
        *before, newest = (moved(method, whole, item) for item in whole.items)
        most += newest > max(before)
    assert most >= 6


def test_nothing_is_attended_to_after_the_time_asked_about(dgsr: tuple[DgsrRanker, UserItemData]) -> None:
    method, _ = dgsr
    histories = [[((u + s) % 8, 10 * u + s) for s in range(5)] for u in range(40)]
    data = dated([[(3, 5)], *histories, []], 8)
    items = data.items.index_of(["i0", "i1"])
    asked = History.of(items, np.array([1, 2]), 30, data.items.order)
    taken = method.fold_in(data).attention_next(asked)
    early = {int(user) for user, time in zip(data.train.user, data.train.time, strict=True) if time < 30}  # type: ignore[arg-type]
    assert {int(row) for part in taken if part.role == "takers" for row in part.rows} <= early
