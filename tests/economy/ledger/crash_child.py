"""A client and its rails in one process that dies: run as ``crash_child.py ADDRESS-TEMPLATE``, prints JSON lines.

For every point that a whole session of commands passes, a forked child runs the session on a ledger of its own and is
killed there by SIGKILL. A second child then opens the ledger again and sends the whole session once more, as a client
does that does not know how far it came. One process counts the points first, on a ledger that nothing interrupts.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable

from headway.economy.audit import audit
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
from headway.economy.rails import Rails, Session, open_rails
from headway.economy.state import Reply
from headway.economy.store import open_store

DAY = 86_400_000_000
ITEMS = (("pen", 50_000),)


Step = tuple[str, Command, int]


def session() -> list[list[Step]]:
    """Every kind of step that money takes, in groups of one commit: sender, command, time."""
    key = key_pair(seed=b"everyone")
    mandate = Mandate("m1", "user", "ann", 50_000, 500_000, "USD", 0, 10**15, ("shop",), None, False, "n1")
    setup: list[Step] = [
        ("operator", OpenAccount("1", "user", "user", key.public, "ed25519", None), 0),
        ("operator", OpenAccount("2", "ann", "consumer", key.public, "ed25519", "user"), 0),
        ("operator", OpenAccount("3", "shop", "business", key.public, "ed25519", None), 0),
        ("operator", Deposit("4", "ann", 1_000_000, "USD"), 0),
        ("shop", PublishListing("5", "list", ITEMS, "USD", "pens", ()), 0),
        ("ann", SignMandate("6", mandate, key.sign(signing_bytes(mandate, "headway"))), 0),
    ]
    steps: list[Step] = []
    for name in ("settled", "voided", "refunded", "timed-out"):
        setup.append(("shop", MakeOffer(f"o-{name}", name, "list", "ann", ITEMS, 50_000, "USD", 10**14), 0))
        (steps if name == "settled" else setup).append(("ann", AcceptOffer(f"a-{name}", name, 1, "m1"), 2))
    for name in ("settled", "refunded"):
        where = steps if name == "settled" else setup
        where.append(("shop", Deliver(f"d-{name}", name), 3))
        where.append(("ann", ConfirmDelivery(f"c-{name}", name), 4))
    steps += [
        ("ann", CancelDeal("7", "voided"), 5),
        ("operator", BillCompute("8", "ann", 17, 1_550, 900, 115, 3), 6),
        ("ann", OpenDispute("9", "refunded", "broken"), 7),
        ("operator", Resolve("10", "refunded", 50_000, "it was"), 8),
        ("ann", AcceptOffer("11", "settled", 1, "m1"), 9),
        ("operator", Tick("12"), 8 * DAY),
    ]
    return [setup, *([step] for step in steps)]


GROUPS = session()
"""Made once, before any fork: its imports and keys take longer than the whole session."""


def admit(rails: Rails, sender: str) -> Session:
    """Session of a sender, who may be about to be registered in the same group."""
    return rails.operator_session() if sender == "operator" else rails._admit(sender)


def run(address: str, fault: Callable[[str], None] | None) -> dict[str, object]:
    """Send the session, each step in a group of its own, and say what came of it."""
    answers: list[Reply] = []

    def point(name: str) -> None:
        # The first group sets the scene: there it may die in the store and with the mandate.
        if fault is not None and (answers or name.startswith(("store.", "mandate.", "rails.reply"))):
            fault(name)

    with open_rails(open_store(address), fee_bps=200, fault=point) as rails:
        for group in GROUPS:
            asked = [(admit(rails, sender), command) for sender, command, _ in group]
            answers += rails.submit_many(asked, at_us=group[0][2])
        settled = sum(deal.status == "settled" for deal in rails.state.deals.values())
        log = rails.log_hash()
    store = open_store(address)
    found = audit(store, verify=False)
    store.close()
    broken = [one.name for one in found.invariants if not one.holds]
    return {"answers": answers, "settled": settled, "log": log, "broken": broken}


def in_child(task: Callable[[], object]) -> tuple[int, str]:
    """Run a task in a fork; how it ended, and what it gave as JSON."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        code = 1
        try:
            text = json.dumps(task())
            with os.fdopen(write, "w") as pipe:
                pipe.write(text)
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    return os.waitpid(child, 0)[1], text


def main(template: str) -> None:
    """Count the points, then die at each."""
    if template.startswith("postgresql"):
        importlib.import_module("psycopg")
    names: list[str] = []

    def whole() -> dict[str, object]:
        return run(template.replace("NUMBER", "0"), names.append) | {"points": names}

    _, text = in_child(whole)
    points = json.loads(text)["points"]
    sys.stdout.write(f"{text}\n")
    for number in range(1, len(points) + 1):
        address = template.replace("NUMBER", str(number))

        def dying(number: int = number, address: str = address) -> object:
            passed = []

            def die(name: str) -> None:
                passed.append(name)
                if len(passed) == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            return run(address, die)

        status, _ = in_child(dying)
        _, text = in_child(lambda address=address: run(address, None))
        end = {"point": points[number - 1], "signal": os.WTERMSIG(status)}
        sys.stdout.write(json.dumps(end | (json.loads(text) if text else {})) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
