"""Ids as 16-byte digests on disk, spread by their first bits, and bits by row number: sets that do not need memory."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGEST = np.dtype([("hi", "<u8"), ("lo", "<u8")])
_RECORD = np.dtype([("hi", "<u8"), ("lo", "<u8"), ("row", "<i8")])
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@functools.lru_cache(maxsize=200_000)
def _digest(value: str) -> bytes:
    return hashlib.blake2b(value.encode(), digest_size=16).digest()


def digests(ids: Sequence[str]) -> NDArray[np.void]:
    """`DIGEST [N]` of ids: the first 16 bytes of their BLAKE2b."""
    return np.frombuffer(b"".join(map(_digest, ids)), dtype=DIGEST)


def edge_digests(source: NDArray[np.void], target: NDArray[np.void], times: Sequence[int | None]) -> NDArray[np.void]:
    """`DIGEST [N]` of edges, told apart by both ends and the time."""
    when = np.array([-1 if time is None else time for time in times], dtype=np.int64).astype(np.uint64)
    mixed = np.empty(len(source), dtype=DIGEST)
    for half, other in (("hi", "lo"), ("lo", "hi")):
        value = _mix(source[half] + _GOLDEN)
        value = _mix(value ^ target[half])
        mixed[half] = _mix(value ^ when ^ _mix(target[other]))
    return mixed


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


class Bits:
    """A set of row numbers, one bit each."""

    def __init__(self) -> None:
        self._bits: NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)
        self._count: int | None = 0

    def set(self, rows: NDArray[np.int64]) -> None:
        if not len(rows):
            return
        need = int(rows.max()) // 8 + 1
        if need > len(self._bits):
            self._bits = np.concatenate([self._bits, np.zeros(max(need, len(self._bits)), dtype=np.uint8)])
        np.bitwise_or.at(self._bits, rows >> 3, (np.uint8(1) << (rows & 7).astype(np.uint8)))
        self._count = None

    def get(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool `[N]`: which of these rows are in the set."""
        inside = rows < len(self._bits) * 8
        found = np.zeros(len(rows), dtype=bool)
        picked = rows[inside]
        found[inside] = (self._bits[picked >> 3] >> (picked & 7).astype(np.uint8)) & 1
        return found

    def among(self, rows: Sequence[int]) -> list[int]:
        """The places in `rows` of those in the set."""
        places: list[int] = np.flatnonzero(self.get(np.array(rows, dtype=np.int64))).tolist()
        return places

    def count(self) -> int:
        if self._count is None:
            self._count = int(np.bitwise_count(self._bits).sum()) if len(self._bits) else 0
        return self._count

    def __contains__(self, row: int) -> bool:
        return bool(self.get(np.array([row]))[0])


class Spill:
    """Digests with their row numbers, on disk in `PARTS` files; equal digests are in the same file."""

    PARTS = 64
    BUFFERED = 65_536

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: list[NDArray[np.void]] = []
        self._count = 0
        folder.mkdir()

    def add(self, digest: NDArray[np.void], rows: NDArray[np.int64]) -> None:
        record = np.empty(len(digest), dtype=_RECORD)
        record["hi"], record["lo"], record["row"] = digest["hi"], digest["lo"], rows
        self._waiting.append(record)
        self._count += len(record)
        if self._count >= self.BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Move what waits in memory to the files."""
        if not self._count:
            return
        records = np.concatenate(self._waiting)
        part = (records["hi"] >> np.uint64(58)).astype(np.int64)
        order = np.argsort(part, kind="stable")
        records = records[order]
        ends = np.cumsum(np.bincount(part, minlength=self.PARTS))
        for k, (first, last) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if first < last:
                with (self.folder / str(k)).open("ab") as stream:
                    stream.write(records[first:last].tobytes())
        self._waiting, self._count = [], 0

    def read(self, part: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The digests `[N]` and row numbers `[N]` of one file."""
        path = self.folder / str(part)
        records = np.fromfile(path, dtype=_RECORD) if path.exists() else np.empty(0, dtype=_RECORD)
        digest = np.empty(len(records), dtype=DIGEST)
        digest["hi"], digest["lo"] = records["hi"], records["lo"]
        return digest, records["row"].astype(np.int64)
