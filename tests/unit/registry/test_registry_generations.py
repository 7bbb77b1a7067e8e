"""The life of generations: readers see one that serves or the other, never none; flips are fenced and recorded."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from registry_rows import begin, make, publish

from engine.errors import InputError, LeaseLostError, NotReadyError, SupersededError, UnknownNameError
from engine.registry import GenerationState


def test_nothing_serves_before_the_first_publish(registry):
    make(registry)
    assert registry.generations.serving() is None
    assert registry.generations.serving_id() is None


def test_a_published_generation_serves_with_all_it_was_given(registry, open_registry):
    as_of = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5)))
    training = registry.trainings.begin(model="pinsage", config={}, seed=3, watermark=7, path=Path("/m"))
    begun = registry.generations.begin(
        watermark=7,
        as_of=as_of,
        config={"dim": 64},
        snapshot_path=Path("/home/snapshots/7"),
        folder=Path("/home/generations"),
        model="pinsage",
        seed=3,
        training=training.number,
    )
    assert (begun.id, begun.state, begun.path) == ("g0001", GenerationState.BUILDING, Path("/home/generations/g0001"))
    files = {"vectors.npy": {"bytes": 1, "sha256": "ab"}}
    certificate = {"largest_error": 0.004, "skipped": 12}
    ready = registry.generations.ready(begun.id, metrics={"ann_recall": 0.99}, files=files, certificate=certificate)
    assert (ready.state, ready.serving, ready.published_at) == (GenerationState.READY, False, None)
    registry.generations.publish(begun.id)
    serving = open_registry().generations.serving()
    assert serving is not None
    assert (serving.id, serving.state, serving.serving) == ("g0001", GenerationState.PUBLISHED, True)
    assert (serving.watermark, serving.config, serving.metrics) == (7, {"dim": 64}, {"ann_recall": 0.99})
    assert (serving.model, serving.seed, serving.training) == ("pinsage", 3, training.number)
    assert (serving.files, serving.certificate) == (files, certificate)
    assert serving.as_of == as_of
    assert serving.as_of.tzinfo is serving.created_at.tzinfo is serving.published_at.tzinfo is UTC
    assert serving.snapshot_path == Path("/home/snapshots/7")
    assert registry.generations.serving_id() == "g0001"


def test_publishing_the_next_replaces_the_one_before_and_every_flip_is_recorded(registry):
    for _ in range(3):
        publish(registry)
    assert registry.generations.serving_id() == "g0003"
    assert [(g.id, g.serving) for g in registry.generations.list()] == [
        ("g0003", True),
        ("g0002", False),
        ("g0001", False),
    ]
    assert registry.generations.get("g0002").retired_at is not None
    registry.generations.publish("g0002", cause="promote")
    assert registry.generations.serving_id() == "g0002"
    assert registry.generations.get("g0002").retired_at is None
    told = [(one.generation, one.replaced, one.cause) for one in registry.generations.publications()]
    assert told == [
        ("g0002", "g0003", "promote"),
        ("g0003", "g0002", "build"),
        ("g0002", "g0001", "build"),
        ("g0001", None, "build"),
    ]
    assert [one.replaced for one in registry.generations.publications(of="g0002")] == ["g0003", "g0001"]
    assert [one.replaced for one in registry.generations.publications(1, of="g0002")] == ["g0003"]


def test_a_failed_generation_says_why_and_cannot_serve(registry):
    publish(registry)
    second = begin(registry)
    registry.generations.fail(second.id, "ann_recall .2 < .95")
    assert registry.generations.get(second.id).reason == "ann_recall .2 < .95"
    with pytest.raises(InputError, match=r"g0002 is failed and cannot serve: ann_recall"):
        registry.generations.publish(second.id)
    assert registry.generations.serving_id() == "g0001"


def test_a_generation_that_is_not_whole_cannot_serve(registry):
    with pytest.raises(InputError, match="is building and cannot serve"):
        registry.generations.publish(begin(registry).id)


def test_a_generation_is_made_ready_once(registry):
    made = make(registry)
    with pytest.raises(InputError, match="g0001 is ready, not being built"):
        registry.generations.ready(made.id, metrics={}, files={})


def test_a_generation_that_served_cannot_fail_any_more(registry):
    with pytest.raises(InputError, match="was published"):
        registry.generations.fail(publish(registry).id, "too late")


@pytest.mark.parametrize("name", ["g9999", "7", "g0001; drop table generations", "", "g99999999999999999999"])
def test_an_unknown_generation_is_named(registry, name):
    begin(registry)
    with pytest.raises(UnknownNameError, match="there is no generation"):
        registry.generations.publish(name)


def test_a_delta_knows_what_it_was_made_from(registry):
    publish(registry)
    delta = publish(registry, watermark=9, kind="delta", parent="g0001")
    assert (delta.kind, delta.parent) == ("delta", "g0001")


def test_what_was_made_from_one_generation_does_not_replace_another(registry):
    publish(registry)
    delta = make(registry, kind="delta", parent="g0001")
    publish(registry)
    with pytest.raises(SupersededError, match="g0002 was made from g0001, but g0003 serves by now"):
        registry.generations.publish(delta.id, replaces="g0001")
    assert registry.generations.serving_id() == "g0003"
    assert registry.generations.publish(delta.id, replaces="g0003").serving


def test_publishing_under_a_lease_that_was_overtaken_flips_nothing(registry, open_registry):
    publish(registry)
    mine = registry.leases.acquire("refresh", "me", ttl_s=0)
    delta = make(registry)
    theirs = open_registry().leases.acquire("refresh", "them")
    with pytest.raises(LeaseLostError, match="them holds it now"):
        registry.generations.publish(delta.id, lease=mine)
    assert registry.generations.serving_id() == "g0001"
    assert registry.generations.publish(delta.id, lease=theirs).serving
    assert registry.generations.publications()[0].token == theirs.token


def test_a_rollback_serves_what_came_before_and_can_be_repeated(registry):
    for watermark in range(1, 5):
        publish(registry, watermark)
    registry.generations.delete("g0002")
    assert registry.generations.rollback().id == "g0003"
    assert registry.generations.rollback().id == "g0001"
    with pytest.raises(NotReadyError, match="no generation older than g0001"):
        registry.generations.rollback()
    assert registry.generations.rollback("g0004").id == "g0004"
    assert registry.generations.publications()[0].cause == "rollback"


@pytest.mark.parametrize(
    ("asked", "message"),
    [("g0002", "serves already"), ("g0003", "g0003 is ready: only one that served"), ("g0001", "g0001 is deleted")],
)
def test_a_rollback_to_what_cannot_serve_is_refused(registry, asked, message):
    publish(registry), publish(registry), make(registry)
    registry.generations.delete("g0001")
    with pytest.raises(InputError, match=message):
        registry.generations.rollback(asked)
    assert registry.generations.serving_id() == "g0002"


def test_a_rollback_needs_something_that_serves(registry):
    with pytest.raises(NotReadyError, match="engine build"):
        registry.generations.rollback()


def test_what_serves_or_runs_as_a_shadow_cannot_be_deleted(registry):
    publish(registry)
    candidate = make(registry)
    registry.shadows.start(candidate.id, 0.5)
    for name, message in (("g0001", "serves"), (candidate.id, "shadow")):
        with pytest.raises(InputError, match=message):
            registry.generations.delete(name)
    registry.shadows.stop()
    assert registry.generations.delete(candidate.id).state is GenerationState.DELETED


def test_readers_always_see_one_whole_generation_while_another_is_published(registry, open_registry):
    def next_one(watermark: int) -> None:
        made = begin(registry, watermark)
        registry.generations.ready(made.id, metrics={"watermark": watermark}, files={})
        registry.generations.publish(made.id)

    next_one(1)
    seen: set[tuple[int, int]] = set()
    done = threading.Event()

    def read(reader) -> None:
        while not done.is_set():
            serving = reader.generations.serving()
            seen.add((serving.watermark, serving.metrics["watermark"]) if serving else (0, 0))

    readers = [threading.Thread(target=read, args=(open_registry(),)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for watermark in range(2, 30):
        next_one(watermark)
    done.set()
    for reader in readers:
        reader.join()
    assert all(a == b >= 1 for a, b in seen)


def test_publishers_at_the_same_moment_leave_one_that_serves_and_an_unbroken_history(registry, open_registry):
    made = [make(registry).id for _ in range(8)]
    threads = [threading.Thread(target=open_registry().generations.publish, args=(one,)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = registry.generations.publications()[::-1]
    assert [one.replaced for one in history] == [None, *(one.generation for one in history[:-1])]
    assert registry.generations.serving_id() == history[-1].generation


def test_each_slot_has_one_that_serves_and_a_history_of_its_own(registry, open_registry):
    publish(registry)
    publish(registry, slot="lightgcn")
    publish(registry, slot="lightgcn")
    publish(registry)
    there = open_registry().generations
    assert (there.serving_id(), there.serving_id("lightgcn"), there.serving_id("gcmc")) == ("g0004", "g0003", None)
    assert there.slots() == ("lightgcn", "live")
    assert [(one.id, one.slot, one.serving) for one in there.list()] == [
        ("g0004", "live", True),
        ("g0003", "lightgcn", True),
        ("g0002", "lightgcn", False),
        ("g0001", "live", False),
    ]
    assert there.rollback(slot="lightgcn").id == "g0002"
    assert there.rollback("g0003").id == there.serving_id("lightgcn") == "g0003"
    assert there.serving_id() == "g0004"
    with pytest.raises(InputError, match="g0003 serves"):
        there.delete("g0003")
    with pytest.raises(NotReadyError, match="no generation is published"):
        there.rollback(slot="gcmc")


def test_a_model_can_be_withdrawn_and_comes_back_by_name(registry):
    publish(registry)
    publish(registry, slot="gcmc")
    assert registry.generations.withdraw("gcmc").id == "g0002"
    assert registry.generations.serving("gcmc") is None
    assert registry.generations.withdraw("gcmc") is None
    assert registry.generations.get("g0002").retired_at is not None
    assert registry.generations.rollback("g0002").serving
    with pytest.raises(InputError, match="cannot be withdrawn"):
        registry.generations.withdraw("live")
