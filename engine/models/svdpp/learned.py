"""What SVD++ learned, what it says about some data, and as a folder. Knows no training.

A user who came after training is answered from which items were rated so far, and from a damped mean of what the item's own
figures leave of those ratings; an item that came later from such a mean alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.files import atomic_folder
from engine.graph.snapshot_columns import NodeTable
from engine.models.folders import reading_model
from engine.models.svdpp.config import SvdppSettings
from engine.models.user_item import UserItemData, UserItemEdges
from engine.types import FloatArray, IndexArray

ARRAYS, FACTS = "arrays.npz", "facts.json"
FORMAT = 1
DAMPING = 10.0
"""A bias that was not trained is the sum of what the ratings leave over, divided by their number and this."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Learned:
    """Figures of users and items, rows as in the data at hand.

    Attributes:
        mean: of the ratings in training.
        bounds: the lowest and the highest rating that can be given.
        ids: of the users and of the items.
        biases: float64 `[users]` and `[items]`.
        factors: float64 `[users, D]`, `[items, D]`, and `[items, D]` those of having rated an item at all.
        taught: bool `[users]` and `[items]`, those that had a rating in training.
        pooled: float64 `[users, D]`, the sum of the last over what each user rated by now, over the root of their number.
    """

    mean: float
    bounds: tuple[float, float]
    ids: tuple[tuple[str, ...], tuple[str, ...]]
    biases: tuple[Floats, Floats]
    factors: tuple[Floats, Floats, Floats]
    taught: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    pooled: Floats

    @staticmethod
    def of(
        data: UserItemData, edges: UserItemEdges, mean: float, biases: list[Floats], factors: list[Floats]
    ) -> Learned:
        """From arrays in the order of the keys."""
        user, item = (np.asarray(nodes.order.ranks(np.arange(len(nodes)))) for nodes in (data.users, data.items))
        rating = np.asarray(edges.rating, dtype=np.float64)
        implicit = factors[2][item]
        return Learned(
            mean=mean,
            bounds=(min(data.levels, default=float(rating.min())), max(data.levels, default=float(rating.max()))),
            ids=(tuple(data.users.ids), tuple(data.items.ids)),
            biases=(biases[0][user], biases[1][item]),
            factors=(factors[0][user], factors[1][item], implicit),
            taught=(_met(edges.user, data.num_users), _met(edges.item, data.num_items)),
            pooled=_pooled(edges, implicit, data.num_users),
        )

    def predict(self, users: IndexArray, items: IndexArray) -> FloatArray:
        """The expected rating of each pair, float32 `[P]`, within the bounds."""
        whole = self.factors[0] + self.pooled
        dots = np.einsum("pd,pd->p", whole[users], self.factors[1][items])
        found = self.mean + self.biases[0][users] + self.biases[1][items] + dots
        return np.asarray(np.clip(found, *self.bounds), dtype=np.float32)

    def on(self, data: UserItemData) -> Learned:
        """The same about other data, whose ratings are those known now."""
        edges = data.known()
        places = (_places(data.users, self.ids[0]), _places(data.items, self.ids[1]))
        taught = tuple((place >= 0) & had[place] for place, had in zip(places, self.taught, strict=True))
        factors = tuple(
            np.where(has[:, None], factor[place], 0.0)
            for factor, place, has in zip(
                self.factors, (*places, places[1]), (taught[0], taught[1], taught[1]), strict=True
            )
        )
        user_bias, item_bias = (
            np.where(has, bias[place], 0.0) for bias, place, has in zip(self.biases, places, taught, strict=True)
        )
        if len(edges) and edges.rating is not None:
            rest = np.asarray(edges.rating, dtype=np.float64) - self.mean
            user_bias = np.where(
                taught[0], user_bias, _damped(edges.user, rest - item_bias[edges.item], data.num_users)
            )
            item_bias = np.where(
                taught[1], item_bias, _damped(edges.item, rest - user_bias[edges.user], data.num_items)
            )
        return Learned(
            mean=self.mean,
            bounds=self.bounds,
            ids=(tuple(data.users.ids), tuple(data.items.ids)),
            biases=(user_bias, item_bias),
            factors=(factors[0], factors[1], factors[2]),
            taught=(taught[0], taught[1]),
            pooled=_pooled(edges, factors[2], data.num_users),
        )


def write(folder: Path, learned: Learned, settings: SvdppSettings) -> None:
    """Write a sealed folder; `folder` must not exist.

    Raises:
        DiskFullError: no space left; nothing is left behind.
    """
    facts = {"settings": asdict(settings), "mean": learned.mean, "bounds": learned.bounds, "ids": learned.ids}
    with atomic_folder(folder, {"kind": "svdpp", "format": FORMAT}) as temporary:
        (temporary / FACTS).write_text(json.dumps(facts), encoding="utf-8")
        arrays: dict[str, Any] = dict(
            zip(_NAMES, (*learned.biases, *learned.factors, *learned.taught, learned.pooled), strict=True)
        )
        with (temporary / ARRAYS).open("wb") as stream:
            np.savez(stream, **arrays)


_NAMES = ("user_bias", "item_bias", "user", "item", "implicit", "user_taught", "item_taught", "pooled")


def read(folder: Path) -> tuple[Learned, SvdppSettings]:
    """Read what `write` wrote.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    with reading_model(folder, "svdpp", FORMAT, "an SVD++"):
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        settings = SvdppSettings.from_json(facts["settings"])
        with np.load(folder / ARRAYS, allow_pickle=False) as stored:
            user_bias, item_bias, user, item, implicit, user_taught, item_taught, pooled = (
                stored[name] for name in _NAMES
            )
        learned = Learned(
            mean=facts["mean"],
            bounds=tuple(facts["bounds"]),
            ids=(tuple(facts["ids"][0]), tuple(facts["ids"][1])),
            biases=(user_bias, item_bias),
            factors=(user, item, implicit),
            taught=(user_taught, item_taught),
            pooled=pooled,
        )
    return learned, settings


def _met(rows: IndexArray, count: int) -> NDArray[np.bool_]:
    return np.asarray(np.bincount(rows, minlength=count) > 0)


def _places(nodes: NodeTable, ids: tuple[str, ...]) -> NDArray[np.int64]:
    """Where each node is among some ids; -1 for one that is not."""
    rows = nodes.index_of(ids)
    place = np.full(len(nodes), -1, dtype=np.int64)
    place[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    return place


def _pooled(edges: UserItemEdges, implicit: Floats, users: int) -> Floats:
    from scipy.sparse import csr_array

    count = np.bincount(edges.user, minlength=users)
    share = 1 / np.sqrt(np.maximum(count, 1))
    order = np.lexsort((edges.item, edges.user))  # one order of the sums, whatever the order of the rows
    rated = csr_array((share[edges.user[order]], (edges.user[order], edges.item[order])), shape=(users, len(implicit)))
    return np.asarray(rated @ implicit)


def _damped(rows: IndexArray, rest: Floats, count: int) -> Floats:
    return np.asarray(
        np.bincount(rows, rest, minlength=count) / (np.bincount(rows, minlength=count) + DAMPING), dtype=np.float64
    )
