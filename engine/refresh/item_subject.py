"""Related items as what a refresh is of: PinSage over what its generation keeps. Knows no server but to begin anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.embedding.kept import Limits
from engine.errors import CorruptFileError
from engine.graph.connection import Graph
from engine.graph.snapshot_apply import Applied
from engine.refresh.advance import advance, relation_of
from engine.refresh.anew import build_anew
from engine.refresh.delta import Delta
from engine.refresh.model import load_network
from engine.refresh.state import State, check_files
from engine.refresh.subject import Advanced
from engine.registry import Generation, Lease, Registry
from engine.serving.view import View
from engine.settings import Settings


@dataclass(frozen=True, slots=True)
class ItemSubject:
    """See `refresh.subject.Subject`."""

    registry: Registry
    graph: Graph
    settings: Settings
    view: View

    def keeps(self) -> str | None:
        """See `Subject`."""
        try:
            state = State.open(self.view.folder)
            if state is None:
                return f"{self.view.origin.generation} keeps nothing to go on from"
            check_files(self.view.folder)
        except CorruptFileError as error:
            return error.message
        return None

    def advance(self, applied: Applied, as_of: datetime, limits: Limits) -> Advanced | None:
        """See `Subject`; None where the walks are on another relation by now."""
        state = State.open(self.view.folder)
        if state is None or relation_of(applied.snapshot) != state.relation:
            return None
        found = advance(state, applied, load_network(self.view, self.settings.threads), limits)
        delta = Delta(applied.snapshot, as_of, found.rows, found.vectors, found.write, found.certificate.to_json())
        return Advanced(delta, found.plan, found.counts, found.certificate)

    def anew(self, as_of: datetime, work: Path, lease: Lease) -> Generation:
        """See `Subject`."""
        return build_anew(self.registry, self.graph, self.settings, self.view, as_of, work, lease)
