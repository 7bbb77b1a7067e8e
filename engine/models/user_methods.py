"""The methods about users and items by name, what each can answer, and how it is made. Knows no data and no protocol."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from engine.models.user_item import UserItemData

Answers = Literal["ranking", "rating"]
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a search may choose from, both ends included.

    Attributes:
        log: equal steps multiply instead of add.
        whole: integers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """Values that a search may choose from."""

    values: tuple[str | int | float | bool, ...]


@dataclass(frozen=True, slots=True)
class UserMethod:
    """One named method.

    Attributes:
        name: what a caller asks for.
        about: one line on what it does.
        answers: "ranking" where what `make` returns is a `UserScorer`, "rating" where it is a `RatingPredictor`.
        make: makes an unfitted method from settings.
        settings: what this method changes in the settings of its family.
        family: whose section of a configuration it reads, beside its own.
        space: setting -> what `engine tune` may set it to; empty where there is nothing to tune.
        load: `load(folder, data)` reads what the method's `save` wrote (see `engine.models.user_item.Kept`), to answer about
            some data: that of training, or later data, whose new users and items are folded in. None where the method has
            nothing to keep: it is fitted anew, which takes no longer than reading.
    """

    name: str
    about: str
    answers: frozenset[Answers]
    make: Callable[[Settings], Any]
    settings: Settings | None = None
    family: str = ""
    space: Mapping[str, Range | OneOf] = field(default_factory=dict)
    load: Callable[[Path, UserItemData], Any] | None = None

    def configuration(self, sections: Mapping[str, Settings]) -> dict[str, Any]:
        """The settings in force: the family's section, then what the method is about, then its own section."""
        return {**sections.get(self.family, {}), **(self.settings or {}), **sections.get(self.name, {})}


def find_user_method(name: str) -> UserMethod:
    """Look a method up.

    Raises:
        UnknownNameError: there is no such method; lists those there are.
    """
    if name not in USER_METHODS:
        raise UnknownNameError(f"there is no method {name!r}", hint=f"Methods: {', '.join(USER_METHODS)}.")
    return USER_METHODS[name]


def built(kind: Callable[..., Any], settings: Settings) -> Any:
    """Call a class with settings.

    Raises:
        ConfigError: it has no such setting; lists those it has.
    """
    known = inspect.signature(kind).parameters
    for name in settings:
        if name not in known:
            raise ConfigError(f"unknown setting {name!r}", hint=f"Known: {', '.join(known) or 'none'}.")
    return kind(**settings)


def _popularity(settings: Settings) -> Any:
    from engine.models.user_baselines.popularity import UserPopularity

    return built(UserPopularity, settings)


def _recent_popularity(settings: Settings) -> Any:
    from engine.models.user_baselines.popularity import RecentPopularity

    return built(RecentPopularity, settings)


def _bias(settings: Settings) -> Any:
    from engine.models.user_baselines.bias import DampedBias

    return built(DampedBias, settings)


def _item_knn(settings: Settings) -> Any:
    from engine.models.user_baselines.neighbours import UserItemKnn

    return built(UserItemKnn, settings)


def _user_knn(settings: Settings) -> Any:
    from engine.models.user_baselines.neighbours import UserKnn

    return built(UserKnn, settings)


def _sasrec(settings: Settings) -> Any:
    from engine.models.sasrec.ranker import SasrecRanker

    return SasrecRanker.from_settings(settings)


def _dgsr(settings: Settings) -> Any:
    from engine.models.dgsr.ranker import DgsrRanker

    return DgsrRanker.from_settings(settings)


def _item_knn_ratings(settings: Settings) -> Any:
    from engine.models.user_baselines.rating_neighbours import ItemKnnRatings

    return built(ItemKnnRatings, settings)


def _user_knn_ratings(settings: Settings) -> Any:
    from engine.models.user_baselines.rating_neighbours import UserKnnRatings

    return built(UserKnnRatings, settings)


def _content(settings: Settings) -> Any:
    from engine.models.user_baselines.content import UserContent

    return built(UserContent, settings)


def _svdpp(settings: Settings) -> Any:
    from engine.models.svdpp.predictor import SvdppPredictor

    return SvdppPredictor.from_settings(settings)


