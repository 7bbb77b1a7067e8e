"""What every model about users and items must hold to. A model's test inherits `RatingChecks` and says how it is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.errors import DataError, TrainingError
from engine.graph.snapshot_columns import IdColumn, NodeTable, field_column, node_table
from engine.graph.snapshot_csr import relation
from engine.models.user_item import RatingPredictor, UserItemData, UserItemEdges
from engine.training.config import LoopConfig
from engine.training.loop import Task, train

LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)
Triples = list[tuple[int, int, float]]


def ratings_of(
    triples: Triples,
    users: int,
    items: int,
    *,
    levels: tuple[float, ...] = LEVELS,
    user_fields: dict[str, tuple[Any, Any]] | None = None,
    item_fields: dict[str, tuple[Any, Any]] | None = None,
    **more: Any,
) -> UserItemData:
    """Users u0, u1, ..., items i0, i1, ... and (user, item, rating). Row numbers are as `node_table` sorts: use `pairs`."""
    tables = []
    for what, count, fields in (("u", users, user_fields), ("i", items, item_fields)):
        columns = {name: field_column(kind, values, name=name) for name, (kind, values) in (fields or {}).items()}
        tables.append(node_table([f"{what}{number}" for number in range(count)], fields=columns))
    (user_table, user_row), (item_table, item_row) = tables
    user, item = (np.array([triple[end] for triple in triples], dtype=np.int64) for end in (0, 1))
    rating = np.array([triple[2] for triple in triples], dtype=np.float32)
    edges = UserItemEdges(user_row[user], item_row[item], rating)
    return UserItemData(edges, user_table, item_table, levels=levels, **more)


def pairs(data: UserItemData, *wanted: tuple[int, int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The rows of pairs of numbers of users and items."""
    return (
        data.users.index_of([f"u{user}" for user, _ in wanted]),
        data.items.index_of([f"i{item}" for _, item in wanted]),
    )


def every_pair(users: int, items: int) -> list[tuple[int, int]]:
    return [(user, item) for user in range(users) for item in range(items)]


def tiny(**more: Any) -> UserItemData:
    """Twelve users and ten items of two tastes; the last user and the last item have no rating."""
    rng = np.random.default_rng(3)
    triples = [
        (user, item, float(rng.integers(4, 6) if (user < 6) == (item < 5) else rng.integers(1, 3)))
        for user in range(11)
        for item in range(9)
        if rng.random() < 0.7
    ]
    fields = {
        "user_fields": {"taste": ("categorical", ["loud"] * 6 + ["quiet"] * 6)},
        "item_fields": {"taste": ("categorical", ["loud"] * 5 + ["quiet"] * 5), "length": ("numeric", list(range(10)))},
    }
    return ratings_of(triples, 12, 10, **{**fields, **more})


def triples_of(data: UserItemData) -> Triples:
    """What `ratings_of` made the edges for training of."""
    return [
        (int(data.users.ids[user][1:]), int(data.items.ids[item][1:]), float(rating))
        for user, item, rating in zip(data.train.user, data.train.item, data.train.rating, strict=True)
    ]


def later(data: UserItemData) -> UserItemData:
    """`tiny`, where u11 (of another taste now) and i9 have got ratings, and a user u12 who rates only the new item i10, which only he rates."""
    fields = {
        "user_fields": {"taste": ("categorical", ["loud"] * 6 + ["quiet"] * 5 + ["loud"] + ["quiet"] * 2)},
        "item_fields": {"taste": ("categorical", ["loud"] * 5 + ["quiet"] * 6), "length": ("numeric", list(range(11)))},
    }
    new = [(11, 0, 5.0), (11, 1, 5.0), (11, 6, 1.0), (0, 9, 1.0), (1, 9, 1.0), (8, 9, 5.0), (12, 10, 5.0)]
    return ratings_of(triples_of(data) + new, 14, 11, **fields)


