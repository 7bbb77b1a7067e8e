"""Steps of an epoch of DGSR's training, beside the same network as it is usually written in PyG; and sub-graphs a second.

    python -m tests.benchmarks.bench_dgsr [--data DIR --steps 20 --threads 2]

The peer makes a sub-graph of each target in Python and collates them, as the authors' code does: nodes once a sub-graph, their
vectors multiplied once a node, both ends of each edge gathered, PyG's softmax, and sums scattered. DIR is a data set folder with
times, such as sasrec-games converted; without it a graph of the size of its training part is drawn. All steps of an epoch have as
many targets, so the first ones tell what it takes; 0 steps time it whole. The bars: at least 2 x faster, sub-graphs of at least
5,000 targets/s.
"""

from __future__ import annotations

import math
import resource
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.data import Batch, HeteroData
from torch_geometric.utils import scatter, softmax

from engine.models.dgsr.config import DgsrSettings
from engine.models.dgsr.graph import placed_graph
from engine.models.dgsr.model import ITEMS, USERS, Dgsr, Update
from engine.models.dgsr.task import DgsrTask
from engine.training.loop import train
from tests.benchmarks.beside import KEPT, FirstSteps, asked_for, beside, epoch
from tests.benchmarks.drawn_users import drawn, stored

OWN, OTHERS = ("item", "of", "target"), ("user", "of", "item")


class Ours(FirstSteps, DgsrTask):
    """The training, a few steps long, and which edges each predicts."""

    def edges_of(self, step: int) -> np.ndarray:
        """The edges that a step predicts, int64 `[B]`."""
        size = self.settings.training.batch_size
        drawn = np.random.default_rng([self.settings.loop.seed, 0, 1]).permutation(len(self.targets))
        return self.targets[drawn[step * size : (step + 1) * size]]


class Usual(Ours):
    """The same steps as they are usually written; two hops."""

    def batch(self, step: int) -> HeteroData:
        return Batch.from_data_list([self.sub_graph(edge) for edge in self.edges_of(step)])

    def sub_graph(self, edge: int) -> HeteroData:
        """The last items of the target's user, and the last users of each item but that one, all before the target."""
        graph, network = self.graph, self.settings.network
        own, others = graph.timed.items_of, graph.timed.users_of
        place = int(self.place[edge])
        items, row = np.unique(own.indices[max(edge - network.length, edge - place) : edge], return_inverse=True)
        found, to, age = [], [], []
        for number, item in enumerate(items):
            first, stop = others.indptr[item], others.indptr[item + 1]
            stop = first + np.searchsorted(others.time[first:stop], own.time[edge])
            near = others.indices[max(first, stop - network.users) : stop]
            found.append(near[near != self.user[edge]])
            to.append(np.full(len(found[-1]), number))
            age.append(np.arange(len(found[-1]))[::-1])
        users, source = np.unique(np.concatenate(found), return_inverse=True)
        made = HeteroData()
        for name, rows in ("item", graph.item_row[items]), ("user", graph.user_row[users]):
            made[name].row, made[name].num_nodes = torch.from_numpy(rows), len(rows)
        made["target"].num_nodes = 1
        made[OWN].edge_index = torch.from_numpy(np.stack([row, np.zeros_like(row)]))
        made[OWN].age = torch.arange(len(row) - 1, -1, -1)
        made[OTHERS].edge_index = torch.from_numpy(np.stack([source, np.concatenate(to)]))
        made[OTHERS].age = torch.from_numpy(np.concatenate(age))
        made["target"].answer = torch.from_numpy(graph.item_row[own.indices[[edge]]])
        return made

    def loss(self, batch: HeteroData) -> Tensor:
        model, share = self.model, self.settings.network.dropout
        user = F.dropout(F.embedding(batch["user"].row, model.users), share, model.training)
        item = F.dropout(F.embedding(batch["item"].row, model.items), share, model.training)
        target = item.new_zeros(batch["target"].num_nodes, item.shape[1])
        first, second = model.layers
        items = updated(first[ITEMS], item, user, *edges(batch, OTHERS))
        source, to, age = edges(batch, OWN)
        last = source[age == 0]  # every target has one
        once = updated(first[USERS], target, item, source, to, age)
        twice = updated(second[USERS], once, items, source, to, age)
        expected = F.normalize(model.project(torch.cat([item[last], once, items[last], twice], dim=1)), dim=1)
        logits = expected @ F.normalize(model.items, dim=1).T / self.settings.network.temperature
        return F.cross_entropy(logits, batch["target"].answer)


