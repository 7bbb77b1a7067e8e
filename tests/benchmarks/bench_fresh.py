"""A graph of 200k items that changes: new items until they are searchable, and refreshes of 100 changes each.

    python -m tests.benchmarks.bench_fresh [--items 200000 --contexts 20000 --edges 2000000 --new 40 --refreshes 20]

The bars: p95 <= 1 s from the commit of a new item's third save until it is searchable, through the live path; p95 <= 5 s for a
refresh of 100 changes. An item counts as searchable when a question about it is answered and another question, about its
nearest neighbour, has been answered with it in the search. Each commit moves the graph's counter, so that nothing kept of the
graph helps. The peer is the same question about an item that the generation knows.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from engine import Engine
from engine.graph.migrate import migrate
from engine.models.pinsage.files import load_model
from engine.refresh.advance import Network, begin
from engine.refresh.build import Parts, publish_generation
from engine.refresh.gate import GateConfig
from engine.serving import layout
from engine.settings import Settings
from tests.benchmarks.loaded_graph import loaded_graph
from tests.benchmarks.untrained import QUICK_INDEX, now, percentile, untrained_model

WARM_UP = 5
GATE = GateConfig(ann_recall=0.3)
"""Vectors of an untrained model lie close together: an index that found more of them would take longer than a real one."""


def built(engine: Engine, settings: Settings) -> None:
    """Publish a generation of the graph as it is, by a model that was never trained."""
    as_of, snapshot = now(), engine.snapshot()
    folder = untrained_model(snapshot, settings.home / "untrained")
    model, encoder, _ = load_model(folder)
    work = settings.home / "work"
    work.mkdir()
    started = time.perf_counter()
    begun = begin(snapshot, Network(model, encoder, settings.threads), work)
    parts = Parts(snapshot, as_of, begun.vectors, {layout.MODEL: folder}, begun.write)
    publish_generation(engine.registry, settings.home / "generations", parts, index=QUICK_INDEX, gate=GATE)
    print(f"built in {time.perf_counter() - started:.0f} s", flush=True)


def new_items(engine: Engine, contexts: int, count: int, rng: np.random.Generator) -> None:
    """Add items one by one and ask for each."""
    view, come_up = engine.view(), 0
    known, waits, steps = [], [], {"asked for": [], "in others' answers": []}
    for number in range(-WARM_UP, count):
        boards = [f"context-{n}" for n in rng.choice(contexts, 3, replace=False)]
        item = f"new-{number}"
        engine.add_items([{"item_id": item, "title": f"word-{number % 100:03}"}])
        engine.add_saves([{"context_id": board, "item_id": item} for board in boards])
        committed = time.perf_counter()
        answer = engine.related(item, 10, method="pinsage")
        asked = time.perf_counter()
        near = engine.related(answer.ids[0], 1_000, method="pinsage")
        found = time.perf_counter()
        come_up += item in near.ids
        engine.related(view.item_ids[int(rng.integers(len(view.items)))], 10, method="pinsage")
        if number >= 0:
            known.append(time.perf_counter() - found)
            waits.append(found - committed)
            steps["asked for"].append(asked - committed)
            steps["in others' answers"].append(found - asked)
    for name, seconds in {"commit to searchable": waits, **steps, "a known item": known}.items():
        show(name, seconds)
    print(f"bar: p95 1 s; {come_up} of {count + WARM_UP} were among the 1,000 nearest to their nearest neighbour")


def refreshes(engine: Engine, items: int, contexts: int, count: int, rng: np.random.Generator) -> None:
    """Save 100 items and refresh, again and again."""
    seconds, own, steps = [], [], {}
    for number in range(count + 1):
        engine.add_saves(
            [
                {"context_id": f"context-{context}", "item_id": f"item-{item}"}
                for context, item in zip(rng.integers(0, contexts, 100), rng.integers(0, items, 100), strict=True)
            ]
        )
        started, cpu = time.perf_counter(), time.process_time()
        done = engine.refresh()
        if number:
            seconds.append(time.perf_counter() - started)
            own.append(time.process_time() - cpu)
            for name, taken in done.timings.items():
                steps.setdefault(name, []).append(taken)
    print(done)
    for name, taken in {"refresh of 100 changes": seconds, **steps, "processor time": own}.items():
        show(name, taken)
    print("bar: p95 5 s")


def show(name: str, seconds: list[float]) -> None:
    """Print percentiles."""
    print(f"{name:24} p50 {percentile(seconds, 50):7.3f} s   p95 {percentile(seconds, 95):7.3f} s", flush=True)


def main() -> None:
    """Print the percentiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--contexts", type=int, default=20_000)
    parser.add_argument("--edges", type=int, default=2_000_000)
    parser.add_argument("--new", type=int, default=40)
    parser.add_argument("--refreshes", type=int, default=20)
    given = parser.parse_args()
    rng = np.random.default_rng(3)
    with loaded_graph(given.items, given.contexts, given.edges) as (graph, settings):
        graph.auto_commit(
            "MATCH (i:Item) CALL (i) { SET i.title = 'word-' + substring(i.item_id, 5, 3) } IN TRANSACTIONS OF 20000 ROWS"
        )
        mapping = settings.graph.mapping.model_copy(update={"fields": {"title": "text"}})
        settings = settings.model_copy(update={"graph": settings.graph.model_copy(update={"mapping": mapping})})
        settings = settings.model_copy(
            update={"gate": settings.gate.model_copy(update={"ann_recall": GATE.ann_recall})}
        )
        with Engine(settings) as engine:
            migrate(engine.graph, mapping)
            built(engine, settings)
            new_items(engine, given.contexts, given.new, rng)
            refreshes(engine, given.items, given.contexts, given.refreshes, rng)


if __name__ == "__main__":
    main()
