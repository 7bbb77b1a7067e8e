"""The engine's forgetting: nodes that must be nowhere any more, and the receipts that say where they were removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.registry import Receipt


def forget(
    engine: Engine, kind: Literal["item", "context", "user"], node_id: str | Iterable[str]
) -> tuple[Receipt, ...]:
    """Forget one node or several of a kind: see `engine.refresh.forget.forget`."""
    from engine.refresh.forget import forget

    ids = [node_id] if isinstance(node_id, str) else list(node_id)
    receipts = forget(engine.registry, engine.graph, engine.settings.graph.mapping, kind, ids)
    engine.opened.live.look_again()
    return receipts


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
