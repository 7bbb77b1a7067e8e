"""LightGCN propagates as in the paper, learns, and answers what comes later from its first edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch_geometric.nn import LGConv

from engine.errors import ConfigError
from engine.models.lightgcn.config import LightGcnConfig, LightGcnSettings
from engine.models.lightgcn.model import LightGcn
from engine.models.lightgcn.scorer import LightGcnScorer
from engine.models.lightgcn.task import LightGcnTask
from engine.models.user_item import UserItemData
from engine.models.user_methods import find_user_method
from engine.models.user_steps import start_from_spectrum
from tests.unit.models.model_checks import TaskChecks
from tests.unit.models.ranking_checks import (
    FoldInApartChecks,
    KeptChecks,
    RankingChecks,
    check_goes_on,
    likes,
    scores_of,
    two_tastes,
)

SMALL: dict[str, Any] = {"dim": 8, "layers": 2, "batch_size": 5, "negatives": 6, "epochs": 40, "check_every": 20}


PAIRS: dict[str, Any] = {"loss": "bpr", "epochs": 100, "learning_rate": 0.05, "decay": 1.0}


def task_of(data: UserItemData, **more: Any) -> LightGcnTask:
    edges = data.seen()[np.diff(data.seen().indptr) > 0]
    edges = edges[:, np.bincount(edges.indices, minlength=edges.shape[1]) > 0]
    torch.manual_seed(0)
    settings = LightGcnSettings.from_flat({**SMALL, **more})
    return LightGcnTask(LightGcn(settings.network, edges), edges, settings)


def small(**more: Any) -> LightGcnScorer:
    return LightGcnScorer.from_settings({**SMALL, **more})


class TestLightGcn(RankingChecks, KeptChecks, FoldInApartChecks, TaskChecks):
    def make(self) -> LightGcnScorer:
        return small()

    def task(self, data: UserItemData) -> LightGcnTask:
        return task_of(data)


class TestByPairs(RankingChecks, KeptChecks, FoldInApartChecks, TaskChecks):
    """With the paper's loss."""

    def make(self) -> LightGcnScorer:
        return small(**PAIRS)

    def task(self, data: UserItemData) -> LightGcnTask:
        return task_of(data, **PAIRS)


def test_embeddings_are_those_of_the_papers_propagation():
    dense = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0]], np.float32)
    model = LightGcn(LightGcnConfig(dim=5, layers=3), csr_array(dense))
    user, item = (torch.from_numpy(part) for part in dense.nonzero())
    both = torch.stack([torch.cat([user, item + 4]), torch.cat([item + 4, user])])
    layer = torch.cat([model.users, model.items])
    layers = [layer]
    for _ in range(3):
        layers.append(LGConv()(layers[-1], both))
    expected = torch.stack(layers).mean(dim=0)
    torch.testing.assert_close(torch.cat(model()), expected)


def test_pairs_cost_what_the_paper_says():
    """Equation 15 of the paper without its penalty: -ln sigmoid(y_ui - y_uj), of items that the user has not."""
    data = two_tastes()
    task = task_of(data, **PAIRS)
    chosen, against = task.batch(0)
    users, items = (part.detach() for part in task.model())
    scores = users[chosen] @ items.T
    seen = task.edges.toarray()[chosen] > 0
    rows, columns = np.repeat(np.arange(len(chosen)), np.diff(against.pairs.indptr)), against.pairs.indices
    assert seen[rows[::2], columns[::2]].all()
    assert not seen[rows[1::2], columns[1::2]].any()
    lost = torch.nn.functional.softplus(scores[rows[1::2], columns[1::2]] - scores[rows[::2], columns[::2]])
    torch.testing.assert_close(against.loss(users[chosen], items), lost.mean())


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_what_is_known_of_training_is_the_models_final_embedding(loss: str):
    data = two_tastes()
    model = small(epochs=3, loss=loss)
    model.fit(data)
    learned = model._learned
    edges = data.seen()[data.users.index_of(learned.ids["users"])][:, data.items.index_of(learned.ids["items"])]
    network = LightGcn(LightGcnConfig(dim=8, layers=2), edges)
    with torch.no_grad():
        network.users.copy_(torch.from_numpy(learned.arrays["user_own"] * 3))
        network.items.copy_(torch.from_numpy(learned.arrays["item_own"] * 3))
        users, items = (
            (torch.nn.functional.normalize(part) if loss == "softmax" else part).numpy() for part in network()
        )
    assert model.user_vectors[data.users.index_of(learned.ids["users"])] == pytest.approx(users, abs=1e-5)
    length = np.bincount(edges.indices, minlength=edges.shape[1]) ** (0.05 if loss == "softmax" else 0.0)
    assert model.item_vectors[data.items.index_of(learned.ids["items"])] == pytest.approx(
        items * length[:, None], abs=1e-5
    )


def test_training_starts_from_the_singular_vectors_of_the_graph():
    dense = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0]], np.float32)
    users, items = torch.zeros(4, 5), torch.zeros(3, 5)
    start_from_spectrum(users, items, csr_array(dense), seed=0)
    assert not users[:, 3:].any()
    assert [np.square(table).sum(axis=1).mean() for table in (users.numpy(), items.numpy())] == pytest.approx([1, 1])
    graph = dense / np.sqrt(dense.sum(axis=1, keepdims=True) * dense.sum(axis=0))
    found = (users @ items.T).numpy()
    assert found * (graph.sum() / found.sum()) == pytest.approx(graph, abs=1e-5)


def test_a_later_user_and_a_later_item_are_answered_from_their_first_edges_and_it_says_so():
    data = two_tastes()
    model = small()
    model.fit(data)
    seen = data.seen()
    users = data.users.index_of([f"u{user}" for user in range(12)])
    items = data.items.index_of([f"i{item}" for item in range(10)])
    known = [(user, item) for user in range(12) for item in range(10) if seen[users[user], items[item]]]
    now = likes([*known, (13, 0), (13, 1), *((user, 11) for user in range(6))], 15, 12)
    later = model.fold_in(now)
    found = scores_of(later, now)
    assert found[13, :5].min() > found[13, 5:10].max()
    assert found[:6, 11].min() > found[6:12, 11].max()
    rows = now.users.index_of(["u0", "u13", "u14"])
    assert later.standing("users", rows).tolist() == ["trained", "folded in", "cold"]
    rows = now.items.index_of(["i0", "i11", "i10"])
    assert later.standing("items", rows).tolist() == ["trained", "folded in", "cold"]
    assert later.report()["standing"]["items"] == {"cold": 1, "folded in": 1, "trained": 10}


def test_an_interrupted_training_goes_on_to_the_same_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    check_goes_on(lambda: small(epochs=6, check_every=2), LightGcnTask, tmp_path / "work", monkeypatch)


def test_settings_out_of_range_are_named():
    make = find_user_method("lightgcn").make
    for wrong in (
        {"layers": 0},
        {"temperature": 0.0},
        {"batch_size": 0},
        {"negatives": -1},
        {"loss": "hinge"},
        {"popularity": -0.1},
        {"magic": 1},
    ):
        with pytest.raises(ConfigError, match="lightgcn"):
            make(wrong)
