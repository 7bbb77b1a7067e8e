"""An index that shares its graph with the ones before it stays right, whatever happens to the vectors."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import CorruptFileError, InputError
from engine.index import compaction
from engine.index.compaction import why_compact
from engine.index.exact import ExactIndex
from engine.index.hnsw import HnswConfig, HnswIndex
from engine.index.layered import FACTS, HIDDEN, HNSW, SEGMENT, LayeredIndex, hnsw_file
from engine.index.protocol import NO_LABEL, SearchIndex
from engine.index.recall import ann_recall

DIM = 16


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def unit_vectors(count: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, DIM)))


def moved(vectors: np.ndarray, rows: np.ndarray, cosine: float, seed: int = 0) -> np.ndarray:
    """A copy in which some rows are turned to a cosine with what they were."""
    moved = vectors.copy()
    aside = np.random.default_rng(seed).standard_normal((len(rows), DIM))
    aside -= (aside * vectors[rows]).sum(axis=1, keepdims=True) * vectors[rows]
    moved[rows] = unit(cosine * vectors[rows] + np.sqrt(1 - cosine**2) * unit(aside))
    return moved


def fresh(vectors: np.ndarray) -> LayeredIndex:
    return LayeredIndex.of(HnswIndex.build(vectors, np.arange(len(vectors))), vectors)


def truth(vectors: np.ndarray, live: np.ndarray) -> ExactIndex:
    rows = np.flatnonzero(live)
    return ExactIndex.build(vectors[rows], rows)


def everything(count: int) -> np.ndarray:
    return np.ones(count, bool)


def test_is_searched_as_any_index_is():
    assert isinstance(fresh(unit_vectors(3)), SearchIndex)


def test_without_a_change_it_answers_as_the_graph_does():
    vectors = unit_vectors(400)
    index = fresh(vectors)
    hits, plain = index.query(vectors[:30], 7), index.hnsw.query(vectors[:30], 7)
    np.testing.assert_array_equal(hits.labels, plain.labels)
    np.testing.assert_array_equal(hits.scores, plain.scores)


def test_scores_are_those_of_the_vectors_as_they_are_now():
    vectors = unit_vectors(300)
    rows = np.arange(0, 300, 3)
    now = moved(vectors, rows, 0.97)
    index = fresh(vectors).advance(now, everything(300), rows)
    assert not len(index.layers.segment)
    hits = index.query(now[:50], 5)
    np.testing.assert_allclose(hits.scores, np.take_along_axis(now[:50] @ now.T, hits.labels, axis=1), atol=1e-6)
    assert (hits.labels[:, 0] == np.arange(50)).all()


def test_a_vector_that_moved_far_is_found_where_it_is_now_and_nowhere_else():
    vectors = unit_vectors(300)
    now = moved(vectors, np.array([7]), -1.0)
    index = fresh(vectors).advance(now, everything(300), np.array([7]))
    assert (index.layers.hidden.tolist(), index.layers.segment.tolist()) == ([7], [7])
    assert index.query(now[7:8], 1).labels.tolist() == [[7]]
    assert 7 not in index.query(vectors[7:8], 100).labels
    back = index.advance(vectors, everything(300), np.array([7]))
    assert not len(back.layers.hidden)
    assert not len(back.layers.segment)


def test_a_vector_that_became_much_longer_or_shorter_is_found_by_its_length_now():
    vectors = unit_vectors(300) * np.linspace(0.1, 1, 300, dtype=np.float32)[:, None]
    now, rows = vectors.copy(), np.array([3, 200, 299])
    now[rows] *= np.array([[20], [1.2], [0.1]], np.float32)
    index = fresh(vectors).advance(now, everything(300), rows)
    assert index.layers.hidden.tolist() == index.layers.segment.tolist() == [3, 299]
    hits, exact = (
        index.query(unit_vectors(30, seed=1), 5),
        truth(now, everything(300)).query(unit_vectors(30, seed=1), 5),
    )
    np.testing.assert_array_equal(hits.labels, exact.labels)
    np.testing.assert_allclose(hits.scores, exact.scores, atol=1e-6)


def test_an_insert_is_searchable_at_once_and_a_removed_label_is_gone_at_once():
    vectors = unit_vectors(200)
    more = np.concatenate([vectors, unit_vectors(50, seed=1)])
    live = everything(250)
    live[:100] = False
    index = fresh(vectors).advance(more, live, np.arange(200, 250))
    assert len(index) == 150
    np.testing.assert_array_equal(index.query(more[100:], 1).labels[:, 0], np.arange(100, 250))
    assert (np.sort(index.query(more[:20], 150).labels, axis=1) == np.arange(100, 250)).all()
    again = index.advance(more, everything(250), np.empty(0, np.int64))
    assert (again.query(more[:100], 1).labels[:, 0] == np.arange(100)).all()


def test_as_many_as_were_asked_for_are_found_when_the_nearest_are_all_hidden():
    vectors = unit(unit_vectors(400) + np.repeat([[4.0], [-4.0]], 200, axis=0))
    live = everything(400)
    live[:200] = False
    index = fresh(vectors).advance(vectors, live, np.empty(0, np.int64))
    hits = index.query(vectors[:10], 20)
    assert (hits.labels >= 200).all()
    np.testing.assert_array_equal(hits.labels, truth(vectors, live).query(vectors[:10], 20).labels)


def test_fewer_than_asked_for_are_padded():
    vectors = unit_vectors(12)
    live = everything(12)
    live[3:] = False
    hits = fresh(vectors).advance(vectors, live, np.empty(0, np.int64)).query(vectors[:2], 5)
    assert (np.sort(hits.labels[:, :3], axis=1) == np.arange(3)).all()
    assert (hits.labels[:, 3:] == NO_LABEL).all()
    assert np.isneginf(hits.scores[:, 3:]).all()


def test_it_equals_exact_search_where_everything_is_beside_the_graph():
    empty = np.empty((0, DIM), np.float32)
    vectors = unit_vectors(300)
    index = fresh(empty).advance(vectors, everything(300), np.arange(300))
    hits, exact = index.query(vectors, 9), ExactIndex.build(vectors, np.arange(300)).query(vectors, 9)
    np.testing.assert_array_equal(hits.labels, exact.labels)
    np.testing.assert_allclose(hits.scores, exact.scores, atol=1e-6)


def test_nothing_live_finds_nothing():
    vectors = unit_vectors(5)
    index = fresh(vectors).advance(vectors, np.zeros(5, bool), np.empty(0, np.int64))
    assert len(index) == 0
    assert (index.query(vectors, 2).labels == NO_LABEL).all()


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5))
def test_recall_holds_through_any_drifts_inserts_and_removals(steps):
    vectors = unit_vectors(500)
    live, index = everything(500), fresh(vectors)
    first = index
    for seed in steps:
        rng = np.random.default_rng(seed)
        rows = np.unique(rng.integers(0, len(vectors), rng.integers(0, 300)))
        vectors = moved(vectors, rows, float(rng.uniform(0.5, 1)), seed)
        added = int(rng.integers(0, 40))
        vectors = np.concatenate([vectors, unit_vectors(added, seed)])
        changed = np.concatenate([rows, np.arange(len(vectors) - added, len(vectors))])
        live = np.concatenate([live, everything(added)])
        live[rng.integers(0, len(live), 30)] ^= True
        index = index.advance(vectors, live, changed)
        assert len(index) == live.sum()
        queries = np.concatenate([vectors[rng.integers(0, len(vectors), 40)], unit_vectors(20, seed)])
        assert ann_recall(index, truth(vectors, live), queries, 10) >= 0.95
        assert live[index.query(queries, 10).labels].all()
    assert len(first) == 500
    assert first.hnsw is index.hnsw


def test_what_was_saved_answers_the_same_and_shares_the_graph(tmp_path):
    vectors = unit_vectors(300)
    now = moved(vectors, np.arange(40), 0.5)
    live = everything(300)
    live[250:] = False
    before = fresh(vectors)
    before.save(tmp_path / "before")
    index = before.advance(now, live, np.arange(40)).with_breadth(90)
    index.save(tmp_path / "after", tmp_path / "before" / HNSW)
    assert hnsw_file(tmp_path / "after").samefile(hnsw_file(tmp_path / "before"))
    alone = LayeredIndex.load(tmp_path / "after", now)
    sharing = LayeredIndex.load(tmp_path / "after", now, before.hnsw)
    for again in (alone, sharing):
        assert again.breadth == 90
        np.testing.assert_array_equal(again.query(now, 10).labels, index.query(now, 10).labels)
    rows = np.arange(300)
    np.testing.assert_array_equal(alone.advance(vectors, everything(300), rows).layers.segment, [])


def test_readers_beside_one_that_advances_see_whole_answers():
    vectors = unit_vectors(400)
    index, stop, wrong = fresh(vectors), threading.Event(), []
    current = [index]

    def read():
        while not stop.is_set():
            hits = current[0].query(vectors[:8], 10)
            if (hits.labels == NO_LABEL).any() or (np.diff(hits.scores, axis=1) > 0).any():
                wrong.append(hits)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for seed in range(30):
        rows = np.random.default_rng(seed).choice(400, 60, replace=False)
        vectors = moved(vectors, rows, 0.8, seed)
        current[0] = current[0].advance(vectors, everything(400), rows)
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong


@pytest.mark.parametrize("file", [FACTS, HIDDEN, SEGMENT, f"{HNSW}/index.bin"])
def test_a_missing_file_is_named(tmp_path, file):
    vectors = unit_vectors(20)
    fresh(vectors).save(tmp_path / "index")
    (tmp_path / "index" / file).unlink()
    with pytest.raises(CorruptFileError, match="index"):
        LayeredIndex.load(tmp_path / "index", vectors)


@pytest.mark.parametrize(
    ("name", "labels"), [(HIDDEN, np.array([3, 2])), (SEGMENT, np.array([20])), (SEGMENT, np.array([0.5]))]
)
def test_labels_that_do_not_fit_are_refused(tmp_path, name, labels):
    vectors = unit_vectors(20)
    fresh(vectors).save(tmp_path / "index")
    np.save(tmp_path / "index" / name, labels)
    with pytest.raises(CorruptFileError, match="label"):
        LayeredIndex.load(tmp_path / "index", vectors)


def test_an_unknown_format_and_another_width_are_refused(tmp_path):
    vectors = unit_vectors(20)
    fresh(vectors).save(tmp_path / "index")
    with pytest.raises(CorruptFileError, match="width is 16, not 3"):
        LayeredIndex.load(tmp_path / "index", vectors[:, :3])
    (tmp_path / "index" / FACTS).write_text(json.dumps({"format": 9}))
    with pytest.raises(CorruptFileError, match="format 9 is not 1"):
        LayeredIndex.load(tmp_path / "index", vectors)


def test_the_graph_tells_its_labels_and_vectors():
    vectors = unit_vectors(10)
    graph = HnswIndex.build(vectors, np.arange(10) * 2)
    graph.remove(np.array([4]))
    assert graph.labels().tolist() == [0, 2, 6, 8, 10, 12, 14, 16, 18]
    np.testing.assert_array_equal(graph.vectors_of(np.array([6, 0])), vectors[[3, 0]])
    with pytest.raises(InputError, match="not in the index"):
        graph.vectors_of(np.array([1]))


def test_it_is_built_anew_when_it_grew_past_a_limit(monkeypatch):
    monkeypatch.setattr(compaction, "SEGMENT_ROWS", 10)
    vectors = unit_vectors(100)
    index = LayeredIndex.of(HnswIndex.build(vectors, np.arange(100), HnswConfig(ef=20)), vectors)
    assert why_compact(index) is None
    assert "limit is 4 x" in str(why_compact(index.with_breadth(81)))
    more = unit_vectors(120)
    grown = index.advance(more, everything(120), np.arange(100, 120))
    assert "20 vectors lie beside the graph" in str(why_compact(grown))
    assert why_compact(grown, factor=2) is None
    dead = index.advance(vectors, np.arange(100) < 60, np.empty(0, np.int64))
    assert "40% of the graph is hidden" in str(why_compact(dead))
