"""The numbers of the related-items protocol. Knows no method and no file."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import ConfigError

MIN_ITEMS = 2
"""A board must hold a query and an answer."""


@dataclass(frozen=True, slots=True)
class RelatedProtocol:
    """One item of a board is the query, another the answer; the method ranks all items.

    PinSage (KDD'18, section 4.1) measures Hit@500 and MRR of pairs saved into one board; this is the same question with a
    stricter split. The fields are numbers that a configuration may change; `protocols` says the rest in words.

    Raises:
        ConfigError: a value out of range.
    """

    min_items: int = 3
    """A board takes part when it holds at least this many distinct items, so that it is still a board of two when the
    answer has left."""
    test_pairs: int = 3000
    """At most so many boards give a test pair, one each, and never more than `test_share` of the boards."""
    test_share: float = 0.4
    validation_pairs: int = 1500
    """At most so many other boards give a validation pair, and never more than `validation_share`."""
    validation_share: float = 0.2
    cold_share: float = 0.05
    """Share of the items in the graph whose every edge is removed, to be answers of the cold test."""
    validation_cold_share: float = 0.025
    """The same for validation."""

    def __post_init__(self) -> None:
        if self.min_items < MIN_ITEMS:
            raise ConfigError(f"protocol: min_items must be at least {MIN_ITEMS}, not {self.min_items}")
        for name in ("test_pairs", "validation_pairs"):
            if getattr(self, name) < 0:
                raise ConfigError(f"protocol: {name} must not be negative, but is {getattr(self, name)}")
        for name in ("test_share", "validation_share", "cold_share", "validation_cold_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"protocol: {name} must lie between 0 and 1, but is {getattr(self, name)}")
        if self.test_share + self.validation_share > 1 or self.cold_share + self.validation_cold_share > 0.5:
            raise ConfigError("protocol: test and validation together take more than there is")
