"""Users by interest: their items' mean embeddings, clustered. Knows one view."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from engine.errors import EmptyGraphError, InputError
from engine.index.protocol import check_k
from engine.serving.forgotten import NOTHING, Forgotten
from engine.serving.nearest import ranked
from engine.serving.results import ScoredItem, UserCluster, UserClusters
from engine.serving.view import View
from engine.types import CSR, FloatArray

TOP = 5
_LABEL_ITEMS = 200
"""At most so many of the nearest items give a cluster its label."""

Commonness = dict[str, dict[str, int]]


def user_clusters(view: View, clusters: int = 8, *, seed: int = 0, forgotten: Forgotten = NOTHING) -> UserClusters:
    """Group all users by what they took up.

    Args:
        clusters: how many groups; fewer where there are fewer users with any item.
        forgotten: users and items that must not be told of.

    Raises:
        InputError: `clusters` is below 1.
        EmptyGraphError: no user took anything up.
    """
    try:
        wanted = check_k(clusters)
    except InputError as error:
        raise InputError(f"the number of clusters must be a whole number of at least 1, not {clusters!r}") from error
    users, means = user_vectors(view)
    if forgotten.users:
        told_of = ~np.isin(users, list(forgotten.users))
        users, means = users[told_of], means[told_of]
    if not len(users):
        raise EmptyGraphError("no user took up any item, so there is nothing to cluster users by")
    labels, centres = _cluster(means, min(wanted, len(users)), seed)
    order = np.argsort(-np.bincount(labels, minlength=len(centres)), kind="stable")
    origin = view.origin
    about = max(TOP, min(_LABEL_ITEMS, view.items.num_alive // (2 * len(centres))))
    # What every cluster is near to says nothing of any of them: look at where a centre differs from the mean user.
    middle = means.mean(axis=0) if len(centres) > 1 else np.zeros(means.shape[1], np.float32)
    left_out = view.snapshot.users.num_alive - len(forgotten.users) - len(users)
    everything = np.setdiff1d(np.flatnonzero(view.items.alive), list(forgotten.items))
    commonness = _commonness(view)
    told = (
        _told(
            view, commonness, number, everything, users[labels == at], means[labels == at], centres[at] - middle, about
        )
        for number, at in enumerate(order.tolist(), start=1)
        if (labels == at).any()
    )
    return UserClusters(tuple(told), left_out, origin.generation, origin.watermark, origin.as_of)


def user_vectors(view: View) -> tuple[NDArray[np.int64], FloatArray]:
    """The users that took up anything, and their items' mean embedding.

    Returns:
        int64 `[U]` user rows and float32 `[U, d]`, unit length.
    """
    relations, users = view.snapshot.relations, len(view.snapshot.users)
    taken = _matrix(relations.interactions.forward, users, len(view.items))
    if relations.owns.num_edges and relations.saves.num_edges:
        owned = _matrix(relations.owns.forward, users, len(view.snapshot.contexts))
        taken = taken + owned @ _matrix(relations.saves.forward, len(view.snapshot.contexts), len(view.items))
    taken.data[:] = 1
    sums = np.asarray(taken @ view.vectors, dtype=np.float32)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    some = np.flatnonzero(length[:, 0] > 0)
    return some, sums[some] / length[some]


def _matrix(csr: CSR, rows: int, columns: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.ones(csr.num_edges, np.float32), csr.indices, csr.indptr), shape=(rows, columns))


def _cluster(means: FloatArray, count: int, seed: int) -> tuple[NDArray[np.int64], FloatArray]:
    from sklearn.cluster import MiniBatchKMeans

    kmeans = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=4096).fit(means)
    centres = np.asarray(kmeans.cluster_centers_, np.float32)
    length = np.linalg.norm(centres, axis=1, keepdims=True)
    unit = centres / np.where(length > 0, length, np.float32(1))
    return kmeans.labels_.astype(np.int64), np.asarray(unit, np.float32)


def _told(
    view: View,
    commonness: Commonness,
    number: int,
    everything: NDArray[np.int64],
    users: NDArray[np.int64],
    means: FloatArray,
    centre: FloatArray,
    about: int,
) -> UserCluster:
    near = ranked(everything, (view.vectors @ centre)[everything], about, view.items.order)
    nearest = ranked(users, means @ centre, TOP, view.snapshot.users.order).rows
    top = near.rows[:TOP]
    values = _telling_values(view, commonness, near.rows)
    items = tuple(
        ScoredItem(view.items.ids[row], score, view.items.corpora[view.items.corpus[row]], title)
        for row, score, title in zip(top.tolist(), near.scores[:TOP].tolist(), view.titles(top.tolist()), strict=True)
    )
    label = ", ".join(value.split(": ", 1)[1] for value in values[:2]) or (items[0].title or items[0].item_id)
    return UserCluster(number, len(users), label, tuple(view.snapshot.users.ids.take(nearest)), items, tuple(values))


def _commonness(view: View) -> Commonness:
    """How many items hold each value of each categorical field."""
    fields = {name: column for name, column in view.items.fields.items() if column.kind == "categorical"}
    counts = {name: pc.value_counts(pc.list_flatten(column.values)) for name, column in fields.items()}
    return {name: {entry["values"]: entry["counts"] for entry in held.to_pylist()} for name, held in counts.items()}


def _telling_values(view: View, commonness: Commonness, rows: NDArray[np.int64]) -> list[str]:
    """Categorical values that the given items hold more often than all items do, the most telling first."""
    gains: list[tuple[float, str]] = []
    for name, overall in commonness.items():
        cells = view.items.fields[name].take(rows).to_list()
        for value, count in Counter(value for cell in cells for value in set(cell or ())).items():
            share, base = count / len(rows), overall[value] / view.items.num_alive
            gains.append((-share * float(np.log(share / base)), f"{name}: {value}"))
    return [label for gain, label in sorted(gains)[:TOP] if gain < 0]
