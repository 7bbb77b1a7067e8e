"""Models about users and items, from the graph to answers: published beside what serves, and true to it."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from engine import Engine
from engine.datasets.folder_write import write_dataset
from engine.errors import ConfigError, InputError, NotReadyError, UnknownNameError, UnknownNodeError
from engine.graph.connection import Graph
from engine.models.gcmc.task import GcmcTask
from engine.models.user_item import VectorScorer
from engine.serving import taken, user_items
from engine.settings import Settings
from tests.e2e.command import cli

pytestmark = pytest.mark.graph
QUICK = {"epochs": 60, "dropout": 0.2}


@pytest.fixture(scope="module")
def tastes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 users of two kinds rate 24 films of two kinds: their own high, the others low."""
    rng = np.random.default_rng(0)
    rows = [(u, i) for u in range(40) for i in range(24) if rng.random() < 0.5]
    return write_dataset(
        tmp_path_factory.mktemp("tastes") / "tastes",
        "tastes",
        items={
            "item_id": [f"film-{i}" for i in range(24)],
            "title": [f"Film {i}" for i in range(24)],
            "corpus": ["ads" if i >= 22 else "organic" for i in range(24)],
        },
        users={"user_id": [f"user-{u}" for u in range(41)]},  # the last has rated nothing
        interactions={
            "user_id": [f"user-{u}" for u, _ in rows],
            "item_id": [f"film-{i}" for _, i in rows],
            "rating": [5.0 if (u + i) % 2 == 0 else 1.0 for u, i in rows],
            "time": list(range(len(rows))),
        },
        item_fields={"title": "text"},
    ).path


@pytest.fixture
def engine(settings: Settings, graph: Graph, tastes: Path):
    del graph  # it empties the database
    with Engine(settings) as opened:
        opened.ingest(tastes)
        yield opened


def test_a_rating_model_is_published_beside_what_serves_and_predicts(engine: Engine):
    with pytest.raises(NotReadyError, match="no model about users and items is published"):
        engine.predict("user-0", "film-1")
    with pytest.raises(NotReadyError, match="no model 'gcmc' is published"):
        engine.predict("user-0", "film-1", model="gcmc")
    with pytest.raises(UnknownNameError, match="there is no model 'gcnc'"):
        engine.build("gcnc")
    with pytest.raises(ConfigError, match="epohs"):
        engine.build("gcmc", {"epohs": 3})
    built = engine.build("gcmc", QUICK)
    assert (built.slot, built.serving) == ("gcmc", True)
    assert engine.registry.generations.serving() is None
    assert {name: one.id for name, one in engine.published_models().items()} == {"gcmc": built.id}
    liked, disliked = engine.predict("user-0", "film-2"), engine.predict("user-0", "film-3")
    assert liked.rating > 3.5 > 2.5 > disliked.rating
    assert liked.distribution is not None
    assert list(liked.distribution) == [1.0, 5.0]
    assert math.isclose(sum(liked.distribution.values()), 1, abs_tol=1e-5)
    assert (liked.generation, liked.watermark) == (built.id, built.watermark)
    with pytest.raises(UnknownNodeError, match="film-99"):
        engine.predict("user-0", "film-99")
    with pytest.raises(UnknownNodeError, match="user-99"):
        engine.predict("user-99", "film-1")


