"""The protocols by name: what is asked of a method, on which split, among which candidates, and how it is judged.

A protocol is words for a reader, numbers that a configuration may change, and the two functions that do what the words say.
Knows no method and no file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine.errors import UnknownNameError
from engine.evaluation import asking
from engine.evaluation.numbers import (
    ColdItemNumbers,
    ColdUserNumbers,
    LastOutNumbers,
    RankingNumbers,
    RatingNumbers,
    SampledNumbers,
)
from engine.evaluation.related_numbers import RelatedProtocol
from engine.evaluation.user_split import Parts, UserItemSplit
from engine.evaluation.user_world import UserItemWorld
from engine.models.user_ranking import Asked
from engine.types import IndexArray

Ask = Callable[[UserItemSplit, IndexArray, Any], dict[str, Asked]]


@dataclass(frozen=True, slots=True)
class EvaluationProtocol:
    """One named protocol.

    Attributes:
        name: what a caller asks for; `about`: one line on it.
        data, split, candidates, metric, source: in words, for the results file and the report.
        answers: what a method must be able to do.
        numbers: the dataclass of its numbers.
        metrics: as `outcome.metric_values` takes them, at the cut-offs `ks` unless a caller names others.
        baseline: the method that others are compared with, where it runs too.
        draws: splits the world where no official split is named; None for `related`, which has a split of its own.
        official: whether the files of a split may be used.
        default_split: the way to split where the data set has no official split.
        ask: from the split and its test users to what is ranked; None where ratings are predicted.
        old: kept only so that figures can stand beside old tables.
    """

    name: str
    about: str
    data: str
    split: str
    candidates: str
    metric: str
    source: str
    answers: Literal["related", "ranking", "rating"]
    numbers: type[Any]
    metrics: tuple[str, ...]
    ks: tuple[int, ...]
    baseline: str
    draws: Callable[[UserItemWorld, Any, str, int], Parts] | None = None
    official: bool = True
    default_split: str = ""
    ask: Ask | None = None
    old: bool = False

    def describe(self, numbers: Any, split: str = "") -> dict[str, Any]:
        """The protocol in full, JSON-able: the rules in words and the numbers in force."""
        words = {name: getattr(self, name) for name in ("name", "data", "split", "candidates", "metric", "source")}
        extra = {"kept for old tables only": True} if self.old else {}
        return {**words, **extra, "split_name": split, "numbers": asdict(numbers)}


_OFFICIAL = (
    "The files of the split that is named; without one, drawn by the seed: `random` draws pairs, `time` takes the latest edges, "
    "`user` draws a share of each user's items. Validation is a file of the split, or drawn by the seed out of training."
)
_TIES = "in expectation over a random order of tied items, averaged over users"
_MINUS = "all items but those that the user has in training or validation"

_LISTED = (
    EvaluationProtocol(
        name="rating",
        about="predict ratings: RMSE and MAE",
        data="interactions with ratings",
        split=_OFFICIAL,
        candidates="none: each test pair is asked for",
        metric="root mean squared and mean absolute error over test edges, unclipped",
        source="van den Berg et al., 2017 (GC-MC), section 4",
        answers="rating",
        numbers=RatingNumbers,
        metrics=("rmse", "mae"),
        ks=(1,),
        baseline="bias",
        draws=asking.draw_named,
        default_split="random",
    ),
    EvaluationProtocol(
        name="full-ranking",
        about="rank all items that the user has not: Recall, NDCG, Hit, MRR, MAP at k",
        data="interactions; where there are none, saves, with contexts as users",
        split=_OFFICIAL,
        candidates=_MINUS,
        metric="recall = found / positives; NDCG and MAP against min(positives, k) in front; " + _TIES,
        source="He et al., SIGIR'20 (LightGCN), section 4.1",
        answers="ranking",
        numbers=RankingNumbers,
        metrics=("recall@k", "ndcg@k", "hit@k", "mrr@k", "map@k"),
        ks=(20,),
        baseline="item-knn",
        draws=asking.draw_named,
        default_split="user",
        ask=asking.ask_full,
    ),
    EvaluationProtocol(
        name="sampled-ranking",
        about="rank the user's answers among sampled items; for old tables only",
        data="interactions; where there are none, saves, with contexts as users",
        split=_OFFICIAL,
        candidates="the user's answers and items that the user has in no part, drawn by the seed",
        metric="capped recall = found / min(positives, k), which DiffNet calls HR; hit and NDCG; " + _TIES,
        source="Wu et al., TKDE'20 (DiffNet++); sampled figures mislead: Krichene and Rendle, KDD'20",
        answers="ranking",
        numbers=SampledNumbers,
        metrics=("capped-recall@k", "ndcg@k", "hit@k"),
        ks=(10,),
        baseline="item-knn",
        draws=asking.draw_named,
        default_split="user",
        ask=asking.ask_sampled,
        old=True,
    ),
    EvaluationProtocol(
        name="leave-last-out",
        about="each user's last item, among all and among sampled items",
        data="interactions with times, or a split's files",
        split="The files of the split that is named; without one, each user's last item by time is for test, the one before for validation.",
        candidates=_MINUS + "; in the sampled part, kept for old tables, the answer and items drawn by the seed",
        metric="hit, NDCG and MRR at k, " + _TIES,
        source="Kang and McAuley, ICDM'18 (SASRec), section IV",
        answers="ranking",
        numbers=LastOutNumbers,
        metrics=("hit@k", "ndcg@k", "mrr@k"),
        ks=(10,),
        baseline="item-knn",
        draws=asking.draw_last,
        default_split="leave-last-out",
        ask=asking.ask_last,
    ),
    EvaluationProtocol(
        name="cold-users",
        about="users of whom training has a few first edges or none",
        data="interactions; where there are none, saves, with contexts as users",
        split=(
            "A share of the users, drawn by the seed, keeps its first items in training (by time, else drawn), and the others are "
            "for test; validation takes other users in the same way."
        ),
        candidates=_MINUS,
        metric="as full-ranking, over the cold users",
        source="Volkovs et al., NIPS'17 (DropoutNet), section 5, for the question; the split is this engine's",
        answers="ranking",
        numbers=ColdUserNumbers,
        metrics=("recall@k", "ndcg@k", "hit@k", "mrr@k"),
        ks=(20,),
        baseline="popularity",
        draws=asking.draw_cold_users,
        official=False,
        default_split="cold-users",
        ask=asking.ask_full,
    ),
    EvaluationProtocol(
        name="cold-items",
        about="items without any edge in training, among all items and among the cold ones",
        data="interactions; where there are none, saves, with contexts as users",
        split="A share of the items, drawn by the seed, loses all of its edges to test, another one to validation.",
        candidates=_MINUS + "; in the part among-cold only the items without edges",
        metric="as full-ranking, over the users who have a cold item",
        source="Volkovs et al., NIPS'17 (DropoutNet), section 5, for the question; the split is this engine's",
        answers="ranking",
        numbers=ColdItemNumbers,
        metrics=("recall@k", "ndcg@k", "hit@k", "mrr@k"),
        ks=(20,),
        baseline="content",
        draws=asking.draw_cold_items,
        official=False,
        default_split="cold-items",
        ask=asking.ask_cold_items,
    ),
    EvaluationProtocol(
        name="related",
        about="items of a board, from one of them: warm items, and cold ones without any edge",
        data="saves; where there are none, interactions, with users as boards",
        split=(
            "Boards with enough items, in an order drawn by the seed, give one test pair each: the answer and the query "
            "are two of its items, drawn by the seed. Every edge between the board's owner and the answer leaves the "
            "graph, in the owner's other boards too; a board without an owner is its own. Validation pairs are carved in "
            "the same way from what is left, out of other boards, and leave the graph as well. Cold: a share of the items that "
            "have edges loses all of them. A board that holds such an item gives one pair: an item that it still holds in the "
            "training graph is the query, the cold item the answer."
        ),
        candidates="all items of the data set but the query",
        metric="Hit@k and mean reciprocal rank, in expectation over a random order of tied items",
        source="Ying et al., KDD'18, section 4.1, with the split made strict",
        answers="related",
        numbers=RelatedProtocol,
        metrics=("hit@k", "mrr"),
        ks=(10, 100, 500),
        baseline="walks",
        official=False,
    ),
)
PROTOCOLS: dict[str, EvaluationProtocol] = {protocol.name: protocol for protocol in _LISTED}


def find_protocol(name: str) -> EvaluationProtocol:
    """Look a protocol up.

    Raises:
        UnknownNameError: there is no such protocol; lists those there are.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError(f"there is no protocol {name!r}", hint=f"Protocols: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
