"""A small graph on disk that changes step by step without a server, and an untrained network over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engine.datasets.folder import DatasetTables
from engine.features.encoder import fit_features
from engine.files import atomic_folder
from engine.graph.changes import Changes, EdgeChanges, NodeChanges
from engine.graph.changes_columns import EdgeColumns, EdgeKeys
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_apply import Applied, apply_changes
from engine.graph.snapshot_columns import IdColumn, NodeTable, field_column, node_table
from engine.graph.snapshot_csr import NO_TIME
from engine.graph.snapshot_files import write_snapshot
from engine.models.base import RelatedData
from engine.models.pinsage.config import PinSageSettings
from engine.models.pinsage.scorer import new_model
from engine.refresh.advance import Network

WORDS = ("blue", "red", "old", "new", "big")
SETTINGS: dict[str, Any] = {"dim": 8, "hidden": 8, "components": 8, "top_t": 4, "num_walks": 12, "walk_length": 2}


class ChangingWorld:
    """Items i0, i1, ... in contexts c0, c1, ...; `step` makes random changes and applies them."""

    def __init__(self, home: Path, seed: int, items: int = 30, contexts: int = 12, saves: int = 90) -> None:
        self.home, self.rng, self.number = home, np.random.default_rng(seed), 0
        self.items = {f"i{n}": self._fields() for n in range(items)}
        self.contexts = {f"c{n}": self._title() for n in range(contexts)}
        self.saves = list(dict.fromkeys(self._pair() for _ in range(saves)))
        tables = DatasetTables(
            "world",
            items={
                "item_id": list(self.items),
                "tags": [tags for tags, _ in self.items.values()],
                "price": [price for _, price in self.items.values()],
            },
            contexts={"context_id": list(self.contexts), "title": list(self.contexts.values())},
            saves={"context_id": [c for c, _ in self.saves], "item_id": [i for _, i in self.saves]},
            item_fields={"tags": "categorical", "price": "numeric"},
            context_fields={"title": "text"},
        )
        whole = Snapshot.from_dataset(tables)
        with atomic_folder(home / "s0", {"format": 1, "watermark": 0}) as folder:
            write_snapshot(folder, whole)
        self.snapshot = Snapshot.open(home / "s0")

    def network(self, **settings: Any) -> Network:
        """An untrained network with features of the graph as it is now."""
        chosen = PinSageSettings.from_flat({**SETTINGS, **settings})
        graph, items, contexts = self.snapshot.walk_graph(), self.snapshot.items, self.snapshot.contexts
        encoder = fit_features(items, chosen.features, graph, contexts)
        data = RelatedData(graph, items, seed=3, contexts=contexts)
        return Network(new_model(chosen, encoder, data).eval(), encoder, threads=1)

    def step(
        self, saves: int = 0, unsaves: int = 0, new: int = 0, lost: int = 0, edits: int = 0, titles: int = 0
    ) -> Applied:
        """Save and take out, add and remove items, change fields and titles; apply all of it."""
        self.number += 1
        gone = [str(i) for i in self.rng.permutation(list(self.items))[: min(lost, len(self.items) - 5)]]
        dropped = self.rng.permutation(len(self.saves))[:unsaves].tolist()
        removed = [self.saves[at] for at in dropped]
        for item in gone:
            del self.items[item]
        fresh = [f"n{self.number}.{n}" for n in range(new)]
        changed = [*fresh, *(str(i) for i in self.rng.permutation(list(self.items))[:edits])]
        self.items |= {item: self._fields() for item in changed}
        told = [f"c{self.number}.new"] * bool(titles) + [
            str(c) for c in self.rng.permutation(list(self.contexts))[:titles]
        ]
        self.contexts |= {context: self._title() for context in told}
        came = [self._pair() for _ in range(saves)]
        came += [(str(self.rng.choice(list(self.contexts))), item) for item in fresh[1:] for _ in range(2)]
        came = list(dict.fromkeys(came))
        self.saves = [
            pair for pair in self.saves if pair not in removed and pair[1] not in gone and pair not in came
        ] + came
        none = NodeChanges(node_table([])[0])
        edges = EdgeChanges(_edges(came, self.number), _keys(removed))
        touched = dict.fromkeys([*changed, *(item for _, item in came)])
        changes = Changes(
            self.snapshot.watermark,
            self.number,
            None,
            items=NodeChanges(self._table(list(touched)), tuple(gone)),
            contexts=NodeChanges(_titled({c: self.contexts[c] for c in dict.fromkeys([*told, *(c for c, _ in came)])})),
            users=none,
            saves=edges,
            interactions=EdgeChanges(_edges([], 0), _keys([])),
            follows=EdgeChanges(_edges([], 0), _keys([])),
            owns=EdgeChanges(_edges([], 0), _keys([])),
        )
        applied = apply_changes(self.snapshot, changes, self.home / f"s{self.number}")
        self.snapshot = applied.snapshot
        return applied

    def _table(self, ids: list[str]) -> NodeTable:
        fields = {
            "tags": field_column("categorical", [self.items[i][0] for i in ids], name="tags"),
            "price": field_column("numeric", [self.items[i][1] for i in ids], name="price"),
        }
        return node_table(ids, fields=fields)[0]

    def _fields(self) -> tuple[list[str], float | None]:
        tags = [str(w) for w in self.rng.choice(WORDS, int(self.rng.integers(0, 3)), replace=False)]
        return tags, None if self.rng.random() < 0.2 else float(self.rng.normal())

    def _title(self) -> str:
        return " ".join(str(w) for w in self.rng.choice(WORDS, 2))

    def _pair(self) -> tuple[str, str]:
        return str(self.rng.choice(list(self.contexts))), str(self.rng.choice(list(self.items)))


def _titled(contexts: dict[str, str]) -> NodeTable:
    return node_table(list(contexts), fields={"title": field_column("text", list(contexts.values()), name="title")})[0]


def _edges(pairs: list[tuple[str, str]], rev: int) -> EdgeColumns:
    count = len(pairs)
    return EdgeColumns(
        IdColumn([c for c, _ in pairs]),
        IdColumn([i for _, i in pairs]),
        np.full(count, rev, np.int64),
        np.full(count, NO_TIME, np.int64),
        np.full(count, np.nan, np.float32),
    )


def _keys(pairs: list[tuple[str, str]]) -> EdgeKeys:
    return EdgeKeys(
        IdColumn([c for c, _ in pairs]), IdColumn([i for _, i in pairs]), np.full(len(pairs), NO_TIME, np.int64)
    )
