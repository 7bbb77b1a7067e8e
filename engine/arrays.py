"""Arrays on disk that change by a few rows from one sealed folder to the next. Knows numbers and files; not what they mean.

An array of N rows in a folder is

```
NAME.array.json   shape, type, and how the files below make it up
NAME.base         raw rows, with room for more at the end (a hole in the file: it costs no disk)
NAME.rows.npy     int32 [P], increasing: the rows that differ from the base, and those past it
NAME.values.npy   [P] or [P, width], their values
```

The base never changes and is shared by hard links with the folders that follow; the patch is cumulative, so that a folder
needs no other one. A patch of more than a quarter of the rows, or rows past the room, make a new base.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engine.errors import CorruptFileError, InputError
from engine.files import disk_full_as, link_file, write_json

FORMAT = 1
PATCH_SHARE = 0.25
"""A patch of more of the rows than this is folded into a new base."""
SPARE_LEAST, SPARE_SHARE = 4096, 10
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class _Header:
    """What `NAME.array.json` says.

    Attributes:
        width: values a row; None for scalars.
        rows: of the array; `base_rows` of them were there when the base was written.
        capacity: rows there is room for in the base.
        patched: rows in the patch.
    """

    dtype: str
    width: int | None
    rows: int
    base_rows: int
    capacity: int
    patched: int

    def shape(self, rows: int) -> tuple[int, ...]:
        return (rows,) if self.width is None else (rows, self.width)

    def bytes(self, rows: int) -> int:
        return prod(self.shape(rows)) * np.dtype(self.dtype).itemsize


def write_base(folder: Path, name: str, values: NDArray[Any], *, spare: int | None = None) -> None:
    """Write an array without a patch.

    Args:
        values: `[N]` or `[N, width]`.
        spare: rows to leave room for; the larger of 4,096 and N / 10 when None.

    Raises:
        InputError: neither one nor two dimensions, or no number type.
        DiskFullError: no space left.
    """
    _write_blocks(folder, name, [values], len(values), spare)


@contextmanager
def writing_base(
    folder: Path, name: str, rows: int, width: int | None, dtype: DTypeLike = np.float32, *, spare: int | None = None
) -> Iterator[NDArray[Any]]:
    """Yield a zeroed array `[rows]` or `[rows, width]` that is written through to the base, for values that come piece by piece.

    The space is taken first: a disk that is full shows here and not in the middle.

    Raises:
        DiskFullError: no space left.
    """
    header = _fresh_header(np.dtype(dtype), width, rows, spare)
    path = folder / f"{name}.base"
    with disk_full_as(path):
        with path.open("wb") as stream:
            if rows:
                os.posix_fallocate(stream.fileno(), 0, header.bytes(rows))
            stream.truncate(header.bytes(header.capacity))
        mapped = np.memmap(path, header.dtype, "r+", shape=header.shape(header.capacity))
        yield np.asarray(mapped)[:rows]
        mapped.flush()
    _write_header(folder, name, header)


def open_array(folder: Path, name: str, rows: int | None = None) -> NDArray[Any]:
    """The array `[N]` or `[N, width]`, mapped privately: what is written to it is seen by nobody else and kept nowhere.

    Args:
        rows: how many to have; those past the array's own are zeros. As many as there are when None.

    Raises:
        CorruptFileError: a file is missing, short or does not fit the others. Checksums are for `files.open_folder`.
    """
    header = _read_header(folder, name)
    wanted = header.rows if rows is None else rows
    base = _base(folder, name, header)
    if wanted > header.capacity:
        more = np.zeros(header.shape(wanted - header.rows), header.dtype)
        whole = np.concatenate([base[: header.rows], more])
    else:
        whole = base[:wanted]
    patched, values = _read_patch(folder, name, header)
    whole[patched] = values
    return whole


def rows_of(folder: Path, name: str) -> int:
    """How many rows an array has.

    Raises:
        CorruptFileError: its header is missing or unreadable.
    """
    return _read_header(folder, name).rows


def link_array(source: Path, name: str, folder: Path, as_name: str | None = None) -> None:
    """The same array once more, in another folder or under another name, sharing its files.

    Raises:
        CorruptFileError: see `open_array`.
        DiskFullError: it had to be copied, and no space is left.
    """
    header = _read_header(source, name)
    new = as_name or name
    for part in ("base", *(("rows.npy", "values.npy") if header.patched else ())):
        if not (source / f"{name}.{part}").is_file():
            raise CorruptFileError(f"array {source / name}: {name}.{part} is missing")
        link_file(source / f"{name}.{part}", folder / f"{new}.{part}")
    _write_header(folder, new, header)


def patch_from(parent: Path, name: str, folder: Path, rows: int, changed: NDArray[Any], values: NDArray[Any]) -> None:
    """Write the array of `parent` with some rows changed and some appended into `folder`, sharing the base with it.

    Args:
        rows: how many it has now; no fewer than before.
        changed: int `[C]`, increasing. Every appended row is among them.
        values: `[C]` or `[C, width]`.

    Raises:
        InputError: `changed` or `values` does not fit.
        CorruptFileError: see `open_array`.
        DiskFullError: no space left.
    """
    old = _read_header(parent, name)
    changed = np.ascontiguousarray(changed, dtype=np.int32)
    _check_change(name, old, rows, changed, values)
    kept, kept_values = _read_patch(parent, name, old)
    keep = ~np.isin(kept, changed, assume_unique=True)
    patch = np.concatenate([kept[keep], changed])
    if len(patch) > PATCH_SHARE * rows or rows > old.capacity:
        whole = open_array(parent, name)
        appended = int(np.searchsorted(changed, old.rows))
        whole[changed[:appended]] = values[:appended]
        _write_blocks(folder, name, [whole, np.asarray(values[appended:], old.dtype)], rows, None)
        return
    merged = np.asarray(values, old.dtype)
    if keep.any():
        order = np.argsort(patch)
        patch, merged = patch[order], np.concatenate([kept_values[keep], merged])[order]
    link_file(parent / f"{name}.base", folder / f"{name}.base")
    if len(patch):
        with disk_full_as(folder / f"{name}.values.npy"):
            np.save(folder / f"{name}.rows.npy", patch)
            np.save(folder / f"{name}.values.npy", merged)
    _write_header(folder, name, _Header(old.dtype, old.width, rows, old.base_rows, old.capacity, len(patch)))


def _check_change(name: str, old: _Header, rows: int, changed: NDArray[Any], values: NDArray[Any]) -> None:
    if rows < old.rows:
        raise InputError(f"array {name!r} has {old.rows} rows and cannot shrink to {rows}")
    if values.shape != old.shape(len(changed)):
        raise InputError(
            f"array {name!r}: values of the shape {list(values.shape)} for rows of {list(old.shape(len(changed)))}"
        )
    if len(changed) and not (changed[0] >= 0 and changed[-1] < rows and (changed[1:] > changed[:-1]).all()):
        raise InputError(f"array {name!r}: the changed rows are not increasing within 0 .. {rows - 1}")
    if len(changed) - np.searchsorted(changed, old.rows) != rows - old.rows:
        raise InputError(f"array {name!r}: an appended row has no value")


def _write_blocks(folder: Path, name: str, blocks: Sequence[NDArray[Any]], rows: int, spare: int | None) -> None:
    first = blocks[0]
    if first.ndim not in (1, 2):
        raise InputError(f"array {name!r} has {first.ndim} dimensions; it may have one or two")
    header = _fresh_header(first.dtype, None if first.ndim == 1 else int(first.shape[1]), rows, spare)
    step = max(1, _BLOCK_BYTES // max(1, header.bytes(1)))
    path = folder / f"{name}.base"
    with disk_full_as(path), path.open("wb") as stream:
        for block in blocks:
            for start in range(0, len(block), step):
                np.ascontiguousarray(block[start : start + step], header.dtype).tofile(stream)
        stream.flush()
        stream.truncate(header.bytes(header.capacity))
    _write_header(folder, name, header)


def _fresh_header(dtype: np.dtype[Any], width: int | None, rows: int, spare: int | None) -> _Header:
    if dtype.kind not in "fiub" or width == 0:
        raise InputError(f"an array of {dtype} of width {width} cannot be kept")
    room = max(SPARE_LEAST, rows // SPARE_SHARE) if spare is None else spare
    # A file of no bytes cannot be mapped.
    return _Header(dtype.newbyteorder("<").str, width, rows, rows, max(1, rows + room), 0)


def _write_header(folder: Path, name: str, header: _Header) -> None:
    write_json(folder / f"{name}.array.json", {"format": FORMAT, **asdict(header)})


def _read_header(folder: Path, name: str) -> _Header:
    path = folder / f"{name}.array.json"
    try:
        facts = json.loads(path.read_text())
        if facts.pop("format") != FORMAT:
            raise ValueError("unknown format")
        header = _Header(**facts)
        counts = (header.rows, header.base_rows, header.capacity, header.patched)
        if not all(isinstance(count, int) and count >= 0 for count in counts) or header.base_rows > header.rows:
            raise ValueError("impossible counts")
        if header.rows > header.capacity or not (header.width is None or header.width > 0):
            raise ValueError("impossible shape")
        if np.dtype(header.dtype).kind not in "fiub":
            raise ValueError("impossible type")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(f"array {path}: the header is missing or unreadable ({error})") from error
    return header


def _base(folder: Path, name: str, header: _Header) -> NDArray[Any]:
    path = folder / f"{name}.base"
    if not path.is_file() or path.stat().st_size != header.bytes(header.capacity):
        raise CorruptFileError(f"array {path}: missing, or not of {header.bytes(header.capacity):,} bytes")
    # A plain array: numpy.memmap is slow to slice, and kernels are compiled for one type of array.
    return np.asarray(np.memmap(path, header.dtype, "c", shape=header.shape(header.capacity)))


def _read_patch(folder: Path, name: str, header: _Header) -> tuple[NDArray[np.int32], NDArray[Any]]:
    if not header.patched:
        return np.empty(0, np.int32), np.empty(header.shape(0), header.dtype)
    try:
        rows = np.load(folder / f"{name}.rows.npy", allow_pickle=False)
        values = np.load(folder / f"{name}.values.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorruptFileError(f"array {folder / name}: the patch cannot be read ({error})") from error
    fits = rows.shape == (header.patched,) and values.shape == header.shape(header.patched)
    if not fits or rows.dtype != np.int32 or values.dtype != np.dtype(header.dtype):
        raise CorruptFileError(f"array {folder / name}: the patch does not fit the header")
    if rows[0] < 0 or rows[-1] >= header.rows or not (rows[1:] > rows[:-1]).all():
        raise CorruptFileError(f"array {folder / name}: the rows of the patch are not increasing within the array")
    return rows, values
