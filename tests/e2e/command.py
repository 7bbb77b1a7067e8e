"""The command line on a test's graph and home."""

from __future__ import annotations

import os
import subprocess
import sys

from engine.settings import Settings


def cli(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ENGINE_HOME": str(settings.home),
        "ENGINE_GRAPH_URI": str(settings.graph.uri),
        "ENGINE_GRAPH_PASSWORD": settings.graph.password.get_secret_value(),
    }
    command = [sys.executable, "-m", "engine", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
