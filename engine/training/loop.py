"""The training loop that every model shares. Knows no model: a `Task` brings the network, its batches and its loss.

Batches are a pure function of their number, so the position in the data is that number alone, and a resumed run repeats an
uninterrupted one bit for bit on the same machine with the same number of torch's threads.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from engine.errors import TrainingError
from engine.progress import progress
from engine.training.checkpoint import Checkpoints
from engine.training.config import LoopConfig
from engine.training.memory import keep_freed_memory
from engine.training.prefetch import prefetched

log = logging.getLogger("engine.training")
ALIKE = 0.005
"""Validation figures that differ by less than this share count as one: the later epoch, at the lower rate, is kept."""
B = TypeVar("B")


class Task(Protocol[B]):
    """What a model brings to the loop."""

    @property
    def module(self) -> nn.Module: ...

    @property
    def steps_an_epoch(self) -> int: ...

    def batch(self, step: int) -> B:
        """Prepare the batch with this number, counted from 0 over all epochs. Runs in a background thread."""
        ...

    def loss(self, batch: B) -> Tensor:
        """The scalar to minimise."""
        ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """AdamW's parameter groups; `share` in a group multiplies the learning rate."""
        ...

    def validate(self) -> float | None:
        """The figure to stop early on, higher is better; None when there is nothing to validate on."""
        ...


