"""A search uses validation edges alone, keeps to its time, and writes what `engine evaluate` reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people import tastes

from engine.errors import CorruptFileError, DataError, InputError, TrainingError, UnknownNameError
from engine.evaluation.config import EvaluationConfig, read_config
from engine.evaluation.run import evaluate
from engine.evaluation.tune import tune
from engine.models.user_baselines.popularity import UserPopularity
from engine.models.user_method import OneOf, Range, UserMethod
from engine.models.user_methods import USER_METHODS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tastes") / "set"
    tastes(path)
    return path


class Dial(UserPopularity):
    """Is best at 7, and tells what it was shown."""

    shown: list[Any]

    def __init__(self, dial: float = 0.0, kind: str = "a", steps: int = 1) -> None:
        self.dial = dial

    def fit(self, data: Any) -> None:
        if self.dial > 9:
            raise TrainingError("diverged")
        self.shown.append(data)
        super().fit(data)

    def predict(self, users: Any, items: Any) -> Any:
        return np.full(len(users), 3 + abs(self.dial - 7), np.float32)


@pytest.fixture
def dial(monkeypatch: pytest.MonkeyPatch) -> type[Dial]:
    monkeypatch.setattr(Dial, "shown", [], raising=False)
    space = {"dial": Range(0, 10), "kind": OneOf(("a", "b")), "steps": Range(1, 100, log=True, whole=True)}
    made = UserMethod("dial", "", frozenset({"rating", "ranking"}), lambda s: Dial(**s), space=space)
    monkeypatch.setitem(USER_METHODS, "dial", made)
    return Dial


def test_the_best_settings_are_found_and_written(tmp_path: Path, folder: Path, dial: type[Dial]):
    out = tmp_path / "deep" / "found.toml"
    nested = {"parts": "bias,svdpp", "svdpp": {"dim": 50, "learning_rate": 0.5}}
    start = EvaluationConfig({"levels": [1, 2, 3, 4, 5]}, {"bias": {"turns": 2}, "stacking": nested})
    report = tune("dial", folder, "rating", minutes=5, trials=25, out=out, config=start)
    assert len(report.trials) == 25
    assert report.trials[0].settings == {}
    assert any(trial.value is None for trial in report.trials)
    assert abs(report.best.settings["dial"] - 7) < 1
    found = read_config(out)
    assert found.sections == {"bias": {"turns": 2}, "stacking": nested, "dial": dict(report.best.settings)}
    assert found.numbers == {"levels": [1, 2, 3, 4, 5]}
    evaluate("rating", folder, ["dial", "bias"], seeds=1, config=found)
    again = tune("dial", folder, "rating", minutes=5, trials=25, config=start)
    assert [trial.settings for trial in again.trials] == [trial.settings for trial in report.trials]


def test_test_edges_are_neither_shown_nor_asked_for(folder: Path, dial: type[Dial]):
    tune("dial", folder, "full-ranking", minutes=5, trials=2)
    searched = dial.shown[-1].known()
    dial.shown.clear()
    evaluate("full-ranking", folder, ["dial"], seeds=1)
    outer = dial.shown[-1]
    pairs = {(int(u), int(i)) for u, i in zip(searched.user, searched.item, strict=True)}
    train = {(int(u), int(i)) for u, i in zip(outer.train.user, outer.train.item, strict=True)}
    assert pairs == train


def test_a_search_ends_with_its_time(folder: Path, dial: type[Dial]):
    assert len(tune("dial", folder, "full-ranking", minutes=1e-9).trials) == 2


def test_a_search_goes_on_where_it_was_stopped(tmp_path: Path, folder: Path, dial: type[Dial]):
    out = tmp_path / "found.toml"

    def stop(self: Dial, data: Any) -> None:
        raise KeyboardInterrupt

    first = tune("dial", folder, "rating", minutes=5, trials=4, out=out)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Dial, "fit", stop)
        tune("dial", folder, "rating", minutes=5, trials=8, out=out)
    dial.shown.clear()
    whole = tune("dial", folder, "rating", minutes=5, trials=8, out=out)
    assert whole.trials[:4] == first.trials
    assert len(dial.shown) == sum(trial.value is not None for trial in whole.trials[4:])
    assert len({str(trial.settings) for trial in whole.trials}) == 8
    other = tune("dial", folder, "rating", minutes=5, trials=2, out=out, seed=1)
    assert len(other.trials) == 2
    out.with_suffix(".trials.json").write_text("{}")
    with pytest.raises(CorruptFileError, match="holds no trials"):
        tune("dial", folder, "rating", minutes=5, trials=2, out=out)


def test_a_search_in_other_ranges_starts_anew(
    tmp_path: Path, folder: Path, dial: type[Dial], monkeypatch: pytest.MonkeyPatch
):
    del dial
    out, known = tmp_path / "found.toml", USER_METHODS["dial"]
    tune("dial", folder, "rating", minutes=5, trials=3, out=out)
    for space in ({"dial": Range(0, 10)}, {"dial": Range(5, 9)}):
        monkeypatch.setitem(USER_METHODS, "dial", replace(known, space=space))
        assert len(tune("dial", folder, "rating", minutes=5, trials=2, out=out).trials) == 2


def test_what_cannot_be_searched_is_named(folder: Path, dial: type[Dial]):
    def refused(error: type[Exception], says: str, *asked: Any, **options: Any) -> None:
        with pytest.raises(error, match=says):
            tune(*asked, **{"minutes": 1, **options})

    for name in ("popularity", "content", "rank-fusion"):
        refused(InputError, f"{name} has nothing to tune\nThese have: .*item-knn", name, folder, "full-ranking")
    refused(InputError, "related cannot be tuned", "dial", folder, "related")
    refused(InputError, "minutes must be above 0", "dial", folder, "rating", minutes=0)
    refused(InputError, "no metric 'ndcg@20'", "dial", folder, "rating", metric="ndcg@20")
    refused(InputError, "item-knn cannot predict ratings", "item-knn", folder, "rating")
    refused(UnknownNameError, "no method", "magic", folder, "rating")
    none = EvaluationConfig({"valid_share": 0})
    refused(DataError, "no validation edges", "dial", folder, "rating", config=none)
    stuck = EvaluationConfig(sections={"dial": {"dial": 10}})
    with pytest.raises(TrainingError, match="no settings of dial"):
        tune("dial", folder, "rating", minutes=1, trials=1, config=stuck)


def test_the_command_line_says_what_was_found(tmp_path: Path, folder: Path):
    import typer
    from typer.testing import CliRunner

    from engine.cli.evaluate import register as evaluations
    from engine.cli.tune import register

    app = typer.Typer()
    register(app)
    evaluations(app)
    out = tmp_path / "found.toml"
    arguments = ["--data", str(folder), "--protocol", "rating", "--out", str(out), "--trials", "3"]
    shown = CliRunner().invoke(app, ["tune", "bias", *arguments])
    assert shown.exit_code == 0, shown.output
    assert "rmse on validation" in shown.output
    assert read_config(out).sections.keys() <= {"bias"}