def test_training_takes_no_more_threads_than_are_set_and_tells_how_many(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    del engine  # it fills the graph
    seen = set[int]()
    monkeypatch.setattr(GcmcTask, "validate", lambda self: seen.add(torch.get_num_threads()))
    before = torch.get_num_threads()
    with Engine(settings.model_copy(update={"threads": 1})) as single:
        single.build("gcmc", {"epochs": 2})
    (told,) = (settings.home / "models").glob("*/training.json")
    assert json.loads(told.read_text())["threads"] == 1
    assert seen == {1}
    assert torch.get_num_threads() == before


def test_a_rating_model_ranks_what_the_user_has_not(engine: Engine):
    engine.build("gcmc", QUICK)
    have = {row["item_id"] for row in engine.cypher("inspect/user_history", user_id="user-0", limit=100)}
    answer = engine.recommend("user-0", 5)
    assert (answer.method, answer.corpus, answer.k) == ("gcmc", "organic", 5)
    assert not have & set(answer.ids)
    scores = [item.score for item in answer]
    assert scores == sorted(scores, reverse=True)
    assert all(int(item.item_id.removeprefix("film-")) % 2 == 0 for item in answer if item.score > 3)
    hidden = engine.recommend("user-0", 5, exclude=[answer.ids[0]], where={"title": answer.items[1].title})
    assert hidden.ids == (answer.ids[1],)
    assert "only 1" in str(hidden.reason)
    everything = engine.recommend("user-0", 1000)
    assert len(everything) == 22 - len({one for one in have if int(one.removeprefix("film-")) < 22})


def test_of_many_items_a_rating_model_ranks_those_that_alike_users_take_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(user_items, "CANDIDATES", 6)
    engine.build("gcmc", {**QUICK, "epochs": 20})
    taken = defaultdict[str, set[str]](set)
    edges = "MATCH (u:User)-[:INTERACTED]->(i:Item {corpus: 'organic'}) RETURN u.user_id AS user, i.item_id AS item"
    for row in engine.graph.read(edges):
        taken[row["user"]].add(row["item"])
    have = taken["user-0"]
    near = {
        item: sum(len(have & theirs) for theirs in taken.values() if item in theirs)
        for item in set().union(*taken.values()) - have
    }
    whole = engine.recommend("user-0", 6)
    assert len(near) > 6 == len(whole)
    least = sorted(near.values())[-6]
    assert {item for item in near if near[item] > least} <= set(whole.ids) <= {i for i in near if near[i] >= least}
    told = {item: engine.predict("user-0", item).rating for item in whole.ids}
    assert list(whole.ids) == sorted(told, key=lambda item: -told[item])
    assert [item.score for item in whole] == pytest.approx(list(told.values()), abs=1e-5)
    assert whole.reason == "the best of the 6 items most taken up by alike users"
    best = engine.recommend("user-0", 3)
    assert (best.method, best.ids, best.reason) == ("gcmc", whole.ids[:3], whole.reason)
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions([{"user_id": "late", "item_id": f"film-{i}", "rating": 5.0} for i in (2, 4)])
    late = engine.recommend("late", 3)
    assert not {"film-2", "film-4"} & set(late.ids)
    assert "answered from 2 of their items in the graph" in str(late.reason)
    assert str(late.reason).endswith(whole.reason)
    all_but_one = len(near) - 1  # more than the candidates are
    assert len(engine.recommend("user-0", all_but_one)) == all_but_one
    assert engine.recommend("user-0", len(near)).reason is None


def test_a_user_of_whom_nothing_is_known_gets_what_is_popular_and_is_told(engine: Engine):
    engine.build("gcmc", QUICK)
    answer = engine.recommend("user-40", 3)
    assert answer.method == "popularity"
    assert "nothing is known of what 'user-40' takes up" in str(answer.reason)
    engine.add_users([{"user_id": "late"}])
    assert engine.recommend("late", 3).method == "popularity"
    with pytest.raises(UnknownNodeError, match="nobody"):
        engine.recommend("nobody")


def test_a_user_who_came_later_is_answered_from_their_first_items(engine: Engine):
    engine.build("gcmc", QUICK)
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions([{"user_id": "late", "item_id": f"film-{i}", "rating": 5.0} for i in (2, 4)])
    answer = engine.recommend("late", 4)
    assert not {"film-2", "film-4"} & set(answer.ids)
    assert len(answer) == 4
    assert "answered from 2 of their items in the graph" in str(answer.reason)
    liked, disliked = engine.predict("late", "film-6"), engine.predict("late", "film-7")
    assert liked.rating > 3 > disliked.rating
    assert "2 items of the user that are newer than the generation" in liked.rests_on
    alike = engine.similar_users("late", 3)
    assert (len(alike), alike.method) == (3, "shared items")


@pytest.mark.parametrize("model", ["gcmc", "gcmc-features"])
def test_an_item_that_came_later_is_answered_from_its_first_ratings(engine: Engine, model: str):
    engine.build(model, QUICK)
    engine.add_users([{"user_id": "late"}])
    engine.add_items([{"item_id": "new", "title": "New"}, {"item_id": "untouched", "title": "Film 2"}])
    rows = [(f"user-{u}", "new", 5.0 if u % 2 == 0 else 1.0) for u in range(6)]
    rows += [("late", "film-2", 5.0), ("late", "new", 5.0)]
    engine.add_interactions([{"user_id": u, "item_id": i, "rating": rating} for u, i, rating in rows])
    pairs = [("user-8", "new"), ("user-9", "new"), ("late", "film-6"), ("late", "new"), ("user-8", "untouched")]
    before = [engine.predict(*pair) for pair in pairs]
    liked, disliked, of_late, both, cold = before
    assert liked.rating > disliked.rating + 1
    folded_in = f"{model} was not trained on the item: folded in from the edges there are"
    assert "6 of 7 ratings of the item that are newer than the generation" in liked.rests_on
    assert folded_in in liked.rests_on
    assert "not trained on the item" not in of_late.rests_on
    assert "7 ratings of the item that are newer than the generation" in both.rests_on
    assert folded_in in both.rests_on
    assert f"{model} was not trained on the user: folded in from the edges there are" in both.rests_on
    assert "no ratings of the item, which is newer than the generation and answered as a cold one" in cold.rests_on
    assert f"{model} was not trained on the item: cold, no edge tells of it" in cold.rests_on
    assert "not trained on the user" not in cold.rests_on
    with pytest.raises(UnknownNodeError, match="there is no item 'film-99'"):
        engine.predict("user-8", "film-99")
    engine.refresh_models()
    for was, pair in zip(before, pairs, strict=True):
        now = engine.predict(*pair)
        if was is not cold:  # which is as the mean of what items receive, the new one among them now
            assert math.isclose(now.rating, was.rating, abs_tol=1e-4)
        assert "newer" not in now.rests_on
        assert now.rests_on.split("; ")[1:] == was.rests_on.split("; ")[1:]
    assert f"{model} was not trained on 'late': folded in" in str(engine.recommend("late", 3).reason)
    assert "not trained" not in str(engine.recommend("user-0", 3).reason)


def test_the_first_edges_of_an_item_that_nobody_had_are_enough_and_no_more_are_read_than_are_wanted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(taken, "MOST", 2)
    engine.add_items([{"item_id": "untouched"}])
    engine.build("gcmc", {**QUICK, "epochs": 3})
    assert "0 ratings of the item" in engine.predict("user-0", "untouched").rests_on
    engine.add_interactions([{"user_id": f"user-{u}", "item_id": "untouched", "rating": 5.0} for u in (3, 1, 2)])
    assert "2 of 3 ratings of the item that are newer" in engine.predict("user-0", "untouched").rests_on


def test_an_item_that_a_method_cannot_take_in_waits_for_the_next_build(engine: Engine):
    engine.build("mf", {"epochs": 2})
    engine.add_items([{"item_id": "new"}])
    with pytest.raises(NotReadyError, match="item 'new' is newer than generation"):
        engine.predict("user-0", "new")
    engine.refresh_models()
    assert 1 <= engine.predict("user-0", "new").rating <= 5


def test_alike_users_share_tastes_or_items(engine: Engine):
    engine.build("gcmc", QUICK)
    alike = engine.similar_users("user-0", 5)
    assert len(alike) == 5
    assert "user-0" not in alike.ids
    assert [one.score for one in alike] == sorted((one.score for one in alike), reverse=True)
    assert "user-0" in str(alike)


def test_a_model_is_rolled_back_in_its_own_slot_and_old_ones_are_collected(engine: Engine):
    ids = []
    for epochs in (3, 4, 5):
        ids.append(engine.build("gcmc", {**QUICK, "epochs": epochs}).id)
    assert engine.rollback(ids[0]).id == ids[0]
    assert engine.predict("user-0", "film-1").generation == ids[0]
    assert engine.rollback(ids[2]).id == ids[2]
    listed = {one.id: (one.slot, one.serving) for one in engine.generations()}
    assert listed == {ids[0]: ("gcmc", False), ids[1]: ("gcmc", False), ids[2]: ("gcmc", True)}
    assert engine.collect_garbage().deleted == ()
    with pytest.raises(InputError, match="answers no questions about related items"):
        engine.compare_generations(ids[0], ids[1])
    with pytest.raises(InputError, match="only related items have shadows"):
        engine.start_shadow(ids[0], 0.5)


def test_what_is_forgotten_withdraws_the_model_that_learned_from_it(engine: Engine):
    built = engine.build("gcmc", QUICK)
    (receipt,) = engine.forget("user", "user-3")
    assert not built.path.exists()
    assert not (engine.settings.home / "models").exists() or not any((engine.settings.home / "models").iterdir())
    assert receipt.removed["withdrawn"] == ["gcmc"]
    with pytest.raises(NotReadyError, match="no model 'gcmc' is published"):
        engine.recommend("user-0", model="gcmc")
    engine.build("gcmc", QUICK)
    with pytest.raises(UnknownNodeError, match="user-3"):
        engine.recommend("user-3")


def test_answers_print_and_turn_into_json(engine: Engine):
    engine.build("gcmc", QUICK)
    told = engine.predict("user-0", "film-2")
    assert "user-0 would rate film-2" in str(told)
    assert json.loads(told.to_json())["distribution"].keys() == {"1.0", "5.0"}
    assert json.loads(engine.similar_users("user-0", 2).to_json())["users"][0]["user_id"].startswith("user-")


def test_several_models_must_be_told_apart(engine: Engine):
    engine.build("gcmc", QUICK)
    engine.build("gcmc-features", {**QUICK, "epochs": 3})
    with pytest.raises(InputError, match="several models are published: gcmc, gcmc-features"):
        engine.recommend("user-0")
    assert engine.recommend("user-0", model="gcmc-features").method == "gcmc-features"
    engine.add_users([{"user_id": "one more"}])
    told = engine.status()
    assert {name: one.behind for name, one in told.models.items()} == {"gcmc": 1, "gcmc-features": 1}
    assert "gcmc-features: g0002" in str(told)


def test_a_method_that_keeps_nothing_is_fitted_when_it_is_opened(engine: Engine):
    built = engine.build("item-knn")
    assert not (built.path / "model").exists()
    answer = engine.recommend("user-0", 3)
    assert (answer.method, len(answer)) == ("item-knn", 3)
    with pytest.raises(InputError, match="'item-knn' ranks items and predicts no ratings"):
        engine.predict("user-0", "film-1")


def test_models_follow_the_graph_without_training(engine: Engine):
    engine.build("gcmc", QUICK)
    engine.build("item-knn")
    assert engine.refresh_models() == {}
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions([{"user_id": "late", "item_id": f"film-{i}", "rating": 5.0} for i in (2, 4)])
    before = engine.predict("late", "film-6", model="gcmc")
    made = engine.refresh_models()
    assert set(made) == {"gcmc", "item-knn"}
    assert made["gcmc"].until == engine.status().graph_watermark
    assert len(engine.registry.trainings.list()) == 2
    answer = engine.recommend("late", 3, model="item-knn")
    assert (answer.generation, answer.method, answer.reason) == (made["item-knn"].generation, "item-knn", None)
    now = engine.predict("late", "film-6", model="gcmc")
    assert now.rests_on.startswith("2 ratings of the user")
    assert math.isclose(now.rating, before.rating, abs_tol=1e-4)
    assert engine.refresh_models() == {}


def test_a_model_that_cannot_take_in_what_came_keeps_serving(engine: Engine):
    built = engine.build("gcmc", QUICK)
    engine.build("item-knn")
    engine.add_interactions([{"user_id": "user-0", "item_id": "film-1", "rating": 2.5}])
    with pytest.raises(InputError, match="levels"):
        engine.refresh_models()
    assert engine.predict("user-0", "film-2", model="gcmc").generation == built.id
    assert engine.recommend("user-0", model="item-knn").generation != built.id


def cosines_with(engine: Engine, user: str, model: str) -> tuple[str, dict[str, float]]:
    """What makes users alike by a model, and each user's cosine: of its vectors, or of sets of items where it has none."""
    one = engine.opened.user_model(model).recommender()
    by_vectors = isinstance(one.method, VectorScorer)
    rows = one.method.user_vectors if by_vectors else one.data.seen().toarray()
    users = list(one.data.users.ids)
    lengths = np.linalg.norm(rows, axis=1)
    inner, lengths = rows @ rows[users.index(user)], lengths * lengths[users.index(user)]
    cosines = np.divide(inner, lengths, out=np.zeros_like(inner), where=lengths > 0)
    return model if by_vectors else "shared items", dict(zip(users, cosines.tolist(), strict=True))


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("ease", {}),
        ("graph-filter", {}),
        ("als", {}),
        ("bpr", {}),
        ("lightgcn", {}),
        ("diffnet", {}),
        ("markov", {}),
        ("session-knn", {}),
        ("sasrec", {}),
        ("dgsr", {}),
        ("rank-fusion", {"parts": "item-knn,ease"}),
    ],
)
def test_every_ranking_model_answers_users_of_its_time_and_later_ones(engine: Engine, model: str, config: dict):
    built = engine.build(model, config)
    assert built.metrics.get("ann_recall", 1.0) >= engine.settings.gate.ann_recall
    have = {row["item_id"] for row in engine.cypher("inspect/user_history", user_id="user-0", limit=100)}
    answer = engine.recommend("user-0", 4)
    assert (answer.method, answer.generation, len(answer)) == (model, built.id, 4)
    assert not have & set(answer.ids)
    alike = engine.similar_users("user-0", 3)
    how, cosines = cosines_with(engine, "user-0", model)
    assert alike.method == how
    del cosines["user-0"]
    assert [one.score for one in alike] == pytest.approx(sorted(cosines.values(), reverse=True)[:3], abs=1e-5)
    assert [one.score for one in alike] == pytest.approx([cosines[one.user_id] for one in alike], abs=1e-5)
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions([{"user_id": "late", "item_id": f"film-{i}", "rating": 5.0} for i in (2, 4)])
    late = engine.recommend("late", 4)
    assert not {"film-2", "film-4"} & set(late.ids)
    assert "answered from 2 of their items in the graph" in str(late.reason)
    made = engine.refresh_models()
    now = engine.recommend("late", 4)
    assert (now.generation, now.method) == (made[model].generation, model)
    tells = model in ("lightgcn", "diffnet")
    assert (f"{model} was not trained on 'late': folded in" in str(now.reason)) == tells
    assert "not trained" not in str(engine.recommend("user-0", 4).reason)


