"""The nodes of a snapshot as columns: ids, keys, corpora and fields. Knows no server and no files."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.errors import GraphError, InputError
from engine.hashing import keys64
from engine.types import FloatArray, IndexArray, KeyArray, KeyOrder, OffsetArray

FieldKind = Literal["text", "numeric", "categorical", "vector"]
DEFAULT_CORPUS = "organic"
DEAD = -1
"""The corpus of a row whose node was removed."""


class IdColumn(Sequence[str]):
    """External ids by row number, kept in Arrow memory rather than as Python strings. A dead row's is "", null in Arrow."""

    def __init__(self, values: Sequence[str] | pa.LargeStringArray) -> None:
        self.arrow: Any = values if isinstance(values, pa.LargeStringArray) else pa.array(values, pa.large_string())

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return _strings(self.arrow[row])
        return self.arrow[int(row)].as_py() or ""

    def __len__(self) -> int:
        return len(self.arrow)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), 65_536):
            yield from _strings(self.arrow.slice(start, 65_536))

    def take(self, rows: NDArray[Any]) -> list[str]:
        """The ids of many rows, in that order."""
        return _strings(self.arrow.take(pa.array(rows, pa.int64())))


def _strings(ids: Any) -> list[str]:
    return list((pc.fill_null(ids, "") if ids.null_count else ids).to_pylist())


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """One property of all nodes of a kind.

    Attributes:
        kind: what the values are.
        values: text: an Arrow string array, null where missing; numeric: float64 `[N]`, NaN where missing;
            categorical: an Arrow array of lists of strings, empty where missing; vector: float32 `[N, D]`, rows of
            NaN where missing.
    """

    kind: FieldKind
    values: Any

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[Any]) -> FieldColumn:
        """The column of some rows, in that order."""
        if isinstance(self.values, pa.Array):
            return FieldColumn(self.kind, self.values.take(pa.array(rows, pa.int64())))
        return FieldColumn(self.kind, self.values[rows])

    def to_list(self) -> list[Any]:
        """Plain Python values: None where a text is missing, `[]` where a categorical cell is."""
        if isinstance(self.values, pa.Array):
            return list(self.values.to_pylist())
        return list(self.values.tolist())


def field_column(kind: FieldKind, values: Sequence[Any] | NDArray[Any], *, name: str) -> FieldColumn:
    """Bring plain values into a column. A categorical cell is a string with "|" between values, or a list of strings.

    Raises:
        InputError: a value that is not of the kind, naming the field.
    """
    try:
        if kind == "text":
            return FieldColumn(kind, pa.array([None if v is None else str(v) for v in values], pa.large_string()))
        if kind == "numeric":
            cells = np.array([np.nan if v is None or v == "" else v for v in values], dtype=np.float64)
            return FieldColumn(kind, cells)
        if kind == "categorical":
            return FieldColumn(kind, pa.array([_tokens(v) for v in values], pa.list_(pa.string())))
        return FieldColumn(kind, np.ascontiguousarray(values, dtype=np.float32).reshape(len(values), -1))
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(f"field {name!r}: a value is not {kind}: {error}") from error


def vector_rows(cells: Sequence[bytes | None], width: int) -> FloatArray:
    """Little-endian float32 vectors of one width as float32 `[N, width]`, rows of NaN where one is missing."""
    missing = np.full(width, np.nan, dtype="<f4").tobytes()
    packed = b"".join(missing if cell is None else cell for cell in cells)
    return np.frombuffer(packed, dtype="<f4").astype(np.float32).reshape(len(cells), width)


def _tokens(cell: Any) -> list[str]:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return []
    if isinstance(cell, list | tuple | np.ndarray):
        return [str(value) for value in cell]
    return [token for token in (part.strip() for part in str(cell).split("|")) if token]


