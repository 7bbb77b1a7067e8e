"""The query file format, and how a team's names stand in a query."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError, QueryError, UnknownNameError
from engine.graph.mapping import check_mapping, item_label, mapping_digest, quote
from engine.graph.queries import load_queries
from engine.graph.query_files import Query, parse_file, render
from engine.settings import EdgeMapping, GraphMapping, ItemMapping, NodeMapping

HEADER = "// about: Finds it.\n// mode: read\n// param item_id: string\n// columns: item_id\n"
BODY = "MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id\nRETURN i.{{items.id}} AS item_id\n"
FOREIGN = GraphMapping(
    items=ItemMapping(label="Pin", id="pin id", corpus_labels={"organic": "Pin", "ads": "The `Ad`"}),
    contexts=NodeMapping(label="Bôard", id="name"),
    saves=EdgeMapping(type="PINNED TO", reverse=True, time="at"),
)


def parse(tmp_path: Path, text: str) -> Query:
    path = tmp_path / "q.cypher"
    path.write_text(text)
    return parse_file("q", path)[0]


def test_a_query_knows_its_name_mode_parameters_and_columns(tmp_path: Path) -> None:
    text = HEADER.replace("// columns", "// param limit: integer = 5\n// columns") + BODY + "LIMIT $limit"
    query = parse(tmp_path, text)
    assert (query.mode, query.columns, query.about) == ("read", ("item_id",), "Finds it.")
    assert query.arguments({"item_id": "a"}) == {"item_id": "a", "limit": 5}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (HEADER + BODY.replace("= $item_id", "= $other"), 5, r"\$other is used and not declared"),
        (HEADER + "RETURN '$item_id' AS item_id // $item_id", 3, "declared and not used"),
        (HEADER + "\n\nRETURN $item_id + $x AS item_id", 7, r"\$x is used"),
        (HEADER.replace("// mode: read\n", "") + BODY, 1, "lacks `mode:`"),
        (HEADER.replace("// about: Finds it.\n", "") + BODY, 1, "lacks `about:`"),
        (HEADER.replace("// columns: item_id\n", "") + BODY, 1, "lacks `columns:`"),
        (HEADER.replace("read", "look") + BODY, 2, "not 'look'"),
        (HEADER.replace(": string", ": text") + BODY, 3, "cannot read the parameter"),
        (HEADER.replace(": string", ": integer = 'a'") + BODY, 3, "not JSON"),
        (HEADER.replace(": string", ': integer = "a"') + BODY, 3, "not integer"),
        ("// colour: red\n" + HEADER + BODY, 1, "cannot read the header line"),
        (HEADER + HEADER + BODY, 5, "declared twice"),
        (HEADER + "// scan: yes\n" + BODY, 5, "scan: allowed"),
        (HEADER, 5, "no statement"),
        (HEADER + BODY.replace("{{items}}", "{{pins}}"), 5, "unknown placeholder"),
        (HEADER + BODY.replace("{{items}}", "{{items.colour}}"), 5, "unknown placeholder"),
        (HEADER + BODY.replace("{{items}}", "{{-[:saves]-}}"), 5, "one head"),
        (HEADER + BODY.replace("{{items}}", "{{-[:likes]->}}"), 5, "no edge"),
        (HEADER + BODY.replace("{{items}}", "{{items"), 5, "not closed"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    with pytest.raises(QueryError, match=reason) as error:
        parse(tmp_path, text)
    assert f"q.cypher:{line}:" in error.value.message


@pytest.mark.parametrize(
    ("given", "reason"),
    [({}, "item_id is missing"), ({"item_id": "a", "b": 1}, "no parameter b"), ({"item_id": 7}, "must be string")],
)
def test_a_wrong_argument_is_refused(tmp_path: Path, given: dict[str, object], reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        parse(tmp_path, HEADER + BODY).arguments(given)


def test_every_shipped_query_loads() -> None:
    library = load_queries()
    assert "inspect/neighbourhood" in library
    with pytest.raises(UnknownNameError, match="no query 'inspect/nothing'"):
        library["inspect/nothing"]


def test_a_teams_names_are_quoted_and_its_arrows_turned() -> None:
    text = "(c:{{contexts}}){{-[s:saves]->}}(i:{{items}}) {{<-[:saves]-}} i.{{items.id}} s.{{saves.time}} {{corpus(i)}}"
    assert render(text, FOREIGN) == (
        "(c:`Bôard`)<-[s:`PINNED TO`]-(i:`The ``Ad```|`Pin`) -[:`PINNED TO`]-> i.`pin id` s.`at` "
        "CASE WHEN i:`The ``Ad``` THEN 'ads' WHEN i:`Pin` THEN 'organic' ELSE 'organic' END"
    )
    assert render("{{item_label}} {{value(s:saves)}} {{value(r:interactions)}}", FOREIGN, corpus="ads") == (
        "`The ``Ad``` null r.`rating`"
    )


@pytest.mark.parametrize("name", ["", "a\\u0060b", "a\\U0060", "a\nb", "a\x00"])
def test_a_name_that_cannot_be_quoted_safely_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        quote(name)


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        (GraphMapping(contexts=NodeMapping(label="Item", id="x")), "labels of their own"),
        (GraphMapping(users=NodeMapping(label="User", id="rev")), "users.id"),
        (GraphMapping(items=ItemMapping(label="I", id="i", corpus_labels={"a": "X", "b": "X"})), "share a label"),
        (GraphMapping(saves=EdgeMapping(type="A\x07")), "control character"),
        (GraphMapping(items=ItemMapping(label="I", id="i", default_corpus="a\\")), "backslash"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(mapping: GraphMapping, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_mapping(mapping)


def test_the_mapping_digest_follows_the_names() -> None:
    assert mapping_digest(GraphMapping()) == mapping_digest(GraphMapping())
    assert mapping_digest(GraphMapping()) != mapping_digest(FOREIGN)
    check_mapping(FOREIGN)


def test_an_unknown_corpus_has_no_label() -> None:
    with pytest.raises(UnknownNameError, match="'shop' has no label"):
        item_label(FOREIGN, "shop")
