"""The methods that an ensemble is made of: made, fitted, written down and read again together. Knows no way to join answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import ConfigError, CorruptFileError, TrainingError
from engine.files import atomic_folder, open_folder
from engine.hashing import mix64
from engine.models.user_item import FoldsInData, Kept, UserItemData, UserItemEdges
from engine.models.user_method import UserMethod
from engine.models.user_methods import find_user_method

HELD_OUT = 0.1
"""The share of the edges that weights are learned on where the data brings no validation edges."""


@dataclass(frozen=True, slots=True)
class Part:
    """One method of an ensemble and its settings in force."""

    method: UserMethod
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.method.name

    def fitted(self, data: UserItemData) -> Any:
        """The method, fitted on `data.known()`."""
        workdir = None if data.workdir is None else data.workdir / self.name
        made = self.method.make(self.settings)
        made.fit(replace(data, workdir=workdir))
        return made


def read_parts(
    ensemble: str, answers: Literal["ranking", "rating"], parts: str, settings: Mapping[str, Any]
) -> tuple[Part, ...]:
    """The parts that a setting names.

    Args:
        parts: names, with commas between.
        settings: a part's name -> its own settings.

    Raises:
        UnknownNameError: there is no such method.
        ConfigError: fewer than two, one twice or one that cannot answer; settings of no part, or wrong ones.
    """
    names = [name.strip() for name in parts.split(",") if name.strip()]
    if len(names) < 2 or len(set(names)) != len(names):
        raise ConfigError(f"{ensemble}: parts must name two different methods or more, not {parts!r}")
    for name, own in settings.items():
        if name not in names or not isinstance(own, Mapping):
            raise ConfigError(f"{ensemble}: unknown setting {name!r}", hint=f"Known: parts, and [{ensemble}.PART].")
    chosen = []
    for name in names:
        method = find_user_method(name)
        if answers not in method.answers or name == ensemble:
            raise ConfigError(f"{ensemble}: {name!r} cannot be a part: it answers no {answers} question of its own")
        part = Part(method, method.configuration({name: settings.get(name, {})}))
        part.method.make(part.settings)  # a wrong setting is said now
        chosen.append(part)
    return tuple(chosen)


def held_out(data: UserItemData) -> tuple[UserItemData, UserItemEdges]:
    """What to fit parts on while weights are learned, and the edges to learn them on.

    The data's validation edges where it has any; else a share drawn by the seed, at least one edge and never a user's only
    one. A working folder is one of its own, since checkpoints of this fit are not those of the fit on all edges.

    Raises:
        TrainingError: there is no edge to spare.
    """
    none = UserItemEdges.empty()
    if data.workdir is not None:
        data = replace(data, workdir=data.workdir / "weights")
    if len(data.valid):
        return replace(data, valid=none), data.valid
    train = data.train
    seed = mix64(np.array([data.seed], np.uint64))
    draw = mix64(mix64(seed ^ data.users.key[train.user]) ^ data.items.key[train.item])
    spare = np.bincount(train.user, minlength=data.num_users)[train.user] > 1
    if not spare.any():
        raise TrainingError(
            "an ensemble learns its weights on held-out edges, and there are too few edges to spare any"
        )
    chosen = spare & (draw <= max(np.uint64(HELD_OUT * 2**64), draw[spare].min()))
    return replace(data, train=train.only(~chosen), valid=none), train.only(chosen)


def save_parts(folder: Path, parts: tuple[Part, ...], fitted: tuple[Any, ...]) -> None:
    """Write each part that keeps anything into `folder/NAME`."""
    for part, made in zip(parts, fitted, strict=True):
        if isinstance(made, Kept):
            made.save(folder / part.name)


def load_parts(folder: Path, parts: tuple[Part, ...], data: UserItemData) -> tuple[Any, ...]:
    """Read what `save_parts` wrote, to answer about some data; parts that keep nothing are fitted."""
    return tuple(
        part.fitted(data) if part.method.load is None else part.method.load(folder / part.name, data) for part in parts
    )


def fold_parts(parts: tuple[Part, ...], fitted: tuple[Any, ...], data: UserItemData) -> tuple[Any, ...]:
    """The parts, answering about later data: folded in, or fitted anew where a part keeps nothing."""

    def later(part: Part, made: Any) -> Any:
        return made.fold_in(data) if isinstance(made, FoldsInData) else part.fitted(data)

    return tuple(later(part, made) for part, made in zip(parts, fitted, strict=True))


class Ensemble:
    """Methods as one: made, fitted, kept and folded in together. What joins their answers is for those who inherit.

    Args:
        parts: names of methods, with commas between; `usual` ones when None.
        settings: part -> its settings.

    Attributes:
        asked: what it was made with.
        parts, fitted: the methods, and the same fitted.
    """

    name: str
    answers: Literal["ranking", "rating"]
    usual: str

    def __init__(self, parts: str | None = None, **settings: Any) -> None:
        self.asked = {"parts": self.usual if parts is None else parts, **settings}
        self.parts = read_parts(self.name, self.answers, self.asked["parts"], settings)
        self.fitted: tuple[Any, ...] = ()

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make one from `parts` and the settings of the parts.

        Raises:
            UnknownNameError, ConfigError: see `read_parts`.
        """
        return cls(**settings)

    def fit_parts(self, data: UserItemData) -> None:
        """Fit the parts on all that is known.

        Raises:
            TrainingError: see the parts.
        """
        self.fitted = tuple(part.fitted(data) for part in self.parts)

    def fold_in(self, data: UserItemData) -> Self:
        """The same, answering about later data."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, fitted=fold_parts(self.parts, self.fitted, data))
        return other

    def save(self, folder: Path) -> None:
        """Write down the parts and what was learned of them."""
        facts = {"kind": self.name, "asked": self.asked, "learned": self.learned()}
        with atomic_folder(folder, facts) as temporary:
            save_parts(temporary, self.parts, self.fitted)

    @classmethod
    def load(cls, folder: Path, data: UserItemData) -> Self:
        """Read what `save` wrote, to answer about some data.

        Raises:
            CorruptFileError: a file is missing or altered, or the folder holds another model.
        """
        facts = open_folder(folder, what="ensemble")
        if facts.get("kind") != cls.name:
            raise CorruptFileError(f"ensemble {folder}: not a {cls.name!r}")
        found = cls(**facts["asked"])
        found.fitted = load_parts(folder, found.parts, data)
        found.learn_again(facts["learned"])
        return found

    def report(self) -> dict[str, Any]:
        """What the parts report, and what was learned of them."""
        told = {part.name: made.report() for part, made in zip(self.parts, self.fitted, strict=True)}
        return {"parts": told, **self.learned()}

    def learned(self) -> dict[str, Any]:
        """What joins the answers, JSON-able."""
        return {}

    def learn_again(self, learned: Mapping[str, Any]) -> None:
        """Take over what `learned` told."""
        del learned

    def named(self, weights: NDArray[np.float64]) -> dict[str, float]:
        """A weight for each part, by name."""
        return dict(zip((part.name for part in self.parts), weights.tolist(), strict=True))

    def unnamed(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """The same as an array, float64 `[parts]`."""
        return np.array([weights[part.name] for part in self.parts])
