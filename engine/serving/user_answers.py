"""Recommendations, ratings and alike users by a model about users and items. Knows one view and one method; no registry.

A user whom the generation has not seen is answered from their first items, read from the graph as it stands, without
training, and the answer says so.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import open_array
from engine.errors import InputError, NotReadyError, UnknownNodeError
from engine.index.protocol import check_k
from engine.models.user_graph import graph_data, has_users, takers, with_user
from engine.models.user_item import FoldsIn, FoldsInData, UserItemData
from engine.models.user_method import UserMethod
from engine.models.user_methods import find_user_method
from engine.registry import Receipt
from engine.serving import layout
from engine.serving.candidates import named, why_fewer
from engine.serving.filters import Filters, Where, conditions
from engine.serving.forgotten import NOTHING
from engine.serving.nearest import NearestMethod, ranked, rows_in
from engine.serving.query import Found, Query, Scope, hidden_ids
from engine.serving.results import AlikeUser, AlikeUsers, Answer, Prediction
from engine.serving.view import View
from engine.settings import GraphMapping
from engine.types import FloatArray

CANDIDATES = 1000
"""So many items a method that only predicts ratings puts in order."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the graph knows of a user that the generation does not.

    Attributes:
        items: ids of the items they have.
        ratings: what they gave them; NaN where they gave none.
    """

    items: tuple[str, ...]
    ratings: tuple[float, ...]


FindTaken = Callable[[str, str], Taken | None]
"""Looks up in the graph as it stands who has items: id, and "interactions" or, for a context, "saves"; None where there is
no such node."""


class UserRecommender:
    """Answers about users from one generation.

    Args:
        find: see `FindTaken`.
        open_method: makes the method ready to answer about the view's data: see `engine.refresh.user_model.opened_method`.
    """

    def __init__(
        self,
        view: View,
        mapping: GraphMapping,
        find: FindTaken,
        open_method: Callable[[UserMethod, View, UserItemData], Any],
    ) -> None:
        self.view = view
        self.about = find_user_method(view.facts["config"]["model"])
        self.filters = Filters(view.items)
        self.forgotten = NOTHING
        self._mapping = mapping
        self._find = find
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
        if self.about.name in names:
            _ = self.method

    def hide(self, receipts: Sequence[Receipt]) -> None:
        """Leave out of every answer what was forgotten after this view's watermark."""
        self.forgotten = self.forgotten.followed_by(self.view, receipts)

    @functools.cached_property
    def data(self) -> UserItemData:
        """What the snapshot tells the method."""
        return graph_data(self.view.snapshot)

    @property
    def method(self) -> Any:
        """The method, read or fitted when it is first needed: an index answers for known users without it."""
        with self._opening:
            if self._method is None:
                self._method = self._open(self.about, self.view, self.data)
            return self._method

    @functools.cached_property
    def user_vectors(self) -> FloatArray | None:
        """float32 `[U, d]`, unit length, zeros where nothing is known; None where the model has no vectors."""
        if not self.view.facts["vectors"]:
            return None
        vectors: FloatArray = open_array(self.view.folder, layout.USER_VECTORS)
        return vectors

    def recommend(
        self,
        user: str,
        k: int = 10,
        *,
        corpus: str | None = None,
        where: Where | None = None,
        exclude: Iterable[str] | None = None,
    ) -> Answer:
        """See `engine.client.Engine.recommend`."""
        wanted = check_k(k)
        name = self.view.corpus_or_only(self._mapping.items.default_corpus) if corpus is None else corpus
        demands = conditions(where, self.filters.kinds)
        row, taken = self._look_up(user)
        have = self._own(row) if taken is None else self._rows_of(taken)
        out = {*have.tolist(), *self.view.items.index_of(list(hidden_ids(exclude))).tolist(), *self.forgotten.items}
        out.discard(-1)
        number = self.view.corpus_number(name)
        scope = Scope(number, self.filters.matches(demands, number) if demands else None, frozenset(out))
        found, how, reason = self._found(user, row, taken, have, scope, wanted)
        items = named(self.view, found, name)
        if len(items) < wanted:
            fewer = self._why_fewer(len(items), scope)
            reason = fewer if reason is None else f"{reason}; {fewer}"
        origin = self.view.origin
        return Answer(
            f"recommended to {user}",
            wanted,
            items,
            how,
            name,
            origin.generation,
            origin.watermark,
            origin.as_of,
            reason,
        )

    def predict(self, user: str, item: str) -> Prediction:
        """See `engine.client.Engine.predict`."""
        if "rating" not in self.about.answers:
            raise InputError(
                f"model {self.about.name!r} ranks items and predicts no ratings",
                hint="`engine evaluate methods` says what each can do.",
            )
        row, taken = self._look_up(user)
        column = int(self.view.items.index_of([item])[0])
        if column < 0 or column in self.forgotten.items:
            raise UnknownNodeError(
                f"there is no item {item!r:.80} in generation {self.view.origin.generation}",
                hint=f"An item added after it was built is seen by the next `engine build {self.about.name}`.",
            )
        method = self.method
        if taken is not None:
            method, row = self._with_late(user, taken)
            rests = f"{len(taken.items):,} items of the user that are newer than the generation"
        elif row < 0:
            raise NotReadyError(
                f"nothing is known of user {user!r} yet", hint="A first rating is enough for a prediction."
            )
        else:
            rests = self._rests_on(row, column)
        users, items = np.array([row], np.int32), np.array([column], np.int32)
        rating = float(method.predict(users, items)[0])
        spread = None
        if hasattr(method, "distribution"):
            chances = method.distribution(users, items)[0].tolist()
            spread = dict(zip(self.data.levels, chances, strict=True))
        origin = self.view.origin
        return Prediction(
            user, item, rating, spread, self.about.name, rests, origin.generation, origin.watermark, origin.as_of,
        )  # fmt: skip

    def similar_users(self, user: str, k: int = 10) -> AlikeUsers:
        """See `engine.client.Engine.similar_users`."""
        wanted = check_k(k)
        row, taken = self._look_up(user)
        vectors = self.user_vectors
        if taken is not None or vectors is None or not vectors[row].any():
            scores, how = self._overlap(row, taken), "shared items"
        else:
            scores, how = vectors @ vectors[row], self.about.name
        scores = np.where(self.data.users.alive, scores, 0.0)
        scores[[row, *self.forgotten.users] if row >= 0 else list(self.forgotten.users)] = 0.0
        best = ranked(np.flatnonzero(scores > 0), scores[scores > 0], wanted, self.data.users.order)
        ids = self.data.users.ids
        alike = tuple(
            AlikeUser(ids[at], float(score)) for at, score in zip(best.rows.tolist(), best.scores.tolist(), strict=True)
        )
        origin = self.view.origin
        return AlikeUsers(user, wanted, alike, how, origin.generation, origin.watermark, origin.as_of)

    def _look_up(self, user: str) -> tuple[int, Taken | None]:
        """The user's row, or what the graph knows of one who has none or had nothing when the generation was built.

        Raises:
            UnknownNodeError: there is no such user, or they were forgotten.
        """
        row = int(self.data.users.index_of([user])[0])
        kind = "user" if has_users(self.view.snapshot) else "context"
        if row in self.forgotten.of(kind) or self.forgotten.means(kind, user):
            raise UnknownNodeError(f"there is no {kind} {user!r:.80}: they were forgotten")
        if row >= 0 and len(takers(self.view.snapshot)[1].row(row)):
            return row, None
        taken = self._find(user, "interactions" if kind == "user" else "saves")
        if taken is None and row < 0:
            raise UnknownNodeError(f"there is no {kind} {user!r:.80}", hint="Add them with `engine.add_users`.")
        return row, taken if taken is None or taken.items else None

    def _own(self, row: int) -> NDArray[np.int64]:
        """The items a user has: by the edges that the model learns from, and by the contexts that they own."""
        if row < 0:
            return np.empty(0, np.int64)
        if has_users(self.view.snapshot):
            return self.view.user_items(row)[0].astype(np.int64)
        return takers(self.view.snapshot)[1].row(row).astype(np.int64)

    def _rows_of(self, taken: Taken) -> NDArray[np.int64]:
        rows = self.view.items.index_of(list(taken.items)).astype(np.int64)
        return np.unique(rows[rows >= 0])

    def _found(
        self, user: str, row: int, taken: Taken | None, have: NDArray[np.int64], scope: Scope, count: int
    ) -> tuple[Found, str, str | None]:
        """What to answer, by which method, and why by that one."""
        if taken is not None and len(have):
            return self._folded_in(user, taken, have, scope, count)
        vectors = self.user_vectors
        if row >= 0 and vectors is not None and vectors[row].any():
            query = Query((user,), np.array([-1], np.int32), np.ones(1, np.float32), vectors[row : row + 1])
            others = None if len(have) else f"{user!r} has no items yet: answered from whom they follow"
            return NearestMethod(self.view).search(query, scope, count), self.about.name, others
        if row < 0 or not len(have):
            rows = rows_in(self.view, scope)
            found = ranked(rows, self._popularity[rows], count, self.view.items.order)
            return found, "popularity", f"nothing is known of what {user!r} takes up: these are popular"
        scored, of_many = self._scored(self.method, row, have, scope, count)
        reason = f"the best of the {CANDIDATES:,} items most taken up by alike users" if of_many else None
        return scored, self.about.name, reason

    def _scored(self, method: Any, row: int, have: NDArray[np.int64], scope: Scope, count: int) -> tuple[Found, bool]:
        """What a method says to a row of its data, and whether it was asked about some of many items only: one that predicts
        ratings is."""
        if "ranking" in self.about.answers:
            return self._best(method.score(np.array([row], np.int32))[0], scope, count), False
        rows = rows_in(self.view, scope)
        of_many = len(rows) >= CANDIDATES
        if of_many:
            rows = np.sort(ranked(rows, self._taken_with(have)[rows], CANDIDATES, self.view.items.order).rows)
        scores = method.predict(np.full(len(rows), row, np.int32), rows.astype(np.int32))
        return ranked(rows, scores, count, self.view.items.order), of_many

    def _folded_in(
        self, user: str, taken: Taken, have: NDArray[np.int64], scope: Scope, count: int
    ) -> tuple[Found, str, str | None]:
        rests = f"{user!r} is newer than the generation: answered from {len(have):,} of their items in the graph"
        if isinstance(self.method, FoldsIn):
            order = self.view.items.index_of(list(taken.items))
            known = order >= 0
            ratings = np.array(taken.ratings, np.float32)[known]
            scores = self.method.score_new(order[known].astype(np.int32), ratings)
            return self._best(scores, scope, count), self.about.name, rests
        if isinstance(self.method, FoldsInData):
            method, row = self._with_late(user, taken)
            return self._scored(method, row, have, scope, count)[0], self.about.name, rests
        scores = self._taken_with(have)
        return (
            self._best(scores, scope, count),
            "items taken up together",
            f"{rests}; {self.about.name} cannot take them in",
        )

    def _with_late(self, user: str, taken: Taken) -> tuple[Any, int]:
        """The method, answering about the data and one later user; and that user's row.

        Raises:
            NotReadyError: the method can take in nobody without training.
        """
        if not isinstance(self.method, FoldsInData):
            raise NotReadyError(
                f"user {user!r} is newer than generation {self.view.origin.generation}",
                hint=f"`engine build {self.about.name}` takes them in.",
            )
        rows, ratings = self.view.items.index_of(list(taken.items)), np.array(taken.ratings, np.float32)
        known = (rows >= 0) & (~np.isnan(ratings) | ("ranking" in self.about.answers))
        if not known.any():
            raise NotReadyError(f"user {user!r} has rated nothing that generation {self.view.origin.generation} knows")
        late = with_user(self.data, user, rows[known], ratings[known])
        return self.method.fold_in(late), len(self.data.users)

    def _best(self, scores: FloatArray, scope: Scope, count: int) -> Found:
        rows = rows_in(self.view, scope)
        mine = np.asarray(scores)[rows]
        told = np.isfinite(mine)
        return ranked(rows[told], mine[told], count, self.view.items.order)

    @functools.cached_property
    def _seen(self) -> Any:
        return self.data.seen()

    @functools.cached_property
    def _popularity(self) -> FloatArray:
        """float32 `[N]`, edges of each item."""
        return np.bincount(self.data.train.item, minlength=len(self.view.items)).astype(np.float32)

    def _shared(self, have: NDArray[np.int64]) -> FloatArray:
        """float32 `[U]`, how many of some items each user has."""
        mine = np.zeros(len(self.view.items), np.float32)
        mine[have] = 1.0
        return np.asarray(self._seen @ mine, np.float32)

    def _taken_with(self, have: NDArray[np.int64]) -> FloatArray:
        """For each item, by how many users who share an item with this one it is taken up, each counted by the share."""
        scores: FloatArray = self._seen.T @ self._shared(have)
        return scores

    def _overlap(self, row: int, taken: Taken | None) -> FloatArray:
        """float32 `[U]`: the cosine of each user's set of items and this one's."""
        have = self._own(row) if taken is None else self._rows_of(taken)
        shared, size = self._shared(have), np.sqrt(np.diff(self._seen.indptr) * max(len(have), 1))
        cosines: FloatArray = np.divide(shared, size, out=np.zeros(len(size), np.float32), where=size > 0)
        return cosines

    def _rests_on(self, row: int, column: int) -> str:
        ratings = len(takers(self.view.snapshot)[1].row(row))
        return f"{ratings:,} ratings of the user, {int(self._popularity[column]):,} of the item"

    def _why_fewer(self, count: int, scope: Scope) -> str:
        if self.view.indexes:
            return why_fewer(self.view, count, scope, None)
        left = len(rows_in(self.view, scope))
        return (
            f"only {count}: {left:,} items may be answered"
            if left <= count
            else f"only {count}: nothing is known of more"
        )
