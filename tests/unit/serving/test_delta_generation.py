"""A delta is a generation like any other: whole, gated, independent of its parent, and cheap to open beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineage import applied
from serving_world import AS_OF, make_world, publish

import engine.files
from engine.errors import CorruptFileError, InputError, NotReadyError, SupersededError, TrainingError
from engine.index import compaction
from engine.index.hnsw import HnswConfig, HnswIndex
from engine.index.layered import LayeredIndex
from engine.models.blend.weights import BlendWeights
from engine.refresh.delta import Delta, write_delta
from engine.refresh.gate import GateConfig
from engine.registry import GenerationState, Registry
from engine.serving.blend import Blend
from engine.serving.live import open_view
from engine.serving.methods import methods_of
from engine.serving.recommend import Recommender
from engine.serving.view import View
from engine.settings import GraphMapping

SERVING = Path(__file__).resolve().parent
INDEX, GATE = HnswConfig(), GateConfig()


@pytest.fixture
def parent(registry, tmp_path, small_world) -> View:
    model, blend = tmp_path / "model", tmp_path / "blend"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"0" * 100)
    Blend(BlendWeights(1, 1, 1, 1e-5, 1, 1, 0), 1.0, np.zeros(49, np.float32), 0.0).save(blend)
    folders = {"model": model, "blend": blend}

    def write_state(folder: Path) -> None:
        (folder / "walks.bin").write_bytes(b"1" * 100)

    return open_view(
        publish(registry, tmp_path, small_world, folders=folders, write_state=write_state, metrics={"MRR": 0.5})
    )


def recommender(view: View) -> Recommender:
    return Recommender(view, GraphMapping(), methods_of(view, 0))


def changed(view: View, tmp_path: Path, **changes: object) -> Delta:
    """jazz-1 is gone, "new" is as jazz-2 is, and rock-3 moves to where folk-3 is."""
    snapshot = applied(
        view.snapshot,
        tmp_path / "snapshots" / f"applied-{view.origin.generation}",
        removed=["jazz-1"],
        added=["new"],
        saves=[("board-jazz-0", "new"), ("board-jazz-1", "new")],
        titles={"new": "All about the new one", "folk-0": "Another title"},
    )
    rows = np.array([view.item_row("rock-3"), len(view.items)], np.int32)
    vectors = view.vectors[[view.item_row("folk-3"), view.item_row("jazz-2")]]
    return replace(Delta(snapshot, AS_OF, rows, vectors), **changes)


def write(registry: Registry, view: View, delta: Delta, tmp_path: Path, **more: object):
    return write_delta(registry, view, delta, tmp_path / "generations", index=INDEX, gate=GATE, **more)


def test_a_delta_serves_what_has_changed(registry, tmp_path, parent):
    delta = changed(parent, tmp_path, certificate={"largest_error": 0.01, "skipped": 3}, metrics={"walked": 7})
    built = write(registry, parent, delta, tmp_path)
    assert (built.serving, built.kind, built.parent, built.watermark) == (True, "delta", parent.origin.generation, 1)
    assert built.certificate == {"largest_error": 0.01, "skipped": 3}
    assert built.metrics == {
        "MRR": 0.5,
        "walked": 7,
        "ann_recall": 1.0,
        "items": 49,
        "changed": 3,
        "beside_index": 2,
        "hidden_in_index": 2,
    }
    assert registry.generations.publications()[0].cause == "refresh"
    asked = recommender(open_view(built))
    near_jazz = asked.related("jazz-2", 5, method="pinsage")
    assert near_jazz.items[0].item_id == "new"
    assert near_jazz.items[0].title == "All about the new one"
    assert asked.related("folk-3", 1, method="pinsage").items[0].item_id == "rock-3"
    everything = {one.item_id for one in asked.related("jazz-2", 49, method="pinsage").items}
    assert "jazz-1" not in everything
    assert len(everything) == 36
    assert not asked.view.vectors[parent.item_row("jazz-1")].any()


def test_the_blend_answers_with_items_that_came_after_it_was_learned(registry, tmp_path, parent):
    built = write(registry, parent, changed(parent, tmp_path), tmp_path)
    answer = recommender(open_view(built)).related("jazz-2", 36, method="blend")
    assert "new" in {one.item_id for one in answer.items}


def test_a_delta_lives_on_without_its_parent(registry, tmp_path, parent):
    built = write(registry, parent, changed(parent, tmp_path), tmp_path)
    before = recommender(open_view(built)).related("jazz-2", 20, method="pinsage").items
    old = recommender(parent)
    for gone in (parent.folder, parent.snapshot.path):
        shutil.rmtree(gone)
    assert recommender(open_view(built)).related("jazz-2", 20, method="pinsage").items == before
    assert old.related("jazz-1", 3).generation == parent.origin.generation


def test_what_is_the_same_takes_no_second_place_on_disk(registry, tmp_path, parent):
    built = write(registry, parent, changed(parent, tmp_path), tmp_path)
    shared = ["vectors.base", "item_keys.base", "index/0/hnsw/index.bin", "index/1/hnsw/index.bin", "model/weights.bin"]
    for name in [*shared, "blend/bias.npy"]:
        assert (built.path / name).samefile(parent.folder / name), name


def test_opening_a_delta_beside_its_parent_looks_only_at_what_is_new(registry, tmp_path, parent, monkeypatch):
    assert parent.item_row("jazz-1") >= 0
    built = write(registry, parent, changed(parent, tmp_path), tmp_path)
    summed: list[str] = []
    real = engine.files.sha256_file
    monkeypatch.setattr(engine.files, "sha256_file", lambda path: (summed.append(path.name), real(path))[1])
    monkeypatch.setattr(HnswIndex, "load", lambda *_: pytest.fail("a graph was loaded again"))
    beside = open_view(built, parent)
    assert not {"vectors.base", "item_keys.base", "index.bin"} & set(summed)
    assert {"vectors.rows.npy", "items.key.npy"} <= set(summed)
    monkeypatch.undo()
    alone = open_view(built)
    assert "names" in beside.__dict__
    assert beside.names == alone.names
    np.testing.assert_array_equal(beside.vectors, alone.vectors)
    for number in alone.indexes:
        assert beside.indexes[number].hnsw is parent.indexes[number].hnsw
        queries = np.array(alone.vectors[alone.items.alive])
        np.testing.assert_array_equal(
            beside.indexes[number].query(queries, 10).labels, alone.indexes[number].query(queries, 10).labels
        )


def test_names_of_a_generation_that_has_nothing_in_common_are_read_anew(registry, tmp_path, parent):
    assert parent.names.rows["jazz-1"] == parent.item_row("jazz-1")
    other = publish(registry, tmp_path, make_world(per_topic=20, seed=2))
    assert open_view(other, parent).names == open_view(other).names
    smaller = publish(registry, tmp_path, make_world(per_topic=9, seed=2))
    assert open_view(smaller, parent).names == open_view(smaller).names


def test_delta_upon_delta_stays_right(registry, tmp_path, parent):
    first = open_view(write(registry, parent, changed(parent, tmp_path), tmp_path), parent)
    snapshot = applied(
        first.snapshot, tmp_path / "snapshots" / "again", removed=["new"], added=["jazz-1", "newer"], titles={}
    )
    before = len(first.items)
    rows = np.array([first.item_row("rock-3"), before, before + 1], np.int32)
    vectors = parent.vectors[[parent.item_row(name) for name in ("rock-3", "jazz-1", "folk-1")]]
    second = open_view(write(registry, first, Delta(snapshot, AS_OF, rows, vectors), tmp_path), first)
    assert second.names == open_view(registry.generations.get(second.origin.generation)).names
    assert second.item_row("jazz-1") == before
    assert second.item_row("new") == -1
    ours = recommender(second).related("jazz-1", 36, method="pinsage").items
    theirs = recommender(parent).related("jazz-1", 36, method="pinsage").items
    assert [one.item_id for one in ours if one.item_id != "newer"] == [one.item_id for one in theirs][: len(ours) - 1]


def test_a_new_corpus_gets_an_index_of_its_own(registry, tmp_path, parent):
    snapshot = applied(parent.snapshot, tmp_path / "snapshots" / "corpus", added=["shop-1"], corpus="shop")
    delta = Delta(snapshot, AS_OF, np.array([49], np.int32), parent.vectors[:1])
    view = open_view(write(registry, parent, delta, tmp_path), parent)
    answer = recommender(view).related("jazz-1", 1, corpus="shop", method="pinsage")
    assert [one.item_id for one in answer.items] == ["shop-1"]


def test_state_is_there_for_the_next_refresh_and_not_looked_at_by_readers(registry, tmp_path, parent):
    def write_state(folder: Path) -> None:
        engine.files.link_file(parent.folder / "state" / "walks.bin", folder / "walks.bin")
        (folder / "due.bin").write_bytes(b"2")

    built = write(registry, parent, changed(parent, tmp_path, write_state=write_state), tmp_path)
    assert (built.path / "state" / "walks.bin").samefile(parent.folder / "state" / "walks.bin")
    assert {"state/walks.bin", "state/due.bin"} <= set(built.files)
    (built.path / "state" / "due.bin").unlink()
    assert open_view(built).item_row("new") == 49


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda d: replace(d, vectors=d.vectors * np.nan), TrainingError, "is not finite"),
        (lambda d: replace(d, vectors=d.vectors * 2), TrainingError, "has length 2"),
        (lambda d: replace(d, vectors=d.vectors[:1]), TrainingError, "2 items but vectors of the shape"),
        (lambda d: replace(d, rows=d.rows[:1], vectors=d.vectors[:1]), InputError, "an appended row has no value"),
    ],
)
def test_a_delta_that_cannot_serve_is_refused_and_its_parent_stays(registry, tmp_path, parent, spoil, error, message):
    with pytest.raises(error, match=message):
        write(registry, parent, spoil(changed(parent, tmp_path)), tmp_path)
    assert registry.generations.serving_id() == parent.origin.generation
    assert [p.name for p in (tmp_path / "generations").iterdir()] == [parent.origin.generation]


def test_a_snapshot_of_another_lineage_is_refused(registry, tmp_path, parent, small_world):
    other = open_view(publish(registry, tmp_path, make_world(per_topic=12, seed=3)))
    bigger = open_view(publish(registry, tmp_path, make_world(per_topic=13, seed=3)))
    none = (np.empty(0, np.int32), np.empty((0, 16), np.float32))
    with pytest.raises(InputError, match="rows never move"):
        write(registry, parent, Delta(bigger.snapshot, AS_OF, *none), tmp_path)
    with pytest.raises(InputError, match="fewer than"):
        write(registry, bigger, Delta(other.snapshot, AS_OF, *none), tmp_path)


def test_a_delta_whose_parent_no_longer_serves_is_not_published(registry, tmp_path, parent, small_world):
    delta = changed(parent, tmp_path)
    other = publish(registry, tmp_path, small_world)
    with pytest.raises(SupersededError):
        write(registry, parent, delta, tmp_path)
    assert registry.generations.serving_id() == other.id
    assert registry.generations.list()[0].state is GenerationState.FAILED


@pytest.mark.parametrize("file", ["vectors.values.npy", "vectors.base", "item_keys.rows.npy", "index/1/segment.npy"])
@pytest.mark.parametrize("damage", ["flip", "delete"])
def test_a_damaged_delta_is_named_even_where_its_parent_is_open(registry, tmp_path, parent, file, damage):
    built = write(registry, parent, changed(parent, tmp_path), tmp_path)
    path = built.path / file
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "flip":
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=built.id):
        open_view(built, parent)


def test_an_index_far_past_its_limits_is_built_anew_before_it_serves(registry, tmp_path, parent, monkeypatch):
    monkeypatch.setattr(compaction, "SEGMENT_ROWS", 0)
    built = write(registry, parent, changed(parent, tmp_path), tmp_path)
    assert (built.metrics["beside_index"], built.metrics["hidden_in_index"]) == (0, 0)
    view = open_view(built, parent)
    assert view.indexes[1].hnsw is not parent.indexes[1].hnsw
    assert recommender(view).related("jazz-2", 1, method="pinsage").items[0].item_id == "new"


def test_an_index_built_beside_takes_the_place_of_the_old_one(registry, tmp_path, parent):
    live = np.flatnonzero(parent.items.corpus == 1)
    anew = LayeredIndex.of(HnswIndex.build(parent.vectors[live], live), parent.vectors)
    built = write(registry, parent, changed(parent, tmp_path, rebuilt={1: anew}), tmp_path, cause="compaction")
    assert not (built.path / "index/1/hnsw/index.bin").samefile(parent.folder / "index/1/hnsw/index.bin")
    assert (built.path / "index/0/hnsw/index.bin").samefile(parent.folder / "index/0/hnsw/index.bin")
    assert recommender(open_view(built)).related("jazz-2", 1, method="pinsage").items[0].item_id == "new"


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import engine.refresh.delta as delta
from engine.registry import Registry
from engine.registry.generations import Generations
from engine.serving.live import open_view
from test_delta_generation import changed, write
home = Path(sys.argv[2])

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

steps = ((delta, "_patch_vectors"), (delta, "advanced_index"), (delta, "link_folder"), (delta, "read_manifest"),
         (Generations, "ready"), (Generations, "publish"))
for owner, step in steps:
    child = os.fork()
    if not child:
        setattr(owner, step, die)
        registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
        view = open_view(registry.generations.serving())
        write(registry, view, changed(view, home / step), home)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, step
    print(step)
"""


