"""What refreshes that died have left: found and removed by the next one, before it begins."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from engine.registry import LIVE, REFRESHING, REFRESHING_MODELS, GenerationState, Lease, Registry

_INFIX = {REFRESHING: "-refresh", REFRESHING_MODELS: "-models"}


def clear_dead(registry: Registry, home: Path, lease: str) -> None:
    """Give up deltas that were never published, and remove their files. Only for who holds the lease: nobody else makes such
    deltas, so that whoever began one is dead.

    Args:
        lease: REFRESHING, for what serves related items, or REFRESHING_MODELS, for the slots of all models.
    """
    live = lease == REFRESHING
    for one in registry.generations.list():
        if (one.slot == LIVE) != live:
            continue
        if one.kind == "delta" and one.state in (GenerationState.BUILDING, GenerationState.READY):
            registry.generations.fail(one.id, "its process was gone before it was published")
    # Whoever marked one may have died before its files were removed.
    failed = {one.id for one in registry.generations.list() if one.state is GenerationState.FAILED}
    for folder in (home / "generations").glob("*"):
        half_written = folder.name.startswith(".") and folder.name.endswith(".tmp")
        if folder.name in failed or (half_written and folder.name.split(".")[1] in failed):
            shutil.rmtree(folder, ignore_errors=True)
    gone = (GenerationState.FAILED, GenerationState.DELETED)
    wanted = {one.snapshot_path.name for one in registry.generations.list() if one.state not in gone}
    name = f"*{_INFIX[lease]}*"
    for pattern in (name, f".{name}.*.tmp"):
        for folder in (home / "snapshots").glob(pattern):
            if folder.name not in wanted:
                shutil.rmtree(folder, ignore_errors=True)


def snapshot_namer(home: Path, lease: Lease) -> Callable[[int, int], Path]:
    """What says where the snapshots go that a refresh makes: no two refreshes under one lease have the same token."""

    def named(rev: int, made: int) -> Path:
        more = f"-{made}" if made else ""
        return home / "snapshots" / f"{rev}{_INFIX[lease.name]}{lease.token}{more}"

    return named
