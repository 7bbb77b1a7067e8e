"""A protocol about users and items on one data set: which methods, which split, and how they are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.datasets.folder import DatasetFolder
from engine.errors import DataError, InputError, TrainingError, UnknownNameError
from engine.evaluation.beyond import beyond_accuracy
from engine.evaluation.by_user import attention_profiles, by_bucket
from engine.evaluation.outcome import Outcome, Rated
from engine.evaluation.protocols import EvaluationProtocol
from engine.evaluation.task import Sections
from engine.evaluation.user_split import DRAWN, Parts, UserItemSplit, make_split
from engine.evaluation.user_world import UserItemWorld, official_parts, split_names
from engine.graph.snapshot import Snapshot
from engine.models.methods import Settings
from engine.models.sequences import ScoresAt, asked_at
from engine.models.user_item import UserItemEdges
from engine.models.user_methods import USER_METHODS, find_user_method
from engine.models.user_ranking import rank_parts
from engine.progress import progress
from engine.types import FloatArray, IndexArray

PREDICT_ROWS = 65_536


class UserTask:
    """Methods of `engine.models.user_methods` on users' held-out edges.

    Args:
        split: an official split's name, or one of `DRAWN`; empty takes the only official one, else the protocol's own way.

    Raises:
        UnknownNameError: there is no such split.
        InputError: the split must be named, or may not be.
    """

    def __init__(self, protocol: EvaluationProtocol, data: DatasetFolder, numbers: Any, split: str = "") -> None:
        self._protocol, self._data, self._numbers = protocol, data, numbers
        self.split_name, self.official = _choose_split(protocol, split, split_names(data))
        self._world: UserItemWorld | None = None

    def check(self, names: list[str]) -> None:
        wanted = self._protocol.answers
        for name in names:
            if wanted not in find_user_method(name).answers:
                able = [method.name for method in USER_METHODS.values() if wanted in method.answers]
                does = "predict ratings" if wanted == "rating" else "rank items"
                raise InputError(f"{name} cannot {does}", hint=f"These can: {', '.join(able)}.")

    def with_parts(self, names: list[str]) -> list[str]:
        return list(dict.fromkeys(names))

    def configuration(self, name: str, sections: Sections) -> dict[str, Any]:
        return find_user_method(name).configuration(sections)

    def world(self) -> UserItemWorld:
        """The data set, read once.

        Raises:
            DataError: there are no edges, or no ratings where they are needed.
        """
        if self._world is None:
            with progress("Reading the data set") as advance:
                world = UserItemWorld.of(Snapshot.from_dataset(self._data), self._data.name)
                advance(1)
            if self._protocol.answers == "rating":
                self._world = replace(world, edges=_rated(world.edges, world.name, drop=True))
            else:
                self._world = world.with_rating(self._numbers.min_rating)
        return self._world

    def split(self, seed: int) -> UserItemSplit:
        world = self.world()
        parts = self._official_parts(world) if self.official else self._drawn_parts(world, seed)
        levels: tuple[float, ...] = getattr(self._numbers, "levels", ())
        if levels:
            _check_levels(world, parts, levels)
        return make_split(world, parts, seed, self._numbers.valid_share, tuple(sorted(levels)))

    def _official_parts(self, world: UserItemWorld) -> Parts:
        files = official_parts(self._data, self.split_name, world)
        for name, edges in files.items():
            where = f"splits/{self.split_name}/{name}.csv"
            if self._protocol.answers == "rating":
                files[name] = _rated(edges, where, drop=False)
            elif self._numbers.min_rating is not None:
                files[name] = replace(world, edges=edges, name=where).with_rating(self._numbers.min_rating).edges
        return Parts(files["train"], files["test"], files.get("valid"))

    def _drawn_parts(self, world: UserItemWorld, seed: int) -> Parts:
        assert self._protocol.draws is not None
        return self._protocol.draws(world, self._numbers, self.split_name, seed)

    def fit(
        self, name: str, settings: Settings, split: UserItemSplit, parts: Mapping[str, Any], workdir: Path | None
    ) -> Any:
        fitted = find_user_method(name).make(settings)
        fitted.fit(replace(split.training, workdir=workdir))
        return fitted

    def judge(self, what: str, fitted: Any, split: UserItemSplit) -> tuple[dict[str, Outcome], dict[str, float]]:
        if self._protocol.ask is None:
            return {"test": _predicted(what, fitted, split)}, {}
        users = np.unique(split.test.user).astype(np.int32)
        asked = self._protocol.ask(split, users, self._numbers)
        with progress(f"{what}: ranking", len(users)) as advance:
            found, lists = rank_parts(
                _score_of(fitted, split),
                users,
                asked,
                len(split.world.items),
                depth=min(self._numbers.list_length, len(split.world.items)),
                advance=advance,
            )
        return dict(found), beyond_accuracy(lists, split.training.seen(split.training.known()))

    def inside(
        self,
        fitted: Any,
        split: UserItemSplit,
        outcomes: Mapping[str, Outcome],
        metrics: Sequence[str],
        ks: Sequence[int],
    ) -> dict[str, Any]:
        found: dict[str, Any] = {"by_user": by_bucket(outcomes, split, metrics, ks)}
        attended = attention_profiles(fitted, split)
        return {**found, "attention": attended} if attended else found


def _score_of(fitted: Any, split: UserItemSplit) -> Callable[[IndexArray], FloatArray]:
    """How a method is asked: by one that reads what others did, as of the time of what is asked for."""
    when = asked_at(split.training, split.test) if isinstance(fitted, ScoresAt) else None
    if when is None:
        plain: Callable[[IndexArray], FloatArray] = fitted.score
        return plain
    return lambda users: fitted.score_at(users, when[users])


def _choose_split(protocol: EvaluationProtocol, name: str, official: list[str]) -> tuple[str, bool]:
    """The split's name, and whether it is made of files."""
    if not protocol.official:
        if name not in ("", protocol.default_split):
            raise InputError(f"{protocol.name} draws its own split; it takes no split {name!r}")
        return protocol.default_split, False
    drawn = list(DRAWN) if protocol.default_split in DRAWN else [protocol.default_split]
    if not name:
        if protocol.default_split in official:
            return protocol.default_split, True
        if protocol.default_split in DRAWN and official:
            if len(official) > 1:
                raise InputError(
                    f"the data set has several splits: {', '.join(official)}", hint="Name one of them with --split."
                )
            return official[0], True
        return protocol.default_split, False
    if name in official:
        return name, True
    if name in drawn:
        return name, False
    raise UnknownNameError(
        f"there is no split {name!r}",
        hint=f"Splits of the data set: {', '.join(official) or 'none'}; without files: {', '.join(drawn)}.",
    )


