"""Learned arrays and the ids that they are about, as a sealed folder, and what methods that keep no more share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import CorruptFileError
from engine.files import atomic_folder
from engine.models.folders import reading_model

if TYPE_CHECKING:
    from engine.models.user_item import UserItemData

FORMAT = 1
FACTS = "facts.json"


@dataclass(frozen=True, slots=True)
class Learned:
    """What a method learned.

    Attributes:
        settings: it was made with.
        ids: what the arrays are about, by the name of the kind of node, in the order of the arrays.
        arrays: by name.
        figures: what a report says of the fit.
    """

    settings: dict[str, Any]
    ids: Mapping[str, tuple[str, ...]]
    arrays: Mapping[str, NDArray[Any]]
    figures: dict[str, Any]


def save_learned(folder: Path, kind: str, learned: Learned) -> None:
    """Write a sealed folder; `folder` must not exist.

    Raises:
        DiskFullError: no space left; nothing is left behind.
    """
    facts = {"settings": learned.settings, "ids": dict(learned.ids), "figures": learned.figures}
    with atomic_folder(folder, {"kind": kind, "format": FORMAT}) as temporary:
        for name, values in learned.arrays.items():
            np.save(temporary / f"{name}.npy", values)
        (temporary / FACTS).write_text(json.dumps({**facts, "arrays": list(learned.arrays)}), encoding="utf-8")


def load_learned(folder: Path, kind: str) -> Learned:
    """Read what `save_learned` wrote; arrays are mapped, not read.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    with reading_model(folder, kind, FORMAT):
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        ids = {name: tuple(some) for name, some in facts["ids"].items()}
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in facts["arrays"]}
        return Learned(dict(facts["settings"]), ids, arrays, dict(facts["figures"]))


class LearnedMethod:
    """A method of which `Learned` is all that is kept: written down, read, and asked about some data without training."""

    name: str
    _learned: Learned

    def report(self) -> dict[str, Any]:
        """Settings, and figures of the fit."""
        return {"settings": self._learned.settings, **self._learned.figures}

    def save(self, folder: Path) -> None:
        """Write what was learned as a sealed folder; `folder` must not exist.

        Raises:
            DiskFullError: no space left.
        """
        save_learned(folder, self.name, self._learned)

    @classmethod
    def load(cls, folder: Path, data: UserItemData) -> Self:
        """Read what `save` wrote, to answer about some data: that of training, or later data.

        Raises:
            CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
        """
        with cls._reading(folder) as learned:
            return cls._answering(learned, data)

    @classmethod
    @contextmanager
    def _reading(cls, folder: Path) -> Iterator[Learned]:
        """What `save` wrote; what does not fit it in the block is a `CorruptFileError`."""
        learned = load_learned(folder, cls.name)
        try:
            yield learned
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(f"model {folder}: its files do not fit each other ({error})") from error

    @classmethod
    def _answering(cls, learned: Learned, data: UserItemData) -> Self:
        found = cls._of(learned.settings)
        found._learned = learned
        found._look_at(data)
        return found

    @classmethod
    def _of(cls, settings: dict[str, Any]) -> Self:
        """An unfitted method of the settings that `Learned` holds."""
        return cls(**settings)

    def _look_at(self, data: UserItemData) -> None:
        """Work out what answers about some data need."""
        raise NotImplementedError
