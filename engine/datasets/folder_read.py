"""One table's files as batches of typed columns, every bad row set aside with its file, line and reason.

Looks at one row at a time: duplicates and unknown endpoints are `folder_check`'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from engine.datasets.folder_batch import Batch, Columns, Raw, Reject, shown
from engine.datasets.folder_csv import read_csv
from engine.datasets.folder_parquet import read_parquet
from engine.datasets.folder_spec import DEFAULT_CORPUS, TableSpec
from engine.datasets.folder_values import CLOCK_SKEW_MS, PARSE, check_column


def read_table(spec: TableSpec, size: int) -> Iterator[Batch]:
    """Stream a table in file order.

    Args:
        size: rows a batch at most; a batch never spans two files.

    Raises:
        DataError: a file as a whole is wrong: unreadable, without a header, with missing or unknown columns.
    """
    start = 0
    limit = int(time.time() * 1000) + CLOCK_SKEW_MS
    for path in spec.files:
        read = read_parquet if path.suffix.lower() == ".parquet" else read_csv
        for raw in read(path, spec, size, start):
            yield _understand(path, spec, raw, limit, parse=read is read_csv)
            start = raw.end


def _understand(path: Path, spec: TableSpec, raw: Raw, limit: int, *, parse: bool) -> Batch:
    kinds = spec.kinds
    bad: dict[int, str] = {}
    columns: Columns = {}
    for name, cells in raw.columns.items():
        values = PARSE[kinds[name]](name, cells, bad) if parse else cells
        check_column(kinds[name], name, values, bad, limit)
        columns[name] = values
    if spec.name == "items":
        corpora = columns.setdefault("corpus", [None] * len(raw.rows))
        columns["corpus"] = [corpus or DEFAULT_CORPUS for corpus in corpora]
    rejects = raw.rejects
    rows, lines = raw.rows, raw.lines
    if bad:
        rejects = rejects + [
            Reject(path, rows[k], lines[k], why, shown([column[k] for column in raw.columns.values()]))
            for k, why in bad.items()
        ]
        good = [k for k in range(len(rows)) if k not in bad]
        columns = {name: [values[k] for k in good] for name, values in columns.items()}
        rows, lines = [rows[k] for k in good], [lines[k] for k in good]
    return Batch(path, rows, lines, columns, tuple(sorted(rejects, key=lambda reject: reject.row)), raw.end)