def test_a_kill_at_any_step_leaves_the_parent_serving(registry, tmp_path, parent):
    script = [sys.executable, "-c", KILLED, str(SERVING), str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    steps = ["_patch_vectors", "advanced_index", "link_folder", "read_manifest", "ready", "publish"]
    assert done.stdout.split() == steps, done.stderr
    assert registry.generations.serving_id() == parent.origin.generation
    assert write(registry, parent, changed(parent, tmp_path), tmp_path).serving


FORMATS = SERVING.parents[1] / "fixtures" / "formats"


@pytest.mark.parametrize("version", [1, 2])
def test_every_format_there_ever_was_still_opens_and_answers(registry, tmp_path, version, small_world):
    fixture = FORMATS / f"generation_{version}"
    facts = json.loads((fixture / "generation" / "manifest.json").read_text())
    generation = publish(registry, tmp_path, small_world)
    old = replace(generation, path=fixture / "generation", snapshot_path=fixture / "snapshot")
    view = open_view(old)
    assert view.facts["format"] == facts["format"] == version
    item = view.item_ids[0]
    answer = recommender(view).related(item, 3, method="pinsage")
    assert len(answer.items) == 3
    again = open_view(old, view)
    assert again.indexes[0].hnsw is view.indexes[0].hnsw
    if version == 1:
        none = (np.empty(0, np.int32), np.empty((0, view.vectors.shape[1]), np.float32))
        with pytest.raises(NotReadyError, match="engine build"):
            write(registry, view, Delta(view.snapshot, AS_OF, *none), tmp_path)
