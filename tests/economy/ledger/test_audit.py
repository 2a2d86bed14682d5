"""The audit finds what was edited, and each of its invariants can fail."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from headway.economy._log_walk import Walk
from headway.economy.audit import STATEMENTS, audit
from headway.economy.commands import BillCompute
from headway.economy.entries import Entry, check_chain, decode_command, encode_command, seal
from headway.economy.memory_store import memory_store
from headway.economy.rails import open_rails
from headway.economy.rebuilt import rebuild_store
from headway.economy.replay import ReplayError, replay
from headway.economy.sqlite_store import sqlite_store
from headway.economy.store import StoreError


@pytest.fixture
def ledger(new_place, world_of) -> Path:
    """A closed SQLite ledger with a settled, a voided, a disputed and a held deal."""
    place = new_place("sqlite")
    with place.open(fee_bps=200) as rails:
        world = world_of(rails)
        world.give("m1")
        for number, until in enumerate(("settled", "voided", "disputed", "held")):
            world.deal(f"o{number}", "m1", until=until)
        world.do("operator", BillCompute, "ann", 17, 1_550, 900, 115, 3)
    return Path(place.store().path)


def _failing(path: Path) -> set[str]:
    store = sqlite_store(path, read_only=True)
    found = audit(store)
    store.close()
    return {one.name for one in found.invariants if not one.holds}


def _edit(path: Path, statement: str, *values: Any) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA ignore_check_constraints = 1")
    with connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


def test_an_honest_ledger(ledger: Path) -> None:
    assert _failing(ledger) == set()


@pytest.mark.parametrize(
    ("statement", "failing"),
    [
        (
            "UPDATE accounts SET credits = credits + 1 WHERE account = 'wallet:USD:ann'",
            {"debits-equal-credits", "rows-equal-accounts"},
        ),
        ("DELETE FROM accounts WHERE account = 'held:USD:shop'", {"debits-equal-credits", "rows-equal-accounts"}),
        ("UPDATE deals SET status = 'settled' WHERE offer_id = 'o1'", {"rows-equal-deals"}),
        ("UPDATE deals SET held = held - 1 WHERE offer_id = 'o3'", {"rows-equal-deals"}),
        ("DELETE FROM deals WHERE offer_id = 'o0'", {"rows-equal-deals"}),
        ("DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)", {"rows-equal-accounts"}),
        ("UPDATE entries SET digest = '0' WHERE seq = 9", {"replay-equals-log"}),
        (
            "UPDATE entries SET payload = replace(payload, '\"at_us\":1000', '\"at_us\":1001') WHERE seq = 9",
            {"replay-equals-log"},
        ),
    ],
)
def test_an_edited_ledger(ledger: Path, statement: str, failing: set[str]) -> None:
    _edit(ledger, statement)
    assert failing <= _failing(ledger)
    if "replay-equals-log" in failing:
        store = sqlite_store(ledger, read_only=True)
        with pytest.raises(ReplayError, match="entry 9"):
            rebuild_store(store)
        store.close()
        with pytest.raises(ReplayError, match="entry 9"):
            open_rails(sqlite_store(ledger))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ("garbage", "entry 5 cannot be read"),
        ("[]", "entry 5 cannot be read"),
        ("{}", "entry 5 cannot be read"),
        ("[" * 100_000, "entry 5 cannot be read"),
        (b"\xff\x00", "entry 5 holds bytes"),
    ],
)
def test_an_entry_that_no_ledger_writes(ledger: Path, payload: str | bytes, said: str) -> None:
    """Whoever can write the file can make digests too: what stands there is a breach, and the rest is still told."""
    import hashlib

    digest = hashlib.sha256(payload.encode() if isinstance(payload, str) else payload).hexdigest()
    _edit(ledger, "UPDATE entries SET payload = ?, digest = ? WHERE seq = 5", payload, digest)
    store = sqlite_store(ledger, read_only=True)
    found = {one.name: one for one in audit(store).invariants}
    store.close()
    assert said in found["replay-equals-log"].detail
    assert not found["replay-equals-log"].holds
    assert found["debits-equal-credits"].holds


@pytest.mark.parametrize(
    "body", ["[]", "7", '{"mandate":7}', '{"key":"k","agent_id":"a","amount":1e999,"currency":"USD"}']
)
@pytest.mark.parametrize("kind", ['"deposit"', '"sign_mandate"', "[]", "{}"])
def test_a_body_of_another_shape(kind: str, body: str) -> None:
    import hashlib

    payload = f'{{"at_us":1e999,"body":{body},"kind":{kind},"prev":"{"0" * 64}","sender":"operator"}}'.encode()
    with pytest.raises(ReplayError, match="entry 1"):
        replay([Entry(1, payload, hashlib.sha256(payload).hexdigest())])


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("INSERT INTO accounts VALUES (?, 1, 1)", "evil"),
        ("INSERT INTO accounts VALUES (?, 1, 1)", b"\xff"),
        ("UPDATE accounts SET debits = ? WHERE account = 'wallet:USD:ann'", "x"),
        ("UPDATE accounts SET debits = ? WHERE account = 'wallet:USD:ann'", 1.5),
        ("UPDATE accounts SET account = CAST(? AS TEXT) WHERE account = 'wallet:USD:ann'", b"wallet:USD:\xff"),
    ],
)
def test_an_account_that_no_ledger_writes(ledger: Path, statement: str, value: Any) -> None:
    _edit(ledger, statement, value)
    assert _failing(ledger) <= {"debits-equal-credits", "rows-equal-accounts"}
    assert "rows-equal-accounts" in _failing(ledger)


def test_a_deal_that_no_ledger_writes(ledger: Path) -> None:
    _edit(ledger, "UPDATE deals SET offer_id = ?, total = 'abc' WHERE offer_id = 'o0'", b"\xff")
    assert _failing(ledger) == {"rows-equal-deals"}


def test_history_written_anew(ledger: Path) -> None:
    """Someone who can compute hashes doubles a deposit and links every later entry again: the rules disagree."""
    store = sqlite_store(ledger, read_only=True)
    entries = list(store.entries())
    store.close()
    before, forged = entries[0].payload and "0" * 64, []
    for entry in entries:
        record = json.loads(entry.payload)
        if record["kind"] == "deposit":
            record["moves"][0][2] *= 2
        _, body = encode_command(decode_command(record["kind"], record["body"]))
        made = seal(
            record["seq"],
            record["at_us"],
            record["sender"],
            record["kind"],
            body,
            record["code"],
            record["ids"],
            [tuple(move) for move in record["moves"]],
            before,
        )
        assert check_chain(made.seq, before, made) is None
        forged.append(made)
        before = made.digest
    with pytest.raises(ReplayError, match="comes out differently"):
        replay(forged)


@pytest.mark.parametrize(
    ("payload", "said"),
    [(b"{}", "digest"), (b'{"prev":"' + b"0" * 64 + b'"}', "cannot be read"), (b"[", "digest")],
)
def test_what_is_no_entry(payload: bytes, said: str) -> None:
    import hashlib

    digest = hashlib.sha256(payload).hexdigest() if b"prev" in payload else "x"
    with pytest.raises(ReplayError, match=said):
        replay([Entry(1, payload, digest)])


def test_a_part_of_the_log(ledger: Path) -> None:
    store = sqlite_store(ledger, read_only=True)
    part, whole = rebuild_store(store, until=5), rebuild_store(store)
    store.close()
    assert (part.entries, part.rows_differ) == (5, None)
    assert whole.rows_differ == 0
    assert dict(whole.deals) == {"disputed": 1, "held": 1, "settled": 1, "voided": 1}
    assert sum(one.balance for one in whole.balances) == 0


def _record(
    seq: int, kind: str, body: dict, moves: tuple = (), *, code: str = "ok", ids: tuple = (), at_us: int = 5
) -> dict:
    return {
        "seq": seq,
        "at_us": at_us,
        "sender": "x",
        "kind": kind,
        "body": {"key": f"k{seq}"} | body,
        "code": code,
        "ids": list(ids),
        "moves": [list(move) for move in moves],
    }


USERS = {"u": ("user", None), "v": ("user", None), "x": ("consumer", "u")}
LIMITS = {"user": "u", "agent": "x", "per_deal": 10, "total": 15, "not_before_us": 0, "not_after_us": 9}
OPEN = (
    _record(1, "deposit", {}, [("cash:USD:operator", "wallet:USD:a", 100)]),
    _record(2, "sign_mandate", {"mandate": LIMITS | {"mandate_id": "m"}}),
    _record(3, "make_offer", {"offer_id": "o", "total": 10, "currency": "USD"}),
    _record(4, "accept_offer", {"offer_id": "o", "mandate_id": "m"}, [("wallet:USD:a", "held:USD:a", 10)]),
)
POST = [("held:USD:a", "merchant:USD:b", 10)]
BROKEN = {
    "amounts-above-zero": (_record(5, "deposit", {}, [("cash:USD:operator", "wallet:USD:a", 0)]),),
    "one-currency-a-move": (_record(5, "deposit", {}, [("cash:USD:operator", "wallet:EUR:a", 1)]),),
    "refusals-move-nothing": (_record(5, "deposit", {}, [("cash:USD:operator", "wallet:USD:a", 1)], code="NO"),),
    "no-account-below-zero": (_record(5, "withdraw", {}, [("wallet:USD:a", "cash:USD:operator", 91)]),),
    "settles-once": (
        _record(5, "confirm_delivery", {"offer_id": "o"}, POST, ids=("o",)),
        _record(6, "cancel_deal", {"offer_id": "o"}, [("wallet:USD:a", "wallet:USD:a", 10)], ids=("o",)),
    ),
    "price-moves-whole": (
        _record(5, "confirm_delivery", {"offer_id": "o"}, [("held:USD:a", "merchant:USD:b", 9)], ids=("o",)),
    ),
    "within-mandate": (
        _record(5, "make_offer", {"offer_id": "p", "total": 6, "currency": "USD"}),
        _record(6, "accept_offer", {"offer_id": "p", "mandate_id": "m"}, [("wallet:USD:a", "held:USD:a", 6)]),
    ),
    "within-mandate after its end": (
        _record(5, "make_offer", {"offer_id": "p", "total": 1, "currency": "USD"}),
        _record(6, "revoke_mandate", {"mandate_id": "m"}),
        _record(7, "accept_offer", {"offer_id": "p", "mandate_id": "m"}, [("wallet:USD:a", "held:USD:a", 1)]),
    ),
    "within-mandate of another user": (
        _record(5, "sign_mandate", {"mandate": LIMITS | {"mandate_id": "n", "user": "v"}}),
        _record(6, "make_offer", {"offer_id": "p", "total": 1, "currency": "USD"}),
        _record(7, "accept_offer", {"offer_id": "p", "mandate_id": "n"}, [("wallet:USD:a", "held:USD:a", 1)]),
    ),
    "held-equals-holds": (_record(5, "withdraw", {}, [("held:USD:a", "cash:USD:operator", 1)]),),
    "compute-equals-bills": (
        _record(5, "bill_compute", {"micros": 5, "rack_us": 1}, [("wallet:USD:a", "compute:USD:operator", 4)]),
    ),
    "compute-equals-rack": (
        _record(
            5,
            "configure",
            {
                "fee_bps": 0,
                "hold_timeout_us": 1,
                "confirm_timeout_us": 1,
                "dispute_window_us": 1,
                "audience": "h",
                "compute_currency": "USD",
                "rack_micros_per_s": 1_000_000,
            },
        ),
        _record(6, "bill_compute", {"micros": 5, "rack_us": 4}, [("wallet:USD:a", "compute:USD:operator", 5)]),
    ),
    "keys-once": (_record(5, "tick", {"key": "k1"}),),
    "time-forward": (_record(5, "tick", {}, at_us=4),),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_invariant_can_fail(name: str) -> None:
    walk = Walk(users=dict(USERS))
    for record in OPEN:
        walk.see(record)
    assert not walk.worst
    for record in BROKEN[name]:
        walk.see(record)
    breached = name.split()[0]
    assert walk.worst[breached] > 0
    assert walk.where[breached] == BROKEN[name][-1]["seq"]


def test_every_statement_is_tried() -> None:
    elsewhere = {
        "replay-equals-log",
        "debits-equal-credits",
        "rows-equal-accounts",
        "rows-equal-deals",
        "fees-equal-deals",
    }
    assert {one.name for one in STATEMENTS} == {name.split()[0] for name in BROKEN} | elsewhere


def test_signatures_are_verified_again(memory_world) -> None:
    """A mandate written into the log by whoever holds the file does not pass where signatures are checked."""
    world = memory_world
    world.give("m1")
    entries = list(world.rails.entries())
    assert replay(entries).mandates
    last = json.loads(entries[-1].payload)
    last["body"]["signature"] = "00" * 64
    _, body = encode_command(decode_command("sign_mandate", last["body"]))
    forged = seal(last["seq"], last["at_us"], last["sender"], "sign_mandate", body, "ok", last["ids"], [], last["prev"])
    assert replay([*entries[:-1], forged], verify=False).mandates
    with pytest.raises(ReplayError, match="comes out differently"):
        replay([*entries[:-1], forged])


def test_a_store_without_a_log_cannot_be_opened_again() -> None:
    store = memory_store(keep=False)
    rails = open_rails(store, fee_bps=200)
    assert rails.log_hash() != "0" * 64
    with pytest.raises(StoreError, match="keeps no log"):
        list(rails.entries())
    rails.close()