def _rated(edges: UserItemEdges, where: str, *, drop: bool) -> UserItemEdges:
    """The edges with a rating; one without is left out, or an error where a file says that it is asked for."""
    has = np.zeros(len(edges), bool) if edges.rating is None else ~np.isnan(edges.rating)
    if not has.any():
        raise DataError(f"{where} has no ratings", hint="Rating protocols need a rating column in interactions.")
    if not drop and not has.all():
        raise DataError(f"{where}: {int((~has).sum()):,} edges have no rating")
    return edges.only(has)


def _check_levels(world: UserItemWorld, parts: Parts, levels: tuple[float, ...]) -> None:
    for name, edges in (("train", parts.train), ("valid", parts.valid), ("test", parts.test)):
        if edges is None or edges.rating is None:
            continue
        wrong = np.flatnonzero(~np.isin(edges.rating, np.array(levels, np.float32)))
        if len(wrong):
            raise DataError(
                f"{name}: the rating {edges.rating[wrong[0]]:g} of {world.named(world.pairs(edges)[wrong[0]])} is none of "
                f"the declared levels {', '.join(f'{level:g}' for level in levels)} ({len(wrong):,} such ratings)",
                hint="Correct the data, or the levels in the [protocol] section.",
            )


def _predicted(what: str, fitted: Any, split: UserItemSplit) -> Rated:
    test = split.test
    assert test.rating is not None
    found = []
    with progress(f"{what}: predicting", len(test)) as advance:
        for start in range(0, len(test), PREDICT_ROWS):
            some = slice(start, start + PREDICT_ROWS)
            predicted = np.asarray(fitted.predict(test.user[some], test.item[some]), np.float32)
            if predicted.shape != test.user[some].shape or not np.isfinite(predicted).all():
                raise TrainingError(
                    f"{fitted.name} gave ratings that are not finite, or not one for each pair",
                    hint="Its training diverged: lower the learning rate.",
                )
            found.append(predicted)
            advance(len(predicted))
    return Rated(test.rating, np.concatenate(found))
