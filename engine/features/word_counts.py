"""Counts of the words of texts that change a little: only the texts that are new are read again. Knows no table.

Reading the titles of a million items takes seconds; a refresh changes a few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

MOST_CHANGED = 0.2
"""Above this share of changed texts all are read."""


@dataclass(frozen=True, slots=True)
class WordCounts:
    """How often each text says each word.

    Attributes:
        texts: an Arrow string array `[N]`, null where there is none.
        words: in alphabetical order.
        counts: float32 `[N, words]`.
    """

    texts: Any
    words: list[str]
    counts: sparse.csr_matrix

    @staticmethod
    def of(texts: Any) -> WordCounts:
        """Read all texts."""
        from sklearn.feature_extraction.text import CountVectorizer

        vectorizer = CountVectorizer(token_pattern=r"(?u)\b\w+\b", dtype=np.float32)
        try:
            counts = vectorizer.fit_transform([text or "" for text in texts.to_pylist()]).tocsr()
        except ValueError:  # scikit-learn refuses texts without a single word
            return WordCounts(texts, [], sparse.csr_matrix((len(texts), 0), dtype=np.float32))
        return WordCounts(texts, [str(word) for word in vectorizer.get_feature_names_out()], counts)

    def followed_by(self, texts: Any) -> WordCounts:
        """The counts of other texts, equal to `of(texts)`: those that stand at the same place as before are not read again."""
        known = len(self.texts)
        if texts.type != self.texts.type or len(texts) < known:
            return WordCounts.of(texts)
        changed = np.flatnonzero(~_same(self.texts, texts.slice(0, known)))
        rows = np.concatenate([changed, np.arange(known, len(texts))])
        if len(rows) > MOST_CHANGED * len(texts):
            return WordCounts.of(texts)
        if not len(rows):
            return WordCounts(texts, self.words, self.counts)
        read = WordCounts.of(texts.take(pa.array(rows, pa.int64())))
        words = sorted({*self.words, *read.words})
        place = {word: at for at, word in enumerate(words)}
        both = sparse.vstack([_spread(one, place) for one in (self, read)], format="csr")
        source = np.arange(len(texts))
        source[rows] = known + np.arange(len(rows))
        counts = both[source]
        used = np.bincount(counts.indices, minlength=len(words)) > 0
        if not used.all():
            counts, words = counts[:, used], [word for word, kept in zip(words, used.tolist(), strict=True) if kept]
        return WordCounts(texts, words, counts)


def _same(old: Any, new: Any) -> NDArray[np.bool_]:
    same = pc.or_(pc.fill_null(pc.equal(old, new), False), pc.and_(pc.is_null(old), pc.is_null(new)))
    flags: NDArray[np.bool_] = same.to_numpy(zero_copy_only=False)
    return flags


def _spread(counted: WordCounts, place: dict[str, int]) -> sparse.csr_matrix:
    """The counts with each word in its place among others."""
    at = np.fromiter((place[word] for word in counted.words), np.int32, len(counted.words))
    counts = counted.counts
    return sparse.csr_matrix(
        (counts.data, at[counts.indices], counts.indptr), shape=(counts.shape[0], len(place)), copy=False
    )
