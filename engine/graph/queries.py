"""The named queries of `cypher/`: loaded by name, and run. Knows the graph only as something that reads and writes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.assets import asset_folder
from engine.errors import QueryError, UnknownNameError
from engine.graph.query_files import Query, parse_file
from engine.settings import GraphMapping

if TYPE_CHECKING:
    from engine.graph.connection import Graph


class QueryLibrary(Mapping[str, Query]):
    """All queries by name."""

    def __init__(self, queries: Mapping[str, Query]) -> None:
        self._queries = dict(sorted(queries.items()))

    def __getitem__(self, name: str) -> Query:
        if name not in self._queries:
            raise UnknownNameError(f"there is no query {name!r}", hint="`engine cypher list` shows them all.")
        return self._queries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._queries

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


def load_queries(folder: Path | None = None) -> QueryLibrary:
    """Read every `.cypher` file below a folder, the engine's own when None.

    Raises:
        QueryError: a file breaks the format; names the file and the line.
    """
    return _shipped() if folder is None else _read_folder(folder)


@functools.cache
def _shipped() -> QueryLibrary:
    return _read_folder(asset_folder("cypher"))


def _read_folder(folder: Path) -> QueryLibrary:
    queries = [query for path in sorted(folder.rglob("*.cypher")) for query in parse_file(_name_of(path, folder), path)]
    return QueryLibrary({query.name: query for query in queries})


def _name_of(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def run(graph: Graph, name: str, *, mapping: GraphMapping, **params: Any) -> list[dict[str, Any]]:
    """Run a named query.

    Raises:
        UnknownNameError: no such query.
        QueryError: a wrong parameter, or columns other than those its header promises.
    """
    query = load_queries()[name]
    values = query.arguments(params)
    text = query.render(mapping)
    if query.mode == "schema":
        return list(graph.auto_commit(text, values) or ())
    rows: list[dict[str, Any]] = graph.read(text, values) if query.mode == "read" else graph.write(text, values)
    if rows and tuple(rows[0]) != query.columns:
        raise QueryError(f"query {name} returned {', '.join(rows[0])} and promises {', '.join(query.columns)}")
    return rows
