"""The engine's forgetting: nodes that must be nowhere any more, and the receipts that say where they were removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from engine.client.following import follow_flip
from engine.client.threads import within_threads

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.registry import Receipt


@within_threads
def forget(
    engine: Engine, kind: Literal["item", "context", "user"], node_id: str | Iterable[str]
) -> tuple[Receipt, ...]:
    """Forget one node or several of a kind: out of the graph and of all answers at once, then out of every kept folder.

    The last takes embedding the graph anew by the model that serves, once for all ids of a call. Where that cannot be done
    now, the receipts stay open, and `close_receipts` goes on.

    Returns:
        A receipt each.

    Raises:
        UnknownNodeError: an id that neither the graph nor a kept generation has; nothing is removed then.
        see `engine.refresh.forget.forget`.
    """
    import logging

    from engine.errors import LeaseHeldError, NotReadyError
    from engine.refresh.forget import forget
    from engine.refresh.purge import close_receipts

    ids = list(dict.fromkeys([node_id] if isinstance(node_id, str) else node_id))
    receipts = forget(engine.registry, engine.graph, engine.settings.graph.mapping, kind, ids)
    engine.opened.look_again()
    known = {one.number: name for one, name in zip(receipts, ids, strict=True)}
    try:
        close_receipts(engine.registry, engine.graph, engine.settings, known)
    except (LeaseHeldError, NotReadyError) as error:
        logging.getLogger(__name__).warning("the receipts stay open: %s", error)
    follow_flip(engine)
    return tuple(engine.registry.receipts.get(one.number) for one in receipts)


@within_threads
def close_receipts(engine: Engine, *, cause: str = "asked for") -> tuple[Receipt, ...]:
    """Go on where a `forget` could not end: purge every kept folder, look, and complete what is open. Recorded as a run.

    Raises:
        see `engine.refresh.purge.close_receipts`.
    """
    from engine.refresh.purge import close_receipts
    from engine.registry import Job, Outcome

    with engine.registry.runs.record(Job.RECEIPTS, cause) as told:
        closed = close_receipts(engine.registry, engine.graph, engine.settings)
        told.counts = {"closed": len(closed)}
        if not closed:
            told.outcome = Outcome.NOTHING
    follow_flip(engine)
    return closed


def receipts(engine: Engine, *, only_open: bool = False) -> tuple[Receipt, ...]:
    """The receipts of what was forgotten, newest first."""
    from engine.registry import ReceiptState

    return engine.registry.receipts.list(state=ReceiptState.OPEN if only_open else None)


def receipt(engine: Engine, number: int) -> Receipt:
    """One receipt.

    Raises:
        UnknownNameError: there is no such receipt.
    """
    return engine.registry.receipts.get(number)
