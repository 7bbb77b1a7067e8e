"""The command line's last word: whatever happens, one message on stderr and a status code, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import cli
from engine.serving.show_operations import measured


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of a command, run in this process."""
    monkeypatch.setattr("sys.argv", ["engine", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("command", [("graph", "start"), ("generations", "list"), ("related", "a")])
def test_a_home_that_is_no_folder_is_one_message(monkeypatch, capsys, tmp_path: Path, command):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ENGINE_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.delenv("ENGINE_GRAPH_URI", raising=False)
    assert run(monkeypatch, *command) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert str(tmp_path / "file") in said
    assert "Traceback" not in said


def test_an_interrupted_command_says_that_it_can_go_on(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.graph.queries.load_queries", interrupted)
    assert run(monkeypatch, "cypher", "list") == 130
    assert capsys.readouterr().err == "interrupted: run the same command again to go on\n"


def test_an_error_ends_with_its_status_and_what_to_do(monkeypatch, capsys):
    assert run(monkeypatch, "cypher", "show", "nope") == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert run(monkeypatch, "nosuchcommand") == 2


def test_a_wrong_data_set_folder_is_said_before_any_server_starts(monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setenv("ENGINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ENGINE_GRAPH_URI", raising=False)
    assert run(monkeypatch, "ingest", str(tmp_path / "nowhere")) == 1
    assert str(tmp_path / "nowhere") in capsys.readouterr().err
    assert not (tmp_path / "home" / "graph").exists()


def test_counts_are_shown_whole_and_shares_short():
    assert measured({"ann_recall": 0.99912, "items": 20_000, "note": "text"}) == "ann_recall 0.9991, items 20,000"


@pytest.mark.parametrize("command", ["build", "train"])
def test_a_wrong_setting_of_the_model_is_said_before_any_server_starts(monkeypatch, capsys, tmp_path: Path, command):
    monkeypatch.setenv("ENGINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ENGINE_GRAPH_URI", raising=False)
    (tmp_path / "model.toml").write_text("dimm = 3")
    assert run(monkeypatch, command, "--config", str(tmp_path / "model.toml")) == 2
    assert "unknown setting 'dimm'" in capsys.readouterr().err
    assert not (tmp_path / "home" / "graph").exists()
