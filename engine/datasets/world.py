"""The numbers of a generated pin-board world: who saves what, when. The generative process, without words or files.

Every pin has a *topic* and a *subject* within it, which its words show, and a *taste* (a style), which its words never show
and its picture shows faintly. People have a few topics and mostly one taste, boards inherit both from their owner and are
about a few subjects, and a save is drawn by popularity among the pins that fit. So boards know something that words do
not, words say something that sparse saves do not, and popularity knows a little of all, as in real sets: that is all the
signal there is.

1. A pin: corpus by fixed shares; topic with weights ~ rank^-0.5 over the topics in random order; subject and taste
   uniform; popularity weight ~ rank^-`popularity` over the pins in random order, ads and products at a third of it.
2. A user: two or three topics of each of one or two domains; a main taste; activity ~ rank^-0.5.
3. A board: an owner by activity; one of the owner's topics (9 in 10) or any; the owner's taste (4 in 5) or any; 3 in 10 of
   the boards have a second topic of the same domain; two of each topic's subjects; a log-normal size.
4. A save: boards are filled in sessions of about four saves, minutes apart, on one topic and subject of the board. A save
   takes a pin of that subject in the board's taste (`fit`), of that subject (`near`), of that topic (most of the rest) or
   any pin at all (`stray`), always by popularity weight; a pin twice on a board counts once. Where the world is too small
   to hold a pin that narrow, the next wider choice has to do.
5. A view (interaction): a user, one of their topics, any subject, by popularity.
6. A follow: mostly someone with the same first topic, by activity.
7. The picture: topic centre + a faint taste direction + a pin's own noise, float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.datasets.world_draws import Generator, Shelf, Wish, draw, power_law
from engine.errors import InputError
from engine.types import FloatArray, IndexArray, TimeArray

SUBJECTS = 8
"""Of every topic."""
BOARD_SUBJECTS = 2
CORPORA = {"organic": 0.85, "ads": 0.05, "products": 0.10}
BEGIN_MS = 1_672_531_200_000
"""2023-01-01, in epoch ms."""
SPAN_MS = 2 * 365 * 86_400_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """How large the world is and how it behaves; memory and time are proportional to items x saves_per_item."""

    items: int = 20_000
    seed: int = 0
    saves_per_item: float = 8.0
    """Mean number of boards that a pin is on, before a board's repeats are dropped."""
    board_size: float = 12.0
    """Mean number of saves a board."""
    tastes: int = 12
    popularity: float = 0.7
    """Exponent of the power law of popularity; 0 makes all pins equal."""
    fit: float = 0.6
    """Share of saves that match the board's topic, subject and taste."""
    near: float = 0.15
    """Share of saves that match the board's topic and subject."""
    stray: float = 0.1
    """Share of saves drawn from the whole world."""
    dim: int = 32
    """Width of the picture's vector."""

    def __post_init__(self) -> None:
        if self.items < 50:
            raise InputError(f"items is {self.items}; a world needs at least 50")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; it must be 0 or more")
        if self.saves_per_item <= 0 or self.board_size < 2 or self.tastes < 1 or self.popularity < 0 or self.dim < 1:
            raise InputError(f"out of range: {self}")
        shares = (self.fit, self.near, self.stray)
        if min(shares) < 0 or sum(shares) > 1:
            raise InputError(f"fit, near and stray are {shares}; they are shares and their sum is at most 1")

    @property
    def boards(self) -> int:
        return max(10, round(self.items * self.saves_per_item / self.board_size))

    @property
    def users(self) -> int:
        return max(5, self.boards // 4)

    @property
    def arrivals(self) -> int:
        """Pins that come after the world is written, each with its first saves."""
        return max(3, self.items // 1000)


@dataclass(frozen=True, slots=True)
class Edges:
    """Who, what and when; rows in time order within each `source`.

    Attributes:
        source: int32 `[E]`.
        target: int32 `[E]`.
        time: int64 `[E]` epoch ms.
    """

    source: IndexArray
    target: IndexArray
    time: TimeArray


@dataclass(frozen=True, slots=True)
class World:
    """The latent world. Items `>= config.items` are the arrivals; `saves` and `views` never touch them.

    Attributes:
        item_corpus: int32 `[N]`, into `CORPORA`.
        item_topic: int32 `[N]`; topics are numbered through the domains.
        item_subject: int32 `[N]`, within the topic.
        item_taste: int32 `[N]`.
        visual: float32 `[N, dim]`.
        board_owner: int32 `[boards]`.
        board_topic: int32 `[boards]`, the first topic.
        user_topic: int32 `[users]`, the first topic.
        saves: board -> item.
        views: user -> item.
        follows: user -> user.
        arrival_saves: board -> arrival, after everything else.
    """

    config: WorldConfig
    item_corpus: IndexArray
    item_topic: IndexArray
    item_subject: IndexArray
    item_taste: IndexArray
    visual: FloatArray
    board_owner: IndexArray
    board_topic: IndexArray
    user_topic: IndexArray
    saves: Edges
    views: Edges
    follows: Edges
    arrival_saves: Edges


def build_world(config: WorldConfig, domain_of_topic: IndexArray) -> World:
    """Draw a world. The same configuration gives the same arrays.

    Args:
        config: size, seed and behaviour.
        domain_of_topic: int32 `[topics]`, non-decreasing.
    """
    topics, tastes = len(domain_of_topic), config.tastes
    total = config.items + config.arrivals
    people, pins, boards, saving, viewing, following, arriving, painting = (
        np.random.default_rng([config.seed, stream]) for stream in range(8)
    )

    corpus = draw(pins, np.array(list(CORPORA.values())), total)
    corpus[config.items :] = 0
    topic = draw(pins, power_law(pins, topics, 0.5), total)
    subject = pins.integers(SUBJECTS, size=total, dtype=np.int32)
    taste = pins.integers(tastes, size=total, dtype=np.int32)
    weight = power_law(pins, config.items, config.popularity) * np.where(corpus[: config.items] == 0, 1.0, 1 / 3)
    there = slice(config.items)
    shelf = Shelf(Wish(topic[there], subject[there], taste[there]), weight, (topics, SUBJECTS, tastes))

    wishes, user_taste, activity = _people(people, config.users, domain_of_topic, tastes)
    owner = draw(boards, activity, config.boards)
    board_topic = wishes[owner, boards.integers(wishes.shape[1], size=config.boards)]
    board_topic = np.where(boards.random(config.boards) < 0.9, board_topic, boards.integers(topics, size=config.boards))
    second = np.where(
        boards.random(config.boards) < 0.3, _sibling(boards, board_topic, domain_of_topic), board_topic
    ).astype(np.int32)
    board_taste = np.where(
        boards.random(config.boards) < 0.8, user_taste[owner], boards.integers(tastes, size=config.boards)
    ).astype(np.int32)

    saves = _fill_boards(saving, config, shelf, board_topic.astype(np.int32), second, board_taste)
    views = _look_around(viewing, config, shelf, wishes, user_taste, activity)
    follows = _follow(following, wishes[:, 0], activity)
    new = np.arange(config.items, total, dtype=np.int32)
    arrival_saves = _first_saves(arriving, new, topic[new], taste[new], board_topic, board_taste)
    return World(
        config, corpus, topic, subject, taste, _paint(painting, config.dim, topic, taste, domain_of_topic, tastes), owner,
        board_topic.astype(np.int32), wishes[:, 0], saves, views, follows, arrival_saves,
    )  # fmt: skip


def _sibling(rng: Generator, topic: NDArray[np.integer], domain_of_topic: IndexArray) -> IndexArray:
    """Any topic of the same domain as each of `topic`."""
    domain = domain_of_topic[topic]
    low = np.searchsorted(domain_of_topic, domain, side="left")
    high = np.searchsorted(domain_of_topic, domain, side="right")
    return np.asarray(low + np.floor(rng.random(len(topic)) * (high - low)), dtype=np.int32)


def _people(
    rng: Generator, users: int, domain_of_topic: IndexArray, tastes: int
) -> tuple[IndexArray, IndexArray, NDArray[np.float64]]:
    """Topics int32 `[users, 5]` (three of a first domain, two of a second, which may be the same), taste, activity."""
    first = rng.integers(len(domain_of_topic), size=users, dtype=np.int32)
    other = np.where(rng.random(users) < 0.5, first, rng.integers(len(domain_of_topic), size=users)).astype(np.int32)
    anchors = (first, first, other, other)
    wishes = np.stack([first, *(_sibling(rng, anchor, domain_of_topic) for anchor in anchors)], axis=1)
    return wishes, rng.integers(tastes, size=users, dtype=np.int32), power_law(rng, users, 0.5)


def _fill_boards(
    rng: Generator, config: WorldConfig, shelf: Shelf, first: IndexArray, second: IndexArray, taste: IndexArray
) -> Edges:
    sigma = 0.8
    mean = np.log(config.board_size) - sigma**2 / 2
    size = np.clip(np.rint(rng.lognormal(mean, sigma, config.boards)), 2, 20 * config.board_size).astype(np.int64)
    board = np.repeat(np.arange(config.boards, dtype=np.int32), size)
    opens = np.zeros(len(board), dtype=bool)
    opens[np.cumsum(size) - size] = True
    session = np.cumsum(opens | (rng.random(len(board)) < 0.25)) - 1
    on_second = rng.random(session[-1] + 1)[session] < 0.4
    liked = np.argsort(rng.random((config.boards, 2, SUBJECTS)), axis=2)[:, :, :BOARD_SUBJECTS].astype(np.int32)
    which = rng.integers(BOARD_SUBJECTS, size=session[-1] + 1)[session]
    subject = liked[board, on_second.astype(np.int32), which]
    wish = Wish(np.where(on_second, second[board], first[board]), subject, taste[board])
    item = shelf.draw(rng, wish, config.fit, config.near, config.stray)

    starts_session = np.concatenate([[True], session[1:] != session[:-1]])
    gaps = np.where(starts_session, rng.exponential(9 * DAY_MS, len(board)), rng.exponential(4 * MINUTE_MS, len(board)))
    gaps[opens] = rng.random(config.boards) * SPAN_MS * 0.6
    elapsed = np.cumsum(gaps)
    time = elapsed - np.repeat(elapsed[opens] - gaps[opens], size)
    return _tidy(board, item, BEGIN_MS + np.minimum(time, SPAN_MS - DAY_MS).astype(np.int64), config.items)


def _look_around(
    rng: Generator,
    config: WorldConfig,
    shelf: Shelf,
    wishes: IndexArray,
    taste: IndexArray,
    activity: NDArray[np.float64],
) -> Edges:
    count = 2 * config.items
    user = draw(rng, activity, count)
    subject = rng.integers(SUBJECTS, size=count, dtype=np.int32)
    wish = Wish(wishes[user, rng.integers(wishes.shape[1], size=count)], subject, taste[user])
    item = shelf.draw(rng, wish, fit=0.3, near=0.3, stray=0.2)
    return _tidy(user, item, BEGIN_MS + (rng.random(count) * (SPAN_MS - DAY_MS)).astype(np.int64), config.items)


def _follow(rng: Generator, first_topic: IndexArray, activity: NDArray[np.float64]) -> Edges:
    users = len(first_topic)
    count = 8 * users
    follower = rng.integers(users, size=count, dtype=np.int32)
    any_user, any_wish = np.zeros(users, np.int32), np.zeros(count, np.int32)
    shelf = Shelf(Wish(first_topic, any_user, any_user), activity, (int(first_topic.max()) + 1, 1, 1))
    followed = shelf.draw(rng, Wish(first_topic[follower], any_wish, any_wish), fit=0.7, near=0.0, stray=0.3)
    time = BEGIN_MS + (rng.random(count) * (SPAN_MS - DAY_MS)).astype(np.int64)
    others = follower != followed
    return _tidy(follower[others], followed[others], time[others], users)


def _first_saves(
    rng: Generator,
    new: IndexArray,
    topic: IndexArray,
    taste: IndexArray,
    board_topic: NDArray[np.integer],
    board_taste: IndexArray,
) -> Edges:
    """Four boards for each new pin: those of its topic that come closest to its taste first."""
    boards: list[int] = []
    for wanted, liked in zip(topic, taste, strict=True):
        mismatch = 2 * (board_topic != wanted) + (board_taste != liked) + rng.random(len(board_topic)) * 0.5
        boards += np.argsort(mismatch, kind="stable")[:4].tolist()
    target = np.repeat(new, 4)
    time = BEGIN_MS + SPAN_MS + np.arange(len(target), dtype=np.int64) * MINUTE_MS
    return Edges(np.asarray(boards, dtype=np.int32), target, time)


def _tidy(source: IndexArray, target: IndexArray, time: TimeArray, targets: int) -> Edges:
    """Rows by source and time, the first of each (source, target) alone."""
    order = np.lexsort((time, source))
    source, target, time = source[order], target[order], time[order]
    _, first = np.unique(source.astype(np.int64) * targets + target, return_index=True)
    first.sort()
    return Edges(source[first], target[first], time[first])


def _paint(
    rng: Generator, dim: int, topic: IndexArray, taste: IndexArray, domain_of_topic: IndexArray, tastes: int
) -> FloatArray:
    domains = rng.standard_normal((int(domain_of_topic[-1]) + 1, dim), dtype=np.float32)
    centres = 0.7 * domains[domain_of_topic] + 0.7 * rng.standard_normal((len(domain_of_topic), dim), dtype=np.float32)
    styles = 0.3 * rng.standard_normal((tastes, dim), dtype=np.float32)
    picture = centres[topic] + styles[taste] + rng.standard_normal((len(topic), dim), dtype=np.float32)
    return np.asarray(picture, dtype=np.float32)
