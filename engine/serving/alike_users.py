"""Users like one, by a model about users and items. Knows a recommender; no registry."""

from __future__ import annotations

import numpy as np

from engine.index.protocol import check_k
from engine.serving.nearest import ranked
from engine.serving.results_users import AlikeUser, AlikeUsers
from engine.serving.user_answers import UserRecommender
from engine.types import FloatArray


def similar_users(one: UserRecommender, user: str, k: int = 10) -> AlikeUsers:
    """See `engine.client.Engine.similar_users`."""
    wanted = check_k(k)
    asker = one.asker(user)
    row, vectors = asker.row, one.user_vectors
    if asker.taken is not None or row < 0 or vectors is None or not vectors[row].any():
        scores, how = one.together.overlap(asker.have), "shared items"
    else:
        scores, how = _cosines(vectors, row), one.about.name
    scores = np.where(one.data.users.alive, scores, 0.0)
    scores[[row, *one.forgotten.users] if row >= 0 else list(one.forgotten.users)] = 0.0
    best = ranked(np.flatnonzero(scores > 0), scores[scores > 0], wanted, one.data.users.order)
    ids = one.data.users.ids
    alike = tuple(
        AlikeUser(ids[at], float(score)) for at, score in zip(best.rows.tolist(), best.scores.tolist(), strict=True)
    )
    origin = one.view.origin
    return AlikeUsers(user, wanted, alike, how, origin.generation, origin.watermark, origin.as_of)


def _cosines(vectors: FloatArray, row: int) -> FloatArray:
    """Of all users' vectors and one's, `[U]`; 0 for a user that nothing is known of."""
    lengths = np.linalg.norm(vectors, axis=1)
    inner = vectors @ (vectors[row] / lengths[row])
    cosines: FloatArray = np.divide(inner, lengths, out=np.zeros_like(inner), where=lengths > 0)
    return cosines
