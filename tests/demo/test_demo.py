"""The demo from end to end at a tiny size, on the genuine Neo4j."""

from __future__ import annotations

import hashlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine.client import Engine
from engine.datasets.world import WorldConfig
from engine.demo import story
from engine.demo.run import Demo, run_demo
from engine.errors import GraphError
from engine.graph.connection import Graph
from engine.settings import Settings

pytestmark = pytest.mark.graph
CONFIG = WorldConfig(items=600, seed=1)


def console() -> Console:
    return Console(record=True, width=120)


def demo(settings: Settings) -> tuple[Demo, str]:
    screen = console()
    made = run_demo(settings, CONFIG, screen)
    return made, screen.export_text()


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, but for the registry's journal, with its digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".sqlite" not in path.name
    }


class Pictures(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "img":
            self.found[str(known["data-picture"])] = str(known["src"])


def test_the_demo_goes_from_nothing_to_answers_and_a_second_run_changes_nothing(
    settings: Settings, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Interrupted while it loads: what was loaded is taken over by the next run, and nothing is doubled.
    whole = Engine.ingest

    def interrupted(self: Engine, *args: Any, **kwargs: Any) -> Any:
        whole(self, *args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "ingest", interrupted)
        with pytest.raises(KeyboardInterrupt):
            demo(settings)
    first, said = demo(settings)
    with Engine(settings) as engine:
        counts = {row["what"]: row["count"] for row in engine.cypher("inspect/counts")}
    assert counts["items"] == CONFIG.items + 1  # the second act's
    assert counts["contexts"] == first.story.counts["contexts"] - 1

    assert "Hit@10" in said
    assert str(first.report) in said
    assert first.story.related[0].query.title in said
    metrics = first.story.comparison.metrics
    assert {"pinsage", "walks", "content", "popularity"} <= set(metrics)
    assert all(0 <= value <= 1 for values in metrics.values() for value in values.values())
    assert len(first.story.related) == story.QUERIES
    assert len(first.story.home.feed) == story.FEED
    assert all(pin.item_id.startswith("ad-") for pin in first.story.ads.answers["ads"])
    assert first.story.fresh.by_content
    assert first.story.fresh.with_saves
    assert all(look.rows for look in first.story.looks)
    second = first.story.second
    assert second.before.place is None
    assert second.after.place is not None
    assert (second.undone.generation, second.undone.place) == (second.before.generation, None)
    assert second.undone.titles == second.before.titles
    assert second.after.generation not in (second.before.generation, None)
    assert second.last.place is not None
    assert set(second.left.values()) == {0}
    with Engine(settings) as engine:
        receipt = engine.receipt(second.receipt["number"])
    assert (receipt.state, receipt.digest) == ("complete", second.receipt["digest"])

    html = first.report.read_text()
    assert set(Pictures(html).found) == {"map", "metrics", "degrees", "training"}
    assert all(uri.startswith("data:image/") for uri in Pictures(html).found.values())

    with Engine(settings) as engine:
        before, rev = tree(settings.home), engine.status().graph_watermark
    again, _ = demo(settings)
    with Engine(settings) as engine:
        assert engine.status().graph_watermark == rev
    assert tree(settings.home) == before
    assert again.kept
    assert again.story == first.story


def test_a_graph_that_holds_something_else_is_left_alone(settings: Settings, graph: Graph) -> None:
    graph.write("CREATE (:Item {item_id: 'mine'})")
    with pytest.raises(GraphError, match="holds something else"):
        demo(settings)
    assert graph.read("MATCH (i:Item) RETURN count(i) AS n") == [{"n": 1}]
