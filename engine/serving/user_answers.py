"""What every answer by a model about users and items rests on: one view, one method, and who is asking. No registry.

A user or an item that the generation has not seen is answered from what the graph as it stands knows of it, without training, and
the answer says so.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import open_array
from engine.errors import NotReadyError, UnknownNodeError
from engine.models.friends import friendship_in
from engine.models.happened import so_far
from engine.models.row_embedder import Joined
from engine.models.standing import Standing, TellsTaught, standing_in, standing_of
from engine.models.user_graph import graph_data, has_users
from engine.models.user_item import FoldsInData, UserItemData
from engine.models.user_method import UserMethod
from engine.models.user_methods import find_user_method
from engine.registry import Receipt
from engine.serving import layout
from engine.serving.asked import Asked, Asker, Late
from engine.serving.candidates import named
from engine.serving.filters import Filters, Where, conditions
from engine.serving.forgotten import NOTHING
from engine.serving.nearest import ranked, rows_in
from engine.serving.query import Found, Scope, hidden_ids
from engine.serving.results import Answer
from engine.serving.taken import FindTaken, FindTakenBy, FindTakers, Taken
from engine.serving.together import Together
from engine.serving.view import View
from engine.settings import GraphMapping
from engine.types import FloatArray, IndexArray


class UserRecommender:
    """One generation of a model about users and items, ready to answer.

    Args:
        find: see `engine.serving.taken.FindTaken`.
        find_taken_by: see `engine.serving.taken.FindTakenBy`.
        find_takers: see `engine.serving.taken.FindTakers`.
        open_method: makes the method ready to answer about the view's data: see `engine.refresh.user_model.opened_method`.
    """

    def __init__(
        self,
        view: View,
        mapping: GraphMapping,
        find: FindTaken,
        find_taken_by: FindTakenBy,
        find_takers: FindTakers,
        open_method: Callable[[UserMethod, View, UserItemData], Any],
    ) -> None:
        self.view = view
        self.about = find_user_method(view.facts["config"]["model"])
        self.filters = Filters(view.items)
        self.forgotten = NOTHING
        self.mapping = mapping
        self.friendship = friendship_in(view.facts["config"]["settings"])
        self._find = find
        self._find_taken_by = find_taken_by
        self.find_takers = find_takers
        self._open = open_method
        self._opening = threading.Lock()
        self._method: Any = None

    @property
    def ready(self) -> tuple[str, ...]:
        """The method's name, once it is in memory."""
        return () if self._method is None else (self.about.name,)

    def prepare(self, names: Iterable[str]) -> None:
        """Make now what the first question would have to wait for."""
        self.view.prepare()
        _ = self._taught
        if self.about.name in names:
            _ = self.method

    def hide(self, receipts: Sequence[Receipt]) -> None:
        """Leave out of every answer what was forgotten after this view's watermark."""
        self.forgotten = self.forgotten.followed_by(self.view, receipts)

    @functools.cached_property
    def data(self) -> UserItemData:
        """What the snapshot tells the method; one that goes by the order of items, only of what has happened."""
        data = graph_data(self.view.snapshot)
        return replace(data, train=so_far(data.train)) if "next" in self.about.answers else data

    @functools.cached_property
    def together(self) -> Together:
        """What users have in common."""
        return Together(self.data)

    @property
    def method(self) -> Any:
        """The method, read or fitted when it is first needed: an index answers for known users without it."""
        with self._opening:
            if self._method is None:
                self._method = self._open(self.about, self.view, self.data)
            return self._method

    @functools.cached_property
    def user_vectors(self) -> FloatArray | None:
        """float32 `[U, d]`, zeros where nothing is known; None where the model has no vectors. A score is the inner product with
        an item's in `view.vectors`."""
        if not self.view.facts["vectors"]:
            return None
        vectors: FloatArray = open_array(self.view.folder, layout.USER_VECTORS)
        return vectors

    @functools.cached_property
    def _taught(self) -> NDArray[np.bool_] | None:
        """bool `[U]`, on whom the model was trained; None where it has no vectors, or cannot tell. Read without the method."""
        if self.about.embedder is None or not self.view.facts["vectors"]:
            return None
        embedder = self.about.embedder(
            self.view.folder / layout.MODEL,
            Joined.in_snapshot(self.view.snapshot, self.view.origin.as_of, self.friendship),
        )
        return embedder.taught("users") if isinstance(embedder, TellsTaught) else None

    def standing(self, row: int) -> Standing | None:
        """How the model knows a user of the generation; None where it cannot tell."""
        vectors = self.user_vectors
        if vectors is None:
            return standing_in(self.method, "users", row)
        if self._taught is None:
            return None
        found: Standing = standing_of(self._taught[[row]], np.asarray(vectors[[row]].any(axis=1)))[0]
        return found

    @property
    def user_kind(self) -> str:
        """What stands for users here: "user", or "context" where nobody but contexts have items."""
        return "user" if has_users(self.view.snapshot) else "context"

    def row_of(self, user: str) -> int:
        """The user's row, or -1.

        Raises:
            UnknownNodeError: they were forgotten.
        """
        row, kind = int(self.data.users.index_of([user])[0]), self.user_kind
        if row in self.forgotten.of(kind) or self.forgotten.means(kind, user):
            raise UnknownNodeError(f"there is no {kind} {user!r:.80}: they were forgotten")
        return row

    def in_graph(self, user: str, row: int, before: int) -> Taken | None:
        """What the graph as it stands knows of a user; None where it does not know one whom the generation does.

        Args:
            before: epoch ms: what is dated at or after it is not read.

        Raises:
            UnknownNodeError: there is no such user, here or there.
        """
        taken = self._find(user, "interactions" if self.user_kind == "user" else "saves", before, self.friendship)
        if taken is None and row < 0:
            raise UnknownNodeError(
                f"there is no {self.user_kind} {user!r:.80}", hint="Add them with `engine.add_users`."
            )
        return taken

    def asker(self, user: str) -> Asker:
        """Who asks, from the generation where it knows something of them, and else from the graph.

        Raises:
            UnknownNodeError: there is no such user, or they were forgotten.
        """
        row = self.row_of(user)
        if row >= 0 and len(self._edges_of(row)):
            return Asker(user, row, None, self._own(row))
        taken = self.in_graph(user, row, int(time.time() * 1000) + 1)
        if taken is None or not (taken.items or taken.friends):
            return Asker(user, row, None, self._own(row))
        return Asker(user, row, taken, taken.rows(self.view.items))

    def _own(self, row: int) -> NDArray[np.int64]:
        """The items a user has: by the edges that the model learns from, and by the contexts that they own."""
        if row < 0:
            return np.empty(0, np.int64)
        found = [self._edges_of(row)]
        if has_users(self.view.snapshot):
            relations = self.view.snapshot.relations
            found += [relations.saves.forward.row(int(context)) for context in relations.owns.forward.row(row)]
        return np.unique(np.concatenate(found)).astype(np.int64)

    def _edges_of(self, row: int) -> IndexArray:
        """The items of a user's edges, which lie together."""
        edges = self.data.train
        start, stop = np.searchsorted(edges.user, np.array([row, row + 1], edges.user.dtype))
        return edges.item[start:stop]

    def asked(self, item: str) -> Asked:
        """Which item is asked about, from the generation where it knows who has it, and else from the graph.

        Raises:
            UnknownNodeError: there is no such item, here or there, or it was forgotten.
        """
        row = int(self.view.items.index_of([item])[0])
        if row in self.forgotten.items or self.forgotten.means("item", item):
            raise UnknownNodeError(f"there is no item {item!r:.80}: it was forgotten")
        if row >= 0 and self.together.popularity[row]:
            return Asked(item, row, None)
        taken_by = self._find_taken_by(item, "interactions" if self.user_kind == "user" else "saves")
        if taken_by is None and row < 0:
            raise UnknownNodeError(f"there is no item {item!r:.80}", hint="Add it with `engine.add_items`.")
        if row >= 0 and taken_by is not None and not taken_by.count:
            return Asked(item, row, None)
        return Asked(item, row, taken_by)

    def with_late(self, asker: Asker, asked: Asked | None = None) -> Late:
        """The method, answering about the data and about the user and the item of whom it knows nothing.

        Raises:
            NotReadyError: nothing is known of the user; the method can take in nothing without training, or nothing of what the
                user has or whom they follow.
            InputError: a field of the item holds what is not of its kind.
        """
        if asker.taken is None and asker.row < 0:
            raise NotReadyError(
                f"nothing is known of user {asker.user!r} yet", hint="A first rating is enough for a prediction."
            )
        data, unrated = self.data, "ranking" in self.about.answers
        if asked is not None and asked.taken_by is not None:
            self._check_folds_in(f"item {asked.item!r}")
            but = None if asker.taken is None else asker.user  # whose own edges are added below
            data = asked.taken_by.added_to(data, asked.item, unrated=unrated, but=but)
        if asker.taken is not None:
            self._check_folds_in(f"user {asker.user!r}")
            late = asker.taken.added_to(data, asker.user, unrated=unrated)
            if late is None:
                generation = self.view.origin.generation
                raise NotReadyError(f"user {asker.user!r} has rated nothing that generation {generation} knows")
            data = late
        method = self.method if data is self.data else self.method.fold_in(data)
        item = -1 if asked is None else int(data.items.index_of([asked.item])[0])
        return Late(method, data, int(data.users.index_of([asker.user])[0]), item)

    def _check_folds_in(self, late: str) -> None:
        if not isinstance(self.method, FoldsInData):
            raise NotReadyError(
                f"{late} is newer than generation {self.view.origin.generation}",
                hint=f"`engine build {self.about.name}` takes it in.",
            )

    def scope(
        self, corpus: str | None, where: Where | None, exclude: Iterable[str] | None, have: NDArray[np.int64]
    ) -> Scope:
        """What may be answered.

        Args:
            have: rows of items that the user has.

        Raises:
            UnknownNameError: a corpus or field that is not there.
            InputError: the filter is wrong.
        """
        name = self.view.corpus_or_only(self.mapping.items.default_corpus) if corpus is None else corpus
        demands = conditions(where, self.filters.kinds)
        out = {*have.tolist(), *self.view.items.index_of(list(hidden_ids(exclude))).tolist(), *self.forgotten.items}
        out.discard(-1)
        number = self.view.corpus_number(name)
        return Scope(number, self.filters.matches(demands, number) if demands else None, frozenset(out))

    def best(self, scores: FloatArray, scope: Scope, count: int) -> Found:
        """The best items of a scope by the scores of all, float32 `[N]`; never one that is scored -inf."""
        rows = rows_in(self.view, scope)
        mine = np.asarray(scores)[rows]
        told = np.isfinite(mine)
        return ranked(rows[told], mine[told], count, self.view.items.order)

    def answer(
        self, subject: str, wanted: int, found: Found, scope: Scope, how: str, reason: str | None, **more: Any
    ) -> Answer:
        """The answer that some items are, with the reason why there are fewer than wanted where that is so."""
        name, origin = self.view.items.corpora[scope.corpus], self.view.origin
        items = named(self.view, found, name)
        if len(items) < wanted:
            fewer = self._why_fewer(len(items), scope)
            reason = fewer if reason is None else f"{reason}; {fewer}"
        made = (origin.generation, origin.watermark, origin.as_of)
        return Answer(subject, wanted, items, how, name, *made, reason, certificate=origin.certificate, **more)

    def _why_fewer(self, count: int, scope: Scope) -> str:
        left = len(rows_in(self.view, scope))
        return (
            f"only {count}: {left:,} items may be answered"
            if left <= count
            else f"only {count}: nothing is known of more"
        )
