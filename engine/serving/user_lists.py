"""Recommendations for all users at once, in batches of rows. Knows one view and one method; no registry."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from engine.errors import InputError
from engine.graph.snapshot_csr import as_matrix
from engine.index.protocol import check_k
from engine.models.top_items import top_items
from engine.models.user_graph import has_users
from engine.models.user_ranking import first_items, leave_out
from engine.progress import progress
from engine.serving.user_answers import UserRecommender
from engine.types import FloatArray, IndexArray

BLOCK_BYTES = 2**27
"""Of scores, where a method must score every item."""
USERS = 16_384
"""Users a batch of rows."""


def lists_schema(recommender: UserRecommender, corpus: str) -> pa.Schema:
    """The columns, and where they come from as metadata: model, corpus, generation, watermark and as_of."""
    origin = recommender.view.origin
    told = {
        "model": recommender.about.name,
        "corpus": corpus,
        "generation": origin.generation,
        "watermark": origin.watermark,
        "as_of": origin.as_of.isoformat(),
    }
    columns = [("user_id", pa.string()), ("rank", pa.int32()), ("item_id", pa.string()), ("score", pa.float32())]
    return pa.schema(columns, metadata={"engine": json.dumps(told)})


class UserLists:
    """The first items of every user by one model; see `engine.client.Engine.recommend_all`.

    Args:
        k: items a user.
        corpus: whose.
        threads: that share the users out, where the model has vectors.

    Raises:
        InputError: k is below 1, or the model ranks nothing.
        UnknownNameError: there is no such corpus.
    """

    def __init__(self, recommender: UserRecommender, k: int, corpus: str, threads: int) -> None:
        if "ranking" not in recommender.about.answers:
            raise InputError(
                f"model {recommender.about.name!r} predicts ratings and does not rank all items",
                hint="`engine evaluate methods` says what each can do; ask `recommend` about one user.",
            )
        self.k, self.threads = check_k(k), threads
        view, self._asked = recommender.view, recommender
        self.schema = lists_schema(recommender, corpus)
        hidden = np.zeros(len(view.items), np.bool_)
        hidden[list(recommender.forgotten.items)] = True
        if recommender.user_vectors is not None:
            hidden |= ~view.vectors.any(axis=1)  # nothing is known of them
        self._rows = np.flatnonzero((view.items.corpus == view.corpus_number(corpus)) & view.items.alive & ~hidden)
        self._have = held(recommender)
        told = recommender.data.users.alive & (np.diff(self._have.indptr) > 0)
        told[list(recommender.forgotten.users)] = False
        if recommender.user_vectors is not None:
            told &= recommender.user_vectors.any(axis=1)
        self.users = np.flatnonzero(told).astype(np.int32)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Rows of all users in order of their row number, best item first; at most `USERS` users a batch."""
        with progress("Recommending", len(self.users)) as advance:
            for start in range(0, len(self.users), USERS):
                users = self.users[start : start + USERS]
                yield self._batch(users, *self._first(users))
                advance(len(users))

    def _first(self, users: IndexArray) -> tuple[IndexArray, FloatArray]:
        """Places among the corpus' rows int32 `[B, k]`, -1 where there are no more, and their scores."""
        vectors, view = self._asked.user_vectors, self._asked.view
        own = self._have[users][:, self._rows]
        if vectors is not None:
            found = top_items(
                np.asarray(vectors)[users],
                np.asarray(view.vectors)[self._rows],
                self.k,
                without=own,
                threads=self.threads,
            )
            return found.items, found.scores
        items = np.full((len(users), self.k), -1, np.int32)
        scores = np.full((len(users), self.k), -np.inf, np.float32)
        block = max(1, BLOCK_BYTES // (4 * max(len(view.items), 1)))
        for start in range(0, len(users), block):
            some = slice(start, start + block)
            given = np.array(self._asked.method.score(users[some])[:, self._rows], np.float32, order="C")
            its = own[some]
            leave_out(given, its.indptr.astype(np.int64), its.indices.astype(np.int32))
            first_items(given, items[some])
            taken = items[some] >= 0
            scores[some][taken] = np.take_along_axis(given, np.maximum(items[some], 0).astype(np.int64), 1)[taken]
        return items, scores

    def _batch(self, users: IndexArray, items: IndexArray, scores: FloatArray) -> pa.RecordBatch:
        there = (items >= 0) & np.isfinite(scores)
        which, place = np.nonzero(there)
        data, view = self._asked.data, self._asked.view
        columns = [
            pa.array(data.users.ids.take(users[which]), pa.string()),
            pa.array(place.astype(np.int32) + 1),
            pa.array(view.items.ids.take(self._rows[items[there]]), pa.string()),
            pa.array(scores[there]),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def held(recommender: UserRecommender) -> csr_array:
    """`[users, items]`: what each has, by edges of their own and by the contexts they own."""
    seen = recommender.data.seen()
    snapshot = recommender.view.snapshot
    if has_users(snapshot) and snapshot.relations.owns.num_edges:
        seen = seen + as_matrix(snapshot.relations.owns.forward, len(snapshot.contexts)) @ as_matrix(
            snapshot.relations.saves.forward, len(snapshot.items)
        )
    seen.sort_indices()
    return seen
