"""Brand-new items: embedded at once, found at once, checked like all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from serving_world import TOPICS

from engine.errors import InputError, UnknownNameError, UnknownNodeError
from engine.sampling.config import WalkConfig
from engine.serving.embed_new import as_table, embed_new
from engine.serving.fresh import FreshItems
from engine.serving.live import open_view
from engine.serving.new_items import NewItems
from engine.serving.recommend import Recommender
from engine.settings import GraphMapping


class TopicEmbedder:
    """Stands in for a trained model: an item is where its neighbourhood or else its genre is."""

    walk = WalkConfig(top_t=10)

    def __init__(self, view) -> None:
        self.view = view

    def embed(self, items, contexts, around):
        del contexts
        vectors = np.zeros((len(items), self.view.vectors.shape[1]), np.float32)
        for row, (idx, weight) in enumerate(zip(around.idx, around.weight, strict=True)):
            vectors[row] = weight[idx >= 0] @ self.view.vectors[idx[idx >= 0]]
            for genre in items.fields["genre"].to_list()[row]:
                vectors[row, TOPICS.index(genre)] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def no_graph():
    raise AssertionError("the graph must not be asked")


@pytest.fixture
def new_items() -> NewItems:
    return NewItems(no_graph, GraphMapping(), TopicEmbedder)


@pytest.fixture
def open_recommender(recommender, new_items) -> Recommender:
    return Recommender(recommender.view, GraphMapping(), {}, fresh=new_items.carry_over(recommender.view))


def test_an_item_is_placed_by_its_fields_alone(open_recommender, new_items):
    new_items.describe(open_recommender, "new", {"genre": "folk", "title": "New"}, (), None)
    answer = open_recommender.related("new", 10)
    assert {i.split("-")[0] for i in answer.ids} == {"folk"}


def test_an_item_is_placed_by_its_first_saves(open_recommender, new_items):
    new_items.describe(open_recommender, "new", {}, ("board-rock-1", "board-rock-2"), None)
    assert {i.split("-")[0] for i in open_recommender.related("new", 10).ids} == {"rock"}


def test_a_new_item_comes_up_in_the_answers_of_others_until_excluded_or_filtered_out(open_recommender, new_items):
    new_items.describe(open_recommender, "new", {"genre": "jazz", "year": 2020, "title": "New"}, (), None)
    near = open_recommender.view.items.ids[
        int((open_recommender.view.vectors @ open_recommender.query("new").vectors[0]).argmax())
    ]
    answer = open_recommender.related(near, 5)
    (item,) = [i for i in answer if i.item_id == "new"]
    assert (item.title, item.corpus, len(answer)) == ("New", "organic", 5)
    assert [i.score for i in answer] == sorted((i.score for i in answer), reverse=True)
    assert "new" not in open_recommender.related(near, 5, exclude=["new"]).ids
    assert "new" in open_recommender.related(near, 5, where={"year": {">": 2010}, "genre": ["jazz"]}).ids
    assert "new" not in open_recommender.related(near, 5, where={"year": {"<": 2010}}).ids
    assert "new" not in open_recommender.related(near, 5, corpus="ads").ids
    assert "new" in open_recommender.related(near, 5, diversity=0.1).ids


def test_a_new_item_is_explained_by_its_boards(open_recommender, new_items):
    new_items.describe(open_recommender, "new", {}, ("board-rock-1",), None)
    answer = open_recommender.related("new", 20, explain=True)
    assert any(path[1].id == "board-rock-1" for item in answer for path in item.explanation.paths)


def test_describing_again_replaces_what_was_said(open_recommender, new_items):
    for genre in ("jazz", "folk"):
        new_items.describe(open_recommender, "new", {"genre": genre}, (), None)
    assert len(open_recommender.fresh) == 1
    assert {i.split("-")[0] for i in open_recommender.related("new", 5).ids} == {"folk"}


def test_new_items_are_carried_into_the_next_generation_unless_it_knows_them(open_recommender, new_items):
    new_items.describe(open_recommender, "new", {"genre": "jazz"}, (), None)
    kept = new_items.carry_over(open_recommender.view)
    assert [one.item.item_id for one in kept] == ["new"]


def test_an_item_described_to_the_old_generation_while_the_next_one_opens_is_new_to_both(
    published, open_recommender, new_items
):
    turned = open_view(published)
    turned = replace(turned, vectors=np.ascontiguousarray(np.asarray(turned.vectors)[:, ::-1]))
    newer = Recommender(turned, GraphMapping(), {}, fresh=new_items.carry_over(turned))
    new_items.describe(open_recommender, "new", {"genre": "jazz"}, ("board-rock-1",), None)
    old, new = open_recommender.fresh.get("new"), newer.fresh.get("new")
    assert old is not None
    assert new is not None
    # Each is embedded by its own generation: the two never mix.
    assert not np.allclose(old.vector, new.vector)
    for one, fresh in ((open_recommender, old), (newer, new)):
        assert np.array_equal(fresh.vector, embed_new(one.view, TopicEmbedder(one.view), fresh.item).vector)


def test_what_the_next_generation_cannot_hold_is_left_out_and_keeps_nothing_back(
    published, open_recommender, new_items, caplog
):
    new_items.describe(open_recommender, "odd", {"genre": "rock", "year": 1990}, (), None)
    new_items.describe(open_recommender, "new", {"genre": "jazz"}, (), None)
    view = open_view(published)
    fields = {name: column for name, column in view.items.fields.items() if name != "year"}
    narrow = replace(view, snapshot=replace(view.snapshot, items=replace(view.items, fields=fields)))
    assert [one.item.item_id for one in new_items.carry_over(narrow)] == ["new"]
    assert "new item 'odd' is not carried over to g0001: items have no field 'year'" in caplog.text


@pytest.mark.parametrize(
    ("fields", "contexts", "corpus", "error", "message"),
    [
        ({"colour": "red"}, (), None, UnknownNameError, "no field 'colour'"),
        ({"year": "1990"}, (), None, InputError, "'year' is numeric"),
        ({"year": float("nan")}, (), None, InputError, "'year' is numeric"),
        ({"year": float("inf")}, (), None, InputError, "'year' is numeric"),
        ({"title": 7}, (), None, InputError, "'title' is text"),
        ({"genre": 7}, (), None, InputError, "'genre' is categorical"),
        ({}, ("board-x",), None, UnknownNodeError, "no context 'board-x'"),
        ({}, (), "adds", UnknownNameError, "no corpus 'adds'"),
    ],
)
def test_a_wrong_description_is_one_clear_error_and_nothing_is_kept(
    open_recommender, new_items, fields, contexts, corpus, error, message
):
    with pytest.raises(error, match=message):
        new_items.describe(open_recommender, "new", fields, contexts, corpus)
    assert len(open_recommender.fresh) == 0


def test_a_known_item_and_a_nameless_one_are_refused(open_recommender, new_items):
    with pytest.raises(InputError, match="'jazz-1' is in generation g0001 already"):
        new_items.describe(open_recommender, "jazz-1", {}, (), None)
    with pytest.raises(InputError, match="needs an id"):
        new_items.describe(open_recommender, "", {}, (), None)


def test_missing_values_stay_missing(recommender):
    from engine.serving.fresh import NewItem

    table = as_table(recommender.view, NewItem("new", "organic"))
    assert {name: column.to_list() for name, column in table.fields.items()} == {
        "title": [None],
        "genre": [[]],
        "year": pytest.approx([np.nan], nan_ok=True),
    }


def test_an_empty_segment_finds_nothing(recommender):
    assert FreshItems().search(recommender.query("jazz-1"), "organic", (), frozenset(), 5) == []
