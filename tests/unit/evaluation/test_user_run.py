"""Every protocol about users and items from a folder to a table, and what it says of bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import camps, people, ring, tastes

from engine.errors import ConfigError, DataError, InputError, TrainingError, UnknownNameError
from engine.evaluation.beyond import beyond_accuracy
from engine.evaluation.config import EvaluationConfig
from engine.evaluation.outcome import Rated, metric_values
from engine.evaluation.protocols import PROTOCOLS
from engine.evaluation.report import write_html
from engine.evaluation.run import EvaluationReport, evaluate
from engine.graph.snapshot_columns import field_column, node_table
from engine.models.user_baselines.content import UserContent
from engine.models.user_baselines.popularity import UserPopularity
from engine.models.user_item import UserItemData, UserItemEdges
from engine.models.user_method import UserMethod
from engine.models.user_methods import USER_METHODS

RANKING = ["popularity", "content", "item-knn", "user-knn"]
QUICK: dict[str, dict[str, Any]] = {
    "diffnet": {"dim": 8, "layers": 2, "epochs": 20, "batch_size": 10, "candidates": 0, "learning_rate": 0.03},
    "graphrec": {
        **{"dim": 8, "epochs": 30, "batch_size": 16, "hidden": 0.5, "unseen": 0.3, "dropout": 0.0},
        **{"learning_rate": 0.01, "decay": 1.0, "average": 0.9},
    },
    "trustsvd": {"dim": 8, "epochs": 60, "learning_rate": 0.03, "trust": 0.5, "regularisation": 0.02},
    "sasrec": {"dim": 16, "blocks": 1, "length": 6, "batch_size": 16, "epochs": 30, "learning_rate": 0.02},
    "dgsr": {"dim": 16, "length": 6, "users": 3, "batch_size": 64, "epochs": 20, "learning_rate": 0.02},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tastes") / "set"
    tastes(path)
    return path


def mean(report: EvaluationReport, method: str, metric: str, part: str = "all") -> float:
    return report.summary.figures[method][part][metric].mean


def test_methods_that_know_tastes_beat_popularity_when_all_items_are_ranked(folder: Path):
    report = evaluate("full-ranking", folder, RANKING, seeds=2, ks=(5, 20))
    for method in RANKING[1:]:
        assert mean(report, method, "ndcg@5") > 1.3 * mean(report, "popularity", "ndcg@5")
    assert report.summary.versus["popularity"]["all"]["recall@5"].high < 0
    assert set(report.summary.beyond["content"]) == {"coverage", "gini", "popularity", "novelty", "diversity"}
    assert report.summary.beyond["popularity"]["coverage"].mean < report.summary.beyond["item-knn"]["coverage"].mean
    assert report.subject["protocol"]["split_name"] == "user"


def test_ratings_are_predicted_better_by_biases_than_by_the_mean(folder: Path):
    report = evaluate("rating", folder, ["bias"], seeds=2)
    damped = mean(report, "bias", "rmse", "test")
    flat = EvaluationConfig(sections={"bias": {"user_damping": 1e9, "item_damping": 1e9}})
    assert damped < 0.8 * mean(evaluate("rating", folder, ["bias"], seeds=2, config=flat), "bias", "rmse", "test")
    assert mean(report, "bias", "mae", "test") < damped


def test_sampled_ranking_is_easier_and_marked_as_old(folder: Path):
    config = EvaluationConfig({"negatives": 10})
    sampled = evaluate("sampled-ranking", folder, ["item-knn"], seeds=1, ks=(5,), config=config)
    full = evaluate("full-ranking", folder, ["item-knn"], seeds=1, ks=(5,))
    assert mean(sampled, "item-knn", "ndcg@5", "sampled") > mean(full, "item-knn", "ndcg@5")
    assert sampled.subject["protocol"]["kept for old tables only"] is True


def test_the_last_item_is_asked_for_among_all_and_among_sampled(folder: Path):
    report = evaluate("leave-last-out", folder, RANKING, seeds=1)
    assert report.splits[0]["test_edges"] == 60
    assert report.summary.parts() == ["all", "sampled"]
    for method in RANKING:
        assert mean(report, method, "hit@10", "sampled") >= mean(report, method, "hit@10", "all")


def test_cold_items_are_found_by_content_alone(folder: Path):
    report = evaluate("cold-items", folder, ["content", "item-knn"], seeds=2, ks=(10,))
    assert mean(report, "content", "recall@10") > 0.2 > mean(report, "item-knn", "recall@10")
    assert mean(report, "content", "recall@10", "among-cold") >= mean(report, "content", "recall@10")


def test_cold_users_are_known_by_their_first_items(folder: Path):
    report = evaluate("cold-users", folder, RANKING, seeds=1, ks=(10,))
    assert mean(report, "content", "recall@10") > mean(report, "popularity", "recall@10")
    none = evaluate("cold-users", folder, RANKING, seeds=1, config=EvaluationConfig({"given": 0}))
    assert none.splits[0]["test_users_unseen"] == none.splits[0]["test_users"] == 6


def test_friends_tell_what_newcomers_like_and_how_they_rate(tmp_path: Path):
    camps(tmp_path / "set")
    liked = EvaluationConfig({"min_rating": 4}, QUICK)
    ranked = evaluate("full-ranking", tmp_path / "set", ["popularity", "diffnet"], seeds=1, ks=(5,), config=liked)
    assert ranked.splits[0]["test_users_unseen"] == 12
    assert mean(ranked, "diffnet", "ndcg@5") > 1.5 * mean(ranked, "popularity", "ndcg@5")
    rated = evaluate("rating", tmp_path / "set", ["bias", "trustsvd"], seeds=1, config=EvaluationConfig(sections=QUICK))
    assert mean(rated, "trustsvd", "rmse", "test") < 0.6 * mean(rated, "bias", "rmse", "test")
    # Which of two tastes friends have, a network may be long in finding out; how high they rate, it finds from any start.
    camps(tmp_path / "moods", moods=True)
    rated = evaluate(
        "rating", tmp_path / "moods", ["bias", "graphrec"], seeds=1, config=EvaluationConfig(sections=QUICK)
    )
    assert mean(rated, "graphrec", "rmse", "test") < 0.6 * mean(rated, "bias", "rmse", "test")


def test_what_comes_next_on_a_ring_is_first_for_sequence_models_and_not_for_popularity(tmp_path: Path):
    ring(tmp_path / "set")
    methods = ["popularity", "sasrec", "dgsr"]
    report = evaluate(
        "leave-last-out", tmp_path / "set", methods, seeds=1, ks=(1,), config=EvaluationConfig(sections=QUICK)
    )
    assert mean(report, "popularity", "hit@1") < 0.3
    for method in methods[1:]:
        assert mean(report, method, "hit@1") > 0.8


def test_every_protocol_says_what_a_reader_must_know():
    for name, protocol in PROTOCOLS.items():
        described = protocol.describe(protocol.numbers())
        assert described["name"] == name
        assert all(described[what] for what in ("data", "split", "candidates", "metric", "source"))
        json.dumps(described)


class Resumed(UserPopularity):
    """Counts its fits, and fails on demand."""

    fits: list[int]
    fail_at: int | None = None

    def fit(self, data: Any) -> None:
        if data.seed == self.fail_at:
            raise KeyboardInterrupt
        self.fits.append(data.seed)
        super().fit(data)


def test_what_the_file_holds_is_not_run_again_and_other_cut_offs_need_no_run(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Resumed, "fits", [], raising=False)
    monkeypatch.setattr(Resumed, "fail_at", 1)
    made = UserMethod("resumed", "", frozenset({"ranking"}), lambda settings: Resumed())
    monkeypatch.setitem(USER_METHODS, "resumed", made)
    path = tmp_path / "results.json"
    with pytest.raises(KeyboardInterrupt):
        evaluate("full-ranking", folder, ["resumed"], seeds=3, json_path=path)
    monkeypatch.setattr(Resumed, "fail_at", None)
    whole = evaluate("full-ranking", folder, ["resumed"], seeds=3, json_path=path, ks=(7,))
    assert Resumed.fits == [0, 1, 2]
    direct = evaluate("full-ranking", folder, ["resumed"], seeds=3, ks=(7,))
    assert direct.summary.figures == whole.summary.figures
    found = json.loads(path.read_text())
    assert found["subject"]["protocol"]["name"] == "full-ranking"
    assert found["table"]["resumed"]["all"]["recall@7"]["mean"] == mean(whole, "resumed", "recall@7")
    with pytest.raises(InputError, match="another protocol"):
        evaluate("full-ranking", folder, ["resumed"], split="random", json_path=path)
    before = path.read_bytes()
    monkeypatch.setattr("engine.evaluation.run.code", lambda: "changed")
    with pytest.raises(InputError, match="another version"):
        evaluate("full-ranking", folder, ["resumed"], seeds=3, json_path=path)
    assert path.read_bytes() == before


def test_ratings_of_a_results_file_are_those_that_were_predicted(tmp_path: Path, folder: Path):
    path = tmp_path / "results.json"
    first = evaluate("rating", folder, ["bias"], seeds=1, json_path=path)
    assert evaluate("rating", folder, ["bias"], seeds=1, json_path=path).summary == first.summary
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(InputError, match="format 1; this version writes 2"):
        evaluate("rating", folder, ["bias"], seeds=1, json_path=path)


def test_rmse_and_mae_of_a_case_worked_by_hand():
    values = metric_values(Rated(np.float32([1, 5, 3]), np.float32([2, 3, 3])), ("rmse", "mae"), (1,))
    assert values["rmse"].total() == pytest.approx(np.sqrt(5 / 3))
    assert values["mae"].total() == 1


RATING = st.floats(-100, 100, width=32)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(RATING, RATING), min_size=1, max_size=30))
def test_rmse_and_mae_agree_with_an_independent_library(rated: list[tuple[float, float]]):
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    actual, predicted = np.array(rated, np.float32).T
    values = metric_values(Rated(actual, predicted), ("rmse", "mae"), ())
    wide = actual.astype(np.float64), predicted.astype(np.float64)
    assert values["rmse"].total() == pytest.approx(root_mean_squared_error(*wide))
    assert values["mae"].total() == pytest.approx(mean_absolute_error(*wide))


def test_what_lists_are_like_in_a_case_worked_by_hand():
    from scipy.sparse import csr_array

    seen = csr_array(np.array([[1, 1, 0, 0], [1, 0, 1, 0]], np.float32))
    found = beyond_accuracy(np.array([[0, 1], [0, 3]], np.int32), seen)
    assert found["coverage"] == 0.75
    assert found["popularity"] == pytest.approx((2 + 1 + 2 + 0) / 4)
    assert found["novelty"] == pytest.approx(-np.log2([3 / 3, 2 / 3, 3 / 3, 1 / 3]).mean())
    assert found["diversity"] == pytest.approx(((1 - 1 / np.sqrt(2)) + 1) / 2)
    assert found["gini"] == pytest.approx((-3 * 0 - 1 * 1 + 1 * 1 + 3 * 2) / (4 * 4))


# Bad input


def refused(error: type[Exception], says: str, protocol: str, folder: Path, *methods: str, **options: Any) -> None:
    with pytest.raises(error, match=says):
        evaluate(protocol, folder, methods or ("popularity",), seeds=1, **options)


def test_unknown_names_list_the_known_ones(folder: Path):
    refused(UnknownNameError, r"no protocol 'magic'[\s\S]*full-ranking", "magic", folder)
    refused(UnknownNameError, r"no method 'magic'[\s\S]*popularity", "full-ranking", folder, "magic")
    refused(UnknownNameError, r"no split 'magic'[\s\S]*random, time, user", "full-ranking", folder, split="magic")
    refused(InputError, "draws its own split", "cold-items", folder, split="random")
    refused(InputError, "draws its own split", "related", folder, split="random")


def test_a_method_is_asked_only_for_what_it_can_do(folder: Path):
    refused(InputError, r"popularity cannot predict ratings\nThese can: bias", "rating", folder, "popularity")
    refused(InputError, "bias cannot rank items", "full-ranking", folder, "bias")
    refused(ConfigError, "unknown setting 'magic'", "full-ranking", folder, "item-knn", config=_with("magic", 1))
    refused(TrainingError, "at least 1", "full-ranking", folder, "item-knn", config=_with("neighbours", 0))


def _with(name: str, value: Any) -> EvaluationConfig:
    return EvaluationConfig(sections={"item-knn": {name: value}})


@pytest.mark.parametrize(
    "numbers",
    [{"magic": 1}, {"test_share": 0}, {"valid_share": 1}, {"test_share": "much"}, {"levels": 5}, {"levels": [True]}],
)
def test_wrong_numbers_of_a_protocol_are_named(folder: Path, numbers: dict[str, Any]):
    refused(
        ConfigError, f"protocol: .*{next(iter(numbers))}", "rating", folder, "bias", config=EvaluationConfig(numbers)
    )


def test_several_official_splits_must_be_named_and_one_need_not(tmp_path: Path):
    rows = [("a", "x", 3.0), ("a", "y", 4.0), ("b", "x", 5.0)]
    one = {"train": rows[:2], "test": rows[2:]}
    people(tmp_path / "two", rows, splits={"u1": one, "u2": one})
    refused(InputError, r"several splits: u1, u2", "rating", tmp_path / "two", "bias")
    people(tmp_path / "one", rows, splits={"u1": one})
    report = evaluate("rating", tmp_path / "one", ["bias"], seeds=1)
    assert report.subject["protocol"]["split_name"] == "u1"
    assert "splits/u1/test.csv" in report.subject["data"]["files"]
    assert report.splits[0]["test_users_unseen"] == 1
    assert np.isfinite(mean(report, "bias", "rmse", "test"))


def test_a_split_that_leaks_or_is_empty_is_refused(tmp_path: Path):
    rows = [("a", "x", 3.0), ("a", "y", 4.0), ("b", "x", 5.0)]
    people(tmp_path / "leak", rows, splits={"bad": {"train": rows, "test": rows[2:]}})
    people(tmp_path / "empty", rows, splits={"bad": {"train": rows, "test": []}})
    for protocol, method in (("rating", "bias"), ("full-ranking", "popularity")):
        refused(DataError, "the split leaks: user 'b' and item 'x'", protocol, tmp_path / "leak", method)
        refused(DataError, "test.csv holds no edge", protocol, tmp_path / "empty", method)


def test_a_rating_outside_the_declared_levels_is_named(tmp_path: Path):
    rows = [("a", "x", 3.0), ("a", "y", 7.0), ("b", "x", 5.0)]
    people(tmp_path / "set", rows, splits={"s": {"train": rows[:2], "test": rows[2:]}})
    levels = EvaluationConfig({"levels": [1, 2, 3, 4, 5]})
    says = "train: the rating 7 of user 'a' and item 'y' is none of the declared levels 1, 2, 3, 4, 5"
    refused(DataError, says, "rating", tmp_path / "set", "bias", config=levels)


def test_ratings_are_needed_where_they_are_asked_for(tmp_path: Path):
    rows = [("a", "x"), ("a", "y"), ("b", "x")]
    people(tmp_path / "plain", rows, splits={"s": {"train": rows[:2], "test": rows[2:]}})
    refused(DataError, "has no ratings", "rating", tmp_path / "plain", "bias")
    liked = EvaluationConfig({"min_rating": 4})
    refused(DataError, "has no ratings", "full-ranking", tmp_path / "plain", config=liked)
    rated = [("a", "x", 3.0), ("a", "y", None), ("b", "x", 5.0), ("b", "y", 4.0)]
    people(tmp_path / "half", rated, splits={"s": {"train": rated[:2], "test": rated[2:]}})
    refused(DataError, "1 edges have no rating", "rating", tmp_path / "half", "bias")
    refused(
        DataError,
        "no rating is at least 9",
        "full-ranking",
        tmp_path / "half",
        config=EvaluationConfig({"min_rating": 9}),
    )


def test_constant_ratings_and_one_class_are_no_fault(tmp_path: Path):
    rows = [(f"u{u}", f"i{i}", 1.0) for u in range(10) for i in range(u % 3, 8)]
    people(tmp_path / "set", rows)
    assert mean(evaluate("rating", tmp_path / "set", ["bias"], seeds=1), "bias", "rmse", "test") == 0
    report = evaluate("full-ranking", tmp_path / "set", RANKING, seeds=1)
    assert np.isfinite([mean(report, method, "ndcg@20") for method in RANKING]).all()


def test_cut_offs_beyond_the_catalogue_and_a_user_who_has_everything_are_no_fault(tmp_path: Path):
    rows = [("all", f"i{i}") for i in range(10)] + [("b", "i0"), ("b", "i1"), ("b", "i2"), ("b", "i3"), ("b", "i4")]
    people(tmp_path / "set", rows)
    report = evaluate("full-ranking", tmp_path / "set", RANKING, seeds=1, ks=(1000,))
    assert mean(report, "popularity", "recall@1000") == 1
    assert (
        mean(evaluate("sampled-ranking", tmp_path / "set", ["popularity"], seeds=1), "popularity", "hit@10", "sampled")
        == 1
    )


def test_features_with_missing_values_give_no_nan_and_nan_in_a_file_is_refused(tmp_path: Path):
    rows = [(f"u{u}", f"i{(u + n) % 12}") for u in range(12) for n in range(6)]
    vectors = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    items = {"item_id": [f"i{n}" for n in range(12)], "size": [float("nan")] * 12, "word": ["oak", None] * 6}
    tables: dict[str, Any] = {
        "items": items, "item_fields": {"size": "numeric", "word": "text"}, "vectors": {"look": vectors}
    }  # fmt: skip
    people(tmp_path / "set", rows, **tables)
    report = evaluate("full-ranking", tmp_path / "set", ["content"], seeds=1)
    assert np.isfinite(mean(report, "content", "ndcg@20"))
    vectors[3:] = np.nan
    people(tmp_path / "nan", rows, **tables)
    refused(DataError, "vector look .* holds NaN", "full-ranking", tmp_path / "nan", "content")


def test_content_of_items_without_a_vector_is_finite():
    fields = {"look": field_column("vector", np.float32([[1, 0], [np.nan, np.nan], [0, 1]]), name="look")}
    items, users = node_table(["x", "y", "z"], None, fields)[0], node_table(["a"])[0]
    content = UserContent()
    content.fit(UserItemData(UserItemEdges(np.zeros(2, np.int32), np.array([0, 1], np.int32)), users, items))
    assert np.isfinite(content.score(np.zeros(1, np.int32))).all()


def test_a_method_that_diverged_is_told_so(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    class Diverged(UserPopularity):
        def predict(self, users: Any, items: Any) -> Any:
            return np.full(len(users), np.nan, np.float32)

    made = UserMethod("diverged", "", frozenset({"rating"}), lambda settings: Diverged())
    monkeypatch.setitem(USER_METHODS, "diverged", made)
    refused(TrainingError, "not finite", "rating", folder, "diverged")


def test_boards_stand_for_users_where_there_are_only_saves(tmp_path: Path):
    from boards import topics

    topics(tmp_path / "set")
    report = evaluate("full-ranking", tmp_path / "set", RANKING, seeds=1)
    assert mean(report, "content", "recall@20") > mean(report, "popularity", "recall@20")
    people(tmp_path / "none", [], listed=["x"])
    refused(DataError, "neither interactions nor saves", "full-ranking", tmp_path / "none")


@pytest.mark.parametrize(
    ("protocol", "methods", "says"),
    [
        ("full-ranking", RANKING, ["Beyond accuracy", "At growing cut-offs", "Paired bootstrap"]),
        ("leave-last-out", ["popularity"], ["Part: all", "Part: sampled"]),
        ("rating", ["bias"], ["What was predicted for each rating", "How far predictions are off"]),
        ("sampled-ranking", ["popularity"], ["Prefer full-ranking"]),
    ],
)
def test_the_report_is_one_file_with_its_figures(
    tmp_path: Path, folder: Path, protocol: str, methods: list[str], says: list[str]
):
    report = evaluate(protocol, folder, methods, seeds=2)
    write_html(report, tmp_path / "new" / "report.html")
    html = (tmp_path / "new" / "report.html").read_text()
    assert all(word in html for word in [*says, *methods, "data:image/svg+xml", report.protocol.source[:10]])
    assert not re.search(r"(src|href)=.http", html)
    figure = next(iter(next(iter(report.summary.figures[methods[0]].values())).values()))
    assert f"{figure.mean:.4f}".removeprefix("0") in html


def test_the_command_line_shows_tables_and_lists(tmp_path: Path, folder: Path):
    import typer
    from typer.testing import CliRunner

    from engine.cli import evaluate as command

    assert list(command.PROTOCOLS) == list(PROTOCOLS)
    app = typer.Typer()
    command.register(app)
    arguments = ["--data", str(folder), "--methods", "popularity,item-knn", "--seeds", "1"]
    html = tmp_path / "report.html"
    shown = CliRunner().invoke(
        app, ["evaluate", "full-ranking", *arguments, "--html", str(html)], env={"COLUMNS": "250"}
    )
    assert html.is_file()
    assert shown.exit_code == 0, shown.output
    assert all(word in shown.output for word in ("item-knn", "recall@20", "novelty", "95% of resamples"))
    old = CliRunner().invoke(app, ["evaluate", "sampled-ranking", *arguments], env={"COLUMNS": "250"})
    assert "prefer full-ranking" in old.output
    for what, names in (("protocols", PROTOCOLS), ("methods", USER_METHODS)):
        assert all(name in CliRunner().invoke(app, ["evaluate", what]).output for name in names)
