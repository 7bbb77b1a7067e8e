"""A refresh makes the models about users and items equal to the same models over the graph as it is, on the genuine Neo4j."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import refresh_victim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_writes import OPERATIONS, perform
from refresh_world import quietly

from engine import Engine
from engine.arrays import open_array
from engine.errors import CorruptFileError, LeaseHeldError, NotReadyError
from engine.graph.connection import Graph
from engine.models.friends import friendship_in
from engine.models.row_embedder import SIDES, Joined, embed_all
from engine.models.user_graph import taker_relation
from engine.models.user_methods import find_user_method
from engine.refresh import applying, model_refresh, row_plan, row_state
from engine.refresh.forget import forget
from engine.refresh.row_follow import as_served, difference
from engine.refresh.row_state import VECTORS, RowState
from engine.registry import REFRESHING, REFRESHING_MODELS, Job, Outcome
from engine.serving import layout
from engine.serving.live import open_view
from engine.serving.show_operations import certificate_in_words
from engine.settings import Settings as EngineSettings
from tests.e2e.command import cli

pytestmark = pytest.mark.graph

SETTINGS: dict[str, dict[str, Any]] = {
    "lightgcn": {"dim": 8, "layers": 2, "epochs": 3, "batch_size": 16, "negatives": 4},
    "als": {"dim": 8, "epochs": 2, "ridge": 0.01},
    "bpr": {"dim": 8, "epochs": 5},
    "diffnet": {"dim": 8, "layers": 2, "epochs": 3, "batch_size": 16, "candidates": 4, "negatives": 2},
}
DIFFNETS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "weighed, both": {"friendship": "both", "weighted": True, "loss": "bpr", "normalisation": "mean"},
    "fields": {"features": True, "min_items": 1, "loss": "squared", "layers": 1},
    "alone": {"social": False, "layers": 3},
}
USERS, ITEMS = 24, 16
CLOSE = 1e-5


@pytest.fixture
def engine(settings: EngineSettings, graph: Graph) -> Iterator[Engine]:
    del graph  # it empties the database
    with Engine(settings, threads=1) as opened:
        yield opened


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Users of two tastes, who follow the next one."""
    rng = np.random.default_rng(0)
    engine.add_items([{"item_id": f"i{n}"} for n in range(ITEMS)])
    engine.add_users([{"user_id": f"u{n}"} for n in range(USERS)])
    pairs = [(u, i) for u in range(USERS) for i in range(ITEMS) if (u + i) % 2 == 0 and rng.random() < 0.6]
    engine.add_interactions([{"user_id": f"u{u}", "item_id": f"i{i}", "time": n} for n, (u, i) in enumerate(pairs)])
    engine.add_follows([{"user_id": f"u{n}", "followed_id": f"u{(n + 2) % USERS}"} for n in range(USERS)])
    return engine


def build(engine: Engine, *models: str) -> None:
    for model in models:
        engine.build(model, SETTINGS.get(model))


def differences(engine: Engine, model: str) -> float:
    """Compare what a model serves with everything exported and embedded from nothing by what it learned: the largest distance
    of a vector from the exact one."""
    served = engine.registry.generations.serving(model)
    assert served is not None
    view, fresh = open_view(served), engine.snapshot()
    state = RowState.open(view.folder)
    joined = Joined.in_snapshot(fresh, served.as_of, friendship_in(served.config["settings"]))
    embedder = find_user_method(model).embedder
    assert state is not None
    assert embedder is not None
    exact, nodes = embed_all(embedder(view.folder / layout.MODEL, joined), joined)[-1], joined.nodes
    mine = {"users": taker_relation(view.snapshot)[0], "items": view.items}
    worst = 0.0
    for side in SIDES:
        rows, kept = mine[side].index_of(list(nodes[side].ids)), open_array(view.folder, VECTORS[side])
        assert (rows >= 0).all()
        assert mine[side].num_alive == len(nodes[side])
        wanted = as_served(exact[side], nodes[side].alive)
        worst = max(worst, float(difference(wanted, kept, rows).max(initial=0)))
    return worst


