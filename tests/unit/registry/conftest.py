"""A registry on SQLite, and the same on a real Postgres: every test that asks for `url` or `registry` runs on both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import NoPostgres, PostgresServer
from sqlalchemy import Engine

from engine.registry import Registry
from engine.registry.database import open_database


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One Postgres for the whole test session."""
    try:
        server = PostgresServer.start()
    except NoPostgres as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"THE REGISTRY IS NOT TESTED ON POSTGRES: {missing}")
    yield server
    server.stop()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'some home' / 'registry.sqlite'}"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return sqlite_url
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def open_at() -> Iterator[Callable[[str], Registry]]:
    """Opens the registry at a URL; the test's end closes it."""
    opened: list[Registry] = []

    def another(url: str) -> Registry:
        opened.append(Registry.open(url))
        return opened[-1]

    yield another
    for registry in opened:
        registry.close()


@pytest.fixture
def open_registry(open_at: Callable[[str], Registry], url: str) -> Callable[[], Registry]:
    """Opens another handle on the test's registry, as another process would."""
    return lambda: open_at(url)


@pytest.fixture
def registry(open_registry: Callable[[], Registry]) -> Registry:
    return open_registry()


@pytest.fixture
def database(url: str) -> Iterator[Engine]:
    """The bare database behind `url`, at the newest schema."""
    opened = open_database(url)
    yield opened
    opened.dispose()
