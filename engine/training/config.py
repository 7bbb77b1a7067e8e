"""How long and how fast to train. Knows no model and no loss."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """The loop's settings. Raises ConfigError for a value out of range."""

    epochs: int = 7
    """At most so many."""
    learning_rate: float = 3e-3
    """The peak, reached at the end of the first epoch (linear warm-up)."""
    decay: float = 0.8
    """What remains of the learning rate after each epoch past the first (exponential, batch by batch)."""
    patience: int = 2
    """Stop after so many epochs with a clearly worse validation figure than the best; the last good epoch's weights are kept."""
    weight_decay: float = 0.0
    """AdamW's."""
    average: float = 0.97
    """What is validated and kept is an average of the weights over the steps: after each, this share of it stays (Polyak and
    Juditsky, 1992). 0 keeps the weights of the last step."""
    check_every: int = 1
    """Epochs from one validation and checkpoint to the next; more where an epoch is short."""
    prefetch: int = 2
    """Batches prepared ahead while one trains (section 3.3: producer-consumer)."""
    seed: int = 0
    """Of initial weights and batches."""

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "check_every", "prefetch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training: {name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.average < 1:
            raise ConfigError(f"training: average must be at least 0 and less than 1, not {self.average}")
        if not self.learning_rate > 0 or not 0 < self.decay <= 1 or self.weight_decay < 0 or self.seed < 0:
            raise ConfigError(
                "training: learning_rate must be positive, decay in (0, 1], weight_decay and seed not negative"
            )

    def rate(self, step: int, steps_an_epoch: int) -> float:
        """The learning rate of the step with this number, counted from 0, as a share of the peak."""
        warm = min(1.0, (step + 1) / steps_an_epoch)
        past = max(0.0, (step + 1) / steps_an_epoch - 1)
        return float(warm * self.decay**past)
