"""GraphRec as a method (Fan et al., WWW'19). Knows no server."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.models.attention.weighed import Weighed
from engine.models.friends import told_of
from engine.models.graphrec.answers import Answers, answers
from engine.models.graphrec.attention import attention
from engine.models.graphrec.config import GraphrecSettings
from engine.models.graphrec.files import Trained, load_model, save_model
from engine.models.graphrec.model import Graphrec, Sizes
from engine.models.graphrec.neighbours import SocialGraph
from engine.models.graphrec.task import GraphrecTask
from engine.models.taught import ids_by_key
from engine.models.trained import Files, TrainedMethod
from engine.models.user_item import UserItemData
from engine.training.checkpoint import Checkpoints, run_digest
from engine.training.loop import train
from engine.types import FloatArray, IndexArray


class GraphrecPredictor(TrainedMethod[GraphrecSettings, Trained]):
    """Predicts a rating from what the user rated, what their friends rated, and who rated the item.

    Epochs are a setting, so that it learns from all known ratings.

    Of later data it answers everybody from the ratings and follows as they are then. Other levels than in training are an InputError, a
    rating that is none of them a DataError.

    Attributes:
        answers: what it says about the users and items of the data at hand.
    """

    name = "graphrec"
    settings_type = GraphrecSettings
    files = Files(save_model, load_model)
    answers: Answers

    def fit(self, data: UserItemData) -> None:
        """Train. With `data.workdir` an interrupted training goes on where it was.

        Raises:
            TrainingError: there are no ratings, or the loss is not finite.
            DataError: a rating that is none of the levels.
            CorruptFileError: a checkpoint in `data.workdir` is damaged or of other data.
        """
        settings = self.settings = replace(self.settings, loop=replace(self.settings.loop, seed=data.seed))
        graph = SocialGraph.of(data, data.known(), settings.network)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.loop.seed)
            sizes = Sizes(data.num_users, data.num_items, graph.ratings.num_levels)
            model = Graphrec(settings.network, sizes, settings.training.dropout)
            checkpoints = None
            if data.workdir is not None:
                checkpoints = Checkpoints(data.workdir / "checkpoints", _run_digest(data, graph, settings))
            self.progress = train(GraphrecTask(model, graph, settings), settings.loop, checkpoints)
        self.trained = Trained(model, settings, tuple(data.levels), (ids_by_key(data.users), ids_by_key(data.items)))
        self._answer_about(data)

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`."""
        return self.answers.predict(users, items)

    def rests_on(self, users: IndexArray) -> NDArray[np.str_]:
        """On what an answer for each user rests: "ratings and friends", "ratings", "friends" or "nothing"."""
        return np.asarray(self.answers.rests[users])

    def attention(self, users: IndexArray, items: IndexArray) -> list[Weighed]:
        """See `engine.models.attention.weighed.Attends`."""
        return attention(self.answers, users, items)

    def report(self) -> dict[str, Any]:
        """Settings in force, epochs run, the loss of each, time, and on what answers rest."""
        return {**super().report(), "users": told_of(self.answers.rests)}

    def _answer_about(self, data: UserItemData) -> None:
        self.answers = answers(self.trained, data)


def _run_digest(data: UserItemData, graph: SocialGraph, settings: GraphrecSettings) -> str:
    """What a training run depends on: settings, seed, nodes, ratings and friends."""
    ratings, friends = graph.ratings, graph.friends
    edges: list[NDArray[Any]] = [ratings.user, ratings.item, ratings.level, friends.indptr, friends.at]
    if friends.prior is not None:
        edges.append(friends.prior)
    return run_digest([asdict(settings), ratings.levels.tolist()], data.users.key, data.items.key, *edges)
