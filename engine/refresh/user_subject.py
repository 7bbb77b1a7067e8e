"""A model about users and items as what a refresh is of. Knows methods by their protocols; no server but to begin anew.

One that answers by vectors has those embedded again that the changes alter (`refresh.row_follow`). One that reads histories
when it is asked needs the new snapshot and no more; what it learned is tried on it first, so that it goes on answering about
the old one where it cannot take in what came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.embedding.bounds import Certificate
from engine.embedding.kept import Limits
from engine.errors import CorruptFileError, InputError
from engine.graph.connection import Graph
from engine.graph.snapshot_apply import Applied
from engine.graph.snapshot_csr import edge_rows
from engine.graph.snapshot_export import export_snapshot
from engine.models.friends import friendship_in
from engine.models.happened import epoch_ms, happened
from engine.models.row_embedder import SIDES, Joined, Side
from engine.models.user_graph import has_users, learnable
from engine.models.user_method import UserMethod
from engine.models.user_methods import find_user_method
from engine.refresh.delta import Delta, UserRows
from engine.refresh.row_follow import RowChange, RowsFollowed, follow
from engine.refresh.row_state import RowState, write_next
from engine.refresh.state import check_files
from engine.refresh.subject import Advanced
from engine.refresh.user_model import check_takes_in, remake_user_model
from engine.registry import Generation, Lease, Registry
from engine.sampling.friends import Friendship
from engine.serving import layout
from engine.serving.view import View
from engine.settings import Settings
from engine.types import ChangedLists


@dataclass(frozen=True, slots=True)
class NoVectors:
    """The plan for a model that keeps no vectors."""

    method: str

    def __str__(self) -> str:
        return f"nothing to embed: {self.method} reads who has what when it is asked"

    def to_json(self) -> dict[str, Any]:
        """For the run's row."""
        return {"way": "no vectors", "why": str(self)}


@dataclass(frozen=True, slots=True)
class UserSubject:
    """See `refresh.subject.Subject`."""

    registry: Registry
    graph: Graph
    settings: Settings
    view: View
    method: UserMethod = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "method", find_user_method(self.view.facts["config"]["model"]))

    def keeps(self) -> str | None:
        """See `Subject`."""
        if self.method.embedder is None:
            return None
        try:
            if RowState.open(self.view.folder) is None:
                return f"{self.view.origin.generation} keeps nothing to go on from"
            check_files(self.view.folder)
        except CorruptFileError as error:
            return error.message
        return None

    def advance(self, applied: Applied, as_of: datetime, limits: Limits) -> Advanced | None:
        """See `Subject`; None where others take up items by now than did before.

        Raises:
            InputError: epsilon is not 0.
        """
        if limits.epsilon:
            raise InputError("models about users and items are refreshed exactly: leave epsilon 0")
        snapshot = applied.snapshot
        if has_users(snapshot) != has_users(self.view.snapshot):
            return None
        nodes, _ = learnable(snapshot)
        metrics = {"users": nodes.num_alive}
        if self.method.embedder is None:
            check_takes_in(self.method, self.view.folder, snapshot, self.settings.seed)
            none = np.empty(0, np.int32), np.empty((0, 0), np.float32)
            delta = Delta(snapshot, as_of, *none, metrics=metrics)
            return Advanced(delta, NoVectors(self.method.name), {"embedded": 0, "put_off": 0}, Certificate())
        state = RowState.open(self.view.folder)
        assert state is not None
        friendship = friendship_in(self.view.facts["config"]["settings"])
        joined = Joined.in_snapshot(snapshot, as_of, friendship)
        embedder = self.method.embedder(self.view.folder / layout.MODEL, joined)
        change = _change(applied, friendship, self.view.origin.as_of, as_of)
        found = follow(embedder, joined, state, change, limits)
        users, items = found.vectors["users"], found.vectors["items"]
        delta = Delta(
            snapshot,
            as_of,
            items.rows,
            items.values,
            lambda folder: _write_state(folder, state, joined, found),
            found.certificate.to_json(),
            metrics=metrics,
            users=UserRows(len(nodes), users),
        )
        counts = {
            "reached": found.reached,
            "embedded": found.embedded,
            "put_off": found.put_off,
            "users": len(users.rows),
            "items": len(items.rows),
        }
        return Advanced(delta, found.plan, counts, found.certificate)

    def anew(self, as_of: datetime, work: Path, lease: Lease) -> Generation:
        """See `Subject`."""
        del work  # the generation's folder is written straight away
        before = self.registry.generations.get(self.view.origin.generation)
        snapshot = export_snapshot(self.graph, self.settings)
        made = remake_user_model(self.registry, snapshot, as_of, self.settings, before)
        return self.registry.generations.publish(made.id, cause="refresh", lease=lease, replaces=before.id)


def _write_state(folder: Path, state: RowState, joined: Joined, found: RowsFollowed) -> None:
    write_next(folder, state, {side: len(joined.nodes[side]) for side in SIDES}, found.hidden, found.left)


def _change(applied: Applied, friendship: Friendship, since: datetime, now: datetime) -> RowChange:
    """What became of the users (or of the contexts that stand for them), the items and their edges since a time."""
    social = has_users(applied.snapshot)
    users, taken = ("users", "interactions") if social else ("contexts", "saves")
    nodes = {"users": applied.nodes[users], "items": applied.nodes["items"]}
    lists: Mapping[tuple[Side, Side], ChangedLists] = {
        ("users", "items"): applied.edges[taken].forward,
        ("items", "users"): applied.edges[taken].backward,
        ("users", "users"): _befriended(applied, friendship, since, now) if social else ChangedLists.none(),
    }
    new, gone, changed = ({side: getattr(nodes[side], what) for side in SIDES} for what in ("new", "gone", "changed"))
    return RowChange(new, gone, changed, lists)


def _befriended(applied: Applied, friendship: Friendship, since: datetime, now: datetime) -> ChangedLists:
    """Whose friends changed: by a write, or as a follow that was dated later has happened by now."""
    written, follows = applied.edges["follows"], applied.snapshot.relations.follows.forward
    forward, backward = written.forward, written.backward
    if follows.time is not None:
        came = happened(follows.time, epoch_ms(now)) != happened(follows.time, epoch_ms(since))
        forward = forward.beside(ChangedLists.longer(edge_rows(follows)[came]))
        backward = backward.beside(ChangedLists.longer(follows.indices[came]))
    if friendship == "both":
        return forward.beside(backward)
    return forward if friendship == "following" else backward
