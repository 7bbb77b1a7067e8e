"""Small graphs for tests, written straight into the server so that revs, parallel edges and oddities are as asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine.datasets.folder import DatasetFolder
from engine.datasets.folder_write import write_dataset
from engine.graph.connection import Graph


@dataclass(frozen=True)
class World:
    """What to write. Saves are (context, item, rev, time); a time of None leaves the property out."""

    items: Sequence[dict[str, Any]] = ()
    contexts: Sequence[str] = ()
    users: Sequence[str] = ()
    saves: Sequence[tuple[str, str, int, int | None]] = ()
    interactions: Sequence[tuple[str, str, float | None]] = ()
    follows: Sequence[tuple[str, str, float | None]] = ()
    owns: Sequence[tuple[str, str]] = ()
    rev: int | None = 1
    fields: dict[str, Any] = field(default_factory=dict)


def item_rows(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"item_id": name} for name in names]


def write(graph: Graph, world: World) -> None:
    """Replace what the database holds by `world`."""

    def work(run: Any) -> None:
        run("MATCH (n) DETACH DELETE n")
        if world.rev is not None:
            import json

            run(
                "CREATE (:_EngineState {name: 'state', rev: $rev, fields_json: $fields})",
                {"rev": world.rev, "fields": json.dumps(world.fields)},
            )
        run("UNWIND $rows AS row CREATE (n:Item) SET n = row", {"rows": list(world.items)})
        run("UNWIND $ids AS id CREATE (:Context {context_id: id})", {"ids": list(world.contexts)})
        run("UNWIND $ids AS id CREATE (:User {user_id: id})", {"ids": list(world.users)})
        run(
            "UNWIND $rows AS row MATCH (c:Context {context_id: row[0]}) MATCH (i:Item {item_id: row[1]}) "
            "CREATE (c)-[:SAVED {rev: row[2], time: row[3]}]->(i)",
            {"rows": [list(row) for row in world.saves]},
        )
        run(
            "UNWIND $rows AS row MATCH (u:User {user_id: row[0]}) MATCH (i:Item {item_id: row[1]}) "
            "CREATE (u)-[:INTERACTED {rating: row[2], rev: 1}]->(i)",
            {"rows": [list(row) for row in world.interactions]},
        )
        run(
            "UNWIND $rows AS row MATCH (u:User {user_id: row[0]}) MATCH (v:User {user_id: row[1]}) "
            "CREATE (u)-[:FOLLOWS {weight: row[2], rev: 1}]->(v)",
            {"rows": [list(row) for row in world.follows]},
        )
        run(
            "UNWIND $rows AS row MATCH (u:User {user_id: row[0]}) MATCH (c:Context {context_id: row[1]}) "
            "CREATE (u)-[:OWNS {rev: 1}]->(c)",
            {"rows": [list(row) for row in world.owns]},
        )

    graph.write_transaction(work)


def edges_dataset(count: int, path: Path, *, items: int = 300, contexts: int = 60) -> DatasetFolder:
    """A data set of that many saves between a few items and contexts."""
    rng = np.random.default_rng(0)
    return write_dataset(
        path,
        "edges",
        items={"item_id": [f"i{k}" for k in range(items)]},
        contexts={"context_id": [f"c{k}" for k in range(contexts)]},
        saves={
            "context_id": [f"c{k}" for k in rng.integers(0, contexts, count)],
            "item_id": [f"i{k}" for k in rng.integers(0, items, count)],
            "time": np.arange(count),
        },
    )
