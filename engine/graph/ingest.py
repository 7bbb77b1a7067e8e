"""Loads a data set folder into the graph: checked whole first, then in batches, each one transaction.

Each transaction takes the next rev, writes its rows and records how far the load got, so a load that was killed goes on
where it stopped and nothing is doubled. Edges are written source by source within windows of the file, so that a source
is found and stamped once, not once for each of its edges; after a kill the window under way is gone through again. Edges
of a type that the graph has none of are created without looking each up; that holds only while nobody else writes, which
the revs tell: from the first gap on every edge is looked up.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from engine.datasets.folder import DatasetFolder
from engine.datasets.folder_batch import Batch
from engine.datasets.folder_check import CheckReport
from engine.datasets.folder_spec import NODE_TABLES, TableName
from engine.datasets.folder_vectors import VectorFile
from engine.graph.connection import Graph, Run
from engine.graph.ingest_check import KnownIds, check_names, load_digest
from engine.graph.ingest_rows import by_source, edge_rows, node_rows, owned_contexts
from engine.graph.migrate import migrate
from engine.graph.queries import load_queries
from engine.graph.state import next_rev, read_state, save_fields, state_in
from engine.graph.write_batches import write_edges, write_nodes
from engine.hashing import digest
from engine.progress import progress
from engine.settings import GraphMapping, Settings

EDGE_BATCH = 10_000
NODE_BATCH = 2_000
WINDOW = 200_000
"""Rows of a file that are put in order of their sources at once."""
ORDER: tuple[TableName, ...] = ("users", "items", "contexts", "saves", "interactions", "follows")
"""Users first: contexts name their owners."""
_DONE = "done"


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a load did.

    Attributes:
        rev: the graph's rev after it.
        rows: good rows by table.
        changed: nodes and edges written by table; rows that the graph already had as they are do not count.
        rejected: bad rows by file.
        seconds: for the whole load; `check_seconds` of them went into checking the files.
        repeated: edges left out because the same edge comes again later.
        resumed: it went on where an earlier run had stopped.
        unchanged: the graph already held this very data set and nothing was written since.
    """

    rev: int
    rows: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    rejects_path: Path | None = None
    seconds: float = 0.0
    check_seconds: float = 0.0
    resumed: bool = False
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """How far a load got: all rows of the table `step` before the row `position` are in the graph, and perhaps some after."""

    step: str
    position: int
    create: bool
    rev: int
    finished: str | None = None


def ingest(
    graph: Graph,
    settings: Settings,
    folder: DatasetFolder | Path | str,
    *,
    max_rejects: int = 0,
    rejects_path: Path | None = None,
    batch_size: int = EDGE_BATCH,
) -> IngestReport:
    """Load a data set. Loading it again writes nothing new; after a kill it goes on where it stopped.

    Args:
        max_rejects: bad rows allowed for each file; they are left out.
        rejects_path: where bad rows are listed; `<home>/rejects/<name>.csv` when None.
        batch_size: edges a transaction.

    Raises:
        DataError: a file as a whole is wrong, or a field differs from what the graph knows.
        RejectsError: a file has more bad rows than allowed. Nothing was written.
        GraphError: and its kinds; what was committed before stays, and the load can go on.
    """
    started = time.monotonic()
    data = folder if isinstance(folder, DatasetFolder) else DatasetFolder.open(folder)
    mapping = settings.graph.mapping
    check_names(data, mapping)
    migrate(graph, mapping)
    load = _Load(graph, mapping, data, load_digest(data, mapping, max_rejects), batch_size)
    if load.is_finished():
        return IngestReport(read_state(graph).rev, seconds=time.monotonic() - started, unchanged=True)
    rejects_path = rejects_path or settings.home / "rejects" / f"{data.path.resolve().name}.csv"
    known = KnownIds(graph, mapping)
    work_folder = settings.home / "tmp"
    work_folder.mkdir(parents=True, exist_ok=True)
    checking = time.monotonic()
    report = data.check(max_rejects, rejects_path, known=known, work_folder=work_folder)
    checked = time.monotonic()
    resumed = load.run(report)
    return IngestReport(
        rev=load.checkpoint.rev,
        rows={str(name): count for name, count in report.rows.items()},
        changed=load.changed,
        rejected={str(path): count for path, count in report.rejected.items()},
        repeated={str(name): count for name, count in report.repeated.items()},
        rejects_path=report.rejects_path,
        seconds=time.monotonic() - started,
        check_seconds=checked - checking,
        resumed=resumed,
    )


