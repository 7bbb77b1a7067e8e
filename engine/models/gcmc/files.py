"""A trained GC-MC, and as a folder: weights, fields, settings, and which nodes it was trained on. Knows no training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.files import atomic_folder
from engine.models.folders import reading_model
from engine.models.gcmc.config import GcmcSettings
from engine.models.gcmc.fields import SideFields
from engine.models.gcmc.model import Gcmc, Sizes
from engine.training.checkpoint import read_tensors, write_tensors

WEIGHTS, SETTINGS, NODES = "weights.pt", "settings.json", "nodes.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Trained:
    """What training leaves.

    Attributes:
        model: in evaluation mode.
        settings: it was trained with.
        fields: how fields become columns; None where none are read.
        levels: the ratings that can be given, ascending.
        ids: of the users and of the items, in the order of their keys, as in the model's table.
        taught: bool `[nodes]`, those that had a rating in training.
    """

    model: Gcmc
    settings: GcmcSettings
    fields: SideFields | None
    levels: tuple[float, ...]
    ids: tuple[tuple[str, ...], tuple[str, ...]]
    taught: NDArray[np.bool_]


def save_model(folder: Path, trained: Trained) -> None:
    """Write a sealed folder; `folder` must not exist.

    Raises:
        DiskFullError: no space left; nothing is left behind.
    """
    sizes = trained.model.sizes
    facts = {
        "settings": asdict(trained.settings),
        "levels": trained.levels,
        "features": sizes.features if trained.fields is not None else None,
    }
    nodes = {"users": trained.ids[0], "items": trained.ids[1], "taught": np.flatnonzero(trained.taught).tolist()}
    with atomic_folder(folder, {"kind": "gcmc", "format": FORMAT}) as temporary:
        write_tensors(temporary / WEIGHTS, dict(trained.model.state_dict()))
        (temporary / SETTINGS).write_text(json.dumps(facts), encoding="utf-8")
        (temporary / NODES).write_text(json.dumps(nodes), encoding="utf-8")
        if trained.fields is not None:
            trained.fields.save(temporary)


def load_model(folder: Path) -> Trained:
    """Read what `save_model` wrote.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    with reading_model(folder, "gcmc", FORMAT, "a GC-MC"):
        facts = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        nodes = json.loads((folder / NODES).read_text(encoding="utf-8"))
        settings = GcmcSettings.from_json(facts["settings"])
        ids = (tuple(nodes["users"]), tuple(nodes["items"]))
        read, levels = facts["features"], tuple(facts["levels"])
        sizes = Sizes((len(ids[0]), len(ids[1])), len(levels), tuple(read or (0, 0)))
        model = Gcmc(settings.network, sizes)
        model.load_state_dict(read_tensors(folder / WEIGHTS))
        taught = np.zeros(sum(sizes.nodes), dtype=np.bool_)
        taught[nodes["taught"]] = True
    fields = None if read is None else SideFields.load(folder)
    return Trained(model.eval(), settings, fields, levels, ids, taught)
