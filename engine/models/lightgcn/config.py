"""LightGCN's settings: the network and how it is trained. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from engine.errors import ConfigError
from engine.models.flat_settings import FlatSettings
from engine.training.config import LoopConfig


@dataclass(frozen=True, slots=True)
class LightGcnConfig:
    """The network (He et al., SIGIR'20, section 3.1). Raises ConfigError for a value out of range."""

    dim: int = 64
    """Numbers an embedding."""
    layers: int = 3
    """Steps along the graph; the final embedding is the mean over them and the start."""
    popularity: float = 0.05
    """Where the loss is over cosines, an item's score is multiplied by its number of users to this power. Not in the paper."""

    def __post_init__(self) -> None:
        for name in ("dim", "layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"lightgcn: {name} must be at least 1, not {getattr(self, name)}")
        if self.popularity < 0:
            raise ConfigError(f"lightgcn: popularity must not be negative, not {self.popularity}")


@dataclass(frozen=True, slots=True)
class LightGcnTraining:
    """The steps. Raises ConfigError for a value out of range."""

    loss: Literal["softmax", "bpr"] = "softmax"
    """`softmax` over cosines; `bpr` as in the paper: each item of a user against one drawn anew in each step, from a drawn start."""
    batch_size: int = 4096
    """Users a step, each with all its items, so that one pass along the graph serves many edges."""
    negatives: int = 8192
    """Items that a step's softmax is over, drawn evenly; 0 takes all."""
    temperature: float = 0.1
    """Of the softmax over cosines."""
    user_weight: float = 1.0
    """A user counts as much as its number of edges to this power: 1 counts edges alike, 0 users."""

    def __post_init__(self) -> None:
        if self.loss not in ("softmax", "bpr"):
            raise ConfigError(f"lightgcn: loss must be softmax or bpr, not {self.loss!r}")
        if self.batch_size < 1 or self.negatives < 0:
            raise ConfigError("lightgcn: batch_size must be at least 1 and negatives not negative")
        if not self.temperature > 0 or self.user_weight < 0:
            raise ConfigError("lightgcn: temperature must be positive and user_weight not negative")


def _loop() -> LoopConfig:
    return LoopConfig(epochs=60, learning_rate=0.01, decay=0.95, average=0.9, check_every=10)


@dataclass(frozen=True, slots=True)
class LightGcnSettings(FlatSettings):
    """Everything that a trained LightGCN depends on but the data and the seed."""

    method: ClassVar[str] = "lightgcn"

    network: LightGcnConfig = field(default_factory=LightGcnConfig)
    training: LightGcnTraining = field(default_factory=LightGcnTraining)
    loop: LoopConfig = field(default_factory=_loop)
