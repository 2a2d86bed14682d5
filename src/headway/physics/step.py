"""The three steps: decode, prefill, train. Model x system x layout x batch x context -> seconds.

Everything above, from a plan to the price of a sentence, calls these. Two fidelities: ``"blackboard"`` is the
max of totals (:mod:`headway.physics.blackboard`), ``"kernel"`` the sum over operators
(:mod:`headway.physics.kernel`). All numeric arguments broadcast; a sweep is one call with arrays on different axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import not_negative, positive, whole
from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.errors import RangeError, unknown
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.facts.sources import Source
from headway.physics.blackboard import Profile, decode_terms, prefill_terms
from headway.physics.kernel import Machine, Operator, Work, forward
from headway.physics.layout import Layout, check_layout
from headway.physics.terms import Terms

Fidelity = Literal["blackboard", "kernel"]


@dataclass(frozen=True, slots=True)
class Step:
    """One pass of a replica: how long it takes and what makes it so.

    Parameters
    ----------
    seconds : float or array
        Time of one pass [s].
    tokens : float or array
        Tokens that one pass advances, all micro-batches in flight [1].
    tpot : float or array
        Time per output token of one sequence [s]; for a prefill the time to the first token.
    chips : int or array
        Chips of the replica [1].
    operators : tuple of Operator
        What the time is made of; empty in the blackboard fidelity.
    terms : Terms or None
        The closed form; None in the kernel fidelity.
    limit : array of str or None
        The resource that sets most of the time; None where the operators tell.
    assumptions : tuple of str
    sources : tuple of Source
    """

    seconds: Any
    tokens: Any
    tpot: Any
    chips: Any
    operators: tuple[Operator, ...]
    terms: Terms | None
    limit: Any
    assumptions: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def binding(self) -> Any:
        """The resource that sets most of the time, element by element."""
        # Looked for when asked: most passes of a search are never asked.
        return where_time_goes(self.operators) if self.limit is None else self.limit

    @property
    def tokens_per_second(self) -> Any:
        """Tokens per second of the replica [token/s]."""
        return self.tokens / self.seconds

    @property
    def tokens_per_second_per_chip(self) -> Any:
        """Tokens per second and chip [token/s]."""
        return self.tokens_per_second / self.chips

    def breakdown(self) -> dict[str, Any]:
        """Seconds by operator name, in the order of the pass [s]; they sum to one pass without overlap."""
        found: dict[str, Any] = {}
        for op in self.operators:
            found[op.name] = found.get(op.name, 0.0) + op.seconds
        return found


def where_time_goes(operators: tuple[Operator, ...]) -> Any:
    """Where most of the time goes: compute, memory, communication or latency, element by element.

    >>> none = np.zeros(())
    >>> wire = Operator("all-reduce", "collective", none, none, none, 4e-6)
    >>> str(where_time_goes((Operator("head", "device", 1e-6, 5e-6, 2e-6, 7e-6), wire)))
    'memory'
    """
    sums: dict[str, Any] = {"compute": 0.0, "memory": 0.0, "communication": 0.0, "latency": 0.0}
    for op in operators:
        if op.kind == "collective":
            sums["communication"] = sums["communication"] + op.seconds
        elif op.kind == "overhead":
            sums["latency"] = sums["latency"] + op.seconds
        else:
            by_compute = op.compute >= op.memory
            sums["compute"] = sums["compute"] + np.where(by_compute, op.compute, 0.0)
            sums["memory"] = sums["memory"] + np.where(by_compute, 0.0, op.memory)
            sums["latency"] = sums["latency"] + op.floor
    stacked = np.stack(np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in sums.values())))
    return np.asarray(list(sums), dtype=str)[np.argmax(stacked, axis=0)]


def pass_seconds(operators: tuple[Operator, ...], micro_batches: Any, overhead: Any) -> Any:
    """Seconds of a pass: device and collectives add up, or overlap between two half batches.

    >>> none = np.zeros(())
    >>> ops = (
    ...     Operator("head", "device", 3.0, 1.0, 0.0, 3.0),
    ...     Operator("all-reduce", "collective", none, none, none, 2.0),
    ... )
    >>> [float(pass_seconds(ops, micro_batches, 0.5)) for micro_batches in (1, 2)]
    [5.5, 6.5]
    """
    device: Any = sum((op.seconds for op in operators if op.kind == "device"), start=np.zeros(()))
    wires: Any = sum((op.seconds for op in operators if op.kind == "collective"), start=np.zeros(()))
    two = np.asarray(micro_batches) == 2
    one_pass = device + wires
    return (np.where(two, 2.0 * np.maximum(device, wires), one_pass) if np.any(two) else one_pass) + overhead


def _scalar(value: Any) -> Any:
    return value if np.ndim(value) else float(value)


def _fidelity(name: str) -> None:
    if name not in ("blackboard", "kernel"):
        raise unknown("fidelity", name, ("blackboard", "kernel"))


def decode_step(
    model: Model,
    system: System,
    layout: Layout | None = None,
    batch: ArrayLike = 1,
    context: ArrayLike = 0,
    *,
    fidelity: Fidelity = "kernel",
    profile: Profile = "datasheet",
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
    draft: ArrayLike = 0,
    acceptance: ArrayLike = 1.0,
) -> Step:
    """One decode pass of `batch` sequences, each with `context` tokens in its cache.

    Parameters
    ----------
    model, system : Model, System
    layout : Layout, optional
        One chip where not given; its fields may be arrays.
    batch : float or array
        Sequences in one forward pass of the replica [1]; a pipeline has `pp` such batches in flight.
    context : float or array
        Tokens in the cache of each [token].
    fidelity, profile
        See DESIGN: closed form or sum over operators; sourced inputs or the lecture's reading.
    precision : Precision, optional
        Formats; the model's own where not given.
    efficiency : Efficiency, optional
        Kernel fidelity only; published constants of the chip where not given.
    draft : int or array
        Tokens proposed beyond the next one by a multi-token-prediction module and verified together [1].
    acceptance : float or array
        Mean tokens kept per pass, from 1 to ``1 + draft`` [token].

    Returns
    -------
    Step
        With the broadcast shape of layout, batch, context, draft and acceptance.

    Raises
    ------
    RangeError, LayoutError, UnknownNameError
        If a value is out of range, a layout does not divide, or a name is unknown.

    Notes
    -----
    Speed from speculation is ``E[accepted] / (1 + c)`` with `c` the relative cost of drafting and of verifying
    more tokens at once (claim D17); here `c` comes out of the pass itself.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> step = decode_step(model("deepseek-v3"), system("gb200-nvl72"), Layout(dp=72, ep=72), [72, 720], 4096)
    >>> step.chips, step.tokens.tolist(), bool(step.tpot[0] < step.tpot[1])
    (72, [72.0, 720.0], True)
    """
    _fidelity(fidelity)
    positive("batch", batch)
    not_negative("context", context, "token")
    whole("draft", draft, least=0, most=64)
    layout = check_layout(model, layout or Layout())
    kept = np.asarray(positive("acceptance", acceptance), dtype=float)
    wrong = (kept < 1) | (kept > 1 + np.asarray(draft))
    if np.any(wrong):
        shown = float(np.broadcast_to(kept, wrong.shape)[wrong][0])
        raise RangeError("acceptance", shown, "a mean of tokens kept per pass, from 1 to 1 + draft")
    b, c, q = np.asarray(batch, dtype=float), np.asarray(context, dtype=float), 1.0 + np.asarray(draft, dtype=float)
    advanced = b * np.asarray(layout.pp) * kept
    if fidelity == "blackboard":
        terms = decode_terms(model, system, layout, precision=precision, profile=profile)
        seconds = terms.seconds(b, c, q)
        binding = terms.binding(b, c, q)
        return Step(
            seconds, advanced, seconds / kept, layout.chips, (), terms, binding, terms.assumptions, model.sources
        )
    machine = Machine(system, efficiency or efficiency_of(system))
    halves = np.asarray(layout.micro_batches, dtype=float)
    rank = np.ceil(b / (layout.dp * halves))
    work = Work(sequences=rank, context=c, queries=q, tokens=b * q / halves)
    operators = forward(model, machine, layout, work, precision or model.precision)
    operators += _drafting(model, operators, draft)
    seconds = _scalar(pass_seconds(operators, layout.micro_batches, _host(machine, b, layout)))
    return Step(
        seconds,
        advanced,
        _scalar(seconds / kept),
        layout.chips,
        operators,
        None,
        None,
        ("uniform routing of experts", "collectives do not overlap with compute unless two micro-batches do"),
        model.sources + machine.efficiency.sources,
    )


def _host(machine: Machine, batch: Any, layout: Layout) -> Any:
    """Host time of a pass that no kernel hides: a fixed part, and one for each sequence of a data rank [s]."""
    eff = machine.efficiency
    return eff.step_overhead + (eff.sequence_overhead * batch / layout.dp if eff.sequence_overhead else 0.0)


def _drafting(model: Model, operators: tuple[Operator, ...], draft: ArrayLike) -> tuple[Operator, ...]:
    """A prediction module is one more layer and head per drafted token, on fewer rows than the verification."""
    if not np.any(np.asarray(draft)):
        return ()
    layers = sum((op.seconds for op in operators if op.name not in ("head", "pipeline hops")), start=np.zeros(()))
    head = sum((op.seconds for op in operators if op.name == "head"), start=np.zeros(()))
    cost = np.asarray(draft, dtype=float) * (layers / model.n_layers + head)
    zero = np.zeros(())
    return (Operator("drafting", "device", zero, cost, zero, cost),)


def prefill_step(
    model: Model,
    system: System,
    layout: Layout | None = None,
    batch: ArrayLike = 1,
    tokens: ArrayLike = 1,
    cached: ArrayLike = 0,
    *,
    fidelity: Fidelity = "kernel",
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> Step:
    """One prefill pass: `tokens` new tokens for each of `batch` prompts, after `cached` ones.

    A chunked prefill is several of these with growing `cached`; a prefix-cache hit is one with a shorter
    `tokens` (claim D14). Shapes broadcast as in :func:`decode_step`; `Step.tpot` is the time to the first token.

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama, box = model("llama-3.1-70b"), system("hgx-h200")
    >>> entire, rest = (prefill_step(llama, box, Layout(tp=8), 1, new, 8192 - new) for new in (8192, 1024))
    >>> bool(rest.seconds < entire.seconds)
    True
    """
    _fidelity(fidelity)
    positive("batch", batch)
    positive("tokens", tokens, "token")
    not_negative("cached", cached, "token")
    layout = check_layout(model, layout or Layout())
    b, n, c = (np.asarray(v, dtype=float) for v in (batch, tokens, cached))
    advanced = b * n * np.asarray(layout.pp)
    if fidelity == "blackboard":
        terms = prefill_terms(model, system, layout, precision=precision)
        seconds = terms.seconds(b, c, n)
        return Step(
            seconds,
            advanced,
            seconds,
            layout.chips,
            (),
            terms,
            terms.binding(b, c, n),
            terms.assumptions,
            model.sources,
        )
    machine = Machine(system, efficiency or efficiency_of(system))
    halves = np.asarray(layout.micro_batches, dtype=float)
    rank = np.maximum(b / (layout.dp * halves), 1.0)
    work = Work(prompts=rank, new=n, cached=c, tokens=b * n / halves)
    operators = forward(model, machine, layout, work, precision or model.precision)
    seconds = _scalar(pass_seconds(operators, layout.micro_batches, machine.efficiency.step_overhead))
    return Step(
        seconds,
        advanced,
        seconds,
        layout.chips,
        operators,
        None,
        None,
        ("uniform routing of experts", "collectives do not overlap with compute unless two micro-batches do"),
        model.sources + machine.efficiency.sources,
    )


def mixed_step(
    model: Model,
    system: System,
    layout: Layout | None = None,
    batch: ArrayLike = 1,
    context: ArrayLike = 0,
    prompts: ArrayLike = 0,
    new: ArrayLike = 0,
    cached: ArrayLike = 0,
    *,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
    draft: ArrayLike = 0,
) -> Step:
    """A decode pass that also carries `new` tokens of `prompts` prompts on each data rank, kernel fidelity.

    Chunked prefill (Sarathi-Serve, arXiv 2403.02310): matrix products share their weights, attention is
    done apart for both. `Step.tokens` counts the decoded ones; `Step.tpot` is the time of the pass.

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> where = model("llama-3.1-70b"), system("hgx-h200"), Layout(tp=8)
    >>> alone, loaded = decode_step(*where, 64, 4096), mixed_step(*where, 64, 4096, prompts=1, new=512)
    >>> bool(alone.seconds < loaded.seconds)
    True
    """
    whole("draft", draft, least=0, most=64)
    layout = check_layout(model, layout or Layout())
    positive("batch", batch)
    not_negative("context", context, "token")
    not_negative("prompts", prompts)
    not_negative("new", new, "token")
    not_negative("cached", cached, "token")
    b, c, k, n, p = (np.asarray(v, dtype=float) for v in (batch, context, prompts, new, cached))
    q = 1.0 + np.asarray(draft, dtype=float)
    machine = Machine(system, efficiency or efficiency_of(system))
    halves = np.asarray(layout.micro_batches, dtype=float)
    work = Work(
        sequences=np.ceil(b / (layout.dp * halves)),
        context=c,
        queries=q,
        prompts=k / halves,
        new=n,
        cached=p,
        tokens=(b * q + k * n * layout.dp) / halves,
    )
    operators = forward(model, machine, layout, work, precision or model.precision)
    operators += _drafting(model, operators, draft)
    seconds = _scalar(pass_seconds(operators, layout.micro_batches, _host(machine, b, layout)))
    return Step(
        seconds,
        b * np.asarray(layout.pp),
        seconds,
        layout.chips,
        operators,
        None,
        None,
        ("prompts are spread evenly over the data ranks",),
        model.sources + machine.efficiency.sources,
    )
