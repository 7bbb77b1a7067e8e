"""Change sets made by hand applied to snapshots made by hand: any of them, what is shared on disk, and faults. No server."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from plain_state import apply, plain_state

from engine import files
from engine.errors import CorruptFileError, GraphError, InputError
from engine.files import atomic_folder
from engine.graph import snapshot_apply
from engine.graph.changes import Changes, EdgeChanges, NodeChanges
from engine.graph.changes_columns import EdgeColumns, EdgeKeys
from engine.graph.mapping import EDGES, ENDS, NODES
from engine.graph.snapshot import NO_TIME, IdColumn, NodeTable, Relation, Relations, Snapshot
from engine.graph.snapshot_apply import apply_changes
from engine.graph.snapshot_columns import FieldColumn, field_column, node_table
from engine.graph.snapshot_csr import relation
from engine.graph.snapshot_files import write_snapshot
from engine.hashing import salted_digest

SALT = "00" * 16
Rows = list[dict[str, Any]]


def items(rows: Rows) -> NodeTable:
    visual = np.array([row.get("visual", [np.nan] * 2) for row in rows], np.float32).reshape(len(rows), 2)
    fields = {
        "price": field_column("numeric", [row.get("price") for row in rows], name="price"),
        "tags": field_column("categorical", [row.get("tags") for row in rows], name="tags"),
        "title": field_column("text", [row.get("title") for row in rows], name="title"),
        "visual": FieldColumn("vector", visual),
    }
    return node_table([row["id"] for row in rows], [row.get("corpus", "organic") for row in rows], fields)[0]


def nodes(ids: list[str]) -> NodeTable:
    return node_table(ids)[0]


def no_edges(sources: NodeTable, targets: NodeTable) -> Relation:
    none = np.empty(0, np.int32)
    return relation(len(sources), len(targets), none, none)


def edge_columns(rows: list[tuple[str, str, int, int, float]]) -> EdgeColumns:
    """Source, target, rev, time, value."""
    rows = sorted(rows, key=lambda row: row[2])
    source, target, rev, time, value = ([row[n] for row in rows] for n in range(5))
    stamps = (np.array(column, np.int64) for column in (rev, time))
    return EdgeColumns(IdColumn(source), IdColumn(target), *stamps, np.array(value, np.float32))


def edge_keys(rows: list[tuple[str, str, int]]) -> EdgeKeys:
    return EdgeKeys(*(IdColumn([row[n] for row in rows]) for n in (0, 1)), np.array([row[2] for row in rows], np.int64))


def changes(since: int, until: int, poison: Any = (), **parts: Any) -> Changes:
    """A change set of some parts; of the others nothing changed."""
    nothing = {
        "items": NodeChanges(items([])), "contexts": NodeChanges(nodes([])), "users": NodeChanges(nodes([])),
        **{name: EdgeChanges(edge_columns([]), edge_keys([])) for name in EDGES},
    }  # fmt: skip
    return Changes(since, until, None, **(nothing | parts), poison=poison)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return small(tmp_path_factory.mktemp("first") / "snapshot")


def small(path: Path, many: int = 8) -> Snapshot:
    """Three contexts with `many` items, and everything else once."""
    tables = {
        "items": items(
            [
                {"id": f"i{n}", "title": f"t{n}", "price": float(n), "tags": ["a"], "visual": [n, 1.0]}
                for n in range(many)
            ]
        ),
        "contexts": nodes(["c0", "c1", "c2"]),
        "users": nodes(["u0", "u1"]),
    }
    rng = np.random.default_rng(0)
    context, item = rng.integers(0, 3, 3 * many), rng.integers(0, many - 1, 3 * many)
    context, item = np.unique(np.stack([context, item]), axis=1)
    saves = relation(3, many, context, item, rev=rng.integers(1, 5, len(item)), time=np.arange(len(item)) % 3 - 1)
    interactions = relation(2, many, np.array([0, 1]), np.array([0, 0]), rev=np.array([1, 2]))
    edges = {
        "saves": saves,
        "interactions": interactions,
        "follows": no_edges(tables["users"], tables["users"]),
        "owns": relation(2, 3, np.array([0]), np.array([1]), rev=np.array([3])),
    }
    with atomic_folder(path, facts := {}) as folder:
        facts.update(write_snapshot(folder, Snapshot(None, 5, **tables, relations=Relations(**edges))))
    return Snapshot.open(path)


def node_ids(prefix: str, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([f"{prefix}{n}" for n in range(most)]), max_size=4, unique=True)


@st.composite
def change_sets(draw: Any, since: int) -> Changes:
    most = {"items": 12, "contexts": 5, "users": 4}
    tables, changed = {}, {}
    for kind in NODES:
        came = draw(node_ids(kind[0], most[kind]))
        tables[kind] = came
        table = nodes(came)
        if kind == "items":
            table = items(
                [
                    {
                        "id": node_id,
                        "corpus": draw(st.sampled_from(["organic", "ads"])),
                        "title": draw(st.sampled_from([None, "x"])),
                        "price": draw(st.sampled_from([None, 1.0])),
                        "tags": draw(st.sampled_from([None, ["b", "c"]])),
                        "visual": draw(st.sampled_from([[0.0, 1.0], [np.nan, np.nan]])),
                    }
                    for node_id in came
                ]
            )
        forgotten = frozenset(salted_digest(SALT, node_id) for node_id in draw(node_ids(kind[0], 6)))
        changed[kind] = NodeChanges(table, tuple(draw(node_ids(kind[0], 6))), forgotten, SALT)
    for name in EDGES:
        sources, targets = (tables[kind] for kind in ENDS[name])
        rows: dict[Any, tuple[str, str, int, int, float]] = {}
        if sources and targets:
            for _ in range(draw(st.integers(0, 5))):
                source, target = draw(st.sampled_from(sources)), draw(st.sampled_from(targets))
                time = draw(st.sampled_from([NO_TIME, 0, 1]))
                value = draw(st.sampled_from([np.nan, 2.0]))
                rows[source, target, time] = (source, target, draw(st.integers(since + 1, since + 3)), time, value)
        gone = [
            (draw(st.sampled_from([f"{ENDS[name][0][0]}{n}" for n in range(4)])),
             draw(st.sampled_from([f"{ENDS[name][1][0]}{n}" for n in range(8)])), draw(st.sampled_from([NO_TIME, 0, 1])))
            for _ in range(draw(st.integers(0, 6)))
        ]  # fmt: skip
        changed[name] = EdgeChanges(edge_columns(list(rows.values())), edge_keys(gone))
    return changes(since, since + 3, **changed)


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk, which says nothing about what is written."""
    monkeypatch.setattr(files, "fsync_path", lambda path: None)


