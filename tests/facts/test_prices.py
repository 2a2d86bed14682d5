"""The table of API prices: the sheets the lecture speaks of, chosen by mode, prompt length and day."""

from __future__ import annotations

import pytest

from headway.facts.errors import InputError, RangeError, UnknownNameError
from headway.facts.prices import FIELD_UNITS, PriceFact, price, price_facts, price_history, price_models
from headway.facts.sources import KINDS


def test_every_fact_is_sourced_and_dated() -> None:
    units = dict(FIELD_UNITS)
    for fact in price_facts():
        assert fact.source.text
        assert fact.source.kind in KINDS
        assert fact.date
        assert not fact.until or fact.date <= fact.until
        assert fact.value > 0
        assert fact.unit == units[fact.field]


def test_no_fact_is_stated_twice() -> None:
    keys = [(f.model, f.field, f.mode, f.above, f.date) for f in price_facts()]
    assert len(set(keys)) == len(keys)


def test_one_provider_per_model() -> None:
    assert len({(fact.model, fact.provider) for fact in price_facts()}) == len(price_models())


def values(*facts: PriceFact) -> tuple[float, ...]:
    return tuple(fact.value for fact in facts)


def test_gemini_tiers() -> None:
    low = values(*(price("gemini-3.1-pro", field) for field in ("input", "output", "cache_read")))
    high = values(*(price("gemini-3.1-pro", field, context=200_001) for field in ("input", "output", "cache_read")))
    assert low == (2.0, 12.0, 0.2)
    assert high == (4.0, 18.0, 0.4)
    assert price("gemini-3.1-pro", "output", context=200_000).value == 12.0
    storage = price("gemini-3.1-pro", "storage")
    assert (storage.value, storage.unit) == (4.5, "$/Mtok-h")
    assert price("gemini-flash", "storage").value == 1.0


def test_opus_fast_mode_and_cache() -> None:
    for model, dollars in (("claude-opus-4.6", (30.0, 150.0)), ("claude-opus-4.8", (10.0, 50.0))):
        assert values(price(model, "input", mode="fast"), price(model, "output", mode="fast")) == dollars
        assert price(model, "speed", mode="fast").value == 2.5
    fields = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
    assert values(*(price("claude-opus-5", field) for field in fields)) == (5.0, 6.25, 10.0, 0.5, 25.0)


def test_long_prompts_elsewhere() -> None:
    assert price("gpt-5.5", "input", context=300_000).value == 10.0
    assert price("gpt-5.5", "output", context=300_000).value == 45.0
    assert price("minimax-m3", "output", context=600_000).value == 2.4
    assert price("minimax-m3", "output", context=500_000).value == 1.2
    assert price("claude-opus-4.6", "output", context=900_000).value == 25.0


@pytest.mark.parametrize(
    "batch", [fact for fact in price_facts() if fact.mode == "batch"], ids=lambda f: f.model + f.field
)
def test_batch_is_half_price(batch: PriceFact) -> None:
    assert batch.value == price(batch.model, batch.field).value / 2


def test_prices_have_days() -> None:
    assert price("deepseek-v4-pro", "output").value == 1.98
    assert price("deepseek-v4-pro", "output", on="2026-08-16").value == 0.87
    assert price("deepseek-v4-pro", "output", on="2026-09-01").value == 1.98
    assert values(*price_history("deepseek-v4-pro", "output")) == (0.87, 1.98)
    assert price("grok-4.20", "output").value == 6.0
    with pytest.raises(InputError, match="2026-08-16"):
        price("deepseek-v4-pro", "output", on="2020-01-01")
    with pytest.raises(InputError, match="YYYY-MM-DD"):
        price("deepseek-v4-pro", "output", on="last week")


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        (("gemini-3.1", "output"), {}, "did you mean gemini-3.1-pro"),
        (("gemini-3.1-pro", "outputs"), {}, "did you mean output"),
        (("gemini-3.1-pro", "output"), {"mode": "fast"}, "batch, standard"),
        (("gpt-5", "storage"), {}, "cache_read, input, output"),
    ],
)
def test_unknown_names(args: tuple[str, str], kwargs: dict[str, str], said: str) -> None:
    with pytest.raises(UnknownNameError, match=said):
        price(*args, **kwargs)  # type: ignore[arg-type]


def test_a_prompt_has_a_length() -> None:
    with pytest.raises(RangeError, match="context"):
        price("gpt-5", "input", context=-1)
    with pytest.raises(UnknownNameError):
        price_history("gpt-5", "storage")
