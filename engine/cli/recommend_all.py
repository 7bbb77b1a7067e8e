"""`engine recommend-all`: items for every user, into one Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.asking import Corpus, Count
from engine.cli.query_users import UserModel


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recommend-all")(recommend_all)


def recommend_all(
    file: Annotated[
        Path, typer.Argument(help="A Parquet file to write; one that is there is replaced when all is written.")
    ],
    k: Count = 10,
    model: UserModel = None,
    corpus: Corpus = None,
) -> None:
    """Items for every user by a model that ranks: user_id, rank, item_id, score."""
    import pyarrow.parquet as pq
    from rich.console import Console

    from engine.client import Engine
    from engine.files import atomic_file

    with Engine() as engine:
        lists = engine.recommend_all(k, model=model, corpus=corpus)
        rows = 0
        with atomic_file(file) as temporary, pq.ParquetWriter(temporary, lists.schema) as writer:
            for batch in lists:
                writer.write_batch(batch)
                rows += len(batch)
    Console(highlight=False).print(f"{rows:,} rows for {len(lists.users):,} users in {file}")
