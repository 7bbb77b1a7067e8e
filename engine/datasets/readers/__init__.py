"""Readers of public data sets: from the files a person has downloaded to the engine's own folder format."""

from __future__ import annotations

from pathlib import Path

from engine.datasets.readers import (
    amazon_music,
    ciao,
    citeulike,
    diffnet_yelp,
    filmtrust,
    gcmc_douban,
    gowalla,
    hetrec_lastfm,
    movielens,
    sasrec_games,
)
from engine.datasets.readers.base import Converted, Reader
from engine.datasets.readers.source import Source
from engine.errors import UnknownNameError

__all__ = ["READERS", "Converted", "Reader", "convert", "find_reader"]

READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        citeulike.READER,
        hetrec_lastfm.READER,
        movielens.ML_100K,
        movielens.ML_LATEST_SMALL,
        gcmc_douban.READER,
        ciao.READER,
        diffnet_yelp.READER,
        gowalla.READER,
        sasrec_games.READER,
        filmtrust.READER,
        amazon_music.READER,
    )
}


def find_reader(name: str) -> Reader:
    """The reader of one public data set.

    Raises:
        UnknownNameError: there is none of that name.
    """
    try:
        return READERS[name]
    except KeyError:
        raise UnknownNameError(f"no reader for a data set {name!r}", hint=f"Known: {', '.join(READERS)}.") from None


def convert(name: str, source: Path, target: Path) -> dict[str, int]:
    """Read a public data set's files and write them as a data set folder; one that is already there is replaced.

    Returns:
        Table -> rows written.

    Raises:
        UnknownNameError: no reader of that name.
        DataError: a file is missing, truncated or foreign; nothing is written.
        InputError: `target` is there and is no data set.
    """
    reader = find_reader(name)
    converted = reader.read(Source(source, name))
    converted.write(target, name)
    return converted.counts()
