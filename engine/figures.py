"""How the engine's pictures look, and pictures as data URIs for an `<img>`. Knows matplotlib; nothing of what is drawn."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GRID, ACCENT, QUIET = "#1d2433", "#667085", "#e4e7ec", "#c2410c", "#98a2b3"
PALETTE = (
    "#c2410c", "#0f766e", "#7c3aed", "#b45309", "#0369a1", "#be185d",
    "#4d7c0f", "#4338ca", "#0e7490", "#a16207", "#9f1239", "#475569",
)  # fmt: skip
STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.edgecolor": GRID,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
    "svg.hashsalt": "engine",
    "figure.facecolor": "white",
}


def new_figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, Any]:
    """A figure of so many inches, and its axes: one, or an array of them, by rows and columns where there are several of both."""
    # The object interface, without pyplot: no window system is touched and no figure outlives its function.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def data_uri(figure: Figure, kind: str) -> str:
    """The figure as "svg" or "png"."""
    buffer = io.BytesIO()
    if kind == "svg":
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    else:
        figure.savefig(buffer, format="png", dpi=180, metadata={"Software": None})
    mime = "image/svg+xml" if kind == "svg" else "image/png"
    return f"data:{mime};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def label_axes(axes: Axes, x: str, y: str) -> None:
    """Name both axes, over a quiet grid."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, which="both")