def _load_svdpp(folder: Path, data: UserItemData) -> Any:
    from engine.models.svdpp.predictor import SvdppPredictor

    return SvdppPredictor.load(folder, data)


def _trustsvd(settings: Settings) -> Any:
    from engine.models.trustsvd.predictor import TrustsvdPredictor

    return TrustsvdPredictor.from_settings(settings)


def _load_trustsvd(folder: Path, data: UserItemData) -> Any:
    from engine.models.trustsvd.predictor import TrustsvdPredictor

    return TrustsvdPredictor.load(folder, data)


def _graphrec(settings: Settings) -> Any:
    from engine.models.graphrec.predictor import GraphrecPredictor

    return GraphrecPredictor.from_settings(settings)


def _load_graphrec(folder: Path, data: UserItemData) -> Any:
    from engine.models.graphrec.predictor import GraphrecPredictor

    return GraphrecPredictor.load(folder, data)


def _gcmc(settings: Settings) -> Any:
    from engine.models.gcmc.predictor import GcmcPredictor

    return GcmcPredictor.from_settings(settings)


def _load_gcmc(folder: Path, data: UserItemData) -> Any:
    from engine.models.gcmc.predictor import GcmcPredictor

    return GcmcPredictor.load(folder, data)


def _rank_fusion(settings: Settings) -> Any:
    from engine.models.ensemble.ranking import RankFusion

    return RankFusion(**settings)


def _learned_fusion(settings: Settings) -> Any:
    from engine.models.ensemble.ranking import LearnedFusion

    return LearnedFusion(**settings)


def _stacking(settings: Settings) -> Any:
    from engine.models.ensemble.rating import Stacking

    return Stacking(**settings)


def _load_ensemble(name: str) -> Callable[[Path, UserItemData], Any]:
    def load(folder: Path, data: UserItemData) -> Any:
        from engine.models.ensemble.ranking import LearnedFusion, RankFusion
        from engine.models.ensemble.rating import Stacking

        return next(kind for kind in (RankFusion, LearnedFusion, Stacking) if kind.name == name).load(folder, data)

    return load


def _lightgcn(settings: Settings) -> Any:
    from engine.models.lightgcn.scorer import LightGcnScorer

    return LightGcnScorer.from_settings(settings)


def _made(module: str, kind: str) -> Callable[[Settings], Any]:
    """Make a class by its settings; its module is imported when it is asked for."""
    return lambda settings: built(getattr(import_module(f"engine.models.{module}"), kind), settings)


def _read(module: str, kind: str) -> Callable[[Path, UserItemData], Any]:
    """The `load` of such a class."""
    return lambda folder, data: getattr(import_module(f"engine.models.{module}"), kind).load(folder, data)


