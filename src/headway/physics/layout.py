"""How a model is spread over chips: tensor, context, data, expert and pipeline parallel.

Chips of one replica: ``tp x cp x dp x pp``. Attention runs on ``dp`` groups that each hold their own
sequences, split over ``tp`` heads and ``cp`` stretches of context. The experts of a layer are spread over
``ep`` of the ``tp x cp x dp`` chips of a stage, each expert over the remaining ``tp x cp x dp / ep``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.facts.check import whole
from headway.facts.errors import LayoutError
from headway.facts.layers import AttentionKind, ExpertFFN, LinearAttention, Projection, SoftmaxAttention
from headway.facts.model import Model


@dataclass(frozen=True, slots=True)
class Layout:
    """A parallel layout; each field may be an array, and they broadcast.

    Parameters
    ----------
    tp, ep, dp, pp, cp : int or array of int
        Tensor, expert, attention-data, pipeline and context parallel degrees [1].
    micro_batches : int or array of int
        1, or 2 for two half batches of which one computes while the other communicates.

    Raises
    ------
    RangeError
        If a degree is not a whole number of at least 1.

    Examples
    --------
    >>> Layout(tp=2, dp=4, ep=8).chips
    8
    """

    tp: Any = 1
    ep: Any = 1
    dp: Any = 1
    pp: Any = 1
    cp: Any = 1
    micro_batches: Any = 1

    def __post_init__(self) -> None:
        """Refuse degrees that are not whole and positive."""
        for name in ("tp", "ep", "dp", "pp", "cp", "micro_batches"):
            value = whole(name, getattr(self, name), most=2 if name == "micro_batches" else 1_000_000)
            # A list would be repeated by a product, not multiplied.
            if np.ndim(value) and not isinstance(value, np.ndarray):
                object.__setattr__(self, name, np.asarray(value))

    @property
    def stage_chips(self) -> Any:
        """Chips that work on one layer [1]."""
        return self.tp * self.cp * self.dp

    @property
    def chips(self) -> Any:
        """Chips of one replica [1]."""
        return self.stage_chips * self.pp

    @property
    def expert_slice(self) -> Any:
        """Chips that share one expert [1]."""
        return self.stage_chips // self.ep

    def at(self, index: Any) -> Layout:
        """The layout of one element of the broadcast arrays, as whole numbers.

        >>> Layout(tp=np.array([1, 2, 4]), ep=1).at(2)
        Layout(tp=4, ep=1, dp=1, pp=1, cp=1, micro_batches=1)
        """
        fields = np.broadcast_arrays(self.tp, self.ep, self.dp, self.pp, self.cp, self.micro_batches)
        return Layout(*(int(np.ravel(f)[index]) for f in fields))

    def label(self) -> str:
        """Short name of a scalar layout, as the field writes it.

        >>> Layout(tp=1, dp=32, ep=32).label()
        'DP32 EP32'
        """
        parts = [f"{n.upper()}{v}" for n, v in (("tp", self.tp), ("cp", self.cp), ("dp", self.dp)) if v != 1]
        parts += [f"{n.upper()}{v}" for n, v in (("ep", self.ep), ("pp", self.pp)) if v != 1]
        if self.micro_batches == 2:
            parts.append("2-batch")
        return " ".join(parts) or "1 chip"


def stacked(layouts: Sequence[Layout]) -> Layout:
    """Scalar layouts as one whose degrees are columns; a degree that all share stays a plain number.

    >>> both = stacked([Layout(tp=4), Layout(tp=8)])
    >>> both.tp.tolist(), both.pp
    ([[4], [8]], 1)
    """
    return Layout(*(column([getattr(one, name) for one in layouts]) for name in Layout.__slots__))


def column(values: Sequence[Any]) -> Any:
    """Numbers as a column to broadcast against rows; one plain number where all are alike.

    >>> column([1, 1]), column([1.0, 2.0]).shape
    (1, (2, 1))
    """
    return values[0] if all(value == values[0] for value in values) else np.asarray(values)[:, None]


def rows_of(value: Any, count: int) -> list[float]:
    """The numbers of a :func:`column` again, one a row.

    >>> rows_of(column([1.0, 2.0]), 2), rows_of(column([3.0, 3.0]), 2)
    ([1.0, 2.0], [3.0, 3.0])
    """
    numbers: list[float] = np.broadcast_to(value, (count, 1)).ravel().tolist()
    return numbers


def matrix_ways(projection: Projection, width: Any) -> Any:
    """Parts into which `width` chips divide a matrix: at most its heads, none where it is replicated [1].

    >>> from headway.facts.layers import Projection
    >>> int(matrix_ways(Projection("k", 8192, 1024, "outputs", units=8), 16))
    8
    """
    if projection.split == "none":
        return 1
    return np.minimum(width, projection.units) if projection.units else width


def cache_ways(attention: AttentionKind, tp: Any) -> Any:
    """Parts into which tensor parallelism divides the cache: heads divide, a shared latent does not [1].

    >>> from headway.facts.layers import LatentAttention
    >>> cache_ways(LatentAttention(128, 512, 1536, 128, 64, 128), 8)
    1
    """
    if isinstance(attention, SoftmaxAttention):
        return np.minimum(tp, attention.kv_heads)
    return np.minimum(tp, attention.value_heads) if isinstance(attention, LinearAttention) else 1


def _attention_heads(model: Model) -> tuple[int, ...]:
    heads = []
    for group in model.layers:
        kind = group.attention
        if kind is not None:
            heads.append(kind.value_heads if isinstance(kind, LinearAttention) else kind.heads)
    return tuple(sorted(set(heads)))


def _experts(model: Model) -> int:
    return max((g.ffn.experts for g in model.layers if isinstance(g.ffn, ExpertFFN)), default=0)


def divides(model: Model, layout: Layout) -> NDArray[np.bool_]:
    """Whether each layout of the broadcast arrays can hold the model.

    Tensor parallel divides the heads; expert parallel divides the chips of a stage and does not exceed the
    experts; a model without experts has none; stages do not exceed layers.

    >>> from headway.facts.models import model
    >>> divides(model("llama-3.1-70b"), Layout(tp=np.array([4, 8, 24]))).tolist()
    [True, True, False]
    """
    good = (layout.stage_chips % layout.ep == 0) & (layout.pp <= model.n_layers)
    good = good & (layout.ep <= max(_experts(model), 1))
    for heads in _attention_heads(model):
        good = good & (heads % layout.tp == 0)
    return np.asarray(good)


def check_layout(model: Model, layout: Layout) -> Layout:
    """Return a scalar layout that can hold the model, or say which degree does not divide and the nearest that does.

    Raises
    ------
    LayoutError
        If `tp` does not divide the attention heads, `ep` does not divide the chips of a stage or exceeds the
        experts, or `pp` exceeds the layers. The message names the first offender of an array.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> try:
    ...     check_layout(model("llama-3.1-70b"), Layout(tp=12))
    ... except LayoutError as error:
    ...     print(error)
    tp: 12 is not accepted: expected a divisor of 64 attention heads; did you mean 8?
    """
    if np.all(divides(model, layout)):
        return layout
    heads = _attention_heads(model)
    common = math.gcd(*heads)
    for tp in _offenders(layout.tp, common % np.asarray(layout.tp) != 0):
        listed = " and ".join(str(n) for n in heads)
        raise LayoutError("tp", tp, f"a divisor of {listed} attention heads", _near_divisor(common, common, tp))
    experts, stage = _experts(model), np.asarray(layout.stage_chips)
    if experts == 0:
        for ep in _offenders(layout.ep, np.asarray(layout.ep) > 1):
            raise LayoutError("ep", ep, f"1: {model.name} has no experts", "1")
    most = max(experts, 1)
    bad = (stage % np.asarray(layout.ep) != 0) | (np.asarray(layout.ep) > most)
    for ep, chips in zip(_offenders(layout.ep, bad), _offenders(stage, bad), strict=True):
        expected = f"a divisor of tp x cp x dp = {chips}, at most {most} experts"
        raise LayoutError("ep", ep, expected, _near_divisor(chips, most, ep))
    for pp in _offenders(layout.pp, np.asarray(layout.pp) > model.n_layers):
        raise LayoutError("pp", pp, f"at most {model.n_layers} layers", str(model.n_layers))
    return layout


def fitting_layout(model: Model, layout: Layout) -> Layout:
    """The scalar layout that can hold the model and is nearest below the one asked for.

    Tensor parallel falls to a divisor of the heads, expert parallel to a divisor of the chips of a stage that is
    no more than the experts, stages to the layers.

    Parameters
    ----------
    model : Model
    layout : Layout
        Any scalar layout.

    Returns
    -------
    Layout
        One that :func:`check_layout` accepts; the same where it already does.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> fitting_layout(model("deepseek-v3"), Layout(tp=3, dp=8, ep=72)).label()
    'TP2 DP8 EP16'
    >>> fitting_layout(model("llama-3.1-70b"), Layout(dp=72, ep=72)).label()
    'DP72'
    """
    common = math.gcd(*_attention_heads(model))
    tp = _divisor_below(common, layout.tp) if common else layout.tp
    part = replace(layout, tp=tp, ep=1, pp=min(layout.pp, model.n_layers))
    return replace(part, ep=_divisor_below(part.stage_chips, min(layout.ep, max(_experts(model), 1))))


def domains_of(chips: int, domain_size: int) -> int:
    """Scale-up domains that hold so many chips [1], the last one perhaps in part.

    >>> domains_of(72, 8), domains_of(72, 72), domains_of(73, 72)
    (9, 1, 2)
    """
    whole("chips", chips)
    return math.ceil(chips / int(whole("domain_size", domain_size)))


def _divisor_below(number: int, most: int) -> int:
    return max(d for d in range(1, min(number, most) + 1) if number % d == 0)


def _offenders(degree: Any, bad: Any) -> list[int]:
    """Degrees that are bad, as plain numbers."""
    values, marks = np.broadcast_arrays(degree, bad)
    return [int(v) for v in values[marks]]


def _near_divisor(number: int, most: int, wanted: int) -> str:
    divisors = (d for d in range(1, min(number, most) + 1) if number % d == 0)
    return str(min(divisors, key=lambda d: abs(d - wanted)))
