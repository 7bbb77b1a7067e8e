from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.demo.stages import Stages


class Work:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[str, Any]:
        self.times += 1
        return {"answer": self.times}


def always(result: dict[str, Any]) -> bool:
    return True


def test_a_step_is_done_once_and_remembered_by_a_later_run(tmp_path: Path) -> None:
    work = Work()
    first = Stages(tmp_path / "s.json").run("load", {"seed": 1}, work, holds=always)
    second = Stages(tmp_path / "s.json").run("load", {"seed": 1}, work, holds=always)
    assert (first.kept, second.kept, work.times) == (False, True, 1)
    assert first.result == second.result
    assert first.seconds == second.seconds


def test_other_inputs_or_a_lost_result_do_the_step_again(tmp_path: Path) -> None:
    work, stages = Work(), Stages(tmp_path / "s.json")
    stages.run("load", {"seed": 1}, work, holds=always)
    stages.run("load", {"seed": 2}, work, holds=always)
    assert work.times == 2
    stages.run("load", {"seed": 2}, work, holds=lambda result: False)
    assert work.times == 3


def test_an_interrupted_step_runs_again_and_the_steps_before_it_are_kept(tmp_path: Path) -> None:
    path, before = tmp_path / "s.json", Work()
    Stages(path).run("world", {}, before, holds=always)

    def interrupted() -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stages(path).run("load", {}, interrupted, holds=always)
    again = Work()
    stages = Stages(path)
    assert stages.run("world", {}, before, holds=always).kept
    assert not stages.run("load", {}, again, holds=always).kept
    assert (before.times, again.times) == (1, 1)


def test_a_damaged_memory_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("{half")
    assert not Stages(tmp_path / "s.json").run("load", {}, Work(), holds=always).kept
