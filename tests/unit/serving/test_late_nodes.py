"""Who and what is newer than a generation, asked about: the graph tells of it, the method takes it in, and the answer says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from engine.datasets.folder import DatasetTables
from engine.errors import NotReadyError, UnknownNodeError
from engine.files import Checked
from engine.graph.snapshot import Snapshot
from engine.models.standing import standing_of
from engine.models.user_item import UserItemData
from engine.serving.taken import Taken, TakenBy
from engine.serving.user_answers import UserRecommender
from engine.serving.user_rating import predict
from engine.serving.view import Origin, View
from engine.settings import GraphMapping


class ItemMeans:
    """Predicts an item's mean rating, 3 without one; trained on whoever had a rating in the data that it was made for."""

    name = "svdpp"

    def __init__(self, data: UserItemData, trained: UserItemData) -> None:
        self.data, self.trained = data, trained

    def fold_in(self, data: UserItemData) -> ItemMeans:
        return ItemMeans(data, self.trained)

    def predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        del users
        its = [self.data.train.rating[self.data.train.item == item] for item in items]
        return np.array([ratings.mean() if len(ratings) else 3 for ratings in its], np.float32)

    def standing(self, side: str, rows: np.ndarray) -> np.ndarray:
        had = self._had(self.trained, side)
        taught = np.isin(getattr(self.data, side).ids.take(rows), had)
        return standing_of(taught, np.isin(getattr(self.data, side).ids.take(rows), self._had(self.data, side)))

    def _had(self, data: UserItemData, side: str) -> list[str]:
        rows = data.train.user if side == "users" else data.train.item
        return list(getattr(data, side).ids.take(np.unique(rows)))


class Rigid:
    """Takes in nothing."""

    def predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        del items
        return np.full(len(users), 3, np.float32)


@pytest.fixture
def one() -> UserRecommender:
    """Two users and three items, of which nobody has the last; beside them the graph knows "late", "new" and "empty"."""
    tables = DatasetTables(
        "late",
        items={"item_id": ["a", "b", "bare"], "title": ["A", "B", None]},
        users={"user_id": ["ann", "bob"]},
        interactions={"user_id": ["ann", "bob", "bob"], "item_id": ["a", "a", "b"], "rating": [5.0, 3.0, 1.0]},
        item_fields={"title": "text"},
    )
    snapshot = Snapshot.from_dataset(tables)
    facts = {"config": {"model": "svdpp", "settings": {}}, "vectors": False}
    origin = Origin("g0001", 1, datetime(2026, 5, 4, tzinfo=UTC))
    nothing = np.empty((3, 0), np.float32)
    view = View(origin, Path(), snapshot, snapshot.walk_graph(), nothing, {}, facts, Checked(), {})
    users = {"late": Taken(("a", "new"), (5.0, 1.0), (-1, -1), (), (), ()), "idle": Taken((), (), (), (), (), ())}
    items = {
        "new": TakenBy(("ann", "bob", "late"), (4.0, 4.0, 1.0), (-1, -1, -1), 3, {"title": "New"}),
        "bare": TakenBy(("bob",), (2.0,), (-1,), 1, {}),
        "empty": TakenBy((), (), (), 0, {}),
        "strange": TakenBy(("late",), (1.0,), (-1,), 1, {}),
    }
    return UserRecommender(
        view,
        GraphMapping(),
        lambda user, relation, before, friendship: users.get(user) if relation == "interactions" else None,
        lambda item, relation: items.get(item) if relation == "interactions" else None,
        lambda items, before, most: [],
        lambda about, view, data: ItemMeans(data, data),
    )


@pytest.mark.parametrize(
    ("user", "item", "rating", "rests"),
    [
        ("ann", "a", 4, "1 ratings of the user, 2 ratings of the item"),
        (
            "ann",
            "new",
            4,
            "1 ratings of the user, 2 of 3 ratings of the item that are newer than the generation; "
            "svdpp was not trained on the item: folded in from the edges there are",
        ),
        (
            "late",
            "new",
            3,
            "2 items of the user that are newer than the generation, 3 ratings of the item that are newer than the "
            "generation; svdpp was not trained on the user: folded in from the edges there are; "
            "svdpp was not trained on the item: folded in from the edges there are",
        ),
        (
            "ann",
            "bare",
            2,
            "1 ratings of the user, 1 ratings of the item that are newer than the generation; "
            "svdpp was not trained on the item: folded in from the edges there are",
        ),
        (
            "ann",
            "empty",
            3,
            "1 ratings of the user, no ratings of the item, which is newer than the generation and answered as a cold one; "
            "svdpp was not trained on the item: cold, no edge tells of it",
        ),
        (
            "ann",
            "strange",
            3,
            "1 ratings of the user, 0 of 1 ratings of the item, which is newer than the generation and answered as a cold "
            "one; svdpp was not trained on the item: cold, no edge tells of it",
        ),
    ],
)
def test_an_answer_says_what_it_rests_on(one: UserRecommender, user: str, item: str, rating: float, rests: str):
    told = predict(one, user, item)
    assert (told.rating, told.rests_on) == (rating, rests)


def test_what_is_in_neither_the_graph_nor_the_generation_is_unknown(one: UserRecommender):
    with pytest.raises(UnknownNodeError, match="there is no item 'nowhere'"):
        predict(one, "ann", "nowhere")
    with pytest.raises(UnknownNodeError, match="there is no user 'nobody'"):
        predict(one, "nobody", "a")
    with pytest.raises(NotReadyError, match="nothing is known of user 'idle' yet"):
        predict(one, "idle", "new")


def test_a_method_that_takes_in_nothing_is_not_ready_for_a_late_item(one: UserRecommender):
    one._method = Rigid()
    assert predict(one, "ann", "a").rating == 3
    with pytest.raises(NotReadyError, match="item 'new' is newer than generation g0001"):
        predict(one, "ann", "new")
