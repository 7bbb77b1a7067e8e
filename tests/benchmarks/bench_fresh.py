"""A new item with three saves on 200k items and 2M edges: from the commit of its last save until it is searchable.

    python -m tests.benchmarks.bench_fresh [--items 200000 --contexts 20000 --edges 2000000 --new 40]

The bar: p95 <= 1 s through the live path. An item counts as searchable when a question about it is answered and another
question, about its nearest neighbour, has been answered with it in the search. Each commit moves the graph's counter, so that nothing kept of the graph helps. The peer
is the same question about an item that the generation knows.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from engine import Engine
from engine.graph.migrate import migrate
from engine.refresh.build import Parts, publish_generation
from engine.refresh.gate import GateConfig
from engine.refresh.model import embed
from engine.serving import layout
from engine.settings import Settings
from tests.benchmarks.loaded_graph import loaded_graph
from tests.benchmarks.untrained import QUICK_INDEX, now, percentile, untrained_model

WARM_UP = 5


def built(engine: Engine, settings: Settings) -> None:
    """Publish a generation of the graph as it is, by a model that was never trained."""
    as_of, snapshot = now(), engine.snapshot()
    model = untrained_model(snapshot, settings.home / "untrained")
    parts = Parts(snapshot, as_of, embed(model, snapshot, settings.threads), folders={layout.MODEL: model})
    started = time.perf_counter()
    publish_generation(
        engine.registry, Path(settings.home) / "generations", parts, index=QUICK_INDEX, gate=GateConfig(ann_recall=0.3)
    )
    print(f"indexed in {time.perf_counter() - started:.0f} s")


def main() -> None:
    """Print the percentiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--contexts", type=int, default=20_000)
    parser.add_argument("--edges", type=int, default=2_000_000)
    parser.add_argument("--new", type=int, default=40)
    given = parser.parse_args()
    rng = np.random.default_rng(3)
    with loaded_graph(given.items, given.contexts, given.edges) as (graph, settings):
        graph.auto_commit(
            "MATCH (i:Item) CALL (i) { SET i.title = 'word-' + substring(i.item_id, 5, 3) } IN TRANSACTIONS OF 20000 ROWS"
        )
        mapping = settings.graph.mapping.model_copy(update={"fields": {"title": "text"}})
        settings = settings.model_copy(update={"graph": settings.graph.model_copy(update={"mapping": mapping})})
        with Engine(settings) as engine:
            migrate(engine.graph, mapping)
            built(engine, settings)
            view, come_up = engine.view(), 0
            known, waits, steps = [], [], {"asked for": [], "in others' answers": []}
            for number in range(-WARM_UP, given.new):
                boards = [f"context-{n}" for n in rng.choice(given.contexts, 3, replace=False)]
                item = f"new-{number}"
                engine.add_items([{"item_id": item, "title": f"word-{number % 100:03}"}])
                engine.add_saves([{"context_id": board, "item_id": item} for board in boards])
                committed = time.perf_counter()
                answer = engine.related(item, 10, method="pinsage")
                asked = time.perf_counter()
                near = engine.related(answer.ids[0], 1_000, method="pinsage")
                found = time.perf_counter()
                come_up += item in near.ids
                engine.related(view.item_ids[int(rng.integers(given.items))], 10, method="pinsage")
                if number >= 0:
                    known.append(time.perf_counter() - found)
                    waits.append(found - committed)
                    steps["asked for"].append(asked - committed)
                    steps["in others' answers"].append(found - asked)
    for name, seconds in {"commit to searchable": waits, **steps, "a known item": known}.items():
        print(f"{name:24} p50 {percentile(seconds, 50):7.3f} s   p95 {percentile(seconds, 95):7.3f} s")
    print(f"{come_up} of {given.new + WARM_UP} came up among the 1,000 nearest to their nearest neighbour")
    print(f"{'bar':24} p95   1.000 s")


if __name__ == "__main__":
    main()
