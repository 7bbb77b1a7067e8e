"""Factorised ratings hold to what every rating predictor must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError, CorruptFileError, TrainingError
from engine.models.factors.ratings import BiasedMf
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from tests.unit.models.model_checks import RatingChecks, SavedChecks, every_pair, pairs, ratings_of, tiny

SMALL: dict[str, Any] = {"dim": 4, "epochs": 300, "learning_rate": 0.03, "decay": 0.995, "ridge": 0.01}


class TestBiasedMf(RatingChecks, SavedChecks):
    def make(self) -> BiasedMf:
        return BiasedMf(**SMALL)

    def load(self, folder: Path, data: UserItemData) -> BiasedMf:
        load = find_user_method("mf").load
        assert load is not None
        return load(folder, data)


def test_without_a_rating_a_user_gets_the_mean_and_the_items_bias():
    data = tiny()
    model = BiasedMf(**SMALL)
    model.fit(data)
    arrays = model._learned.arrays
    found = model.predict(*pairs(data, (11, 9), (11, 0)))
    place = model._learned.ids["items"].index("i0")
    expected = np.clip([arrays["range"][0], arrays["range"][0] + arrays["item_bias"][place]], 1, 5)
    assert found == pytest.approx(expected, abs=1e-5)


def test_bad_settings_divergence_and_foreign_files_are_named(tmp_path: Path):
    for wrong in ({"dim": 0}, {"learning_rate": 0.0}, {"decay": 2.0}, {"ridge": -1.0}):
        with pytest.raises(ConfigError):
            find_user_method("mf").make(wrong)
    with pytest.raises(TrainingError, match="learning_rate"):
        BiasedMf(dim=2, epochs=50, learning_rate=50.0).fit(tiny())
    one = ratings_of([(0, 0, 3.0)], 1, 1)
    model = BiasedMf(dim=2, epochs=2)
    model.fit(one)
    assert model.predict(*pairs(one, *every_pair(1, 1))) == pytest.approx([3.0], abs=0.1)
    model.save(tmp_path / "model")
    manifest = tmp_path / "model" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"mf"', '"another"'))
    with pytest.raises(CorruptFileError, match="not a"):
        BiasedMf.load(tmp_path / "model", one)
