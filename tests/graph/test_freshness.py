"""Answers are as old as the oldest change they have not seen, and say so or refuse."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import engine.serving.freshness as freshness
from engine import Engine
from engine.errors import InputError, StaleAnswerError
from engine.graph.connection import Graph
from engine.index.hnsw import HnswConfig
from engine.refresh.build import Parts, make_generation
from engine.refresh.gate import GateConfig
from engine.registry import Generation, Job, Outcome
from engine.settings import Settings

pytestmark = pytest.mark.graph


@pytest.fixture
def engine(settings: Settings, graph: Graph) -> Iterator[Engine]:
    del graph  # it empties the database
    with Engine(settings) as opened:
        opened.add_items([{"item_id": f"item-{n}", "corpus": "ads" if n > 7 else "organic"} for n in range(10)])
        opened.add_contexts([{"context_id": "board"}])
        opened.add_users([{"user_id": "user"}])
        opened.add_saves([{"context_id": "board", "item_id": f"item-{n}"} for n in range(10)])
        yield opened


def publish(engine: Engine, as_of: datetime | None = None, **ready: object) -> Generation:
    """A generation of made vectors, true to the graph as it is."""
    snapshot = engine.snapshot()
    vectors = np.random.default_rng(0).normal(size=(len(snapshot.items), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    parts = Parts(snapshot, as_of or datetime.now(UTC), vectors)
    made = make_generation(
        engine.registry, engine.settings.home / "generations", parts, index=HnswConfig(), gate=GateConfig()
    )
    published = engine.registry.generations.publish(made.id)
    engine.opened.live.look_again()
    return published


def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The watermarks that the graph is asked about from now on."""
    seen: list[int] = []
    real = freshness.oldest_unseen

    def counted(graph: Graph, since: int):
        seen.append(since)
        return real(graph, since)

    monkeypatch.setattr(freshness, "oldest_unseen", counted)
    return seen


def test_an_answer_is_refused_only_while_changes_are_older_than_allowed(engine: Engine, monkeypatch):
    first = publish(engine, as_of=datetime.now(UTC) - timedelta(days=30))
    looks = asked(monkeypatch)
    # Where nothing changed nothing is old, however long ago the generation was made.
    assert engine.related("item-1", 3, max_staleness_s=0).generation == first.id
    for _ in range(5):
        engine.related("item-1", 3, max_staleness_s=60)
        engine.home("user", 3, max_staleness_s=60)
    assert looks == [first.watermark]
    engine.add_items([{"item_id": "late"}])
    time.sleep(0.01)
    with pytest.raises(StaleAnswerError, match=r"g0001 is \d+\.\d s behind the graph; 0 s were asked for"):
        engine.related("item-1", 3, max_staleness_s=0)
    with pytest.raises(StaleAnswerError):
        engine.home("user", 3, max_staleness_s=0)
    # That it is behind is known from now on, and by how much.
    looks.clear()
    assert engine.related("item-1", 3, max_staleness_s=3600).generation == first.id
    with pytest.raises(StaleAnswerError):
        engine.related("item-1", 3, max_staleness_s=0.001)
    assert looks == []
    second = publish(engine)
    assert engine.related("item-1", 3, max_staleness_s=0).generation == second.id


def test_an_answer_is_not_refused_for_a_generation_that_was_published_a_moment_ago(engine: Engine):
    publish(engine)
    engine.related("item-1", 3)
    engine.add_items([{"item_id": "late"}])
    second = publish(engine)
    assert engine.related("item-1", 3, max_staleness_s=0).generation == second.id


@pytest.mark.parametrize("limit", [-1, float("nan"), "1", True])
def test_a_limit_that_is_none_is_refused(engine: Engine, limit):
    publish(engine)
    with pytest.raises(InputError, match="max_staleness_s"):
        engine.related("item-1", 3, max_staleness_s=limit)
    with pytest.raises(InputError, match="'raise' or 'live', not 'later'"):
        engine.related("item-1", 3, max_staleness_s=0, when_stale="later")


