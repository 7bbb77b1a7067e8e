"""The one handle on the registry: a small store a subject, over one database."""

from __future__ import annotations

from typing import Self

from engine.registry.database import Database
from engine.registry.flags import Flags
from engine.registry.generations import Generations
from engine.registry.leases import Leases
from engine.registry.receipts import Receipts
from engine.registry.runs import Runs
from engine.registry.samples import Samples
from engine.registry.shadows import Shadows
from engine.registry.trainings import Trainings
from engine.registry.watermarks import Watermarks


class Registry:
    """Everything the engine remembers beside the graph. Safe to use from threads and from several processes.

    Attributes:
        generations: their life, and which one serves.
        trainings: what was learned, and where it lies.
        runs: what jobs did.
        leases: who may do it.
        watermarks: how far the readers of the change feed are.
        receipts: what was forgotten.
        samples: what was measured while serving.
        shadows: candidates that answer beside what serves.
        flags: small things by name.
    """

    def __init__(self, url: str) -> None:
        database = Database(url)
        self._database = database
        self.generations = Generations(database)
        self.trainings = Trainings(database)
        self.runs = Runs(database)
        self.leases = Leases(database)
        self.watermarks = Watermarks(database)
        self.receipts = Receipts(database)
        self.samples = Samples(database)
        self.shadows = Shadows(database)
        self.flags = Flags(database)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the registry at a SQLAlchemy URL, creating or upgrading it.

        Raises:
            ConfigError: the URL names no known database.
            StorageError: the database cannot be used.
        """
        return cls(url)

    def close(self) -> None:
        self._database.close()
