"""The long tables name protocols, methods and settings that exist."""

from __future__ import annotations

from pathlib import Path

from engine.evaluation.config import read_config
from engine.evaluation.numbers import read_numbers
from engine.evaluation.protocols import find_protocol
from engine.models.methods import find_method
from engine.models.user_methods import find_user_method
from tests.papers.__main__ import HERE, TABLES, main

BASELINES = {
    "rating": {"bias", "item-knn-ratings", "user-knn-ratings", "mf"},
    "ranking": {"popularity", "item-knn", "ease", "als"},
    "related": {"popularity", "content", "item-knn", "walks"},
}


def test_every_table_can_be_asked_for():
    assert len({table.name for table in TABLES}) == len(TABLES)
    for table in TABLES:
        protocol = find_protocol(table.protocol)
        for name in table.methods.split(","):
            if protocol.answers == "related":
                find_method(name)
            else:
                assert protocol.answers in find_user_method(name).answers
        if table.config:
            read_numbers(protocol.numbers, dict(read_config(HERE / table.config).numbers))


def test_every_table_has_the_baselines_that_can_answer():
    for table in TABLES:
        assert BASELINES[find_protocol(table.protocol).answers] <= set(table.methods.split(",")), table.name


def test_data_that_is_not_there_is_left_out(tmp_path: Path):
    assert main(tmp_path, []) == 0
