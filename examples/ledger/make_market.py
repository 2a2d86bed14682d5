"""Make ``market.sqlite`` beside this script: a small market with every fate that a deal can have.

    python examples/ledger/make_market.py [FILE]

Keys come from seeds and times are given, so every run writes the same log, to the byte.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path

from headway.economy.commands import (
    AcceptOffer,
    BillCompute,
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
from headway.economy.keys import key_pair
from headway.economy.mandates import Mandate, signing_bytes
from headway.economy.money import micros
from headway.economy.rails import open_rails
from headway.economy.sqlite_store import sqlite_store

DAY = 86_400_000_000
NOON = 20_600 * DAY + DAY // 2  # 2026-05-27
MENU = (("taco", micros("3.50", "USD")), ("horchata", micros("2.25", "USD")))
PRICE = sum(price for _, price in MENU)


def steps() -> list[tuple[str, Command, int]]:
    """Sender, command and time of everything that happens."""
    keys = {name: key_pair(seed=name.encode()) for name in ("user", "ann", "ben", "taqueria")}
    roles = {"user": "user", "taqueria": "business"}
    told: list[tuple[str, Command, int]] = []

    def tell(sender: str, command: Command, day: int = 0) -> None:
        told.append((sender, command, NOON + day * DAY))

    for name, key in keys.items():
        role = roles.get(name, "consumer")
        user = "user" if role == "consumer" else None
        tell("operator", OpenAccount(f"open-{name}", name, role, key.public, key.algorithm, user))
    for name in ("ann", "ben"):
        tell("operator", Deposit(f"fund-{name}", name, micros("40", "USD"), "USD"))
        mandate = Mandate(
            f"{name}-lunch",
            "user",
            name,
            PRICE,
            4 * PRICE,
            "USD",
            NOON,
            NOON + 30 * DAY,
            ("taqueria",),
            None,
            False,
            name,
        )
        signature = keys["user"].sign(signing_bytes(mandate, "headway"))
        tell(name, SignMandate("sign", mandate, signature))
    tell("taqueria", PublishListing("menu", "menu", MENU, "USD", "Tacos as in Oaxaca. Ann's favourite.", ("mexican",)))
    for number, (buyer, fate) in enumerate(
        [("ann", "settled"), ("ann", "voided"), ("ben", "refunded"), ("ben", "timed-out"), ("ann", "held")]
    ):
        tell("taqueria", MakeOffer(f"offer-{number}", fate, "menu", buyer, MENU, PRICE, "USD", NOON + 40 * DAY))
        tell(buyer, AcceptOffer(f"accept-{number}", fate, 1, f"{buyer}-lunch"), 9 if fate == "held" else 0)
    for fate, buyer in (("settled", "ann"), ("refunded", "ben")):
        tell("taqueria", Deliver(f"deliver-{fate}", fate))
        tell(buyer, ConfirmDelivery(f"confirm-{fate}", fate))
    tell("ann", AcceptOffer("pay-twice", "settled", 1, "ann-lunch"))
    tell("ben", AcceptOffer("pay-for-ann", "settled", 1, "ben-lunch"))
    tell("ann", CancelDeal("cancel", "voided"))
    tell("ben", OpenDispute("dispute", "refunded", "the horchata was warm"), 1)
    tell("operator", Resolve("resolve", "refunded", micros("2.25", "USD"), "half a lunch"), 2)
    tell("operator", BillCompute("bill-ann", "ann", 4_230, 8_451, 5_800, 652, 61_000), 2)
    tell("operator", Tick("tick"), 8)
    return sorted(told, key=lambda step: step[2])


def main(path: Path) -> None:
    """Write the ledger, as one file that readers need no write-ahead log for."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "market.sqlite"
        with open_rails(sqlite_store(draft), fee_bps=250) as rails:
            for sender, command, at_us in steps():
                way = rails.operator_session() if sender == "operator" else rails.hosted_session(sender)
                reply = rails.submit(way, command, at_us=at_us)
                sys.stdout.write(f"{sender:9} {type(command).__name__:16} {command.key:16} {reply.code}\n")
            sys.stdout.write(f"{rails.log_hash()}\n")
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(draft)
        connection.execute("VACUUM INTO ?", (str(path),))
        connection.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("market.sqlite"))
