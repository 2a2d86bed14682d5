"""The chart of accounts: every account is ``kind:currency:owner``, and only one kind may have a debit balance.

Wallets, holds and takings are what the platform owes to its agents, so a balance is credits less debits. `cash` is the
world outside: a deposit debits it, a withdrawal credits it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from headway.facts.errors import InputError

OPERATOR: Final = "operator"
"""Owner of the platform's own accounts, and sender of what only the platform may do."""


class AccountKind(NamedTuple):
    """One kind of account.

    Parameters
    ----------
    name : str
        First part of the account's name.
    says : str
        What it holds.
    book : str
        Section of a bookkeeper's chart: Assets, Liabilities or Income.
    """

    name: str
    says: str
    book: str


KINDS: Final = (
    AccountKind("cash", "money outside the platform; its debit balance is what was paid in", "Assets"),
    AccountKind("wallet", "money that an agent can spend", "Liabilities"),
    AccountKind("held", "money set aside for a deal or a dispute", "Liabilities"),
    AccountKind("merchant", "what a business has taken, less fees", "Liabilities"),
    AccountKind("fees", "the platform's share of settled deals", "Income"),
    AccountKind("compute", "what agents paid for their decisions", "Income"),
)
KIND_NAMES: Final = tuple(kind.name for kind in KINDS)
BELOW_ZERO: Final = frozenset({"cash"})
"""Kinds that may have a debit balance."""


def account(kind: str, currency: str, owner: str) -> str:
    """Name of an account; the owner stands last because it may hold colons.

    >>> account("wallet", "USD", "did:key:alice")
    'wallet:USD:did:key:alice'
    """
    return f"{kind}:{currency}:{owner}"


def parts(name: str) -> tuple[str, str, str]:
    """Kind, currency and owner of an account's name.

    Raises
    ------
    InputError
        Where the name is none.

    Examples
    --------
    >>> parts("wallet:USD:did:key:alice")
    ('wallet', 'USD', 'did:key:alice')
    """
    found = name.split(":", 2)
    if len(found) != 3 or found[0] not in KIND_NAMES:
        raise InputError("account", name, "kind:currency:owner")
    return found[0], found[1], found[2]
