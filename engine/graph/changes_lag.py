"""How far a reader of the change feed is behind: what it has not seen yet, and since when. Knows no reader.

Ages are measured from the moment each change's rev was taken, by the server's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.graph.changes import check_reach
from engine.graph.connection import Graph
from engine.graph.queries import load_queries
from engine.graph.state import read_state
from engine.settings import GraphMapping

MOST = 100_000
"""Changes of one kind that are looked at: a reader that is further behind learns that it is so far behind, in time that
does not grow with the graph."""
_ANY = GraphMapping()


@dataclass(frozen=True, slots=True)
class CorpusLag:
    """What one corpus is behind by.

    Attributes:
        changes: items, and edges to items, that are new, changed or gone.
        p50_ms, p95_ms, oldest_ms: ages of these changes; None where the graph kept no times of them.
    """

    changes: int
    p50_ms: int | None = None
    p95_ms: int | None = None
    oldest_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Lag:
    """What a reader that stands at `since` has not seen of the graph at `rev`.

    Attributes:
        oldest_ms: the age of the oldest commit past `since`; None where there is none, or the graph kept no time of it.
        corpora: by name, those with unseen changes. An item that is gone is in `removed_nodes` alone: nobody knows its
            corpus any more.
        removed_nodes: items, contexts and users that are gone.
        complete: False where more than `MOST` changes of a kind wait, and the counts are lower bounds.
    """

    since: int
    rev: int
    oldest_ms: int | None
    corpora: Mapping[str, CorpusLag] = field(default_factory=dict)
    removed_nodes: int = 0
    complete: bool = True

    @property
    def revs(self) -> int:
        """Commits that the reader has not seen."""
        return self.rev - self.since


@dataclass(frozen=True, slots=True)
class Unseen:
    """The first commit that a reader has not seen.

    Attributes:
        rev: of the graph; 0 in one that the engine never wrote to.
        age_s: how long ago that commit was made; None where there is none, or no time of it was kept.
    """

    rev: int
    age_s: float | None


def oldest_unseen(graph: Graph, since: int) -> Unseen:
    """The first commit past `since`, in one round trip that costs the same however many there are."""
    row = _ask(graph, "oldest", _ANY, since=since)[0]
    ages = [max(0, row["now"] - at) / 1000 for at in row["ats"]]
    return Unseen(row["rev"], ages[0] if ages else None)


def lag(graph: Graph, mapping: GraphMapping, since: int, *, most: int = MOST) -> Lag:
    """What a reader that stands at `since` has not seen.

    Raises:
        ChangesGoneError: the feed does not reach back so far.
    """
    state = read_state(graph)
    check_reach(state, since)
    if state.rev == since:
        return Lag(since, state.rev, None)
    commits = _ask(graph, "commits", mapping, since=since, limit=most)[0]
    asked = {"since": since, "most": most}
    seen: dict[str, list[int]] = {}
    removed_nodes, largest = 0, 0
    for name in ("lag_items", "lag_edges/saves", "lag_edges/interactions", "lag_removed"):
        rows = _ask(graph, name, mapping, **asked)
        largest = max(largest, sum(len(row["revs"]) for row in rows))
        for row in rows:
            if row["corpus"] is not None:
                seen.setdefault(str(row["corpus"]), []).extend(row["revs"])
            elif row["kind"] in ("items", "contexts", "users"):
                removed_nodes += len(row["revs"])
    ages = _Ages(commits)
    return Lag(
        since,
        state.rev,
        ages.oldest(),
        {name: ages.of(np.array(revs, dtype=np.int64)) for name, revs in sorted(seen.items())},
        removed_nodes,
        complete=largest < most,
    )


class _Ages:
    """The ages of revs, in ms."""

    def __init__(self, commits: Mapping[str, Any]) -> None:
        self.revs = np.array(commits["revs"], dtype=np.int64)
        # A clock that was set back would make a change look younger than one after it, or not yet made.
        self.ages = np.maximum(int(commits["now"]) - np.array(commits["ats"], dtype=np.int64), 0)

    def oldest(self) -> int | None:
        return int(self.ages.max()) if len(self.ages) else None

    def of(self, revs: np.ndarray[Any, np.dtype[np.int64]]) -> CorpusLag:
        if not len(self.revs):
            return CorpusLag(len(revs))
        ages = self.ages[np.minimum(np.searchsorted(self.revs, revs), len(self.revs) - 1)]
        p50, p95 = np.percentile(ages, [50, 95])
        return CorpusLag(len(revs), round(p50), round(p95), int(ages.max()))


def _ask(graph: Graph, name: str, mapping: GraphMapping, **params: Any) -> list[dict[str, Any]]:
    return graph.read(load_queries()[f"changes/{name}"].render(mapping), params)
