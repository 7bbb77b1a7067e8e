from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from engine.datasets.folder import DatasetFolder
from engine.datasets.generator import generate, load_vocabulary, read_truth, write_world
from engine.datasets.world import BEGIN_MS, SPAN_MS, SUBJECTS, World, WorldConfig, build_world
from engine.errors import InputError
from engine.files import sha256_file

SMALL = WorldConfig(items=800, seed=3)


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def build(config: WorldConfig) -> World:
    return build_world(config, load_vocabulary().domain_of_topic)


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_world(tmp_path / name, WorldConfig(items=400, seed=seed))
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a")["saves.csv"] != files(tmp_path / "c")["saves.csv"]
    assert files(tmp_path / "a")["visual.npy"] != files(tmp_path / "c")["visual.npy"]


def test_a_world_passes_the_full_check_and_writing_it_again_replaces_it(tmp_path: Path) -> None:
    for _ in range(2):
        counts = write_world(tmp_path / "world", SMALL)
    report = DatasetFolder.open(tmp_path / "world").check()
    assert dict(report.rows) == counts
    assert not report.rejected
    assert not report.repeated
    truth = read_truth(tmp_path / "world")
    assert len(truth) == SMALL.items + SMALL.arrivals
    assert read_truth(tmp_path) == {}


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="no data set"):
        write_world(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_every_edge_has_its_ends_and_no_pin_is_twice_on_a_board() -> None:
    world = build(SMALL)
    ends = (
        (world.saves, SMALL.boards, SMALL.items),
        (world.views, SMALL.users, SMALL.items),
        (world.follows, SMALL.users, SMALL.users),
    )
    for edges, sources, targets in ends:
        assert edges.source.min() >= 0
        assert edges.source.max() < sources
        assert edges.target.min() >= 0
        assert edges.target.max() < targets
        pairs = edges.source.astype(np.int64) * targets + edges.target
        assert len(np.unique(pairs)) == len(pairs)
        assert edges.time.min() >= BEGIN_MS
        assert edges.time.max() < BEGIN_MS + SPAN_MS
    assert not (world.follows.source == world.follows.target).any()
    assert world.board_owner.max() < SMALL.users


def test_arrivals_come_after_everything_and_only_they_are_new() -> None:
    world = build(SMALL)
    assert set(world.arrival_saves.target.tolist()) == set(range(SMALL.items, SMALL.items + SMALL.arrivals))
    assert world.arrival_saves.source.max() < SMALL.boards
    assert world.arrival_saves.time.min() >= BEGIN_MS + SPAN_MS
    assert world.saves.target.max() < SMALL.items


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_popularity_falls_by_a_power_law_with_the_given_exponent(exponent: float) -> None:
    # Strays alone: every save is drawn by popularity from the whole world, and boards are short against the world.
    config = WorldConfig(
        items=4000, seed=1, popularity=exponent, fit=0.0, near=0.0, stray=1.0, saves_per_item=100, board_size=4
    )
    world = build(config)
    organic = world.item_corpus[: config.items] == 0
    degrees = np.sort(np.bincount(world.saves.target, minlength=config.items)[organic])[::-1]
    ranks = np.arange(20, 1000)
    slope = np.polyfit(np.log(ranks), np.log(degrees[ranks]), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.1)


def test_saves_share_topic_and_taste_beyond_chance() -> None:
    world = build(WorldConfig(items=6000, seed=5, tastes=3))
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(world.saves.source[1:] == world.saves.source[:-1])
    first, second = world.saves.target[rows], world.saves.target[rows + 1]
    shuffled = rng.permutation(second)
    same_topic = world.item_topic[first] == world.item_topic[second]
    assert same_topic.mean() > 5 * (world.item_topic[first] == world.item_topic[shuffled]).mean()
    taste = (world.item_taste[first] == world.item_taste[second])[same_topic].mean()
    assert taste > 1.2 / world.config.tastes
    subject = (world.item_subject[first] == world.item_subject[second])[same_topic].mean()
    assert subject > 2 / SUBJECTS


def test_words_show_the_topic_but_not_the_taste(tmp_path: Path) -> None:
    """A naive Bayes reader of titles recognises topics; told the topic, it guesses tastes no better than chance."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    config = WorldConfig(items=6000, seed=2, tastes=4)
    made = generate(config)
    items = made.main.tables["items"]
    text = [f"{t} {d or ''}" for t, d in zip(items["title"], items["description"], strict=True)]
    words = CountVectorizer().fit_transform(text)
    world, half = made.world, config.items // 2
    topic, taste = world.item_topic[: config.items], world.item_taste[: config.items]
    assert MultinomialNB().fit(words[:half], topic[:half]).score(words[half:], topic[half:]) > 0.8
    assert MultinomialNB().fit(words[:half], taste[:half]).score(words[half:], taste[half:]) < 1 / 4 + 0.03


def test_every_topic_has_words_for_its_subjects() -> None:
    for topic in load_vocabulary().topics:
        assert len(topic.nouns) == SUBJECTS
        assert len(set(topic.details)) == len(topic.details) >= 2


def test_pictures_follow_the_topic() -> None:
    world = build(SMALL)
    unit = world.visual / np.linalg.norm(world.visual, axis=1, keepdims=True)
    same = world.item_topic[:, None] == world.item_topic[None, :]
    off = ~np.eye(len(unit), dtype=bool)
    likeness = unit @ unit.T
    assert likeness[same & off].mean() > likeness[~same].mean() + 0.2


def test_titles_are_whole_sentences_of_real_words_and_some_cells_are_missing() -> None:
    items = generate(SMALL).main.tables["items"]
    for title in items["title"]:
        assert re.fullmatch(r"[A-Z0-9].{6,}", title)
        assert "{" not in title
    for column in ("description", "category", "colours", "price", "aspect"):
        missing = sum(value is None for value in items[column]) / SMALL.items
        assert 0.02 < missing < 0.95, column
    assert {"organic", "ads", "products"} == set(items["corpus"])


def test_the_world_grows_with_its_items() -> None:
    small, large = (build(WorldConfig(items=n, seed=0)) for n in (1000, 4000))
    assert len(large.saves.source) == pytest.approx(4 * len(small.saves.source), rel=0.35)


@pytest.mark.parametrize(
    "wrong", [{"items": 3}, {"seed": -1}, {"tastes": 0}, {"fit": 0.8, "stray": 0.4}, {"popularity": -1}]
)
def test_a_world_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        WorldConfig(**wrong)  # type: ignore[arg-type]
