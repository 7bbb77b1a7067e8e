"""The registry's database: opened by many at once, brought up and down with its data, and clear when it cannot be used."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from registry_rows import begin, make, publish
from sqlalchemy import text

from engine.errors import ConfigError, CorruptFileError, DiskFullError, StorageError
from engine.registry import GenerationState, Registry
from engine.registry.database import HEAD, alembic_config, migrating, utc_now
from engine.registry.tables import FlagRow


def test_processes_may_open_a_new_registry_at_the_same_moment(url):
    code = f"from engine.registry import Registry; Registry.open({url!r}).generations.list()"
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()


def test_the_migrations_make_exactly_the_tables_of_the_code(database):
    with migrating(database) as connection:
        command.check(alembic_config(connection))


def test_the_code_knows_the_newest_migration(database):
    with migrating(database) as connection:
        assert ScriptDirectory.from_config(alembic_config(connection)).get_current_head() == HEAD


def test_the_schema_goes_down_to_nothing_and_up_again(database):
    with migrating(database) as connection:
        command.downgrade(alembic_config(connection), "base")
        assert not database.dialect.has_table(connection, "generations")
    with migrating(database) as connection:
        command.upgrade(alembic_config(connection), "head")
        command.check(alembic_config(connection))


OLD_ROWS = """
INSERT INTO generations (state, created_at, as_of, watermark, config, metrics, snapshot_path, path, reason) VALUES
('published', '{at}', '{at}', 3, '{{"model": "pinsage", "seed": 5}}', '{{"ann_recall": 1.0}}', '/s/3', '/g/g0001', NULL),
('failed', '{at}', '{at}', 4, '{{}}', '{{}}', '/s/4', '/g/g0002', 'the gate'),
('published', '{at}', '{at}', 9, '{{}}', '{{}}', '/s/9', '/g/g0003', NULL);
INSERT INTO serving (slot, generation, since) VALUES ('live', 3, '{at}')
"""


@pytest.fixture
def first_schema(database):
    """The database as the first engine left it."""
    with migrating(database) as connection:
        command.downgrade(alembic_config(connection), "0001")
        zone = "+00:00" if database.dialect.name == "postgresql" else ""
        for statement in OLD_ROWS.format(at=f"2026-03-04 05:06:07.000000{zone}").split(";"):
            connection.execute(text(statement))
    return database


def test_generations_of_the_first_schema_survive_the_way_up(first_schema, registry):
    first, failed, serving = reversed(registry.generations.list())
    then = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert (first.id, first.state, first.kind, first.parent) == ("g0001", GenerationState.PUBLISHED, "full", None)
    assert (first.model, first.seed, first.watermark, first.metrics) == ("pinsage", 5, 3, {"ann_recall": 1.0})
    assert (first.published_at, first.retired_at, first.as_of, first.files) == (then, then, then, {})
    assert (failed.state, failed.reason, failed.published_at) == (GenerationState.FAILED, "the gate", None)
    assert (serving.serving, serving.retired_at, serving.model) == (True, None, None)
    assert publish(registry).id == "g0004"


def test_generations_survive_the_way_down(first_schema, registry, open_registry):
    published = publish(registry, watermark=12, parent="g0003", kind="delta")
    waiting = make(registry)
    with registry.runs.record("refresh", "test") as run:
        run.generation = published.id
    with migrating(first_schema) as connection:
        command.downgrade(alembic_config(connection), "0001")
        rows = connection.execute(text("SELECT number, state, watermark FROM generations ORDER BY number")).all()
        assert [tuple(row) for row in rows] == [
            (1, "published", 3),
            (2, "failed", 4),
            (3, "published", 9),
            (4, "published", 12),
            (5, "failed", 7),
        ]
        assert connection.execute(text("SELECT generation FROM serving")).scalar() == 4
    again = open_registry()
    assert again.generations.serving_id() == published.id
    assert again.generations.get(waiting.id).reason == "it was ready"


def test_a_registry_made_by_a_newer_engine_is_refused(database, url):
    with migrating(database) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="newer engine"):
        Registry.open(url)


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path):
    path = tmp_path / "registry.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(CorruptFileError, match=str(path)):
        Registry.open(f"sqlite:///{path}")
    assert path.read_bytes() == b"not a database" * 100


def test_a_locked_registry_is_one_clear_error(open_at, sqlite_url, monkeypatch):
    registry = open_at(sqlite_url)
    monkeypatch.setattr("engine.registry.database._LOCK_WAIT_S", 0)
    holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="locked"):
        begin(registry)
    holder.close()
    assert begin(registry).id == "g0001"


def test_a_full_disk_is_one_clear_error_and_what_was_there_stays(open_at, sqlite_url):
    registry = open_at(sqlite_url)
    publish(registry)
    with registry._database._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    big = FlagRow(name="big", value={"words": "x" * 100_000}, at=utc_now())
    with pytest.raises(DiskFullError, match="no space left"), registry._database.write() as session:
        session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        session.add(big)
    assert registry.flags.list() == {}
    assert registry.generations.serving_id() == "g0001"


def test_a_postgres_that_is_not_there_is_one_clear_error(tmp_path, postgres):
    with pytest.raises(StorageError, match="cannot be used"):
        Registry.open(f"postgresql+psycopg://engine@/nothing?host={tmp_path}")


def test_a_connection_that_was_cut_is_opened_again(open_at, postgres):
    registry = open_at(postgres.new_database())
    publish(registry)
    with registry._database.read() as session:
        mine = session.execute(text("SELECT pg_backend_pid()")).scalar()
    other = open_at(postgres.new_database())
    with other._database.read() as session:
        session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
    assert registry.generations.serving_id() == "g0001"


@pytest.mark.parametrize("url", ["nonsense", "oracel://x", "postgresql+nodriver://x"])
def test_a_url_of_no_known_database_is_a_configuration_error(url):
    with pytest.raises(ConfigError, match="registry_url"):
        Registry.open(url)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        Registry.open(f"sqlite:///{tmp_path / 'file' / 'registry.sqlite'}")


def test_an_older_engine_sees_nothing_of_other_slots(first_schema, registry, open_registry):
    publish(registry, slot="lightgcn")
    with migrating(first_schema) as connection:
        command.downgrade(alembic_config(connection), "0002")
        assert connection.execute(text("SELECT slot, generation FROM serving")).all() == [("live", 3)]
        assert connection.execute(text("SELECT state FROM generations WHERE number = 4")).scalar() == "deleted"
    assert open_registry().generations.slots() == ("live",)
