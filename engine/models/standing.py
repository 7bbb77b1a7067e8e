"""How a method knows each user and item: from training, from edges that training had not, or not at all. Knows no method."""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engine.models.row_embedder import Side
from engine.types import IndexArray

Standing = Literal["trained", "folded in", "cold"]
"""It had edges in training; edges of the data at hand tell of it; nothing does."""


@runtime_checkable
class TellsStanding(Protocol):
    """A method that says how it knows the users and items of the data at hand."""

    def standing(self, side: Side, rows: IndexArray) -> NDArray[np.str_]:
        """A `Standing` for each row of one side, `[len(rows)]`."""
        ...


@runtime_checkable
class TellsTaught(Protocol):
    """A `RowEmbedder` that says of whom something was learned in training."""

    def taught(self, side: Side) -> NDArray[np.bool_]:
        """bool `[N]`, for each row of one side."""
        ...


def standing_of(taught: NDArray[np.bool_], reached: NDArray[np.bool_]) -> NDArray[np.str_]:
    """A `Standing` for each of some nodes.

    Args:
        taught: bool `[N]`, of whom something was learned in training; reached: whom an edge of the data at hand tells of.
    """
    return np.where(taught, "trained", np.where(reached, "folded in", "cold"))


def standing_in(method: Any, side: Side, row: int) -> Standing | None:
    """How a method knows a row of its data; None where it cannot tell."""
    if not isinstance(method, TellsStanding):
        return None
    found: Standing = method.standing(side, np.array([row], np.int32))[0]
    return found
