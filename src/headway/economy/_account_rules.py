"""Rules of accounts, mandates and bills: who may open, fund, pay out, sign for and charge whom."""

from __future__ import annotations

from headway.economy.accounts import OPERATOR, account
from headway.economy.commands import BillCompute, Configure, Deposit, OpenAccount, RevokeMandate, SignMandate, Withdraw
from headway.economy.entries import Move
from headway.economy.keys import readable, verify
from headway.economy.mandates import empty, signing_bytes
from headway.economy.money import MICROS_PER_MAJOR, is_whole
from headway.economy.refusals import Refusal
from headway.economy.state import Agent, Bill, Outcome, Rules, State


def configure(state: State, sender: str, command: Configure, _at_us: int) -> Outcome:
    """Set the rules."""
    if sender != OPERATOR:
        return Refusal.NOT_OPERATOR
    state.head["rules"] = Rules(*(getattr(command, name) for name in Rules._fields))
    return (), ()


def open_account(state: State, sender: str, command: OpenAccount, _at_us: int) -> Outcome:
    """Register a key."""
    if sender != OPERATOR:
        return Refusal.NOT_OPERATOR
    if command.agent_id == OPERATOR:
        return Refusal.RESERVED_NAME
    if command.agent_id in state.agents:
        return Refusal.ACCOUNT_EXISTS
    if state.head["verify"] and not readable(command.algorithm, command.public_key):
        return Refusal.BAD_KEY
    bad = _refuse_user(state, command)
    if bad is not None:
        return bad
    agent_id = command.agent_id
    state.agents[agent_id] = Agent(agent_id, command.role, command.public_key, command.algorithm, command.user)
    return (agent_id,), ()


def _refuse_user(state: State, command: OpenAccount) -> Refusal | None:
    """Why an account cannot have this user, or None where it can: users have none, agents one that is there or none."""
    if command.user is None:
        return None
    user = state.agents.get(command.user)
    if user is None:
        return Refusal.UNKNOWN_AGENT
    return Refusal.NOT_A_USER if user.role != "user" or command.role == "user" else None


def deposit(state: State, sender: str, command: Deposit, _at_us: int) -> Outcome:
    """Cash to wallet."""
    bad = _outside(state, sender, command)
    if bad is not None:
        return bad
    currency = command.currency
    moves = ((account("cash", currency, OPERATOR), account("wallet", currency, command.agent_id), command.amount),)
    return state.ledger.post(moves) or ((command.agent_id,), moves)


def withdraw(state: State, sender: str, command: Withdraw, _at_us: int) -> Outcome:
    """Wallet, then takings, to cash."""
    bad = _outside(state, sender, command)
    if bad is not None:
        return bad
    moves = _charge(state, command.agent_id, command.currency, "cash", command.amount)
    return state.ledger.post(moves) or ((command.agent_id,), moves)


def _outside(state: State, sender: str, command: Deposit | Withdraw) -> Refusal | None:
    if sender != OPERATOR:
        return Refusal.NOT_OPERATOR
    if command.agent_id not in state.agents:
        return Refusal.UNKNOWN_AGENT
    return None if is_whole(command.amount, command.currency) else Refusal.AMOUNT_NOT_WHOLE


def _charge(state: State, agent: str, currency: str, kind: str, amount: int) -> tuple[Move, ...]:
    """Moves from an agent's wallet and, for what is lacking, from its takings, to an account of the platform."""
    wallet, to = account("wallet", currency, agent), account(kind, currency, OPERATOR)
    first = min(amount, state.ledger.balance(wallet))
    moves: tuple[Move, ...] = ((wallet, to, first),) if first else ()
    if first < amount:
        moves += ((account("merchant", currency, agent), to, amount - first),)
    return moves


def bill_compute(state: State, sender: str, command: BillCompute, _at_us: int) -> Outcome:
    """Charge tokens and rack time."""
    if sender != OPERATOR:
        return Refusal.NOT_OPERATOR
    if command.agent_id not in state.agents:
        return Refusal.UNKNOWN_AGENT
    price = state.rules.rack_micros_per_s
    if price and command.micros != command.rack_us * price // MICROS_PER_MAJOR:
        return Refusal.BILL_DISAGREES
    moves = _charge(state, command.agent_id, state.rules.compute_currency, "compute", command.micros)
    bad = state.ledger.post(moves)
    if bad is not None:
        return bad
    state.point("bill.moved")
    so_far = state.bills.get(command.agent_id, Bill())
    state.bills[command.agent_id] = Bill(
        so_far.micros + command.micros,
        so_far.input_tokens + command.input_tokens,
        so_far.cached_tokens + command.cached_tokens,
        so_far.output_tokens + command.output_tokens,
        so_far.rack_us + command.rack_us,
        so_far.bills + 1,
    )
    return (command.agent_id,), moves


def sign_mandate(state: State, sender: str, command: SignMandate, at_us: int) -> Outcome:
    """Register a signed mandate of an agent's own user."""
    mandate = command.mandate
    if sender not in (mandate.user, mandate.agent):
        return Refusal.NOT_YOURS
    user, agent = state.agents.get(mandate.user), state.agents.get(mandate.agent)
    if user is None or agent is None:
        return Refusal.UNKNOWN_AGENT
    # Any key signs a mandate for any name: only the user that the operator registered may bind the agent.
    if agent.user != mandate.user:
        return Refusal.NOT_YOURS
    if state.head["verify"]:
        message = signing_bytes(mandate, state.rules.audience)
        if not verify(user.algorithm, user.public_key, message, command.signature):
            return Refusal.BAD_SIGNATURE
    state.point("mandate.verified")
    if mandate.mandate_id in state.mandates or (mandate.user, mandate.nonce) in state.nonces:
        return Refusal.MANDATE_EXISTS
    if empty(mandate, at_us):
        return Refusal.MANDATE_EMPTY
    state.mandates[mandate.mandate_id] = mandate
    state.nonces.add((mandate.user, mandate.nonce))
    state.spent[mandate.mandate_id] = [0, 0]
    return (mandate.mandate_id,), ()


def revoke_mandate(state: State, sender: str, command: RevokeMandate, _at_us: int) -> Outcome:
    """End a mandate."""
    mandate = state.mandates.get(command.mandate_id)
    if mandate is None:
        return Refusal.UNKNOWN_MANDATE
    if sender != mandate.user:
        return Refusal.NOT_YOURS
    if command.mandate_id in state.revoked:
        return Refusal.MANDATE_REVOKED
    state.revoked.add(command.mandate_id)
    return (command.mandate_id,), ()
