"""Exports from the real server: what is in them, at which watermark, and what faults leave behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from cut_proxy import Proxy
from graph_worlds import World, item_rows, write

from engine.errors import CorruptFileError, DiskFullError, EmptyGraphError, GraphError, GraphUnavailableError
from engine.graph import snapshot_export
from engine.graph.connection import Graph
from engine.graph.queries import load_queries
from engine.graph.snapshot import NO_TIME, Snapshot
from engine.graph.snapshot_export import export_snapshot
from engine.settings import EdgeMapping, GraphMapping, ItemMapping, NodeMapping, Settings
from engine.types import CSR

pytestmark = pytest.mark.graph


def world(saves: int = 60) -> World:
    rng = np.random.default_rng(0)
    items: list[dict[str, Any]] = [
        {
            "item_id": f"i{n}",
            "corpus": "ads" if n % 4 == 0 else "organic",
            "title": f"title {n}",
            "price": float(n),
            "tags": ["a", f"t{n}"],
            "visual": np.arange(3, dtype="<f4").tobytes(),
        }
        for n in range(20)
    ]
    items[7] = {"item_id": "odd '\"`\\ \u00e9 \U0001f600"}
    drawn = zip(rng.integers(0, 5, saves), rng.integers(0, 7, saves), rng.integers(1, 4, saves), strict=True)
    return World(
        items,
        [f"c{n}" for n in range(6)],
        ["u0", "u1"],
        saves=[(f"c{c}", f"i{i}", int(rev), 1_000 + n if n % 2 else None) for n, (c, i, rev) in enumerate(drawn)],
        interactions=[("u0", "i1", 4.5), ("u1", "i1", None)],
        follows=[("u0", "u1", 0.5)],
        owns=[("u0", "c1")],
        rev=9,
        fields={"items": {"title": "text", "price": "numeric", "tags": "categorical", "visual": "vector"}},
    )


def listed(csr: CSR, row: int) -> list[tuple[int, int]]:
    assert csr.time is not None
    part = slice(csr.indptr[row], csr.indptr[row + 1])
    return list(zip(csr.indices[part].tolist(), csr.time[part].tolist(), strict=True))


def test_an_export_holds_the_graph_in_creation_order(graph: Graph, settings: Settings) -> None:
    held = world()
    write(graph, held)
    snapshot = export_snapshot(graph, settings)
    assert snapshot.watermark == 9
    assert snapshot.path is not None
    assert snapshot.path.name.startswith("9-")
    assert sorted(snapshot.items.ids) == sorted(row["item_id"] for row in held.items)
    assert (np.diff(snapshot.items.key.astype(object)) > 0).all()
    for number in range(6):
        row = int(snapshot.contexts.index_of([f"c{number}"])[0])
        expected = [
            (rev, int(snapshot.items.index_of([item])[0]), NO_TIME if time is None else time)
            for context, item, rev, time in held.saves
            if context == f"c{number}"
        ]
        assert listed(snapshot.relations.saves.forward, row) == [(i, t) for _, i, t in sorted(expected)]
    for item in ("i1", "i3"):
        row = int(snapshot.items.index_of([item])[0])
        expected = [
            (rev, int(snapshot.contexts.index_of([context])[0]), NO_TIME if time is None else time)
            for context, name, rev, time in held.saves
            if name == item
        ]
        assert listed(snapshot.relations.saves.backward, row) == [(c, t) for _, c, t in sorted(expected)]
    ratings = snapshot.relations.interactions.forward
    assert ratings.value is not None
    rated = dict(zip(snapshot.users.ids, [ratings.value[ratings.indptr[u]] for u in range(2)], strict=True))
    assert rated["u0"] == 4.5
    assert np.isnan(rated["u1"])
    assert snapshot.relations.follows.num_edges == 1
    assert snapshot.relations.owns.num_edges == 1


def test_fields_come_as_their_kinds_with_what_is_missing(graph: Graph, settings: Settings) -> None:
    write(graph, world())
    items = export_snapshot(graph, settings).items
    whole, bare = items.index_of(["i5", "odd '\"`\\ \u00e9 \U0001f600"])
    assert [items.corpora[items.corpus[row]] for row in items.index_of(["i4", "i5"])] == ["ads", "organic"]
    assert {name: column.kind for name, column in items.fields.items()} == world().fields["items"]
    title, price, tags, visual = (items.fields[name] for name in ("title", "price", "tags", "visual"))
    assert (title.to_list()[whole], price.values[whole], tags.to_list()[whole]) == ("title 5", 5.0, ["a", "t5"])
    assert visual.values[whole].tolist() == [0.0, 1.0, 2.0]
    assert (title.to_list()[bare], tags.to_list()[bare]) == (None, [])
    assert np.isnan(price.values[bare])
    assert np.isnan(visual.values[bare]).all()


def test_the_same_watermark_is_exported_once(graph: Graph, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write(graph, world())
    first = export_snapshot(graph, settings)
    monkeypatch.setattr(graph, "stream", None)
    assert export_snapshot(graph, settings).path == first.path
    assert [path.name for path in (settings.home / "snapshots").iterdir()] == [first.path.name]  # type: ignore[union-attr]


def test_a_corrupt_snapshot_is_refused_and_exported_again(graph: Graph, settings: Settings) -> None:
    write(graph, world())
    path = export_snapshot(graph, settings).path
    assert path is not None
    victim = path / "saves.forward.indices.npy"
    victim.write_bytes(victim.read_bytes()[:-4] + b"\7\0\0\0")
    with pytest.raises(CorruptFileError, match=r"saves\.forward\.indices\.npy does not match"):
        Snapshot.open(path)
    assert export_snapshot(graph, settings).path == path
    Snapshot.open(path)


def test_an_empty_graph_is_said_to_be_empty(graph: Graph, settings: Settings) -> None:
    with pytest.raises(EmptyGraphError, match="no items"):
        export_snapshot(graph, settings)
    write(graph, World(item_rows(["a"]), rev=1))
    with pytest.raises(EmptyGraphError, match="edges to walk on"):
        export_snapshot(graph, settings).walk_graph()


def foreign() -> GraphMapping:
    return GraphMapping(
        items=ItemMapping(label="x", id="sku", corpus_labels={"organic": "Pin", "ads": "Pro`mo"}),
        contexts=NodeMapping(label="Board", id="slug"),
        saves=EdgeMapping(type="IN BOARD", reverse=True, time="at"),
        fields={"price": "numeric"},
    )


def test_a_foreign_graph_is_exported_by_its_own_names(graph: Graph, settings: Settings) -> None:
    graph.write(
        "CREATE (a:Pin {sku: 'a', price: 2}), (b:`Pro``mo` {sku: 'b'}), (k:Board {slug: 'k'}), (other:Thing {sku: 'z'}) "
        "CREATE (a)-[:`IN BOARD` {at: 5}]->(k), (a)-[:`IN BOARD` {at: 4}]->(k), (b)-[:`IN BOARD`]->(k), "
        "(other)-[:`IN BOARD`]->(k)"
    )
    theirs = settings.model_copy(update={"graph": settings.graph.model_copy(update={"mapping": foreign()})})
    snapshot = export_snapshot(graph, theirs)
    a, b = snapshot.items.index_of(["a", "b"])
    assert snapshot.watermark == 0
    assert [snapshot.items.corpora[snapshot.items.corpus[row]] for row in (a, b)] == ["organic", "ads"]
    assert listed(snapshot.relations.saves.forward, 0) == sorted([(int(a), 4), (int(a), 5), (int(b), NO_TIME)])
    assert snapshot.items.fields["price"].values[a] == 2.0
    graph.write("MATCH (a:Pin)-[s]->() DELETE s")  # without a counter nothing tells, so it is exported anew
    assert export_snapshot(graph, theirs).relations.saves.num_edges == 1


def test_edges_that_lie_far_apart_among_others_are_all_exported(graph: Graph, settings: Settings) -> None:
    write(graph, world(saves=8))
    near = export_snapshot(graph, settings).relations.saves
    graph.write("MATCH (c:Context)-[s:SAVED]->(i) CREATE (c)-[:SAVED_ELSEWHERE]->(i) DELETE s")
    graph.write("UNWIND range(1, 50) AS n MATCH (c:Context {context_id: 'c0'}) CREATE (c)-[:VIEWED]->(c)")
    graph.write("MATCH (e:_EngineState) SET e.rev = 10")
    assert export_snapshot(graph, settings).relations.saves.num_edges == 0
    graph.write("MATCH (c:Context {context_id: 'c0'}) CREATE (c)-[:SAVED {rev: 11}]->(:Item {item_id: 'first'})")
    graph.write("UNWIND range(1, 50) AS n MATCH (c:Context {context_id: 'c0'}) CREATE (c)-[:VIEWED]->(c)")
    graph.write("MATCH (c:Context {context_id: 'c0'}) CREATE (c)-[:SAVED {rev: 12}]->(:Item {item_id: 'last'})")
    graph.write("MATCH (e:_EngineState) SET e.rev = 12")
    snapshot = export_snapshot(graph, settings)
    span = graph.read(load_queries()["snapshot/edge_span/saves"].render(settings.graph.mapping))[0]
    assert span["high"] - span["low"] > snapshot_export.SPARSE * span["edges"]
    row = int(snapshot.contexts.index_of(["c0"])[0])
    forward = snapshot.relations.saves.forward
    assert snapshot.items.ids.take(forward.indices[forward.indptr[row] : forward.indptr[row + 1]]) == ["first", "last"]
    assert near.num_edges == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("MATCH (i:Item {item_id: 'i1'}) SET i.item_id = 17", "has the id 17, which is not a string"),
        ("MATCH (i:Item {item_id: 'i1'}) REMOVE i.item_id", "has no id"),
        ("MATCH ()-[s:SAVED]->() SET s.time = 'monday'", "time of saves is not an integer: 'monday'"),
        ("MATCH ()-[s:INTERACTED]->() SET s.rating = 'good'", "value of interactions is not a number"),
        ("MATCH (i:Item {item_id: 'i1'}) SET i.price = 'cheap'", "'price' is not numeric: .*'cheap'"),
        ("MATCH (i:Item {item_id: 'i1'}) SET i.visual = [1.0]", "'visual' have several widths"),
        ('MATCH (e:_EngineState) SET e.fields_json = \'{"items": {"price": "money"}}\'', "'money'"),
    ],
)
def test_what_is_not_as_it_must_be_is_one_clear_error(
    graph: Graph, settings: Settings, change: str, message: str
) -> None:
    write(graph, world())
    graph.write(change)
    with pytest.raises(GraphError, match=message):
        export_snapshot(graph, settings)


def test_an_id_that_two_items_have_is_named(bare_graph: Graph, settings: Settings) -> None:
    write(bare_graph, world())
    bare_graph.write("MATCH (i:Item {item_id: 'i1'}) SET i.item_id = 'i2'")
    with pytest.raises(GraphError, match="two items have the id 'i2'"):
        export_snapshot(bare_graph, settings)


def commit(graph: Graph) -> None:
    graph.write(
        "MATCH (e:_EngineState) SET e.rev = e.rev + 1 WITH e.rev AS rev MATCH (c:Context {context_id: 'c5'}) "
        "MATCH (i:Item {item_id: 'i19'}) CREATE (c)-[:SAVED {rev: rev}]->(i)"
    )


def test_a_commit_in_between_starts_the_export_again(
    graph: Graph, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(graph, world())
    run, tries = snapshot_export._Export.run, []

    def once_disturbed(self: Any) -> Snapshot:
        columns = run(self)
        tries.append(1)
        if len(tries) == 1:
            commit(graph)
        return columns

    monkeypatch.setattr(snapshot_export._Export, "run", once_disturbed)
    snapshot = export_snapshot(graph, settings)
    assert (len(tries), snapshot.watermark, snapshot.relations.saves.num_edges) == (2, 10, 61)


def test_a_writer_that_never_rests_is_made_to_wait(
    graph: Graph, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(graph, world())
    run, tries, writers = snapshot_export._Export.run, [], []

    def disturbed(self: Any) -> Snapshot:
        tries.append(1)
        writer = threading.Thread(target=commit, args=(graph,))
        writer.start()
        if len(tries) < snapshot_export.TRIES:
            writer.join()  # committed in the middle of the try
        else:
            writer.join(timeout=0.5)
            assert writer.is_alive()  # waits for the lock
        writers.append(writer)
        return run(self)

    monkeypatch.setattr(snapshot_export._Export, "run", disturbed)
    snapshot = export_snapshot(graph, settings)
    writers[-1].join()
    assert snapshot.watermark == 9 + snapshot_export.TRIES - 1
    assert snapshot.relations.saves.num_edges == 60 + snapshot_export.TRIES - 1
    assert graph.read("MATCH (e:_EngineState) RETURN e.rev AS rev")[0]["rev"] == snapshot.watermark + 1


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_export, "NODES_A_PART", 5)
    monkeypatch.setattr(snapshot_export, "EDGES_A_PART", 200)
    monkeypatch.setattr(snapshot_export, "STREAMS", 1)


@pytest.mark.usefixtures("small_parts")
def test_a_server_that_vanishes_in_mid_stream_leaves_parts_that_the_next_run_goes_on_from(
    graph: Graph, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(graph, world(saves=4_000))
    proxy = Proxy(urlsplit(graph.uri).port or 0)
    through = settings.graph.model_copy(update={"uri": f"bolt://127.0.0.1:{proxy.port}"})
    asked: list[bool] = []

    def counting(stream: Callable[..., Iterator[dict[str, Any]]]) -> Callable[..., Iterator[dict[str, Any]]]:
        def counted(query: str, params: Any = None) -> Iterator[dict[str, Any]]:
            for row in stream(query, params):
                asked.append("sources" in row or "ids" in row)
                yield row

        return counted

    with Graph(through) as cut:
        before = proxy.allowed
        with monkeypatch.context() as patch:
            patch.setattr(cut, "stream", counting(cut.stream))
            export_snapshot(cut, settings.model_copy(update={"home": settings.home / "whole"}))
        whole = sum(asked)
        proxy.allowed = (before - proxy.allowed) * 2 // 3
        with pytest.raises(GraphUnavailableError):
            export_snapshot(cut, settings)
    parts = settings.home / "snapshots" / next(p.name for p in (settings.home / "snapshots").iterdir())
    proxy.close()
    kept = sorted(path.name for path in parts.iterdir())
    assert any(name.startswith("saves-") for name in kept)
    assert not list((settings.home / "snapshots").glob("9-*"))

    torn = parts / next(name for name in kept if name.startswith("saves-"))
    torn.write_bytes(torn.read_bytes()[:-30])
    asked.clear()
    monkeypatch.setattr(graph, "stream", counting(graph.stream))
    snapshot = export_snapshot(graph, settings)
    assert snapshot.watermark == 9
    assert snapshot.relations.saves.num_edges == 4_000
    assert 0 < sum(asked) < whole
    assert not parts.exists()


@pytest.mark.usefixtures("small_parts")
def test_parts_of_another_watermark_are_not_used(
    graph: Graph, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(graph, world())
    with monkeypatch.context() as patch:
        patch.setattr(snapshot_export, "_seal", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            export_snapshot(graph, settings)
    commit(graph)
    assert export_snapshot(graph, settings).relations.saves.num_edges == 61


def test_a_disk_too_small_for_the_snapshot_leaves_no_snapshot(graph: Graph, settings: Settings, small_disk) -> None:
    write(graph, world(saves=20_000))
    with small_disk(settings.home, "192k"):
        with pytest.raises(DiskFullError, match="no space left"):
            export_snapshot(graph, settings)
        left = [path.name for path in (settings.home / "snapshots").iterdir()]
        assert [name for name in left if not name.startswith(".parts-")] == []
    assert export_snapshot(graph, settings).relations.saves.num_edges == 20_000
