"""Results as tables for people. Knows results and rich; finds nothing out."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.serving import results

WIDTH = 120
_MOST_FIXED = 32


def as_text(result: Any) -> str:
    """The result as plain text, at most `WIDTH` columns wide."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH, no_color=True, highlight=False, legacy_windows=False)
    render(result, console)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def render(result: Any, console: Console) -> None:
    """Print a result on a console."""
    match result:
        case results.Answer():
            _answer(result, console)
        case results.UserClusters():
            _clusters(result, console)
        case results.Status():
            _status(result, console)
        case results.GenerationList():
            _generations(result, console)
        case _:
            console.print(Text(repr(result)))


def _answer(answer: results.Answer, console: Console) -> None:
    with_interest = bool(answer.interests)
    columns = ["", "score", "item", "title"] + (["interest"] if with_interest else [])
    table = _table(columns, right=(0, 1))
    for place, item in enumerate(answer.items, start=1):
        cells = [str(place), f"{item.score:.4f}", item.item_id, item.title or ""]
        table.add_row(*map(_cell, cells + ([item.interest or ""] if with_interest else [])))
    console.print(_cell(f"{answer.subject}: {len(answer.items)} of {answer.corpus}, by {answer.method}", 200))
    for interest in answer.interests:
        console.print(
            _cell(
                f"  interest {interest.medoid} {interest.title or ''}: {interest.importance:.0%}, {interest.size} items",
                200,
            )
        )
    if answer.items:
        console.print(_fitted(table, ("title",)))
    if answer.reason:
        console.print(_cell(answer.reason, 400))
    for item in answer.items:
        if item.explanation is not None:
            _explanation(item, item.explanation, console)
    console.print(_cell(_origin(answer), 200))


def _explanation(item: results.ScoredItem, why: results.Explanation, console: Console) -> None:
    console.print(_cell(f"why {item.item_id}: {why.shared_contexts} shared contexts", 200))
    if not why.paths:
        console.print("  no path over two contexts: their features and wider neighbourhoods are alike")
    for path in why.paths:
        console.print(_cell("  " + " - ".join(f"{node.kind} {_name(node)}" for node in path), 400))
    console.print(Text("  " + why.cypher.replace("\n", "\n  ")))


def _name(node: results.NodeRef) -> str:
    return f"{node.id} ({node.title})" if node.title else node.id


def _clusters(found: results.UserClusters, console: Console) -> None:
    table = _table(["", "users", "interest", "typical items", "such as"], right=(0, 1))
    for cluster in found.clusters:
        items = "; ".join(item.title or item.item_id for item in cluster.top_items[:3])
        table.add_row(
            *map(_cell, (str(cluster.number), f"{cluster.size:,}", cluster.label, items, ", ".join(cluster.users[:3])))
        )
    console.print(_fitted(table, ("typical items", "such as")))
    if found.left_out:
        console.print(f"{found.left_out:,} users took up nothing yet and are in no cluster.")
    console.print(_cell(_origin(found), 200))


def _status(status: results.Status, console: Console) -> None:
    table = Table(box=None, show_header=False)
    if status.generation is None:
        serving = "none: run `engine build`"
    else:
        serving = f"{status.generation}, watermark {status.watermark}, as of {_time(status.as_of)}"
    if status.behind is None:
        lag = "unknown"
    else:
        lag = f"{status.behind:,} changes" if status.behind else "up to date"
    rows = {
        "home": status.home,
        "graph": status.graph + (f", rev {status.graph_watermark}" if status.graph_watermark is not None else ""),
        "serving": serving,
        "behind": lag,
        "items": "" if status.items is None else f"{status.items:,}",
        "corpora": ", ".join(status.corpora),
        "methods": ", ".join(status.methods),
        "measured": _metrics(status.metrics),
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, _cell(value, 400))
    console.print(table)


def _generations(found: results.GenerationList, console: Console) -> None:
    table = _table(["generation", "state", "created", "watermark", "measured"], right=(3,))
    for one in found.generations:
        state = "serving" if one.serving else one.state
        table.add_row(
            *map(_cell, (one.id, state, _time(one.created_at), str(one.watermark), one.reason or _metrics(one.metrics)))
        )
    console.print(_fitted(table, ("measured",)) if found.generations else "No generation yet: run `engine build`.")


def _metrics(metrics: dict[str, Any]) -> str:
    shown = (f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, int | float))
    return ", ".join(shown)


def _origin(result: Any) -> str:
    return f"generation {result.generation}, watermark {result.watermark}, as of {_time(result.as_of)}"


def _time(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC"


def _table(columns: Iterable[str], right: tuple[int, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if number in right else "left"
        table.add_column(column, justify=justify, overflow="ellipsis", no_wrap=True)
    return table


def _fitted(table: Table, long: tuple[str, ...]) -> Table:
    """The table with only its long columns giving way where the terminal is narrow."""
    for column in table.columns:
        if column.header not in long:
            cells = (column.header, *column._cells)
            column.min_width = min(_MOST_FIXED, max(Text(str(cell)).cell_len for cell in cells))
    return table


def _cell(text: str, limit: int = 80) -> Text:
    """Text as it stands, whatever markup or control characters an id may hold, cut where it is very long."""
    safe = "".join(char if char.isprintable() else "�" for char in text)
    return Text(safe if len(safe) <= limit else safe[: limit - 1] + "…")
