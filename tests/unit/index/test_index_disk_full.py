"""A full disk, a real one: hnswlib says nothing, the engine must."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAVE = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from engine.errors import DiskFullError
from engine.index.{module} import {kind}
vectors = np.random.default_rng(0).standard_normal((5000, 64)).astype(np.float32)
folder = Path(sys.argv[1])
small = {kind}.build(vectors[:100], np.arange(100))
small.save(folder / "index")
big = {kind}.build(vectors, np.arange(5000))
{limit}
try:
    big.save(folder / "index")
except DiskFullError as error:
    print("refused:", error)
else:
    sys.exit("the short write went unnoticed")
assert len({kind}.load(folder / "index")) == 100, "the old index was harmed"
assert os.listdir(folder) == ["index"], os.listdir(folder)
"""
LIMIT = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
"""


def test_a_short_write_of_hnswlib_is_caught_and_the_old_index_stays(tmp_path: Path):
    code = SAVE.format(module="hnsw", kind="HnswIndex", limit=LIMIT)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "written only in part" in done.stdout


@pytest.mark.parametrize(("module", "kind"), [("hnsw", "HnswIndex"), ("exact", "ExactIndex")])
def test_a_full_tmpfs_is_one_clear_error_and_the_old_index_stays(run_on_small_disk, module: str, kind: str):
    done = run_on_small_disk(SAVE.format(module=module, kind=kind, limit=""), "700k")
    assert done.returncode == 0, done.stderr
    assert "no space" in done.stdout
