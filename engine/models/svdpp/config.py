"""SVD++'s settings. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from engine.errors import ConfigError
from engine.models.flat_settings import FlatSettings


@dataclass(frozen=True, slots=True)
class SvdppConfig:
    """The model and its steps (Koren, KDD'08, section 4). Raises ConfigError for a value out of range."""

    dim: int = 50
    """Width of the factors."""
    epochs: int = 30
    """Passes over the ratings."""
    learning_rate: float = 0.005
    """Of every step."""
    regularisation: float = 0.12
    """Pulls the factors towards 0."""
    bias_regularisation: float = 0.02
    """Pulls the biases towards 0."""

    def __post_init__(self) -> None:
        for name in ("dim", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"svdpp: {name} must be at least 1, not {getattr(self, name)}")
        if not self.learning_rate > 0 or self.regularisation < 0 or self.bias_regularisation < 0:
            raise ConfigError("svdpp: learning_rate must be positive, the regularisations not negative")


@dataclass(frozen=True, slots=True)
class SvdppSettings(FlatSettings):
    """Everything that a trained SVD++ depends on but the data and the seed."""

    method: ClassVar[str] = "svdpp"

    model: SvdppConfig = field(default_factory=SvdppConfig)
