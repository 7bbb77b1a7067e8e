"""The values of a data set's columns: from text to numbers, and why a value cannot be. Knows no files and no tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from engine.datasets.folder_spec import ColumnKind

MAX_ID_BYTES = 1024
"""Neo4j's index keys end at about 8 kB; ids stay far below, in UTF-8 bytes."""
CLOCK_SKEW_MS = 86_400_000
"""A time may lie this far in the future."""


def split_categories(cell: str | None) -> list[str] | None:
    return [part for part in map(str.strip, cell.split("|")) if part] or None if cell else None


def _same(name: str, cells: list[str], bad: dict[int, str]) -> list[str]:
    return cells


def _optional(name: str, cells: list[str], bad: dict[int, str]) -> list[str | None]:
    return [cell or None for cell in cells]


def _categories(name: str, cells: list[str], bad: dict[int, str]) -> list[list[str] | None]:
    return [split_categories(cell) for cell in cells]


def _numbers(name: str, cells: list[str], bad: dict[int, str]) -> list[float | None]:
    return _parsed(name, cells, bad, float, "a number")


def _times(name: str, cells: list[str], bad: dict[int, str]) -> list[int | None]:
    return _parsed(name, cells, bad, int, "a time in whole epoch milliseconds")


def _parsed(name: str, cells: list[str], bad: dict[int, str], parse: Callable[[str], Any], what: str) -> list[Any]:
    plain = "_" not in "".join(cells)  # int("1_0") is 10
    if plain:
        try:
            return list(map(parse, cells))
        except ValueError:
            pass
    values: list[Any] = []
    for k, cell in enumerate(cells):
        value = None
        if cell.strip():
            try:
                value = parse(cell) if "_" not in cell else None
            except ValueError:
                value = None
            if value is None:
                bad.setdefault(k, f"{name} {cell[:40]!r} is not {what}")
        values.append(value)
    return values


PARSE: dict[ColumnKind, Callable[[str, list[str], dict[int, str]], list[Any]]] = {
    "id": _same,
    "optional id": _optional,
    "corpus": _optional,
    "text": _optional,
    "categorical": _categories,
    "numeric": _numbers,
    "time": _times,
}


def check_column(kind: ColumnKind, name: str, values: list[Any], bad: dict[int, str], limit: int) -> None:
    """Put into `bad` why a value cannot be; the usual batch is found good without a loop in Python."""
    if not values:
        return
    if kind == "id":
        if (
            None in values
            or not all(values)
            or max(map(len, values)) > MAX_ID_BYTES // 4
            or any(map(str.isspace, values))
        ):
            _each(name, values, bad, id_reason)
    elif kind in ("optional id", "corpus"):
        _each(name, values, bad, lambda value: None if value is None else id_reason(value))
    elif kind == "numeric":
        if not all(map(math.isfinite, (value for value in values if value is not None))):
            _each(name, values, bad, number_reason)
    elif kind == "time":
        there = values if None not in values else [value for value in values if value is not None]
        if there and (min(there) < 0 or max(there) > limit):
            _each(name, values, bad, lambda value: time_reason(value, limit))


def _each(name: str, values: list[Any], bad: dict[int, str], reason_of: Callable[[Any], str | None]) -> None:
    for k, value in enumerate(values):
        reason = reason_of(value)
        if reason is not None:
            bad.setdefault(k, f"{name} {reason}")


def id_reason(value: Any) -> str | None:
    """Why a value cannot be an id, or None."""
    if not isinstance(value, str):
        return "is missing" if value is None else f"{value!r:.40} is not a string"
    if not value or value.isspace():
        return "is empty"
    if "\0" in value:
        return "holds a NUL character"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return f"{value[:20]!r} is not valid Unicode"
    if size > MAX_ID_BYTES:
        return f"{value[:20]!r}… is {size:,} bytes long; an id has at most {MAX_ID_BYTES:,}"
    return None


def number_reason(value: Any) -> str | None:
    """Why a value cannot be a feature, rating or weight, or None."""
    if value is None or math.isfinite(value):
        return None
    return f"is {value}; leave the cell empty where the value is missing"


def time_reason(value: Any, limit: int) -> str | None:
    """Why a value cannot be a time, or None. `limit` is the last allowed one in epoch ms."""
    if value is None or 0 <= value <= limit:
        return None
    return f"{value} is negative" if value < 0 else f"{value} lies in the future (epoch milliseconds are meant)"
