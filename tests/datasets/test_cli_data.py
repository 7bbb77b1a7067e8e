from __future__ import annotations

from pathlib import Path

import pytest
import typer
from originals import ORIGINALS
from typer.testing import CliRunner

from engine.cli import data
from engine.datasets.readers import READERS
from engine.errors import UnknownNameError


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    data.register(app)
    return app


def test_list_names_every_reader_and_its_files(app: typer.Typer) -> None:
    found = CliRunner().invoke(app, ["data", "list"], env={"COLUMNS": "200"})
    assert found.exit_code == 0
    for reader in READERS.values():
        assert reader.name in found.output
        assert reader.files[0] in found.output


def test_convert_says_what_it_wrote_and_where_it_differs_from_the_published_edition(
    app: typer.Typer, tmp_path: Path
) -> None:
    ORIGINALS["filmtrust"](tmp_path / "src")
    found = CliRunner().invoke(app, ["data", "convert", "filmtrust", str(tmp_path / "src"), str(tmp_path / "out")])
    assert found.exit_code == 0
    assert "2 items" in found.output
    assert "the published edition has 2,071 items, these files 2" in found.output
    assert (tmp_path / "out" / "dataset.toml").is_file()


def test_convert_refuses_an_unknown_name(app: typer.Typer, tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["data", "convert", "netflix", str(tmp_path), str(tmp_path / "out")])
    assert isinstance(found.exception, UnknownNameError)


def test_generate_writes_a_world_and_says_how_large(app: typer.Typer, tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["data", "generate", str(tmp_path / "world"), "--items", "200", "--seed", "5"])
    assert found.exit_code == 0
    assert "200 items" in found.output
    assert (tmp_path / "world" / "arrivals" / "dataset.toml").is_file()
