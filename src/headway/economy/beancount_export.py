"""The log as a beancount file, so that a bookkeeping program that nobody here wrote can check the books.

One transaction for each entry that moved money, in debits (positive) and credits (negative); a balance assertion with
no tolerance for each account at the end. Format: beancount.github.io/docs/beancount_language_syntax.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any, Final

from headway.economy.accounts import KINDS, OPERATOR, parts
from headway.economy.entries import Entry
from headway.economy.money import MICROS_PER_MAJOR
from headway.economy.state import DAY_US
from headway.facts.errors import RangeError

EPOCH: Final = date(1970, 1, 1)
_BOOKS: Final = tuple((kind.name, f"{kind.book}:{kind.name.capitalize()}") for kind in KINDS)
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]+").fullmatch
_AWKWARD: Final = re.compile(r"[^A-Za-z0-9]")


def book_account(name: str) -> str:
    """Name of an account in a bookkeeper's chart; different accounts keep different names.

    An owner of letters, digits and dashes stands behind ``A-``; in another one every awkward sign becomes its code in
    hex after a dash, behind ``B-``.

    >>> book_account("wallet:USD:ann-1"), book_account("wallet:USD:did:key:ann"), book_account("fees:USD:operator")
    ('Liabilities:Wallet:A-ann-1', 'Liabilities:Wallet:B-did-3Akey-3Aann', 'Income:Fees')
    """
    kind, _, owner = parts(name)
    book = dict(_BOOKS)[kind]
    if owner == OPERATOR:
        return book
    if _PLAIN(owner):
        return f"{book}:A-{owner}"
    return f"{book}:B-{_AWKWARD.sub(lambda found: f'-{ord(found[0]):02X}', owner)}"


def book_lines(entries: Iterable[Entry], *, epoch: date = EPOCH, until: int | None = None) -> Iterator[str]:
    r"""Lines of a beancount file.

    Parameters
    ----------
    entries : iterable of Entry
        The log from its first entry on.
    epoch : date
        The day of time 0.
    until : int, optional
        Last entry to take; all where not given.

    Yields
    ------
    str
        One line without its end; accounts are opened in front, so the whole log is read first.

    Raises
    ------
    RangeError
        Where a time is beyond the calendar.

    Examples
    --------
    >>> from headway.economy.entries import GENESIS, seal
    >>> moves = [("cash:USD:operator", "wallet:USD:ann", 5_000_000)]
    >>> entry = seal(1, 0, "operator", "deposit", '{"key":"k1"}', "ok", ["ann"], moves, GENESIS)
    >>> print(*list(book_lines([entry]))[5:], sep="\n")
    1970-01-01 * "deposit" "ann"
      entry: 1
      sender: "operator"
      Assets:Cash               5.000000 USD
      Liabilities:Wallet:A-ann  -5.000000 USD
    <BLANKLINE>
    1970-01-02 balance Assets:Cash               5.000000 ~ 0 USD
    1970-01-02 balance Liabilities:Wallet:A-ann  -5.000000 ~ 0 USD
    """
    sums: dict[str, int] = {}
    lines: list[str] = []
    first, last = None, epoch
    for entry in entries:
        if until is not None and entry.seq > until:
            break
        record = json.loads(entry.payload)
        if not record["moves"]:
            continue
        last = _day(epoch, record["at_us"])
        first = first or last
        lines += _transaction(last, record, sums)
    yield "; Written by headway from the log of a ledger: debits are positive, credits negative."
    yield 'option "title" "Ledger of an agent market"'
    yield from _opened(first or epoch, sums)
    yield ""
    yield from lines
    day = _day(last, DAY_US)
    width = max((len(book_account(name)) for name in sums), default=0)
    for name in sorted(sums, key=_sorted):
        yield f"{day} balance {book_account(name):{width}}  {_amount(sums[name])} ~ 0 {parts(name)[1]}"


def _transaction(day: date, record: dict[str, Any], sums: dict[str, int]) -> Iterator[str]:
    kind = record["kind"]
    yield f'{day} * "{kind}" "{" ".join(record["ids"])}"{" #refund" if kind == "resolve" else ""}'
    yield f"  entry: {record['seq']}"
    yield f'  sender: "{record["sender"]}"'
    postings: dict[str, int] = {}
    for debit, credit, amount in record["moves"]:
        postings[debit] = postings.get(debit, 0) + amount
        postings[credit] = postings.get(credit, 0) - amount
    width = max(len(book_account(name)) for name in postings)
    for name, amount in postings.items():
        sums[name] = sums.get(name, 0) + amount
        yield f"  {book_account(name):{width}}  {_amount(amount)} {parts(name)[1]}"
    yield ""


def _opened(day: date, sums: dict[str, int]) -> Iterator[str]:
    currencies: dict[str, set[str]] = {}
    for name in sums:
        currencies.setdefault(book_account(name), set()).add(parts(name)[1])
    for book in sorted(currencies):
        yield f"{day} open {book} {','.join(sorted(currencies[book]))}"


def _sorted(name: str) -> tuple[str, str]:
    return book_account(name), name


def _amount(micros: int) -> str:
    """All six places, always: beancount takes its tolerance from the coarsest number, here half a micro."""
    whole, rest = divmod(abs(micros), MICROS_PER_MAJOR)
    return f"{'-' if micros < 0 else ''}{whole}.{rest:06d}"


def _day(start: date, us: int) -> date:
    try:
        return start + timedelta(days=us // DAY_US)
    except OverflowError as error:
        raise RangeError("at_us", us, f"a time that is before the year 9999 when counted from {start}") from error
