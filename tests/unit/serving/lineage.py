"""Changes of a snapshot by hand, as a refresh applies them: removed items stay as dead rows, new ones come last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.files import atomic_folder
from engine.graph.snapshot import FieldColumn, IdColumn, NodeTable, Relation, Snapshot
from engine.graph.snapshot_columns import DEAD, field_column
from engine.graph.snapshot_csr import edge_rows, relation
from engine.graph.snapshot_files import write_snapshot
from engine.hashing import keys64


def applied(
    before: Snapshot,
    path: Path,
    *,
    removed: Iterable[str] = (),
    added: Iterable[str] = (),
    corpus: str = "organic",
    saves: Iterable[tuple[str, str]] = (),
    titles: dict[str, str] | None = None,
) -> Snapshot:
    """The snapshot after some changes, written to a folder of its own and opened again."""
    items = _table(before.items, before.items.index_of(list(removed)), list(added), corpus, titles or {})
    contexts = before.contexts.index_of([context for context, _ in saves])
    pairs = (contexts, items.index_of([item for _, item in saves]))
    relations = replace(
        before.relations,
        saves=_edges(before.relations.saves, len(before.contexts), items, pairs),
        interactions=_edges(before.relations.interactions, len(before.users), items, None),
    )
    after = replace(before, path=None, watermark=before.watermark + 1, items=items, relations=relations)
    facts: dict[str, Any] = {}
    with atomic_folder(path, facts, parents=[before.path]) as folder:
        facts.update(write_snapshot(folder, after))
    return Snapshot.open(path)


def _table(old: NodeTable, dead: np.ndarray, added: list[str], corpus: str, titles: dict[str, str]) -> NodeTable:
    ids: list[str | None] = [*old.ids, *added]
    keys = np.concatenate([old.key, keys64(added)])
    corpora = old.corpora if corpus in old.corpora else [*old.corpora, corpus]
    codes = np.concatenate([old.corpus, np.full(len(added), corpora.index(corpus), np.int16)])
    for row in dead.tolist():
        ids[row], codes[row], keys[row] = None, DEAD, np.uint64(row + 1)
    fields = {}
    for name, column in old.fields.items():
        cells = [*column.to_list(), *[None] * len(added)]
        for item_id, title in titles.items():
            if name == "title":
                cells[ids.index(item_id)] = title
        for row in dead.tolist():
            cells[row] = None
        fields[name] = FieldColumn(column.kind, field_column(column.kind, cells, name=name).values)
    return NodeTable(IdColumn(pa.array(ids, pa.large_string())), keys, codes, corpora, fields)


def _edges(old: Relation, sources: int, items: NodeTable, more: tuple[np.ndarray, np.ndarray] | None) -> Relation:
    source, target, time = edge_rows(old.forward), old.forward.indices, old.forward.time
    if more is not None:
        source, target = np.concatenate([source, more[0]]), np.concatenate([target, more[1]])
        time = None if time is None else np.concatenate([time, np.full(len(more[0]), 1_800_000_000_000)])
    keep = items.alive[target]
    return relation(sources, len(items), source[keep], target[keep], time=None if time is None else time[keep])
