"""Schedulers as real processes over the genuine Neo4j: what serves follows the graph, whoever dies."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from refresh_world import ROUNDING, differences, fill, publish_untrained

from engine import Engine
from engine.graph.connection import Graph
from engine.registry import Registry
from engine.settings import Settings

pytestmark = pytest.mark.graph
IDLE = {f"ENGINE_SCHEDULER_{job}": "{}" for job in ("RECONCILE", "CANARY", "RETRAIN", "GC", "RECEIPTS")}
QUICK = {
    **IDLE,
    "ENGINE_SCHEDULER_REFRESH": '{"every_s": 0.3}',
    "ENGINE_SCHEDULER_POLL_S": "0.1",
    "ENGINE_SCHEDULER_LEASE_TTL_S": "3",
    "ENGINE_SCHEDULER_STOP_GRACE_S": "60",
    "ENGINE_THREADS": "1",
}
Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def engine(settings: Settings, graph: Graph) -> Iterator[Engine]:
    del graph  # it empties the database
    with Engine(settings.model_copy(update={"threads": 1})) as opened:
        fill(opened)
        publish_untrained(opened)
        yield opened


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    environment = {
        **os.environ,
        **QUICK,
        "ENGINE_HOME": str(settings.home),
        "ENGINE_GRAPH_URI": str(settings.graph.uri),
        "ENGINE_GRAPH_PASSWORD": settings.graph.password.get_secret_value(),
    }
    started: list[subprocess.Popen[bytes]] = []

    def another() -> subprocess.Popen[bytes]:
        with (tmp_path / f"log{len(started)}").open("w") as log:
            command = [sys.executable, "-m", "engine", "scheduler", "run"]
            started.append(subprocess.Popen(command, env=environment, stderr=log))
        return started[-1]

    yield another
    for process in started:
        process.kill()
        process.wait()


def wait_for(what: Callable[[], object], seconds: float = 200) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


def watermark(registry: Registry) -> int:
    serving = registry.generations.serving()
    assert serving is not None
    return serving.watermark


def test_what_serves_follows_the_graph_through_a_kill_and_nothing_is_done_twice(engine: Engine, start: Start) -> None:
    registry = engine.registry
    processes = {process.pid: process for process in (start(), start())}

    def leader() -> int | None:
        name = engine.scheduler_status().leader
        return None if name is None else int(name.split(":")[1].split("/")[0])

    wait_for(leader)
    first = leader()
    assert first is not None
    for number in range(3):
        rev = engine.add_saves([{"context_id": f"b{number}", "item_id": f"p{number}", "time": number}]).rev
        wait_for(lambda rev=rev: watermark(registry) >= rev)
    rev = engine.add_items([{"item_id": "new", "title": "pin 1"}]).rev
    engine.add_saves([{"context_id": "b1", "item_id": "new"}])
    processes.pop(first).kill()
    rev = engine.remove_items(["p7"]).rev
    wait_for(lambda: watermark(registry) >= rev)
    (second,) = processes.values()
    assert leader() == second.pid
    second.send_signal(signal.SIGTERM)
    assert second.wait(200) == 0
    flips = list(reversed(registry.generations.publications()))
    assert all(later.replaced == earlier.generation for earlier, later in itertools.pairwise(flips))
    marks = [registry.generations.get(flip.generation).watermark for flip in flips]
    assert marks == sorted(set(marks))
    assert {lease.name: lease.holder for lease in registry.leases.list()}["scheduler"] is None
    assert differences(engine) <= ROUNDING
