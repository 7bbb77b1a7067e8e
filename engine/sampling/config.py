"""How walks are drawn. Knows no graph."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import ConfigError

MAX_WALK_LENGTH = 2_000
MAX_VISITS = 1 << 24


@dataclass(frozen=True, slots=True)
class WalkConfig:
    """Random walks with restart over items and contexts (PinSage, section 3.1; Pixie).

    Raises:
        ConfigError: a value out of range.
    """

    num_walks: int = 100
    """Walks a start node."""
    walk_length: int = 3
    """Two-hop steps a walk: item -> context -> item."""
    restart: float = 0.3
    """The chance to go back to the start node before a step."""
    top_t: int = 50
    """The size of a neighbourhood: the T most visited items."""
    seed: int = 0
    """Another seed draws other walks."""

    def __post_init__(self) -> None:
        if self.num_walks < 1 or self.top_t < 1:
            raise ConfigError(f"walks: num_walks {self.num_walks} and top_t {self.top_t} must be at least 1")
        if not 1 <= self.walk_length <= MAX_WALK_LENGTH:
            raise ConfigError(f"walks: walk_length {self.walk_length} must be in 1..{MAX_WALK_LENGTH}")
        if self.num_walks * self.walk_length > MAX_VISITS:
            raise ConfigError(f"walks: num_walks x walk_length must be at most {MAX_VISITS:,}")
        if not 0.0 <= self.restart < 1.0:
            raise ConfigError(f"walks: restart {self.restart} must be at least 0 and less than 1")
        if not 0 <= self.seed < 1 << 64:
            raise ConfigError(f"walks: seed {self.seed} must be a 64-bit number that is not negative")
