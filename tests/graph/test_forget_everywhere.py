"""The right to be forgotten, start to end: no answer, no graph and no file tells of it, and a receipt says who looked."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from refresh_world import ROUNDING, differences, fill, publish_untrained
from typer.testing import CliRunner

from engine import Engine
from engine.errors import NotReadyError, UnknownNameError, UnknownNodeError
from engine.graph.connection import Graph
from engine.hashing import digest, key64
from engine.refresh import purge
from engine.registry import BUILDING, GenerationState, ReceiptState
from engine.settings import Settings

pytestmark = pytest.mark.graph


@pytest.fixture
def engine(settings: Settings, graph: Graph) -> Iterator[Engine]:
    del graph  # it empties the database
    with Engine(settings, threads=1) as opened:
        fill(opened)
        publish_untrained(opened)
        yield opened


def holding(engine: Engine, *patterns: bytes) -> list[str]:
    """The files of the home, but for the registry, that hold one of some byte strings."""
    found = []
    for path in engine.settings.home.rglob("*"):
        if path.is_file() and "registry" not in path.name:
            content = path.read_bytes()
            found += [path.name for pattern in patterns if pattern in content]
    return found


def test_no_file_answer_or_node_tells_of_what_was_forgotten(engine: Engine, settings: Settings, monkeypatch) -> None:
    engine.add_items([{"item_id": "pin-to-forget", "tags": ["t1"], "title": "pin 1"}])
    engine.add_saves([{"context_id": f"b{n}", "item_id": "pin-to-forget"} for n in range(3)])
    engine.refresh()
    row = engine.view().item_row("pin-to-forget")
    patterns = (key64("pin-to-forget").to_bytes(8, "little"), np.asarray(engine.view().vectors[row]).tobytes())
    words = b"pin-to-forget"
    names = set(holding(engine, *patterns))
    assert "items.key.npy" in names
    assert any(name.startswith("vectors.") for name in names)
    assert holding(engine, words)
    with pytest.raises(UnknownNodeError, match="no item 'nobody'"):
        engine.forget("item", ["pin-to-forget", "nobody"])
    with pytest.raises(UnknownNameError, match="no kind 'thing'"):
        engine.forget("thing", "x")  # type: ignore[arg-type]
    assert engine.receipts() == ()

    (receipt,) = engine.forget("item", "pin-to-forget")
    assert receipt.state is ReceiptState.COMPLETE
    assert "pin-to-forget" not in json.dumps([receipt.subject, receipt.removed])
    assert receipt.removed["graph"] == {"nodes": 1, "edges": 3, "tombstones": 0, "inspected": 0, "seen": 0}
    assert receipt.removed["looked for"]["found"] == 0
    assert receipt.removed["generations"] == ["g0002", "g0001"]
    told = [receipt.number, receipt.kind, receipt.subject, receipt.rev, receipt.removed]
    assert receipt.digest == digest(told)
    assert holding(engine, *patterns, words) == []
    with pytest.raises(UnknownNodeError, match="no item 'pin-to-forget'"):
        engine.related("pin-to-forget")
    with pytest.raises(NotReadyError, match="no generation older"):
        engine.rollback()
    serving = engine.registry.generations.serving()
    assert serving is not None
    assert (serving.kind, serving.watermark) == ("full", receipt.rev)
    assert differences(engine) < ROUNDING

    # A board and its owner are forgotten likewise, and refreshes go on from what serves.
    engine.add_users([{"user_id": "somebody"}])
    engine.add_contexts([{"context_id": "b4", "owner_id": "somebody"}])
    engine.refresh()
    assert [one.state for one in engine.forget("user", "somebody")] == [ReceiptState.COMPLETE]
    assert [one.state for one in engine.forget("context", "b4")] == [ReceiptState.COMPLETE]
    assert holding(engine, key64("somebody").to_bytes(8, "little"), key64("b4").to_bytes(8, "little")) == []
    assert differences(engine) < ROUNDING

    for name, value in (
        ("HOME", settings.home), ("GRAPH_URI", settings.graph.uri), ("GRAPH_PASSWORD", settings.graph.password.get_secret_value()),
    ):  # fmt: skip
        monkeypatch.setenv(f"ENGINE_{name}", str(value))
    import typer

    from engine.cli import forget

    app = typer.Typer()
    forget.register(app)
    shown = CliRunner().invoke(app, ["receipts", "list"]).stdout.splitlines()
    assert [line.split(":")[0] for line in shown] == ["receipt 3", "receipt 2", "receipt 1"]
    assert "looked for: files" in CliRunner().invoke(app, ["receipts", "show", "1"]).stdout


def test_a_purge_that_cannot_be_done_now_is_done_later_and_nothing_is_told_meanwhile(
    engine: Engine, settings: Settings, monkeypatch
) -> None:
    monkeypatch.setattr(purge, "WAIT_S", 0.1)
    gone = engine.related("p1", 5, method="pinsage").ids[0]
    with Engine(settings, threads=1) as running:
        assert gone in running.related("p1", 5, method="pinsage").ids
        with engine.registry.leases.hold(BUILDING):
            (receipt,) = engine.forget("item", gone)
        assert (receipt.state, receipt.rev is None) == (ReceiptState.OPEN, False)
        running.opened.live.look_again()
        assert gone not in running.related("p1", 39, method="pinsage").ids
        assert holding(engine, key64(gone).to_bytes(8, "little"))
        (closed,) = engine.close_receipts()
        assert (closed.number, closed.state) == (receipt.number, ReceiptState.COMPLETE)
        assert holding(engine, key64(gone).to_bytes(8, "little")) == []
        running.opened.live.look_again()
        answer = running.related("p1", 39, method="pinsage")
        assert (answer.generation, gone in answer.ids) == ("g0002", False)
    states = {one.id: one.state for one in engine.registry.generations.list()}
    assert states == {"g0001": GenerationState.DELETED, "g0002": GenerationState.PUBLISHED}
    assert engine.close_receipts() == ()

    # A node of that id may come anew, and is known again.
    engine.add_items([{"item_id": gone, "tags": ["t1"]}])
    engine.add_saves([{"context_id": "b1", "item_id": gone}])
    engine.refresh()
    assert engine.related(gone, 3)
    assert [one.state for one in engine.forget("item", "p2" if gone != "p2" else "p3")] == [ReceiptState.COMPLETE]
    assert engine.related(gone, 3)
