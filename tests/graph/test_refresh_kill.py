"""A refresh that is killed at any moment leaves the old generation serving, loses no change and counts none twice."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import refresh_victim
from refresh_victim import STEPS
from refresh_world import ROUNDING, differences, fill, publish_untrained

from engine import Engine
from engine.graph.connection import Graph
from engine.registry import REFRESHING, Job, Outcome
from engine.settings import Settings

pytestmark = pytest.mark.graph
QUICK = ("after collect_changes", "after apply_changes", "before ready", "before publish", "after publish")
MOMENTS = 16


@pytest.fixture
def engine(settings: Settings, graph: Graph) -> Iterator[Engine]:
    del graph  # it empties the database
    with Engine(settings, threads=1) as opened:
        fill(opened)
        publish_untrained(opened)
        yield opened


@pytest.fixture
def victim(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    password = settings.graph.password.get_secret_value()
    command = [
        sys.executable,
        str(Path(refresh_victim.__file__)),
        str(settings.home),
        str(settings.graph.uri),
        password,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def strike(engine: Engine, victim: subprocess.Popen[str], number: int, how: str) -> str:
    """Change the graph, let a refresh be killed, and look at what serves."""
    engine.add_items([{"item_id": f"n{number}", "tags": ["t1"]}])
    engine.add_saves([{"context_id": f"b{number % 9}", "item_id": item} for item in (f"n{number}", f"p{number % 30}")])
    engine.remove_saves([{"context_id": "b0", "item_id": row} for row in (f"p{number}", f"p{number + 1}")])
    served = engine.registry.generations.serving()
    victim.stdin.write(how + "\n")
    victim.stdin.flush()
    told = victim.stdout.readline().strip()
    now = engine.registry.generations.serving()
    if now.id != served.id:  # it was killed after it had published
        assert now.parent == served.id
    engine.opened.live.look_again()
    assert engine.related("p1", k=3, method="pinsage").generation == now.id
    lease = engine.registry.leases.get(REFRESHING)
    if lease is not None and lease.holder is not None:  # what its process would have done on its way out
        engine.registry.leases.release(lease)
    return told


def finish(engine: Engine) -> None:
    """The next refresh makes up for all of it, and nothing of the dead is left."""
    engine.refresh()
    assert differences(engine) < ROUNDING
    home = engine.settings.home
    assert engine.refresh().generation is None
    known = {one.id for one in engine.registry.generations.list() if one.state == "published"}
    assert {path.name for path in (home / "generations").iterdir() if not path.name.endswith(".work.tmp")} == known
    needed = {one.snapshot_path.name for one in engine.registry.generations.list() if one.id in known}
    left = {path.name for path in (home / "snapshots").iterdir()}  # `differences` exports one of its own
    assert {name for name in left if "refresh" in name} == {name for name in needed if "refresh" in name}
    assert not [run for run in engine.registry.runs.list(Job.REFRESH) if run.outcome == Outcome.RUNNING]


def test_a_refresh_killed_at_a_step_boundary_is_made_up_for_by_the_next(engine, victim):
    for number, step in enumerate(QUICK):
        assert strike(engine, victim, number, f"step {step}") == "killed"
    finish(engine)


@pytest.mark.slow
def test_a_refresh_killed_at_every_step_boundary_and_at_random_moments_is_made_up_for(engine, victim):
    rounds = [f"step {step}" for step in STEPS] + [
        f"after {random.Random(n).uniform(0.05, 2.0):.3f}" for n in range(MOMENTS)
    ]
    assert len(rounds) >= 30
    random.Random(1).shuffle(rounds)
    told = [strike(engine, victim, number, how) for number, how in enumerate(rounds)]
    assert told.count("killed") >= len(STEPS)
    assert set(told) <= {"killed", "exit 0"}
    finish(engine)
