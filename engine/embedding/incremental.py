"""Embed again what a change of the graph alters, layer by layer, and nothing else (PinSage's layer-wise inference, section 3.4).

A node's output in a layer depends on its own input, its neighbourhood and its neighbours' messages. So what changes in a
layer are the nodes whose own input changed, whose neighbourhood changed, or that have a neighbour whose input changed. The
result equals `layerwise.embed_all` on the graph as it is now, up to rounding.

With `Limits` the last layer, and it alone, may leave nodes as they are: their accounts bound how far off they are
(`last_layer`). Knows no model but its shape, no walk and no file.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.embedding.bounds import ACCOUNT, Certificate
from engine.embedding.kept import EXACT, Change, Followed, FollowedModel, Kept, Limits, Moved, ScaledLayer, joined
from engine.embedding.last_layer import share_out, take_leave
from engine.embedding.layerwise import BLOCK
from engine.embedding.messages import MessageTable
from engine.embedding.reach import mark_neighbours, mark_rows_with
from engine.types import FloatArray, IndexArray


@torch.no_grad()
def follow(model: FollowedModel, kept: Kept, change: Change, limits: Limits = EXACT) -> Followed:
    """Bring embeddings up to date, in `kept`.

    With limits, how far a node is from its exact embedding never exceeds its account, nor the certificate's `largest`, but
    for rounding. Nodes left in an earlier call whose account is past epsilon come first.

    Returns:
        Which rows of which arrays changed.
    """
    begun = time.monotonic()
    content = moved = _replace(kept.hidden[0], _inputs(change), keep=not limits.exact)
    hidden = [content.rows]
    layers = model.layers
    for number, layer in enumerate(layers[:-1]):
        inputs = kept.hidden[number]
        outputs = _outputs(layer, kept, inputs, _blocks(_reached(kept, moved.rows, change.around)))
        scaled = ((rows, F.normalize(raw, dim=1)) for rows, raw in outputs)
        moved = _replace(kept.hidden[number + 1], scaled, keep=not limits.exact)
        hidden.append(moved.rows)
    reached = _reached(kept, moved.rows, change.around) if layers else moved.rows
    owed = np.flatnonzero(kept.accounts[:, ACCOUNT] > limits.epsilon)
    # The head takes h0 beside the last layer's output, which may be the same as before.
    reached = np.unique(np.concatenate([reached, content.rows, owed])).astype(np.int32)
    shares = share_out(model, kept, change, content, moved, reached, limits)
    embedded: list[IndexArray] = []
    pending = _blocks(shares.first) + _blocks(shares.then)
    must = len(_blocks(shares.first))
    for number, (rows, raw) in enumerate(_last_outputs(model, kept, pending)):
        scaled_rows = F.normalize(raw, dim=1) if layers else raw
        out = model.unscaled_head(scaled_rows, torch.from_numpy(kept.hidden[0][rows]))
        kept.vectors[rows] = F.normalize(out, dim=1).numpy()
        lengths = torch.stack([torch.linalg.vector_norm(raw, dim=1), torch.linalg.vector_norm(out, dim=1)], dim=1)
        kept.accounts[rows] = np.concatenate([np.zeros((len(rows), 1), np.float32), lengths.numpy()], axis=1)
        embedded.append(rows)
        if limits.budget_s is not None and number + 1 >= must and time.monotonic() - begun > limits.budget_s:
            break
    left = take_leave(kept, shares, joined(pending[len(embedded) :]))
    vectors = np.sort(joined(embedded))
    return Followed(
        hidden=hidden,
        vectors=vectors,
        accounts=np.union1d(vectors, left).astype(np.int32),
        reached=len(reached),
        put_off=int(np.count_nonzero(kept.accounts[:, ACCOUNT] > limits.epsilon)),
        certificate=Certificate.of(kept.accounts),
    )


def _inputs(change: Change) -> Iterator[tuple[IndexArray, Tensor]]:
    for rows in _blocks(change.content):
        yield rows, change.inputs(rows)


def _blocks(rows: IndexArray) -> list[IndexArray]:
    """Rows in blocks, each sorted."""
    return [np.sort(rows[at : at + BLOCK]) for at in range(0, len(rows), BLOCK)]


def _replace(array: FloatArray, computed: Iterable[tuple[IndexArray, Tensor]], *, keep: bool) -> Moved:
    """Put rows into an array, and tell which of them are others than before."""
    rows, before = [], [np.empty((0, array.shape[1]), dtype=np.float32)]
    for block, values in computed:
        new, old = values.numpy(), array[block]
        differs = (new != old).any(axis=1)
        array[block[differs]] = new[differs]
        rows.append(block[differs])
        if keep:
            before.append(old[differs])
    return Moved(joined(rows), np.concatenate(before))


def _reached(kept: Kept, moved: IndexArray, around: IndexArray) -> IndexArray:
    """The nodes whose output may change, int32, increasing."""
    marked, reached = np.zeros(len(kept.idx), dtype=bool), np.zeros(len(kept.idx), dtype=bool)
    marked[moved] = True
    reached[moved] = True
    reached[around] = True
    if len(moved):
        mark_rows_with(kept.idx, kept.weight, marked, reached)
    return np.flatnonzero(reached).astype(np.int32)


def _outputs(
    layer: ScaledLayer, kept: Kept, inputs: FloatArray, blocks: list[IndexArray]
) -> Iterator[tuple[IndexArray, Tensor]]:
    """Blocks of nodes with their outputs, not yet of length 1."""
    needed = np.zeros(len(inputs), dtype=bool)
    for rows in blocks:
        mark_neighbours(kept.idx, kept.weight, rows, needed)
    table = MessageTable.of(layer, inputs, needed)
    for rows in blocks:
        yield rows, layer.unscaled(torch.from_numpy(inputs[rows]), table.pooled(kept.around(rows)))


def _last_outputs(model: FollowedModel, kept: Kept, blocks: list[IndexArray]) -> Iterator[tuple[IndexArray, Tensor]]:
    """Blocks of nodes with what the head takes, not yet of length 1; h0 itself where there is no layer."""
    if model.layers:
        yield from _outputs(model.layers[-1], kept, kept.hidden[-1], blocks)
        return
    for rows in blocks:
        yield rows, torch.from_numpy(kept.hidden[0][rows])
