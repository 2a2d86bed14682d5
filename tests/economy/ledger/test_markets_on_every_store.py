"""One market on every store: the same log, entry by entry, and books that hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headway.economy.attackers import Attack
from headway.economy.buyers import BUYERS
from headway.economy.generated import generate_population
from headway.economy.memory_store import memory_store
from headway.economy.rules import Rules
from headway.economy.sellers import SELLERS
from headway.economy.simulate import Policies, simulate

MARKET = generate_population(30, 25, seed=9)
RULES = Rules("batched", width=8, search="text", fee_bps=150, refunds="trust")


@pytest.mark.parametrize("attack", [None, "refund-abuse", "hold-griefing"])
def test_the_log_is_the_same_on_every_store(place: Any, attack: str | None) -> None:
    bargains = Policies(replace(BUYERS["negotiator"], first_p=0.3), SELLERS["negotiator"])
    what = replace(bargains, attack=None if attack is None else Attack(attack, 0.3))
    expected = simulate(MARKET, RULES, what, seed=2, store=memory_store())
    found = simulate(MARKET, RULES, what, seed=2, store=place.store())
    assert found.log_hash == expected.log_hash
    assert found.entries == expected.entries
    assert found.welfare == expected.welfare
