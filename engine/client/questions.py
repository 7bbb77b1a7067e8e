"""The engine's questions: related items, home feeds, brand-new items, clusters of users. Asks what serves; writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.serving.filters import Where
    from engine.serving.query import Related
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

    Raises:
        NotReadyError: nothing is published yet, or not with this method.
        UnknownNodeError: an item or user that is not there.
        UnknownNameError: a corpus, field or method that is not there.
        InputError: k, a weight, the filter or the diversity is wrong.
    """
    return engine.opened.live.recommender().related(
        item,
        k,
        corpus=corpus,
        where=where,
        exclude=exclude,
        user=user,
        method=method,
        diversity=diversity,
        explain=explain,
    )


def home(
    engine: Engine,
    user: str,
    k: int = 10,
    *,
    corpus: str | None = None,
    where: Where | None = None,
    exclude: Iterable[str] | None = None,
    diversity: float = 0.0,
) -> Answer:
    """A feed for a user: the nearest items to each of their interests. What they took up already is left out.

    Args and errors: see `related`. The corpus is the default one when None.
    """
    from engine.serving.home import home_feed

    return home_feed(
        engine.opened.live.recommender(), user, k, corpus=corpus, where=where, exclude=exclude, diversity=diversity
    )


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

    From now on the new item comes up in this client's answers too. It is not written to the graph: `add_items` and
    `add_saves` do that, and an item that is in the graph needs no description here.

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

    return user_clusters(engine.view(), clusters, seed=engine.settings.seed)
