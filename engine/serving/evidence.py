"""What an answer to a user rests on: whom and what the model attended to most, and the Cypher to look at them.

Knows a recommender and the named queries' text; runs no query.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from engine.graph.queries import load_queries
from engine.models.attention.weighed import Attends, AttendsInTime, Role, Weighed
from engine.models.sequences import History
from engine.sampling.friends import directions
from engine.serving.results import Evidence, NodeKind, Part, WeighedNode
from engine.serving.user_answers import UserRecommender
from engine.settings import GraphMapping

MOST = 5
"""So many nodes of each attention are shown."""


def evidence(
    one: UserRecommender, method: Any, user: str, row: int, item: tuple[str, int] | None = None
) -> Evidence | None:
    """What the method attended to for a user, and for an item where one is asked about.

    Args:
        method: answers about the recommender's data, or that and the user.
        row: the user's, in the method's data.
        item: the id of the one asked about, and its row there.

    Returns:
        None of a method without attention.
    """
    if not isinstance(method, Attends):
        return None
    name, items = (None, []) if item is None else (item[0], [item[1]])
    return _evidence(one, user, method.attention(np.array([row], np.int32), np.array(items, np.int32)), name)


def evidence_next(one: UserRecommender, user: str, history: History) -> Evidence | None:
    """The same of what comes next; None of a method without attention."""
    if not isinstance(one.method, AttendsInTime):
        return None
    return _evidence(one, user, one.method.attention_next(history), None)


def attention_to_friends(
    one: UserRecommender, method: Any, user: str, row: int, friends: Collection[str]
) -> tuple[Part, ...]:
    """What the method gave some of a user's friends, by each attention to friends; nothing of a method without.

    Args:
        method, row: see `evidence`.
        friends: ids.
    """
    if not isinstance(method, Attends):
        return ()
    weighed = method.attention(np.array([row], np.int32), np.empty(0, np.int32))
    return tuple(_part(one, user, attention, friends) for attention in weighed if attention.role == "friends")


def _evidence(one: UserRecommender, user: str, weighed: Sequence[Weighed], item: str | None) -> Evidence:
    parts = tuple(_part(one, user, attention) for attention in weighed)
    named: dict[Role, dict[str, None]] = {"items": {}, "friends": {}, "takers": {}, "raters": {}}
    for part in parts:
        named[part.role].update(dict.fromkeys(node.id for node in part.nodes))
    parameters: dict[str, Any] = {"id": user, **{role: list(ids) for role, ids in named.items()}, "item": item}
    parameters |= directions(one.friendship)
    name = "serving/evidence/" + ("interactions" if one.user_kind == "user" else "saves")
    return Evidence(parts, _rendered(name, one.mapping.model_dump_json()), parameters)


def _part(one: UserRecommender, user: str, attention: Weighed, among: Collection[str] | None = None) -> Part:
    """The largest weights of one attention; neither who was forgotten, nor the user as one who has their own items.

    Args:
        among: ids of the only users that are shown; None for all.
    """
    rows, weights = attention.largest(len(attention.rows))
    user_kind: NodeKind = "user" if one.user_kind == "user" else "context"
    nodes: list[WeighedNode] = []
    for row, weight in zip(rows.tolist(), weights.tolist(), strict=True):
        if len(nodes) == MOST:
            break
        if attention.role == "items":
            if row < len(one.view.items) and row not in one.forgotten.items:
                nodes.append(WeighedNode("item", one.view.item_ids[row], one.view.item_titles[row], weight))
        elif row < len(one.data.users) and row not in one.forgotten.users:
            name = one.data.users.ids[row]
            if name != user and (among is None or name in among):
                nodes.append(WeighedNode(user_kind, name, None, weight))
    return Part(attention.part, attention.role, len(rows), tuple(nodes), attention.portion())


@functools.lru_cache(maxsize=16)
def _rendered(name: str, mapping: str) -> str:
    return load_queries()[name].render(GraphMapping.model_validate_json(mapping))
