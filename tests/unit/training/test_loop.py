"""The loop stops early, resumes bit for bit, survives Ctrl-C and names what went wrong."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.errors import ConfigError, CorruptFileError, TrainingError
from engine.training.checkpoint import Checkpoints
from engine.training.config import LoopConfig
from engine.training.loop import train
from engine.training.prefetch import prefetched

STEPS = 5


class LineTask:
    """Fit a line to noisy points; `figures` are the validation answers, and `spoil` is a batch whose loss is NaN."""

    def __init__(self, figures: list[float] | None = None, spoil: int = -1, interrupt: int = -1) -> None:
        torch.manual_seed(0)
        self.line, self.figures, self.spoil, self.interrupt = nn.Linear(2, 1), figures, spoil, interrupt
        self.validated = 0

    @property
    def module(self) -> nn.Module:
        return self.line

    @property
    def steps_an_epoch(self) -> int:
        return STEPS

    def batch(self, step: int) -> tuple[int, Tensor]:
        return step, torch.randn(8, 2, generator=torch.Generator().manual_seed(step))

    def loss(self, batch: tuple[int, Tensor]) -> Tensor:
        step, points = batch
        if step == self.interrupt:
            signal.raise_signal(signal.SIGINT)
        noise = torch.randn(())  # from the global stream, which a resumed run must restore
        out = (self.line(points).squeeze(1) - points.sum(dim=1)).square().mean() + 0 * noise
        return out * float("nan") if step == self.spoil else out + noise * self.line.bias.sum() * 0.01

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.line.parameters())}]

    def validate(self) -> float | None:
        self.validated += 1
        return None if self.figures is None else self.figures[self.validated - 1]


def weights(task: LineTask) -> list[float]:
    return [float(v) for p in task.line.parameters() for v in p.detach().flatten()]


CONFIG = LoopConfig(epochs=4, learning_rate=0.05, patience=4)


@pytest.mark.parametrize("at", [0, 7, 9, 10])
def test_an_interrupted_run_resumed_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path, at: int) -> None:
    whole = LineTask()
    expected = train(whole, CONFIG)
    with pytest.raises(KeyboardInterrupt):
        train(LineTask(interrupt=at), CONFIG, Checkpoints(tmp_path / "c", "run"))
    torch.manual_seed(12345)
    resumed = LineTask()
    found = train(resumed, CONFIG, Checkpoints(tmp_path / "c", "run"))
    assert weights(resumed) == weights(whole)
    assert found.losses == expected.losses


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    first, second = LineTask(), LineTask(spoil=0)
    train(first, CONFIG, Checkpoints(tmp_path, "run"))
    train(second, CONFIG, Checkpoints(tmp_path, "run"))
    assert weights(second) == weights(first)
    assert len(list(tmp_path.glob("step-*"))) == 2


def test_it_stops_early_and_keeps_the_best_weights() -> None:
    task = LineTask([0.1, 0.9, 0.5, 0.4, 0.99])
    done = train(task, LoopConfig(epochs=5, learning_rate=0.05, patience=2))
    short = LineTask([0.1, 0.9])
    train(short, LoopConfig(epochs=2, learning_rate=0.05, patience=2))
    assert (len(done.losses), done.best_epoch) == (4, 2)
    assert weights(task) == weights(short)


def test_short_epochs_are_validated_and_kept_now_and_then_and_after_the_last(tmp_path: Path) -> None:
    task = LineTask([0.1, 0.9, 0.5])
    config = LoopConfig(epochs=8, learning_rate=0.05, patience=8, check_every=3)
    done = train(task, config, Checkpoints(tmp_path, "run"))
    assert (done.validation, done.best_epoch, len(done.losses)) == ([0.1, 0.9, 0.5], 6, 8)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000030", "step-000000040"]
    short = LineTask([0.1, 0.9])
    train(short, LoopConfig(epochs=6, learning_rate=0.05, check_every=3))
    assert weights(task) == weights(short)


def test_what_is_kept_is_an_average_of_the_weights_over_the_steps() -> None:
    class Recorded(LineTask):
        def loss(self, batch: tuple[int, Tensor]) -> Tensor:
            seen.append(weights(self))
            return super().loss(batch)

    def run(average: float) -> list[float]:
        task = Recorded()
        seen[:] = []
        train(task, LoopConfig(epochs=2, learning_rate=0.05, average=average))
        return weights(task)

    seen: list[list[float]] = []
    last = run(0.0)
    path = [*seen, last]
    assert last != path[-2]
    wanted = path[0]
    for step, here in enumerate(path[1:], start=1):
        stays = min(0.6, step / (step + 10))
        wanted = [stays * old + (1 - stays) * new for old, new in zip(wanted, here, strict=True)]
    assert run(0.6) == pytest.approx(wanted, rel=1e-4)


def test_a_loss_that_is_not_finite_names_epoch_and_batch() -> None:
    with pytest.raises(TrainingError, match="epoch 2, batch 3"):
        train(LineTask(spoil=STEPS + 2), CONFIG)


def test_damaged_and_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    train(LineTask(), CONFIG, Checkpoints(tmp_path, "run"))
    with pytest.raises(CorruptFileError, match="other settings or data"):
        train(LineTask(), CONFIG, Checkpoints(tmp_path, "another"))
    state = max(tmp_path.glob("step-*")) / "state.pt"
    state.write_bytes(state.read_bytes()[:-50])
    with pytest.raises(CorruptFileError, match=r"state\.pt"):
        train(LineTask(), CONFIG, Checkpoints(tmp_path, "run"))


def test_the_rate_warms_up_over_an_epoch_and_then_decays() -> None:
    config = LoopConfig(decay=0.5)
    assert [config.rate(step, 4) for step in (0, 3)] == [0.25, 1.0]
    assert config.rate(7, 4) == 0.5
    assert config.rate(11, 4) == 0.25


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"check_every": 0}, {"decay": 1.5}, {"learning_rate": -1.0}, {"seed": -1}, {"average": 1.0}],
)
def test_wrong_loop_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LoopConfig(**wrong)


def test_batches_come_in_order_and_are_made_ahead_in_another_thread() -> None:
    made: list[tuple[int, bool]] = []

    def make(number: int) -> int:
        made.append((number, threading.current_thread() is threading.main_thread()))
        return number

    with prefetched(make, 3, 8, 2) as batches:
        assert next(batches) == 3
        deadline = time.monotonic() + 10
        while len(made) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(made) >= 2
        assert list(batches) == [4, 5, 6, 7]
    assert not any(main for _, main in made)


def test_a_failure_while_preparing_a_batch_comes_out_at_that_batch() -> None:
    def make(number: int) -> int:
        if number == 1:
            raise TrainingError("no such batch")
        return number

    with prefetched(make, 0, 3, 2) as batches:
        assert next(batches) == 0
        with pytest.raises(TrainingError, match="no such batch"):
            next(batches)
