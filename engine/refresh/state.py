"""What a generation keeps for the next refresh, beside what answers: neighbourhoods, footprints, hidden rows, accounts.

```
state/
  state.json      format, and the graph's relation that the walks were on
  idx, weight     [N, T], the neighbourhoods that the model pools
  footprints      uint64 [N, W], which nodes each item's walks picked from (sampling.footprints); none without layers
  hidden.0, ...   float32 [N, dim], h0 and the outputs of all layers but the last
  accounts        float32 [N, 3] (embedding.bounds)
```

All are arrays of `engine.arrays`: what did not change is shared with the parent's. Rows are the snapshot's item rows. The
vectors themselves are the generation's. Knows no walk and no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import open_array, patch_from, rows_of
from engine.embedding.bounds import ACCOUNT, UNKNOWN
from engine.embedding.kept import Kept
from engine.errors import CorruptFileError
from engine.files import read_manifest, sha256_file, write_json
from engine.serving import layout
from engine.types import IndexArray, KeyArray

FORMAT = 1
CHECKED_BYTES = 1 << 26
"""Files up to this size are compared by checksum before each refresh."""
STATE, IDX, WEIGHT, FOOTPRINTS, ACCOUNTS = "state.json", "idx", "weight", "footprints", "accounts"


def hidden_name(layer: int) -> str:
    """The array of a layer's inputs."""
    return f"hidden.{layer}"


@dataclass(frozen=True, slots=True)
class State:
    """The state of one generation.

    Attributes:
        folder: the generation's.
        rows: N.
        relation: what the walks were on, "saves" or "interactions".
        layers: how many `hidden` arrays there are.
    """

    folder: Path
    rows: int
    relation: str
    layers: int

    @staticmethod
    def open(generation: Path) -> State | None:
        """The state of a generation, or None where it keeps none.

        Raises:
            CorruptFileError: it is unreadable.
        """
        path = generation / layout.STATE / STATE
        if not path.is_file():
            return None
        try:
            facts = json.loads(path.read_text())
            if facts["format"] != FORMAT:
                return None  # of another engine: the next refresh begins anew
            return State(generation, rows_of(path.parent, ACCOUNTS), str(facts["relation"]), int(facts["layers"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"state {path}: unreadable ({error})") from error

    def kept(self, rows: int) -> Kept:
        """The arrays, private and with room for all rows; those past N were never embedded.

        Raises:
            CorruptFileError: a file is missing or does not fit.
        """
        folder = self.folder / layout.STATE
        accounts = open_array(folder, ACCOUNTS, rows)
        accounts[self.rows :, ACCOUNT] = UNKNOWN
        idx = open_array(folder, IDX, rows)
        idx[self.rows :] = -1
        return Kept(
            idx=idx,
            weight=open_array(folder, WEIGHT, rows),
            hidden=[open_array(folder, hidden_name(layer), rows) for layer in range(self.layers)],
            vectors=open_array(self.folder, layout.VECTORS, rows),
            accounts=accounts,
        )

    def footprints(self, rows: int) -> KeyArray:
        """uint64 `[rows, W]`, mapped; empty filters past N."""
        return open_array(self.folder / layout.STATE, FOOTPRINTS, rows)


def check_files(generation: Path) -> None:
    """Compare what a generation keeps with its manifest: the sizes of the files, and the checksums of all but the largest, which
    are as old as the lineage and would take seconds; `engine refresh --verify` compares those too.

    Raises:
        CorruptFileError: a file is missing, short or altered.
    """
    for name, entry in read_manifest(generation, what="generation")["files"].items():
        if not name.startswith(f"{layout.STATE}/"):
            continue
        path = generation / name
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            raise CorruptFileError(f"generation {generation}: {name} is missing or has the wrong size")
        if entry["bytes"] <= CHECKED_BYTES and sha256_file(path) != entry["sha256"]:
            raise CorruptFileError(f"generation {generation}: {name} does not match its checksum")


@dataclass(frozen=True, slots=True)
class Patch:
    """Rows of one array that differ from the parent's, increasing; new rows are among them."""

    rows: IndexArray
    values: NDArray[Any]


def write_next(folder: Path, state: State, rows: int, patches: Mapping[str, Patch]) -> None:
    """Write the state that follows `state` into an empty folder, sharing what is the same.

    Args:
        rows: N, no fewer than before.
        patches: for each array of the state.

    Raises:
        DiskFullError: no space left.
    """
    parent = state.folder / layout.STATE
    for name, patch in patches.items():
        patch_from(parent, name, folder, rows, patch.rows, patch.values)
    write_facts(folder, state.relation, state.layers)


def write_facts(folder: Path, relation: str, layers: int) -> None:
    """Write what the arrays do not say themselves."""
    write_json(folder / STATE, {"format": FORMAT, "relation": relation, "layers": layers})


def taken(array: NDArray[Any], rows: IndexArray) -> Patch:
    """Some rows of an array as a patch."""
    return Patch(rows, np.asarray(array[rows]))