_GCMC_SPACE: Mapping[str, Range | OneOf] = {
    "epochs": Range(100, 3000, log=True, whole=True),
    "dropout": Range(0.3, 0.8),
    "accumulation": OneOf(("stack", "sum")),
    "normalisation": OneOf(("left", "symmetric")),
    "bases": Range(1, 5, whole=True),
    "biases": OneOf((False, True)),
}
_RANKING: frozenset[Answers] = frozenset({"ranking"})
_RATING: frozenset[Answers] = frozenset({"rating"})
_KNN_SPACE: dict[str, Range | OneOf] = {
    "neighbours": Range(10, 1000, log=True, whole=True),
    "shrink": Range(0.1, 1000, log=True),
    "weighting": OneOf(("none", "tfidf", "degree")),
}
_BIAS_SPACE: dict[str, Range | OneOf] = {
    "user_damping": Range(0.1, 50, log=True),
    "item_damping": Range(0.1, 50, log=True),
}
_SVDPP_SPACE: dict[str, Range | OneOf] = {
    "dim": Range(10, 100, log=True, whole=True),
    "epochs": Range(10, 100, log=True, whole=True),
    "regularisation": Range(0.02, 0.3, log=True),
}
_SASREC_SPACE: dict[str, Range | OneOf] = {
    "dim": OneOf((32, 64, 128)),
    "dropout": Range(0.1, 0.6),
    "learning_rate": Range(5e-4, 5e-3, log=True),
}
_TRUSTSVD_SPACE: dict[str, Range | OneOf] = {
    "dim": Range(5, 50, log=True, whole=True),
    "epochs": Range(10, 100, log=True, whole=True),
    "regularisation": Range(0.2, 2, log=True),
    "trust": Range(0.1, 1, log=True),
}
_GRAPHREC_SPACE: dict[str, Range | OneOf] = {
    "dim": OneOf((16, 32, 64)),
    "epochs": Range(3, 40, log=True, whole=True),
    "learning_rate": Range(5e-4, 1e-2, log=True),
    "weight_decay": Range(1e-4, 1, log=True),
    "dropout": Range(0.1, 0.7),
    "user_damping": Range(1, 30, log=True),
    "item_damping": Range(1, 30, log=True),
}
_KNN_RATINGS_SPACE: dict[str, Range | OneOf] = {
    "neighbours": Range(20, 2000, log=True, whole=True),
    "shrink": Range(0.1, 1000, log=True),
    "damping": Range(0.01, 10, log=True),
}
_FILTER_SPACE: dict[str, Range | OneOf] = {
    "components": Range(32, 1024, log=True, whole=True),
    "ideal": Range(0.05, 2, log=True),
    "power": Range(0, 2),
    "sharpen": Range(0, 1),
    "popularity": Range(0, 0.6),
}
_ALS_SPACE: dict[str, Range | OneOf] = {
    "dim": Range(32, 512, log=True, whole=True),
    "epochs": Range(5, 30, whole=True),
    "unobserved": Range(0.005, 1, log=True),
    "ridge": Range(0.0001, 0.03, log=True),
    "frequency": Range(0, 1),
}
_BPR_SPACE: dict[str, Range | OneOf] = {
    "dim": Range(16, 256, log=True, whole=True),
    "epochs": Range(20, 300, log=True, whole=True),
    "learning_rate": Range(0.005, 0.2, log=True),
    "ridge": Range(0.0005, 0.1, log=True),
}
_LIGHTGCN_SPACE: dict[str, Range | OneOf] = {
    "epochs": Range(20, 200, log=True, whole=True),
    "layers": Range(1, 4, whole=True),
    "learning_rate": Range(0.003, 0.1, log=True),
    "temperature": Range(0.05, 0.3, log=True),
    "user_weight": Range(0, 1),
}
_MF_SPACE: dict[str, Range | OneOf] = {
    "dim": Range(8, 256, log=True, whole=True),
    "epochs": Range(20, 150, log=True, whole=True),
    "learning_rate": Range(0.002, 0.03, log=True),
    "ridge": Range(0.02, 0.3, log=True),
    "bias_ridge": Range(0.001, 0.3, log=True),
}
_LISTED = (
    UserMethod("popularity", "the items that most users have", _RANKING, _popularity),
    UserMethod(
        "recent-popularity",
        "the same, recent edges counting more",
        _RANKING,
        _recent_popularity,
        space={"half_life": Range(0.001, 1, log=True)},
    ),
    UserMethod("content", "TF-IDF cosine with the mean of the user's items", _RANKING, _content),
    UserMethod(
        "item-knn",
        "items like those the user has, shrunk cosine",
        _RANKING,
        _item_knn,
        space={**_KNN_SPACE, "length_power": Range(0, 1)},
    ),
    UserMethod("user-knn", "what users like this one have, shrunk cosine", _RANKING, _user_knn, space=_KNN_SPACE),
    UserMethod(
        "ease",
        "a weight between each two items, in closed form",
        _RANKING,
        _made("linear.ease", "EaseScorer"),
        space={"l2": Range(1, 5000, log=True)},
        load=_read("linear.ease", "EaseScorer"),
    ),
    UserMethod(
        "graph-filter",
        "filters of the user-item graph, without training (GF-CF, BSPM)",
        _RANKING,
        _made("linear.graph_filter", "GraphFilter"),
        space=_FILTER_SPACE,
        load=_read("linear.graph_filter", "GraphFilter"),
    ),
    UserMethod(
        "als",
        "implicit matrix factorisation by least squares",
        _RANKING,
        _made("factors.als", "AlsScorer"),
        space=_ALS_SPACE,
        load=_read("factors.als", "AlsScorer"),
    ),
    UserMethod(
        "bpr",
        "matrix factorisation by Bayesian personalised ranking",
        _RANKING,
        _made("factors.bpr", "BprScorer"),
        space=_BPR_SPACE,
        load=_read("factors.bpr", "BprScorer"),
    ),
    UserMethod(
        "lightgcn",
        "LightGCN: averages along the user-item graph, trained by a softmax",
        _RANKING,
        _lightgcn,
        space=_LIGHTGCN_SPACE,
        load=_read("lightgcn.scorer", "LightGcnScorer"),
    ),
    UserMethod(
        "markov",
        "what comes right after the user's last item, smoothed",
        _RANKING,
        _made("user_baselines.sequential", "MarkovChain"),
        space={"smoothing": Range(0.01, 100, log=True)},
    ),
    UserMethod(
        "session-knn",
        "items like the user's latest ones",
        _RANKING,
        _made("user_baselines.sequential", "SessionKnn"),
        space={**_KNN_SPACE, "recent": Range(1, 50, log=True, whole=True), "decay": Range(0.3, 1.0)},
    ),
    UserMethod(
        "sasrec",
        "self-attention over the user's latest items",
        _RANKING,
        _sasrec,
        space=_SASREC_SPACE,
        load=_read("sasrec.ranker", "SasrecRanker"),
    ),
    UserMethod(
        "dgsr",
        "attention over the graph of who took up what before",
        _RANKING,
        _dgsr,
        space={**_SASREC_SPACE, "users": Range(5, 50, log=True, whole=True)},
        load=_read("dgsr.ranker", "DgsrRanker"),
    ),
    UserMethod("bias", "mean rating plus damped biases of user and item", _RATING, _bias, space=_BIAS_SPACE),
    UserMethod(
        "item-knn-ratings",
        "biases, and what similar items of the user add",
        _RATING,
        _item_knn_ratings,
        space=_KNN_RATINGS_SPACE,
    ),
    UserMethod(
        "user-knn-ratings",
        "biases, and what similar users add",
        _RATING,
        _user_knn_ratings,
        space=_KNN_RATINGS_SPACE,
    ),
    UserMethod(
        "mf",
        "factorised ratings with biases",
        _RATING,
        _made("factors.ratings", "BiasedMf"),
        space=_MF_SPACE,
        load=_read("factors.ratings", "BiasedMf"),
    ),
    UserMethod("svdpp", "SVD++", _RATING, _svdpp, space=_SVDPP_SPACE, load=_load_svdpp),
    UserMethod(
        "trustsvd",
        "SVD++ and whom the user follows",
        _RATING,
        _trustsvd,
        space=_TRUSTSVD_SPACE,
        load=_load_trustsvd,
    ),
    UserMethod(
        "graphrec",
        "GraphRec: what the user and their friends rated",
        _RATING,
        _graphrec,
        space=_GRAPHREC_SPACE,
        load=_load_graphrec,
    ),
    UserMethod("gcmc", "GC-MC, ratings alone", _RATING, _gcmc, {"features": False}, "gcmc", _GCMC_SPACE, _load_gcmc),
    UserMethod(
        "gcmc-features",
        "GC-MC with fields and follows",
        _RATING,
        _gcmc,
        {"features": True},
        "gcmc",
        _GCMC_SPACE,
        _load_gcmc,
    ),
    UserMethod(
        "rank-fusion",
        "several rankings as one, by reciprocal rank",
        _RANKING,
        _rank_fusion,
        load=_load_ensemble("rank-fusion"),
    ),
    UserMethod(
        "learned-fusion",
        "several methods' scores, weighed on held-out items",
        _RANKING,
        _learned_fusion,
        load=_load_ensemble("learned-fusion"),
    ),
    UserMethod(
        "stacking",
        "several methods' predicted ratings, weighed on held-out ones",
        _RATING,
        _stacking,
        load=_load_ensemble("stacking"),
    ),
)
USER_METHODS: dict[str, UserMethod] = {method.name: method for method in _LISTED}
