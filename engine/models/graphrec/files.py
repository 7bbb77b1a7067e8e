"""A trained GraphRec, and as a folder: weights, settings, and which nodes it was trained on. Knows no training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.files import atomic_folder
from engine.models.folders import reading_model
from engine.models.graphrec.config import GraphrecSettings
from engine.models.graphrec.model import Graphrec, Sizes
from engine.training.checkpoint import read_tensors, write_tensors

WEIGHTS, SETTINGS, NODES = "weights.pt", "settings.json", "nodes.json"
FORMAT = 3


@dataclass(frozen=True, slots=True)
class Trained:
    """What training leaves.

    Attributes:
        model: in evaluation mode.
        settings: it was trained with.
        levels: the ratings that can be given, ascending.
        ids: of the users and of the items, in the order of their keys, as in the model's tables.
    """

    model: Graphrec
    settings: GraphrecSettings
    levels: tuple[float, ...]
    ids: tuple[tuple[str, ...], tuple[str, ...]]


def save_model(folder: Path, trained: Trained) -> None:
    """Write a sealed folder; `folder` must not exist.

    Raises:
        DiskFullError: no space left; nothing is left behind.
    """
    facts = {"settings": asdict(trained.settings), "levels": trained.levels}
    nodes = {"users": trained.ids[0], "items": trained.ids[1]}
    with atomic_folder(folder, {"kind": "graphrec", "format": FORMAT}) as temporary:
        write_tensors(temporary / WEIGHTS, dict(trained.model.state_dict()))
        (temporary / SETTINGS).write_text(json.dumps(facts), encoding="utf-8")
        (temporary / NODES).write_text(json.dumps(nodes), encoding="utf-8")


def load_model(folder: Path) -> Trained:
    """Read what `save_model` wrote.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    with reading_model(folder, "graphrec", FORMAT, "a GraphRec"):
        facts = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        nodes = json.loads((folder / NODES).read_text(encoding="utf-8"))
        settings = GraphrecSettings.from_json(facts["settings"])
        ids, levels = (tuple(nodes["users"]), tuple(nodes["items"])), tuple(facts["levels"])
        sizes = Sizes(len(ids[0]), len(ids[1]), len(levels))
        model = Graphrec(settings.network, sizes, settings.training.dropout)
        model.load_state_dict(read_tensors(folder / WEIGHTS))
    return Trained(model.eval(), settings, levels, ids)
