"""What serves, shown in the graph for people with Cypher: compared with what is shown already, and only the difference is written.

```
what is shown -> which items differ -> their embeddings -> neighbours and related items of all that it touches -> whole
```

A refresh, a rollback, a retraining and a run that was killed are all the same work, and cost what they change and one pass
over what is shown. The digest of an item goes before the first change to it and comes with the last. Takes some 40 bytes an
item. Knows views and states; no jobs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.graph.connection import Graph
from engine.graph.inspection import InspectionWriter
from engine.index.protocol import check_k
from engine.progress import Advance, progress
from engine.refresh.inspection_diff import HALF, HANDLES_A_READ, NO_FLOOR, Around, Difference, Mask, Shown, short_digest
from engine.serving.view import View
from engine.settings import GraphMapping
from engine.types import FloatArray

WIDEST = 4096
"""Neo4j's vector index takes no more."""
ITEMS_A_WRITE, LINKS_A_WRITE = 1_000, 400
SCORE_STEP = 1e-3
"""A refresh moves nearly all embeddings by a hair: an item's relationships stay where no score of it moves by as much as this."""


@dataclass(frozen=True, slots=True)
class PublishedInspection:
    """What one publishing wrote.

    Attributes:
        items: shown now.
        embeddings, linked: items whose embeddings, and whose neighbours and related items, were written.
        neighbours, related: relationships written.
        removed: items that are shown no more.
        absent: items of the generation that the graph does not have any more.
        seconds: it took.
    """

    generation: str
    watermark: int
    top_k: int
    items: int
    embeddings: int
    linked: int
    neighbours: int
    related: int
    removed: int
    absent: int
    seconds: float

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        lines = [f"{self.generation} is shown in the graph: {self.items:,} items, watermark {self.watermark}"]
        if self.embeddings or self.linked or self.removed:
            removed = f"; {self.removed:,} items are shown no more" if self.removed else ""
            lines.append(
                f"wrote {self.embeddings:,} embeddings, and {self.neighbours:,} neighbours and {self.related:,} related"
                f" items of {self.linked:,} items, in {self.seconds:.1f} s{removed}"
            )
        else:
            lines.append("nothing to write: all of it was there")
        if self.absent:
            lines.append(f"not shown: {self.absent:,} items that the graph does not have any more")
        return "\n".join(lines)


def publish_inspection(
    graph: Graph, mapping: GraphMapping, view: View, built_at: str, *, top_k: int
) -> PublishedInspection:
    """Show a generation in the graph.

    Args:
        built_at: tells generations of the same name apart.
        top_k: related items of each item: the nearest of its corpus by their embeddings.

    Raises:
        InputError: `top_k` is below 1, or the embeddings are wider than Neo4j's vector index takes.
        LeaseLostError: another process publishes, or everything was dropped, meanwhile.
        GraphUnavailableError: the server is gone; the next publishing goes on.
    """
    wanted, dim, origin = check_k(top_k), view.vectors.shape[1], view.origin
    if dim > WIDEST:
        raise InputError(
            f"the embeddings of {origin.generation} are {dim:,} wide, and Neo4j's vector index takes {WIDEST:,} at most",
            hint="Build with a smaller `dim`. Answers do not depend on what is shown in the graph.",
        )
    started = time.perf_counter()
    writer = InspectionWriter(graph, mapping, dim)
    writer.begin(origin.generation, built_at, origin.watermark, wanted)
    around, shown = Around.of(view), Shown.read(writer, view.items)
    difference = Difference.of(writer, view, around, shown, wanted)
    work = _Work(writer, view, around, shown, difference, wanted, shown.digest == HALF)
    work.write_items()
    writer.prepare_index()
    removed = work.remove_gone()
    linked = work.write_links()
    writer.await_index()
    there = shown.handle >= 0
    items = int((there & view.items.alive).sum())
    writer.end(items)
    return PublishedInspection(
        generation=origin.generation,
        watermark=origin.watermark,
        top_k=wanted,
        items=items,
        embeddings=int((difference.changed & there).sum()),
        linked=linked.items,
        neighbours=linked.neighbours,
        related=linked.related,
        removed=removed,
        absent=view.items.num_alive - items,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True, slots=True)
class Linked:
    """How many items were linked anew, and by how many relationships."""

    items: int
    neighbours: int
    related: int


