"""The methods about users and items by name, what each can answer, and how it is made. Knows no data and no protocol."""

from __future__ import annotations

from engine.errors import UnknownNameError
from engine.models.user_method import Answers, OneOf, Range, Settings, Space, UserMethod, embedding, made, read

_GCMC_SPACE: Space = {
    "epochs": Range(100, 3000, log=True, whole=True),
    "dropout": Range(0.3, 0.8),
    "accumulation": OneOf(("stack", "sum")),
    "normalisation": OneOf(("left", "symmetric")),
    "bases": Range(1, 5, whole=True),
    "biases": OneOf((False, True)),
}
_RANKING: frozenset[Answers] = frozenset({"ranking"})
_RATING: frozenset[Answers] = frozenset({"rating"})
_NEXT: frozenset[Answers] = frozenset({"ranking", "next"})
_KNN_SPACE: Space = {
    "neighbours": Range(10, 1000, log=True, whole=True),
    "shrink": Range(0.1, 1000, log=True),
    "weighting": OneOf(("none", "tfidf", "degree")),
}
_BIAS_SPACE: Space = {
    "user_damping": Range(0.1, 50, log=True),
    "item_damping": Range(0.1, 50, log=True),
}
_SVDPP_SPACE: Space = {
    "dim": Range(10, 100, log=True, whole=True),
    "epochs": Range(10, 100, log=True, whole=True),
    "regularisation": Range(0.02, 1, log=True),
    "bias_regularisation": Range(0.005, 0.5, log=True),
}
_SASREC_SPACE: Space = {
    "dim": OneOf((32, 64, 128)),
    "temperature": Range(0.05, 0.4, log=True),
    "dropout": Range(0.1, 0.6),
    "learning_rate": Range(5e-4, 5e-3, log=True),
    "weight_decay": Range(0.03, 3, log=True),
}
_TRUSTSVD_SPACE: Space = {
    "dim": Range(5, 50, log=True, whole=True),
    "epochs": Range(10, 100, log=True, whole=True),
    "regularisation": Range(0.2, 10, log=True),
    "trust": Range(0.1, 1, log=True),
}
_GRAPHREC_SPACE: Space = {
    "dim": OneOf((16, 32, 64)),
    "epochs": Range(3, 40, log=True, whole=True),
    "learning_rate": Range(5e-4, 1e-2, log=True),
    "weight_decay": Range(1e-4, 1, log=True),
    "dropout": Range(0.1, 0.7),
    "user_damping": Range(1, 30, log=True),
    "item_damping": Range(1, 30, log=True),
}
_BAYES_SPACE: Space = {
    "dim": OneOf((8, 16, 32)),
    "noise": Range(0.75, 1),
    "friends": OneOf((False, True)),
}
_KNN_RATINGS_SPACE: Space = {
    "neighbours": Range(20, 2000, log=True, whole=True),
    "shrink": Range(0.1, 1000, log=True),
    "damping": Range(0.01, 10, log=True),
}
_FILTER_SPACE: Space = {
    "components": Range(32, 1024, log=True, whole=True),
    "ideal": Range(0.05, 2, log=True),
    "power": Range(0, 2),
    "sharpen": Range(0, 1),
    "popularity": Range(0, 0.6),
}
_ALS_SPACE: Space = {
    "dim": Range(32, 512, log=True, whole=True),
    "epochs": Range(5, 30, whole=True),
    "unobserved": Range(0.005, 1, log=True),
    "ridge": Range(0.0001, 0.03, log=True),
    "frequency": Range(0, 1),
}
_BPR_SPACE: Space = {
    "dim": Range(16, 256, log=True, whole=True),
    "epochs": Range(20, 300, log=True, whole=True),
    "learning_rate": Range(0.005, 0.2, log=True),
    "ridge": Range(0.0005, 0.1, log=True),
}
_LIGHTGCN_SPACE: Space = {
    "epochs": Range(20, 200, log=True, whole=True),
    "layers": Range(1, 4, whole=True),
    "learning_rate": Range(0.003, 0.1, log=True),
    "temperature": Range(0.05, 0.3, log=True),
    "user_weight": Range(0, 1),
}
_DIFFNET_SPACE: Space = {**_LIGHTGCN_SPACE, "layers": Range(1, 3, whole=True)}
_MF_SPACE: Space = {
    "dim": Range(8, 256, log=True, whole=True),
    "epochs": Range(20, 150, log=True, whole=True),
    "learning_rate": Range(0.002, 0.03, log=True),
    "ridge": Range(0.02, 0.3, log=True),
    "bias_ridge": Range(0.001, 0.3, log=True),
}


