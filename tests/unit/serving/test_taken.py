"""What the graph knows of an item that a model's data does not have, put into that data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.errors import InputError
from engine.graph.snapshot_columns import field_column, node_table
from engine.models.user_item import UserItemData, UserItemEdges
from engine.serving.standing import standing_told
from engine.serving.taken import TakenBy


def data() -> UserItemData:
    """Three users and two items, of which the second has no edge."""
    fields = {
        "title": field_column("text", ["A", None], name="title"),
        "length": field_column("numeric", [1.0, None], name="length"),
        "genre": field_column("categorical", ["jazz|rock", None], name="genre"),
        "look": field_column("vector", [[1.0, 2.0], [3.0, 4.0]], name="look"),
    }
    users, user = node_table(["u0", "u1", "u2"])
    items, item = node_table(["i0", "i1"], fields=fields)
    edges = UserItemEdges(user[[0, 1]], item[[0, 0]], np.array([5, 1], np.float32), np.array([10, 20], np.int64))
    return UserItemData(edges, users, items, levels=(1.0, 5.0))


def edges_of(found: UserItemData, item: str) -> list[tuple[str, float, int]]:
    its = found.train.only(found.train.item == found.items.index_of([item])[0])
    assert its.rating is not None
    assert its.time is not None
    return list(zip(found.users.ids.take(its.user), its.rating.tolist(), its.time.tolist(), strict=True))


def test_a_new_item_gets_a_row_with_its_fields_and_the_edges_of_users_who_are_known():
    look = np.array([5, 6], "<f4").tobytes()
    properties = {"title": "New", "length": 3, "genre": ["folk"], "look": look, "other": "left out"}
    taken_by = TakenBy(("u2", "stranger", "u0"), (5.0, 5.0, 1.0), (30, 31, -1), 3, properties)
    before = data()
    found = taken_by.added_to(before, "new", unrated=False)
    assert edges_of(found, "new") == [("u2", 5.0, 30), ("u0", 1.0, -1)]
    assert len(found.train) == 4
    assert found.items.index_of(["i0", "i1", "new"]).tolist() == [*before.items.index_of(["i0", "i1"]).tolist(), 2]
    told = {name: column.to_list()[2] for name, column in found.items.fields.items()}
    assert told == {"title": "New", "length": 3.0, "genre": ["folk"], "look": [5.0, 6.0]}
    assert edges_of(taken_by.added_to(before, "new", unrated=False, but="u2"), "new") == [("u0", 1.0, -1)]


def test_an_item_that_had_no_edge_keeps_its_row():
    before = data()
    found = TakenBy(("u2",), (5.0,), (30,), 1, {"title": "Another"}).added_to(before, "i1", unrated=False)
    assert len(found.items) == 2
    assert found.items.fields is before.items.fields
    assert edges_of(found, "i1") == [("u2", 5.0, 30)]


def test_edges_without_a_rating_count_where_ratings_do_not():
    taken_by = TakenBy(("u0", "u1"), (math.nan, 5.0), (1, 2), 2, {})
    assert [user for user, *_ in edges_of(taken_by.added_to(data(), "new", unrated=False), "new")] == ["u1"]
    assert [user for user, *_ in edges_of(taken_by.added_to(data(), "new", unrated=True), "new")] == ["u0", "u1"]


def test_an_item_without_an_edge_gets_a_row_and_nothing_in_it():
    found = TakenBy((), (), (), 0, {}).added_to(data(), "new", unrated=False)
    assert edges_of(found, "new") == []
    told = {name: column.to_list()[2] for name, column in found.items.fields.items()}
    assert (told["title"], told["genre"]) == (None, [])
    assert np.isnan([told["length"], *told["look"]]).all()


def test_a_field_that_is_not_of_its_kind_is_named():
    with pytest.raises(InputError, match="field 'length' is numeric"):
        TakenBy((), (), (), 0, {"length": "long"}).added_to(data(), "new", unrated=False)


def test_how_much_was_taken_in_is_told():
    taken_by = TakenBy(("u0", "u1"), (5.0, 5.0), (1, 2), 5000, {})
    assert taken_by.told(2) == "2 of 5,000 ratings of the item"
    assert TakenBy(("u0",), (5.0,), (1,), 1, {}).told(1) == "1 ratings of the item"
    assert TakenBy((), (), (), 0, {}).told(0) == "no ratings of the item"


def test_only_what_a_model_was_not_trained_on_is_worth_a_word():
    assert standing_told("gcmc", "the item", "trained") is None
    assert standing_told("gcmc", "the item", None) is None
    assert standing_told("gcmc", "the item", "cold") == "gcmc was not trained on the item: cold, no edge tells of it"
    assert "folded in" in str(standing_told("gcmc", "the item", "folded in"))
