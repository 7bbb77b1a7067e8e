"""Items for a user, by a model about users and items. Knows a recommender; no registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.index.protocol import check_k
from engine.models.friends import TellsRests
from engine.models.user_item import FoldsIn, FoldsInData
from engine.serving.asked import Asker, Late
from engine.serving.evidence import evidence
from engine.serving.filters import Where
from engine.serving.nearest import NearestMethod, ranked, rows_in
from engine.serving.query import Found, Query, Scope
from engine.serving.results import Answer
from engine.serving.standing import standing_told
from engine.serving.taken import Taken
from engine.serving.user_answers import UserRecommender

CANDIDATES = 1000
"""So many items a method that only predicts ratings puts in order, or as many as are wanted."""


@dataclass(frozen=True, slots=True)
class _Ranked:
    """What to answer.

    Attributes:
        how: by which method; reason: why by that one, or from what.
        row: the user's, in the method's data; -1 where it was not asked.
        late: the method with a later user; None where that of the generation was asked.
    """

    found: Found
    how: str
    reason: str | None = None
    row: int = -1
    late: Any = None


def recommend(
    one: UserRecommender,
    user: str,
    k: int = 10,
    *,
    corpus: str | None = None,
    where: Where | None = None,
    exclude: Iterable[str] | None = None,
    explain: bool = False,
) -> Answer:
    """See `engine.client.Engine.recommend`."""
    wanted = check_k(k)
    asker = one.asker(user)
    scope = one.scope(corpus, where, exclude, asker.have)
    told = _ranked(one, asker, scope, wanted)
    why = None
    if explain and told.row >= 0:
        why = evidence(one, one.method if told.late is None else told.late, user, told.row)
    return one.answer(f"recommended to {user}", wanted, told.found, scope, told.how, told.reason, evidence=why)


def _ranked(one: UserRecommender, asker: Asker, scope: Scope, count: int) -> _Ranked:
    if asker.taken is not None and len(asker.have):
        return _folded_in(one, asker, asker.taken, scope, count)
    vectors, nothing = one.user_vectors, f"{asker.user!r} has no items yet: answered from their friends"
    if asker.row >= 0 and vectors is not None and vectors[asker.row].any():
        row = vectors[asker.row : asker.row + 1]
        query = Query((asker.user,), np.array([-1], np.int32), np.ones(1, np.float32), row)
        found = NearestMethod(one.view).search(query, scope, count)
        reason = _and(None if len(asker.have) else nothing, _standing(one, asker))
        return _Ranked(found, one.about.name, reason, asker.row)
    if asker.taken is not None:
        late = _by_friends(one, asker, asker.taken)
        if late is not None:
            found, of_many = _scored(one, late.method, late.user, asker.have, scope, count)
            return _Ranked(found, one.about.name, _and(nothing, of_many), late.user, late.method)
    if asker.row < 0 or not len(asker.have):
        rows = rows_in(one.view, scope)
        found = ranked(rows, one.together.popularity[rows], count, one.view.items.order)
        return _Ranked(found, "popularity", f"nothing is known of what {asker.user!r} takes up: these are popular")
    found, of_many = _scored(one, one.method, asker.row, asker.have, scope, count)
    return _Ranked(found, one.about.name, _and(of_many, _standing(one, asker)), asker.row)


def _standing(one: UserRecommender, asker: Asker) -> str | None:
    """That the model was not trained on who asks, of whom the generation knows something."""
    return standing_told(one.about.name, repr(asker.user), one.standing(asker.row))


def _and(*reasons: str | None) -> str | None:
    return "; ".join(filter(None, reasons)) or None


def _scored(
    one: UserRecommender, method: Any, row: int, have: NDArray[np.int64], scope: Scope, count: int
) -> tuple[Found, str | None]:
    """What a method says to a row of its data, and of which items where it was asked about some of many only: one that
    predicts ratings is."""
    if "ranking" in one.about.answers:
        return one.best(method.score(np.array([row], np.int32))[0], scope, count), None
    rows, most = rows_in(one.view, scope), max(CANDIDATES, count)
    of_many = None
    if len(rows) > most:
        of_many = f"the best of the {most:,} items most taken up by alike users"
        near = one.together.taken_with(have) if len(have) else one.together.popularity
        rows = np.sort(ranked(rows, near[rows], most, one.view.items.order).rows)
    scores = method.predict(np.full(len(rows), row, np.int32), rows.astype(np.int32))
    return ranked(rows, scores, count, one.view.items.order), of_many


def _folded_in(one: UserRecommender, asker: Asker, taken: Taken, scope: Scope, count: int) -> _Ranked:
    rests = (
        f"{asker.user!r} is newer than the generation: answered from {len(asker.have):,} of their items in the graph"
    )
    if isinstance(one.method, FoldsIn):
        order = one.view.items.index_of(list(taken.items))
        known = order >= 0
        ratings = np.array(taken.ratings, np.float32)[known]
        scores = one.method.score_new(order[known].astype(np.int32), ratings)
        return _Ranked(one.best(scores, scope, count), one.about.name, rests)
    if isinstance(one.method, FoldsInData):
        late = one.with_late(asker)
        if isinstance(late.method, TellsRests):
            rests = f"{rests}, by {late.method.rests_on(np.array([late.user], np.int32))[0]}"
        found, of_many = _scored(one, late.method, late.user, asker.have, scope, count)
        return _Ranked(found, one.about.name, _and(rests, of_many), late.user, late.method)
    scores = one.together.taken_with(asker.have)
    reason = f"{rests}; {one.about.name} cannot take them in"
    return _Ranked(one.best(scores, scope, count), "items taken up together", reason)


def _by_friends(one: UserRecommender, asker: Asker, taken: Taken) -> Late | None:
    """A method that has something to say to one who has nothing but friends; None where there is none."""
    if not isinstance(one.method, TellsRests) or taken.added_to(one.data, asker.user, unrated=False) is None:
        return None
    late = one.with_late(asker)
    return late if late.method.rests_on(np.array([late.user], np.int32))[0] == "friends" else None
