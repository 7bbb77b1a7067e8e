"""The engine's questions: related items, home feeds, brand-new items, clusters of users. Asks what serves; writes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from engine.errors import InputError, StaleAnswerError

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.serving.filters import Where
    from engine.serving.query import Related
    from engine.serving.recommend import Recommender
    from engine.serving.results import Answer, UserClusters


def related(
    engine: Engine,
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
    max_staleness_s: float | None = None,
    when_stale: Literal["raise", "live"] = "raise",
) -> Answer:
    """Items related to one item or to several.

    Args:
        item: an item id, or item ids with weights above 0.
        k: how many; fewer come with a reason.
        corpus: where to look; the (weightiest) item's own corpus when None.
        where: a filter by fields, such as `{"genre": ["jazz", "rock"], "year": {">=": 1990}}`.
        exclude: ids that must not come up; an id that no item has does no harm.
        user: leave out what this user took up already.
        method: see `methods`; what is best on validation pairs when None.
        diversity: from 0, the best items, to 1, the most different ones among the best.
        explain: add the paths that connect the query and each answer.
        max_staleness_s: how long ago the oldest change that the generation has not seen may have been made; any time
            when None.
        when_stale: what to do about a generation that is further behind: "raise", or "live", which reads the query's items
            from the graph as it stands, and finds their neighbours, by "pinsage", in the generation.

    Raises:
        StaleAnswerError: the generation is further behind than `max_staleness_s`.
        NotReadyError: nothing is published yet, or not with this method.
        UnknownNodeError: an item or user that is not there.
        UnknownNameError: a corpus, field or method that is not there.
        InputError: k, a weight, the filter, the diversity or what to do when stale is wrong.
    """
    from engine.serving.query import hidden_ids
    from engine.serving.shadow import Question

    asked: dict[str, Any] = {
        "corpus": corpus,
        "where": where,
        "exclude": None if exclude is None else hidden_ids(exclude),
        "user": user,
        "diversity": diversity,
        "explain": explain,
    }
    if when_stale not in ("raise", "live"):
        raise InputError(f"when_stale is 'raise' or 'live', not {when_stale!r}")
    start = time.perf_counter()
    try:
        recommender = engine.opened.fresh_recommender(max_staleness_s)
    except StaleAnswerError as stale:
        if when_stale == "raise" or method not in (None, "pinsage"):
            raise
        from engine.serving.live_query import related_live

        return related_live(engine.opened.live.recommender(), engine.opened.new_items, item, k, stale.message, **asked)

    def ask(one: Recommender) -> Answer:
        return one.related(item, k, method=method, **asked)

    answer = ask(recommender)
    who = user if user is not None else item if isinstance(item, str) else "\n".join(sorted(item))
    engine.opened.shadowing.answered(Question(who, answer.subject, ask, answer, time.perf_counter() - start))
    return answer


def home(
    engine: Engine,
    user: str,
    k: int = 10,
    *,
    corpus: str | None = None,
    where: Where | None = None,
    exclude: Iterable[str] | None = None,
    diversity: float = 0.0,
    max_staleness_s: float | None = None,
) -> Answer:
    """A feed for a user: the nearest items to each of their interests. What they took up already is left out.

    Args and errors: see `related`. The corpus is the default one when None.
    """
    from engine.serving.home import home_feed
    from engine.serving.query import hidden_ids
    from engine.serving.shadow import Question

    hidden = None if exclude is None else hidden_ids(exclude)

    def ask(one: Recommender) -> Answer:
        return home_feed(one, user, k, corpus=corpus, where=where, exclude=hidden, diversity=diversity)

    start = time.perf_counter()
    answer = ask(engine.opened.fresh_recommender(max_staleness_s))
    engine.opened.shadowing.answered(Question(user, "home feed", ask, answer, time.perf_counter() - start))
    return answer


def new_item(
    engine: Engine,
    item_id: str,
    fields: Mapping[str, Any] | None = None,
    *,
    contexts: Sequence[str] = (),
    corpus: str | None = None,
    k: int = 10,
    where: Where | None = None,
    exclude: Iterable[str] | None = None,
) -> Answer:
    """Items related to a brand-new one, from its features and its first saves; no retraining, no rebuild.

    From now on the new item comes up in this client's answers by "pinsage" and in home feeds too. It is not written to the
    graph: `add_items` and `add_saves` do that, and an item that is in the graph needs no description here.

    Args:
        fields: field name -> value, as in `add_items`.
        contexts: ids of what it was saved into, in that order.
        corpus: the default one when None.

    Raises:
        UnknownNameError: a field or corpus that is not there.
        UnknownNodeError: a context that is not there.
        InputError: a wrong value; or the item is in the generation already.
    """
    recommender = engine.opened.live.recommender()
    engine.opened.new_items.describe(recommender, item_id, fields or {}, tuple(contexts), corpus)
    return recommender.related(item_id, k, where=where, exclude=exclude, method="pinsage")


def user_clusters(engine: Engine, clusters: int = 8) -> UserClusters:
    """All users, grouped by interest."""
    from engine.serving.clusters import user_clusters

    recommender = engine.opened.live.recommender()
    return user_clusters(recommender.view, clusters, seed=engine.settings.seed, forgotten=recommender.forgotten)
