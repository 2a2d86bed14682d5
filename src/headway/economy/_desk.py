"""The market's way to the rails: sessions, keys of commands, and groups that are answered together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from headway.economy.commands import Command, Deposit, OpenAccount, PublishListing
from headway.economy.keys import KeyPair, key_pair
from headway.economy.listings import Listings
from headway.economy.population import Population
from headway.economy.rails import Rails, Session
from headway.economy.state import Reply
from headway.facts.errors import InputError

Then: TypeAlias = Callable[..., None]
_GROUP: Final = 2000


@dataclass(frozen=True, slots=True)
class Desk:
    """Commands that wait for the next group, and who is told of the answer.

    Parameters
    ----------
    rails : Rails
        Where they go.
    operator : Session
        The platform's own.
    seed : int
        Of the agents' keys.
    sessions : dict of str to Session
        By agent.
    queue : list of (Session, Command)
        In order.
    then : list
        For each, a function of time, reply and arguments, or None; and the arguments.
    users : dict of str to KeyPair
        Keys of the people behind agents.
    numbers : list of int
        Keys given so far; time of the first command in the queue [us].
    refused : Counter
        Refusals by code.
    """

    rails: Rails
    operator: Session
    seed: int
    sessions: dict[str, Session] = field(default_factory=dict)
    queue: list[tuple[Session, Command]] = field(default_factory=list)
    then: list[tuple[Then | None, tuple[Any, ...]]] = field(default_factory=list)
    users: dict[str, KeyPair] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=lambda: [0, 0])
    refused: Counter[str] = field(default_factory=Counter)

    def key(self) -> str:
        """A client key that no command had before."""
        self.numbers[0] += 1
        return f"k{self.numbers[0]}"

    def ask(self, now: int, agent: str | None, command: Command, then: Then | None = None, *args: Any) -> None:
        """Queue a command of an agent, or of the operator where None."""
        if not self.queue:
            self.numbers[1] = now
        self.queue.append((self.operator if agent is None else self.sessions[agent], command))
        self.then.append((then, args))

    def flush(self, now: int) -> None:
        """Submit what waits as one durable group, and tell the answers in order."""
        queue, then = self.queue[:], self.then[:]
        self.queue.clear()
        self.then.clear()
        for reply, (function, args) in zip(self.rails.submit_many(queue, at_us=now), then, strict=True):
            if not reply.ok:
                self.refused[reply.code] += 1
            if function is not None:
                function(now, reply, *args)

    def user_key(self, agent: str) -> KeyPair:
        """Key of the person behind an agent."""
        found = self.users.get(agent)
        if found is None:
            found = self.users[agent] = key_pair(seed=f"{self.seed}:{agent}:user".encode())
        return found

    def admit(self, commands: Iterable[Command]) -> None:
        """Submit commands of the operator, or of the business that owns a listing, in groups; all must be accepted."""
        group: list[tuple[Session, Command]] = []
        for command in commands:
            owner = command.listing_id if isinstance(command, PublishListing) else None
            group.append((self.operator if owner is None else self.sessions[owner], command))
            if len(group) == _GROUP:
                self._submit(group)
        self._submit(group)

    def _submit(self, group: list[tuple[Session, Command]]) -> None:
        replies = self.rails.submit_many(group, at_us=0)
        for reply, (_, command) in zip(replies, group, strict=True):
            _must(reply, command)
        group.clear()

    def host(self, agents: Iterable[str]) -> None:
        """Open the sessions of agents that live in this process."""
        for agent in agents:
            session = self.rails.hosted_session(agent)
            if isinstance(session, Session):
                self.sessions[agent] = session


def _must(reply: Reply, command: Command) -> None:
    if not reply.ok:
        name = getattr(command, "agent_id", getattr(command, "listing_id", ""))
        raise InputError(type(command).__name__, name, f"what the rails accept ({reply.code}: {reply.reason})")


def set_up(desk: Desk, population: Population, listings: Listings, wallets: list[int], floats: int) -> None:
    """Open every account, fund the wallets [micro], and put every listing up before the bell."""
    buyers, sellers = population.consumers.ids, population.businesses.ids
    if desk.rails.state.agents:
        raise InputError("store", desk.rails.store.name, "an empty one: it holds another market's log")
    desk.admit(_accounts(desk, buyers, sellers))
    desk.host((*buyers, *sellers))
    funded = [*zip(buyers, wallets, strict=True), *((name, floats) for name in sellers)]
    desk.admit(Deposit(desk.key(), name, amount, population.currency) for name, amount in funded if amount)
    desk.admit(_listing(desk, population, listings, b) for b in range(len(sellers)))


def _accounts(desk: Desk, buyers: tuple[str, ...], sellers: tuple[str, ...]) -> Iterable[Command]:
    for name in buyers:
        own = desk.user_key(name)
        yield OpenAccount(desk.key(), f"{name}:user", "user", own.public, own.algorithm, None)
    for role, names in (("consumer", buyers), ("business", sellers)):
        for name in names:
            own = key_pair(seed=f"{desk.seed}:{name}".encode())
            user = f"{name}:user" if role == "consumer" else None
            yield OpenAccount(desk.key(), name, role, own.public, own.algorithm, user)


def _listing(desk: Desk, population: Population, listings: Listings, business: int) -> PublishListing:
    return PublishListing(
        desk.key(),
        population.businesses.ids[business],
        tuple((listings.items[item], price) for item, price in listings.prices(business).items()),
        population.currency,
        f"{listings.names[business]}. {listings.texts[business]}".strip(),
        tuple(listings.tags[tag] for tag in listings.has.row(business).tolist()),
    )