def test_every_simple_ranking_answers_users_of_its_time_and_later_ones(engine: Engine):
    models = ("popularity", "recent-popularity", "content", "user-knn", "learned-fusion")
    built = {model: engine.build(model, {"parts": "item-knn,ease"} if "fusion" in model else {}) for model in models}
    have = {row["item_id"] for row in engine.cypher("inspect/user_history", user_id="user-0", limit=100)}
    for model in models:
        answer = engine.recommend("user-0", 4, model=model)
        assert (answer.method, answer.generation, len(answer)) == (model, built[model].id, 4)
        assert not have & set(answer.ids), model
        alike = engine.similar_users("user-0", 3, model=model)
        assert (alike.method, len(alike)) == ("shared items", 3)
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions([{"user_id": "late", "item_id": f"film-{i}", "rating": 5.0} for i in (2, 4)])
    for model in models:
        late = engine.recommend("late", 4, model=model)
        assert late.method == (model if model == "learned-fusion" else "items taken up together")
        assert not {"film-2", "film-4"} & set(late.ids), model
        assert "answered from 2 of their items in the graph" in str(late.reason)
    made = engine.refresh_models()
    for model in models:
        now = engine.recommend("late", 4, model=model)
        assert (now.generation, now.method, len(now)) == (made[model].generation, model, 4)