@dataclass(slots=True)
class Progress:
    """How far a run is, JSON-able.

    Attributes:
        step: batches trained.
        losses: mean loss of each finished epoch.
        validation: figure after each epoch that was looked at, empty without validation.
        best_epoch: the last epoch whose figure was the best, or as good.
        loss_sum: of the batches of the epoch under way.
        seconds: spent training so far.
        done: nothing is left to train.
        again: mean loss of each epoch of a second training, on what validation held back from the first.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_epoch: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    done: bool = False
    again: list[float] = field(default_factory=list)

    def then(self, second: Progress) -> Progress:
        """This run, which chose the epochs, and then one on all that there is."""
        return replace(self, seconds=self.seconds + second.seconds, again=second.losses)

    def told(self) -> dict[str, Any]:
        """What a report says of it: epochs run, the best of them, seconds of all, and the curves."""
        found: dict[str, Any] = {"epochs": len(self.losses), "seconds": self.seconds, "losses": list(self.losses)}
        if self.validation:
            found |= {"best_epoch": self.best_epoch, "validation": list(self.validation)}
        if self.again:
            found["again"] = list(self.again)
        return found


def train(task: Task[B], config: LoopConfig, checkpoints: Checkpoints | None = None) -> Progress:
    """Train until the epochs are over or validation has been clearly below its best for `patience` epochs; keep good weights.

    A checkpoint is written with each validation, every `check_every` epochs and after the last, and on Ctrl-C after the
    batch under way; a later call with the same checkpoints goes on from there.

    Returns:
        What was done; the task's module holds the best averaged weights, in evaluation mode.

    Raises:
        TrainingError: the network is not of float32 on the CPU; the loss is not finite, naming epoch and batch.
        CorruptFileError: the newest checkpoint is damaged or of another run.
        KeyboardInterrupt: Ctrl-C, after the checkpoint is written.
    """
    _check_kind(task)
    run = _Run(task, config, checkpoints)
    run.resume()
    if not run.progress.done:
        keep_freed_memory()
        with _interrupts() as interrupted:
            run.train(interrupted)
    run.finish()
    return run.progress


def _check_kind(task: Task[Any]) -> None:
    for name, value in task.module.state_dict().items():
        if value.device.type != "cpu" or (value.is_floating_point() and value.dtype != torch.float32):
            raise TrainingError(
                f"{name} is of {value.dtype} on {value.device}: a network is of float32, on the CPU",
                hint="Leave torch's default type and device as they are while the engine works.",
            )


class _Run:
    def __init__(self, task: Task[Any], config: LoopConfig, checkpoints: Checkpoints | None) -> None:
        self.task, self.config, self.checkpoints = task, config, checkpoints
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.average = {name: value.clone() for name, value in task.module.state_dict().items()}
        self.groups = task.parameter_groups()
        self.shares = [group.pop("share", 1.0) for group in self.groups]
        self.optimiser = torch.optim.AdamW(
            self.groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )

    def resume(self) -> None:
        found = self.checkpoints.latest() if self.checkpoints else None
        if found is None:
            return
        state, facts = found
        self.progress = Progress(**facts)
        self.task.module.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.best, self.average = state["best"], state["average"]
        torch.set_rng_state(state["rng"])
        log.info("going on from batch %d", self.progress.step)

    def train(self, interrupted: threading.Event) -> None:
        per_epoch = self.task.steps_an_epoch
        total = per_epoch * self.config.epochs
        with (
            progress("Training", total - self.progress.step) as advance,
            prefetched(self.task.batch, self.progress.step, total, self.config.prefetch) as batches,
        ):
            for batch in batches:
                started = time.perf_counter()
                self.step(batch)
                if self.progress.step % per_epoch == 0:
                    self.end_epoch()
                self.progress.seconds += time.perf_counter() - started
                advance(1)
                if self.at_check() or interrupted.is_set():
                    self.save()
                if interrupted.is_set():
                    raise KeyboardInterrupt
                if self.progress.done:
                    return

    def at_check(self) -> bool:
        """Whether the batch just trained was the last of an epoch that is validated and kept."""
        epoch, within = divmod(self.progress.step, self.task.steps_an_epoch)
        return not within and (epoch % self.config.check_every == 0 or epoch == self.config.epochs)

    def step(self, batch: Any) -> None:
        per_epoch, step = self.task.steps_an_epoch, self.progress.step
        rate = self.config.learning_rate * self.config.rate(step, per_epoch)
        for group, share in zip(self.optimiser.param_groups, self.shares, strict=True):
            group["lr"] = rate * share
        self.task.module.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.task.loss(batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} in epoch {step // per_epoch + 1}, batch {step % per_epoch + 1}",
                hint="Lower the learning rate, or look for extreme values in the features.",
            )
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.progress.step += 1
        self.follow()
        self.progress.loss_sum += value

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average of the weights towards the weights; the first steps count for less."""
        step = self.progress.step
        stays = min(self.config.average, step / (step + 10))
        for name, value in self.task.module.state_dict().items():
            self.average[name].lerp_(value, 1 - stays)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The module with the average for its weights, in evaluation mode."""
        module = self.task.module
        weights = {name: value.clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self.average)
        module.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            module.load_state_dict(weights)

    def end_epoch(self) -> None:
        now = self.progress
        epoch = now.step // self.task.steps_an_epoch
        now.losses.append(now.loss_sum / self.task.steps_an_epoch)
        now.loss_sum = 0.0
        if not self.at_check():
            return
        with self.averaged():
            figure = self.task.validate()
        if figure is None or figure >= max(now.validation, default=-math.inf) * (1 - ALIKE):
            now.best_epoch = epoch
            self.best = {name: value.clone() for name, value in self.average.items()}
        if figure is not None:
            now.validation.append(figure)
        told = "" if figure is None else f", validation {figure:.4f}"
        log.info("epoch %d: loss %.4f%s", epoch, now.losses[-1], told)
        now.done = epoch == self.config.epochs or epoch - now.best_epoch >= self.config.patience

    def save(self) -> None:
        if self.checkpoints is not None:
            state = {
                "model": self.task.module.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "best": self.best,
                "average": self.average,
                "rng": torch.get_rng_state(),
            }
            self.checkpoints.save(self.progress.step, state, asdict(self.progress))

    def finish(self) -> None:
        if self.best:
            self.task.module.load_state_dict(self.best)
        self.task.module.eval()


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that a step is never cut in two; a second Ctrl-C stops at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def once(number: int, frame: Any) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before: Callable[[int, Any], Any] | int | None = signal.signal(signal.SIGINT, once)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
