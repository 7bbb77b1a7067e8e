"""A report shows how methods were trained, what they attend to, and for whom they are good."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people import people

from engine.evaluation.config import EvaluationConfig
from engine.evaluation.pictures_inside import attention_shares
from engine.evaluation.report import render
from engine.evaluation.run import EvaluationReport, evaluate

SECTIONS: dict[str, dict[str, Any]] = {
    "graphrec": {"dim": 4, "epochs": 3},
    "svdpp": {"epochs": 3, "dim": 4},
    "sasrec": {"dim": 8, "epochs": 3},
    "dgsr": {"dim": 8, "epochs": 2, "length": 5, "users": 3},
    "diffnet": {"dim": 4, "epochs": 2, "layers": 3},
}


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 users with 3, 8 or 24 ratings each; a third follow nobody."""
    rng = np.random.default_rng(0)
    rows: list[tuple[Any, ...]] = []
    for user in range(40):
        for step in range((3, 8, 24)[user % 3]):
            rows.append((f"u{user}", f"i{(user + step) % 30}", float(rng.integers(1, 6)), 100 * user + step))
    follows = [(f"u{user}", f"u{(user + step) % 40}") for user in range(40) if user % 3 for step in (1, 2)]
    return people(
        tmp_path_factory.mktemp("uneven") / "set",
        rows,
        follows={"user_id": [a for a, _ in follows], "followed_id": [b for _, b in follows]},
    ).path


def buckets(report: EvaluationReport, method: str, part: str, what: str) -> list[dict[str, Any]]:
    (run,) = (run for run in report.runs if run.method == method)
    json.dumps(run.report)
    found: list[dict[str, Any]] = run.report["by_user"][part][what]
    return found


def test_buckets_make_up_the_whole_and_are_of_who_has_so_many(uneven: Path) -> None:
    report = evaluate("leave-last-out", uneven, ["item-knn"], seeds=1)
    for what in ("items", "friends"):
        found = buckets(report, "item-knn", "all", what)
        assert sum(one["count"] for one in found) == 40
        mean = sum(one["count"] * one["metrics"]["ndcg@10"] for one in found) / 40
        assert mean == pytest.approx(report.summary.figures["item-knn"]["all"]["ndcg@10"].mean)
    assert [(one["least"], one["most"], one["count"]) for one in buckets(report, "item-knn", "all", "items")] == [
        (2, 2, 14),
        (6, 10, 13),
        (21, 50, 13),
    ]
    friends = buckets(report, "item-knn", "all", "friends")
    assert [(one["least"], one["count"]) for one in friends] == [(0, 14), (2, 26)]


def test_ratings_are_told_apart_by_their_users_too(uneven: Path) -> None:
    config = EvaluationConfig(sections=SECTIONS)
    report = evaluate("rating", uneven, ["bias", "svdpp", "graphrec"], seeds=1, config=config)
    found = buckets(report, "bias", "test", "items")
    total = sum(one["count"] * one["metrics"]["rmse"] ** 2 for one in found) / sum(one["count"] for one in found)
    assert np.sqrt(total) == pytest.approx(report.summary.figures["bias"]["test"]["rmse"].mean)
    attended = next(run for run in report.runs if run.method == "graphrec").report["attention"]
    assert [(one["part"], one["hop"]) for one in attended] == [
        ("item attention", 1),
        ("social attention", 1),
        ("user attention", 1),
    ]
    assert all(0 < sum(one["share"]) <= 1 + 1e-5 for one in attended)
    html = render(report)
    for said in (
        "Inside the methods",
        "Training, epoch by epoch",
        "What graphrec attends to, hop by hop",
        "For users with few items and with many",
        "Without friends and with many",
    ):
        assert said in html


def test_curves_and_attention_of_sequences_are_drawn_and_methods_without_any_are_not(uneven: Path) -> None:
    config = EvaluationConfig(sections=SECTIONS)
    html = render(evaluate("leave-last-out", uneven, ["markov", "sasrec", "dgsr"], seeds=1, config=config))
    assert "What sasrec attends to" in html
    assert "What dgsr attends to" in html
    assert "What markov attends to" not in html
    bare = render(evaluate("leave-last-out", uneven, ["markov"], seeds=1))
    assert "Inside the methods" not in bare


def test_the_layers_of_diffnet_are_drawn_as_hops_and_say_what_interest_and_influence_take(uneven: Path) -> None:
    report = evaluate(
        "leave-last-out",
        uneven,
        ["diffnet"],
        seeds=1,
        config=EvaluationConfig(sections={"diffnet": SECTIONS["diffnet"]}),
    )
    attended = report.runs[0].report["attention"]
    kinds = ["interest attention", "influence attention", "adoption attention"]
    assert [(one["part"], one["hop"]) for one in attended] == [(kind, hop) for hop in (1, 2, 3) for kind in kinds]
    assert all(0 < sum(one["share"]) <= 1 + 1e-5 for one in attended)
    for interest, influence, adoption in (attended[at : at + 3] for at in (0, 3, 6)):
        assert interest["portion"] + influence["portion"] == pytest.approx(1, abs=1e-5)
        assert adoption["portion"] is None
    drawn = base64.b64decode(attention_shares(attended).partition(",")[2]).decode()
    assert [drawn.count(f"<!-- hop {hop} -->") for hop in (1, 2, 3)] == [3, 3, 3]
    assert f"<!-- interest attention, {attended[0]['portion']:.0%} of what is gained -->" in drawn
    assert "What diffnet attends to, hop by hop" in render(report)


def test_results_of_before_there_were_curves_are_still_drawn(uneven: Path, tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    evaluate("leave-last-out", uneven, ["markov"], seeds=1, json_path=kept)
    told = json.loads(kept.read_text())
    told["runs"][0]["report"] = {"training": {"epochs": 30, "losses": [0.3, 0.2]}}
    kept.write_text(json.dumps(told))
    html = render(evaluate("leave-last-out", uneven, ["markov"], seeds=1, json_path=kept))
    assert "Inside the methods" not in html
    assert "For users with few items" not in html
