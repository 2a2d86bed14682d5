"""The blackboard: decode and prefill as closed-form terms, from round totals or from a model and a system.

One pass over `batch` sequences takes as long as the slower of two budgets (claims C01, D01, D14):

``compute = 2 B N_active / F``,  ``memory = (N_total w + B L k) / BW``

Everything overlaps with everything and nothing has a floor: a lower bound of every real machine.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import not_negative, positive
from headway.facts.errors import unknown
from headway.facts.hardware import Chip, System
from headway.facts.layers import ExpertFFN
from headway.facts.model import Model
from headway.facts.precision import Precision, number_format
from headway.physics.attention import FLOP_PER_MAC, cache_shape, look_shape
from headway.physics.layout import Layout
from headway.physics.terms import Term, Terms

Profile = Literal["lecture", "datasheet"]


def roofline_terms(
    total_params: ArrayLike,
    active_params: ArrayLike,
    kv_bytes_per_token: ArrayLike,
    flops: ArrayLike,
    bandwidth: ArrayLike,
    *,
    weight_bytes: ArrayLike = 1.0,
    attention_flops_per_context_token: ArrayLike = 0.0,
    overlap: bool = True,
) -> Terms:
    """Decode pass from totals, as on the blackboard (claim C01).

    Parameters
    ----------
    total_params, active_params : float or array
        Parameters read and parameters multiplied per token [1].
    kv_bytes_per_token : float or array
        Cache read per sequence and token of context [B].
    flops, bandwidth : float or array
        Of all chips together [FLOP/s], [B/s].
    weight_bytes : float or array
        Bytes per parameter [B].
    attention_flops_per_context_token : float or array
        FLOP per sequence and token of context [FLOP]; the lecture neglects it.
    overlap : bool
        False puts the cache reads before the matrix products, as in the scaling book (inference chapter).

    Returns
    -------
    Terms
        In batch and context.

    Examples
    --------
    The lecture's inputs: 100B active of 800B, ratio 300 (FLOP/s = 2 x 300 x bandwidth):

    >>> t = roofline_terms(800e9, 100e9, 0.0, 600 * 576e12, 576e12)
    >>> round(t.balance_batch())
    2400
    """
    positive("flops", flops, "FLOP/s")
    positive("bandwidth", bandwidth, "B/s")
    n_total = np.asarray(positive("total_params", total_params))
    n_active = np.asarray(positive("active_params", active_params))
    width = np.asarray(positive("weight_bytes", weight_bytes, "B"))
    kv = not_negative("kv_bytes_per_token", kv_bytes_per_token, "B")
    look = not_negative("attention_flops_per_context_token", attention_flops_per_context_token, "FLOP")
    read = "cache" if not overlap else ""
    terms = [
        Term("compute", "weights", FLOP_PER_MAC * n_active / np.asarray(flops), batch=1),
        Term("memory", "weights", n_total * width / np.asarray(bandwidth)),
        Term("memory", "kv", np.asarray(kv) / np.asarray(bandwidth), batch=1, context=1, phase=read),
    ]
    if np.any(np.asarray(look)):
        terms.append(Term("compute", "attention", np.asarray(look) / np.asarray(flops), batch=1, context=1, phase=read))
    return Terms(tuple(terms), ("all weights are read once per pass", "no communication and no launch floor"))


@dataclass(frozen=True, slots=True)
class _Matrices:
    """Matrix weights of one kind: how many, how many one token uses, in which format."""

    label: str
    read: float
    used: float
    format: str
    experts: float = 0.0
    top_k: float = 0.0


def _matrices(model: Model, precision: Precision) -> Iterator[_Matrices]:
    h = model.hidden
    for group in model.layers:
        if group.attention is not None:
            params = group.count * sum(p.params for p in group.attention.projections(h))
            yield _Matrices("attention weights", params, params, precision.attention)
        if group.ffn is None:
            continue
        params = group.count * sum(p.params for p in group.ffn.projections(h))
        yield _Matrices("ffn weights", params, params, precision.ffn)
        if isinstance(group.ffn, ExpertFFN):
            one = group.count * sum(p.params for p in group.ffn.expert_projections(h))
            e, k = group.ffn.experts, group.ffn.top_k
            yield _Matrices("expert weights", e * one, k * one, precision.experts, e, k)
    yield _Matrices("head weights", model.vocab * h, model.vocab * h, precision.head)


def _weight_terms(model: Model, chip: Chip, chips: Any, precision: Precision, *, every_logit: bool) -> Iterator[Term]:
    for part in _matrices(model, precision):
        fmt = number_format(part.format)
        # A prefill needs the logits of its last token alone.
        tokens = 1 if every_logit or part.label != "head weights" else 0
        flop = FLOP_PER_MAC * part.used
        yield Term("compute", part.label, flop / (chips * chip.peak(part.format)), batch=1, tokens=tokens)
        seconds = part.read * fmt.bytes / (chips * chip.hbm_bandwidth)
        if part.experts:
            yield Term("memory", part.label, seconds, function="touched", args=(part.experts, part.top_k))
        else:
            yield Term("memory", part.label, seconds)


def _merged(terms: Iterator[Term]) -> tuple[Term, ...]:
    """Terms of one shape become one: fewer addends to evaluate."""
    found: dict[tuple[Any, ...], Term] = {}
    for t in terms:
        key = (t.resource, t.label, t.batch, t.context, t.tokens, t.function, t.args, t.phase)
        old = found.get(key)
        coefficient = t.coefficient if old is None else old.coefficient + t.coefficient
        if np.any(coefficient):
            found[key] = Term(
                t.resource, t.label, coefficient, t.batch, t.context, t.tokens, t.function, t.args, t.phase
            )
    return tuple(found.values())


def _decode_look(model: Model, chip: Chip, chips: Any, kv: str) -> Iterator[Term]:
    rate, bandwidth = chips * chip.peak("bf16"), chips * chip.hbm_bandwidth
    for group in model.layers:
        if group.attention is None:
            continue
        look, shape = look_shape(group.attention), cache_shape(group.attention, group.count, kv)
        limit = min(shape.span, shape.selected)
        seen: dict[str, Any] = {"function": "window", "args": (limit,)} if np.isfinite(limit) else {"context": 1}
        n = group.count
        yield Term("compute", "attention", n * look.per_visible / rate, batch=1, tokens=1, **seen)
        yield Term("compute", "attention", n * look.per_context / rate, batch=1, context=1, tokens=1)
        yield Term("compute", "attention", n * look.per_token / rate, batch=1, tokens=1)
        yield Term("memory", "kv", n * shape.read_per_token / bandwidth, batch=1, **seen)
        yield Term("memory", "kv", n * shape.index_per_token / bandwidth, batch=1, context=1)
        yield Term("memory", "state", n * shape.state / bandwidth, batch=1)


def _prefill_look(model: Model, chip: Chip, chips: Any, kv: str) -> Iterator[Term]:
    rate, bandwidth = chips * chip.peak("bf16"), chips * chip.hbm_bandwidth
    for group in model.layers:
        if group.attention is None:
            continue
        look, shape = look_shape(group.attention), cache_shape(group.attention, group.count, kv)
        limit, n = min(shape.span, shape.selected), group.count
        pair, scan = n * look.per_visible_prefill / rate, n * look.per_context / rate
        if np.isfinite(limit):
            yield Term("compute", "attention", pair, batch=1, function="window_pairs", args=(limit,))
        else:
            scan = scan + pair
        # Causal pairs of T new tokens after L cached ones: T L + T^2/2 + T/2.
        yield Term("compute", "attention", scan, batch=1, context=1, tokens=1)
        yield Term("compute", "attention", 0.5 * scan, batch=1, tokens=2)
        yield Term("compute", "attention", 0.5 * scan + n * look.per_token / rate, batch=1, tokens=1)
        seen: dict[str, Any] = (
            {"function": "window", "args": (shape.span,)} if np.isfinite(shape.span) else {"context": 1}
        )
        yield Term("memory", "kv", n * shape.read_per_token / bandwidth, batch=1, **seen)
        yield Term("memory", "kv", n * shape.index_per_token / bandwidth, batch=1, context=1)
        yield Term("memory", "state", n * shape.state / bandwidth, batch=1)


def _lecture_terms(model: Model, chip: Chip, chips: Any, precision: Precision) -> Terms:
    """The lecture's reading of a real model: every parameter read, attention FLOPs neglected, cache linear."""
    fmt = number_format(precision.experts if model.routed_params else precision.ffn)
    shapes = [cache_shape(g.attention, g.count, precision.kv) for g in model.layers if g.attention is not None]
    kv = sum(s.count * (s.read_per_token + s.index_per_token) for s in shapes if np.isinf(s.span))
    return roofline_terms(
        model.total_params,
        model.active_params,
        kv,
        np.asarray(chips * chip.peak(fmt.name)),
        np.asarray(chips * chip.hbm_bandwidth),
        weight_bytes=fmt.bytes,
    )


