"""What the commands that ask share: their options, how filters and fields are written, and how answers are printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engine.serving.results import Shown

Count = Annotated[int, typer.Option("-k", help="How many items.")]
Corpus = Annotated[str | None, typer.Option(help="Where to look, such as ads.")]
WhereText = Annotated[
    list[str] | None,
    typer.Option("--where", help="A filter: FIELD=VALUE, FIELD=ONE|OTHER, FIELD>=NUMBER. May be given again."),
]
Exclude = Annotated[list[str] | None, typer.Option(help="An item id to leave out. May be given again.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_CONDITION = re.compile(r"(?s)(.+?)\s*(<=|>=|<|>|=)\s*(.*)")


def show(result: Shown, as_json: bool) -> None:
    """Print an answer as tables, or as JSON."""
    from rich.console import Console

    from engine.serving.show import render

    if as_json:
        print(result.to_json())
        return
    render(result, Console(highlight=False))


def kinds_of(view: Any) -> dict[str, str]:
    """Field -> kind, of the items of a view."""
    return {name: column.kind for name, column in view.items.fields.items()}


def conditions(texts: list[str] | None, view: Callable[[], Any]) -> dict[str, Any] | None:
    """Conditions as the client takes them; several ranges on one field are met together. `view` tells the fields."""
    if not texts:
        return None
    kinds, where = kinds_of(view()), dict[str, Any]()
    for text in texts:
        name, sign, value = _parts(text)
        if sign == "=":
            where[name] = _value(name, value, kinds.get(name, "text"), "|" in value)
            continue
        bounds = where.setdefault(name, {})
        if not isinstance(bounds, dict):
            bounds = where[name] = {}
        bounds[sign] = _number(name, value)
    return where


def field_value(text: str, kinds: dict[str, str]) -> tuple[str, Any]:
    """A field and its value, out of NAME=VALUE."""
    name, sign, value = _parts(text)
    if sign != "=":
        name, _, value = text.partition("=")
    kind = kinds.get(name, "text")
    return name, _value(name, value, kind, kind in ("categorical", "vector"))


def _value(name: str, text: str, kind: str, several: bool) -> Any:
    parts = text.split("|") if several and kind != "text" else [text]
    read = [_number(name, part) if kind in ("numeric", "vector") else part for part in parts]
    return read if several and kind != "text" else read[0]


def _parts(text: str) -> tuple[str, str, str]:
    from engine.errors import InputError

    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InputError(f"cannot read {text!r}", hint="Write FIELD=VALUE or, for a number, FIELD>=VALUE.")
    return found[1].strip(), found[2], found[3].strip()


def read_time(text: str) -> datetime:
    """A time as ISO 8601 has it."""
    from engine.errors import InputError

    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"cannot read the time {text!r}", hint="Write it as 2026-01-31T12:00+00:00.") from error


def _number(name: str, text: str) -> float:
    from engine.errors import InputError

    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"field {name!r}: {text!r} is not a number") from error
