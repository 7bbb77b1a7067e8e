"""Which features are made of the items' fields, and how. Knows no items."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """How fields become numbers.

    Raises:
        ConfigError: a value out of range.
    """

    max_tokens: int = 200_000
    """The largest vocabulary: the tokens that most items have are kept, ties by name."""
    min_items: int = 1
    """A token that fewer items have is dropped."""
    components: int = 128
    """Width of the truncated SVD of the token weights."""
    sublinear: bool = False
    """Count a token that an item has n times 1 + log n times, not n times. Costs much where contexts' words are tokens."""

    def __post_init__(self) -> None:
        for name in ("max_tokens", "min_items", "components"):
            if getattr(self, name) < 1:
                raise ConfigError(f"features: {name} must be at least 1, not {getattr(self, name)}")
