"""What a user would rate an item, by a model about users and items. Knows a recommender; no registry."""

from __future__ import annotations

import numpy as np

from engine.errors import InputError, NotReadyError
from engine.models.friends import TellsRests
from engine.models.user_graph import takers
from engine.serving.evidence import evidence
from engine.serving.results_users import Prediction
from engine.serving.user_answers import Asker, UserRecommender


def predict(one: UserRecommender, user: str, item: str, *, explain: bool = False) -> Prediction:
    """See `engine.client.Engine.predict`."""
    if "rating" not in one.about.answers:
        raise InputError(
            f"model {one.about.name!r} ranks items and predicts no ratings",
            hint="`engine evaluate methods` says what each can do.",
        )
    asker, column = one.asker(user), one.item_row(item)
    method, row = one.method, asker.row
    if asker.taken is not None:
        method, row = one.with_late(user, asker.taken)
    elif row < 0:
        raise NotReadyError(f"nothing is known of user {user!r} yet", hint="A first rating is enough for a prediction.")
    users, items = np.array([row], np.int32), np.array([column], np.int32)
    rests = _known(one, asker, column)
    if isinstance(method, TellsRests):
        rests = f"{rests}; of the user it reads {method.rests_on(users)[0]}"
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
        rests_on=rests,
        generation=origin.generation,
        watermark=origin.watermark,
        as_of=origin.as_of,
        evidence=evidence(one, method, user, row, item) if explain else None,
    )


def _known(one: UserRecommender, asker: Asker, column: int) -> str:
    """What there is to go by, in words."""
    if asker.taken is not None:
        return f"{asker.taken.told()} of the user that are newer than the generation"
    ratings = len(takers(one.view.snapshot)[1].row(asker.row))
    return f"{ratings:,} ratings of the user, {int(one.together.popularity[column]):,} of the item"
