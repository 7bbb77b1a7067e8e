"""A trained DiffNet++, and as a folder: weights, fields, settings, and which nodes it was trained on. Knows no training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from engine.files import atomic_folder
from engine.models.diffnet.config import DiffnetSettings
from engine.models.diffnet.graph import Roots
from engine.models.diffnet.model import Diffnet, Sizes
from engine.models.folders import reading_model
from engine.models.gcmc.fields import SideFields
from engine.training.checkpoint import read_tensors, write_tensors

WEIGHTS, FACTS, NODES = "weights.pt", "facts.json", "nodes.json"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Trained:
    """What training leaves.

    Attributes:
        model: in evaluation mode.
        settings: it was trained with.
        fields: how fields become columns; None where none are read.
        ids: of the users and of the items that have a vector of their own, in its order.
        sent: of these, as they were in training.
        figures: what a report says of the training.
    """

    model: Diffnet
    settings: DiffnetSettings
    fields: SideFields | None
    ids: tuple[tuple[str, ...], tuple[str, ...]]
    sent: Roots
    figures: dict[str, Any]


def save_model(folder: Path, trained: Trained) -> None:
    """Write a sealed folder; `folder` must not exist.

    Raises:
        DiskFullError: no space left; nothing is left behind.
    """
    facts = {
        "settings": asdict(trained.settings),
        "features": trained.model.sizes.features if trained.fields is not None else None,
        "figures": trained.figures,
    }
    nodes = {"users": trained.ids[0], "items": trained.ids[1]}
    with atomic_folder(folder, {"kind": "diffnet", "format": FORMAT}) as temporary:
        sent = {part.name: torch.from_numpy(getattr(trained.sent, part.name)) for part in fields(Roots)}
        write_tensors(temporary / WEIGHTS, {"model": dict(trained.model.state_dict()), "sent": sent})
        (temporary / FACTS).write_text(json.dumps(facts), encoding="utf-8")
        (temporary / NODES).write_text(json.dumps(nodes), encoding="utf-8")
        if trained.fields is not None:
            trained.fields.save(temporary)


def load_model(folder: Path) -> Trained:
    """Read what `save_model` wrote.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    with reading_model(folder, "diffnet", FORMAT, "a DiffNet++"):
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        nodes = json.loads((folder / NODES).read_text(encoding="utf-8"))
        settings = DiffnetSettings.from_json(facts["settings"])
        ids = (tuple(nodes["users"]), tuple(nodes["items"]))
        read = facts["features"]
        model = Diffnet(settings.network, Sizes(len(ids[0]), len(ids[1]), tuple(read or (0, 0))))
        state = read_tensors(folder / WEIGHTS)
        model.load_state_dict(state["model"])
        sent = Roots(**{name: values.numpy() for name, values in state["sent"].items()})
    encoders = None if read is None else SideFields.load(folder)
    return Trained(model.eval(), settings, encoders, ids, sent, dict(facts["figures"]))
