"""Places embeddings in the plane. Knows arrays and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 2_000
"""So many points are placed: more take longer and hide one another."""


def choose(rows: NDArray[np.integer[Any]], seed: int) -> NDArray[np.int64]:
    """At most `MOST` of the rows, ascending."""
    rng = np.random.default_rng([seed, 400])
    return np.sort(rng.permutation(rows)[:MOST]).astype(np.int64)


def place(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """t-SNE, started from the first two principal components.

    Args:
        vectors: float32 `[M, d]`, unit length.

    Returns:
        float32 `[M, 2]`.
    """
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(2.0, (len(vectors) - 1) / 4))
    layout = TSNE(init="pca", perplexity=perplexity, max_iter=500, angle=0.7, random_state=seed, n_jobs=1)
    return np.asarray(layout.fit_transform(vectors), dtype=np.float32)
