"""SASRec's settings: the network and how it is trained. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from engine.errors import ConfigError
from engine.models.flat_settings import FlatSettings
from engine.training.config import LoopConfig


@dataclass(frozen=True, slots=True)
class SasrecConfig:
    """The network (Kang and McAuley, 2018, section III). Raises ConfigError for a value out of range."""

    dim: int = 64
    """Width of an item's embedding and of every layer."""
    blocks: int = 2
    """Layers of self-attention."""
    heads: int = 1
    """Attention heads a layer; they share `dim`."""
    length: int = 50
    """How many of a user's latest items are looked at."""
    temperature: float = 0.15
    """What the cosine of what is expected and an item is divided by to give its logit."""
    dropout: float = 0.5
    """Chance that a number of an embedding, or of what a layer adds, is 0 in a step."""

    def __post_init__(self) -> None:
        for name in ("dim", "blocks", "heads", "length"):
            if getattr(self, name) < 1:
                raise ConfigError(f"sasrec: {name} must be at least 1, not {getattr(self, name)}")
        if self.dim % self.heads:
            raise ConfigError(f"sasrec: dim must be a multiple of heads, not {self.dim} and {self.heads}")
        if not self.temperature > 0:
            raise ConfigError(f"sasrec: temperature must be positive, not {self.temperature}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"sasrec: dropout must be at least 0 and less than 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class SasrecTraining:
    """The steps. Raises ConfigError for a value out of range."""

    batch_size: int = 256
    """Users a step, at most (see `engine.models.next_items.step_size`); each item after a user's first is a target."""
    checked: int = 4000
    """Users whose validation item is looked for after an epoch, at most."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "checked"):
            if getattr(self, name) < 1:
                raise ConfigError(f"sasrec: {name} must be at least 1, not {getattr(self, name)}")


def _loop() -> LoopConfig:
    return LoopConfig(epochs=24, learning_rate=3e-3, decay=0.93, patience=5, weight_decay=0.3, average=0.98)


@dataclass(frozen=True, slots=True)
class SasrecSettings(FlatSettings):
    """Everything that a trained SASRec depends on but the data and the seed."""

    method: ClassVar[str] = "sasrec"

    network: SasrecConfig = field(default_factory=SasrecConfig)
    training: SasrecTraining = field(default_factory=SasrecTraining)
    loop: LoopConfig = field(default_factory=_loop)
