"""Holds a call of the client to the threads that are set. Knows no call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from engine.threads import at_most

if TYPE_CHECKING:
    from engine.client.engine import Engine

Call = TypeVar("Call", bound=Callable[..., Any])


def within_threads(call: Call) -> Call:
    """The call of an engine, computing with at most the threads of its settings."""

    @functools.wraps(call)
    def held(engine: Engine, *args: Any, **kwargs: Any) -> Any:
        with at_most(engine.settings.threads):
            return call(engine, *args, **kwargs)

    return cast(Call, held)
