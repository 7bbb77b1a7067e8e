"""Evaluation as a whole: figures, resuming, and clear errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from boards import topics, world

from engine.errors import ConfigError, CorruptFileError, DataError, EmptyGraphError, InputError, UnknownNameError
from engine.evaluation.bootstrap import Difference
from engine.evaluation.config import EvaluationConfig, read_config, read_configs
from engine.evaluation.outcome import from_standing, metric_values
from engine.evaluation.results import Run
from engine.evaluation.run import evaluate
from engine.evaluation.summary import Summary, summarise
from engine.models.methods import METHODS, Method, find_method, with_parts
from engine.models.popularity import PopularityScorer
from engine.models.ranking import Standing

SIMPLE = ["popularity", "content", "item-knn", "walks", "blend-walks-content"]


class Counting(PopularityScorer):
    """Popularity that counts its fits, and fails on demand."""

    fits: list[int]
    fail_at: int | None = None

    def fit(self, data: Any) -> None:
        if data.seed == self.fail_at:
            raise KeyboardInterrupt
        self.fits.append(data.seed)
        super().fit(data)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    monkeypatch.setattr(Counting, "fits", [], raising=False)
    monkeypatch.setattr(Counting, "fail_at", None)
    monkeypatch.setitem(METHODS, "counting", Method("counting", "", lambda settings, parts: Counting()))
    return Counting


def test_methods_that_know_the_topics_beat_popularity(tmp_path: Path):
    topics(tmp_path / "set")
    report = evaluate("related", tmp_path / "set", SIMPLE, seeds=2, ks=(10, 30))
    warm = {name: parts["warm"]["hit@30"].mean for name, parts in report.summary.figures.items()}
    assert list(warm) == SIMPLE
    assert min(warm["content"], warm["walks"], warm["blend-walks-content"]) > 0.9 > warm["popularity"]
    assert report.summary.figures["content"]["cold"]["hit@30"].mean > 0.9
    assert report.summary.figures["walks"]["cold"]["hit@30"].mean < 0.2
    assert report.summary.versus["popularity"]["warm"]["hit@30"].high < 0
    assert set(report.splits) == {0, 1}


def test_the_file_holds_what_a_reader_needs(tmp_path: Path):
    topics(tmp_path / "set")
    path = tmp_path / "out" / "results.json"
    evaluate("related", tmp_path / "set", ["popularity", "walks"], seeds=2, json_path=path)
    found = json.loads(path.read_text())
    assert found["subject"]["protocol"]["numbers"]["min_items"] == 3
    assert found["subject"]["data"]["name"] == "boards"
    assert set(found["subject"]["data"]["files"]) >= {"dataset.toml", "items.csv", "saves.csv"}
    assert [(run["method"], run["seed"]) for run in found["runs"]] == [
        ("popularity", 0), ("popularity", 1), ("walks", 0), ("walks", 1)
    ]  # fmt: skip
    assert found["hardware"]["cores"] >= 1
    assert found["hardware"]["threads"] == torch.get_num_threads()
    assert found["versions"]["python"]
    assert len(found["table"]["walks"]["warm"]["mrr"]["seeds"]) == 2
    assert found["versus"]["table"]["popularity"]["warm"]["mrr"]["low"] < 0


def test_what_the_file_holds_is_not_run_again(tmp_path: Path, counting: type[Counting]):
    topics(tmp_path / "set")
    path = tmp_path / "results.json"
    counting.fail_at = 1
    with pytest.raises(KeyboardInterrupt):
        evaluate("related", tmp_path / "set", ["counting"], seeds=3, json_path=path)
    counting.fail_at = None
    whole = evaluate("related", tmp_path / "set", ["counting"], seeds=3, json_path=path)
    assert counting.fits == [0, 1, 2]
    again = evaluate("related", tmp_path / "set", ["counting", "walks"], seeds=3, ks=(10, 100, 500), json_path=path)
    assert again.summary.parts() == whole.summary.parts() == ["warm", "cold"]
    assert counting.fits == [0, 1, 2]
    assert again.summary.figures["counting"] == whole.summary.figures["counting"]
    direct = evaluate("related", tmp_path / "set", ["counting"], seeds=3)
    assert direct.summary.figures["counting"] == whole.summary.figures["counting"]


def test_other_settings_of_a_method_run_it_again(tmp_path: Path, counting: type[Counting]):
    topics(tmp_path / "set")
    path = tmp_path / "results.json"
    evaluate("related", tmp_path / "set", ["counting"], seeds=1, json_path=path)
    changed = EvaluationConfig(sections={"counting": {"anything": 1}})
    evaluate("related", tmp_path / "set", ["counting"], seeds=1, json_path=path, config=changed)
    assert counting.fits == [0, 0]


def test_results_of_another_protocol_or_data_set_are_not_mixed(tmp_path: Path):
    topics(tmp_path / "set")
    path = tmp_path / "results.json"
    evaluate("related", tmp_path / "set", ["popularity"], seeds=1, json_path=path)
    with pytest.raises(InputError, match="another protocol"):
        evaluate("related", tmp_path / "set", ["popularity"], json_path=path, config=EvaluationConfig({"min_items": 2}))
    topics(tmp_path / "other", seed=1)
    with pytest.raises(InputError, match="another data"):
        evaluate("related", tmp_path / "other", ["popularity"], json_path=path)


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ('{"format": 99}', InputError, "format 99"),
        ("not json", CorruptFileError, "not a results file"),
        ("[]", CorruptFileError, "not a results file"),
        ('{"format": 2, "runs": [{}], "splits": {}, "subject": {}}', CorruptFileError, "damaged"),
    ],
)
def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, content: str, error: type[Exception], says: str):
    topics(tmp_path / "set")
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(error, match=says):
        evaluate("related", tmp_path / "set", ["popularity"], json_path=path)
    assert path.read_text() == content


def test_unknown_methods_are_answered_with_those_there_are(tmp_path: Path):
    topics(tmp_path / "set")
    with pytest.raises(UnknownNameError, match=r"no method 'magic'[\s\S]*popularity, content"):
        evaluate("related", tmp_path / "set", ["magic"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [({"methods": []}, "no method"), ({"ks": [0]}, "k must"), ({"ks": [5, -1]}, "k must"), ({"seeds": 0}, "seeds")],
)
def test_wrong_arguments_are_named(tmp_path: Path, arguments: dict[str, Any], says: str):
    topics(tmp_path / "set")
    with pytest.raises(InputError, match=says):
        evaluate("related", tmp_path / "set", **{"methods": ["popularity"], **arguments})


def test_missing_and_empty_data_are_named(tmp_path: Path):
    with pytest.raises(DataError, match="no such folder"):
        evaluate("related", tmp_path / "nowhere", ["popularity"])
    world(tmp_path / "empty", [], items=["x"])
    with pytest.raises(EmptyGraphError):
        evaluate("related", tmp_path / "empty", ["popularity"])
    world(tmp_path / "pairs", [("a", "x"), ("a", "y")])
    with pytest.raises(DataError, match="no board holds 3 items"):
        evaluate("related", tmp_path / "pairs", ["popularity"])


def test_a_tiny_set_without_fields_users_or_times_works(tmp_path: Path):
    world(tmp_path / "set", [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x"), ("b", "y"), ("b", "z")])
    report = evaluate("related", tmp_path / "set", SIMPLE, seeds=1, ks=(1, 2))
    assert report.summary.figures["content"]["warm"]["hit@2"].mean == pytest.approx(1.0)


def test_ratings_alone_work_with_users_as_boards(tmp_path: Path):
    rated = [(f"u{user}", f"i{(3 * user + n) % 12}") for user in range(20) for n in range(5)]
    world(tmp_path / "set", [], interactions=rated)
    report = evaluate("related", tmp_path / "set", SIMPLE, seeds=1, ks=(3,))
    warm = {name: parts["warm"]["hit@3"].mean for name, parts in report.summary.figures.items()}
    assert warm["item-knn"] > warm["content"]


def run_of(method: str, seed: int, standing: Standing) -> Run:
    return Run(method, seed, "", {"warm": from_standing(standing)})


def summary_of(*runs: Run) -> Summary:
    return summarise(runs, ("hit@k", "mrr"), (10,), "walks")


def test_figures_and_spread_are_those_of_the_seeds():
    stood = [Standing(np.array(better), np.ones(4, np.int64)) for better in ([0, 5, 20, 0], [50, 50, 50, 0])]
    summary = summary_of(*(run_of("m", seed, one) for seed, one in enumerate(stood)))
    figure = summary.figures["m"]["warm"]["hit@10"]
    assert figure.seeds == (0.75, 0.25)
    assert figure.mean == 0.5
    assert figure.deviation == pytest.approx(np.std([0.75, 0.25], ddof=1))
    assert summary.parts() == ["warm"]
    assert summary.versus == {}


def test_the_bootstrap_agrees_with_the_normal_interval():
    random = np.random.default_rng(0)
    walks = Standing(random.integers(0, 40, 2000), np.ones(2000, np.int64))
    mine = Standing(np.maximum(walks.better - random.integers(-3, 5, 2000), 0), walks.tied)
    summary = summary_of(run_of("walks", 0, walks), run_of("mine", 0, mine))
    found = summary.versus["mine"]["warm"]["hit@10"]
    assert isinstance(found, Difference)
    one, other = (metric_values(from_standing(s), ("hit@k",), (10,))["hit@10"].each for s in (mine, walks))
    gain = one - other
    error = gain.std() / np.sqrt(len(gain))
    assert found.mean == pytest.approx(gain.mean())
    assert found.low == pytest.approx(gain.mean() - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(gain.mean() + 1.96 * error, abs=0.2 * error)


def test_more_seeds_on_the_same_pairs_make_a_difference_no_surer():
    random = np.random.default_rng(0)
    walks = Standing(random.integers(0, 40, 500), np.ones(500, np.int64))
    mine = Standing(np.maximum(walks.better - random.integers(-3, 5, 500), 0), walks.tied)
    once = summary_of(run_of("walks", 0, walks), run_of("mine", 0, mine))
    often = summary_of(
        *(run_of(name, s, stood) for s in range(4) for name, stood in (("walks", walks), ("mine", mine)))
    )
    one, other = (summary.versus["mine"]["warm"]["mrr"] for summary in (once, often))
    assert (other.low, other.high) == pytest.approx((one.low, one.high))


def test_every_method_names_itself_and_comes_after_its_parts():
    assert [method.name for method in METHODS.values()] == list(METHODS)
    ordered = with_parts(["blend", "walks", "blend-walks-content"])
    assert len(set(ordered)) == len(ordered)
    for name in ordered:
        assert all(ordered.index(part) < ordered.index(name) for part in find_method(name).parts)


def test_an_ablation_reads_its_familys_section_and_its_own():
    sections = {"pinsage": {"epochs": 3, "pooling": "importance"}, "pinsage-mean": {"epochs": 5}}
    assert find_method("pinsage-mean").configuration(sections) == {"epochs": 5, "pooling": "mean"}


def test_a_configuration_file_is_read_and_checked(tmp_path: Path):
    path = tmp_path / "evaluate.toml"
    path.write_text("[protocol]\nmin_items = 2\n[pinsage]\nepochs = 3\n")
    config = read_config(path)
    assert config.numbers == {"min_items": 2}
    assert config.sections == {"pinsage": {"epochs": 3}}


@pytest.mark.parametrize(
    ("text", "says"),
    [("x = [", "not valid TOML"), ("[magic]\n", "unknown section"), ("walks = 3\n", "must be a section")],
)
def test_a_wrong_configuration_file_is_named(tmp_path: Path, text: str, says: str):
    path = tmp_path / "evaluate.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "nowhere.toml")


def test_several_configuration_files_are_read_together(tmp_path: Path):
    one, other, third = (tmp_path / f"{name}.toml" for name in ("one", "other", "third"))
    one.write_text("[protocol]\nmin_items = 2\n[pinsage]\nepochs = 3\n")
    other.write_text("[protocol]\nmin_items = 2\n[item-knn]\nshrink = 1\n")
    config = read_configs([one, other])
    assert config.numbers == {"min_items": 2}
    assert config.sections == {"pinsage": {"epochs": 3}, "item-knn": {"shrink": 1}}
    third.write_text("[pinsage]\nepochs = 4\n")
    with pytest.raises(ConfigError, match=r"third.toml: the section \[pinsage\] is in another file too"):
        read_configs([one, third])


def test_the_command_line_shows_the_table_and_one_line_for_an_error(tmp_path: Path):
    import typer
    from typer.testing import CliRunner

    from engine.cli.evaluate import register

    app = typer.Typer()
    register(app)
    topics(tmp_path / "set")
    arguments = [
        "evaluate",
        "related",
        "--data",
        str(tmp_path / "set"),
        "--methods",
        "popularity,walks",
        "--seeds",
        "1",
    ]
    shown = CliRunner().invoke(app, [*arguments, "--ks", "5"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert all(word in shown.output for word in ("popularity", "walks", "hit@5", "mrr", "test pairs"))
    listed = CliRunner().invoke(app, ["evaluate", "methods"])
    assert all(name in listed.output for name in METHODS)
    wrong = CliRunner().invoke(app, [*arguments, "--ks", "five"])
    assert isinstance(wrong.exception, InputError)
