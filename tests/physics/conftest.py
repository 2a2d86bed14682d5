"""Places for laws to hold: catalog models of every attention kind, systems, and layouts that divide both."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN, LinearAttention
from headway.facts.model import Model
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import Layout

Place = tuple[Model, System, Layout]

# Grouped-query, latent, windowed, linear, sparse, compressed; dense and of experts; a layer that is only one half.
MODELS = (
    "llama-3.1-70b",
    "deepseek-v3",
    "gemma-3-27b",
    "qwen3.5-397b-a17b",
    "deepseek-v3.2",
    "deepseek-v4-flash",
    "gpt-oss-120b",
    "nemotron-3-nano-30b-a3b",
)
SYSTEMS = ("hgx-h200", "gb200-nvl72", "mi300x-8", "tpu-v5e-pod")


def divisors(number: int, most: int) -> list[int]:
    return [d for d in range(1, min(number, most) + 1) if number % d == 0]


def heads(of: Model) -> int:
    kinds = [g.attention for g in of.layers if g.attention is not None]
    return math.gcd(*(k.value_heads if isinstance(k, LinearAttention) else k.heads for k in kinds))


def experts(of: Model) -> int:
    return max((g.ffn.experts for g in of.layers if isinstance(g.ffn, ExpertFFN)), default=1)


@st.composite
def layouts_of(draw: DrawFn, of: Model, stages: int = 4) -> Layout:
    """A layout that divides the model."""
    tp, cp = draw(st.sampled_from(divisors(heads(of), 16))), draw(st.sampled_from((1, 2, 4)))
    dp, pp = draw(st.sampled_from((1, 2, 3, 8, 16))), draw(st.integers(1, stages))
    ep = draw(st.sampled_from(divisors(tp * cp * dp, experts(of))))
    return Layout(tp=tp, ep=ep, dp=dp, pp=pp, cp=cp, micro_batches=draw(st.sampled_from((1, 2))))


@st.composite
def placed(draw: DrawFn) -> Place:
    """A model, a system and a layout of the model."""
    of = model(draw(st.sampled_from(MODELS)))
    return of, system(draw(st.sampled_from(SYSTEMS))), draw(layouts_of(of))


@pytest.fixture(scope="session")
def places() -> SearchStrategy[Place]:
    """Strategy of (model, system, layout)."""
    return placed()


@pytest.fixture(scope="session")
def layouts() -> Callable[[Model], SearchStrategy[Layout]]:
    """Strategy of layouts that divide a model."""
    return layouts_of


@pytest.fixture(scope="session")
def kinds() -> tuple[str, ...]:
    """Names of models of every attention kind; names, because a failing law prints what it was given."""
    return MODELS
