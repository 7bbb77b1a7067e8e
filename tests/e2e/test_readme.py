"""The README's ten lines run as they stand there, on a data set of the README's own format."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from engine.graph.connection import Graph
from engine.settings import Settings

pytestmark = pytest.mark.graph
README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
ITEMS, BOARDS = 60, 15


def block(language: str) -> str:
    """The first fenced block of a language."""
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def write_csv(path: Path, head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


@pytest.fixture
def my_data(tmp_path: Path) -> Path:
    folder = tmp_path / "my-data"
    folder.mkdir()
    (folder / "dataset.toml").write_text(block("toml") + '[users]\nfile = "users.csv"\n', encoding="utf-8")
    words = ("oak", "pine", "elm")
    pins = [(f"pin-{n}", "organic", f"{words[n % 3]} desk {n}", f"{words[n % 3]}|wood", 2000 + n) for n in range(ITEMS)]
    ads = [(f"ad-{n}", "ads", f"buy {words[n % 3]}", "wood", "") for n in range(12)]
    write_csv(folder / "items.csv", ("item_id", "corpus", "title", "tags", "year"), [*pins, *ads])
    np.save(folder / "visual.npy", np.random.default_rng(0).normal(size=(len(pins) + len(ads), 4)).astype(np.float32))
    write_csv(folder / "users.csv", ("user_id",), [(f"user-{n}",) for n in range(BOARDS)])
    write_csv(folder / "boards.csv", ("context_id", "owner_id"), [(f"board-{n}", f"user-{n}") for n in range(BOARDS)])
    saves = [(f"board-{n % BOARDS}", f"pin-{(n % BOARDS + 3 * n) % ITEMS}", n) for n in range(8 * BOARDS)]
    write_csv(folder / "saves.csv", ("context_id", "item_id", "time"), dict.fromkeys(saves))
    return folder


def test_the_ten_lines_of_the_readme_run_as_they_stand(
    my_data: Path, settings: Settings, graph: Graph, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del graph  # it empties the database
    monkeypatch.chdir(my_data.parent)
    monkeypatch.setenv("ENGINE_HOME", str(settings.home))
    monkeypatch.setenv("ENGINE_GRAPH_URI", str(settings.graph.uri))
    monkeypatch.setenv("ENGINE_GRAPH_PASSWORD", settings.graph.password.get_secret_value())
    exec(compile(block("python"), "README.md", "exec"), {})
    said = capsys.readouterr().out
    for answer in ("related to pin-42: 10 of organic", "related to pin-42: 10 of ads", "related to brand-new"):
        assert answer in said
    assert "generation g0001" in said
