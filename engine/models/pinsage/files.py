"""A trained PinSage as a folder: weights, features, settings. Knows no training."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from engine.features.encoder import FeatureEncoder
from engine.files import atomic_folder
from engine.models.folders import reading_model
from engine.models.pinsage.config import PinSageSettings
from engine.models.pinsage.model import PinSage
from engine.training.checkpoint import read_tensors, write_tensors

WEIGHTS, SETTINGS = "weights.pt", "settings.json"
FORMAT = 1


def save_model(folder: Path, model: PinSage, encoder: FeatureEncoder, settings: PinSageSettings) -> None:
    """Write a sealed folder; `folder` must not exist.

    Raises:
        DiskFullError: no space left; nothing is left behind.
    """
    with atomic_folder(folder, {"kind": "pinsage", "format": FORMAT}) as temporary:
        write_tensors(temporary / WEIGHTS, dict(model.state_dict()))
        encoder.save(temporary)
        sizes = {"items": 0 if model.bias is None else len(model.bias)}
        (temporary / SETTINGS).write_text(json.dumps({"settings": asdict(settings), **sizes}), encoding="utf-8")


def load_model(folder: Path) -> tuple[PinSage, FeatureEncoder, PinSageSettings]:
    """Read what `save_model` wrote; the model is in evaluation mode.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    with reading_model(folder, "pinsage", FORMAT, "a PinSage"):
        encoder = FeatureEncoder.load(folder)
        stored = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        settings = PinSageSettings.from_json(stored["settings"])
        model = PinSage(
            settings.network, vocabulary=len(encoder.tokens), dense=encoder.dense_width, items=stored["items"]
        )
        model.load_state_dict(read_tensors(folder / WEIGHTS))
    return model.eval(), encoder, settings
