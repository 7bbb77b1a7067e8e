"""What GraphRec attended to: the items a user rated, their friends, and who rated an item. Knows no training."""

from __future__ import annotations

import numpy as np
import torch

from engine.models.attention.lists import Ints
from engine.models.attention.weighed import Weighed
from engine.models.graphrec.answers import Answers
from engine.types import IndexArray


@torch.no_grad()
def attention(answers: Answers, users: IndexArray, items: IndexArray) -> list[Weighed]:
    """The weights of the item attention, of the social attention where there is one, and of the user attention (equations 4 to 6,
    10 to 12 and 14 to 18).

    Args:
        users, items: rows of the data.
    """
    read, model = answers.read, answers.model
    graph, ratings = read.graph, read.graph.ratings
    row_of = [_rows(place) for place in read.place]
    asked, rated = read.place[0][users], graph.of_users(read.place[0][users])
    own = read.users[torch.from_numpy(asked)]
    weight = model.rated.weights(read.items, own, rated, ratings.item[rated.at], ratings.level[rated.at])
    found = [Weighed("item attention", "items", 1, rated.indptr, row_of[1][ratings.item[rated.at]], weight)]
    if model.config.social:
        friends = graph.friends_of(asked)
        weight = model.friends.weights(read.histories[torch.from_numpy(friends.at)], own, friends)
        found.append(Weighed("social attention", "friends", 1, friends.indptr, row_of[0][friends.at], weight))
    if len(items):
        asked = read.place[1][items]
        raters = graph.of_items(asked)
        own = read.items[torch.from_numpy(asked)]
        weight = model.raters.weights(read.users, own, raters, ratings.user[raters.at], ratings.level[raters.at])
        found.append(Weighed("user attention", "raters", 1, raters.indptr, row_of[0][ratings.user[raters.at]], weight))
    return found


def _rows(place: Ints) -> IndexArray:
    """The row at each place."""
    rows = np.empty(len(place), np.int32)
    rows[place] = np.arange(len(place), dtype=np.int32)
    return rows
