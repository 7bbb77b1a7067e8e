"""The right to be forgotten, on disk: no kept folder holds what was forgotten, somebody has looked, and the receipt is closed.

A refresh would not do: a delta shares files with its parents, and an index keeps the vectors of dead rows. So the model that
serves embeds the graph as it is now from nothing, that generation serves, and every older one goes with its snapshot: nothing
can be rolled back to a time before a receipt. Then all files are searched for the id, its key and its vector.

Runs under the leases of builds and of all refreshes. A process that dies here leaves the receipts open, and the next run goes on.
"""

from __future__ import annotations

import json
import logging
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import CorruptFileError, StorageError
from engine.files import read_manifest
from engine.graph.connection import Graph
from engine.graph.snapshot import Snapshot
from engine.hashing import digest, key64
from engine.refresh.anew import build_anew
from engine.refresh.garbage import Bin, folders_in, give_up, leftovers
from engine.refresh.model import scratch
from engine.registry import (
    BUILDING,
    LIVE,
    REFRESHING,
    REFRESHING_MODELS,
    Generation,
    GenerationState,
    Lease,
    Receipt,
    ReceiptState,
    Registry,
)
from engine.registry.receipts import is_subject
from engine.serving.forgotten import KINDS
from engine.serving.live import open_view
from engine.serving.stored import Stored
from engine.settings import Settings

log = logging.getLogger(__name__)

WAIT_S = 10.0
_KEPT = (GenerationState.READY, GenerationState.PUBLISHED)
_PLACES = ("generations", "snapshots", "models")
SHORT = 4
"""Ids of fewer characters are looked for by their keys and vectors alone: a file may well hold such a word."""
_TRAINED = {"model", "blend"}
"""Folders of what was learned: words of texts, one of which may be spelled like an id."""


def close_receipts(
    registry: Registry, graph: Graph, settings: Settings, ids: Mapping[int, str] | None = None
) -> tuple[Receipt, ...]:
    """Purge what open receipts are about from every kept folder, look for it, and complete them.

    Args:
        ids: the ids of receipts, by number, where they are known; others are found in the kept snapshots by their digests.

    Returns:
        The receipts that were completed.

    Raises:
        LeaseHeldError: another process builds or refreshes; the receipts stay open.
        NotReadyError: what serves holds no model to embed the graph with.
        StorageError: something is still there; the receipts stay open.
        TrainingError: the new generation does not pass the gate.
    """
    opened = [one for one in registry.receipts.list(state=ReceiptState.OPEN) if one.rev is not None]
    if not opened:
        return ()
    with (
        registry.leases.hold(BUILDING, wait_s=WAIT_S),
        registry.leases.hold(REFRESHING_MODELS, wait_s=WAIT_S),
        registry.leases.hold(REFRESHING, wait_s=WAIT_S) as held,
    ):
        purge = _Purge(registry, graph, settings, opened, dict(ids or {}))
        purge.learn()
        purge.replace(held.lease)
        purge.withdraw()
        purge.remove()
        looked = purge.look()
        return tuple(purge.complete(receipt, looked) for receipt in opened)


