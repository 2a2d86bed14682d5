"""The parser of quantities: what it accepts, what it refuses, and that it reads what the formatter writes."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headway.facts.dimensions import DIMENSIONS, PREFIXES
from headway.facts.errors import RangeError, UnitError, UnknownNameError
from headway.facts.units import dimension, format_quantity, listing, parse, spellings

ACCEPTED = [
    ("8 TB/s", "bytes_per_second", 8e12),
    ("8TB/s", "bytes_per_second", 8e12),
    ("800 Gb/s", "bytes_per_second", 100e9),
    ("400Gbps", "bytes_per_second", 50e9),
    ("7380 GBps", "bytes_per_second", 7380e9),
    ("2048 GiB/s", "bytes_per_second", 2048 * 2.0**30),
    ("80 GiB", "bytes", 80 * 2.0**30),
    ("80 GB", "bytes", 80e9),
    ("189471 MiB", "bytes", 189471 * 2.0**20),
    ("1667 B", "bytes", 1667.0),
    ("2 KB", "bytes", 2000.0),
    ("2 KiB", "bytes", 2048.0),
    ("20 ms", "seconds", 0.02),
    ("20ms", "seconds", 0.02),
    ("  20   ms  ", "seconds", 0.02),
    ("5 us", "seconds", 5e-6),
    ("5 \u00b5s", "seconds", 5e-6),
    ("5 \u03bcs", "seconds", 5e-6),
    ("1.5e-3 s", "seconds", 1.5e-3),
    ("2 min", "seconds", 120.0),
    ("1 h", "seconds", 3600.0),
    ("2 d", "seconds", 172_800.0),
    ("1 wk", "seconds", 604_800.0),
    ("4k", "tokens", 4000.0),
    ("4K", "tokens", 4000.0),
    ("4Ki", "tokens", 4096.0),
    ("200k tok", "tokens", 200_000.0),
    ("200 ktok", "tokens", 200_000.0),
    ("150T", "tokens", 150e12),
    ("14.8T tokens", "tokens", 14.8e12),
    (4096, "tokens", 4096.0),
    ("1e26 FLOP", "flop", 1e26),
    ("300 ZFLOP", "flop", 3e23),
    ("5 PFLOP/s", "flop_per_second", 5e15),
    ("5 PFLOPS", "flop_per_second", 5e15),
    ("1979 TOPS", "flop_per_second", 1979e12),
    ("700 W", "watts", 700.0),
    ("1.73 kW", "watts", 1730.0),
    ("350 mJ", "joules", 0.35),
    ("1 kWh", "joules", 3.6e6),
    ("$2.10/GPU-h", "dollars_per_gpu_hour", 2.1),
    ("2.10 $/GPU-h", "dollars_per_gpu_hour", 2.1),
    ("$ 2.10 per GPU-hour", "dollars_per_gpu_hour", 2.1),
    ("2 USD/chip-h", "dollars_per_gpu_hour", 2.0),
    ("USD 2/GPU-h", "dollars_per_gpu_hour", 2.0),
    ("$0.30/Mtok", "dollars_per_mtok", 0.30),
    ("$1.25/1M tokens", "dollars_per_mtok", 1.25),
    ("$0.01/ktok", "dollars_per_mtok", 10.0),
    ("$4.50/Mtok-h", "dollars_per_mtok_hour", 4.5),
    ("$0.08/kWh", "dollars_per_kwh", 0.08),
    ("60 $/MWh", "dollars_per_kwh", 0.06),
    ("$87072", "dollars", 87072.0),
    ("$2.5M", "dollars", 2.5e6),
    ("5 $", "dollars", 5.0),
    ("56%", "fraction", 0.56),
    ("0.56", "fraction", 0.56),
    (0.56, "fraction", 0.56),
    ("100%", "fraction", 1.0),
    ("1.5k", "count", 1500.0),
    ("3e9", "count", 3e9),
    ("671B", "count", 671e9),
    ("6x", "count", 6.0),
    ("-0", "count", 0.0),
    ("128k tok/s", "tokens_per_second", 128_000.0),
    ("50 tok/s/user", "tokens_per_second", 50.0),
    ("500M tokens per s", "tokens_per_second", 5e8),
    ("1.5e3 req/s", "requests_per_second", 1500.0),
    ("60 req/min", "requests_per_second", 1.0),
    ("12 rps", "requests_per_second", 12.0),
    ("608B tok/day", "tokens_per_day", 608e9),
    ("1 tok/s", "tokens_per_day", 86_400.0),
]


@pytest.mark.parametrize(("text", "name", "value"), ACCEPTED)
def test_accepted(text: object, name: str, value: float) -> None:
    assert parse(text, name) == pytest.approx(value, rel=1e-12)


REFUSED = [
    ("30", "seconds", "the unit is missing"),
    (30, "seconds", "the unit is missing"),
    (30.0, "bytes", "the unit is missing"),
    ("80 GB", "seconds", "GB measures an amount of memory"),
    ("20 ms", "bytes", "ms measures a time"),
    ("12 PFLOPS", "flop", "PFLOPS measures an arithmetic rate"),
    ("12 PFLOP", "flop_per_second", "PFLOP measures an amount of arithmetic"),
    ("5 req/s", "tokens_per_second", "req/s measures a rate of requests"),
    ("80 gb", "bytes", "did you mean 80 GB?"),
    ("80 Gb", "bytes", "did you mean 80 GB?"),
    ("80 gb/s", "bytes_per_second", "did you mean 80 GB/s or 80 Gb/s?"),
    ("2 months", "seconds", "units: ns, us, ms, s, min, h, d, wk"),
    ("$2/h", "dollars_per_gpu_hour", "unknown unit $/h"),
    ("2", "dollars_per_gpu_hour", "the unit is missing"),
    ("1,000", "tokens", "without separators"),
    ("1_000", "tokens", "without separators"),
    ("1'000", "tokens", "without separators"),
    ("nan s", "seconds", "a finite number"),
    ("inf GB", "bytes", "a finite number"),
    (math.nan, "count", "a finite number"),
    (math.inf, "tokens", "a finite number"),
    ("1e999 B", "bytes", "a finite number"),
    ("1e40 B", "bytes", "at most 1e+36"),
    ("1e-300 s", "seconds", "too small"),
    (10**400, "count", "at most 1e+36"),
    ("-3 ms", "seconds", "at least 0"),
    (-1, "count", "at least 0"),
    ("", "bytes", "empty"),
    ("   ", "tokens", "empty"),
    ("GB", "bytes", "no number"),
    ("9" * 100, "count", "at most 64 characters"),
    ("\u0663 GB", "bytes", "no number"),
    ("\uff11 GB", "bytes", "no number"),
    ("1.2", "fraction", "at most 1"),
    ("120%", "fraction", "at most 1"),
    (True, "count", "text"),
    (None, "tokens", "text"),
    ([1], "tokens", "text"),
    (b"1 GB", "bytes", "text"),
]


@pytest.mark.parametrize(("text", "name", "said"), REFUSED)
def test_refused_in_one_line_that_says_why(text: object, name: str, said: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text, name, "tpot")
    message = str(caught.value)
    assert said in message
    assert message.startswith("tpot: ")
    assert dimension(name).noun in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("name", DIMENSIONS)
def test_examples_of_the_table_are_accepted_and_listed(name: str) -> None:
    for text in DIMENSIONS[name].examples:
        assert parse(text.split(" (")[0], name) >= 0
    assert listing(name) or name == "count"


@pytest.mark.parametrize("name", DIMENSIONS)
def test_no_spelling_means_two_things(name: str) -> None:
    found: dict[str, float] = {}
    for unit in DIMENSIONS[name].units:
        for prefix, scale in PREFIXES[unit.prefixes].items():
            assert found.setdefault(prefix + unit.symbol, scale * unit.factor) == scale * unit.factor
    assert found == dict(spellings(name))


@pytest.mark.parametrize("name", DIMENSIONS)
def test_scales_go_down_to_one_that_takes_everything(name: str) -> None:
    least = [scale.least for scale in DIMENSIONS[name].scales]
    assert least == sorted(least, reverse=True)
    assert least[-1] == 0


def test_decimal_and_binary_prefixes_are_distinct() -> None:
    assert parse("1 GiB", "bytes") / parse("1 GB", "bytes") == pytest.approx(1.073741824)
    assert parse("4Ki", "tokens") != parse("4k", "tokens")


@pytest.mark.parametrize("number", ["10", "0.47", "3.35", "57", "1e2", "2.5E-3", "7.", ".5"])
def test_decimal_prefixes_are_exact(number: str) -> None:
    assert parse(f"{number} us", "seconds") == float(Decimal(number) / 10**6)
    assert parse(f"{number} TB/s", "bytes_per_second") == float(Decimal(number) * 10**12)
    assert parse("57%", "fraction") == 0.57


def test_numpy_scalars_are_numbers() -> None:
    assert parse(np.float32(0.5), "fraction") == 0.5
    assert parse(np.int64(5), "count") == 5.0
    assert format_quantity(np.float64(0.02), "seconds") == "20 ms"
    with pytest.raises(UnitError):
        parse(np.float64(0.5), "seconds")


def test_unknown_dimension() -> None:
    with pytest.raises(UnknownNameError, match="did you mean seconds"):
        parse("1 s", "second")
    with pytest.raises(UnknownNameError):
        format_quantity(1.0, "lightyears")


SHOWN = [
    (1.16e-3, "seconds", "1.16 ms"),
    (4000, "seconds", "66.7 min"),
    (84_210.5, "seconds", "23.4 h"),
    (0, "seconds", "0 s"),
    (0.9996, "seconds", "1 s"),
    (212e9, "bytes", "212 GB"),
    (999.9e9, "bytes", "1 TB"),
    (0.3125, "dollars_per_mtok", "$0.313/Mtok"),
    (2.1, "dollars_per_gpu_hour", "$2.10/GPU-h"),
    (87_072, "dollars", "$87.1k"),
    (7583, "tokens_per_second", "7.58k tok/s"),
    (0.563, "fraction", "56.3%"),
    (671e9, "count", "671B"),
    (64, "count", "64"),
    (9e25, "flop", "9e25 FLOP"),
    (1e26, "flop", "1e26 FLOP"),
    (2.5e15, "flop_per_second", "2.5 PFLOP/s"),
    (168e9, "tokens_per_day", "168B tok/day"),
    (-5, "dollars", "-$5"),
    (-1.5e-3, "seconds", "-1.5 ms"),
    (math.inf, "bytes", "inf B"),
    (math.nan, "seconds", "nan s"),
]


@pytest.mark.parametrize(("value", "name", "text"), SHOWN)
def test_shown(value: float, name: str, text: str) -> None:
    assert format_quantity(value, name) == text


def test_digits_are_checked() -> None:
    assert format_quantity(1 / 3, "count", digits=6) == "0.333333"
    with pytest.raises(RangeError, match="digits"):
        format_quantity(1.0, "count", digits=0)


@given(
    name=st.sampled_from(sorted(DIMENSIONS)),
    value=st.one_of(st.just(0.0), st.floats(1e-12, 1e30)),
    digits=st.integers(1, 12),
)
@example(name="bytes", value=999.5, digits=3)
@example(name="seconds", value=59.999, digits=2)
def test_what_is_shown_reads_back_within_its_digits(name: str, value: float, digits: int) -> None:
    if name == "fraction":
        value = min(value, 1.0)
    text = format_quantity(value, name, digits)
    if value == 0:
        assert parse(text, name) == 0
    else:
        assert parse(text, name) == pytest.approx(value, rel=0.5000001 * 10.0 ** (1 - digits))


@given(name=st.sampled_from(sorted(DIMENSIONS)), data=st.data())
def test_every_spelling_is_linear(name: str, data: st.DataObject) -> None:
    unit, factor = data.draw(st.sampled_from(sorted(spellings(name).items())))
    number = data.draw(st.floats(0.001, 1.0))
    if name == "fraction" or not 1e-30 < number * factor < 1e30:
        number = 1.0
    assert parse(f"{number!r} {unit}", name) == pytest.approx(number * factor, rel=1e-12)


@given(text=st.one_of(st.text(max_size=80), st.from_regex(r"[$+-]?[0-9.,eE]{0,8} ?[A-Za-z/%$-]{0,8}", fullmatch=True)))
def test_any_text_is_a_quantity_or_one_clear_error(text: str) -> None:
    for name in DIMENSIONS:
        try:
            value = parse(text, name)
        except UnitError:
            continue
        assert math.isfinite(value)
        assert value >= 0
