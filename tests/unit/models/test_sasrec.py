"""SASRec holds to what every method that goes by order must, and never looks at what comes later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import ConfigError, CorruptFileError, TrainingError
from engine.files import atomic_folder
from engine.models.sasrec.config import SasrecConfig, SasrecSettings
from engine.models.sasrec.model import Sasrec
from engine.models.sasrec.ranker import SasrecRanker
from engine.models.sasrec.task import SasrecTask
from engine.models.sequences import sequences
from engine.models.user_item import UserItemData
from tests.unit.models.model_checks import TaskChecks
from tests.unit.models.sequence_checks import NextItemChecks, StopsByValidation, by_number, dated, ring, rows

QUICK = {"dim": 16, "blocks": 1, "length": 6, "dropout": 0.1, "batch_size": 16, "epochs": 50, "learning_rate": 0.02}


class TestSasrec(NextItemChecks, StopsByValidation, TaskChecks):
    exact = 1e-4

    def make(self) -> SasrecRanker:
        return SasrecRanker.from_settings(QUICK)

    def with_settings(self, **changes: Any) -> SasrecRanker:
        return SasrecRanker.from_settings({**QUICK, **changes})

    def task(self, data: UserItemData) -> SasrecTask:
        del data
        timed = ring()
        settings = SasrecSettings.from_flat(QUICK)
        torch.manual_seed(0)
        return SasrecTask(Sasrec(settings.network, timed.num_items), sequences(timed, timed.train), None, settings)

    def test_what_was_saved_gives_the_same_answers(self, fitted: tuple[Any, UserItemData], tmp_path: Path) -> None:
        method, data = fitted
        method.save(tmp_path / "model")
        everybody = np.arange(data.num_users, dtype=np.int32)
        assert (SasrecRanker.load(tmp_path / "model", data).score(everybody) == method.score(everybody)).all()

    def test_later_data_is_answered_without_training(self, fitted: tuple[Any, UserItemData]) -> None:
        method, data = fitted
        histories = [[((user + step) % 8, 10 * user + step) for step in range(5)] for user in range(40)]
        later = dated([[(3, 5)], *histories, [(6, 1), (9, 2)], [(9, 3)], [(5, 4)]], 10)
        moved = method.fold_in(later)
        found = by_number(later, moved.score(rows(later, 1, 41, 42, 43)))
        expected = by_number(data, method.score(rows(data, 1, 41)))
        assert found[0, :8] == pytest.approx(expected[0], abs=1e-4)
        assert found[[1, 3]].argmax(axis=1).tolist() == [7, 6]  # who came since, and an unknown item in between
        assert found[2, :8] == pytest.approx(expected[1])  # who has unknown items only is answered as who has none
        assert np.isneginf(found[:, 8:]).all()


def test_what_comes_later_changes_nothing_before_it() -> None:
    torch.manual_seed(1)
    model = Sasrec(SasrecConfig(dim=8, blocks=2, heads=2, length=6), 9).eval()
    one, other = torch.tensor([[1, 2, 3, 4, 5, 6]]), torch.tensor([[1, 2, 3, 8, 7, 0]])
    with torch.no_grad():
        found, changed = model(one), model(other)
    assert torch.allclose(found[:, :3], changed[:, :3], atol=1e-6)
    assert not torch.allclose(found[:, 3:], changed[:, 3:], atol=1e-3)


def test_nothing_to_learn_from_is_told() -> None:
    with pytest.raises(TrainingError, match="two items"):
        SasrecRanker().fit(dated([[(0, 1)], [(1, 1)]], 2))


@pytest.mark.parametrize(
    "wrong", [{"dim": 0}, {"dim": 6, "heads": 4}, {"dropout": 1.0}, {"batch_size": 0}, {"dims": 3}]
)
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="sasrec"):
        SasrecRanker.from_settings(wrong)


def test_a_folder_of_another_model_is_refused(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "model", {"kind": "gcmc", "format": 1}):
        pass
    with pytest.raises(CorruptFileError, match="not a SASRec"):
        SasrecRanker.load(tmp_path / "model", ring(4))
    with atomic_folder(tmp_path / "other", {"kind": "sasrec", "format": 2}):
        pass
    with pytest.raises(CorruptFileError, match="do not fit"):
        SasrecRanker.load(tmp_path / "other", ring(4))
