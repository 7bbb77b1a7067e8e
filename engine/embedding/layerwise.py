"""Embed a whole graph layer by layer, each node once a layer (PinSage, section 3.4). Knows no model but its shape.

The paper does this with MapReduce; here every layer's messages are one array, in memory or mapped from disk, and blocks of
nodes gather from it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.files import atomic_file
from engine.progress import progress
from engine.types import FloatArray, Neighbourhoods

BLOCK = 8_192
"""Nodes computed at once: their arrays stay in the processor's cache between the steps of a layer."""
IN_MEMORY_BYTES = 1 << 30
"""An array larger than this lives in a temporary file."""

Inputs = Callable[[slice], Tensor]
"""h0 of a run of nodes, float `[rows, dim]`."""
Neighbours = Callable[[slice], Neighbourhoods]
"""The neighbourhoods of a run of nodes."""


class Layer(Protocol):
    """One convolution, split where the layer-wise order splits it."""

    def messages(self, inputs: Tensor) -> Tensor:
        """What a node sends to whoever has it as a neighbour: `[B, dim]` -> `[B, hidden]`."""
        ...

    def update_nodes(self, own: Tensor, pooled: Tensor) -> Tensor:
        """A node's output, `[B, dim]`, from its own input and the pooled messages."""
        ...


class LayerwiseModel(Protocol):
    """A model that can be computed layer by layer; all layers are `dim` wide, all messages `hidden`."""

    @property
    def dim(self) -> int: ...

    @property
    def hidden(self) -> int: ...

    @property
    def layers(self) -> Sequence[Layer]: ...

    def head(self, hidden: Tensor, inputs: Tensor) -> Tensor:
        """The embedding from the last layer's output and h0."""
        ...


def embed_all(
    model: LayerwiseModel, inputs: Inputs, neighbours: Neighbours, nodes: int, out_path: Path | None = None
) -> FloatArray:
    """Embed every node: first all messages of a layer, then every node from its neighbours' messages.

    Each node's h0, message, convolution and head are computed once, whatever the number of neighbourhoods it is in.

    Args:
        inputs: h0 of the rows asked for; called once a block.
        neighbours: the neighbourhoods of the rows asked for; called once a block and layer.
        nodes: N.
        out_path: write the embeddings here as .npy and return them memory-mapped.

    Returns:
        float32 `[N, dim]`.

    Raises:
        DiskFullError: no space left; `out_path` is as it was.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=out_path.parent if out_path else None)))
        target = None if out_path is None else stack.enter_context(atomic_file(out_path))
        if target is None:
            out = np.empty((nodes, model.dim), dtype=np.float32)
        else:
            out = _mapped(target, nodes, model.dim)
        _compute(model, inputs, neighbours, out, folder)
        if isinstance(out, np.memmap):
            out.flush()
    return out if out_path is None else np.load(out_path, mmap_mode="r")


@torch.no_grad()
def _compute(model: LayerwiseModel, inputs: Inputs, neighbours: Neighbours, out: FloatArray, folder: Path) -> None:
    """Fill `out`, which holds the hidden states of the layers on the way."""
    blocks = [slice(at, min(at + BLOCK, len(out))) for at in range(0, len(out), BLOCK)]
    start = _array(folder / "h0.npy", len(out), model.dim)
    sent = _array(folder / "messages.npy", len(out), model.hidden) if model.layers else start
    with progress("Embedding", len(out) * (len(model.layers) + 1)) as advance:
        for block in blocks:
            start[block] = inputs(block).numpy()
        hidden = start
        for layer in model.layers:
            for block in blocks:
                sent[block] = layer.messages(torch.from_numpy(hidden[block])).numpy()
            table = torch.from_numpy(sent)
            for block in blocks:
                found = neighbours(block)
                pooled = pool(table, found)
                out[block] = layer.update_nodes(torch.from_numpy(hidden[block]), pooled).numpy()
                advance(block.stop - block.start)
            hidden = out
        for block in blocks:
            out[block] = model.head(torch.from_numpy(hidden[block]), torch.from_numpy(start[block])).numpy()
            advance(block.stop - block.start)


def pool(messages: Tensor, found: Neighbourhoods) -> Tensor:
    """The weighted sum of each node's neighbours' messages, `[B, hidden]`."""
    if not len(messages):
        return torch.zeros(len(found), messages.shape[1])
    idx = torch.from_numpy(np.maximum(found.idx, 0))
    return F.embedding_bag(
        idx, messages, mode="sum", per_sample_weights=torch.from_numpy(np.ascontiguousarray(found.weight))
    )


def _array(path: Path, rows: int, columns: int) -> FloatArray:
    """An array to compute in: in memory, or in a file where it is large."""
    if rows * columns * 4 <= IN_MEMORY_BYTES:
        return np.empty((rows, columns), dtype=np.float32)
    return _mapped(path, rows, columns)


def _mapped(path: Path, rows: int, columns: int) -> FloatArray:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, columns))
