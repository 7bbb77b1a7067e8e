"""What DiffNet++ attended to in its last layer: a user's friends and items, and who has an item. Knows no training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.models.attention.lists import Ints, Lists
from engine.models.attention.node import Attention
from engine.models.attention.weighed import Role, Weighed
from engine.models.diffnet.answers import Known
from engine.models.diffnet.model import Diffusion
from engine.types import IndexArray


@torch.no_grad()
def attention(last: Diffusion, known: Known, users: IndexArray, items: IndexArray) -> list[Weighed]:
    """The weights of the interest, influence and adoption attention (Wu et al., TKDE'20, section 4.2).

    Args:
        last: layer.
        users, items: rows of the data.
    """
    read = known.diffusing.reading("users", users, known.before)
    own, block = read.states.of(read.block.nodes), read.block
    found = [
        _weighed(
            "interest attention",
            "items",
            last.interest,
            own.users,
            read.states.items,
            block.interests,
            read.rows["items"],
        )
    ]
    if last.social:
        found.append(
            _weighed(
                "influence attention",
                "friends",
                last.influence,
                own.users,
                read.states.users,
                block.friends,
                read.rows["users"],
            )
        )
    if len(items):
        read = known.diffusing.reading("items", items, known.before)
        own, block = read.states.of(read.block.nodes), read.block
        found.append(
            _weighed(
                "adoption attention",
                "raters",
                last.adoption,
                own.items,
                read.states.users,
                block.adopters,
                read.rows["users"],
            )
        )
    return found


def _weighed(part: str, role: Role, by: Attention, own: Tensor, table: Tensor, lists: Lists, rows: Ints) -> Weighed:
    return Weighed(part, role, 1, lists.indptr, rows[lists.at].astype(np.int32), by.weights(own, table, lists))
