"""Settings of the sampled factorisation machine. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import ConfigError
from engine.models.friends import check_setting
from engine.sampling.friends import Friendship


@dataclass(frozen=True, slots=True)
class BayesSettings:
    """Raises ConfigError for a value out of range."""

    dim: int = 16
    """Width of the factors."""
    sweeps: int = 300
    """Times that every weight is drawn."""
    burn_in: int = 40
    """The first sweeps, which are left out of the mean."""
    rank: int = 128
    """Width of what is kept: the mean over all later sweeps, which has more directions than any of them."""
    noise: float = 0.9
    """Standard deviation of a rating around its prediction, as a share of the error of biases alone, each rating left out of
    its own."""
    friends: bool = False
    """Whether a user's friends are read: one who has nothing else is then answered by them."""
    friendship: Friendship = "following"
    """Who is a friend: whom a user follows, who follows them (`followers`), or `both`."""

    def __post_init__(self) -> None:
        for name in ("dim", "sweeps", "rank"):
            if getattr(self, name) < 1:
                raise ConfigError(f"bayes: {name} must be at least 1, not {getattr(self, name)}")
        check_setting("bayes", self.friendship)
        if not 0 <= self.burn_in < self.sweeps:
            raise ConfigError(f"bayes: burn_in must be at least 0 and less than {self.sweeps}, not {self.burn_in}")
        if not self.noise > 0:
            raise ConfigError(f"bayes: noise must be positive, not {self.noise}")
