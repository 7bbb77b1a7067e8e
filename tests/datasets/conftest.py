"""Where the real data sets are, for the tests that check their counts; none of them is in the repository."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def original(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of one data set's own files, unpacked if need be; `name` is the test's parameter."""
    name = request.getfixturevalue("name")
    home = Path(os.environ.get("ENGINE_TEST_DATA", BESIDE))
    if (home / name).is_dir():
        return home / name
    packed = home / f"{name}.tar.xz"
    if not packed.is_file():
        pytest.skip(
            f"NOT CHECKED: the counts of {name}. Neither {home / name} nor {packed} is there; "
            "set ENGINE_TEST_DATA to the folder with the downloaded data sets."
        )
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path / "original", filter="data")
    return tmp_path / "original" / name
