"""What comes next for a user, as of a time: through the client, on the graph as it stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from engine import Engine
from engine.cli import main
from engine.datasets.folder_write import write_dataset
from engine.errors import InputError, NotReadyError, UnknownNodeError
from engine.graph.connection import Graph
from engine.settings import Settings

pytestmark = pytest.mark.graph
QUICK = {"dim": 16, "length": 6, "dropout": 0.1, "batch_size": 64, "epochs": 30, "learning_rate": 0.02}
CONFIG: dict[str, dict] = {"markov": {}, "session-knn": {}, "sasrec": QUICK, "dgsr": {**QUICK, "users": 3}}


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After film i everybody takes film i + 1, around a ring of 8; the last user has nothing."""
    rows = [(user, (user + step) % 8, 10 * user + step) for user in range(40) for step in range(5)]
    return write_dataset(
        tmp_path_factory.mktemp("ring") / "ring",
        "ring",
        items={"item_id": [f"film-{item}" for item in range(8)]},
        users={"user_id": [f"user-{user}" for user in range(41)]},
        interactions={
            "user_id": [f"user-{user}" for user, *_ in rows],
            "item_id": [f"film-{item}" for _, item, _ in rows],
            "time": [time for *_, time in rows],
        },
    ).path


@pytest.fixture
def engine(settings: Settings, graph: Graph, ring: Path):
    del graph  # it empties the database
    with Engine(settings) as opened:
        opened.ingest(ring)
        yield opened


@pytest.mark.parametrize("model", CONFIG)
def test_what_a_user_does_now_is_in_the_next_answer_and_nothing_later_than_the_time_asked_about(
    engine: Engine, model: str
):
    built = engine.build(model, CONFIG[model])
    answer = engine.next_items("user-0", 1)  # has films 0 to 4
    if model != "session-knn":
        assert answer.ids == ("film-5",)
    assert (answer.method, answer.generation, answer.reason) == (model, built.id, None)
    assert answer.at is not None
    assert abs(answer.at / 1000 - datetime.now(UTC).timestamp()) < 600
    early = engine.next_items("user-0", 8, at=2)  # films 0 and 1 were taken by then
    assert set(early.ids) == {f"film-{item}" for item in range(2, 8)}
    if model != "session-knn":
        assert early.ids[0] == "film-2"
    soon = datetime.now(UTC) + timedelta(days=1)
    engine.add_interactions([{"user_id": "user-0", "item_id": "film-5", "time": 500}])
    in_the_future = {"user": "user-0", "item": "film-6", "time": round(soon.timestamp() * 1000)}
    engine.graph.write(  # the client refuses it; another program need not
        "MATCH (u:User {user_id: $user}), (i:Item {item_id: $item}) CREATE (u)-[:INTERACTED {time: $time}]->(i)",
        in_the_future,
    )
    now = engine.next_items("user-0", 8)
    assert set(now.ids) == {"film-6", "film-7"}
    assert {item.item_id: item.score for item in now} == {
        item.item_id: item.score for item in engine.next_items("user-0", 8, at=501)
    }
    assert engine.next_items("user-0", 8, at=soon + timedelta(seconds=1)).ids == ("film-7",)
    assert [item.score for item in engine.next_items("user-0", 8, at=2)] == [item.score for item in early]


def test_what_others_do_now_is_in_the_next_answer_of_those_whose_items_they_take_up(engine: Engine):
    engine.build("dgsr", CONFIG["dgsr"])
    before, elsewhere = engine.next_items("user-0", 3, at=10_000), engine.next_items("user-5", 3, at=10_000)
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions(
        [{"user_id": user, "item_id": "film-0", "time": time} for user, time in (("late", 800), ("user-1", 801))]
    )
    now = engine.next_items("user-0", 3, at=10_000)  # has film-0
    assert [item.score for item in now] != [item.score for item in before]
    assert [item.score for item in engine.next_items("user-0", 3, at=800)] == pytest.approx(
        [item.score for item in before], abs=1e-5
    )
    same = engine.next_items("user-5", 3, at=10_000)  # has films 5, 6, 7, 0 and 1: it too
    assert [item.score for item in same] != [item.score for item in elsewhere]
    engine.refresh_models()
    folded = engine.next_items("user-0", 3, at=10_000)
    assert [item.score for item in folded] == pytest.approx([item.score for item in now], abs=1e-5)


@pytest.mark.parametrize("model", ["markov", "dgsr"])
def test_users_with_nothing_with_one_item_and_of_later_are_answered(engine: Engine, model: str):
    engine.build(model, CONFIG[model])
    nothing = engine.next_items("user-40", 3)
    assert len(nothing) == 3
    assert "nothing is known of what 'user-40' took up before" in str(nothing.reason)
    engine.add_users([{"user_id": "late"}])
    engine.add_interactions([{"user_id": "late", "item_id": "film-3", "time": 900}])
    assert engine.next_items("late", 1).ids == ("film-4",)
    assert engine.next_items("late", 1, at=900).reason is not None
    with pytest.raises(UnknownNodeError, match="nobody"):
        engine.next_items("nobody")


def test_who_goes_by_no_order_and_times_that_are_none_are_refused(engine: Engine):
    with pytest.raises(NotReadyError, match="no model about users and items"):
        engine.next_items("user-0")
    engine.build("markov")
    engine.build("item-knn")
    assert engine.next_items("user-0", 1).method == "markov"  # the only one that can
    with pytest.raises(InputError, match="'item-knn' does not go by the order"):
        engine.next_items("user-0", model="item-knn")
    with pytest.raises(InputError, match="has no zone"):
        engine.next_items("user-0", at=datetime(2026, 1, 1))
    with pytest.raises(InputError, match="at least 0"):
        engine.next_items("user-0", at=-1)


def test_the_command_asks_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    engine.build("markov")
    told = engine.next_items("user-0", 2, at=datetime(1970, 1, 2, tzinfo=UTC))
    assert "next for user-0 at 1970-01-02" in str(told)
    settings = engine.settings
    for name, value in (
        ("HOME", str(settings.home)),
        ("GRAPH_URI", settings.graph.uri),
        ("GRAPH_USER", settings.graph.user),
        ("GRAPH_PASSWORD", settings.graph.password.get_secret_value()),
    ):
        monkeypatch.setenv(f"ENGINE_{name}", str(value))
    arguments = ["engine", "next-items", "user-0", "-k", "2", "--json", "--at"]
    monkeypatch.setattr("sys.argv", [*arguments, "1970-01-02T00:00+00:00"])
    with pytest.raises(SystemExit):
        main()
    assert [item["item_id"] for item in json.loads(capsys.readouterr().out)["items"]] == list(told.ids)
    monkeypatch.setattr("sys.argv", [*arguments, "tomorrow"])
    with pytest.raises(SystemExit):
        main()
    assert "cannot read the time 'tomorrow'" in capsys.readouterr().err


def test_equal_times_and_times_out_of_order_are_one_order(engine: Engine):
    engine.build("markov")
    engine.add_users([{"user_id": "first"}, {"user_id": "second"}])
    rows = [("film-1", 700), ("film-2", 700), ("film-0", 650), ("film-3", 600)]
    engine.add_interactions([{"user_id": "first", "item_id": item, "time": time} for item, time in rows])
    for item, time in np.array(rows, object)[[3, 1, 0, 2]]:
        engine.add_interactions([{"user_id": "second", "item_id": item, "time": time}])
    first, second = engine.next_items("first", 4), engine.next_items("second", 4)
    assert [(item.item_id, item.score) for item in first] == [(item.item_id, item.score) for item in second]
