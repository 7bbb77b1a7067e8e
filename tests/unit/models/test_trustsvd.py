"""TrustSVD learns from ratings and follows, and says on what an answer rests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError, CorruptFileError, TrainingError
from engine.graph.snapshot_csr import relation
from engine.models.friends import friends_of, rests_on
from engine.models.trustsvd.predictor import TrustsvdPredictor
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from tests.unit.models.model_checks import (
    RatingChecks,
    SavedChecks,
    every_pair,
    following,
    later,
    pairs,
    ratings_of,
    tiny,
)

SETTINGS: dict[str, Any] = {"dim": 8, "epochs": 200, "learning_rate": 0.03, "regularisation": 0.02, "trust": 0.5}


def small(**more: Any) -> TrustsvdPredictor:
    return TrustsvdPredictor.from_settings({**SETTINGS, **more})


class TestTrustsvd(RatingChecks, SavedChecks):
    def make(self) -> TrustsvdPredictor:
        return small()

    def load(self, folder: Path, data: UserItemData) -> TrustsvdPredictor:
        return TrustsvdPredictor.load(folder, data)


def test_the_prediction_is_the_sum_of_the_papers_terms():
    data = following(tiny(), (2, 3), (2, 7), (3, 2))
    model = small(epochs=3)
    model.fit(data)
    found = model.learned
    ratings = found.ratings
    user, item = (int(rows[0]) for rows in pairs(data, (2, 7)))
    rated = data.train.item[data.train.user == user]
    friends = data.users.index_of(["u3", "u7"])
    whole = found.own[user] + ratings.factors[2][rated].sum(axis=0) / np.sqrt(len(rated))
    whole = whole + found.trusted[friends].sum(axis=0) / np.sqrt(2)
    wanted = ratings.mean + ratings.biases[0][user] + ratings.biases[1][item] + whole @ ratings.factors[1][item]
    assert model.predict(*pairs(data, (2, 7)))[0] == pytest.approx(wanted, abs=1e-5)


def test_self_follows_repeats_and_cycles_of_follows_are_taken_as_they_should_be():
    data = following(tiny(), (0, 0), (0, 1), (0, 1), (1, 2), (2, 0))
    friends = friends_of(data)
    place = {number: int(data.users.order.ranks(data.users.index_of([f"u{number}"]))[0]) for number in range(12)}
    assert [friends.row(place[number]).tolist() for number in range(4)] == [[place[1]], [place[2]], [place[0]], []]
    model = small(epochs=5)
    model.fit(data)
    again = small(epochs=5)
    again.fit(following(tiny(), (0, 1), (1, 2), (2, 0)))
    everybody = pairs(data, *every_pair(12, 10))
    assert (model.predict(*everybody) == again.predict(*everybody)).all()


def test_a_follow_dated_after_now_has_not_happened():
    data = following(tiny(), (0, 1), (0, 2), (3, 4))
    assert data.follows is not None
    year_3000 = 32_503_680_000_000
    times = np.where(data.follows.indices == data.users.index_of(["u1"])[0], -1, year_3000)
    data = replace(data, follows=replace(data.follows, time=times))
    rank = data.users.order.ranks(data.users.index_of(["u0", "u1", "u3"]))
    friends = friends_of(data)
    assert [friends.row(int(place)).tolist() for place in rank] == [[rank[1]], [], []]
    rests = rests_on(data, np.ones(data.num_users, np.bool_))
    assert rests[data.users.index_of(["u0", "u3"])].tolist() == ["ratings and friends", "ratings"]


def test_an_answer_says_whether_it_rests_on_ratings_or_friends_and_friends_alone_have_a_say(tmp_path: Path):
    data = following(tiny(), (11, 0), (11, 1), (11, 2), (3, 0), (4, 1), (5, 2), (9, 6), (9, 11))
    model = small()
    model.fit(data)
    assert model.rests_on(pairs(data, (11, 0), (6, 0), (3, 0))[0]).tolist() == [
        "friends",
        "ratings",
        "ratings and friends",
    ]
    loud, quiet = model.predict(*pairs(data, (11, 2), (11, 7)))
    assert loud > quiet
    model.save(tmp_path / "model")
    now = following(later(tiny()), (13, 0), (12, 13), (3, 0))
    found = TrustsvdPredictor.load(tmp_path / "model", now)
    everybody = pairs(now, *every_pair(14, 11))
    assert np.isfinite(found.predict(*everybody)).all()
    assert (model.fold_in(now).predict(*everybody) == found.predict(*everybody)).all()
    assert found.rests_on(pairs(now, (13, 0), (12, 0), (11, 0))[0]).tolist() == ["friends", "ratings", "ratings"]
    assert found.report()["users"]["friends"] == 1


def test_friends_count_by_the_weights_of_ties_and_equal_weights_change_nothing():
    follows = [(11, 0), (11, 6), (3, 7), (3, 0)]
    plain, even = following(tiny(), *follows), following(tiny(), *follows, weights=[3.0] * 4)
    uneven = following(tiny(), *follows, weights=[6.0, 3.0, 3.0, 3.0])
    everybody = pairs(plain, *every_pair(12, 10))
    model, other = small(epochs=20), small(epochs=20, weighted=True)
    model.fit(plain)
    other.fit(even)
    wanted = model.predict(*everybody)
    assert other.predict(*everybody) == pytest.approx(wanted, abs=1e-5)
    found = other.fold_in(uneven)
    moved = np.unique(everybody[0][np.abs(found.predict(*everybody) - wanted) > 1e-4])
    assert moved.tolist() == pairs(plain, (11, 0))[0].tolist()
    (loud, quiet), (user,) = plain.users.index_of(["u0", "u6"]), moved
    trusted = found.learned.trusted
    assert found.learned.friends[user] == pytest.approx((4 * trusted[loud] + 2 * trusted[quiet]) / 3 / np.sqrt(2))
    other.fit(uneven)
    assert np.abs(other.predict(*everybody) - wanted).max() > 1e-4


def test_whom_a_user_follows_or_is_followed_by_is_a_friend_as_set():
    data = following(tiny(), (11, 0), (6, 11))
    found = {}
    for friendship in ("following", "followers", "both"):
        model = small(epochs=20, friendship=friendship)
        model.fit(data)
        found[friendship] = model.rests_on(pairs(data, (11, 0), (0, 0), (6, 0))[0]).tolist()
    assert found["following"] == ["friends", "ratings", "ratings and friends"]
    assert found["followers"] == ["friends", "ratings and friends", "ratings"]
    assert found["both"] == ["friends", "ratings and friends", "ratings and friends"]


def test_a_user_without_friends_or_history_gets_the_item_alone_and_so_does_one_whose_friend_was_deleted():
    data = following(tiny(), (11, 0), (3, 0))
    model = small(epochs=20)
    model.fit(data)
    fewer = ratings_of([(1, 1, 5.0)], 2, 2)  # u0 is gone in all but the name: what follows pointed to has no row
    gone = replace(fewer, follows=None)
    assert model.fold_in(gone).rests_on(pairs(gone, (0, 0))[0]).tolist() == ["nothing"]
    assert np.isfinite(model.fold_in(gone).predict(*pairs(gone, (0, 0)))).all()


def test_a_hub_of_very_many_friends_is_no_reason_to_diverge():
    count = 100_000
    data = ratings_of([(user, user % 3, float(1 + user % 5)) for user in range(30)], count + 30, 3)
    hub = np.full(count, data.users.index_of(["u0"])[0])
    others = data.users.index_of([f"u{number}" for number in range(30, count + 30)])
    both = relation(len(data.users), len(data.users), np.concatenate([hub, others]), np.concatenate([others, hub]))
    model = small(epochs=3)
    model.fit(replace(data, follows=both.forward))
    assert np.isfinite(model.predict(*pairs(data, (0, 0), (31, 1)))).all()


def test_wrong_settings_and_a_step_that_is_too_long_are_named():
    with pytest.raises(TrainingError, match="Lower the learning rate"), np.errstate(all="ignore"):
        small(learning_rate=50.0).fit(tiny())
    for wrong in ({"dim": 0}, {"trust": -1.0}, {"magic": 1}):
        with pytest.raises(ConfigError, match="trustsvd"):
            TrustsvdPredictor.from_settings(wrong)


def test_a_damaged_or_foreign_model_is_refused(tmp_path: Path):
    data = tiny()
    model = find_user_method("trustsvd").make({"epochs": 1})
    model.fit(data)
    model.save(tmp_path / "model")
    facts = tmp_path / "model" / "settings.json"
    facts.write_text(facts.read_text().replace("50", "51").replace("1", "2"))
    with pytest.raises(CorruptFileError, match=r"settings\.json"):
        find_user_method("trustsvd").load(tmp_path / "model", data)
    svdpp = find_user_method("svdpp").make({"epochs": 1})
    svdpp.fit(data)
    svdpp.save(tmp_path / "other")
    with pytest.raises(CorruptFileError, match="not a TrustSVD"):
        find_user_method("trustsvd").load(tmp_path / "other", data)
