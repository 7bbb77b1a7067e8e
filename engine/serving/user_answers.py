"""What every answer by a model about users and items rests on: one view, one method, and who is asking. No registry.

A user whom the generation has not seen is answered from what the graph as it stands knows of them, without training, and the
answer says so.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import open_array
from engine.errors import NotReadyError, UnknownNodeError
from engine.models.friends import friendship_in
from engine.models.happened import so_far
from engine.models.user_graph import graph_data, has_users
from engine.models.user_item import FoldsInData, UserItemData
from engine.models.user_method import UserMethod
from engine.models.user_methods import find_user_method
from engine.registry import Receipt
from engine.serving import layout
from engine.serving.candidates import named
from engine.serving.filters import Filters, Where, conditions
from engine.serving.forgotten import NOTHING
from engine.serving.nearest import ranked, rows_in
from engine.serving.query import Found, Scope, hidden_ids
from engine.serving.results import Answer
from engine.serving.taken import FindTaken, FindTakers, Taken
from engine.serving.together import Together
from engine.serving.view import View
from engine.settings import GraphMapping
from engine.types import FloatArray, IndexArray


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks.

    Attributes:
        row: theirs; -1 where the generation has none.
        taken: what the graph knows of one who has no row, or had nothing when the generation was built; None for all others,
            and where it knows nothing.
        have: int64, rows of the items they have, which no answer holds.
    """

    user: str
    row: int
    taken: Taken | None
    have: NDArray[np.int64]


class UserRecommender:
    """One generation of a model about users and items, ready to answer.

    Args:
        find: see `engine.serving.taken.FindTaken`.
        find_takers: see `engine.serving.taken.FindTakers`.
        open_method: makes the method ready to answer about the view's data: see `engine.refresh.user_model.opened_method`.
    """

    def __init__(
        self,
        view: View,
        mapping: GraphMapping,
        find: FindTaken,
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

    def item_row(self, item: str) -> int:
        """The row of an item.

        Raises:
            UnknownNodeError: there is no such item, or it was forgotten.
        """
        column = int(self.view.items.index_of([item])[0])
        if column < 0 or column in self.forgotten.items:
            raise UnknownNodeError(
                f"there is no item {item!r:.80} in generation {self.view.origin.generation}",
                hint=f"An item added after it was built is seen by the next `engine build {self.about.name}`.",
            )
        return column

    def with_late(self, user: str, taken: Taken) -> tuple[Any, int]:
        """The method, answering about the data and one of whom it knows nothing; and that user's row.

        Raises:
            NotReadyError: the method can take in nobody without training, or nothing of what they have or of their friends.
        """
        if not isinstance(self.method, FoldsInData):
            raise NotReadyError(
                f"user {user!r} is newer than generation {self.view.origin.generation}",
                hint=f"`engine build {self.about.name}` takes them in.",
            )
        late = taken.added_to(self.data, user, unrated="ranking" in self.about.answers)
        if late is None:
            raise NotReadyError(f"user {user!r} has rated nothing that generation {self.view.origin.generation} knows")
        return self.method.fold_in(late), int(late.users.index_of([user])[0])

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
