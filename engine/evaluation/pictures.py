"""The pictures of an evaluation, each as a data URI. Knows summaries and outcomes; no method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.evaluation.bootstrap import Difference
from engine.evaluation.outcome import Outcome, Rated, metric_values
from engine.evaluation.summary import Figure
from engine.figures import ACCENT, GRID, INK, PALETTE, QUIET, SOFT, STYLE, data_uri, label_axes, new_figure
from engine.models.user_ranking import Ranked

CUTS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)
MOST_PANELS = 4


def metric_bars(figures: Mapping[str, Mapping[str, Figure]], metrics: Sequence[str], *, lower: Sequence[str]) -> str:
    """A panel a metric: each method's mean, with the spread over seeds as a line; the best one set apart by colour.

    Args:
        figures: method -> metric -> figure.
        metrics: at most `MOST_PANELS` of them are drawn.
        lower: metrics of which less is better.
    """
    import matplotlib

    shown, methods = list(metrics)[:MOST_PANELS], list(figures)[::-1]
    with matplotlib.rc_context(STYLE):
        figure, panels = new_figure(10.4, 1.0 + 0.36 * len(methods), columns=len(shown))
        for number, (axes, name) in enumerate(zip(np.atleast_1d(panels), shown, strict=True)):
            means = np.array([figures[method][name].mean for method in methods])
            spread = [figures[method][name].deviation for method in methods]
            best = means.min() if name in lower else means.max()
            colours = [ACCENT if mean == best else QUIET for mean in means]
            axes.barh(methods, means, xerr=spread, color=colours, height=0.62, error_kw={"ecolor": INK, "lw": 1.2})
            longest = max(float((means + spread).max()), 1e-9)
            for row, (mean, more) in enumerate(zip(means, spread, strict=True)):
                axes.text(mean + more + longest * 0.025, row, short(mean), va="center", fontsize=10)
            axes.set_title(name)
            axes.set_xlim(0, longest * 1.25)
            axes.tick_params(length=0, labelleft=number == 0)
            axes.set_xticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
        return data_uri(figure, "svg")


def difference_lines(versus: Mapping[str, Mapping[str, Difference]], metric: str, baseline: str) -> str:
    """Each method's difference from the baseline, with its 95% interval; coloured where that does not hold 0."""
    import matplotlib

    methods = list(versus)[::-1]
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(10.4, 1.1 + 0.34 * len(methods))
        for row, method in enumerate(methods):
            found = versus[method][metric]
            sure = found.low > 0 or found.high < 0
            axes.plot([found.low, found.high], [row, row], color=ACCENT if sure else QUIET, linewidth=3)
            axes.plot(found.mean, row, "o", color=ACCENT if sure else QUIET, markersize=7)
        axes.axvline(0, color=SOFT, linewidth=1)
        axes.set_yticks(range(len(methods)), methods)
        axes.set_ylim(-0.6, len(methods) - 0.4)
        axes.set_xlabel(f"difference from {baseline} in {metric}, 95% of resamples")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.tick_params(length=0)
        return data_uri(figure, "svg")


def cut_off_curves(outcomes: Mapping[str, Sequence[Outcome]], metric: str) -> str:
    """A metric at growing cut-offs, one line a method.

    Args:
        outcomes: method -> the outcome of each seed.
        metric: without its cut-off.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(5.1, 3.8)
        for number, (method, its) in enumerate(outcomes.items()):
            values = [metric_values(outcome, (f"{metric}@k",), CUTS) for outcome in its]
            means = [np.mean([value[f"{metric}@{k}"].total() for value in values]) for k in CUTS]
            axes.plot(CUTS, means, color=PALETTE[number % len(PALETTE)], linewidth=2, label=method)
        axes.set_xscale("log")
        axes.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        label_axes(axes, "k", f"{metric}@k")
        axes.legend(frameon=False, fontsize=9)
        return data_uri(figure, "svg")


def trade_off(accuracy: Mapping[str, float], beyond: Mapping[str, float], metric: str, other: str) -> str:
    """How right lists are against what else they are, one point a method."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(5.1, 3.8)
        for number, method in enumerate(beyond):
            x, y = beyond[method], accuracy[method]
            axes.plot(x, y, "o", color=PALETTE[number % len(PALETTE)], markersize=8)
            axes.annotate(
                method,
                (x, y),
                xytext=(0, -16 if number % 2 else 8),
                textcoords="offset points",
                ha="center",
                fontsize=9,
            )
        axes.margins(0.2)
        label_axes(axes, other, metric)
        return data_uri(figure, "svg")


def rating_lines(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """The mean prediction for each rating that was given: a perfect method lies on the diagonal."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(5.1, 3.8)
        ends: list[float] = []
        for number, (method, its) in enumerate(outcomes.items()):
            actual = np.concatenate([one.actual for one in its if isinstance(one, Rated)])
            predicted = np.concatenate([one.predicted for one in its if isinstance(one, Rated)])
            edges = (
                np.unique(actual) if len(np.unique(actual)) <= 20 else np.quantile(actual, np.linspace(0.05, 0.95, 10))
            )
            nearest = np.abs(actual[:, None] - edges[None]).argmin(axis=1)
            means = [predicted[nearest == at].mean() if (nearest == at).any() else np.nan for at in range(len(edges))]
            axes.plot(edges, means, "o-", color=PALETTE[number % len(PALETTE)], linewidth=2, label=method)
            ends += [float(edges.min()), float(edges.max())]
        axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color=QUIET, linewidth=1, linestyle="--")
        label_axes(axes, "rating given", "mean prediction")
        axes.legend(frameon=False, fontsize=9)
        return data_uri(figure, "svg")


def error_share(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """Which share of the predictions is at most so far off."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(5.1, 3.8)
        share = np.linspace(0, 1, 201)
        for number, (method, its) in enumerate(outcomes.items()):
            off = np.concatenate([np.abs(one.predicted - one.actual) for one in its if isinstance(one, Rated)])
            axes.plot(np.quantile(off, share), share, color=PALETTE[number % len(PALETTE)], linewidth=2, label=method)
        axes.set_xlim(left=0)
        axes.set_ylim(0, 1)
        label_axes(axes, "absolute error", "share of predictions")
        axes.legend(frameon=False, fontsize=9, loc="lower right")
        return data_uri(figure, "svg")


def short(value: float) -> str:
    """A figure as people print it: .123"""
    return f"{value:.4f}".removeprefix("0")


def is_ranked(outcomes: Sequence[Outcome]) -> bool:
    """Whether cut-offs mean anything."""
    return all(isinstance(outcome, Ranked) for outcome in outcomes)
