"""Figures of where a user's answers stand, each its exact expectation over a random order of tied items. Knows arrays only.

With P answers, of which some are among the first k: recall = found / P; capped recall = found / min(P, k); hit = whether any
is; NDCG = DCG / the DCG of min(P, k) answers in front (gain 1, discount 1 / log2(1 + rank)); MRR = 1 / rank of the first one, 0
beyond k; MAP = the precision at each found answer, summed, / min(P, k).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.models.user_ranking import Ranked
from engine.types import OffsetArray

METRICS = ("recall", "capped-recall", "ndcg", "hit", "mrr", "map")
"""In the order of the columns of `user_figures`."""


def user_figures(ranked: Ranked, k: int) -> dict[str, NDArray[np.float64]]:
    """Each of `METRICS` at `k`, float64 `[U]`.

    Args:
        k: the cut-off; 0 for none.
    """
    last = int((ranked.better + ranked.tied).max(initial=0))
    cut = k if k else last
    discount = 1 / np.log2(2 + np.arange(max(last, int(np.diff(ranked.indptr).max(initial=0)), 1)))
    gained = np.concatenate([[0.0], np.cumsum(discount)])
    columns = np.zeros((len(METRICS), len(ranked)))
    _figures(ranked.indptr, ranked.better, ranked.tied, cut, gained, columns)
    return dict(zip(METRICS, columns, strict=True))


@compiled
def _figures(
    indptr: OffsetArray,
    better: NDArray[np.int64],
    tied: NDArray[np.int64],
    k: int,
    gained: NDArray[np.float64],
    into: NDArray[np.float64],
) -> None:
    for user in range(len(indptr) - 1):
        lo, hi = indptr[user], indptr[user + 1]
        order = np.argsort(better[lo:hi])
        missed = 1.0
        before = 0
        at = 0
        while at < hi - lo:
            above, same = better[lo + order[at]], tied[lo + order[at]]
            if same == 0:  # could not be scored: beside no other, and never found
                at += 1
                continue
            end = at
            while end < hi - lo and better[lo + order[end]] == above and tied[lo + order[end]] == same:
                end += 1
            answers = end - at
            room = max(0, min(k - above, same))
            into[0, user] += answers * room / same
            into[2, user] += answers / same * (gained[min(above + same, max(k, above))] - gained[above])
            for place in range(room):
                missed *= max(0, same - answers - place) / (same - place)
            if before == 0:
                chance = answers / same
                for place in range(1, min(same - answers + 1, room) + 1):
                    into[4, user] += chance / (above + place)
                    chance *= (same - place - answers + 1) / (same - place) if same > place else 0.0
            share = (answers - 1) / (same - 1) if same > 1 else 0.0
            for place in range(room):
                into[5, user] += answers / same * (before + 1 + share * place) / (above + place + 1)
            before += answers
            at = end
        most = min(hi - lo, k) if k > 0 else hi - lo
        into[1, user] = into[0, user] / most
        into[0, user] /= hi - lo
        into[2, user] /= gained[most]
        into[3, user] = 1 - missed
        into[5, user] /= most
