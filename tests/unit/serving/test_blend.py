"""The blend as it is served: what the blend of all items would answer, without scoring all items."""

from __future__ import annotations

import numpy as np
import pytest

from engine.models.base import RelatedData
from engine.models.blend.weights import BlendWeights
from engine.models.content import ContentScorer
from engine.models.walks import walk_probabilities
from engine.registry import Generation
from engine.serving.blend import Blend, BlendMethod
from engine.serving.filters import Matches
from engine.serving.kernels import most_met
from engine.serving.live import open_view
from engine.serving.query import Query, Scope, read_weights
from engine.serving.view import View

WEIGHTS = BlendWeights(1.0, 0.3, 0.7, 1e-5, 0.9, 0.8, -2.0)


@pytest.fixture(scope="module")
def view(published: Generation) -> View:
    return open_view(published)


def asked(view: View, weights: dict[str, float]) -> Query:
    shares = read_weights(weights)
    rows = np.array([view.item_row(item_id) for item_id in shares], np.int32)
    return Query(tuple(shares), rows, np.array(list(shares.values()), np.float32), view.vectors[rows])


def everything(view: View, blend: Blend, content: ContentScorer, query: Query) -> np.ndarray:
    """The blend of all items, float `[N]`."""
    linked = view.graph.item_to_context.degrees() > 0
    scores = blend.weights.combine(
        np.asarray(blend.scale * (query.vectors @ view.vectors.T) + blend.bias, np.float32),
        walk_probabilities(view.graph, query.rows),
        content.score(query.rows),
        linked[query.rows][:, None] & linked[None],
    )
    return query.weights @ scores


@pytest.mark.parametrize("weights", [{"jazz-7": 1.0}, {"lonely": 1.0}, {"jazz-1": 2.0, "rock-3": 1.0, "lonely": 0.5}])
@pytest.mark.parametrize("filtered", [False, True])
def test_the_best_of_all_items_come_first(view, weights, filtered):
    blend = Blend(WEIGHTS, 5.0, np.random.default_rng(1).normal(0, 0.3, len(view.items)).astype(np.float32), 0.0)
    content = ContentScorer()
    content.fit(RelatedData(view.graph, view.items, contexts=view.contexts))
    query, organic = asked(view, weights), view.corpus_number("organic")
    allowed = view.items.corpus == organic
    matches = None
    if filtered:
        allowed &= np.arange(len(view.items)) % 3 > 0
        matches = Matches(allowed.copy(), np.flatnonzero(allowed))
    excluded = frozenset([*query.rows.tolist(), view.item_row("jazz-9")])
    allowed[list(excluded)] = False
    scores = everything(view, blend, content, query)
    best = np.argsort(np.where(allowed, -scores, np.inf), kind="stable")[:10]
    found = BlendMethod(view, blend, content).search(query, Scope(organic, matches, excluded), 10)
    np.testing.assert_allclose(found.scores, scores[best], rtol=1e-5)
    assert set(found.rows.tolist()) == set(best.tolist())


@pytest.mark.parametrize("count", [1, 2, 5, 40, 400])
def test_the_rows_that_walks_end_at_most_are_found_with_all_that_tie(count):
    rng = np.random.default_rng(count)
    ends = rng.integers(0, 12, (2, 100)).astype(np.float32)
    weights = np.array([0.25, 0.75], np.float32)
    corpus, shut = rng.integers(0, 2, 100).astype(np.int16), rng.random(100) < 0.1
    reached = rng.permutation(100)[:80].astype(np.int32)
    rows, met = most_met(ends, weights, reached, corpus, 1, np.empty(0, bool), shut, count)
    open_to = [row for row in reached.tolist() if corpus[row] == 1 and not shut[row]]
    sums = {row: float(weights @ ends[:, row]) for row in open_to}
    least = sorted(sums.values(), reverse=True)[:count][-1]
    assert dict(zip(rows.tolist(), met.tolist(), strict=True)) == {
        r: s for r, s in sums.items() if s >= least and s > 0
    }
