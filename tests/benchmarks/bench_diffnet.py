"""An epoch of DiffNet++ over the whole graph, beside the same network with its attention as it is usually written in PyG.

    python -m tests.benchmarks.bench_diffnet [--data DIR --epochs 2 --threads 2]

The peer gathers both ends of every edge, joins them for a layer of attention, takes PyG's softmax and scatters the sums. DIR is a
data set folder with follows, such as diffnet-yelp converted; without it a graph of that size is drawn. The bar: at least 2 x faster.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

from engine.datasets.folder import DatasetFolder
from engine.graph.snapshot import Snapshot
from engine.models.attention.lists import Lists
from engine.models.attention.node import Attention
from engine.models.attention.segments import SLOPE
from engine.models.diffnet.config import DiffnetSettings
from engine.models.diffnet.model import Diffnet, Sizes
from engine.models.diffnet.task import DiffnetTask
from engine.models.friends import followed
from engine.models.taught import Places, known_degrees, learned_edges, taught_ids
from engine.models.user_graph import graph_data
from engine.training.loop import train
from tests.benchmarks.beside import asked_for, beside


class Usual(nn.Module):
    """`Attention` over gathered rows; it shares the weights."""

    def __init__(self, ours: Attention) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, own: Tensor, table: Tensor, lists: Lists) -> Tensor:
        to, source = torch.from_numpy(lists.owner), torch.from_numpy(lists.at)
        values = table[source]
        weight = torch.cat([self.ours.of_value.weight, self.ours.of_own.weight], dim=1)
        both = nn.functional.linear(torch.cat([values, own[to]], dim=1), weight, self.ours.of_value.bias)
        logits = self.ours.score(nn.functional.leaky_relu(both, SLOPE))
        share = softmax(logits, to, num_nodes=len(lists))
        summed: Tensor = scatter(share * values, to, dim_size=len(lists), reduce="sum")
        return summed


def drawn(
    users: int = 17_237, items: int = 38_342, edges: int = 190_000, follows: int = 143_765
) -> tuple[csr_array, csr_array]:
    """Edges and follows, drawn by rank^-0.6; each user and each item has at least one."""
    rng = np.random.default_rng(0)

    def ends(count: int, size: int) -> np.ndarray:
        mass = np.arange(1, count + 1) ** -0.6
        return rng.permutation(np.concatenate([np.arange(count), rng.choice(count, size, p=mass / mass.sum())])[:size])

    def matrix(rows: int, columns: int, size: int) -> csr_array:
        found = csr_array((np.ones(size, np.float32), (ends(rows, size), ends(columns, size))), shape=(rows, columns))
        found.sum_duplicates()
        found.data[:] = 1
        return found

    return matrix(users, items, edges), matrix(users, users, follows)


def stored(folder: Path) -> tuple[csr_array, csr_array]:
    """The edges and follows of a data set."""
    data = graph_data(Snapshot.from_dataset(DatasetFolder.open(folder)))
    users, items = (
        taught_ids(nodes, degree) for nodes, degree in zip((data.users, data.items), known_degrees(data), strict=True)
    )
    rows = Places.of(users, data.users).rows
    return learned_edges(data, users, items), followed(data)[rows][:, rows]


def main() -> None:
    """Print s an epoch of both, by the clock and by the processor time of all threads, and the ratio."""
    given = asked_for(__doc__, "epochs", 2)
    edges, follows = drawn() if given.data is None else stored(given.data)
    settings = DiffnetSettings.from_flat({"normalisation": "mean", "layers": 2, "epochs": given.epochs})
    print(f"{edges.nnz:,} edges, {follows.nnz:,} follows, {given.threads} threads")

    def run(usual: bool) -> float:
        torch.manual_seed(0)
        model = Diffnet(settings.network, Sizes(*edges.shape))
        task = DiffnetTask(model, edges, follows, settings)
        if usual:
            for layer in model.layers:
                for name in ("adoption", "interest", "influence"):
                    setattr(layer, name, Usual(getattr(layer, name)))
        return train(task, settings.loop).losses[-1]

    run(False)  # compiles
    beside("an epoch", lambda: run(False), lambda: run(True), per=given.epochs)


if __name__ == "__main__":
    main()
