"""A Neo4j with a power-law graph in it, for the benchmarks that need one. Takes minutes to load; goes when the run ends."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from engine.graph.connection import Graph
from engine.graph.local import LocalServer
from engine.settings import GraphSettings, LocalServerSettings, Settings

EDGES_A_WRITE = 20_000


@contextlib.contextmanager
def loaded_graph(items: int, contexts: int, edges: int) -> Iterator[tuple[Graph, Settings]]:
    """Start a server, create the graph (popularity ~ rank^-0.7, a rev for each write, times), and stop it in the end."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        server = LocalServer(home, LocalServerSettings(heap_mb=1536, page_cache_mb=512), die_with_parent=True)
        address = server.start()
        settings = Settings(
            home=home,
            graph=GraphSettings(uri=address.uri, user=address.user, password=SecretStr(address.password)),
        )
        try:
            with Graph.connect(settings) as graph:
                started = time.perf_counter()
                _load(graph, items, contexts, edges)
                print(f"loaded {edges:,} edges in {time.perf_counter() - started:.0f} s")
                yield graph, settings
        finally:
            server.stop()


def _load(graph: Graph, items: int, contexts: int, edges: int) -> None:
    rng = np.random.default_rng(0)
    mass = np.cumsum(np.arange(1, items + 1) ** -0.7)
    item = rng.permutation(items)[np.minimum(np.searchsorted(mass, rng.random(edges) * mass[-1]), items - 1)]
    context = rng.integers(0, contexts, edges)
    graph.auto_commit("CREATE CONSTRAINT IF NOT EXISTS FOR (n:Item) REQUIRE n.item_id IS UNIQUE")
    graph.auto_commit("CREATE CONSTRAINT IF NOT EXISTS FOR (n:Context) REQUIRE n.context_id IS UNIQUE")
    graph.write("CREATE (:_EngineState {name: 'state', rev: 0})")
    handles = {}
    for label, key, count in (("Item", "item_id", items), ("Context", "context_id", contexts)):
        found = [
            graph.write(
                f"UNWIND range($a, $b - 1) AS n CREATE (x:{label} {{{key}: $key + n, rev: 0}}) RETURN collect(id(x)) AS h",
                {"a": at, "b": min(at + 20_000, count), "key": f"{label.lower()}-"},
            )[0]["h"]
            for at in range(0, count, 20_000)
        ]
        handles[label] = np.concatenate(found)
    sources, targets = handles["Context"][context], handles["Item"][item]
    for at in range(0, edges, EDGES_A_WRITE):
        part = slice(at, at + EDGES_A_WRITE)
        graph.write(
            "MATCH (e:_EngineState) SET e.rev = e.rev + 1 WITH e.rev AS rev "
            "UNWIND range(0, size($c) - 1) AS n MATCH (c) WHERE id(c) = $c[n] MATCH (i) WHERE id(i) = $i[n] "
            "CREATE (c)-[:SAVED {time: 1600000000000 + n, rev: rev}]->(i)",
            {"c": sources[part].tolist(), "i": targets[part].tolist()},
        )
