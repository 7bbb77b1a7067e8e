"""One `.cypher` file -> its query: read, checked against its own header, filled with a mapping.

A query file declares its mode, parameters and columns, and one that breaks its own header does not load. The format is
described in cypher/README.md. Knows no server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import QueryError
from engine.graph.mapping import ROLES, PlaceholderError, fill, with_roles
from engine.settings import GraphMapping

Mode = Literal["read", "write", "schema"]
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "float": (float, int),
    "boolean": (bool,),
    "bytes": (bytes,),
    "map": (Mapping,),
    "any": (object,),
}
LIST_TYPES = {"strings": "string", "integers": "integer", "floats": "float", "rows": "map"}

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_PARAM_LINE = re.compile(r"(\w+)\s*:\s*(\w+)(\?)?\s*(?:=\s*(.+))?")
_QUIET = re.compile(r"//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`(?:``|[^`])*`", re.DOTALL)
_USED = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True)
class Param:
    """One declared parameter.

    Attributes:
        type: a word of `PYTHON_TYPES` or `LIST_TYPES`.
        nullable: whether null is a value of it.
        required: whether it has no default.
    """

    name: str
    type: str
    nullable: bool
    required: bool
    default: Any = None

    def check(self, value: Any, query: str) -> None:
        """Raise QueryError where `value` is not of the declared type."""
        if (value is None and self.nullable) or _is_a(self.type, value):
            return
        raise QueryError(f"query {query}: parameter {self.name} must be {self.type}, not {value!r:.80}")


@dataclass(frozen=True, slots=True)
class Query:
    """One query file.

    Attributes:
        text: the file's statement, with its placeholders.
        scan: why it may read every node of a label, or None.
    """

    name: str
    about: str
    mode: Mode
    params: tuple[Param, ...]
    columns: tuple[str, ...]
    text: str
    scan: str | None = None

    def render(self, mapping: GraphMapping, *, corpus: str | None = None) -> str:
        """The statement with the team's names filled in.

        Args:
            corpus: whose label `{{item_label}}` is; the default corpus when None.
        """
        return render(self.text, mapping, corpus=corpus)

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` completed with the defaults.

        Raises:
            QueryError: a parameter is missing, unknown or of the wrong type.
        """
        names = [param.name for param in self.params]
        known = ", ".join(names) or "none"
        for name in given:
            if name not in names:
                raise QueryError(f"query {self.name} has no parameter {name}", hint=f"It takes: {known}.")
        values = {}
        for param in self.params:
            if param.required and param.name not in given:
                raise QueryError(f"query {self.name}: parameter {param.name} is missing", hint=f"It takes: {known}.")
            values[param.name] = given.get(param.name, param.default)
            param.check(values[param.name], self.name)
        return values


def render(text: str, mapping: GraphMapping, *, corpus: str | None = None) -> str:
    """Fill every placeholder of a Cypher text."""
    return _PLACEHOLDER.sub(lambda found: fill(found[1], mapping, corpus), text)


