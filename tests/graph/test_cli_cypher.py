"""`engine cypher` and `engine ingest` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from engine.cli import cypher, ingest
from engine.datasets.folder_write import write_dataset
from engine.errors import QueryError, UnknownNameError
from engine.graph.connection import Graph
from engine.settings import Settings


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    cypher.register(app)
    ingest.register(app)
    return app


def invoke(app: typer.Typer, *words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.stdout


def test_list_names_every_query(app: typer.Typer) -> None:
    assert "inspect/evidence" in invoke(app, "cypher", "list")
    assert {"inspect/counts", "write/merge/saves"} <= {
        q["name"] for q in json.loads(invoke(app, "cypher", "list", "--json"))
    }


def test_show_prints_what_neo4j_browser_takes(app: typer.Typer) -> None:
    text = invoke(app, "cypher", "show", "inspect/who_saved", "item_id=it's")
    assert ":param item_id => 'it\\'s';" in text
    assert ":param limit => 25;" in text
    assert "(i)<-[s:`SAVED`]-(c:`Context`)" in text
    assert "{{" not in text


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["item_id"], "is not KEY=VALUE"),
        (["item_id=a", "limit=many"], "limit must be integer"),
        (["item_id=a", "limit=1.5"], "limit must be integer"),
        (["item_id=a", "item_id=b"], "given twice"),
        (["item_id=a", "colour=red"], "no parameter colour"),
        ([], "item_id is missing"),
    ],
)
def test_a_wrong_argument_is_refused(app: typer.Typer, words: list[str], reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        invoke(app, "cypher", "run", "inspect/who_saved", *words)


def test_an_unknown_query_is_refused(app: typer.Typer) -> None:
    with pytest.raises(UnknownNameError):
        invoke(app, "cypher", "show", "inspect/none")


@pytest.mark.graph
def test_a_set_is_loaded_and_looked_at(
    app: typer.Typer, graph: Graph, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_HOME", str(settings.home))
    monkeypatch.setenv("ENGINE_GRAPH_URI", str(settings.graph.uri))
    monkeypatch.setenv("ENGINE_GRAPH_PASSWORD", settings.graph.password.get_secret_value())
    items = {"item_id": ["a", "b c"]}
    saves = {"context_id": ["x"], "item_id": ["b c"]}
    write_dataset(tmp_path / "d", "d", items=items, contexts={"context_id": ["x"]}, saves=saves)
    assert "2 rows, 2 written" in invoke(app, "ingest", str(tmp_path / "d"))
    assert "already loaded" in invoke(app, "ingest", str(tmp_path / "d"))
    assert json.loads(invoke(app, "ingest", str(tmp_path / "d"), "--json"))["unchanged"] is True
    rows = json.loads(invoke(app, "cypher", "run", "inspect/who_saved", "item_id=b c", "--json"))
    assert rows == [{"context_id": "x", "owner_id": None, "saved_at": None}]
    assert "1 row" in invoke(app, "cypher", "run", "inspect/orphans", "limit=5")
    assert "b c" in invoke(app, "cypher", "run", "write/known/items", "ids=a,b c")
