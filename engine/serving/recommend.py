"""Related items: candidates -> filter -> rank -> diversify -> explain. Knows one view and its methods; no registry, no files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from engine.errors import NotReadyError, UnknownNameError, UnknownNodeError
from engine.index.protocol import check_k
from engine.registry import Receipt
from engine.serving.candidates import Candidate, named, spread_out, vectors_of, why_fewer
from engine.serving.diversify import POOL, check_diversity
from engine.serving.explain import explain
from engine.serving.filters import Condition, Filters, Where, conditions
from engine.serving.forgotten import NOTHING
from engine.serving.fresh import FreshItem, FreshItems
from engine.serving.methods import ABOUT, Method
from engine.serving.nearest import NearestMethod
from engine.serving.query import Found, Query, Related, Scope, hidden_ids, read_weights
from engine.serving.results import Answer, Explanation, ScoredItem
from engine.serving.view import View
from engine.settings import GraphMapping
from engine.types import FloatArray, IndexArray

FindNew = Callable[[str], FreshItem | None]
"""Looks an item up that the view does not know: item id -> the item embedded, or None where it is nowhere."""
SawQuery = Callable[[View, str, FloatArray], None]
"""Is told of each query: the view, the corpus, the query's vector `[d]`."""


class Recommender:
    """Answers questions about one view.

    Args:
        methods: name -> a way to make it, called when it is first asked for.
        default: the method where none is named.
        find_new: see `FindNew`.
        saw: see `SawQuery`.
    """

    def __init__(
        self,
        view: View,
        mapping: GraphMapping,
        methods: dict[str, Callable[[], Method]],
        *,
        default: str = "pinsage",
        fresh: FreshItems | None = None,
        find_new: FindNew = lambda _: None,
        saw: SawQuery = lambda view, corpus, vector: None,
    ) -> None:
        self.view = view
        self.mapping = mapping
        self.default = default
        self.fresh = FreshItems() if fresh is None else fresh
        self.filters = Filters(view.items)
        self.forgotten = NOTHING
        self._find_new = find_new
        self._saw = saw
        self._makers: dict[str, Callable[[], Method]] = {"pinsage": lambda: NearestMethod(view), **methods}
        self._methods: dict[str, Method] = {}

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods this generation can answer by."""
        return tuple(name for name in ABOUT if name in self._makers)

    @property
    def ready(self) -> tuple[str, ...]:
        """The methods that have been asked for, and so need no making any more."""
        return tuple(self._methods)

    def prepare(self, names: Iterable[str]) -> None:
        """Make now what the first questions by these methods would have to wait for."""
        self.view.prepare()
        for name in names:
            if name in self._makers:
                self.method(name)

    def hide(self, receipts: Sequence[Receipt]) -> None:
        """Leave out of every answer what was forgotten after this view's watermark: it is as unknown as if it had never been."""
        self.forgotten = self.forgotten.followed_by(self.view, receipts)
        if receipts:
            self.fresh.drop(lambda item_id: self.forgotten.means("item", item_id))

    def related(
        self,
        item: Related,
        k: int = 10,
        *,
        corpus: str | None = None,
        where: Where | None = None,
        exclude: Iterable[str] | None = None,
        user: str | None = None,
        method: str | None = None,
        diversity: float = 0.0,
        explain: bool = False,
    ) -> Answer:
        """See `engine.client.Engine.related`."""
        query = self.query(item)
        name = self.corpus_of(query) if corpus is None else corpus
        subject = f"related to {query.ids[0]}" if len(query.ids) == 1 else f"related to {len(query.ids)} items"
        return self.answer(
            query,
            subject,
            k,
            name,
            where=where,
            exclude=exclude,
            user=user,
            method=method,
            diversity=diversity,
            explain=explain,
        )

    def query(self, asked: Related) -> Query:
        """The query as rows and vectors.

        Raises:
            UnknownNodeError: an item that neither the view nor the graph knows.
        """
        view = self.view
        if isinstance(asked, str) and (row := self.item_row(asked)) >= 0:
            return Query((asked,), np.array([row], np.int32), _ONE, view.vectors[row : row + 1])
        weights = read_weights(asked)
        rows = np.array([self.item_row(item_id) for item_id in weights], np.int32)
        vectors = view.vectors[rows]
        for at in np.flatnonzero(rows < 0).tolist():
            vectors[at] = self._new(list(weights)[at]).vector
        return Query(tuple(weights), rows, np.array(list(weights.values()), np.float32), vectors)

    def item_row(self, item_id: str) -> int:
        """The row of an item that may be told of, or -1."""
        row = self.view.item_row(item_id)
        return -1 if row in self.forgotten.items else row

    def user_row(self, user_id: str) -> int:
        """The row of a user.

        Raises:
            UnknownNodeError: there is no such user, or they were forgotten.
        """
        row = self.view.user_row(user_id)
        if row in self.forgotten.users:
            raise UnknownNodeError(f"there is no user {user_id!r}: they were forgotten")
        return row

    def _new(self, item_id: str) -> FreshItem:
        fresh = self.fresh.get(item_id) or self._find_new(item_id)
        if fresh is None:
            raise UnknownNodeError(
                f"there is no item {item_id!r:.80}",
                hint="Add it with `engine.add_items`, or describe it to `engine.new_item`.",
            )
        return fresh

    def corpus_of(self, query: Query) -> str:
        """The corpus of the weightiest query item."""
        at = int(query.weights.argmax()) if len(query.ids) > 1 else 0
        row = int(query.rows[at])
        if row < 0:
            return self._new(query.ids[at]).item.corpus
        corpora: list[str] = self.view.items.corpora
        return corpora[int(self.view.items.corpus[row])]

    def method(self, name: str | None) -> Method:
        """A method by name.

        Raises:
            UnknownNameError: there is no such method.
            NotReadyError: this generation was built without it.
        """
        wanted = self.default if name is None else name
        if wanted not in self._methods:
            if wanted not in ABOUT:
                raise UnknownNameError(f"there is no method {wanted!r:.80}", hint=f"Known: {', '.join(ABOUT)}.")
            if wanted not in self._makers:
                raise NotReadyError(
                    f"generation {self.view.origin.generation} has no {wanted!r} method",
                    hint=f"It answers by {', '.join(self.methods)}. `engine build` makes a new generation.",
                )
            self._methods[wanted] = self._makers[wanted]()
        return self._methods[wanted]

    def answer(
        self,
        query: Query,
        subject: str,
        k: int,
        corpus: str,
        *,
        where: Where | None = None,
        exclude: Iterable[str] | None = None,
        user: str | None = None,
        method: str | None = None,
        diversity: float = 0.0,
        explain: bool = False,
    ) -> Answer:
        """Answer a query that was read already."""
        wanted, spread = check_k(k), check_diversity(diversity)
        demands = conditions(where, self.filters.kinds)
        hidden = hidden_ids(exclude)
        scope = self.scope(corpus, demands, query, hidden, user)
        how = self.method(method)
        pool = wanted * POOL if spread else wanted
        self._saw(self.view, corpus, query.vectors[0])
        found = how.search(query, scope, pool)
        if spread or explain or len(self.fresh):
            candidates = self._with_new(found, how, query, corpus, demands, hidden, pool)
            shown = spread_out(self.view, candidates, wanted, spread) if spread else candidates[:wanted]
            items = self.items(shown, corpus, query if explain else None)
        else:
            items = named(self.view, found, corpus)
        origin = self.view.origin
        return Answer(
            subject=subject,
            k=wanted,
            items=items,
            method=how.name,
            corpus=corpus,
            generation=origin.generation,
            watermark=origin.watermark,
            as_of=origin.as_of,
            reason=None if len(items) == wanted else why_fewer(self.view, len(items), scope, found),
            certificate=origin.certificate,
        )

    def scope(
        self, corpus: str, demands: tuple[Condition, ...], query: Query | None, hidden: frozenset[str], user: str | None
    ) -> Scope:
        """What may be answered: a corpus, through a filter, without the query's own items, hidden ones and a user's own."""
        number = self.view.corpus_number(corpus)
        out: set[int] = set() if query is None else set(query.rows.tolist())
        if hidden:
            out.update(self.view.items.index_of(list(hidden)).tolist())
        if user is not None:
            out.update(self.view.user_items(self.user_row(user))[0].tolist())
        out.update(self.forgotten.items)
        out.discard(-1)
        return Scope(number, self.filters.matches(demands, number) if demands else None, frozenset(out))

    def _with_new(
        self,
        found: Found,
        how: Method,
        query: Query,
        corpus: str,
        demands: tuple[Condition, ...],
        hidden: frozenset[str],
        count: int,
    ) -> list[Candidate]:
        """What a method found, with the new items that are as near in their places."""
        candidates = list(map(Candidate, found.rows.tolist(), found.scores.tolist()))
        if how.name == "pinsage":
            new = self.fresh.search(query, corpus, demands, hidden, count)
            candidates += [Candidate(-1, score, fresh) for fresh, score in new]
            candidates.sort(key=lambda one: -one.score)
        return candidates

    def items(self, candidates: list[Candidate], corpus: str, explained: Query | None) -> tuple[ScoredItem, ...]:
        """The candidates with ids, titles and, where a query is given, the reasons."""
        view = self.view
        return tuple(
            ScoredItem(
                view.item_ids[one.row] if one.fresh is None else one.fresh.item.item_id,
                one.score,
                corpus,
                view.item_titles[one.row] if one.fresh is None else one.fresh.title,
                None,
                None if explained is None else self.explain(explained, one),
            )
            for one in candidates
        )

    def explain(self, query: Query, candidate: Candidate) -> Explanation:
        """The paths from the query item that is most like the candidate."""
        vector = vectors_of(self.view, [candidate])[0]
        at = int((query.vectors @ vector).argmax())
        end = self.view.items.ids[candidate.row] if candidate.fresh is None else candidate.fresh.item.item_id
        return explain(
            self.view,
            self.mapping,
            (query.ids[at], self._contexts(int(query.rows[at]), query.ids[at])),
            (end, self._contexts(candidate.row, end)),
            hidden_items=self.forgotten.items,
        )

    def _contexts(self, row: int, item_id: str) -> IndexArray:
        rows = self.view.graph.item_to_context.row(row) if row >= 0 else self._new(item_id).contexts
        hidden = self.forgotten.of(self.view.context_kind)
        return rows[~np.isin(rows, list(hidden))] if hidden else rows


_ONE = np.ones(1, np.float32)
