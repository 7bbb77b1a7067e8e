"""Snapshots on disk: which file holds what. Knows no server.

A folder holds `items.arrow`, `contexts.arrow`, `users.arrow` (ids, corpora and fields; a dead row has no id and no
corpus), `*.key.npy`, `*.order.npy` (the rows by key) where they are not in that order already, and for each relation and
direction `RELATION.forward.indptr.npy`, `.indices.npy` and, where edges have them, `.time.npy` and `.value.npy`. Vector
fields are arrays of `engine.arrays` named `KIND.field.NUMBER`, so that a few changed rows cost little; those of width 0,
and all of them in format 1, are `KIND.field.NUMBER.npy`. All of it is memory-mapped when read.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.arrays import open_array, write_base
from engine.errors import CorruptFileError
from engine.files import Checked, link_file, open_folder
from engine.graph.snapshot import Relations, Snapshot
from engine.graph.snapshot_columns import DEAD, FieldColumn, IdColumn, NodeTable
from engine.graph.snapshot_csr import Relation
from engine.types import CSR, FloatArray

FORMAT = 2
_READABLE = (1, FORMAT)
NODE_KINDS = ("items", "contexts", "users")
RELATIONS = tuple(part.name for part in fields(Relations))


def write_snapshot(folder: Path, snapshot: Snapshot) -> dict[str, Any]:
    """Write the files of a snapshot into a folder that `files.atomic_folder` seals.

    Returns:
        The facts for the folder's manifest.
    """
    for kind in NODE_KINDS:
        write_nodes(folder, kind, getattr(snapshot, kind))
    for name in RELATIONS:
        write_relation(folder, name, getattr(snapshot.relations, name))
    return {"format": FORMAT, "watermark": snapshot.watermark}


def write_nodes(folder: Path, kind: str, table: NodeTable) -> None:
    """Write one kind of node."""
    write_keys(folder, kind, table)
    write_columns(folder, kind, table)
    for number, column in enumerate(table.fields.values()):
        if column.kind == "vector":
            write_vectors(folder, field_file(kind, number), column.values)


def field_file(kind: str, number: int) -> str:
    """How the files of one vector field begin."""
    return f"{kind}.field.{number}"


def link_part(parent: Path, folder: Path, name: str) -> None:
    """Share a file of another snapshot.

    Raises:
        CorruptFileError: it is not there.
    """
    try:
        link_file(parent / name, folder / name)
    except FileNotFoundError as error:
        raise CorruptFileError(f"snapshot {parent}: {name} is missing") from error


def write_vectors(folder: Path, name: str, values: FloatArray) -> None:
    """Write one vector field, `[N, width]`."""
    if values.shape[1]:
        write_base(folder, name, values)
    else:
        np.save(folder / f"{name}.npy", values)


def write_keys(folder: Path, kind: str, table: NodeTable) -> None:
    """Write the keys of one kind of node and, where the rows are in another order, their order."""
    np.save(folder / f"{kind}.key.npy", table.key)
    if len(table.order.by_rank):
        np.save(folder / f"{kind}.order.npy", table.order.by_rank)


def write_columns(folder: Path, kind: str, table: NodeTable) -> None:
    """Write ids, corpora and fields of one kind of node; of its vectors only the names."""
    codes = pa.array(table.corpus, pa.int16(), mask=~table.alive)
    corpus = pa.DictionaryArray.from_arrays(codes, pa.array(table.corpora, pa.string()))
    columns: dict[str, Any] = {"id": table.ids.arrow, "corpus": corpus}
    metadata = {}
    for number, (name, column) in enumerate(table.fields.items()):
        metadata[f"field.{number}"] = f"{column.kind}:{name}"
        if column.kind != "vector":
            columns[f"field.{number}"] = pa.array(column.values)
    written = pa.table(columns).replace_schema_metadata(metadata)
    with pa.OSFile(str(folder / f"{kind}.arrow"), "wb") as sink, pa.ipc.new_file(sink, written.schema) as writer:
        writer.write_table(written)


def write_relation(folder: Path, name: str, edges: Relation) -> None:
    """Write both directions of one kind of edge."""
    for direction in ("forward", "backward"):
        csr: CSR = getattr(edges, direction)
        for part in ("indptr", "indices", "time", "value"):
            values = getattr(csr, part)
            if values is not None:
                np.save(folder / f"{relation_file(name, direction)}.{part}.npy", values)


def relation_file(name: str, direction: str) -> str:
    """How the files of one direction of a relation begin."""
    return f"{name}.{direction}"


def read_snapshot(folder: Path, *, verify: bool, checked: Checked | None = None) -> Snapshot:
    """Memory-map a folder; `Snapshot.open` describes the errors."""
    facts = open_folder(folder, what="snapshot", verify=verify, checked=checked)
    if facts.get("format") not in _READABLE:
        raise CorruptFileError(
            f"snapshot {folder}: format {facts.get('format')!r} is unknown", hint="Remove it and export again."
        )
    try:
        nodes = {kind: _read_nodes(folder, kind) for kind in NODE_KINDS}
        relations = {name: _read_relation(folder, name) for name in RELATIONS}
        snapshot = Snapshot(folder, int(facts["watermark"]), **nodes, relations=Relations(**relations))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise CorruptFileError(f"snapshot {folder}: {error}") from error
    _check_shapes(snapshot)
    return snapshot


def _read_nodes(folder: Path, kind: str) -> NodeTable:
    table = pa.ipc.open_file(pa.memory_map(str(folder / f"{kind}.arrow"))).read_all().combine_chunks()
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    columns = {}
    for slot, described in metadata.items():
        field_kind, _, name = described.partition(":")
        if field_kind == "vector":
            plain = folder / f"{kind}.{slot}.npy"
            columns[name] = FieldColumn(
                "vector", _map(plain) if plain.is_file() else open_array(folder, f"{kind}.{slot}")
            )
        else:
            chunk = _one_chunk(table[slot])
            columns[name] = FieldColumn(
                field_kind,  # type: ignore[arg-type]
                chunk.to_numpy(zero_copy_only=False) if field_kind == "numeric" else chunk,
            )
    corpus = _one_chunk(table["corpus"])
    order = folder / f"{kind}.order.npy"
    return NodeTable(
        ids=IdColumn(_one_chunk(table["id"])),
        key=_map(folder / f"{kind}.key.npy"),
        corpus=corpus.indices.fill_null(DEAD).to_numpy(zero_copy_only=False).astype(np.int16, copy=False),
        corpora=corpus.dictionary.to_pylist(),
        fields=columns,
        by_key=_map(order) if order.is_file() else None,
    )


def _one_chunk(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _read_relation(folder: Path, name: str) -> Relation:
    def csr(direction: str) -> CSR:
        base = relation_file(name, direction)
        extras = [
            _map(path) if (path := folder / f"{base}.{part}.npy").is_file() else None for part in ("time", "value")
        ]
        return CSR(_map(folder / f"{base}.indptr.npy"), _map(folder / f"{base}.indices.npy"), *extras)

    return Relation(csr("forward"), csr("backward"))


def _map(path: Path) -> NDArray[Any]:
    # Plain arrays, since numpy.memmap is slow to slice, and mapped copy-on-write, since the kernels are then compiled for
    # one type of array. Nobody writes to them. An empty file cannot be mapped.
    with path.open("rb") as stream:
        np.lib.format.read_magic(stream)
        shape = np.lib.format.read_array_header_1_0(stream)[0]
    return np.asarray(np.load(path, mmap_mode="c" if 0 not in shape else None))


def _check_shapes(snapshot: Snapshot) -> None:
    sizes = {kind: len(getattr(snapshot, kind)) for kind in NODE_KINDS}
    for kind in NODE_KINDS:
        table: NodeTable = getattr(snapshot, kind)
        if len(table.ids) != sizes[kind] or (table.by_key is not None and len(table.by_key) != sizes[kind]):
            raise CorruptFileError(
                f"snapshot {snapshot.path}: {kind} have {sizes[kind]} keys but another number of ids"
            )
    ends = {
        "saves": ("contexts", "items"),
        "interactions": ("users", "items"),
        "follows": ("users", "users"),
        "owns": ("users", "contexts"),
    }
    for name, (source, target) in ends.items():
        edges: Relation = getattr(snapshot.relations, name)
        for csr, rows in ((edges.forward, sizes[source]), (edges.backward, sizes[target])):
            if csr.num_rows != rows or csr.num_edges != edges.num_edges or csr.indptr[-1] != csr.num_edges:
                raise CorruptFileError(f"snapshot {snapshot.path}: {name} does not fit its nodes")
