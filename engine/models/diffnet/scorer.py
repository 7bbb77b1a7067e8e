"""DiffNet++ as a method (Wu et al., TKDE'20). Knows no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from engine.models.attention.weighed import Weighed
from engine.models.diffnet.answers import Diffusing, Known, known
from engine.models.diffnet.attention import attention, attention_further
from engine.models.diffnet.config import DiffnetSettings
from engine.models.diffnet.files import Trained, load_model, save_model
from engine.models.diffnet.model import Diffnet, Sizes
from engine.models.diffnet.task import DiffnetTask
from engine.models.friends import followed, told_of
from engine.models.gcmc.fields import SideFields, fit_fields, sparse_rows
from engine.models.gcmc.model import SparseRows
from engine.models.row_embedder import Joined, Side
from engine.models.taught import Places, known_degrees, learned_edges, taught_ids
from engine.models.user_item import UserItemData
from engine.models.user_steps import start_from_spectrum
from engine.models.vectors import AnswersByVectors
from engine.training.checkpoint import Checkpoints, run_digest
from engine.training.loop import train
from engine.types import IndexArray


class DiffnetScorer(AnswersByVectors):
    """Ranks by the inner product of what users and items are after each layer.

    Users and items with an edge have a vector of their own. A user with friends only is answered from them, and so is whoever
    came later. Epochs are a setting, so that it learns from all known edges. By the softmax, and where no fields are read, training starts
    from the graph's singular vectors.

    Attributes:
        trained: what training left.
    """

    name = "diffnet"

    def __init__(self, settings: DiffnetSettings | None = None) -> None:
        self.settings = settings or DiffnetSettings()
        self.trained: Trained
        self._known: Known

    @staticmethod
    def from_settings(settings: Mapping[str, Any]) -> DiffnetScorer:
        """Make one from settings by name; see `DiffnetSettings.from_flat`.

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        return DiffnetScorer(DiffnetSettings.from_flat(settings))

    def fit(self, data: UserItemData) -> None:
        """Train. With `data.workdir` an interrupted training goes on where it was.

        Raises:
            TrainingError: there are no edges, or the loss is not finite.
            DataError: a value of a field that is not finite.
            CorruptFileError: a checkpoint in `data.workdir` is damaged or of other data.
        """
        settings = self.settings = replace(self.settings, loop=replace(self.settings.loop, seed=data.seed))
        user_degree, item_degree = known_degrees(data)
        users, items = taught_ids(data.users, user_degree), taught_ids(data.items, item_degree)
        edges, rows = learned_edges(data, users, items), Places.of(users, data.users).rows
        follows: csr_array = followed(data, settings.network.friendship)[rows][:, rows]
        fields, columns = _fields(data, settings, (users, items))
        widths = (0, 0) if columns is None else _widths(columns)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.loop.seed)
            model = Diffnet(settings.network, Sizes(len(users), len(items), widths))
        if settings.training.loss == "softmax" and columns is None:
            start_from_spectrum(model.users, model.items, edges, settings.loop.seed)
        checkpoints = None
        if data.workdir is not None:
            arrays = (edges.indptr, edges.indices, follows.indptr, follows.indices, follows.data)
            run = run_digest([asdict(settings), users, items], *arrays)
            checkpoints = Checkpoints(data.workdir / "checkpoints", run)
        task = DiffnetTask(model, edges, follows, settings, columns)
        done = train(task, settings.loop, checkpoints)
        figures = {
            "edges": int(edges.nnz),
            "follows": int(follows.nnz),
            "training": done.told(),
        }
        self._answer(Trained(model, settings, fields, (users, items), task.graph.sent, figures), data)

    def fold_in(self, data: UserItemData) -> DiffnetScorer:
        """Answer about later data without training: everybody from the edges and follows as they are now.

        What is new receives, but sends nothing and has no vector of its own.

        Raises:
            DataError: a value of a field that is not finite.
        """
        return _answering(self.trained, data)

    def standing(self, side: Side, rows: IndexArray) -> NDArray[np.str_]:
        """How each user, or item, is known: "trained"; "folded in" where only friends or later edges tell of it; or "cold"."""
        return self._known.standing[side][rows]

    def rests_on(self, users: IndexArray) -> NDArray[np.str_]:
        """On what an answer for each user rests: "ratings and friends", "ratings", "friends" or "nothing"."""
        return np.asarray(self._known.rests[users])

    def attention(self, users: IndexArray, items: IndexArray) -> list[Weighed]:
        """See `engine.models.attention.weighed.Attends`."""
        return attention(self.trained.model, self._known, users, items)

    def attention_further(self, users: IndexArray) -> list[Weighed]:
        """See `engine.models.attention.weighed.AttendsFurther`."""
        return attention_further(self.trained.model, self._known, users)

    def report(self) -> dict[str, Any]:
        """Settings in force, epochs run, the loss of each, time, and how many nodes are known in which way."""
        return {
            "settings": asdict(self.trained.settings),
            **self.trained.figures,
            "parameters": sum(part.numel() for part in self.trained.model.parameters()),
            "standing": {side: told_of(its) for side, its in self._known.standing.items()},
            "users": told_of(self._known.rests),
        }

    def save(self, folder: Path) -> None:
        """Write the trained model as a sealed folder; `folder` must not exist.

        Raises:
            DiskFullError: no space left.
        """
        save_model(folder, self.trained)

    @staticmethod
    def load(folder: Path, data: UserItemData) -> DiffnetScorer:
        """Read what `save` wrote, to answer about some data: that of training, or later data as in `fold_in`.

        Raises:
            CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
            DataError: as for `fold_in`.
        """
        return _answering(load_model(folder), data)

    @staticmethod
    def embedder(folder: Path, joined: Joined) -> Diffusing:
        """Read what `save` wrote, to compute some rows.

        Raises:
            CorruptFileError: see `load`.
        """
        return Diffusing(load_model(folder), joined)

    def _answer(self, trained: Trained, data: UserItemData) -> None:
        self.trained, self._known = trained, known(trained, data)
        self._answers = self._known.vectors


def _answering(trained: Trained, data: UserItemData) -> DiffnetScorer:
    found = DiffnetScorer(trained.settings)
    found._answer(trained, data)
    return found


def _fields(
    data: UserItemData, settings: DiffnetSettings, ids: tuple[tuple[str, ...], tuple[str, ...]]
) -> tuple[SideFields | None, tuple[SparseRows, SparseRows] | None]:
    """How fields become columns, and those of the nodes with some ids."""
    if not settings.network.features:
        return None, None
    fields = fit_fields(replace(data, follows=None), settings.fields)
    users, items = (
        sparse_rows(rows[np.asarray(nodes.order.ranks(Places.of(its, nodes).rows))])
        for rows, nodes, its in zip(fields.matrices(data), (data.users, data.items), ids, strict=True)
    )
    return fields, (users, items)


def _widths(columns: tuple[SparseRows, SparseRows]) -> tuple[int, int]:
    users, items = (len(rows.pattern.turned_indptr) - 1 for rows in columns)
    return users, items
