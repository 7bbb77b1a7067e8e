"""Words counted again after a change are what they would be if all were read anew, and what did not change is not read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.features import word_counts
from engine.features.word_counts import WordCounts

TEXTS = st.lists(
    st.one_of(st.none(), st.sampled_from(["", "a b", "b b c", "Ä x", "d", "a", "  ", "e f g"])), max_size=12
)


def column(texts: list[str | None]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def same(one: WordCounts, other: WordCounts) -> bool:
    return one.words == other.words and np.array_equal(one.counts.toarray(), other.counts.toarray())


@given(st.lists(TEXTS, min_size=2, max_size=4), st.sampled_from([0.2, 1.0]))
def test_a_chain_of_changes_gives_what_reading_everything_gives(steps, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_counts, "MOST_CHANGED", most)
        kept = WordCounts.of(column(steps[0]))
        for texts in steps[1:]:
            kept = kept.followed_by(column(texts))
            assert same(kept, WordCounts.of(column(texts)))


def test_only_what_changed_is_read(monkeypatch):
    texts = [f"word{n} every" for n in range(50)]
    kept = WordCounts.of(column(texts))
    read: list[int] = []
    real = WordCounts.of

    def counted(some: pa.Array) -> WordCounts:
        read.append(len(some))
        return real(some)

    monkeypatch.setattr(WordCounts, "of", staticmethod(counted))
    assert kept.followed_by(column(texts)).counts is kept.counts
    assert read == []
    changed = [*texts[:7], "other", *texts[8:], "every new", None]
    after = kept.followed_by(column(changed))
    assert read == [3]
    assert "word7" not in after.words
    assert same(after, real(column(changed)))
