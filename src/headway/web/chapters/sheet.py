"""Prices: the posterior of a model's size against the prior, each price of the sheet a switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.facts.units import format_quantity
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Number, Series, Values

if TYPE_CHECKING:
    from headway.pricing.posterior import Reading


def _uses() -> tuple[str, ...]:
    return ("both", "input", "output", "neither")


CONTROLS = (
    Control("input", "Input price", 2.0, "dollars_per_mtok", low=0.01, high=100.0, log=True),
    Control("output", "Output price", 12.0, "dollars_per_mtok", low=0.01, high=400.0, log=True),
    Control("heard", "Prices heard", "both", choices=_uses),
)


def answer(values: Values) -> Answer:
    """Read a size from the prices that are heard; the figure is the median, its interval stands beside it."""
    from headway.pricing.posterior import active_axis, read_parts

    heard = values["heard"]
    found = read_parts(
        values["input"] if heard in ("both", "input") else None,
        values["output"] if heard in ("both", "output") else None,
    )
    axis = tuple(active_axis())
    names = ("prior", *found.posteriors)
    curves = tuple(
        Series(name, axis, tuple(float(v) for v in found.density[name]), strong=name == found.headline_form)
        for name in names
    )
    numbers = tuple(
        Number(
            key,
            label,
            found.headline.of(key).median,
            "count",
            _interval(found, key),
        )
        for key, label in (
            ("active_params", "Active parameters"),
            ("total_params", "Total parameters"),
            ("sparsity", "Sparsity"),
        )
    )
    chart = Chart(
        "density",
        "What is thought of the size",
        Axis("active parameters", "count", log=True),
        Axis("probability"),
        curves,
    )
    return Answer(
        numbers,
        (chart,),
        equations=("ln p = b_0 + b_a ln N_a + b_t ln N_t", "p = c_a N_a + c_t N_t"),
        notes=found.assumptions,
    )


def _interval(found: Reading, key: str) -> str:
    """What is left open, and whether the price said anything at all."""
    said = found.headline.of(key)
    ends = " to ".join(format_quantity(end, "count", 3) for end in (said.low, said.high))
    verdict = "identified by the price" if found.identified(key) else "not identified: the prior's width is left"
    return f"80% from {ends}; {verdict}"


CHAPTER = Chapter(
    "sheet",
    "Price sheets",
    "What does a price say about the model behind it, and what not?",
    CONTROLS,
    answer,
    order=66,
    part="Prices",
)
