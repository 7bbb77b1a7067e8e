"""An epoch of GC-MC, full batch, beside the same network with its sparse sums written in three usual ways.

    python -m tests.benchmarks.bench_gcmc [--data DIR --epochs 30 --threads 2]

DIR is a data set folder with ratings, such as ml-100k converted; without it ratings of that size are drawn. The bars: within
1.5 x of the fastest of the three, and at most 2 GiB of memory.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.datasets.folder import DatasetFolder
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_columns import node_table
from engine.models.gcmc.config import GcmcSettings
from engine.models.gcmc.graph import rating_graph
from engine.models.gcmc.model import Gcmc, Sizes
from engine.models.gcmc.predictor import GcmcPredictor
from engine.models.gcmc.sparse import Pattern
from engine.models.gcmc.task import GcmcTask
from engine.models.user_item import UserItemData, UserItemEdges
from engine.training.loop import train
from engine.types import FloatArray


def drawn_ratings(users: int = 943, items: int = 1_682, ratings: int = 80_000, seed: int = 0) -> UserItemData:
    """Ratings 1 to 5; users and items drawn by rank^-0.5 and rank^-0.8, each pair once."""
    rng = np.random.default_rng(seed)
    mass = np.outer(np.arange(1, users + 1) ** -0.5, np.arange(1, items + 1) ** -0.8).ravel()
    chosen = np.argsort(rng.random(users * items) ** (1 / mass))[-ratings:]
    edges = UserItemEdges(
        (chosen // items).astype(np.int32),
        (chosen % items).astype(np.int32),
        rng.integers(1, 6, ratings).astype(np.float32),
    )
    tables = [
        node_table([f"{what}{number}" for number in range(count)])[0] for what, count in (("u", users), ("i", items))
    ]
    return UserItemData(edges, tables[0], tables[1], levels=(1.0, 2.0, 3.0, 4.0, 5.0))


def stored_ratings(folder: Path) -> UserItemData:
    """All ratings of a data set."""
    snapshot = Snapshot.from_dataset(DatasetFolder.open(folder))
    found = snapshot.relations.interactions.forward
    user = np.repeat(np.arange(found.num_rows), found.degrees()).astype(np.int32)
    if found.value is None:
        raise SystemExit(f"error: {folder} has no ratings")
    levels = tuple(np.unique(found.value).tolist())
    return UserItemData(UserItemEdges(user, found.indices, found.value), snapshot.users, snapshot.items, levels=levels)


class OneMatrix(torch.autograd.Function):
    """A CSR matrix by a dense one in torch, with the transposed matrix laid out beforehand."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, pattern: Pattern, weight: FloatArray) -> Tensor:
        ctx.pattern, ctx.weight = pattern, weight
        shape = (len(pattern.indptr) - 1, len(pattern.turned_indptr) - 1)
        return csr(pattern.indptr, pattern.indices, weight, shape) @ table

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        pattern = ctx.pattern
        shape = (len(pattern.turned_indptr) - 1, len(pattern.indptr) - 1)
        turned = csr(pattern.turned_indptr, pattern.turned_indices, ctx.weight[pattern.turned], shape)
        return turned @ grads[0].contiguous(), None, None


def csr(indptr: Any, indices: Any, weight: FloatArray, shape: tuple[int, int]) -> Tensor:
    parts = (torch.from_numpy(indptr), torch.from_numpy(indices.astype(np.int64)), torch.from_numpy(weight))
    return torch.sparse_csr_tensor(*parts, size=shape)


class Usual(Gcmc):
    """The network with the decoder as it is usually written: rows of both ends gathered, multiplied and added up."""

    def logits(self, pattern: Pattern, users: Tensor, items: Tensor) -> Tensor:
        user = torch.from_numpy(np.repeat(np.arange(len(pattern.indptr) - 1), np.diff(pattern.indptr)))
        ends = items[torch.from_numpy(pattern.indices.astype(np.int64))]
        dots = torch.stack([(own[user] * ends).sum(dim=1) for own in self.forms_of(users)])
        return self.mix.T @ dots