def lengths(engine: Engine, model: str) -> np.ndarray:
    """Of the items' vectors."""
    return np.linalg.norm(open_array(engine.registry.generations.serving(model).path, layout.VECTORS), axis=1)


def read_at(monkeypatch: pytest.MonkeyPatch, time: int) -> None:
    """Let refreshes find that the clock says this, in epoch ms."""
    monkeypatch.setattr(
        applying, "datetime", SimpleNamespace(now=lambda zone: datetime.fromtimestamp(time / 1000, zone))
    )


@pytest.mark.parametrize("diffnet", DIFFNETS)
@settings(
    deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(st.tuples(st.sampled_from([5, 7]), st.lists(OPERATIONS, min_size=1, max_size=6)), min_size=1, max_size=3),
    st.sampled_from([0, 1, 10**9]),
)
def test_any_sequence_of_writes_split_in_any_way_gives_what_embedding_everything_gives(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, diffnet: str, parts: list[tuple[int, list[Any]]], scattered: int
):
    monkeypatch.setattr(row_plan, "SCATTERED", scattered)  # 0 always follows the changes, 10**9 never
    writer = engine.opened.writer
    for n in range(5):
        for operation in (("remove_items", f"i{n}"), ("remove_users", f"u{n}"), ("remove_contexts", f"c{n}")):
            perform(writer, operation)
    writer.add_items([{"item_id": f"i{n}", "title": "xy"[n % 2], "price": float(n)} for n in range(4)])
    writer.add_users([{"user_id": f"u{n}"} for n in range(3)])
    writer.add_interactions([{"user_id": f"u{u}", "item_id": f"i{i}"} for u, i in ((0, 1), (1, 0), (1, 2), (2, 0))])
    if not engine.published_models():
        engine.build("diffnet", {**SETTINGS["diffnet"], **DIFFNETS[diffnet]})
        if diffnet == "as it comes":
            build(engine, *(model for model in SETTINGS if model != "diffnet"))
    for time, operations in parts:
        read_at(monkeypatch, time)  # follows of the time 6 have happened, or have not
        for operation in operations:
            perform(writer, operation)
        if quietly(engine.refresh_models) is not None:
            for model in engine.published_models():
                assert differences(engine, model) < CLOSE
            assert all(one.holds for one in engine.verify_models(5).values())


@pytest.mark.parametrize("model", SETTINGS)
def test_what_a_user_takes_up_is_in_their_next_answers_and_what_it_cannot_alter_stays(filled: Engine, model: str):
    build(filled, model)
    first, before = filled.registry.generations.serving(model), filled.recommend("u0", 4)
    taken = before.ids[0]
    filled.add_users([{"user_id": "late"}])
    filled.add_interactions([{"user_id": "u0", "item_id": taken}, {"user_id": "late", "item_id": "i3"}])
    rehearsed = filled.rehearse_models()[model]
    assert filled.registry.generations.serving_id(model) == first.id
    told = filled.refresh_models(cause="a test")[model]
    served = filled.registry.generations.serving(model)
    assert (served.id, served.kind, served.parent, served.slot) == (told.generation, "delta", first.id, model)
    assert (told.parent, told.changes["interactions"], told.counts) == (first.id, 2, rehearsed.counts)
    # Two layers of diffusion carry further than the lists that changed.
    most = (2, 2) if model != "diffnet" else (USERS, ITEMS - 1)
    assert told.counts["users"] <= most[0]
    assert told.counts["items"] <= most[1]
    assert taken not in filled.recommend("u0", 4).ids
    assert filled.recommend("late", 4).generation == served.id
    assert differences(filled, model) < CLOSE
    run = filled.registry.runs.last(Job.MODELS)
    assert (run.outcome, run.cause, run.counts["models"]) == (Outcome.DONE, "a test", 1)
    assert run.plan[model]["why"] == told.plan
    assert filled.refresh_models() == {}
    assert filled.registry.runs.last(Job.MODELS).outcome == Outcome.NOTHING


