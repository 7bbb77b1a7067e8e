"""Pictures of what goes on inside methods, and for whom they are good, each as a data URI. Knows runs' reports; no method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from engine.evaluation.pictures import short
from engine.figures import ACCENT, PALETTE, QUIET, SOFT, STYLE, data_uri, label_axes, new_figure

LONG = 60
"""Epochs of more than this are drawn on a logarithmic axis."""


def training_curves(curves: Mapping[str, Mapping[str, Any]]) -> str:
    """The loss after each epoch as a share of the first one's, and the validation figure as a share of the best.

    Args:
        curves: method -> `losses`, and `validation` where it validates; see `engine.training.loop.Progress.told`.
    """
    import matplotlib

    validated = {method: its for method, its in curves.items() if its.get("validation")}
    with matplotlib.rc_context(STYLE):
        figure, panels = new_figure(10.4, 3.6, columns=2 if validated else 1)
        left = np.atleast_1d(panels)[0]
        for number, (method, its) in enumerate(curves.items()):
            losses = np.array(its["losses"])
            colour = PALETTE[number % len(PALETTE)]
            left.plot(np.arange(1, len(losses) + 1), losses / abs(losses[0]), color=colour, linewidth=2, label=method)
            if method in validated:
                figures = np.array(its["validation"])
                every = -(-len(losses) // len(figures))
                at = np.minimum(np.arange(1, len(figures) + 1) * every, len(losses))
                best = int(figures.argmax())
                label = f"{method}: best {short(float(figures[best]))}"
                right = np.atleast_1d(panels)[1]
                right.plot(at, figures / figures[best], color=colour, linewidth=2, label=label)
                right.plot(at[best], 1, "o", color=colour, markersize=7)
        label_axes(left, "epoch", "loss / loss of the first epoch")
        if validated:
            label_axes(np.atleast_1d(panels)[1], "epoch", "validation figure / its best")
        for axes in np.atleast_1d(panels):
            if axes.get_xlim()[1] > LONG:
                axes.set_xscale("log")
            axes.legend(frameon=False, fontsize=9)
        return data_uri(figure, "svg")


def attention_shares(profiles: Sequence[Mapping[str, Any]]) -> str:
    """For each attention of a method, a row for each hop, the mean weight of the most attended neighbour, the next, and so on: bars;
    and, as a line, what it were if all neighbours were attended alike.

    Args:
        profiles: see `engine.evaluation.by_user.attention_profiles`.
    """
    import matplotlib

    by_hop = [list(its) for _, its in groupby(sorted(profiles, key=_hop), key=_hop)]
    columns = max(map(len, by_hop))
    with matplotlib.rc_context(STYLE):
        figure, panels = new_figure(10.4, 3.0 * len(by_hop), columns, rows=len(by_hop))
        highest = max(max(profile["share"], default=0.0) for profile in profiles)
        for row, its in zip(np.reshape(panels, (len(by_hop), columns)), by_hop, strict=True):
            for axes in row[len(its) :]:
                axes.set_axis_off()
            for number, (axes, profile) in enumerate(zip(row[: len(its)], its, strict=True)):
                places = np.arange(1, len(profile["share"]) + 1)
                axes.bar(places, profile["share"], color=ACCENT if profile["hop"] == 1 else QUIET, width=0.7)
                axes.plot(places, profile["even"], "o--", color=SOFT, linewidth=1.2, markersize=3)
                taken = "" if profile.get("portion") is None else f", {profile['portion']:.0%} of what is gained"
                axes.set_title(f"hop {profile['hop']}\n{profile['part']}{taken}", fontsize=9)
                axes.set_ylim(0, highest * 1.08 or 1)
                label_axes(axes, "neighbours by weight", "mean weight" if number == 0 else "")
                axes.set_xticks(places[::3])
        return data_uri(figure, "svg")


def _hop(profile: Mapping[str, Any]) -> int:
    return int(profile["hop"])


def by_number(methods: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], metric: str, what: str) -> str:
    """A metric against how many items or friends a user has, one line a method; below, how many are in each bucket.

    Args:
        methods: method -> the buckets of each seed; see `engine.evaluation.by_user.by_bucket`.
        what: "items" or "friends".
    """
    import matplotlib

    starts = sorted({one["least"] for seeds in methods.values() for buckets in seeds for one in buckets})
    ends = {one["least"]: one["most"] for seeds in methods.values() for buckets in seeds for one in buckets}
    first = next(iter(methods.values()))
    counts = {at: sum(one["count"] for buckets in first for one in buckets if one["least"] == at) for at in starts}
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(5.1, 3.8)
        for number, (method, seeds) in enumerate(methods.items()):
            inside = [[one for buckets in seeds for one in buckets if one["least"] == at] for at in starts]
            places = [at for at, its in enumerate(inside) if its]
            means = [
                np.average([one["metrics"][metric] for one in its], weights=[one["count"] for one in its])
                for its in inside
                if its
            ]
            axes.plot(
                places, means, "o-", color=PALETTE[number % len(PALETTE)], linewidth=2, markersize=4, label=method
            )
        axes.set_xticks(range(len(starts)), [f"{_range(at, ends[at])}\n{counts[at]:,}" for at in starts], fontsize=8)
        axes.set_ylim(bottom=0)
        label_axes(axes, f"{what} in training; below, how many are asked about", metric)
        axes.legend(frameon=False, fontsize=9)
        return data_uri(figure, "svg")


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"{least}+"
    return str(least) if least == most else f"{least}-{most}"
