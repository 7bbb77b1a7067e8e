"""DGSR's settings: the network, the sub-graphs and how it is trained. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from engine.errors import ConfigError
from engine.models.flat_settings import FlatSettings
from engine.training.config import LoopConfig


@dataclass(frozen=True, slots=True)
class DgsrConfig:
    """The network and the sub-graphs (Zhang et al., 2021, section 4). Raises ConfigError for a value out of range."""

    dim: int = 96
    """Width of an embedding and of every layer."""
    hops: int = 2
    """Layers, and hops of the sub-graph that each prediction rests on."""
    length: int = 50
    """How many of a user's latest items are followed."""
    users: int = 20
    """How many of an item's latest users are followed."""
    temperature: float = 0.15
    """What the cosine of what is expected and an item is divided by to give its logit."""
    dropout: float = 0.5
    """Chance that a number of an embedding is 0 in a step."""
    long_term: bool = True
    """Attend by the node itself, with embeddings of the relative order (equations 5 to 8)."""
    short_term: bool = True
    """Attend by the newest neighbour (equations 9 and 10)."""
    order: bool = True
    """Add those embeddings of the relative order."""

    def __post_init__(self) -> None:
        for name in ("dim", "hops", "length", "users"):
            if getattr(self, name) < 1:
                raise ConfigError(f"dgsr: {name} must be at least 1, not {getattr(self, name)}")
        if not self.temperature > 0:
            raise ConfigError(f"dgsr: temperature must be positive, not {self.temperature}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dgsr: dropout must be at least 0 and less than 1, not {self.dropout}")
        if not (self.long_term or self.short_term):
            raise ConfigError("dgsr: one of long_term and short_term must be on")

    @property
    def most(self) -> list[int]:
        """How many edges of a node each hop follows."""
        return [self.users if hop % 2 else self.length for hop in range(self.hops)]


@dataclass(frozen=True, slots=True)
class DgsrTraining:
    """The steps. Raises ConfigError for a value out of range."""

    batch_size: int = 512
    """Targets a step, at most (see `engine.models.next_items.step_size`)."""
    checked: int = 4000
    """Users whose validation item is looked for after an epoch, at most."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "checked"):
            if getattr(self, name) < 1:
                raise ConfigError(f"dgsr: {name} must be at least 1, not {getattr(self, name)}")


def _loop() -> LoopConfig:
    return LoopConfig(epochs=14, learning_rate=2e-3, decay=0.9, patience=3, weight_decay=0.3, average=0.99)


@dataclass(frozen=True, slots=True)
class DgsrSettings(FlatSettings):
    """Everything that a trained DGSR depends on but the data and the seed."""

    method: ClassVar[str] = "dgsr"

    network: DgsrConfig = field(default_factory=DgsrConfig)
    training: DgsrTraining = field(default_factory=DgsrTraining)
    loop: LoopConfig = field(default_factory=_loop)
