"""What the driver raises, as the engine's errors: what failed, where, and what to do about it.

Knows the driver's exceptions and the server's status codes. Opens nothing.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from neo4j import exceptions as driver

from engine.errors import GraphAuthError, GraphError, GraphUnavailableError, GraphVersionError

OLDEST = (5, 23)
"""`CALL (x) { }` is there from here on."""
OLDEST_HINT = "The engine needs Neo4j 5.23 or newer (5.26 is the one it is tested with)."
_WAYS = "Start it, or set ENGINE_GRAPH_URI to where it is; with no ENGINE_GRAPH_URI the engine runs a Neo4j of its own."


class Diagnosis(Protocol):
    """Something that can tell why a server is gone."""

    def diagnosis(self) -> str | None: ...


def check_version(agent: str, where: str) -> str:
    """The version in a server's agent string, such as `Neo4j/5.26.28`.

    Raises:
        GraphVersionError: it is older than 5.23, or no Neo4j.
    """
    found = re.fullmatch(r"Neo4j/((\d+)\.(\d+)\S*)", agent)
    if found is None:
        raise GraphVersionError(f"the server at {where} is not Neo4j: it calls itself {agent!r}", hint=OLDEST_HINT)
    if (int(found[2]), int(found[3])) < OLDEST:
        raise GraphVersionError(f"the Neo4j at {where} is too old: {found[1]}", hint=OLDEST_HINT)
    return found[1]


@contextmanager
def failures_at(where: str, local: Diagnosis | None = None) -> Iterator[None]:
    """Turn what the driver raises inside into the engine's errors.

    Args:
        where: the server's address, for the messages.
        local: the engine's own server behind that address, if it is one.
    """
    try:
        yield
    except (driver.Neo4jError, driver.DriverError) as error:
        raise translate(error, where, local) from error
    except OSError as error:
        raise GraphUnavailableError(f"the connection to the graph server at {where} failed: {error}") from error


def translate(error: driver.Neo4jError | driver.DriverError, where: str, local: Diagnosis | None = None) -> GraphError:
    """The engine's error for one of the driver's."""
    if isinstance(error, driver.Neo4jError):
        return _refused(error, where)
    if isinstance(error, driver.ConfigurationError):
        return GraphVersionError(
            f"the server at {where} is not Neo4j, or one that is too old: {_line(error)}", hint=OLDEST_HINT
        )
    if isinstance(error, driver.IncompleteCommit):
        return GraphUnavailableError(
            f"the graph server at {where} vanished during a commit: the last transaction may have been applied or not",
            hint="Run the same command again: the engine's writes may be repeated.",
        )
    if isinstance(error, driver.ServiceUnavailable | driver.SessionExpired | driver.ConnectionPoolError):
        return _unavailable(error, where, local)
    return GraphError(f"the driver failed at {where}: {_line(error)}")


def _refused(error: driver.Neo4jError, where: str) -> GraphError:
    code = error.code or ""
    said = (error.message or str(error)).strip()
    if code.endswith("CredentialsExpired"):
        return GraphAuthError(
            f"the graph server at {where} wants a new password first",
            hint="Change it once: ALTER CURRENT USER SET PASSWORD FROM 'old' TO 'new', against the system database.",
        )
    if code.endswith("AuthenticationRateLimit"):
        return GraphAuthError(
            f"the graph server at {where} refuses to log in for now: too many wrong passwords",
            hint="Wait a few seconds, then try with the right ENGINE_GRAPH_USER and ENGINE_GRAPH_PASSWORD.",
        )
    if isinstance(error, driver.Forbidden):
        return GraphAuthError(
            f"the graph server at {where} forbids this to the user: {said}", hint="Give the user that right."
        )
    if isinstance(error, driver.AuthError) or code.startswith("Neo.ClientError.Security."):
        return GraphAuthError(
            f"the graph server at {where} refuses the user or the password",
            hint="Set ENGINE_GRAPH_USER and ENGINE_GRAPH_PASSWORD.",
        )
    if code.endswith("DatabaseNotFound"):
        return GraphError(f"the graph server at {where}: {said}", hint="Set graph.database to one that is there.")
    if "OutOfMemory" in code or "MemoryPool" in code:
        return GraphError(
            f"the graph server at {where} has too little memory for the query: {said}",
            hint="Raise its heap (heap_mb under [graph.local] for the engine's own) or use smaller batches.",
        )
    return GraphError(f"the graph server at {where} refuses: {said} [{code}]")


def _unavailable(error: driver.DriverError, where: str, local: Diagnosis | None) -> GraphError:
    if local is not None and (told := local.diagnosis()) is not None:
        return GraphUnavailableError(told, hint="Run the command again (it starts the server), or: engine graph start.")
    causes = list(_causes(error))
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return GraphUnavailableError(f"no graph server answers at {where}: connection refused", hint=_WAYS)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return GraphUnavailableError(f"the host of {where} is not known", hint=_WAYS)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return GraphUnavailableError(
            f"no encrypted connection to {where}: {_line(causes[-1])}",
            hint="Without encryption the address begins with bolt:// or neo4j://, with it with bolt+s:// or neo4j+s://.",
        )
    said = " ".join(str(cause) for cause in causes)
    if "looks like HTTP" in said:
        return GraphVersionError(
            f"what listens at {where} is a web server, not Neo4j's Bolt port", hint="Bolt's usual port is 7687."
        )
    if "handshake" in said:
        return GraphUnavailableError(
            f"something listens at {where} but does not answer as Neo4j",
            hint="It is still starting, or it is not a Neo4j; Bolt's usual port is 7687.",
        )
    return GraphUnavailableError(
        f"the graph server at {where} vanished while it was answering: {_line(causes[-1])}",
        hint="See whether it still runs, then run the same command again.",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
