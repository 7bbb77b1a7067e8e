"""The demo's second act: a pin comes, a refresh follows, a rollback undoes it; a board is forgotten, and nothing brings it back.

Asks the engine only; what it returns is JSON-able, so that it happens once and is told again by later runs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.client import Engine
from engine.datasets.folder import DatasetFolder
from engine.serving.view import View

NEWCOMER = 1
"""Which of the pins that arrive; the first one is never written."""
SHOWN = 5
DEEP = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """The query's answer at one time.

    Attributes:
        generation: that answered.
        titles: of the first few.
        place: where the new pin stands, from 1; None past the first 200.
    """

    generation: str
    titles: tuple[str, ...]
    place: int | None


@dataclass(frozen=True, slots=True)
class SecondAct:
    """What happened.

    Attributes:
        query, newcomer, board: titles of the pin that is asked about, of the new one, and of the board that is forgotten.
        boards: that the new pin is saved to.
        before, after, undone, last: the same query before the change, after the refresh, after the rollback, and after the
            board was forgotten.
        plan, counts: of the refresh; `seconds` from the change to its answer.
        receipt: of the forgotten board: its number, state, the rev that removed it, and its digest.
        left: how often the board is still found: in the graph, and in the generation that serves then.
    """

    query: str
    newcomer: str
    board: str
    boards: tuple[str, ...]
    before: Answered
    after: Answered
    undone: Answered
    last: Answered
    plan: str
    counts: dict[str, Any]
    seconds: float
    receipt: dict[str, Any]
    left: dict[str, int]

    @staticmethod
    def from_json(told: dict[str, Any]) -> SecondAct:
        """Read what `play` returned."""
        answers = {
            name: Answered(**{**told[name], "titles": tuple(told[name]["titles"])})
            for name in ("before", "after", "undone", "last")
        }
        return SecondAct(**{**told, **answers, "boards": tuple(told["boards"])})


def play(engine: Engine, view: View, arrivals: DatasetFolder) -> dict[str, Any]:
    """Write a pin and its saves, refresh, ask, roll back, ask; forget a board, which embeds the graph anew, and ask again.

    Args:
        view: what serves, before any of it.
        arrivals: a data set of pins that are not in the graph yet.

    Returns:
        A `SecondAct`, JSON-able.

    Raises:
        EngineError: whatever the engine's calls raise; what was written until then stays, and is written again by the next run.
    """
    row, saves = newcomer(arrivals)
    boards = [save["context_id"] for save in saves]
    query, board = choose(view, boards)
    before = ask(engine, query, row["item_id"])
    engine.add_items([row])
    engine.add_saves(saves)
    started = time.monotonic()
    refreshed = engine.refresh()
    after = ask(engine, query, row["item_id"])
    seconds = time.monotonic() - started
    engine.rollback(view.origin.generation)
    undone = ask(engine, query, row["item_id"])
    (receipt,) = engine.forget("context", board)
    last = ask(engine, query, row["item_id"])
    left = {
        "the graph": len(engine.cypher("inspect/context", context_id=board)),
        last.generation: int((engine.view().contexts.index_of([board]) >= 0).sum()),
    }
    titles = view.contexts.fields["title"].values
    named = view.contexts.index_of([*boards, board])
    names = [str(titles[int(at)].as_py()) for at in named]
    return asdict(
        SecondAct(
            query=view.titles([view.item_row(query)])[0] or query,
            newcomer=str(row["title"]),
            board=names[-1],
            boards=tuple(names[:-1]),
            before=before,
            after=after,
            undone=undone,
            last=last,
            plan=refreshed.plan,
            counts=refreshed.counts,
            seconds=seconds,
            receipt={"number": receipt.number, "state": receipt.state, "rev": receipt.rev, "digest": receipt.digest},
            left=left,
        )
    )


def newcomer(arrivals: DatasetFolder) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A pin that arrives, as a row for `Engine.add_items`, and its saves."""
    items = next(arrivals.batches("items")).columns
    saves = next(arrivals.batches("saves")).columns
    vectors = {name: found.take(np.array([NEWCOMER]))[0].tolist() for name, found in arrivals.vectors().items()}
    row = {name: column[NEWCOMER] for name, column in items.items()} | vectors
    pairs = zip(saves["context_id"], saves["item_id"], strict=True)
    return (
        {name: value for name, value in row.items() if value is not None},
        [{"context_id": context, "item_id": item} for context, item in pairs if item == row["item_id"]],
    )


def choose(view: View, boards: Sequence[str]) -> tuple[str, str]:
    """The pin that most of the boards hold, the rarest such; and another of its boards, the smallest, to be forgotten.

    Returns:
        An item id and a context id.
    """
    rows = view.contexts.index_of(boards).tolist()
    held = Counter(int(item) for board in rows for item in set(view.graph.context_to_item.row(board).tolist()))
    degrees = view.graph.item_to_context.degrees()
    joined = [item for item in held if set(view.graph.item_to_context.row(item).tolist()) - set(rows)] or list(held)
    query = min(joined, key=lambda item: (-held[item], degrees[item], view.items.ids[item]))
    others = sorted(set(view.graph.item_to_context.row(query).tolist()) - set(rows)) or [
        board for board in range(len(view.contexts)) if board not in rows
    ]
    sizes = view.context_sizes
    return view.items.ids[query], view.contexts.ids[min(others, key=lambda board: (sizes[board], board))]


def ask(engine: Engine, query: str, wanted: str) -> Answered:
    """Ask for related pins, and look where one of them stands."""
    answer = engine.related(query, k=DEEP)
    ids = [item.item_id for item in answer]
    return Answered(
        answer.generation,
        tuple(item.title or item.item_id for item in answer)[:SHOWN],
        ids.index(wanted) + 1 if wanted in ids else None,
    )
