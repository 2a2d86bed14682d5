"""Double entry: every move debits one account and credits another by the same amount, and groups move whole or not.

The rules are those of well-kept ledgers (TigerBeetle, docs.tigerbeetle.com/reference/transfers and
/develop/two-phase-transfers): moves are immutable and corrected by new moves, linked moves succeed or fail together,
money is set aside first and then posted or voided, a hold resolves once, and timeouts follow the ledger's clock. An
account keeps both sums, debits and credits; its balance is credits less debits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from headway.economy.accounts import BELOW_ZERO
from headway.economy.entries import Move
from headway.economy.money import LARGEST
from headway.economy.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Ledger:
    """Sums of every account.

    Parameters
    ----------
    sums : dict of str to list of int
        Debits and credits by account [micros].
    touched : dict of str to list of int
        Those of accounts that changed since the last commit.
    """

    sums: dict[str, list[int]] = field(default_factory=dict)
    touched: dict[str, list[int]] = field(default_factory=dict)

    def balance(self, name: str) -> int:
        """Credits less debits of an account [micros].

        >>> Ledger({"wallet:USD:a": [2, 5]}).balance("wallet:USD:a")
        3
        """
        found = self.sums.get(name)
        return found[1] - found[0] if found is not None else 0

    def post(self, moves: Sequence[Move]) -> Refusal | None:
        """Make all of these moves, or none and say why.

        >>> ledger = Ledger({"wallet:USD:a": [0, 5]})
        >>> ledger.post([("wallet:USD:a", "held:USD:a", 5)])
        >>> ledger.post([("held:USD:a", "wallet:USD:a", 2), ("held:USD:a", "fees:USD:operator", 4)]).name
        'INSUFFICIENT_FUNDS'
        >>> ledger.balance("held:USD:a")
        5
        """
        sums, touched = self.sums, self.touched
        for index, (debit, credit, amount) in enumerate(moves):
            try:
                giver = sums[debit]
            except KeyError:
                giver = sums[debit] = [0, 0]
            try:
                taker = sums[credit]
            except KeyError:
                taker = sums[credit] = [0, 0]
            debits = giver[0] + amount
            if debits > giver[1] and debit.partition(":")[0] not in BELOW_ZERO:
                return self._undo(moves[:index], Refusal.INSUFFICIENT_FUNDS)
            if debits > LARGEST or taker[1] + amount > LARGEST:
                return self._undo(moves[:index], Refusal.AMOUNT_OVERFLOWS)
            giver[0] = debits
            taker[1] += amount
            touched[debit] = giver
            touched[credit] = taker
        return None

    def _undo(self, moves: Sequence[Move], why: Refusal) -> Refusal:
        for debit, credit, amount in moves:
            self.sums[debit][0] -= amount
            self.sums[credit][1] -= amount
        return why


def rebuild(moves: Iterable[Move]) -> dict[str, tuple[int, int]]:
    """Debits and credits by account from the moves alone, without any rule [micros].

    >>> rebuild([("a", "b", 3), ("b", "a", 1)])
    {'a': (3, 1), 'b': (1, 3)}
    """
    sums: dict[str, list[int]] = {}
    for debit, credit, amount in moves:
        sums.setdefault(debit, [0, 0])[0] += amount
        sums.setdefault(credit, [0, 0])[1] += amount
    return {name: (debits, credits) for name, (debits, credits) in sums.items()}
