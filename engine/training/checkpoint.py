"""Checkpoints of a training run: sealed folders, the newest of which a run goes on from. Knows tensors, no model."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import CorruptFileError
from engine.files import atomic_folder, open_folder
from engine.hashing import digest

TENSORS, FACTS = "state.pt", "progress.json"
KEEP = 2
"""Checkpoints kept, the newest first."""


def write_tensors(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts, lists, numbers and tensors; `read_tensors` reads them without running any code."""
    torch.save(state, path)


def read_tensors(path: Path) -> dict[str, Any]:
    """Read what `write_tensors` wrote.

    Raises:
        CorruptFileError: the file is missing, unreadable or holds anything but tensors and plain values.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a broken file
        raise CorruptFileError(f"{path}: not a checkpoint that can be read ({type(error).__name__})") from error
    return dict(state)


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are; made when the first is written.
        run: a digest of everything that the run depends on; another run's checkpoints are refused.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self.folder, self.run = folder, run

    def save(self, step: int, state: dict[str, Any], progress: dict[str, Any]) -> Path:
        """Write the state after `step` steps, then drop old checkpoints.

        Raises:
            DiskFullError: no space left; the older checkpoints stay.
        """
        target = self.folder / f"step-{step:09d}"
        if target.exists():  # the same step of the same run: written before an interruption
            shutil.rmtree(target)
        with atomic_folder(target, {"kind": "training checkpoint", "run": self.run, "step": step}) as folder:
            write_tensors(folder / TENSORS, state)
            (folder / FACTS).write_text(json.dumps(progress), encoding="utf-8")
        for old in self._found()[:-KEEP]:
            shutil.rmtree(old)
        return target

    def latest(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """State and progress of the newest checkpoint; None where there is none.

        Raises:
            CorruptFileError: it is damaged, or of a run with other settings or data.
        """
        found = self._found()
        if not found:
            return None
        path = found[-1]
        manifest = open_folder(path, what="checkpoint")
        if manifest.get("run") != self.run:
            raise CorruptFileError(
                f"checkpoint {path}: it is of a run with other settings or data",
                hint="Train into another folder, or delete this one to start anew.",
            )
        try:
            progress = json.loads((path / FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CorruptFileError(f"checkpoint {path}: {FACTS} cannot be read ({error})") from error
        return read_tensors(path / TENSORS), dict(progress)

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("step-*")) if self.folder.is_dir() else []


def run_digest(facts: Sequence[Any], *arrays: NDArray[Any]) -> str:
    """Equal for trainings that depend on the same.

    Args:
        facts: JSON-able: settings, a seed, ...
        arrays: what is learned from.
    """
    content = hashlib.sha256()
    for array in arrays:
        content.update(np.ascontiguousarray(array).tobytes())
    return digest([*facts, content.hexdigest()])