def decode_terms(
    model: Model,
    system: System,
    layout: Layout | None = None,
    *,
    precision: Precision | None = None,
    profile: Profile = "datasheet",
) -> Terms:
    """One decode pass of `batch` sequences at `context` tokens, spread evenly over the chips of a stage.

    A pipeline shortens nothing: the pass visits the stages in turn (claim C29), so the rates are those of
    ``tp x cp x dp`` chips. The datasheet profile reads only the experts touched and counts attention FLOPs;
    the lecture profile reads all and counts none.

    Returns
    -------
    Terms
        In batch, context and tokens per sequence (1 unless several are verified at once).

    Raises
    ------
    UnknownNameError
        If there is no such profile.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> t = decode_terms(model("deepseek-v3"), system("gb200-nvl72"), Layout(dp=72, ep=72))
    >>> t.resources, str(t.binding(1.0, 4096.0))
    (('compute', 'memory'), 'memory')
    """
    if profile not in ("lecture", "datasheet"):
        raise unknown("profile", str(profile), ("lecture", "datasheet"))
    chips = (layout or Layout()).stage_chips
    formats = precision or model.precision
    if profile == "lecture":
        return _lecture_terms(model, system.chip, chips, formats)
    weights = _weight_terms(model, system.chip, chips, formats, every_logit=True)
    look = _decode_look(model, system.chip, chips, formats.kv)
    assumptions = ("perfect overlap and sharding", "no communication and no launch floor", "uniform routing of experts")
    return Terms(_merged(itertools.chain(weights, look)), assumptions)


def prefill_terms(
    model: Model,
    system: System,
    layout: Layout | None = None,
    *,
    precision: Precision | None = None,
) -> Terms:
    """One prefill pass: `tokens` new tokens for each of `batch` sequences after `context` cached ones (claim D14).

    Returns
    -------
    Terms
        In batch, context (the cached prefix) and tokens (new per sequence).

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> t = prefill_terms(model("deepseek-v3"), system("gb200-nvl72"))
    >>> str(t.binding(1.0, 0.0, 1.0)), str(t.binding(1.0, 0.0, 32768.0))
    ('memory', 'compute')
    """
    chips = (layout or Layout()).stage_chips
    formats = precision or model.precision
    weights = _weight_terms(model, system.chip, chips, formats, every_logit=False)
    look = _prefill_look(model, system.chip, chips, formats.kv)
    assumptions = (
        "perfect overlap and sharding",
        "no communication and no launch floor",
        "logits of the last token only",
    )
    return Terms(_merged(itertools.chain(weights, look)), assumptions)
