"""What a user would rate an item, by a model about users and items. Knows a recommender; no registry."""

from __future__ import annotations

import numpy as np

from engine.errors import InputError
from engine.models.friends import TellsRests
from engine.models.standing import standing_in
from engine.models.user_graph import takers
from engine.serving.asked import Asked, Asker, Late
from engine.serving.evidence import evidence
from engine.serving.results_users import Prediction
from engine.serving.standing import standing_told
from engine.serving.user_answers import UserRecommender


def predict(one: UserRecommender, user: str, item: str, *, explain: bool = False) -> Prediction:
    """See `engine.client.Engine.predict`."""
    if "rating" not in one.about.answers:
        raise InputError(
            f"model {one.about.name!r} ranks items and predicts no ratings",
            hint="`engine evaluate methods` says what each can do.",
        )
    asker, asked = one.asker(user), one.asked(item)
    late = one.with_late(asker, asked)
    method, users, items = late.method, np.array([late.user], np.int32), np.array([late.item], np.int32)
    rating = float(method.predict(users, items)[0])
    spread = None
    if hasattr(method, "distribution"):
        chances = method.distribution(users, items)[0].tolist()
        spread = dict(zip(one.data.levels, chances, strict=True))
    origin = one.view.origin
    return Prediction(
        user=user,
        item=item,
        rating=rating,
        distribution=spread,
        model=one.about.name,
        rests_on=_rests(one, asker, asked, late),
        generation=origin.generation,
        watermark=origin.watermark,
        as_of=origin.as_of,
        evidence=evidence(one, method, user, late.user, (item, late.item)) if explain else None,
    )


def _rests(one: UserRecommender, asker: Asker, asked: Asked, late: Late) -> str:
    """What there is to go by, in words."""
    name, method = one.about.name, late.method
    rests = [
        f"{_of_user(one, asker)}, {_of_item(one, asked, late)}",
        standing_told(name, "the user", standing_in(method, "users", late.user)),
        standing_told(name, "the item", standing_in(method, "items", late.item)),
    ]
    if isinstance(method, TellsRests):
        rests.append(f"of the user it reads {method.rests_on(np.array([late.user], np.int32))[0]}")
    return "; ".join(filter(None, rests))


def _of_user(one: UserRecommender, asker: Asker) -> str:
    if asker.taken is not None:
        return f"{asker.taken.told()} of the user that are newer than the generation"
    return f"{len(takers(one.view.snapshot)[1].row(asker.row)):,} ratings of the user"


def _of_item(one: UserRecommender, asked: Asked, late: Late) -> str:
    if asked.taken_by is None:
        return f"{int(one.together.popularity[asked.row]):,} ratings of the item"
    used = int((late.data.train.item == late.item).sum())
    if not used:
        return f"{asked.taken_by.told(0)}, which is newer than the generation and answered as a cold one"
    return f"{asked.taken_by.told(used)} that are newer than the generation"
