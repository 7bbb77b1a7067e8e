"""When a refresh asks for a retraining."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine import Engine
from engine.client.jobs import jobs_of
from engine.errors import GraphUnavailableError, TrainingError
from engine.refresh.job_control import ASKED
from engine.refresh.retraining import ask_to_retrain
from engine.registry import Job, Registry
from engine.settings import SchedulerSettings, Settings

SETTINGS = SchedulerSettings(retrain_growth=0.2, retrain_pause_s=3600)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    opened = Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    yield opened
    opened.close()


def publish(registry: Registry, items: int, parent: str | None = None) -> str:
    made = registry.generations.begin(
        watermark=1,
        as_of=datetime.now(UTC),
        config={},
        snapshot_path=Path("snapshot"),
        folder=Path("generations"),
        kind="full" if parent is None else "delta",
        parent=parent,
    )
    registry.generations.ready(made.id, metrics={"items": items}, files={})
    return registry.generations.publish(made.id).id


def test_many_more_or_fewer_items_than_the_model_was_trained_with_are_a_reason(registry: Registry) -> None:
    assert ask_to_retrain(registry, SETTINGS) is None
    first = publish(registry, 1000)
    second = publish(registry, 1100, first)
    assert ask_to_retrain(registry, SETTINGS) is None
    publish(registry, 1210, second)
    assert ask_to_retrain(registry, SETTINGS) == "there are 1,210 items now, and 1,000 when the model was trained"
    publish(registry, 700, second)
    assert ask_to_retrain(registry, SETTINGS) == "there are 700 items now, and 1,000 when the model was trained"
    assert registry.flags.list(ASKED) == {ASKED + "retrain": {"cause": ask_to_retrain(registry, SETTINGS)}}


def test_a_gate_that_refuses_a_refresh_is_a_reason_and_a_server_that_is_gone_is_none(registry: Registry) -> None:
    publish(registry, 1000)
    assert ask_to_retrain(registry, SETTINGS, GraphUnavailableError("gone")) is None
    assert ask_to_retrain(registry, SETTINGS, TrainingError("the gate: too low")) == (
        "a refresh was refused: the gate: too low"
    )


def test_after_a_retraining_there_is_a_pause(registry: Registry) -> None:
    with registry.runs.record(Job.RETRAIN, "schedule"):
        pass
    refused = TrainingError("the gate: too low")
    assert ask_to_retrain(registry, SETTINGS, refused) is None
    eager = SETTINGS.model_copy(update={"retrain_pause_s": 0.0})
    assert ask_to_retrain(registry, eager, refused) is not None


def test_a_refresh_before_the_first_build_is_no_failure(tmp_path: Path) -> None:
    with Engine(Settings(home=tmp_path)) as engine:
        jobs_of(engine)[Job.REFRESH]("schedule")
        assert engine.registry.runs.list() == ()
