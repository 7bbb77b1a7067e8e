"""TrustSVD's settings. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from engine.errors import ConfigError
from engine.models.flat_settings import FlatSettings
from engine.models.friends import check_setting
from engine.sampling.friends import Friendship


@dataclass(frozen=True, slots=True)
class TrustsvdConfig:
    """The model and its steps (Guo et al., AAAI'15, section 3). Raises ConfigError for a value out of range."""

    dim: int = 10
    """Width of the factors."""
    epochs: int = 100
    """Passes over the ratings."""
    learning_rate: float = 0.005
    """Of every step."""
    regularisation: float = 2.0
    """Pulls biases and factors towards 0, each over the root of how many ratings (or followers) it has."""
    trust: float = 0.5
    """Weight of telling from the factors who a user's friends are, beside the ratings."""
    friendship: Friendship = "following"
    """Who is a friend: whom a user follows, who follows them (`followers`), or `both`."""
    weighted: bool = False
    """Let a friend count in proportion to the weight of the tie. Not in the paper."""

    def __post_init__(self) -> None:
        for name in ("dim", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"trustsvd: {name} must be at least 1, not {getattr(self, name)}")
        check_setting("trustsvd", self.friendship)
        if not self.learning_rate > 0 or self.regularisation < 0 or self.trust < 0:
            raise ConfigError("trustsvd: learning_rate must be positive, regularisation and trust not negative")


@dataclass(frozen=True, slots=True)
class TrustsvdSettings(FlatSettings):
    """Everything that a trained TrustSVD depends on but the data and the seed."""

    method: ClassVar[str] = "trustsvd"

    model: TrustsvdConfig = field(default_factory=TrustsvdConfig)
