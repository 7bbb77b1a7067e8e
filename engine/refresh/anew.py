"""A full generation by the model of the one that serves, from the graph as it is now: where no delta can be made."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from engine.graph.connection import Graph
from engine.graph.snapshot import NodeTable
from engine.graph.snapshot_export import export_snapshot
from engine.refresh.advance import begin
from engine.refresh.build import Parts, make_generation
from engine.refresh.model import INDEX, gate_of, load_network
from engine.registry import Generation, Lease, Registry
from engine.serving import layout
from engine.serving.blend import Blend
from engine.serving.view import View
from engine.settings import Settings


def build_anew(
    registry: Registry, graph: Graph, settings: Settings, view: View, as_of: datetime, work: Path, lease: Lease
) -> Generation:
    """Export the graph, embed and index all of it, and publish that in the place of `view`.

    Args:
        work: an empty folder on the disk where generations are.

    Raises:
        see `refresh.refresh.refresh`.
    """
    snapshot, before = export_snapshot(graph, settings), registry.generations.get(view.origin.generation)
    embedded = work / "embedded"
    embedded.mkdir()
    begun = begin(snapshot, load_network(view, settings.threads), embedded)
    folders = {layout.MODEL: view.folder / layout.MODEL}
    if (view.folder / layout.BLEND).is_dir():
        folders[layout.BLEND] = work / "blend"
        _blend_of(Blend.load(view.folder / layout.BLEND), view.items, snapshot.items).save(folders[layout.BLEND])
    parts = Parts(
        snapshot=snapshot,
        as_of=as_of,
        vectors=begun.vectors,
        folders=folders,
        write_state=begun.write,
        config=before.config,
        metrics={name: value for name, value in before.metrics.items() if name.startswith("validation ")},
        default_method=view.facts["default_method"],
    )
    index = replace(INDEX, threads=settings.threads)
    made = make_generation(registry, settings.home / "generations", parts, index=index, gate=gate_of(settings))
    return registry.generations.publish(made.id, cause="refresh", lease=lease, replaces=before.id)


def _blend_of(blend: Blend, before: NodeTable, items: NodeTable) -> Blend:
    """What was learned of items by row, for other rows."""
    old = blend.bias_of(len(before))
    bias = np.full(len(items), blend.new_bias, dtype=np.float32)
    order = np.argsort(before.key)
    at = np.minimum(np.searchsorted(before.key, items.key, sorter=order), len(before) - 1)
    known = before.key[order[at]] == items.key
    bias[known] = old[order[at[known]]]
    return replace(blend, bias=bias)
