"""What a method about users and items is to those who look it up: its name, its answers, its settings. Knows no method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.models.row_embedder import Joined, RowEmbedder
    from engine.models.user_item import UserItemData

Answers = Literal["ranking", "rating", "next"]
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a search may choose from, both ends included.

    Attributes:
        log: equal steps multiply instead of add.
        whole: integers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """Values that a search may choose from."""

    values: tuple[str | int | float | bool, ...]


Space = Mapping[str, Range | OneOf]
"""Setting -> what a search may set it to."""


@dataclass(frozen=True, slots=True)
class UserMethod:
    """One named method.

    Attributes:
        name: what a caller asks for.
        about: one line on what it does.
        answers: "ranking" where what `make` returns is a `UserScorer`, "rating" where it is a `RatingPredictor`, "next" where it
            is a `NextScorer`.
        make: makes an unfitted method from settings.
        settings: what this method changes in the settings of its family.
        family: whose section of a configuration it reads, beside its own.
        space: setting -> what `engine tune` may set it to; empty where there is nothing to tune.
        load: `load(folder, data)` reads what the method's `save` wrote (see `engine.models.user_item.Kept`), to answer about
            some data: that of training, or later data, whose new users and items are folded in. None where the method has
            nothing to keep: it is fitted anew, which takes no longer than reading.
        embedder: `embedder(folder, joined)` reads the same, to compute the vectors of some users and items. None where the
            method answers by no vectors.
        social: whether it reads whom users follow.
    """

    name: str
    about: str
    answers: frozenset[Answers]
    make: Callable[[Settings], Any]
    settings: Settings | None = None
    family: str = ""
    space: Space = field(default_factory=dict)
    load: Callable[[Path, UserItemData], Any] | None = None
    embedder: Callable[[Path, Joined], RowEmbedder] | None = None
    social: bool = False

    def configuration(self, sections: Mapping[str, Settings]) -> dict[str, Any]:
        """The settings in force: the family's section, then what the method is about, then its own section."""
        return {**sections.get(self.family, {}), **(self.settings or {}), **sections.get(self.name, {})}


def made(kind: str) -> Callable[[Settings], Any]:
    """Makes a class of `engine.models`, named as "module:Class", by its settings. Its module is imported when that is asked for."""

    def make(settings: Settings) -> Any:
        found = _class(kind)
        return found.from_settings(settings) if hasattr(found, "from_settings") else built(found, settings)

    return make


def read(kind: str) -> Callable[[Path, UserItemData], Any]:
    """The `load` of such a class."""
    return lambda folder, data: _class(kind).load(folder, data)


def embedding(kind: str) -> Callable[[Path, Joined], RowEmbedder]:
    """The `embedder` of such a class."""
    return lambda folder, joined: _class(kind).embedder(folder, joined)  # type: ignore[no-any-return]


def _class(kind: str) -> Any:
    module, name = kind.split(":")
    return getattr(import_module(f"engine.models.{module}"), name)


def built(kind: Callable[..., Any], settings: Settings) -> Any:
    """Call a class with settings.

    Raises:
        ConfigError: it has no such setting; lists those it has.
    """
    known = inspect.signature(kind).parameters
    for name in settings:
        if name not in known:
            raise ConfigError(f"unknown setting {name!r}", hint=f"Known: {', '.join(known) or 'none'}.")
    return kind(**settings)
