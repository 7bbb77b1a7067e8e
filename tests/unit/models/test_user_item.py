"""What methods about users and items are given."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UnknownNameError
from engine.graph.snapshot_columns import node_table
from engine.models.user_item import UserItemData, UserItemEdges, joined
from engine.models.user_method import OneOf, UserMethod
from engine.models.user_methods import USER_METHODS, find_user_method


def edges(*pairs: tuple[int, int], rating: list[float] | None = None) -> UserItemEdges:
    user, item = np.array(pairs, np.int32).reshape(-1, 2).T
    return UserItemEdges(user, item, None if rating is None else np.array(rating, np.float32))


def test_known_edges_are_train_and_valid_and_seen_counts_repeated_ones_once():
    users, items = node_table(["a", "b"])[0], node_table(["x", "y", "z"])[0]
    data = UserItemData(edges((0, 1), (0, 1), (1, 2)), users, items, valid=edges((1, 0)))
    assert data.seen().toarray().tolist() == [[0, 1, 0], [0, 0, 1]]
    assert data.seen(data.known()).toarray().tolist() == [[0, 1, 0], [1, 0, 1]]


def test_ratings_are_kept_where_both_parts_have_them():
    rated, plain = edges((0, 1), rating=[3.0]), edges((1, 1))
    assert joined(rated, plain).rating is None
    assert joined(rated, UserItemEdges.empty()) is rated
    assert joined(rated, edges((1, 2), rating=[5.0])).rating.tolist() == [3.0, 5.0]


def test_a_methods_own_section_wins_over_its_family_and_unknown_names_list_the_known():
    method = UserMethod("m", "", frozenset({"ranking"}), dict, settings={"a": 1, "b": 1}, family="f")
    assert method.configuration({"f": {"a": 0, "c": 0}, "m": {"b": 2}}) == {"a": 1, "b": 2, "c": 0}
    with pytest.raises(UnknownNameError, match="no method 'magic'"):
        find_user_method("magic")


@pytest.mark.parametrize("method", [one for one in USER_METHODS.values() if one.space], ids=lambda one: one.name)
def test_what_a_search_may_set_is_a_setting(method: UserMethod):
    for setting, of in method.space.items():
        for value in of.values if isinstance(of, OneOf) else (of.low, of.high):
            method.make({setting: value})
