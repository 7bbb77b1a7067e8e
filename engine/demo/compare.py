"""Methods on the saves that were kept back. Knows scorers by their protocol; trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engine.models.base import RelatedData, RelatedPairs
from engine.models.ranking import stand_all
from engine.progress import progress
from engine.serving import layout
from engine.serving.blend import Blend
from engine.serving.view import View
from engine.types import FloatArray, IndexArray

Score = Callable[[IndexArray], FloatArray]
HITS = (10, 100)


def compare(view: View, pairs: Sequence[tuple[str, str]], seed: int) -> dict[str, dict[str, float]]:
    """Rank all items for each query and look where the answer stands.

    PinSage is judged by the very vectors that are served; the others see the same graph, which lacks the answers' edges.

    Args:
        view: the serving generation.
        pairs: (query, answer) item ids.
        seed: of methods that draw.

    Returns:
        Method -> "Hit@10", "Hit@100", "MRR" -> value.
    """
    ids = list(zip(*pairs, strict=True))
    rows = RelatedPairs(*(np.asarray(view.items.index_of(list(side)), dtype=np.int32) for side in ids))
    found: dict[str, dict[str, float]] = {}
    scores = _scores(view, seed)
    with progress("Comparing methods", total=len(scores) * len(rows)) as advance:
        for name, score in scores.items():
            standing = stand_all(score, rows, advance=advance)
            found[name] = {f"Hit@{k}": float(standing.hit(k).mean()) for k in HITS}
            found[name]["MRR"] = float(standing.reciprocal_rank().mean())
    return found


def _scores(view: View, seed: int) -> dict[str, Score]:
    from engine.models.content import ContentScorer
    from engine.models.popularity import PopularityScorer
    from engine.models.walks import WalkScorer

    vectors = np.asarray(view.vectors)
    plain = {scorer.name: scorer for scorer in (WalkScorer(), ContentScorer(), PopularityScorer())}
    for scorer in plain.values():
        scorer.fit(RelatedData(view.graph, view.items, contexts=view.contexts, seed=seed))
    walks, content = plain["walks"], plain["content"]
    scores: dict[str, Score] = {"pinsage": lambda queries: vectors[queries] @ vectors.T}
    learned = view.folder / layout.BLEND
    if learned.is_dir():
        blend, linked = Blend.load(learned), view.graph.item_to_context.degrees() > 0
        bias = blend.bias_of(len(vectors))

        def blended(queries: IndexArray) -> FloatArray:
            likeness = np.asarray(blend.scale * (vectors[queries] @ vectors.T) + bias, dtype=np.float32)
            both = linked[queries][:, None] & linked[None]
            return blend.weights.combine(likeness, walks.score(queries), content.score(queries), both)

        scores["blend"] = blended
    return scores | {name: scorer.score for name, scorer in plain.items()}
