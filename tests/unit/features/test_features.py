"""Fields become finite, repeatable numbers; what is missing or wrong is handled in the open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, CorruptFileError, DataError, InputError
from engine.features.config import FeatureConfig
from engine.features.contexts import context_items
from engine.features.encoder import FeatureEncoder, fit_features, tfidf_matrix
from engine.graph.snapshot_columns import FieldColumn, NodeTable, field_column, node_table

IDS = ["a", "b", "c", "d"]


def table(**fields: FieldColumn) -> NodeTable:
    return node_table(IDS, fields=fields)[0]


def full(bad: float | None = None) -> NodeTable:
    vectors = np.array([[1, 2], [3, 4], [np.nan, np.nan], [5, 0]], dtype=np.float32)
    return table(
        title=field_column("text", ["Red house", None, "red RED car", "..."], name="title"),
        tags=field_column("categorical", ["x|y", "x", [], None], name="tags"),
        price=field_column("numeric", [1.0, None, 3.0, 5.0 if bad is None else bad], name="price"),
        look=FieldColumn("vector", vectors),
    )


def test_numbers_are_standardised_and_missing_ones_marked() -> None:
    items = table(price=field_column("numeric", [1.0, None, 3.0, 5.0], name="price"))
    dense = fit_features(items).content(items).dense
    by_id = dict(zip(items.ids, dense.tolist(), strict=True))
    assert by_id["b"] == [0, 1]
    assert by_id["c"] == pytest.approx([0, 0])
    assert by_id["d"][0] == pytest.approx(np.sqrt(1.5))


def test_tokens_weigh_as_scikit_learn_weighs_them() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["red house", "red red car", "blue house", "red"]
    items = table(title=field_column("text", texts, name="title"))
    expected = TfidfVectorizer().fit_transform(texts)
    row = items.index_of(IDS)
    assert np.allclose((tfidf_matrix(items)[row] @ tfidf_matrix(items)[row].T).toarray()[0, 0], 1)
    plain = fit_features(items).content(items).tokens[row]
    assert np.allclose(np.sort(plain.toarray(), axis=1)[:, -3:], np.sort(expected.toarray(), axis=1)[:, -3:], atol=1e-6)


def test_everything_is_finite_for_items_with_and_without_fields() -> None:
    items = full()
    encoder = fit_features(items, FeatureConfig(components=3))
    dense = encoder.transform(items)
    assert dense.shape == (4, encoder.dense_width + 3)
    assert np.isfinite(dense).all()
    bare = node_table(["new"])[0]
    assert np.isfinite(encoder.transform(bare)).all()
    assert fit_features(bare).transform(bare).shape == (1, 128)


def test_the_same_items_give_the_same_features_and_a_saved_encoder_too(tmp_path: Path) -> None:
    encoder = fit_features(full(), FeatureConfig(components=3))
    encoder.save(tmp_path)
    expected = encoder.transform(full())
    assert np.array_equal(fit_features(full(), FeatureConfig(components=3)).transform(full()), expected)
    assert np.array_equal(FeatureEncoder.load(tmp_path).transform(full()), expected)


@pytest.mark.parametrize("name", ["features.json", "features.npz"])
def test_a_damaged_encoder_is_refused(tmp_path: Path, name: str) -> None:
    fit_features(full()).save(tmp_path)
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(CorruptFileError, match="features"):
        FeatureEncoder.load(tmp_path)


def test_an_infinite_number_is_refused_by_item_and_field() -> None:
    with pytest.raises(DataError, match=r"'d'.*'price'"):
        fit_features(full(bad=float("inf")))


def test_a_vector_with_a_hole_is_refused_and_one_of_another_width_too() -> None:
    holed = table(look=FieldColumn("vector", np.array([[1, 2], [3, np.nan], [1, 1], [0, 0]], dtype=np.float32)))
    with pytest.raises(DataError, match="'look'"):
        fit_features(holed)
    wide = table(look=FieldColumn("vector", np.ones((4, 3), dtype=np.float32)))
    with pytest.raises(InputError, match="3 wide"):
        fit_features(full()).content(wide)


def test_the_words_of_contexts_count_for_the_items_they_hold() -> None:
    boards = node_table(["p", "q"], fields={"title": field_column("text", ["jazz", "rock"], name="title")})[0]
    items = table()
    p, q = boards.index_of(["p", "q"]).tolist()
    held = context_items(
        [np.array(r, dtype=np.int32) for r in ([p], [p, q], [], [q])], len(boards), items.key, boards.key
    )
    similar = (tfidf_matrix(items, held, boards) @ tfidf_matrix(items, held, boards).T).toarray()
    assert similar[0, 3] == 0
    assert 0 < similar[0, 1] < 1
    assert similar[2, 2] == 0


def test_the_vocabulary_keeps_the_most_frequent_tokens() -> None:
    items = table(tags=field_column("categorical", ["x|y", "x", "x|z", "y"], name="tags"))
    assert fit_features(items, FeatureConfig(max_tokens=2)).tokens == ("tags=x", "tags=y")
    assert fit_features(items, FeatureConfig(min_items=3)).tokens == ("tags=x",)
    with pytest.raises(ConfigError, match="max_tokens"):
        FeatureConfig(max_tokens=0)


def test_encoding_leaves_the_lists_of_the_graph_in_their_order() -> None:
    """The order is that of creation, and walks depend on it."""
    held = [np.array([2, 0, 1], dtype=np.int32), np.array([1, 0], dtype=np.int32), *(np.empty(0, np.int32),) * 2]
    titles = field_column("text", ["red", "blue", "red car"], name="title")
    contexts = node_table(["x", "y", "z"], fields={"title": titles})[0]
    items = table()
    graph = context_items(held, 3, items.key, contexts.key)
    graph.item_to_context.indices[:] = [2, 0, 1, 1, 0]
    fit_features(items, graph=graph, contexts=contexts).content(items, graph, contexts)
    assert graph.item_to_context.indices.tolist() == [2, 0, 1, 1, 0]
