"""Metrics of a full ranking, 41 k items: the engine's kernel beside NumPy's argpartition and beside ir-measures.

    python -m tests.benchmarks.bench_ranking [--users 2000 --items 41000]

All three are given the same scores and answers, and must agree on NDCG@20. The peers look at the first 20 only; the kernel finds
where every answer stands, ties included, so that other cut-offs need no new run.
"""

from __future__ import annotations

import argparse
import time

import ir_measures
import numpy as np
from numpy.typing import NDArray

from engine.models.user_metrics import user_figures
from engine.models.user_ranking import Asked, Lists, rank_users

K = 20


def by_argpartition(scores: NDArray[np.float32], answers: Lists) -> float:
    """The usual way in NumPy: the first k by argpartition, then a look-up."""
    found = []
    discount = 1 / np.log2(2 + np.arange(K))
    for start in range(0, len(scores), 256):
        block = scores[start : start + 256]
        first = np.argpartition(-block, K, axis=1)[:, :K]
        rows = np.arange(len(block))[:, None]
        first = first[rows, np.argsort(-block[rows, first], axis=1)]
        for row, listed in enumerate(first):
            its = answers.items[answers.indptr[start + row] : answers.indptr[start + row + 1]]
            found.append((np.isin(listed, its) * discount).sum() / discount[: len(its)].sum())
    return float(np.mean(found))


def by_ir_measures(scores: NDArray[np.float32], answers: Lists) -> float:
    """Lists of scored documents, the first k of each user."""
    run = {}
    for user, row in enumerate(scores):
        first = np.argpartition(-row, K)[:K]
        run[str(user)] = {str(item): float(row[item]) for item in first}
    truth = {
        str(user): {str(item): 1 for item in answers.items[answers.indptr[user] : answers.indptr[user + 1]]}
        for user in range(len(scores))
    }
    return float(ir_measures.calc_aggregate([ir_measures.nDCG @ K], truth, run)[ir_measures.nDCG @ K])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--items", type=int, default=41_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(options.users, options.items)).astype(np.float32)
    size = np.minimum(rng.geometric(1 / 7, options.users), 300)
    owner = np.repeat(np.arange(options.users), size)
    answers = Lists.of(owner, rng.integers(0, options.items, size.sum()).astype(np.int32), options.users)
    scores[np.repeat(np.arange(options.users), np.diff(answers.indptr)), answers.items] += 1.5
    users = np.arange(options.users, dtype=np.int32)

    def kernel() -> float:
        ranked, _ = rank_users(lambda some: scores[some], users, Asked(answers), options.items, depth=K)
        return float(user_figures(ranked, K)["ndcg"].mean())

    kernel()
    taken = {}
    for name, way in (
        ("kernel", kernel),
        ("argpartition", lambda: by_argpartition(scores, answers)),
        ("ir-measures", lambda: by_ir_measures(scores, answers)),
    ):
        clock, cpu = time.perf_counter(), time.process_time()
        value = way()
        taken[name] = time.process_time() - cpu
        print(
            f"{name:13} NDCG@{K} {value:.6f}  {options.users / (time.perf_counter() - clock):8,.0f} users/s by the clock, "
            f"{options.users / taken[name]:8,.0f} by processor time"
        )
    for name in ("argpartition", "ir-measures"):
        print(f"against {name}: {taken[name] / taken['kernel']:.1f} x")


if __name__ == "__main__":
    main()
