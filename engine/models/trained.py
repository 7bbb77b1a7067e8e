"""What methods that the training loop trains share: settings by name, a folder, answers about later data. Knows no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from engine.training.loop import Progress

if TYPE_CHECKING:
    from engine.models.flat_settings import FlatSettings
    from engine.models.user_item import UserItemData

S = TypeVar("S", bound="FlatSettings")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Files:
    """Writes what training left as a sealed folder, and reads that."""

    write: Callable[[Path, Any], None]
    read: Callable[[Path], Any]


class TrainedMethod(Generic[S, T]):
    """A method of settings `S` of which `T` is what training leaves: a model, the settings, and what it is about.

    Attributes:
        settings: in force.
        trained: what training left.
        progress: how far that training went; none for a model that was read.
    """

    settings_type: ClassVar[type[Any]]
    files: ClassVar[Files]

    def __init__(self, settings: S | None = None) -> None:
        self.settings: S = settings or self.settings_type()
        self.progress = Progress()
        self.trained: T

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make one from settings by name; see `FlatSettings.from_flat`.

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        return cls(cls.settings_type.from_flat(settings))

    def fold_in(self, data: UserItemData) -> Self:
        """Answer about later data without training.

        Args:
            data: all users, items and edges as they are now; row numbers may be others.

        Raises:
            InputError, DataError, TrainingError: there is what the method cannot take in; its class says what.
        """
        return self._answering(self.trained, data, self.progress)

    def report(self) -> dict[str, Any]:
        """Settings in force, epochs run, the loss of each, validation, time, and the size of the network."""
        model: Any = self.trained.model  # type: ignore[attr-defined]
        return {
            "settings": asdict(self.settings),  # type: ignore[call-overload]
            "training": self.progress.told(),
            "parameters": sum(part.numel() for part in model.parameters()),
        }

    def save(self, folder: Path) -> None:
        """Write the trained model as a sealed folder; `folder` must not exist.

        Raises:
            DiskFullError: no space left.
        """
        self.files.write(folder, self.trained)

    @classmethod
    def load(cls, folder: Path, data: UserItemData) -> Self:
        """Read what `save` wrote, to answer about some data: that of training, or later data as in `fold_in`.

        Raises:
            CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
            InputError, DataError, TrainingError: as for `fold_in`.
        """
        return cls._answering(cls.files.read(folder), data, Progress())

    @classmethod
    def _answering(cls, trained: T, data: UserItemData, progress: Progress) -> Self:
        found = cls(trained.settings)  # type: ignore[attr-defined]
        found.trained, found.progress = trained, progress
        found._answer_about(data)
        return found

    def _answer_about(self, data: UserItemData) -> None:
        """Work out what answers about some data need."""
        raise NotImplementedError
