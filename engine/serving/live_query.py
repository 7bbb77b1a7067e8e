"""A query whose items are read from the graph as it stands, for a generation that is behind it. Knows views and new items.

What is near to the query is as old as the generation; where the query itself stands is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from engine.errors import UnknownNodeError
from engine.serving.new_items import NewItems
from engine.serving.query import Query, Related, hidden_ids, read_weights
from engine.serving.recommend import Recommender
from engine.serving.results import Answer


def related_live(
    recommender: Recommender,
    new_items: NewItems,
    asked: Related,
    k: int,
    why: str,
    *,
    corpus: str | None,
    exclude: Iterable[str] | None,
    **options: Any,
) -> Answer:
    """`Recommender.related` by "pinsage", for items embedded by their fields and neighbourhoods of this moment.

    Args:
        why: what the answer gives as its reason.

    Raises:
        UnknownNodeError: an item that the graph does not hold.
        GraphUnavailableError: the graph cannot be asked.
    """
    weights = read_weights(asked)
    read = []
    for item_id in weights:
        found = new_items.read(recommender.view, item_id)
        if found is None:
            raise UnknownNodeError(f"there is no item {item_id!r} in the graph as it stands")
        read.append(found)
    query = Query(
        tuple(weights),
        np.array([recommender.view.item_row(item_id) for item_id in weights], np.int32),
        np.array(list(weights.values()), np.float32),
        np.stack([one.vector for one in read]),
    )
    heaviest = read[int(query.weights.argmax())].item.corpus
    subject = f"related to {query.ids[0]}" if len(query.ids) == 1 else f"related to {len(query.ids)} items"
    answer = recommender.answer(
        query,
        subject,
        k,
        heaviest if corpus is None else corpus,
        exclude={*hidden_ids(exclude), *weights},
        method="pinsage",
        **options,
    )
    told = f"{why}: the query was read from the graph as it stands"
    return replace(answer, reason=told if answer.reason is None else f"{told}; {answer.reason}")
