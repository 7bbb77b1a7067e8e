"""Indexes are watched while they serve, and built anew beside what serves when they have grown past a limit."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineage import applied
from serving_world import AS_OF, make_world, publish

from engine.errors import LeaseHeldError, NotReadyError, TrainingError
from engine.index import compaction
from engine.index.hnsw import HnswConfig
from engine.index.layered import LayeredIndex, Layers
from engine.refresh import compact as module
from engine.refresh.compact import compact, measure
from engine.refresh.delta import Delta, write_delta
from engine.refresh.gate import GateConfig
from engine.registry import Registry
from engine.registry.runs import Outcome
from engine.serving.canary import MEASURE, WANTED, Canary, check_index
from engine.serving.live import open_view
from engine.serving.nearest import NearestMethod
from engine.serving.query import Query, Scope
from engine.serving.recommend import Recommender
from engine.serving.view import View
from engine.settings import GraphMapping

INDEX, GATE = HnswConfig(), GateConfig()


@pytest.fixture
def view(registry, tmp_path, small_world) -> View:
    return open_view(publish(registry, tmp_path, small_world))


def refreshed(registry: Registry, view: View, tmp_path: Path, name: str, seed: int = 0) -> View:
    """A delta in which half of the vectors point elsewhere and an item is new."""
    snapshot = applied(view.snapshot, tmp_path / "snapshots" / name, added=[name])
    rows = np.append(np.arange(0, len(view.items), 2), len(view.items)).astype(np.int32)
    made = np.random.default_rng(seed).standard_normal((len(rows), view.vectors.shape[1])).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)

    def write_state(folder: Path) -> None:
        (folder / "walks.bin").write_bytes(name.encode())

    delta = Delta(snapshot, AS_OF, rows, made, write_state=write_state, certificate={"largest_error": 0.1})
    return open_view(write_delta(registry, view, delta, tmp_path / "generations", index=INDEX, gate=GATE), view)


def run(registry: Registry, tmp_path: Path, **more: bool):
    return compact(registry, tmp_path / "generations", index=INDEX, gate=GATE, **more)


def spoiled(view: View) -> View:
    """The view with an index that looks for its vectors where they are not."""
    shuffled = np.array(view.vectors[np.random.default_rng(0).permutation(len(view.vectors))])
    lost = LayeredIndex(view.indexes[1].hnsw, shuffled, Layers.none(), breadth=1, moved=True)
    return replace(view, vectors=shuffled, indexes={0: view.indexes[0], 1: lost})


def answers(view: View, count: int = 20) -> list[list[int]]:
    rows = np.flatnonzero(view.items.corpus == 1)
    return view.indexes[1].query(np.array(view.vectors[rows]), count).labels.tolist()


def test_a_good_index_is_found_good_and_nothing_is_asked_for(registry, view):
    told = measure(registry, view)
    assert [(one.corpus, one.ann_recall, one.size, one.why) for one in told] == [
        ("ads", 1.0, 12, None),
        ("organic", 1.0, 37, None),
    ]
    assert {sample.corpus for sample in registry.samples.recent(MEASURE)} == {"ads", "organic"}
    assert not registry.flags.list(WANTED)


def test_an_index_below_the_floor_asks_for_compaction(registry, view):
    measure(registry, spoiled(view))
    asked = registry.flags.get(WANTED + "organic")
    assert "the floor is 0.95" in asked["why"]
    assert registry.samples.recent(MEASURE, corpus="organic")[0].value < 0.95


def test_live_queries_are_measured_in_the_background_and_bounded(registry, view):
    canary = Canary(registry, every=2, least=5, pause_s=0)
    broken = spoiled(view)
    for at in range(40):
        canary.saw(broken, "organic", broken.vectors[at])
    until = time.monotonic() + 30
    while not registry.samples.recent(MEASURE) and time.monotonic() < until:
        time.sleep(0.01)
    sample = registry.samples.recent(MEASURE)[0]
    assert (sample.generation, sample.corpus) == (view.origin.generation, "organic")
    assert 5 <= sample.detail["queries"] <= 20
    while registry.flags.get(WANTED + "organic") is None and time.monotonic() < until:
        time.sleep(0.01)
    assert registry.flags.get(WANTED + "organic") is not None


def test_every_question_is_told_to_the_canary(view):
    seen: list[tuple[str, list[float]]] = []
    asked = Recommender(
        view, GraphMapping(), {}, saw=lambda view, corpus, vector: seen.append((corpus, vector.tolist()))
    )
    asked.related("jazz-1", 3)
    asked.related("jazz-1", 3, corpus="ads")
    vector = view.vectors[view.item_row("jazz-1")].tolist()
    assert seen == [("organic", vector), ("ads", vector)]


def test_a_canary_that_cannot_write_harms_nobody(registry, view, caplog):
    canary = Canary(registry, every=1, least=1, pause_s=0)
    unknown = replace(view, origin=replace(view.origin, generation="g9999"))
    canary.saw(unknown, "organic", view.vectors[0])
    until = time.monotonic() + 30
    while "could not measure" not in caplog.text and time.monotonic() < until:
        time.sleep(0.01)
    assert "could not measure generation g9999" in caplog.text
    canary.saw(view, "organic", view.vectors[0])


def test_an_index_past_its_limit_is_built_anew_and_answers_the_same(registry, tmp_path, view, monkeypatch):
    grown = refreshed(registry, view, tmp_path, "one")
    monkeypatch.setattr(compaction, "HIDDEN_SHARE", 1.0)
    assert run(registry, tmp_path) is None
    assert registry.runs.list("compact")[0].outcome is Outcome.NOTHING
    monkeypatch.setattr(compaction, "SEGMENT_ROWS", 10)
    assert "beside the graph" in measure(registry, grown)[1].why
    built = run(registry, tmp_path)
    assert (built.serving, built.parent) == (True, grown.origin.generation)
    assert built.certificate == {"largest_error": 0.1}
    assert registry.generations.publications()[0].cause == "compaction"
    after = open_view(built, grown)
    assert not len(after.indexes[1].layers.segment)
    assert answers(after) == answers(grown)
    assert (after.folder / "state" / "walks.bin").samefile(grown.folder / "state" / "walks.bin")
    assert not registry.flags.list(WANTED)
    ran = registry.runs.list("compact")[0]
    assert (ran.outcome, ran.generation, list(ran.plan)) == (Outcome.DONE, built.id, ["organic"])


def test_what_was_refreshed_while_the_graph_was_built_is_carried_over(registry, tmp_path, view, monkeypatch):
    grown = refreshed(registry, view, tmp_path, "one")
    real = module.checked_index
    later: list[View] = []

    def slow(*args, **kwargs):
        if not later:
            later.append(refreshed(registry, grown, tmp_path, "two", seed=1))
        return real(*args, **kwargs)

    monkeypatch.setattr(module, "checked_index", slow)
    built = run(registry, tmp_path, everything=True)
    assert built.parent == later[0].origin.generation
    after = open_view(built)
    assert after.item_row("two") >= 0
    assert answers(after) == answers(later[0])


def test_a_full_build_meanwhile_makes_compaction_needless(registry, tmp_path, view, monkeypatch):
    real = module.checked_index

    def slow(*args, **kwargs):
        publish(registry, tmp_path, make_world(per_topic=13, seed=5))
        return real(*args, **kwargs)

    monkeypatch.setattr(module, "checked_index", slow)
    assert run(registry, tmp_path, everything=True) is None
    assert registry.runs.list("compact")[0].outcome is Outcome.NOTHING


def test_a_failing_compaction_leaves_what_serves_and_is_written_down(registry, tmp_path, view, monkeypatch):
    def fails(*_, **__):
        raise TrainingError("no such luck")

    monkeypatch.setattr(module, "checked_index", fails)
    with pytest.raises(TrainingError):
        run(registry, tmp_path, everything=True)
    assert registry.generations.serving_id() == view.origin.generation
    assert registry.runs.list("compact")[0].outcome is Outcome.FAILED


def test_only_one_process_compacts_and_only_what_is_there(registry, tmp_path):
    with pytest.raises(NotReadyError):
        run(registry, tmp_path)
    with registry.leases.hold("compact"), pytest.raises(LeaseHeldError):
        run(registry, tmp_path)


def test_an_empty_corpus_is_as_good_as_it_can_be(registry, tmp_path, view):
    ads = [view.item_ids[row] for row in np.flatnonzero(view.items.corpus == 0)]
    snapshot = applied(view.snapshot, tmp_path / "snapshots" / "empty", removed=ads)
    none = np.empty(0, np.int32), np.empty((0, view.vectors.shape[1]), np.float32)
    built = write_delta(registry, view, Delta(snapshot, AS_OF, *none), tmp_path / "generations", index=INDEX, gate=GATE)
    after = open_view(built, view)
    health = check_index(after, 0, np.array(view.vectors[:3]))
    assert (health.ann_recall, health.queries, health.size) == (1.0, 0, 0)
    query = Query(("x",), np.array([-1], np.int32), np.ones(1, np.float32), np.array(view.vectors[:1]))
    assert not len(NearestMethod(after).search(query, Scope(0, None, frozenset()), 5).rows)