@dataclass(slots=True)
class _Purge:
    """One run.

    Attributes:
        ids: number of a receipt -> id, as far as one is known: what no snapshot holds is nowhere.
        vectors: of forgotten items, in every generation.
        done: where -> what was removed there.
    """

    registry: Registry
    graph: Graph
    settings: Settings
    receipts: list[Receipt]
    ids: dict[int, str]
    vectors: set[bytes] = field(default_factory=set)
    done: dict[str, Any] = field(default_factory=dict)

    @property
    def rev(self) -> int:
        """What is true up to here holds none of it."""
        return max(one.rev or 0 for one in self.receipts)

    def learn(self) -> None:
        """Find out the ids, and the vectors that must go, while they are still there."""
        for path in self._snapshots():
            if (snapshot := _opened(path)) is not None:
                self._find_ids(snapshot)
        items = [node_id for number, node_id in self.ids.items() if self._kind(number) == "items"]
        for generation in self._kept():
            facts = read_manifest(generation.path, what="generation")
            if not facts.get("vectors", True):
                continue
            snapshot = Snapshot.open(generation.snapshot_path, verify=False)
            vectors = Stored(generation.path, facts).vectors()
            rows = snapshot.items.index_of(items)
            for row in rows[rows >= 0].tolist():
                vector = np.ascontiguousarray(vectors[row], dtype="<f4")
                # Of two items with the same vector the other one may stay.
                if vector.any() and int((vectors == vector).all(axis=1).sum()) == 1:
                    self.vectors.add(vector.tobytes())

    def replace(self, lease: Lease) -> None:
        """Let a generation serve that never held it."""
        serving = self.registry.generations.serving()
        if serving is None or list(self._line(serving))[-1].watermark >= self.rev:
            return
        with scratch(self.settings.home) as work:
            now = datetime.now(UTC)
            made = build_anew(self.registry, self.graph, self.settings, open_view(serving), now, work, lease)
        self.done["published"] = made.id

    def withdraw(self) -> None:
        """Let no model about users and items answer that learned from it. Only training anew would make it forget."""
        slots = [slot for slot in self.registry.generations.slots() if slot != LIVE]
        serving = [self.registry.generations.serving(slot) for slot in slots]
        held = [one.slot for one in serving if one is not None and self._may_hold(one)]
        for slot in held:
            self.registry.generations.withdraw(slot)
        if held:
            told = ", ".join(held)
            log.warning("withdrawn, for they learned from what was forgotten: %s; `engine build` trains one anew", told)
            self.done["withdrawn"] = held

    def remove(self) -> None:
        """Remove every folder that may hold it."""
        bin_, deleted = Bin(), []
        for generation in self._kept():
            if self._may_hold(generation):
                if self.registry.shadows.running() is not None:
                    self.registry.shadows.stop()
                self.registry.generations.delete(generation.id)
                deleted.append(generation.id)
        for generation in self.registry.generations.list():
            if generation.state is GenerationState.DELETED:
                bin_.remove(generation.path)
        give_up(self.registry)
        wanted = {one.snapshot_path for one in self._kept()}
        for path in self._snapshots():
            if path not in wanted and self._holds(path):
                bin_.remove(path)
        for pattern in (".*.tmp", ".parts-*"):
            for folder in folders_in(self.settings.home / "snapshots", pattern):
                bin_.remove(folder)
        for folder in folders_in(self.settings.home / "models", "*.work"):
            bin_.remove(folder)
        leftovers(self.registry, self.settings.home, bin_)
        self.done["generations"] = deleted
        self.done["folders"] = sorted(set(bin_.folders))
        self.done["shadow samples"] = self.registry.shadows.forget(self.ids.values())

    def look(self) -> dict[str, int]:
        """Search everything that is left.

        Raises:
            StorageError: naming the file where something is.
        """
        keys, words = self._patterns()
        files = size = 0
        for path in self._files():
            files, size = files + 1, size + path.stat().st_size
            if _contains(path, self.vectors | keys | (set() if _TRAINED & set(path.parts) else words)):
                raise StorageError(
                    f"what was forgotten is still in {path}", hint="The receipts stay open; run it again."
                )
        for path in self._snapshots():
            if self._holds(path):
                raise StorageError(
                    f"what was forgotten is still in the snapshot {path}", hint="The receipts stay open."
                )
        return {"files": files, "bytes": size, "patterns": len(self.vectors | keys | words), "found": 0}

    def _patterns(self) -> tuple[set[bytes], set[bytes]]:
        """The keys and the spelled ids that no file may hold: not those of nodes that came anew, or of other kinds."""
        serving = self.registry.generations.serving()
        there = None if serving is None else Snapshot.open(serving.snapshot_path, verify=False)
        keys, words = set(), set()
        for node_id in set(self.ids.values()):
            if there is not None and any(getattr(there, kind).index_of([node_id])[0] >= 0 for kind in KINDS.values()):
                continue
            keys.add(key64(node_id).to_bytes(8, "little"))
            if len(node_id) >= SHORT:
                words |= {json.dumps(node_id).encode(), json.dumps(node_id, ensure_ascii=False).encode()}
        return keys, words

    def complete(self, receipt: Receipt, looked: dict[str, int]) -> Receipt:
        """Write down what was done and close a receipt."""
        for where, what in {**self.done, "looked for": looked}.items():
            receipt = self.registry.receipts.note(receipt.number, where, what)
        told = [receipt.number, receipt.kind, receipt.subject, receipt.rev, receipt.removed]
        return self.registry.receipts.complete(receipt.number, digest(told))

    def _find_ids(self, snapshot: Snapshot) -> None:
        for kind in KINDS.values():
            unknown = [one for one in self.receipts if KINDS[one.kind] == kind and one.number not in self.ids]
            if unknown:
                for node_id in getattr(snapshot, kind).ids:
                    self.ids.update({one.number: node_id for one in unknown if is_subject(one.subject, node_id)})

    def _holds(self, path: Path) -> bool:
        snapshot = _opened(path)
        if snapshot is None:
            return True  # what cannot be read cannot be trusted to lack it
        return any(
            snapshot.watermark < (receipt.rev or 0)
            and getattr(snapshot, KINDS[receipt.kind]).index_of([self.ids[receipt.number]])[0] >= 0
            for receipt in self.receipts
            if receipt.number in self.ids
        )

    def _kind(self, number: int) -> str:
        return next(KINDS[one.kind] for one in self.receipts if one.number == number)

    def _kept(self) -> list[Generation]:
        return [one for one in self.registry.generations.list() if one.state in _KEPT]

    def _may_hold(self, generation: Generation) -> bool:
        """Whether what was forgotten may be in a generation's files: a delta shares those of all before it."""
        line = list(self._line(generation))
        if generation.slot == LIVE:
            return line[-1].watermark < self.rev
        return any(one.watermark < self.rev and self._holds(one.snapshot_path) for one in line)

    def _line(self, generation: Generation) -> Iterator[Generation]:
        """A generation and those whose files, or whose model, it goes back to."""
        yield generation
        while generation.parent is not None:
            generation = self.registry.generations.get(generation.parent)
            yield generation

    def _snapshots(self) -> Iterator[Path]:
        yield from folders_in(self.settings.home / "snapshots", "[!.]*")

    def _files(self) -> Iterator[Path]:
        for place in _PLACES:
            yield from (path for path in (self.settings.home / place).rglob("*") if path.is_file())


def _opened(path: Path) -> Snapshot | None:
    try:
        return Snapshot.open(path, verify=False)
    except CorruptFileError:
        return None


def _contains(path: Path, patterns: set[bytes]) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(pattern) >= 0 for pattern in patterns)
