"""Neo4j's own admin tool on the local server's files: the offline bulk importer.

The importer writes the store files directly, about ten times as fast as writes over Bolt, but only into an empty
database of a server that is stopped. Knows CSV headers no more than the importer does:
`id:ID(Item)`, `rating:float`, `:START_ID(User)`, `:END_ID(Item)`, `:TYPE`, `:LABEL`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DiskFullError, InputError, LocalServerError
from engine.graph.local import config
from engine.graph.local.jars import fetch_jars, jar_folder
from engine.graph.local.process import server_environment
from engine.progress import progress
from engine.settings import LocalServerSettings

_UNSAFE_NAME = re.compile(r"[:=,]")
"""Characters that the importer's own `--nodes=Label:Label=file,file` gives a meaning to."""
_UNSAFE_PATH = re.compile(r"[,\\*+?()\[\]{}|^$]")
"""It also reads file names as regular expressions."""


@dataclass(frozen=True, slots=True)
class ImportFiles:
    """Files that hold one kind of node or relationship.

    Attributes:
        name: the label or the relationship type; None when the files have a `:LABEL` or `:TYPE` column.
        files: CSV files read as one; the first line of the first file is the header.
    """

    name: str | None
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What the importer says that it wrote."""

    nodes: int
    relationships: int
    properties: int


def can_import(name: str, folder: Path) -> bool:
    """False for a label, type or folder whose name the importer would misread; write those over Bolt."""
    return not _UNSAFE_NAME.search(name) and not _UNSAFE_PATH.search(str(folder))


def run_admin(folder: Path, settings: LocalServerSettings, arguments: Sequence[str]) -> str:
    """Run Neo4j's admin tool on the server in `folder`.

    Returns:
        What it printed.

    Raises:
        LocalServerError: it failed; the message holds its last lines.
        DiskFullError: no space left.
    """
    flags = ["-XX:+UseSerialGC", f"-Xmx{settings.heap_mb}m"]
    command = config.java_command(fetch_jars(jar_folder()), flags, config.ADMIN_CLASS, *arguments)
    ran = subprocess.run(command, env=server_environment(folder), capture_output=True, text=True, errors="replace")
    printed = ran.stdout + ran.stderr
    if ran.returncode == 0:
        return printed
    if "No space left on device" in printed:
        raise DiskFullError(f"no space left on the disk while importing into {folder}", hint="Free some space.")
    raise LocalServerError(f"neo4j-admin {' '.join(arguments[:3])} failed: {_reason(printed)}")


def _reason(printed: str) -> str:
    """The innermost cause and the file it names; the last lines where there is none."""
    causes = re.findall(r"^Caused by: [\w.$]+: (.+)$", printed, re.MULTILINE)
    if causes:
        source = re.search(r"\[source:(.+?), position:", printed)
        return f"{causes[-1]} ({source[1]})" if source else str(causes[-1])
    told = [line for line in printed.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    return "\n  ".join(told[-6:])


def import_full(
    folder: Path,
    settings: LocalServerSettings,
    database: str,
    nodes: Sequence[ImportFiles],
    relationships: Sequence[ImportFiles],
    id_type: str,
) -> ImportReport:
    """Replace a stopped server's database by what the files hold. When it fails the database is left empty.

    Raises:
        InputError: a label, type or path that the importer would misread (see `can_import`).
        LocalServerError: the importer refuses the files.
        DiskFullError: no space left.
    """
    wanted = [_option("nodes", group) for group in nodes] + [_option("relationships", group) for group in relationships]
    with tempfile.TemporaryDirectory(prefix="import-", dir=folder) as scratch, progress("Importing in bulk") as advance:
        try:
            printed = run_admin(
                folder,
                settings,
                [
                    *("database", "import", "full", database, "--overwrite-destination", "--verbose"),
                    f"--id-type={id_type}",
                    "--multiline-fields=true",
                    f"--max-off-heap-memory={max(256, config.available_memory_mb() // 2)}m",
                    f"--report-file={Path(scratch) / 'report'}",
                    *wanted,
                ],
            )
        except BaseException:
            for part in ("databases", "transactions"):
                shutil.rmtree(folder / "data" / part / database, ignore_errors=True)
            raise
        report = ImportReport(*(_count(printed, what) for what in ("nodes", "relationships", "properties")))
        advance(report.nodes + report.relationships)
    return report


def _option(kind: str, group: ImportFiles) -> str:
    for file in group.files:
        if not can_import(group.name or "", file):
            raise InputError(
                f"the bulk importer cannot be told of {group.name!r} in {file}: it would misread a name",
                hint="Load this one over Bolt.",
            )
    files = ",".join(str(file.resolve()) for file in group.files)
    return f"--{kind}={group.name}={files}" if group.name else f"--{kind}={files}"


def _count(printed: str, what: str) -> int:
    found = re.search(rf"^\s*(\d+) {what}\s*$", printed, re.MULTILINE)
    return int(found[1]) if found else 0
