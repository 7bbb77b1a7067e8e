"""One kind of node of a snapshot and what became of it -> the nodes of the next one, in files. Knows no server and no edges.

Rows never move: a new node comes after all others, a removed one's row stays as a dead one. A node that was removed and
came back within one change set keeps its row; one that comes back later gets a new one. What did not change is linked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import GraphError
from engine.graph.changes import NodeChanges
from engine.graph.changes_columns import Poisoned
from engine.graph.snapshot_apply_fields import RowPlan, apply_vectors, merged_fields
from engine.graph.snapshot_columns import DEAD, IdColumn, NodeTable
from engine.graph.snapshot_files import link_part, write_columns, write_keys
from engine.hashing import keys64
from engine.types import IndexArray, KeyArray


@dataclass(frozen=True, slots=True)
class NodeRows:
    """Rows of one kind of node, each int32 and increasing.

    Attributes:
        new: appended.
        gone: dead now, and not before.
        changed: whose corpus or fields differ, of those that have their row already.
    """

    new: IndexArray
    gone: IndexArray
    changed: IndexArray


@dataclass(frozen=True, slots=True)
class NodeUpdate:
    """One kind of node before and after.

    Attributes:
        old: the nodes before.
        new: the nodes afterwards; the vectors are in the files alone.
        cleared: int32, increasing: old rows that lost the edges they had, those of nodes that came back among them.
    """

    old: NodeTable
    new: NodeTable
    rows: NodeRows
    cleared: IndexArray


def apply_nodes(
    kind: str, parent: Path, folder: Path, old: NodeTable, changes: NodeChanges, poison: list[Poisoned]
) -> NodeUpdate:
    """Write the nodes after `changes` into `folder`, sharing what is the same with `parent`, where `old` lies.

    Raises:
        GraphError: a field is of another kind than before, or two ids have the same key.
        CorruptFileError: a file of `parent` is missing or does not fit.
        DiskFullError: no space left.
    """
    cleared = changes.gone(old)
    plan = _plan(old, changes, cleared)
    corpora, corpus = _corpus(plan)
    stayed = plan.stayed
    differ = np.zeros(len(plan.at), dtype=bool)
    differ[stayed] = corpus[plan.at[stayed]] != old.corpus[plan.at[stayed]]
    fields, others = merged_fields(kind, plan)
    differ |= others & stayed
    listed = [(name, column.kind) for name, column in fields.items()]
    same_columns = not plan.resized and not differ.any()
    same_columns &= listed == [(name, column.kind) for name, column in old.fields.items()]
    key, by_key = _keys(kind, plan)
    new = NodeTable(_ids(plan), key, corpus, corpora, fields, by_key)
    if same_columns:
        link_part(parent, folder, f"{kind}.arrow")
    else:
        write_columns(folder, kind, new)
    if plan.resized:
        write_keys(folder, kind, new)
    else:
        link_part(parent, folder, f"{kind}.key.npy")
        if old.by_key is not None:
            link_part(parent, folder, f"{kind}.order.npy")
    for number, (name, column) in enumerate(fields.items()):
        if column.kind == "vector":
            differ |= apply_vectors(kind, name, parent, folder, number, plan, poison) & stayed
    appended = np.arange(len(old), plan.total, dtype=np.int32)
    return NodeUpdate(old, new, NodeRows(appended, plan.gone, np.sort(plan.at[differ])), cleared)


def _plan(old: NodeTable, changes: NodeChanges, cleared: IndexArray) -> RowPlan:
    came = changes.table
    at = old.index_of(list(came.ids))
    new = np.flatnonzero(at < 0)
    at[new] = len(old) + np.arange(len(new))
    return RowPlan(old, came, at, np.setdiff1d(cleared, at), bool(changes.forgotten))


def _ids(plan: RowPlan) -> IdColumn:
    if not plan.resized:
        return plan.old.ids
    return IdColumn(plan.merge(plan.old.ids.arrow, plan.came.ids.arrow, pa.nulls(1, pa.large_string())))


def _corpus(plan: RowPlan) -> tuple[list[str], NDArray[np.int16]]:
    """A corpus keeps its number, also when it has no items any more; new ones come last."""
    corpora = list(plan.old.corpora)
    used = [plan.came.corpora[code] for code in np.unique(plan.came.corpus)]
    corpora += [name for name in used if name not in corpora]
    number = np.array([corpora.index(name) if name in corpora else DEAD for name in plan.came.corpora], dtype=np.int16)
    return corpora, plan.spread(plan.old.corpus, number[plan.came.corpus], DEAD)


def _keys(kind: str, plan: RowPlan) -> tuple[KeyArray, IndexArray | None]:
    """The keys, and the rows by key. A dead row's key is made from its number, so that its id may have a row again.

    Raises:
        GraphError: two ids have the same key.
    """
    old, stayed = plan.old, plan.stayed
    if not plan.resized:
        return old.key, old.by_key
    new = plan.at[~stayed]
    key = np.concatenate([old.key, plan.came.key[~stayed]])
    key[plan.gone] = keys64(f"\0{kind} {row}" for row in plan.gone)
    before = old.order.by_rank if len(old.order.by_rank) else np.arange(len(old), dtype=np.int32)
    dies = np.zeros(len(old), dtype=bool)
    dies[plan.gone] = True
    before = before[~dies[before]]
    moved = np.concatenate([plan.gone, new])
    moved = moved[np.argsort(key[moved])].astype(np.int32)
    sorted_keys = key[before]
    places = np.searchsorted(sorted_keys, key[moved])
    for row, place in zip(moved.tolist(), places.tolist(), strict=True):
        if place < len(before) and sorted_keys[place] == key[row]:
            raise GraphError(
                f"two {kind} have the same 64-bit key: {old.ids[int(before[place])]!r} and that of row {row}",
                hint="Rename one of them.",
            )
    return key, np.insert(before, places, moved)
