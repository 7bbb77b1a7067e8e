"""What a view still holds and must no longer tell, because it was forgotten after the view's watermark.

A receipt names a node by a salted digest only, so that looking it up takes a pass over the ids, about a second a million;
that is done once for each receipt and view, and a question looks at row numbers. Knows views and receipts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.registry.receipts import Receipt, is_subject
from engine.serving.view import View

KINDS = {"item": "items", "context": "contexts", "user": "users"}
"""The word of a receipt -> the word of a table."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Rows of one view.

    Attributes:
        receipts: those that were looked up.
        items, contexts, users: row numbers.
    """

    receipts: tuple[Receipt, ...] = ()
    items: frozenset[int] = frozenset()
    contexts: frozenset[int] = frozenset()
    users: frozenset[int] = frozenset()

    def of(self, kind: str) -> frozenset[int]:
        """The rows of "item", "context" or "user"."""
        rows: frozenset[int] = getattr(self, KINDS[kind])
        return rows

    def means(self, kind: str, node_id: str) -> bool:
        """Whether an id that is in no view is one of those."""
        return any(one.kind == kind and is_subject(one.subject, node_id) for one in self.receipts)

    def followed_by(self, view: View, receipts: Sequence[Receipt]) -> Forgotten:
        """The rows that these receipts mean, looking up only those that are new."""
        known = {one.number for one in self.receipts}
        new = [one for one in receipts if one.number not in known]
        if not new and len(receipts) == len(known):
            return self
        if len(receipts) != len(known) + len(new):
            return NOTHING.followed_by(view, receipts)
        items = self.items | _rows(view.item_ids, "item", new)
        contexts = self.contexts | _rows(view.snapshot.contexts.ids, "context", new)
        users = self.users | _rows(view.snapshot.users.ids, "user", new)
        return Forgotten(tuple(receipts), items, contexts, users)


NOTHING = Forgotten()


def _rows(ids: Iterable[str], kind: str, receipts: Sequence[Receipt]) -> frozenset[int]:
    asked = [one.subject for one in receipts if one.kind == kind]
    if not asked:
        return frozenset()
    return frozenset(row for row, node_id in enumerate(ids) if any(is_subject(one, node_id) for one in asked))
