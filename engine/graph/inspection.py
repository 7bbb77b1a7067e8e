"""What `engine inspect publish` writes into the graph: under labels and types of its own, so that it is easy to see and to remove.

```
(the user's item) <-[:_ENGINE_OF]- (:_EngineItem {id, corpus, embedding, generation})
(:_EngineItem) -[:_ENGINE_NEIGHBOUR {rank, weight}]-> (:_EngineItem)
(:_EngineItem) -[:_ENGINE_RELATED {rank, score}]-> (:_EngineItem)
(:_EngineInspection {state, generation, ...})    one node: what is shown, and whether all of it is there
_engine_embedding                                a vector index;  _engine_item, a constraint on the id
```

Nothing of it bears a rev and nothing of the user's is changed, so the change feed is silent. Every transaction first locks the
one mark and looks whose it is: a writer that was overtaken writes no more, and a forgotten item is not written again.
Knows no generation and no index.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.errors import GraphError, LeaseLostError
from engine.graph.connection import Graph, Row, Run
from engine.graph.queries import load_queries
from engine.progress import progress
from engine.settings import GraphMapping

DROPPED_LINKS, DROPPED_ITEMS = 50_000, 5_000
_POLL_S = 0.2
_OWN = GraphMapping()
"""The engine's own nodes are not mapped."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the graph shows of a generation.

    Attributes:
        state: "complete", "writing" (or a process died while it wrote), or "dropping".
        items: inspection nodes that are there.
        written: embeddings that the publishing has written so far.
        top_k: related items of each.
        dim: width of the embeddings.
        began_at, ended_at: of the last publishing; no end while it goes on.
    """

    generation: str
    built_at: str
    state: str
    watermark: int
    items: int
    written: int
    top_k: int
    dim: int
    began_at: datetime
    ended_at: datetime | None

    def shows(self, generation: str, built_at: str) -> bool:
        """Whether all of a generation is there."""
        return self.state == "complete" and (self.generation, self.built_at) == (generation, built_at)


def read_inspection(graph: Graph) -> Inspection | None:
    """What is shown; None where nothing is."""
    rows = graph.read(_text("publish/mark"))
    if not rows:
        return None
    row = dict(rows[0])
    for name in ("began_at", "ended_at"):
        row[name] = None if row[name] is None else row[name].to_native().astimezone(UTC)
    return Inspection(**row)


class InspectionWriter:
    """Writes what one generation shows, in transactions of their own.

    Args:
        dim: width of the embeddings.

    Every method raises:
        LeaseLostError: another process publishes, or everything was dropped, meanwhile.
        GraphUnavailableError: the server is gone; the next publishing goes on.
    """

    def __init__(self, graph: Graph, mapping: GraphMapping, dim: int) -> None:
        self._graph = graph
        self._mapping = mapping
        self._dim = dim
        self._writer = uuid.uuid4().hex

    def begin(self, generation: str, built_at: str, watermark: int, top_k: int) -> None:
        """Say what is being written, and make sure that the constraint is there."""
        self._graph.auto_commit(_text("publish/item_constraint"))
        told = {"generation": generation, "built_at": built_at, "watermark": watermark, "dim": self._dim}
        self._graph.write(_text("publish/begin"), {"writer": self._writer, "top_k": top_k, **told})

    def known(self) -> Iterator[Row]:
        """What is there: rows of id, handle, digest, links, floor, linked."""
        return self._graph.stream(_text("publish/known", self._mapping))

    def listing(self, handles: Sequence[int]) -> list[int]:
        """Handles of the items that have one of these among their related ones."""
        return [row["handle"] for row in self._graph.read(_text("publish/listing"), {"handles": list(handles)})]

    def write_items(self, generation: str, rows: Sequence[Row]) -> dict[int, int]:
        """Write embeddings.

        Args:
            rows: maps of `row` (any number), `id` and `vector`.

        Returns:
            `row` -> handle, without those that the graph has no item of.
        """
        found = self._write("publish/items", {"rows": list(rows), "generation": generation}, len(rows))[0]
        return dict(zip(found["rows"], found["handles"], strict=True))

    def unfinish(self, handles: Sequence[int]) -> None:
        """Mark items as half written."""
        self._write("publish/unfinish", {"handles": list(handles)})

    def write_links(self, rows: Sequence[Row]) -> tuple[int, int]:
        """Write neighbours and related items, and mark their sources as whole.

        Args:
            rows: maps of `handle`, `neighbours`, `weights`, `related`, `scores`, `links`, `floor` and `digest`; neighbours and
                related items as handles, `links` a digest of them.

        Returns:
            How many of each were written.
        """
        done = self._write("publish/links", {"rows": list(rows)})[0]
        return done["neighbours"], done["related"]

    def finish(self, rows: Sequence[Row]) -> None:
        """Mark items as whole whose neighbours and related items stay: maps of `handle`, `floor` and `digest`."""
        self._write("publish/finish", {"rows": list(rows)})

    def remove(self, handles: Sequence[int]) -> int:
        """Remove items; how many were there."""
        removed: int = self._write("publish/remove", {"handles": list(handles)})[0]["removed"]
        return removed

    def prepare_index(self) -> None:
        """Let Neo4j build the vector index, anew where the width is another one."""
        state = self._index()
        if state is not None and (state["dim"] != self._dim or state["state"] == "FAILED"):
            self._graph.auto_commit(_text("publish/drop_vector_index"))
        self._graph.auto_commit(_text("publish/vector_index"), {"dim": self._dim})

    def await_index(self) -> None:
        """Wait until the vector index answers.

        Raises:
            GraphError: Neo4j could not build it.
        """
        state = self._index()
        if state is not None and state["state"] == "ONLINE":
            return
        shown = 0
        with progress("Building the vector index", 100) as advance:
            while True:
                state = self._index()
                if state is None:
                    raise LeaseLostError("the vector index was removed while it was being built")
                if state["state"] == "FAILED":
                    raise GraphError("Neo4j could not build the vector index", hint="Its log debug.log says why.")
                percent = 100 if state["state"] == "ONLINE" else int(state["percent"])
                advance(percent - shown)
                shown = percent
                if state["state"] == "ONLINE":
                    return
                time.sleep(_POLL_S)

    def end(self, items: int) -> None:
        """Say that all is written."""
        _held(self._graph.write(_text("publish/end"), {"writer": self._writer, "items": items}))

    def _index(self) -> Row | None:
        found = self._graph.read(_text("publish/index_state"))
        return found[0] if found else None

    def _write(self, name: str, params: dict[str, Any], items: int = 0) -> list[Row]:
        text = _text(name, self._mapping)

        def work(run: Run) -> list[Row]:
            _held(run(_text("publish/fence"), {"writer": self._writer, "items": items}))
            return run(text, params)

        return self._graph.write_transaction(work)


def drop_inspection(graph: Graph) -> int:
    """Remove everything that was published, in batches; may be repeated, and goes on where a killed one was.

    Returns:
        How many inspection nodes were removed.
    """
    graph.write(_text("publish/dropping"))
    graph.auto_commit(_text("publish/drop_vector_index"))
    links, items = (graph.read(_text(f"publish/{what}"))[0]["count"] for what in ("count_links", "count_items"))
    if links + items:
        with progress("Removing what was published", links + items) as advance:
            for name, most in (("publish/drop_links", DROPPED_LINKS), ("publish/drop_items", DROPPED_ITEMS)):
                while gone := graph.write(_text(name), {"most": most})[0]["removed"]:
                    advance(gone)
    graph.auto_commit(_text("publish/drop_item_constraint"))
    graph.write(_text("publish/drop_mark"))
    return int(items)


def forget_inspected(run: Run, ids: Iterable[str]) -> int:
    """Within the transaction that forgets items, and before it removes them: remove what is published of them."""
    removed: int = run(_text("publish/forget"), {"ids": list(ids)})[0]["removed"]
    return removed


def mentions_in_inspection(graph: Graph, ids: Iterable[str]) -> int:
    """How many inspection nodes show one of these items."""
    found: int = graph.read(_text("publish/mentions"), {"ids": list(ids)})[0]["mentions"]
    return found


def _held(rows: list[Row]) -> None:
    if not rows or not rows[0]["held"]:
        raise LeaseLostError(
            "another process publishes to the graph by now, or what was published is being removed",
            hint="`engine inspect status` says what is there.",
        )


def _text(name: str, mapping: GraphMapping = _OWN) -> str:
    return load_queries()[name].render(mapping)
