"""What serves, shown in the graph: `engine inspect publish` beside a bare loop that creates as many nodes and relationships.

    python -m tests.benchmarks.bench_inspection [--items 20000 --contexts 2000 --edges 200000 --dim 128]

The bare loop knows nothing of what is there: it creates nodes with an embedding and relationships between internal ids, in
batches of the same size, and then the same vector index. Publishing compares first, links each node to the user's item, finds
the related items and can be killed at any moment. Then: publishing again, after a refresh of 100 changes, and dropping it.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from engine import Engine
from engine.graph.connection import Graph
from engine.graph.migrate import migrate
from engine.models.pinsage.files import load_model
from engine.refresh.advance import Network, begin
from engine.refresh.build import Parts, publish_generation
from engine.refresh.gate import GateConfig
from engine.refresh.inspection import ITEMS_A_WRITE, LINKS_A_WRITE
from engine.serving import layout
from engine.settings import Settings
from tests.benchmarks.loaded_graph import loaded_graph
from tests.benchmarks.untrained import QUICK_INDEX, now, untrained_model

GATE = GateConfig(ann_recall=0.3)
"""Vectors of an untrained model lie close together: an index that found more of them would take longer than a real one."""


def built(engine: Engine, settings: Settings, dim: int) -> None:
    """Publish a generation of the graph as it is, by a model that was never trained."""
    as_of, snapshot = now(), engine.snapshot()
    folder = untrained_model(snapshot, settings.home / "untrained", dim)
    model, encoder, _ = load_model(folder)
    work = settings.home / "work"
    work.mkdir()
    begun = begin(snapshot, Network(model, encoder, settings.threads), work)
    parts = Parts(snapshot, as_of, begun.vectors, {layout.MODEL: folder}, begun.write)
    publish_generation(engine.registry, settings.home / "generations", parts, index=QUICK_INDEX, gate=GATE)


def bare(graph: Graph, items: int, dim: int, neighbours: int, related: int) -> float:
    """Seconds of a loop that creates as much, and the index; what it made goes again."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(items, dim)).astype(np.float32)
    handles: list[int] = []
    started = time.perf_counter()
    for at in range(0, items, ITEMS_A_WRITE):
        handles += graph.write(
            "UNWIND $vectors AS vector CREATE (n:Bare {embedding: vector}) RETURN collect(id(n)) AS handles",
            {"vectors": vectors[at : at + ITEMS_A_WRITE].tolist()},
        )[0]["handles"]
    for at in range(0, items, LINKS_A_WRITE):
        part = handles[at : at + LINKS_A_WRITE]
        rows = [
            {"handle": handle, "to": [handles[n] for n in rng.integers(0, items, neighbours + related)]}
            for handle in part
        ]
        graph.write(
            "UNWIND $rows AS row MATCH (n) WHERE id(n) = row.handle UNWIND row.to AS other MATCH (m) WHERE id(m) = other "
            "CREATE (n)-[:BARE {weight: 0.5, rank: 1}]->(m)",
            {"rows": rows},
        )
    graph.auto_commit(
        "CREATE VECTOR INDEX bare FOR (n:Bare) ON (n.embedding) OPTIONS {indexConfig: {`vector.dimensions`: $dim, "
        "`vector.similarity_function`: 'cosine', `vector.quantization.enabled`: false}}",
        {"dim": dim},
    )
    graph.read("CALL db.awaitIndex('bare', 600)")
    seconds = time.perf_counter() - started
    graph.auto_commit("DROP INDEX bare")
    graph.auto_commit("MATCH (n:Bare) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("items", 20_000), ("contexts", 2_000), ("edges", 200_000), ("dim", 128)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    with (
        loaded_graph(args.items, args.contexts, args.edges) as (graph, settings),
        Engine(settings.model_copy(update={"threads": 2})) as engine,
    ):
        migrate(graph, settings.graph.mapping)
        built(engine, settings, args.dim)
        seconds = bare(graph, args.items, args.dim, 20, 10)
        print(f"bare loop: {seconds:.1f} s, {args.items / seconds:,.0f} items/s")
        done = engine.publish_inspection()
        links = done.neighbours + done.related
        print(
            f"publish: {done.seconds:.1f} s, {done.items / done.seconds:,.0f} items/s with {links:,} relationships, "
            f"{(done.items + links) / done.seconds:,.0f} rows/s; {seconds / done.seconds:.2f} x the bare loop"
        )
        print(f"again, nothing to write: {engine.publish_inspection().seconds:.2f} s")
        rng = np.random.default_rng(1)
        pairs = zip(rng.integers(0, args.contexts, 100), rng.integers(0, args.items, 100), strict=True)
        engine.add_saves([{"context_id": f"context-{c}", "item_id": f"item-{i}"} for c, i in pairs])
        started = time.perf_counter()
        print(engine.refresh())
        print(f"refresh of 100 changes and what follows: {time.perf_counter() - started:.1f} s")
        print(engine.registry.runs.last("inspect"))
        started = time.perf_counter()
        engine.drop_inspection()
        print(f"drop: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
