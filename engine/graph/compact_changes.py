"""Compaction of the change feed: tombstones and commit times that every reader has passed go. Knows no reader."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import InputError
from engine.graph.connection import Graph
from engine.graph.queries import load_queries
from engine.graph.state import read_state
from engine.settings import GraphMapping

BATCH = 20_000
"""Nodes of a kind that one transaction removes: writers wait for it."""


@dataclass(frozen=True, slots=True)
class CompactedChanges:
    """What went.

    Attributes:
        rev: the feed reaches back to here, and no further.
        tombstones, commits: removed marks of what is gone, and times of revs.
    """

    rev: int
    tombstones: int
    commits: int


def compact_changes(graph: Graph, mapping: GraphMapping, rev: int, *, batch: int = BATCH) -> CompactedChanges:
    """Remove what only readers before `rev` would need; they get a ChangesGoneError from now on.

    Killed in between, it leaves a feed that says how far it reaches, and the next call removes the rest.

    Raises:
        InputError: the graph is not there yet.
    """
    state = read_state(graph)
    if rev > state.rev:
        raise InputError(f"the graph is at rev {state.rev}: the changes up to rev {rev} cannot be compacted")
    reached = max(rev, state.compacted)
    if reached == 0:
        return CompactedChanges(0, 0, 0)
    query = load_queries()["changes/compact"].render(mapping)
    tombstones = commits = 0
    while True:
        gone = graph.write(query, {"rev": reached, "most": batch})[0]
        tombstones, commits = tombstones + gone["tombstones"], commits + gone["commits"]
        if gone["tombstones"] < batch and gone["commits"] < batch:
            return CompactedChanges(reached, tombstones, commits)
