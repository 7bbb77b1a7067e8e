"""A generation of an untrained network over the graph as it is: all that a refresh needs, without a training."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine import Engine
from engine.features.encoder import fit_features
from engine.graph.snapshot import Snapshot
from engine.index.hnsw import HnswConfig
from engine.models.base import RelatedData
from engine.models.pinsage.config import PinSageSettings
from engine.models.pinsage.embed import embed_items, walked
from engine.models.pinsage.files import save_model
from engine.models.pinsage.scorer import new_model
from engine.refresh.advance import Network, begin
from engine.refresh.build import Parts, make_generation
from engine.refresh.content import content_of, contexts_of
from engine.refresh.gate import GateConfig
from engine.refresh.model import load_network, scratch
from engine.refresh.state import State
from engine.registry import Generation
from engine.serving import layout

SETTINGS: dict[str, Any] = {"dim": 8, "hidden": 8, "components": 4, "top_t": 4, "num_walks": 10, "walk_length": 2}
BOARDS, PINS = 12, 40
ROUNDING = 2e-5


def fill(engine: Engine, seed: int = 0) -> None:
    """Pins with tags and a price on boards with titles."""
    rng = np.random.default_rng(seed)
    engine.add_items(
        [
            {"item_id": f"p{n}", "tags": [f"t{n % 5}"], "price": float(n % 7), "title": f"pin {n % 3}"}
            for n in range(PINS)
        ]
    )
    engine.add_contexts([{"context_id": f"b{n}", "title": f"board {n % 4}"} for n in range(BOARDS)])
    engine.add_saves(
        [{"context_id": f"b{n}", "item_id": f"p{p}"} for n in range(BOARDS) for p in rng.choice(PINS, 7, replace=False)]
    )


def publish_untrained(engine: Engine, **settings: Any) -> Generation:
    """Build and publish, as `engine build` does it but for the training."""
    snapshot, home = engine.snapshot(), engine.settings.home
    chosen = PinSageSettings.from_flat({**SETTINGS, **settings})
    graph, contexts = snapshot.walk_graph(), contexts_of(snapshot)
    encoder = fit_features(snapshot.items, chosen.features, graph, contexts)
    model = new_model(chosen, encoder, RelatedData(graph, snapshot.items, seed=3, contexts=contexts)).eval()
    with scratch(home) as work:
        save_model(work / "model", model, encoder, chosen)
        (work / "arrays").mkdir()
        begun = begin(snapshot, Network(model, encoder, 1), work / "arrays")
        parts = Parts(snapshot, datetime.now(UTC), begun.vectors, {layout.MODEL: work / "model"}, begun.write)
        made = make_generation(engine.registry, home / "generations", parts, index=HnswConfig(), gate=GateConfig())
    published = engine.registry.generations.publish(made.id)
    engine.opened.live.look_again()
    return published


def differences(engine: Engine) -> float:
    """Compare what serves with everything exported, walked and embedded from nothing by the same model.

    Returns:
        The largest distance of an embedding from the exact one; neighbourhoods must be the same.
    """
    view = engine.view()
    network = load_network(view, 1)
    fresh: Snapshot = engine.snapshot()
    graph = fresh.walk_graph()
    exact = embed_items(network.model, content_of(network.encoder, fresh, graph, None), graph, threads=1)
    around = walked(graph, np.arange(len(fresh.items)), network.model.config, threads=1)
    rows = view.items.index_of(list(fresh.items.ids))
    assert (rows >= 0).all()
    assert view.items.num_alive == len(fresh.items)
    state = State.open(view.folder)
    assert state is not None
    kept = state.kept(state.rows)
    theirs = np.where(around.idx >= 0, rows[np.maximum(around.idx, 0)], -1)
    np.testing.assert_array_equal(kept.idx[rows], theirs)
    np.testing.assert_array_equal(kept.weight[rows], around.weight)
    return float(np.linalg.norm(view.vectors[rows].astype(np.float64) - exact, axis=1).max())


def quietly(call: Any, *arguments: Any, **named: Any) -> Any:
    """Call what may find the graph empty by now; None then."""
    from engine.errors import EmptyGraphError

    with suppress(EmptyGraphError):
        return call(*arguments, **named)
    return None
