"""The sealed folder of a trained model: whether it is the one that is wanted, and what is said where its files do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import CorruptFileError
from engine.files import open_folder

_MISFITS = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError)


@contextmanager
def reading_model(folder: Path, kind: str, version: int, called: str | None = None) -> Iterator[None]:
    """Check a folder's files, and read them in the block: what does not fit there is one clear error.

    Args:
        kind, version: what its manifest must say as "kind" and "format".
        called: the model's name for people, with its article; "a `kind`" when None.

    Raises:
        CorruptFileError: a file is missing, altered or does not fit the others, or the folder holds another model.
    """
    manifest = open_folder(folder, what="model")
    if manifest.get("kind") != kind or manifest.get("format") != version:
        raise CorruptFileError(f"model {folder}: not {called or f'a {kind}'} of format {version}")
    try:
        yield
    except _MISFITS as error:
        raise CorruptFileError(f"model {folder}: its files do not fit each other ({error})") from error
