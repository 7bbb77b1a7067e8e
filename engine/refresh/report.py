"""What a refresh did, or would do, for people and programs. Knows nothing of how."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.embedding.bounds import Certificate
from engine.graph.changes import Changes
from engine.graph.changes_columns import Poisoned
from engine.graph.mapping import EDGES, NODES

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One refresh.

    Attributes:
        generation: id of what it published; None where there was nothing to do, and of a rehearsal.
        parent: id of what served before; since, until: the revs between which the changes lie.
        changes: how many of each kind there were.
        plan: which way was taken, and why.
        counts, timings: JSON-able; timings in seconds.
        certificate: how far the embeddings may be from exact.
        poison: what of the graph could not be read, and was left out.
    """

    parent: str
    since: int
    until: int
    generation: str | None = None
    changes: dict[str, int] = field(default_factory=dict)
    plan: str = "nothing to do"
    counts: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    certificate: Certificate = field(default_factory=Certificate)
    poison: tuple[Poisoned, ...] = ()

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(asdict(self), default=str)

    def __str__(self) -> str:
        total = ", ".join(f"{count:,} {kind}" for kind, count in self.changes.items() if count) or "no changes"
        lines = [
            f"{self.parent} -> {self.generation or 'nothing published'}: revs {self.since} to {self.until}, {total}"
        ]
        if self.counts:
            lines.append(self.plan)
            lines.append(", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in self.counts.items()))
        lines.append(str_of(self.certificate))
        if self.timings:
            lines.append(", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.timings.items()))
        lines += [f"left out: {one.kind} {one.id}: {one.reason}" for one in self.poison[:_SHOWN]]
        if len(self.poison) > _SHOWN:
            lines.append(f"left out: {len(self.poison) - _SHOWN} more")
        return "\n".join(lines)


def str_of(certificate: Certificate) -> str:
    """A certificate in words."""
    if not certificate.skipped:
        return "exact"
    if certificate.largest is None:
        return f"{certificate.skipped:,} embeddings may be off, nobody knows how far"
    return f"{certificate.skipped:,} embeddings may be off, by {certificate.largest:.3g} at most"


def sizes(changes: Changes) -> dict[str, int]:
    """How many changes there are of each kind."""
    return {kind: len(getattr(changes, kind)) for kind in (*NODES, *EDGES)}
