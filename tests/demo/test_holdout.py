from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from engine.datasets.folder import DatasetFolder
from engine.datasets.generator import generate
from engine.datasets.world import WorldConfig
from engine.demo.holdout import HeldOut, hold_out, write_demo_world

CONFIG = WorldConfig(items=1500, seed=4)


def held() -> HeldOut:
    return hold_out(generate(CONFIG), 200, CONFIG.seed)


def test_no_edge_is_left_between_the_owner_and_the_answer() -> None:
    whole, kept = generate(CONFIG).main.tables, held()
    left = kept.generated.main.tables
    owner = dict(zip(whole["contexts"]["context_id"], whole["contexts"]["owner_id"], strict=True))
    before = set(zip(whole["saves"]["context_id"], whole["saves"]["item_id"], strict=True))
    after = set(zip(left["saves"]["context_id"], left["saves"]["item_id"], strict=True))
    views_before = set(zip(whole["interactions"]["user_id"], whole["interactions"]["item_id"], strict=True))
    views_after = set(zip(left["interactions"]["user_id"], left["interactions"]["item_id"], strict=True))
    assert after < before
    assert views_after <= views_before
    assert len(before - after) + len(views_before - views_after) == kept.edges
    withheld = {(owner[context], item) for context, item in before - after}
    assert len(kept.pairs) > 150
    assert {item for _, item in withheld} == {answer for _, answer in kept.pairs}
    for user, item in withheld:
        assert (user, item) not in views_after
        assert not any(owner[context] == user for context, found in after if found == item)


def test_queries_and_answers_stay_known_to_the_graph() -> None:
    kept = held()
    saves = Counter(kept.generated.main.tables["saves"]["item_id"])
    on_boards: dict[str, set[str]] = {}
    for context, item in zip(*(kept.generated.main.tables["saves"][c] for c in ("context_id", "item_id")), strict=True):
        on_boards.setdefault(item, set()).add(context)
    for query, answer in kept.pairs:
        assert query != answer
        assert saves[answer] >= 2
        assert on_boards[query]


def test_the_same_seed_keeps_the_same_pairs_back() -> None:
    assert held().pairs == held().pairs


def test_what_is_written_passes_the_check_and_lists_the_pairs(tmp_path: Path) -> None:
    counts = write_demo_world(tmp_path / "world", CONFIG, 100)
    report = DatasetFolder.open(tmp_path / "world").check()
    assert not report.rejected
    pairs = json.loads((tmp_path / "world" / "held_out.json").read_text())
    assert len(pairs) == counts["held_out"]
    assert report.rows["saves"] == counts["saves"]
