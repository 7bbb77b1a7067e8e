"""LightGCN as a method: train on what users have, score items, and answer what comes later. Knows no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.models.learned import Learned
from engine.models.lightgcn.config import LightGcnSettings
from engine.models.lightgcn.inductive import Receiver
from engine.models.lightgcn.model import LightGcn
from engine.models.lightgcn.task import LightGcnTask
from engine.models.row_embedder import SIDES, Joined, Side
from engine.models.standing import standing_of
from engine.models.taught import Places, known_degrees, learned_edges, taught_ids
from engine.models.user_item import UserItemData
from engine.models.user_steps import start_from_spectrum
from engine.models.vectors import VectorMethod
from engine.training.checkpoint import Checkpoints, run_digest
from engine.training.loop import train
from engine.types import IndexArray


class LightGcnScorer(VectorMethod):
    """Trains a LightGCN. Epochs are a setting, so that all known edges are learned from.

    By the softmax it starts from the graph's singular vectors and scores by the cosine of final embeddings, times a small power of how
    many users an item has; by BPR, as in the paper, from drawn numbers and by the inner product."""

    name = "lightgcn"

    def __init__(self, settings: LightGcnSettings | None = None) -> None:
        self.settings = settings or LightGcnSettings()

    @staticmethod
    def from_settings(settings: Mapping[str, Any]) -> LightGcnScorer:
        """Make one from settings by name; see `LightGcnSettings.from_flat`.

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        return LightGcnScorer(LightGcnSettings.from_flat(settings))

    def fit(self, data: UserItemData) -> None:
        """Train. With `data.workdir` an interrupted training goes on where it was.

        Raises:
            TrainingError: there are no edges, or the loss is not finite.
            CorruptFileError: a checkpoint in `data.workdir` is damaged or of other data.
        """
        settings = self.settings = replace(self.settings, loop=replace(self.settings.loop, seed=data.seed))
        user_degree, item_degree = known_degrees(data)
        users, items = taught_ids(data.users, user_degree), taught_ids(data.items, item_degree)
        edges = learned_edges(data, users, items)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.loop.seed)
            model = LightGcn(settings.network, edges)
        if settings.training.loss == "softmax":
            start_from_spectrum(model.users, model.items, edges, settings.loop.seed)
        checkpoints = None
        if data.workdir is not None:
            run = run_digest([asdict(settings), users, items], edges.indptr, edges.indices)
            checkpoints = Checkpoints(data.workdir / "checkpoints", run)
        done = train(LightGcnTask(model, edges, settings), settings.loop, checkpoints)
        figures = {
            "edges": int(edges.nnz),
            "training": done.told(),
        }
        self._learned = Learned(asdict(settings), {"users": users, "items": items}, _arrays(model), figures)
        self._look_at(data)

    def fold_in(self, data: UserItemData) -> LightGcnScorer:
        """Answer about later data without training: a user or item receives from those of training that it is joined to now.

        What is new receives, but sends nothing and has no embedding of its own.
        """
        return self._answering(self._learned, data)

    def standing(self, side: Side, rows: IndexArray) -> NDArray[np.str_]:
        """How each user, or item, is known: "trained"; "folded in" where it came later, from its edges alone; or "cold"."""
        return self._standing[side][rows]

    def report(self) -> dict[str, Any]:
        """Settings in force, epochs run, the loss of each, time, and how many nodes are known in which way."""
        kinds = {
            side: dict(zip(*(part.tolist() for part in np.unique(told, return_counts=True)), strict=True))
            for side, told in self._standing.items()
        }
        return {**super().report(), "standing": kinds}

    @classmethod
    def _of(cls, settings: dict[str, Any]) -> LightGcnScorer:
        return LightGcnScorer(LightGcnSettings.from_json(settings))

    @classmethod
    def _embedder(cls, learned: Learned, joined: Joined) -> Receiver:
        return Receiver(learned, joined)

    def _look_at(self, data: UserItemData) -> None:
        super()._look_at(data)
        places = {side: Places.of(self._learned.ids[side], getattr(data, side)) for side in SIDES}
        vectors = {"users": self.user_vectors, "items": self.item_vectors}
        self._standing: dict[Side, NDArray[np.str_]] = {
            side: standing_of(places[side].taught, np.asarray(vectors[side].any(axis=1))) for side in SIDES
        }


@torch.no_grad()
def _arrays(model: LightGcn) -> dict[str, NDArray[Any]]:
    """What each node has of its own and what it sends in all layers, both as shares of the mean over layers; and degrees."""
    layers = model.layers()
    found: dict[str, NDArray[Any]] = {"user_degree": model.user_degree, "item_degree": model.item_degree}
    for side, name in enumerate(("user", "item")):
        found[f"{name}_own"] = (layers[0][side] / len(layers)).numpy()
        found[f"{name}_sent"] = (torch.stack([layer[side] for layer in layers[:-1]]).sum(dim=0) / len(layers)).numpy()
    return found