class Stacked(Usual):
    """One stacked CSR matrix."""

    def receive(self, pattern: Pattern, weight: FloatArray) -> Tensor:
        return OneMatrix.apply(self.table, pattern, weight).relu().view(-1, self.hidden)


class ByLevel(Usual):
    """A CSR matrix for each level."""

    def receive(self, pattern: Pattern, weight: FloatArray) -> Tensor:
        levels, nodes = self.sizes.levels, sum(self.sizes.nodes)
        if not hasattr(self, "_of"):
            rows = np.repeat(np.arange(len(pattern.indptr) - 1), np.diff(pattern.indptr))
            own = [np.flatnonzero(rows % levels == level) for level in range(levels)]
            self._of = [(at, Pattern.of(rows[at] // levels, pattern.indices[at] % nodes, (nodes, nodes))) for at in own]
        tables = self.table.view(levels, nodes, -1)
        parts = [OneMatrix.apply(tables[level], own, weight[at]) for level, (at, own) in enumerate(self._of)]
        return torch.cat(parts, dim=1).relu()


class Scattered(Usual):
    """Messages gathered, weighted and added at their receivers, as PyG's scatter does it."""

    def receive(self, pattern: Pattern, weight: FloatArray) -> Tensor:
        if not hasattr(self, "_ends"):
            rows = np.repeat(np.arange(len(pattern.indptr) - 1), np.diff(pattern.indptr))
            self._ends = torch.from_numpy(rows), torch.from_numpy(pattern.indices.astype(np.int64))
        to, source = self._ends
        sent = self.table[source] * torch.from_numpy(weight)[:, None]
        out = torch.zeros(len(pattern.indptr) - 1, self.table.shape[1]).index_add(0, to, sent)
        return out.relu().view(-1, self.hidden)


def main() -> None:
    """Print ms an epoch of each, the ratio to the fastest peer, and the memory of a process that trained ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", message="Sparse")
    torch.set_num_threads(given.threads)
    data = drawn_ratings() if given.data is None else stored_ratings(given.data)
    settings = GcmcSettings.from_flat({"features": False, "epochs": given.epochs})
    graph = rating_graph(data, data.train)
    sizes = Sizes((graph.num_users, graph.num_items), graph.num_levels)
    print(f"{len(graph):,} ratings of {graph.num_users:,} users for {graph.num_items:,} items, {given.threads} threads")

    fitted = GcmcPredictor(settings)
    fitted.fit(data)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    def trained(kind: type[Gcmc]) -> Callable[[], float]:
        def run() -> float:
            torch.manual_seed(0)
            return train(GcmcTask(kind(settings.network, sizes), graph, None, settings), settings.loop).losses[-1]

        return run

    runs = {
        "ours": trained(Gcmc),
        "one CSR": trained(Stacked),
        "by level": trained(ByLevel),
        "scatter": trained(Scattered),
    }
    clock: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    losses = {}
    for _ in range(3):
        for name, run in runs.items():
            wall, busy = time.perf_counter(), time.process_time()
            losses[name] = run()
            clock[name].append((time.perf_counter() - wall) / given.epochs * 1e3)
            processor[name].append((time.process_time() - busy) / given.epochs * 1e3)
    print(f"losses after {given.epochs} epochs: {', '.join(f'{name} {loss:.4f}' for name, loss in losses.items())}")
    for title, found in (("ms an epoch by the clock", clock), ("by the processor time of all threads", processor)):
        print(title)
        for name, figures in found.items():
            print(f"    {name:9} {', '.join(f'{figure:.1f}' for figure in figures)}")
        ours, *peers = (sorted(figures)[1] for figures in found.values())
        print(f"    ratio of the medians to the fastest peer: {ours / min(peers):.2f} x (bar: at most 1.5)")
    print(f"largest memory after training ours: {memory:.2f} GiB (bar: at most 2)")


if __name__ == "__main__":
    main()
