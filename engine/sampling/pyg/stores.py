"""PyG's remote backends on Neo4j: a `FeatureStore` and a `GraphStore`, so that a stock loader reads from the graph.

Node indices are positions in the order of the ids' 64-bit keys, the row numbers of a snapshot of the same graph. The
items are numbered when a store is first used; items added later are unknown to it until a new store is made. Both stores
are read-only: the graph is written through the engine, which stamps every change. Both can be pickled, and open a
connection of their own in each process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import EdgeAttr, FeatureStore, GraphStore, TensorAttr
from torch_geometric.data.graph_store import EdgeLayout
from torch_geometric.typing import EdgeTensorType, FeatureTensorType

from engine.errors import EmptyGraphError, InputError, UnknownNameError
from engine.graph.connection import Graph
from engine.graph.mapping import ENDS
from engine.graph.queries import load_queries
from engine.graph.snapshot import NodeTable, Relation
from engine.graph.snapshot_columns import node_table
from engine.graph.snapshot_csr import edge_rows
from engine.graph.snapshot_export import export_snapshot
from engine.sampling.config import WalkConfig
from engine.sampling.live import LiveSampler
from engine.sampling.pyg.sampler import NEAR
from engine.settings import GraphMapping, GraphSettings, Settings
from engine.types import IndexArray, Neighbourhoods

EDGE_TYPES = {(source[:-1], name, target[:-1]): name for name, (source, target) in ENDS.items()}
"""("context", "saves", "item"), ("user", "interactions", "item"), ("user", "follows", "user"), ("user", "owns",
"context")."""


class ItemNumbers:
    """The items of a live graph as rows, read once."""

    def __init__(self, graph: Graph, mapping: GraphMapping) -> None:
        self._graph = graph
        self._mapping = mapping
        self._table: NodeTable | None = None

    @property
    def table(self) -> NodeTable:
        """The ids and keys, sorted by key.

        Raises:
            EmptyGraphError: the graph has no items.
        """
        if self._table is None:
            query = load_queries()["sample/item_ids"]
            blocks = self._graph.stream(query.render(self._mapping), query.arguments({}))
            ids = [name for block in blocks for name in block["ids"]]
            if not ids:
                raise EmptyGraphError("the graph has no items", hint="Load a data set with `engine ingest DIR`.")
            self._table = node_table(ids, what="item")[0]
        return self._table


class Neo4jFeatureStore(FeatureStore):  # type: ignore[misc]
    """Item properties as tensors, fetched for the nodes of each mini-batch in one packed query a tensor.

    Args:
        tensors: tensor name -> the item properties whose values stand side by side in it: numbers, one column each, or
            vectors. A missing number or vector is zeros.
        group: the node type in a heterogeneous batch; None where the batch is homogeneous.
    """

    def __init__(
        self,
        graph: Graph,
        mapping: GraphMapping,
        tensors: Mapping[str, Sequence[str]],
        *,
        group: str | None = None,
        numbers: ItemNumbers | None = None,
    ) -> None:
        super().__init__()
        own: dict[str, Any] = {
            "_graph": graph,
            "_mapping": mapping,
            "_tensors": {name: list(fields) for name, fields in tensors.items()},
            "_widths": {},
            "_group": group,
            "numbers": numbers or ItemNumbers(graph, mapping),
        }
        self.__dict__.update(own)  # FeatureStore's own attribute access means tensors

    def ids(self, index: Tensor) -> list[str]:
        """The external ids of node indices."""
        found: list[str] = self.numbers.table.ids.take(index.numpy())
        return found

    def index_of(self, ids: Sequence[str]) -> Tensor:
        """int64 `[len(ids)]`: the node indices of external ids, -1 for an unknown one."""
        return torch.from_numpy(self.numbers.table.index_of(ids).astype(np.int64))

    def get_all_tensor_attrs(self) -> list[TensorAttr]:
        return [TensorAttr(self._group, name) for name in self._tensors]

    def _get_tensor(self, attr: TensorAttr) -> FeatureTensorType | None:
        if attr.group_name != self._group or attr.attr_name not in self._tensors:
            raise UnknownNameError(
                f"there is no tensor {attr.attr_name!r} of {attr.group_name!r}", hint=f"Known: {list(self._tensors)}."
            )
        fields = self._tensors[attr.attr_name]
        rows = self._rows(attr.index)
        distinct, inverse = np.unique(rows, return_inverse=True)
        columns = self._fetch(distinct, fields)
        stacked = np.concatenate(
            [self._column(name, cells) for name, cells in zip(fields, columns, strict=True)], axis=1
        )
        return torch.from_numpy(stacked[inverse])

    def _rows(self, index: Any) -> NDArray[np.int64]:
        count = len(self.numbers.table)
        if index is None or not isinstance(index, Tensor | np.ndarray | slice | int):
            return np.arange(count)
        if isinstance(index, slice):
            return np.arange(count)[index]
        rows = np.atleast_1d(np.asarray(index)).astype(np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= count):
            raise InputError(f"node index {int(rows[(rows < 0) | (rows >= count)][0])} is not in 0..{count - 1}")
        return rows

    def _fetch(self, rows: NDArray[np.int64], fields: list[str]) -> list[list[Any]]:
        """One column a field, aligned with `rows`; None for an item that has gone since it was numbered."""
        ids = self.numbers.table.ids.take(rows)
        query = load_queries()["sample/item_fields"].render(self._mapping)
        found = self._graph.read(query, {"ids": ids, "fields": fields})[0]
        place = {name: at for at, name in enumerate(found["ids"])}
        at = [place.get(name) for name in ids]
        return [[None if n is None else column[n] for n in at] for column in found["fields"]]

    def _column(self, name: str, cells: list[Any]) -> NDArray[np.float32]:
        """float32 `[N, width]` of one property."""
        if all(cell is None or isinstance(cell, int | float) for cell in cells):
            width = self._widths.get(name, 1)
            return np.array([[0.0 if cell is None else cell] * width for cell in cells], np.float32).reshape(-1, width)
        try:
            vectors = [None if cell is None else _vector(cell) for cell in cells]
        except (TypeError, ValueError) as error:
            raise InputError(
                f"the property {name!r} holds something that is neither a number nor a vector: {error}",
                hint="Turn texts and categories into vectors first, or read them in a transform.",
            ) from None
        width = self._widths.setdefault(name, next(len(vector) for vector in vectors if vector is not None))
        if any(vector is not None and len(vector) != width for vector in vectors):
            raise InputError(f"the vectors of the property {name!r} have several widths")
        return np.stack([np.zeros(width, np.float32) if vector is None else vector for vector in vectors])

    def _get_tensor_size(self, attr: TensorAttr) -> tuple[int, ...] | None:
        first: Any = self._get_tensor(TensorAttr(attr.group_name, attr.attr_name, torch.tensor([0])))
        return (len(self.numbers.table), *first.shape[1:]) if first is not None else None

    def _put_tensor(self, tensor: FeatureTensorType, attr: TensorAttr) -> bool:
        _refuse_writing()

    def _remove_tensor(self, attr: TensorAttr) -> bool:
        _refuse_writing()


class Neo4jGraphStore(GraphStore):  # type: ignore[misc]
    """The edges of the live graph, and the neighbourhoods of its items by live walks.

    It is a `NeighbourhoodProvider`: give it to `ConsistentWalkSampler`. A whole edge index (`get_edge_index`) is there
    for those who want one: it exports the graph once, which a loader with a walk sampler never asks for.
    """

    def __init__(
        self, graph: Graph, mapping: GraphMapping, config: WalkConfig, *, numbers: ItemNumbers | None = None
    ) -> None:
        super().__init__()
        self.numbers = numbers or ItemNumbers(graph, mapping)
        self._graph = graph
        self._mapping = mapping
        self._sampler = LiveSampler(graph, mapping, config)
        self._edges: dict[str, Relation] = {}

    def neighbourhoods(self, rows: NDArray[np.integer]) -> Neighbourhoods:
        """Live neighbourhoods of item rows, `[len(rows), T]`; items added since the numbering are left out."""
        table = self.numbers.table
        found = self._sampler.neighbourhoods(table.ids.take(rows))
        width = self._sampler.config.top_t
        idx = np.full((len(found.ids), width), -1, dtype=np.int32)
        near: IndexArray = table.index_of([name for names in found.ids for name in names])
        filled = np.arange(width) < np.array([[len(names)] for names in found.ids]).reshape(-1, 1)
        idx[filled] = near
        return Neighbourhoods(idx, np.where(idx >= 0, found.weight, 0).astype(np.float32))

    def get_all_edge_attrs(self) -> list[EdgeAttr]:
        count = len(self.numbers.table)
        return [
            EdgeAttr(NEAR, EdgeLayout.COO, size=(count, count)),
            *(EdgeAttr(edge_type, EdgeLayout.COO) for edge_type in EDGE_TYPES),
        ]

    def _get_edge_index(self, edge_attr: EdgeAttr) -> EdgeTensorType | None:
        name = EDGE_TYPES.get(tuple(edge_attr.edge_type))
        if name is None or edge_attr.layout != EdgeLayout.COO:
            return None
        if not self._edges:
            with tempfile.TemporaryDirectory() as folder:
                settings = Settings(home=Path(folder), graph=GraphSettings(mapping=self._mapping))
                relations = export_snapshot(self._graph, settings).relations
                self._edges = {name: getattr(relations, name) for name in ENDS}
        forward = self._edges[name].forward
        return torch.from_numpy(edge_rows(forward)).long(), torch.from_numpy(np.array(forward.indices)).long()

    def _put_edge_index(self, edge_index: EdgeTensorType, edge_attr: EdgeAttr) -> bool:
        _refuse_writing()

    def _remove_edge_index(self, edge_attr: EdgeAttr) -> bool:
        _refuse_writing()


def _vector(cell: Any) -> NDArray[np.float32]:
    if isinstance(cell, bytes | bytearray):
        return np.frombuffer(cell, dtype="<f4").astype(np.float32)
    return np.atleast_1d(np.array(cell, dtype=np.float32))


def _refuse_writing() -> NoReturn:
    raise InputError("the stores are read-only", hint="Write through the engine: engine.add_items, engine.add_saves.")
