from __future__ import annotations

from pathlib import Path

import pytest
from originals import ORIGINALS

from engine.datasets.folder import DatasetFolder
from engine.datasets.readers import READERS, Converted, convert, find_reader
from engine.datasets.readers.source import Source
from engine.errors import DataError, UnknownNameError


def read(name: str, folder: Path) -> Converted:
    ORIGINALS[name](folder)
    return READERS[name].read(Source(folder, name))


def reread(name: str, folder: Path) -> Converted:
    return READERS[name].read(Source(folder, name))


def test_every_reader_has_a_tiny_original_here() -> None:
    assert set(ORIGINALS) == set(READERS)


def test_an_unknown_data_set_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="movielens") as caught:
        find_reader("movielens")
    assert "ml-100k" in str(caught.value)


@pytest.mark.parametrize("name", sorted(READERS))
def test_columns_of_a_table_are_equally_long_and_edges_have_their_nodes(name: str, tmp_path: Path) -> None:
    found = read(name, tmp_path / "src")
    for columns in found.tables.values():
        assert len({len(values) for values in columns.values()}) == 1
    known = {
        key: set(found.tables[table][key])
        for table, key in (("items", "item_id"), ("users", "user_id"), ("contexts", "context_id"))
        if table in found.tables
    }
    for ids in known.values():
        assert all(isinstance(value, str) and value for value in ids)
    ends = {
        "item_id": "item_id",
        "user_id": "user_id",
        "context_id": "context_id",
        "owner_id": "user_id",
        "followed_id": "user_id",
    }
    for columns in found.tables.values():
        for column in ends.keys() & columns.keys():
            assert set(columns[column]) <= known[ends[column]]


@pytest.mark.parametrize("name", sorted(READERS))
def test_the_parts_of_a_fixed_split_are_the_table_again(name: str, tmp_path: Path) -> None:
    found = read(name, tmp_path / "src")
    table = found.tables["saves" if "saves" in found.tables else "interactions"]
    for parts in found.splits.values():
        assert set(parts) <= {"train", "valid", "test"}
        rows = [row for columns in parts.values() for row in zip(*columns.values(), strict=True)]
        names = list(next(iter(parts.values())))
        assert sorted(rows) == sorted(zip(*(table[column] for column in names), strict=True))


def test_citeulike_libraries_become_owned_contexts_and_tags_a_field(tmp_path: Path) -> None:
    found = read("citeulike-t", tmp_path)
    assert found.tables["items"] == {
        "item_id": ["0", "1", "2", "3"],
        "tags": ["graphs", "graphs|walks", "walks", "walks|rare"],
    }
    assert found.tables["contexts"] == {"context_id": ["0", "1", "2"], "owner_id": ["0", "1", "2"]}
    assert found.tables["saves"] == {
        "context_id": ["0", "0", "0", "1", "1", "2"],
        "item_id": ["0", "2", "3", "1", "3", "0"],
    }


def test_hetrec_boards_are_user_and_tag_pairs_with_dates(tmp_path: Path) -> None:
    found = read("hetrec2011-lastfm-2k", tmp_path)
    assert found.tables["contexts"] == {
        "context_id": ["7/5-folk/rock", "8/5-folk/rock", "8/6-chanson française"],
        "owner_id": ["7", "8", "8"],
        "tag": ["folk/rock", "folk/rock", "chanson française"],
    }
    april_2009, may_2009, april_2010 = 1_238_544_000_000, 1_241_136_000_000, 1_270_080_000_000
    assert found.tables["saves"]["time"] == [april_2009, may_2009, None, april_2010]
    assert found.tables["items"] == {"item_id": ["1", "2", "99"], "title": ["Árstíðir", "Pluto", None]}
    assert found.tables["follows"] == {"user_id": ["7", "8"], "followed_id": ["8", "7"]}


def test_ml_100k_keeps_features_times_and_official_folds(tmp_path: Path) -> None:
    found = read("ml-100k", tmp_path)
    assert found.tables["items"]["genres"] == ["Action", "Drama", "unknown"]
    assert found.tables["items"]["year"] == [1995, 1996, None]
    assert found.tables["items"]["released"] == [788_918_400_000, None, None]
    assert found.tables["interactions"]["time"][0] == 880_000_011_000
    assert found.tables["users"]["age"] == [24, 53]
    assert set(found.splits) == {"u1", "u2", "u3", "u4", "u5"}


def test_ml_latest_folds_tags_into_the_films(tmp_path: Path) -> None:
    found = read("ml-latest-small", tmp_path)
    assert found.tables["items"]["tags"] == ["pixar, again|a/b", ""]
    assert found.tables["items"]["genres"] == ["Comedy|Drama", ""]
    assert found.tables["users"]["user_id"] == ["1", "3"]