@hypothesis_settings(
    max_examples=30, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_change_sets_one_after_the_other_do_what_the_rule_says(
    tmp_path_factory: pytest.TempPathFactory, first: Snapshot, unsynced: None, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("applied")
    snapshot, state = first, plain_state(first)
    for number in range(data.draw(st.integers(1, 2))):
        given_changes = data.draw(change_sets(snapshot.watermark))
        state = apply(state, {kind: getattr(snapshot, kind) for kind in NODES}, given_changes)
        applied = apply_changes(snapshot, given_changes, folder / str(number))
        assert not applied.poison
        assert plain_state(applied.snapshot) == state
        for kind in NODES:
            assert len(applied.nodes[kind].gone) + len(applied.nodes[kind].new) >= abs(
                getattr(applied.snapshot, kind).num_alive - getattr(snapshot, kind).num_alive
            )
        snapshot = applied.snapshot
    assert plain_state(Snapshot.open(snapshot.path or folder)) == state


def same_files(one: Path, other: Path) -> set[str]:
    return {
        path.name
        for path in one.iterdir()
        if (other / path.name).is_file() and path.stat().st_ino == (other / path.name).stat().st_ino
    }


def test_a_new_title_shares_all_but_the_columns(tmp_path: Path, first: Snapshot) -> None:
    changed = items([{"id": "i1", "title": "new", "price": 1.0, "tags": ["a"], "visual": [1.0, 1.0]}])
    applied = apply_changes(first, changes(5, 6, items=NodeChanges(changed)), tmp_path / "next")
    assert first.path is not None
    there = {path.name for path in first.path.iterdir()}
    written = {"manifest.json", "items.arrow", "items.field.3.array.json"}
    assert there - same_files(first.path, tmp_path / "next") == written
    assert applied.nodes["items"].changed.tolist() == first.items.index_of(["i1"]).tolist()


def test_a_new_vector_is_a_patch_of_the_shared_base(tmp_path: Path) -> None:
    first = small(tmp_path / "first", many=50)
    changed = items([{"id": "i1", "title": "t1", "price": 1.0, "tags": ["a"], "visual": [9.0, 9.0]}, {"id": "new"}])
    applied = apply_changes(first, changes(5, 6, items=NodeChanges(changed)), tmp_path / "next")
    assert "items.field.3.base" in same_files(tmp_path / "first", tmp_path / "next")
    found = applied.snapshot.items.fields["visual"].values
    assert found[applied.nodes["items"].changed].tolist() == [[9.0, 9.0]]
    assert np.isnan(found[applied.nodes["items"].new]).all()


def test_a_forgotten_node_leaves_nothing_of_itself_in_a_file(tmp_path: Path) -> None:
    first = small(tmp_path / "first", many=50)
    digest = salted_digest(SALT, "i7")
    vector = np.array([7.0, 1.0], "<f4").tobytes()
    gone = NodeChanges(items([]), (), frozenset([digest]), SALT)
    apply_changes(first, changes(5, 6, items=gone), tmp_path / "next")
    key = first.items.key[first.items.index_of(["i7"])].tobytes()
    old, new = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir() if path.name != "manifest.json"}
        for name in ("first", "next")
    )
    for trace in (b"t7", vector, key):
        assert [name for name, content in old.items() if trace in content]
        assert not [name for name, content in new.items() if trace in content]


