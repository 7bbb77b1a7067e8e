"""Progress of long work: bars on a terminal, log lines otherwise. The only progress helper there is."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

log = logging.getLogger("engine.progress")

Advance = Callable[[int], None]
LOG_EVERY_S = 10.0


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """Show that `what` goes on; call the yielded function with how much was done.

    Args:
        what: a short present participle, such as "Loading saves".
        total: how many units there are, or None when unknown.
    """
    show = _bar if sys.stderr.isatty() else _lines
    with show(what, total) as advance:
        yield advance


@contextlib.contextmanager
def _bar(what: str, total: int | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=False) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, advance=done)


@contextlib.contextmanager
def _lines(what: str, total: int | None) -> Iterator[Advance]:
    started = last = time.monotonic()
    count = 0

    def advance(done: int) -> None:
        nonlocal last, count
        count += done
        now = time.monotonic()
        if now - last >= LOG_EVERY_S:
            last = now
            log.info("%s: %s%s, %.0f s", what, f"{count:,}", f" of {total:,}" if total else "", now - started)

    yield advance
    log.info("%s: done, %s in %.1f s", what, f"{count:,}", time.monotonic() - started)
