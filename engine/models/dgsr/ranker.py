"""DGSR as a method: fit on what users took up in time, then score what may come next. Knows no server."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import torch

from engine.errors import TrainingError
from engine.graph.snapshot_csr import edge_rows
from engine.models.attention.weighed import Weighed
from engine.models.dgsr.attention import attention
from engine.models.dgsr.config import DgsrSettings
from engine.models.dgsr.files import Trained, load_model, save_model
from engine.models.dgsr.graph import PlacedGraph, placed_graph, with_takers
from engine.models.dgsr.model import NOBODY, Dgsr
from engine.models.dgsr.task import DgsrTask, expected_next
from engine.models.next_items import (
    checkpoints_of,
    next_items,
    next_scores,
    shares,
    start_rows_from_spectrum,
    table_rows,
)
from engine.models.sequences import History
from engine.models.taught import ids_by_key
from engine.models.trained import Files, TrainedMethod
from engine.models.user_item import UserItemData, UserItemEdges
from engine.sampling.histories import TimedGraph
from engine.training.checkpoint import run_digest
from engine.training.loop import Progress, train
from engine.types import FloatArray, IndexArray, TimeArray


class DgsrRanker(TrainedMethod[DgsrSettings, Trained]):
    """Trains a DGSR, and stops by the validation items where there are some; then trains another as long on those too.

    Users and items start from the singular vectors of who took what, so that those taken up by the same users are close from the first step.

    Each answer is computed from the graph at hand, so that an interaction is reflected in the next answer of its user, and of
    those whose sub-graph it enters, without training. Items that came after training are scored -inf; who has none of the
    others is answered by how many have an item. Later data in which no edge has a time is a TrainingError.

    Attributes:
        graph: what answers rest on.
    """

    name = "dgsr"
    settings_type = DgsrSettings
    files = Files(save_model, load_model)
    graph: PlacedGraph

    def fit(self, data: UserItemData) -> None:
        """Train. With `data.workdir` an interrupted training goes on where it was.

        Raises:
            TrainingError: there are no edges with times, no user has two, or the loss is not finite.
            CorruptFileError: a checkpoint in `data.workdir` is damaged or of other data.
        """
        settings = self.settings = replace(self.settings, loop=replace(self.settings.loop, seed=data.seed))
        rows = [nodes.order.ranks(np.arange(len(nodes))).astype(np.int64) for nodes in (data.users, data.items)]
        graph = placed_graph(data, data.train, rows[0], rows[1])
        if not (graph.timed.items_of.degrees() > 1).any():
            raise TrainingError("no user has two items, so nothing comes after anything", hint="Use popularity.")
        held = next_items(data, graph.timed.items_of, settings.training.checked)
        model, self.progress = self._train(data, graph, held, settings)
        if held is not None:
            as_long = replace(settings.loop, epochs=self.progress.best_epoch)
            graph = placed_graph(data, data.known(), rows[0], rows[1])
            model, second = self._train(data, graph, None, replace(settings, loop=as_long))
            self.progress = self.progress.then(second)
        own = graph.timed.items_of
        seen, taught = np.zeros(data.num_items, np.bool_), np.zeros(data.num_users, np.bool_)
        seen[rows[1][own.indices]] = True
        taught[rows[0]] = own.degrees() > 0
        share = shares(data, rows[1], seen)
        self.trained = Trained(model, settings, ids_by_key(data.users), ids_by_key(data.items), taught, share)
        self._answer_about(data)

    def _train(
        self, data: UserItemData, graph: PlacedGraph, held: UserItemEdges | None, settings: DgsrSettings
    ) -> tuple[Dgsr, Progress]:
        """A model of the items in a graph, and how its training went."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.loop.seed)
            model = Dgsr(settings.network, data.num_users, data.num_items)
        own = graph.timed.items_of
        took = graph.user_row[edge_rows(own)], graph.item_row[own.indices]
        start_rows_from_spectrum(model.users, model.items, took, settings.loop.seed)
        task = DgsrTask(model, graph, data.users.order, held, settings)
        targets, asked = task.targets, () if held is None else (held.user, held.item)
        what = [task.user[targets], own.indices[targets], task.place[targets], *asked]
        digest = run_digest([asdict(settings)], data.users.key, data.items.key, *what)
        return model, train(task, settings.loop, checkpoints_of(data, held is None, digest))

    def score(self, users: IndexArray) -> FloatArray:
        """float32 `[B, N]`, the logit of each item to be next, right after the last edge of all."""
        return self.score_at(users, np.full(len(users), self.graph.now))

    def score_new(self, items: IndexArray, ratings: FloatArray | None = None) -> FloatArray:
        """float32 `[N]`, for a user who has these items, oldest first, all of them after every edge of the graph."""
        del ratings
        now = self.graph.now
        return self.score_next(History(items, np.full(len(items), now, np.int64), now))

    def score_next(self, history: History) -> FloatArray:
        """float32 `[N]`; see `engine.models.sequences.NextScorer`."""
        asking, user = self._with(history)
        scores: FloatArray = asking.score_at(user, np.array([history.before]))[0]
        return scores

    def attention(self, users: IndexArray, items: IndexArray) -> list[Weighed]:
        """See `engine.models.attention.weighed.Attends`."""
        del items
        return attention(self.trained.model, self.graph, users, np.full(len(users), self.graph.now))

    def attention_next(self, history: History) -> list[Weighed]:
        """See `engine.models.attention.weighed.AttendsInTime`."""
        asking, user = self._with(history)
        return attention(self.trained.model, asking.graph, user, np.array([history.before]))

    def score_at(self, users: IndexArray, before: TimeArray) -> FloatArray:
        """float32 `[B, N]`; see `engine.models.sequences.ScoresAt`."""
        graph, trained = self.graph, self.trained
        place = graph.known(users, before)
        has = place > 0
        some, when = np.asarray(users)[has], np.asarray(before)[has]
        return next_scores(
            graph.item_row,
            trained.share,
            self._answers,
            has,
            lambda: expected_next(trained.model, graph, some, place[has], when),
        )

    def _answer_about(self, data: UserItemData) -> None:
        trained = self.trained
        self._answers = trained.model.answers.detach()
        user_row = table_rows(data.users, trained.users, trained.taught)
        item_row = table_rows(data.items, trained.items, trained.share > 0)
        self.graph = placed_graph(data, data.known(), user_row, item_row)

    def takers_of(self, history: History) -> tuple[IndexArray, int]:
        """See `engine.models.sequences.ReadsTakers`."""
        network = self.settings.network
        read = self._known_of(history).items[-network.length :] if network.hops > 1 else history.items[:0]
        return np.unique(read).astype(np.int32), network.users

    def _known_of(self, history: History) -> History:
        """Without items that the model does not know, and edges without a time."""
        return history.only(np.flatnonzero((self.graph.item_row[history.items] >= 0) & (history.times >= 0)))

    def _with(self, history: History) -> tuple[DgsrRanker, IndexArray]:
        """The method with this history in the place of what its user had, and their row, `[1]`. Two rows come after all users':
        of one whom the data does not have, and of anybody else who came after it.
        """
        graph, known = self.graph, self._known_of(history)
        row = len(graph.user_row) if history.user < 0 else history.user
        own = graph.timed.items_of
        assert own.time is not None
        indptr = np.append(own.indptr, [own.indptr[-1]] * 2)
        first, end = indptr[row], indptr[row + 1]
        indptr[row + 1 :] += len(known.items) - (end - first)
        replaced = replace(
            own,
            indptr=indptr,
            indices=np.concatenate([own.indices[:first], known.items, own.indices[end:]]).astype(np.int32),
            time=np.concatenate([own.time[:first], known.times, own.time[end:]]),
        )
        found = DgsrRanker(self.settings)
        found.trained, found._answers = self.trained, self._answers
        users_of = graph.timed.users_of
        if history.takers is not None:
            users_of = with_takers(users_of, history.takers, stranger=len(graph.user_row) + 1)
        timed = TimedGraph(replaced, users_of)
        found.graph = replace(graph, timed=timed, user_row=np.append(graph.user_row, [NOBODY, NOBODY]))
        return found, np.array([row], np.int32)
