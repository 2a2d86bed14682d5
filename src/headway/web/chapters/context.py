"""Context: where the cache takes over, and what sparse attention buys (lecture, chapters 1 and 6)."""

from __future__ import annotations

import math

import numpy as np

from headway.facts.models import model, model_names
from headway.facts.systems import system, system_names
from headway.physics.attention import kv_bytes_per_token
from headway.physics.balance import context_bytes
from headway.physics.blackboard import decode_terms
from headway.physics.contexts import context_cost_growth, indexed_attention_gain, sparse_attention_gain
from headway.physics.layout import Layout
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Marker, Measure, Number, Series, Values
from headway.web.deployments import cache_said, wider_than_a_domain

FAR = 100e6
CONTROLS = (
    Control("model", "Model", "deepseek-v3", choices=model_names),
    Control("system", "System", "gb200-nvl72", choices=system_names),
    Control("chips", "Chips, sharing everything", 72.0, low=1, high=576, whole=True),
    Control("batch", "Batch: sequences in one pass", 2048.0, low=1, high=65536, whole=True, variable="batch"),
    Control("context", "Context of each", 8192.0, "tokens", low=100, high=FAR, whole=True, variable="context"),
    Control("short", "Sparse attention starts at", 200_000.0, "tokens", low=1000, high=1e6, whole=True),
    Control("exponent", "Sparse reads grow as context to the", 0.5, low=0.0, high=1.0, log=False),
)
GRID = tuple(float(v) for v in np.geomspace(1000, FAR, 60))


def answer(values: Values) -> Answer:
    """Give the pass as terms along context, and the gain of sparse attention along it."""
    what, box = model(values["model"]), system(values["system"])
    terms = decode_terms(what, box, Layout(dp=int(values["chips"])))
    cache = ("kv", "state")
    weights = tuple(dict.fromkeys(t.label for t in terms.terms if t.label not in cache))
    balance = terms.balance_context()
    short, p = values["short"], values["exponent"]
    long = tuple(v for v in GRID if v >= short)
    x = Axis("tokens of context", "tokens", log=True, low=100, high=FAR)
    return Answer(
        (
            Number("time_s", "Time per token", Measure(terms), "seconds", "of each user"),
            Number("binding", "What binds", Measure(terms, show="binding"), ""),
            Number("speed", "Speed", Measure(terms, show="reciprocal"), "tokens_per_second", "a user"),
            Number(
                "balance_context",
                "Balance context",
                balance if math.isfinite(balance) else None,
                "tokens",
                "attention counted, C64 leaves it out",
            ),
            Number(
                "far_bytes",
                "100M tokens",
                float(context_bytes(FAR, kv_bytes_per_token(what))),
                "bytes",
                "cache of one sequence",
            ),
            Number("far_growth", "Dense, at 100M", float(context_cost_growth(FAR, short)), "count", "times the reads"),
            Number("far_gain", "Sparse saves", float(sparse_attention_gain(FAR, short, p)), "count", "times, at 100M"),
        ),
        (
            Chart(
                "time",
                "Time of one pass",
                x,
                Axis("time", "seconds", log=True),
                (
                    Series("time", measure=Measure(terms), strong=True),
                    Series("compute", measure=Measure(terms, resource="compute")),
                    Series("weights", measure=Measure(terms, resource="memory", labels=weights)),
                    Series("KV cache", measure=Measure(terms, resource="memory", labels=cache)),
                ),
                (Marker(balance, "balance"),) if 100 <= balance <= FAR else (),
                over="context",
                about="The cache is read by its owner alone, so no batch shares it.",
            ),
            Chart(
                "gain",
                "Reads of dense attention over those of sparse attention",
                Axis("tokens of context", "tokens", log=True, low=1000, high=FAR),
                Axis("gain", "count", log=True),
                (
                    Series("power law", long, tuple(np.ravel(sparse_attention_gain(long, short, p))), strong=True),
                    Series("with an indexer", GRID, tuple(np.ravel(indexed_attention_gain(GRID, 576, 128, 2048)))),
                ),
                (Marker(float(short), "starts"),),
                about="An indexer still reads a little of every token, so its gain levels off.",
            ),
        ),
        equations=(
            "t = max( compute, weights + B L k / BW )",
            "gain = (L₂ / L₁)^(1 − p);  indexer: e L / (e min(L, s) + i L)",
        ),
        notes=(
            *wider_than_a_domain(box, int(values["chips"])),
            *cache_said(what),
            "Attention's FLOP are counted; claim C64 of the lecture leaves them out.",
            *terms.assumptions,
            "Indexer: 576 and 128 elements a token, 2,048 tokens selected (DeepSeek-V3.2-Exp).",
        ),
        sources=tuple(s.text for s in what.sources),
    )


CHAPTER = Chapter(
    "context",
    "Context",
    "Where does the cache take over, and what would 100 million tokens take?",
    CONTROLS,
    answer,
    order=62,
    part="Memory",
)
