"""The full validation pass over a data set: bad rows, duplicate ids, edges to unknown nodes, repeated edges, vectors.

Constant memory: ids become 16-byte digests that are spread over files by their first bits and compared file by file;
what is left of a row is one bit. Knows no graph but a function that tells which ids it has.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.datasets.folder_batch import Batch, Reject
from engine.datasets.folder_digests import Bits, Spill, digests, edge_digests
from engine.datasets.folder_read import read_table
from engine.datasets.folder_rejects import Rejects
from engine.datasets.folder_spec import ENDPOINTS, NODE_TABLES, REQUIRED, TableName, TableSpec
from engine.datasets.folder_vectors import VectorFile
from engine.errors import DataError
from engine.files import disk_full_as
from engine.progress import progress

Known = Callable[[TableName, Collection[str]], set[str]]
"""Which of some node ids of a node table are already known elsewhere."""
CHECK_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the validation pass found.

    Attributes:
        rows: good rows by table, repeated ones not counted.
        rejected: bad rows by file.
        repeated: edges that come again later with the same ends and time; the last one counts.
        skip: by table, one bit a row for the bad and repeated ones.
    """

    rows: dict[TableName, int] = field(default_factory=dict)
    rejected: dict[Path, int] = field(default_factory=dict)
    repeated: dict[TableName, int] = field(default_factory=dict)
    skip: dict[TableName, Bits] = field(default_factory=dict)
    rejects_path: Path | None = None


def check_tables(
    tables: dict[TableName, TableSpec],
    vectors: dict[str, VectorFile],
    max_rejects: int,
    rejects_path: Path | None,
    known: Known | None,
    work_folder: Path | None,
) -> CheckReport:
    """See `DatasetFolder.check`."""
    with tempfile.TemporaryDirectory(dir=work_folder, prefix="engine-check-") as temporary:
        folder = Path(temporary)
        with disk_full_as(folder), Rejects(rejects_path) as rejects:
            checks = {name: _TableCheck(spec, folder, rejects) for name, spec in tables.items()}
            for name, check in checks.items():
                check.read(vectors if name == "items" else {})
            for check in checks.values():
                check.find_repeats()
            for check in checks.values():
                check.find_unknown({name: checks[name].ids for name in NODE_TABLES if name in checks}, known)
                check.explain(known)
            rejects.finish(max_rejects)
            return CheckReport(
                {name: check.total - check.skip.count() for name, check in checks.items()},
                dict(rejects.counts),
                {name: check.repeated for name, check in checks.items() if check.repeated},
                {name: check.skip for name, check in checks.items()},
                rejects_path if rejects.total else None,
            )


