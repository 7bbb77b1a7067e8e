"""Tiny data sets in the layouts that their authors published, made here: not a line of them is real data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np


def write(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(encoding))


def citeulike(folder: Path) -> None:
    write(
        folder,
        {
            "users.dat": "3 0 2 3\n2 1 3\n1 0",
            "tags.dat": "graphs\nwalks\nrare\n",
            "tag-item.dat": "2 0 1\n3 1 2 3\n1 3\n",
        },
    )


def hetrec(folder: Path) -> None:
    write(
        folder,
        {
            "artists.dat": "id\tname\turl\tpictureURL\n1\tÁrstíðir\thttp://a\t\n2\tPluto\thttp://b\thttp://c\n",
            "user_artists.dat": "userID\tartistID\tweight\n7\t1\t120\n8\t2\t3\n",
            "user_friends.dat": "userID\tfriendID\n7\t8\n8\t7\n",
            "user_taggedartists.dat": "userID\tartistID\ttagID\tday\tmonth\tyear\n"
            "7\t1\t5\t1\t4\t2009\n7\t2\t5\t1\t5\t2009\n8\t2\t5\t1\t4\t1956\n8\t99\t6\t1\t4\t2010\n",
        },
    )
    write(folder, {"tags.dat": "tagID\ttagValue\n5\tfolk/rock\n6\tchanson française\n"}, encoding="latin-1")


def ml_100k(folder: Path) -> None:
    rows = [f"{u}\t{i}\t{(u + i) % 5 + 1}\t{880000000 + u * 10 + i}\n" for u in (1, 2) for i in (1, 2, 3)]
    flags = ("0|1|0", "0|0|1", "1|0|0")
    films = ("Toy (1995)|01-Jan-1995||http://x|", "Café (1996)|||http://y|", "unknown||||")
    write(
        folder,
        {
            "u.info": "2 users\n3 items\n6 ratings\n",
            "u.genre": "unknown|0\nAction|1\nDrama|2\n\n",
            "u.user": "1|24|M|writer|85711\n2|53|F|other|V3N4P\n",
            "u.occupation": "writer\nother\n",
            "u.data": "".join(rows),
            **{f"u{fold}.base": "".join(rows[:4]) for fold in range(1, 6)},
            **{f"u{fold}.test": "".join(rows[4:]) for fold in range(1, 6)},
        },
    )
    text = "".join(f"{n}|{film}{flag}\n" for n, (film, flag) in enumerate(zip(films, flags, strict=True), 1))
    write(folder, {"u.item": text}, encoding="latin-1")


def ml_latest(folder: Path) -> None:
    write(
        folder,
        {
            "movies.csv": 'movieId,title,genres\n1,"Toy, The (1995)",Comedy|Drama\n2,Nothing,(no genres listed)\n',
            "ratings.csv": "userId,movieId,rating,timestamp\n1,1,2.5,1260759144\n1,2,4.0,1260759145\n",
            "tags.csv": 'userId,movieId,tag,timestamp\n3,1,"Pixar, again",1138537770\n3,1,a|b,1138537771\n',
            "links.csv": "movieId,imdbId,tmdbId\n1,0114709,862\n",
        },
    )


def douban(folder: Path) -> None:
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    ratings = np.array([[5, 0, 3], [0, 2, 0], [1, 0, 4]], dtype=float)
    train = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1]], dtype=float)
    friends = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=float)
    with h5py.File(folder / "training_test_dataset.mat", "w") as stream:
        for name, matrix in {
            "M": ratings,
            "Otraining": train,
            "Otest": (ratings > 0) - train,
            "W_users": friends,
        }.items():
            stream[name] = matrix.T


def ciao(folder: Path) -> None:
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    rows = [[1, 10, 3, 5, 1], [1, 11, 4, 2, 1], [2, 10, 6, 4, 1], [2, 10, 6, 3, 1], [9, 12, 1, 1, 1]]
    savemat(folder / "rating.mat", {"rating": np.array(rows, dtype=np.int32)})
    savemat(folder / "trustnetwork.mat", {"trustnetwork": np.array([[1, 2], [2, 3]], dtype=np.uint16)})


def diffnet(folder: Path) -> None:
    write(
        folder,
        {
            "yelp.links": "0\t1\t1\n1\t4\t1\n",
            "yelp.train.rating": "0\t0\t1\n1\t2\t1\n",
            "yelp.val.rating": "0\t1\t1\n",
            "yelp.test.rating": "2\t3\t1\n",
        },
    )


def gowalla(folder: Path) -> None:
    from scipy.sparse import csr_matrix, save_npz

    write(
        folder,
        {
            "user_list.txt": "org_id remap_id\n44 0\n9 1\n",
            "item_list.txt": "org_id remap_id\n5 0\n6 1\n7 2\n",
            "test.txt": "0 2\n1 0\n",
        },
    )
    pairs = np.array([[0, 1], [1, 1], [1, 2]])
    whole = np.zeros((5, 5), dtype=np.float32)
    whole[pairs[:, 0], 2 + pairs[:, 1]] = 1
    save_npz(folder / "s_adj_mat.npz", csr_matrix(whole + whole.T))


def sasrec(folder: Path) -> None:
    write(folder, {"Video.txt": "1 5\n1 3\n1 4\n1 9\n2 3\n2 5\n3 9\n3 4\n3 3\n"})


def filmtrust(folder: Path) -> None:
    write(folder, {"ratings.txt": "1 1 2\n1 2 3.5\n2 1 4\n", "trust.txt": "2 5 1\n"})


def amazon(folder: Path) -> None:
    reviews = [
        {"reviewerID": "A", "asin": "B01", "overall": 5.0, "summary": "good", "unixReviewTime": 1393545600},
        {"reviewerID": "C", "asin": "B01", "overall": 2, "summary": "Broke | fast", "unixReviewTime": 1393545601},
    ]
    write(folder, {"Musical_Instruments.json": "".join(json.dumps(review) + "\n" for review in reviews)})


ORIGINALS: dict[str, Callable[[Path], None]] = {
    "citeulike-t": citeulike,
    "hetrec2011-lastfm-2k": hetrec,
    "ml-100k": ml_100k,
    "ml-latest-small": ml_latest,
    "gcmc-douban": douban,
    "ciao": ciao,
    "diffnet-yelp": diffnet,
    "gowalla": gowalla,
    "sasrec-games": sasrec,
    "filmtrust": filmtrust,
    "amazon-music-instruments-5core": amazon,
}
