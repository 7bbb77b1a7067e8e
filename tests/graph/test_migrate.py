"""Migrations: applied once, refused when edited, missing or out of order, for any mapping."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from graph_worlds import edges_dataset

from engine.errors import ConfigError, MigrationError
from engine.graph.connection import Graph
from engine.graph.ingest import ingest
from engine.graph.migrate import migrate, read_migrations
from engine.graph.write import GraphWriter
from engine.settings import GraphMapping, ItemMapping, NodeMapping, Settings

ONE = "// first\nCREATE INDEX IF NOT EXISTS FOR (n:{{contexts}}) ON (n.one);\n"
MAPPING = GraphMapping()
EVERY = ("V0001__ids_and_revs", "V0002__commit_times")


@pytest.fixture
def graph(bare_graph: Graph) -> Graph:
    return bare_graph


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.cypher").write_text(text)
    return folder


def constraints(graph: Graph) -> set[tuple[str, str]]:
    rows = graph.read("SHOW CONSTRAINTS YIELD labelsOrTypes, properties")
    return {(row["labelsOrTypes"][0], row["properties"][0]) for row in rows}


@pytest.mark.graph
def test_ids_become_unique_and_a_second_run_does_nothing(graph: Graph) -> None:
    assert migrate(graph, MAPPING) == EVERY
    assert {("Item", "item_id"), ("Context", "context_id"), ("User", "user_id")} <= constraints(graph)
    assert migrate(graph, MAPPING) == ()


@pytest.mark.graph
@pytest.mark.parametrize("loads", [False, True], ids=["write", "load"])
def test_the_first_write_or_load_makes_the_schema(
    graph: Graph, schema: frozenset[str], settings: Settings, tmp_path: Path, loads: bool
) -> None:
    if loads:
        ingest(graph, settings, edges_dataset(5, tmp_path / "edges", items=3, contexts=2))
    else:
        GraphWriter(graph, MAPPING).add_items([{"item_id": "a"}])
    assert {row["name"] for row in graph.read("SHOW INDEXES YIELD name")} == schema


@pytest.mark.graph
def test_each_corpus_label_of_a_mapping_gets_its_constraint_and_a_new_mapping_runs_again(graph: Graph) -> None:
    migrate(graph, MAPPING)
    corpora = {"organic": "Pin", "ads": "The `Ad`; x"}
    mapping = GraphMapping(items=ItemMapping(label="Pin", id="pin id", corpus_labels=corpora))
    assert migrate(graph, mapping) == EVERY
    assert {("Pin", "pin id"), ("The `Ad`; x", "pin id"), ("Item", "item_id")} <= constraints(graph)
    assert migrate(graph, mapping) == ()
    assert migrate(graph, MAPPING) == ()


@pytest.mark.graph
def test_engines_that_start_at_once_all_find_the_schema_made(graph: Graph, tmp_path: Path) -> None:
    lines = [f"CREATE INDEX IF NOT EXISTS FOR (n:_Raced) ON (n.p{number});" for number in range(12)]
    folder = write(tmp_path / "m", V0001__raced="\n".join(lines) + "\n")
    together = threading.Barrier(4)

    def start() -> None:
        together.wait()
        migrate(graph, MAPPING, folder)

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(start) for _ in range(4)]:
            one.result()
    made = graph.read("SHOW INDEXES YIELD labelsOrTypes WHERE labelsOrTypes = ['_Raced'] RETURN count(*) AS made")
    assert made[0]["made"] == len(lines)


@pytest.mark.graph
def test_an_edited_migration_is_refused(graph: Graph, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", V0001__one=ONE)
    migrate(graph, MAPPING, folder)
    write(folder, V0001__one=ONE.replace("first", "edited"))
    with pytest.raises(MigrationError, match="V0001__one was edited"):
        migrate(graph, MAPPING, folder)


@pytest.mark.graph
def test_a_migration_that_the_graph_has_had_and_the_folder_lacks_is_refused(graph: Graph, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", V0001__one=ONE, V0002__two=ONE)
    migrate(graph, MAPPING, folder)
    (folder / "V0002__two.cypher").unlink()
    with pytest.raises(MigrationError, match="V0002__two, and this engine has no such file"):
        migrate(graph, MAPPING, folder)


@pytest.mark.graph
def test_a_migration_that_comes_before_one_that_ran_is_refused(graph: Graph, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", V0001__one=ONE, V0002__two=ONE)
    migrate(graph, MAPPING, folder)
    graph.write("MATCH (m:_EngineMigration {version: 1}) DELETE m")
    with pytest.raises(MigrationError, match="V0001__one comes before V0002"):
        migrate(graph, MAPPING, folder)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"V0001__one": ONE, "V0003__three": ONE}, "V0002 is missing"),
        ({"V0001__one": ONE, "V0001__two": ONE}, "V0001 is there twice"),
        ({"one": ONE}, "is called V0001__name.cypher"),
    ],
)
def test_a_folder_with_a_gap_or_a_wrong_name_is_refused(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    with pytest.raises(MigrationError, match=reason):
        read_migrations(write(tmp_path / "m", **files))


@pytest.mark.graph
def test_a_graph_whose_ids_are_not_unique_is_refused_in_the_servers_words(graph: Graph) -> None:
    graph.write("CREATE (:Item {item_id: 'a'}), (:Item {item_id: 'a'})")
    with pytest.raises(MigrationError, match="V0001__ids_and_revs: the graph refuses it") as error:
        migrate(graph, MAPPING)
    assert "item_id" in error.value.message


@pytest.mark.graph
def test_a_mapping_that_cannot_work_is_refused_before_anything_is_written(graph: Graph) -> None:
    with pytest.raises(ConfigError):
        migrate(graph, GraphMapping(contexts=NodeMapping(label="a\\u0060b", id="x")))
    assert graph.read("MATCH (n) RETURN n LIMIT 1") == []
