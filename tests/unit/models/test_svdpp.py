"""SVD++ learns, answers within the levels, and takes in later users from what they rated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, CorruptFileError, TrainingError
from engine.models.svdpp.predictor import SvdppPredictor
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from tests.unit.models.model_checks import RatingChecks, SavedChecks, every_pair, later, pairs, ratings_of, tiny


def small(**more: float) -> SvdppPredictor:
    settings = {"dim": 8, "epochs": 200, "learning_rate": 0.03, "regularisation": 0.02, **more}
    return SvdppPredictor.from_settings(settings)


class TestSvdpp(RatingChecks, SavedChecks):
    def make(self) -> SvdppPredictor:
        return small()

    def load(self, folder: Path, data: UserItemData) -> SvdppPredictor:
        return SvdppPredictor.load(folder, data)


def test_the_prediction_is_the_sum_of_the_papers_terms():
    data = tiny()
    model = small(epochs=3)
    model.fit(data)
    found = model.learned
    user, item = (int(rows[0]) for rows in pairs(data, (2, 7)))
    rated = data.train.item[data.train.user == user]
    whole = found.factors[0][user] + found.factors[2][rated].sum(axis=0) / np.sqrt(len(rated))
    wanted = found.mean + found.biases[0][user] + found.biases[1][item] + whole @ found.factors[1][item]
    assert model.predict(*pairs(data, (2, 7)))[0] == pytest.approx(wanted, abs=1e-5)


def test_a_later_user_is_answered_from_the_items_rated_so_far(tmp_path: Path):
    model = small()
    model.fit(tiny())
    model.save(tmp_path / "model")
    now = later(tiny())
    found = SvdppPredictor.load(tmp_path / "model", now)
    loud, quiet = found.predict(*pairs(now, (11, 2), (11, 7)))
    assert loud > quiet + 0.1
    everybody = pairs(now, *every_pair(14, 11))
    assert np.isfinite(found.predict(*everybody)).all()
    assert (model.fold_in(now).predict(*everybody) == found.predict(*everybody)).all()


def test_a_pair_without_ratings_gets_the_mean_and_wrong_settings_are_named():
    data = ratings_of([(0, 0, 2.0), (1, 1, 5.0)], 3, 3)
    model = small(epochs=1)
    model.fit(data)
    assert model.predict(*pairs(data, (2, 2)))[0] == pytest.approx(3.5)
    with pytest.raises(TrainingError, match="Lower the learning rate"), np.errstate(all="ignore"):
        small(learning_rate=50.0).fit(tiny())
    for wrong in ({"dim": 0}, {"regularisation": -1.0}, {"magic": 1}):
        with pytest.raises(ConfigError, match="svdpp"):
            SvdppPredictor.from_settings(wrong)


def test_a_damaged_or_foreign_model_is_refused(tmp_path: Path):
    data = tiny()
    model = find_user_method("svdpp").make({"epochs": 1})
    model.fit(data)
    model.save(tmp_path / "model")
    facts = tmp_path / "model" / "facts.json"
    facts.write_text(facts.read_text().replace("u3", "x3"))
    with pytest.raises(CorruptFileError, match=r"facts\.json"):
        find_user_method("svdpp").load(tmp_path / "model", data)
