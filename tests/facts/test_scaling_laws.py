"""Published laws of loss: each row has a source, and loss falls."""

from __future__ import annotations

import math

import pytest

from headway.facts.errors import RangeError, UnknownNameError
from headway.facts.scaling_laws import LOSS_LAWS, LossLaw, loss_law
from headway.facts.sources import Source

SOURCE = Source("by hand", "2026-11-23", "assumed")


@pytest.mark.parametrize("name", LOSS_LAWS)
def test_rows_are_whole(name: str) -> None:
    law = loss_law(name)
    assert law.name == name
    assert "arXiv" in law.source.text
    assert 1 < law.irreducible < 3


def test_tied_law_is_the_exponential_of_its_logarithms() -> None:
    law = loss_law("muennighoff-2023")
    logs = [math.log(v) for v in (law.size_coefficient, law.data_coefficient, law.irreducible)]
    assert logs == pytest.approx([6.2554, 7.3050, 0.62548], abs=5e-5)


def test_unknown_law_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean hoffmann-2022\?"):
        loss_law("hofman-2022")


@pytest.mark.parametrize("field", ["size_exponent", "data_coefficient"])
@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_constants_with_which_loss_would_not_fall_are_refused(field: str, bad: float) -> None:
    good = {"size_coefficient": 400.0, "size_exponent": 0.3, "data_coefficient": 400.0, "data_exponent": 0.3}
    with pytest.raises(RangeError, match=field):
        LossLaw("x", 1.7, source=SOURCE, **{**good, field: bad})  # type: ignore[arg-type]


def test_negative_irreducible_loss_is_refused() -> None:
    with pytest.raises(RangeError, match="irreducible"):
        LossLaw("x", -0.1, 400.0, 0.3, 400.0, 0.3, SOURCE)
