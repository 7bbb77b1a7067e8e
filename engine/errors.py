"""Every error a caller can meet, as one tree. Knows nothing about what raises them.

EngineError
├── ConfigError               settings or mapping are wrong
├── InputError                an argument is wrong (k, weights, a vector's width, ...)
│   ├── UnknownNodeError      an item, context or user id that is not there
│   └── UnknownNameError      a method, corpus, query, protocol or field that does not exist
├── DataError                 a data set's files are wrong (file, line, reason)
│   └── RejectsError          more bad lines than allowed; nothing of that file was written
├── GraphError                the graph server or what it holds
│   ├── GraphUnavailableError     down, unreachable, or gone in mid-stream
│   ├── GraphAuthError            the server refuses the credentials
│   ├── GraphVersionError         the server is too old or is not Neo4j
│   ├── LocalServerError          the local Neo4j cannot be downloaded, started or stopped
│   ├── MigrationError            an edited, missing or unordered migration
│   ├── QueryError                a query file that breaks its own header, or a wrong parameter
│   ├── ChangesGoneError          the change feed does not reach back to where a reader stands
│   └── EmptyGraphError           nothing there to work on
├── StorageError              files the engine owns
│   ├── CorruptFileError      a checksum, shape or format that does not hold
│   └── DiskFullError         no space left; the target is as it was before
├── TrainingError             training cannot go on (no positives, a non-finite loss, ...)
├── LeaseError                who may change what serves; nothing was published
│   ├── LeaseHeldError        another process does this work right now
│   ├── LeaseLostError        another process took this work over
│   └── SupersededError       another generation serves than the one this was made from
├── StaleAnswerError          what serves is older than the question allows
└── NotReadyError             something must be run first (no generation is published, ...)
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error the engine raises on purpose.

    Args:
        message: what is wrong and where (the field, the file and line, the node).
        hint: what to do about it; shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigError(EngineError):
    """Settings or mapping are wrong."""

    exit_code = 2


class InputError(EngineError):
    """An argument is wrong."""

    exit_code = 2


class UnknownNodeError(InputError):
    """An item, context or user id that is not there."""


class UnknownNameError(InputError):
    """A method, corpus, query, protocol or field that does not exist."""


class DataError(EngineError):
    """A data set's files are wrong."""


class RejectsError(DataError):
    """More bad lines than allowed; nothing of that file was written."""


class GraphError(EngineError):
    """The graph server or what it holds."""


class GraphUnavailableError(GraphError):
    """The server is down, unreachable, or gone in mid-stream."""


class GraphAuthError(GraphError):
    """The server refuses the credentials."""


class GraphVersionError(GraphError):
    """The server is too old or is not Neo4j."""


class LocalServerError(GraphError):
    """The local Neo4j cannot be downloaded, started or stopped."""


class MigrationError(GraphError):
    """An edited, missing or unordered migration."""


class QueryError(GraphError):
    """A query file that breaks its own header, or a wrong parameter."""


class ChangesGoneError(GraphError):
    """The change feed does not reach back to where a reader stands: only the whole graph can be read."""


class EmptyGraphError(GraphError):
    """Nothing there to work on."""


class StorageError(EngineError):
    """Files the engine owns."""


class CorruptFileError(StorageError):
    """A checksum, shape or format that does not hold."""


class DiskFullError(StorageError):
    """No space left; the target is as it was before."""


class TrainingError(EngineError):
    """Training cannot go on."""


class LeaseError(EngineError):
    """Who may change what serves; nothing was published."""


class LeaseHeldError(LeaseError):
    """Another process does this work right now."""


class LeaseLostError(LeaseError):
    """Another process took this work over."""


class SupersededError(LeaseError):
    """Another generation serves than the one this was made from."""


class StaleAnswerError(EngineError):
    """What serves is older than the question allows."""


class NotReadyError(EngineError):
    """Something must be run first."""
