"""Which generations are kept, and how the others go. Knows the registry and the home's folders; nothing that is in them.

A generation's row is marked deleted before its files go, and whatever a killed collection left behind goes with the next
one. Readers that hold an old generation open finish on it: what they mapped stays until they let go.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.errors import InputError, LeaseHeldError
from engine.files import MANIFEST
from engine.registry import BUILDING, REFRESHING, REFRESHING_MODELS, Generation, GenerationState, Registry
from engine.serving.operations import Collection
from engine.settings import GenerationSettings

LEFT_AFTER_S = 86_400.0
"""A snapshot that no generation refers to, and a half-written one, may still be wanted for so long."""
_ABANDONED = "its process was gone before it was whole"
_WAIT_S = 5.0


def collect_garbage(registry: Registry, home: Path, keep: GenerationSettings) -> Collection:
    """Delete what is not kept, then look for what killed processes left behind.

    Leftovers are only looked for while nobody builds or refreshes, under both leases: what a running process has just
    written is no leftover.
    """
    bin_ = Bin()
    deleted, abandoned, left = [], [], None
    for generation in doomed(registry.generations.list(), keep, _shadow(registry)):
        try:
            registry.generations.delete(generation.id)
        except InputError:
            continue  # it was rolled back to, or became a shadow, a moment ago
        deleted.append(generation.id)
    for generation in registry.generations.list():
        if generation.state is GenerationState.DELETED:
            bin_.remove(generation.path)
    try:
        with (
            registry.leases.hold(BUILDING, wait_s=_WAIT_S),
            registry.leases.hold(REFRESHING_MODELS, wait_s=_WAIT_S),
            registry.leases.hold(REFRESHING, wait_s=_WAIT_S),
        ):
            abandoned = give_up(registry)
            leftovers(registry, home, bin_)
    except LeaseHeldError as error:
        left = f"leftovers stay for the next time: {error.message}"
    return Collection(tuple(deleted), tuple(abandoned), tuple(bin_.folders), bin_.freed_bytes, left)


def doomed(generations: Sequence[Generation], keep: GenerationSettings, shadow: str | None) -> list[Generation]:
    """The generations to delete, oldest first.

    Kept are: a shadow; the parents of what is being built; and in each slot what serves; the newest `keep.keep`, and the
    newest `keep.keep_full` full ones; the one to roll back to; and candidates: a full one that waits beside what serves,
    and any that is newer than what serves, as its process may be about to publish it.
    """
    alive = [one for one in generations if one.state in (GenerationState.READY, GenerationState.PUBLISHED)]
    alive.sort(key=_number)
    kept = {shadow, *(one.parent for one in generations if one.state is GenerationState.BUILDING)}
    for slot in {one.slot for one in alive}:
        kept |= _kept([one for one in reversed(alive) if one.slot == slot], keep)
    return [one for one in alive if one.id not in kept]


def _kept(alive: list[Generation], keep: GenerationSettings) -> set[str]:
    """Those to keep of one slot's generations, newest first."""
    serving = next((_number(one) for one in alive if one.serving), 0)
    published = [one for one in alive if one.state is GenerationState.PUBLISHED and not one.serving]
    ready = [one for one in alive if one.state is GenerationState.READY]
    full = [one for one in published if one.kind == "full"]
    older = [one for one in published if _number(one) < serving]
    candidates = [one for one in ready if one.kind == "full"][:1] + [one for one in ready if _number(one) > serving]
    stay = [one for one in alive if one.serving] + published[: keep.keep] + full[: keep.keep_full] + older[:1]
    return {one.id for one in stay + candidates}


def _number(generation: Generation) -> int:
    return int(generation.id[1:])


def _shadow(registry: Registry) -> str | None:
    running = registry.shadows.running()
    return None if running is None else running.generation


def give_up(registry: Registry) -> list[str]:
    """Under the leases nobody makes a generation any more: those that are being made are dead."""
    dead = [one.id for one in registry.generations.list() if one.state is GenerationState.BUILDING]
    for generation_id in dead:
        registry.generations.fail(generation_id, _ABANDONED)
    return dead


def leftovers(registry: Registry, home: Path, bin_: Bin) -> None:
    """Remove what no generation refers to any more. Only under both leases."""
    known = registry.generations.list()
    for generation in known:
        if generation.state is GenerationState.FAILED:
            bin_.remove(generation.path)
    for folder in folders_in(home / "generations", ".*.tmp"):
        bin_.remove(folder)
    gone = (GenerationState.FAILED, GenerationState.DELETED)
    wanted = {one.snapshot_path for one in known if one.state not in gone}
    given_up = {one.snapshot_path for one in known} - wanted
    for snapshot in folders_in(home / "snapshots", "*"):
        if snapshot not in wanted and (snapshot in given_up or _is_old(snapshot)):
            bin_.remove(snapshot)
    snapshots = {folder.name for folder in folders_in(home / "snapshots", "*")}
    for model in folders_in(home / "models", "*"):
        # Only by its snapshot is it found again; each generation holds a copy of its own.
        if not model.name.startswith(tuple(f"{name}-" for name in snapshots)):
            training = registry.trainings.find(model)
            if training is not None:
                registry.trainings.delete(training.number)
            bin_.remove(model)


def folders_in(parent: Path, pattern: str) -> Iterable[Path]:
    """The folders right below one, hidden ones only where the pattern says so."""
    return sorted(path for path in parent.resolve().glob(pattern) if path.is_dir())


def _is_old(folder: Path) -> bool:
    return folder.stat().st_mtime < time.time() - LEFT_AFTER_S


class Bin:
    """Where folders go, and how much room that made."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.freed_bytes = 0

    def remove(self, folder: Path) -> None:
        """Remove a folder that nobody may open any more; the manifest goes first, so that half a one is never opened."""
        if not folder.is_dir():
            return
        (folder / MANIFEST).unlink(missing_ok=True)
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
                continue
            found = path.lstat()
            self.freed_bytes += found.st_size if found.st_nlink == 1 else 0
            path.unlink()
        folder.rmdir()
        self.folders.append(folder.name)
