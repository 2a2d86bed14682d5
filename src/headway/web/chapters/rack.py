"""The rack: scale-up against scale-out for a mixture of experts (lecture, chapter 2)."""

from __future__ import annotations

import numpy as np

from headway.facts.systems import system, system_names
from headway.physics.exchange import all_to_all_over_compute, min_expert_width, racks_all_to_all_slowdown
from headway.physics.experts import load_imbalance, touched_experts
from headway.physics.fleet import scale_ratio
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Marker, Number, Values, curves

CONTROLS = (
    Control("system", "System", "gb200-nvl72", choices=system_names),
    Control("experts", "Experts", 256.0, low=8, high=1024, whole=True),
    Control("top_k", "Experts of one token", 8.0, low=1, high=64, whole=True),
    Control("width", "Width of an expert", 2048.0, low=128, high=32768, whole=True),
    Control("ranks", "Chips that share the experts", 64.0, low=1, high=576, whole=True),
    Control("tokens", "Tokens in one pass", 4096.0, "tokens", low=1, high=1e6, whole=True),
)
WIDTHS = tuple(float(v) for v in np.geomspace(128, 32768, 60))
TOKENS = tuple(float(v) for v in np.geomspace(1, 1e6, 60))
RACKS = tuple(float(v) for v in range(1, 17))


def answer(values: Values) -> Answer:
    """Give the exchange against the multiplication, in and out of the rack, and how even the load is."""
    box = system(values["system"])
    k, experts, width = values["top_k"], values["experts"], values["width"]
    form = "fp8" if "fp8" in box.chip.flops else "bf16"
    flops = box.chip.peak(form)
    ways = [("scale-up", box.link_bandwidth), ("scale-out", box.network_bandwidth)]
    links = [(name, rate) for name, rate in ways if rate]
    ratios = [float(all_to_all_over_compute(k, width, flops, rate)) for _, rate in links]
    even = float(load_imbalance(experts, k, values["tokens"], values["ranks"]))
    numbers = [
        Number(f"{name}_ratio", f"Exchange, {name}", ratio, "count", "times the multiplications")
        for (name, _), ratio in zip(links, ratios, strict=True)
    ]
    numbers += [
        Number("imbalance", "Busiest chip", even, "count", "times the mean load"),
        Number("touched", "Experts read", float(touched_experts(experts, k, values["tokens"])), "count", "by one pass"),
        Number(
            "least_width",
            "Width that hides it",
            float(min_expert_width(k, flops, box.link_bandwidth)),
            "count",
            "inside the rack",
        ),
    ]
    charts = [
        Chart(
            "exchange",
            "Exchange of experts over their multiplications",
            Axis("width of an expert", "count", log=True, low=128, high=32768),
            Axis("ratio of times", "count", log=True),
            curves(WIDTHS, *((name, all_to_all_over_compute(k, WIDTHS, flops, rate)) for name, rate in links)),
            (Marker(float(width), "this width"),),
            about="Above 1 the wires are the longer. Neither the tokens nor the hidden width remain in the ratio.",
        ),
        Chart(
            "load",
            "Load of the busiest chip over the mean",
            Axis("tokens in one pass", "tokens", log=True, low=1, high=1e6),
            Axis("ratio", "count", log=True),
            curves(TOKENS, ("busiest", load_imbalance(experts, k, TOKENS, values["ranks"]))),
            (Marker(float(values["tokens"]), "this pass"),),
        ),
    ]
    if box.network_bandwidth:
        gap = float(scale_ratio(box.link_bandwidth, box.network_bandwidth))
        numbers.append(Number("scale_ratio", "Scale-up over scale-out", gap, "count", "rate of a chip"))
        charts.append(
            Chart(
                "racks",
                "An exchange spread over several racks",
                Axis("racks", "count", low=1, high=16),
                Axis("time over that of one rack", "count"),
                curves(RACKS, ("exchange", racks_all_to_all_slowdown(RACKS, gap))),
                about="Of r racks, (r − 1)/r of the traffic crosses the slower network.",
            )
        )
    return Answer(
        tuple(numbers),
        tuple(charts),
        equations=("exchange / multiplications = [T k d (b₁ + b₂) / BW] / [2 T (k + s) 3 d m / F]",),
        notes=(
            f"Experts multiply at {form}; one byte an element goes out, two come back.",
            "Uniform routing.",
        ),
        sources=tuple(s.text for s in (*box.sources, *box.chip.sources)),
    )


CHAPTER = Chapter(
    "rack",
    "The rack",
    "Why do the experts of a model stay inside one scale-up domain?",
    CONTROLS,
    answer,
    order=40,
    part="The rack",
)