def test_a_small_change_embeds_a_few_rows_and_shares_the_index_and_the_model(filled: Engine):
    build(filled, "lightgcn")
    before = filled.registry.generations.serving("lightgcn")
    filled.add_interactions([{"user_id": "u0", "item_id": "i1"}])
    told = filled.refresh_models()["lightgcn"]
    assert told.plan.startswith("follow the changes: 1 users and 1 items are new, gone, have other lists")
    assert (told.counts["embedded"], told.counts["reached"], told.counts["put_off"]) == (2, 2, 0)
    served = filled.registry.generations.serving("lightgcn")
    for shared in ("vectors.base", "user_vectors.base", "model/manifest.json"):
        assert (before.path / shared).samefile(served.path / shared)
    assert served.metrics["beside_index"] <= 1
    assert {"ann_recall", "users", "items", "changed"} <= set(served.metrics)
    assert served.training == before.training


@pytest.mark.parametrize("friendship", ["followers", "both"])
def test_a_follow_moves_whom_it_makes_a_friend_of_and_one_of_no_weight_ends_it(filled: Engine, friendship: str):
    filled.build("diffnet", {**SETTINGS["diffnet"], "layers": 1, "friendship": friendship})
    for weight in (2.0, 0.0):
        filled.add_follows([{"user_id": "u0", "followed_id": "u7", "weight": weight}])
        assert filled.refresh_models()["diffnet"].counts["users"] == (2 if friendship == "both" else 1)
        assert differences(filled, "diffnet") < CLOSE
    filled.add_users([{"user_id": "late"}])
    filled.add_follows([{"user_id": f"u{n}", "followed_id": "late"} for n in (1, 3)])
    early = filled.recommend("late", 3)
    assert early.method == "diffnet"
    filled.refresh_models()
    later = filled.recommend("late", 3)
    assert later.ids == early.ids
    assert later.generation != early.generation


def test_a_follow_moves_who_follows_and_whom_that_reaches_in_diffnet_and_nobody_in_lightgcn(filled: Engine):
    build(filled, "diffnet", "lightgcn")
    filled.add_follows([{"user_id": "u0", "followed_id": "u7"}])
    told = filled.refresh_models()
    assert told["diffnet"].counts["users"] > 0
    assert (told["lightgcn"].plan, told["lightgcn"].counts["embedded"]) == (
        "no rows: no list that the model reads changed",
        0,
    )
    assert differences(filled, "diffnet") < CLOSE


def test_a_follow_dated_after_now_moves_whom_it_makes_a_friend_of_from_the_refresh_after_its_time(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
):
    filled.build("diffnet", {**SETTINGS["diffnet"], "layers": 1, "friendship": "both"})
    filled.add_follows([{"user_id": "u0", "followed_id": "u7", "time": 1_000}])
    moved = []
    for time in (999, 1_000):
        read_at(monkeypatch, time)
        filled.add_users([{"user_id": f"as of {time}"}])
        moved.append(filled.refresh_models()["diffnet"].counts["users"])
        assert filled.registry.generations.serving("diffnet").as_of == datetime.fromtimestamp(time / 1000, UTC)
        assert differences(filled, "diffnet") < CLOSE
        assert filled.verify_models(100)["diffnet"].holds
    assert moved == [1, 3], "who came, and then whoever became friends"


def test_a_field_moves_whose_it_is_and_whom_that_reaches_where_fields_are_read_and_nobody_elsewhere(filled: Engine):
    filled.add_items([{"item_id": f"i{n}", "tags": [f"t{n % 2}"]} for n in range(ITEMS)])
    filled.build("diffnet", {**SETTINGS["diffnet"], "features": True, "min_items": 1})
    build(filled, "lightgcn")
    filled.add_items([{"item_id": "i0", "tags": ["t1"]}])
    told = filled.refresh_models()
    assert told["diffnet"].counts["items"] > 0
    assert told["diffnet"].counts["users"] > 0
    assert told["lightgcn"].counts["embedded"] == 0
    assert differences(filled, "diffnet") < CLOSE
    assert filled.verify_models(100)["diffnet"].holds


