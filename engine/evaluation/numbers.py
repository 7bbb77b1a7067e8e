"""The numbers of protocols about users and items, which a configuration may change. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

from engine.errors import ConfigError

T = TypeVar("T")


def read_numbers(kind: type[T], values: dict[str, Any]) -> T:
    """Read the `[protocol]` section of a configuration into a dataclass of numbers.

    Raises:
        ConfigError: an unknown name, or a value of the wrong type or out of range.
    """
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    read = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"protocol: unknown setting {name!r}", hint=f"Known: {', '.join(known)}.")
        if known[name].type == "tuple[float, ...]":
            if not isinstance(value, list) or not all(_is_number(one, float) for one in value):
                raise ConfigError(f"protocol: {name} must be a list of numbers, not {value!r}")
            read[name] = tuple(float(one) for one in value)
        elif not _is_number(value, int if known[name].type == "int" else float):
            raise ConfigError(f"protocol: {name} must be a number, not {value!r}")
        else:
            read[name] = value
    return kind(**read)


def _is_number(value: Any, kind: type) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int,) if kind is int else (int, float))


@dataclass(frozen=True, slots=True)
class SplitNumbers:
    """How much a drawn split holds out.

    Raises:
        ConfigError: a value out of range.
    """

    test_share: float = 0.2
    """Share of the edges (of the users or items, where those are cold) that become test edges; an official split has its own."""
    valid_share: float = 0.1
    """Share of the training part that becomes validation, where the split has no validation part of its own."""

    def __post_init__(self) -> None:
        if not 0 < self.test_share < 1:
            raise ConfigError(f"protocol: test_share must lie between 0 and 1, but is {self.test_share}")
        if not 0 <= self.valid_share < 1:
            raise ConfigError(f"protocol: valid_share must be at least 0 and below 1, but is {self.valid_share}")
        for name in ("given", "negatives", "min_edges", "list_length"):
            if getattr(self, name, 1) < (0 if name == "given" else 1):
                raise ConfigError(f"protocol: {name} is too small: {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class RatingNumbers(SplitNumbers):
    levels: tuple[float, ...] = ()
    """The ratings that can be given; a rating that is not among them is an error. Empty takes those of the training part."""


@dataclass(frozen=True, slots=True)
class RankingNumbers(SplitNumbers):
    min_rating: float | None = None
    """Only edges with at least this rating count, in training and test; None for all."""
    list_length: int = 20
    """How long the lists are whose coverage, novelty and diversity are measured."""


@dataclass(frozen=True, slots=True)
class SampledNumbers(RankingNumbers):
    negatives: int = 1000
    """Items that a user has in no part, drawn by the seed, among which the user's answers are ranked."""


@dataclass(frozen=True, slots=True)
class LastOutNumbers(RankingNumbers):
    negatives: int = 100
    """Items drawn for the sampled part."""
    min_edges: int = 3
    """A user with fewer distinct items stays whole in the training part."""


@dataclass(frozen=True, slots=True)
class ColdUserNumbers(RankingNumbers):
    test_share: float = 0.1
    given: int = 5
    """How many of a cold user's first edges the training part keeps; 0 for none."""


@dataclass(frozen=True, slots=True)
class ColdItemNumbers(RankingNumbers):
    test_share: float = 0.1