def parse_file(name: str, path: Path) -> list[Query]:
    """Read one query file: one query, or one for each kind that its `each:` line names, as `NAME/KIND`.

    Raises:
        QueryError: it breaks the format; names the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise QueryError(f"{path}: not UTF-8 ({error})") from error
    size = next((n for n, line in enumerate(lines) if not line.startswith("//")), len(lines))
    header = _Header(path)
    for number, line in enumerate(lines[:size], start=1):
        header.add(number, line[2:])
    text = "\n".join(lines[size:]).strip()
    kinds = header.kinds()
    if not kinds:
        _check_placeholders(path, lines[size:], size + 1)
        return [header.finish(name, text, lines, size + 1)]
    queries = []
    for kind in kinds:
        bound = [_PLACEHOLDER.sub(lambda found, k=kind: "{{" + with_roles(found[1], k) + "}}", line) for line in lines]  # type: ignore[misc]
        _check_placeholders(path, bound[size:], size + 1)
        queries.append(header.finish(f"{name}/{kind}", "\n".join(bound[size:]).strip(), bound, size + 1))
    return queries


class _Header:
    """The header lines of one file, as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fields: dict[str, str] = {}
        self.params: dict[str, tuple[Param, int]] = {}
        self._last: str | None = None

    def fail(self, number: int, reason: str) -> QueryError:
        return QueryError(f"{self.path}:{number}: {reason}", hint="cypher/README.md describes the format.")

    def add(self, number: int, line: str) -> None:
        if line.startswith("   ") and self._last is not None:
            self.fields[self._last] += " " + line.strip()
            return
        key, colon, rest = line.strip().partition(":")
        if key.startswith("param "):
            self._add_param(number, line.strip().removeprefix("param "))
            self._last = None
            return
        if not colon or key not in ("about", "mode", "columns", "scan", "each"):
            raise self.fail(number, f"cannot read the header line {line.strip()!r}")
        if key in self.fields:
            raise self.fail(number, f"{key} is declared twice")
        if key == "mode" and rest.strip() not in get_args(Mode):
            raise self.fail(number, f"mode is read, write or schema, not {rest.strip()!r}")
        if key == "scan" and not re.fullmatch(r"allowed - \S.*", rest.strip()):
            raise self.fail(number, "write `scan: allowed - REASON`")
        self.fields[key] = rest.strip()
        self._last = key

    def kinds(self) -> list[str]:
        """The kinds that `each:` names; none for an ordinary query."""
        kinds = [kind.strip() for kind in self.fields.get("each", "").split(",") if kind.strip()]
        for kind in kinds:
            if kind not in ROLES:
                raise self.fail(1, f"each: {kind!r} is no kind; known: {', '.join(ROLES)}")
        return kinds

    def _add_param(self, number: int, line: str) -> None:
        found = _PARAM_LINE.fullmatch(line.strip())
        if not found or found[2] not in {*PYTHON_TYPES, *LIST_TYPES}:
            raise self.fail(number, f"cannot read the parameter {line.strip()!r}")
        name, kind, nullable, default = found.groups()
        if name in self.params:
            raise self.fail(number, f"parameter {name} is declared twice")
        try:
            value = json.loads(default) if default else None
        except ValueError as error:
            raise self.fail(number, f"the default of parameter {name} is not JSON") from error
        param = Param(name, kind, bool(nullable), default is None, value)
        if default and not ((value is None and nullable) or _is_a(kind, value)):
            raise self.fail(number, f"the default of parameter {name} is not {kind}")
        self.params[name] = (param, number)

    def finish(self, name: str, text: str, lines: list[str], first: int) -> Query:
        for key in ("about", "mode", "columns"):
            if not self.fields.get(key):
                raise self.fail(1, f"the header lacks `{key}:`")
        if not text:
            raise self.fail(first, "there is no statement after the header")
        used = _used_params(lines[first - 1 :], first)
        for used_name, number in used.items():
            if used_name not in self.params:
                raise self.fail(number, f"parameter ${used_name} is used and not declared")
        for param, number in self.params.values():
            if param.name not in used:
                raise self.fail(number, f"parameter {param.name} is declared and not used")
        named = self.fields["columns"]
        columns = () if named == "none" else tuple(part.strip() for part in named.split(","))
        scan = self.fields.get("scan", "").removeprefix("allowed - ") or None
        mode: Any = self.fields["mode"]
        return Query(name, self.fields["about"], mode, tuple(p for p, _ in self.params.values()), columns, text, scan)


def _check_placeholders(path: Path, lines: list[str], first: int) -> None:
    for number, line in enumerate(lines, start=first):
        try:
            rest = _PLACEHOLDER.sub(lambda found: fill(found[1], GraphMapping()), line)
        except PlaceholderError as error:
            raise QueryError(f"{path}:{number}: {error}", hint="cypher/README.md lists the placeholders.") from error
        if "{{" in rest and "}}" not in rest:
            raise QueryError(f"{path}:{number}: a placeholder is not closed on its line")


def _used_params(lines: list[str], first: int) -> dict[str, int]:
    """Parameter -> the first line that uses it; strings, comments and quoted names do not count."""
    text = _QUIET.sub(lambda found: "\n" * found[0].count("\n"), "\n".join(lines))
    used: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=first):
        for found in _USED.finditer(line):
            used.setdefault(found[1], number)
    return used


def _is_a(kind: str, value: Any) -> bool:
    if kind in LIST_TYPES:
        return isinstance(value, list | tuple) and all(_is_a(LIST_TYPES[kind], part) for part in value)
    if isinstance(value, bool) and kind in ("integer", "float"):
        return False
    return value is not None and isinstance(value, PYTHON_TYPES[kind])
