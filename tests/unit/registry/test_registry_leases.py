"""Leases: one holder at a time, decided by tokens; a dead one is overtaken, whatever its clock says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from registry_rows import make, publish

import engine.registry.database as database
from engine.errors import LeaseHeldError, LeaseLostError


def test_only_one_holder_has_a_lease_and_tokens_only_grow(registry, open_registry):
    other = open_registry()
    mine = registry.leases.acquire("refresh", "me")
    assert mine is not None
    assert other.leases.acquire("refresh", "them") is None
    assert other.leases.acquire("another", "them") is not None
    registry.leases.release(mine)
    theirs = other.leases.acquire("refresh", "them")
    assert theirs is not None
    assert theirs.token > mine.token
    assert [(one.name, one.holder) for one in registry.leases.list()] == [("another", "them"), ("refresh", "them")]


def test_a_lease_that_was_given_back_is_lost(registry):
    mine = registry.leases.acquire("refresh", "me")
    registry.leases.release(mine)
    for use in (registry.leases.renew, registry.leases.check):
        with pytest.raises(LeaseLostError, match="nobody holds it"):
            use(mine)


def test_a_holder_that_was_overtaken_can_neither_renew_nor_give_back(registry, open_registry):
    other = open_registry()
    mine = registry.leases.acquire("refresh", "me", ttl_s=0)
    theirs = other.leases.acquire("refresh", "them")
    for use in (registry.leases.renew, registry.leases.check):
        with pytest.raises(LeaseLostError, match="them holds it now"):
            use(mine)
    registry.leases.release(mine)
    other.leases.check(theirs)


def test_a_lease_that_ran_out_and_that_nobody_took_is_still_the_holders(registry):
    mine = registry.leases.acquire("refresh", "me", ttl_s=0)
    registry.leases.check(mine)
    assert registry.leases.renew(mine).token == mine.token


def test_of_many_that_ask_at_once_one_gets_the_lease(open_registry):
    opened = [open_registry() for _ in range(8)]
    got = []
    threads = [
        threading.Thread(target=lambda one=one, n=n: got.append(one.leases.acquire("refresh", f"holder {n}")))
        for n, one in enumerate(opened)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([lease for lease in got if lease is not None]) == 1


def test_a_clock_set_back_delays_a_takeover_by_no_more_than_the_lease(open_at, sqlite_url, monkeypatch):
    registry, other = open_at(sqlite_url), open_at(sqlite_url)
    ttl_s = 1.0
    registry.leases.acquire("refresh", "dead", ttl_s=ttl_s)
    monkeypatch.setattr(database, "utc_now", lambda: datetime.now(UTC) - timedelta(days=1))
    assert other.leases.acquire("refresh", "next", ttl_s=ttl_s) is None
    time.sleep(ttl_s)
    taken = other.leases.acquire("refresh", "next", ttl_s=ttl_s)
    assert taken is not None
    assert taken.token == 2


def test_a_holder_that_renews_is_not_overtaken_after_a_clock_was_set_back(open_at, sqlite_url, monkeypatch):
    registry, other = open_at(sqlite_url), open_at(sqlite_url)
    ttl_s = 1.0
    mine = registry.leases.acquire("refresh", "alive", ttl_s=ttl_s)
    monkeypatch.setattr(database, "utc_now", lambda: datetime.now(UTC) - timedelta(days=1))
    for _ in range(5):
        assert other.leases.acquire("refresh", "next", ttl_s=ttl_s) is None
        time.sleep(ttl_s / 3)
        mine = registry.leases.renew(mine)
    registry.leases.check(mine)


def test_a_clock_set_forward_costs_the_lease_and_nothing_else(open_at, sqlite_url, monkeypatch):
    registry, other = open_at(sqlite_url), open_at(sqlite_url)
    mine = registry.leases.acquire("refresh", "me")
    monkeypatch.setattr(database, "utc_now", lambda: datetime.now(UTC) + timedelta(days=1))
    assert other.leases.acquire("refresh", "them") is not None
    with pytest.raises(LeaseLostError):
        registry.leases.check(mine)


def test_a_held_lease_is_renewed_until_the_block_ends_and_then_given_back(registry, open_registry):
    other = open_registry()
    with registry.leases.hold("refresh", ttl_s=2.0) as held:
        for _ in range(4):
            time.sleep(0.6)
            assert other.leases.acquire("refresh", "them", ttl_s=2.0) is None
        held.check()
        assert held.lease.beat > 0
        assert not held.lost
        with pytest.raises(LeaseHeldError, match="is held by"), other.leases.hold("refresh"):
            pass
    with other.leases.hold("refresh") as next_one:
        assert next_one.token == held.token + 1


def test_two_that_hold_in_one_process_exclude_each_other(registry):
    with registry.leases.hold("refresh"), pytest.raises(LeaseHeldError), registry.leases.hold("refresh"):
        pass


def test_a_waiting_holder_gets_the_lease_when_it_is_given_back(registry, open_registry):
    other, entered = open_registry(), threading.Event()

    def hold_a_while() -> None:
        with registry.leases.hold("refresh"):
            entered.set()
            time.sleep(0.3)

    holder = threading.Thread(target=hold_a_while)
    holder.start()
    entered.wait()
    with other.leases.hold("refresh", wait_s=30) as held:
        assert held.token == 2
    holder.join()


def test_a_lease_is_given_back_when_its_block_raises(registry):
    with pytest.raises(RuntimeError), registry.leases.hold("refresh"):
        raise RuntimeError
    assert registry.leases.acquire("refresh", "next") is not None


PAUSED = """
import sys, time
from engine.errors import LeaseLostError
from engine.registry import Registry
registry = Registry.open(sys.argv[1])
with registry.leases.hold("refresh", ttl_s=0.5) as held:
    print("held", held.token, flush=True)
    sys.stdin.readline()
    try:
        registry.generations.publish("g0002", lease=held.lease)
    except LeaseLostError as error:
        print("refused", held.lost, error.message, flush=True)
"""


def test_a_process_that_was_paused_while_another_took_over_cannot_publish(registry, url):
    publish(registry), make(registry)
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSED, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().split() == ["held", "1"]
    os.kill(process.pid, signal.SIGSTOP)
    with registry.leases.hold("refresh", wait_s=30) as held:
        os.kill(process.pid, signal.SIGCONT)
        out, _ = process.communicate("go\n")
        assert out.startswith("refused")
        held.check()
    assert registry.generations.serving_id() == "g0001"


def test_a_process_that_was_killed_is_overtaken(registry, url):
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSED, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.kill()
    process.communicate()
    with registry.leases.hold("refresh", wait_s=30) as held:
        assert held.token == 2