def test_a_snapshot_of_each_older_format_is_read_and_goes_on(tmp_path: Path, first: Snapshot) -> None:
    assert first.path is not None
    changed = items([{"id": "i1", "visual": [9.0, 9.0]}])
    with atomic_folder(tmp_path / "format 1", {"format": 1, "watermark": 5}) as folder:
        for path in first.path.iterdir():
            if not path.name.startswith(("manifest", "items.field")):
                (folder / path.name).write_bytes(path.read_bytes())
        np.save(folder / "items.field.3.npy", first.items.fields["visual"].values)
    old = Snapshot.open(tmp_path / "format 1")
    assert plain_state(old) == plain_state(first)
    ways = [
        apply_changes(one, changes(5, 6, items=NodeChanges(changed)), tmp_path / str(n))
        for n, one in enumerate((old, first))
    ]
    assert plain_state(ways[0].snapshot) == plain_state(ways[1].snapshot)

    kept = Snapshot.open(Path(__file__).parents[1] / "fixtures" / "formats" / "snapshot_2")
    assert (kept.watermark, kept.items.num_alive, len(kept.items)) == (6, 20, 21)
    rows = kept.items.index_of(["i1", "i2", "i3", "i99"])
    assert rows[1] == -1
    assert rows[3] == 20
    assert kept.items.fields["visual"].values[rows[[0, 2, 3]]].tolist() == [[9.0, 9.0], [3.0, 1.0], [7.0, 8.0]]
    assert kept.contexts.ids[kept.relations.saves.backward.row(20)[0]] == "c0"


def test_an_edge_without_its_end_and_a_vector_of_another_width_are_named_and_left_out(
    tmp_path: Path, first: Snapshot
) -> None:
    wide = node_table(["i1"], ["organic"], {"visual": field_column("vector", np.ones((1, 3)), name="visual")})[0]
    edges = edge_columns([("c0", "nobody", 6, 1, np.nan), ("c0", "i7", 6, 1, np.nan)])
    given_changes = changes(5, 6, items=NodeChanges(wide), saves=EdgeChanges(edges, edge_keys([])))
    applied = apply_changes(first, given_changes, tmp_path / "next")
    assert [(one.kind, one.id) for one in applied.poison] == [("items", "i1"), ("saves", "c0 -> nobody")]
    assert applied.snapshot.relations.saves.num_edges == first.relations.saves.num_edges + 1
    assert (applied.edges["saves"].dropped, applied.edges["saves"].appended) == (0, 1)


