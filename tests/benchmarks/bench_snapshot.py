"""Snapshot of 2M edges beside bare packed queries on the same server in the same run.

    python -m tests.benchmarks.bench_snapshot [--items 200000 --contexts 20000 --edges 2000000]

The bars: 1M edges/s, and 1.2 x a bare packed query. The bare query returns what a snapshot needs of an edge (both ends,
rev and time) and is only read; the export also reads ids and fields, keeps resumable parts, sorts both directions,
writes, checksums and seals. The query of topology alone is printed too.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable

from engine.graph.connection import Graph
from engine.graph.snapshot_export import export_snapshot
from tests.benchmarks.loaded_graph import loaded_graph

BARE = """MATCH (c:Context)
CALL (c) {
  MATCH (c)-[s:SAVED]->(i)
  RETURN collect(id(i)) AS items, collect(s.rev) AS revs, collect(s.time) AS times
}
RETURN id(c) AS context, items, revs, times"""
TOPOLOGY = "MATCH (c:Context) RETURN id(c) AS context, COLLECT { MATCH (c)-[:SAVED]->(i) RETURN id(i) } AS items"


def drain(graph: Graph, query: str) -> None:
    for _ in graph.stream(query):
        pass


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Print seconds and ratios, best of five in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--contexts", type=int, default=20_000)
    parser.add_argument("--edges", type=int, default=2_000_000)
    given = parser.parse_args()
    with loaded_graph(given.items, given.contexts, given.edges) as (graph, settings):
        taken: dict[str, list[float]] = {"topology": [], "bare": [], "export": []}
        for _ in range(6):
            taken["topology"].append(timed(lambda: drain(graph, TOPOLOGY)))
            taken["bare"].append(timed(lambda: drain(graph, BARE)))
            shutil.rmtree(settings.home / "snapshots", ignore_errors=True)
            taken["export"].append(timed(lambda: export_snapshot(graph, settings)))
        best = {name: min(times[1:]) for name, times in taken.items()}
        for name, seconds in best.items():
            print(f"{name:>9}: {seconds:.2f} s, {given.edges / seconds / 1e6:.2f} M edges/s")
        print(f"export / bare packed query: {best['export'] / best['bare']:.2f} x")
        print(f"export / topology alone:    {best['export'] / best['topology']:.2f} x")


if __name__ == "__main__":
    main()