class _TableCheck:
    """One table on its way through the passes."""

    def __init__(self, spec: TableSpec, folder: Path, rejects: Rejects) -> None:
        self.spec = spec
        self.rejects = rejects
        self.is_node = spec.name in NODE_TABLES
        self.ids = Spill(folder / f"{spec.name}.ids")
        self.ends = {column: Spill(folder / f"{spec.name}.{column}") for column in ENDPOINTS.get(spec.name, {})}
        self.skip = Bits()
        self.duplicate = Bits()
        self.unknown = {column: Bits() for column in self.ends}
        self.total = 0
        self.repeated = 0

    def read(self, vectors: dict[str, VectorFile]) -> None:
        """The first pass: single rows; spill the ids for the passes across rows."""
        with progress(f"Checking {self.spec.name}") as advance:
            for batch in read_table(self.spec, CHECK_ROWS):
                for reject in batch.rejects:
                    self._reject(reject)
                self._spill(self._check_vectors(batch, vectors))
                advance(batch.end - self.total)
                self.total = batch.end
        for vector in vectors.values():
            if len(vector) != self.total:
                files = ", ".join(path.name for path in self.spec.files)
                raise DataError(f"{vector.paths[0]}: {len(vector):,} vectors, and {self.total:,} items in {files}")
        for spill in (self.ids, *self.ends.values()):
            spill.flush()

    def _spill(self, batch: Batch) -> None:
        rows = np.array(batch.rows, dtype=np.int64)
        key = [digests(batch.columns[column]) for column in REQUIRED[self.spec.name]]
        if self.is_node:
            self.ids.add(key[0], rows)
        else:
            times = batch.columns.get("time") or [None] * len(batch)
            self.ids.add(edge_digests(key[0], key[1], times), rows)
        for column, spill in self.ends.items():
            values = batch.columns.get(column) or [None] * len(batch)
            there = np.array([value is not None for value in values], dtype=bool)
            named = [value for value in values if value is not None]
            spill.add(digests(named), rows[there])

    def _check_vectors(self, batch: Batch, vectors: dict[str, VectorFile]) -> Batch:
        bad = Bits()
        rows = np.array(batch.rows, dtype=np.int64)
        for vector in vectors.values():
            mine = rows < len(vector)
            finite = np.isfinite(vector.take(rows[mine])).all(axis=1)
            for at in np.flatnonzero(mine)[~finite]:
                row = batch.rows[at]
                if row not in bad:
                    bad.set(np.array([row]))
                    reason = f"vector {vector.name} (row {row} of its file) holds NaN or infinity"
                    self._reject(Reject(batch.file, row, batch.lines[at], reason, batch.content(at)))
        return batch.without(bad)

    def _reject(self, reject: Reject) -> None:
        self.skip.set(np.array([reject.row]))
        self.rejects.add(reject)

    def find_repeats(self) -> None:
        """Nodes: all but the first of equal ids are bad. Edges: all but the last of equal ones are left out."""
        for part in range(Spill.PARTS):
            digest, row = self.ids.read(part)
            if self.is_node:
                self.duplicate.set(_repeats(digest, row, keep_last=False))
            else:
                found = _repeats(digest, row, keep_last=True)
                self.skip.set(found)
                self.repeated += len(found)

    def find_unknown(self, nodes: dict[TableName, Spill], known: Known | None) -> None:
        """Mark the rows whose ends are not among the set's own nodes."""
        for column, spill in self.ends.items():
            target = ENDPOINTS[self.spec.name][column]
            for part in range(Spill.PARTS):
                digest, row = spill.read(part)
                if target in nodes:
                    there, _ = nodes[target].read(part)
                    row = row[~np.isin(digest, there)]
                self.unknown[column].set(row)

    def explain(self, known: Known | None) -> None:
        """A second pass over a table with duplicates or unknown ends: ask the graph, and name the rows."""
        if not self.duplicate.count() and not any(bits.count() for bits in self.unknown.values()):
            return
        for batch in read_table(self.spec, CHECK_ROWS):
            reasons: dict[int, str] = {}
            if self.duplicate.count():
                id_column = next(iter(REQUIRED[self.spec.name]))
                for at in self.duplicate.among(batch.rows):
                    reasons[at] = f"{id_column} {batch.columns[id_column][at][:80]!r} is there twice"
            for column, bits in self.unknown.items():
                target = ENDPOINTS[self.spec.name][column]
                marked = bits.among(batch.rows) if bits.count() else []
                named = {batch.columns[column][at] for at in marked}
                there = known(target, named) if known and named else set()
                for at in marked:
                    value = batch.columns[column][at]
                    if value not in there:
                        reasons.setdefault(at, f"{column} {value[:80]!r} is unknown: not in {target}")
            for at, reason in sorted(reasons.items()):
                if batch.rows[at] not in self.skip:
                    self._reject(Reject(batch.file, batch.rows[at], batch.lines[at], reason, batch.content(at)))


def _repeats(digest: NDArray[np.void], row: NDArray[np.int64], *, keep_last: bool) -> NDArray[np.int64]:
    """The rows of all but the first (or last) of equal digests."""
    order = np.lexsort((-row if keep_last else row, digest["hi"], digest["lo"]))
    digest, row = digest[order], row[order]
    repeats: NDArray[np.int64] = row[1:][digest[1:] == digest[:-1]]
    return repeats
