"""What serves changes under running questions: none fails, none waits for the registry, none mixes two generations."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import sqlite3
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from serving_world import AS_OF, World, publish

from engine.index.hnsw import HnswConfig
from engine.refresh.build import Parts, make_generation
from engine.refresh.garbage import collect_garbage
from engine.refresh.gate import GateConfig
from engine.registry import Generation, Registry
from engine.serving.live import Live, open_view
from engine.serving.methods import methods_of
from engine.serving.recommend import Recommender
from engine.settings import GenerationSettings, GraphMapping

SERVING = Path(__file__).resolve().parent


@pytest.fixture
def live(registry):
    opened = Live(registry, lambda view: Recommender(view, GraphMapping(), methods_of(view, 0)))
    yield opened
    opened.close()


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def broken(registry: Registry, home: Path, like: Generation) -> Generation:
    """A published generation one file of which is damaged."""
    view = open_view(like)
    parts = Parts(view.snapshot, AS_OF, np.asarray(view.vectors))
    made = make_generation(registry, home / "generations", parts, index=HnswConfig(), gate=GateConfig())
    content = bytearray((made.path / "vectors.base").read_bytes())
    content[-1] ^= 0xFF
    (made.path / "vectors.base").write_bytes(content)
    return registry.generations.publish(made.id)


def test_a_flip_is_followed_without_being_asked_and_what_was_used_is_made_before(registry, live, tmp_path, small_world):
    publish(registry, tmp_path, small_world)
    old = live.recommender()
    old.related("jazz-1", 3, method="walks")
    second = publish(registry, tmp_path, small_world)
    wait_until(lambda: live.answering == second.id)
    assert live.recommender().ready == ("walks",)
    assert "names" in vars(live.recommender().view)
    assert old.related("jazz-1", 3, method="walks").generation == "g0001"
    registry.generations.rollback()
    wait_until(lambda: live.answering == "g0001")


def test_the_old_view_is_released_when_its_last_question_ends(registry, live, tmp_path, small_world):
    publish(registry, tmp_path, small_world)
    under_way = live.recommender()
    under_way.related("jazz-1", 3, method="walks")
    view = weakref.ref(under_way.view)
    second = publish(registry, tmp_path, small_world)
    wait_until(lambda: live.answering == second.id)
    gc.collect()
    assert view() is not None
    assert len(under_way.related("jazz-1", 3)) == 3
    del under_way
    gc.collect()
    assert view() is None


def test_a_broken_generation_leaves_the_old_one_answering_and_is_told_of_once(
    registry, live, tmp_path, small_world, caplog
):
    first = publish(registry, tmp_path, small_world)
    assert live.recommender().related("jazz-1", 3).generation == first.id
    bad = broken(registry, tmp_path, first)
    with caplog.at_level(logging.ERROR):
        wait_until(lambda: live.trouble is not None)
        for _ in range(3):
            live.look_again()
            assert live.recommender().related("jazz-1", 3).generation == first.id
    assert live.trouble.generation == bad.id
    assert "vectors.base does not match its checksum" in live.trouble.message
    assert [one.message for one in caplog.records] == [f"{live.trouble.message}; g0001 goes on answering"]
    good = publish(registry, tmp_path, small_world)
    wait_until(lambda: live.answering == good.id)
    assert live.trouble is None


def test_a_registry_that_is_gone_leaves_the_open_generation_answering(registry, live, tmp_path, small_world):
    publish(registry, tmp_path, small_world)
    live.recommender()
    file = tmp_path / "registry.sqlite"
    file.rename(tmp_path / "kept.sqlite")
    file.mkdir()
    wait_until(lambda: live.trouble is not None)
    assert "the registry cannot be asked" in live.trouble.message
    assert live.recommender().related("jazz-1", 3).generation == "g0001"
    file.rmdir()
    (tmp_path / "kept.sqlite").rename(file)
    wait_until(lambda: live.trouble is None)


def test_a_locked_registry_keeps_no_question_waiting(registry, live, tmp_path, small_world):
    publish(registry, tmp_path, small_world)
    live.recommender()
    with contextlib.closing(sqlite3.connect(tmp_path / "registry.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite3.connect(tmp_path / "registry.sqlite", timeout=0).execute("SELECT * FROM serving")
        for _ in range(20):  # the lock is only given back after these: one that waited for it would never end
            assert live.recommender().related("jazz-1", 3).generation == "g0001"
            time.sleep(0.02)
        other.execute("ROLLBACK")
    second = publish(registry, tmp_path, small_world)
    wait_until(lambda: live.answering == second.id)


READER = """
import json, sys, threading
sys.path.insert(0, sys.argv[1])
from engine.registry import Registry
from engine.serving.home import home_feed
from engine.serving.live import Live
from engine.serving.methods import methods_of
from engine.serving.recommend import Recommender
from engine.settings import GraphMapping

