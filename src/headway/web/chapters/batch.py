"""The batch: time, cost and speed of a decode pass against the sequences in it (lecture, chapter 1)."""

from __future__ import annotations

import math

from headway.facts.models import model, model_names
from headway.facts.systems import system, system_names
from headway.physics.blackboard import decode_terms
from headway.physics.fleet import usd_per_mtok
from headway.physics.memory import largest_batch
from headway.serving.plan import default_prices
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Marker, Measure, Number, Series, Values
from headway.web.deployments import cache_said, layout_of, too_many

CONTROLS = (
    Control("model", "Model", "deepseek-v3", choices=model_names),
    Control("system", "System", "gb200-nvl72", choices=system_names),
    Control("tp", "Tensor parallel", 1.0, low=1, high=64, whole=True),
    Control("dp", "Attention data parallel", 72.0, low=1, high=576, whole=True),
    Control("ep", "Expert parallel", 72.0, low=1, high=576, whole=True),
    Control("batch", "Batch: sequences in one pass", 2048.0, low=1, high=65536, whole=True, variable="batch"),
    Control(
        "context",
        "Context of each",
        2048.0,
        "tokens",
        low=1,
        high=1e6,
        whole=True,
        variable="context",
    ),
)
CACHE = ("kv", "state")


def answer(values: Values) -> Answer:
    """Give the pass as terms: the page evaluates them along batch while a slider moves."""
    what, where = model(values["model"]), system(values["system"])
    layout, said = layout_of(what, where, values["tp"], values["dp"], values["ep"])
    chips = layout.chips
    terms = decode_terms(what, where, layout)
    weights = tuple(dict.fromkeys(t.label for t in terms.terms if t.label not in CACHE))
    total = Measure(terms)
    x = Axis("sequences in one pass", "count", log=True, low=1, high=65536)
    balance = float(terms.balance_batch(values["context"]))
    seats = float(largest_batch(what, where, layout, values["context"]))
    charts = [
        Chart(
            "time",
            "Time of one pass",
            x,
            Axis("time", "seconds", log=True),
            (
                Series("time", measure=total, strong=True),
                Series("compute", measure=Measure(terms, resource="compute")),
                Series("weights", measure=Measure(terms, resource="memory", labels=weights)),
                Series("KV cache", measure=Measure(terms, resource="memory", labels=CACHE)),
            ),
            tuple(Marker(at, name) for at, name in ((balance, "balance"), (seats, "memory full")) if 1 <= at <= 65536),
            over="batch",
            about="The pass takes as long as the slower of compute and memory; memory reads once every weight "
            "that a token of the pass uses, and every cache.",
        )
    ]
    headlines = [
        Number("time_s", "Time per token", total, "seconds", "of each user"),
        Number("binding", "What binds", Measure(terms, show="binding"), ""),
        Number("tokens_per_second_per_user", "Speed", Measure(terms, show="reciprocal"), "tokens_per_second", "a user"),
    ]
    if where.tariffs:
        rent = default_prices(where, None, 0.0).usd_per_chip_hour
        cost = terms.times(usd_per_mtok(chips, rent, 1.0), batch=-1)
        headlines.append(Number("usd_per_mtok", "Cost", Measure(cost), "dollars_per_mtok", "of output, rent alone"))
        charts.append(
            Chart(
                "cost",
                "Cost of a million tokens",
                x,
                Axis("$/Mtok", "dollars_per_mtok", log=True),
                (
                    Series("cost", measure=Measure(cost), strong=True),
                    Series("compute", measure=Measure(cost, resource="compute")),
                    Series("weights", measure=Measure(cost, resource="memory", labels=weights)),
                    Series("KV cache", measure=Measure(cost, resource="memory", labels=CACHE)),
                ),
                over="batch",
                about="Once every expert is touched the weights are read once for all, so their share falls as 1/B; "
                "a small batch reads few experts. The rest is everyone's own.",
            )
        )
    charts.append(
        Chart(
            "speed",
            "Speed",
            x,
            Axis("tokens per second", "tokens_per_second", log=True),
            (
                Series("a user", measure=Measure(terms, show="reciprocal"), strong=True),
                Series("a chip", measure=Measure(terms.times(chips, batch=-1), show="reciprocal")),
            ),
            over="batch",
            about="A larger batch serves more and each of them more slowly, until compute binds.",
        )
    )
    headlines += [
        Number(
            "balance_batch", "Balance batch", balance if math.isfinite(balance) else None, "count", "at this context"
        ),
        Number("largest_batch", "Fits in memory", seats, "count", "sequences"),
    ]
    return Answer(
        tuple(headlines),
        tuple(charts),
        equations=("t(B) = max( B (2 N_active + a L) / F ,  (N_read(B) w + B L k) / BW )", "cost = rent · t(B) / B"),
        notes=(
            *said,
            *too_many(seats, float(values["batch"])),
            *cache_said(what),
            "a: FLOP of attention, k: bytes of cache, both for a token of context; N_read(B): all parameters "
            "but the experts that none of the B sequences is routed to.",
            *terms.assumptions,
        ),
        sources=tuple(s.text for s in what.sources),
    )


CHAPTER = Chapter(
    "batch",
    "The batch",
    "How do time, cost and speed move with the number of sequences in one pass?",
    CONTROLS,
    answer,
    order=10,
    part="Serving",
)
