"""What refreshes that died have left: found and removed by the next one, before it begins."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.registry import LIVE, REFRESHING, GenerationState, Registry


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
    name = snapshot_name("*", "*", LIVE if live else "*")
    for pattern in (name, f".{name}.*.tmp"):
        for folder in (home / "snapshots").glob(pattern):
            if folder.name not in wanted:
                shutil.rmtree(folder, ignore_errors=True)


def snapshot_name(rev: int | str, token: int | str, slot: str) -> str:
    """The name of a snapshot that a refresh makes: no two refreshes under one lease have the same token."""
    return f"{rev}-refresh{token}" if slot == LIVE else f"{rev}-models{token}-{slot}"
