"""What one client has open: graph, registry, the generation that serves. Each opens when first asked for; answers nothing."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from engine.errors import InputError, NotReadyError, StaleAnswerError
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.graph.connection import Graph
    from engine.graph.write import GraphWriter
    from engine.models.user_item import UserItemData
    from engine.models.user_method import UserMethod
    from engine.registry import Registry
    from engine.sampling.friends import Friendship
    from engine.serving.canary import Canary
    from engine.serving.freshness import Freshness
    from engine.serving.live import Live
    from engine.serving.new_items import NewItems
    from engine.serving.recommend import Recommender
    from engine.serving.shadow import Shadowing
    from engine.serving.taken import Taken, TakenBy
    from engine.serving.user_answers import UserRecommender
    from engine.serving.view import View


class Opened:
    """The parts of one client, and how they are put together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @functools.cached_property
    def graph(self) -> Graph:
        """The graph server; the local one is started where no URI is set."""
        from engine.graph.connection import Graph

        return Graph.connect(self.settings)

    @functools.cached_property
    def registry(self) -> Registry:
        """The generations."""
        from engine.registry import Registry

        return Registry.open(self.settings.resolved_registry_url)

    @functools.cached_property
    def writer(self) -> GraphWriter:
        """Writes to the graph, under the mapped labels."""
        from engine.graph.write import GraphWriter

        return GraphWriter(self.graph, self.settings.graph.mapping)

    @functools.cached_property
    def live(self) -> Live[Recommender]:
        """The generation that serves, whichever it is now."""
        from engine.serving.live import Live

        return Live(self.registry, self._recommender_of)

    @functools.cached_property
    def canary(self) -> Canary:
        """Compares a share of the questions with exact search."""
        from engine.serving.canary import Canary

        return Canary(self.registry, floor=self.settings.gate.ann_recall)

    @functools.cached_property
    def shadowing(self) -> Shadowing:
        """The candidate that answers beside what serves, where one does."""
        from engine.serving.shadow import Shadowing

        return Shadowing(self.registry, self.recommender_of)

    @functools.cached_property
    def freshness(self) -> Freshness:
        """How far what answers is behind the graph."""
        from engine.serving.freshness import Freshness

        return Freshness(lambda: self.graph)

    def fresh_recommender(self, max_staleness_s: float | None) -> Recommender:
        """The serving generation's recommender, if it is no further behind the graph than is allowed.

        Raises:
            StaleAnswerError: it is.
        """
        recommender = self.live.recommender()
        if max_staleness_s is None:
            return recommender
        try:
            self.freshness.check(recommender.view.origin, max_staleness_s)
        except StaleAnswerError:
            self.live.look_again()
            newer = self.live.recommender()
            if newer is recommender:
                raise
            self.freshness.check(newer.view.origin, max_staleness_s)
            return newer
        return recommender

    @functools.cached_property
    def new_items(self) -> NewItems:
        """The items that came after the generation that serves."""
        from engine.refresh.model import load_embedder
        from engine.serving.new_items import NewItems

        return NewItems(lambda: self.graph, self.settings.graph.mapping, load_embedder)

    def recommender_of(self, view: View) -> Recommender:
        """Answers from a view alone: items that came after it are unknown."""
        from engine.serving.methods import methods_of
        from engine.serving.recommend import Recommender

        mapping, methods = self.settings.graph.mapping, methods_of(view, self.settings.seed)
        return Recommender(view, mapping, methods, default=view.facts["default_method"])

    def _recommender_of(self, view: View) -> Recommender:
        from engine.serving.methods import methods_of
        from engine.serving.recommend import Recommender

        fresh = self.new_items.carry_over(view)
        return Recommender(
            view,
            self.settings.graph.mapping,
            methods_of(view, self.settings.seed),
            default=view.facts["default_method"],
            fresh=fresh,
            find_new=lambda item: self.new_items.find(view, fresh, item),
            saw=self.canary.saw,
        )

    @functools.cached_property
    def _user_models(self) -> dict[str, Live[UserRecommender]]:
        return {}

    def user_model(self, name: str | None, answers: str = "ranking") -> Live[UserRecommender]:
        """The generation that serves for a model about users and items, whichever it is now.

        Args:
            name: the only one published that gives such answers when None.

        Raises:
            UnknownNameError: there is no such model.
            NotReadyError: none is published.
            InputError: several are, and none is named.
        """
        from engine.models.user_methods import find_user_method
        from engine.serving.live import Live

        slot = self._only(answers) if name is None else find_user_method(name).name
        if slot not in self._user_models:
            self._user_models[slot] = Live(self.registry, self._user_recommender_of, slot)
        return self._user_models[slot]

    @property
    def model_views(self) -> dict[str, View]:
        """What is open of the models about users and items, by slot."""
        return {slot: view for slot, live in self._user_models.items() if (view := live.view) is not None}

    def _only(self, answers: str) -> str:
        from engine.models.user_methods import USER_METHODS
        from engine.registry import LIVE

        there = [slot for slot in self.registry.generations.slots() if slot != LIVE]
        able = [slot for slot in there if slot in USER_METHODS and answers in USER_METHODS[slot].answers] or there
        if not able:
            raise NotReadyError(
                "no model about users and items is published", hint="For instance `engine build item-knn`."
            )
        if len(able) > 1:
            raise InputError(f"several models are published: {', '.join(able)}", hint="Name one with `model`.")
        return able[0]

    def _user_recommender_of(self, view: View) -> UserRecommender:
        from engine.refresh.user_model import opened_method
        from engine.serving.user_answers import UserRecommender

        def open_method(method: UserMethod, view: View, data: UserItemData) -> Any:
            return opened_method(method, view.folder, view.facts["config"]["settings"], data)

        return UserRecommender(
            view, self.settings.graph.mapping, self._taken, self._taken_by, self._takers, open_method
        )

    def _taken(self, user: str, relation: str, before: int, friendship: Friendship) -> Taken | None:
        from engine.graph.queries import load_queries
        from engine.sampling.friends import directions
        from engine.serving.taken import Taken

        query = load_queries()[f"serving/taken/{relation}"].render(self.settings.graph.mapping)
        rows = self.graph.read(query, {"id": user, "before": before, **directions(friendship)})
        return Taken(*(tuple(column) for column in rows[0].values())) if rows else None

    def _taken_by(self, item: str, relation: str) -> TakenBy | None:
        from engine.graph.queries import load_queries
        from engine.serving import taken

        query = load_queries()[f"serving/taken_by/{relation}"].render(self.settings.graph.mapping)
        rows = self.graph.read(query, {"id": item, "most": taken.MOST})
        if not rows:
            return None
        users, ratings, times = (tuple(rows[0][name]) for name in ("users", "values", "times"))
        return taken.TakenBy(users, ratings, times, rows[0]["count"], rows[0]["properties"])

    def _takers(self, items: list[str], before: int, most: int) -> list[list[tuple[str, int]]]:
        from engine.sampling.live_times import LiveTimes

        live = LiveTimes(self.graph, self.settings.graph.mapping)
        return live.recent_users(items, [before] * len(items), most)

    def look_again(self) -> None:
        """What serves may have changed just now: the next question looks."""
        self.live.look_again()
        for live in self._user_models.values():
            live.look_again()

    def close(self) -> None:
        """Close the connections and forget what hangs on them; the next call opens them again."""
        for live in self.__dict__.pop("_user_models", {}).values():
            live.close()
        for name in ("shadowing", "canary", "live", "freshness", "new_items", "writer", "graph", "registry"):
            opened = self.__dict__.pop(name, None)
            if name in ("shadowing", "live", "graph", "registry") and opened is not None:
                opened.close()
