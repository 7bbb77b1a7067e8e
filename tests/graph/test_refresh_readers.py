"""A writer commits, a refresher publishes and collects what is old, eight readers ask: none sees two generations at once."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from refresh_world import PINS, fill, publish_untrained

from engine import Engine
from engine.graph.connection import Graph
from engine.settings import GenerationSettings, Settings

pytestmark = pytest.mark.graph
REFRESHES = 5

READER = """
import json, sys, threading
from engine import Engine

engine = Engine(threads=1)
ended, wrong, seen, counts = threading.Event(), [], set(), []

def ask(number):
    count, newest = 0, (0, 0)
    while not ended.is_set():
        try:
            answer = engine.related(f"p{count % 40}", 5, method=("pinsage", "walks")[number % 2])
            titles = {one.title for one in answer}
            if len(titles) > 1 or len(answer) < 5 and answer.reason is None:
                wrong.append(str(answer))
            now = (answer.watermark, max((int(title[5:]) for title in titles), default=newest[1]))
            if now[0] < newest[0] or now[1] < newest[1]:
                wrong.append(f"{now} after {newest}")
            newest = now
            seen.add(answer.generation)
            count += 1
        except BaseException as error:
            wrong.append(repr(error))
            return
    counts.append(count)

seen.add(engine.related("p0", 5).generation)
threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.readline()
ended.set()
for thread in threads:
    thread.join()
engine.close()
print(json.dumps({"wrong": wrong[:3], "seen": sorted(seen), "counts": counts}), flush=True)
"""


def rename(engine: Engine, number: int) -> None:
    """One commit that calls every pin the same, so that an answer from two states of the graph would show it."""
    engine.add_items([{"item_id": f"p{n}", "title": f"round {number}"} for n in range(PINS)])


def test_no_reader_sees_a_mix_an_error_or_too_few_while_a_writer_commits_all_the_time(settings: Settings, graph: Graph):
    del graph  # it empties the database
    keep = GenerationSettings(keep=1, keep_full=0)
    with Engine(settings, threads=1, generations=keep) as engine, Engine(settings, threads=1) as writing:
        fill(engine)
        rename(engine, 0)
        publish_untrained(engine)
        environment = {
            **os.environ,
            "ENGINE_HOME": str(settings.home),
            "ENGINE_GRAPH_URI": str(settings.graph.uri),
            "ENGINE_GRAPH_PASSWORD": settings.graph.password.get_secret_value(),
        }
        command = [sys.executable, "-c", READER]
        readers = [
            subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for reader in readers:
            assert reader.stdout.readline().strip() == "ready"
        ended, committed = threading.Event(), []

        def write() -> None:
            for number in itertools.count(1):
                if ended.is_set():
                    return
                rename(writing, number)
                writing.add_saves([{"context_id": f"b{number % 12}", "item_id": f"p{number % PINS}"}])
                committed.append(number)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        try:
            for _ in range(REFRESHES):
                engine.refresh()
                engine.collect_garbage()
        except BaseException:
            for reader in readers:
                reader.kill()
            raise
        finally:
            ended.set()
            writer.join()
        last = engine.refresh()
        time.sleep(1)  # a flip is to be seen within a second; what was seen is asked for below
        told = [json.loads(reader.communicate("stop\n", timeout=120)[0]) for reader in readers]
        assert len(committed) > REFRESHES / 2
        for one in told:
            assert one["wrong"] == []
            assert one["seen"][-1] == last.generation
            assert len(one["seen"]) >= 2
            assert len(one["counts"]) == 4
            assert all(one["counts"])
