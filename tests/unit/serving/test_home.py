"""Home feeds and interests: every interest has its place, what is known already has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError, UnknownNameError, UnknownNodeError
from engine.serving.clusters import user_clusters
from engine.serving.home import home_feed
from engine.serving.interests import find_interests, quotas

DAY_MS = 86_400_000


def axis_vectors(*axes: int, noise: float = 0.05) -> np.ndarray:
    raw = np.random.default_rng(0).normal(0, noise, (len(axes), 8)).astype(np.float32)
    raw[np.arange(len(axes)), list(axes)] += 1
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def test_interests_are_the_clusters_with_their_medoids():
    vectors = axis_vectors(0, 0, 0, 1, 1, 2)
    found = find_interests(vectors, None)
    assert [sorted(one.members.tolist()) for one in found] == [[0, 1, 2], [3, 4], [5]]
    np.testing.assert_allclose([one.importance for one in found], [1 / 2, 1 / 3, 1 / 6])
    for one in found:
        distances = ((vectors[one.members][:, None] - vectors[one.members][None]) ** 2).sum(axis=(1, 2))
        np.testing.assert_allclose(distances[one.members == one.medoid], distances.min(), rtol=1e-5)


def test_recent_actions_outweigh_older_ones():
    now = 1_800_000_000_000
    times = np.array([now - 400 * DAY_MS] * 3 + [now] * 2)
    found = find_interests(axis_vectors(0, 0, 0, 1, 1), times)
    assert sorted(found[0].members.tolist()) == [3, 4]
    old, new = 3 * np.exp(-4.0), 2.0
    np.testing.assert_allclose(found[0].importance, new / (old + new), rtol=1e-6)


def test_times_that_are_missing_or_ages_old_leave_interests_all_the_same():
    vectors = axis_vectors(0, 1)
    assert [one.importance for one in find_interests(vectors, np.array([-1, -1]))] == [0.5, 0.5]
    ancient = find_interests(vectors, np.array([0, 0]), now_ms=9_000_000_000_000)
    assert [one.importance for one in ancient] == [0.5, 0.5]


def test_no_items_give_no_interests_and_one_item_gives_one():
    assert find_interests(np.empty((0, 8), np.float32), None) == []
    assert [one.medoid for one in find_interests(axis_vectors(3), None)] == [0]


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=8), st.integers(1, 60))
def test_places_are_shared_out_whole_and_nobody_is_forgotten(importances, k):
    places = quotas(importances, k)
    assert sum(places) == k
    assert min(places) >= (1 if k >= len(importances) else 0)


def test_a_feed_holds_every_interest_and_nothing_the_user_knows(recommender):
    feed = home_feed(recommender, "both", 8)
    assert {interest.medoid.split("-")[0] for interest in feed.interests} == {"jazz", "rock"}
    assert sum(interest.importance for interest in feed.interests) == pytest.approx(1)
    by_topic = {topic: [i for i in feed.ids if i.startswith(topic)] for topic in ("jazz", "rock")}
    assert (len(by_topic["jazz"]), len(by_topic["rock"])) == (6, 2)
    assert not {f"jazz-{n}" for n in range(9)} & set(feed.ids)
    assert all(item.interest.split("-")[0] == item.item_id.split("-")[0] for item in feed)
    assert list(feed.ids) == [i.item_id for i in sorted(feed, key=lambda one: -one.score)]


def test_a_feed_follows_what_the_users_boards_hold(recommender):
    feed = home_feed(recommender, "user-folk-3", 10)
    assert {i.split("-")[0] for i in feed.ids} == {"folk"}
    view = recommender.view
    owned = view.snapshot.relations.owns.forward.row(view.user_row("user-folk-3"))
    assert len(owned)
    saved = {view.items.ids[row] for board in owned for row in view.snapshot.relations.saves.forward.row(int(board))}
    assert saved
    assert not saved & set(feed.ids)


def test_a_user_without_items_gets_what_is_popular_and_is_told_so(recommender):
    feed = home_feed(recommender, "nobody", 5)
    assert (len(feed), feed.method) == (5, "popularity")
    assert "took up nothing yet" in feed.reason


def test_a_feed_takes_filters_corpora_exclusions_and_diversity(recommender):
    assert all(int(i.split("-")[1]) < 20 for i in home_feed(recommender, "both", 6, where={"year": {"<": 1970}}).ids)
    assert {i.corpus for i in home_feed(recommender, "both", 6, corpus="ads")} == {"ads"}
    first = home_feed(recommender, "both", 6)
    assert not set(first.ids[:3]) & set(home_feed(recommender, "both", 6, exclude=first.ids[:3]).ids)
    assert len(home_feed(recommender, "both", 6, diversity=0.5)) == 6


def test_a_feed_with_too_few_items_says_why(recommender):
    feed = home_feed(recommender, "both", 50, corpus="ads")
    assert len(feed) == 12
    assert "holds 12 items" in feed.reason


def test_a_wrong_question_for_a_feed_is_one_clear_error(recommender):
    with pytest.raises(UnknownNodeError, match="no user 'who'"):
        home_feed(recommender, "who")
    with pytest.raises(InputError, match="k must be"):
        home_feed(recommender, "both", 0)
    with pytest.raises(UnknownNameError, match="no corpus"):
        home_feed(recommender, "both", corpus="x")


def test_users_are_grouped_by_interest_and_groups_named_by_it(recommender):
    found = user_clusters(recommender.view, 3)
    assert sorted(cluster.size for cluster in found) == [10, 10, 11]
    for cluster in found:
        topic = cluster.top_items[0].item_id.split("-")[0]
        assert cluster.label.startswith(topic)
        assert {i.item_id.split("-")[0] for i in cluster.top_items} == {topic}
        assert f"genre: {topic}" in cluster.top_values
    assert found.left_out == 1
    assert "1 users took up nothing" in str(found)


def test_more_clusters_than_users_is_no_error_and_none_is(recommender):
    assert sum(cluster.size for cluster in user_clusters(recommender.view, 500)) == 31
    with pytest.raises(InputError, match="number of clusters"):
        user_clusters(recommender.view, 0)