def checkerboard(size: int = 12) -> tuple[UserItemData, list[tuple[int, int]], NDArray[np.float32]]:
    """Ratings 5 where user + item is even and 1 elsewhere, the pairs left out of them, and what those must get."""
    board = every_pair(size, size)
    left_out = [(user, item) for user, item in board if (user + 3 * item) % 7 == 0]
    triples = [(user, item, 5.0 - 4.0 * ((user + item) % 2)) for user, item in board if (user, item) not in left_out]
    wanted = np.array([5.0 - 4.0 * ((user + item) % 2) for user, item in left_out], dtype=np.float32)
    return ratings_of(triples, size, size), left_out, wanted


def renumbered(data: UserItemData, seed: int = 0) -> UserItemData:
    """The same nodes and ratings under other row numbers, the ratings in another order."""
    rng = np.random.default_rng(seed)
    tables, rows = [], []
    for nodes in (data.users, data.items):
        order = rng.permutation(len(nodes))
        fields = {name: column.take(order) for name, column in nodes.fields.items()}
        tables.append(
            NodeTable(IdColumn(nodes.ids.take(order)), nodes.key[order], nodes.corpus[order], nodes.corpora, fields)
        )
        rows.append(np.argsort(order).astype(np.int32))
    shuffled = data.train.only(rng.permutation(len(data.train)))
    edges = UserItemEdges(rows[0][shuffled.user], rows[1][shuffled.item], shuffled.rating, shuffled.time)
    return UserItemData(edges, tables[0], tables[1], levels=data.levels, seed=data.seed)


def following(data: UserItemData, *follows: tuple[int, int], weights: list[float] | None = None) -> UserItemData:
    """The data where users follow users, by number."""
    value = None if weights is None else np.array(weights, np.float32)
    source, target = (data.users.index_of([f"u{pair[end]}" for pair in follows]) for end in (0, 1))
    return replace(data, follows=relation(data.num_users, data.num_users, source, target, value=value).forward)


