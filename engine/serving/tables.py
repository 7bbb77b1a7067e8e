"""Tables and cells on a terminal, whatever an id may hold. Knows rich; nothing of what is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from rich import box
from rich.table import Table
from rich.text import Text

_MOST_FIXED = 32


def shown_time(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC"


def new_table(columns: Iterable[str], right: tuple[int, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if number in right else "left"
        table.add_column(column, justify=justify, overflow="ellipsis", no_wrap=True)
    return table


def fitted(table: Table, long: tuple[str, ...]) -> Table:
    """The table with only its long columns giving way where the terminal is narrow."""
    for column in table.columns:
        if column.header not in long:
            cells = (column.header, *column._cells)
            column.min_width = min(_MOST_FIXED, max(Text(str(cell)).cell_len for cell in cells))
    return table


def cell(text: str, limit: int = 80) -> Text:
    """Text as it stands, whatever markup or control characters an id may hold, cut where it is very long."""
    safe = "".join(char if char.isprintable() else "�" for char in text)
    return Text(safe if len(safe) <= limit else safe[: limit - 1] + "…")
