"""The baselines give known answers, and the blend stays right where an item has no edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.features.contexts import saved_in
from engine.graph.snapshot_columns import field_column, node_table
from engine.graph.snapshot_csr import relation
from engine.models.base import ItemScorer, RelatedData, RelatedPairs
from engine.models.blend.plain import WalksContentScorer
from engine.models.blend.scorer import FALLBACK, BlendScorer
from engine.models.blend.weights import BlendWeights
from engine.models.content import ContentScorer
from engine.models.item_knn import ItemKnnScorer
from engine.models.popularity import PopularityScorer
from engine.models.ranking import mean_reciprocal_rank
from engine.models.walks import WalkScorer, walk_probabilities, walk_reach
from engine.types import FloatArray, IndexArray, ItemContextGraph

BASELINES = [PopularityScorer, ContentScorer, ItemKnnScorer, WalkScorer]


def data_of(
    edges: list[tuple[int, int]],
    num_items: int,
    fields: dict[str, tuple[Any, Any]] | None = None,
    board_titles: list[str] | None = None,
    **more: Any,
) -> RelatedData:
    """Items i0, i1, ... and (board, item) edges. Row numbers are as `node_table` sorts them: use `rows`."""
    columns = {name: field_column(kind, values, name=name) for name, (kind, values) in (fields or {}).items()}
    items, rank = node_table([f"i{n}" for n in range(num_items)], fields=columns)
    boards = 1 + max((board for board, _ in edges), default=0)
    titles = {} if board_titles is None else {"title": field_column("text", board_titles, name="title")}
    contexts, board_rank = node_table([f"b{n}" for n in range(boards)], fields=titles)
    source = board_rank[[board for board, _ in edges]] if edges else np.empty(0, np.int32)
    target = rank[[item for _, item in edges]] if edges else np.empty(0, np.int32)
    saves = relation(boards, num_items, source, target)
    graph = ItemContextGraph(saves.backward, saves.forward, items.key, contexts.key)
    return RelatedData(graph=graph, items=items, contexts=contexts if titles else None, **more)


def rows(data: RelatedData, *numbers: int) -> IndexArray:
    return data.items.index_of([f"i{n}" for n in numbers])


def scored(scorer: ItemScorer, data: RelatedData, query: int) -> list[float]:
    """Scores in the order i0, i1, ..."""
    scorer.fit(data)
    found = scorer.score(rows(data, query))[0]
    return [float(found[row]) for row in rows(data, *range(data.num_items))]


def test_popularity_counts_boards_once_each():
    data = data_of([(0, 0), (0, 0), (1, 0), (1, 1)], 3)
    assert scored(PopularityScorer(), data, 2) == [2, 1, 0]


def test_item_knn_is_the_cosine_of_board_sets():
    data = data_of([(0, 0), (1, 0), (1, 1), (2, 1), (3, 2)], 4)
    assert scored(ItemKnnScorer(), data, 0) == pytest.approx([1, 0.5, 0, 0])


def test_content_is_the_cosine_of_tokens_and_vectors():
    tags = {"tags": ("categorical", ["a|b", "a", "c", None])}
    found = scored(ContentScorer(), data_of([], 4, tags), 0)
    assert found[0] == pytest.approx(1)
    assert 0 < found[1] < 1
    assert found[2:] == [0, 0]
    vectors = {"look": ("vector", [[1.0, 0], [0, 2.0], [3.0, 0], [np.nan, 1]])}
    assert scored(ContentScorer(), data_of([], 4, vectors), 0) == pytest.approx([1, 0, 1, 0])


def test_content_reads_the_titles_of_an_items_boards():
    data = data_of([(0, 0), (1, 1), (2, 2)], 3, board_titles=["red hats", "hats", "boats"])
    found = scored(ContentScorer(), data, 0)
    assert found[1] > 0 == found[2]


def test_content_without_any_fields_says_nothing():
    assert scored(ContentScorer(), data_of([(0, 0), (0, 1)], 2), 0) == [0, 0]


def test_walk_probabilities_are_the_matrix_power():
    random = np.random.default_rng(0)
    edges = sorted(
        {(int(b), int(i)) for b, i in zip(random.integers(0, 9, 60), random.integers(0, 19, 60), strict=True)}
    )
    data = data_of(edges, 20)
    incidence = saved_in(data.graph).toarray()
    to_board = incidence / np.maximum(incidence.sum(1, keepdims=True), 1)
    to_item = (incidence / np.maximum(incidence.sum(0, keepdims=True), 1)).T
    step = to_board @ to_item
    queries = np.arange(20, dtype=np.int32)
    for steps in (1, 2, 3):
        power = np.linalg.matrix_power(step, steps)
        assert walk_probabilities(data.graph, queries, steps) == pytest.approx(power, abs=1e-6)


def test_walks_count_parallel_edges_as_they_stand():
    data = data_of([(0, 0), (0, 1), (0, 1), (0, 2)], 3)
    scorer = WalkScorer()
    assert scored(scorer, data, 0) == pytest.approx([0.25, 0.5, 0.25])
    assert scorer.report() == {"steps": 2}


def test_a_walk_from_an_item_without_edges_goes_nowhere():
    assert scored(WalkScorer(), data_of([(0, 0), (0, 1)], 3), 2) == [0, 0, 0]


@pytest.mark.parametrize("kind", BASELINES)
def test_a_batch_equals_single_queries(kind: type):
    random = np.random.default_rng(1)
    edges = [(int(b), int(i)) for b, i in zip(random.integers(0, 6, 40), random.integers(0, 12, 40), strict=True)]
    data = data_of(edges, 12, {"tags": ("categorical", [f"t{n % 3}" for n in range(12)])})
    scorer = kind()
    scorer.fit(data)
    together = scorer.score(np.arange(12, dtype=np.int32))
    assert together.shape == (12, 12)
    assert np.isfinite(together).all()
    for query in range(12):
        assert scorer.score(np.array([query], np.int32))[0] == pytest.approx(together[query])


class Fixed:
    """A part whose scores are given."""

    name = "fixed"

    def __init__(self, scores: FloatArray) -> None:
        self.scores = scores.astype(np.float32)

    def fit(self, data: RelatedData) -> None: ...

    def score(self, queries: IndexArray) -> FloatArray:
        return self.scores[queries]

    def report(self) -> dict[str, Any]:
        return {}


def blended_world() -> tuple[RelatedData, tuple[Fixed, Fixed, Fixed], RelatedPairs, RelatedPairs]:
    """400 items, the last 80 without edges; each part knows some truth, and walks nothing of the last 80."""
    random = np.random.default_rng(0)
    n, warm_items = 400, 320
    answer = np.concatenate([random.integers(0, warm_items, 600), random.integers(warm_items, n, 1200)])
    query = random.integers(0, warm_items, 1800)
    query = np.where(query == answer, (query + 1) % warm_items, query)
    truth = np.zeros((n, n), np.float32)
    truth[query, answer] = 1
    embedding = 1.5 * truth + random.normal(size=(n, n))
    content = 1.0 * truth + random.normal(size=(n, n))
    walk = np.exp(2.0 * truth + random.normal(size=(n, n))) / 1000
    walk[:, warm_items:] = 0
    base = data_of([(0, 0), (0, 1)], n)
    linked = relation(1, n, np.zeros(warm_items, np.int32), np.arange(warm_items, dtype=np.int32))
    graph = ItemContextGraph(linked.backward, linked.forward, base.items.key, np.zeros(1, np.uint64))
    q, a = query.astype(np.int32), answer.astype(np.int32)
    data = RelatedData(graph, base.items, RelatedPairs(q[:300], a[:300]), RelatedPairs(q[600:1200], a[600:1200]))
    return (
        data,
        (Fixed(embedding), Fixed(walk), Fixed(content)),
        RelatedPairs(q[300:600], a[300:600]),
        RelatedPairs(q[1200:], a[1200:]),
    )


def test_the_blend_is_at_least_as_good_as_each_part_warm_and_cold():
    data, parts, warm, cold = blended_world()
    blend = BlendScorer(*parts)
    blend.fit(data)
    for learned, fresh in ((data.validation, warm), (data.validation_cold, cold)):
        best = max(mean_reciprocal_rank(part.score, learned) for part in parts)
        assert mean_reciprocal_rank(blend.score, learned) >= best
        best = max(mean_reciprocal_rank(part.score, fresh) for part in parts)
        assert mean_reciprocal_rank(blend.score, fresh) >= 0.85 * best  # another sample of a few hundred pairs
    best = max(mean_reciprocal_rank(part.score, warm) for part in parts)
    assert mean_reciprocal_rank(blend.score, warm) > 1.1 * best


def test_cold_pairs_that_no_part_can_answer_cost_the_others_little():
    data, parts, warm, _ = blended_world()
    for part in parts:
        part.scores[:, 320:] = -2.0 if part is not parts[1] else 0.0
    blend = BlendScorer(*parts)
    blend.fit(data)
    with_cold = mean_reciprocal_rank(blend.score, warm)
    blend.fit(RelatedData(data.graph, data.items, data.validation))
    assert with_cold > 0.9 * mean_reciprocal_rank(blend.score, warm)


def test_the_blend_works_without_cold_pairs_and_without_any_pairs():
    data, parts, warm, cold = blended_world()
    blend = BlendScorer(*parts)
    blend.fit(RelatedData(data.graph, data.items, data.validation))
    best = max(mean_reciprocal_rank(part.score, warm) for part in parts)
    assert mean_reciprocal_rank(blend.score, warm) >= best
    assert mean_reciprocal_rank(blend.score, cold) > 5 * mean_reciprocal_rank(parts[1].score, cold)
    untaught = BlendScorer(*parts)
    untaught.fit(RelatedData(data.graph, data.items))
    assert untaught.weights == FALLBACK


def test_the_blend_of_parts_that_say_nothing_still_answers():
    data, _, warm, _ = blended_world()
    nothing = Fixed(np.zeros((400, 400)))
    blend = BlendScorer(nothing, nothing, nothing)
    blend.fit(data)
    assert np.isfinite(blend.score(warm.query[:5])).all()


def test_blend_weights_survive_json():
    weights = BlendWeights(1.0, 0.5, 2.0, 1e-5, 0.7, 3.0, -2.0)
    assert BlendWeights.from_json(weights.to_json()) == weights


def test_the_plain_blend_picks_its_weight_on_validation():
    data, (_, walks, content), warm, _ = blended_world()
    plain = WalksContentScorer(walks, content)
    plain.fit(data)
    best = max(mean_reciprocal_rank(part.score, warm) for part in (walks, content))
    assert mean_reciprocal_rank(plain.score, warm) > best
    assert plain.report()["weight"] > 0


def test_a_walk_reaches_exactly_the_items_that_it_gives_a_probability():
    data = random_boards()
    whole = walk_probabilities(data.graph, np.arange(data.num_items, dtype=np.int32))
    for query in range(data.num_items):
        ends = np.zeros(data.num_items, np.float32)
        reached = walk_reach(data.graph, query, ends)
        np.testing.assert_array_equal(ends, whole[query])
        assert sorted(reached.tolist()) == np.flatnonzero(whole[query]).tolist()


def test_content_scores_a_few_items_as_it_scores_all():
    data = random_boards(fields={"title": ("text", [f"word{n % 3} word{n % 5}" for n in range(12)] + [None])})
    scorer = ContentScorer()
    scorer.fit(data)
    queries, some = rows(data, 0, 7, 12), rows(data, 12, 3, 0, 3, 9)
    np.testing.assert_allclose(scorer.score_rows(queries, some), scorer.score(queries)[:, some], atol=1e-6)
    assert scorer.score_rows(queries, some[:0]).shape == (3, 0)


def test_content_scores_a_few_items_by_their_vectors_too():
    drawn = np.random.default_rng(0).normal(size=(13, 4)).astype(np.float32)
    scorer = ContentScorer()
    scorer.fit(data := random_boards(fields={"look": ("vector", drawn)}))
    queries, some = rows(data, 0, 7), rows(data, 12, 3)
    np.testing.assert_allclose(scorer.score_rows(queries, some), scorer.score(queries)[:, some], atol=1e-6)


def random_boards(**more: Any) -> RelatedData:
    """13 items on 6 boards, some twice; the last is on none."""
    rng = np.random.default_rng(3)
    return data_of(
        [(int(b), int(i)) for b, i in zip(rng.integers(0, 6, 30), rng.integers(0, 12, 30), strict=True)], 13, **more
    )