@pytest.mark.parametrize("model", ["als", "lightgcn", "item-knn"])
def test_everybody_at_once_gets_what_each_alone_does(engine: Engine, model: str):
    engine.build(model)
    lists = engine.recommend_all(5, model=model)
    table = pa.Table.from_batches(list(lists), lists.schema)
    assert len(lists.users) == 40  # user-40 has nothing
    assert set(table["user_id"].to_pylist()) == {f"user-{u}" for u in range(40)}
    told = json.loads(table.schema.metadata[b"engine"])
    assert (told["model"], told["corpus"]) == (model, "organic")
    for user in ("user-0", "user-17", "user-39"):
        rows = table.filter(pc.equal(table["user_id"], user))
        alone = engine.recommend(user, 5, model=model)
        assert told["generation"] == alone.generation
        assert rows["rank"].to_pylist() == [1, 2, 3, 4, 5]
        np.testing.assert_allclose(rows["score"], [item.score for item in alone], rtol=1e-4, atol=1e-5)
        assert set(rows["item_id"].to_pylist()) == set(alone.ids)


def test_everybodys_items_go_into_one_file(engine: Engine, settings: Settings, tmp_path: Path):
    engine.build("item-knn")
    engine.build("svdpp", {"epochs": 2})
    written = cli(settings, "recommend-all", str(tmp_path / "all.parquet"), "-k", "30", "--model", "item-knn")
    assert written.returncode == 0, written.stderr
    table = pq.read_table(tmp_path / "all.parquet")
    assert f"{len(table)} rows for 40 users" in " ".join(written.stdout.replace(",", "").split())
    have = engine.cypher("inspect/user_history", user_id="user-3", limit=100)
    mine = table.filter(pc.equal(table["user_id"], "user-3"))["item_id"].to_pylist()
    assert mine
    assert not {row["item_id"] for row in have} & set(mine)
    refused = cli(settings, "recommend-all", str(tmp_path / "no.parquet"), "--model", "svdpp")
    assert refused.returncode != 0
    assert "predicts ratings" in refused.stderr
    assert not (tmp_path / "no.parquet").exists()


