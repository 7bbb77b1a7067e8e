"""What a trained GC-MC says about a graph: the one it was trained on, or a later one with new nodes and ratings.

A node's embedding is made of what its neighbours send, so a node that came after training is answered from its first
ratings by one pass forward (the inductive step). Knows no training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import InputError
from engine.graph.snapshot_columns import NodeTable
from engine.models.gcmc.fields import sparse_rows
from engine.models.gcmc.files import Trained
from engine.models.gcmc.graph import messages, rating_graph
from engine.models.gcmc.kernels import dot_rows
from engine.models.gcmc.model import ITEMS, USERS, Gcmc, Sizes
from engine.models.standing import standing_of
from engine.models.user_item import UserItemData
from engine.types import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything that a pair's answer needs; rows are those of the data's tables.

    Attributes:
        users: float32 `[bases, users, dim]`, z_u^T P_s.
        items: float32 `[items, dim]`, z_i.
        mix: float32 `[bases, levels]`.
        biases: float32 `[users, levels]` and `[items, levels]`; empty where none are learned.
        levels: float32 `[levels]`.
        standing: how each user and each item is known.
    """

    users: FloatArray
    items: FloatArray
    mix: FloatArray
    biases: tuple[FloatArray, ...]
    levels: FloatArray
    standing: tuple[NDArray[np.str_], NDArray[np.str_]]

    def distribution(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """How likely each level is for each pair, float32 `[P, levels]`; rows add up to 1."""
        order = np.argsort(users, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=self.users.shape[1]))]).astype(np.int64)
        dots = dot_rows(indptr, items[order].astype(np.int32), self.users, self.items)
        logits = np.empty((len(users), len(self.levels)), dtype=np.float32)
        logits[order] = (dots.T[:, :, None] * self.mix).sum(axis=1)
        for bias, rows in zip(self.biases, (users, items), strict=False):
            logits += bias[rows]
        logits -= logits.max(axis=1, keepdims=True)
        weight = np.exp(logits)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float32)


@torch.no_grad()
def answers(trained: Trained, data: UserItemData) -> Answers:
    """One pass forward over all that is known of some data.

    A node without a message stands for what its kind receives on average, beside its own fields.

    Raises:
        InputError: other levels than in training.
        TrainingError: the data has no ratings.
        DataError: a rating that is none of the levels, or a value of a field that is not finite.
    """
    if tuple(data.levels) != trained.levels:
        raise InputError(f"gcmc: trained on the levels {trained.levels}, not on {tuple(data.levels)}")
    graph = rating_graph(data, data.known())
    place = np.concatenate([_places(data.users, trained.ids[USERS]), _places(data.items, trained.ids[ITEMS])])
    place[graph.num_users :][place[graph.num_users :] >= 0] += len(trained.ids[USERS])
    taught = (place >= 0) & trained.taught[place]
    model = (
        trained.model if taught.all() else _on(trained, np.where(taught, place, -1), (data.num_users, data.num_items))
    )
    sent = messages(graph, model.config, taught)
    received = model.receive(sent.pattern, sent.share)
    columns = None if trained.fields is None else trained.fields.matrices(data)
    vectors, standing, biases = [], [], []
    for side, nodes in ((USERS, data.users), (ITEMS, data.items)):
        own = slice(0, graph.num_users) if side == USERS else slice(graph.num_users, None)
        reached = sent.degree[own] > 0
        inputs = received[own].clone()
        if reached.any():
            inputs[torch.from_numpy(~reached)] = inputs[torch.from_numpy(reached)].mean(dim=0)
        fields = None if columns is None or not model.sizes.features[side] else sparse_rows(columns[side])
        row = _ranks(nodes)
        vectors.append(model.embed(side, model.joined(side, inputs, fields))[row])
        standing.append(standing_of(taught[own], reached)[row.numpy()])
        if model.biases:
            biases.append(model.biases[side][row].numpy())
    return Answers(
        users=model.forms_of(vectors[USERS]).contiguous().numpy(),
        items=vectors[ITEMS].contiguous().numpy(),
        mix=model.mix.numpy(),
        biases=tuple(biases),
        levels=graph.levels,
        standing=(standing[USERS], standing[ITEMS]),
    )


def _places(nodes: NodeTable, ids: tuple[str, ...]) -> NDArray[np.int64]:
    """Where each node, in the order of the keys, is among the ids of training; -1 for one that is not."""
    rows = nodes.index_of(ids)
    place = np.full(len(nodes), -1, dtype=np.int64)
    place[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    return place[nodes.rows_by_key]


def _ranks(nodes: NodeTable) -> Tensor:
    return torch.from_numpy(np.asarray(nodes.order.ranks(np.arange(len(nodes))), dtype=np.int64))


def _on(trained: Trained, place: NDArray[np.int64], nodes: tuple[int, int]) -> Gcmc:
    """The model with a table for other nodes: those at -1 send nothing, and their biases are the mean of all that learned one."""
    old = trained.model
    model = Gcmc(old.config, Sizes(nodes, old.sizes.levels, old.sizes.features))
    state = old.state_dict()
    known, at = torch.from_numpy(np.flatnonzero(place >= 0)), torch.from_numpy(place[place >= 0])
    width = old.table.shape[1]
    table = torch.zeros(old.sizes.levels, sum(nodes), width)
    table[:, known] = old.table.view(old.sizes.levels, -1, width)[:, at]
    state["table"] = table.flatten(0, 1)
    taught = torch.from_numpy(trained.taught)
    for side, bias in enumerate(old.biases):
        first, first_old = (nodes[0], old.sizes.nodes[0]) if side == ITEMS else (0, 0)
        learned = bias[taught[first_old : first_old + len(bias)]].mean(dim=0)
        here = place[first : first + nodes[side]]
        mine = learned.repeat(nodes[side], 1)
        mine[torch.from_numpy(here >= 0)] = bias[torch.from_numpy(here[here >= 0] - first_old)]
        state[f"biases.{side}"] = mine
    model.load_state_dict(state)
    return model.eval()