class _Load:
    """One data set on its way into one graph."""

    def __init__(self, graph: Graph, mapping: GraphMapping, data: DatasetFolder, digest: str, batch_size: int) -> None:
        self.graph = graph
        self.mapping = mapping
        self.data = data
        self.digest = digest
        self.batch_size = batch_size
        self.changed: dict[str, int] = {}
        self.checkpoint = self._read_checkpoint() or _Checkpoint("", 0, False, 0)

    def _read_checkpoint(self) -> _Checkpoint | None:
        query = load_queries()["engine/load"].render(self.mapping)
        rows = self.graph.read(query, {"digest": self.digest})
        return _Checkpoint(**rows[0]) if rows else None

    def is_finished(self) -> bool:
        """Whether this very load ended and nothing has been written since."""
        return self.checkpoint.step == _DONE and self.checkpoint.finished == _fingerprint(self.graph, self.mapping)

    def run(self, report: CheckReport) -> bool:
        """Write what is left to write; whether it was part of it only."""
        ordered = [name for name in ORDER if name in self.data.tables]
        resumed = self.checkpoint.step in ordered
        if not resumed:
            self.graph.write_transaction(self._record_fields)
        begun = self.checkpoint.step
        for name in ordered[ordered.index(cast(TableName, begun)) if resumed else 0 :]:
            self._load_table(name, report, resume=resumed and name == begun)
        self.graph.write_transaction(self._finish)
        self._save_fingerprint()
        return resumed

    def _record_fields(self, run: Run) -> None:
        fields = {
            name: {**self.data.spec.tables[name].fields, **dict.fromkeys(self.data.spec.tables[name].vectors, "vector")}
            for name in self.data.tables
            if name in NODE_TABLES
        }
        widths = {name: vector.width for name, vector in self.data.vectors().items()}
        rev = next_rev(run)
        save_fields(run, state_in(run).merged({str(name): kinds for name, kinds in fields.items()}, widths))
        self.checkpoint = _Checkpoint("", 0, False, rev)

    def _load_table(self, table: TableName, report: CheckReport, *, resume: bool) -> None:
        first = self.checkpoint.position if resume else 0
        vectors = self.data.vectors() if table == "items" else {}
        window_size = NODE_BATCH if table in NODE_TABLES else max(WINDOW, self.batch_size)
        self.changed[table] = 0
        with progress(f"Loading {table}", total=report.rows[table]) as advance:
            for window in self.data.batches(table, window_size, report):
                left = window.since(first)
                for batch, position in self._batches(table, left):
                    again = resume and self.checkpoint.position == first
                    work = functools.partial(self._write, table, batch, position, vectors, self.checkpoint, again)
                    changed, self.checkpoint = self.graph.write_transaction(work)
                    self.changed[table] += changed
                    advance(len(batch))
                advance(len(window) - len(left))

    def _batches(self, table: TableName, window: Batch) -> Iterator[tuple[Batch, int]]:
        """What one transaction each writes, and before which row everything is in the graph after it."""
        if table in NODE_TABLES:
            if len(window):
                yield window, window.end
            return
        ordered = by_source(table, window)
        for at in range(0, len(ordered), self.batch_size):
            end = at + self.batch_size
            last = end >= len(ordered)
            yield window.only(ordered[at:end]), window.end if last else window.rows[0]

    def _write(
        self,
        table: TableName,
        batch: Batch,
        position: int,
        vectors: dict[str, VectorFile],
        before: _Checkpoint,
        again: bool,
        run: Run,
    ) -> tuple[int, _Checkpoint]:
        """One transaction. It may run twice for one commit, when the server's answer was lost: then the revs have a gap.

        Args:
            again: some of these edges may have been written before the load was killed.
        """
        rev = next_rev(run)
        alone = rev == before.rev + 1
        if table in NODE_TABLES:
            create = False
            changed = self._write_nodes(run, table, batch, vectors, rev)
        else:
            begins = before.step != table
            create = alone and (self._is_empty(run, table) if begins else before.create)
            changed = write_edges(run, self.mapping, edge_rows(table, batch), rev, create=create and not again)
        checkpoint = _Checkpoint(table, position, create, rev)
        self._record(run, checkpoint)
        return changed, checkpoint

    def _write_nodes(self, run: Run, table: TableName, batch: Batch, vectors: dict[str, VectorFile], rev: int) -> int:
        changed = write_nodes(run, self.mapping, node_rows(table, batch, vectors), rev)
        if table == "contexts":
            changed += write_edges(run, self.mapping, owned_contexts(batch), rev)
        return changed

    def _is_empty(self, run: Run, table: TableName) -> bool:
        return bool(run(load_queries()[f"write/edge_count/{table}"].render(self.mapping))[0]["edges"] == 0)

    def _record(self, run: Run, checkpoint: _Checkpoint) -> None:
        values = {"digest": self.digest, **dataclasses.asdict(checkpoint)}
        run(load_queries()["engine/set_load"].render(self.mapping), values)

    def _finish(self, run: Run) -> None:
        self._record(run, dataclasses.replace(self.checkpoint, step=_DONE, position=0, create=False))

    def _save_fingerprint(self) -> None:
        finished = _fingerprint(self.graph, self.mapping)
        self.checkpoint = dataclasses.replace(self.checkpoint, step=_DONE, position=0, create=False, finished=finished)
        self.graph.write_transaction(lambda run: self._record(run, self.checkpoint))


def _fingerprint(graph: Graph, mapping: GraphMapping) -> str:
    """The rev and the counts of the graph: equal while nobody adds or removes anything."""
    row = graph.read(load_queries()["engine/fingerprint"].render(mapping))[0]
    return digest(row)
