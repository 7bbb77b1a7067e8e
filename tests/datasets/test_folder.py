"""The folder format: what is written is read back, and every kind of bad file or line gets one clear error."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.datasets.folder import DatasetFolder
from engine.datasets.folder_write import write_dataset
from engine.errors import DataError, DiskFullError, InputError, RejectsError, UnknownNameError

IDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=30)
ITEMS = "item_id,title,price\na,x,1\nb,y,2\n"
TOML = """name = "t"
[items]
file = "items.csv"
[items.fields]
title = "text"
price = "numeric"
[contexts]
file = "contexts.csv"
[saves]
file = "saves.csv"
"""


def folder(
    tmp_path: Path, items: str | bytes = ITEMS, saves: str = "context_id,item_id,time\nc,a,1\n", toml: str = TOML
) -> DatasetFolder:
    (tmp_path / "dataset.toml").write_text(toml)
    (tmp_path / "items.csv").write_bytes(items.encode() if isinstance(items, str) else items)
    (tmp_path / "contexts.csv").write_text("context_id\nc\n")
    (tmp_path / "saves.csv").write_text(saves)
    return DatasetFolder.open(tmp_path)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_written_set_reads_back_the_same(tmp_path: Path, format: Any) -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_dataset(
        tmp_path / "d",
        'a "name"\\',
        items={
            "item_id": ["a", 'b"c', "d e\n,ü"],
            "corpus": ["organic", "ads", "organic"],
            "title": ["x", None, "é"],
            "tags": [["p", "q"], None, "r|s"],
            "price": np.array([1.5, np.nan, -3]),
        },
        contexts={"context_id": ["c"], "owner_id": ["u"]},
        users={"user_id": ["u", "v"]},
        saves={"context_id": ["c", "c"], "item_id": ["a", "a"], "time": np.array([7, -1])},
        interactions={"user_id": ["u"], "item_id": ["a"], "rating": [4.0]},
        follows={"user_id": ["u"], "followed_id": ["v"]},
        item_fields={"title": "text", "tags": "categorical", "price": "numeric"},
        vectors={"visual": vectors},
        splits={"fold": {"train": {"user_id": ["u"], "item_id": ["a"]}}},
        format=format,
    )
    data = DatasetFolder.open(tmp_path / "d")
    tables = data.load()
    assert tables.name == 'a "name"\\'
    assert tables.items["item_id"] == ["a", 'b"c', "d e\n,ü"]
    assert tables.items["corpus"] == ["organic", "ads", "organic"]
    assert tables.items["title"] == ["x", None, "é"]
    assert tables.items["tags"] == [["p", "q"], None, ["r", "s"]]
    np.testing.assert_array_equal(tables.items["price"], [1.5, np.nan, -3])
    np.testing.assert_array_equal(tables.items["visual"], vectors)
    assert tables.contexts["owner_id"] == ["u"]
    assert tables.saves["time"].tolist() == [7, -1]
    assert tables.interactions["rating"].tolist() == [4.0]
    assert tables.rows("follows") == 1
    assert data.split("fold")["train"]["item_id"] == ["a"]
    with pytest.raises(DataError, match="no such split"):
        data.split("none")
    with pytest.raises(UnknownNameError):
        tables.table("pins")


@settings(max_examples=40, deadline=None)
@example(ids=["a\rb", 'c"', "d\u2028e", "=1+1"])
@given(ids=st.lists(IDS.filter(lambda text: not text.isspace()), min_size=1, max_size=8, unique=True))
def test_any_id_survives_the_round_trip(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    target = tmp_path_factory.mktemp("ids")
    write_dataset(target, "ids", items={"item_id": ids})
    assert DatasetFolder.open(target).load().items["item_id"] == ids


@pytest.mark.parametrize(
    ("toml", "line", "reason"),
    [
        ("name = ", 1, "not valid TOML"),
        ("[items]\nfile = 'items.csv'\n", 1, "needs a name"),
        ("name = 'x'\n", 1, "no table"),
        ("name = 'x'\n[pins]\nfile = 'a.csv'\n", 1, "unknown entry 'pins'"),
        ("name = 'x'\n[items]\nfiel = 'items.csv'\n", 3, "unknown entry items.fiel"),
        ("name = 'x'\n[items]\nfile = 'none.csv'\n", 3, "no such file"),
        ("name = 'x'\n[items]\nfile = 'items.txt'\n", 3, "must end in .csv or .parquet"),
        ("name = 'x'\n[items]\nfile = 3\n", 3, "must be a file name"),
        ("name = 'x'\n[items]\nignore = ['a']\n", 2, "names no file"),
        ("name = 'x'\n[items]\nfile = ['items.csv', 'items.csv']\n", 3, "twice"),
        ("name = 'x'\n[items]\nfile = 'items.csv'\n[items.fields]\ntitle = 'words'\n", 5, "not 'words'"),
        ("name = 'x'\n[items]\nfile = 'items.csv'\n[items.fields]\nrev = 'text'\n", 5, "meaning of its own"),
        ("name = 'x'\n[saves]\nfile = 'saves.csv'\n[saves.fields]\na = 'text'\n", 2, "unknown entry saves.fields"),
    ],
)
def test_a_wrong_dataset_toml_is_refused_with_its_line(tmp_path: Path, toml: str, line: int, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as error:
        folder(tmp_path, toml=toml)
    assert "dataset.toml" in error.value.message
    if reason != "not valid TOML":
        assert f"dataset.toml:{line}:" in error.value.message


def test_a_missing_folder_or_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        DatasetFolder.open(tmp_path / "none")
    with pytest.raises(DataError, match=r"no dataset\.toml"):
        DatasetFolder.open(tmp_path)


LONG = "i" * 10_240


@pytest.mark.parametrize(
    ("items", "line", "reason"),
    [
        ("item_id,title,price\na,x,1\nb,y\n", 3, "has 2 cells, the header has 3"),
        ("item_id,title,price\na,x,1\nb,y,2,3\n", 3, "has 4 cells"),
        ('item_id,title,price\na,"x\n\nx",1\nb,y,nan\n', 5, "price is nan"),
        ("item_id,title,price\na,x,1\nb,y,inf\n", 3, "price is inf"),
        ("item_id,title,price\na,x,1\nb,y,1e999\n", 3, "price is inf"),
        ("item_id,title,price\na,x,1\nb,y,cheap\n", 3, "price 'cheap' is not a number"),
        ("item_id,title,price\na,x,1\nb,y,1_0\n", 3, "price '1_0' is not a number"),
        ("item_id,title,price\na,x,1\n,y,2\n", 3, "item_id is empty"),
        ('item_id,title,price\na,x,1\n"  ",y,2\n', 3, "item_id is empty"),
        (f"item_id,title,price\na,x,1\n{LONG},y,2\n", 3, "10,240 bytes long; an id has at most 1,024"),
        ("item_id,title,price\na,x,1\na,y,2\n", 3, "item_id 'a' is there twice"),
        (b"item_id,title,price\na,x,1\nb,\xff,2\n", 3, "not UTF-8"),
        (b"item_id,title,price\na,x,1\nb,\x00,2\n", 3, "NUL"),
        ('item_id,title,price\na,x,1\nb,"y"y,2\n', 3, "text follows the closing quote"),
        ('item_id,title,price\na,x,1\nb,"y,2\n', 3, "never closed"),
    ],
)
def test_a_bad_item_line_is_rejected_with_file_line_and_reason(
    tmp_path: Path, items: str | bytes, line: int, reason: str
) -> None:
    data = folder(tmp_path, items)
    rejects = tmp_path / "rejects.csv"
    with pytest.raises(RejectsError, match=f"items.csv:{line}: .*{reason}"):
        data.check(rejects_path=rejects)
    with rejects.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["file"], row["line"]) == (str(tmp_path / "items.csv"), str(line))
    assert reason in row["reason"]
    assert len(row["content"]) <= 201
    report = data.check(max_rejects=1)
    assert report.rows["items"] == 1
    assert [batch.columns["item_id"] for batch in data.batches("items", report=report)] == [["a"]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("c,a,-5", "time -5 is negative"),
        ("c,a,32503680000000", "lies in the future"),  # in the year 3000
        ("c,a,1.5", "not a time in whole epoch milliseconds"),
        ("c,a,soon", "not a time"),
        ("c,nobody,1", "item_id 'nobody' is unknown: not in items"),
        ("nowhere,a,1", "context_id 'nowhere' is unknown: not in contexts"),
    ],
)
def test_a_bad_save_is_rejected(tmp_path: Path, line: str, reason: str) -> None:
    data = folder(tmp_path, saves=f"context_id,item_id,time\nc,b,1\n{line}\nc,a,\n")
    with pytest.raises(RejectsError, match=f"saves.csv:3: .*{reason}"):
        data.check()
    assert data.check(max_rejects=1).rows["saves"] == 2


def test_an_edge_may_name_a_node_that_the_graph_already_has(tmp_path: Path) -> None:
    asked: list[tuple[str, set[str]]] = []

    def known(table: str, ids: Collection[str]) -> set[str]:
        asked.append((table, set(ids)))
        return {"old"}

    data = folder(tmp_path, saves="context_id,item_id,time\nc,old,1\nc,a,1\nc,gone,2\n")
    with pytest.raises(RejectsError, match=r"saves.csv:4: item_id 'gone' is unknown"):
        data.check(known=known)
    assert asked == [("items", {"old", "gone"})]


def test_duplicates_are_found_across_files(tmp_path: Path) -> None:
    toml = TOML.replace('"items.csv"', '["items.csv", "more.csv"]')
    (tmp_path / "more.csv").write_text(ITEMS.replace("a,", "z,"))
    with pytest.raises(RejectsError, match=r"more.csv:3: item_id 'b' is there twice"):
        folder(tmp_path, toml=toml).check()


def test_of_repeated_edges_the_last_one_counts(tmp_path: Path) -> None:
    data = folder(tmp_path, saves="context_id,item_id,time\nc,a,1\nc,b,1\nc,a,1\nc,a,\n")
    report = data.check()
    assert (report.rows["saves"], report.repeated) == (3, {"saves": 1})
    (batch,) = data.batches("saves", report=report)
    assert batch.lines == [3, 4, 5]


def test_bad_rows_do_not_hide_each_other(tmp_path: Path) -> None:
    data = folder(tmp_path, "item_id,title,price\na,x,bad\nb,y,2\nb,z,3\n", "context_id,item_id,time\nc,a,1\nc,b,-1\n")
    rejects = tmp_path / "rejects.csv"
    with pytest.raises(RejectsError):
        data.check(rejects_path=rejects)
    with rejects.open(newline="") as stream:
        found = {(Path(row["file"]).name, int(row["line"])) for row in csv.DictReader(stream)}
    assert found == {("items.csv", 2), ("items.csv", 4), ("saves.csv", 2), ("saves.csv", 3)}


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ("", "no header line"),
        ("item_id,title\na,x\n", "column 'price' is missing"),
        ("item_id,title,price,size\na,x,1,2\n", "column 'size' is not known"),
        ("item_id,title,price,price\na,x,1,2\n", "column 'price' is there twice"),
        (b"item_id,title,\xff\n", "header is not UTF-8"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, items: str | bytes, reason: str) -> None:
    with pytest.raises(DataError, match=f"items.csv:1: .*{reason}"):
        folder(tmp_path, items).check()


def test_a_byte_order_mark_blank_lines_and_crlf_are_no_matter(tmp_path: Path) -> None:
    data = folder(tmp_path, b"\xef\xbb\xbfitem_id,title,price\r\na,x,1\r\n\r\nb,y,2\r\n")
    assert data.load().items["item_id"] == ["a", "b"]


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        (np.zeros((3, 2)), "3 vectors, and 2 items"),
        (np.zeros(2), r"shape \[rows, width\]"),
        (np.zeros((2, 2), dtype=int), "must be floats"),
        (b"nonsense", "not a readable .npy"),
        (np.array([[1, 2], [np.nan, 1]]), "items.csv:3: vector visual .row 1 of its file. holds NaN or infinity"),
        (np.array([[1, 2], [1e300, 1]]), "items.csv:3: vector visual .* holds NaN or infinity"),
    ],
)
def test_wrong_vectors_are_refused(tmp_path: Path, vectors: Any, reason: str) -> None:
    path = tmp_path / "v.npy"
    if isinstance(vectors, bytes):
        path.write_bytes(vectors)
    else:
        np.save(path, vectors)
    data = folder(tmp_path, toml=TOML.replace("[contexts]", '[items.vectors]\nvisual = "v.npy"\n[contexts]'))
    with pytest.raises(DataError, match=reason):
        data.check()


def test_vectors_of_two_widths_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.zeros((1, 2)))
    np.save(tmp_path / "w.npy", np.zeros((1, 3)))
    toml = TOML.replace("[contexts]", '[items.vectors]\nvisual = ["v.npy", "w.npy"]\n[contexts]')
    with pytest.raises(DataError, match=r"w.npy: vectors are 3 wide, those of v.npy 2"):
        folder(tmp_path, toml=toml).check()


def test_parquet_takes_whole_numbers_as_ids_and_timestamps_as_times(tmp_path: Path) -> None:
    toml = "name = 'p'\n[items]\nfile = 'i.parquet'\n[saves]\nfile = 's.parquet'\n[contexts]\nfile = 'c.parquet'\n"
    (tmp_path / "dataset.toml").write_text(toml)
    pq.write_table(pa.table({"item_id": [1, 2]}), tmp_path / "i.parquet")
    pq.write_table(pa.table({"context_id": ["c"]}), tmp_path / "c.parquet")
    when = pa.array([5_000_000, None], type=pa.timestamp("us"))
    pq.write_table(pa.table({"context_id": ["c", "c"], "item_id": [1, 2], "time": when}), tmp_path / "s.parquet")
    tables = DatasetFolder.open(tmp_path).load()
    assert tables.items["item_id"] == ["1", "2"]
    assert tables.saves["time"].tolist() == [5000, -1]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"item_id": [1.5]}, "column 'item_id' is double, which cannot be id"),
        ({"title": ["a"]}, "column 'item_id' is missing"),
        (None, "not a readable Parquet file"),
        ({"item_id": ["a", None]}, "i.parquet:2: item_id is missing"),
        ({"item_id": ["a", "a"]}, "i.parquet:2: item_id 'a' is there twice"),
    ],
)
def test_wrong_parquet_is_refused(tmp_path: Path, table: dict[str, list[Any]] | None, reason: str) -> None:
    (tmp_path / "dataset.toml").write_text("name = 'p'\n[items]\nfile = 'i.parquet'\n")
    if table is None:
        (tmp_path / "i.parquet").write_bytes(b"PAR1 nothing")
    else:
        pq.write_table(pa.table(table), tmp_path / "i.parquet")
    with pytest.raises(DataError, match=reason):
        DatasetFolder.open(tmp_path).check()


def test_writing_refuses_what_no_one_could_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither known nor declared"):
        write_dataset(tmp_path / "a", "a", items={"item_id": ["a"], "title": ["x"]})
    with pytest.raises(InputError, match="differ in length"):
        write_dataset(tmp_path / "a", "a", items={"item_id": ["a"], "corpus": ["x", "y"]})
    with pytest.raises(InputError, match="'item_id' is missing"):
        write_dataset(tmp_path / "a", "a", items={"corpus": ["x"]})
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(InputError, match="is no data set"):
        write_dataset(tmp_path / "mine", "a", items={"item_id": ["a"]})


def test_writing_again_replaces_the_set_and_takes_parts(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d", "a", items={"item_id": ["old"]}, users={"user_id": ["u"]})
    write_dataset(tmp_path / "d", "a", items=({"item_id": [f"{part}-{n}" for n in range(3)]} for part in range(2)))
    tables = DatasetFolder.open(tmp_path / "d").load()
    assert len(tables.items["item_id"]) == 6
    assert tables.users == {}
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_disk_too_small_for_a_data_set_leaves_none(tmp_path: Path, small_disk) -> None:
    with small_disk(tmp_path, "128k"):
        with pytest.raises(DiskFullError, match=r"no space left on the disk while writing .*big"):
            write_dataset(tmp_path / "big", "big", items={"item_id": [f"item-{k}" for k in range(20_000)]})
        assert list(tmp_path.iterdir()) == []


def test_checking_takes_the_same_memory_for_eight_times_the_edges(tmp_path: Path) -> None:
    growth = {}
    for edges in (50_000, 400_000):
        rng = np.random.default_rng(0)
        write_dataset(
            tmp_path / str(edges),
            "m",
            items={"item_id": [f"item-{k}" for k in range(2000)]},
            contexts={"context_id": [f"context-{k}" for k in range(500)]},
            saves={
                "context_id": [f"context-{k}" for k in rng.integers(0, 500, edges)],
                "item_id": [f"item-{k}" for k in rng.integers(0, 2000, edges)],
                "time": rng.integers(0, 10**12, edges),
            },
        )
        growth[edges] = peak_kib(tmp_path / str(edges))
    assert growth[400_000] - growth[50_000] < 40 * 1024


def peak_kib(path: Path) -> int:
    """Peak memory of a fresh process that checks a data set."""
    import sys

    program = (
        "import re, sys; from pathlib import Path; from engine.datasets.folder import DatasetFolder;"
        "DatasetFolder.open(sys.argv[1]).check();"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    return int(done.stdout)
