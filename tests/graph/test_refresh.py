"""A refresh makes what serves equal to the same model over the graph as it is, on the genuine Neo4j."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_writes import OPERATIONS, PLAIN, perform, start_over
from refresh_world import ROUNDING, differences, fill, publish_untrained, quietly

from engine import Engine
from engine.errors import LeaseHeldError, NotReadyError, SupersededError
from engine.graph.connection import Graph
from engine.refresh import refresh as refreshing
from engine.registry import REFRESHING, GenerationState, Job, Outcome
from engine.serving import layout
from engine.settings import Settings as EngineSettings

pytestmark = pytest.mark.graph


@pytest.fixture
def engine(settings: EngineSettings, graph: Graph) -> Iterator[Engine]:
    del graph  # it empties the database
    with Engine(settings, threads=1) as opened:
        yield opened


@pytest.fixture
def filled(engine: Engine) -> Engine:
    fill(engine)
    publish_untrained(engine)
    return engine


def folders(engine: Engine) -> list[str]:
    """All that lies in the home, but for the registry."""
    home = engine.settings.home
    return sorted(
        str(path.relative_to(home)) for name in ("generations", "snapshots") for path in (home / name).iterdir()
    )


@settings(
    deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.lists(OPERATIONS, min_size=1, max_size=6), min_size=1, max_size=3))
def test_any_sequence_of_writes_split_in_any_way_gives_what_a_build_gives(engine: Engine, parts):
    start_over(engine.graph, PLAIN)
    publish_untrained(engine)
    for operations in parts:
        for operation in operations:
            perform(engine.opened.writer, operation)
        if quietly(engine.refresh) is not None:
            assert differences(engine) < ROUNDING
            assert engine.verify(50).holds


def test_a_save_a_new_pin_and_a_removed_board_are_in_the_answers_after_a_refresh(filled: Engine):
    first = filled.registry.generations.serving()
    filled.add_items([{"item_id": "fresh", "tags": ["t1"], "title": "pin 1"}])
    filled.add_saves([{"context_id": "b1", "item_id": "fresh"}, {"context_id": "b2", "item_id": "fresh"}])
    filled.remove_contexts(["b3"])
    told = filled.refresh(cause="a test")
    served = filled.registry.generations.serving()
    assert served is not None
    assert (told.generation, told.parent) == (served.id, first.id)
    assert (served.kind, served.parent, served.watermark) == ("delta", first.id, told.until)
    assert served.certificate is None
    assert told.changes["saves"] >= 2
    assert told.counts["embedded"] > 0
    assert "fresh" in [entry.item_id for entry in filled.related("p1", k=45, method="pinsage")]
    assert differences(filled) < ROUNDING
    run = filled.registry.runs.last(Job.REFRESH)
    assert (run.outcome, run.generation, run.cause) == (Outcome.DONE, served.id, "a test")
    assert run.counts["embedded"] == told.counts["embedded"]
    assert "why" in run.plan
    assert {"read changes", "apply", "embed", "publish", "total"} <= set(run.timings)
    assert json.loads(told.to_json())["generation"] == served.id
    assert served.id in str(told)
    again = filled.refresh()
    assert again.generation is None
    assert filled.registry.runs.last(Job.REFRESH).outcome == Outcome.NOTHING
    assert "no changes" in str(again)


def test_a_rehearsal_tells_the_same_and_leaves_nothing(filled: Engine):
    filled.add_saves([{"context_id": "b1", "item_id": "p3"}])
    before, served = folders(filled), filled.registry.generations.serving_id()
    rehearsed = filled.rehearse_refresh()
    assert folders(filled) == before
    assert filled.registry.generations.serving_id() == served
    assert filled.registry.runs.last(Job.REFRESH) is None
    told = filled.refresh()
    assert (rehearsed.generation, rehearsed.changes) == (None, told.changes)
    del rehearsed.counts["walked"], told.counts["walked"]  # by the way that was measured to be quicker
    assert rehearsed.counts == told.counts


def test_what_is_put_off_is_certified_and_finished_by_the_next_refresh(filled: Engine):
    filled.add_saves([{"context_id": f"b{n}", "item_id": "p3"} for n in range(6)])
    told = filled.refresh(max_nodes=2)
    served = filled.registry.generations.serving()
    assert told.counts["embedded"] == 2
    assert told.counts["put_off"] > 0
    assert served.certificate == {"largest_error": told.certificate.largest, "skipped": told.certificate.skipped}
    assert filled.registry.runs.last(Job.REFRESH).outcome == Outcome.PARTIAL
    assert differences(filled) <= told.certificate.largest + ROUNDING
    assert filled.verify(40).holds, "what the accounts allow is no error"
    rest = filled.refresh()
    assert rest.counts["embedded"] >= told.counts["put_off"]
    assert filled.registry.generations.serving().certificate is None
    assert differences(filled) < ROUNDING


def test_with_epsilon_fewer_are_embedded_and_none_is_further_off(filled: Engine):
    filled.add_saves([{"context_id": "b1", "item_id": "p3"}])
    told = filled.refresh(epsilon=0.5)
    assert told.counts["put_off"] == 0
    assert told.counts["embedded"] < told.counts["reached"]
    assert differences(filled) <= told.certificate.largest + ROUNDING
    assert told.certificate.largest <= 0.5


def test_one_refresh_at_a_time_and_none_without_a_generation(engine: Engine):
    with pytest.raises(NotReadyError, match="engine build"):
        engine.refresh()
    fill(engine)
    publish_untrained(engine)
    with engine.registry.leases.hold(REFRESHING), pytest.raises(LeaseHeldError):
        engine.refresh()


def test_a_build_published_meanwhile_is_not_undone(filled: Engine):
    filled.add_saves([{"context_id": "b1", "item_id": "p3"}])
    built: list[str] = []

    def meanwhile(step: str) -> None:
        if "embedded again" in step and not built:
            built.append(publish_untrained(filled).id)

    before = folders(filled)
    with pytest.raises(SupersededError):
        refreshing.refresh(filled.registry, filled.graph, filled.settings, on_step=meanwhile)
    assert filled.registry.generations.serving_id() == built[0]
    assert filled.registry.runs.last(Job.REFRESH).outcome == Outcome.FAILED
    left = [name for name in folders(filled) if name not in before and "refresh" in name]
    assert not left


@pytest.mark.slow
@pytest.mark.parametrize("name", ["state.json", "hidden.1.base"])
def test_where_what_is_kept_is_gone_or_corrupt_the_same_model_embeds_the_graph_anew(filled: Engine, name: str):
    kept = filled.view().folder / layout.STATE / name
    data = kept.read_bytes()
    kept.unlink()
    if name != "state.json":
        kept.write_bytes(data[:40] + b"\0\1" + data[42:])
    filled.add_saves([{"context_id": "b1", "item_id": "p3"}])
    told = filled.refresh()
    served = filled.registry.generations.serving()
    assert (served.id, served.kind) == (told.generation, "full")
    assert "anew" in told.plan
    assert differences(filled) < ROUNDING
    filled.add_items([{"item_id": "later"}])
    assert filled.registry.generations.get(filled.refresh().generation).kind == "delta"


@pytest.mark.slow
def test_a_malformed_property_is_named_and_blocks_nothing(filled: Engine):
    filled.add_items([{"item_id": "odd", "price": 1.0}, {"item_id": "fine", "price": 2.0}])
    filled.graph.write("MATCH (i:Item {item_id: 'odd'}) SET i.price = 'dear'")
    told = filled.refresh()
    assert told.generation is not None
    assert [(one.kind, one.id) for one in told.poison] == [("items", "odd")]
    assert "left out: items odd" in str(told)
    assert filled.view().item_row("fine") >= 0


def test_wrong_neighbours_in_what_is_kept_are_found_by_verifying(filled: Engine):
    assert filled.verify(1000).holds
    base: Path = filled.view().folder / layout.STATE / "idx.base"
    from engine.errors import CorruptFileError

    with base.open("r+b") as stream:
        stream.write(b"\1\0\0\0")
    with pytest.raises(CorruptFileError, match=r"idx\.base"):
        filled.verify(5)


def test_deltas_that_died_are_given_up_by_the_next_refresh(filled: Engine):
    generations, home = filled.registry.generations, filled.settings.home
    served = generations.serving()
    dead = generations.begin(
        watermark=1,
        as_of=served.as_of,
        config={},
        snapshot_path=home / "snapshots" / "9-refresh3",
        folder=home / "generations",
        kind="delta",
        parent=served.id,
    )
    for folder in ("generations/." + dead.id + ".abc.tmp", "snapshots/9-refresh3", "snapshots/.9-refresh4.abc.tmp"):
        (home / folder).mkdir()
    filled.add_saves([{"context_id": "b1", "item_id": "p3"}])
    told = filled.refresh()
    assert generations.get(dead.id).state == GenerationState.FAILED
    assert not [name for name in folders(filled) if "abc" in name or "9-refresh3" in name]
    assert filled.view().snapshot.path.name.endswith(f"refresh{filled.registry.runs.last(Job.REFRESH).token}")
    assert told.generation == filled.registry.generations.serving_id()