def test_douban_reads_matrices_the_right_way_round(tmp_path: Path) -> None:
    found = read("gcmc-douban", tmp_path)
    rows = zip(*found.tables["interactions"].values(), strict=True)
    assert list(rows) == [("0", "0", 5.0), ("0", "2", 3.0), ("1", "1", 2.0), ("2", "0", 1.0), ("2", "2", 4.0)]
    assert found.splits["official"]["test"]["user_id"] == ["2"]
    assert found.splits["official"]["test"]["item_id"] == ["0"]


def test_ciao_keeps_the_users_of_the_trust_network(tmp_path: Path) -> None:
    found = read("ciao", tmp_path)
    assert found.tables["items"] == {"item_id": ["10", "11"], "category": ["3|6", "4"]}
    assert found.tables["users"]["user_id"] == ["1", "2", "3"]
    assert found.tables["interactions"]["rating"] == [5.0, 2.0, 4.0, 3.0]


def test_diffnet_counts_ids_up_to_the_largest(tmp_path: Path) -> None:
    found = read("diffnet-yelp", tmp_path)
    assert found.counts() == {"items": 4, "users": 5, "interactions": 4, "follows": 2}


def test_gowalla_reads_the_same_pairs_from_train_txt_or_the_adjacency_matrix(tmp_path: Path) -> None:
    from_matrix = read("gowalla", tmp_path)
    (tmp_path / "train.txt").write_text("0 1\n1 1 2\n")
    assert reread("gowalla", tmp_path) == from_matrix
    assert from_matrix.splits["official"]["train"] == {"user_id": ["0", "1", "1"], "item_id": ["1", "1", "2"]}


def test_sasrec_counts_steps_towards_the_last_and_leaves_it_out(tmp_path: Path) -> None:
    found = read("sasrec-games", tmp_path)
    assert found.tables["interactions"]["time"] == [1, 2, 3, 4, 3, 4, 2, 3, 4]
    split = found.splits["leave-last-out"]
    assert split["test"] == {"user_id": ["1", "3"], "item_id": ["9", "3"], "time": [4, 4]}
    assert split["valid"]["item_id"] == ["4", "4"]
    assert split["train"]["user_id"] == ["1", "1", "2", "2", "3"]


def test_amazon_joins_the_summaries_of_an_item(tmp_path: Path) -> None:
    found = read("amazon-music-instruments-5core", tmp_path)
    assert found.tables["items"] == {"item_id": ["B01"], "summaries": ["good. Broke | fast"]}
    assert found.tables["interactions"]["time"] == [1_393_545_600_000, 1_393_545_601_000]


REQUIRED = [(name, file) for name, reader in sorted(READERS.items()) for file in reader.files if " or " not in file]


@pytest.mark.parametrize(("name", "file"), REQUIRED)
def test_a_missing_or_empty_file_is_named(name: str, file: str, tmp_path: Path) -> None:
    ORIGINALS[name](tmp_path)
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(DataError, match="empty") as caught:
        reread(name, tmp_path)
    assert file in str(caught.value)
    (tmp_path / file).unlink()
    with pytest.raises(DataError, match="is missing") as caught:
        reread(name, tmp_path)
    assert file in str(caught.value)


@pytest.mark.parametrize(("name", "file"), REQUIRED)
def test_a_foreign_file_is_named(name: str, file: str, tmp_path: Path) -> None:
    ORIGINALS[name](tmp_path)
    (tmp_path / file).write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe not this data set\n")
    with pytest.raises(DataError, match=file):
        reread(name, tmp_path)


