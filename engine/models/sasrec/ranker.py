"""SASRec as a method: fit on what users took up in order, then score what may come next. Knows no server."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.errors import TrainingError
from engine.hashing import digest
from engine.models.sasrec.config import SasrecSettings
from engine.models.sasrec.files import Trained, load_model, save_model
from engine.models.sasrec.model import Sasrec
from engine.models.sasrec.task import HeldOut, SasrecTask, expected_next
from engine.models.sequences import as_sequence, newest, sequences
from engine.models.user_item import UserItemData, UserItemEdges
from engine.training.checkpoint import Checkpoints
from engine.training.loop import Progress, train
from engine.types import CSR, FloatArray, IndexArray


class SasrecRanker:
    """Trains a SASRec on each user's items but the last, and stops by the validation items where there are some.

    A user is answered from their newest items, so a new item of theirs, or a new user, takes no training. Items that came
    after training are scored -inf; who has none of the others is answered by how many have an item.

    Attributes:
        trained: what training left.
    """

    name = "sasrec"

    def __init__(self, settings: SasrecSettings | None = None) -> None:
        self.settings = settings or SasrecSettings()
        self.progress = Progress()
        self.trained: Trained

    @staticmethod
    def from_settings(settings: Mapping[str, Any]) -> SasrecRanker:
        """Make one from settings by name; see `SasrecSettings.from_flat`.

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        return SasrecRanker(SasrecSettings.from_flat(settings))

    def fit(self, data: UserItemData) -> None:
        """Train. With `data.workdir` an interrupted training goes on where it was.

        Raises:
            TrainingError: there are no edges with times, no user has two, or the loss is not finite.
            CorruptFileError: a checkpoint in `data.workdir` is damaged or of other data.
        """
        settings = self.settings = replace(self.settings, loop=replace(self.settings.loop, seed=data.seed))
        ids = _ids_by_key(data)
        lists = _by_key(data, sequences(data, data.train))
        if not (lists.degrees() > 1).any():
            raise TrainingError("no user has two items, so nothing comes after anything", hint="Use popularity.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.loop.seed)
            model = Sasrec(settings.network, len(ids))
        held = held_out(data, lists, settings.training.checked)
        task = SasrecTask(model, lists, held, settings)
        checkpoints = None
        if data.workdir is not None:
            checkpoints = Checkpoints(data.workdir / "checkpoints", _run_digest(data, lists, held, settings))
        self.progress = train(task, settings.loop, checkpoints)
        share = np.bincount(lists.indices, minlength=len(ids)) / len(lists.indices)
        self.trained = Trained(model, settings, ids, share.astype(np.float32))
        self._answer_about(data)

    def fold_in(self, data: UserItemData) -> SasrecRanker:
        """Answer about later data without training.

        Args:
            data: all users, items and edges as they are now.
        """
        return _answering(self.trained, data, self.progress)

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, the logit of each item to be next."""
        return self._after(newest(self._lists, users, self.settings.network.length))

    def score_new(self, items: IndexArray, ratings: FloatArray | None = None) -> FloatArray:
        """float32 `[N]`, for a user who has these items, oldest first."""
        del ratings
        rows = self._row[items]
        known = as_sequence(rows[rows >= 0])
        scores: FloatArray = self._after(newest(known, np.zeros(1, np.int32), self.settings.network.length))[0]
        return scores

    def report(self) -> dict[str, Any]:
        """Settings in force, epochs run, validation, time."""
        done = self.progress
        return {
            "settings": asdict(self.settings),
            "training": {
                "epochs": len(done.losses),
                "best_epoch": done.best_epoch,
                "losses": done.losses[-5:],
                "validation": done.validation,
                "seconds": done.seconds,
            },
            "parameters": sum(part.numel() for part in self.trained.model.parameters()),
        }

    def save(self, folder: Path) -> None:
        """Write the trained model as a sealed folder; `folder` must not exist.

        Raises:
            DiskFullError: no space left.
        """
        save_model(folder, self.trained)

    @staticmethod
    def load(folder: Path, data: UserItemData) -> SasrecRanker:
        """Read what `save` wrote, to answer about some data: that of training, or later data as in `fold_in`.

        Raises:
            CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
        """
        return _answering(load_model(folder), data, Progress())

    def _answer_about(self, data: UserItemData) -> None:
        """Find the model's row of each item (-1 for one it does not know), and each user's known items in order."""
        table = data.items.index_of(list(self.trained.items))
        self._row = np.full(data.num_items, -1, np.int32)
        known = (table >= 0) & (self.trained.share > 0)
        self._row[table[known]] = np.flatnonzero(known)
        edges = data.known()
        self._lists = _translated(sequences(data, edges), self._row) if len(edges) else _nobody(data.num_users)

    def _after(self, last: CSR) -> FloatArray:
        has = last.degrees() > 0
        found = np.full((last.num_rows, len(self._row)), -np.inf, np.float32)
        told = np.flatnonzero(self._row >= 0)
        rows = self._row[told]
        scores = np.broadcast_to(self.trained.share[rows], (last.num_rows, len(rows))).copy()
        if has.any():
            model = self.trained.model
            some = newest(last, np.flatnonzero(has).astype(np.int32), self.settings.network.length)
            scores[has] = (expected_next(model, some) @ model.items.detach()[torch.from_numpy(rows)].T).numpy()
        found[:, told] = scores
        return found


def held_out(data: UserItemData, lists: CSR, most: int) -> HeldOut | None:
    """The first validation item of each user who has training items, of at most so many users, drawn; None without any.

    Args:
        lists: training sequences, users and items by key.
    """
    valid: UserItemEdges = data.valid
    if not len(valid):
        return None
    user, item = data.users.order.ranks(valid.user), data.items.order.ranks(valid.item)
    order = np.lexsort((item, np.zeros(len(valid)) if valid.time is None else valid.time, user))
    _, first = np.unique(user[order], return_index=True)
    chosen = order[first]
    chosen = chosen[lists.degrees()[user[chosen]] > 0]
    if len(chosen) > most:
        chosen = np.sort(np.random.default_rng([data.seed, 3]).choice(chosen, most, replace=False))
    return HeldOut(user[chosen].astype(np.int32), item[chosen].astype(np.int64)) if len(chosen) else None


def _answering(trained: Trained, data: UserItemData, progress: Progress) -> SasrecRanker:
    found = SasrecRanker(trained.settings)
    found.trained, found.progress = trained, progress
    found._answer_about(data)
    return found


def _by_key(data: UserItemData, lists: CSR) -> CSR:
    """Users and items by key instead of by row."""
    users = data.users.order.by_rank
    ordered = newest(lists, users, max(1, int(lists.degrees().max()))) if len(users) else lists
    return CSR(ordered.indptr, data.items.order.ranks(ordered.indices).astype(np.int32))


def _ids_by_key(data: UserItemData) -> tuple[str, ...]:
    order = data.items.order.by_rank
    return tuple(data.items.ids.take(order) if len(order) else data.items.ids)


def _translated(lists: CSR, row: IndexArray) -> CSR:
    """The lists with the model's rows, without items that it does not know."""
    rows = row[lists.indices]
    kept = np.concatenate([[0], np.cumsum(rows >= 0)])
    return CSR(kept[lists.indptr], rows[rows >= 0])


def _nobody(users: int) -> CSR:
    return CSR(np.zeros(users + 1, np.int64), np.empty(0, np.int32))


def _run_digest(data: UserItemData, lists: CSR, held: HeldOut | None, settings: SasrecSettings) -> str:
    """What a training run depends on: settings, seed, nodes, sequences and what is held out."""
    content = hashlib.sha256()
    arrays = [data.items.key, lists.indptr, lists.indices, *((held.users, held.item) if held else ())]
    for array in arrays:
        content.update(np.ascontiguousarray(array).tobytes())
    return digest([asdict(settings), content.hexdigest()])
