"""Crash-safe writing: the old file or the new one, never half of either."""

import errno
import json
from pathlib import Path

import pytest

from engine.errors import CorruptFileError, DiskFullError
from engine.files import MANIFEST, atomic_file, atomic_folder, disk_full_as, open_folder, write_json


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_good_write_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.json"
    write_json(target, {"b": 1, "a": 2})
    write_json(target, {"c": 3}, mode=0o600)
    assert json.loads(target.read_text()) == {"c": 3}
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(target.parent.iterdir()) == [target]


def test_a_full_disk_is_one_clear_error() -> None:
    with pytest.raises(DiskFullError, match=r"no space left.*dev/full"), disk_full_as(Path("/dev/full")):
        Path("/dev/full").write_text("x" * 10)


def test_other_os_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, disk_full_as(tmp_path):
        (tmp_path / "no" / "such").write_text("x")
    assert caught.value.errno == errno.ENOENT


def test_a_failed_folder_never_appears(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "s", {}) as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_sealed_folder_is_never_replaced(tmp_path: Path) -> None:
    old = _sealed(tmp_path)
    with pytest.raises(OSError), atomic_folder(old, {"watermark": 8}) as folder:
        (folder / "a.bin").write_bytes(b"other")
    assert open_folder(old, what="snapshot")["watermark"] == 7
    assert list(tmp_path.iterdir()) == [old]


def _sealed(tmp_path: Path) -> Path:
    with atomic_folder(tmp_path / "s", {"watermark": 7}) as folder:
        (folder / "a.bin").write_bytes(b"12345")
    return tmp_path / "s"


def test_a_sealed_folder_opens_with_its_facts(tmp_path: Path) -> None:
    assert open_folder(_sealed(tmp_path), what="snapshot")["watermark"] == 7


@pytest.mark.parametrize("damage", ["flip", "short", "missing", "manifest", "no manifest"])
def test_a_damaged_folder_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    folder = _sealed(tmp_path)
    file, manifest = folder / "a.bin", folder / MANIFEST
    match damage:
        case "flip":
            file.write_bytes(b"12346")
        case "short":
            file.write_bytes(b"1234")
        case "missing":
            file.unlink()
        case "manifest":
            manifest.write_text("{")
        case _:
            manifest.unlink()
    with pytest.raises(CorruptFileError, match=f"snapshot {folder}"):
        open_folder(folder, what="snapshot")
