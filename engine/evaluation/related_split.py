"""Carve test and validation pairs out of a graph so that nothing left in it gives an answer away. Knows no method.

Every choice is drawn by hashing the seed with the external ids' keys, so that the same data gives the same split however
its rows are ordered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.evaluation.draws import draw, pack
from engine.evaluation.related_numbers import RelatedProtocol
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_csr import edge_rows
from engine.models.base import RelatedData, RelatedPairs
from engine.types import CSR, IndexArray, ItemContextGraph, KeyArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a split keeps from the training graph, and for which pairs.

    Attributes:
        pairs: query and answer of each pair.
        context: int32 `[P]`, the board that each pair comes from.
    """

    pairs: RelatedPairs
    context: IndexArray

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, slots=True)
class RelatedSplit:
    """One seed's split of one data set.

    Attributes:
        training: all that methods may see.
        test: pairs with warm items; `cold`: pairs whose answers have no edge in the training graph.
        owner: int64 `[contexts]`, who owns each context; contexts without an owner have a number of their own.
        boards: how many contexts held enough items to take part.
    """

    training: RelatedData
    test: HeldOut
    cold: HeldOut
    owner: NDArray[np.int64]
    boards: int

    def facts(self) -> dict[str, int]:
        """Sizes worth printing beside the figures."""
        graph = self.training.graph
        degree = graph.item_to_context.degrees()
        return {
            "boards": self.boards,
            "training_edges": graph.context_to_item.num_edges,
            "test_pairs": len(self.test),
            "test_answers_without_edges": int((degree[self.test.pairs.answer] == 0).sum()),
            "cold_pairs": len(self.cold),
            "cold_items": len(np.unique(self.cold.pairs.answer)),
            "validation_pairs": len(self.training.validation),
            "validation_cold_pairs": len(self.training.validation_cold),
        }


def split_related(
    snapshot: Snapshot, protocol: RelatedProtocol, seed: int, *, workdir: Path | None = None
) -> RelatedSplit:
    """Carve one seed's split. Saves are the edges; where there are none, interactions, with users as boards.

    Raises:
        EmptyGraphError: no items or no edges.
        DataError: no board has enough items.
    """
    graph = snapshot.walk_graph()
    saves = snapshot.relations.saves.num_edges > 0
    relation = snapshot.relations.saves if saves else snapshot.relations.interactions
    contexts = snapshot.contexts if saves else snapshot.users
    owner = _owners(snapshot) if saves else np.arange(graph.num_contexts, dtype=np.int64)
    carver = _Carver(graph, owner, protocol, seed)
    cold, cold_validation = carver.cold_items()
    boards = carver.boards()
    taken = np.zeros(graph.num_contexts, dtype=bool)
    test = carver.take(boards, taken, protocol.test_pairs, protocol.test_share, "test")
    taken[test.context] = True
    validation = carver.take(
        boards, taken, protocol.validation_pairs, protocol.validation_share, "validation", keep=test
    )
    test_cold = carver.take_cold(boards, cold, protocol.test_pairs, "test")
    validation_cold = carver.take_cold(boards, cold_validation, protocol.validation_pairs, "validation")
    left = relation.without(~carver.kept)
    training = RelatedData(
        graph=ItemContextGraph(left.backward, left.forward, graph.item_key, graph.context_key),
        items=snapshot.items,
        validation=validation.pairs,
        validation_cold=validation_cold.pairs,
        seed=seed,
        workdir=workdir,
        contexts=contexts if contexts.fields else None,
    )
    found = RelatedSplit(training, test, test_cold, owner, len(boards))
    check_no_leak(training.graph, owner, [test, validation], [test_cold, validation_cold])
    return found


def training_data(
    snapshot: Snapshot, seed: int, *, protocol: RelatedProtocol | None = None, workdir: Path | None = None
) -> RelatedData:
    """What a method trains on in production: everything but the validation pairs; nothing is kept for a test.

    Raises:
        EmptyGraphError: no items or no edges.
    """
    chosen = protocol or RelatedProtocol()
    numbers: dict[str, Any] = {
        "min_items": chosen.min_items,
        "validation_pairs": chosen.validation_pairs,
        "validation_share": chosen.validation_share,
        "validation_cold_share": chosen.validation_cold_share,
    }
    return split_related(
        snapshot, RelatedProtocol(**numbers, test_pairs=0, cold_share=0.0), seed, workdir=workdir
    ).training


def check_no_leak(graph: ItemContextGraph, owner: NDArray[np.int64], warm: list[HeldOut], cold: list[HeldOut]) -> None:
    """Look in a training graph for an edge that gives an answer away.

    Raises:
        DataError: an owner still holds an answer of theirs in some board, or a cold item has an edge.
    """
    edges = graph.context_to_item
    held = pack(owner[edge_rows(edges)], edges.indices, graph.num_items)
    for part in warm:
        leaked = np.isin(pack(owner[part.context], part.pairs.answer, graph.num_items), held)
        if leaked.any():
            at = int(np.flatnonzero(leaked)[0])
            raise DataError(
                f"the split leaks: item row {part.pairs.answer[at]} is an answer of context row {part.context[at]}, "
                "and its owner still holds it in the training graph"
            )
    degree = graph.item_to_context.degrees()
    for part in cold:
        if degree[part.pairs.answer].any():
            raise DataError("the split leaks: a cold item has edges in the training graph")


