"""Neo4j -> a snapshot on disk. Cypher streams the graph once, packed, and the columns are true at one watermark.

Knows the queries of `cypher/snapshot` and in which order to ask them. Consistency: the counter is read before and
after; a commit in between starts the export again, and the last try holds the counter's write lock, so that writers wait.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from engine.errors import CorruptFileError, EmptyGraphError
from engine.files import atomic_folder
from engine.graph.connection import Graph, Run
from engine.graph.mapping import ENDS, mapping_digest
from engine.graph.queries import load_queries
from engine.graph.snapshot import Relations, Snapshot
from engine.graph.snapshot_assemble import assemble_nodes, assemble_relation
from engine.graph.snapshot_columns import FieldKind
from engine.graph.snapshot_files import write_snapshot
from engine.graph.snapshot_parts import EdgePart, Handles, NodePart, PartStore, balanced, edge_part, node_part
from engine.graph.state import GraphState
from engine.hashing import digest
from engine.progress import Advance, progress
from engine.settings import GraphMapping, Settings

log = logging.getLogger(__name__)

TRIES = 3
NODES_A_PART = 20_000
EDGES_A_PART = 32_768
STREAMS = 2
"""Queries under way at once: reading properties keeps a core of the server busy each."""
Parts = list[NodePart | EdgePart | None]
Pack = Callable[..., NodePart | EdgePart]
KINDS = ("items", "contexts", "users")


@dataclass(frozen=True, slots=True)
class _State:
    """What is true of the graph before an export.

    Attributes:
        rev: the counter, or None in a graph that the engine never wrote to.
        fields: kind of node -> field -> kind of value.
    """

    rev: int | None
    fields: dict[str, dict[str, FieldKind]]


def export_snapshot(graph: Graph, settings: Settings) -> Snapshot:
    """Export the graph, or open the export that is there already at this watermark.

    Finished parts stay on disk when it is interrupted, and the next call goes on from them if nothing was committed in
    between. A graph without the engine's counter has no watermark: it is exported anew each time, and writers that
    commit meanwhile may be seen in part.

    Returns:
        The sealed folder `<home>/snapshots/<watermark>-<digest of mapping and fields>`, memory-mapped.

    Raises:
        EmptyGraphError: there are no items.
        GraphError: an id, time or field of the wrong type.
        GraphUnavailableError: the server vanished; what came so far is kept.
        DiskFullError: no space left; nothing half-written stays but finished parts.
    """
    mapping = settings.graph.mapping
    folder = settings.home / "snapshots"
    for attempt in range(1, TRIES):
        state = _read_state(graph, mapping)
        if (ready := _ready(folder, mapping, state)) is not None:
            return ready
        columns = _Export(graph, mapping, state, _store(folder, mapping, state)).run()
        if _read_state(graph, mapping) == state:
            return _seal(folder, mapping, state, columns)
        log.info("the graph changed during export %d of %d: again", attempt, TRIES)
    return graph.write_transaction(lambda run: _export_alone(run, graph, mapping, folder))


def _export_alone(run: Run, graph: Graph, mapping: GraphMapping, folder: Path) -> Snapshot:
    """Export while this transaction holds the counter, so that no writer commits."""
    run(load_queries()["snapshot/hold_writers"].render(mapping))
    state = _read_state(graph, mapping)
    columns = _Export(graph, mapping, state, _store(folder, mapping, state)).run()
    return _seal(folder, mapping, state, columns)


def _read_state(graph: Graph, mapping: GraphMapping) -> _State:
    rows = graph.read(load_queries()["snapshot/watermark"].render(mapping))
    recorded = GraphState(fields=json.loads(rows[0]["fields"] or "{}") if rows else {})
    return _State(rows[0]["rev"] if rows else None, recorded.field_kinds(mapping))


def snapshot_digest(mapping: GraphMapping, fields: dict[str, dict[str, FieldKind]]) -> str:
    """Equal for snapshots that mean the same by every name."""
    return digest([mapping_digest(mapping), fields])[:12]


def _ready(folder: Path, mapping: GraphMapping, state: _State) -> Snapshot | None:
    path = folder / f"{state.rev}-{snapshot_digest(mapping, state.fields)}"
    if state.rev is None or not path.is_dir():
        return None
    try:
        return Snapshot.open(path)
    except CorruptFileError as error:
        log.warning("%s; exporting again", error)
        shutil.rmtree(path)
        return None


def _store(folder: Path, mapping: GraphMapping, state: _State) -> PartStore:
    part_digest = snapshot_digest(mapping, state.fields)
    store = PartStore(folder / f".parts-{part_digest}", f"{state.rev} {NODES_A_PART} {EDGES_A_PART}")
    if state.rev is None:
        store.clear()
        store.folder.mkdir()
    return store


def _seal(folder: Path, mapping: GraphMapping, state: _State, columns: Snapshot) -> Snapshot:
    stamp = f"{state.rev}" if state.rev is not None else f"0.{time.time_ns()}"
    path = folder / f"{stamp}-{snapshot_digest(mapping, state.fields)}"
    facts: dict[str, Any] = {"exported_at_ms": time.time_ns() // 1_000_000, "mapping": mapping_digest(mapping)}
    with atomic_folder(path, facts) as temporary:
        facts.update(write_snapshot(temporary, columns))
    _store(folder, mapping, state).clear()
    return Snapshot.open(path, verify=False)


class _Export:
    """One try: handles, nodes, edges, columns."""

    def __init__(self, graph: Graph, mapping: GraphMapping, state: _State, store: PartStore) -> None:
        self.graph = graph
        self.mapping = mapping
        self.state = state
        self.store = store

    def run(self) -> Snapshot:
        handles = {kind: self._handles(kind) for kind in KINDS}
        if not len(handles["items"]["handles"]):
            raise EmptyGraphError(
                f"the graph has no items (label {self.mapping.items.label})",
                hint="Load a data set with `engine ingest DIR`, or map your own labels in [graph.mapping].",
            )
        relations = ("saves", "interactions", "follows", "owns")
        edges = {name: handles[ENDS[name][0]][name] for name in relations}
        total = sum(len(handles[kind]["handles"]) for kind in KINDS) + sum(int(d.sum()) for d in edges.values())
        parts: dict[str, Parts] = {}
        with progress("Exporting the graph", total) as advance, self._streams() as streams:
            for name in relations:
                wanted = list(balanced(handles[ENDS[name][0]]["handles"], edges[name], EDGES_A_PART))
                pack = functools.partial(edge_part, name)
                parts[name] = streams(name, wanted, {}, pack, advance)
            for kind in KINDS:
                found, fields = handles[kind]["handles"], self.state.fields[kind]
                wanted = np.split(found, range(NODES_A_PART, len(found), NODES_A_PART)) if len(found) else []
                pack_nodes = functools.partial(node_part, kind, fields=fields)
                parts[kind] = streams(kind, wanted, {"fields": list(fields)}, pack_nodes, advance)
        nodes = {
            kind: assemble_nodes(kind, cast(list[NodePart], parts[kind]), self.state.fields[kind]) for kind in KINDS
        }
        columns = {}
        for name in relations:
            source, target = ENDS[name]
            columns[name] = assemble_relation(nodes[source], nodes[target], cast(list[EdgePart], parts[name]))
        tables = {kind: nodes[kind].table for kind in KINDS}
        return Snapshot(None, self.state.rev or 0, **tables, relations=Relations(**columns))

    def _handles(self, kind: str) -> dict[str, Handles]:
        """The sorted internal ids of all nodes of a kind, and their degrees by relation."""
        query = load_queries()[f"snapshot/{kind[:-1]}_handles"]
        blocks = list(self.graph.stream(query.render(self.mapping), query.arguments({})))
        names = query.columns[1:]
        joined = {
            name: np.concatenate([np.empty(0, np.int64), *(np.array(block[name], np.int64) for block in blocks)])
            for name in names
        }
        order = np.argsort(joined["handles"], kind="stable")
        return {name: column[order] for name, column in joined.items()}

    @contextlib.contextmanager
    def _streams(self) -> Iterator[Callable[..., Parts]]:
        """Yield what asks for parts; on leaving, all of them have come, or the first failure is raised."""
        stop, tasks = threading.Event(), []
        with ThreadPoolExecutor(STREAMS) as pool:

            def ask(name: str, wanted: list[Handles], params: dict[str, Any], pack: Pack, advance: Advance) -> Parts:
                parts: Parts = [self.store.load(name, number) for number in range(len(wanted))]
                missing = [number for number, part in enumerate(parts) if part is None]
                for share in range(min(STREAMS, len(missing))):
                    numbers = missing[share::STREAMS]
                    asked = {"parts": [wanted[number].tolist() for number in numbers], **params}
                    tasks.append(pool.submit(self._fetch, name, numbers, asked, pack, parts, advance, stop))
                return parts

            try:
                yield ask
                for done in as_completed(tasks):
                    done.result()
            except BaseException:
                # Also an interrupt: the streams end at their next row, those that wait do not begin.
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _fetch(
        self,
        name: str,
        numbers: list[int],
        params: dict[str, Any],
        pack: Pack,
        parts: Parts,
        advance: Advance,
        stop: threading.Event,
    ) -> None:
        for row in self.graph.stream(load_queries()[f"snapshot/{name}"].render(self.mapping), params):
            if stop.is_set():
                return
            number = numbers[row["part"]]
            part = pack(row=row)
            self.store.save(name, number, part)
            parts[number] = part
            advance(len(row["ids"] if "ids" in row else row["sources"]))