live = Live(Registry.open(sys.argv[2]), lambda view: Recommender(view, GraphMapping(), methods_of(view, 0)))
ended, wrong, seen, counts = threading.Event(), [], set(), []

def ask(number):
    count, newest = 0, ""
    while not ended.is_set():
        try:
            recommender = live.recommender()
            item = f"{('jazz', 'rock', 'folk')[count % 3]}-{count % 12}"
            method = ("pinsage", "walks", "content")[number % 3]
            answers = [recommender.related(item, 5, method=method), home_feed(recommender, "both", 5)]
            for answer in answers:
                if {one.title.split()[0] for one in answer} != {answer.generation}:
                    wrong.append(f"mixed: {answer}")
                if len(answer) < 5 and answer.reason is None:
                    wrong.append(f"short: {answer}")
            if answers[0].generation < newest:
                wrong.append(f"{answers[0].generation} after {newest}")
            newest = answers[0].generation
            seen.add(newest)
            count += 1
        except BaseException as error:
            wrong.append(repr(error))
            return
    counts.append(count)

seen.add(live.recommender().related("jazz-1", 5).generation)
threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.readline()
ended.set()
for thread in threads:
    thread.join()
live.close()
print(json.dumps({"wrong": wrong[:3], "seen": sorted(seen), "counts": counts}), flush=True)
"""


def named(world: World, generation: str) -> World:
    """The world with the generation's id before every title, and vectors of its own."""
    items = {**world.tables.items, "title": [f"{generation} {item}" for item in world.tables.items["item_id"]]}
    return World(replace(world.tables, items=items), world.topic)


def test_eight_readers_in_two_processes_ask_on_while_generations_come_and_go(registry, tmp_path, small_world):
    publish(registry, tmp_path, named(small_world, "g0001"))
    command = [sys.executable, "-c", READER, str(SERVING), f"sqlite:///{tmp_path / 'registry.sqlite'}"]
    readers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for reader in readers:
        assert reader.stdout.readline().strip() == "ready"
    for number in range(2, 8):
        publish(registry, tmp_path, named(small_world, f"g{number:04d}"))
        collect_garbage(registry, tmp_path, GenerationSettings(keep=1, keep_full=0))
    time.sleep(1)  # a flip is to be seen within a second; what was seen is asked for below
    told = [json.loads(reader.communicate("stop\n", timeout=120)[0]) for reader in readers]
    for one in told:
        assert one["wrong"] == []
        assert one["seen"][-1] == "g0007"
        assert len(one["seen"]) >= 2
        assert len(one["counts"]) == 4
        assert all(one["counts"])


def test_the_words_of_texts_that_did_not_change_are_taken_over(registry, tmp_path, small_world):
    first = open_view(publish(registry, tmp_path, small_world))
    items = dict(small_world.tables.items)
    items["title"] = ["Something new", *items["title"][1:]]
    second = publish(registry, tmp_path, World(replace(small_world.tables, items=items), small_world.topic))
    methods_of(first, 0)["content"]()
    assert set(first.words) == {"title", "context.title"}
    after = open_view(second, first)
    assert after.words["context.title"].counts is first.words["context.title"].counts
    assert "something" in after.words["title"].words
    ours, fresh = (
        Recommender(view, GraphMapping(), methods_of(view, 0), default="content") for view in (after, open_view(second))
    )
    for item in after.item_ids:
        one, other = ours.related(item, 5), fresh.related(item, 5)
        assert one.ids == other.ids
        assert [found.score for found in one] == pytest.approx([found.score for found in other])
