"""Many callers at once, on threads; two writers in two processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from headway.economy.commands import AcceptOffer, Deposit, Tick
from headway.economy.rails import RailsClosedError
from headway.economy.replay import replay
from headway.economy.state import Reply
from headway.economy.store import StoreBusyError, StoreError

CALLERS = 64
TOTAL = 50_000


def _at_once(tasks: list[Callable[[], Reply]]) -> list[Reply]:
    """Run every task on a thread of its own, all from the same moment."""
    gate = threading.Barrier(len(tasks))

    def go(task: Callable[[], Reply]) -> Reply:
        gate.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(go, tasks))


def test_64_accepts_of_one_offer_settle_once(world) -> None:
    world.give("m1")
    world.offer("o1")
    replies = _at_once([lambda n=n: world.ask("ann", AcceptOffer(f"a{n}", "o1", 1, "m1")) for n in range(CALLERS)])
    assert sorted(reply.code for reply in replies) == ["ALREADY_ACCEPTED"] * (CALLERS - 1) + ["ok"]
    assert world.rails.balance("ann", "USD", "held") == TOTAL


def test_64_accepts_under_one_key_are_one_accept(world) -> None:
    world.give("m1")
    world.offer("o1")
    before = world.rails.state.head["seq"]
    replies = _at_once([lambda: world.ask("ann", AcceptOffer("once", "o1", 1, "m1"))] * CALLERS)
    assert set(replies) == {Reply(True, "ok", "", ("o1",))}
    assert world.rails.state.head["seq"] == before + 1


def test_64_deals_on_a_mandate_with_room_for_10_settle_10(world) -> None:
    world.do("operator", Deposit, "ann", 10_000_000, "USD")
    world.give("m1", total=10 * TOTAL)
    for n in range(CALLERS):
        world.offer(f"o{n}")
    replies = _at_once([lambda n=n: world.ask("ann", AcceptOffer(f"a{n}", f"o{n}", 1, "m1")) for n in range(CALLERS)])
    codes = [reply.code for reply in replies]
    assert (codes.count("ok"), codes.count("MANDATE_TOTAL")) == (10, CALLERS - 10)
    assert world.rails.balance("ann", "USD", "held") == 10 * TOTAL
    assert world.rails.room("m1") == 0


def test_concurrent_callers_share_commits(place) -> None:
    """While one group is being written, the others gather: far fewer commits than commands."""
    commits = []

    def count(name: str) -> None:
        if name == "rails.reply":
            commits.append(name)

    with place.open(fault=count) as rails:
        operator = rails.operator_session()
        commits.clear()
        rails._turn.acquire()
        with ThreadPoolExecutor(CALLERS) as pool:
            waiting = [pool.submit(rails.submit, operator, Tick(f"t{n}"), at_us=n) for n in range(CALLERS)]
            while len(rails._waiting) < CALLERS:
                threading.Event().wait(0.001)
            rails._turn.release()
            replies = [one.result() for one in waiting]
        assert all(reply.ok for reply in replies)
        assert len(commits) == 1


def test_every_waiting_caller_hears_of_a_failure(place) -> None:
    armed = []

    def fail(name: str) -> None:
        if armed and name == "store.begin":
            raise StoreError("the disk is gone")

    with place.open(fault=fail) as rails:
        operator = rails.operator_session()
        armed.append(True)

        def ask(number: int) -> str:
            try:
                return rails.submit(operator, Tick(f"t{number}"), at_us=1).code
            except RailsClosedError:
                return "closed"
            except StoreError:
                return "failed"

        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(ask, range(8)))
    assert "failed" in said
    assert set(said) <= {"failed", "closed"}


def test_two_callers_keep_the_order_of_execution(place) -> None:
    """Groups of several threads: every answer is in the log when it is given, and the log is one chain."""
    with place.open() as rails:
        operator, store = rails.operator_session(), place.store()

        def caller(name: str) -> None:
            for group in range(20):
                ticks = [(operator, Tick(f"{name}-{group}-{n}")) for n in range(5)]
                assert all(reply.ok for reply in rails.submit_many(ticks, at_us=group))

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(caller, "abc"))
        digest = rails.log_hash()
    assert replay(store.entries()).head["digest"] == digest
    keys = [json.loads(entry.payload)["body"]["key"] for entry in store.entries(1)]
    store.close()
    for name in "abc":
        assert [key for key in keys if key[0] == name] == [f"{name}-{g}-{n}" for g in range(20) for n in range(5)]


def test_writers_in_two_processes(tmp_path, postgres: str, new_place) -> None:
    """Each store refuses a writer in another process, and takes it once the first has gone."""
    for kind in ("sqlite", "postgres"):
        place = new_place(kind)
        store = place.store()
        address = store.path if kind == "sqlite" else store.address
        code = f"""
import sys
from headway.economy.rails import open_rails
from headway.economy.store import StoreBusyError, open_store
try:
    open_rails(open_store({address!r})).close()
except StoreBusyError as error:
    sys.exit(str(error))
"""
        with place.open():
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
            assert done.returncode == 1
            assert "only one may" in done.stderr
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def test_readers_need_no_lock(new_place, postgres: str) -> None:
    from headway.economy.postgres_store import postgres_store
    from headway.economy.sqlite_store import sqlite_store

    for kind in ("sqlite", "postgres"):
        place = new_place(kind)
        with place.open() as rails:
            store = place.store()
            reader = (
                sqlite_store(store.path, read_only=True)
                if kind == "sqlite"
                else postgres_store(store.address, read_only=True)
            )
            assert [entry.digest for entry in reader.entries()] == [rails.log_hash()]
            with pytest.raises(StoreError, match="reading only"):
                reader.open_writer()
            reader.close()


def test_what_is_no_ledger(tmp_path) -> None:
    import sqlite3

    from headway.economy.sqlite_store import sqlite_store

    text = tmp_path / "notes.txt"
    text.write_text("not a database, and longer than a header would be" * 20)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    for path in (text, other):
        with pytest.raises(StoreError, match=path.name):
            sqlite_store(path).open_writer()
        with pytest.raises(StoreError, match=path.name):
            list(sqlite_store(path, read_only=True).entries())
    with pytest.raises(StoreError, match="absent"):
        list(sqlite_store(tmp_path / "absent.sqlite", read_only=True).entries())
    with pytest.raises(StoreError, match="folder"):
        sqlite_store(tmp_path / "folder" / "x.sqlite").open_writer()
    assert issubclass(StoreBusyError, StoreError)