@dataclass(frozen=True, slots=True)
class _Work:
    """One publishing; `shown` follows what it writes, and `half` are the rows that were not wholly shown before."""

    writer: InspectionWriter
    view: View
    around: Around
    shown: Shown
    difference: Difference
    top_k: int
    half: Mask

    def write_items(self) -> None:
        """Write the embeddings that differ, and take the digests of what else is touched."""
        changed, handle = np.flatnonzero(self.difference.changed), self.shown.handle
        with _showing("Publishing embeddings", len(changed)) as advance:
            for part in _parts(changed, ITEMS_A_WRITE):
                columns = part.tolist(), self.view.items.ids.take(part), self.view.vectors[part].tolist()
                told = [{"row": row, "id": name, "vector": vector} for row, name, vector in zip(*columns, strict=True)]
                written = self.writer.write_items(self.view.origin.generation, told)
                self.shown.gone.extend(handle[row] for row in columns[0] if row not in written and handle[row] >= 0)
                handle[part] = [written.get(row, -1) for row in columns[0]]
                advance(len(part))
        for handles in _parts(handle[self.difference.touched & ~self.difference.changed], HANDLES_A_READ):
            self.writer.unfinish(handles.tolist())

    def remove_gone(self) -> int:
        """Remove what the generation, or the graph, does not have; how many."""
        return sum(
            self.writer.remove(part.tolist()) for part in _parts(np.array(self.shown.gone, np.int64), ITEMS_A_WRITE)
        )

    def write_links(self) -> Linked:
        """Write neighbours and related items of what is touched, where they differ; mark all of it as whole."""
        rows = np.flatnonzero(self.difference.touched & (self.shown.handle >= 0))
        items = neighbours = related = 0
        with _showing("Publishing neighbours", len(rows)) as advance:
            for part in _parts(rows, LINKS_A_WRITE):
                links = list(self._links(part))
                differ = [one for one, differs in links if differs]
                if differ:
                    near, like = self.writer.write_links(differ)
                    items, neighbours, related = items + len(differ), neighbours + near, related + like
                if same := [one for one, differs in links if not differs]:
                    self.writer.finish([{name: one[name] for name in ("handle", "floor", "digest")} for one in same])
                advance(len(part))
        return Linked(items, neighbours, related)

    def _links(self, rows: NDArray[Any]) -> Iterator[tuple[dict[str, Any], bool]]:
        """What is to be linked to each row, and whether it differs from what is."""
        of = self.view.items.corpus[rows]
        for corpus in np.unique(of).tolist():
            mine = rows[of == corpus]
            hits = self.view.indexes[corpus].query(self.view.vectors[mine], self.top_k + 1)
            for row, labels, scores in zip(mine.tolist(), hits.labels, hits.scores, strict=True):
                keep = np.flatnonzero((labels >= 0) & (labels != row) & (self.shown.handle[labels] >= 0))[: self.top_k]
                yield self._link(row, labels[keep], scores[keep])

    def _link(self, row: int, related: NDArray[np.int64], scores: FloatArray) -> tuple[dict[str, Any], bool]:
        handle, idx = self.shown.handle, self.around.idx[row]
        beside = (idx >= 0) & (handle[idx] >= 0)
        near, weights = idx[beside], self.around.weight[row][beside]
        key = self.view.items.key
        told = (key[near], weights, key[related], np.rint(scores / SCORE_STEP).astype(np.int32))
        links = short_digest(b" ".join(one.tobytes() for one in told))
        link = {
            "handle": int(handle[row]),
            "digest": int(self.difference.digest[row]),
            "links": links,
            "neighbours": handle[near].tolist(),
            "weights": weights.tolist(),
            "related": handle[related].tolist(),
            "scores": scores.tolist(),
            "floor": float(scores[-1]) if len(related) == self.top_k else NO_FLOOR,
        }
        half = self.half[row] or self.half[near].any() or self.half[related].any()
        return link, bool(half or links != self.shown.links[row])


@contextmanager
def _showing(what: str, total: int) -> Iterator[Advance]:
    """Progress, where there is anything to do: most flips change little or nothing."""
    if not total:
        yield lambda done: None
        return
    with progress(what, total) as advance:
        yield advance


def _parts(values: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
