"""What GC-MC reads of users and items beside the ratings: their fields, and whom a user follows. Knows no network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from engine.errors import CorruptFileError
from engine.features.config import FeatureConfig
from engine.features.encoder import FeatureEncoder, fit_features
from engine.graph.snapshot_columns import NodeTable
from engine.models.friends import followed
from engine.models.gcmc.model import ITEMS, USERS, SparseRows
from engine.models.gcmc.sparse import Pattern
from engine.models.user_item import UserItemData

FOLLOWED, PARTS = "followed.json", ("users", "items")


@dataclass(frozen=True, slots=True)
class SideFields:
    """How fields become columns.

    Attributes:
        encoders: of the users' fields, of the items'.
        followed: the ids of the users that have a column for who follows them; empty without a social graph.
    """

    encoders: tuple[FeatureEncoder, FeatureEncoder]
    followed: tuple[str, ...]

    def matrices(self, data: UserItemData) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """The columns of all users and of all items, float32 CSR, rows in the order of the keys.

        Raises:
            DataError: a value that is not finite, naming the node and the field.
        """
        users = self.rows_of(USERS, data.users)
        if self.followed:
            users = sparse.hstack([users, self._follows(data)], format="csr", dtype=np.float32)
        return users, self.rows_of(ITEMS, data.items)

    def rows_of(self, side: int, nodes: NodeTable) -> sparse.csr_matrix:
        """What the fields of some users (side 0) or items (side 1) tell, in the order of the keys.

        Raises:
            DataError: see `matrices`.
        """
        content = self.encoders[side].content(nodes)
        found = sparse.hstack([sparse.csr_matrix(content.dense), content.tokens], format="csr", dtype=np.float32)
        return found[nodes.rows_by_key]

    def _follows(self, data: UserItemData) -> sparse.csr_matrix:
        shape = (data.num_users, len(self.followed))
        column = np.full(data.num_users, -1, dtype=np.int64)
        rows = data.users.index_of(self.followed)
        column[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
        follower, target = followed(data).nonzero()
        known = column[target] >= 0
        ones = np.ones(int(known.sum()), dtype=np.float32)
        found = sparse.csr_matrix((ones, (follower[known], column[target[known]])), shape=shape)
        return found[data.users.rows_by_key]

    def save(self, folder: Path) -> None:
        """Write into an open folder."""
        for part, encoder in zip(PARTS, self.encoders, strict=True):
            (folder / part).mkdir()
            encoder.save(folder / part)
        (folder / FOLLOWED).write_text(json.dumps(self.followed), encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> SideFields:
        """Read what `save` wrote.

        Raises:
            CorruptFileError: a file is missing or unreadable.
        """
        users, items = (FeatureEncoder.load(folder / part) for part in PARTS)
        try:
            followed = tuple(json.loads((folder / FOLLOWED).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise CorruptFileError(f"fields in {folder}: {FOLLOWED} cannot be read ({error})") from error
        return SideFields((users, items), followed)


def fit_fields(data: UserItemData, config: FeatureConfig) -> SideFields:
    """Learn how the fields of some data become columns.

    Raises:
        DataError: a value that is not finite, naming the node and the field.
    """
    rows = np.unique(followed(data).indices)
    named = tuple(data.users.ids.take(rows[np.argsort(data.users.order.ranks(rows))]))
    return SideFields((fit_features(data.users, config), fit_features(data.items, config)), named)


def sparse_rows(matrix: sparse.csr_matrix) -> SparseRows:
    """A matrix laid out for the network."""
    coo = matrix.tocoo()
    return SparseRows(Pattern.of(coo.row, coo.col, matrix.shape), matrix.data.astype(np.float32))
