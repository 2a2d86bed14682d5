"""Settled deals per second of the ledger, beside a bare SQLite loop that has no rules at all.

Run it as ``python benchmarks/bench_economy.py [DEALS]``. PostgreSQL is timed where HEADWAY_TEST_POSTGRES has an
address, or on a server of its own where Debian's package is installed (it does sync its commits).

What one settled deal contains: an offer that stands is accepted (its version, expiry and buyer checked, the user's
mandate checked, the price held, in one step), then delivered, which posts the held price to the seller less a fee of
2%. That is two commands, each with its client key kept for retries, its entry in the hash-chained log and its answer
durable before it is given (SQLite: ``synchronous=FULL``); the rows of accounts and deals are kept up for readers.
Offers are made before the clock starts, as sellers make many that nobody takes. "Whole" deals have it all inside:
offer, accept, deliver, and the buyer's confirmation, four commands. Best of three rounds; the ratio to the bare loop of
the same round is what a busy machine leaves standing.
"""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from _timing import machine
from headway.economy.commands import (
    AcceptOffer,
    Command,
    ConfirmDelivery,
    Deliver,
    Deposit,
    MakeOffer,
    OpenAccount,
    PublishListing,
    SignMandate,
)
from headway.economy.keys import key_pair
from headway.economy.mandates import Mandate, signing_bytes
from headway.economy.memory_store import memory_store
from headway.economy.rails import Rails, Session, open_rails
from headway.economy.sqlite_store import sqlite_store
from headway.economy.store import Store, open_store

AGENTS = 500
ROUNDS = 3
ITEMS = (("pen", 20_000), ("ink", 30_000))
TOTAL = 50_000
Step = tuple[Session, Command]


def world(rails: Rails) -> dict[str, Session]:
    """Five hundred buyers with money and a mandate, five hundred sellers with a listing."""
    operator, key = rails.operator_session(), key_pair(seed=b"user")
    steps: list[Step] = [(operator, OpenAccount("user", "user", "user", key.public, "ed25519", None))]
    for n in range(AGENTS):
        steps.append((operator, OpenAccount(f"c{n}", f"c{n}", "consumer", key.public, "ed25519", "user")))
        steps.append((operator, OpenAccount(f"b{n}", f"b{n}", "business", key.public, "ed25519", None)))
        steps.append((operator, Deposit(f"d{n}", f"c{n}", 10**12, "USD")))
    rails.submit_many(steps, at_us=0)
    sessions = {name: rails.hosted_session(name) for n in range(AGENTS) for name in (f"c{n}", f"b{n}")}
    steps = []
    for n in range(AGENTS):
        mandate = Mandate(f"m{n}", "user", f"c{n}", TOTAL, 10**12, "USD", 0, 10**15, None, None, False, f"n{n}")
        steps.append((sessions[f"c{n}"], SignMandate("m", mandate, key.sign(signing_bytes(mandate, "headway")))))
        steps.append((sessions[f"b{n}"], PublishListing("l", f"l{n}", ITEMS, "USD", "pens", ())))
    if not all(reply.ok for reply in rails.submit_many(steps, at_us=0)):
        raise SystemExit("the world was refused")
    return sessions


def deals(sessions: dict[str, Session], count: int) -> list[tuple[Step, Step, Step, Step]]:
    """Offer, accept, deliver and confirm of each deal, between pairs that keep changing."""
    made = []
    for n in range(count):
        buyer, seller = n * 7_919 % AGENTS, n % AGENTS
        ours, theirs = sessions[f"c{buyer}"], sessions[f"b{seller}"]
        offer = MakeOffer(f"o{n}", f"o{n}", f"l{seller}", f"c{buyer}", ITEMS, TOTAL, "USD", 10**14)
        made.append(
            (
                (theirs, offer),
                (ours, AcceptOffer(f"a{n}", f"o{n}", 1, f"m{buyer}")),
                (theirs, Deliver(f"d{n}", f"o{n}")),
                (ours, ConfirmDelivery(f"c{n}", f"o{n}")),
            )
        )
    return made


def _send(rails: Rails, steps: list[Step], group: int, at_us: int) -> None:
    for start in range(0, len(steps), group):
        replies = rails.submit_many(steps[start : start + group], at_us=at_us)
        if not replies[-1].ok:
            raise SystemExit(f"refused: {replies[-1]}")


def settle(store: Store, count: int, group: int, *, whole: bool = False) -> Callable[[], None]:
    """What is timed: holds and posts of offers that stand, or whole deals; both by groups."""
    rails = open_rails(store, fee_bps=200, confirm_timeout_us=86_400_000_000 if whole else 0)
    made = deals(world(rails), count)
    if not whole:
        _send(rails, [deal[0] for deal in made], 1_000, 1)
    batches = [made[start : start + group] for start in range(0, count, group)]

    def run() -> None:
        for batch in batches:
            for step in range(4) if whole else (1, 2):
                _send(rails, [deal[step] for deal in batch], group, 2 + step)
        if sum(deal.posted for deal in rails.state.deals.values()) != count:
            raise SystemExit("not every deal settled")
        rails.close()

    return run


