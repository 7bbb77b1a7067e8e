"""Compute some nodes of a generation from scratch and compare: does what is kept say what the graph says?"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from engine.embedding.bounds import ACCOUNT
from engine.embedding.new_items import embed_new
from engine.errors import NotReadyError
from engine.files import open_folder
from engine.models.pinsage.embed import walked
from engine.models.pinsage.inputs import take_content
from engine.refresh.advance import Network
from engine.refresh.content import content_of
from engine.refresh.state import State
from engine.serving.view import View
from engine.types import IndexArray, Neighbourhoods

TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Verified:
    """What a comparison found.

    Attributes:
        items: how many were computed from scratch.
        neighbourhoods: how many of them have another neighbourhood than the generation says, or other weights.
        embeddings: how many are further off than `TOLERANCE` and their account allow; `largest` is the largest distance.
        what: they are.
    """

    generation: str
    items: int
    neighbourhoods: int
    embeddings: int
    largest: float
    what: str = "items"

    @property
    def holds(self) -> bool:
        """Whether all is as it should be."""
        return self.neighbourhoods == 0 and self.embeddings == 0

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps({**asdict(self), "holds": self.holds})

    def __str__(self) -> str:
        if self.holds:
            return (
                f"{self.generation}: {self.items:,} {self.what} computed from scratch are the same (largest distance"
                f" {self.largest:.1e})"
            )
        return (
            f"{self.generation} is wrong: of {self.items:,} {self.what} computed from scratch {self.neighbourhoods:,} have other"
            f" neighbours and {self.embeddings:,} are off by up to {self.largest:.3g}"
        )


@torch.no_grad()
def verify(view: View, network: Network, items: int, seed: int) -> Verified:
    """Compare some items, drawn evenly; also the checksums of all that the generation keeps.

    Raises:
        NotReadyError: the generation keeps no state.
        CorruptFileError: a file is missing or altered.
    """
    open_folder(view.folder, what="generation")
    state = State.open(view.folder)
    if state is None:
        raise NotReadyError(
            f"generation {view.origin.generation} keeps nothing to compare with",
            hint="`engine build` makes one that does.",
        )
    model, graph, kept = network.model, view.graph, state.kept(state.rows)
    alive = np.flatnonzero(view.items.alive)
    chosen = np.random.default_rng(seed).choice(alive, min(items, len(alive)), replace=False)
    rows: IndexArray = np.sort(chosen).astype(np.int32)

    def inputs(asked: IndexArray) -> Tensor:
        content = content_of(network.encoder, view.snapshot, graph, asked)
        return model.inputs(take_content(content, np.arange(len(asked))))

    def around(asked: IndexArray) -> Neighbourhoods:
        return walked(graph, asked, model.config, threads=network.threads)

    found = walked(graph, rows, model.config, threads=network.threads)
    exact = embed_new(model, inputs(rows), found, inputs, around)
    off = np.linalg.norm(exact.astype(np.float64) - view.vectors[rows], axis=1)
    other = (found.idx != kept.idx[rows]).any(axis=1) | (found.weight != kept.weight[rows]).any(axis=1)
    wrong = off > kept.accounts[rows, ACCOUNT] + TOLERANCE
    return Verified(view.origin.generation, len(rows), int(other.sum()), int(wrong.sum()), float(off.max(initial=0)))
