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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
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
from engine.graph.snapshot_parts import EdgePart, Handles, NodePart, PartStore, edge_part, node_part
from engine.graph.state import GraphState
from engine.hashing import digest
from engine.progress import Advance, progress
from engine.settings import GraphMapping, Settings

log = logging.getLogger(__name__)

TRIES = 3
NODES_A_PART = 20_000
EDGES_A_PART = 65_536
SPARSE = 4
"""With more internal ids than so many times the edges, each edge is asked for by its own instead of by ranges."""
STREAMS = 2
"""Queries under way at once: reading properties keeps a core of the server busy each."""
Pack = Callable[..., NodePart | EdgePart]
KINDS = ("items", "contexts", "users")
RELATIONS = ("saves", "interactions", "follows", "owns")


@dataclass(frozen=True, slots=True)
class _State:
    """What is true of the graph before an export.

    Attributes:
        rev: the counter, or None in a graph that the engine never wrote to.
        fields: kind of node -> field -> kind of value.
    """

    rev: int | None
    fields: dict[str, dict[str, FieldKind]]


@dataclass(frozen=True, slots=True)
class _Coming:
    """Parts by name, some of them still on their way."""

    found: dict[str, NodePart | EdgePart | None]
    tasks: Sequence[Future[None]]

    def parts(self) -> list[NodePart | EdgePart]:
        """Wait for all of them, or raise the first failure."""
        for done in as_completed(self.tasks):
            done.result()
        return [part for part in self.found.values() if part is not None]


Ask = Callable[[str, Mapping[str, Any], dict[str, Any], Pack], _Coming]


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
        handles = {kind: self._handles(f"handles/{kind}") for kind in KINDS}
        if not len(handles["items"]):
            raise EmptyGraphError(
                f"the graph has no items (label {self.mapping.items.label})",
                hint="Load a data set with `engine ingest DIR`, or map your own labels in [graph.mapping].",
            )
        edges = {name: self._edge_parts(name) for name in RELATIONS}
        total = sum(map(len, handles.values())) + sum(count for count, _ in edges.values())
        with progress("Exporting the graph", total) as advance, self._streams(advance) as ask:
            coming = {kind: self._ask_nodes(ask, kind, handles[kind]) for kind in KINDS}
            coming |= {name: self._ask_edges(ask, name, wanted) for name, (_, wanted) in edges.items()}
            # The node tables are put together while the edges come.
            nodes = {
                kind: assemble_nodes(kind, cast(list[NodePart], coming[kind].parts()), self.state.fields[kind])
                for kind in KINDS
            }
            columns = {}
            for name in RELATIONS:
                source, target = ENDS[name]
                parts = cast(list[EdgePart], coming[name].parts())
                columns[name] = assemble_relation(nodes[source], nodes[target], parts)
        tables = {kind: nodes[kind].table for kind in KINDS}
        return Snapshot(None, self.state.rev or 0, **tables, relations=Relations(**columns))

    def _handles(self, name: str) -> Handles:
        """The sorted internal ids of all nodes or edges of a kind."""
        query = load_queries()[f"snapshot/{name}"]
        rows = self.graph.stream(query.render(self.mapping), query.arguments({}))
        return np.sort(np.concatenate([np.empty(0, np.int64), *(np.array(row["handles"], np.int64) for row in rows)]))

    def _edge_parts(self, name: str) -> tuple[int, dict[str, Any]]:
        """How many edges of a kind there are, and by name of a part which internal ids to ask for."""
        row = self.graph.read(load_queries()[f"snapshot/edge_span/{name}"].render(self.mapping))[0]
        count, low, high = row["edges"], row["low"], row["high"]
        if not count:
            return 0, {}
        if high - low < SPARSE * count:
            cuts = [(at, min(at + EDGES_A_PART, high + 1) - 1) for at in range(low, high + 1, EDGES_A_PART)]
            return count, {f"{name}-{first}-{last}": {"low": first, "high": last} for first, last in cuts}
        parts = _split(self._handles(f"edge_handles/{name}"), EDGES_A_PART)
        return count, {f"{name}-{part[0]}-{part[-1]}": {"handles": part.tolist()} for part in parts}

    def _ask_edges(self, ask: Ask, name: str, wanted: dict[str, Any]) -> _Coming:
        valued = getattr(self.mapping, name).value is not None
        pack = functools.partial(edge_part, name, valued=valued)
        return ask(f"edges/{name}", wanted, {"valued": valued}, pack)

    def _ask_nodes(self, ask: Ask, kind: str, handles: Handles) -> _Coming:
        wanted = {f"{kind}-{part[0]}-{part[-1]}": part.tolist() for part in _split(handles, NODES_A_PART)}
        fields = self.state.fields[kind]
        pack = functools.partial(node_part, kind, fields=fields)
        return ask(kind, wanted, {"fields": list(fields)}, pack)

    @contextlib.contextmanager
    def _streams(self, advance: Advance) -> Iterator[Ask]:
        """Yield what asks for parts; on a failure or an interrupt the streams end at their next row."""
        stop = threading.Event()
        with ThreadPoolExecutor(STREAMS) as pool:

            def ask(query: str, wanted: Mapping[str, Any], params: dict[str, Any], pack: Pack) -> _Coming:
                found: dict[str, NodePart | EdgePart | None] = {name: self.store.load(name) for name in wanted}
                missing = [name for name, part in found.items() if part is None]
                tasks = []
                for share in range(min(STREAMS, len(missing))):
                    names = missing[share::STREAMS]
                    asked = {"parts": [wanted[name] for name in names], **params}
                    rows = self.graph.stream(load_queries()[f"snapshot/{query}"].render(self.mapping), asked)
                    tasks.append(pool.submit(self._fetch, rows, names, pack, found, advance, stop))
                return _Coming(found, tasks)

            try:
                yield ask
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _fetch(
        self,
        rows: Generator[dict[str, Any]],
        names: list[str],
        pack: Pack,
        found: dict[str, NodePart | EdgePart | None],
        advance: Advance,
        stop: threading.Event,
    ) -> None:
        with contextlib.closing(rows):
            for row in rows:
                if stop.is_set():
                    return
                name, part = names[row["part"]], pack(row=row)
                self.store.save(name, part)
                found[name] = part
                advance(len(row["ids"] if "ids" in row else row["sources"]))


def _split(handles: Handles, size: int) -> list[Handles]:
    return np.split(handles, range(size, len(handles), size)) if len(handles) else []
