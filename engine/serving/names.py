"""Ids and titles of a view's items as Python's own values, taken over from the view before where they are the same.

Arrow takes a microsecond to hand out one string: a million of them are not read again because ten have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.graph.snapshot import NodeTable

_TITLES = ("title", "name")
Name = TypeVar("Name")
MOST_CHANGED = 0.25
"""Where more of the rows have changed than this, everything is read again."""


@dataclass(frozen=True, slots=True)
class Names:
    """What answers call items by.

    Attributes:
        ids: by row, "" for a dead one.
        rows: id -> row. A search among the keys would take an answer four times as long as this look-up.
        titles: by row; None where an item has no text field, or nothing in it.
    """

    ids: list[str]
    rows: dict[str, int]
    titles: list[str | None]

    @staticmethod
    def of(items: NodeTable) -> Names:
        """Read everything."""
        ids = list(items.ids)
        rows = {item_id: row for row, item_id in enumerate(ids)}
        if items.num_alive < len(rows):
            del rows[""]  # what dead rows have for an id
        name = title_field(items)
        titles = [None] * len(items) if name is None else list(items.fields[name].values.to_pylist())
        return Names(ids, rows, titles)

    def followed_by(self, before: NodeTable, items: NodeTable) -> Names:
        """The names of another table, reading only what differs.

        Args:
            before: the table of these names.
        """
        if items is before:
            return self
        renamed = _changed_keys(before, items)
        retitled = _changed_titles(before, items)
        if renamed is None or retitled is None:
            return Names.of(items)
        ids, rows, titles = self.ids, self.rows, self.titles
        if len(renamed):
            ids, rows = [*ids, *[""] * (len(items) - len(ids))], dict(rows)
            for row in renamed.tolist():
                rows.pop(ids[row], None)
            for row, item_id in zip(renamed.tolist(), items.ids.take(renamed), strict=True):
                ids[row] = item_id
                if item_id:
                    rows[item_id] = row
        if len(retitled):
            name = title_field(items)
            titles = [*titles, *[None] * (len(items) - len(titles))]
            values = [None] * len(retitled) if name is None else items.fields[name].take(retitled).values.to_pylist()
            for row, title in zip(retitled.tolist(), values, strict=True):
                titles[row] = title
        return Names(ids, rows, titles)


def picked(values: list[Name], rows: list[int]) -> Sequence[Name]:
    """Some of many values. In one call, so that the waits for memory overlap: one by one they cost an answer six times as much."""
    return itemgetter(*rows)(values) if len(rows) > 1 else [values[row] for row in rows]


def title_field(items: NodeTable) -> str | None:
    """The field that names an item for people."""
    texts = [name for name, column in items.fields.items() if column.kind == "text"]
    return next((name for name in _TITLES if name in texts), texts[0] if texts else None)


def _changed_keys(before: NodeTable, items: NodeTable) -> NDArray[np.int64] | None:
    if len(items) < len(before):
        return None
    return _few(np.flatnonzero(items.key[: len(before)] != before.key), before, items)


def _changed_titles(before: NodeTable, items: NodeTable) -> NDArray[np.int64] | None:
    name = title_field(items)
    if name != title_field(before) or len(items) < len(before):
        return None
    if name is None:
        return _few(np.empty(0, np.int64), before, items)
    old, new = before.fields[name].values, items.fields[name].values.slice(0, len(before))
    if old.type != new.type:
        return None
    same = pc.or_(pc.fill_null(pc.equal(old, new), False), pc.and_(pc.is_null(old), pc.is_null(new)))
    return _few(np.flatnonzero(~_flags(same)), before, items)


def _few(changed: NDArray[np.int64], before: NodeTable, items: NodeTable) -> NDArray[np.int64] | None:
    """The changed rows and those that came; None where they are too many."""
    rows = np.concatenate([changed, np.arange(len(before), len(items))])
    return rows if len(rows) <= MOST_CHANGED * len(items) else None


def _flags(values: Any) -> NDArray[np.bool_]:
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    flags: NDArray[np.bool_] = array.to_numpy(zero_copy_only=False)
    return flags
