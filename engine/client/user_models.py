"""The engine's answers about users by models about users and items: recommend, next items, predict, alike users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.client.engine import Engine
    from engine.registry import Generation
    from engine.sampling.friends import Friendship
    from engine.serving.filters import Where
    from engine.serving.next_items import When
    from engine.serving.results import Answer
    from engine.serving.results_users import AlikeUsers, FromFriends, Prediction
    from engine.serving.user_lists import UserLists


def recommend(
    engine: Engine,
    user: str,
    k: int = 10,
    *,
    model: str | None = None,
    corpus: str | None = None,
    where: Where | None = None,
    exclude: Iterable[str] | None = None,
    explain: bool = False,
) -> Answer:
    """Items for a user, by a model about users and items. What they have already is left out.

    A user who came after the model was published is answered from their first items, read from the graph, without
    training, and the answer says so, as it does of a user whom the model was not trained on. Where nobody has anything but contexts do, a context's id stands for a user's.

    Args:
        model: a name that `build` published; the only one published when None.
        corpus: the default one when None.
        where, exclude: see `related`.
        explain: add what the model attended to, where it has attention.

    Raises:
        NotReadyError: no such model is published.
        UnknownNodeError: a user that is not there.
        UnknownNameError: a model, corpus or field that is not there.
        InputError: k or the filter is wrong.
    """
    from engine.serving.user_items import recommend

    one = engine.opened.user_model(model).recommender()
    return recommend(one, user, k, corpus=corpus, where=where, exclude=exclude, explain=explain)


def next_items(
    engine: Engine,
    user: str,
    k: int = 10,
    *,
    model: str | None = None,
    at: When | None = None,
    corpus: str | None = None,
    where: Where | None = None,
    exclude: Iterable[str] | None = None,
    explain: bool = False,
) -> Answer:
    """What a user takes up next, by a model that goes by the order of what they took up.

    The user's own history, and who else took up its items, are read from the graph as it stands, what is further away from the
    generation. Nothing that happened at or after the time asked about is read of anybody, and what the user had by then is left out.

    Args:
        model: such as "dgsr", "sasrec", "markov" or "session-knn", published by `train`; the only one when None.
        at: the time of the question, epoch ms or a datetime with a time zone; now when None.
        corpus: the default one when None.
        where, exclude: see `related`.
        explain: add what the model attended to, where it has attention.

    Raises:
        NotReadyError: no such model is published.
        UnknownNodeError: a user that is not there.
        UnknownNameError: a model, corpus or field that is not there.
        InputError: the model goes by no order; k, the time or the filter is wrong.
        GraphUnavailableError: the graph cannot be asked.
    """
    from engine.serving.next_items import next_items

    one = engine.opened.user_model(model, "next").recommender()
    return next_items(one, user, k, at=at, corpus=corpus, where=where, exclude=exclude, explain=explain)


def recommend_all(engine: Engine, k: int = 10, *, model: str | None = None, corpus: str | None = None) -> UserLists:
    """Items for every user at once, as a nightly job writes them down; what each has already is left out.

    Only users of whom the generation knows something are there; `recommend` answers the others one by one.

    Args:
        k: items a user, fewer where there are no more.
        model, corpus: see `recommend`.

    Returns:
        Iterate over it for batches of Arrow rows (user_id, rank from 1, item_id, score); `users` int32 are the row numbers
        of the users who are answered, and the metadata of `schema` says from which generation and watermark.

    Raises:
        NotReadyError: no such model is published.
        UnknownNameError: a model or corpus that is not there.
        InputError: k is wrong, or the model only predicts ratings.
    """
    from engine.serving.user_lists import UserLists

    asked = engine.opened.user_model(model, "ranking").recommender()
    chosen = asked.view.corpus_or_only(engine.settings.graph.mapping.items.default_corpus) if corpus is None else corpus
    return UserLists(asked, k, chosen, engine.settings.threads)


def predict(engine: Engine, user: str, item: str, *, model: str | None = None, explain: bool = False) -> Prediction:
    """What a user would rate an item, and how likely each rating is where the model tells.

    A user or an item that came after the model was published is answered from what they rated and their friends, or from who
    rated it first, by now and without training; `rests_on` says which, and on which of the two the model was not trained.

    Args:
        model: a name that `build` published; the only one that predicts ratings when None.
        explain: add what the model attended to, where it has attention.

    Raises:
        InputError: the model predicts no ratings.
        NotReadyError: no such model is published, or it knows nothing of the user or the item and cannot take them in.
        UnknownNodeError: a user or item that is not there.
    """
    from engine.serving.user_rating import predict

    return predict(engine.opened.user_model(model, "rating").recommender(), user, item, explain=explain)


def recommend_from_friends(
    engine: Engine,
    user: str,
    k: int = 10,
    *,
    model: str | None = None,
    friendship: Friendship = "following",
    friends: int = 100,
    at: When | None = None,
    corpus: str | None = None,
    exclude: Iterable[str] | None = None,
    explain: bool = False,
) -> FromFriends:
    """What a user's friends took up and the user has not, out of the graph as it stands, with who these friends are.

    Each item counts the ties of the friends who have it among their last 200. Where a social model is published, it puts the items
    in order.

    Asked as of a time, the friends, what they took up and what the user had are read as of then; what has no time was always there.
    The model is not: what it learned stays learned, a user who came after it is read with all that they have now, and so `rests_on`
    and attention are as of now, too.

    Args:
        model: such as "graphrec" or "diffnet"; the only social one published when None, and ties alone where there is none.
        friendship: who is a friend: "following", whom the user follows; "followers", who follows them; or "both".
        friends: how many are read; where there are more, those that the seed draws.
        at: epoch ms or a datetime with a time zone: nothing at or after it is found, or left out as taken up; now when None.
        corpus: the default one when None.
        exclude: see `related`.
        explain: add the ties to these friends and, where the model has attention to friends, what it gave them.

    Raises:
        UnknownNodeError: a user that is not there.
        UnknownNameError: a model, corpus or friendship that is not there.
        NotReadyError: the model is not published.
        InputError: the model reads no friends; or several that do are published and none is named; k, `friends` or the time is wrong.
        GraphUnavailableError: the graph cannot be asked.
    """
    from engine.serving.from_friends import FriendsOf, only_social

    name = only_social(published_models(engine), model)
    social = None if name is None else engine.opened.user_model(name).recommender()
    asked = FriendsOf(engine.graph, engine.settings.graph.mapping, engine.settings.seed)
    return asked.from_friends(
        user,
        k,
        social=social,
        friendship=friendship,
        friends=friends,
        at=at,
        corpus=corpus,
        exclude=exclude,
        explain=explain,
    )


def similar_users(engine: Engine, user: str, k: int = 10, *, model: str | None = None) -> AlikeUsers:
    """Users like one, by the model's vectors; by shared items where it has none.

    Raises:
        NotReadyError, UnknownNodeError, InputError: see `recommend`.
    """
    from engine.serving.alike_users import similar_users

    return similar_users(engine.opened.user_model(model).recommender(), user, k)


def published_models(engine: Engine) -> Mapping[str, Generation]:
    """The models about users and items that are published: name -> the generation that serves."""
    from engine.registry import LIVE

    generations = engine.registry.generations
    found = {slot: generations.serving(slot) for slot in generations.slots() if slot != LIVE}
    return {slot: one for slot, one in found.items() if one is not None}
