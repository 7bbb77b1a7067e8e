"""The registry: what it is told it keeps, and readers see one generation or the other, never none."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from engine.errors import ConfigError, CorruptFileError, InputError, StorageError, UnknownNameError
from engine.registry import Generation, GenerationState, Registry
from engine.registry.database import HEAD, alembic_config, open_database

AS_OF = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5)))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'some home' / 'registry.sqlite'}"


@pytest.fixture
def registry(url: str):
    opened = Registry.open(url)
    yield opened
    opened.close()


def begin(registry: Registry, watermark: int = 7) -> Generation:
    return registry.begin(
        watermark=watermark,
        as_of=AS_OF,
        config={"dim": 64},
        snapshot_path=Path("/home/snapshots/7"),
        folder=Path("/home/generations"),
    )


def test_nothing_serves_before_the_first_publish(registry):
    begin(registry)
    assert registry.serving() is None
    assert registry.serving_id() is None


def test_a_published_generation_serves_with_all_it_was_given(registry, url):
    begun = begin(registry)
    assert (begun.id, begun.state, begun.path) == ("g0001", GenerationState.BUILDING, Path("/home/generations/g0001"))
    registry.publish(begun.id, {"ann_recall": 0.99})
    serving = Registry.open(url).serving()
    assert serving is not None
    assert (serving.id, serving.state, serving.serving) == ("g0001", GenerationState.PUBLISHED, True)
    assert (serving.watermark, serving.config, serving.metrics) == (7, {"dim": 64}, {"ann_recall": 0.99})
    assert serving.as_of == AS_OF
    assert serving.as_of.tzinfo is UTC
    assert serving.created_at.tzinfo is UTC
    assert serving.snapshot_path == Path("/home/snapshots/7")
    assert registry.serving_id() == "g0001"


def test_publishing_the_next_replaces_the_one_before(registry):
    for _ in range(3):
        registry.publish(begin(registry).id, {})
    assert registry.serving_id() == "g0003"
    assert [(g.id, g.serving) for g in registry.list()] == [("g0003", True), ("g0002", False), ("g0001", False)]
    registry.publish("g0002", {})
    assert registry.serving_id() == "g0002"


def test_a_failed_generation_says_why_and_cannot_serve(registry):
    registry.publish(begin(registry).id, {})
    second = begin(registry)
    registry.fail(second.id, "ann_recall .2 < .95")
    assert registry.get(second.id).reason == "ann_recall .2 < .95"
    with pytest.raises(InputError, match=r"g0002 has failed .* ann_recall"):
        registry.publish(second.id, {})
    assert registry.serving_id() == "g0001"


@pytest.mark.parametrize("name", ["g9999", "7", "g0001; drop table generations", ""])
def test_an_unknown_generation_is_named(registry, name):
    begin(registry)
    with pytest.raises(UnknownNameError, match="there is no generation"):
        registry.publish(name, {})


def test_readers_always_see_one_whole_generation_while_another_is_published(url):
    writer = Registry.open(url)
    writer.publish(begin(writer, watermark=1).id, {"watermark": 1})
    seen: set[tuple[int, int]] = set()
    done = threading.Event()

    def read() -> None:
        reader = Registry.open(url)
        while not done.is_set():
            serving = reader.serving()
            seen.add((serving.watermark, serving.metrics["watermark"]) if serving else (0, 0))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for watermark in range(2, 30):
        writer.publish(begin(writer, watermark).id, {"watermark": watermark})
    done.set()
    for reader in readers:
        reader.join()
    assert all(a == b >= 1 for a, b in seen)


def test_processes_may_open_a_new_registry_at_the_same_moment(url):
    code = f"from engine.registry import Registry; Registry.open({url!r}).list()"
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()


def test_the_migrations_make_exactly_the_tables_of_the_code(url):
    with open_database(url).begin() as connection:
        command.check(alembic_config(connection))


def test_the_code_knows_the_newest_migration(url):
    with open_database(url).begin() as connection:
        assert ScriptDirectory.from_config(alembic_config(connection)).get_current_head() == HEAD


def test_the_schema_goes_down_and_up_again(url):
    database = open_database(url)
    with database.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
        assert not database.dialect.has_table(connection, "generations")
        command.upgrade(alembic_config(connection), "head")
        command.check(alembic_config(connection))


def test_a_registry_made_by_a_newer_engine_is_refused(url):
    with open_database(url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="newer engine"):
        Registry.open(url)


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path):
    path = tmp_path / "registry.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(CorruptFileError, match=str(path)):
        Registry.open(f"sqlite:///{path}")
    assert path.read_bytes() == b"not a database" * 100


def test_a_locked_registry_is_one_clear_error(registry, url, monkeypatch):
    monkeypatch.setattr("engine.registry.database._LOCK_WAIT_S", 0)
    holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="locked"):
        begin(registry)
    holder.close()


@pytest.mark.parametrize("url", ["nonsense", "oracel://x", "postgresql+nodriver://x"])
def test_a_url_of_no_known_database_is_a_configuration_error(url):
    with pytest.raises(ConfigError, match="registry_url"):
        Registry.open(url)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        Registry.open(f"sqlite:///{tmp_path / 'file' / 'registry.sqlite'}")
