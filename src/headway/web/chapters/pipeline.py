"""Pipelining: stages divide the weights, and the micro-batches in flight keep the cache (lecture, chapter 3)."""

from __future__ import annotations

from headway.facts.models import model, model_names
from headway.physics.attention import kv_bytes_per_token
from headway.physics.balance import context_bytes
from headway.physics.memory import weight_bytes
from headway.physics.pipeline import bubble, latency_neutral, stage_memory, weight_saving
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Marker, Number, Values, curves
from headway.web.deployments import cache_said

CONTROLS = (
    Control("model", "Model", "deepseek-v3", choices=model_names),
    Control("context", "Context of each sequence", 100_000.0, "tokens", low=100, high=1e6, whole=True),
    Control("sequences", "Sequences in a micro-batch", 2400.0, low=1, high=20000, whole=True),
    Control("ranks", "Chips of one stage", 64.0, low=1, high=576, whole=True),
    Control("stages", "Stages", 4.0, low=1, high=32, whole=True),
    Control("microbatches", "Micro-batches in training", 32.0, low=1, high=512, whole=True),
    Control("pass_time", "Time of a pass on one stage's chips", 0.02, "seconds", low=1e-3, high=1.0),
    Control("hop", "Hop between stages", 20e-6, "seconds", low=1e-6, high=5e-3),
)
STAGES = tuple(range(1, 33))


def answer(values: Values) -> Answer:
    """Give memory per chip, latency and bubble against the number of stages."""
    what = model(values["model"])
    weights = weight_bytes(what)
    cache = context_bytes(values["context"], kv_bytes_per_token(what))
    ranks, stages = int(values["ranks"]), int(values["stages"])
    here = stage_memory(weights, cache, values["sequences"], ranks, stages)
    along = stage_memory(weights, cache, values["sequences"], ranks, STAGES)
    single = stage_memory(weights, cache, values["sequences"], ranks, STAGES, 1)
    timing = latency_neutral(values["pass_time"], stages, values["hop"])
    times = latency_neutral(values["pass_time"], STAGES, values["hop"])
    saved = float(weight_saving(weights, ranks, stages))
    x = Axis("stages", "count", low=1, high=32)
    mark = (Marker(stages, "these stages"),)
    return Answer(
        (
            Number("weights_bytes", "Weights", float(here.weights), "bytes", "a chip"),
            Number("kv_bytes", "KV cache", float(here.kv), "bytes", "a chip, pipeline full"),
            Number("saving_bytes", "Saved", saved, "bytes", "a chip, weights only"),
            Number("latency_s", "Latency", float(timing.latency), "seconds", "hops included"),
            Number("bubble", "Bubble in training", float(bubble(stages, values["microbatches"])), "fraction"),
        ),
        (
            Chart(
                "memory",
                "Memory of one chip",
                x,
                Axis("bytes", "bytes", log=True),
                curves(
                    STAGES,
                    ("KV cache, in flight", along.kv),
                    ("KV, one in flight", single.kv),
                    ("weights", along.weights),
                ),
                mark,
                about="P stages need P micro-batches in flight to stay busy: their caches undo what the stages divide.",
            ),
            Chart(
                "time",
                "Latency and time between departures",
                x,
                Axis("time", "seconds", log=True),
                curves(STAGES, ("latency", times.latency), ("period", times.period)),
                mark,
            ),
            Chart(
                "bubble",
                "Idle share of a training step",
                x,
                Axis("bubble", "fraction"),
                curves(STAGES, ("bubble", bubble(STAGES, int(values["microbatches"])))),
                mark,
            ),
        ),
        equations=(
            "weights = N w / (E P),  kv = (M/P) b c / E,  M = P in flight",
            "latency = t + P h,  bubble = (P − 1) / (M + P − 1)",
        ),
        notes=cache_said(what),
        sources=tuple(s.text for s in what.sources),
    )


CHAPTER = Chapter(
    "pipeline",
    "Pipelining",
    "What do more stages save, and what do they not?",
    CONTROLS,
    answer,
    order=50,
    part="The rack",
)
