"""A refresh makes what serves equal to the same model over the graph as it is, on the genuine Neo4j."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_writes import OPERATIONS, PLAIN, perform, start_over
from refresh_world import ROUNDING, differences, fill, publish_untrained, quietly

from engine import Engine
from engine.graph.connection import Graph
from engine.registry import Job, Outcome
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