def bare(path: Path, count: int, group: int) -> Callable[[], None]:
    """Two tables, two balances and one row a transfer: no rules, no log, no keys."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, held INTEGER, balance INTEGER)")
    connection.execute("CREATE TABLE transfers (id TEXT PRIMARY KEY, giver INTEGER, taker INTEGER, amount INTEGER)")
    connection.executemany("INSERT INTO accounts VALUES (?, 0, 1000000000000)", [(n,) for n in range(2 * AGENTS)])
    rows = [(f"o{n}", n * 7_919 % AGENTS, AGENTS + n % AGENTS, TOTAL) for n in range(count)]

    def run() -> None:
        for start in range(0, count, group):
            part = rows[start : start + group]
            connection.execute("BEGIN IMMEDIATE")
            hold = [(amount, amount, giver) for _, giver, _, amount in part]
            connection.executemany("UPDATE accounts SET balance = balance - ?, held = held + ? WHERE id = ?", hold)
            connection.executemany("INSERT INTO transfers VALUES (?, ?, ?, ?)", part)
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("UPDATE accounts SET held = held - ? WHERE id = ?", [row[1:] for row in hold])
            post = [(amount, taker) for _, _, taker, amount in part]
            connection.executemany("UPDATE accounts SET balance = balance + ? WHERE id = ?", post)
            connection.execute("COMMIT")
        connection.close()

    return run


@contextmanager
def postgres() -> Iterator[str | None]:
    """Address of a PostgreSQL: the given one, or a server that lives as long as this block, or None."""
    given = os.environ.get("HEADWAY_TEST_POSTGRES")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    binaries = next((folder for folder in folders if (folder / "initdb").exists()), None)
    if given or binaries is None:
        yield given
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # The server refuses to run as root; Debian's package made this user.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if user:
            shutil.chown(folder, "postgres", "postgres")

        def run(program: str, *arguments: str) -> None:
            words = [*user, str(binaries / program), "-D", str(folder / "data"), *arguments]
            subprocess.run(words, check=True, cwd=folder, stdout=subprocess.DEVNULL)

        run("initdb", "-A", "trust", "-U", "headway", "-E", "UTF8", "--locale=C")
        options = f"-k {folder} -c listen_addresses=''"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://headway@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-m", "fast", "stop")


def cases(folder: Path, count: int, address: str | None) -> Iterator[tuple[str, int, Callable[[], Callable[[], None]]]]:
    """Name, deals, and what makes the function to time."""
    few = max(1, count // 20)

    def file() -> Store:
        return sqlite_store(path())

    def path() -> Path:
        return Path(tempfile.mkdtemp(dir=folder)) / "ledger.sqlite"

    def schema() -> Store:
        import psycopg

        name = f"bench_{time.time_ns()}"
        with psycopg.connect(str(address), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return open_store(f"{address}{'&' if '?' in str(address) else '?'}options=-csearch_path%3D{name}")

    yield "bare SQLite, groups of 1,000", count, lambda: bare(path(), count, 1_000)
    yield "SQLite, groups of 1,000", count, lambda: settle(file(), count, 1_000)
    yield "SQLite, groups of 100", count, lambda: settle(file(), count, 100)
    yield "SQLite, one by one", few, lambda: settle(file(), few, 1)
    yield "SQLite, whole, groups of 1,000", count, lambda: settle(file(), count, 1_000, whole=True)
    yield "memory, groups of 1,000", count, lambda: settle(memory_store(), count, 1_000)
    if address:
        yield "PostgreSQL, groups of 1,000", count, lambda: settle(schema(), count, 1_000)


def main(count: int) -> None:
    """Print deals per second, of the clock and of this process's own time."""
    print(f"{machine()}\n{count:,} deals, {AGENTS} buyers and {AGENTS} sellers, best of {ROUNDS}\n")
    print(f"{'':32}{'deals/s':>10}{'per CPU-s':>12}{'of bare':>10}")
    with postgres() as address, tempfile.TemporaryDirectory() as folder:
        found: dict[str, tuple[float, float]] = {}
        for _ in range(ROUNDS):
            for name, number, make in cases(Path(folder), count, address):
                run = make()
                gc.collect()
                gc.freeze()
                wall, own = time.perf_counter(), time.process_time()
                run()
                rates = number / (time.perf_counter() - wall), number / (time.process_time() - own)
                gc.unfreeze()
                before = found.get(name, (0.0, 0.0))
                found[name] = (max(before[0], rates[0]), max(before[1], rates[1]))
        yardstick = next(iter(found.values()))[1]
        for name, (wall, own) in found.items():
            print(f"{name:32}{wall:>10,.0f}{own:>12,.0f}{own / yardstick:>10.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
