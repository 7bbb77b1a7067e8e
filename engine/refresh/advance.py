"""From what a generation keeps, and what changed in the graph, to the embeddings of the graph as it is now.

`begin` computes everything from nothing and keeps what the next refresh needs; `advance` computes what the changes alter.
Both give the same. Knows the PinSage model; no server, no index and no registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from engine.arrays import link_array, writing_base
from engine.embedding.bounds import ACCOUNT, UNKNOWN, Certificate
from engine.embedding.incremental import follow
from engine.embedding.kept import Change, Followed, Kept, Limits
from engine.features.encoder import FeatureEncoder
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_apply import Applied
from engine.graph.snapshot_apply_edges import EdgeRows
from engine.models.pinsage.embed import walked
from engine.models.pinsage.inputs import take_content
from engine.models.pinsage.model import PinSage
from engine.refresh import state as states
from engine.refresh.content import altered_items, content_of
from engine.refresh.plan import Plan, choose
from engine.refresh.starts import STARTS_A_PART, LookUp, Rewalked, Walk, walk_again
from engine.refresh.state import State, taken
from engine.sampling.changed_walks import changed_starts
from engine.sampling.footprints import Footprints, words_for
from engine.sampling.walks import OnBlock
from engine.types import FloatArray, IndexArray, ItemContextGraph, KeyArray, Neighbourhoods


@dataclass(frozen=True, slots=True)
class Network:
    """A trained model, ready to embed."""

    model: PinSage
    encoder: FeatureEncoder
    threads: int

    @property
    def depth(self) -> int:
        """How many arrays of hidden rows there are."""
        return max(1, len(self.model.layers))

    def walk_on(self, graph: ItemContextGraph) -> Walk:
        """Walks on a graph, pooled as the model does it."""

        def walk(rows: IndexArray, on_block: OnBlock) -> Neighbourhoods:
            return walked(graph, rows, self.model.config, threads=self.threads, on_block=on_block)

        return walk

    def look_up_on(self, graph: ItemContextGraph, edges: EdgeRows) -> LookUp:
        """Whose walks changed, on a graph as it is now."""

        def look_up(rows: IndexArray, filters: KeyArray) -> IndexArray:
            config = self.model.config.walk
            return changed_starts(graph, rows, filters, edges.backward, edges.forward, config, threads=self.threads)

        return look_up


def relation_of(snapshot: Snapshot) -> str:
    """Which edges the walks are on."""
    return "saves" if snapshot.relations.saves.num_edges else "interactions"


@dataclass(frozen=True, slots=True)
class Begun:
    """All embeddings of a snapshot, and what to keep of them.

    Attributes:
        vectors: float32 `[N, dim]`, mapped.
        work: the folder where all of it lies until it is in a generation.
        relation, depth: see `State`.
    """

    vectors: FloatArray
    work: Path
    relation: str
    depth: int

    def write(self, folder: Path) -> None:
        """Put the state into a generation's `layout.STATE` folder."""
        for path in sorted(self.work.glob("*.array.json")):
            name = path.name.removesuffix(".array.json")
            if name != _VECTORS:
                link_array(self.work, name, folder)
        states.write_facts(folder, self.relation, self.depth)


_VECTORS = "vectors"


def begin(snapshot: Snapshot, network: Network, work: Path) -> Begun:
    """Embed every item, as `models.pinsage.embed.embed_items` does, and keep what the next refresh needs.

    Args:
        work: an empty folder on the disk where generations are.

    Raises:
        EmptyGraphError: there are no items or no edges.
        DataError: a value that is not finite, naming the item and the field.
        DiskFullError: no space left.
    """
    graph, model, rows = snapshot.walk_graph(), network.model, len(snapshot.items)
    config = model.config
    width = 1 if config.content_only else config.walk.top_t
    every = np.arange(rows, dtype=np.int32)
    content = content_of(network.encoder, snapshot, graph, None)

    def inputs(asked: IndexArray) -> Tensor:
        return model.inputs(take_content(content, asked))

    with ExitStack() as stack:

        def array(name: str, columns: int, dtype: Any = np.float32) -> Any:
            return stack.enter_context(writing_base(work, name, rows, columns, dtype))

        kept = Kept(
            idx=array(states.IDX, width, np.int32),
            weight=array(states.WEIGHT, width),
            hidden=[array(states.hidden_name(layer), config.dim) for layer in range(network.depth)],
            vectors=array(_VECTORS, config.dim),
            accounts=array(states.ACCOUNTS, 3),
        )
        kept.accounts[:, ACCOUNT] = UNKNOWN
        filters = None if config.content_only else array(states.FOOTPRINTS, words_for(config.walk), np.uint64)
        walk = network.walk_on(graph)
        for at in range(0, rows, STARTS_A_PART):
            part = every[at : at + STARTS_A_PART]
            prints = Footprints(len(part), config.walk)
            found = walk(part, prints.stamp)
            kept.idx[part], kept.weight[part] = found.idx, found.weight
            if filters is not None:
                filters[part] = prints.filters
        follow(model, kept, Change(every, inputs, every, kept.around(every[:0])))
        vectors = kept.vectors
    return Begun(vectors, work, relation_of(snapshot), network.depth)


