"""A model behind an endpoint goes shopping: what it buys is worth what the welfare says, and money stays in bounds."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import invoke
from tests.economy.stub_model import Behaviour, Handler, completion, fails, says, stub_model
from tests.economy.test_language_agent import BUYS, by_rule

from headway.economy.completions import Endpoint
from headway.economy.datasets import read_population
from headway.economy.generated import generate_population
from headway.economy.model_market import Errands, buy_with_model
from headway.economy.population import Population
from headway.economy.scale import deal_price
from headway.economy.tokens import DecisionTokens
from headway.economy.welfare import matches
from headway.facts.errors import RangeError

SETS = Path(__file__).resolve().parents[3] / "shared" / "data" / "economy"


def shopping(population: Population, *behaviours: Behaviour, **options: Any) -> Errands:
    with stub_model(*behaviours) as stub:
        endpoint = Endpoint(stub.url, "stub", limit_s=60, retries=0)
        return buy_with_model(population, endpoint, **options)


@pytest.fixture(scope="module")
def town() -> Population:
    return generate_population(6, 40, seed=3, cities=1)


def test_a_model_that_takes_the_cheapest_gets_what_the_cheapest_is_worth(town: Population) -> None:
    pairs = matches(town)
    found = shopping(town, by_rule, consumers=6, width=40)
    for consumer, one in enumerate(found.purchases):
        part = pairs.of(consumer)
        cheapest = int(np.argmin(pairs.posted[part]))
        assert one.ended == "bought"
        assert one.paid * 1e6 == pytest.approx(pairs.posted[part][cheapest])
        assert one.utility * 1e6 == pytest.approx(pairs.utility[part][cheapest])
        assert one.best * 1e6 == pytest.approx(max(0, pairs.utility[part].max()))
    assert found.bought == 6
    assert (found.tokens.input, found.tokens.output, found.tokens.calls) == (12 * 900, 12 * 40, 12.0)


@pytest.mark.skipif(not SETS.is_dir(), reason="the published data sets are not beside the repository")
def test_the_published_set_is_bought_to_the_cent() -> None:
    def chooses(handler: Handler, body: dict[str, Any]) -> None:
        """Ask everyone; take the cheapest of those who list every amenity that the request names."""
        seen = json.loads(body["messages"][1]["content"])
        if not seen["market"]["offers"]:
            asks = [one["listing_id"] for one in seen["market"]["listings"]]
            answer = BUYS | {"action": "ask", "offer_id": None, "listing_ids": asks}
        else:
            tags = {one["listing_id"]: set(one["tags"]) for one in seen["market"]["listings"]}
            known = set.union(*tags.values())
            needs = {tag for tag in known if tag.lower() in seen["request"].lower()}
            suits = [one for one in seen["market"]["offers"] if needs <= tags[one["listing_id"]]]
            best = min(suits or seen["market"]["offers"], key=lambda one: one["total_minor"])
            answer = BUYS | {"offer_id": best["offer_id"]}
        handler.send(200, completion(json.dumps(answer)))

    population = read_population(SETS / "mexican_3_9")
    found = shopping(population, chooses, consumers=3, width=9)
    assert round(found.welfare, 2) == round(found.best, 2) == 63.78


def test_a_counter_offer_is_answered_with_the_posted_price(town: Population) -> None:
    def bargains(handler: Handler, body: dict[str, Any]) -> None:
        seen = json.loads(body["messages"][1]["content"])
        offers = seen["market"]["offers"]
        if offers and len(bids) == 0:
            bids.append(offers[0]["total_minor"])
            answer = BUYS | {
                "action": "counter",
                "offer_id": offers[0]["offer_id"],
                "total_minor": offers[0]["total_minor"] - 100,
            }
            handler.send(200, completion(json.dumps(answer)))
        else:
            by_rule(handler, body)

    bids: list[int] = []
    found = shopping(town, bargains, consumers=1, width=40)
    assert found.purchases[0].ended == "bought"
    assert found.purchases[0].turns == 3
    assert not found.purchases[0].refused


def test_a_model_is_told_what_came_of_its_last_answer(town: Population) -> None:
    """A model that asks the first listing over and over learns that this leads nowhere, and whom it asked."""
    told: list[dict[str, Any]] = []

    def repeats(handler: Handler, body: dict[str, Any]) -> None:
        seen = json.loads(body["messages"][1]["content"])
        told.append(seen)
        wanted = set(seen["wanted"])
        lacks = [one for one in seen["market"]["listings"] if not wanted <= {i["name"] for i in one["items"]}]
        if len(told) == 3:
            return says(BUYS | {"offer_id": "o-not-shown"})(handler, body)
        return says(BUYS | {"action": "ask", "offer_id": None, "listing_ids": [lacks[0]["listing_id"]]})(handler, body)

    shopping(town, repeats, consumers=1, width=40, turns=4)
    first, second, third, fourth = told
    assert (first["asked"], first["declined"], first["last"]) == ([], [], "")
    assert len(second["asked"]) == 1
    assert second["declined"] == second["asked"] == fourth["asked"]
    assert second["last"] == "asked 1, 0 made an offer"
    assert third["last"] == "not done: all of these were asked"
    assert fourth["last"].startswith("not done: the answer names something that the agent was not shown")


@pytest.mark.filterwarnings("error")
def test_tokens_that_nobody_counted_have_no_price() -> None:
    found = deal_price("gpt-5", DecisionTokens(0, 0, 0))
    assert (found.usd, math.isnan(found.input_share)) == (0.0, True)
    arguments = ("--model", "stub", "--consumers", "1", "--prices", "gpt-5")
    away = invoke("economy", "agent", "--url", "http://127.0.0.1:9/v1", *arguments)
    assert "no tokens counted" in away.out


def test_errands_end_in_a_word(town: Population) -> None:
    stopped = shopping(town, says(BUYS | {"action": "stop"}), consumers=1).purchases[0]
    assert (stopped.ended, stopped.paid, stopped.turns) == ("stopped", 0.0, 1)
    lost = shopping(town, says("What a lovely market."), consumers=1, turns=3).purchases[0]
    assert (lost.ended, lost.turns) == ("out of turns", 3)
    assert lost.refused == ("NOT_JSON",) * 3
    down = shopping(town, fails(500), consumers=1).purchases[0]
    assert down.ended.startswith("the endpoint answered with an error status: 5")
    assert down.turns == 1


def test_an_accepted_offer_is_paid_once(town: Population) -> None:
    """A model that accepts again and again ends with one purchase: the errand is over, the mandate used."""
    found = shopping(town, by_rule, consumers=2, turns=6)
    again = shopping(town, by_rule, consumers=2, turns=6)
    assert [one.paid for one in found.purchases] == [one.paid for one in again.purchases]
    assert all(one.turns == 2 for one in found.purchases)


def test_parallel_models_cost_more_tokens_and_buy_no_worse(town: Population) -> None:
    one, four = (shopping(town, by_rule, consumers=2, width=40, agents=n) for n in (1, 4))
    assert four.tokens.input == 4 * one.tokens.input
    assert four.welfare == one.welfare


def test_numbers_have_bounds(town: Population) -> None:
    endpoint = Endpoint("http://127.0.0.1:9/v1", "m")
    for name in ("consumers", "width", "turns", "agents"):
        with pytest.raises(RangeError, match=name):
            buy_with_model(town, endpoint, **{name: 0})


def test_the_command_shows_errands(monkeypatch: pytest.MonkeyPatch) -> None:
    with stub_model(by_rule) as stub:
        arguments = ("economy", "agent", "--url", stub.url, "--model", "stub", "--consumers", "2")
        text = invoke(*arguments, "--prices", "gpt-5")
        assert text.code == 0
        assert "gpt-5's list price" in text.out
        found = invoke(*arguments, "--json").json()
        assert found["errands"]["bought"] == 2
        monkeypatch.setenv("MY_KEY", "tulip")
        keyed = invoke(*arguments, "--key-from", "MY_KEY", "--stream")
        assert "tulip" not in keyed.out + keyed.err
        assert stub.seen[-1]["headers"]["Authorization"] == "Bearer tulip"
    away = invoke("economy", "agent", "--url", "http://127.0.0.1:9/v1", "--model", "stub", "--consumers", "1")
    assert away.code == 1
    wrong = invoke("economy", "agent", "--url", stub.url, "--model", "stub", "--key-from", "NO_SUCH_VARIABLE")
    assert wrong.code == 2
    assert "NO_SUCH_VARIABLE" in wrong.err


def test_the_mandate_leaves_room_for_no_more_than_the_basket_is_worth(town: Population) -> None:
    dear = replace(town, businesses=replace(town.businesses, price=town.businesses.price * 100))
    found = shopping(dear, by_rule, consumers=2, width=40, turns=3)
    assert all(one.ended == "out of turns" for one in found.purchases)
    assert all("OUTSIDE_MANDATE" in one.refused for one in found.purchases)