BROKEN = [
    ("citeulike-t", "users.dat", "3 0 2 3\n2 1", "line 2: expected 2 numbers"),
    ("citeulike-t", "users.dat", "1 -4\n", "line 1: expected whole numbers"),
    ("citeulike-t", "users.dat", "1 3\n\n", "line 2: expected at least one number"),
    ("citeulike-t", "users.dat", "1 77\n", "line 1: expected articles 0 to 3"),
    ("citeulike-t", "tags.dat", "graphs\nwalks\n", "one line a tag in both"),
    ("hetrec2011-lastfm-2k", "artists.dat", "id\tname\n", "line 1: expected the header"),
    ("hetrec2011-lastfm-2k", "user_friends.dat", "userID\tfriendID\n7\n", "line 2: expected 2 cells"),
    ("hetrec2011-lastfm-2k", "user_friends.dat", "userID\tfriendID\n", "has no rows"),
    ("hetrec2011-lastfm-2k", "user_artists.dat", "userID\tartistID\tweight\n7\t1\tmany\n", "line 2: expected weight"),
    (
        "hetrec2011-lastfm-2k",
        "user_taggedartists.dat",
        "userID\tartistID\ttagID\tday\tmonth\tyear\n7\t1\t5\t31\t2\t2009\n",
        "line 2: expected a date",
    ),
    (
        "hetrec2011-lastfm-2k",
        "user_taggedartists.dat",
        "userID\tartistID\ttagID\tday\tmonth\tyear\n7\t1\t55\t1\t2\t2009\n",
        "line 2: expected a tagID",
    ),
    ("ml-100k", "u.data", "1\t1\t5\t880000000\n", "u.info says 6 ratings"),
    ("ml-100k", "u3.test", "1\t1\t0.8\t880000000\n", "together are not the ratings"),
    ("ml-100k", "u.info", "users: 2\n", "line 1: expected a count"),
    ("ml-latest-small", "movies.csv", "movieId,title,genres\n1,A,B\n", "film 2 is not in movies.csv"),
    ("ml-latest-small", "movies.csv", "movieId,title\n1,A\n", "line 1: expected the header"),
    ("ml-latest-small", "ratings.csv", "userId,movieId,rating,timestamp\n1,1,five,3\n", "line 2: expected rating"),
    ("ml-latest-small", "ratings.csv", "userId,movieId,rating,timestamp\n1,1,2.5\n", "line 2: expected 4 cells"),
    ("diffnet-yelp", "yelp.test.rating", "0\t0\t1\n", "is in another part"),
    ("gowalla", "test.txt", "0 2\n1 3\n", "line 2: expected a user below 2"),
    ("gowalla", "item_list.txt", "org_id remap_id\n5 1\n", "line 2: expected remap_id 0"),
    ("gowalla", "item_list.txt", "org_id remap_id\n5 0\n6 1\n7 2\n8 3\n", "expected 6 rows and columns"),
    ("sasrec-games", "Video.txt", "1 5\n2 5\n1 3\n", "line 3: expected each user's items together"),
    ("sasrec-games", "Video.txt", "1 5\n1\n", "line 2: expected 2 cells"),
    ("filmtrust", "trust.txt", "2 5\n", "line 1: expected 3 cells"),
    ("amazon-music-instruments-5core", "Musical_Instruments.json", '{"asin": "B"}\n', "line 1: expected a review"),
    ("amazon-music-instruments-5core", "Musical_Instruments.json", '{"asin": "B\n', "line 1: expected one JSON object"),
]


@pytest.mark.parametrize(("name", "file", "text", "complaint"), BROKEN)
def test_a_broken_line_is_named_with_what_was_expected(
    name: str, file: str, text: str, complaint: str, tmp_path: Path
) -> None:
    ORIGINALS[name](tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError) as caught:
        reread(name, tmp_path)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("gcmc-douban", "training_test_dataset.mat"),
        ("ciao", "rating.mat"),
        ("ciao", "trustnetwork.mat"),
        ("gowalla", "s_adj_mat.npz"),
    ],
)
def test_a_truncated_binary_file_is_named(name: str, file: str, tmp_path: Path) -> None:
    ORIGINALS[name](tmp_path)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(DataError, match=file):
        reread(name, tmp_path)


def test_matrices_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    import h5py

    ORIGINALS["gcmc-douban"](tmp_path)
    path = tmp_path / "training_test_dataset.mat"
    with h5py.File(path, "a") as stream:
        stream["Otest"][...] = 1
    with pytest.raises(DataError, match="divide the ratings"):
        reread("gcmc-douban", tmp_path)
    with h5py.File(path, "a") as stream:
        del stream["Otest"]
        stream["Otest"] = [[1.0]]
    with pytest.raises(DataError, match="belong together"):
        reread("gcmc-douban", tmp_path)
    with h5py.File(path, "a") as stream:
        del stream["Otest"]
    with pytest.raises(DataError, match="no matrix Otest"):
        reread("gcmc-douban", tmp_path)


def test_a_matrix_of_another_shape_is_refused(tmp_path: Path) -> None:
    from scipy.io import savemat

    ORIGINALS["ciao"](tmp_path)
    savemat(tmp_path / "rating.mat", {"rating": [[1, 2, 3]]})
    with pytest.raises(DataError, match="5 columns"):
        reread("ciao", tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        reread("filmtrust", tmp_path / "nowhere")


@pytest.mark.parametrize("name", sorted(READERS))
def test_the_published_files_give_the_published_counts(name: str, original: Path) -> None:
    """Runs only where the real files are: ENGINE_TEST_DATA, or ../shared/data beside the checkout."""
    found = reread(name, original)
    assert found.counts() == dict(READERS[name].published)


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_converted_set_passes_the_full_check(name: str, tmp_path: Path) -> None:
    ORIGINALS[name](tmp_path / "src")
    counts = convert(name, tmp_path / "src", tmp_path / "out")
    folder = DatasetFolder.open(tmp_path / "out")
    report = folder.check()
    assert not report.rejected
    assert {t: report.rows[t] + report.repeated.get(t, 0) for t in report.rows} == counts
    splits = reread(name, tmp_path / "src").splits
    assert {path.name for path in (tmp_path / "out" / "splits").glob("*")} == set(splits)


def test_nothing_is_written_when_a_file_is_wrong(tmp_path: Path) -> None:
    ORIGINALS["filmtrust"](tmp_path / "src")
    (tmp_path / "src" / "trust.txt").write_text("2 five\n")
    with pytest.raises(DataError):
        convert("filmtrust", tmp_path / "src", tmp_path / "out")
    assert not (tmp_path / "out").exists()
