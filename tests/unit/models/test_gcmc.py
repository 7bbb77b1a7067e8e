"""GC-MC learns, answers in levels, takes in what comes later without training, and says how it knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from engine.errors import ConfigError, CorruptFileError, DataError, InputError
from engine.graph.snapshot_csr import relation
from engine.models.ensemble.rating import Stacking
from engine.models.gcmc.config import GcmcConfig, GcmcSettings
from engine.models.gcmc.fields import fit_fields
from engine.models.gcmc.graph import messages, rating_graph
from engine.models.gcmc.model import Gcmc, Sizes
from engine.models.gcmc.predictor import GcmcPredictor
from engine.models.gcmc.sparse import Pattern, edge_dots, matmul
from engine.models.gcmc.task import GcmcTask
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from tests.unit.models.model_checks import (
    RatingChecks,
    SavedChecks,
    TaskChecks,
    every_pair,
    later,
    pairs,
    ratings_of,
    refuses_a_rating_outside_the_levels,
    renumbered,
    tiny,
)

SMALL: dict[str, Any] = {
    "hidden": 40,
    "dim": 8,
    "feature_hidden": 4,
    "min_items": 1,
    "dropout": 0.2,
    "epochs": 150,
    "learning_rate": 0.02,
    "average": 0.9,
}


def small(**more: Any) -> GcmcPredictor:
    return GcmcPredictor.from_settings({**SMALL, **more})


class GcmcChecks(RatingChecks, TaskChecks, SavedChecks):
    settings: ClassVar[dict[str, Any]] = {}

    def make(self) -> GcmcPredictor:
        return small(**self.settings)

    def load(self, folder: Path, data: UserItemData) -> GcmcPredictor:
        return GcmcPredictor.load(folder, data)

    def task(self, data: UserItemData) -> GcmcTask:
        settings = GcmcSettings.from_flat({**SMALL, **self.settings})
        graph, columns = rating_graph(data, data.train), None
        if settings.network.features:
            columns = fit_fields(data, settings.fields).matrices(data)
        widths = (0, 0) if columns is None else (columns[0].shape[1], columns[1].shape[1])
        torch.manual_seed(0)
        model = Gcmc(settings.network, Sizes((graph.num_users, graph.num_items), graph.num_levels, widths))
        return GcmcTask(model, graph, columns, settings)


class TestStackedWithFields(GcmcChecks):
    pass


class TestSummedSymmetricWithoutFields(GcmcChecks):
    settings: ClassVar = {"accumulation": "sum", "normalisation": "symmetric", "features": False, "biases": True}


class TestMiniBatches(GcmcChecks):
    settings: ClassVar = {"batch_size": 20, "epochs": 60}


def test_products_with_sparse_matrices_and_their_gradients_are_those_of_dense_ones():
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(rng.random((30, 20)) < 0.3)
    pattern = Pattern.of(rows, columns, (30, 20))
    weight = rng.standard_normal(len(rows)).astype(np.float32)
    weight[::3] = 0
    dense = torch.zeros(30, 20)
    dense[rows, columns] = torch.from_numpy(weight)
    table = torch.randn(20, 37, requires_grad=True)
    left, right = torch.randn(2, 30, 37, requires_grad=True), torch.randn(20, 37, requires_grad=True)
    toward, along = torch.randn(30, 37), torch.randn(2, len(rows))

    def both(product: Any, dots: Any) -> list[torch.Tensor]:
        (product * toward).sum().backward()
        (dots * along).sum().backward()
        found = [product.detach(), dots.detach(), *(part.grad for part in (table, left, right))]
        table.grad = left.grad = right.grad = None
        return found

    ours = both(matmul(pattern, weight, table), edge_dots(pattern, left, right))
    plain = both(dense @ table, (left @ right.T)[:, rows, columns])
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_product_does_not_depend_on_the_number_of_threads(threads: int):
    rng = np.random.default_rng(1)
    rows, columns = np.nonzero(rng.random((400, 300)) < 0.1)
    pattern, weight = Pattern.of(rows, columns, (400, 300)), np.ones(len(rows), np.float32)
    table = torch.from_numpy(rng.standard_normal((300, 64)).astype(np.float32))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = matmul(pattern, weight, table), edge_dots(pattern, torch.ones(1, 400, 64), table)
        torch.set_num_threads(threads)
        shared = matmul(pattern, weight, table), edge_dots(pattern, torch.ones(1, 400, 64), table)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(alone, shared, strict=True))


@pytest.mark.parametrize("accumulation", ["stack", "sum"])
@pytest.mark.parametrize("normalisation", ["left", "symmetric"])
def test_what_a_node_receives_is_as_in_the_paper(accumulation: Any, normalisation: Any):
    data = ratings_of([(0, 0, 1.0), (0, 1, 2.0), (1, 1, 1.0), (0, 2, 2.0)], 2, 3, levels=(1.0, 2.0))
    config = GcmcConfig(accumulation=accumulation, normalisation=normalisation, hidden=6, features=False)
    graph = rating_graph(data, data.train)
    model = Gcmc(config, Sizes((2, 3), 2))
    sent = messages(graph, config)
    found = model.receive(sent.pattern, sent.share)
    weights = model.table.view(2, 5, -1)
    if accumulation == "sum":
        weights = torch.stack([weights[0], weights[0] + weights[1]])
    degree = np.bincount(graph.user, minlength=2).tolist() + np.bincount(graph.item, minlength=3).tolist()
    for node in range(5):
        parts = [torch.zeros(weights.shape[2]) for _ in range(2)]
        for user, item, level in zip(graph.user, graph.item, graph.level, strict=True):
            for receiver, sender in ((user, 2 + item), (2 + item, user)):
                if receiver == node:
                    both = (degree[receiver] * degree[sender]) ** 0.5
                    parts[level] = parts[level] + weights[level, sender] / (
                        both if normalisation == "symmetric" else degree[receiver]
                    )
        wanted = torch.relu(torch.cat(parts) if accumulation == "stack" else parts[0] + parts[1])
        torch.testing.assert_close(found[node], wanted)


@pytest.mark.parametrize(("bases", "levels"), [(1, 5), (2, 5), (2, 10), (7, 3), (2, 1)])
def test_the_decoder_starts_from_polynomials_in_the_level_whatever_the_seed(bases: int, levels: int):
    starts = []
    for seed in range(2):
        torch.manual_seed(seed)
        starts.append(
            Gcmc(GcmcConfig(hidden=10, dim=3, bases=bases, features=False), Sizes((2, 2), levels)).mix.detach()
        )
    told = min(bases, levels - 1)
    assert torch.equal(starts[0][:told], starts[1][:told])
    assert not len(starts[0][told:]) or not torch.equal(starts[0][told:], starts[1][told:])
    polynomials = starts[0][:told]
    length = 2 * levels / (bases + levels)
    torch.testing.assert_close(polynomials @ polynomials.T, length * torch.eye(told))
    torch.testing.assert_close(polynomials.sum(dim=1), torch.zeros(told))
    for degree, polynomial in enumerate(polynomials, start=1):
        differences = polynomial.diff(n=degree)
        assert differences[0] > 0
        torch.testing.assert_close(differences, differences[:1].expand_as(differences), rtol=1e-3, atol=1e-5)


def test_two_forms_can_tell_any_mean_and_spread_from_the_start():
    mix = Gcmc(GcmcConfig(hidden=10, dim=3, features=False), Sizes((2, 2), 5)).mix.detach().double()
    level = torch.arange(1.0, 6, dtype=torch.float64)
    for mean, spread in ((1.5, 0.6), (3.0, 2.0), (4.4, 0.9)):
        wanted = (-((level - mean) ** 2) / (2 * spread**2)).softmax(0)
        logits = wanted.log() - wanted.log().mean()
        weight = torch.linalg.lstsq(mix.T, logits[:, None]).solution
        torch.testing.assert_close((mix.T @ weight)[:, 0].softmax(0), wanted, rtol=1e-4, atol=1e-6)


def test_a_distribution_over_half_stars_adds_up_to_one_and_its_mean_is_the_prediction():
    halves = tuple(number / 2 for number in range(1, 11))
    data = ratings_of([(u, i, halves[(u * 3 + i) % 10]) for u, i in every_pair(8, 8)], 8, 8, levels=halves)
    model = small(epochs=20)
    model.fit(data)
    wanted = pairs(data, *every_pair(8, 8))
    found = model.distribution(*wanted)
    assert (found.shape, found.dtype) == ((64, 10), np.float32)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert model.predict(*wanted) == pytest.approx(found @ np.array(halves), abs=1e-5)


@pytest.mark.parametrize("settings", [{}, {"features": False, "biases": True}, {"normalisation": "symmetric"}])
def test_a_new_user_and_a_new_item_are_answered_from_their_first_ratings_without_training(settings: dict[str, Any]):
    data = tiny()
    model = small(**settings)
    model.fit(data)
    now = later(data)
    folded = model.fold_in(now)
    assert folded.trained is model.trained
    loud, quiet = folded.predict(*pairs(now, (11, 2), (11, 7)))
    assert loud > quiet + 0.5
    mine, other = folded.predict(*pairs(now, (9, 9), (2, 9)))
    assert mine > other + 0.5
    asked = pairs(now, (0, 0), (11, 2), (9, 9), (12, 10), (13, 0))
    assert folded.standing("users", asked[0]).tolist() == ["trained", "folded in", "trained", "cold", "cold"]
    assert folded.standing("items", asked[1]).tolist() == ["trained", "trained", "folded in", "cold", "trained"]
    assert np.isfinite(folded.predict(*asked)).all()
    assert model.standing("users", pairs(data, (11, 9))[0]).tolist() == ["cold"]
    assert folded.report()["standing"]["users"] == {"cold": 2, "folded in": 1, "trained": 11}


def test_a_user_without_ratings_is_answered_from_the_fields_and_otherwise_as_the_average_one():
    data = tiny()
    model = small()
    model.fit(data)
    loud, quiet = model.predict(*pairs(data, (11, 1), (11, 7)))
    assert quiet > loud
    plain = small(features=False)
    plain.fit(data)
    everybody = plain.predict(*pairs(data, *[(user, 1) for user in range(11)]))
    assert everybody.min() < plain.predict(*pairs(data, (11, 1)))[0] < everybody.max()


def test_whom_a_user_follows_is_read_as_a_field():
    def followed(seed: int) -> UserItemData:
        data = tiny(user_fields={})
        row = data.users.index_of([f"u{number}" for number in range(12)])
        source, target = row[[11, 10, 9, 1, 2]], row[[6, 6, 6, 0, 0]]
        follows = relation(12, 12, source, target).forward
        return UserItemData(data.train, data.users, data.items, levels=data.levels, follows=follows, seed=seed)

    data = followed(0)
    fields = fit_fields(data, GcmcSettings.from_flat(SMALL).fields)
    users, _ = fields.matrices(data)
    assert sorted(fields.followed) == ["u0", "u6"]
    assert users.sum() == 5
    without = UserItemData(data.train, data.users, data.items, levels=data.levels)
    assert fields.matrices(without)[0].shape == users.shape
    assert data.follows is not None
    year_3000 = np.where(data.follows.indices == data.users.index_of(["u0"])[0], -1, 32_503_680_000_000)
    dated = replace(data, follows=replace(data.follows, time=year_3000))
    assert fields.matrices(dated)[0].sum() == 2, "what is dated after now has not happened"
    assert fit_fields(dated, GcmcSettings.from_flat(SMALL).fields).followed == ("u0",)
    model = small(epochs=5)
    model.fit(data)
    assert np.isfinite(model.predict(*pairs(data, *every_pair(12, 10)))).all()


def test_an_interrupted_training_goes_on_to_the_same_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = tiny(workdir=tmp_path / "work")
    whole = small(epochs=12, check_every=5)
    whole.fit(tiny())
    loss, steps = GcmcTask.loss, []

    def interrupted(task: GcmcTask, batch: Any) -> Any:
        steps.append(1)
        if len(steps) == 8:
            raise KeyboardInterrupt
        return loss(task, batch)

    monkeypatch.setattr(GcmcTask, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small(epochs=12, check_every=5).fit(data)
    assert len(list((tmp_path / "work" / "checkpoints").iterdir())) == 1
    again = small(epochs=12, check_every=5)
    again.fit(data)
    assert len(steps) == 8 + 7
    wanted = pairs(data, *every_pair(12, 10))
    assert (again.predict(*wanted) == whole.predict(*wanted)).all()


def test_a_stack_keeps_the_checkpoints_of_its_two_fits_apart(tmp_path: Path):
    data = tiny(workdir=tmp_path / "work")
    for _ in range(2):  # the second goes on from both
        Stacking(parts="bias,gcmc", gcmc={**SMALL, "epochs": 3}).fit(data)
    assert len(list((tmp_path / "work").rglob("checkpoints"))) == 2


def test_wrong_ratings_fields_levels_and_settings_are_named():
    refuses_a_rating_outside_the_levels(small())
    with pytest.raises(DataError, match="length"):
        small().fit(tiny(item_fields={"length": ("numeric", [float("inf"), *range(9)])}))
    model = small(epochs=1)
    model.fit(tiny())
    with pytest.raises(InputError, match="levels"):
        model.fold_in(ratings_of([(0, 0, 1.0)], 1, 1, levels=(1.0, 2.0)))
    for wrong in (
        {"accumulation": "mean"},
        {"normalisation": "right"},
        {"bases": 0},
        {"dropout": 1.0},
        {"batch_size": -1},
        {"magic": 1},
    ):
        with pytest.raises(ConfigError, match="gcmc"):
            GcmcPredictor.from_settings(wrong)


def test_a_damaged_or_foreign_model_is_refused(tmp_path: Path):
    data = tiny()
    model = small(epochs=1)
    model.fit(data)
    model.save(tmp_path / "model")
    manifest = tmp_path / "model" / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, "kind": "pinsage"}))
    with pytest.raises(CorruptFileError, match="not a GC-MC"):
        GcmcPredictor.load(tmp_path / "model", data)
    manifest.write_text(json.dumps(facts))
    nodes = tmp_path / "model" / "nodes.json"
    nodes.write_text(nodes.read_text().replace("u3", "x3"))
    with pytest.raises(CorruptFileError, match=r"nodes\.json"):
        GcmcPredictor.load(tmp_path / "model", data)


def test_a_loaded_model_answers_under_other_row_numbers_and_about_later_data(tmp_path: Path):
    data = tiny()
    model = small(epochs=30, biases=True)
    model.fit(data)
    model.save(tmp_path / "model")
    other = renumbered(data)
    found = GcmcPredictor.load(tmp_path / "model", other).predict(*pairs(other, *every_pair(12, 10)))
    assert found == pytest.approx(model.predict(*pairs(data, *every_pair(12, 10))), abs=1e-5)
    now = later(data)
    wanted = pairs(now, *every_pair(14, 11))
    assert (GcmcPredictor.load(tmp_path / "model", now).predict(*wanted) == model.fold_in(now).predict(*wanted)).all()


def test_the_methods_are_found_by_name():
    for name, reads_fields in (("gcmc", False), ("gcmc-features", True)):
        method = find_user_method(name)
        network = method.make(method.configuration({"gcmc": {"dim": 5}})).settings.network
        assert (network.features, network.dim) == (reads_fields, 5)
