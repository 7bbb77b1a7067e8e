"""The client's list of calls: complete, documented, and reached without opening anything."""

from __future__ import annotations

import inspect as python_inspect
from pathlib import Path

import pytest

from engine import Engine
from engine.client import (
    forgetting,
    indexes,
    inspect,
    inspection,
    models,
    operations,
    questions,
    refreshing,
    scheduling,
    shadow,
    upkeep,
    user_models,
    writes,
)
from engine.settings import Settings


@pytest.mark.parametrize(
    "module",
    [
        writes,
        models,
        refreshing,
        forgetting,
        upkeep,
        indexes,
        scheduling,
        questions,
        user_models,
        operations,
        shadow,
        inspect,
        inspection,
    ],
)
def test_engine_lists_every_call_of_the_clients_modules(module):
    own = {name: call for name, call in vars(module).items() if getattr(call, "__module__", "") == module.__name__}
    calls = {name: call for name, call in own.items() if not name.startswith("_")}
    assert calls
    for name, call in calls.items():
        assert getattr(Engine, name) is call
        assert call.__doc__
        assert next(iter(python_inspect.signature(call).parameters)) == "engine"


def test_a_client_opens_nothing_before_it_is_asked_and_can_be_closed_at_any_time(tmp_path: Path):
    with Engine(Settings(home=tmp_path / "home")) as engine:
        assert list(tmp_path.iterdir()) == []
        first = engine.registry
        engine.close()
        assert engine.registry is not first
        assert list(engine.generations()) == []
    engine.close()
