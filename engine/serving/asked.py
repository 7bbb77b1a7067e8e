"""Who asks a model about users and items, about which item, and what answers them both. Knows no method and no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models.user_item import UserItemData
from engine.serving.taken import Taken, TakenBy


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks.

    Attributes:
        row: theirs; -1 where the generation has none.
        taken: what the graph knows of one who has no row, or had nothing when the generation was built; None for all others,
            and where it knows nothing.
        have: int64, rows of the items they have, which no answer holds.
    """

    user: str
    row: int
    taken: Taken | None
    have: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which item is asked about.

    Attributes:
        row: its own; -1 where the generation has none.
        taken_by: what the graph knows of one that has no row, or that nobody had when the generation was built; None for all
            others, and where nobody has it now.
    """

    item: str
    row: int
    taken_by: TakenBy | None


@dataclass(frozen=True, slots=True)
class Late:
    """A method that answers about a user, and about an item where one is asked about.

    Attributes:
        data: what it answers about.
        user, item: rows of that; the item's is -1 where none is asked about.
    """

    method: Any
    data: UserItemData
    user: int
    item: int
