"""`engine scheduler`: run jobs when they are due, and steer them from any other process."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engine.refresh.job_control import JobStatus

Name = Annotated[
    str, typer.Argument(metavar="JOB", help="refresh, reconcile, canary, models, retrain, gc, receipts or inspect.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Run refreshes and other jobs when they are due.")
    group.command()(run)
    group.command()(status)
    group.command()(pause)
    group.command()(resume)
    group.command("run-now")(run_now)
    app.add_typer(group, name="scheduler")


def run() -> None:
    """Run the jobs until SIGTERM or Ctrl+C; a second scheduler stands by and takes over when the first is gone."""
    from engine.client import Engine

    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Engine() as engine:
        left = engine.run_scheduler(stop)
        if left:
            # Their threads would keep the process; a kill is what every job is made to survive.
            logging.warning("left in the middle: %s", ", ".join(left))
            os._exit(0)


def status(as_json: AsJson = False) -> None:
    """Which scheduler runs, and for each job its schedule and its last run."""
    from engine.client import Engine

    with Engine() as engine:
        found = engine.scheduler_status()
    if as_json:
        print(json.dumps(found.to_dict(), default=str))
        return
    print(f"jobs are run by {found.leader}" if found.leader else "no scheduler runs")
    for job in found.jobs:
        print(_line(job))


def pause(name: Name) -> None:
    """Let a job rest until it is resumed."""
    from engine.client import Engine

    with Engine() as engine:
        engine.pause_job(name)
    print(f"{name} rests")


def resume(name: Name) -> None:
    """Let a paused job run again when it is due."""
    from engine.client import Engine

    with Engine() as engine:
        was_paused = engine.resume_job(name)
    print(f"{name} runs again when it is due" if was_paused else f"{name} was not paused")


def run_now(name: Name) -> None:
    """Ask for one run of a job, paused or not."""
    from engine.client import Engine

    with Engine() as engine:
        engine.run_job_now(name, cause="command line")
        leader = engine.scheduler_status().leader
    print(f"asked for: {name}" + ("" if leader else "; no scheduler runs, and the next one that does begins with it"))


def _line(job: JobStatus) -> str:
    marks = [*(["paused"] if job.paused else []), *([f"asked for ({job.asked})"] if job.asked else [])]
    last = "never ran"
    if job.last is not None:
        took = job.last.timings.get("total")
        last = f"{job.last.outcome} at {job.last.started_at:%Y-%m-%d %H:%M:%S} UTC"
        last += "" if took is None else f" in {took:.1f} s"
        last += f" ({job.last.cause}{_told(job.last.counts)})"
        last += "" if job.last.reason is None else f": {job.last.reason}"
    return f"  {job.name:10} {job.schedule:22} {', '.join([*marks, last])}"


def _told(counts: dict[str, Any]) -> str:
    shown = [f"{name} {value:,}" for name, value in counts.items() if isinstance(value, int) and value]
    return "".join(f", {one}" for one in shown[:4])
