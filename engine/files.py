"""Writing files so that a crash leaves the old one or the new one, never half of either.

Knows paths and bytes; nothing of what is in them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import CorruptFileError, DiskFullError

MANIFEST = "manifest.json"


@contextlib.contextmanager
def disk_full_as(target: Path) -> Iterator[None]:
    """Turn "no space left" while writing `target` into one clear error.

    Raises:
        DiskFullError: the disk or the quota is full.
    """
    try:
        yield
    except OSError as error:
        # NumPy reports a short write without an errno: "320000 requested and 169952 written".
        short = error.errno is None and "requested and" in str(error)
        if short or error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"no space left on the disk while writing {target}",
                hint="Free some space, or point ENGINE_HOME at another disk. What was there before is unharmed.",
            ) from error
        raise


def fsync_path(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it is synced and renamed over `target`.

    Raises:
        DiskFullError: no space left; `target` is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    with disk_full_as(target):
        try:
            yield temporary
            fsync_path(temporary)
            temporary.replace(target)
            fsync_path(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(target: Path, value: Any, *, mode: int = 0o644) -> None:
    """Write JSON atomically."""
    with atomic_file(target) as temporary:
        temporary.touch(mode=mode)
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def sha256_file(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_folder(target: Path, facts: dict[str, Any]) -> Iterator[Path]:
    """Yield a temporary folder; on success it is sealed with a manifest and renamed to `target`.

    The manifest holds `facts` and, for each file, its size and SHA-256, so that `open_folder` can check them.
    Sealed folders are immutable: `target` must not exist yet (`OSError` otherwise, and the new folder is gone).

    Raises:
        DiskFullError: no space left; `target` is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    with disk_full_as(target):
        try:
            temporary.mkdir()
            yield temporary
            seal_folder(temporary, facts)
            temporary.replace(target)
            fsync_path(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def seal_folder(folder: Path, facts: dict[str, Any]) -> None:
    """Sync every file of `folder` and write its manifest last."""
    listed = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        fsync_path(path)
        listed[str(path.relative_to(folder))] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    write_json(folder / MANIFEST, {**facts, "files": listed})


def open_folder(folder: Path, *, what: str, verify: bool = True) -> dict[str, Any]:
    """Read a sealed folder's manifest and check its files.

    Args:
        what: the word for the folder in messages, such as "snapshot".
        verify: compare checksums, not only sizes.

    Raises:
        CorruptFileError: the manifest is missing or unreadable, or a file is missing, short or altered.
    """
    manifest = read_manifest(folder, what=what)
    files: dict[str, dict[str, Any]] = manifest["files"]
    for name, entry in files.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            raise CorruptFileError(f"{what} {folder}: {name} is missing or has the wrong size")
        if verify and sha256_file(file) != entry["sha256"]:
            raise CorruptFileError(f"{what} {folder}: {name} does not match its checksum")
    return manifest


def read_manifest(folder: Path, *, what: str) -> dict[str, Any]:
    """A sealed folder's facts and the list of its files, which are not looked at.

    Raises:
        CorruptFileError: the manifest is missing or unreadable.
    """
    try:
        manifest = dict(json.loads((folder / MANIFEST).read_text()))
        dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{what} {folder}: {MANIFEST} is missing or unreadable ({error})") from error
    return manifest
