"""The scheduler on a real registry: when jobs are due, who runs them, and how people steer it."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import ConfigError, GraphUnavailableError, UnknownNameError
from engine.refresh.job_control import LEASE, ask, pause, resume, scheduler_status
from engine.refresh.scheduler import Scheduler, next_time, trigger_of
from engine.registry import Outcome, Registry
from engine.settings import JobSettings, SchedulerSettings, load_settings

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def due(settings: JobSettings, last: datetime | None, grace_s: float = 3600) -> datetime | None:
    return next_time(trigger_of("refresh", settings, UTC), last, NOW, grace_s)


def ago(**past: float) -> datetime:
    return NOW - timedelta(**past)


def test_a_job_at_an_interval_is_due_from_its_last_run_whichever_process_made_it() -> None:
    hourly = JobSettings(every_s=3600)
    assert due(hourly, None) == NOW
    assert due(hourly, ago(minutes=20)) == NOW + timedelta(minutes=40)
    assert due(hourly, ago(hours=9)) == NOW


def test_a_last_run_in_the_future_delays_nothing_by_more_than_an_interval() -> None:
    assert due(JobSettings(every_s=60), NOW + timedelta(days=1)) == NOW + timedelta(seconds=60)
    assert due(JobSettings(cron="0 13 * * *"), NOW + timedelta(days=9)) == NOW + timedelta(hours=1)


def test_a_missed_cron_time_is_made_up_for_once_and_not_when_it_is_long_past() -> None:
    daily = JobSettings(cron="30 11 * * *")
    assert due(daily, ago(days=2)) == NOW + timedelta(hours=23, minutes=30)
    assert due(daily, ago(hours=13)) == NOW
    assert due(daily, None) == NOW + timedelta(hours=23, minutes=30)
    assert due(daily, ago(minutes=10)) == NOW + timedelta(hours=23, minutes=30)
    assert due(JobSettings(cron="0 0 30 2 *"), None) is None


def test_jitter_only_ever_delays() -> None:
    settings = JobSettings(every_s=60, jitter_s=20)
    drawn = {due(settings, NOW) for _ in range(20)}
    assert len(drawn) > 1
    assert all(NOW + timedelta(seconds=60) <= at <= NOW + timedelta(seconds=80) for at in drawn if at is not None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"refresh": {"cron": "every day"}}, "scheduler.refresh.cron: 'every day' cannot be read"),
        ({"timezone": "Mars/Olympus"}, "there is no time zone 'Mars/Olympus'"),
        ({"gc": {"every_s": 5, "cron": "0 0 * * *"}}, "every_s and cron exclude each other"),
        ({"gc": {"every_s": 0}}, "scheduler.gc.every_s"),
    ],
)
def test_a_schedule_that_cannot_be_read_is_one_clear_error(given: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        Scheduler(
            None,  # type: ignore[arg-type]
            load_settings(home=tmp_path, scheduler=given).scheduler,
            {"refresh": print, "gc": print},
        )


@pytest.fixture
def open_registry(tmp_path: Path) -> Iterator[Callable[[], Registry]]:
    """One registry, opened as often as asked, as by several processes."""
    opened: list[Registry] = []

    def another() -> Registry:
        opened.append(Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite'}"))
        return opened[-1]

    yield another
    for registry in opened:
        registry.close()


def quick(**jobs: JobSettings) -> SchedulerSettings:
    return SchedulerSettings(poll_s=0.05, lease_ttl_s=30, stop_grace_s=30, **jobs)


def recorded(registry: Registry, name: str) -> Callable[[str], None]:
    def call(cause: str) -> None:
        with registry.runs.record(name, cause):
            pass

    return call


@contextmanager
def running(scheduler: Scheduler) -> Iterator[threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=scheduler.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def wait_for(what: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def test_jobs_run_when_they_are_due_and_every_run_is_a_row(open_registry: Callable[[], Registry]) -> None:
    registry = open_registry()
    settings = quick(refresh=JobSettings(every_s=0.1), gc=JobSettings(cron="0 0 1 1 *"), retrain=JobSettings())
    jobs = {name: recorded(registry, name) for name in ("refresh", "gc", "retrain")}
    with running(Scheduler(registry, settings, jobs)):
        wait_for(lambda: len(registry.runs.list("refresh")) >= 3)
    runs = registry.runs.list()
    assert {(run.job, run.cause, run.outcome) for run in runs} == {("refresh", "schedule", Outcome.DONE)}


def test_a_paused_job_rests_until_resumed_and_runs_when_asked_for(open_registry: Callable[[], Registry]) -> None:
    registry, elsewhere = open_registry(), open_registry()
    settings = quick(refresh=JobSettings(every_s=0.05), gc=JobSettings(every_s=0.05))
    pause(elsewhere, "refresh")
    jobs = {name: recorded(registry, name) for name in ("refresh", "gc")}
    with running(Scheduler(registry, settings, jobs)):
        wait_for(lambda: len(registry.runs.list("gc")) >= 3)
        assert registry.runs.list("refresh") == ()
        ask(elsewhere, "refresh", "somebody")
        wait_for(lambda: registry.runs.list("refresh"))
        seen = len(registry.runs.list("gc"))
        wait_for(lambda: len(registry.runs.list("gc")) >= seen + 3)
        assert [run.cause for run in registry.runs.list("refresh")] == ["somebody"]
        assert resume(elsewhere, "refresh")
        wait_for(lambda: len(registry.runs.list("refresh")) >= 3)
    assert {run.cause for run in registry.runs.list("refresh")} == {"somebody", "schedule"}
    assert not resume(elsewhere, "refresh")


def test_what_is_asked_for_while_it_runs_is_run_once_more(open_registry: Callable[[], Registry]) -> None:
    registry = open_registry()
    began, go_on = threading.Event(), threading.Event()

    def slow(cause: str) -> None:
        with registry.runs.record("gc", cause):
            began.set()
            go_on.wait(30)

    with running(Scheduler(registry, quick(gc=JobSettings()), {"gc": slow})):
        ask(registry, "gc", "first")
        assert began.wait(30)
        ask(registry, "gc", "second")
        time.sleep(0.3)
        assert len(registry.runs.list("gc")) == 1
        go_on.set()
        wait_for(lambda: len(registry.runs.list("gc")) == 2)
    assert [run.cause for run in registry.runs.list("gc")] == ["second", "first"]


def test_a_job_that_breaks_does_not_end_the_others(
    open_registry: Callable[[], Registry], caplog: pytest.LogCaptureFixture
) -> None:
    registry = open_registry()

    def unavailable(cause: str) -> None:
        raise GraphUnavailableError("the graph is gone")

    def broken(cause: str) -> None:
        raise ZeroDivisionError("a bug")

    settings = quick(refresh=JobSettings(every_s=0.1), canary=JobSettings(every_s=0.1), gc=JobSettings(every_s=0.1))
    jobs = {"refresh": unavailable, "canary": broken, "gc": recorded(registry, "gc")}
    with running(Scheduler(registry, settings, jobs)):
        wait_for(lambda: len(registry.runs.list("gc")) >= 3 and "a bug" in caplog.text)
        wait_for(lambda: caplog.text.count("the graph is gone") >= 2)


def test_a_registry_that_is_gone_for_a_while_stops_nothing_for_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    home, away = tmp_path / "home", tmp_path / "away"
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
    settings = quick(gc=JobSettings(every_s=0.1))
    with running(Scheduler(registry, settings, {"gc": recorded(registry, "gc")})):
        wait_for(lambda: len(registry.runs.list("gc")) >= 2)
        home.rename(away)
        wait_for(lambda: "the registry does not answer" in caplog.text)
        away.rename(home)
        seen = len(registry.runs.list("gc"))
        wait_for(lambda: len(registry.runs.list("gc")) >= seen + 3)
    registry.close()


def test_of_three_schedulers_one_runs_the_jobs_and_another_takes_over(open_registry: Callable[[], Registry]) -> None:
    registry = open_registry()
    ran_by: list[int] = []

    def scheduler(number: int) -> Scheduler:
        own = open_registry()

        def call(cause: str) -> None:
            ran_by.append(number)
            recorded(own, "refresh")(cause)

        return Scheduler(own, quick(refresh=JobSettings(every_s=0.2)), {"refresh": call})

    with running(scheduler(0)) as first:
        wait_for(lambda: ran_by)
        with running(scheduler(1)) as second, running(scheduler(2)):
            wait_for(lambda: len(ran_by) >= 4)
            assert set(ran_by) == {0}
            leader = scheduler_status(registry, SchedulerSettings()).leader
            assert leader is not None
            first.set()
            wait_for(lambda: len(set(ran_by)) == 2)
            second.set()
            seen = len(ran_by)
            wait_for(lambda: len(ran_by) >= seen + 3)
    stretches = [number for number, _ in itertools.groupby(ran_by)]
    assert len(stretches) == len(set(stretches))
    assert scheduler_status(registry, SchedulerSettings()).leader is None


def test_a_job_that_goes_on_when_told_to_stop_is_interrupted_and_cleans_up(
    open_registry: Callable[[], Registry],
) -> None:
    registry = open_registry()
    began = threading.Event()

    def endless(cause: str) -> None:
        with registry.leases.hold("refresh") as held, registry.runs.record("refresh", cause, token=held.token):
            began.set()
            while True:
                time.sleep(0.01)

    settings = quick(refresh=JobSettings(every_s=60)).model_copy(update={"stop_grace_s": 0.2})
    scheduler = Scheduler(registry, settings, {"refresh": endless})
    with running(scheduler):
        assert began.wait(30)
    run = registry.runs.last("refresh")
    assert run is not None
    assert (run.outcome, run.reason) == (Outcome.FAILED, "interrupted: the scheduler was told to stop")
    assert scheduler.running == ()
    assert {lease.name: lease.holder for lease in registry.leases.list()} == {LEASE: None, "refresh": None}


def test_the_status_tells_schedules_flags_and_last_runs(open_registry: Callable[[], Registry]) -> None:
    registry = open_registry()
    pause(registry, "gc")
    ask(registry, "retrain", "a whim")
    recorded(registry, "refresh")("schedule")
    status = scheduler_status(registry, SchedulerSettings())
    by_name = {job.name: job for job in status.jobs}
    assert status.leader is None
    assert [job.name for job in status.jobs if job.paused] == ["gc"]
    assert by_name["retrain"].asked == "a whim"
    assert by_name["refresh"].last is not None
    assert by_name["refresh"].schedule == "every 10 s"
    for call in (lambda: pause(registry, "x"), lambda: resume(registry, "x"), lambda: ask(registry, "x", "")):
        with pytest.raises(UnknownNameError, match="no job 'x'"):
            call()
