"""Two generations side by side: the same questions, and how far the answers agree."""

from __future__ import annotations

import pytest
from serving_world import World, make_world, publish, topic_vectors

from engine.graph.snapshot import Snapshot
from engine.registry import Registry
from engine.serving.compare import compare, overlap, shared_queries
from engine.serving.live import open_view
from engine.serving.recommend import Recommender
from engine.settings import GraphMapping


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    home = tmp_path_factory.mktemp("compare")
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}")
    world = make_world(per_topic=30)
    snapshot = Snapshot.from_dataset(world.tables)
    publish(registry, home, world, metrics={"MRR": 0.5, "gone": 1, "words": "none"})
    publish(registry, home, world, metrics={"MRR": 0.4, "new": 2})
    turned = {item: (topic + 1) % 3 if item.endswith("7") else topic for item, topic in world.topic.items()}
    publish(registry, home, world, vectors=topic_vectors(snapshot, turned))
    publish(registry, home, World(make_world(per_topic=20).tables, world.topic))
    return registry


def opened(registry: Registry, generation_id: str) -> Recommender:
    return Recommender(open_view(registry.generations.get(generation_id)), GraphMapping(), {})


def test_equal_generations_give_equal_answers_and_figures_are_told_apart(registry):
    first, second = (registry.generations.get(name) for name in ("g0001", "g0002"))
    found = compare(opened(registry, "g0001"), opened(registry, "g0002"), (first.metrics, second.metrics), k=5)
    assert {one.corpus: (one.overlap, one.least) for one in found.corpora} == {"ads": (1, 1), "organic": (1, 1)}
    assert [one.queries == one.same for one in found.corpora] == [True, True]
    assert found.most_changed == ()
    figures = {one.name: (one.first, one.second) for one in found.metrics}
    assert figures == {
        "MRR": (0.5, 0.4), "gone": (1, None), "ann_recall": (1, 1), "items": (103, 103), "new": (None, 2)
    }  # fmt: skip
    assert "-0.1" in str(found)
    assert "103" in str(found)


def test_what_moved_is_what_changed_most(registry):
    found = compare(opened(registry, "g0001"), opened(registry, "g0003"), ({}, {}), k=5)
    organic = next(one for one in found.corpora if one.corpus == "organic")
    assert organic.overlap < 1
    assert organic.least == found.most_changed[0].overlap < 0.3
    assert found.most_changed[0].query.endswith("7")
    assert found.most_changed[0].query in str(found)
    assert found.to_dict()["corpora"][0]["corpus"] == "ads"


def test_the_questions_are_items_that_both_hold_and_the_same_ones_either_way(registry):
    large, small = opened(registry, "g0001"), opened(registry, "g0004")
    asked = shared_queries(large, small, 10)
    assert asked == shared_queries(small, large, 10)
    assert [len(asked[name]) for name in ("ads", "organic")] == [10, 10]
    everything = shared_queries(large, small, 10_000)
    assert set(everything["organic"]) == set(small.view.item_ids) - set(everything["ads"])
    assert everything["organic"][:10] == asked["organic"]


def test_overlap_is_a_share_of_the_longer_answer():
    assert overlap(("a", "b"), ("b", "c", "d", "a")) == 0.5
    assert overlap((), ()) == 1
    assert overlap(("a",), ()) == 0