class _Carver:
    """The edges as flat columns, and which of them are still in the training graph."""

    def __init__(self, graph: ItemContextGraph, owner: NDArray[np.int64], protocol: RelatedProtocol, seed: int) -> None:
        self.graph, self.owner, self.protocol, self.seed = graph, owner, protocol, seed
        self.context = edge_rows(graph.context_to_item)
        self.item = graph.context_to_item.indices
        self.kept = np.ones(len(self.item), dtype=bool)

    def draw(self, salt: str, *keys: KeyArray) -> KeyArray:
        """uint64, one for each row of `keys`: the seed and the keys, hashed."""
        return draw(self.seed, salt, *keys)

    def cold_items(self) -> tuple[Mask, Mask]:
        """Pick the cold items of test and of validation, and drop their edges."""
        present = np.unique(self.item)
        order = present[np.argsort(self.draw("cold items", self.graph.item_key[present]), kind="stable")]
        first = round(self.protocol.cold_share * len(order))
        second = first + round(self.protocol.validation_cold_share * len(order))
        masks = []
        for chosen in (order[:first], order[first:second]):
            mask = np.zeros(self.graph.num_items, dtype=bool)
            mask[chosen] = True
            self.kept &= ~mask[self.item]
            masks.append(mask)
        return masks[0], masks[1]

    def boards(self) -> IndexArray:
        """The contexts with enough distinct items that are not cold, in row order.

        Raises:
            DataError: there are none.
        """
        context, _ = self.distinct()
        size = np.bincount(context, minlength=self.graph.num_contexts)
        found = np.flatnonzero(size >= self.protocol.min_items)
        if not len(found):
            raise DataError(
                f"no board holds {self.protocol.min_items} items, so there is no query with an answer",
                hint="Boards of 2 items take part with min_items = 2 in the [protocol] section of --config.",
            )
        return found.astype(np.int32)

    def distinct(self) -> tuple[IndexArray, IndexArray]:
        """Context and item of the edges that are left, parallel ones once."""
        packed = np.unique(pack(self.context[self.kept], self.item[self.kept], self.graph.num_items))
        context, item = np.divmod(packed, self.graph.num_items)
        return context.astype(np.int32), item.astype(np.int32)

    def ranked(self, boards: IndexArray, salt: str, among: Mask | None = None) -> tuple[CSR, Mask]:
        """The items of each context in drawn order, and which of `boards` have any."""
        context, item = self.distinct()
        if among is not None:
            context, item = context[among[item]], item[among[item]]
        drawn = self.draw(salt, self.graph.context_key[context], self.graph.item_key[item])
        order = np.lexsort((drawn, context))
        counts = np.bincount(context, minlength=self.graph.num_contexts)
        items = CSR(np.concatenate([[0], np.cumsum(counts)]), item[order])
        return items, counts[boards] > 0

    def take(
        self, boards: IndexArray, taken: Mask, most: int, share: float, salt: str, keep: HeldOut | None = None
    ) -> HeldOut:
        """Draw pairs from boards that are not taken, and drop every edge between their owners and answers.

        Args:
            keep: pairs whose queries must stay in their owners' boards.
        """
        items, _ = self.ranked(boards, "items of " + salt)
        size = items.degrees()
        free = boards[~taken[boards] & (size[boards] >= self.protocol.min_items)]
        order = np.argsort(self.draw("boards of " + salt, self.graph.context_key[free]), kind="stable")
        chosen = free[order[: min(most, math.ceil(share * len(boards)))]]
        answer, query = items.indices[items.indptr[chosen]], items.indices[items.indptr[chosen] + 1]
        whose = self.owner[chosen]
        width = self.graph.num_items
        # An owner's answer in one board must not be the query in another: dropping it would empty the query's board.
        good = ~np.isin(pack(whose, query, width), pack(whose, answer, width))
        if keep is not None:
            good &= ~np.isin(pack(whose, answer, width), pack(self.owner[keep.context], keep.pairs.query, width))
        held = HeldOut(RelatedPairs(query[good], answer[good]), chosen[good])
        gone = pack(self.owner[held.context], held.pairs.answer, width)
        self.kept &= ~np.isin(pack(self.owner[self.context], self.item, width), gone)
        return held

    def take_cold(self, boards: IndexArray, cold: Mask, most: int, salt: str) -> HeldOut:
        """Draw pairs of an item that is left in a board and a cold item that was in it."""
        queries, asked = self.ranked(boards, "cold queries of " + salt)
        before, self.kept = self.kept, cold[self.item]
        answers, answered = self.ranked(boards, "cold answers of " + salt, among=cold)
        self.kept = before
        free = boards[asked & answered]
        order = np.argsort(self.draw("cold boards of " + salt, self.graph.context_key[free]), kind="stable")
        chosen = free[order[:most]]
        pairs = RelatedPairs(queries.indices[queries.indptr[chosen]], answers.indices[answers.indptr[chosen]])
        return HeldOut(pairs, chosen)


def _owners(snapshot: Snapshot) -> NDArray[np.int64]:
    """int64 `[contexts]`: the first owner's row, or a number past all users where nobody owns the context."""
    owned = snapshot.relations.owns.backward
    found = len(snapshot.users) + np.arange(len(snapshot.contexts), dtype=np.int64)
    has = owned.degrees() > 0
    found[has] = owned.indices[owned.indptr[:-1][has]]
    return found
