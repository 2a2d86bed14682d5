"""Checks on numbers, the errors they raise, and the records that use them: one clear line that names the field."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts import check
from headway.facts.errors import InputError, MissingExtraError, RangeError, UnknownNameError, nearest, shorten, unknown
from headway.facts.hardware import Chip, System
from headway.facts.precision import FORMATS, Precision, number_format
from headway.facts.sources import Source
from headway.facts.systems import system

Check = Callable[[str, Any], Any]
NOT_NUMBERS = (True, "8", b"8", None, ["8"], [1, "x"], [[1], [1, 2]], 1j, [True, False], {}, object())
NOT_FINITE = (math.nan, math.inf, -math.inf, [1.0, math.nan], 10**400)


@pytest.mark.parametrize("law", [check.positive, check.not_negative, check.fraction, check.whole])
@pytest.mark.parametrize("bad", [*NOT_NUMBERS, *NOT_FINITE], ids=lambda v: shorten(v, 20))
def test_what_is_no_finite_number_is_refused(law: Check, bad: Any) -> None:
    with pytest.raises(RangeError, match=r"^size: .* is not accepted: expected a ") as caught:
        law("size", bad)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert caught.value.field == "size"


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6))
def test_each_check_accepts_its_range_and_no_more(value: float) -> None:
    ranges: dict[Check, bool] = {
        check.positive: value > 0,
        check.not_negative: value >= 0,
        check.fraction: 0 <= value <= 1,
        check.whole: value >= 1 and value == math.floor(value),
    }
    for law, good in ranges.items():
        if good:
            assert law("size", value) is value
        else:
            with pytest.raises(RangeError):
                law("size", value)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=5), st.integers(0, 4))
def test_one_bad_element_is_shown(values: list[float], index: int) -> None:
    values[index % len(values)] = -3.5
    with pytest.raises(RangeError, match=r"^size: -3\.5 is not accepted: expected a finite number above 0 B$"):
        check.positive("size", np.array(values), "B")


def test_bounds_are_stated() -> None:
    with pytest.raises(RangeError, match="at least 0 and at most 64"):
        check.whole("draft", 65, least=0, most=64)
    with pytest.raises(RangeError, match="from 0 to below 1"):
        check.fraction("hit", 1.0, allow_one=False)
    assert check.whole("tp", 8.0) == 8.0
    assert check.single("isl", 4) == 4
    with pytest.raises(RangeError, match=r"^isl: .* one number"):
        check.single("isl", [4])


@given(st.text(max_size=300), st.integers(10, 80))
def test_values_are_shown_on_one_short_line(text: str, limit: int) -> None:
    shown = shorten(text, limit)
    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1


def test_names_are_mended() -> None:
    assert nearest("H100", ["h100", "h200"]) == "h100"
    assert nearest("zzzz", ["h100"]) is None
    many = [f"name-{i}" for i in range(40)]
    assert "one of 40 known names" in str(unknown("model", "nam-7", many))
    assert isinstance(unknown("model", "x", many), InputError)
    assert issubclass(InputError, ValueError)
    assert isinstance(MissingExtraError("scipy", "fit"), ImportError)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_format_weighs_its_elements_and_its_scales(name: str) -> None:
    fmt = number_format(name)
    scales = fmt.scale_bits / fmt.block if fmt.block else 0.0
    assert fmt.bytes == (fmt.bits + scales) / 8
    assert fmt.bits / 8 <= fmt.bytes < fmt.bits / 8 + 0.1
    assert dataclasses.astuple(Precision.uniform(name, name, ends=name))[:-1] == (name,) * 6


@pytest.mark.parametrize("bad", ["fp7", "", None, 8, ["bf16"]])
def test_an_unknown_format_is_named(bad: Any) -> None:
    with pytest.raises(UnknownNameError, match=r"^precision\.ffn: "):
        Precision(ffn=bad)
    with pytest.raises(UnknownNameError, match=r"^precision: "):
        number_format(bad)


def test_a_chip_without_narrow_units_multiplies_at_the_16_bit_rate() -> None:
    chip = system("hgx-h200").chip
    assert chip.peak("nvfp4") == chip.peak("int4") == chip.peak("bf16") == chip.flops["bf16"]
    assert chip.peak("mxfp8") == chip.flops["fp8"]
    with pytest.raises(UnknownNameError):
        chip.peak("fp7")


@pytest.mark.parametrize("field", ["hbm_bytes", "hbm_bandwidth", "power"])
@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, True, "141 GB"])
def test_a_chip_without_a_size_is_refused(field: str, bad: Any) -> None:
    chip: Chip = system("hgx-h200").chip
    with pytest.raises(RangeError, match=rf"^chip\.h200-sxm\.{field}: "):
        dataclasses.replace(chip, **{field: bad})
    with pytest.raises(RangeError, match=r"^chip\.h200-sxm\.flops\.bf16: "):
        dataclasses.replace(chip, flops={"bf16": bad})


@pytest.mark.parametrize("field", ["chips", "domain_size", "link_bandwidth", "network_bandwidth", "power"])
@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, True, "8"])
def test_a_system_without_a_size_is_refused(field: str, bad: Any) -> None:
    box: System = system("hgx-h200")
    with pytest.raises(RangeError, match=rf"^system\.hgx-h200\.{field}: "):
        dataclasses.replace(box, **{field: bad})
    if bad != 0:
        with pytest.raises(RangeError, match=r"^system\.hgx-h200\.link_latency: "):
            dataclasses.replace(box, link_latency=bad)


@pytest.mark.parametrize(
    ("field", "bad"), [("text", "  "), ("retrieved", "2026-13-01"), ("retrieved", "today"), ("kind", "rumour")]
)
def test_a_source_without_provenance_is_refused(field: str, bad: str) -> None:
    good = {"text": "a datasheet", "retrieved": "2026-11-23", "kind": "datasheet"}
    with pytest.raises(InputError, match=rf"^({field}|source): "):
        Source(**{**good, field: bad})  # type: ignore[arg-type]
