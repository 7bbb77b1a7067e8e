"""What a user takes up next, as of a time, by a model that goes by the order of what they took up. Knows a recommender.

The user's own history is read from the graph as it stands, and so is who else took up its items, so that what happens now is in the
next answer; what is further away is as old as the generation. Nothing that happened at or after the time is read of anybody.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import numpy as np

from engine.errors import InputError
from engine.index.protocol import check_k
from engine.models.happened import epoch_ms
from engine.models.sequences import History, ReadsTakers, Takers
from engine.serving.evidence import evidence_next
from engine.serving.filters import Where
from engine.serving.results import Answer
from engine.serving.user_answers import UserRecommender
from engine.types import CSR

When = int | datetime
"""A time: epoch ms, or a time that knows its zone."""


def next_items(
    one: UserRecommender,
    user: str,
    k: int = 10,
    *,
    at: When | None = None,
    corpus: str | None = None,
    where: Where | None = None,
    exclude: Iterable[str] | None = None,
    explain: bool = False,
) -> Answer:
    """See `engine.client.Engine.next_items`."""
    if "next" not in one.about.answers:
        raise InputError(
            f"model {one.about.name!r} does not go by the order of items",
            hint="`engine evaluate methods` says what each can do.",
        )
    wanted, before = check_k(k), int(time.time() * 1000) if at is None else asked_ms(at)
    history = _with_takers(one, user, _history(one, user, before))
    scope = one.scope(corpus, where, exclude, np.unique(history.items).astype(np.int64))
    found = one.best(one.method.score_next(history), scope, wanted)
    reason = None
    if not len(history.items):
        reason = f"nothing is known of what {user!r} took up before: these are popular"
    elif (history.times < 0).all():
        reason = f"nothing is known of when {user!r} took up what they have"
    why = evidence_next(one, user, history) if explain else None
    return one.answer(f"next for {user}", wanted, found, scope, one.about.name, reason, at=before, evidence=why)


def asked_ms(at: When) -> int:
    """A time as epoch ms.

    Raises:
        InputError: it knows no zone, or is before 1970.
    """
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise InputError(f"the time {at.isoformat()} has no zone", hint="Write +00:00 after it, for UTC.")
        at = epoch_ms(at)
    if at < 0:
        raise InputError(f"a time is epoch ms and at least 0, not {at}")
    return at


def _history(one: UserRecommender, user: str, before: int) -> History:
    row = one.row_of(user)
    taken = one.in_graph(user, row, before)
    if taken is None:
        return History(np.empty(0, np.int32), np.empty(0, np.int64), before, user=row)
    rows, times = one.view.items.index_of(list(taken.items)), np.array(taken.times, np.int64)
    known = (rows >= 0) & ~np.isin(rows, list(one.forgotten.items))
    return replace(History.of(rows[known], times[known], before, one.view.items.order), user=row)


def _with_takers(one: UserRecommender, user: str, history: History) -> History:
    """The history with who else took up its items last, by a method that reads them."""
    if not isinstance(one.method, ReadsTakers) or one.user_kind != "user":
        return history
    items, most = one.method.takers_of(history)
    if not len(items):
        return history
    read = one.find_takers(one.view.items.ids.take(items), history.before, most)
    found = [[(taker, time) for taker, time in taken if taker != user] for taken in read]
    pairs = [pair for taken in found for pair in taken]
    users = one.data.users.index_of([taker for taker, _ in pairs])
    users[np.isin(users, list(one.forgotten.users))] = -1
    indptr = np.concatenate([[0], np.cumsum([len(taken) for taken in found])]).astype(np.int64)
    lists = CSR(indptr, users, np.array([time for _, time in pairs], np.int64))
    return replace(history, takers=Takers(items, lists))
