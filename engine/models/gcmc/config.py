"""GC-MC's settings: the network, how it is trained, what it reads of the fields. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from engine.errors import ConfigError
from engine.features.config import FeatureConfig
from engine.models.flat_settings import FlatSettings
from engine.training.config import LoopConfig


@dataclass(frozen=True, slots=True)
class GcmcConfig:
    """The network (van den Berg, Kipf and Welling, 2017, section 3). Raises ConfigError for a value out of range."""

    accumulation: Literal["stack", "sum"] = "stack"
    """Messages of the levels side by side, each of them `hidden` / levels wide; or added up, with weights that are shared
    by ordinal weight sharing: a level's matrix is the sum of those up to it."""
    normalisation: Literal["left", "symmetric"] = "left"
    """Divide a message by its receiver's degree, or by the root of both degrees; over all levels."""
    hidden: int = 500
    """Width of what a node receives, before the dense layer."""
    dim: int = 75
    """Width of an embedding."""
    bases: int = 2
    """Bilinear forms that the levels of the decoder share (section 2.4, weight sharing)."""
    features: bool = True
    """Read the fields of users and items, and whom a user follows, through a dense layer of their own (section 2.5)."""
    feature_hidden: int = 64
    """Width of that layer."""
    biases: bool = False
    """Add to a level's logit what is learned of the user and of the item. In the authors' code, not in the paper."""

    def __post_init__(self) -> None:
        for name in ("hidden", "dim", "bases", "feature_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"gcmc: {name} must be at least 1, not {getattr(self, name)}")
        if self.accumulation not in ("stack", "sum"):
            raise ConfigError(f"gcmc: accumulation must be stack or sum, not {self.accumulation!r}")
        if self.normalisation not in ("left", "symmetric"):
            raise ConfigError(f"gcmc: normalisation must be left or symmetric, not {self.normalisation!r}")


@dataclass(frozen=True, slots=True)
class GcmcTraining:
    """The steps (section 2.4). Raises ConfigError for a value out of range."""

    dropout: float = 0.7
    """Chance that a node sends nothing in a step (node dropout), and that a number does not enter the dense layer."""
    batch_size: int = 0
    """Ratings a step; 0 takes all of them at once."""

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"gcmc: dropout must be at least 0 and less than 1, not {self.dropout}")
        if self.batch_size < 0:
            raise ConfigError(f"gcmc: batch_size must be at least 0, not {self.batch_size}")


def _loop() -> LoopConfig:
    """Adam with a constant rate and an average of the weights, as in the authors' code."""
    return LoopConfig(epochs=1000, learning_rate=0.01, decay=1.0, average=0.995, check_every=100)


@dataclass(frozen=True, slots=True)
class GcmcSettings(FlatSettings):
    """Everything that a trained GC-MC depends on but the data and the seed."""

    method: ClassVar[str] = "gcmc"

    network: GcmcConfig = field(default_factory=GcmcConfig)
    training: GcmcTraining = field(default_factory=GcmcTraining)
    loop: LoopConfig = field(default_factory=_loop)
    fields: FeatureConfig = field(default_factory=lambda: FeatureConfig(min_items=5, components=1))
