"""Items' fields -> token weights and dense columns, the same way at training and for an item that comes later.

Knows fields and, where contexts have words, which contexts hold an item. Knows no model.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from engine.errors import CorruptFileError
from engine.features.config import FeatureConfig
from engine.features.contexts import context_counts
from engine.features.dense import DenseField, dense_matrix, fit_dense
from engine.features.tokens import frequent, inverse_frequency, token_counts, weighted
from engine.graph.snapshot_columns import NodeTable
from engine.types import FloatArray, ItemContextGraph

STATE, ARRAYS = "features.json", "features.npz"


@dataclass(frozen=True, slots=True)
class Content:
    """What N items say of themselves.

    Attributes:
        tokens: float32 CSR `[N, V]`, TF-IDF rows of length 1; a row of zeros where an item has no known token.
        dense: float32 `[N, D]`, standardised numbers and vectors with missing indicators; D may be 0.
    """

    tokens: sparse.csr_matrix
    dense: FloatArray

    def __len__(self) -> int:
        return int(self.tokens.shape[0])


@dataclass(frozen=True, slots=True)
class FeatureEncoder:
    """What was learned of the fields.

    Attributes:
        config: how it was learned.
        tokens: the vocabulary, V tokens.
        idf: float32 `[V]`.
        dense: the numeric and vector fields.
        basis: float32 `[V, C]`, the leading right singular vectors of the token weights.
    """

    config: FeatureConfig
    tokens: tuple[str, ...]
    idf: FloatArray
    dense: tuple[DenseField, ...]
    basis: FloatArray

    @property
    def dense_width(self) -> int:
        """D, columns of the dense part."""
        return sum(field.width for field in self.dense)

    def content(
        self, items: NodeTable, graph: ItemContextGraph | None = None, contexts: NodeTable | None = None
    ) -> Content:
        """Encode items; tokens that were not seen in `fit_features` are ignored.

        Args:
            graph: which contexts hold each item; rows agree with `items`.
            contexts: the contexts' fields; rows agree with `graph`.

        Raises:
            DataError: a value that is not finite, naming the item and the field.
            InputError: a vector of another width.
        """
        names, counts = _all_counts(items, graph, contexts)
        known = {token: column for column, token in enumerate(self.tokens)}
        columns = np.array([known.get(name, -1) for name in names], dtype=np.int64)
        coo = counts.tocoo()
        column = columns[coo.col] if len(columns) else coo.col
        keep = column >= 0
        placed = sparse.csr_matrix(
            (coo.data[keep], (coo.row[keep], column[keep])), shape=(len(items), len(self.tokens)), dtype=np.float32
        )
        return Content(weighted(placed, self.idf, sublinear=self.config.sublinear), dense_matrix(items, self.dense))

    def transform(
        self, items: NodeTable, graph: ItemContextGraph | None = None, contexts: NodeTable | None = None
    ) -> FloatArray:
        """Dense features for any model: the dense columns beside the truncated SVD of the token weights.

        Returns:
            float32 `[N, D + C]`.

        Raises:
            as `content`.
        """
        content = self.content(items, graph, contexts)
        return np.hstack([content.dense, content.tokens @ self.basis]).astype(np.float32, copy=False)

    def save(self, folder: Path) -> None:
        """Write two files into an open folder: JSON and NumPy arrays, no pickle."""
        state = {
            "config": asdict(self.config),
            "tokens": list(self.tokens),
            "dense": [{"name": field.name, "kind": field.kind} for field in self.dense],
        }
        (folder / STATE).write_text(json.dumps(state), encoding="utf-8")
        arrays: dict[str, Any] = {"idf": self.idf, "basis": self.basis}
        for number, field in enumerate(self.dense):
            arrays |= {f"mean{number}": field.mean, f"scale{number}": field.scale}
        np.savez(folder / ARRAYS, **arrays)

    @staticmethod
    def load(folder: Path) -> FeatureEncoder:
        """Read what `save` wrote.

        Raises:
            CorruptFileError: a file is missing, unreadable or does not fit the other.
        """
        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
                encoder = FeatureEncoder(
                    config=FeatureConfig(**state["config"]),
                    tokens=tuple(state["tokens"]),
                    idf=arrays["idf"],
                    dense=tuple(
                        DenseField(entry["name"], entry["kind"], arrays[f"mean{number}"], arrays[f"scale{number}"])
                        for number, entry in enumerate(state["dense"])
                    ),
                    basis=arrays["basis"],
                )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"features in {folder}: cannot be read ({error})") from error
        if len(encoder.idf) != len(encoder.tokens) or len(encoder.basis) != len(encoder.tokens):
            raise CorruptFileError(f"features in {folder}: the arrays do not fit the vocabulary")
        return encoder


def fit_features(
    items: NodeTable,
    config: FeatureConfig | None = None,
    graph: ItemContextGraph | None = None,
    contexts: NodeTable | None = None,
) -> FeatureEncoder:
    """Learn vocabulary, idf, means and scales. The same input gives the same encoder.

    Args:
        graph, contexts: give both to take in the words of the contexts that hold an item.

    Raises:
        DataError: a value that is not finite, naming the item and the field.
    """
    chosen = config or FeatureConfig()
    names, counts = _all_counts(items, graph, contexts)
    kept = frequent(counts, most=chosen.max_tokens, min_items=chosen.min_items)
    counts = counts[:, kept].tocsr()
    idf = inverse_frequency(counts)
    weights = weighted(counts, idf, sublinear=chosen.sublinear)
    return FeatureEncoder(
        config=chosen,
        tokens=tuple(names[column] for column in kept),
        idf=idf,
        dense=fit_dense(items),
        basis=_basis(weights, chosen.components),
    )


def tfidf_matrix(
    items: NodeTable, graph: ItemContextGraph | None = None, contexts: NodeTable | None = None
) -> sparse.csr_matrix:
    """TF-IDF of all texts and categorical values, rows of length 1.

    Args:
        graph, contexts: give both to take in the words of the contexts that hold an item.

    Returns:
        float32 CSR `[N, V]`; a row of zeros where an item has no token.
    """
    _, counts = _all_counts(items, graph, contexts)
    return weighted(counts, inverse_frequency(counts), sublinear=True)


def _all_counts(
    items: NodeTable, graph: ItemContextGraph | None, contexts: NodeTable | None
) -> tuple[list[str], sparse.csr_matrix]:
    tokens, counts = token_counts(items)
    if graph is None:
        return tokens, counts
    more, counted = context_counts(graph, contexts)
    return tokens + more, sparse.hstack([counts, counted], format="csr", dtype=np.float32)


def _basis(weights: sparse.csr_matrix, components: int) -> NDArray[np.float32]:
    """Leading right singular vectors with a fixed sign, float32 `[V, components]`; padded with zeros past the rank."""
    basis = np.zeros((weights.shape[1], components), dtype=np.float32)
    count = min(components, *weights.shape)
    if count and weights.nnz:
        from sklearn.utils.extmath import randomized_svd

        _, _, right = randomized_svd(weights, count, n_iter=4, random_state=0)
        basis[:, :count] = right.T
    return basis
