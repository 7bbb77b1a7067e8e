"""A trained SASRec, and as a folder: weights, settings, and which items it knows. Knows no training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engine.files import atomic_folder
from engine.models.folders import reading_model
from engine.models.sasrec.config import SasrecSettings
from engine.models.sasrec.model import Sasrec
from engine.training.checkpoint import read_tensors, write_tensors
from engine.types import FloatArray

WEIGHTS, SETTINGS, ITEMS = "weights.pt", "settings.json", "items.json"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Trained:
    """What training leaves.

    Attributes:
        model: in evaluation mode.
        settings: it was trained with.
        items: ids, in the order of the model's table.
        share: float32 `[items]`, of all training edges; 0 for an item that nobody had, of which nothing was learned.
    """

    model: Sasrec
    settings: SasrecSettings
    items: tuple[str, ...]
    share: FloatArray


def save_model(folder: Path, trained: Trained) -> None:
    """Write a sealed folder; `folder` must not exist.

    Raises:
        DiskFullError: no space left; nothing is left behind.
    """
    with atomic_folder(folder, {"kind": "sasrec", "format": FORMAT}) as temporary:
        write_tensors(temporary / WEIGHTS, dict(trained.model.state_dict()))
        (temporary / SETTINGS).write_text(json.dumps(asdict(trained.settings)), encoding="utf-8")
        told = {"ids": trained.items, "share": trained.share.tolist()}
        (temporary / ITEMS).write_text(json.dumps(told), encoding="utf-8")


def load_model(folder: Path) -> Trained:
    """Read what `save_model` wrote.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    with reading_model(folder, "sasrec", FORMAT, "a SASRec"):
        settings = SasrecSettings.from_json(json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
        told = json.loads((folder / ITEMS).read_text(encoding="utf-8"))
        model = Sasrec(settings.network, len(told["ids"]))
        model.load_state_dict(read_tensors(folder / WEIGHTS))
        return Trained(model.eval(), settings, tuple(told["ids"]), np.array(told["share"], np.float32))