@pytest.mark.parametrize("scattered", [0, 10**9])
def test_what_layers_of_friends_put_off_is_finished_by_later_refreshes_whatever_changes_in_between(
    filled: Engine, monkeypatch: pytest.MonkeyPatch, scattered: int
):
    monkeypatch.setattr(row_plan, "SCATTERED", scattered)  # 0 always follows the changes, 10**9 never
    build(filled, "diffnet")
    filled.add_users([{"user_id": "late"}])
    filled.add_interactions([{"user_id": user, "item_id": "i1"} for user in ("u0", "late")])
    first = filled.refresh_models(max_nodes=2)["diffnet"]
    assert first.counts["embedded"] == 3, "whoever is new is never put off"
    assert first.counts["put_off"] == first.counts["reached"] - 3 > 0
    served = filled.registry.generations.serving("diffnet")
    assert served.certificate == {"largest_error": None, "skipped": first.counts["put_off"]}
    assert differences(filled, "diffnet") > CLOSE
    filled.add_follows([{"user_id": "u5", "followed_id": "u9"}])
    second = filled.refresh_models(max_nodes=2)["diffnet"]
    assert second.counts["reached"] >= first.counts["put_off"]
    assert second.counts["put_off"] == second.counts["reached"] - 2
    assert filled.verify_models(100)["diffnet"].holds, "what was put off is no error"
    rest = filled.refresh_models()["diffnet"]
    assert (rest.counts["embedded"], rest.counts["put_off"]) == (rest.counts["reached"], 0)
    assert rest.counts["reached"] == (USERS + 1 + ITEMS if scattered else second.counts["put_off"])
    assert filled.registry.generations.serving("diffnet").certificate is None
    assert differences(filled, "diffnet") < CLOSE
    assert filled.refresh_models() == {}


@pytest.mark.parametrize("limits", [{"max_nodes": 1}, {"budget_s": 0.0}])
def test_what_is_put_off_is_written_down_and_finished_by_the_next_refresh(filled: Engine, limits: dict[str, Any]):
    build(filled, "als")
    filled.add_users([{"user_id": "late"}])
    filled.add_interactions(
        [{"user_id": f"u{n}", "item_id": f"i{i}"} for n in range(3) for i in (1, 3)]
        + [{"user_id": "late", "item_id": "i2"}]
    )
    told = filled.refresh_models(**limits)["als"]
    served = filled.registry.generations.serving("als")
    assert f"{told.counts['put_off']} embeddings may be off, nobody knows how far" in str(told)
    assert certificate_in_words(served.certificate) == f"{told.counts['put_off']} users and items put off"
    assert told.counts["put_off"] == (2 if "max_nodes" in limits else 3)
    assert told.counts["embedded"] == 4 - told.counts["put_off"]  # whoever is new is never put off
    assert served.certificate == {"largest_error": None, "skipped": told.counts["put_off"]}
    assert filled.recommend("u5", 3).certificate == served.certificate
    run = filled.registry.runs.last(Job.MODELS)
    assert (run.outcome, run.reason) == (Outcome.PARTIAL, f"als: {told.counts['put_off']} embeddings are put off")
    assert filled.verify_models(100)["als"].holds, "what was put off is no error"
    assert differences(filled, "als") > CLOSE
    assert filled.refresh_models()["als"].counts["embedded"] == told.counts["put_off"]
    assert filled.registry.generations.serving("als").certificate is None
    assert differences(filled, "als") < CLOSE


def test_what_serves_is_refreshed_while_models_are_and_models_once_at_a_time(filled: Engine):
    build(filled, "als")
    filled.add_interactions([{"user_id": "u0", "item_id": "i1"}])
    with filled.registry.leases.hold(REFRESHING):
        assert set(filled.refresh_models()) == {"als"}
    with filled.registry.leases.hold(REFRESHING_MODELS), pytest.raises(LeaseHeldError):
        filled.refresh_models()


