"""What was forgotten after a view's watermark is in none of its answers, by whatever way they are found."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from serving_world import World, make_world, publish

from engine.errors import UnknownNodeError
from engine.registry import Receipt, ReceiptState, Registry
from engine.registry.receipts import subject_of
from engine.serving.clusters import user_clusters
from engine.serving.forgotten import NOTHING
from engine.serving.fresh import FreshItem, NewItem
from engine.serving.home import home_feed
from engine.serving.live import Live
from engine.serving.methods import methods_of
from engine.serving.recommend import Recommender
from engine.settings import GraphMapping

SALT = "5a" * 16


def receipt(number: int, kind: str, node_id: str, rev: int | None = 9) -> Receipt:
    now = datetime.now(UTC)
    return Receipt(number, kind, subject_of(SALT, node_id), ReceiptState.OPEN, rev, {}, None, now, None)


def test_a_forgotten_item_is_neither_answered_nor_asked_for(recommender: Recommender) -> None:
    gone = recommender.related("jazz-1", 5).ids[0]
    recommender.hide([receipt(1, "item", gone), receipt(2, "item", "no such item")])
    for method in recommender.methods:
        answer = recommender.related("jazz-1", 50, method=method)
        assert gone not in answer.ids
    with pytest.raises(UnknownNodeError, match="no item"):
        recommender.related(gone)
    with pytest.raises(UnknownNodeError, match="no item"):
        recommender.related({gone: 1.0, "jazz-1": 2.0})
    recommender.hide([])
    assert gone in recommender.related("jazz-1", 5).ids


def test_a_forgotten_items_are_in_no_feed_interest_path_or_cluster(recommender: Recommender) -> None:
    feed = home_feed(recommender, "both", 5)
    medoid, item = feed.interests[0].medoid, feed.ids[0]
    clusters = user_clusters(recommender.view, 3)
    typical = clusters.clusters[0].top_items[0].item_id
    recommender.hide([receipt(n, "item", one) for n, one in enumerate({medoid, item, typical})])
    again = home_feed(recommender, "both", 50)
    assert not {medoid, item} & {*again.ids, *(one.medoid for one in again.interests)}
    found = user_clusters(recommender.view, 3, forgotten=recommender.forgotten)
    assert typical not in {one.item_id for cluster in found.clusters for one in cluster.top_items}


def test_a_forgotten_user_is_unknown_and_in_no_cluster(recommender: Recommender) -> None:
    before = user_clusters(recommender.view, 3)
    user = before.clusters[0].users[0]
    recommender.hide([receipt(1, "user", user)])
    with pytest.raises(UnknownNodeError, match="forgotten"):
        home_feed(recommender, user)
    with pytest.raises(UnknownNodeError, match="forgotten"):
        recommender.related("jazz-1", user=user)
    found = user_clusters(recommender.view, 3, forgotten=recommender.forgotten)
    assert user not in {one for cluster in found.clusters for one in cluster.users}
    assert sum(one.size for one in found.clusters) == sum(one.size for one in before.clusters) - 1
    assert found.left_out == before.left_out


def test_no_reason_leads_over_what_was_forgotten(recommender: Recommender) -> None:
    def paths() -> list[tuple[tuple[str, str], ...]]:
        answer = recommender.related("jazz-1", 50, method="walks", explain=True)
        return [
            tuple((node.kind, node.id) for node in path)
            for item in answer.items
            if item.explanation is not None
            for path in item.explanation.paths
        ]

    told = paths()
    boards = {node[1] for path in told for node in path if node[0] == "context"}
    between = {path[2][1] for path in told if len(path) == 5}
    hidden = {("context", board) for board in sorted(boards)[:3]} | {("item", item) for item in sorted(between)[:3]}
    recommender.hide([receipt(n, *one) for n, one in enumerate(sorted(hidden))])
    after = paths()
    assert after
    assert not hidden & {node for path in after for node in path}


def test_a_new_item_that_was_forgotten_goes_too(recommender: Recommender) -> None:
    vector = np.ones(16, np.float32) / 4
    for name in ("kept", "gone"):
        recommender.fresh.put(FreshItem(NewItem(name, "organic"), vector, np.empty(0, np.int32), None))
    recommender.hide([receipt(1, "item", "gone")])
    assert [one.item.item_id for one in recommender.fresh] == ["kept"]


def test_a_receipt_is_looked_up_once(recommender: Recommender) -> None:
    receipts = [receipt(1, "item", "jazz-1")]
    first = NOTHING.followed_by(recommender.view, receipts)
    assert first.followed_by(recommender.view, [replace(receipts[0], rev=12)]) is first
    second = first.followed_by(recommender.view, [*receipts, receipt(2, "context", "board-jazz-1")])
    assert (second.items, len(second.contexts)) == (first.items, 1)
    assert second.followed_by(recommender.view, []).items == frozenset()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    yield tmp_path / "home"
    shutil.rmtree(tmp_path / "home", ignore_errors=True)


def test_a_running_client_follows_the_receipts_until_a_generation_is_past_them(home: Path) -> None:
    world: World = make_world()
    home.mkdir()
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
    publish(registry, home, world)
    live = Live(registry, lambda view: Recommender(view, GraphMapping(), methods_of(view, 0)))
    gone = live.recommender().related("jazz-1", 5).ids[0]
    opened = registry.receipts.open("item", subject_of(SALT, gone))
    live.look_again()
    assert gone not in live.recommender().related("jazz-1", 50).ids
    watermark = live.recommender().view.origin.watermark
    registry.receipts.note(opened.number, "graph", {}, rev=watermark)
    live.look_again()
    assert gone in live.recommender().related("jazz-1", 50).ids, "what is true at its rev already lacks it"
    registry.receipts.note(opened.number, "graph", {}, rev=watermark + 1)
    live.look_again()
    assert gone not in live.recommender().related("jazz-1", 50).ids
    registry.close()
