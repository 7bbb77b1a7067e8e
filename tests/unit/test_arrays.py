"""Arrays that change by a few rows from folder to folder: the same as plain arrays, whole or refused."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.arrays import link_array, open_array, patch_from, rows_of, write_base, writing_base
from engine.errors import CorruptFileError, InputError
from engine.files import atomic_folder, open_folder

DTYPES = [np.float32, np.int32, np.float64, np.int16]


def numbers(rows: int, width: int | None, dtype: type = np.float32, seed: int = 0) -> np.ndarray:
    shape = (rows,) if width is None else (rows, width)
    return (np.random.default_rng(seed).standard_normal(shape) * 100).astype(dtype)


def folder(home: Path, number: int) -> Path:
    made = home / str(number)
    made.mkdir()
    return made


@st.composite
def histories(draw):
    """A first array, then steps of (rows appended, rows changed, whether the old ones are patched at random)."""
    width = draw(st.sampled_from([None, 1, 3]))
    dtype = draw(st.sampled_from(DTYPES))
    steps = draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30), st.integers(0, 99)), max_size=7))
    return draw(st.integers(0, 60)), width, dtype, draw(st.integers(0, 15)), steps


@settings(deadline=None, max_examples=60)
@given(histories())
def test_any_sequence_of_patches_and_appends_equals_a_plain_array(history):
    rows, width, dtype, spare, steps = history
    with tempfile.TemporaryDirectory() as home:
        plain = numbers(rows, width, dtype)
        here = folder(Path(home), 0)
        write_base(here, "a", plain, spare=spare)
        seen = [(here, plain)]
        for number, (appended, changes, seed) in enumerate(steps, 1):
            rng = np.random.default_rng(seed)
            old = rng.choice(len(plain), min(changes, len(plain)), replace=False) if len(plain) else np.empty(0, int)
            changed = np.union1d(old, np.arange(len(plain), len(plain) + appended)).astype(np.int64)
            values = numbers(len(changed), width, dtype, seed)
            grown = np.zeros((len(plain) + appended, *plain.shape[1:]), dtype)
            grown[: len(plain)] = plain
            grown[changed] = values
            there = folder(Path(home), number)
            patch_from(here, "a", there, len(grown), changed, values)
            here, plain = there, grown
            seen.append((here, plain))
        for where, expected in seen:  # the old ones too: nothing touched them
            opened = open_array(where, "a")
            assert type(opened) is np.ndarray
            assert opened.dtype == expected.dtype
            np.testing.assert_array_equal(opened, expected)
            assert rows_of(where, "a") == len(expected)
        shutil.rmtree(Path(home) / "0")  # no folder needs an older one
        np.testing.assert_array_equal(open_array(here, "a"), plain) if steps else None


def test_a_patch_shares_the_base_and_a_large_one_is_folded(tmp_path):
    values = numbers(1000, 4)
    first, second, third = (folder(tmp_path, n) for n in range(3))
    write_base(first, "a", values)
    patch_from(first, "a", second, 1000, np.arange(200), values[:200] + 1)
    assert (second / "a.base").samefile(first / "a.base")
    patch_from(second, "a", third, 1000, np.arange(150, 300), values[150:300] + 2)
    assert not (third / "a.base").samefile(first / "a.base")
    assert sorted(p.name for p in third.iterdir()) == ["a.array.json", "a.base"]
    expected = np.concatenate([values[:150] + 1, values[150:300] + 2, values[300:]])
    np.testing.assert_array_equal(open_array(third, "a"), expected)


def test_more_rows_than_there_is_room_for_make_a_new_base(tmp_path):
    values = numbers(100, 2)
    first, second = folder(tmp_path, 0), folder(tmp_path, 1)
    write_base(first, "a", values, spare=3)
    patch_from(first, "a", second, 104, np.arange(100, 104), values[:4])
    assert not (second / "a.base").samefile(first / "a.base")
    np.testing.assert_array_equal(open_array(second, "a"), np.concatenate([values, values[:4]]))


@pytest.mark.parametrize("spare", [0, 2, 50])
def test_an_array_may_be_opened_with_more_rows_of_zeros(tmp_path, spare):
    values = numbers(100, 2)
    first, second = folder(tmp_path, 0), folder(tmp_path, 1)
    write_base(first, "a", values, spare=spare)
    patch_from(first, "a", second, 101, np.array([7, 100]), values[:2])
    grown = open_array(second, "a", 120)
    np.testing.assert_array_equal(grown[:101], open_array(second, "a"))
    np.testing.assert_array_equal(grown[101:], np.zeros((19, 2)))


def test_the_room_for_more_rows_costs_no_disk(tmp_path):
    write_base(tmp_path, "a", numbers(2, 64), spare=1_000_000)
    found = (tmp_path / "a.base").stat()
    assert found.st_size > 250_000_000
    assert found.st_blocks * 512 < 1_000_000


def test_a_patch_is_sealed_without_reading_the_base(tmp_path, monkeypatch):
    with atomic_folder(tmp_path / "one", {}) as one:
        write_base(one, "a", numbers(500, 8))
    read: list[str] = []
    monkeypatch.setattr("engine.files.sha256_file", lambda path: read.append(path.name) or "0")
    with atomic_folder(tmp_path / "two", {}, [tmp_path / "one"]) as two:
        patch_from(tmp_path / "one", "a", two, 500, np.array([7]), numbers(1, 8))
    assert sorted(read) == ["a.array.json", "a.rows.npy", "a.values.npy"]
    monkeypatch.undo()
    listed = [open_folder(tmp_path / name, what="folder", verify=False)["files"]["a.base"] for name in ("one", "two")]
    assert listed[0] == listed[1]


def test_who_holds_an_array_is_unharmed_by_what_follows(tmp_path):
    values = numbers(300, 4)
    first, second = folder(tmp_path, 0), folder(tmp_path, 1)
    write_base(first, "a", values)
    held = open_array(first, "a")
    patch_from(first, "a", second, 310, np.arange(290, 310), numbers(20, 4, seed=3))
    newer = open_array(second, "a")
    newer[:] = 0
    shutil.rmtree(first)
    np.testing.assert_array_equal(held, values)
    np.testing.assert_array_equal(open_array(second, "a")[:290], values[:290])


def test_values_may_be_written_piece_by_piece(tmp_path):
    values = numbers(5000, 3)
    with writing_base(tmp_path, "a", 5000, 3) as out:
        assert not out.any()
        for start in (4000, 0, 2000):
            out[start : start + 2000] = values[start : start + 2000]
    with writing_base(tmp_path, "empty", 0, None, np.int32):
        pass
    np.testing.assert_array_equal(open_array(tmp_path, "a"), values)
    assert open_array(tmp_path, "empty").shape == (0,)


def test_a_linked_array_goes_by_its_own_name(tmp_path):
    first, second = folder(tmp_path, 0), folder(tmp_path, 1)
    write_base(first, "a", numbers(50, 2))
    patch_from(first, "a", second, 50, np.array([3]), numbers(1, 2, seed=9))
    link_array(second, "a", second, "b")
    patch_from(second, "a", (third := folder(tmp_path, 2)), 50, np.array([4]), numbers(1, 2))
    link_array(second, "b", third)
    np.testing.assert_array_equal(open_array(third, "b"), open_array(second, "a"))
    assert (third / "b.base").samefile(first / "a.base")


@pytest.mark.parametrize(
    ("rows", "changed", "values", "message"),
    [
        (9, [], (0, 2), "cannot shrink to 9"),
        (10, [3, 2], (2, 2), "not increasing within 0 .. 9"),
        (10, [3, 3], (2, 2), "not increasing"),
        (10, [10], (1, 2), "not increasing within"),
        (10, [-1], (1, 2), "not increasing within"),
        (12, [11], (1, 2), "an appended row has no value"),
        (10, [1], (1, 3), r"values of the shape \[1, 3\] for rows of \[1, 2\]"),
        (10, [1, 2], (1, 2), "values of the shape"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(tmp_path, rows, changed, values, message):
    first, second = folder(tmp_path, 0), folder(tmp_path, 1)
    write_base(first, "a", numbers(10, 2))
    with pytest.raises(InputError, match=message):
        patch_from(first, "a", second, rows, np.array(changed, np.int64), np.zeros(values, np.float32))
    assert list(second.iterdir()) == []


def test_what_is_no_array_of_numbers_is_refused(tmp_path):
    for wrong in (np.zeros((2, 2, 2)), np.array(["a"]), np.zeros((3, 0))):
        with pytest.raises(InputError, match="array"):
            write_base(tmp_path, "a", wrong)


DAMAGES = {
    "no header": lambda at: (at / "a.array.json").unlink(),
    "half a header": lambda at: (at / "a.array.json").write_text('{"format": 1'),
    "a list for a header": lambda at: (at / "a.array.json").write_text("[]"),
    "a later format": lambda at: _edit(at, format=2),
    "another width": lambda at: _edit(at, width=3),
    "too many rows": lambda at: _edit(at, rows=10**6),
    "a negative count": lambda at: _edit(at, patched=-1),
    "a missing fact": lambda at: _edit(at, capacity=None),
    "an unknown fact": lambda at: _edit(at, more=1),
    "objects": lambda at: _edit(at, dtype="|O"),
    "no base": lambda at: (at / "a.base").unlink(),
    "a short base": lambda at: os.truncate(at / "a.base", 16),
    "no patch": lambda at: (at / "a.rows.npy").unlink(),
    "a short patch": lambda at: os.truncate(at / "a.values.npy", 130),
    "an empty patch": lambda at: os.truncate(at / "a.values.npy", 0),
    "a patch of other rows": lambda at: np.save(at / "a.rows.npy", np.array([1, 2, 3], np.int32)),
    "a patch of wide rows": lambda at: np.save(at / "a.rows.npy", np.array([1, 2], np.int64)),
    "a patch past the end": lambda at: np.save(at / "a.rows.npy", np.array([1, 10], np.int32)),
    "a patch out of order": lambda at: np.save(at / "a.rows.npy", np.array([5, 1], np.int32)),
}


def _edit(at: Path, **facts) -> None:
    path = at / "a.array.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_array_is_named(tmp_path, damage):
    first, second = folder(tmp_path, 0), folder(tmp_path, 1)
    write_base(first, "a", numbers(10, 2))
    patch_from(first, "a", second, 10, np.array([1, 5]), numbers(2, 2))
    DAMAGES[damage](second)
    with pytest.raises(CorruptFileError, match=str(second / "a")):
        open_array(second, "a")


def test_a_link_to_a_damaged_array_is_refused(tmp_path):
    first, second = folder(tmp_path, 0), folder(tmp_path, 1)
    write_base(first, "a", numbers(10, 2))
    (first / "a.base").unlink()
    with pytest.raises(CorruptFileError, match=r"a\.base is missing"):
        link_array(first, "a", second)


FULL = """
import os, sys
from pathlib import Path
import numpy as np
from engine.arrays import open_array, patch_from, write_base, writing_base
from engine.errors import DiskFullError
from engine.files import atomic_folder
home = Path(sys.argv[1])
values = np.arange(20_000, dtype=np.float32).reshape(10_000, 2)
with atomic_folder(home / "old", {}) as old:
    write_base(old, "a", values)
def whole(folder):
    write_base(folder, "a", np.zeros((50_000, 16), np.float32))
def pieces(folder):
    with writing_base(folder, "a", 50_000, 16) as out:
        out[:] = 1
def patch(folder):
    patch_from(home / "old", "a", folder, 60_000, np.arange(9_000, 60_000), np.ones((51_000, 2), np.float32))
for write in (whole, pieces, patch):
    try:
        with atomic_folder(home / "new", {}, [home / "old"]) as new:
            write(new)
    except DiskFullError as error:
        print("refused:", error)
    else:
        sys.exit(f"the short write of {write.__name__} went unnoticed")
    assert os.listdir(home) == ["old"], os.listdir(home)
    assert (open_array(home / "old", "a") == values).all()
"""


def test_a_full_disk_is_one_clear_error_and_the_old_array_stays(run_on_small_disk):
    done = run_on_small_disk(FULL, "300k")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("no space left") == 3