def test_whom_a_user_follows_is_enough_to_answer_them(engine: Engine):
    engine.add_follows([{"user_id": f"user-{u}", "followed_id": f"user-{(u + 2) % 40}"} for u in range(40)])
    built = engine.build("diffnet", {"epochs": 20, "loss": "bpr", "neighbours": 5})
    assert built.metrics["ann_recall"] >= engine.settings.gate.ann_recall
    engine.add_users([{"user_id": "late"}])
    assert engine.recommend("late", 4).method == "popularity"
    engine.add_follows([{"user_id": "late", "followed_id": one} for one in ("user-1", "user-3", "late")])
    made = engine.refresh_models()
    answer = engine.recommend("late", 4)
    assert (answer.method, answer.generation, len(answer)) == ("diffnet", made["diffnet"].generation, 4)
    assert "answered from their friends" in str(answer.reason)
    engine.remove_users(["user-1", "user-3"])
    engine.refresh_models()
    assert engine.recommend("late", 4).method == "popularity"
    assert engine.recommend("user-39", 4).method == "diffnet"


@pytest.mark.parametrize("model", ["graphrec", "trustsvd", "bayes"])
def test_a_later_user_is_answered_from_the_same_friends_as_in_the_next_snapshot(engine: Engine, model: str):
    engine.add_follows([{"user_id": f"user-{u}", "followed_id": f"user-{(u + 2) % 40}"} for u in range(40)])
    how = {"bayes": {"friends": True, "sweeps": 60}}.get(model, {"epochs": 3, "weighted": True})
    engine.build(model, {**how, "friendship": "both"})
    engine.add_users([{"user_id": "late"}])
    ties = (("user-1", "late", 2.0), ("user-0", "late", 0.5), ("late", "user-0", 4.0), ("user-2", "late", 0.0))
    engine.add_follows([{"user_id": a, "followed_id": b, "weight": weight} for a, b, weight in ties])
    early = engine.predict("late", "film-6")
    assert early.rests_on.startswith("2 friends of the user that are newer")
    assert early.rests_on.endswith("reads friends")
    engine.refresh_models()
    one = engine.opened.user_model(model).recommender()
    there = (np.array([index], np.int32) for index in (one.row_of("late"), one.asked("film-6").row))
    assert early.rating == pytest.approx(one.method.predict(*there)[0], abs=1e-5)


