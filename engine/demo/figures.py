"""The report's pictures, each as a data URI for an `<img>`. Knows arrays and matplotlib; nothing of graphs or models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.figures import ACCENT, PALETTE, QUIET, STYLE, data_uri, label_axes, new_figure

LABEL_REACH = 0.06
"""How far a cluster of the map reaches, of the map's width."""


def embedding_map(points: NDArray[np.floating[Any]], groups: Sequence[str]) -> str:
    """Items in the plane, coloured and named by group.

    Args:
        points: `[M, 2]`.
        groups: `[M]`.
    """
    import matplotlib
    from matplotlib.patheffects import withStroke

    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(10.4, 6.6)
        names = sorted(set(groups))
        label = np.array(groups)
        for number, name in enumerate(names):
            mine = points[label == name]
            colour = PALETTE[number % len(PALETTE)]
            axes.scatter(mine[:, 0], mine[:, 1], s=9, color=colour, alpha=0.6, linewidths=0)
        halo = [withStroke(linewidth=4, foreground="white")]
        reach = LABEL_REACH * float(np.ptp(points, axis=0).max(initial=0))
        for number, name in enumerate(names):
            x, y = thickest(points[label == name], reach)
            axes.text(
                x, y, name, ha="center", va="center", fontsize=12, fontweight="bold", path_effects=halo,
                color=PALETTE[number % len(PALETTE)],
            )  # fmt: skip
        axes.set_axis_off()
        return data_uri(figure, "png")


def thickest(points: NDArray[np.floating[Any]], reach: float) -> NDArray[np.floating[Any]]:
    """Where most of some points lie within `reach` of one of them, `[2]`: a name there stands on what it names.

    The middle of all of them may be far from any, and near what another name is for.
    """
    near = np.linalg.norm(points[:, None] - points[None], axis=2) <= reach
    middle: NDArray[np.floating[Any]] = points[near[near.sum(axis=1).argmax()]].mean(axis=0)
    return middle


def method_bars(metrics: Mapping[str, Mapping[str, float]], figures: Sequence[str]) -> str:
    """Metrics by method, one panel a metric, the first method set apart by colour.

    Args:
        metrics: method -> metric -> value.
        figures: the metrics to draw, in order.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure, panels = new_figure(10.4, 0.55 + 0.42 * len(metrics), columns=len(figures))
        methods = list(metrics)[::-1]
        for number, (axes, name) in enumerate(zip(np.atleast_1d(panels), figures, strict=True)):
            values = [metrics[method][name] for method in methods]
            longest = max([*values, 0.001])
            colours = [ACCENT if method == methods[-1] else QUIET for method in methods]
            axes.barh(methods, values, color=colours, height=0.62)
            for row, value in enumerate(values):
                axes.text(value + longest * 0.025, row, _short(value), va="center", fontsize=10)
            axes.set_title(name)
            axes.set_xlim(0, longest * 1.22)
            axes.tick_params(length=0, labelleft=number == 0)
            axes.set_xticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
        return data_uri(figure, "svg")


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def degree_distribution(degrees: Mapping[str, NDArray[np.integer[Any]]]) -> str:
    """Share of nodes with at least so many edges, log-log.

    Args:
        degrees: what is counted -> int `[N]`.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(5.1, 3.6)
        for (name, values), colour in zip(degrees.items(), (ACCENT, PALETTE[4], PALETTE[1]), strict=False):
            found, counts = np.unique(values[values > 0], return_counts=True)
            axes.loglog(found, counts[::-1].cumsum()[::-1] / counts.sum(), color=colour, linewidth=2, label=name)
        label_axes(axes, "edges", "share of nodes with at least as many")
        axes.legend(frameon=False)
        return data_uri(figure, "svg")


def training_curve(losses: Sequence[float], scores: Sequence[float]) -> str:
    """Training loss and, where there was validation, its score, by epoch.

    Args:
        losses: one an epoch.
        scores: one an epoch, or none.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(5.1, 3.6)
        lines = axes.plot(np.arange(1, len(losses) + 1), losses, color=PALETTE[4], linewidth=2, label="training loss")
        label_axes(axes, "epoch", "training loss")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if scores:
            right = axes.twinx()
            lines += right.plot(
                np.arange(1, len(scores) + 1), scores, color=ACCENT, linewidth=2, label="validation gain"
            )
            right.tick_params(length=0)
            right.set_ylim(bottom=0)
        axes.legend(handles=lines, frameon=False, loc="center right")
        return data_uri(figure, "svg")
