"""The methods about users and items by name, what each can answer, and how it is made. Knows no data and no protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.errors import UnknownNameError

if TYPE_CHECKING:
    from engine.models.user_item import UserItemData

Answers = Literal["ranking", "rating"]
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


@dataclass(frozen=True, slots=True)
class UserMethod:
    """One named method.

    Attributes:
        name: what a caller asks for.
        about: one line on what it does.
        answers: "ranking" where what `make` returns is a `UserScorer`, "rating" where it is a `RatingPredictor`.
        make: makes an unfitted method from settings.
        settings: what this method changes in the settings of its family.
        family: whose section of a configuration it reads, beside its own.
        space: setting -> what `engine tune` may set it to; empty where there is nothing to tune.
        load: `load(folder, data)` reads what the method's `save` wrote (see `engine.models.user_item.Kept`), to answer about
            some data: that of training, or later data, whose new users and items are folded in. None where the method has
            nothing to keep: it is fitted anew, which takes no longer than reading.
    """

    name: str
    about: str
    answers: frozenset[Answers]
    make: Callable[[Settings], Any]
    settings: Settings | None = None
    family: str = ""
    space: Mapping[str, Range | OneOf] = field(default_factory=dict)
    load: Callable[[Path, UserItemData], Any] | None = None

    def configuration(self, sections: Mapping[str, Settings]) -> dict[str, Any]:
        """The settings in force: the family's section, then what the method is about, then its own section."""
        return {**sections.get(self.family, {}), **(self.settings or {}), **sections.get(self.name, {})}


def find_user_method(name: str) -> UserMethod:
    """Look a method up.

    Raises:
        UnknownNameError: there is no such method; lists those there are.
    """
    if name not in USER_METHODS:
        raise UnknownNameError(f"there is no method {name!r}", hint=f"Methods: {', '.join(USER_METHODS)}.")
    return USER_METHODS[name]


def _gcmc(settings: Settings) -> Any:
    from engine.models.gcmc.predictor import GcmcPredictor

    return GcmcPredictor.from_settings(settings)


def _load_gcmc(folder: Path, data: UserItemData) -> Any:
    from engine.models.gcmc.predictor import GcmcPredictor

    return GcmcPredictor.load(folder, data)


_GCMC_SPACE: Mapping[str, Range | OneOf] = {
    "epochs": Range(100, 3000, log=True, whole=True),
    "dropout": Range(0.3, 0.8),
    "accumulation": OneOf(("stack", "sum")),
    "normalisation": OneOf(("left", "symmetric")),
    "bases": Range(1, 5, whole=True),
    "biases": OneOf((False, True)),
}
_RATING: frozenset[Answers] = frozenset({"rating"})
_LISTED = (
    UserMethod("gcmc", "GC-MC, ratings alone", _RATING, _gcmc, {"features": False}, "gcmc", _GCMC_SPACE, _load_gcmc),
    UserMethod(
        "gcmc-features",
        "GC-MC with fields and follows",
        _RATING,
        _gcmc,
        {"features": True},
        "gcmc",
        _GCMC_SPACE,
        _load_gcmc,
    ),
)
USER_METHODS: dict[str, UserMethod] = {method.name: method for method in _LISTED}