@pytest.mark.parametrize("model", ["svdpp", "bayes", "trustsvd", "graphrec"])
def test_every_rating_model_predicts_for_users_of_its_time_and_later_ones(engine: Engine, model: str):
    built = engine.build(model)
    told = engine.predict("user-0", "film-2")
    assert (told.model, told.generation) == (model, built.id)
    assert 1 <= told.rating <= 5
    assert len(engine.recommend("user-0", 4)) == 4
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions([{"user_id": "late", "item_id": f"film-{i}", "rating": 5.0} for i in (2, 4)])
    assert "2 items of the user that are newer" in engine.predict("late", "film-6").rests_on
    engine.add_items([{"item_id": "new"}, {"item_id": "untouched"}])
    engine.add_interactions([{"user_id": f"user-{u}", "item_id": "new", "rating": 5.0} for u in range(4)])
    new = engine.predict("user-0", "new", explain=True)
    assert "4 ratings of the item that are newer than the generation" in new.rests_on
    assert 1 <= new.rating <= 5
    assert "answered as a cold one" in engine.predict("late", "untouched", explain=True).rests_on
    engine.refresh_models()
    assert "4 ratings of the item" in engine.predict("user-0", "new").rests_on
    assert "newer" not in engine.predict("user-0", "new").rests_on
    assert engine.predict("late", "film-6").rests_on.startswith("2 ratings of the user")


