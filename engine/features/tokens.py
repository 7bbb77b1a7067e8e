"""Texts and categorical values -> sparse counts of tokens. Knows fields, not graphs and not models.

A token is written FIELD=VALUE, so that the same word in two fields is two tokens: a tag says more than a word of a title.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from engine.features.word_counts import WordCounts
from engine.graph.snapshot_columns import FieldColumn, NodeTable, offsets

TOKEN_KINDS = ("text", "categorical")


def token_fields(fields: Mapping[str, FieldColumn]) -> list[str]:
    """The fields that hold words or values, in a fixed order."""
    return sorted(name for name, column in fields.items() if column.kind in TOKEN_KINDS)


def field_counts(column: FieldColumn) -> tuple[list[str], sparse.csr_matrix]:
    """Count the tokens of one field.

    Returns:
        The values in alphabetical order, and float32 `[N, values]`.
    """
    if column.kind == "text":
        read = WordCounts.of(column.values)
        return read.words, read.counts
    lists: Any = column.values
    encoded = pc.list_flatten(lists).dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    values = [str(value) for value in encoded.dictionary.to_pylist()]
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    ones = np.ones(len(codes), dtype=np.float32)
    counts = sparse.csr_matrix((ones, rank[codes], offsets(lengths)), shape=(len(column), len(values)))
    counts.sum_duplicates()
    return [values[i] for i in order], counts


def no_counts(items: int) -> sparse.csr_matrix:
    """Counts of no tokens at all, float32 `[items, 0]`."""
    return sparse.csr_matrix(np.empty((items, 0), dtype=np.float32))


def token_counts(
    items: NodeTable, names: Sequence[str] | None = None, words: Mapping[str, WordCounts] | None = None
) -> tuple[list[str], sparse.csr_matrix]:
    """Count the tokens of all token fields side by side.

    Args:
        names: fields to read; None reads all that hold words or values.
        words: by field, what was counted of its texts already.

    Returns:
        The tokens FIELD=VALUE, and float32 `[N, V]`.
    """
    tokens: list[str] = []
    blocks: list[sparse.csr_matrix] = []
    for name in token_fields(items.fields) if names is None else names:
        known = None if words is None else words.get(name)
        values, counts = field_counts(items.fields[name]) if known is None else (known.words, known.counts)
        tokens += [f"{name}={value}" for value in values]
        blocks.append(counts)
    if not blocks:
        return [], no_counts(len(items))
    return tokens, sparse.hstack(blocks, format="csr", dtype=np.float32)


def frequent(counts: sparse.csr_matrix, *, most: int, min_items: int) -> NDArray[np.int64]:
    """Positions of the tokens to keep, in their order: those that at least `min_items` items have, at most `most`."""
    items_with = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(items_with >= min_items)
    if len(kept) > most:
        kept = np.sort(kept[np.argsort(-items_with[kept], kind="stable")[:most]])
    return kept


def inverse_frequency(counts: sparse.csr_matrix) -> NDArray[np.float32]:
    """ln((1 + N) / (1 + items with the token)) + 1, float32 `[V]`: scikit-learn's smooth idf."""
    items_with = np.bincount(counts.indices, minlength=counts.shape[1])
    idf: NDArray[np.float32] = (np.log((1 + counts.shape[0]) / (1 + items_with)) + 1).astype(np.float32)
    return idf


def weighted(counts: sparse.csr_matrix, idf: NDArray[np.float32], *, sublinear: bool) -> sparse.csr_matrix:
    """TF-IDF with rows of length 1 (all zero where an item has no token), float32 `[N, V]`."""
    from sklearn.preprocessing import normalize

    if 0 in counts.shape:
        return sparse.csr_matrix(counts.shape, dtype=np.float32)
    weights = counts.astype(np.float32, copy=True)
    if sublinear:
        weights.data = 1 + np.log(weights.data)
    weights.data *= idf[weights.indices]
    scaled: sparse.csr_matrix = normalize(weights, copy=False)
    return scaled
