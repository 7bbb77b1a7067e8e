"""PinSage learns, repeats itself, and does not care about row numbers, batches or how it was stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from board_world import BOARDS, ITEMS, SMALL, item_table, world
from numpy.typing import NDArray

from engine.errors import ConfigError, CorruptFileError, TrainingError
from engine.features.encoder import fit_features
from engine.graph.snapshot_csr import relation
from engine.hashing import keys64
from engine.models.base import ItemScorer, RelatedData
from engine.models.pinsage.batches import bared, node_batch
from engine.models.pinsage.config import PinSageSettings
from engine.models.pinsage.embed import NewItemEmbedder, embed_content, walked
from engine.models.pinsage.files import SETTINGS, load_model
from engine.models.pinsage.inputs import ContentBatch, take_content, without_some
from engine.models.pinsage.scorer import PinSageScorer, new_model
from engine.models.ranking import stand_all
from engine.sampling.walks import neighbourhoods_of_new
from engine.types import CSR, ItemContextGraph, Neighbourhoods

ALL = np.arange(ITEMS, dtype=np.int32)


@pytest.fixture(scope="module")
def trained() -> PinSageScorer:
    scorer = PinSageScorer.from_settings(SMALL)
    scorer.fit(world())
    return scorer


def hit(scorer: ItemScorer, data: RelatedData) -> float:
    return float(stand_all(scorer.score, data.validation).hit(19).mean())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "max-margin"},
        {"loss": "max-margin", "hard_negatives": False},
        {"pooling": "mean"},
        {"content_only": True},
        {"residual": False},
        {"item_bias": False},
    ],
    ids=str,
)
def test_it_learns_the_topics_of_a_tiny_world(settings: dict[str, Any]) -> None:
    scorer = PinSageScorer.from_settings({**SMALL, "epochs": 12, "patience": 12, **settings})
    data = world()
    scorer.fit(data)
    assert scorer.progress.losses[-1] < scorer.progress.losses[0]
    assert hit(scorer, data) > 0.6  # 19 others share the query's topic; by chance .24
    assert np.isfinite(scorer.score(ALL[:3])).all()
    json.dumps(scorer.report())


def test_the_same_seed_gives_the_same_embeddings_and_another_seed_others(trained: PinSageScorer) -> None:
    again, other = PinSageScorer.from_settings(SMALL), PinSageScorer.from_settings(SMALL)
    again.fit(world())
    other.fit(world(seed=1))
    assert np.array_equal(again.vectors, trained.vectors)
    assert not np.allclose(other.vectors, trained.vectors, atol=1e-3)


def test_the_order_in_which_items_come_changes_nothing(trained: PinSageScorer) -> None:
    shuffled = PinSageScorer.from_settings(SMALL)
    shuffled.fit(world(order=np.random.default_rng(3).permutation(ITEMS)))
    assert np.array_equal(shuffled.vectors, trained.vectors)


def test_renumbering_rows_permutes_the_embeddings(trained: PinSageScorer) -> None:
    data, order = world(), np.random.default_rng(5).permutation(ITEMS)
    place = np.argsort(order).astype(np.int32)  # old row -> new row
    graph = data.graph
    held = graph.context_to_item
    lists = [graph.item_to_context.row(row) for row in order]  # in the order that walks see them
    graph = ItemContextGraph(
        CSR(np.cumsum([0, *map(len, lists)]), np.concatenate(lists)),
        CSR(held.indptr, place[held.indices]),
        graph.item_key[order],
        graph.context_key,
    )
    content = trained.content
    renumbered = type(content)(content.tokens[order], content.dense[order])
    every = walked(graph, ALL, trained.model.config)
    assert np.allclose(embed_content(trained.model, renumbered, every), trained.vectors[order], atol=1e-5)


def test_a_batch_of_queries_scores_as_each_alone(trained: PinSageScorer) -> None:
    together = trained.score(ALL[:7])
    assert np.allclose(together, np.concatenate([trained.score(ALL[n : n + 1]) for n in range(7)]), atol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"content_only": True}, {"layers": 1}, {"layers": 3}], ids=str)
def test_layer_wise_embedding_equals_the_mini_batch_forward(settings: dict[str, Any]) -> None:
    data, chosen = world(), PinSageSettings.from_flat({**SMALL, **settings})
    encoder = fit_features(data.items, chosen.features)
    model = new_model(chosen, encoder, data).eval()
    content, every = encoder.content(data.items), walked(data.graph, ALL, chosen.network)
    whole = embed_content(model, content, every)
    targets = np.array([5, 3, 3, 79, 0], dtype=np.int32)
    top = Neighbourhoods(every.idx[targets], every.weight[targets])
    batch = node_batch(targets, top, every, content, len(model.layers))
    with torch.no_grad():
        assert np.allclose(model(batch).numpy(), whole[targets], atol=1e-5)


def test_a_mini_batch_holds_each_node_once_below_the_top() -> None:
    data, chosen = world(), PinSageSettings.from_flat(SMALL)
    encoder = fit_features(data.items, chosen.features)
    every = walked(data.graph, ALL, chosen.network)
    targets = np.repeat(ALL, 3)
    top = Neighbourhoods(every.idx[targets], every.weight[targets])
    batch = node_batch(targets, top, every, encoder.content(data.items), 2)
    assert len(batch.content) <= ITEMS
    assert len(batch.blocks[0].own) <= ITEMS
    assert len(batch.blocks[1].own) == len(targets)


def test_bared_nodes_lose_all_their_neighbours_or_none() -> None:
    every = walked(world().graph, ALL, PinSageSettings.from_flat(SMALL).network)
    thinned = bared(every, 0.5, np.random.default_rng(0)).weight
    gone = (thinned == 0).all(axis=1)
    assert 0.2 < gone.mean() < 0.8
    assert np.array_equal(thinned[~gone], every.weight[~gone])


def test_tokens_are_left_out_one_by_one_and_the_rest_weigh_more() -> None:
    data, rng = world(), np.random.default_rng(0)
    content = fit_features(data.items, PinSageSettings.from_flat(SMALL).features).content(data.items)
    whole = take_content(content, ALL)
    assert without_some(whole, 0.0, rng) is whole

    def weight_of_each(batch: ContentBatch) -> NDArray[np.float64]:
        item = np.searchsorted(batch.offset.numpy(), np.arange(len(batch.token)), side="right") - 1
        dense = np.zeros((ITEMS, content.tokens.shape[1]))
        np.add.at(dense, (item, batch.token.numpy()), batch.weight.numpy())
        return dense

    wanted = weight_of_each(whole)
    assert np.allclose(wanted, content.tokens.toarray())
    drawn = [weight_of_each(without_some(whole, 0.3, rng)) for _ in range(400)]
    assert np.isin(np.round(drawn[0][wanted > 0] / wanted[wanted > 0], 4), [0.0, np.round(1 / 0.7, 4)]).all()
    assert np.allclose(np.mean(drawn, axis=0), wanted, atol=0.15)


def test_items_without_edges_and_without_fields_are_embedded_and_ranked(trained: PinSageScorer) -> None:
    data = world()
    cold = np.flatnonzero(data.graph.item_to_context.degrees() == 0)
    assert len(cold) == 4
    assert np.allclose(np.linalg.norm(trained.vectors, axis=1), 1, atol=1e-5)
    scores = trained.score(cold.astype(np.int32))
    assert np.isfinite(scores).all()


def test_a_saved_model_embeds_as_before(trained: PinSageScorer, tmp_path: Path) -> None:
    trained.save(tmp_path / "model")
    model, encoder, settings = load_model(tmp_path / "model")
    data = world()
    assert settings == trained.settings
    every = walked(data.graph, ALL, settings.network)
    again = embed_content(model, encoder.content(data.items, data.graph, data.contexts), every)
    assert np.array_equal(again, trained.vectors)


@pytest.mark.parametrize("name", ["weights.pt", "settings.json", "features.npz", "features.json", "manifest.json"])
def test_a_damaged_model_is_refused(trained: PinSageScorer, tmp_path: Path, name: str) -> None:
    trained.save(tmp_path / "model")
    file = tmp_path / "model" / name
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(CorruptFileError, match="model"):
        load_model(tmp_path / "model")


def test_a_model_whose_files_do_not_fit_is_refused(trained: PinSageScorer, tmp_path: Path) -> None:
    from engine.files import MANIFEST, seal_folder

    trained.save(tmp_path / "model")
    path = tmp_path / "model" / SETTINGS
    stored = json.loads(path.read_text())
    stored["settings"]["network"]["dim"] = 8
    path.write_text(json.dumps(stored))
    (tmp_path / "model" / MANIFEST).unlink()
    seal_folder(tmp_path / "model", {"kind": "pinsage", "format": 1})
    with pytest.raises(CorruptFileError, match="do not fit"):
        load_model(tmp_path / "model")
    (tmp_path / "model" / MANIFEST).unlink()
    seal_folder(tmp_path / "model", {"kind": "another", "format": 1})
    with pytest.raises(CorruptFileError, match="not a PinSage"):
        load_model(tmp_path / "model")


def test_a_new_item_lands_among_its_topic_and_as_if_it_had_been_there(trained: PinSageScorer) -> None:
    data = world()
    content = trained.encoder.content(data.items, data.graph, data.contexts)
    embedder = NewItemEmbedder(trained.model, trained.encoder, content, data.graph, data.contexts)
    topic_of = {i: int(i[1:]) % 4 for i in data.items.ids}
    of_topic = [row for row, i in enumerate(data.items.ids) if topic_of[i] == 2]
    boards = np.unique(np.concatenate([data.graph.item_to_context.row(row)[:1] for row in of_topic if row % 2]))[:3]
    table = item_table(["new"], [["topic2"]], [2.0])
    around = neighbourhoods_of_new(data.graph, [boards], keys64(["new"]), embedder.walk)
    for held, near in (
        ([boards], around),
        ([boards[:0]], Neighbourhoods(np.full((1, 8), -1, np.int32), np.zeros((1, 8), np.float32))),
    ):
        vector = embedder.embed(table, held, near)
        assert vector.shape == (1, 16)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        nearest = np.argsort(-(trained.vectors @ vector[0]))[:10]
        assert np.mean([topic_of[data.items.ids[row]] == 2 for row in nearest]) > 0.6
    known = ALL[7:8]
    every = walked(data.graph, ALL, trained.model.config)
    same = embedder.embed(
        type(table)(
            data.items.ids,
            data.items.key,
            data.items.corpus,
            data.items.corpora,
            data.items.fields,
        ),
        [data.graph.item_to_context.row(row) for row in ALL],
        every,
    )
    assert np.allclose(same[known], trained.vectors[known], atol=1e-5)


def test_no_pairs_no_training() -> None:
    data = world()
    one_each = relation(BOARDS, ITEMS, np.arange(BOARDS, dtype=np.int32), np.arange(BOARDS, dtype=np.int32))
    graph = ItemContextGraph(one_each.backward, one_each.forward, data.graph.item_key, data.graph.context_key)
    with pytest.raises(TrainingError, match="no positive pairs"):
        PinSageScorer.from_settings(SMALL).fit(RelatedData(graph=graph, items=data.items))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"layerz": 2}, "layerz"),
        ({"layers": 0}, "layers"),
        ({"layers": "two"}, "layers"),
        ({"layers": True}, "layers"),
        ({"pooling": "max"}, "pooling"),
        ({"loss": "hinge"}, "loss"),
        ({"margin": 0.0}, "margin"),
        ({"held_out": 1.0}, "held_out"),
        ({"hard_rank_low": 9, "hard_rank_high": 9}, "hard_rank_low"),
        ({"batch_size": 0}, "batch_size"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"components": 0}, "components"),
        ({"restart": 1.0}, "restart"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        PinSageSettings.from_flat(settings)
