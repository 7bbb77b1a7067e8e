"""Related items: the right ones, as many as asked, from where they were asked, and with the reason when not."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from serving_world import TOPICS

from engine.errors import InputError, NotReadyError, UnknownNameError, UnknownNodeError
from engine.serving.methods import DenseMethod
from engine.serving.query import boost, boost_cosines


def topics(answer) -> set[str]:
    return {item.item_id.split("-")[0] for item in answer.items}


def test_related_items_are_the_nearest_without_the_item_itself(recommender):
    answer = recommender.related("jazz-7", 10)
    view = recommender.view
    cosines = view.vectors @ view.vectors[view.item_row("jazz-7")]
    wanted = [
        view.items.ids[row] for row in np.argsort(-cosines) if view.items.corpora[view.items.corpus[row]] == "organic"
    ]
    assert answer.ids == tuple(wanted[1:11])
    assert all(a.score >= b.score for a, b in pairwise(answer.items))
    np.testing.assert_allclose(
        [i.score for i in answer], np.sort(cosines[[view.item_row(i) for i in answer.ids]])[::-1], atol=1e-5
    )


def test_every_answer_says_what_it_is_and_where_it_is_from(recommender, published):
    answer = recommender.related("jazz-7", 3)
    assert (answer.generation, answer.watermark, answer.as_of) == (published.id, published.watermark, published.as_of)
    assert (answer.k, answer.method, answer.corpus, answer.reason) == (3, "pinsage", "organic", None)
    assert answer.items[0].title == f"All about {answer.items[0].item_id}"


def test_an_answer_is_a_table_and_json(recommender):
    answer = recommender.related("jazz-7", 2, explain=True)
    shown = str(answer)
    assert f"All about {answer.ids[0]}" in shown
    assert "generation g0001" in shown
    told = json.loads(answer.to_json())
    assert [item["item_id"] for item in told["items"]] == list(answer.ids)
    assert told["as_of"].startswith("2026-05-04T03:02:01")


@pytest.mark.parametrize("method", ["pinsage", "walks", "content"])
def test_every_method_that_looks_at_the_query_stays_in_its_topic(recommender, method):
    answer = recommender.related("rock-3", 8, method=method)
    assert (len(answer), topics(answer), answer.method) == (8, {"rock"}, method)


def test_popularity_answers_with_what_most_boards_hold(recommender):
    degrees = recommender.view.graph.item_to_context.degrees()
    answer = recommender.related("rock-3", 5, method="popularity")
    held = [int(degrees[recommender.view.item_row(i)]) for i in answer.ids]
    assert (
        held
        == sorted((d for i, d in zip(recommender.view.items.ids, degrees, strict=True) if i != "rock-3"), reverse=True)[
            :5
        ]
    )


def test_several_items_bring_what_is_related_to_all_before_what_is_related_to_one(recommender):
    assert topics(recommender.related({"jazz-1": 1, "jazz-2": 1}, 8)) == {"jazz"}
    both = recommender.related({"jazz-1": 1, "rock-1": 1}, 30)
    assert topics(both) == {"jazz", "rock"}
    heavy = recommender.related({"jazz-1": 9, "rock-1": 1}, 10)
    assert topics(heavy) == {"jazz"}
    assert not {"jazz-1", "rock-1"} & set(both.ids)


def test_one_item_with_any_weight_is_the_item(recommender):
    assert recommender.related({"jazz-1": 17}, 10).items == recommender.related("jazz-1", 10).items


def test_merging_boosts_hits_of_several_queries():
    scores = np.array([[0.8, 0.5, 0.0], [0.0, 0.5, 0.8]], np.float32)
    merged = boost(scores, np.array([0.5, 0.5], np.float32))
    assert merged[1] > merged[0] == merged[2]
    np.testing.assert_allclose(merged, [0.2, 0.5, 0.2], atol=1e-6)
    assert (boost_cosines(scores[:1], np.ones(1, np.float32)) == scores[0]).all()


def test_another_corpus_answers_the_same_query(recommender):
    answer = recommender.related("jazz-7", 4, corpus="ads")
    assert answer.corpus == "ads"
    assert set(answer.ids) == {"ad-0", "ad-3", "ad-6", "ad-9"}
    assert recommender.related("ad-0", 3).corpus == "ads"


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({"genre": "rock"}, lambda item: item.startswith("rock")),
        ({"genre": ["rock", "folk"]}, lambda item: not item.startswith("jazz")),
        ({"genre": "live"}, lambda item: item.endswith("0")),
        ({"year": 1957}, lambda item: item.endswith("-7")),
        ({"year": {">=": 1955, "<": 1958}}, lambda item: item.split("-")[1] in {"5", "6", "7"}),
        ({"year": {">": 1955, "<=": 1958}, "genre": "folk"}, lambda item: item in {"folk-6", "folk-7", "folk-8"}),
        ({"title": "All about folk-3"}, lambda item: item == "folk-3"),
    ],
)
@pytest.mark.parametrize("method", ["pinsage", "popularity"])
def test_a_filter_lets_through_exactly_what_it_says(recommender, where, holds, method):
    everything = recommender.related("jazz-1", 200, where=where, method=method)
    allowed = {i for i in recommender.view.items.ids if i.split("-")[0] in TOPICS and i != "jazz-1" and holds(i)}
    assert set(everything.ids) == allowed
    assert "pass the filter" in everything.reason
    some = recommender.related("jazz-1", 2, where=where, method=method)
    assert some.ids == everything.ids[:2]


def test_a_filter_nothing_passes_says_so(recommender):
    answer = recommender.related("jazz-1", 5, where={"genre": "polka"})
    assert answer.items == ()
    assert "0 of them pass the filter" in answer.reason


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ({"colour": "red"}, UnknownNameError, "no field 'colour'"),
        ({"year": "1957"}, InputError, "'year' is numeric"),
        ({"year": True}, InputError, "'year' is numeric"),
        ({"year": {">": float("nan")}}, InputError, "finite number"),
        ({"year": {"~": 3}}, InputError, "comparison '~'"),
        ({"year": {}}, InputError, "empty range"),
        ({"genre": {">": 3}}, InputError, "'genre' is categorical"),
        ({"genre": 3}, InputError, "'genre' is categorical"),
        ({"genre": []}, InputError, "names no value"),
        ("genre=jazz", InputError, "where must be a mapping"),
    ],
)
def test_a_wrong_filter_is_one_clear_error(recommender, where, error, message):
    with pytest.raises(error, match=message):
        recommender.related("jazz-1", where=where)


def test_excluded_items_do_not_come_up_and_others_take_their_place(recommender):
    first = recommender.related("jazz-1", 10)
    second = recommender.related("jazz-1", 10, exclude=[*first.ids[:6], "no such item"])
    assert second.ids[:4] == first.ids[6:]
    assert len(second) == 10


def test_what_a_user_has_already_does_not_come_up(recommender):
    seen = {f"jazz-{n}" for n in range(9)}
    answer = recommender.related("jazz-20", 40, user="both")
    assert len(answer) == 40
    assert not seen & set(answer.ids)


def test_k_is_met_or_the_reason_is_given(recommender):
    assert len(recommender.related("jazz-1", 180)) == 180
    more = recommender.related("jazz-1", 1000)
    assert len(more) == 180
    assert "holds 181 items" in more.reason
    walks = recommender.related("jazz-1", 100, method="walks")
    assert 8 < len(walks) < 100
    assert "walks from the query reach no more" in walks.reason
    alone = recommender.related("lonely", 5, method="walks")
    assert (len(alone), "reach no more" in alone.reason) == (0, True)


def test_diversity_spreads_the_answer_and_zero_leaves_it(recommender):
    plain = recommender.related({"jazz-1": 3, "rock-1": 2}, 8)
    assert recommender.related({"jazz-1": 3, "rock-1": 2}, 8, diversity=0.0) == plain
    spread = recommender.related({"jazz-1": 3, "rock-1": 2}, 8, diversity=0.8)

    def likeness(answer) -> float:
        vectors = recommender.view.vectors[[recommender.view.item_row(i) for i in answer.ids]]
        return float((vectors @ vectors.T)[np.triu_indices(len(vectors), 1)].mean())

    assert len(spread) == 8
    assert spread.ids[0] == plain.ids[0]
    assert likeness(spread) < likeness(plain)


def test_an_explanation_names_the_boards_that_hold_both(recommender):
    answer = recommender.related("jazz-1", 40, explain=True)
    view, boards = recommender.view, recommender.view.graph.item_to_context
    for item in answer.items:
        shared = set(boards.row(view.item_row("jazz-1")).tolist()) & set(
            boards.row(view.item_row(item.item_id)).tolist()
        )
        why = item.explanation
        assert why.shared_contexts == len(shared)
        for path in why.paths:
            assert (path[0].id, path[-1].id) == ("jazz-1", item.item_id)
            assert [node.kind for node in path] == (["item", "context"] * 3)[: len(path)]
            assert (len(path) == 3) == bool(shared)
        assert "'jazz-1'" in why.cypher
        assert "$" not in why.cypher
    assert any(len(path) == 5 for item in answer.items for path in item.explanation.paths)
    assert any(len(path) == 3 for item in answer.items for path in item.explanation.paths)


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", None])
def test_a_k_that_is_no_count_is_refused(recommender, k):
    with pytest.raises(InputError, match="k must be a whole number"):
        recommender.related("jazz-1", k)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "names no item"),
        ({"jazz-1": 0}, "above 0"),
        ({"jazz-1": -2}, "above 0"),
        ({"jazz-1": float("nan")}, "above 0"),
        ({"jazz-1": float("inf")}, "above 0"),
        ({"jazz-1": "much"}, "above 0"),
        ({3: 1.0}, "ids are strings"),
        (["jazz-1"], "item id or a mapping"),
        (None, "item id or a mapping"),
    ],
)
def test_a_wrong_query_is_one_clear_error(recommender, item, message):
    with pytest.raises(InputError, match=message):
        recommender.related(item)


@pytest.mark.parametrize("item", ["nothing", "", "jazz-1'", "𝄞 \n\0", "x" * 10_000, {"jazz-1": 1, "nothing": 1}])
def test_an_unknown_item_is_named(recommender, item):
    with pytest.raises(UnknownNodeError, match="there is no item"):
        recommender.related(item)


def test_unknown_corpus_method_and_user_are_named_with_what_there_is(recommender):
    with pytest.raises(UnknownNameError, match=r"no corpus 'adds'\nThere are: ads, organic"):
        recommender.related("jazz-1", corpus="adds")
    with pytest.raises(UnknownNameError, match=r"no method 'magic'\nKnown: blend"):
        recommender.related("jazz-1", method="magic")
    with pytest.raises(NotReadyError, match="has no 'blend' method"):
        recommender.related("jazz-1", method="blend")
    with pytest.raises(UnknownNodeError, match="no user 'nobody else'"):
        recommender.related("jazz-1", user="nobody else")


@pytest.mark.parametrize("diversity", [-0.1, 1.1, float("nan"), "much", True])
def test_a_diversity_out_of_range_is_refused(recommender, diversity):
    with pytest.raises(InputError, match="diversity must be"):
        recommender.related("jazz-1", diversity=diversity)


def test_one_string_to_exclude_is_refused(recommender):
    with pytest.raises(InputError, match="list of item ids"):
        recommender.related("jazz-1", exclude="jazz-2")


def test_a_method_that_cannot_say_anything_of_new_query_items_gives_the_reason(recommender):
    query = recommender.query("jazz-1")
    new = type(query)(("x",), np.array([-1], np.int32), query.weights, query.vectors)
    walks = recommender.method("walks")
    assert isinstance(walks, DenseMethod)
    answer = recommender.answer(new, "x", 3, "organic", method="walks")
    assert (len(answer), "newer than this generation" in answer.reason) == (0, True)


def test_an_error_names_a_huge_id_in_a_line(recommender):
    huge = "x" * 10_240
    calls = [
        lambda: recommender.related(huge),
        lambda: recommender.related("jazz-1", corpus=huge),
        lambda: recommender.related("jazz-1", method=huge),
        lambda: recommender.related("jazz-1", user=huge),
        lambda: recommender.related("jazz-1", where={huge: 1}),
    ]
    for call in calls:
        with pytest.raises((UnknownNodeError, UnknownNameError)) as caught:
            call()
        assert "xxxx" in str(caught.value)
        assert max(map(len, str(caught.value).splitlines())) < 200
