"""Beancount, which nobody here wrote, keeps the same books and accepts them; edited ones it does not."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from headway.economy.accounts import account
from headway.economy.beancount_export import book_account, book_lines
from headway.economy.commands import Deposit, OpenAccount
from headway.economy.keys import key_pair
from headway.facts.errors import RangeError

beancount = pytest.importorskip("beancount")


def _busy(world) -> str:
    """A market with some of everything, as a beancount file."""
    world.give("m1")
    for number, until in enumerate(("held", "voided", "delivered", "settled", "disputed", "resolved")):
        world.deal(f"o{number}", "m1", until=until)
    world.do("operator", Deposit, "ben", 5_000_000, "JPY")
    world.tick(10 * 86_400_000_000)
    return "\n".join(book_lines(world.rails.entries())) + "\n"


def test_the_checker_accepts_the_books(world, tmp_path: Path) -> None:
    from beancount import loader
    from beancount.core import data

    text = _busy(world)
    entries, errors, _ = loader.load_string(text)
    assert not errors
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in data.filter_txns(entries):
        for posting in entry.postings:
            sums[posting.account, posting.units.currency] += posting.units.number
    ledger = world.rails.state.ledger
    assert {
        (book_account(name), name.split(":")[1]): -Decimal(ledger.balance(name)) / 1_000_000 for name in ledger.sums
    } == dict(sums)
    assert sum(isinstance(entry, data.Balance) for entry in entries) == len(ledger.sums)
    path = tmp_path / "books.beancount"
    path.write_text(text)
    check = Path(sys.executable).with_name("bean-check")
    done = subprocess.run([check, "--no-cache", path], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("old", "new"), [("0.049000 USD", "0.049001 USD"), ("~ 0", "~ 0 "), ("-1.000000 ~ 0 USD", "-1.000001 ~ 0 USD")]
)
def test_the_checker_sees_one_micro(memory_world, old: str, new: str) -> None:
    from beancount import loader

    text = _busy(memory_world)
    assert old in text
    _, errors, _ = loader.load_string(text.replace(old, new, 1))
    assert bool(errors) == (old.strip() != new.strip())


def test_names_stay_apart() -> None:
    owners = ("a-b", "a.b", "a_b", "a:b", "A-b", "a", "A", "a-2Db", "operator", "+", "9")
    names = [account(kind, "USD", owner) for kind in ("wallet", "held", "merchant") for owner in owners]
    assert len({book_account(name) for name in names}) == len(names)


def test_awkward_names_are_accepted(memory_world) -> None:
    from beancount import loader

    public = key_pair(seed=b"x").public
    for owner in ("did:key:z6Mk+/=", "_", "~x", "9lives", "a@b.example"):
        memory_world.do("operator", OpenAccount, owner, "consumer", public, "ed25519", None)
        memory_world.do("operator", Deposit, owner, 10_000, "USD")
    _, errors, _ = loader.load_string("\n".join(book_lines(memory_world.rails.entries())))
    assert not errors


def test_an_early_end_and_a_far_time(memory_world) -> None:
    from beancount import loader

    _busy(memory_world)
    for until in (1, 8, 20):
        text = "\n".join(book_lines(memory_world.rails.entries(), until=until, epoch=date(2026, 11, 25)))
        assert not loader.load_string(text)[1]
    memory_world.now = 2**62
    memory_world.do("operator", Deposit, "ben", 10_000, "USD")
    with pytest.raises(RangeError, match="at_us"):
        list(book_lines(memory_world.rails.entries()))
