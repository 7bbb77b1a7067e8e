"""A PyG sampler whose mini-batches are walk neighbourhoods. Knows a provider of neighbourhoods; no server, no features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.sampler import (
    BaseSampler,
    EdgeSamplerInput,
    HeteroSamplerOutput,
    NegativeSampling,
    NodeSamplerInput,
    SamplerOutput,
)

from engine.errors import InputError
from engine.sampling.provider import NeighbourhoodProvider
from engine.types import FloatArray, IndexArray

NEAR = ("item", "near", "item")
"""The edge type of sampled edges in a heterogeneous batch: from a neighbour to the node that it stands for."""


class ConsistentWalkSampler(BaseSampler):  # type: ignore[misc]
    """Samples the items most visited by walks, hop by hop (PinSage, sections 3.1 and 3.2).

    Edges run from a neighbour to the node whose neighbourhood it is in. Their importance weights are the float32 bits in
    `edge`, since PyG's loaders pass on edge ids and nothing else: `loader.importance_weights` turns them into
    `edge_attr`. The first `batch_size` nodes are the seeds, in their order.

    Args:
        provider: gives neighbourhoods of item rows, from a snapshot or live (`stores.Neo4jGraphStore`).
        fan_out: how many of the most visited to keep, hop by hop; weights are normalised over those kept.

    Raises:
        InputError: a fan-out below 1, or none.
    """

    def __init__(self, provider: NeighbourhoodProvider, fan_out: Sequence[int]) -> None:
        if not fan_out or min(fan_out) < 1:
            raise InputError(f"fan_out {list(fan_out)}: it takes a number of at least 1 for each hop")
        self.provider = provider
        self.fan_out = list(fan_out)

    def sample_from_nodes(self, inputs: NodeSamplerInput) -> SamplerOutput | HeteroSamplerOutput:
        """Sample the neighbourhoods of `inputs.node`; heterogeneous where `inputs.input_type` is set.

        Returns:
            The output with metadata `(input_id, seed_time)`.
        """
        found = self._sample(inputs.node.numpy().astype(np.int64))
        found.metadata = (inputs.input_id, inputs.time)
        kind = inputs.input_type
        if kind is None:
            return found
        return HeteroSamplerOutput(
            {kind: found.node},
            {NEAR: found.row},
            {NEAR: found.col},
            {NEAR: found.edge},
            num_sampled_nodes={kind: found.num_sampled_nodes},
            num_sampled_edges={NEAR: found.num_sampled_edges},
            metadata=found.metadata,
        )

    def sample_from_edges(
        self, inputs: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None
    ) -> SamplerOutput:
        """Sample the neighbourhoods of both ends of item pairs, for a homogeneous `LinkLoader`.

        Returns:
            The output with metadata `(input_id, edge_label_index, edge_label, time)`; the first nodes are the pairs' ends.

        Raises:
            InputError: negatives are asked for; pass pairs with label 0 instead, or take `ppr_candidates`.
        """
        if neg_sampling is not None or inputs.input_type is not None:
            raise InputError(
                "ConsistentWalkSampler samples homogeneous pairs without negatives of its own",
                hint="Pass pairs with the label 0, such as those of engine.sampling.ppr.ppr_candidates.",
            )
        ends, inverse = np.unique(torch.cat([inputs.row, inputs.col]).numpy(), return_inverse=True)
        found = self._sample(ends.astype(np.int64))
        pairs = torch.from_numpy(inverse.reshape(2, -1).astype(np.int64))
        found.metadata = (inputs.input_id, pairs, inputs.label, inputs.time)
        return found

    def _sample(self, seeds: NDArray[np.int64]) -> SamplerOutput:
        nodes, frontier = seeds, np.arange(len(seeds))
        rows, cols, weights, hops = [], [], [], [len(seeds)]
        for wanted in self.fan_out:
            near, weight = self._neighbours(nodes[frontier], wanted)
            owner, at = np.nonzero(near >= 0)
            fresh = np.setdiff1d(near[owner, at], nodes)
            known, nodes = len(nodes), np.concatenate([nodes, fresh])
            rows.append(_positions(nodes, near[owner, at]))
            cols.append(frontier[owner])
            weights.append(weight[owner, at])
            frontier = np.arange(known, len(nodes))
            hops.append(len(fresh))
        node, row, col = (torch.from_numpy(part) for part in (nodes, np.concatenate(rows), np.concatenate(cols)))
        edge = torch.from_numpy(np.concatenate(weights).view(np.int32).astype(np.int64))
        return SamplerOutput(
            node, row, col, edge, num_sampled_nodes=hops, num_sampled_edges=[len(part) for part in rows]
        )

    def _neighbours(self, rows: NDArray[np.int64], wanted: int) -> tuple[IndexArray, FloatArray]:
        found = self.provider.neighbourhoods(rows)
        near, weight = found.idx[:, :wanted], found.weight[:, :wanted]
        total = weight.sum(axis=1, keepdims=True)
        return near, np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)


def _positions(nodes: NDArray[np.int64], wanted: NDArray[np.integer]) -> NDArray[np.int64]:
    """The first position in `nodes` of each of `wanted`."""
    order = np.argsort(nodes, kind="stable")
    positions: NDArray[np.int64] = order[np.searchsorted(nodes[order], wanted)]
    return positions