@dataclass(frozen=True)
class NodeTable:
    """All nodes of one kind. Row numbers mean nothing: those of a full export follow the keys.

    Where changes were applied to an export, new nodes come after all others, and a removed node's row stays as a dead
    one: without an id, a corpus, edges or anything in its fields, and found by nothing.

    Attributes:
        ids: the external ids by row.
        key: uint64 `[N]`, `hashing.keys64` of the ids; no two are equal. A dead row's is made up.
        corpus: int16 `[N]`, positions in `corpora`; `DEAD` for dead rows, 0 for all other contexts and users.
        corpora: the names of the corpora.
        fields: the properties by name.
        by_key: int32 `[N]`, the rows by key where that is known already; it is worked out otherwise.
    """

    ids: IdColumn
    key: KeyArray
    corpus: NDArray[np.int16]
    corpora: list[str]
    fields: dict[str, FieldColumn] = field(default_factory=dict)
    by_key: IndexArray | None = None

    def __len__(self) -> int:
        """How many rows, dead ones too."""
        return len(self.key)

    @functools.cached_property
    def order(self) -> KeyOrder:
        """The rows by key, dead ones too."""
        return KeyOrder.of(self.key, self.by_key)

    @property
    def rows_by_key(self) -> IndexArray:
        """int32 `[N]`, the rows in the order of their keys, dead ones too."""
        by_rank = self.order.by_rank
        return by_rank if len(by_rank) else np.arange(len(self), dtype=np.int32)

    @functools.cached_property
    def alive(self) -> NDArray[np.bool_]:
        """bool `[N]`."""
        return np.asarray(self.corpus != DEAD)

    @functools.cached_property
    def num_alive(self) -> int:
        """How many nodes there are."""
        return int(np.count_nonzero(self.alive))

    def index_of(self, ids: Sequence[str]) -> IndexArray:
        """The row numbers of external ids.

        Returns:
            int32 `[len(ids)]`, -1 for an id that is not there.
        """
        wanted = list(ids)
        if not len(self) or not wanted:
            return np.full(len(wanted), -1, dtype=np.int32)
        keys, by_rank = keys64(wanted), self.order.by_rank
        places = np.searchsorted(self.key, keys, sorter=by_rank if len(by_rank) else None)
        places = np.minimum(places, len(self) - 1)
        rows = by_rank[places] if len(by_rank) else places
        found = (self.key[rows] == keys) & (
            np.array(self.ids.take(rows), dtype=object) == np.array(wanted, dtype=object)
        )
        return np.where(found, rows, -1).astype(np.int32)


def node_table(
    ids: Sequence[str] | pa.LargeStringArray,
    corpus: Sequence[str] | pa.LargeStringArray | None = None,
    fields: Mapping[str, FieldColumn] | None = None,
    *,
    what: str = "node",
) -> tuple[NodeTable, IndexArray]:
    """Sort nodes by key.

    Args:
        ids: external ids in any order.
        corpus: a corpus name each, or None when all are in the default one.
        fields: columns aligned with `ids`.
        what: the word for such a node in messages.

    Returns:
        The table, and int32 `[N]`: the row that each input position went to.

    Raises:
        GraphError: two nodes with one id.
    """
    listed: Any = pa.array(ids, pa.large_string())
    key = keys64(listed.to_pylist())
    order = np.argsort(key, kind="stable")
    key = key[order]
    same = np.flatnonzero(key[1:] == key[:-1])
    if len(same):
        twice = [str(listed[int(order[at])].as_py()) for at in (same[0], same[0] + 1)]
        raise GraphError(
            f"two {what}s have the id {twice[0]!r}"
            if twice[0] == twice[1]
            else f"the {what} ids {twice[0]!r} and {twice[1]!r} have the same 64-bit key",
            hint="Make the ids unique; `engine cypher list` shows queries that look at the graph.",
        )
    corpora, codes = [DEFAULT_CORPUS], np.zeros(len(key), dtype=np.int16)
    if corpus is not None and len(key):
        encoded = pa.array(corpus, pa.large_string()).dictionary_encode()
        names = encoded.dictionary.to_pylist()
        corpora = sorted(names)
        codes = np.array([corpora.index(name) for name in names], dtype=np.int16)[encoded.indices.to_numpy()][order]
    rank = np.empty(len(key), dtype=np.int32)
    rank[order] = np.arange(len(key), dtype=np.int32)
    sorted_fields = {name: column.take(order) for name, column in (fields or {}).items()}
    return NodeTable(IdColumn(listed.take(pa.array(order))), key, codes, corpora, sorted_fields), rank


def with_row(nodes: NodeTable, node_id: str, told: Mapping[str, FieldColumn] | None = None) -> NodeTable:
    """The nodes and one more after them, of the first corpus.

    Args:
        told: its fields, columns of one row of the same kinds; there is nothing in those that are not there.
    """
    rows = pa.array([*range(len(nodes)), None], pa.int64())
    fields = {}
    for name, column in nodes.fields.items():
        if told is not None and name in told:
            fields[name] = FieldColumn(column.kind, _appended(column.values, told[name].values))
        elif isinstance(column.values, pa.Array):
            fields[name] = FieldColumn(column.kind, column.values.take(rows))
        else:
            none = np.full((1, *column.values.shape[1:]), np.nan, column.values.dtype)
            fields[name] = FieldColumn(column.kind, np.concatenate([column.values, none]))
    ids = IdColumn(pa.concat_arrays([nodes.ids.arrow, pa.array([node_id], pa.large_string())]))
    key = np.concatenate([nodes.key, keys64([node_id])])
    return NodeTable(ids, key, np.append(nodes.corpus, np.int16(0)), nodes.corpora, fields)


def _appended(values: Any, one: Any) -> Any:
    if isinstance(values, pa.Array):
        return pa.concat_arrays([values, one.cast(values.type)])
    return np.concatenate([values, one.astype(values.dtype)])


def offsets(counts: NDArray[Any]) -> OffsetArray:
    """int64 `[N + 1]`: where each row begins."""
    indptr = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=indptr[1:])
    return indptr
