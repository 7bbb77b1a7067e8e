"""Old generations go, what is kept stays whole, and nobody who still reads one is disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from serving_world import publish

import engine.refresh.garbage as garbage
from engine.errors import CorruptFileError, NotReadyError
from engine.files import open_folder
from engine.refresh.garbage import collect_garbage, doomed
from engine.registry import BUILDING, REFRESHING, Generation, GenerationState
from engine.serving.live import open_view
from engine.settings import GenerationSettings

SERVING = Path(__file__).resolve().parent
KEEP_ONE = GenerationSettings(keep=1, keep_full=0)


def folders(home: Path, kind: str) -> list[str]:
    return sorted(path.name for path in (home / kind).iterdir())


def test_what_is_not_kept_goes_with_its_snapshot_and_the_rest_stays_whole(registry, tmp_path, small_world):
    made = [publish(registry, tmp_path, small_world) for _ in range(4)]
    found = collect_garbage(registry, tmp_path, KEEP_ONE)
    assert found.deleted == ("g0001", "g0002")
    assert found.freed_bytes > 0
    assert folders(tmp_path, "generations") == ["g0003", "g0004"]
    assert folders(tmp_path, "snapshots") == ["2", "3"]
    for one in made[2:]:
        open_folder(one.path, what="generation")
    states = {one.id: one.state for one in registry.generations.list()}
    assert states["g0002"] is GenerationState.DELETED
    assert registry.generations.rollback().id == "g0003"
    with pytest.raises(NotReadyError):
        registry.generations.rollback()
    again = collect_garbage(registry, tmp_path, KEEP_ONE)
    assert (again.deleted, again.folders, again.freed_bytes, again.left) == ((), (), 0, None)


def row(
    number: int, state: str = "published", kind: str = "full", parent: str | None = None, slot: str = "live"
) -> Generation:
    now, nowhere = datetime(2026, 1, 1, tzinfo=UTC), Path("/nowhere")
    serving, state = state == "serving", "published" if state == "serving" else state
    return Generation(
        f"g{number:04d}", slot, GenerationState(state), kind, parent, None, None, None, now, None, None, now, number, {}, {},
        None, {}, nowhere, nowhere, None, serving,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "keep", "shadow", "gone"),
    [
        # The newest, whatever their kind, and the newest full ones however many deltas came after them.
        ([row(1), row(2), *(row(n, kind="delta") for n in range(3, 7)), row(7, "serving")], (2, 1), None, [1, 3, 4]),
        # After a rollback what was newer is kept as the newest, and one to go back further to.
        ([row(1), row(2), row(3, "serving"), row(4), row(5), row(6)], (1, 0), None, [1, 4, 5]),
        ([row(n) for n in range(1, 4)] + [row(4, "serving")], (1, 0), "g0001", [2]),
        # What is being built stands on its parent.
        ([row(1), row(2), row(3), row(4, "serving"), row(5, "building", "delta", "g0001")], (1, 0), None, [2]),
        # A candidate waits; what a killed publisher left goes, unless it is so new that it may just be published.
        ([row(1, "ready"), row(2, "ready"), row(3, "ready", "delta"), row(4, "serving"), row(5, "ready", "delta")],
         (1, 0), None, [1, 3]),
        ([row(9_999), row(10_000), row(10_001, "serving")], (1, 0), None, [9_999]),
        ([row(1, "ready"), row(2, "failed"), row(3, "deleted")], (1, 0), None, []),
        # Each slot is counted alone; in one of them nothing serves any more.
        ([*(row(n) for n in range(1, 4)), row(4, "serving"), *(row(n, slot="gcmc") for n in range(5, 8))],
         (1, 0), None, [1, 2, 5, 6]),
    ],
)  # fmt: skip
def test_what_is_kept(rows, keep, shadow, gone):
    found = doomed(rows[::-1], GenerationSettings(keep=keep[0], keep_full=keep[1]), shadow)
    assert [one.id for one in found] == [f"g{number:04d}" for number in gone]


READER = """
import sys
sys.path.insert(0, sys.argv[1])
from engine.registry import Registry
from engine.serving.live import Live
from engine.serving.methods import methods_of
from engine.serving.recommend import Recommender
from engine.settings import GraphMapping
registry = Registry.open(sys.argv[2])
live = Live(registry, lambda view: Recommender(view, GraphMapping(), methods_of(view, 0)))
held = live.recommender()
print(held.view.origin.generation, flush=True)
sys.stdin.readline()
assert not held.view.folder.exists() and not held.view.snapshot.path.exists()
answers = [held.related(item, 5, method=method) for item in held.view.item_ids for method in held.methods]
assert {answer.generation for answer in answers} == {"g0001"}
assert all(len(answer) == 5 for answer in answers if answer.method == "pinsage")
assert len(held.related("jazz-1", 5, explain=True, diversity=0.5)) == 5
print(len(answers), flush=True)
"""


def test_a_reader_in_another_process_finishes_on_a_generation_that_was_collected(registry, tmp_path, small_world):
    publish(registry, tmp_path, small_world)
    command = [sys.executable, "-c", READER, str(SERVING), f"sqlite:///{tmp_path / 'registry.sqlite'}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline().strip() == "g0001"
        for _ in range(2):
            publish(registry, tmp_path, small_world)
        assert collect_garbage(registry, tmp_path, KEEP_ONE).deleted == ("g0001",)
        reader.stdin.write("go on\n")
        reader.stdin.flush()
        assert int(reader.stdout.readline()) > 100
    assert reader.returncode == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from engine.refresh.garbage import collect_garbage
from engine.registry import Registry
from engine.settings import GenerationSettings
left = int(sys.argv[2])
real = Path.unlink
def unlink(self, *args, **options):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, *args, **options)
Path.unlink = unlink
home = Path(sys.argv[1])
collect_garbage(Registry.open(f"sqlite:///{home / 'registry.sqlite'}"), home, GenerationSettings(keep=1, keep_full=0))
"""