@dataclass(frozen=True, slots=True)
class Advanced:
    """The embeddings after a change, and what to keep of them.

    Attributes:
        rows: int32, increasing: the items that have another vector, new ones among them.
        vectors: float32 `[len(rows), dim]`.
        certificate: how far the others may be from exact.
        plan: how the changed walks were found.
        counts: JSON-able.
    """

    rows: IndexArray
    vectors: FloatArray
    certificate: Certificate
    plan: Plan
    counts: dict[str, int]
    state: State
    items: int
    patches: Mapping[str, states.Patch]

    def write(self, folder: Path) -> None:
        """Put the state into the delta's `layout.STATE` folder."""
        states.write_next(folder, self.state, self.items, self.patches)


def advance(state: State, applied: Applied, network: Network, limits: Limits) -> Advanced:
    """Bring a generation's embeddings to the graph as it is now.

    The result equals `begin` on `applied.snapshot` but for the order of rows: neighbourhoods bit for bit, embeddings up to
    rounding, or as far as the certificate says.

    Args:
        state: true for the snapshot that the changes were applied to, and walked on the same relation.

    Raises:
        EmptyGraphError: there are no items or no edges any more.
        DataError: a value that is not finite, naming the item and the field.
        CorruptFileError: a file of the state is missing or does not fit.
    """
    snapshot, model = applied.snapshot, network.model
    graph, items = snapshot.walk_graph(), applied.nodes["items"]
    edges = applied.edges[state.relation]
    kept = state.kept(len(snapshot.items))
    plan, again, walks = _walk(state, applied, network, graph, kept)
    _clear(kept, items.gone)
    altered = altered_items(network.encoder, applied, state.relation, graph)
    content = content_of(network.encoder, snapshot, graph, altered)

    def inputs(asked: IndexArray) -> Tensor:
        return model.inputs(take_content(content, np.searchsorted(altered, asked)))

    told = follow(model, kept, Change(altered, inputs, again.around, again.before), limits)
    return Advanced(
        rows=told.vectors,
        vectors=kept.vectors[told.vectors],
        certificate=told.certificate,
        plan=plan,
        counts={
            "walked": walks,
            "neighbourhoods": len(again.around),
            "contents": len(told.hidden[0]),
            "reached": told.reached,
            "embedded": len(told.vectors),
            "put_off": told.put_off,
            "lists": len(edges.backward) + len(edges.forward),
        },
        state=state,
        items=len(snapshot.items),
        patches=_patches(state, kept, told, again, items.gone),
    )


def _walk(
    state: State, applied: Applied, network: Network, graph: ItemContextGraph, kept: Kept
) -> tuple[Plan, Rewalked, int]:
    """Walk again where that is needed; which way, what it found, and from how many items."""
    rows, edges = len(applied.snapshot.items), applied.edges[state.relation]
    new = np.arange(state.rows, rows, dtype=np.int32)
    none = np.empty(0, dtype=np.int32)
    if network.model.config.content_only:
        before = Neighbourhoods(kept.idx[new], kept.weight[new])
        return Plan("no walks", 0, state.rows), Rewalked(new, before, none, np.empty((0, 0), np.uint64)), 0
    walk, footprints = network.walk_on(graph), state.footprints(rows)
    look_up, config = network.look_up_on(graph, edges), network.model.config.walk
    changed = len(edges.backward) + len(edges.forward)
    plan = choose(walk, look_up, footprints[: state.rows], changed, len(new), config)
    if plan.way == "walk from everywhere":
        starts = np.arange(rows, dtype=np.int32)
    elif plan.way == "look up":
        known = np.arange(state.rows, dtype=np.int32)
        starts = np.concatenate([look_up(known, footprints[: state.rows]), new])
    else:
        starts = none
    starts = starts[applied.snapshot.items.alive[starts]]
    return plan, walk_again(walk, kept, footprints, starts, config), len(starts)


def _clear(kept: Kept, gone: IndexArray) -> None:
    """Leave nothing of removed items."""
    kept.idx[gone], kept.weight[gone], kept.accounts[gone] = -1, 0, 0
    for hidden in kept.hidden:
        hidden[gone] = 0


def _patches(state: State, kept: Kept, told: Followed, again: Rewalked, gone: IndexArray) -> dict[str, states.Patch]:
    new = np.arange(state.rows, len(kept.vectors), dtype=np.int32)

    def changed(*rows: IndexArray) -> IndexArray:
        return np.unique(np.concatenate([*rows, new, gone])).astype(np.int32)

    around = changed(again.around)
    patches = {states.IDX: taken(kept.idx, around), states.WEIGHT: taken(kept.weight, around)}
    for layer, rows in enumerate(told.hidden):
        patches[states.hidden_name(layer)] = taken(kept.hidden[layer], changed(rows))
    patches[states.ACCOUNTS] = taken(kept.accounts, changed(told.accounts))
    if again.filters.shape[1]:
        rows, filters = changed(again.filtered), again.filters
        if len(rows) > len(again.filtered):
            filters = np.zeros((len(rows), again.filters.shape[1]), dtype=np.uint64)
            filters[np.searchsorted(rows, again.filtered)] = again.filters
        patches[states.FOOTPRINTS] = states.Patch(rows, filters)
    return patches
