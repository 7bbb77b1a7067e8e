"""The README's ten lines run as they stand there, on a data set of the README's own format."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from engine.datasets.folder_write import write_dataset
from engine.graph.connection import Graph
from engine.settings import Settings

pytestmark = pytest.mark.graph
README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
ITEMS, BOARDS = 60, 15


def block(language: str, number: int = 0) -> str:
    """A fenced block of a language, by its number."""
    return str(re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[number])


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


@pytest.fixture
def my_ratings(tmp_path: Path) -> Path:
    rows = [(f"user-{u}", f"film-{i}", 1 + (u + i) % 5) for u in range(20) for i in range(50) if (u * 7 + i * 3) % 4]
    write_dataset(
        tmp_path / "my-ratings",
        "my-ratings",
        items={"item_id": [f"film-{n}" for n in range(50)]},
        users={"user_id": [f"user-{n}" for n in range(20)]},
        interactions=dict(zip(("user_id", "item_id", "rating"), map(list, zip(*rows, strict=True)), strict=True)),
    )
    return tmp_path


@pytest.fixture
def my_community(tmp_path: Path) -> Path:
    rows = [
        (f"user-{u}", f"film-{(u + 3 * n) % 50}", 1 + (u + n) % 5, 100 * n + u) for u in range(20) for n in range(12)
    ]
    names = ("user_id", "item_id", "rating", "time")
    write_dataset(
        tmp_path / "my-community",
        "my-community",
        items={"item_id": [f"film-{n}" for n in range(50)]},
        users={"user_id": [f"user-{n}" for n in range(20)]},
        interactions=dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)),
        follows={
            "user_id": [f"user-{n}" for n in range(20) for _ in range(3)],
            "followed_id": [f"user-{(n + step) % 20}" for n in range(20) for step in (1, 2, 5)],
        },
    )
    return tmp_path


@pytest.fixture
def from_environment(settings: Settings, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    del graph  # it empties the database
    monkeypatch.setenv("ENGINE_HOME", str(settings.home))
    monkeypatch.setenv("ENGINE_GRAPH_URI", str(settings.graph.uri))
    monkeypatch.setenv("ENGINE_GRAPH_PASSWORD", settings.graph.password.get_secret_value())


@pytest.mark.usefixtures("from_environment")
def test_the_lines_about_ratings_run_as_they_stand(
    my_ratings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(my_ratings)
    exec(compile(block("python", 1), "README.md", "exec"), {})
    said = capsys.readouterr().out
    for answer in (
        "user-7 would rate film-42",
        "recommended to user-7: 5 of organic, by item-knn",
        "users like user-7",
    ):
        assert answer in said


@pytest.mark.usefixtures("from_environment")
def test_the_lines_about_friends_and_time_run_as_they_stand(
    my_community: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(my_community)
    exec(compile(block("python", 2), "README.md", "exec"), {})
    said = capsys.readouterr().out
    for answer in (
        "user-7 would rate film-42",
        "social attention: the largest of 3",
        "from 3 of 3 friends of user-7: 5 of organic, by graphrec",
        "next for user-7 at ",
    ):
        assert answer in said


@pytest.mark.usefixtures("from_environment")
def test_the_ten_lines_of_the_readme_run_as_they_stand(
    my_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(my_data.parent)
    exec(compile(block("python"), "README.md", "exec"), {})
    said = capsys.readouterr().out
    for answer in ("related to pin-42: 10 of organic", "related to pin-42: 10 of ads", "related to brand-new"):
        assert answer in said
    assert "generation g0001" in said
