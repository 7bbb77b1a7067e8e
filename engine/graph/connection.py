"""The one way to Neo4j: `Graph` runs Cypher over Bolt and turns every failure into one clear error.

Knows the driver, its retries and its exceptions. Knows no queries and nothing of the schema.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import neo4j
from pydantic import SecretStr

from engine.errors import ConfigError
from engine.graph.failures import check_version, failures_at
from engine.graph.local import LocalServer
from engine.settings import GraphSettings, Settings

FETCH_SIZE = 10_000
"""Rows a pull; the driver reads them off the socket as they are asked for, so large packed rows cost no memory."""
RETRY_S = 15.0
"""The one retry policy: a managed transaction is tried again for so long, with growing pauses, while the failure is
one that may pass (a deadlock, a lost connection, a server that restarts). So what a write does must bear repetition."""
_CONNECT_TIMEOUT_S = 5.0
_LIVENESS_S = 5.0
_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")

T = TypeVar("T")
Row = dict[str, Any]
Params = Mapping[str, Any]


class Run(Protocol):
    """Runs one statement inside a transaction."""

    def __call__(self, query: str, params: Params | None = None) -> list[Row]: ...


class Graph:
    """A connection to one database. Can be pickled: each process opens its own driver when it first needs one.

    Args:
        settings: where the server is; `settings.uri` must be set.
        local: the server that the engine itself runs there, if any; it explains why it died.

    Every method raises:
        GraphUnavailableError: the server is down, or vanished in mid-stream.
        GraphAuthError: the server refuses the credentials.
        GraphError: the server refuses the query; the message holds its words.
    """

    def __init__(self, settings: GraphSettings, *, local: LocalServer | None = None) -> None:
        if settings.uri is None:
            raise ConfigError("graph.uri is not set", hint="Use Graph.connect, which starts the local server.")
        _require_bolt(settings.uri)
        self.uri = settings.uri
        self.database = settings.database
        self.server_version = ""
        self._settings = settings
        self.local = local
        self._driver: neo4j.Driver | None = None
        self._driver_pid = 0

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Connect to `graph.uri`, or to the local server, which is started when it does not run.

        Raises:
            GraphUnavailableError: nothing answers at the URI.
            GraphAuthError: the server refuses the credentials.
            GraphVersionError: the server is older than 5.23, or is not Neo4j.
            LocalServerError: the local server cannot be downloaded or started.
            ConfigError: the URI is not a Bolt address.
        """
        graph, local = settings.graph, None
        if graph.uri is None:
            local = LocalServer(settings.home, graph.local)
            address = local.start()
            graph = graph.model_copy(
                update={"uri": address.uri, "user": address.user, "password": SecretStr(address.password)}
            )
        connected = cls(graph, local=local)
        try:
            connected._check_server()
        except BaseException:
            connected.close()
            raise
        return connected

    def read(self, query: str, params: Params | None = None) -> list[Row]:
        """All rows of a reading query, in a managed transaction."""
        with self._session(neo4j.READ_ACCESS) as session:
            return session.execute_read(_run_once, query, params)

    def stream(self, query: str, params: Params | None = None) -> Generator[Row]:
        """The rows of a reading query one by one, in constant memory.

        A server that vanishes raises; rows are never silently cut short. Not retried: rows were already given out.
        """
        with self._session(neo4j.READ_ACCESS) as session:
            result = session.run(query, dict(params or {}))
            keys = result.keys()
            for record in result:
                yield dict(zip(keys, record, strict=True))
            result.consume()

    def write(self, query: str, params: Params | None = None) -> list[Row]:
        """Run one writing query in a managed transaction; it may run again after a failure that may pass."""
        with self._session(neo4j.WRITE_ACCESS) as session:
            return session.execute_write(_run_once, query, params)

    def write_transaction(self, work: Callable[[Run], T]) -> T:
        """Run several statements in one transaction.

        Args:
            work: is called with `run(query, params) -> rows`, and called again after a failure that may pass. When it
                raises, the transaction is rolled back.
        """

        def managed(transaction: neo4j.ManagedTransaction) -> T:
            return work(lambda query, params=None: _run_once(transaction, query, params))

        with self._session(neo4j.WRITE_ACCESS) as session:
            return session.execute_write(managed)

    def auto_commit(self, query: str, params: Params | None = None) -> list[Row]:
        """Run a statement that manages its own transactions: schema commands, `CALL { } IN TRANSACTIONS`."""
        with self._session(neo4j.WRITE_ACCESS) as session:
            return _rows(session.run(query, dict(params or {})))

    def close(self) -> None:
        """Close the connections. Using the graph again opens new ones."""
        driver, self._driver = self._driver, None
        if driver is not None and self._driver_pid == os.getpid():
            driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_driver": None, "_driver_pid": 0}

    def __repr__(self) -> str:
        return f"Graph({self.uri!r}, database={self.database!r})"

    @contextmanager
    def _session(self, access: str) -> Iterator[neo4j.Session]:
        with (
            failures_at(self.uri, self.local),
            self._open_driver().session(
                database=self.database, default_access_mode=access, fetch_size=FETCH_SIZE
            ) as session,
        ):
            yield session

    def _check_server(self) -> None:
        with failures_at(self.uri, self.local):
            info = self._open_driver().get_server_info()
        self.server_version = check_version(info.agent, self.uri)
        self.read("RETURN 1")

    def _open_driver(self) -> neo4j.Driver:
        if self._driver is not None and self._driver_pid == os.getpid():
            return self._driver
        settings = self._settings
        self._driver = neo4j.GraphDatabase.driver(
            self.uri,
            auth=(settings.user, settings.password.get_secret_value()),
            max_transaction_retry_time=RETRY_S,
            connection_timeout=_CONNECT_TIMEOUT_S,
            connection_acquisition_timeout=_CONNECT_TIMEOUT_S * 2,
            liveness_check_timeout=_LIVENESS_S,
            notifications_min_severity="OFF",
            telemetry_disabled=True,
            user_agent="graph-recommender-engine",
        )
        self._driver_pid = os.getpid()
        return self._driver


def _run_once(transaction: neo4j.ManagedTransaction, query: str, params: Params | None = None) -> list[Row]:
    return _rows(transaction.run(query, dict(params or {})))


def _rows(result: neo4j.Result) -> list[Row]:
    keys = result.keys()
    rows = [dict(zip(keys, record, strict=True)) for record in result]
    result.consume()
    return rows


def _require_bolt(uri: str) -> None:
    if urlsplit(uri).scheme not in _SCHEMES:
        raise ConfigError(
            f"graph.uri {uri!r} is not the address of a Neo4j",
            hint="It looks like bolt://host:7687, or neo4j+s://host:7687 for an encrypted connection.",
        )
