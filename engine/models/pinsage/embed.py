"""A trained PinSage over whole tables of items: inputs, neighbourhoods, embeddings, scores. Knows no files and no loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.embedding.layerwise import embed_all
from engine.embedding.new_items import embed_new
from engine.features.contexts import context_items
from engine.features.encoder import Content, FeatureEncoder
from engine.graph.snapshot_columns import NodeTable
from engine.models.pinsage.batches import pooled
from engine.models.pinsage.config import PinSageConfig
from engine.models.pinsage.inputs import take_content
from engine.models.pinsage.model import PinSage
from engine.sampling.config import WalkConfig
from engine.sampling.walks import OnBlock, neighbourhoods
from engine.types import FloatArray, IndexArray, ItemContextGraph, Neighbourhoods


def walked(
    graph: ItemContextGraph,
    rows: NDArray[np.integer],
    config: PinSageConfig,
    *,
    threads: int | None = None,
    on_block: OnBlock | None = None,
) -> Neighbourhoods:
    """Neighbourhoods of some items, pooled as the configuration says; without layers there are none to walk for.

    Args:
        on_block: see `sampling.walks.neighbourhoods`.
    """
    if config.content_only:
        empty = (len(rows), 1)
        return Neighbourhoods(np.full(empty, -1, dtype=np.int32), np.zeros(empty, dtype=np.float32))
    return pooled(neighbourhoods(graph, rows, config.walk, threads=threads, on_block=on_block), config)


def embed_items(
    model: PinSage,
    content: Content,
    graph: ItemContextGraph,
    *,
    out_path: Path | None = None,
    threads: int | None = None,
) -> FloatArray:
    """Embed all items of a graph, layer by layer.

    Args:
        content: of all items, rows as in `graph`.
        out_path: where to write the .npy that is returned memory-mapped; in memory when None.

    Returns:
        float32 `[N, dim]`, rows of length 1.
    """
    every = walked(graph, np.arange(graph.num_items), model.config, threads=threads)
    return embed_content(model, content, every, out_path=out_path)


def embed_content(
    model: PinSage, content: Content, every: Neighbourhoods, *, out_path: Path | None = None
) -> FloatArray:
    """`embed_items` with neighbourhoods at hand, float32 `[N, dim]`."""
    model.eval()

    def inputs(block: slice) -> Tensor:
        return model.inputs(take_content(content, np.arange(block.start, block.stop)))

    def around(block: slice) -> Neighbourhoods:
        return Neighbourhoods(every.idx[block], every.weight[block])

    return embed_all(model, inputs, around, len(content), out_path)


def score_items(
    vectors: FloatArray, queries: IndexArray, scale: float = 1.0, bias: FloatArray | None = None
) -> FloatArray:
    """scale x cosine + bias of the answer, float32 `[B, N]`."""
    scores: FloatArray = vectors[queries] @ vectors.T
    scores *= np.float32(scale)
    if bias is not None:
        scores += bias
    return scores


@dataclass(frozen=True, slots=True)
class NewItemEmbedder:
    """Embeds items that came after the training, from their fields and the contexts that hold them.

    Attributes:
        model, encoder: what was trained.
        content: of the known items; `graph`, `contexts`: what the new items' neighbours and words come from.
        walk: the walks that define neighbourhoods.
    """

    model: PinSage
    encoder: FeatureEncoder
    content: Content
    graph: ItemContextGraph
    contexts: NodeTable | None

    @property
    def walk(self) -> WalkConfig:
        return self.model.config.walk

    def embed(self, items: NodeTable, contexts: Sequence[IndexArray], around: Neighbourhoods) -> FloatArray:
        """Embed B new items.

        Args:
            items: their fields.
            contexts: for each the rows of the contexts that hold it.
            around: `[B, T]`, rows of known items; weights of a row sum to 1, or are 0.

        Returns:
            float32 `[B, dim]`, unit length.

        Raises:
            DataError: a value that is not finite, naming the item and the field.
            InputError: a vector of another width; as many neighbourhoods as items are needed.
        """
        model, config = self.model, self.model.config
        held = context_items(contexts, self.graph.num_contexts, items.key, self.graph.context_key)
        own = self.encoder.content(items, held, self.contexts)
        with torch.no_grad():
            inputs = model.inputs(take_content(own, np.arange(len(items))))
        return embed_new(
            model,
            inputs,
            pooled(around, config),
            lambda rows: model.inputs(take_content(self.content, rows)),
            lambda rows: walked(self.graph, rows, config, threads=1),
        )
