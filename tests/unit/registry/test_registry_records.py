"""Runs, trainings, watermarks, receipts, samples, shadows and flags: what is told is kept, and says how it ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from registry_rows import begin, make, publish

from engine.errors import InputError, TrainingError, UnknownNameError
from engine.registry import Job, Outcome, ReceiptState, ShadowSample, TrainingState


def test_a_run_is_written_down_with_all_it_says(registry, open_registry):
    published = publish(registry)
    with registry.runs.record(Job.REFRESH, "12 changes", plan={"way": "search"}, token=4) as run:
        run.plan["nodes"] = 90
        with run.timed("walks"):
            pass
        run.counts["embedded"] = 233
        registry.runs.note(run)
        assert open_registry().runs.get(run.number).outcome is Outcome.RUNNING
        assert open_registry().runs.get(run.number).counts == {"embedded": 233}
        run.generation = published.id
        run.outcome, run.reason = Outcome.PARTIAL, "7 nodes wait for the next run"
    told = open_registry().runs.last(Job.REFRESH)
    assert told is not None
    assert (told.job, told.cause, told.outcome) == ("refresh", "12 changes", Outcome.PARTIAL)
    assert (told.plan, told.counts) == ({"way": "search", "nodes": 90}, {"embedded": 233})
    assert (told.generation, told.token, told.reason) == (published.id, 4, "7 nodes wait for the next run")
    assert set(told.timings) == {"walks", "total"}
    assert told.started_at <= told.finished_at


def test_old_runs_that_had_nothing_to_do_are_pruned_but_for_the_newest_of_each_job(registry):
    def ran(job: Job, outcome: Outcome) -> int:
        with registry.runs.record(job, "schedule") as run:
            run.outcome = outcome
        return run.number

    ran(Job.GC, Outcome.NOTHING)
    ran(Job.REFRESH, Outcome.NOTHING)
    kept = [ran(Job.GC, Outcome.NOTHING), ran(Job.REFRESH, Outcome.DONE), ran(Job.REFRESH, Outcome.NOTHING)]
    now = datetime.now(UTC)
    assert registry.runs.prune(now - timedelta(hours=1)) == 0
    assert registry.runs.prune(now + timedelta(hours=1)) == 2
    assert [run.number for run in registry.runs.list()] == kept[::-1]


def test_a_run_that_raises_is_failed_and_the_error_goes_on(registry):
    with pytest.raises(TrainingError), registry.runs.record(Job.RETRAIN, "cadence"):
        raise TrainingError("no positives", hint="Load more.")
    told = registry.runs.last(Job.RETRAIN)
    assert (told.outcome, told.reason) == (Outcome.FAILED, "no positives")
    assert registry.runs.last(Job.RETRAIN, Outcome.DONE) is None


def test_a_registry_that_fails_does_not_hide_what_a_run_failed_with(registry, monkeypatch):
    from engine.errors import StorageError

    def gone(_):
        raise StorageError("gone")

    monkeypatch.setattr(registry.runs, "finish", gone)
    with pytest.raises(TrainingError), registry.runs.record(Job.RETRAIN, "cadence"):
        raise TrainingError("no positives")


def test_a_run_whose_process_was_gone_is_marked_lost_by_the_next_holder(registry):
    gone = registry.runs.begin(Job.REFRESH, "schedule", token=1)
    other_job = registry.runs.begin(Job.GC, "schedule", token=1)
    with registry.runs.record(Job.REFRESH, "schedule", token=2):
        assert registry.runs.get(gone.number).outcome is Outcome.LOST
    assert registry.runs.get(other_job.number).outcome is Outcome.RUNNING
    assert [one.outcome for one in registry.runs.list(Job.REFRESH)] == [Outcome.DONE, Outcome.LOST]
    assert len(registry.runs.list()) == 3
    assert len(registry.runs.list(limit=1)) == 1


def test_an_unknown_run_is_named(registry):
    with pytest.raises(UnknownNameError, match="no run 7"):
        registry.runs.get(7)


def test_a_training_is_found_by_its_folder(registry):
    begun = registry.trainings.begin(model="pinsage", config={"dim": 8}, seed=1, watermark=5, path=Path("/m/1"))
    assert begun.state is TrainingState.RUNNING
    done = registry.trainings.finish(begun.number, {"MRR": 0.4})
    assert (done.state, done.metrics) == (TrainingState.DONE, {"MRR": 0.4})
    failing = registry.trainings.begin(model="pinsage", config={}, seed=1, watermark=5, path=Path("/m/2"))
    registry.trainings.fail(failing.number, "a non-finite loss")
    assert registry.trainings.get(failing.number).reason == "a non-finite loss"
    assert registry.trainings.find(Path("/m/1")) == done
    assert registry.trainings.find(Path("/m/3")) is None
    registry.trainings.delete(done.number)
    assert [one.state for one in registry.trainings.list()] == [TrainingState.FAILED, TrainingState.DELETED]
    with pytest.raises(UnknownNameError, match="no training 9"):
        registry.trainings.get(9)


def test_a_watermark_never_goes_back(registry):
    assert registry.watermarks.get("refresh") is None
    registry.watermarks.advance("refresh", 10)
    assert registry.watermarks.advance("refresh", 7).watermark == 10
    registry.watermarks.advance("mirror", 4)
    assert [(one.name, one.watermark) for one in registry.watermarks.list()] == [("mirror", 4), ("refresh", 10)]


def test_what_all_have_passed_is_bound_by_readers_and_by_generations_that_may_serve(registry):
    assert registry.watermarks.passed() == 0
    registry.watermarks.advance("mirror", 40)
    registry.watermarks.advance("slow", 30)
    assert registry.watermarks.passed() == 30
    publish(registry, watermark=20), publish(registry, watermark=35)
    registry.generations.fail(begin(registry, watermark=1).id, "no")
    assert registry.watermarks.passed() == 20
    registry.generations.delete("g0001")
    assert registry.watermarks.passed() == 30
    registry.watermarks.forget("slow")
    assert registry.watermarks.passed() == 35


def test_a_receipt_is_open_until_it_is_complete_and_never_changes_again(registry):
    opened = registry.receipts.open("user", "u-1")
    assert registry.receipts.open("user", "u-1") == opened
    registry.receipts.note(opened.number, "graph", {"edges": 3}, rev=17)
    noted = registry.receipts.note(opened.number, "g0001", {"vectors": 1})
    assert (noted.removed, noted.rev) == ({"graph": {"edges": 3}, "g0001": {"vectors": 1}}, 17)
    assert [one.number for one in registry.receipts.list(state=ReceiptState.OPEN)] == [opened.number]
    closed = registry.receipts.complete(opened.number, "d" * 64)
    assert (closed.state, closed.digest) == (ReceiptState.COMPLETE, "d" * 64)
    assert registry.receipts.get(opened.number) == closed
    with pytest.raises(InputError, match="receipt 1 is complete"):
        registry.receipts.note(opened.number, "graph", {})
    again = registry.receipts.open("user", "u-1")
    assert again.number != opened.number
    assert registry.receipts.list(kind="user", subject="u-1") == (again, closed)
    assert registry.receipts.list(kind="item") == ()
    with pytest.raises(UnknownNameError, match="no receipt 9"):
        registry.receipts.get(9)


def test_quality_samples_are_read_newest_first_and_pruned_by_age(registry):
    publish(registry), publish(registry)
    registry.samples.add("g0001", "ann_recall", 0.97, corpus="ads", detail={"k": 10})
    registry.samples.add("g0002", "ann_recall", 0.95, corpus="organic")
    registry.samples.add("g0002", "drift", 0.1)
    assert [one.value for one in registry.samples.recent("ann_recall")] == [0.95, 0.97]
    assert [one.value for one in registry.samples.recent("ann_recall", generation_id="g0001")] == [0.97]
    (found,) = registry.samples.recent("ann_recall", corpus="ads")
    assert (found.generation, found.detail) == ("g0001", {"k": 10})
    assert registry.samples.prune(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert registry.samples.prune(datetime.now(UTC) + timedelta(hours=1)) == 3
    with pytest.raises(UnknownNameError):
        registry.samples.add("g0009", "drift", 1.0)


def test_a_shadow_runs_alone_and_sums_up_its_samples(registry):
    publish(registry)
    first, second = make(registry), make(registry)
    assert registry.shadows.running() is None
    registry.shadows.start(first.id, 1)
    shadow = registry.shadows.start(second.id, 0.1)
    assert registry.shadows.running() == shadow
    assert [one.stopped_at is None for one in registry.shadows.list()] == [True, False]
    assert registry.shadows.summary(shadow).overlap is None
    alike = ShadowSample("g0001", "related to a", 2, 0.5, ("b", "c"), ("b", "d"), 0.001, 0.003)
    failed = ShadowSample("g0001", "related to z", 2, None, ("y",), (), 0.001, 0.001, "no item z")
    registry.shadows.record(shadow, [alike, alike, failed])
    told = registry.shadows.summary(shadow)
    assert (told.samples, told.errors, told.overlap, told.least_overlap) == (3, 1, 0.5, 0.5)
    assert registry.shadows.samples(shadow, limit=2) == (failed, alike)
    assert registry.shadows.prune(datetime.now(UTC) + timedelta(hours=1)) == 3
    assert registry.shadows.stop().number == shadow.number
    assert registry.shadows.stop() is None


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_a_shadow_needs_a_share(registry, share):
    with pytest.raises(InputError, match="share"):
        registry.shadows.start(make(registry).id, share)


def test_a_generation_that_is_not_whole_cannot_be_a_shadow(registry):
    with pytest.raises(InputError, match="is building"):
        registry.shadows.start(begin(registry).id, 0.5)


def test_flags_are_kept_by_name(registry, open_registry):
    registry.flags.set("paused/refresh", {"by": "me"})
    registry.flags.set("paused/refresh", {"by": "you"})
    registry.flags.set("paused%", {})
    other = open_registry()
    assert other.flags.get("paused/refresh") == {"by": "you"}
    assert other.flags.list("paused/") == {"paused/refresh": {"by": "you"}}
    assert other.flags.list("paused%") == {"paused%": {}}
    assert other.flags.clear("paused/refresh")
    assert not other.flags.clear("paused/refresh")
    assert other.flags.get("paused/refresh") is None
