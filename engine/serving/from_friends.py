"""What a user's friends took up: asked of the graph as it stands, weighed by ties, put in order by a social model where one serves.

Knows the queries and a recommender; no registry.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine.errors import InputError, NotReadyError, UnknownNodeError
from engine.graph.connection import Graph
from engine.graph.queries import load_queries, run
from engine.hashing import keys64
from engine.index.protocol import check_k
from engine.models.friends import TellsRests
from engine.models.standing import standing_in
from engine.models.user_methods import USER_METHODS, find_user_method
from engine.sampling.friends import Friendship, check_friendship, directions, lowest
from engine.serving.evidence import MOST, attention_to_friends
from engine.serving.next_items import When, asked_ms
from engine.serving.query import hidden_ids
from engine.serving.results import Evidence, Part, WeighedNode
from engine.serving.results_users import Friend, FriendItem, FromFriends
from engine.serving.standing import standing_told
from engine.serving.user_answers import UserRecommender
from engine.settings import GraphMapping

CANDIDATES = 1000
"""So many items of friends, by ties, a model puts in order."""


@dataclass(frozen=True, slots=True)
class FriendsOf:
    """Asks the graph about friends.

    Attributes:
        seed: of the draw among more friends than are read.
    """

    graph: Graph
    mapping: GraphMapping
    seed: int

    def from_friends(
        self,
        user: str,
        k: int = 10,
        *,
        social: UserRecommender | None = None,
        friendship: Friendship = "following",
        friends: int = 100,
        at: When | None = None,
        corpus: str | None = None,
        exclude: Iterable[str] | None = None,
        explain: bool = False,
    ) -> FromFriends:
        """See `engine.client.Engine.recommend_from_friends`.

        Args:
            social: puts the items in order; None for the ties alone.
        """
        wanted, now = check_k(k), time.time()
        check_friendship(friendship)
        if friends < 1:
            raise InputError(f"friends must be at least 1, not {friends}")
        before = int(now * 1000) if at is None else asked_ms(at)
        name = self.mapping.items.default_corpus if corpus is None else corpus
        if corpus is not None and social is not None:
            social.view.corpus_number(corpus)
        there = self._friends(user, before, friendship)
        kept = self._drawn(user, there, friends)
        found = self._items(
            user, kept, before, name, sorted(hidden_ids(exclude)), wanted if social is None else CANDIDATES
        )
        answer = FromFriends(
            user=user,
            k=wanted,
            items=tuple(found),
            method="ties",
            corpus=name,
            friends=len(kept),
            of=len(there),
            as_of=datetime.fromtimestamp(now, UTC),
        )
        told = None if social is None or not found else _told(social, user)
        if isinstance(told, str):
            answer = replace(answer, reason=told)
        elif told is not None:
            answer = _ordered(answer, told)
        answer = replace(answer, items=answer.items[:wanted])
        if len(answer.items) < wanted:
            answer = replace(answer, reason="; ".join(filter(None, (answer.reason, _why_fewer(answer)))))
        answer = replace(answer, **self._to_look_at(answer, before))
        if not explain:
            return answer
        parts = (_ties(answer, kept), *(_attended(answer, told) if isinstance(told, _Told) else ()))
        return replace(answer, evidence=Evidence(parts, answer.cypher, answer.parameters))

    def _friends(self, user: str, before: int, friendship: Friendship) -> list[Friend]:
        rows = run(
            self.graph, "serving/friends", mapping=self.mapping, id=user, before=before, **directions(friendship)
        )
        if not rows:
            raise UnknownNodeError(f"there is no user {user!r:.80}", hint="Add them with `engine.add_users`.")
        return [Friend(name, float(tie)) for name, tie in zip(rows[0]["friends"], rows[0]["ties"], strict=True)]

    def _drawn(self, user: str, there: Sequence[Friend], most: int) -> list[Friend]:
        """At most so many friends, as `engine.sampling.friends` draws them."""
        names = [friend.user_id for friend in there]
        place = np.zeros(len(names), np.int64)
        kept = lowest(place, np.repeat(keys64([user]), len(names)), keys64(names), most, self.seed)
        return [there[at] for at in kept.tolist()]

    def _items(
        self, user: str, friends: Sequence[Friend], before: int, corpus: str, exclude: list[str], limit: int
    ) -> list[FriendItem]:
        if not friends:
            return []
        rows = run(
            self.graph,
            "serving/from_friends",
            mapping=self.mapping,
            id=user,
            friends=[friend.user_id for friend in friends],
            ties=[friend.tie for friend in friends],
            before=before,
            corpus=corpus,
            exclude=exclude,
            limit=limit,
        )
        return [
            FriendItem(
                row["item_id"],
                float(row["score"]),
                tuple(Friend(*pair) for pair in zip(row["friends"], row["ties"], strict=True)),
            )
            for row in rows
        ]

    def _to_look_at(self, answer: FromFriends, before: int) -> dict[str, Any]:
        parameters = {
            "id": answer.user,
            "friends": sorted(_behind(answer)),
            "items": [item.item_id for item in answer.items],
            "before": before,
        }
        return {
            "cypher": load_queries()["serving/paths_from_friends"].render(self.mapping),
            "parameters": parameters,
        }


@dataclass(frozen=True, slots=True)
class _Told:
    """Who puts a user's items in order: a model, as of now.

    Attributes:
        method: answers about the recommender's data, or that and the user.
        row: the user's, in the method's data.
    """

    by: UserRecommender
    method: Any
    row: int


def _told(social: UserRecommender, user: str) -> _Told | str:
    """Who says in which order; or why the model cannot, in words."""
    try:
        late = social.with_late(social.asker(user))
    except (NotReadyError, UnknownNodeError) as error:
        return f"by ties, for {social.about.name} cannot say: {error.message}"
    return _Told(social, late.method, late.user)


def _ordered(answer: FromFriends, told: _Told) -> FromFriends:
    """The items that the model's generation knows, by what the model says to them; by ties where it knows nothing of the user.

    The model reads what it learned and, of a user who came later, all that the graph knows now: the order is as of no time.
    """
    social, method, row = told.by, told.method, told.row
    view, name = social.view, social.about.name
    rows = view.items.index_of([item.item_id for item in answer.items])
    known = np.flatnonzero(rows >= 0)
    asked = rows[known].astype(np.int32)
    if "rating" in social.about.answers:
        scores = method.predict(np.full(len(asked), row, np.int32), asked)
    else:
        scores = method.score(np.array([row], np.int32))[0][asked]
    known, scores = known[np.isfinite(scores)], scores[np.isfinite(scores)]
    if not len(known):
        return replace(answer, reason=f"by ties, for {name} knows none of these items, or nothing of the user")
    best = np.argsort(-scores, kind="stable")
    titles = view.titles(rows[known].tolist())
    items = [answer.items[at] for at in known.tolist()]
    left = len(answer.items) - len(known)
    reasons = [
        standing_told(name, repr(answer.user), standing_in(method, "users", row)),
        f"{left:,} items of friends are newer than generation {view.origin.generation}" if left else None,
    ]
    return replace(
        answer,
        items=tuple(replace(items[at], score=float(scores[at]), title=titles[at]) for at in best.tolist()),
        method=name,
        generation=view.origin.generation,
        watermark=view.origin.watermark,
        reason="; ".join(filter(None, reasons)) or None,
        rests_on=str(method.rests_on(np.array([row], np.int32))[0]) if isinstance(method, TellsRests) else None,
    )


def _behind(answer: FromFriends) -> dict[str, float]:
    """The friends through whom the items came -> their ties."""
    return {friend.user_id: friend.tie for item in answer.items for friend in item.friends}


def _ties(answer: FromFriends, read: Sequence[Friend]) -> Part:
    """The strongest ties to the friends through whom the items came, as shares of those to all who were read."""
    behind, total = _behind(answer), sum(friend.tie for friend in read)
    strongest = sorted(behind, key=lambda name: (-behind[name], name))[:MOST]
    return Part("ties", "friends", len(read), tuple(WeighedNode("user", f, None, behind[f] / total) for f in strongest))


def _attended(answer: FromFriends, told: _Told) -> tuple[Part, ...]:
    """What the model that put the items in order gave the same friends; nothing where ties did."""
    if answer.generation is None:
        return ()
    return attention_to_friends(told.by, told.method, answer.user, told.row, _behind(answer).keys())


def _why_fewer(answer: FromFriends) -> str:
    if not answer.of:
        return f"{answer.user!r} has no friends"
    return f"only {len(answer.items)}: {answer.friends:,} friends took up no more that {answer.user!r} has not"


def only_social(names: Iterable[str], wanted: str | None) -> str | None:
    """Which published model puts friends' items in order; None where none does.

    Args:
        names: of the models that are published.
        wanted: the one asked for; the only social one when None.

    Raises:
        UnknownNameError: there is no such model.
        NotReadyError: it is not published.
        InputError: it reads no friends; or several that do are published, and none is named.
    """
    there = [name for name in names if name in USER_METHODS]
    if wanted is not None:
        if not find_user_method(wanted).social:
            raise InputError(f"model {wanted!r} does not read whom users follow")
        if wanted not in there:
            raise NotReadyError(f"no model {wanted!r} is published", hint=f"`engine build {wanted}` makes one.")
        return wanted
    able = [name for name in there if USER_METHODS[name].social]
    if len(able) > 1:
        raise InputError(f"several social models are published: {', '.join(able)}", hint="Name one with `model`.")
    return able[0] if able else None