class RatingChecks:
    """Inherit, and say how an unfitted model is made; `exact` is how near to each other equal answers must be."""

    exact = 1e-5
    by_heart = 0.4
    """The root mean squared error of ratings that were learned."""

    def make(self) -> Any:
        """A model that learns a tiny graph by heart in about a second."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def fitted(self) -> tuple[RatingPredictor, UserItemData]:
        data = tiny()
        model: RatingPredictor = self.make()
        model.fit(data)
        return model, data

    def test_it_learns_a_tiny_graph_by_heart(self, fitted: tuple[RatingPredictor, UserItemData]) -> None:
        model, data = fitted
        found = model.predict(data.train.user, data.train.item)
        assert np.sqrt(np.mean((found - data.train.rating) ** 2)) < self.by_heart

    def test_a_batch_is_answered_as_single_pairs_are(self, fitted: tuple[RatingPredictor, UserItemData]) -> None:
        model, data = fitted
        users, items = pairs(data, *every_pair(12, 10)[::-3])
        alone = [model.predict(users[at : at + 1], items[at : at + 1])[0] for at in range(len(users))]
        found = model.predict(users, items)
        assert found.dtype == np.float32
        assert found == pytest.approx(alone, abs=self.exact)
        assert model.predict(users[:0], items[:0]).shape == (0,)

    def test_every_pair_gets_a_finite_answer_within_the_levels(
        self, fitted: tuple[RatingPredictor, UserItemData]
    ) -> None:
        model, data = fitted
        found = model.predict(*pairs(data, *every_pair(12, 10)))
        assert np.isfinite(found).all()
        assert found.min() >= LEVELS[0] - 0.5
        assert found.max() <= LEVELS[-1] + 0.5

    def test_a_checkerboard_is_gone_on_with(self) -> None:
        data, left_out, wanted = checkerboard()
        model = self.make()
        model.fit(data)
        found = model.predict(*pairs(data, *left_out))
        assert ((found > 3) == (wanted > 3)).all()

    def test_the_same_seed_gives_the_same_answers_whatever_the_row_numbers(
        self, fitted: tuple[RatingPredictor, UserItemData]
    ) -> None:
        first, data = fitted
        again, elsewhere = self.make(), self.make()
        again.fit(tiny())
        other = renumbered(data)
        elsewhere.fit(other)
        wanted = every_pair(12, 10)
        expected = first.predict(*pairs(data, *wanted))
        assert (again.predict(*pairs(data, *wanted)) == expected).all()
        assert elsewhere.predict(*pairs(other, *wanted)) == pytest.approx(expected, abs=1e-3)

    def test_ratings_that_are_all_the_same_are_predicted(self) -> None:
        data = ratings_of([(user, item, 4.0) for user, item in every_pair(4, 4) if user != item], 4, 4)
        model = self.make()
        model.fit(data)
        assert model.predict(*pairs(data, (0, 1), (2, 2))) == pytest.approx([4.0, 4.0], abs=0.3)

    def test_without_ratings_there_is_nothing_to_learn_from(self) -> None:
        with pytest.raises(TrainingError):
            self.make().fit(ratings_of([], 2, 2))
        plain = ratings_of([(0, 0, 1.0)], 2, 2, levels=())
        edges = UserItemEdges(plain.train.user, plain.train.item)
        with pytest.raises(TrainingError):
            self.make().fit(UserItemData(edges, plain.users, plain.items))


class TaskChecks:
    """For a model that trains on the one loop: inherit, and say how its task is made."""

    def task(self, data: UserItemData) -> Task[Any]:
        """An untrained task."""
        raise NotImplementedError

    def test_finite_gradients_reach_every_parameter(self) -> None:
        task = self.task(tiny())
        task.module.train()
        reached = {name: torch.zeros(()) for name, _ in task.module.named_parameters()}
        for step in range(3):
            task.module.zero_grad()
            task.loss(task.batch(step)).backward()
            for name, parameter in task.module.named_parameters():
                assert parameter.grad is not None, name
                assert torch.isfinite(parameter.grad).all(), name
                reached[name] += parameter.grad.abs().sum()
        assert [name for name, total in reached.items() if not total > 0] == []

    def test_a_batch_is_a_function_of_its_number(self) -> None:
        task, other = self.task(tiny()), self.task(tiny())
        task.batch(0)
        with torch.no_grad():
            assert float(task.loss(task.batch(2))) == float(other.loss(other.batch(2)))

    def test_everything_is_of_float32_on_the_cpu(self) -> None:
        task = self.task(tiny())
        loss = task.loss(task.batch(0))
        for value in (loss, *task.module.parameters(), *task.module.buffers()):
            assert value.device.type == "cpu"
            assert value.dtype == torch.float32 or not value.is_floating_point()

    def test_a_network_of_another_default_type_is_not_trained(self) -> None:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            task = self.task(tiny())
            with pytest.raises(TrainingError, match="a network is of float32, on the CPU"):
                train(task, LoopConfig())
        finally:
            torch.set_default_dtype(before)


class SavedChecks:
    """For a model that is saved and loaded: inherit beside `RatingChecks`."""

    def load(self, folder: Path, data: UserItemData) -> Any:
        raise NotImplementedError

    def test_what_was_saved_gives_the_same_answers(self, fitted: tuple[Any, UserItemData], tmp_path: Path) -> None:
        model, data = fitted
        model.save(tmp_path / "model")
        wanted = pairs(data, *every_pair(12, 10))
        assert (self.load(tmp_path / "model", data).predict(*wanted) == model.predict(*wanted)).all()


def refuses_a_rating_outside_the_levels(model: RatingPredictor) -> None:
    """What a model of rating levels must do with a rating that is none of them."""
    with pytest.raises(DataError, match=r"user 'u0', item 'i1': the rating 2\.5 is none of the levels"):
        model.fit(ratings_of([(0, 0, 1.0), (0, 1, 2.5)], 1, 2))
