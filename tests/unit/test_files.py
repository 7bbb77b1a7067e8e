"""Crash-safe writing: the old file or the new one, never half of either."""

import errno
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from engine.errors import CorruptFileError, DiskFullError
from engine.files import (
    MANIFEST,
    Checked,
    atomic_file,
    atomic_folder,
    disk_full_as,
    link_file,
    link_folder,
    open_folder,
    write_json,
)


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


def _child(tmp_path: Path) -> Path:
    parent = _sealed(tmp_path)
    with atomic_folder(tmp_path / "child", {}, [parent]) as folder:
        link_file(parent / "a.bin", folder / "deep" / "b.bin")
        (folder / "own").write_bytes(b"own")
    return tmp_path / "child"


def test_a_linked_file_takes_its_checksum_over_without_being_read(tmp_path: Path, monkeypatch) -> None:
    read = []
    monkeypatch.setattr("engine.files.hashlib.file_digest", _counting(read))
    child = _child(tmp_path)
    assert [Path(name).name for name in read] == ["a.bin", "own"]
    assert (child / "deep" / "b.bin").samefile(tmp_path / "s" / "a.bin")
    listed = open_folder(child, what="folder")["files"]
    assert listed["deep/b.bin"] == open_folder(tmp_path / "s", what="folder")["files"]["a.bin"]


def test_a_linked_file_that_was_damaged_before_is_found_in_the_new_folder_too(tmp_path: Path) -> None:
    parent = _sealed(tmp_path)
    (parent / "a.bin").write_bytes(b"12346")
    with atomic_folder(tmp_path / "child", {}, [parent]) as folder:
        link_file(parent / "a.bin", folder / "b.bin")
    with pytest.raises(CorruptFileError, match=r"child: b.bin does not match"):
        open_folder(tmp_path / "child", what="folder")


def test_a_folder_outlives_the_one_it_shares_files_with(tmp_path: Path) -> None:
    child = _child(tmp_path)
    shutil.rmtree(tmp_path / "s")
    assert (child / "deep" / "b.bin").read_bytes() == b"12345"
    open_folder(child, what="folder")


def test_files_are_copied_where_they_cannot_be_linked(tmp_path: Path) -> None:
    parent = _sealed(tmp_path)
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here: the copy was not tried")
    with tempfile.TemporaryDirectory(dir=shared) as other:
        with atomic_folder(Path(other) / "child", {}, [parent]) as folder:
            link_folder(parent, folder / "all")
        listed = open_folder(Path(other) / "child", what="folder")["files"]
        assert set(listed) == {"all/a.bin", f"all/{MANIFEST}"}
        assert (Path(other) / "child/all/a.bin").read_bytes() == b"12345"


def test_a_link_to_nothing_stays_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        link_file(tmp_path / "no such", tmp_path / "new")


def test_a_file_is_compared_once_however_many_folders_share_it(tmp_path: Path, monkeypatch) -> None:
    child = _child(tmp_path)
    read: list[str] = []
    monkeypatch.setattr("engine.files.hashlib.file_digest", _counting(read))
    first = Checked()
    open_folder(tmp_path / "s", what="folder", checked=first)
    second = Checked(first.seen)
    open_folder(child, what="folder", checked=second)
    assert [Path(name).name for name in read] == ["a.bin", "own"]
    (child / "own").write_bytes(b"OWN")
    with pytest.raises(CorruptFileError, match="own does not match"):
        open_folder(child, what="folder", checked=Checked(second.seen))


def test_a_sub_folder_may_be_left_alone(tmp_path: Path) -> None:
    child = _child(tmp_path)
    (child / "deep" / "b.bin").unlink()
    open_folder(child, what="folder", apart="deep")
    with pytest.raises(CorruptFileError, match=r"deep/b.bin is missing"):
        open_folder(child, what="folder")


def _counting(read: list[str]):
    import hashlib

    genuine = hashlib.file_digest

    def digest(stream, name):
        read.append(stream.name)
        return genuine(stream, name)

    return digest
