"""The demo's world and the saves it keeps back, so that methods can be compared on what none of them has seen.

From some boards one save is taken out as the answer and another item of the board becomes the query. The hold-out is
strict: every edge between the board's owner and the answer goes, on the owner's other boards and among their views. The
graph server never gets these edges, so one training serves both the comparison and the answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.datasets.generator import Generated, generate, write_generated
from engine.datasets.world import WorldConfig
from engine.files import write_json

MIN_SAVES = 4
"""Boards smaller than this are left whole."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What was kept back.

    Attributes:
        pairs: `[P]` of (query, answer) item ids.
        generated: the world without it.
        edges: how many edges were taken out in all.
    """

    pairs: list[tuple[str, str]]
    generated: Generated
    edges: int


def hold_out(generated: Generated, count: int, seed: int) -> HeldOut:
    """Take the answers of at most `count` boards out of a generated world.

    An answer keeps at least two saves elsewhere, so that it is not a new item; queries stay on their boards.
    """
    rng = np.random.default_rng([seed, 200])
    world = generated.world
    saves = world.saves
    boards, sizes = np.unique(saves.source, return_counts=True)
    chosen = rng.permutation(boards[sizes >= MIN_SAVES])[:count]
    starts = np.searchsorted(saves.source, chosen)
    ends = np.searchsorted(saves.source, chosen, side="right")
    degree = np.bincount(saves.target, minlength=world.config.items)

    owner_of_save = world.board_owner[saves.source]
    save_of = _by_pair(owner_of_save, saves.target, world.config.items)
    view_of = _by_pair(world.views.source, world.views.target, world.config.items)
    drop_save = np.zeros(len(saves.source), dtype=bool)
    drop_view = np.zeros(len(world.views.source), dtype=bool)
    pairs = []
    asked: set[int] = set()
    for board, start, end in zip(chosen.tolist(), starts.tolist(), ends.tolist(), strict=True):
        left = np.flatnonzero(~drop_save[start:end]) + start
        if len(left) < MIN_SAVES:
            continue
        query, answer = saves.target[rng.choice(left, 2, replace=False)].tolist()
        owner = int(world.board_owner[board]) * world.config.items
        key = owner + answer
        gone = save_of.rows(key)
        gone = gone[~drop_save[gone]]
        if degree[answer] - len(gone) < 2 or key in asked:
            continue
        asked.add(owner + query)
        drop_save[gone] = True
        drop_view[view_of.rows(key)] = True
        degree[answer] -= len(gone)
        pairs.append((query, answer))
    ids = generated.main.tables["items"]["item_id"]
    tables = {
        **generated.main.tables,
        "saves": _without(generated.main.tables["saves"], drop_save),
        "interactions": _without(generated.main.tables["interactions"], drop_view),
    }
    return HeldOut(
        [(ids[query], ids[answer]) for query, answer in pairs],
        replace(generated, main=replace(generated.main, tables=tables)),
        int(drop_save.sum() + drop_view.sum()),
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Row numbers of edges by (owner, item)."""

    keys: NDArray[np.int64]
    order: NDArray[np.int64]

    def rows(self, key: int) -> NDArray[np.int64]:
        return self.order[np.searchsorted(self.keys, key) : np.searchsorted(self.keys, key, side="right")]


def _by_pair(owner: NDArray[Any], item: NDArray[Any], items: int) -> _Pairs:
    keys = owner.astype(np.int64) * items + item
    order = np.argsort(keys, kind="stable")
    return _Pairs(keys[order], order)


def _without(columns: Any, dropped: NDArray[np.bool_]) -> dict[str, list[Any]]:
    keep = np.flatnonzero(~dropped).tolist()
    return {name: [values[row] for row in keep] for name, values in columns.items()}


def write_demo_world(folder: Path, config: WorldConfig, pairs: int) -> dict[str, Any]:
    """Generate the world, keep answers back, and write `folder` (the data set) with `held_out.json` inside, last.

    Returns:
        Table -> rows, `held_out` (pairs) and `withheld` (edges).
    """
    held = hold_out(generate(config), pairs, config.seed)
    write_generated(folder, held.generated)
    write_json(folder / "held_out.json", held.pairs)
    return {**held.generated.main.counts(), "held_out": len(held.pairs), "withheld": held.edges}
