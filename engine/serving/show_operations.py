"""What operators read, as tables. Knows the values and rich; finds nothing out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.registry import LIVE
from engine.serving import operations
from engine.serving.tables import cell, fitted, new_table, shown_time


def render_operations(result: Any, console: Console) -> None:
    """Print a result on a console."""
    match result:
        case operations.Status():
            _status(result, console)
        case operations.GenerationList():
            _generations(result, console)
        case operations.GenerationDetail():
            _generation(result, console)
        case operations.Comparison():
            _comparison(result, console)
        case operations.ShadowStatus():
            _shadow(result, console)
        case operations.Collection():
            _collection(result, console)
        case _:
            console.print(Text(repr(result)))


def _status(status: operations.Status, console: Console) -> None:
    if status.generation is None:
        serving = "none: run `engine build`"
    else:
        serving = f"{status.generation}, watermark {status.watermark}, as of {shown_time(status.as_of)}"
    _pairs(
        {
            "home": status.home,
            "graph": status.graph + (f", rev {status.graph_watermark}" if status.graph_watermark is not None else ""),
            "serving": serving,
            "trouble": status.trouble or "",
            "certificate": certificate_in_words(status.certificate),
            "behind": _behind(status),
            "items": "" if status.items is None else f"{status.items:,}",
            "corpora": ", ".join(status.corpora),
            "methods": ", ".join(status.methods),
            "measured": measured(status.metrics),
        },
        console,
    )
    for name, model in status.models.items():
        behind = {None: "", 0: ", up to date"}.get(model.behind, f", {model.behind} commits behind")
        told = f"{model.generation}, watermark {model.watermark}, as of {shown_time(model.as_of)}{behind}"
        console.print(cell(f" model    {name}: {told}", 200))
    if status.lag:
        table = new_table(["unseen in", "changes", "p50", "p95", "oldest"], right=(1, 2, 3, 4))
        for corpus, lag in status.lag.items():
            ages = (_age(seconds) for seconds in (lag.p50_s, lag.p95_s, lag.oldest_s))
            table.add_row(*map(cell, (corpus, f"{lag.changes:,}", *ages)))
        console.print(table)


def _behind(status: operations.Status) -> str:
    if not status.behind:
        return "unknown" if status.behind is None else "up to date"
    oldest = "" if status.oldest_unseen_s is None else f", the oldest of {_age(status.oldest_unseen_s)} ago"
    return f"{status.behind:,} commits{oldest}" + (f": {status.why}" if status.why else "")


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


def _generations(found: operations.GenerationList, console: Console) -> None:
    several = len({one.slot for one in found.generations}) > 1
    columns = ["generation", *(["model"] if several else []), "state", "kind", "created", "watermark", "measured"]
    table = new_table(columns, right=(len(columns) - 2,))
    for one in found.generations:
        kind = one.kind if one.parent is None else f"{one.kind} of {one.parent}"
        told = one.reason or measured(one.metrics)
        created = shown_time(one.created_at)
        slot = ("related items" if one.slot == LIVE else one.slot,) if several else ()
        table.add_row(*map(cell, (one.id, *slot, _state(one), kind, created, str(one.watermark), told)))
    console.print(fitted(table, ("measured",)) if found.generations else "No generation yet: run `engine build`.")


def _generation(found: operations.GenerationDetail, console: Console) -> None:
    info = found.info
    trained = f"{found.model}, seed {found.seed}" if found.model else ""
    _pairs(
        {
            "generation": info.id,
            "state": _state(info),
            "reason": info.reason or "",
            "kind": info.kind if info.parent is None else f"{info.kind}, made from {info.parent}",
            "model": trained + (f", training {found.training}" if found.training else ""),
            "true at": f"watermark {info.watermark}, as of {shown_time(found.as_of)}",
            "created": shown_time(info.created_at),
            "published": "" if found.published_at is None else shown_time(found.published_at),
            "retired": "" if found.retired_at is None else shown_time(found.retired_at),
            "certificate": certificate_in_words(found.certificate),
            "folder": f"{found.path}, {found.bytes:,} bytes",
            "snapshot": found.snapshot_path,
        },
        console,
    )
    for name, value in info.metrics.items():
        console.print(cell(f"  {name} {value:.4g}" if isinstance(value, float) else f"  {name} {value}", 200))
    for flip in found.flips:
        replaced = "" if flip.replaced is None else f" in place of {flip.replaced}"
        console.print(cell(f"  served from {shown_time(flip.at)}{replaced}: {flip.cause}", 200))


def _comparison(found: operations.Comparison, console: Console) -> None:
    figures = new_table(["measured", found.first, found.second, "change"], right=(1, 2, 3))
    for one in found.metrics:
        change = _number(one.second - one.first, "+") if one.first is not None and one.second is not None else ""
        figures.add_row(*map(cell, (one.name, _number(one.first), _number(one.second), change)))
    if found.metrics:
        console.print(figures)
    answers = new_table(["corpus", "questions", f"overlap@{found.k}", "least", "same items"], right=(1, 2, 3, 4))
    for corpus in found.corpora:
        shares = (f"{corpus.overlap:.3f}", f"{corpus.least:.2f}", f"{corpus.same:,}")
        answers.add_row(*map(cell, (corpus.corpus, f"{corpus.queries:,}", *shares)))
    console.print(answers if found.corpora else "They have no item in common.")
    for changed in found.most_changed:
        console.print(cell(f"{changed.query} ({changed.corpus}): overlap {changed.overlap:.2f}", 200))
        console.print(cell(f"  {found.first}: {', '.join(changed.first)}", 200))
        console.print(cell(f"  {found.second}: {', '.join(changed.second)}", 200))


def _shadow(found: operations.ShadowStatus, console: Console) -> None:
    until = "" if found.stopped_at is None else f" until {shown_time(found.stopped_at)}"
    overlap = "" if found.overlap is None else f"mean {found.overlap:.3f}, least {found.least_overlap:.2f}"
    took = (
        ""
        if found.live_s is None
        else f"{found.live_s * 1e3:.1f} ms live, {(found.shadow_s or 0) * 1e3:.1f} ms the shadow"
    )
    _pairs(
        {
            "shadow": f"{found.generation}, for {found.share:.0%} of the users",
            "runs": f"since {shown_time(found.started_at)}{until}",
            "questions": f"{found.samples:,}, {found.errors:,} failed",
            "overlap": overlap,
            "took": took,
        },
        console,
    )
    for one in found.last:
        told = one.error if one.overlap is None else f"overlap {one.overlap:.2f}"
        console.print(cell(f"  {one.question}: {told}", 200))


def _collection(found: operations.Collection, console: Console) -> None:
    deleted = ", ".join(found.deleted) or "no generation"
    console.print(cell(f"deleted {deleted}; {len(found.folders)} folders, {found.freed_bytes:,} bytes freed", 400))
    if found.abandoned:
        console.print(cell(f"given up, for their process is gone: {', '.join(found.abandoned)}", 400))
    if found.left:
        console.print(cell(found.left, 400))


def certificate_in_words(certificate: Mapping[str, Any] | None) -> str:
    """How far vectors may be from an exact refresh; "" where they are not."""
    if not certificate:
        return ""
    if certificate["largest_error"] is None:
        return f"{certificate['skipped']:,} users and items put off"
    return f"within {certificate['largest_error']:.3g} of exact, {certificate['skipped']:,} items skipped"


def _state(one: operations.GenerationInfo) -> str:
    return "serving" if one.serving else one.state


def _pairs(rows: Mapping[str, str], console: Console) -> None:
    table = Table(box=None, show_header=False)
    for name, value in rows.items():
        if value:
            table.add_row(name, cell(value, 400))
    console.print(table)


def _number(value: float | None, sign: str = "") -> str:
    if value is None:
        return ""
    return f"{value:{sign},}" if isinstance(value, int) else f"{value:{sign}.4g}"


def measured(metrics: Mapping[str, Any]) -> str:
    """The numbers among some metrics, in a line."""
    numbers = ((name, value) for name, value in metrics.items() if isinstance(value, int | float))
    return ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value:.4g}" for name, value in numbers
    )
