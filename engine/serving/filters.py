"""Filters by property: a small language of comparisons, answered as rows of a snapshot. Knows columns, no index.

`{"year": 1999}` equals; `{"genre": ["jazz", "blues"]}` is any of them; `{"year": {">=": 1990, "<": 2000}}` is a range. A
categorical field that holds several values matches when one of them does; a missing value matches nothing.
"""

from __future__ import annotations

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.errors import InputError, UnknownNameError
from engine.graph.snapshot import FieldColumn, NodeTable

Where = Mapping[str, Any]
BoolArray = NDArray[np.bool_]

_RANGES = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
_KEPT = 32


@dataclass(frozen=True, slots=True)
class Condition:
    """One field's demand: a value in `any_of`, or within all `bounds`."""

    field: str
    any_of: tuple[Any, ...] = ()
    bounds: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Matches:
    """The items of one corpus that a filter lets through.

    Attributes:
        mask: bool `[N]` over all item rows.
        rows: int64 `[M]`, the same as rows, increasing.
    """

    mask: BoolArray
    rows: NDArray[np.int64]


def conditions(where: Where | None, kinds: Mapping[str, str]) -> tuple[Condition, ...]:
    """Read a filter.

    Args:
        kinds: field name -> kind.

    Raises:
        UnknownNameError: a field that items do not have.
        InputError: a filter that is no mapping, an unknown comparison, or a value of the wrong type.
    """
    if where is None:
        return ()
    if not isinstance(where, Mapping):
        raise InputError(
            f"where must be a mapping of field to value, not {where!r:.80}", hint='Such as {"year": 1999}.'
        )
    return tuple(_condition(name, demand, kinds) for name, demand in where.items())


def _condition(name: str, demand: Any, kinds: Mapping[str, str]) -> Condition:
    if name not in kinds:
        known = ", ".join(sorted(n for n, kind in kinds.items() if kind != "vector")) or "none"
        raise UnknownNameError(f"items have no field {name!r:.80}", hint=f"Fields to filter by: {known}.")
    kind = kinds[name]
    if kind == "vector":
        raise InputError(f"field {name!r} is a vector and cannot be filtered by")
    if isinstance(demand, Mapping):
        return _bounds(name, demand, kind)
    values = list(demand) if isinstance(demand, list | tuple | set | frozenset) else [demand]
    if not values:
        raise InputError(f"the filter on {name!r} names no value, so nothing could match")
    return Condition(name, any_of=tuple(_value(name, value, kind) for value in values))


def _bounds(name: str, demand: Mapping[Any, Any], kind: str) -> Condition:
    if kind != "numeric":
        raise InputError(f"field {name!r} is {kind}: it can be equal or one of a list, not in a range")
    unknown = [sign for sign in demand if sign not in _RANGES]
    if unknown or not demand:
        said = f"the comparison {unknown[0]!r}" if unknown else "an empty range"
        raise InputError(f"the filter on {name!r} has {said}", hint=f"Known: {', '.join(_RANGES)}.")
    return Condition(name, bounds=tuple((sign, _value(name, value, kind)) for sign, value in demand.items()))


def _value(name: str, value: Any, kind: str) -> Any:
    if kind != "numeric":
        if isinstance(value, str):
            return value
        raise InputError(f"field {name!r} is {kind}: compare it with a string, not {value!r:.80}")
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise InputError(f"field {name!r} is numeric: compare it with a finite number, not {value!r:.80}")
    return float(value)


def holds(demands: Sequence[Condition], values: Mapping[str, Any]) -> bool:
    """Whether one item's plain values meet all `demands`; for items that are in no snapshot yet."""
    return all(_holds(demand, values.get(demand.field)) for demand in demands)


def _holds(demand: Condition, value: Any) -> bool:
    if value is None:
        return False
    if demand.bounds:
        return all(bool(_RANGES[sign](float(value), bound)) for sign, bound in demand.bounds)
    held = value if isinstance(value, list | tuple | set) else [value]
    return any(one in demand.any_of for one in held)


class Filters:
    """Filters over the items of one snapshot; the last few used are kept."""

    def __init__(self, items: NodeTable) -> None:
        self._items = items
        self.kinds: dict[str, str] = {name: column.kind for name, column in items.fields.items()}
        self._kept: OrderedDict[tuple[int, str], Matches] = OrderedDict()
        self._lock = threading.Lock()

    def matches(self, demands: Sequence[Condition], corpus: int) -> Matches:
        """The rows of a corpus that meet all demands."""
        key = (corpus, json.dumps([[d.field, d.any_of, d.bounds] for d in demands]))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        mask = np.asarray(self._items.corpus == corpus)
        for demand in demands:
            mask = mask & _column_mask(self._items.fields[demand.field], demand)
        found = Matches(mask, np.flatnonzero(mask))
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def _column_mask(column: FieldColumn, demand: Condition) -> BoolArray:
    if column.kind == "numeric":
        values = column.values
        if demand.any_of:
            return np.isin(values, np.array(demand.any_of, np.float64))
        parts = [np.asarray(_RANGES[sign](values, bound)) for sign, bound in demand.bounds]
        return np.asarray(np.logical_and.reduce(parts))
    wanted = pa.array(demand.any_of, pa.large_string() if column.kind == "text" else pa.string())
    if column.kind == "text":
        return _to_bool(pc.is_in(column.values, value_set=wanted))
    hit = _to_bool(pc.is_in(pc.list_flatten(column.values), value_set=wanted))
    mask = np.zeros(len(column.values), dtype=bool)
    mask[pc.list_parent_indices(column.values).to_numpy(zero_copy_only=False)[hit]] = True
    return mask


def _to_bool(values: Any) -> BoolArray:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=bool)
