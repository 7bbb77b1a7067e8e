"""What a load leaves behind when the disk is full or the server vanishes."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cut_proxy import Proxy
from graph_worlds import edges_dataset

from engine.errors import DiskFullError, GraphUnavailableError
from engine.graph import connection
from engine.graph.connection import Graph
from engine.graph.ingest import ingest
from engine.settings import Settings

pytestmark = pytest.mark.graph


def saves_in(graph: Graph) -> int:
    return int(graph.read("MATCH ()-[s:SAVED]->() RETURN count(s) AS n")[0]["n"])


def test_a_disk_too_small_to_check_a_set_is_one_error_and_nothing_is_written(
    graph: Graph, settings: Settings, tmp_path: Path, small_disk
) -> None:
    data = edges_dataset(20_000, tmp_path / "d", items=50, contexts=20)
    with small_disk(settings.home, "256k"):
        with pytest.raises(DiskFullError, match=r"no space left on the disk while writing .*tmp"):
            ingest(graph, settings, data)
        assert list((settings.home / "tmp").iterdir()) == []
    assert graph.read("MATCH (n:Item) RETURN count(n) AS n")[0]["n"] == 0
    assert ingest(graph, settings, data).changed["saves"] == 20_000


def test_a_server_that_vanishes_while_loading_is_one_error_and_the_load_goes_on_later(
    graph: Graph, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RETRY_S", 0.2)
    data = edges_dataset(2_000, tmp_path / "d", items=50, contexts=20)
    proxy = Proxy(urlsplit(graph.uri).port or 0)
    through = settings.graph.model_copy(update={"uri": f"bolt://127.0.0.1:{proxy.port}"})

    def cut_once_edges_came() -> None:
        while not saves_in(graph):
            time.sleep(0.01)
        proxy.close()

    cutter = threading.Thread(target=cut_once_edges_came)
    cutter.start()
    with Graph(through) as cut, pytest.raises(GraphUnavailableError, match=str(proxy.port)):
        ingest(cut, settings, data, batch_size=20)
    cutter.join()
    assert 0 < saves_in(graph) < 2_000
    assert ingest(graph, settings, data).resumed
    assert saves_in(graph) == 2_000
