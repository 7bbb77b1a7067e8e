"""Readers of public data sets: from the files a person has downloaded to the engine's own folder format."""

from __future__ import annotations

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
from engine.errors import UnknownNameError

__all__ = ["READERS", "Converted", "Reader", "find_reader"]

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
