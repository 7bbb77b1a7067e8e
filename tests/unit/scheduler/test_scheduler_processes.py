"""Schedulers as real processes: killed, paused, told to stop, and under a clock that is set back."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from engine.cli import scheduler as cli_scheduler
from engine.errors import LeaseLostError, StorageError, UnknownNameError
from engine.refresh.scheduler import Scheduler
from engine.registry import Outcome, Registry
from engine.settings import JobSettings, SchedulerSettings

SETTINGS = SchedulerSettings(poll_s=0.05, lease_ttl_s=2, stop_grace_s=5, refresh=JobSettings(every_s=0.2))
FORK = multiprocessing.get_context("fork")


def serve(url: str, hold: Path) -> None:
    """A process that runs a scheduler; its job publishes a flag under its lease, and waits as long as `hold` is there."""
    import threading

    registry, stop = Registry.open(url), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def job(cause: str) -> None:
        with registry.leases.hold("refresh", ttl_s=2) as held, registry.runs.record("refresh", cause, token=held.token):
            while hold.exists():
                time.sleep(0.01)
            try:
                held.check()
            except LeaseLostError:
                registry.flags.set(f"refused/{os.getpid()}", {})
                raise
            registry.flags.set("published", {"by": os.getpid()})

    Scheduler(registry, SETTINGS, {"refresh": job}).run(stop)
    registry.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'registry.sqlite'}"


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    opened = Registry.open(url)
    yield opened
    opened.close()


@pytest.fixture
def start(url: str, registry: Registry, tmp_path: Path) -> Iterator[Callable[[], multiprocessing.process.BaseProcess]]:
    started = []

    def another() -> multiprocessing.process.BaseProcess:
        process = FORK.Process(target=serve, args=(url, tmp_path / "hold"))
        process.start()
        started.append(process)
        return process

    yield another
    for process in started:
        process.kill()
        process.join()


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def pause_between_transactions(pid: int, registry: Registry) -> None:
    """Stop a process where it does not hold SQLite's lock, which nobody could take from it."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        try:
            registry.flags.set("reached", {})
            return
        except StorageError:
            os.kill(pid, signal.SIGCONT)


def publisher(registry: Registry) -> int | None:
    flag = registry.flags.get("published")
    return None if flag is None else int(flag["by"])


def test_a_killed_scheduler_is_taken_over_and_its_run_is_marked_lost(
    registry: Registry, start: Callable[[], multiprocessing.process.BaseProcess], tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    first = start()
    wait_for(lambda: registry.runs.last("refresh"))
    second = start()
    os.kill(first.pid or 0, signal.SIGKILL)
    (tmp_path / "hold").unlink()
    wait_for(lambda: publisher(registry) == second.pid)
    lost = [run for run in registry.runs.list("refresh") if run.outcome == Outcome.LOST]
    assert [run.holder.endswith(f":{first.pid}") for run in lost] == [True]


def test_a_paused_scheduler_that_was_overtaken_publishes_nothing_of_what_it_was_at(
    registry: Registry, start: Callable[[], multiprocessing.process.BaseProcess], tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    first = start()
    wait_for(lambda: registry.runs.last("refresh"))
    pause_between_transactions(first.pid or 0, registry)
    (tmp_path / "hold").unlink()
    second = start()
    wait_for(lambda: publisher(registry) == second.pid)
    os.kill(first.pid or 0, signal.SIGCONT)
    wait_for(lambda: registry.flags.get(f"refused/{first.pid}") is not None)
    refused = [run for run in registry.runs.list("refresh", limit=500) if run.holder.endswith(f":{first.pid}")][-1]
    assert refused.outcome in (Outcome.LOST, Outcome.FAILED)


def test_sigterm_ends_a_scheduler_cleanly_once_its_job_has_ended(
    registry: Registry, start: Callable[[], multiprocessing.process.BaseProcess], tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    process = start()
    wait_for(lambda: registry.runs.last("refresh"))
    os.kill(process.pid or 0, signal.SIGTERM)
    time.sleep(0.2)
    (tmp_path / "hold").unlink()
    process.join(60)
    assert process.exitcode == 0
    assert {run.outcome for run in registry.runs.list("refresh")} == {Outcome.DONE}
    assert {lease.holder for lease in registry.leases.list()} == {None}


CLOCK = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long *offset;
__attribute__((constructor)) static void open_offset(void) {
  int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
  offset = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
}
int clock_gettime(clockid_t clock, struct timespec *at) {
  int failed = syscall(SYS_clock_gettime, clock, at);
  if (!failed && clock == CLOCK_REALTIME && offset) at->tv_sec += *offset;
  return failed;
}
"""
SERVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_scheduler_processes
test_scheduler_processes.serve(sys.argv[2], Path("/nowhere"))
"""


def test_a_clock_set_back_by_a_day_stops_nothing(registry: Registry, url: str, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the clock was not set back")
    (tmp_path / "clock.c").write_text(CLOCK)
    library, offset = tmp_path / "clock.so", tmp_path / "offset"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "clock.c"], check=True)
    offset.write_bytes(bytes(8))
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(Path(__file__).parent), url],
        env={**os.environ, "LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)},
        stderr=subprocess.PIPE,
    )
    try:
        wait_for(lambda: len(registry.runs.list("refresh")) >= 2)
        with offset.open("r+b") as stream:
            stream.write((-86_400).to_bytes(8, sys.byteorder, signed=True))
        started = [run.started_at for run in registry.runs.list("refresh", limit=500)]
        wait_for(lambda: (started[0] - registry.runs.list("refresh")[0].started_at).total_seconds() > 80_000)
        seen = len(registry.runs.list("refresh", limit=500))
        wait_for(lambda: len(registry.runs.list("refresh", limit=500)) >= seen + 2)
    finally:
        process.terminate()
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 0, told.decode()


def test_the_command_runs_is_steered_and_ends_on_sigterm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_HOME", str(tmp_path))
    monkeypatch.setenv("ENGINE_GRAPH_URI", "bolt://127.0.0.1:1")
    app = typer.Typer()
    cli_scheduler.register(app)

    def told(*command: str) -> str:
        done = CliRunner().invoke(app, ["scheduler", *command], catch_exceptions=False)
        return done.stdout

    assert told("pause", "canary") == "canary rests\n"
    assert told("run-now", "canary").startswith("asked for: canary; no scheduler runs")
    with pytest.raises(UnknownNameError, match="no job 'x'"):
        told("run-now", "x")
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen([sys.executable, "-m", "engine", "scheduler", "run"], stderr=stream)
    registry = Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    try:
        wait_for(lambda: registry.runs.last("canary", Outcome.FAILED), 200)
        status = json.loads(told("status", "--json"))
        shown = told("status")
        assert told("resume", "canary") == "canary runs again when it is due\n"
    finally:
        process.terminate()
        assert process.wait(timeout=200) == 0, log.read_text()
        registry.close()
    canary = next(job for job in status["jobs"] if job["name"] == "canary")
    assert (canary["paused"], canary["asked"], canary["last"]["cause"]) == (True, None, "command line")
    assert status["leader"].split(":")[1].startswith(f"{process.pid}/")
    assert "canary     every 300 s            paused, failed at" in shown
    assert "this scheduler runs the jobs" in log.read_text()
    assert told("status").startswith("no scheduler runs")
