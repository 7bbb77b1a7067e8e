"""Reading the server's console log: why it died while starting, and its last words. Knows no processes."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import LocalServerError
from engine.graph.local.config import available_memory_mb
from engine.settings import LocalServerSettings

_NO_PORT = ("PortBindException", "Address already in use")
_NO_MEMORY = ("OutOfMemoryError", "Could not reserve enough space", "insufficient memory", "Too small maximum heap")


def last_words(log: Path, num_lines: int = 6) -> str:
    """The last lines of the log that say something: no stack frames. Each begins a line of its own."""
    told = [line.rstrip() for line in _read(log).splitlines() if line.strip()]
    told = [line for line in told if not line.lstrip().startswith(("at ", "... "))]
    return "".join(f"\n  {line[:300]}" for line in told[-num_lines:])


def boot_error(log: Path, settings: LocalServerSettings) -> LocalServerError:
    """Why a server that was started with `settings` ended before it was ready."""
    said = _read(log)
    if any(word in said for word in _NO_PORT):
        asked = re.search(r"bind to the socket \S*:(\d+)", said)
        return LocalServerError(
            f"port {asked[1] if asked else settings.port} of 127.0.0.1 is taken: the local Neo4j cannot listen there",
            hint="Name another port, or 0 for any free one, under [graph.local] in engine.toml.",
        )
    if any(word in said for word in _NO_MEMORY):
        return LocalServerError(
            f"a heap of {settings.heap_mb:,} MB and a page cache of {settings.page_cache_mb:,} MB do not fit:"
            f" {available_memory_mb():,} MB are available{last_words(log)}",
            hint="Change heap_mb and page_cache_mb under [graph.local] in engine.toml.",
        )
    return LocalServerError(f"the local Neo4j died while starting{last_words(log)}", hint=f"The whole log: {log}")


def _read(log: Path) -> str:
    try:
        return log.read_text(errors="replace")
    except OSError:
        return ""
