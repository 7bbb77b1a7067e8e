"""What DGSR attended to for some users: their items, and who else has those. Knows no server."""

from __future__ import annotations

import numpy as np
import torch

from engine.models.attention.weighed import Weighed
from engine.models.dgsr.graph import PlacedGraph
from engine.models.dgsr.model import ITEMS, Dgsr
from engine.sampling.histories import histories
from engine.types import FloatArray, IndexArray, TimeArray


def attention(model: Dgsr, graph: PlacedGraph, users: IndexArray, before: TimeArray) -> list[Weighed]:
    """The weights that the last layer gave a user's items, those that the layer before gave the users of each, and so on.

    The newest item counts for more than its weight: its states also stand beside the user's own.

    Args:
        before: int64 `[B]` epoch ms: of the users' own edges those up to it are read, of others what was before.
    """
    place = graph.known(users, before)
    shares: dict[tuple[int, int, str], FloatArray] = {}

    def watch(layer: int, hop: int, name: str, share: FloatArray) -> None:
        shares[layer, hop, name] = share

    with torch.no_grad():
        model(graph.histories(users, place, before, model.config), watch=watch)
    found, ways = [], dict[str, FloatArray]()
    read = histories(graph.timed, users, place, before, model.config.most)
    names = dict.fromkeys(name for *_, name in shares)
    for number, hop in enumerate(read, start=1):
        for name in names:
            share = shares.get((model.config.hops - number + 1, number, name))
            weight = np.zeros(0, np.float32) if share is None else share
            kind = "items" if number % 2 == ITEMS else "users"
            found.append(
                Weighed(
                    part=f"{name} attention to {kind}",
                    role="items" if number == 1 else "takers",
                    hop=number,
                    indptr=hop.indptr,
                    rows=hop.nodes,
                    weight=weight,
                    way=ways.get(name),
                )
            )
            way = ways.get(name)
            ways[name] = weight if way is None else weight * np.repeat(way, np.diff(hop.indptr)).astype(np.float32)
        if number == 2:
            break  # what is further away than the users of one's items has no name of its own
    return found
