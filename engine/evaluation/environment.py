"""On what an evaluation ran: hardware, versions and the engine's own code, for the results file."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

from engine.files import sha256_file
from engine.hashing import digest
from engine.threads import threads_taken

ROOT = Path(__file__).parents[1]
"""Where the engine's source is."""
VERSIONED = ("graph-recommender-engine", "numpy", "scipy", "scikit-learn", "numba", "torch", "torch-geometric")


@cache
def code() -> str:
    """Digest of the engine's own source: figures of two codes cannot be told to be of one method."""
    return digest([[str(path.relative_to(ROOT)), sha256_file(path)] for path in sorted(ROOT.rglob("*.py"))])


def hardware() -> dict[str, Any]:
    """The processor, cores, how many threads torch takes of them, memory and system."""
    import psutil

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads_taken(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Of Python and of what figures may depend on."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
