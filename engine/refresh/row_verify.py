"""Compute some users and items of a model from scratch and compare: does what it serves say what the graph says?"""

from __future__ import annotations

import numpy as np

from engine.errors import NotReadyError
from engine.files import open_folder
from engine.models.friends import friendship_in
from engine.models.row_embedder import SIDES, Joined, Outputs, RowEmbedder, Rows, Side
from engine.models.user_method import UserMethod
from engine.refresh.row_follow import as_served, difference
from engine.refresh.row_state import RowState
from engine.refresh.verify import TOLERANCE, Verified
from engine.serving import layout
from engine.serving.view import View
from engine.types import FloatArray


def verify_rows(view: View, method: UserMethod, count: int, seed: int) -> Verified:
    """Compare some users and items, drawn evenly from all; also the checksums of all that the generation keeps.

    Distances are `difference`'s; those that were put off may be anywhere.

    Raises:
        NotReadyError: the method has no vectors, or the generation keeps nothing to compare with.
        CorruptFileError: a file is missing or altered.
    """
    open_folder(view.folder, what="generation")
    state = RowState.open(view.folder)
    if state is None or method.embedder is None:
        raise NotReadyError(f"generation {view.origin.generation} keeps nothing to compare with")
    friendship = friendship_in(view.facts["config"]["settings"])
    joined = Joined.in_snapshot(view.snapshot, view.origin.as_of, friendship)
    chosen = _chosen(joined, count, np.random.default_rng(seed))
    exact = _from_scratch(method.embedder(view.folder / layout.MODEL, joined), joined, chosen)
    kept = state.vectors({side: len(joined.nodes[side]) for side in SIDES})
    wrong, largest = 0, 0.0
    for side in SIDES:
        rows = chosen[side]
        off = difference(as_served(exact[side], joined.nodes[side].alive[rows]), kept[side], rows)
        wrong += int(((off > TOLERANCE) & ~np.isin(rows, state.left[side])).sum())
        largest = max(largest, float(off.max(initial=0)))
    total = sum(len(rows) for rows in chosen.values())
    return Verified(view.origin.generation, total, 0, wrong, largest, "users and items")


def _chosen(joined: Joined, count: int, rng: np.random.Generator) -> Rows:
    alive = [np.flatnonzero(joined.nodes[side].alive) for side in SIDES]
    first = len(alive[0])
    drawn = rng.choice(first + len(alive[1]), min(count, first + len(alive[1])), replace=False)
    places = (drawn[drawn < first], drawn[drawn >= first] - first)
    return {side: np.sort(its[at]).astype(np.int32) for side, its, at in zip(SIDES, alive, places, strict=True)}


def _from_scratch(embedder: RowEmbedder, joined: Joined, asked: Rows) -> Outputs:
    """The vectors of some rows, from those of their neighbours' neighbours and so on: nothing that was kept is read."""
    needed = [asked]
    for _ in range(embedder.layers - 1):
        needed.insert(0, _read_by(embedder, joined, needed[0]))
    before: Outputs = {}
    for layer, rows in enumerate(needed[:-1]):
        found = {side: embedder.embed(layer, side, rows[side], before) for side in SIDES}
        before = {side: _among(len(joined.nodes[side]), rows, side, found[side]) for side in SIDES}
    return {side: embedder.embed(embedder.layers - 1, side, asked[side], before) for side in SIDES}


def _read_by(embedder: RowEmbedder, joined: Joined, rows: Rows) -> Rows:
    """Some rows and all that are in their lists."""
    parts = {side: [rows[side]] for side in SIDES}
    for side in SIDES:
        for other in embedder.reads[side]:
            parts[other].append(joined.rows_of(side, other, rows[side]).indices)
    return {side: np.unique(np.concatenate(parts[side])).astype(np.int32) for side in SIDES}


def _among(count: int, rows: Rows, side: Side, values: FloatArray) -> FloatArray:
    """Values of some rows as an array of all."""
    whole = np.zeros((count, values.shape[1]), np.float32)
    whole[rows[side]] = values
    return whole
