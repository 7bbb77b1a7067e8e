"""One suite of promises over every vector index, and what HNSW promises beyond it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from engine.errors import CorruptFileError, InputError
from engine.index.exact import ExactIndex
from engine.index.hnsw import HnswConfig, HnswIndex
from engine.index.protocol import NO_LABEL, VectorIndex
from engine.index.recall import ann_recall, asked_of, tune

KINDS: list[type[HnswIndex] | type[ExactIndex]] = [HnswIndex, ExactIndex]


def unit_vectors(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    raw = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", KINDS)
class TestVectorIndex:
    def test_obeys_the_protocol(self, kind):
        assert isinstance(kind.build(unit_vectors(3), np.arange(3)), VectorIndex)

    def test_finds_the_known_answer_with_the_cosine_as_score(self, kind):
        vectors = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
        index = kind.build(vectors, np.array([10, 20, 30, 40]))
        hits = index.query(np.array([[1, 0]], np.float32), 4)
        assert hits.labels.tolist() == [[10, 20, 30, 40]]
        np.testing.assert_allclose(hits.scores, [[1, 0.6, 0, -1]], atol=1e-6)

    def test_a_batch_answers_as_its_single_queries_do(self, kind):
        index = kind.build(unit_vectors(300), np.arange(300))
        queries = unit_vectors(40, seed=1)
        batch = index.query(queries, 7)
        for row, query in enumerate(queries):
            np.testing.assert_array_equal(index.query(query[None], 7).labels[0], batch.labels[row])

    def test_fewer_than_k_is_padded_and_never_an_error(self, kind):
        index = kind.build(unit_vectors(5), np.arange(5))
        hits = index.query(unit_vectors(3, seed=1), 9)
        assert hits.labels.shape == hits.scores.shape == (3, 9)
        assert (np.sort(hits.labels[:, :5], axis=1) == np.arange(5)).all()
        assert (hits.labels[:, 5:] == NO_LABEL).all()
        assert np.isneginf(hits.scores[:, 5:]).all()

    def test_an_empty_index_finds_nothing(self, kind):
        index = kind.build(np.empty((0, 4), np.float32), np.empty(0, np.int64))
        assert len(index) == 0
        assert (index.query(unit_vectors(2, 4), 3).labels == NO_LABEL).all()

    def test_added_vectors_are_found_and_a_known_label_is_replaced(self, kind):
        index = kind.build(unit_vectors(50), np.arange(50))
        fresh = unit_vectors(60, seed=2)
        index.add(fresh, np.arange(20, 80))
        assert len(index) == 80
        np.testing.assert_array_equal(index.query(fresh, 1).labels[:, 0], np.arange(20, 80))

    def test_removed_labels_leave_the_answers_and_may_come_back(self, kind):
        vectors = unit_vectors(50)
        index = kind.build(vectors, np.arange(50))
        index.remove(np.arange(0, 50, 2))
        assert len(index) == 25
        assert (index.query(vectors, 25).labels % 2 == 1).all()
        index.add(vectors[:1], np.array([0]))
        assert index.query(vectors[:1], 1).labels.tolist() == [[0]]
        index.remove(np.array([0, *range(1, 50, 2)]))
        assert len(index) == 0
        assert (index.query(vectors, 2).labels == NO_LABEL).all()

    def test_removing_an_unknown_label_removes_nothing(self, kind):
        index = kind.build(unit_vectors(5), np.arange(5))
        with pytest.raises(InputError, match="label 77 is not in the index"):
            index.remove(np.array([1, 77]))
        assert len(index) == 5

    @pytest.mark.parametrize(
        ("vectors", "labels", "message"),
        [
            (unit_vectors(2, 3), np.arange(2), r"not \[n, 16\]"),
            (np.full((1, 16), np.nan, np.float32), np.arange(1), "row 0 .* not finite"),
            (unit_vectors(2), np.array([4, 4]), "label 4 is given twice"),
            (unit_vectors(2), np.array([4, -4]), "label -4 is below 0"),
            (unit_vectors(2), np.arange(3), "2 vectors came with labels"),
        ],
    )
    def test_wrong_vectors_and_labels_are_refused(self, kind, vectors, labels, message):
        index = kind.build(unit_vectors(5), np.arange(5))
        with pytest.raises(InputError, match=message):
            index.add(vectors, labels)
        assert len(index) == 5

    @pytest.mark.parametrize("k", [0, -1, 1.5, True])
    def test_a_k_that_is_no_count_is_refused(self, kind, k):
        with pytest.raises(InputError, match="k must be"):
            kind.build(unit_vectors(5), np.arange(5)).query(unit_vectors(1), k)

    def test_what_was_saved_answers_the_same(self, kind, tmp_path):
        index = kind.build(unit_vectors(200), np.arange(200) * 3)
        index.remove(np.array([3, 6]))
        index.save(tmp_path / "index")
        again = kind.load(tmp_path / "index")
        queries = unit_vectors(30, seed=3)
        np.testing.assert_array_equal(index.query(queries, 10).labels, again.query(queries, 10).labels)
        assert len(again) == len(index) == 198
        again.add(queries[:1], np.array([3]))
        assert len(again) == 199

    @pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "manifest", "format"])
    def test_a_damaged_file_is_named(self, kind, tmp_path, damage):
        path = tmp_path / "index"
        kind.build(unit_vectors(50), np.arange(50)).save(path)
        file = max((p for p in path.iterdir() if p.suffix != ".json"), key=lambda p: p.stat().st_size)
        content = bytearray(file.read_bytes())
        if damage == "flip":
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
        elif damage == "truncate":
            file.write_bytes(content[:-7])
        elif damage == "delete":
            file.unlink()
        elif damage == "manifest":
            (path / "manifest.json").write_text("{")
        else:
            facts = json.loads((path / "manifest.json").read_text())
            (path / "manifest.json").write_text(json.dumps({**facts, "format": 99}))
        with pytest.raises(CorruptFileError, match=str(path)):
            kind.load(path)

    def test_queries_run_safely_while_vectors_come_and_go(self, kind):
        vectors = unit_vectors(4000)
        index = kind.build(vectors[:1000], np.arange(1000))
        faults: list[BaseException] = []
        done = threading.Event()

        def read() -> None:
            try:
                while not done.is_set():
                    hits = index.query(vectors[:8], 5)
                    assert (hits.labels[:, 0] == np.arange(8)).all()
            except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
                faults.append(error)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for start in range(1000, 4000, 250):
            index.add(vectors[start : start + 250], np.arange(start, start + 250))
            index.remove(np.arange(start, start + 50))
        done.set()
        for reader in readers:
            reader.join()
        assert not faults
        assert len(index) == 4000 - 12 * 50


def test_exact_orders_equal_scores_by_label():
    vectors = np.tile(np.array([[1, 0]], np.float32), (6, 1))
    index = ExactIndex.build(vectors, np.array([5, 3, 9, 1, 7, 2]))
    assert index.query(vectors[:1], 3).labels.tolist() == [[1, 2, 3]]


def test_exact_does_not_depend_on_its_blocks(monkeypatch):
    index = ExactIndex.build(unit_vectors(100), np.arange(100))
    whole = index.query(unit_vectors(30, seed=1), 5)
    monkeypatch.setattr("engine.index.exact._BLOCK_SCORES", 250)
    np.testing.assert_array_equal(whole.labels, index.query(unit_vectors(30, seed=1), 5).labels)


def test_hnsw_reaches_the_wanted_recall_by_raising_ef_and_keeps_it(tmp_path):
    vectors = unit_vectors(3000, dim=48)
    labels = np.arange(3000)
    index = HnswIndex.build(vectors, labels, HnswConfig(m=6, ef_construction=20, ef=10))
    exact = ExactIndex.build(vectors, labels)
    before = ann_recall(index, exact, vectors[:200], 10)
    reached = tune(index, exact, vectors[:200], 10, 0.95)
    assert before < 0.9 <= 0.95 <= reached
    assert index.config.ef > 10
    index.save(tmp_path / "index")
    again = HnswIndex.load(tmp_path / "index")
    assert again.config == index.config
    assert ann_recall(again, exact, vectors[:200], 10) == reached


def test_a_broader_query_finds_more_without_touching_the_other_readers_ef():
    vectors = unit_vectors(3000, dim=48)
    index = HnswIndex.build(vectors, np.arange(3000), HnswConfig(m=4, ef_construction=10, ef=10))
    exact = ExactIndex.build(vectors, np.arange(3000)).query(vectors[:200], 10).labels
    shared = [
        np.mean([len(set(a) & set(b)) for a, b in zip(index.query(vectors[:200], 10, ef).labels, exact, strict=True)])
        for ef in (None, 500, None)
    ]
    assert shared[1] > shared[0] + 1
    assert shared[0] == shared[2]


def test_inner_products_of_vectors_of_varied_lengths_are_found():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, 16))
    queries = (centres[rng.integers(0, 20, 200)] + 0.7 * rng.standard_normal((200, 16))).astype(np.float32)
    for short in (0.0, 0.9):
        spread = centres[rng.integers(0, 20, 5000)] + 0.7 * rng.standard_normal((5000, 16))
        lengths = rng.pareto(2, (5000, 1)) * np.where(rng.random((5000, 1)) < short, 1e-4, 1)
        vectors = (spread * lengths).astype(np.float32)
        index, exact = HnswIndex.build(vectors, np.arange(5000)), ExactIndex.build(vectors, np.arange(5000))
        assert ann_recall(index, exact, asked_of(queries, vectors), 10) >= 0.97
        hits = index.query(queries, 5)
        own = np.take_along_axis(queries @ vectors.T, hits.labels, axis=1)
        np.testing.assert_allclose(hits.scores, own, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("ef", "asked"), [(200, None), (10, 200), (500, 5)])
def test_a_search_as_broad_as_the_index_is_exact_and_sees_later_changes(ef, asked):
    vectors = unit_vectors(200, dim=48)
    index = HnswIndex.build(vectors, np.arange(200), HnswConfig(m=2, ef_construction=3, ef=ef))
    exact = ExactIndex.build(vectors, np.arange(200))
    for later in (False, True):
        if later:
            for one in (index, exact):
                one.remove(np.arange(50))
                one.add(unit_vectors(50, dim=48, seed=5), np.arange(20, 70))
                one.remove(np.arange(20, 40))
        hits, wanted = index.query(vectors, 10, asked), exact.query(vectors, 10)
        np.testing.assert_array_equal(hits.labels, wanted.labels)
        np.testing.assert_allclose(hits.scores, wanted.scores, atol=1e-6)


def test_recall_counts_equal_vectors_as_found():
    vectors = np.tile(unit_vectors(1), (40, 1))
    index = HnswIndex.build(vectors, np.arange(40))
    assert ann_recall(index, ExactIndex.build(vectors, np.arange(40)), vectors[:5], 10) == 1.0


def test_what_is_asked_of_vectors_of_any_length_scores_at_most_one_and_finds_the_same():
    rng = np.random.default_rng(0)
    vectors = unit_vectors(50) * rng.uniform(3, 90, (50, 1)).astype(np.float32)
    queries = unit_vectors(8, seed=1) * rng.uniform(1e-3, 70, (8, 1)).astype(np.float32)
    queries[2] = 0
    asked, exact = asked_of(queries, vectors), ExactIndex.build(vectors, np.arange(50))
    hits, plain = exact.query(asked, 50), exact.query(np.delete(queries, 2, axis=0), 50)
    np.testing.assert_array_equal(hits.labels[:, :10], plain.labels[:, :10])
    assert 0.3 < hits.scores.max() <= 1 + 1e-6
    assert np.isfinite(asked_of(queries, np.zeros_like(vectors))).all()


def test_recall_of_nothing_is_whole():
    nothing = ExactIndex.build(np.empty((0, 4), np.float32), np.empty(0, np.int64))
    assert ann_recall(nothing, nothing, unit_vectors(2, 4), 3) == 1.0


def test_recall_falls_with_what_is_missing():
    vectors = unit_vectors(100)
    half = ExactIndex.build(vectors[:50], np.arange(50))
    whole = ExactIndex.build(vectors, np.arange(100))
    assert ann_recall(half, whole, vectors, 100) == 0.5


def test_a_graph_that_cannot_reach_everything_is_searched_exactly():
    rng = np.random.default_rng(0)
    centres = unit_vectors(30, dim=8, seed=4)
    vectors = np.repeat(centres, 60, axis=0) + rng.normal(0, 1e-4, (1800, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = HnswIndex.build(vectors, np.arange(1800), HnswConfig(m=2, ef_construction=4, ef=4))
    hits = index.query(vectors[:20], 1800)
    assert (np.sort(hits.labels, axis=1) == np.arange(1800)).all()


def test_a_save_that_fails_leaves_the_old_index(tmp_path: Path, monkeypatch):
    index = ExactIndex.build(unit_vectors(5), np.arange(5))
    index.save(tmp_path / "index")
    index.add(unit_vectors(1, seed=9), np.array([5]))
    monkeypatch.setattr("engine.files.seal_folder", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        index.save(tmp_path / "index")
    assert len(ExactIndex.load(tmp_path / "index")) == 5
    assert [p.name for p in tmp_path.iterdir()] == ["index"]
