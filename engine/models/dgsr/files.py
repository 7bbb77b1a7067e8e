"""A trained DGSR, and as a folder: weights, settings, and which nodes it knows. Knows no training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.files import atomic_folder
from engine.models.dgsr.config import DgsrSettings
from engine.models.dgsr.model import Dgsr
from engine.models.folders import reading_model
from engine.training.checkpoint import read_tensors, write_tensors
from engine.types import FloatArray

WEIGHTS, SETTINGS, NODES = "weights.pt", "settings.json", "nodes.json"
FORMAT = 3


@dataclass(frozen=True, slots=True)
class Trained:
    """What training leaves.

    Attributes:
        model: in evaluation mode.
        settings: it was trained with.
        users, items: ids, in the order of the model's tables.
        taught: bool `[users]`, those who had an edge in training.
        share: float32 `[items]`, of all training edges; 0 for an item that nobody had, of which nothing was learned.
    """

    model: Dgsr
    settings: DgsrSettings
    users: tuple[str, ...]
    items: tuple[str, ...]
    taught: NDArray[np.bool_]
    share: FloatArray


def save_model(folder: Path, trained: Trained) -> None:
    """Write a sealed folder; `folder` must not exist.

    Raises:
        DiskFullError: no space left; nothing is left behind.
    """
    told = {
        "users": trained.users,
        "items": trained.items,
        "taught": np.flatnonzero(trained.taught).tolist(),
        "share": trained.share.tolist(),
    }
    with atomic_folder(folder, {"kind": "dgsr", "format": FORMAT}) as temporary:
        write_tensors(temporary / WEIGHTS, dict(trained.model.state_dict()))
        (temporary / SETTINGS).write_text(json.dumps(asdict(trained.settings)), encoding="utf-8")
        (temporary / NODES).write_text(json.dumps(told), encoding="utf-8")


def load_model(folder: Path) -> Trained:
    """Read what `save_model` wrote.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    with reading_model(folder, "dgsr", FORMAT, "a DGSR"):
        settings = DgsrSettings.from_json(json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
        told = json.loads((folder / NODES).read_text(encoding="utf-8"))
        users, items = tuple(told["users"]), tuple(told["items"])
        model = Dgsr(settings.network, len(users), len(items))
        model.load_state_dict(read_tensors(folder / WEIGHTS))
        taught = np.zeros(len(users), np.bool_)
        taught[told["taught"]] = True
        return Trained(model.eval(), settings, users, items, taught, np.array(told["share"], np.float32))
