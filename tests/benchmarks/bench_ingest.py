"""Ingest of edges beside a bare driver loop with the same batch size, in turn on one server.

    python -m tests.benchmarks.bench_ingest [--items 50000 --contexts 10000 --edges 200000 --rounds 3]

The peer sends `UNWIND $rows ... CREATE` and nothing else: no checks, no revs, no way to go on after a kill. The bar: at
least 80% of its edges a second. The check of the files before the load is shown apart and within.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from engine.datasets.folder_write import write_dataset
from engine.graph.connection import Graph
from engine.graph.ingest import EDGE_BATCH, ingest
from engine.graph.local import LocalServer
from engine.settings import GraphSettings, LocalServerSettings, Settings

BARE = (
    "UNWIND $rows AS r MATCH (c:Context {context_id: r.c}) MATCH (i:Item {item_id: r.i}) "
    "CREATE (c)-[:SAVED {time: r.t}]->(i)"
)


def main() -> None:
    """Print edges a second of both, medians, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--contexts", type=int, default=10_000)
    parser.add_argument("--edges", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    mass = np.cumsum(np.arange(1, given.items + 1) ** -0.7)
    found: dict[str, list[float]] = {"bare": [], "load": [], "check and load": []}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        server = LocalServer(home, LocalServerSettings(heap_mb=1024, page_cache_mb=512), die_with_parent=True)
        address = server.start()
        password = SecretStr(address.password)
        settings = Settings(home=home, graph=GraphSettings(uri=address.uri, user=address.user, password=password))
        try:
            with Graph.connect(settings) as graph:
                items = {"item_id": [f"item-{k}" for k in range(given.items)]}
                contexts = {"context_id": [f"context-{k}" for k in range(given.contexts)]}
                ingest(graph, settings, write_dataset(home / "nodes", "nodes", items=items, contexts=contexts))
                for number in range(given.rounds + 1):
                    item = np.minimum(np.searchsorted(mass, rng.random(given.edges) * mass[-1]), given.items - 1)
                    saves = {
                        "context_id": [f"context-{k}" for k in rng.integers(0, given.contexts, given.edges)],
                        "item_id": [f"item-{k}" for k in item],
                        "time": list(range(number, number + given.edges)),
                    }
                    empty = {"item_id": [f"new-{number}"]}
                    data = write_dataset(home / "edges", "edges", items=empty, saves=saves)
                    _forget(graph)
                    bare = given.edges / _bare(graph, saves)
                    _forget(graph)
                    report = ingest(graph, settings, data)
                    if number == 0:
                        continue  # the first round warms the server up
                    found["bare"].append(bare)
                    found["load"].append(given.edges / (report.seconds - report.check_seconds))
                    found["check and load"].append(given.edges / report.seconds)
                    print("  ".join(f"{name} {values[-1]:,.0f}/s" for name, values in found.items()), flush=True)
        finally:
            server.stop()
    middle = {name: statistics.median(values) for name, values in found.items()}
    for name, value in middle.items():
        print(f"{name}: {value:,.0f} edges/s, {value / middle['bare']:.2f} x bare")


def _bare(graph: Graph, saves: dict[str, list[object]]) -> float:
    started = time.perf_counter()
    for at in range(0, len(saves["time"]), EDGE_BATCH):
        part = (saves[name][at : at + EDGE_BATCH] for name in ("context_id", "item_id", "time"))
        graph.write(BARE, {"rows": [{"c": c, "i": i, "t": t} for c, i, t in zip(*part, strict=True)]})
    return time.perf_counter() - started


def _forget(graph: Graph) -> None:
    graph.auto_commit("MATCH (c:Context) CALL (c) { MATCH (c)-[s:SAVED]->() DELETE s } IN TRANSACTIONS OF 500 ROWS")


if __name__ == "__main__":
    main()
