"""Brings a graph's schema up to date: constraints and indexes from `migrations/graph`, each file once and unchanged.

A migration is `V0001__name.cypher`: statements that end with a semicolon, with the placeholders of cypher/README.md. One
that names `{{item_label}}` runs for every label that items wear. The graph remembers each file's checksum, and the
mappings it ran with: another mapping runs all of them again, so each statement must bear that (IF NOT EXISTS).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import tenacity

from engine.assets import asset_folder
from engine.errors import GraphError, MigrationError
from engine.graph.connection import RETRY_S, Graph
from engine.graph.mapping import PlaceholderError, check_mapping, item_labels, mapping_digest, quote
from engine.graph.queries import load_queries
from engine.graph.query_files import render
from engine.settings import GraphMapping

_FILE = re.compile(r"V(\d{4})__([a-z0-9_]+)\.cypher")
_ITEM_LABEL = re.compile(r"\{\{\s*item_label\s*\}\}")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    checksum: str
    text: str

    def statements(self, mapping: GraphMapping) -> list[str]:
        """Its statements with the mapping's names filled in."""
        lines = [line for line in self.text.splitlines() if not line.lstrip().startswith("//")]
        found = []
        for statement in filter(None, (part.strip() for part in re.split(r";\s*(?:\n|$)", "\n".join(lines)))):
            labels = item_labels(mapping) if _ITEM_LABEL.search(statement) else ("",)
            for label in labels:
                quoted = quote(label) if label else ""
                one = _ITEM_LABEL.sub(lambda _, quoted=quoted: quoted, statement)  # type: ignore[misc]
                found.append(render(one, mapping))
        return found


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """The migrations of a folder, the engine's own when None, by version.

    Raises:
        MigrationError: a file's name is wrong, or a version is missing or there twice.
    """
    migrations = []
    for path in sorted((folder or asset_folder("migrations") / "graph").glob("*.cypher")):
        found = _FILE.fullmatch(path.name)
        if not found:
            raise MigrationError(f"{path}: a migration is called V0001__name.cypher")
        content = path.read_bytes()
        checksum = hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
        migrations.append(Migration(int(found[1]), found[2], checksum, content.decode()))
    for expected, migration in enumerate(migrations, start=1):
        if migration.version != expected:
            what = "is there twice" if migration.version < expected else "is missing"
            raise MigrationError(f"graph migration V{min(expected, migration.version):04d} {what}")
    return migrations


def migrate(graph: Graph, mapping: GraphMapping, folder: Path | None = None) -> tuple[str, ...]:
    """Apply what the graph lacks. One reading query when there is nothing to do.

    Returns:
        The names of the migrations that ran.

    Raises:
        MigrationError: a migration was edited after it ran, is missing, or comes before one that ran; or the graph
            refuses one, for its data or for an index that is in the way.
        ConfigError: the mapping cannot work.
    """
    check_mapping(mapping)
    migrations = read_migrations(folder)
    library = load_queries()
    digest = mapping_digest(mapping)
    recorded = {row["version"]: row for row in graph.read(library["engine/migrations"].render(mapping))}
    _compare(migrations, {version: (row["name"], row["checksum"]) for version, row in recorded.items()})
    record = library["engine/set_migration"].render(mapping)
    applied = []
    for migration in migrations:
        if migration.version in recorded and digest in recorded[migration.version]["mappings"]:
            continue
        _apply(graph, migration, mapping)
        values = {"version": migration.version, "name": migration.name, "checksum": migration.checksum}
        graph.write(record, {**values, "mapping": digest})
        applied.append(f"V{migration.version:04d}__{migration.name}")
    if applied:
        graph.auto_commit("CALL db.awaitIndexes(600)")
    return tuple(applied)


def _compare(migrations: list[Migration], recorded: dict[int, tuple[str, str]]) -> None:
    files = {migration.version: migration for migration in migrations}
    for version, (name, checksum) in recorded.items():
        if version not in files:
            raise MigrationError(
                f"the graph has had migration V{version:04d}__{name}, and this engine has no such file",
                hint="A newer engine wrote this graph: use that one.",
            )
        if files[version].checksum != checksum:
            raise MigrationError(
                f"migration V{version:04d}__{files[version].name} was edited after it ran on this graph",
                hint="Put the file back as it was, and write the change as a new migration.",
            )
    last = max(recorded, default=0)
    for migration in migrations:
        if migration.version < last and migration.version not in recorded:
            raise MigrationError(
                f"migration V{migration.version:04d}__{migration.name} comes before V{last:04d}, which already ran",
                hint="Give it the next number.",
            )


_PASSING = ("Neo.TransientError", "EquivalentSchemaRuleAlreadyExists")


def _may_pass(error: BaseException) -> bool:
    """Also where two made one index at once: the server's own IF NOT EXISTS looks before it locks."""
    return isinstance(error, GraphError) and any(code in error.message for code in _PASSING)


@tenacity.retry(
    retry=tenacity.retry_if_exception(_may_pass),
    stop=tenacity.stop_after_delay(RETRY_S),
    wait=tenacity.wait_random_exponential(0.1, max=2),
    reraise=True,
)
def _run_schema(graph: Graph, statement: str) -> None:
    """Two engines that start at once may meet on a schema lock; the driver does not retry statements of this kind."""
    graph.auto_commit(statement)


def _apply(graph: Graph, migration: Migration, mapping: GraphMapping) -> None:
    name = f"V{migration.version:04d}__{migration.name}"
    try:
        for statement in migration.statements(mapping):
            _run_schema(graph, statement)
    except PlaceholderError as error:
        raise MigrationError(f"migration {name}: {error}") from error
    except GraphError as error:
        if type(error) is not GraphError:
            raise
        raise MigrationError(
            f"migration {name}: the graph refuses it: {error.message}",
            hint="Two nodes with one id must become one; an index of your own on an id property must give way, the "
            "constraint brings its own.",
        ) from error