def _method(
    name: str,
    about: str,
    answers: frozenset[Answers],
    kind: str,
    space: Space | None = None,
    *,
    kept: bool = False,
    vectors: bool = False,
    social: bool = False,
    settings: Settings | None = None,
    family: str = "",
) -> UserMethod:
    """A method that is a class of `engine.models`, named as "module:Class"; `kept` where it can be written down and read,
    `vectors` where it answers by vectors, and can; `social` where it reads whom users follow."""
    load = read(kind) if kept or vectors else None
    embedder = embedding(kind) if vectors else None
    return UserMethod(name, about, answers, made(kind), settings, family, space or {}, load, embedder, social)


_BASELINES = (
    _method("popularity", "the items that most users have", _RANKING, "user_baselines.popularity:UserPopularity"),
    _method(
        "recent-popularity",
        "the same, recent edges counting more",
        _RANKING,
        "user_baselines.popularity:RecentPopularity",
        {"half_life": Range(0.001, 1, log=True)},
    ),
    _method(
        "content", "TF-IDF cosine with the mean of the user's items", _RANKING, "user_baselines.content:UserContent"
    ),
    _method(
        "item-knn",
        "items like those the user has, shrunk cosine",
        _RANKING,
        "user_baselines.neighbours:UserItemKnn",
        {**_KNN_SPACE, "length_power": Range(0, 1)},
    ),
    _method(
        "user-knn",
        "what users like this one have, shrunk cosine",
        _RANKING,
        "user_baselines.neighbours:UserKnn",
        _KNN_SPACE,
    ),
)
_COLLABORATIVE = (
    _method(
        "ease",
        "a weight between each two items, in closed form",
        _RANKING,
        "linear.ease:EaseScorer",
        {"l2": Range(1, 5000, log=True)},
        kept=True,
    ),
    _method(
        "graph-filter",
        "filters of the user-item graph, without training (GF-CF, BSPM)",
        _RANKING,
        "linear.graph_filter:GraphFilter",
        _FILTER_SPACE,
        kept=True,
    ),
    _method(
        "als",
        "implicit matrix factorisation by least squares",
        _RANKING,
        "factors.als:AlsScorer",
        _ALS_SPACE,
        vectors=True,
    ),
    _method(
        "bpr",
        "matrix factorisation by Bayesian personalised ranking",
        _RANKING,
        "factors.bpr:BprScorer",
        _BPR_SPACE,
        vectors=True,
    ),
    _method(
        "lightgcn",
        "LightGCN: averages along the user-item graph, trained by a softmax",
        _RANKING,
        "lightgcn.scorer:LightGcnScorer",
        _LIGHTGCN_SPACE,
        vectors=True,
    ),
    _method(
        "diffnet",
        "DiffNet++: interests along the user-item graph, and the influence of a user's friends",
        _RANKING,
        "diffnet.scorer:DiffnetScorer",
        _DIFFNET_SPACE,
        vectors=True,
        social=True,
    ),
)
_SEQUENTIAL = (
    _method(
        "markov",
        "what comes right after the user's last item, smoothed",
        _NEXT,
        "user_baselines.sequential:MarkovChain",
        {"smoothing": Range(0.01, 100, log=True)},
    ),
    _method(
        "session-knn",
        "items like the user's latest ones",
        _NEXT,
        "user_baselines.sequential:SessionKnn",
        {**_KNN_SPACE, "recent": Range(1, 50, log=True, whole=True), "decay": Range(0.3, 1.0)},
    ),
    _method(
        "sasrec",
        "self-attention over the user's latest items",
        _NEXT,
        "sasrec.ranker:SasrecRanker",
        _SASREC_SPACE,
        kept=True,
    ),
    _method(
        "dgsr",
        "attention over the graph of who took up what before",
        _NEXT,
        "dgsr.ranker:DgsrRanker",
        {**_SASREC_SPACE, "users": Range(5, 50, log=True, whole=True)},
        kept=True,
    ),
)
_RATINGS = (
    _method(
        "bias",
        "mean rating plus damped biases of user and item",
        _RATING,
        "user_baselines.bias:DampedBias",
        _BIAS_SPACE,
    ),
    _method(
        "item-knn-ratings",
        "biases, and what similar items of the user add",
        _RATING,
        "user_baselines.rating_neighbours:ItemKnnRatings",
        _KNN_RATINGS_SPACE,
    ),
    _method(
        "user-knn-ratings",
        "biases, and what similar users add",
        _RATING,
        "user_baselines.rating_neighbours:UserKnnRatings",
        _KNN_RATINGS_SPACE,
    ),
    _method("mf", "factorised ratings with biases", _RATING, "factors.ratings:BiasedMf", _MF_SPACE, kept=True),
    _method("svdpp", "SVD++", _RATING, "svdpp.predictor:SvdppPredictor", _SVDPP_SPACE, kept=True),
    _method(
        "bayes",
        "SVD++ from both ends, sampled from its posterior instead of fitted",
        _RATING,
        "bayes.predictor:BayesPredictor",
        _BAYES_SPACE,
        kept=True,
    ),
    _method(
        "trustsvd",
        "SVD++ and the user's friends",
        _RATING,
        "trustsvd.predictor:TrustsvdPredictor",
        _TRUSTSVD_SPACE,
        kept=True,
        social=True,
    ),
    _method(
        "graphrec",
        "GraphRec: what the user and their friends rated",
        _RATING,
        "graphrec.predictor:GraphrecPredictor",
        _GRAPHREC_SPACE,
        kept=True,
        social=True,
    ),
    _method(
        "gcmc",
        "GC-MC, ratings alone",
        _RATING,
        "gcmc.predictor:GcmcPredictor",
        _GCMC_SPACE,
        kept=True,
        settings={"features": False},
        family="gcmc",
    ),
    _method(
        "gcmc-features",
        "GC-MC with fields and follows",
        _RATING,
        "gcmc.predictor:GcmcPredictor",
        _GCMC_SPACE,
        kept=True,
        settings={"features": True},
        family="gcmc",
    ),
)
_ENSEMBLES = (
    _method(
        "rank-fusion",
        "several rankings as one, by reciprocal rank",
        _RANKING,
        "ensemble.ranking:RankFusion",
        kept=True,
    ),
    _method(
        "learned-fusion",
        "several methods' scores, weighed on held-out items",
        _RANKING,
        "ensemble.ranking:LearnedFusion",
        kept=True,
    ),
    _method(
        "stacking",
        "several methods' predicted ratings, weighed on held-out ones",
        _RATING,
        "ensemble.rating:Stacking",
        kept=True,
    ),
)
USER_METHODS: dict[str, UserMethod] = {
    method.name: method for method in (*_BASELINES, *_COLLABORATIVE, *_SEQUENTIAL, *_RATINGS, *_ENSEMBLES)
}


def find_user_method(name: str) -> UserMethod:
    """Look a method up.

    Raises:
        UnknownNameError: there is no such method; lists those there are.
    """
    if name not in USER_METHODS:
        raise UnknownNameError(f"there is no method {name!r}", hint=f"Methods: {', '.join(USER_METHODS)}.")
    return USER_METHODS[name]
