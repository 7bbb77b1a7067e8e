"""What a generation of a model that answers by vectors keeps for the next refresh: hidden rows, and which rows were put off.

```
state/
  state.json           format and layers
  users.0, items.0 ..  float32 [N, d], the outputs of all layers but the last
  left.users, ..items  int32, the rows whose vectors are still those of an earlier graph
```

The vectors themselves are the generation's. Rows are the snapshot's. Knows no method.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.arrays import open_array, patch_from, write_base
from engine.errors import CorruptFileError
from engine.files import write_json
from engine.models.row_embedder import SIDES, Outputs, Rows, Side
from engine.refresh.state import STATE, Patch
from engine.serving import layout
from engine.types import FloatArray

FORMAT = 3
KIND = "rows"
VECTORS: Mapping[Side, str] = {"users": layout.USER_VECTORS, "items": layout.VECTORS}


def hidden_name(side: Side, layer: int) -> str:
    """The array of a side's outputs of a layer."""
    return f"{side}.{layer}"


@dataclass(frozen=True, slots=True)
class RowState:
    """The state of one generation.

    Attributes:
        folder: the generation's.
        layers: of the model.
        left: see above.
    """

    folder: Path
    layers: int
    left: Rows

    @staticmethod
    def open(generation: Path) -> RowState | None:
        """The state of a generation, or None where it keeps none.

        Raises:
            CorruptFileError: it is unreadable.
        """
        path = generation / layout.STATE / STATE
        if not path.is_file():
            return None
        try:
            facts = json.loads(path.read_text())
            if (facts["kind"], facts["format"]) != (KIND, FORMAT):
                return None  # of another engine: the next refresh begins anew
            left: Rows = {
                side: np.load(path.parent / f"left.{side}.npy", allow_pickle=False).astype(np.int32) for side in SIDES
            }
            return RowState(generation, int(facts["layers"]), left)
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise CorruptFileError(f"state {path}: unreadable ({error})") from error

    @property
    def num_left(self) -> int:
        """How many rows were put off."""
        return sum(len(rows) for rows in self.left.values())

    def hidden(self, rows: Mapping[Side, int]) -> list[dict[Side, FloatArray]]:
        """The outputs of all layers but the last, private and with room for so many rows.

        Raises:
            CorruptFileError: a file is missing or does not fit.
        """
        folder = self.folder / layout.STATE
        return [
            {side: open_array(folder, hidden_name(side, layer), rows[side]) for side in SIDES}
            for layer in range(self.layers - 1)
        ]

    def vectors(self, rows: Mapping[Side, int]) -> dict[Side, FloatArray]:
        """The vectors, likewise."""
        return {side: open_array(self.folder, VECTORS[side], rows[side]) for side in SIDES}


def write_begun(folder: Path, hidden: Sequence[Outputs]) -> None:
    """Write the state of a model that was embedded whole into an empty folder.

    Raises:
        DiskFullError: no space left.
    """
    for layer, outputs in enumerate(hidden):
        for side in SIDES:
            write_base(folder, hidden_name(side, layer), outputs[side])
    none = np.empty(0, np.int32)
    _write_facts(folder, len(hidden) + 1, dict.fromkeys(SIDES, none))


def write_next(
    folder: Path,
    state: RowState,
    rows: Mapping[Side, int],
    hidden: Sequence[Mapping[Side, Patch]],
    left: Rows,
) -> None:
    """Write the state that follows `state` into an empty folder, sharing what is the same.

    Args:
        rows: how many there are of each side, no fewer than before.
        hidden: what differs in each layer but the last; appended rows are among it.

    Raises:
        DiskFullError: no space left.
    """
    parent = state.folder / layout.STATE
    for layer, patches in enumerate(hidden):
        for side, patch in patches.items():
            patch_from(parent, hidden_name(side, layer), folder, rows[side], patch.rows, patch.values)
    _write_facts(folder, state.layers, left)


def _write_facts(folder: Path, layers: int, left: Rows) -> None:
    for side in SIDES:
        np.save(folder / f"left.{side}.npy", left[side])
    write_json(folder / STATE, {"kind": KIND, "format": FORMAT, "layers": layers})
