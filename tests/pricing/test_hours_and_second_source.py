"""Prices by the hour, and a second table of prices beside the packaged one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.day_hours import DayHours, day_hours, minute_of_day, written
from headway.facts.errors import InputError
from headway.facts.prices import price_facts, read_price_facts
from headway.pricing.hours import at_time, hour_prices
from headway.pricing.second_source import read_second_source, second_opinion
from headway.pricing.sheets import policy_flags, sheet

MINUTE = st.integers(0, 24 * 60 - 1)


@given(first=MINUTE, length=st.integers(1, 24 * 60 - 1))
def test_a_window_holds_for_its_share_of_the_day(first: int, length: int) -> None:
    window = DayHours(((first, (first + length) % (24 * 60)),))
    assert sum(window.hold(minute) for minute in range(24 * 60)) == length
    assert window.share == pytest.approx(length / (24 * 60))


@given(first=MINUTE, last=MINUTE)
def test_hours_read_back_as_written(first: int, last: int) -> None:
    if first != last:
        assert day_hours("hours", written([(first, last)])).windows == ((first, last),)


@pytest.mark.parametrize("text", ["", "noon", "01-25", "1-1", "01-04 CET", "01-04, 03-05 UTC", "01:70-04", "01-04,"])
def test_wrong_hours_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="hours"):
        day_hours("hours", text)


@pytest.mark.parametrize("text", ["24:00", "7:60", "morning", "-1", ""])
def test_wrong_times_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="at"):
        minute_of_day("at", text)


@pytest.mark.parametrize("name", ["deepseek-v4-pro", "deepseek-v4-flash"])
def test_peak_hours_cost_twice(name: str) -> None:
    found = sheet(name)
    for hour in range(24):
        ratio = at_time(found, f"{hour:02d}:30").output_usd_per_mtok / found.output_usd_per_mtok
        assert ratio == (2.0 if hour in (1, 2, 3, 6, 7, 8, 9) else 1.0)
    assert [p.field for p in hour_prices(found)] == ["input", "cache_read", "output"]
    assert "price by the hour" in [flag.name for flag in policy_flags(found)]


def test_a_flat_sheet_is_the_same_at_every_hour() -> None:
    found = sheet("gpt-5.5")
    assert hour_prices(found) == ()
    assert at_time(found, "03:00") == found


def test_the_mean_of_a_day_follows_its_use() -> None:
    found = sheet("deepseek-v4-pro")
    low, high = found.output_usd_per_mtok, 2 * found.output_usd_per_mtok

    def mean(use: list[float]) -> float:
        return hour_prices(found, use)[-1].mean_usd_per_mtok

    assert mean([1.0] * 24) == pytest.approx(low + (high - low) * 7 / 24)
    assert mean([0.0] * 2 + [5.0] + [0.0] * 21) == pytest.approx(high)
    assert mean([0.0] * 12 + [5.0] + [0.0] * 11) == pytest.approx(low)
    with pytest.raises(InputError, match="use"):
        mean([1.0] * 23)


def test_a_sheet_of_ones_own_by_the_hour(tmp_path: Path) -> None:
    rows = [
        'input = "$1/Mtok"\noutput = "$4/Mtok"',
        'mode = "off-peak"\nhours = "22-06 UTC"\ninput = "$0.5/Mtok"\noutput = "$1/Mtok"',
    ]
    common = 'model = "mine"\nprovider = "me"\ndate = "2026-11-20"\nsource = "s"\nretrieved = "2026-11-20"\n'
    text = "".join(f'[[sheet]]\n{common}kind = "reported"\n{row}\n' for row in rows)
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    found = sheet("mine", read_price_facts(path, today="2026-11-25"))
    assert at_time(found, "23:00").output_usd_per_mtok == 1.0
    assert hour_prices(found)[1].mean_usd_per_mtok == pytest.approx(4 - 3 / 3)
    for old, new, said in (("22-06", "22-30", "hours"), ('mode = "off-peak"\n', "", "mode")):
        path.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(InputError, match=said):
            read_price_facts(path, today="2026-11-25")


def test_a_second_source_is_compared_figure_by_figure(tmp_path: Path) -> None:
    table = {
        "sample_spec": {"input_cost_per_token": 0.0},
        "azure/gpt-5.5": {"input_cost_per_token": 9e-6, "litellm_provider": "azure"},
        "gpt-5.5": {
            "litellm_provider": "openai",
            "input_cost_per_token": 5e-6,
            "output_cost_per_token": 3.1e-5,
            "input_cost_per_token_above_272k_tokens": 1e-5,
            "input_cost_per_token_priority": 1.25e-5,
        },
    }
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    found = second_opinion([f for f in price_facts() if f.model in ("gpt-5.5", "gpt-5")], read_second_source(path))
    seen = {(c.fact.field, c.fact.mode, c.fact.above): c.agrees for c in found.compared}
    assert seen == {
        ("input", "standard", 0.0): True,
        ("output", "standard", 0.0): False,
        ("input", "standard", 272e3): True,
        ("input", "priority", 0.0): True,
    }
    assert found.unknown_models == ("gpt-5",)
    assert [c.fact.field for c in found.differences] == ["output"]
    assert found.only_here > 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"a": 1}', '{"a": {"b": 1}}', "[" * 100_000])
def test_a_file_that_is_no_price_table(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="file"):
        read_second_source(path)
