"""Leases with fencing tokens: at most one process does a kind of work, and one that was overtaken cannot publish.

Who holds a lease is decided by its token, never by a clock: each taking raises it, and whoever writes under a lease
checks the token within that very transaction (`check_token`). Clocks only decide when a silent holder may be overtaken:
after its `expires_at` by the database's clock, or once a contender has watched it not renewing for a whole `ttl_s` by
the contender's own monotonic clock. So a clock set forward costs a holder its lease but breaks nothing, and a clock set
back delays nobody for longer than `ttl_s`. Knows nothing of what is done under a lease.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.errors import EngineError, LeaseHeldError, LeaseLostError
from engine.registry.database import Database
from engine.registry.tables import LeaseRow

BUILDING = "build"
"""Held while models are trained and generations built whole."""
REFRESHING = "refresh"
"""Held while a generation is made from the one that serves and from what changed since."""
REFRESHING_MODELS = "refresh models"
"""The same for models about users and items: what serves related items is refreshed meanwhile."""
INSPECTING = "inspect"
"""Held while what serves is written into the graph for inspection, or removed from there."""

TTL_S = 30.0
"""How long a holder may be silent before another process takes over, unless told otherwise."""
_BEATS = 3


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was granted.

    Attributes:
        holder: who; see `holder_name`. None in what `Leases.get` tells of one that was given back.
        token: strictly greater than that of every lease of this name before.
        beat: how often this lease was renewed.
        expires_at: by the database's clock.
    """

    name: str
    holder: str | None
    token: int
    beat: int
    ttl_s: float
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Watched:
    token: int
    beat: int
    since: float


class Held:
    """A lease that a thread keeps renewing until the block that asked for it ends: see `Leases.hold`."""

    def __init__(self, leases: Leases, lease: Lease) -> None:
        self._leases = leases
        self._lease = lease
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {lease.name}", daemon=True)
        self._thread.start()

    @property
    def lease(self) -> Lease:
        """The lease as it was renewed last; hand it to `Generations.publish`."""
        return self._lease

    @property
    def token(self) -> int:
        return self._lease.token

    @property
    def lost(self) -> bool:
        """Whether another process is known to have taken over: stop working, nothing can be published any more."""
        return self._lost.is_set()

    def check(self) -> None:
        """Look whether the lease is still ours.

        Raises:
            LeaseLostError: it is not.
        """
        self._leases.check(self._lease)

    def end(self) -> None:
        """Stop renewing and give the lease back; where the database does not answer, it runs out by itself."""
        self._ended.set()
        self._thread.join()
        with suppress(EngineError):
            self._leases.release(self._lease)

    def _renew(self) -> None:
        while not self._ended.wait(self._lease.ttl_s / _BEATS):
            try:
                self._lease = self._leases.renew(self._lease)
            except LeaseLostError:
                self._lost.set()
                return
            except EngineError:
                # The database does not answer: the next beat may reach it, and the token decides in any case.
                continue


class Leases:
    """The leases of one registry: `registry.leases`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watched: dict[str, _Watched] = {}

    def acquire(self, name: str, holder: str, *, ttl_s: float = TTL_S) -> Lease | None:
        """Take a lease; None where another holder has it. The same holder asking again gets a new, higher token."""
        with self._database.alone() as session:
            now = self._database.clock(session)
            row = session.get(LeaseRow, name)
            if row is not None and row.holder not in (None, holder) and not self._silent(row, now):
                return None
            if row is None:
                row = LeaseRow(name=name, token=0)
                session.add(row)
            row.holder, row.token, row.beat = holder, row.token + 1, 0
            row.ttl_s, row.expires_at = ttl_s, now + timedelta(seconds=ttl_s)
            session.flush()
            self._watched.pop(name, None)
            return _lease(row)

    def renew(self, lease: Lease) -> Lease:
        """Hold a lease for another `ttl_s`. One that ran out and that nobody took may be renewed too.

        Raises:
            LeaseLostError: another process took it, or it was given back.
        """
        with self._database.alone() as session:
            row = check_token(session, lease)
            row.beat += 1
            row.expires_at = self._database.clock(session) + timedelta(seconds=row.ttl_s)
            session.flush()
            return _lease(row)

    def check(self, lease: Lease) -> None:
        """Look whether a lease is still the holder's.

        Raises:
            LeaseLostError: another process took it, or it was given back.
        """
        with self._database.read() as session:
            check_token(session, lease)

    def release(self, lease: Lease) -> None:
        """Give a lease back, so that the next need not wait; one that was lost already stays with its new holder."""
        with self._database.alone() as session:
            row = session.get(LeaseRow, lease.name)
            if row is not None and row.token == lease.token:
                row.holder, row.expires_at = None, self._database.clock(session)

    @contextmanager
    def hold(
        self, name: str, *, holder: str | None = None, ttl_s: float = TTL_S, wait_s: float = 0.0
    ) -> Iterator[Held]:
        """Hold a lease for as long as the block runs, renewed in the background and given back at the end.

        Args:
            wait_s: how long to wait for another holder.

        Raises:
            LeaseHeldError: another process holds it, and did so for `wait_s`.
        """
        asking = f"{holder_name()}/{uuid.uuid4().hex[:8]}" if holder is None else holder
        until = time.monotonic() + wait_s
        while (lease := self.acquire(name, asking, ttl_s=ttl_s)) is None:
            if time.monotonic() >= until:
                other = self.get(name)
                raise LeaseHeldError(
                    f"the lease {name!r} is held by {other.holder if other else 'another process'}",
                    hint="Only one process may do this at a time; try again when it is done.",
                )
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))
        held = Held(self, lease)
        try:
            yield held
        finally:
            held.end()

    def get(self, name: str) -> Lease | None:
        """A lease as it stands; None where it was never taken."""
        with self._database.read() as session:
            row = session.get(LeaseRow, name)
            return None if row is None else _lease(row)

    def list(self) -> tuple[Lease, ...]:
        """All leases that were ever taken, by name."""
        with self._database.read() as session:
            return tuple(map(_lease, session.scalars(select(LeaseRow).order_by(LeaseRow.name))))

    def _silent(self, row: LeaseRow, now: datetime) -> bool:
        """Whether a holder may be overtaken."""
        watched, clock = self._watched.get(row.name), time.monotonic()
        if watched is None or (watched.token, watched.beat) != (row.token, row.beat):
            self._watched[row.name] = watched = _Watched(row.token, row.beat, clock)
        return row.expires_at <= now or clock - watched.since >= row.ttl_s


def check_token(session: Session, lease: Lease) -> LeaseRow:
    """Within a transaction of `Database.alone`: the lease's row, if it is still the holder's.

    Raises:
        LeaseLostError: another process took it, or it was given back.
    """
    row = session.get(LeaseRow, lease.name)
    if row is None or row.token != lease.token or row.holder is None:
        now = "nobody" if row is None or row.holder is None else row.holder
        raise LeaseLostError(
            f"the lease {lease.name!r} (token {lease.token}) of {lease.holder} was lost: {now} holds it now",
            hint="Nothing was published. Start again; what serves is unharmed.",
        )
    return row


def holder_name() -> str:
    """This process, as others may read it: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _lease(row: LeaseRow) -> Lease:
    return Lease(row.name, row.holder, row.token, row.beat, row.ttl_s, row.expires_at)
