"""The world of `serving_world`, published once and opened for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_world import World, make_world, publish

from engine.registry import Generation, Registry
from engine.serving.live import open_view
from engine.serving.methods import methods_of
from engine.serving.recommend import Recommender
from engine.settings import GraphMapping


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def small_world() -> World:
    """49 items, for tests that publish again and again."""
    return make_world(per_topic=12, seed=1)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty one of its own."""
    opened = Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, world: World) -> Generation:
    home = tmp_path_factory.mktemp("serving")
    return publish(Registry.open(f"sqlite:///{home / 'registry.sqlite'}"), home, world)


@pytest.fixture
def recommender(published: Generation) -> Recommender:
    view = open_view(published)
    return Recommender(view, GraphMapping(), methods_of(view, seed=0))
