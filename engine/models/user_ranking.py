"""Where a user's answers stand among the items, and the first items of a list. Knows arrays only.

Users are scored in blocks. What a user has already is left out by the score -inf, which no list holds and which is a miss
for an answer, never a tie. `user_metrics` makes figures of the standings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled
from engine.errors import TrainingError
from engine.types import FloatArray, IndexArray, OffsetArray

BLOCK_BYTES = 64 << 20
"""So much memory may the scores of one block of users take."""
FEW = 24
"""A user with more answers than this has them sorted, and each item looks up how many of them it beats."""


@dataclass(frozen=True, slots=True)
class Lists:
    """A list of items for each of some users, in rows without gaps.

    Attributes:
        indptr: int64 `[U + 1]`.
        items: int32 `[P]`, row numbers.
    """

    indptr: OffsetArray
    items: IndexArray

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @staticmethod
    def of(user: NDArray[np.integer], item: IndexArray, num_users: int) -> Lists:
        """Group edges by user; repeated ones count once, and each list ascends."""
        width = int(item.max(initial=0)) + 1
        packed = np.unique(user.astype(np.int64) * width + item)
        owner, items = np.divmod(packed, width)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=num_users))])
        return Lists(indptr.astype(np.int64), items.astype(np.int32))

    def rows(self, users: NDArray[np.integer]) -> Lists:
        """The lists of some users, in that order."""
        size = np.diff(self.indptr)[users]
        indptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        within = np.arange(indptr[-1]) - np.repeat(indptr[:-1], size)
        return Lists(indptr, self.items[np.repeat(self.indptr[users], size) + within])


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where each answer of each user stands among the user's candidates.

    Attributes:
        indptr: int64 `[U + 1]`, which answers are whose.
        better: int64 `[P]`, candidates with a higher score.
        tied: int64 `[P]`, candidates with the answer's score, the answer included; 0 where the method could not score it.
    """

    indptr: OffsetArray
    better: NDArray[np.int64]
    tied: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indptr) - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What should be found for each of some users, and among what.

    Attributes:
        answers: `[U]`, what should be found; at least one a user.
        hidden: `[U]`, items that are no candidates.
        only: `[U]`, the candidates, answers included; all items where None.
        among: bool `[N]`, items that are candidates for everybody; all where None.
    """

    answers: Lists
    hidden: Lists | None = None
    only: Lists | None = None
    among: NDArray[np.bool_] | None = None


def rank_users(
    score: Callable[[IndexArray], FloatArray],
    users: IndexArray,
    asked: Asked,
    num_items: int,
    *,
    depth: int = 0,
    advance: Callable[[int], None] | None = None,
) -> tuple[Ranked, IndexArray]:
    """`rank_parts` of one question."""
    found, first = rank_parts(score, users, {"": asked}, num_items, depth=depth, advance=advance)
    return found[""], first


def rank_parts(
    score: Callable[[IndexArray], FloatArray],
    users: IndexArray,
    parts: Mapping[str, Asked],
    num_items: int,
    *,
    depth: int = 0,
    advance: Callable[[int], None] | None = None,
) -> tuple[dict[str, Ranked], IndexArray]:
    """Score all items for each user once, and find where the answers of each question stand.

    Args:
        score: what a `UserScorer` does.
        users: int32 `[U]`, row numbers.
        parts: what is asked, by name.
        depth: length of the lists to return.

    Returns:
        The standings, and int32 `[U, depth]`: the first candidates of the first part, -1 where there are no more.

    Raises:
        TrainingError: a score is NaN, or there are not as many as items.
    """
    found = {
        name: Ranked(asked.answers.indptr, *np.zeros((2, len(asked.answers.items)), np.int64))
        for name, asked in parts.items()
    }
    first = np.full((len(users), depth), -1, np.int32)
    block = max(1, BLOCK_BYTES // (4 * max(num_items, 1)))
    for start in range(0, len(users), block):
        some = users[start : start + block]
        given = score(some)
        if given.shape != (len(some), num_items):
            raise TrainingError(f"a method gave scores of the shape {given.shape} for {(len(some), num_items)}")
        for number, (name, asked) in enumerate(parts.items()):
            # A method may hand out a view of what it keeps.
            scores = np.array(given, dtype=np.float32, order="C", copy=True)
            _stand_block(scores, asked, found[name], start)
            if depth and number == 0:
                first_items(scores, first[start : start + len(some)])
        if advance is not None:
            advance(len(some))
    return found, first


def _stand_block(scores: FloatArray, asked: Asked, into: Ranked, start: int) -> None:
    rows = np.arange(start, start + len(scores))
    if asked.among is not None:
        scores[:, ~asked.among] = -np.inf
    if asked.hidden is not None:
        its = asked.hidden.rows(rows)
        leave_out(scores, its.indptr, its.items)
    if asked.only is not None:
        its = asked.only.rows(rows)
        leave_only(scores, its.indptr, its.items)
    offsets = asked.answers.indptr[start : start + len(scores) + 1]
    lo, hi = offsets[0], offsets[-1]
    answers = asked.answers.items[lo:hi]
    if not stand(scores, offsets - lo, answers, into.better[lo:hi], into.tied[lo:hi]):
        raise TrainingError("a method gave NaN as a score", hint="Its training diverged: lower the learning rate.")


@compiled
def leave_out(scores: FloatArray, indptr: OffsetArray, items: IndexArray) -> None:
    """Set the scores `[B, N]` of some items to -inf."""
    for row in range(len(scores)):
        for place in range(indptr[row], indptr[row + 1]):
            scores[row, items[place]] = -np.inf


@compiled
def leave_only(scores: FloatArray, indptr: OffsetArray, items: IndexArray) -> None:
    """Set the scores `[B, N]` of all but some items to -inf; a NaN elsewhere goes with them."""
    for row in range(len(scores)):
        kept = np.empty(indptr[row + 1] - indptr[row], np.float32)
        for at in range(len(kept)):
            kept[at] = scores[row, items[indptr[row] + at]]
        scores[row, :] = -np.inf
        for at in range(len(kept)):
            scores[row, items[indptr[row] + at]] = kept[at]


@compiled
def stand(
    scores: FloatArray, indptr: OffsetArray, items: IndexArray, better: NDArray[np.int64], tied: NDArray[np.int64]
) -> bool:
    """Count the items before and beside each answer; False where a score is NaN."""
    for row in range(len(scores)):
        its = scores[row]
        lo, hi = indptr[row], indptr[row + 1]
        if hi - lo <= FEW:
            above, equal, unknown = _counts(its, np.float32(0))
            if unknown > 0:
                return False
            for place in range(lo, hi):
                own = its[items[place]]
                above, equal, unknown = _counts(its, own)
                better[place] = above
                tied[place] = 0 if own == -np.inf else equal
        elif not _stand_many(its, items[lo:hi], better[lo:hi], tied[lo:hi]):
            return False
    return True


@compiled
def _counts(scores: FloatArray, own: np.float32) -> tuple[int, int, int]:
    """How many scores are higher than, equal to, and not comparable with one."""
    above = np.uint32(0)
    equal = np.uint32(0)
    unknown = np.uint32(0)
    for item in range(len(scores)):
        value = scores[item]
        above = np.uint32(above + np.uint32(value > own))
        equal = np.uint32(equal + np.uint32(value == own))
        unknown = np.uint32(unknown + np.uint32(value != value))
    return int(above), int(equal), int(unknown)


@compiled
def _stand_many(scores: FloatArray, items: IndexArray, better: NDArray[np.int64], tied: NDArray[np.int64]) -> bool:
    own = scores[items]
    order = np.argsort(own)
    level = own[order]
    exceeds = np.zeros(len(level) + 1, np.int64)
    equals = np.zeros(len(level) + 1, np.int64)
    lowest = level[0]
    for item in range(len(scores)):
        value = scores[item]
        if value != value:
            return False
        if value < lowest:
            continue
        lo, hi = 0, len(level)
        while lo < hi:  # the first level that is not below the value
            middle = (lo + hi) // 2
            if level[middle] < value:
                lo = middle + 1
            else:
                hi = middle
        exceeds[lo] += 1
        if lo < len(level) and level[lo] == value:
            equals[lo] += 1
    above = 0
    at = len(level)
    while at > 0:
        first = at - 1
        while first > 0 and level[first - 1] == level[at - 1]:
            first -= 1
        # What lies between this level and the one above it was counted where that one begins.
        above += exceeds[at]
        for place in range(first, at):
            better[order[place]] = above
            tied[order[place]] = 0 if level[first] == -np.inf else equals[first]
        above += equals[first]
        exceeds[first] -= equals[first]
        at = first
    return True


@compiled
def first_items(scores: FloatArray, into: IndexArray) -> None:
    """The items with the highest scores of each row, best first, ties by row number.

    Args:
        scores: float32 `[B, N]`; -inf is never taken.
        into: int32 `[B, k]`, filled; what is left over keeps what it holds.
    """
    most = into.shape[1]
    width = 64
    value = np.empty(most, np.float32)
    for row in range(len(scores)):
        its = scores[row]
        taken = 0
        floor = np.float32(-np.inf)
        for start in range(0, len(its), width):
            end = min(start + width, len(its))
            above = np.uint32(0)
            for item in range(start, end):
                above = np.uint32(above + np.uint32(its[item] > floor))
            if above == 0:
                continue
            for item in range(start, end):
                own = its[item]
                if own <= floor:
                    continue
                place = taken if taken < most else most - 1
                while place > 0 and value[place - 1] < own:
                    value[place] = value[place - 1]
                    into[row, place] = into[row, place - 1]
                    place -= 1
                value[place] = own
                into[row, place] = item
                if taken < most:
                    taken += 1
                if taken == most:
                    floor = value[most - 1]
