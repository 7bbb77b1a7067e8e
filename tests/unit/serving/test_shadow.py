"""A candidate answers beside what serves: nobody's answer changes, the same users are chosen every time, all is recorded."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from serving_world import AS_OF, World, publish, topic_vectors
from typer.testing import CliRunner

from engine import Engine
from engine.errors import CorruptFileError, InputError, NotReadyError
from engine.graph.snapshot import Snapshot
from engine.index.hnsw import HnswConfig
from engine.refresh.build import Parts, make_generation
from engine.refresh.gate import GateConfig
from engine.registry import Generation, GenerationState
from engine.serving import shadow
from engine.serving.live import open_view
from engine.serving.shadow import in_share
from engine.settings import Settings


@pytest.fixture
def engine(tmp_path: Path, small_world: World) -> Iterator[Engine]:
    """What serves is g0001; no graph server."""
    with Engine(Settings(home=tmp_path)) as opened:
        publish(opened.registry, tmp_path, small_world)
        yield opened


def candidate(engine: Engine, world: World, *, turn: int = 0) -> Generation:
    """A generation ready beside what serves, with every other item moved to the next topic where `turn` is 1."""
    serving = engine.registry.generations.serving()
    assert serving is not None
    snapshot = Snapshot.open(serving.snapshot_path)
    topic = {name: (at + turn * (n % 2)) % 3 for n, (name, at) in enumerate(world.topic.items())}
    parts = Parts(snapshot, AS_OF, np.asarray(topic_vectors(snapshot, topic)))
    folder = engine.settings.home / "generations"
    return make_generation(engine.registry, folder, parts, index=HnswConfig(), gate=GateConfig())


def test_the_same_users_belong_to_a_share_and_to_every_larger_one():
    users = [f"user-{n}" for n in range(4000)]
    small, large = ({user for user in users if in_share(user, share)} for share in (0.1, 0.3))
    assert small < large
    assert 0.08 < len(small) / len(users) < 0.12
    assert all(in_share(user, 1.0) for user in users)
    code = "import sys; from engine.serving.shadow import in_share; print(sum(in_share(f'user-{n}', 0.1) for n in range(4000)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(small)


def test_callers_get_what_serves_and_both_answers_are_recorded(engine: Engine, small_world: World):
    made = candidate(engine, small_world, turn=1)
    engine.start_shadow(made.id, share=1.0)
    answers = [engine.related(f"jazz-{n}", 5, exclude=(name for name in ["jazz-3"])) for n in range(3)]
    answers.append(engine.home("both", 5))
    assert {one.generation for one in answers} == {"g0001"}
    engine.close()  # what waits is answered first
    found = engine.shadow_status()
    assert found is not None
    assert (found.generation, found.samples, found.errors, found.stopped_at) == (made.id, 4, 0, None)
    assert 0 <= found.least_overlap <= found.overlap < 1
    assert [one.question for one in found.last[::-1]] == [*(f"related to jazz-{n}" for n in range(3)), "home feed"]
    assert [one.live for one in found.last[::-1]] == [one.ids for one in answers]
    for one in found.last:
        assert one.overlap == pytest.approx(len(set(one.live) & set(one.shadow)) / 5)
    assert "both" not in found.to_json()
    assert "4, 0 failed" in str(found)


def test_only_the_share_is_asked_and_nothing_without_a_shadow(engine: Engine, small_world: World):
    engine.related("jazz-1", 3)
    engine.close()
    assert engine.shadow_status() is None
    engine.start_shadow(candidate(engine, small_world).id, share=0.3)
    users = [f"user-{topic}-{n}" for topic in ("jazz", "rock", "folk") for n in range(10)]
    for user in users:
        engine.related("ad-1", 3, user=user)
    engine.close()
    found = engine.shadow_status()
    assert found.samples == sum(in_share(user, 0.3) for user in users) > 0
    assert (found.overlap, found.errors) == (1.0, 0)
    engine.stop_shadow()
    engine.related("ad-1", 3, user=next(user for user in users if in_share(user, 0.3)))
    engine.close()
    assert engine.shadow_status().samples == found.samples
    assert engine.shadow_status().stopped_at is not None


def test_a_full_queue_leaves_questions_out_and_nobody_waits(engine: Engine, small_world: World, monkeypatch):
    engine.start_shadow(candidate(engine, small_world).id, share=1.0)
    monkeypatch.setattr(shadow, "MOST_WAITING", 3)
    shadowing = engine.opened.shadowing
    shadowing._start = lambda: None  # nothing is taken out of the queue
    for _ in range(10):
        assert len(engine.related("jazz-1", 3)) == 3
    assert shadowing._waiting.qsize() == 3


def test_a_shadow_that_fails_is_recorded_and_harms_nobody(engine: Engine, small_world: World):
    made = candidate(engine, small_world)
    engine.start_shadow(made.id, share=1.0)
    (made.path / "vectors.base").unlink()
    assert engine.related("jazz-1", 3).generation == "g0001"
    engine.close()
    found = engine.shadow_status()
    assert (found.samples, found.errors, found.overlap) == (1, 1, None)
    assert "vectors.base is missing" in found.last[0].error
    with pytest.raises(CorruptFileError):
        engine.promote_shadow()
    assert engine.registry.generations.serving_id() == "g0001"
    engine.stop_shadow()
    with pytest.raises(CorruptFileError):
        engine.start_shadow(made.id)
    assert engine.registry.shadows.running() is None


def test_a_promoted_shadow_serves_at_once_and_does_not_run_any_more(engine: Engine, small_world: World):
    with pytest.raises(NotReadyError, match="engine shadow start"):
        engine.promote_shadow()
    made = candidate(engine, small_world)
    with pytest.raises(InputError, match="serves already"):
        engine.start_shadow("g0001")
    engine.start_shadow(made.id, share=1.0)
    assert made.id not in engine.collect_garbage().deleted
    assert engine.promote_shadow().state is GenerationState.PUBLISHED
    assert engine.related("jazz-1", 3).generation == made.id
    assert engine.registry.shadows.running() is None
    assert engine.registry.generations.publications()[0].cause == "promote"
    assert engine.rollback().id == "g0001"
    # One that died between flip and end is finished by the next.
    again = engine.start_shadow(made.id)
    engine.registry.generations.publish(made.id, cause="promote")
    assert engine.promote_shadow().id == again.generation
    assert engine.registry.shadows.running() is None
    assert len(engine.registry.generations.publications()) == 4


def test_commands(engine: Engine, small_world: World, tmp_path: Path, monkeypatch):
    made = candidate(engine, small_world, turn=1)
    monkeypatch.setenv("ENGINE_HOME", str(tmp_path))

    app = typer.Typer()
    for group in ("generations", "shadow", "query"):
        importlib.import_module(f"engine.cli.{group}").register(app)

    def cli(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "no shadow yet" in cli("shadow", "status")
    assert "for 100% of the users" in cli("shadow", "start", made.id, "--share", "1")
    assert json.loads(cli("related", "jazz-1", "--json"))["generation"] == "g0001"
    assert json.loads(cli("shadow", "status", "--json"))["samples"] == 1
    diff = json.loads(cli("generations", "diff", "g0001", made.id, "-k", "5", "--json"))
    assert diff["corpora"][1]["overlap"] < 1
    assert f"{made.id} serves" in cli("shadow", "promote")
    assert "promote" in cli("generations", "show", made.id)
    assert "g0001 serves" in cli("generations", "rollback")
    assert "deleted no generation" in cli("generations", "gc")
    assert open_view(engine.registry.generations.get(made.id)).items
