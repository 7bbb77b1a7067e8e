"""The first 20 items of every user by vectors, without what each has, and an epoch of ALS; beside `implicit` on the same data.

    python -m tests.benchmarks.bench_scoring [--data FOLDER] [--dim 64 --threads 2]

Without a folder, edges are drawn: as many users, items and edges as Gowalla's training split has (29,858 x 40,981, 810,128), popularity ~ rank^-0.7.
The bars: 3 x the users/s of implicit's recommend, and an epoch of ALS no slower. The peer is no dependency: `pip install implicit`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from engine.datasets.folder import DatasetFolder
from engine.evaluation.user_world import UserItemWorld, official_parts
from engine.graph.snapshot import Snapshot
from engine.graph.snapshot_columns import node_table
from engine.models.factors.als import AlsScorer
from engine.models.factors.als_kernel import solve_rows
from engine.models.top_items import TopItems, top_items
from engine.models.user_item import UserItemData, UserItemEdges
from engine.types import FloatArray, IndexArray

USERS, ITEMS, EDGES = 29_858, 40_981, 810_128


def drawn(seed: int = 0) -> UserItemData:
    """A graph of Gowalla's size."""
    rng = np.random.default_rng(seed)
    mass = np.cumsum(np.arange(1, ITEMS + 1) ** -0.7)
    item = np.minimum(np.searchsorted(mass, rng.random(2 * EDGES) * mass[-1]), ITEMS - 1)
    user = rng.integers(0, USERS, 2 * EDGES)
    pairs = rng.permutation(np.unique(user * ITEMS + item))[:EDGES]
    nodes = [node_table([str(number) for number in range(count)])[0] for count in (USERS, ITEMS)]
    return UserItemData(UserItemEdges(*(part.astype(np.int32) for part in np.divmod(pairs, ITEMS))), *nodes)


def read(folder: Path) -> UserItemData:
    """The training edges of a data set's official split."""
    data = DatasetFolder.open(folder)
    world = UserItemWorld.of(Snapshot.from_dataset(data), data.name)
    return UserItemData(official_parts(data, "official", world)["train"], world.users, world.items)


def best(run: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest of some goes, by the processor time of all threads: as on idle cores."""
    found = []
    for _ in range(times):
        started = time.process_time()
        run()
        found.append(time.process_time() - started)
    return min(found)


def main() -> int:
    """Print users/s and seconds an epoch, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--k", type=int, default=20)
    given = parser.parse_args()
    try:
        from implicit.als import AlternatingLeastSquares
    except ImportError:
        print("the peer is not installed: pip install implicit", file=sys.stderr)
        return 0
    data = read(given.data) if given.data else drawn()
    edges = data.seen()
    turned, peers = edges.T.tocsr(), csr_matrix(edges)
    rng = np.random.default_rng(0)
    users, items = (rng.standard_normal((n, given.dim)).astype(np.float32) / 8 for n in edges.shape)
    threads, everyone = given.threads, np.arange(edges.shape[0])
    peer = AlternatingLeastSquares(factors=given.dim, iterations=1, num_threads=threads)
    peer.user_factors, peer.item_factors = users, items

    print(
        f"top {given.k} of {edges.shape[1]:,} items for {len(everyone):,} users, {given.dim} numbers, {threads} threads"
    )
    learned = AlsScorer(dim=given.dim, epochs=5)
    learned.fit(data)
    for what, left, right in (
        ("learned vectors", learned.user_vectors, learned.item_vectors),
        ("drawn vectors, of which all are about as long", users, items),
    ):
        peer.user_factors, peer.item_factors = left, right

        def ours(left: FloatArray = left, right: FloatArray = right) -> TopItems:
            return top_items(left, right, given.k, without=edges, threads=threads)

        def theirs() -> tuple[IndexArray, FloatArray]:
            return peer.recommend(everyone, peers, N=given.k, filter_already_liked_items=True)

        agree = np.mean(ours().items == theirs()[0])
        fast, slow = best(ours), best(theirs)
        print(what)
        print(f"    ours     {len(everyone) * threads / fast:9,.0f} users/s")
        print(
            f"    implicit {len(everyone) * threads / slow:9,.0f} users/s   ratio {slow / fast:.1f} x, {agree:.2%} of places alike"
        )

    ridge = [np.full(len(part), 0.01, np.float32) for part in (users, items)]

    def our_epoch() -> None:
        solve_rows(edges, users, items, ridge[0], 1.0, 3, threads)
        solve_rows(turned, items, users, ridge[1], 1.0, 3, threads)

    doubled, across = csr_matrix(2 * edges), csr_matrix(2 * turned)

    def their_epoch() -> None:
        peer.solver(doubled, users, items, 0.01, num_threads=threads)
        peer.solver(across, items, users, 0.01, num_threads=threads)

    our_epoch()
    their_epoch()
    fast, slow = best(our_epoch), best(their_epoch)
    print(f"an epoch of ALS, 3 steps of conjugate gradients a row, {given.dim} numbers, {threads} threads")
    print(f"    ours     {fast / threads:6.2f} s\n    implicit {slow / threads:6.2f} s   ratio {slow / fast:.2f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
