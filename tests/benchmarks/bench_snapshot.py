"""Snapshot of 2M edges beside bare packed queries on the same server in the same run.

    python -m tests.benchmarks.bench_snapshot [--items 200000 --contexts 20000 --edges 2000000]

The bars: 1M edges/s, and 1.2 x a bare packed query. A bare query returns what a snapshot needs of an edge (both ends, rev
and time) and is only read; the export also reads ids and fields, keeps resumable parts, sorts both directions, writes,
checksums and seals. There are two, packed by context and by edge: the second holds the whole graph in the server's memory,
and is the quicker one. The query of topology alone, by context and without rev and time, is printed too.

The server and this process share the machine, so that the seconds of processor time of both are shown beside those by
the clock: on a busy machine they are the ones to compare.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from engine.graph.connection import Graph
from engine.graph.snapshot_export import export_snapshot
from tests.benchmarks.loaded_graph import loaded_graph

BY_CONTEXT = """MATCH (c:Context)
CALL (c) {
  MATCH (c)-[s:SAVED]->(i)
  RETURN collect(id(i)) AS items, collect(s.rev) AS revs, collect(s.time) AS times
}
RETURN id(c) AS context, items, revs, times"""
BY_EDGE = """MATCH (c)-[s:SAVED]->(i)
WITH id(s) / 65536 AS block, id(c) AS context, id(i) AS item, s.rev AS rev, s.time AS time
RETURN block, collect(context) AS contexts, collect(item) AS items, collect(rev) AS revs, collect(time) AS times"""
TOPOLOGY = "MATCH (c:Context) RETURN id(c) AS context, COLLECT { MATCH (c)-[:SAVED]->(i) RETURN id(i) } AS items"


def drain(graph: Graph, query: str) -> None:
    for _ in graph.stream(query):
        pass


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds by the clock, and of processor time in the server and here."""

    wall: float
    server: float
    here: float


def timed(server: psutil.Process, work: Callable[[], object]) -> Taken:
    def used(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    here = psutil.Process()
    before, started = (used(server), used(here)), time.perf_counter()
    work()
    wall = time.perf_counter() - started
    return Taken(wall, used(server) - before[0], used(here) - before[1])


def main() -> None:
    """Print seconds and ratios, best of five in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--contexts", type=int, default=20_000)
    parser.add_argument("--edges", type=int, default=2_000_000)
    given = parser.parse_args()
    with loaded_graph(given.items, given.contexts, given.edges) as (graph, settings):
        (server,) = (child for child in psutil.Process().children(recursive=True) if "java" in child.name())
        taken: dict[str, list[Taken]] = {"topology": [], "by context": [], "by edge": [], "export": []}
        for _ in range(6):
            for name, query in (("topology", TOPOLOGY), ("by context", BY_CONTEXT), ("by edge", BY_EDGE)):
                taken[name].append(timed(server, functools.partial(drain, graph, query)))
            shutil.rmtree(settings.home / "snapshots", ignore_errors=True)
            taken["export"].append(timed(server, lambda: export_snapshot(graph, settings)))
        best = {name: min(times[1:], key=lambda one: one.wall) for name, times in taken.items()}
        for name, one in best.items():
            print(
                f"{name:>10}: {one.wall:.2f} s, {given.edges / one.wall / 1e6:.2f} M edges/s; processor "
                f"{one.server:.2f} s in the server, {one.here:.2f} s here"
            )
        export = best.pop("export")
        for name, one in best.items():
            total = (export.server + export.here) / (one.server + one.here)
            print(f"export / {name}: {export.wall / one.wall:.2f} x by the clock, {total:.2f} x in processor time")


if __name__ == "__main__":
    main()
