"""A generation is whole and good, or it does not serve."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from serving_world import AS_OF, make_world, publish, topic_vectors

from engine.errors import CorruptFileError, EmptyGraphError, NotReadyError, TrainingError
from engine.graph.snapshot_columns import node_table
from engine.index.hnsw import HnswConfig
from engine.refresh.build import Parts, make_generation, publish_generation
from engine.refresh.gate import GateConfig, figure_name
from engine.registry import GenerationState, Registry
from engine.serving.live import Live, open_view
from engine.serving.recommend import Recommender
from engine.settings import GraphMapping

SERVING = Path(__file__).resolve().parent


def live(registry: Registry) -> Live:
    return Live(registry, lambda view: Recommender(view, GraphMapping(), {}))


def test_a_published_generation_says_what_was_measured(registry, tmp_path, small_world):
    built = publish(registry, tmp_path, small_world, config={"dim": 16}, metrics={"MRR": 0.5})
    assert built.serving
    assert built.metrics == {"MRR": 0.5, "ann_recall": 1.0, "items": 49}
    assert (built.config, built.as_of) == ({"dim": 16}, AS_OF)
    manifest = json.loads((built.path / "manifest.json").read_text())
    assert (manifest["generation"], manifest["corpora"]) == (built.id, ["ads", "organic"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda v: v[:-1], "49 items but vectors of the shape"),
        (lambda v: np.where(np.arange(len(v))[:, None] == 7, np.nan, v), "row 7 is not finite"),
        (lambda v: v * 1.5, "has length 1.5"),
        (lambda v: np.zeros_like(v), "has length 0.0"),
    ],
)
def test_vectors_that_cannot_serve_are_refused_and_the_last_generation_stays(
    registry, tmp_path, small_world, spoil, message
):
    first = publish(registry, tmp_path, small_world)
    snapshot = open_view(first).snapshot
    with pytest.raises(TrainingError, match=message):
        publish(registry, tmp_path, small_world, vectors=spoil(topic_vectors(snapshot, small_world.topic)))
    assert registry.generations.serving_id() == first.id
    failed = registry.generations.list()[0]
    assert failed.state is GenerationState.FAILED
    assert "the gate" in failed.reason
    assert [p.name for p in (tmp_path / "generations").iterdir()] == [first.id]


def test_an_index_below_the_wanted_recall_does_not_serve(registry, tmp_path, small_world):
    first = publish(registry, tmp_path, small_world)
    view = open_view(first)
    parts = Parts(view.snapshot, AS_OF, np.asarray(view.vectors))
    with pytest.raises(TrainingError, match=r"ann_recall@10 of corpus 'ads' is 1.000, below 1.1"):
        publish_generation(
            registry, tmp_path / "generations", parts, index=HnswConfig(), gate=GateConfig(ann_recall=1.1)
        )
    assert registry.generations.serving_id() == first.id


def test_a_build_that_answers_worse_than_what_serves_is_refused(registry, tmp_path, small_world):
    name = figure_name("pinsage", "MRR")
    first = publish(registry, tmp_path, small_world, metrics={name: 0.5, figure_name("walks", "MRR"): 0.5})
    with pytest.raises(TrainingError, match=r"pinsage MRR is 0.39, more than 20% below the 0.5 of what serves") as told:
        publish(registry, tmp_path, small_world, metrics={name: 0.39})
    assert "ENGINE_GATE_METRIC_DROP" in told.value.hint
    assert registry.generations.serving_id() == first.id
    assert "the gate" in registry.generations.list()[0].reason
    # Somewhat worse, or worse by what no build learns, or allowed by the configuration.
    second = publish(registry, tmp_path, small_world, metrics={name: 0.41, figure_name("walks", "MRR"): 0.1})
    assert second.serving
    parts = Parts(open_view(second).snapshot, AS_OF, np.asarray(open_view(second).vectors), metrics={name: 0.1})
    any_pass = GateConfig(metric_drop=1)
    assert publish_generation(registry, tmp_path / "generations", parts, index=HnswConfig(), gate=any_pass).metrics == {
        name: 0.1,
        "ann_recall": 1.0,
        "items": 49,
    }


def test_a_generation_that_was_only_made_waits_beside_what_serves(registry, tmp_path, small_world):
    first = publish(registry, tmp_path, small_world)
    view = open_view(first)
    parts = Parts(view.snapshot, AS_OF, np.asarray(view.vectors))
    made = make_generation(registry, tmp_path / "generations", parts, index=HnswConfig(), gate=GateConfig())
    assert (made.state, made.serving, registry.generations.serving_id()) == (GenerationState.READY, False, first.id)
    assert open_view(made).origin.generation == made.id


def test_nothing_published_names_the_command(registry):
    with pytest.raises(NotReadyError, match="engine build"):
        live(registry).recommender()


def test_a_reader_moves_on_to_the_next_generation_and_may_finish_on_the_old_one(registry, tmp_path, small_world):
    publish(registry, tmp_path, small_world)
    reading = live(registry)
    old = reading.recommender()
    second = publish(registry, tmp_path, small_world)
    reading.look_again()
    assert reading.recommender().view.origin.generation == second.id
    assert old.related("jazz-1", 3).generation == "g0001"


@pytest.mark.parametrize("file", ["vectors.base", "item_keys.base", "index/1/hnsw/index.bin", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "delete"])
def test_a_damaged_generation_is_named_and_not_served(registry, tmp_path, small_world, file, damage):
    built = publish(registry, tmp_path, small_world)
    path = built.path / file
    if damage == "delete":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=rf"{built.id}[^\n]*\n`engine generations rollback`"):
        live(registry).recommender()


def test_a_generation_of_another_snapshot_is_refused(registry, tmp_path, small_world):
    first = publish(registry, tmp_path, small_world)
    other = publish(registry, tmp_path, make_world(per_topic=11))
    manifest = first.path / "manifest.json"
    assert manifest.is_file()
    with pytest.raises(CorruptFileError, match="another snapshot"):
        open_view(replace(first, snapshot_path=other.snapshot_path))


def test_an_empty_snapshot_is_not_built(registry, tmp_path, small_world):
    snapshot = open_view(publish(registry, tmp_path, small_world)).snapshot
    nothing = replace(snapshot, items=node_table([])[0])
    with pytest.raises(EmptyGraphError):
        publish_generation(
            registry,
            tmp_path / "generations",
            Parts(nothing, AS_OF, np.empty((0, 4), np.float32)),
            index=HnswConfig(),
            gate=GateConfig(),
        )


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import engine.refresh.build as build
from engine.registry import Registry
from engine.registry.generations import Generations
from serving_world import make_world, publish
home, world = Path(sys.argv[2]), make_world(per_topic=12, seed=1)

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

for owner, step in ((build, "check_finite"), (build, "checked_index"), (build, "_write"), (Generations, "ready"), (Generations, "publish")):
    child = os.fork()
    if not child:
        setattr(owner, step, die)
        publish(Registry.open(f"sqlite:///{home / 'registry.sqlite'}"), home, world)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, step
    print(step)
"""


def test_a_kill_at_any_step_leaves_the_last_generation_serving(registry, tmp_path, small_world):
    first = publish(registry, tmp_path, small_world)
    script = [sys.executable, "-c", KILLED, str(SERVING), str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["check_finite", "checked_index", "_write", "ready", "publish"], done.stderr
    assert registry.generations.serving_id() == first.id
    assert live(registry).recommender().related("jazz-1", 3).generation == first.id
    assert [one.state for one in registry.generations.list()] == [
        GenerationState.READY,
        *[GenerationState.BUILDING] * 4,
        GenerationState.PUBLISHED,
    ]
    assert publish(registry, tmp_path, small_world).serving
