"""A user's home feed: the nearest items to each of their interests, merged (PinnerSage, section 5). Knows the recommender."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.index.protocol import check_k
from engine.serving.candidates import Candidate, spread_out, why_fewer
from engine.serving.diversify import POOL, check_diversity
from engine.serving.filters import Condition, Where, conditions
from engine.serving.interests import MOST_ITEMS, FoundInterest, find_interests, quotas
from engine.serving.methods import popular_rows
from engine.serving.query import Query, Scope, hidden_ids
from engine.serving.recommend import Recommender
from engine.serving.results import Answer, Interest, ScoredItem
from engine.types import FloatArray, IndexArray


def home_feed(
    recommender: Recommender,
    user: str,
    k: int = 10,
    *,
    corpus: str | None = None,
    where: Where | None = None,
    exclude: Iterable[str] | None = None,
    diversity: float = 0.0,
) -> Answer:
    """See `engine.client.Engine.home`."""
    wanted, spread = check_k(k), check_diversity(diversity)
    view = recommender.view
    name = view.corpus_or_only(recommender.mapping.items.default_corpus) if corpus is None else corpus
    demands = conditions(where, recommender.filters.kinds)
    hidden = hidden_ids(exclude)
    scope = recommender.scope(name, demands, None, hidden, user)
    rows, times = view.user_items(recommender.user_row(user))
    if recommender.forgotten.items:
        told = ~np.isin(rows, list(recommender.forgotten.items))
        rows, times = rows[told], None if times is None else times[told]
    rows = rows[-MOST_ITEMS:]
    vectors = view.vectors[rows]
    interests = find_interests(vectors, None if times is None else times[-MOST_ITEMS:])
    reason = None
    if interests:
        candidates, medoids = _by_interest(
            recommender, rows, vectors, interests, scope, wanted * (POOL if spread else 1)
        )
        candidates += _new(recommender, rows, interests, name, demands, hidden, wanted)
        candidates.sort(key=lambda one: -one.score)
    else:
        found = popular_rows(view, scope, wanted)
        candidates = [Candidate(r, s) for r, s in zip(found.rows.tolist(), found.scores.tolist(), strict=True)]
        medoids, reason = {}, f"user {user!r} took up nothing yet: these are popular"
    if spread:
        candidates = spread_out(view, candidates, wanted, spread)
    shown = candidates[:wanted]
    if len(shown) < wanted:
        fewer = why_fewer(view, len(shown), scope, None)
        reason = fewer if reason is None else f"{reason}; {fewer}"
    items = recommender.items(shown, name, None)
    return Answer(
        subject=f"home feed of {user}",
        k=wanted,
        items=tuple(_with_interest(item, medoids.get(one.row)) for item, one in zip(items, shown, strict=True)),
        method="interests" if interests else "popularity",
        corpus=name,
        generation=view.origin.generation,
        watermark=view.origin.watermark,
        as_of=view.origin.as_of,
        reason=reason,
        interests=_told(recommender, rows, interests),
        certificate=view.origin.certificate,
    )


def _by_interest(
    recommender: Recommender,
    rows: IndexArray,
    vectors: FloatArray,
    interests: list[FoundInterest],
    scope: Scope,
    count: int,
) -> tuple[list[Candidate], dict[int, str]]:
    """Candidates of each interest up to its share of `count`; an item near to two interests belongs to the nearer."""
    ids, order = recommender.view.items.ids, recommender.view.items.order
    nearest: dict[int, tuple[float, int]] = {}
    for number, interest in enumerate(interests):
        found = recommender.method("pinsage").search(
            _at(ids[int(rows[interest.medoid])], rows, vectors, interest), scope, count
        )
        for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True):
            if score > nearest.get(row, (-np.inf, 0))[0]:
                nearest[row] = (score, number)
    lists: list[list[tuple[float, int, int]]] = [[] for _ in interests]
    places_by_key = order.ranks(np.fromiter(nearest, np.int64, len(nearest))).tolist()
    for place, (row, (score, number)) in zip(places_by_key, nearest.items(), strict=True):
        lists[number].append((-score, place, row))
    taken: list[tuple[float, int, int]] = []
    spare: list[tuple[float, int, int]] = []
    for own, places in zip(lists, quotas([one.importance for one in interests], count), strict=True):
        own.sort()
        taken += own[:places]
        spare += own[places:]
    spare.sort()
    taken += spare[: count - len(taken)]
    medoids = {row: ids[int(rows[interests[nearest[row][1]].medoid])] for *_, row in taken}
    return [Candidate(row, -negative) for negative, _, row in taken], medoids


def _at(item_id: str, rows: IndexArray, vectors: FloatArray, interest: FoundInterest) -> Query:
    at = interest.medoid
    return Query((item_id,), rows[at : at + 1], np.ones(1, np.float32), vectors[at : at + 1])


def _new(
    recommender: Recommender,
    rows: IndexArray,
    interests: list[FoundInterest],
    corpus: str,
    demands: tuple[Condition, ...],
    hidden: frozenset[str],
    count: int,
) -> list[Candidate]:
    """New items, each scored by the interest it is nearest to."""
    best: dict[str, Candidate] = {}
    if not len(recommender.fresh):
        return []
    for interest in interests:
        row = int(rows[interest.medoid])
        query = Query(
            (recommender.view.items.ids[row],),
            np.array([row], np.int32),
            np.ones(1, np.float32),
            recommender.view.vectors[row : row + 1],
        )
        for fresh, score in recommender.fresh.search(query, corpus, demands, hidden, count):
            known = best.get(fresh.item.item_id)
            if known is None or score > known.score:
                best[fresh.item.item_id] = Candidate(-1, score, fresh)
    return list(best.values())


def _told(recommender: Recommender, rows: IndexArray, interests: list[FoundInterest]) -> tuple[Interest, ...]:
    medoids = [int(rows[one.medoid]) for one in interests]
    return tuple(
        Interest(recommender.view.items.ids[row], title, one.importance, len(one.members))
        for one, row, title in zip(interests, medoids, recommender.view.titles(medoids), strict=True)
    )


def _with_interest(item: ScoredItem, medoid: str | None) -> ScoredItem:
    return item._replace(interest=medoid)