def test_every_simple_rating_model_predicts_for_users_of_its_time_and_later_ones(engine: Engine):
    models = ("bias", "mf", "item-knn-ratings", "user-knn-ratings", "stacking")
    built = {model: engine.build(model, {"parts": "bias,mf"} if model == "stacking" else {}) for model in models}
    have = {row["item_id"] for row in engine.cypher("inspect/user_history", user_id="user-0", limit=100)}
    for model in models:
        told = engine.predict("user-0", "film-2", model=model)
        assert (told.model, told.generation) == (model, built[model].id)
        assert 1 <= told.rating <= 5
        answer = engine.recommend("user-0", 4, model=model)
        assert (answer.method, len(answer)) == (model, 4)
        assert not have & set(answer.ids), model
        assert answer.items[0].score == pytest.approx(
            engine.predict("user-0", answer.ids[0], model=model).rating, abs=1e-5
        )
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions([{"user_id": "late", "item_id": f"film-{i}", "rating": 5.0} for i in (2, 4)])
    for model in models[:-1]:
        with pytest.raises(NotReadyError, match=f"'late' is newer than generation {built[model].id}"):
            engine.predict("late", "film-6", model=model)
    assert "2 items of the user that are newer" in engine.predict("late", "film-6", model="stacking").rests_on
    engine.refresh_models()
    for model in models:
        assert engine.predict("late", "film-6", model=model).rests_on.startswith("2 ratings of the user")