def test_the_next_items_of_dgsr_follow_what_the_user_took_up_last_without_training(filled: Engine):
    filled.build("dgsr", {"epochs": 2, "dim": 8})
    model = filled.registry.generations.serving("dgsr")
    before = filled.recommend("u0", 5)
    snapshot = open_view(model).snapshot
    friend = snapshot.users.ids[
        snapshot.relations.interactions.backward.row(snapshot.items.index_of([before.ids[0]])[0])[0]
    ]
    theirs = filled.recommend(friend, 5)
    filled.add_interactions([{"user_id": "u0", "item_id": before.ids[0], "time": 10_000}])
    told = filled.refresh_models()["dgsr"]
    now = filled.recommend("u0", 5)
    assert "dgsr reads who has what when it is asked" in told.plan
    assert (now.generation, now.method) == (told.generation, "dgsr")
    assert before.ids[0] not in now.ids
    was = {item.item_id: item.score for item in before}
    assert [item.score for item in now if item.item_id in was] != [was[i] for i in now.ids if i in was]
    reached = filled.recommend(friend, 5)  # who has the item has u0 in their sub-graph now
    assert [(item.item_id, item.score) for item in reached] != [(item.item_id, item.score) for item in theirs]
    assert len(filled.registry.trainings.list()) == 1
    served = filled.registry.generations.serving("dgsr")
    assert (served.kind, served.parent) == ("delta", model.id)
    assert (served.path / "model/manifest.json").samefile(model.path / "model/manifest.json")


@pytest.mark.parametrize("trouble", ["corrupt", "of an older format"])
def test_where_no_delta_can_be_made_the_same_model_embeds_the_graph_anew(filled: Engine, trouble: str):
    build(filled, "lightgcn")
    first = filled.registry.generations.serving("lightgcn")
    if trouble == "corrupt":
        (first.path / layout.STATE / "left.users.npy").write_bytes(b"nothing")
    else:
        facts = first.path / layout.STATE / "state.json"
        facts.write_text(json.dumps({**json.loads(facts.read_text()), "format": row_state.FORMAT - 1}))
    filled.add_interactions([{"user_id": "u0", "item_id": "i1"}])
    told = filled.refresh_models()["lightgcn"]
    served = filled.registry.generations.serving("lightgcn")
    assert (served.id, served.kind, served.parent) == (told.generation, "full", first.id)
    assert "anew" in told.plan
    assert served.training == first.training
    assert differences(filled, "lightgcn") < CLOSE


def test_items_whose_vectors_become_longer_or_shorter_are_served_by_them(filled: Engine):
    filled.build("diffnet", {**SETTINGS["diffnet"], "loss": "bpr"})
    before = lengths(filled, "diffnet")
    filled.add_interactions([{"user_id": f"u{n}", "item_id": f"i{i}"} for n in range(4) for i in (2, 3)])
    told = filled.refresh_models()["diffnet"]
    assert filled.registry.generations.get(told.generation).kind == "delta"
    assert (lengths(filled, "diffnet") != before).any()
    assert differences(filled, "diffnet") < CLOSE
    one = filled.opened.user_model("diffnet").recommender()
    for user in ("u0", "u9"):
        own = one.method.score(np.array([one.row_of(user)], np.int32))[0]
        for item in filled.recommend(user, ITEMS):
            assert item.score == pytest.approx(own[one.view.item_row(item.item_id)], rel=1e-5)


def test_an_item_is_answered_from_the_refresh_that_knows_something_of_it_to_the_one_that_does_no_more(filled: Engine):
    build(filled, "lightgcn")
    edge = {"user_id": "u3", "item_id": "later"}
    filled.add_items([{"item_id": "later"}])
    filled.refresh_models()
    seen = []
    for write in (None, filled.add_interactions, filled.remove_interactions, filled.add_interactions):
        if write is not None:
            write([edge])
            assert "lightgcn" in filled.refresh_models()
        served = filled.registry.generations.serving("lightgcn")
        everything = filled.recommend("u0", ITEMS + 1)
        assert served.kind == "delta"
        assert (everything.generation, everything.method) == (served.id, "lightgcn")
        seen.append("later" in everything.ids)
        assert len(open_view(served).indexes[0]) == ITEMS + seen[-1]
    assert seen == [False, True, False, True]


