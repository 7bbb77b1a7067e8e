"""SASRec as a method: fit on what users took up in order, then score what may come next. Knows no server."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import TrainingError
from engine.graph.snapshot_csr import edge_rows
from engine.models.attention.weighed import Weighed
from engine.models.next_items import (
    checkpoints_of,
    next_items,
    next_scores,
    shares,
    start_rows_from_spectrum,
    table_rows,
)
from engine.models.sasrec.config import SasrecSettings
from engine.models.sasrec.files import Trained, load_model, save_model
from engine.models.sasrec.model import Sasrec
from engine.models.sasrec.task import HeldOut, SasrecTask, expected_next
from engine.models.sequences import History, as_sequence, newest, sequences
from engine.models.taught import ids_by_key
from engine.models.trained import Files, TrainedMethod
from engine.models.user_item import UserItemData
from engine.training.checkpoint import run_digest
from engine.training.loop import Progress, train
from engine.types import CSR, FloatArray, IndexArray


class SasrecRanker(TrainedMethod[SasrecSettings, Trained]):
    """Trains a SASRec, and stops by the validation items where there are some; then trains another as long on those too.

    Items start from the singular vectors of who took what, so that those taken up by the same users are close from the first step.

    A user is answered from their newest items, so a new item of theirs, or a new user, takes no training. Items that came
    after training are scored -inf; who has none of the others is answered by how many have an item.
    """

    name = "sasrec"
    settings_type = SasrecSettings
    files = Files(save_model, load_model)

    def fit(self, data: UserItemData) -> None:
        """Train. With `data.workdir` an interrupted training goes on where it was.

        Raises:
            TrainingError: there are no edges with times, no user has two, or the loss is not finite.
            CorruptFileError: a checkpoint in `data.workdir` is damaged or of other data.
        """
        settings = self.settings = replace(self.settings, loop=replace(self.settings.loop, seed=data.seed))
        told = sequences(data, data.train)
        if not (told.degrees() > 1).any():
            raise TrainingError("no user has two items, so nothing comes after anything", hint="Use popularity.")
        held = held_out(data, told, settings.training.checked)
        lists = _by_key(data, told)
        model, self.progress = self._train(data, lists, held, settings)
        if held is not None:
            as_long = replace(settings.loop, epochs=self.progress.best_epoch)
            lists = _by_key(data, sequences(data, data.known()))
            model, second = self._train(data, lists, None, replace(settings, loop=as_long))
            self.progress = self.progress.then(second)
        ids = ids_by_key(data.items)
        rows = data.items.order.ranks(np.arange(len(ids))).astype(np.int64)
        share = shares(data, rows, np.bincount(lists.indices, minlength=len(ids)) > 0)
        self.trained = Trained(model, settings, ids, share)
        self._answer_about(data)

    def _train(
        self, data: UserItemData, lists: CSR, held: HeldOut | None, settings: SasrecSettings
    ) -> tuple[Sasrec, Progress]:
        """A model of some sequences, and how its training went."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.loop.seed)
            model = Sasrec(settings.network, data.num_items)
        start_rows_from_spectrum(None, model.items, (edge_rows(lists), lists.indices), settings.loop.seed)
        asked = () if held is None else (held.users, held.item)
        digest = run_digest([asdict(settings)], data.items.key, lists.indptr, lists.indices, *asked)
        task = SasrecTask(model, lists, held, settings)
        return model, train(task, settings.loop, checkpoints_of(data, held is None, digest))

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, the logit of each item to be next."""
        return self._after(newest(self._lists, users, self.settings.network.length))

    def score_new(self, items: IndexArray, ratings: FloatArray | None = None) -> FloatArray:
        """float32 `[N]`, for a user who has these items, oldest first."""
        del ratings
        rows = self._row[items]
        known = as_sequence(rows[rows >= 0].astype(np.int32))
        scores: FloatArray = self._after(newest(known, np.zeros(1, np.int32), self.settings.network.length))[0]
        return scores

    def score_next(self, history: History) -> FloatArray:
        """float32 `[N]`; see `engine.models.sequences.NextScorer`."""
        return self.score_new(history.items)

    def attention(self, users: IndexArray, items: IndexArray) -> list[Weighed]:
        """See `engine.models.attention.weighed.Attends`."""
        del items
        return self._attention(newest(self._lists, users, self.settings.network.length))

    def attention_next(self, history: History) -> list[Weighed]:
        """See `engine.models.attention.weighed.AttendsInTime`."""
        rows = self._row[history.items]
        known = as_sequence(rows[rows >= 0].astype(np.int32))
        return self._attention(newest(known, np.zeros(1, np.int32), self.settings.network.length))

    def _answer_about(self, data: UserItemData) -> None:
        """Find the model's row of each item (-1 for one it does not know), the items' vectors, and each user's known items in order."""
        self._row = table_rows(data.items, self.trained.items, self.trained.share > 0)
        self._answers = self.trained.model.answers.detach()
        edges = data.known()
        self._lists = _translated(sequences(data, edges), self._row) if len(edges) else _nobody(data.num_users)

    def _attention(self, last: CSR) -> list[Weighed]:
        """What each block's attention gave the items of some sequences, the mean over its heads, the last block first."""
        blocks = range(self.settings.network.blocks)
        weights: list[list[FloatArray]] = [[] for _ in blocks]
        with torch.no_grad():
            for at in range(last.num_rows):
                if len(last.row(at)):
                    seen = self.trained.model.weights(torch.from_numpy(last.row(at).astype(np.int64))).mean(dim=1)
                    for block in blocks:
                        weights[block].append(seen[block].numpy())
        places = np.full(len(self.trained.items), -1, np.int32)
        told = np.flatnonzero(self._row >= 0)
        places[self._row[told]] = told
        none = np.zeros(0, np.float32)
        return [
            Weighed(
                part=f"attention of block {block + 1} to items",
                role="items",
                hop=1,
                indptr=last.indptr,
                rows=places[last.indices],
                weight=np.concatenate([none, *weights[block]]),
            )
            for block in reversed(blocks)
        ]

    def _after(self, last: CSR) -> FloatArray:
        trained, has = self.trained, last.degrees() > 0
        some = newest(last, np.flatnonzero(has).astype(np.int32), self.settings.network.length)
        return next_scores(self._row, trained.share, self._answers, has, lambda: expected_next(trained.model, some))


def held_out(data: UserItemData, lists: CSR, most: int) -> HeldOut | None:
    """What to validate on, users and items by key; see `engine.models.next_items.next_items`."""
    found = next_items(data, lists, most)
    if found is None:
        return None
    user, item = data.users.order.ranks(found.user), data.items.order.ranks(found.item)
    return HeldOut(user.astype(np.int32), item.astype(np.int64))


def _by_key(data: UserItemData, lists: CSR) -> CSR:
    """Users and items by key instead of by row."""
    users = data.users.order.by_rank
    ordered = newest(lists, users, max(1, int(lists.degrees().max()))) if len(users) else lists
    return CSR(ordered.indptr, data.items.order.ranks(ordered.indices).astype(np.int32))


def _translated(lists: CSR, row: NDArray[np.int64]) -> CSR:
    """The lists with the model's rows, without items that it does not know."""
    rows = row[lists.indices]
    kept = np.concatenate([[0], np.cumsum(rows >= 0)])
    return CSR(kept[lists.indptr], rows[rows >= 0].astype(np.int32))


def _nobody(users: int) -> CSR:
    return CSR(np.zeros(users + 1, np.int64), np.empty(0, np.int32))
