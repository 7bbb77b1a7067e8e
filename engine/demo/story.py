"""Asks the engine what the demo shows. Chooses by rule and seed, never by how good an answer looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.client import Engine
from engine.datasets.folder import DatasetFolder
from engine.datasets.generator import Truth
from engine.demo.report import Fresh, Home, Look, Pin, Related
from engine.serving.results import ScoredItem
from engine.serving.view import View

SHOWN = 6
QUERIES = 3
FEED = 9
COMPARED = ("walks", "content", "popularity")


class Storyteller:
    """Questions to one serving generation.

    Args:
        truth: item id -> what the generator made it of.
    """

    def __init__(self, engine: Engine, view: View, truth: dict[str, Truth], seed: int) -> None:
        self._engine = engine
        self._view = view
        self._truth = truth
        self._rng = np.random.default_rng([seed, 300])
        self._board_titles = view.snapshot.contexts.fields["title"].values

    def related(self, served: str) -> tuple[Related, ...]:
        """A few pins of different domains, answered by what serves and by the simple methods.

        The queries are the first of a shuffle that are organic, neither rare nor famous, and of a domain not yet shown.
        """
        saves = self._view.graph.item_to_context.degrees()
        low, high = np.quantile(saves[saves > 0], [0.6, 0.97])
        organic = self._view.items.corpora.index("organic")
        likely = np.flatnonzero((saves >= low) & (saves <= high) & (self._view.items.corpus == organic))
        found: dict[str, Related] = {}
        for row in self._rng.permutation(likely).tolist():
            item_id = self._view.items.ids[row]
            domain = self._truth[item_id].domain
            if domain not in found:
                answers = {
                    name: self._pins(self._engine.related(item_id, k=SHOWN, method=name), item_id)
                    for name in (served, *COMPARED)
                }
                found[domain] = Related(self._query(item_id), self._boards_of(row)[:2], int(saves[row]), answers)
            if len(found) == QUERIES:
                break
        return tuple(found.values())

    def ads(self, item_id: str) -> Related:
        """One of the queries against the ads."""
        answer = self._engine.related(item_id, k=SHOWN, corpus="ads")
        return Related(self._query(item_id), (), 0, {"ads": self._pins(answer, item_id)})

    def home(self) -> Home:
        """The feed of the first user of a shuffle whose boards are a few and about more than one thing."""
        owns = self._view.snapshot.relations.owns.forward
        counts = owns.degrees()
        users = self._view.snapshot.users
        wanted = np.flatnonzero((counts >= min(4, counts.max())) & (counts <= 8))
        row = int(self._rng.choice(wanted if len(wanted) else np.flatnonzero(counts == counts.max())))
        answer = self._engine.home(users.ids[row], k=FEED)
        titles = {interest.medoid: interest.title or interest.medoid for interest in answer.interests}
        return Home(
            name=str(users.fields["name"].values[row].as_py()),
            boards=tuple(dict.fromkeys(self._board(int(board)) for board in owns.row(row))),
            interests=tuple((titles[one.medoid], one.importance) for one in answer.interests),
            feed=tuple((self._pin(item), titles.get(item.interest or "", "")) for item in answer),
        )

    def fresh(self, arrivals: DatasetFolder) -> Fresh:
        """The first of the pins that came after the world was written, by its content and then with its first saves."""
        items = next(arrivals.batches("items")).columns
        saves = next(arrivals.batches("saves")).columns
        item_id = items["item_id"][0]
        fields = {name: items[name][0] for name in arrivals.spec.tables["items"].fields}
        fields |= {name: found.take(_FIRST)[0].tolist() for name, found in arrivals.vectors().items()}
        known = {name: value for name, value in fields.items() if value is not None}
        pairs = zip(saves["context_id"], saves["item_id"], strict=True)
        boards = [board for board, item in pairs if item == item_id]
        alone = self._engine.new_item(item_id, known, k=SHOWN)
        saved = self._engine.new_item(item_id, known, contexts=boards, k=SHOWN)
        return Fresh(
            pin=Pin(item_id, str(fields["title"]), self._truth[item_id].topic),
            boards=tuple(map(self._board, self._view.snapshot.contexts.index_of(boards).tolist())),
            by_content=self._pins(alone, item_id),
            with_saves=self._pins(saved, item_id),
        )

    def looks(self, item_id: str, other_id: str) -> tuple[Look, ...]:
        """Queries to look at the graph with, each with what it returns now."""
        return tuple(
            self._look(name, **params)
            for name, params in (
                ("inspect/neighbourhood", {"item_id": item_id, "contexts": 4, "items": 3}),
                ("inspect/evidence", {"from_id": item_id, "to_id": other_id, "limit": 4}),
                ("inspect/top_items", {"limit": 5}),
            )
        )

    def _look(self, name: str, **params: Any) -> Look:
        from engine.graph.queries import load_queries

        query = load_queries()[name]
        rows = self._engine.cypher(name, **params)
        told = " ".join(f"{key}={value}" for key, value in params.items())
        columns = tuple(rows[0]) if rows else ()
        return Look(
            about=query.about,
            command=f"engine cypher run {name} {told}",
            cypher=query.render(self._engine.settings.graph.mapping).strip(),
            columns=columns,
            rows=tuple(tuple(_cell(row[column]) for column in columns) for row in rows),
        )

    def _query(self, item_id: str) -> Pin:
        row = self._view.item_row(item_id)
        return Pin(item_id, self._view.titles([row])[0] or item_id, self._truth[item_id].topic)

    def _pins(self, items: Iterable[ScoredItem], query: str) -> tuple[Pin, ...]:
        asked = self._truth[query]
        return tuple(self._pin(item, asked) for item in items)

    def _pin(self, item: ScoredItem, asked: Truth | None = None) -> Pin:
        found = self._truth[item.item_id]
        topic = asked is not None and found.topic == asked.topic
        taste = asked is not None and found.taste == asked.taste
        likeness = "both" if topic and taste else "topic" if topic else "taste" if taste else ""
        return Pin(item.item_id, item.title or item.item_id, found.topic, likeness)

    def _board(self, row: int) -> str:
        return str(self._board_titles[row].as_py())

    def _boards_of(self, item: int) -> tuple[str, ...]:
        rows = self._view.graph.item_to_context.row(item).tolist()
        return tuple(dict.fromkeys(self._board(row) for row in rows))


_FIRST = np.zeros(1, np.int64)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_cell(one) for one in value)
    return f"{value:,.3g}" if isinstance(value, float) else str(value)
