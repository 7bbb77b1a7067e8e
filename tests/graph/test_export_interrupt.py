"""What an export leaves behind when somebody presses Ctrl-C."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from graph_worlds import edges_dataset

from engine.graph import snapshot_export
from engine.graph.connection import Graph
from engine.graph.ingest import ingest
from engine.graph.snapshot_export import export_snapshot
from engine.graph.snapshot_parts import PartStore
from engine.settings import Settings

pytestmark = pytest.mark.graph


def test_ctrl_c_in_an_export_keeps_its_parts_and_the_next_one_goes_on(
    graph: Graph, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_export, "EDGES_A_PART", 100)
    ingest(graph, settings, edges_dataset(2_000, tmp_path / "d", items=50, contexts=20))
    save, saved = PartStore.save, []

    def interrupted(self: PartStore, name: str, part: Any) -> None:
        save(self, name, part)
        saved.append(name)
        if sum(done.startswith("saves") for done in saved) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with monkeypatch.context() as patch:
            patch.setattr(PartStore, "save", interrupted)
            with pytest.raises(KeyboardInterrupt):
                export_snapshot(graph, settings)
    finally:
        signal.signal(signal.SIGINT, handler)
    (parts,) = (settings.home / "snapshots").iterdir()
    assert parts.name.startswith(".parts-")
    kept = {path.stem for path in parts.glob("saves-*")}
    assert len(kept) >= 3
    fetched: list[str] = []
    monkeypatch.setattr(PartStore, "save", lambda self, name, part: (fetched.append(name), save(self, name, part)))
    assert export_snapshot(graph, settings).relations.saves.num_edges == 2_000
    assert not kept & set(fetched)
    assert not parts.exists()