def test_a_wrong_vector_is_found_by_verifying(filled: Engine):
    build(filled, "als")
    assert filled.verify_models(1000)["als"].items == USERS + ITEMS
    base = filled.registry.generations.serving("als").path / "user_vectors.base"
    with base.open("r+b") as stream:
        stream.write(b"\1\1\1\1")
    with pytest.raises(CorruptFileError, match=r"user_vectors\.base"):
        filled.verify_models(5)


def test_who_came_after_training_and_is_forgotten_is_in_no_file_of_a_model(filled: Engine):
    build(filled, "als")
    filled.add_users([{"user_id": "forget me"}])
    filled.add_interactions([{"user_id": "forget me", "item_id": "i1"}])
    held = filled.registry.generations.get(filled.refresh_models()["als"].generation)
    forget(filled.registry, filled.graph, filled.settings.graph.mapping, "user", ["forget me"])
    after = filled.registry.generations.get(filled.refresh_models()["als"].generation)
    (receipt,) = filled.close_receipts()
    assert receipt.removed["withdrawn"] == ["als"]
    assert not held.path.exists()
    assert not after.path.exists(), "it shares files with the one that held the vector"
    with pytest.raises(NotReadyError):
        filled.recommend("u0", model="als")


def test_the_command_line_rehearses_and_verifies_models(filled: Engine, settings: EngineSettings):
    build(filled, "als")
    filled.add_interactions([{"user_id": "u0", "item_id": "i1"}])
    served = filled.registry.generations.serving_id("als")
    told = cli(settings, "refresh", "--models", "--dry-run", "--verify", "20")
    assert told.returncode == 0, told.stderr
    assert f"als: {served} -> nothing published" in told.stdout
    assert "follow the changes" in told.stdout
    assert "20 users and items computed from scratch are the same" in told.stdout
    assert filled.registry.generations.serving_id("als") == served
    refused = cli(settings, "refresh", "--models", "--epsilon", "0.1")
    assert refused.returncode != 0
    assert "refreshed exactly" in refused.stderr


def test_models_that_go_on_from_the_same_snapshot_share_the_next_and_a_refresh_of_nothing_opens_nothing(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
):
    build(filled, "als", "lightgcn", "bpr")
    filled.add_interactions([{"user_id": "u0", "item_id": "i1"}])
    told = filled.refresh_models()
    paths = {filled.registry.generations.serving(model).snapshot_path for model in told}
    assert (len(told), len(paths)) == (3, 1)
    made = [path for path in (filled.settings.home / "snapshots").iterdir() if "-models" in path.name]
    assert set(made) == paths
    monkeypatch.setattr(model_refresh, "open_view", None)
    assert filled.refresh_models() == {}


def test_a_refresh_of_models_that_is_killed_is_made_up_for_and_leaves_nothing(filled: Engine, settings: EngineSettings):
    build(filled, "als", "lightgcn")
    home, password = settings.home, settings.graph.password.get_secret_value()
    command = [sys.executable, refresh_victim.__file__, str(home), str(settings.graph.uri), password]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as victim:
        for number, step in enumerate(("after apply_changes", "before publish", "after publish")):
            filled.add_interactions([{"user_id": f"u{number}", "item_id": f"i{2 * number + 1 - number % 2}"}])
            victim.stdin.write(f"models {step}\n")
            victim.stdin.flush()
            assert victim.stdout.readline().strip() == "killed"
            filled.registry.leases.release(filled.registry.leases.get(REFRESHING_MODELS))
            assert len(filled.recommend("u5", 3, model="als")) == 3
        victim.stdin.close()
    filled.refresh_models()
    assert max(differences(filled, model) for model in ("als", "lightgcn")) < CLOSE
    known = {one.id: one for one in filled.registry.generations.list() if one.state == "published"}
    assert {path.name for path in (home / "generations").iterdir() if not path.name.endswith(".work.tmp")} == set(known)
    left = {path for path in (home / "snapshots").iterdir() if "-models" in path.name}
    assert left <= {one.snapshot_path for one in known.values()}