def test_a_graph_that_cannot_tell_leaves_the_age_of_the_generation(engine: Engine, settings: Settings):
    publish(engine, as_of=datetime.now(UTC) - timedelta(seconds=100))
    gone = settings.graph.model_copy(update={"uri": "bolt://127.0.0.1:1"})
    with Engine(settings.model_copy(update={"graph": gone})) as cut_off:
        assert len(cut_off.related("item-1", 3, max_staleness_s=1000)) == 3
        with pytest.raises(
            StaleAnswerError, match=r"may be up to 1\d\d\.\d s behind the graph, as the graph cannot be"
        ):
            cut_off.related("item-1", 3, max_staleness_s=50)
    engine.add_items([{"item_id": "late"}])
    engine.graph.write("MATCH (m:_EngineRev) DELETE m")
    with pytest.raises(StaleAnswerError, match="keeps no times"):
        engine.related("item-1", 3, max_staleness_s=50)
    engine.graph.write("MATCH (s:_EngineState) DELETE s")
    assert len(engine.related("item-1", 3, max_staleness_s=1000)) == 3
    with pytest.raises(StaleAnswerError, match="counts no changes"):
        engine.related("item-1", 3, max_staleness_s=50)


def test_the_status_tells_the_lag_of_each_corpus_and_why(engine: Engine):
    publish(engine)
    assert (engine.status().behind, engine.status().lag, engine.status().why) == (0, {}, None)
    engine.add_items([{"item_id": "late"}, {"item_id": "later", "corpus": "ads"}])
    engine.add_saves([{"context_id": "board", "item_id": "late"}])
    found = engine.status()
    assert (found.behind, {name: one.changes for name, one in found.lag.items()}) == (2, {"ads": 1, "organic": 2})
    assert found.oldest_unseen_s is not None
    assert found.lag["organic"].oldest_s is not None
    assert 0 <= found.lag["organic"].p50_s <= found.lag["organic"].p95_s <= found.lag["organic"].oldest_s
    assert found.why == "no refresh ever ran"
    runs = engine.registry.runs
    for outcome, reason, words in (
        (Outcome.DONE, None, "they came after the last refresh"),
        (Outcome.FAILED, "the disk is full", "failed: the disk is full"),
        (Outcome.PARTIAL, "its budget of 2 s", "put a part off: its budget of 2 s"),
    ):
        with runs.record(Job.REFRESH, "test") as told:
            told.outcome, told.reason = outcome, reason
        assert words in engine.status().why
    runs.begin(job=Job.REFRESH, cause="test", token=None)
    assert "has been running since" in engine.status().why
    assert "unseen in" in str(engine.status())
    assert "2 commits, the oldest of" in str(engine.status())


def test_the_status_tells_of_a_generation_that_cannot_be_opened(engine: Engine, settings: Settings):
    publish(engine)
    engine.related("item-1", 3)
    second = publish(engine)
    (second.path / "vectors.base").write_bytes(b"nothing")
    with Engine(settings) as other:
        assert "nothing answers here: generation" in other.status().trouble
        assert other.status().items is None
    assert engine.related("item-1", 3).generation == "g0001"
    assert engine.status().generation == "g0002"
    assert "g0002 cannot be opened" in engine.status().trouble
    assert "g0001 answers" in str(engine.status())


def test_an_answer_carries_the_certificate_of_its_generation(engine: Engine):
    made = publish(engine)
    assert engine.related("item-1", 3).certificate is None
    view = engine.view()
    certificate = {"largest_error": 0.004, "skipped": 12}
    begun = engine.registry.generations.begin(
        watermark=made.watermark,
        as_of=made.as_of,
        config={},
        snapshot_path=made.snapshot_path,
        folder=made.path.parent,
        kind="delta",
        parent=made.id,
    )
    made.path.rename(begun.path)
    engine.registry.generations.ready(begun.id, metrics={}, files={}, certificate=certificate)
    engine.registry.generations.publish(begun.id)
    engine.opened.live.look_again()
    del view
    answer = engine.related("item-1", 3)
    assert (answer.generation, answer.certificate) == (begun.id, certificate)
    assert "within 0.004 of exact, 12 items skipped" in str(answer)
    assert answer.to_dict()["certificate"] == certificate
    assert engine.home("user", 3).certificate == certificate
    assert engine.status().certificate == certificate