@pytest.mark.parametrize("files", [0, 1, 4, 12])
def test_a_collection_killed_between_row_and_files_is_finished_by_the_next(registry, tmp_path, small_world, files):
    first, *_ = [publish(registry, tmp_path, small_world) for _ in range(3)]
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(files)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert registry.generations.get("g0001").state is GenerationState.DELETED
    assert first.path.exists() or first.snapshot_path.exists()
    if files:
        with pytest.raises(CorruptFileError):
            open_view(first)
    for name in (BUILDING, REFRESHING):  # what the dead process held runs out, sooner or later
        if (lease := registry.leases.get(name)) is not None:
            registry.leases.release(lease)
    collect_garbage(registry, tmp_path, KEEP_ONE)
    assert folders(tmp_path, "generations") == ["g0002", "g0003"]
    assert folders(tmp_path, "snapshots") == ["1", "2"]
    assert open_view(registry.generations.get("g0003")).items


def test_leftovers_of_killed_processes_go_when_nobody_builds(registry, tmp_path, small_world, monkeypatch):
    serving = publish(registry, tmp_path, small_world)
    begun = registry.generations.begin(
        watermark=1,
        as_of=serving.as_of,
        config={},
        snapshot_path=tmp_path / "snapshots" / "9",
        folder=serving.path.parent,
    )
    for name in (
        f"generations/.{begun.id}.ab12.tmp",
        "snapshots/9",
        "snapshots/new",
        "snapshots/old",
        "models/9-ab.work",
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "part.npy").write_bytes(b"x" * 100)
    os.utime(tmp_path / "snapshots" / "old", (1, 1))
    monkeypatch.setattr(garbage, "_WAIT_S", 0.0)
    with registry.leases.hold(BUILDING, holder="a build"):
        found = collect_garbage(registry, tmp_path, KEEP_ONE)
        assert found.left is not None
        assert "'build' is held by a build" in found.left
        assert (found.abandoned, found.folders) == ((), ())
        assert registry.generations.get(begun.id).state is GenerationState.BUILDING
    found = collect_garbage(registry, tmp_path, KEEP_ONE)
    assert (found.abandoned, found.left) == ((begun.id,), None)
    assert sorted(found.folders) == [f".{begun.id}.ab12.tmp", "9", "9-ab.work", "old"]
    assert found.freed_bytes == 400
    assert "gone" in registry.generations.get(begun.id).reason
    # An export that nobody refers to yet may be about to be trained on.
    assert folders(tmp_path, "snapshots") == ["0", "new"]
