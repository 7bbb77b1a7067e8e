"""GraphRec's side of the training loop: which ratings a step predicts, and what it reads for them. Knows no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.models.attention.lists import Ints, Lists
from engine.models.graphrec.config import GraphrecSettings
from engine.models.graphrec.model import Graphrec
from engine.models.graphrec.neighbours import SocialGraph


@dataclass(frozen=True, slots=True)
class Batch:
    """One step.

    Attributes:
        users: int64 `[S]`, those asked and their friends; `rated` are positions of their ratings.
        asked: int64 `[U]`, rows of `users` that are asked; `friends` are rows of `users`.
        items: int64 `[I]`; `raters` are positions of their ratings.
        pair: int64 `[B]` twice, rows of `asked` and of `items`.
        start: float32 `[B]`, what the prediction starts from: the mean, and the biases where they are used.
        left: float32, what each of `rated` leaves over of the biases; None where tastes are not asked for.
        rating: float32 `[B]`.
    """

    users: Ints
    rated: Lists
    asked: Ints
    friends: Lists
    items: Ints
    raters: Lists
    pair: tuple[Tensor, Tensor]
    start: Tensor
    left: Tensor | None
    rating: Tensor


class GraphrecTask:
    """Train a GraphRec on ratings and follows; see `engine.training.loop.Task`.

    No rating that a step predicts stands in a history that it reads. The biases it starts from know all ratings, damped: to
    leave the target out of them would tell it, as the rest of a mean tells what is missing. What the ratings that it reads leave
    over is of the biases by those alone, for the same reason.
    """

    def __init__(self, model: Graphrec, graph: SocialGraph, settings: GraphrecSettings) -> None:
        self.model, self.graph, self.settings = model, graph, settings
        self.start = graph.start(settings.network)

    @property
    def module(self) -> nn.Module:
        return self.model

    @property
    def steps_an_epoch(self) -> int:
        return -(-len(self.graph.ratings) // self.batch_size)

    @property
    def batch_size(self) -> int:
        """Ratings a step: never more than a tenth of all, so that there is something left to read."""
        return max(1, min(self.settings.training.batch_size, len(self.graph.ratings) // 10))

    def parameter_groups(self) -> list[dict[str, Any]]:
        named = [(name.startswith("tastes."), one) for name, one in self.model.named_parameters()]
        groups: list[dict[str, Any]] = [{"params": [one for apart, one in named if not apart]}]
        if self.model.config.tastes:
            decay = self.settings.training.taste_decay
            groups.append({"params": [one for apart, one in named if apart], "weight_decay": decay})
        return groups

    def validate(self) -> float | None:
        """None: the number of epochs is a setting, so that it learns from all known ratings."""
        return None

    def batch(self, step: int) -> Batch:
        graph, how = self.graph, self.settings.training
        ratings = graph.ratings
        targets = self._targets(step)
        rng = np.random.default_rng([self.settings.loop.seed, step])
        readable = graph.without(targets) & (rng.random(len(ratings)) >= how.hidden)
        asked, user_row = np.unique(ratings.user[targets], return_inverse=True)
        items, item_row = np.unique(ratings.item[targets], return_inverse=True)
        unseen = np.zeros(ratings.num_users, dtype=np.bool_)
        unseen[asked] = rng.random(len(asked)) < how.unseen
        histories = readable & ~unseen[ratings.user]
        friends = graph.friends_of(asked if self.model.config.social else asked[:0]).capped(how.friends, rng)
        users = np.union1d(asked, friends.at)
        rated = graph.of_users(users)
        rated = rated.only(histories[rated.at]).capped(how.history, rng)
        raters = graph.of_items(items)
        raters = raters.only(readable[raters.at]).capped(how.history, rng)
        user, item = ratings.user[targets], ratings.item[targets]
        start = self.start.mean + np.where(unseen[user], 0.0, self.start.users[user]) + self.start.items[item]
        return Batch(
            users=users,
            rated=rated,
            asked=np.searchsorted(users, asked),
            friends=friends.to(np.searchsorted(users, friends.at)),
            items=items,
            raters=raters,
            pair=(torch.from_numpy(user_row), torch.from_numpy(item_row)),
            start=torch.from_numpy(start.astype(np.float32)),
            left=graph.left(graph.start(self.model.config, readable), rated.at) if self.model.config.tastes else None,
            rating=torch.from_numpy(ratings.levels[ratings.level[targets]]),
        )

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared error of the ratings (equation 23)."""
        model, ratings = self.model, self.graph.ratings
        own = model.users.index_select(0, torch.from_numpy(batch.users))
        at = batch.rated.at
        histories = model.rated(model.items, own, batch.rated, ratings.item[at], ratings.level[at])
        asked = torch.from_numpy(batch.asked)
        friends = None
        if model.config.social:
            friends = (
                histories.index_select(0, torch.from_numpy(batch.friends.at)),
                own.index_select(0, asked),
                batch.friends,
            )
        users = model.user(histories.index_select(0, asked), friends)
        at = batch.raters.at
        own = model.items.index_select(0, torch.from_numpy(batch.items))
        items = model.raters(model.users, own, batch.raters, ratings.user[at], ratings.level[at])
        found = batch.start + model.rate(users.index_select(0, batch.pair[0]), items.index_select(0, batch.pair[1]))
        if batch.left is not None:
            says = model.tastes(model.tastes.says, batch.rated, ratings.item[batch.rated.at], batch.left)
            its = model.tastes.asked.index_select(0, torch.from_numpy(batch.items))
            found = found + (says.index_select(0, asked[batch.pair[0]]) * its.index_select(0, batch.pair[1])).sum(1)
        return (found - batch.rating).square().mean()

    def _targets(self, step: int) -> Ints:
        """The ratings of a step: each once an epoch, in an order drawn for it."""
        epoch, within = divmod(step, self.steps_an_epoch)
        size = self.batch_size
        order = np.random.default_rng([self.settings.loop.seed, epoch, 1]).permutation(len(self.graph.ratings))
        return np.sort(order[within * size : (within + 1) * size])
