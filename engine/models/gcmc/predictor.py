"""GC-MC as a method: fit on ratings, then tell how likely each rating of a pair is. Knows no server."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.models.gcmc.answers import Answers, answers
from engine.models.gcmc.config import GcmcSettings
from engine.models.gcmc.fields import fit_fields
from engine.models.gcmc.files import Trained, load_model, save_model
from engine.models.gcmc.graph import RatingGraph, rating_graph
from engine.models.gcmc.model import ITEMS, USERS, Gcmc, Sizes
from engine.models.gcmc.task import GcmcTask
from engine.models.row_embedder import SIDES, Side
from engine.models.taught import ids_by_key
from engine.models.trained import Files, TrainedMethod
from engine.models.user_item import UserItemData
from engine.training.checkpoint import Checkpoints, run_digest
from engine.training.loop import train
from engine.types import FloatArray, IndexArray


class GcmcPredictor(TrainedMethod[GcmcSettings, Trained]):
    """Trains a GC-MC and predicts sum_r r p(r) (equation 5). Epochs are a setting, so that it learns from all known ratings.

    Of later data it answers new users and items from their first ratings, and all from the newest ones. What is new receives, but
    sends nothing: no weights of its own are trained. Other levels than in training are an InputError, a rating that is none of
    them and a value of a field that is not finite a DataError.

    Attributes:
        answers: what it says about the users and items of the data at hand.
    """

    name = "gcmc"
    settings_type = GcmcSettings
    files = Files(save_model, load_model)
    answers: Answers

    def fit(self, data: UserItemData) -> None:
        """Train. With `data.workdir` an interrupted training goes on where it was.

        Raises:
            TrainingError: there are no ratings, or the loss is not finite.
            DataError: a rating that is none of the levels, or a value of a field that is not finite.
            CorruptFileError: a checkpoint in `data.workdir` is damaged or of other data.
        """
        settings = self.settings = replace(self.settings, loop=replace(self.settings.loop, seed=data.seed))
        graph = rating_graph(data, data.known())
        fields = fit_fields(data, settings.fields) if settings.network.features else None
        columns = None if fields is None else fields.matrices(data)
        widths = (0, 0) if columns is None else (columns[USERS].shape[1], columns[ITEMS].shape[1])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.loop.seed)
            model = Gcmc(settings.network, Sizes((graph.num_users, graph.num_items), graph.num_levels, widths))
        task = GcmcTask(model, graph, columns, settings)
        checkpoints = None
        if data.workdir is not None:
            checkpoints = Checkpoints(data.workdir / "checkpoints", _run_digest(data, graph, settings))
        self.progress = train(task, settings.loop, checkpoints)
        ids = (ids_by_key(data.users), ids_by_key(data.items))
        self.trained = Trained(model, settings, fields, tuple(data.levels), ids, task.messages.degree > 0)
        self._answer_about(data)

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`."""
        return np.asarray(self.distribution(users, items) @ self.answers.levels, dtype=np.float32)

    def distribution(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """How likely each level is for each pair, float32 `[P, levels]`."""
        return self.answers.distribution(users, items)

    def standing(self, side: Side, rows: IndexArray) -> NDArray[np.str_]:
        """How each user, or item, is known: "trained", "folded in" or "cold"."""
        return np.asarray(self.answers.standing[SIDES.index(side)][rows])

    def report(self) -> dict[str, Any]:
        """Settings in force, epochs run, the loss of each, time, and how many nodes are known in which way."""
        kinds = {
            name: dict(zip(*(part.tolist() for part in np.unique(found, return_counts=True)), strict=True))
            for name, found in zip(SIDES, self.answers.standing, strict=True)
        }
        return {**super().report(), "standing": kinds}

    def _answer_about(self, data: UserItemData) -> None:
        self.answers = answers(self.trained, data)


def _run_digest(data: UserItemData, graph: RatingGraph, settings: GcmcSettings) -> str:
    """What a training run depends on: settings, seed, nodes and ratings."""
    arrays = (data.users.key, data.items.key, graph.user, graph.item, graph.level)
    return run_digest([asdict(settings), graph.levels.tolist()], *arrays)
