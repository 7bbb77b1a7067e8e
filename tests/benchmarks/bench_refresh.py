"""Refreshes of 1M items and 10M edges beside a full rebuild (walks, embedding, index) by the same model; no graph server.

    python -m tests.benchmarks.bench_refresh [--items 1000000 --contexts 200000 --edges 10000000 --home DIR]

The bars: an exact refresh after 10 spread edges is 50 times as cheap as the rebuild; after 1,000, spread or drawn by
popularity, with epsilon .01, 10 times; memory stays within 1.5 times snapshot and embeddings. Each refresh runs in a
process of its own that has the parent open, as a scheduler has, and is timed from the change set to the published delta; then
a reader that has the parent open opens the delta. With --home the world is kept and found again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.embedding.kept import Limits
from engine.files import atomic_folder
from engine.graph.changes import Changes, EdgeChanges, NodeChanges
from engine.graph.changes_columns import EdgeColumns, EdgeKeys
from engine.graph.snapshot import NO_TIME, FieldColumn, IdColumn, NodeTable, Relations, Snapshot
from engine.graph.snapshot_apply import apply_changes
from engine.graph.snapshot_columns import node_table
from engine.graph.snapshot_csr import relation
from engine.graph.snapshot_files import write_snapshot
from engine.models.pinsage.files import load_model
from engine.refresh.advance import Network, advance, begin
from engine.refresh.build import Parts, publish_generation
from engine.refresh.delta import Delta, write_delta
from engine.refresh.gate import GateConfig
from engine.refresh.model import INDEX
from engine.refresh.state import State
from engine.registry import Registry
from engine.serving import layout
from engine.serving.live import open_view
from engine.serving.view import View
from tests.benchmarks.untrained import now, untrained_model

GATE = GateConfig(ann_recall=0.3)
"""Vectors of an untrained model lie close together: an index that found more of them would take longer than a real one."""


@dataclass(frozen=True)
class Case:
    """One refresh to time."""

    edges: int
    drawn: str
    epsilon: float

    def __str__(self) -> str:
        return f"{self.edges:,} edges, {self.drawn}, {'exact' if not self.epsilon else f'epsilon {self.epsilon:g}'}"


CASES = (
    Case(10, "spread", 0.0),
    Case(10, "popular", 0.0),
    Case(1_000, "spread", 0.01),
    Case(1_000, "popular", 0.01),
    Case(1_000, "spread", 0.0),
    Case(1_000, "popular", 0.0),
)


def drawn_by_rank(rng: np.random.Generator, count: int, edges: int) -> np.ndarray:
    """Rows drawn by popularity ~ rank^-0.7; which row is popular is fixed."""
    mass = np.cumsum(np.arange(1, count + 1) ** -0.7)
    order = np.random.default_rng(0).permutation(count)
    return order[np.minimum(np.searchsorted(mass, rng.random(edges) * mass[-1]), count - 1)]


def make_world(home: Path, items: int, contexts: int, edges: int, threads: int) -> dict[str, float]:
    """Write snapshot and model, and build and publish the full generation. Returns the seconds of the rebuild's parts."""
    rng = np.random.default_rng(1)
    titles = pa.array([f"word-{n % 997} word-{n % 1009}" for n in range(items)], pa.large_string())
    table = node_table([f"item-{n}" for n in range(items)], fields={"title": FieldColumn("text", titles)})[0]
    boards = node_table([f"context-{n}" for n in range(contexts)])[0]
    nobody, none = node_table([])[0], np.empty(0, np.int32)
    relations = Relations(
        saves=relation(contexts, items, rng.integers(0, contexts, edges), drawn_by_rank(rng, items, edges)),
        interactions=relation(0, items, none, none),
        follows=relation(0, 0, none, none),
        owns=relation(0, contexts, none, none),
    )
    facts: dict[str, Any] = {}
    with atomic_folder(home / "snapshots" / "0", facts) as folder:
        facts.update(write_snapshot(folder, Snapshot(None, 0, table, boards, nobody, relations)))
    snapshot = Snapshot.open(home / "snapshots" / "0")
    model = untrained_model(snapshot, home / "model")
    work = home / "work"
    work.mkdir()
    begin(_first(snapshot, 100), network_of(model, threads), _made(home / "warm"))
    started, cpu = time.perf_counter(), time.process_time()
    begun = begin(snapshot, network_of(model, threads), work)
    embedded, embedded_cpu = time.perf_counter() - started, time.process_time() - cpu
    parts = Parts(snapshot, now(), begun.vectors, folders={layout.MODEL: model}, write_state=begun.write)
    started, cpu = time.perf_counter(), time.process_time()
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
    publish_generation(registry, home / "generations", parts, index=replace(INDEX, threads=threads), gate=GATE)
    indexed, indexed_cpu = time.perf_counter() - started, time.process_time() - cpu
    registry.close()
    shutil.rmtree(work)
    shutil.rmtree(home / "warm")
    return {
        "walks and embedding": embedded,
        "index and publish": indexed,
        "rebuild": embedded + indexed,
        "rebuild cpu": embedded_cpu + indexed_cpu,
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _first(snapshot: Snapshot, contexts: int) -> Snapshot:
    """The edges of the first contexts alone: enough to load all that is compiled."""
    forward = snapshot.relations.saves.forward
    end = int(forward.indptr[contexts])
    source = np.repeat(np.arange(contexts), np.diff(forward.indptr[: contexts + 1]))
    items = np.unique(forward.indices[:end], return_inverse=True)
    rows = items[0]
    table = NodeTable(
        IdColumn(pa.array(snapshot.items.ids.take(rows), pa.large_string())),
        snapshot.items.key[rows],
        snapshot.items.corpus[rows],
        snapshot.items.corpora,
        {name: column.take(rows) for name, column in snapshot.items.fields.items()},
    )
    saves = relation(contexts, len(rows), source, items[1])
    boards = node_table(snapshot.contexts.ids[:contexts])[0]
    none = np.empty(0, np.int32)
    return replace(
        snapshot,
        items=table,
        contexts=boards,
        relations=replace(
            snapshot.relations,
            saves=saves,
            interactions=relation(0, len(rows), none, none),
            owns=relation(0, contexts, none, none),
        ),
    )


def network_of(model: Path, threads: int) -> Network:
    """The model of a folder."""
    network, encoder, _ = load_model(model)
    return Network(network, encoder, threads)


def changes(snapshot: Snapshot, case: Case, seed: int) -> Changes:
    """New edges between nodes that are there, none of which has one with the other yet."""
    rng = np.random.default_rng(seed)
    items, contexts, count = len(snapshot.items), len(snapshot.contexts), 2 * case.edges
    item = rng.integers(0, items, count) if case.drawn == "spread" else drawn_by_rank(rng, items, count)
    context = rng.integers(0, contexts, count)
    held = snapshot.relations.saves.forward
    new = [at for at in range(count) if item[at] not in held.row(int(context[at]))][: case.edges]
    item, context = item[new], context[new]
    none = NodeChanges(node_table([])[0])
    rev = snapshot.watermark + 1

    def table(nodes: NodeTable, rows: np.ndarray) -> NodeChanges:
        kept = np.unique(rows)
        fields = {name: column.take(kept) for name, column in nodes.fields.items()}
        return NodeChanges(node_table(nodes.ids.take(kept), fields=fields)[0])

    def edges(source: list[str], target: list[str]) -> EdgeChanges:
        count = len(source)
        times = np.full(count, NO_TIME, np.int64)
        columns = EdgeColumns(
            IdColumn(source), IdColumn(target), np.full(count, rev), times, np.full(count, np.nan, np.float32)
        )
        return EdgeChanges(columns, EdgeKeys(IdColumn([]), IdColumn([]), np.empty(0, np.int64)))

    return Changes(
        snapshot.watermark,
        rev,
        None,
        items=table(snapshot.items, item),
        contexts=table(snapshot.contexts, context),
        users=none,
        saves=edges(snapshot.contexts.ids.take(context), snapshot.items.ids.take(item)),
        interactions=edges([], []),
        follows=edges([], []),
        owns=edges([], []),
    )


def refresh(home: Path, case: Case, threads: int) -> dict[str, Any]:
    """Time one refresh, and undo it."""
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
    parent = registry.generations.serving()
    assert parent is not None
    view = open_view(parent)
    view.names  # noqa: B018  a process that answers has them
    reader = open_view(parent, view)
    state, network = State.open(view.folder), network_of(view.folder / layout.MODEL, threads)
    assert state is not None
    warm = apply_changes(view.snapshot, changes(view.snapshot, Case(1, "spread", 0.0), 99), home / "snapshots" / "warm")
    advance(state, warm, network, Limits())
    shutil.rmtree(home / "snapshots" / "warm")
    told = changes(view.snapshot, case, 5)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, own_before = _memory("VmRSS"), _memory("RssAnon")
    own: list[int] = [own_before]
    started, cpu, took = time.perf_counter(), time.process_time(), {}
    last = started

    def done(name: str) -> None:
        nonlocal last
        took[name] = time.perf_counter() - last
        last = time.perf_counter()

    with _watching(own):
        applied = apply_changes(view.snapshot, told, home / "snapshots" / "1")
        done("apply")
        advanced = advance(state, applied, network, Limits(epsilon=case.epsilon))
        done("walk and embed")
        delta = Delta(applied.snapshot, now(), advanced.rows, advanced.vectors, advanced.write)
        made = write_delta(registry, view, delta, home / "generations", index=INDEX, gate=GATE)
        done("write and publish")
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = _memory("VmHWM")
    opened = time.perf_counter()
    again = open_view(made, reader)
    opening = time.perf_counter() - opened
    assert again.origin.generation == made.id
    found = {
        "seconds": seconds,
        "cpu": cpu,
        "steps": took,
        "opening": opening,
        "counts": advanced.counts,
        "plan": str(advanced.plan),
        "certificate": advanced.certificate.largest,
        "peak": peak - before,
        "own": max(own) - own_before,
        "data": _size(view),
        "recall": made.metrics["ann_recall"],
    }
    registry.generations.rollback(parent.id)
    registry.generations.delete(made.id)
    shutil.rmtree(made.path)
    shutil.rmtree(applied.snapshot.path)
    registry.close()
    return found


@contextmanager
def _watching(own: list[int]) -> Iterator[None]:
    """Note, all the time, how much memory of this process is its own and not that of a mapped file."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            own.append(_memory("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _memory(name: str) -> int:
    """A figure of this process in bytes; pages of mapped files count while they are in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _size(view: View) -> int:
    """Bytes of the snapshot and the embeddings."""
    assert view.snapshot.path is not None
    return sum(path.stat().st_size for path in view.snapshot.path.iterdir()) + view.vectors.nbytes


def main() -> None:
    """Print each refresh beside the rebuild."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--contexts", type=int, default=200_000)
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case is not None:
        print(json.dumps(refresh(given.home, CASES[given.case], given.threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) if given.home is None else given.home
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "rebuild.json").is_file():
            took = make_world(home, given.items, given.contexts, given.edges, given.threads)
            (home / "rebuild.json").write_text(json.dumps(took))
        took = json.loads((home / "rebuild.json").read_text())
        print(f"{given.items:,} items, {given.edges:,} edges; full rebuild: ", end="")
        print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items()), flush=True)
        for number, case in enumerate(CASES):
            report(case, took, _in_a_process(home, number, given.threads))


def _in_a_process(home: Path, number: int, threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_refresh", "--home", str(home), "--case", str(number)]
    done = subprocess.run([*command, "--threads", str(threads)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def report(case: Case, rebuild: dict[str, float], found: dict[str, Any]) -> None:
    """Print one refresh."""
    steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in found["steps"].items())
    print(
        f"{case!s:36} {found['seconds']:7.2f} s ({steps}), {rebuild['rebuild'] / found['seconds']:5.1f} x cheaper"
        f" ({rebuild['rebuild cpu'] / found['cpu']:.1f} x in CPU time)"
    )
    print(f"    {found['plan']}")
    print(
        f"    {found['counts']}; largest account {found['certificate']:.4f}; ann_recall {found['recall']:.3f};"
        f" a reader opens it in {found['opening']:.3f} s; at most {found['own'] / 2**20:,.0f} MiB of its own, with mapped"
        f" files {found['peak'] / 2**20:,.0f}; snapshot and embeddings {found['data'] / 2**20:,.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
