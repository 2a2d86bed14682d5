"""Ledgers to test on: in memory, in an SQLite file, in a throw-away PostgreSQL; each audited when its test ends."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.economy.audit import audit
from headway.economy.commands import (
    AcceptOffer,
    CancelDeal,
    Command,
    ConfirmDelivery,
    Deliver,
    Deposit,
    MakeOffer,
    OpenAccount,
    OpenDispute,
    PublishListing,
    Resolve,
    SignMandate,
    Tick,
)
from headway.economy.keys import KeyPair, key_pair
from headway.economy.mandates import Mandate, signing_bytes
from headway.economy.memory_store import memory_store
from headway.economy.postgres_store import postgres_store
from headway.economy.rails import Rails, Session, open_rails
from headway.economy.refusals import Refusal
from headway.economy.sqlite_store import sqlite_store
from headway.economy.state import Reply
from headway.economy.store import Store

ITEMS = (('Chef\'s "special"; DROP TABLE entries; --', 20_000), ("ink", 30_000))
TOTAL = 50_000
ADDRESS = "HEADWAY_TEST_POSTGRES"


class Place:
    """Where a ledger lies: gives a store on the same data as often as asked."""

    def __init__(self, kind: str, store: Callable[[], Store]) -> None:
        self.kind = kind
        self.store = store

    def open(self, **rules: Any) -> Rails:
        return open_rails(self.store(), **rules)


class World:
    """One set of rails with a user, two buyers and two sellers, and short ways to say things."""

    def __init__(self, rails: Rails) -> None:
        self.rails = rails
        self.now = 1_000
        self.count = itertools.count(1)
        self.keys: dict[str, KeyPair] = {}
        self.sessions: dict[str, Session] = {"operator": rails.operator_session()}
        for name, role in (("ursula", "user"), ("ann", "consumer"), ("ben", "consumer")):
            self.join(name, role)
        for name in ("shop", "mart"):
            self.join(name, "business")
            self.do(name, PublishListing, f"{name}-list", ITEMS, "USD", "we sell 'things'", ("stationery",))
        for name in ("ann", "ben"):
            self.do("operator", Deposit, name, 1_000_000, "USD")

    def join(self, name: str, role: str, algorithm: str = "ed25519", user: str = "ursula") -> None:
        key = self.keys[name] = key_pair(algorithm, seed=name.encode())
        own = user if role == "consumer" else None
        self.do("operator", OpenAccount, name, role, key.public, algorithm, own)
        session = self.rails.session(name, key.sign(self.rails.challenge(name)))
        assert not isinstance(session, Refusal)
        self.sessions[name] = session

    def ask(self, sender: str, command: Command) -> Reply:
        return self.rails.submit(self.sessions[sender], command, at_us=self.now)

    def do(self, sender: str, kind: Callable[..., Command], *fields: Any) -> Reply:
        """Submit under a fresh key, and expect it done."""
        reply = self.ask(sender, kind(f"k{next(self.count)}", *fields))
        assert reply.ok, reply
        return reply

    def refuse(self, sender: str, kind: Callable[..., Command], *fields: Any) -> str:
        """Submit under a fresh key, expect a refusal that changes no balance, and return its name."""
        before = self.balances()
        reply = self.ask(sender, kind(f"k{next(self.count)}", *fields))
        assert not reply.ok
        assert reply.reason
        assert self.balances() == before
        return reply.code

    def balances(self) -> dict[str, int]:
        ledger = self.rails.state.ledger
        return {name: ledger.balance(name) for name in sorted(ledger.sums) if ledger.balance(name)}

    def mandate(self, mandate_id: str, **limits: Any) -> Mandate:
        fields: dict[str, Any] = {
            "user": "ursula",
            "agent": "ann",
            "per_deal": TOTAL,
            "total": 10 * TOTAL,
            "currency": "USD",
            "not_before_us": 0,
            "not_after_us": 10**15,
            "merchants": None,
            "items": None,
            "single_use": False,
            "nonce": f"nonce-{mandate_id}",
        }
        return Mandate(mandate_id, **(fields | limits))

    def sign(self, mandate: Mandate, audience: str = "headway") -> bytes:
        return self.keys[mandate.user].sign(signing_bytes(mandate, audience))

    def give(self, mandate_id: str, **limits: Any) -> str:
        mandate = self.mandate(mandate_id, **limits)
        self.do(mandate.agent, SignMandate, mandate, self.sign(mandate))
        return mandate_id

    def offer(self, offer_id: str, seller: str = "shop", buyer: str = "ann", expires_us: int = 10**14) -> str:
        self.do(seller, MakeOffer, offer_id, f"{seller}-list", buyer, ITEMS, TOTAL, "USD", expires_us)
        return offer_id

    def deal(
        self, offer_id: str, mandate_id: str, *, until: str = "settled", seller: str = "shop", buyer: str = "ann"
    ) -> str:
        """A deal as far as a status."""
        self.offer(offer_id, seller, buyer)
        self.do(buyer, AcceptOffer, offer_id, 1, mandate_id)
        if until == "held":
            return offer_id
        if until == "voided":
            self.do(seller, CancelDeal, offer_id)
            return offer_id
        self.do(seller, Deliver, offer_id)
        if until == "delivered":
            return offer_id
        self.do(buyer, ConfirmDelivery, offer_id)
        if until in ("disputed", "resolved"):
            self.do(buyer, OpenDispute, offer_id, "it's broken")
        if until == "resolved":
            self.do("operator", Resolve, offer_id, TOTAL, "it was")
        return offer_id

    def tick(self, at_us: int) -> Reply:
        self.now = at_us
        return self.do("operator", Tick)


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a PostgreSQL for tests: from the environment, or a server that lives as long as they do."""
    given = os.environ.get(ADDRESS)
    if given:
        yield given
        return
    binaries = _binaries()
    if binaries is None:
        pytest.skip(f"no PostgreSQL: install Debian's package postgresql, or set {ADDRESS}")
    folder = Path(tempfile.mkdtemp(prefix="headway-postgres-"))
    # The server refuses to run as root; Debian's package made this user.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*user, str(binaries / program), *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120
        )

    try:
        run("initdb", "-D", str(data), "-A", "trust", "-U", "headway", "-E", "UTF8", "--locale=C", "--no-sync")
        # The tests kill clients, never the server, so its own syncs would only take time.
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=30"
        run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://headway@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_place(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[str], Place]:
    """Makes an empty place of a kind."""
    numbers = itertools.count(1)

    def make(kind: str) -> Place:
        if kind == "memory":
            kept = memory_store()
            return Place(kind, lambda: kept)
        if kind == "sqlite":
            path = tmp_path_factory.mktemp("ledger") / "market.sqlite"
            return Place(kind, lambda: sqlite_store(path))
        import psycopg

        address = request.getfixturevalue("postgres")
        schema = f"ledger_{os.getpid()}_{next(numbers)}"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        sign = "&" if "?" in address else "?"
        return Place(kind, lambda: postgres_store(f"{address}{sign}options=-csearch_path%3D{schema}"))

    return make


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest, new_place: Callable[[str], Place]) -> Iterator[Place]:
    """An empty place of each kind in turn; whatever the test did there must pass the audit."""
    made = new_place(request.param)
    yield made
    store = made.store()
    found = audit(store)
    store.close()
    assert found.holds, [one for one in found.invariants if not one.holds]


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    """Rails with two buyers and two sellers, at a fee of 2%."""
    with place.open(fee_bps=200) as rails:
        yield World(rails)


@pytest.fixture
def world_of() -> type[World]:
    """Puts a world on rails that a test has opened."""
    return World


@pytest.fixture
def memory_world() -> Iterator[World]:
    """The same in memory only, for rules that no store can change."""
    store = memory_store()
    with open_rails(store, fee_bps=200) as rails:
        yield World(rails)
    found = audit(store)
    assert found.holds, [one for one in found.invariants if not one.holds]
