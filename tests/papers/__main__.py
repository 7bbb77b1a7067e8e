"""The long tables beside published ones: `make papers DATA=data` evaluates every data set that is there.

A table is one call of `engine evaluate`; it goes on where it was stopped, and leaves NAME.json and NAME.html in `papers/`.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = Path("papers")


@dataclass(frozen=True)
class Table:
    """One call: the data set's folder, the protocol, its methods, and what else the command line takes.

    `config` is a file beside this one with the settings that a search on validation edges found.
    """

    data: str
    protocol: str
    methods: str
    extra: tuple[str, ...] = ()
    config: str = ""

    @property
    def name(self) -> str:
        """What its files are called: by its settings' file, where a data set has several; by the split and the protocol."""
        what = self.config.removesuffix(".toml") if self.config.startswith(self.data) else self.data
        return "-".join([what, *(self.extra[1:2] if "--split" in self.extra[:1] else ()), self.protocol])


INSTRUMENTS = "amazon-music-instruments-5core"
TABLES = (
    Table(
        "ml-100k",
        "rating",
        "bias,item-knn-ratings,user-knn-ratings,mf,svdpp,bayes,gcmc,gcmc-features,stacking",
        ("--split", "u1", "--seeds", "5"),
        "ml-100k.toml",
    ),
    Table(
        "gcmc-douban",
        "rating",
        "bias,item-knn-ratings,user-knn-ratings,mf,svdpp,bayes,gcmc,stacking",
        ("--seeds", "5"),
        "gcmc-douban.toml",
    ),
    Table(
        "filmtrust",
        "rating",
        "bias,item-knn-ratings,user-knn-ratings,mf,svdpp,bayes,trustsvd,graphrec",
        ("--split", "random", "--seeds", "5"),
        "filmtrust.toml",
    ),
    *(
        Table(
            "ciao",
            "rating",
            "bias,item-knn-ratings,user-knn-ratings,mf,svdpp,trustsvd,graphrec",
            ("--split", "random", "--seeds", "5"),
            config,
        )
        for config in ("ciao.toml", "ciao-60.toml")
    ),
    Table(
        "gowalla",
        "full-ranking",
        "popularity,item-knn,user-knn,ease,graph-filter,als,bpr,lightgcn",
        ("--seeds", "1"),
        "gowalla.toml",
    ),
    *(
        Table(
            "diffnet-yelp",
            protocol,
            "popularity,item-knn,ease,als,bpr,lightgcn,diffnet",
            ("--split", "official", "--seeds", "1"),
            "diffnet-yelp.toml",
        )
        for protocol in ("sampled-ranking", "full-ranking")
    ),
    Table(
        "sasrec-games",
        "leave-last-out",
        "popularity,item-knn,user-knn,ease,als,markov,session-knn,sasrec,dgsr",
        ("--seeds", "1"),
        "sasrec-games.toml",
    ),
    *(
        Table(
            data,
            "full-ranking",
            "popularity,item-knn,ease,als,bpr,sasrec,dgsr",
            ("--split", "time", "--seeds", "1"),
            config,
        )
        for data, config in (("ml-latest-small", ""), (INSTRUMENTS, f"{INSTRUMENTS}.toml"))
    ),
    Table(
        INSTRUMENTS,
        "leave-last-out",
        "popularity,item-knn,ease,als,session-knn,sasrec,dgsr",
        ("--seeds", "5"),
        f"{INSTRUMENTS}.toml",
    ),
    Table(
        "hetrec2011-lastfm-2k",
        "full-ranking",
        "popularity,item-knn,ease,als,lightgcn,diffnet",
        ("--split", "user", "--seeds", "5"),
        "hetrec2011-lastfm-2k-friends.toml",
    ),
    Table(
        "ml-100k",
        "full-ranking",
        "popularity,content,item-knn,user-knn,ease,als,rank-fusion,learned-fusion",
        ("--split", "random", "--seeds", "3"),
    ),
    Table("ml-100k", "cold-users", "popularity,item-knn,user-knn,ease,als,bpr,lightgcn,graph-filter", ("--seeds", "3")),
    Table("ml-100k", "cold-items", "popularity,content,item-knn,ease,als", ("--seeds", "3")),
    Table("citeulike-t", "related", "popularity,content,item-knn,walks,blend-walks-content,pinsage,blend"),
    Table("hetrec2011-lastfm-2k", "related", "popularity,content,item-knn,walks,blend-walks-content,pinsage,blend"),
)


def main(folder: Path, wanted: list[str]) -> int:
    failed = []
    for table in TABLES:
        if wanted and table.name not in wanted and table.data not in wanted:
            continue
        data = folder / table.data
        if not data.is_dir():
            print(
                f"{table.name}: left out, there is no {data}; `engine data convert {table.data}` makes it", flush=True
            )
            continue
        print(f"\n== {table.name}", flush=True)
        call = [str(Path(sys.executable).with_name("engine")), "evaluate", table.protocol, "--data", str(data)]
        call += ["--methods", table.methods, *table.extra]
        call += ["--json", str(OUT / f"{table.name}.json"), "--html", str(OUT / f"{table.name}.html")]
        if table.config:
            call += ["--config", str(HERE / table.config)]
        if subprocess.run(call).returncode:
            failed.append(table.name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
