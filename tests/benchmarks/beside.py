"""The same training by the engine and as it is usually written, timed in turns."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

ROUNDS = 3
KEPT = 20
"""Batches kept for networks alone where an epoch is timed whole."""


class FirstSteps:
    """Before a task among the bases of one of which an epoch is its first steps; the whole one where `steps` is 0."""

    steps = 1

    @property
    def steps_an_epoch(self) -> int:
        return self.steps or self.all_steps

    @property
    def all_steps(self) -> int:
        """Those of the whole epoch."""
        return super().steps_an_epoch


def asked_for(about: str | None, length: str = "steps", default: int = 20) -> argparse.Namespace:
    """The data set, and how many steps (or what `length` names) a run has, by the command line; the threads that it names are set."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", type=Path)
    parser.add_argument(f"--{length}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    return given


@dataclass(frozen=True, slots=True)
class Run:
    """Its last loss, and seconds by the clock and of processor time, of all threads."""

    loss: float
    wall: float
    busy: float

    @staticmethod
    def of(work: Callable[[], float]) -> Run:
        """Time work that ends with a loss."""
        wall, busy = time.perf_counter(), time.process_time()
        loss = work()
        return Run(loss, time.perf_counter() - wall, time.process_time() - busy)


def beside(
    what: str, ours: Callable[[], float], usual: Callable[[], float], per: int = 1, bar: float | None = 2
) -> Run:
    """Print medians of both, the ratios, and the losses that they came to.

    Args:
        what: what a second counts for; per: how many of it a run does.

    Returns:
        What one of them takes the engine.
    """
    pairs = [(Run.of(ours), Run.of(usual)) for _ in range(ROUNDS)]
    print(f"\ns {what}")
    engine, peer = (
        Run(
            side[0].loss,
            *(sorted(getattr(run, clock) / per for run in side)[ROUNDS // 2] for clock in ("wall", "busy")),
        )
        for side in zip(*pairs, strict=True)
    )
    told = "" if bar is None else f" (bar: {bar:g})"
    for name, first, second in (
        ("by the clock", engine.wall, peer.wall),
        ("by the processor time of all threads", engine.busy, peer.busy),
    ):
        print(f"  {name}: ours {first:.4g}, usual {second:.4g}, ratio of the medians {second / first:.2f} x{told}")
    if not math.isnan(engine.loss):
        print(f"  losses: ours {engine.loss:.5f}, usual {peer.loss:.5f}")
    return engine


def epoch(step: Run, steps: int) -> None:
    """Print what an epoch of so many steps takes the engine, where one takes that."""
    wall, busy = step.wall * steps, step.busy * steps
    print(
        f"  an epoch of {steps:,} steps: ours {wall:,.1f} s by the clock, {busy:,.1f} s by the processor time of all threads"
    )
