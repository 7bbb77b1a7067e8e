"""The `engine` command: a thin skin over the client. Each group of commands is a file beside this one."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from typing import NoReturn

GROUPS = (
    "graph",
    "cypher",
    "ingest",
    "changes",
    "build",
    "refresh",
    "index",
    "generations",
    "shadow",
    "scheduler",
    "forget",
    "inspect",
    "query",
    "recommend_all",
    "query_users",
    "evaluate",
    "tune",
    "demo",
    "data",
)
"""Modules of this folder; each has `register(app: typer.Typer) -> None`."""

INTERRUPTED = 130
_PATH_HINT = "Look at that path and who may use it, or point ENGINE_HOME at a folder of yours."


def main() -> NoReturn:
    """Run the command line; every expected failure is one message on stderr and a status code."""
    import errno

    import typer

    from engine.errors import DiskFullError, EngineError, StorageError

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("neo4j", "alembic", "numba", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # torch_geometric still uses it; the person at the terminal can do nothing about that.
    warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
    app = typer.Typer(name="engine", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for group in GROUPS:
        importlib.import_module(f"engine.cli.{group}").register(app)
    try:
        app()
    except EngineError as error:
        _fail(error, error.exit_code)
    except (KeyboardInterrupt, SystemExit) as stop:  # typer makes the second of the first
        if isinstance(stop, SystemExit) and stop.code != INTERRUPTED:
            raise
        print("interrupted: run the same command again to go on", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(DiskFullError("no space left on the disk"), 1)
        if error.filename is None:
            raise
        _fail(StorageError(f"cannot use {error.filename}: {error.strerror}", hint=_PATH_HINT), 1)
    sys.exit(0)


def _fail(error: Exception, status: int) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(status)