def edges(batch: HeteroData, kind: tuple[str, str, str]) -> tuple[Tensor, Tensor, Tensor]:
    """Where edges come from, where they lead, and how many of the receiver's are newer."""
    source, to = batch[kind].edge_index
    return source, to, batch[kind].age


def updated(update: Update, itself: Tensor, neighbours: Tensor, source: Tensor, to: Tensor, age: Tensor) -> Tensor:
    """`Update` over gathered ends, with its weights."""
    count, scale = len(itself), itself.shape[1] ** -0.5
    told, others = update.told(neighbours)[source], update.others(neighbours)[source]
    logit = itself.new_zeros(len(to))
    if update.asks:
        logit = (update.asked(itself)[to] * (told + update.key_order[age])).sum(1) * scale
    share = softmax(logit, to, num_nodes=count)
    long = scatter(share[:, None] * (told + update.value_order[age]), to, dim_size=count, reduce="sum")
    newest = age == 0
    asked = torch.zeros_like(itself).index_copy(0, to[newest], update.newest(neighbours[source[newest]]))
    share = softmax((asked[to] * others).sum(1) * scale, to, num_nodes=count)
    short = scatter(share[:, None] * neighbours[source], to, dim_size=count, reduce="sum")
    return itself + torch.tanh(update.joined(torch.cat([long, short, itself], dim=1)))


def main() -> None:
    """Print s a step of both and of their networks alone, targets/s of both samplers, and the memory of ours."""
    given = asked_for(__doc__)
    data = drawn(31_013, 23_715, 225_000) if given.data is None else stored(given.data)
    settings = DgsrSettings.from_flat({"epochs": 1})
    graph = placed_graph(data, data.train, *(np.arange(count) for count in (data.num_users, data.num_items)))

    def task(kind: type[Ours]) -> Ours:
        torch.manual_seed(0)
        model = Dgsr(settings.network, data.num_users, data.num_items)
        found = kind(model, graph, data.users.order, None, settings)
        found.steps = given.steps
        return found

    def whole(kind: type[Ours]) -> float:
        return train(task(kind), settings.loop).losses[-1]

    size = settings.training.batch_size
    print(f"{data.num_users:,} users, {data.num_items:,} items, {len(data.train):,} edges, {size} targets a step")
    whole(Ours)  # compiles
    print(f"peak memory after training: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    both = task(Ours), task(Usual)
    batches = [[one.batch(step) for step in range(given.steps or KEPT)] for one in both]
    for one in both:
        one.model.eval()
    with torch.no_grad():
        losses = both[0].loss(replace(batches[0][0], seed=None)), both[1].loss(batches[1][0])
    print(f"first loss without dropout: ours {losses[0]:.6f}, usual {losses[1]:.6f}")
    steps = both[0].steps_an_epoch
    epoch(beside("a step", lambda: whole(Ours), lambda: whole(Usual), per=steps), both[0].all_steps)

    def network(side: int) -> float:
        one = both[side]
        one.model.train()
        for batch in batches[side]:
            one.model.zero_grad()
            loss = one.loss(batch)
            loss.backward()
        return loss.item()

    def sampling(side: int) -> float:
        for step in range(steps):
            both[side].batch(step)
        return math.nan

    beside("a step of the networks alone", lambda: network(0), lambda: network(1), len(batches[0]), None)
    took = beside("a target of sampling", lambda: sampling(0), lambda: sampling(1), per=steps * size, bar=None)
    print(f"sub-graphs: {1 / took.busy:,.0f} targets/s by processor time (bar: 5,000)")


if __name__ == "__main__":
    main()
