"""Writing files so that a crash leaves the old one or the new one, never half of either.

Sealed folders never change, so that a folder may share files with an older one by hard links (`link_file`): sealing takes
their checksums over, and `Checked` keeps an opened folder from comparing them again.

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
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.errors import CorruptFileError, DiskFullError

MANIFEST = "manifest.json"
_SEALERS = 2
"""Files that are synced and digested at once."""
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}

Stamp = tuple[int, int, int, int]
"""What tells a file's content apart from any other in this process: device, inode, size, modification time in ns."""


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


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file; two names of one file have the same.

    Raises:
        OSError: there is no such file.
    """
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Checked:
    """Checksums of files, each computed once however many folders share the file.

    Args:
        known: what an earlier `Checked` has seen; what is not asked for again is forgotten with it.
    """

    def __init__(self, known: Mapping[Stamp, str] | None = None) -> None:
        self._known = known or {}
        self.seen: dict[Stamp, str] = {}

    def sha256(self, path: Path) -> str:
        """Hex digest of a file's content."""
        stamp = stamp_of(path)
        if stamp not in self.seen:
            self.seen[stamp] = self._known.get(stamp) or sha256_file(path)
        return self.seen[stamp]

    def keep(self, other: Checked) -> None:
        """Take over everything that another has seen."""
        self.seen.update(other.seen)


def link_file(source: Path, target: Path) -> None:
    """Give a file that never changes a second name; copy it where the file system cannot.

    Raises:
        DiskFullError: no space left for the copy.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with disk_full_as(target):
            shutil.copyfile(source, target)


def link_folder(source: Path, target: Path) -> None:
    """`link_file` for every file of a folder, manifest and all."""
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        link_file(path, target / path.relative_to(source))


@contextlib.contextmanager
def atomic_folder(target: Path, facts: dict[str, Any], parents: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield a temporary folder; on success it is sealed with a manifest and renamed to `target`.

    The manifest holds `facts` and, for each file, its size and SHA-256, so that `open_folder` can check them.
    Sealed folders are immutable: `target` must not exist yet (`OSError` otherwise, and the new folder is gone).

    Args:
        parents: sealed folders; the checksum of a file linked from one of them is taken over and not computed.

    Raises:
        DiskFullError: no space left; `target` is as it was.
        CorruptFileError: a parent's manifest is missing or unreadable.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    with disk_full_as(target):
        try:
            temporary.mkdir()
            yield temporary
            seal_folder(temporary, facts, parents)
            temporary.replace(target)
            fsync_path(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def seal_folder(folder: Path, facts: dict[str, Any], parents: Sequence[Path] = ()) -> None:
    """Sync every file of `folder` and write its manifest last; see `atomic_folder`."""
    known = {stamp: entry for parent in parents for stamp, entry in _stamped(parent)}

    def entry_of(path: Path) -> dict[str, Any]:
        if (entry := known.get(stamp_of(path))) is not None:
            return entry
        fsync_path(path)
        return {"bytes": path.stat().st_size, "sha256": sha256_file(path)}

    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    with ThreadPoolExecutor(_SEALERS) as pool:
        listed = {
            str(path.relative_to(folder)): entry for path, entry in zip(paths, pool.map(entry_of, paths), strict=True)
        }
    write_json(folder / MANIFEST, {**facts, "files": listed})


def _stamped(parent: Path) -> Iterator[tuple[Stamp, dict[str, Any]]]:
    for name, entry in read_manifest(parent, what="folder")["files"].items():
        with contextlib.suppress(FileNotFoundError):
            stamp = stamp_of(parent / name)
            if stamp[2] == entry["bytes"]:
                yield stamp, entry


def open_folder(
    folder: Path, *, what: str, verify: bool = True, checked: Checked | None = None, apart: str | None = None
) -> dict[str, Any]:
    """Read a sealed folder's manifest and check its files.

    Args:
        what: the word for the folder in messages, such as "snapshot".
        verify: compare checksums, not only sizes.
        checked: compares each file once, where it is passed on to the next folder.
        apart: a sub-folder whose files are not looked at.

    Raises:
        CorruptFileError: the manifest is missing or unreadable, or a file is missing, short or altered.
    """
    manifest = read_manifest(folder, what=what)
    files: dict[str, dict[str, Any]] = manifest["files"]
    digest = sha256_file if checked is None else checked.sha256
    for name, entry in files.items():
        if apart is not None and name.startswith(f"{apart}/"):
            continue
        file = folder / name
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            raise CorruptFileError(f"{what} {folder}: {name} is missing or has the wrong size")
        if verify and digest(file) != entry["sha256"]:
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
