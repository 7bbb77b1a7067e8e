"""Change sets applied to a made snapshot, beside a bare copy of its files.

    python -m tests.benchmarks.bench_apply [--items 1000000 --contexts 200000 --edges 10000000 --width 128 --folder DIR]

The bar: 10 edges in 1.5 s. No server: change sets are made by hand.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.files import atomic_folder
from engine.graph.changes import Changes, EdgeChanges, NodeChanges
from engine.graph.changes_columns import EdgeColumns, EdgeKeys
from engine.graph.mapping import EDGES
from engine.graph.snapshot import FieldColumn, IdColumn, Relations, Snapshot
from engine.graph.snapshot_apply import apply_changes
from engine.graph.snapshot_columns import NodeTable, field_column, node_table
from engine.graph.snapshot_csr import relation
from engine.graph.snapshot_files import write_snapshot

NO_KEYS = EdgeKeys(IdColumn([]), IdColumn([]), np.empty(0, np.int64))


def made(folder: Path, items: int, contexts: int, edges: int, width: int) -> Snapshot:
    """A snapshot whose item popularity falls like rank^-0.7, with times, titles and a vector an item."""
    rng = np.random.default_rng(0)
    fields = {
        "title": field_column("text", [f"the title of item {n}" for n in range(items)], name="title"),
        "visual": FieldColumn("vector", rng.standard_normal((items, width), dtype=np.float32)),
    }
    nodes = {
        "items": node_table([f"item-{n}" for n in range(items)], None, fields)[0],
        "contexts": node_table([f"context-{n}" for n in range(contexts)])[0],
        "users": node_table([])[0],
    }
    share = np.cumsum(np.arange(1, items + 1) ** -0.7)
    item = np.searchsorted(share / share[-1], rng.random(edges)).clip(max=items - 1)
    context, time_ms = rng.integers(0, contexts, edges), np.arange(edges, dtype=np.int64)
    none = np.empty(0, np.int32)
    relations = {
        "saves": relation(contexts, items, context, item, rev=time_ms // 1000, time=time_ms),
        "interactions": relation(0, items, none, none),
        "follows": relation(0, 0, none, none),
        "owns": relation(0, contexts, none, none),
    }
    with atomic_folder(folder, facts := {}) as temporary:
        facts.update(write_snapshot(temporary, Snapshot(None, 1, **nodes, relations=Relations(**relations))))
    return Snapshot.open(folder, verify=False)


def changed(snapshot: Snapshot, edges: int, *, titles: int = 0, new: int = 0) -> Changes:
    """New saves spread over contexts and items, new titles, and new items with a vector."""
    rng = np.random.default_rng(edges)
    rows = {
        kind: rng.choice(len(getattr(snapshot, kind)), edges, replace=False).tolist() for kind in ("contexts", "items")
    }
    ends = [IdColumn(getattr(snapshot, kind).ids.take(rows[kind])) for kind in ("contexts", "items")]
    stamps = np.arange(edges, dtype=np.int64)
    nothing = EdgeChanges(_edges(IdColumn([]), IdColumn([]), stamps[:0]), NO_KEYS)
    kinds = dict.fromkeys(EDGES, nothing)
    kinds["saves"] = EdgeChanges(_edges(*ends, stamps), NO_KEYS)
    visual = snapshot.items.fields["visual"].values
    known = snapshot.items.ids.take(np.arange(titles))
    came = {
        "title": field_column("text", [f"new title {n}" for n in range(titles + new)], name="title"),
        "visual": FieldColumn("vector", visual[: titles + new]),
    }
    items = node_table([*known, *(f"new-{n}" for n in range(new))], None, came)[0]
    table = node_table(list(ends[0]))[0]
    none: NodeTable = node_table([])[0]
    return Changes(1, 2, None, NodeChanges(items), NodeChanges(table), NodeChanges(none), **kinds)


def _edges(source: IdColumn, target: IdColumn, stamps: Any) -> EdgeColumns:
    return EdgeColumns(source, target, stamps + 10_000, stamps, np.full(len(stamps), np.nan, np.float32))


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Print seconds, best of three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--contexts", type=int, default=200_000)
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--folder", type=Path, help="where the made snapshot is, or is kept for the next time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        first = given.folder or Path(home) / "first"
        if first.is_dir():
            snapshot = Snapshot.open(first, verify=False)
        else:
            snapshot = made(first, given.items, given.contexts, given.edges, given.width)
        sets = {
            "10 edges": changed(snapshot, 10),
            "1,000 edges": changed(snapshot, 1_000),
            "50,000 edges": changed(snapshot, min(50_000, given.contexts // 2)),
            "one title": changed(snapshot, 0, titles=1),
            "10 edges, 10 new items": changed(snapshot, 10, new=10),
        }
        target = Path(home) / "next"

        def once(work: Callable[[], object]) -> float:
            shutil.rmtree(target, ignore_errors=True)
            return timed(work)

        for name, changes in sets.items():
            best = min(once(lambda changes=changes: apply_changes(snapshot, changes, target)) for _ in range(4))
            written = sum(path.stat().st_size for path in target.iterdir() if path.stat().st_nlink == 1)
            print(f"{name:>24}: {best:.2f} s, {written / 1e6:,.0f} MB written", flush=True)
        copy = min(once(lambda: shutil.copytree(first, target)) for _ in range(2))
        print(f"{'a bare copy of the files':>24}: {copy:.2f} s")


if __name__ == "__main__":
    main()
