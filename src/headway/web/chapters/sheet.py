"""Prices: the posterior of a model's size against the prior, each price of the sheet a switch."""

from __future__ import annotations

from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Number, Series, Values


def _uses() -> tuple[str, ...]:
    return ("both", "input", "output", "neither")


CONTROLS = (
    Control("input", "Input price", 2.0, "dollars_per_mtok", low=0.01, high=100.0, log=True),
    Control("output", "Output price", 12.0, "dollars_per_mtok", low=0.01, high=400.0, log=True),
    Control("heard", "Prices heard", "both", choices=_uses),
)


def answer(values: Values) -> Answer:
    """Read a size from the prices that are heard."""
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
            "identified by the price" if found.identified(key) else "not identified: the prior's width is left",
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


CHAPTER = Chapter(
    "sheet",
    "Price sheets",
    "What does a price say about the model behind it, and what not?",
    CONTROLS,
    answer,
    order=66,
    part="Prices",
)