def test_changes_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path: Path, first: Snapshot) -> None:
    with pytest.raises(InputError, match="true at rev 5; the changes begin at 4"):
        apply_changes(first, changes(4, 6), tmp_path / "next")
    in_memory = Snapshot(None, 5, first.items, first.contexts, first.users, first.relations)
    with pytest.raises(InputError, match="lives in memory"):
        apply_changes(in_memory, changes(5, 6), tmp_path / "next")
    other = node_table(["i1"], ["organic"], {"price": field_column("text", ["cheap"], name="price")})[0]
    with pytest.raises(GraphError, match="'price' was numeric and is text now"):
        apply_changes(first, changes(5, 6, items=NodeChanges(other)), tmp_path / "next")
    twin = items([{"id": "twin"}])
    twin.key[0] = first.items.key[0]
    with pytest.raises(GraphError, match="two items have the same 64-bit key"):
        apply_changes(first, changes(5, 6, items=NodeChanges(twin)), tmp_path / "next")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_parent_is_found(tmp_path: Path) -> None:
    first = small(tmp_path / "first")
    more = changes(5, 6, contexts=NodeChanges(nodes(["c9"])))
    (tmp_path / "first" / "items.arrow").unlink()
    with pytest.raises(CorruptFileError, match=r"items\.arrow is missing"):
        apply_changes(first, more, tmp_path / "next")
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
    second = small(tmp_path / "second")
    shared = tmp_path / "second" / "saves.forward.indices.npy"
    content = bytearray(shared.read_bytes())
    content[-1] ^= 1
    shared.write_bytes(content)
    apply_changes(second, more, tmp_path / "next")
    with pytest.raises(CorruptFileError, match="does not match its checksum"):
        Snapshot.open(tmp_path / "next")


@pytest.mark.parametrize("step", ["read_manifest", "apply_nodes", "apply_edges"])
def test_a_kill_leaves_no_folder_and_the_next_try_makes_it(tmp_path: Path, first: Snapshot, step: str) -> None:
    more = changes(5, 6, saves=EdgeChanges(edge_columns([("c0", "i7", 6, 1, np.nan)]), edge_keys([])))
    child = os.fork()
    if not child:
        real = getattr(snapshot_apply, step)

        def dies(*args: Any, **named: Any) -> None:
            real(*args, **named)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(snapshot_apply, step, dies)
        apply_changes(first, more, tmp_path / "next")
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert not (tmp_path / "next").exists()
    assert apply_changes(first, more, tmp_path / "next").snapshot.watermark == 6


FULL = """
import os
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_snapshot_apply_files import EdgeChanges, Snapshot, apply_changes, changes, edge_columns, edge_keys, small
from engine.errors import DiskFullError
home = Path(sys.argv[1])
first = small(home / "first", many=4000)
room = os.statvfs(home)
(home / "ballast").write_bytes(bytes(room.f_bavail * room.f_bsize - 60_000))
more = changes(5, 6, saves=EdgeChanges(edge_columns([("c0", "i7", 6, 1, 1.0)]), edge_keys([])))
try:
    apply_changes(first, more, home / "next")
except DiskFullError as error:
    print(error)
else:
    sys.exit("nobody noticed the full disk")
assert sorted(path.name for path in home.iterdir()) == ["ballast", "first"], list(home.iterdir())
Snapshot.open(home / "first")
"""


def test_a_full_disk_is_one_clear_error_and_the_old_snapshot_stays(run_on_small_disk) -> None:
    done = run_on_small_disk(FULL, "1500k", str(Path(__file__).parent))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no space left" in done.stdout
