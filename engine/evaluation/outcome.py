"""What a method's answers were, in a form that any figure can be made of, and the figures. Knows no method and no file."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.models.ranking import Standing
from engine.models.user_metrics import METRICS, user_figures
from engine.models.user_ranking import Ranked

LOWER_IS_BETTER = ("rmse", "mae")


@dataclass(frozen=True, slots=True)
class Rated:
    """Ratings that were predicted.

    Attributes:
        actual, predicted: float32 `[P]`.
    """

    actual: NDArray[np.float32]
    predicted: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.actual)


Outcome = Ranked | Rated


@dataclass(frozen=True, slots=True)
class Values:
    """One metric for each unit that a resample draws: a user, a pair, or a rating.

    Attributes:
        each: float64 `[U]`.
        over: "mean" for the mean of them, "root" for the square root of the mean.
    """

    each: NDArray[np.float64]
    over: Literal["mean", "root"] = "mean"

    def total(self) -> float:
        return float(self.finish(self.each.mean()))

    def finish(self, mean: Any) -> Any:
        """From means of `each` to the metric."""
        return np.sqrt(mean) if self.over == "root" else mean


def from_standing(standing: Standing) -> Ranked:
    """Queries with one answer each are users with one answer each."""
    return Ranked(np.arange(len(standing) + 1), standing.better, standing.tied)


def metric_names(metrics: Sequence[str], ks: Sequence[int]) -> list[str]:
    """The columns that `metric_values` gives: "hit@k" stands for hit at each cut-off."""
    return [name for metric in metrics for name in _at(metric, ks)]


def metric_values(outcome: Outcome, metrics: Sequence[str], ks: Sequence[int]) -> dict[str, Values]:
    """The metrics of an outcome by name.

    Args:
        metrics: "rmse" and "mae" of ratings; of rankings those of `user_metrics`, as "NAME@k" or, without a cut-off, NAME.
        ks: cut-offs.
    """
    if isinstance(outcome, Rated):
        error = outcome.predicted.astype(np.float64) - outcome.actual
        both = {"rmse": Values(error**2, "root"), "mae": Values(np.abs(error))}
        return {metric: both[metric] for metric in metrics}
    by_cut = {k: user_figures(outcome, k) for k in {0 if "@" not in metric else k for metric in metrics for k in ks}}
    found = {}
    for metric in metrics:
        name, cut, _ = metric.partition("@")
        for column, k in zip(_at(metric, ks), ks if cut else (0,), strict=True):
            found[column] = Values(by_cut[k][name])
    return found


def _at(metric: str, ks: Sequence[int]) -> list[str]:
    name, cut, _ = metric.partition("@")
    if name not in (*METRICS, *LOWER_IS_BETTER):
        raise KeyError(f"no metric {metric!r}")
    return [f"{name}@{k}" for k in ks] if cut else [name]


def pack_outcome(outcome: Outcome) -> dict[str, str]:
    """Arrays as compressed text: a few kB instead of thousands of lines."""
    if isinstance(outcome, Rated):
        return {"actual": _text(outcome.actual, "<f4"), "predicted": _text(outcome.predicted, "<f4")}
    size = np.diff(outcome.indptr)
    return {"size": _text(size, "<i4"), "better": _text(outcome.better, "<i4"), "tied": _text(outcome.tied, "<i4")}


def unpack_outcome(packed: dict[str, str]) -> Outcome:
    """The outcome that `pack_outcome` packed.

    Raises:
        ValueError, KeyError, zlib.error: it is damaged.
    """
    if "actual" in packed:
        actual, predicted = (_array(packed[name], "<f4").astype(np.float32) for name in ("actual", "predicted"))
        if len(actual) != len(predicted):
            raise ValueError("as many ratings as predictions are needed")
        return Rated(actual, predicted)
    size, better, tied = (_array(packed[name], "<i4").astype(np.int64) for name in ("size", "better", "tied"))
    if not len(better) == len(tied) == size.sum():
        raise ValueError("the standings are not as many as the answers")
    return Ranked(np.concatenate([[0], np.cumsum(size)]).astype(np.int64), better, tied)


def _text(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(zlib.compress(values.astype(kind).tobytes())).decode()


def _array(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)
