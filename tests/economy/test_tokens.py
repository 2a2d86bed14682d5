"""Tokens of a deal: the measured rows, the split between the sides, whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.economy.tokens import (
    DecisionTokens,
    TokenModel,
    busy_sellers,
    buyer_decision,
    deal_tokens,
    default_tokens,
    fit_tokens,
    seller_decision,
)
from headway.facts.agent_tokens import MeasuredDeal, measured_deals, prefix_share, volume
from headway.facts.errors import InputError, RangeError, UnknownNameError


def test_the_line_is_the_published_one() -> None:
    model = fit_tokens().model
    assert model.input_per_seller == pytest.approx(1550, rel=0.005)
    assert model.output_per_seller == pytest.approx(115, rel=0.005)
    assert fit_tokens().calls_per_seller == pytest.approx(1.0, abs=0.01)
    assert 0.67 <= model.buyer_cached <= 0.71


def test_residuals_are_shown_and_small() -> None:
    fit = fit_tokens()
    assert sum(fit.input_residuals) == pytest.approx(0, abs=1e-6)
    assert sum(fit.output_residuals) == pytest.approx(0, abs=1e-6)
    assert fit.largest_relative_residual < 0.05
    for deal, left in zip(fit.deals, fit.input_residuals, strict=True):
        assert deal_tokens(deal.sellers).input == pytest.approx(deal.input - left, abs=0.51)


def test_the_fit_is_least_squares() -> None:
    """Against numpy's own polynomial fit."""
    rows = measured_deals()
    slope, trunk = np.polyfit([d.sellers for d in rows], [d.input for d in rows], 1)
    assert fit_tokens().model.trunk_input == pytest.approx(trunk)
    assert fit_tokens().model.input_per_seller == pytest.approx(slope)


def test_a_line_needs_two_points() -> None:
    rows = measured_deals()[:2]
    with pytest.raises(RangeError, match="two numbers of sellers"):
        fit_tokens(rows)


def test_own_measurements_replace_the_packaged_ones() -> None:
    source = measured_deals()[0].source
    own = tuple(MeasuredDeal("mine", s, 2 + s, 1000 + 900 * s, 100 + 90 * s, source) for s in (1.0, 4.0))
    model = fit_tokens(own).model
    assert model.input_per_seller == pytest.approx(900)
    assert deal_tokens(4, model).output == 460


@given(st.integers(0, 200), st.floats(1, 50))
def test_both_sides_make_the_deal(sellers: int, multiple: float) -> None:
    model = TokenModel(3948, 1545, 309.5, 115.2, 600, 75, 0.69, 0.45, 5.6, multiple)
    deal, buyer, seller = deal_tokens(sellers, model), buyer_decision(sellers, model), seller_decision(model)
    assert deal.input == buyer.input + sellers * seller.input
    assert deal.output == buyer.output + sellers * seller.output
    assert deal.calls == pytest.approx(5.6 + sellers)
    assert deal.input == pytest.approx(3948 + 1545 * sellers, abs=0.51)
    assert 0 <= buyer.cached <= buyer.input
    assert all(type(count) is int for count in (buyer.input, buyer.cached, buyer.output))


def test_arrays_give_what_scalars_give() -> None:
    asked = np.arange(12).reshape(3, 4)
    table = buyer_decision(asked)
    assert table.input.shape == (3, 4)
    assert [buyer_decision(int(s)).input for s in asked.flat] == table.input.ravel().tolist()
    assert np.all(np.diff(table.input.ravel()) > 0)


def test_busy_sellers_repeat_part_of_their_prompt() -> None:
    assert seller_decision().cached == 0
    assert seller_decision(busy_sellers()).cached == 270


@pytest.mark.parametrize(
    ("field", "value"),
    [("trunk_input", -1), ("seller_input", 2000), ("buyer_cached", 1.2), ("output_multiple", 0), ("buyer_calls", 0)],
)
def test_a_model_refuses_what_no_deal_takes(field: str, value: float) -> None:
    given_fields = {f: getattr(default_tokens(), f) for f in TokenModel.__dataclass_fields__} | {field: value}
    with pytest.raises(InputError, match=field):
        TokenModel(**given_fields)


@pytest.mark.parametrize("counts", [(-1, 0, 0), (10, 11, 0), (10, 0, -1), (10, 0, float("nan")), (True, 0, 0)])
def test_decisions_refuse_impossible_counts(counts: tuple[int, int, int]) -> None:
    with pytest.raises(RangeError):
        DecisionTokens(*counts)


def test_unknown_figures_name_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="meta-business-ai"):
        volume("whatsapp")
    with pytest.raises(UnknownNameError, match="buyer_cached"):
        prefix_share("buyer")
