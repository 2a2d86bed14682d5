"""What the lecture reads off a sheet, each with its assumptions and a check on models whose truth is known.

Each function returns a :class:`ClosedForm` with the figure, what must hold for it to mean anything, and the same
equation turned on open models: where it misses them, it says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from headway.facts.check import positive, whole
from headway.facts.layers import SoftmaxAttention
from headway.facts.models import model
from headway.physics import balance, cache_prices, contexts, fleet, hold, modes
from headway.physics.attention import cache_shape, kv_bytes_per_token
from headway.pricing.sheets import Sheet

#: Open models that the readings are held against.
KNOWN: Final = ("deepseek-v3", "llama-3.1-70b", "qwen3-235b-a22b", "glm-4.5")
#: Figures of the blackboard: multiply-adds per weight byte, active parameters, mean context [1], [1], [token].
BOARD_BALANCE, BOARD_ACTIVE, BOARD_CONTEXT = 300.0, 100e9, 20e3
_AGREES: Final = 3.0
#: An H100 at $2/h [$/h], [B].
RENT, HBM = 2.0, 80e9
_SHORT, _LONG = 300.0, 3600.0


@dataclass(frozen=True, slots=True)
class Check:
    """The equation on a model whose truth is known.

    Parameters
    ----------
    model : str
    said, true : float
        What the equation gives and what the model has, in the unit of the reading.
    """

    model: str
    said: float
    true: float

    @property
    def ratio(self) -> float:
        """What is said over what is true [1]."""
        return float(fleet.relative_to(self.said, self.true))


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """One reading of a sheet.

    Parameters
    ----------
    name : str
    value : float or None
        None where the sheet lacks what it needs.
    dimension : str
        Of the value: ``bytes``, ``seconds``, ``dollars_per_mtok_hour`` or ``count``.
    equation : str
    assumptions : tuple of str
    checks : tuple of Check
    """

    name: str
    value: float | None
    dimension: str
    equation: str
    assumptions: tuple[str, ...]
    checks: tuple[Check, ...] = ()

    @property
    def contradicted(self) -> bool:
        """Whether the equation misses most known models by more than a factor of 3."""
        wrong = [c for c in self.checks if not 1.0 / _AGREES <= c.ratio <= _AGREES]
        return len(wrong) > len(self.checks) / 2.0


def _against(said: Callable[[float], float]) -> tuple[Check, ...]:
    """KV bytes that an equation gives for each known model's active parameters, beside what it stores in BF16."""
    found = ((name, model(name)) for name in KNOWN)
    return tuple(Check(n, said(float(m.active_params)), float(kv_bytes_per_token(m, "bf16"))) for n, m in found)


def balance_kv(
    step: float | None, *, active_params: float = BOARD_ACTIVE, machine_balance: float = BOARD_BALANCE
) -> ClosedForm:
    """KV bytes per token from the prompt length at which a price steps up: ``k = N_a / (R L)``.

    Parameters
    ----------
    step : float or None
        ``L`` [token]; None where the sheet is flat.
    active_params, machine_balance : float
        ``N_a`` and ``R`` [1].

    Examples
    --------
    >>> round(balance_kv(200e3).value), balance_kv(200e3).contradicted
    (1667, True)
    """

    def at(active: float) -> float:
        return float(contexts.kv_bytes_at_kink(active, machine_balance, step or BOARD_CONTEXT))

    assumptions = (
        "the step stands where cache reads equal compute, not where a competitor's does",
        f"{active_params / 1e9:g}B active parameters, {machine_balance:g} multiply-adds per weight byte",
        "one-byte weights and a price that follows cost",
    )
    value = None if step is None else at(active_params)
    checks = () if step is None else _against(at)
    return ClosedForm("balance KV bytes a token", value, "bytes", "k = N_a / (R L)", assumptions, checks)


def ratio_kv(
    ratio: float,
    *,
    active_params: float = BOARD_ACTIVE,
    machine_balance: float = BOARD_BALANCE,
    context: float = BOARD_CONTEXT,
    batch_over_balance: float = 2.0,
) -> ClosedForm:
    """KV bytes per token from output over input price: ``k = (ratio - B*/B) N_a / (R L)``.

    Examples
    --------
    >>> ratio_kv(5.0).value
    75000.0
    """

    def at(active: float) -> float:
        return float(contexts.kv_bytes_from_price_ratio(ratio, machine_balance, active, context, batch_over_balance))

    assumptions = (
        "the ratio of prices is the ratio of costs, and prompts run compute-bound",
        f"mean context {context / 1e3:g}k tokens, batch {batch_over_balance:g} times the balance batch",
        f"{active_params / 1e9:g}B active parameters, {machine_balance:g} multiply-adds per weight byte",
    )
    equation = "k = (ratio - B*/B) N_a / (R L)"
    return ClosedForm(
        "KV bytes from output over input", at(active_params), "bytes", equation, assumptions, _against(at)
    )


def rented_kv(
    usd_per_mtok: float, seconds: float, *, usd_per_chip_hour: float = RENT, hbm_bytes: float = HBM
) -> ClosedForm:
    """KV bytes per token that a price of keeping would pay for, were it the rent of HBM: ``k = p / (T u)``.

    Parameters
    ----------
    usd_per_mtok : float
        Price of keeping [$/Mtok].
    seconds : float
        For how long [s].
    usd_per_chip_hour, hbm_bytes : float
        Rent and memory of the chip [$/h], [B].

    Examples
    --------
    >>> round(rented_kv(4.50, 3600.0, usd_per_chip_hour=2.0, hbm_bytes=186e9).value)
    418500
    """
    value = float(cache_prices.implied_bytes_per_token(usd_per_mtok, seconds, usd_per_chip_hour, hbm_bytes))
    assumptions = (
        f"rent of HBM at ${usd_per_chip_hour:g}/h for {hbm_bytes / 1e9:g} GB, without margin",
        f"held for {seconds:g} s and once",
    )
    checks = tuple(Check(name, value, float(kv_bytes_per_token(model(name), "bf16"))) for name in KNOWN)
    name = f"KV bytes of HBM rent, {_life(seconds)}"
    return ClosedForm(name, value, "bytes", "k = p / (T u)", assumptions, checks)


def _life(seconds: float) -> str:
    return f"{seconds / 60:g} min"


def shape_kv(kv_heads: int, head_dim: int, *, sets: int = 1, element_bytes: float = 1.0) -> ClosedForm:
    """KV bytes per token of an attention shape, to hold a reading against: ``k = 2 d H s w``.

    Parameters
    ----------
    kv_heads, head_dim : int
        ``H`` and ``d`` [1].
    sets : int
        Caches that are kept, ``s``: one that all layers share, or as many as layers [1].
    element_bytes : float
        ``w`` [B].

    Examples
    --------
    >>> shape_kv(8, 128).value, shape_kv(8, 128).contradicted
    (2048.0, True)
    >>> shape_kv(8, 128, sets=80, element_bytes=2).value
    327680.0
    """
    for field, count in (("kv_heads", kv_heads), ("head_dim", head_dim), ("sets", sets)):
        whole(field, count)
    shape = cache_shape(SoftmaxAttention(kv_heads, kv_heads, head_dim), sets, "fp8")
    value = float(shape.stored(1.0)) * float(positive("element_bytes", element_bytes, "B"))
    kept = "one cache that all layers share" if sets == 1 else f"{sets} caches, one a layer"
    assumptions = (f"dense attention with {kv_heads} KV heads of {head_dim}", f"{kept}, {element_bytes:g} B an element")
    checks = tuple(Check(name, value, float(kv_bytes_per_token(model(name), "bf16"))) for name in KNOWN)
    return ClosedForm("KV bytes of a shape", value, "bytes", "k = 2 d H s w", assumptions, checks)


def compute_bound_prompt(
    machine_balance: float,
    total_params: float,
    active_params: float,
    *,
    sequences: int = 1,
    prefix: float = 0.0,
    kv_bytes: float = 0.0,
) -> ClosedForm:
    """New prompt tokens of a pass from which input costs compute and not memory: ``n B = B* + B L/L*``.

    ``B* = R N/N_a`` and ``L* = N_a/(R k)``. A price of input that follows cost rests on it, as :func:`ratio_kv` does.

    Parameters
    ----------
    machine_balance : float
        ``R`` [1].
    total_params, active_params : float
        ``N`` and ``N_a`` [1].
    sequences : int
        Prompts of a pass, ``B`` [1].
    prefix : float
        Tokens of each that are cached, ``L`` [token].
    kv_bytes : float
        Of a token in the cache, ``k``, over the bytes of a weight [B].

    Examples
    --------
    >>> round(compute_bound_prompt(300, 671e9, 37e9).value)
    5441
    >>> round(compute_bound_prompt(300, 671e9, 37e9, sequences=64, prefix=200e3, kv_bytes=35136).value)
    9087
    """
    batch = balance.balance_batch(machine_balance, total_params, active_params)
    held = balance.balance_context(machine_balance, active_params, kv_bytes) if kv_bytes and prefix else 1.0
    value = float(contexts.balance_prefill_tokens(sequences, batch, prefix if kv_bytes else 0.0, held))
    assumptions = (
        f"{sequences} prompt{'s' if sequences > 1 else ''} a pass, {prefix:,.0f} tokens of each cached",
        "shorter prompts share a pass; one that runs alone waits for the weights",
    )
    return ClosedForm("compute-bound prompt", value, "count", "n B = B* + B L/L*", assumptions)


def tier_life(capacity: float, bandwidth: float) -> ClosedForm:
    """Time for which a tier holds what it reads: ``T = C / BW``, the converse of :func:`drain_tier`.

    Parameters
    ----------
    capacity, bandwidth : float
        ``C`` [B] and ``BW`` [B/s].

    Examples
    --------
    >>> round(tier_life(1.5e12, 12 * 51.2e9).value, 2)
    2.44
    """
    value = float(balance.drain_time(capacity, bandwidth))
    assumptions = ("a tier is read once from end to end in the life sold",)
    return ClosedForm(f"life of {capacity / 1e9:g} GB", value, "seconds", "T = C / BW", assumptions)


def hold_price(write: float, base: float, seconds: float) -> ClosedForm:
    """Premium of a cache write per hour of its life, and the KV bytes that HBM rent would make of it.

    Examples
    --------
    >>> hold_price(6.25, 5.0, 300.0).value
    15.0
    """
    value = float(cache_prices.premium_per_token_hour(write, base, seconds))
    rented = rented_kv(max(write - base, 0.0), seconds)
    assumptions = (
        f"held for {seconds:g} s and once; a hit that renews the life makes the hold longer",
        f"checks: KV bytes that {rented.assumptions[0]} would pay for",
    )
    name = f"hold price, {_life(seconds)}"
    return ClosedForm(name, value, "dollars_per_mtok_hour", "(write - input) / T", assumptions, rented.checks)


def drain_tier(seconds: float, bandwidth: float) -> ClosedForm:
    """Capacity of the device whose drain time is the life of a cache write: ``C = T BW``.

    Examples
    --------
    >>> drain_tier(3600.0, 285e6).value
    1026000000000.0
    """
    value = float(balance.capacity_for_drain_time(seconds, bandwidth))
    assumptions = (
        "a tier is the device whose capacity over bandwidth is the life sold",
        f"a device that reads {bandwidth / 1e9:g} GB/s; disks and flash of today are 5 to 24 times larger",
    )
    return ClosedForm(f"device for {_life(seconds)}", value, "bytes", "C = T BW", assumptions)


def fast_inversion(price_multiple: float, speed_multiple: float) -> ClosedForm:
    """Batch ratio that a fast mode's price and speed imply: ``f = p s``.

    Examples
    --------
    >>> fast_inversion(6.0, 2.5).value, fast_inversion(2.0, 2.5).value
    (15.0, 5.0)
    """
    found = modes.fast_mode(price_multiple, speed_multiple)
    assumptions = (
        "one price follows one cost; a speed that is advertised is a speed that is had",
        "the same speed was sold at 6x in July and at 2x in November 2026: a margin moved, not a model",
    )
    value = float(found.batch_ratio) if found.feasible else None
    return ClosedForm("standard batch over fast batch", value, "count", "f = p s", assumptions)


def keep_or_recompute(
    active_params: float, kv_bytes: float, drain_time: float, *, machine_balance: float = BOARD_BALANCE
) -> float:
    """Time for which holding a cache in HBM costs what computing it again does [s]: ``T = L* t_drain``.

    >>> round(keep_or_recompute(37e9, 35136, 23.25e-3))
    82
    """
    context = balance.balance_context(machine_balance, active_params, kv_bytes)
    return float(hold.hold_break_even_time(context, drain_time))


def closed_forms(found: Sheet, *, speed: float | None = None) -> tuple[ClosedForm, ...]:
    """Every reading that a sheet allows.

    Parameters
    ----------
    found : Sheet
    speed : float, optional
        Speed of its fast mode over the standard one [1]; the one listed where not given. Without either, or without a
        fast mode, its batch is not read: a priority says nothing of a speed.

    Examples
    --------
    >>> from headway.pricing.sheets import sheet
    >>> [form.name for form in closed_forms(sheet("claude-opus-5"))][:2]
    ['balance KV bytes a token', 'KV bytes from output over input']
    """
    base, output = found.input_usd_per_mtok, found.output_usd_per_mtok
    forms = [balance_kv(found.steps[0] if found.steps else None)]
    if base > 0:
        forms.append(ratio_kv(float(fleet.relative_to(output, base))))
    for field, seconds, bandwidth in (("cache_write_5m", _SHORT, 7e9), ("cache_write_1h", _LONG, 285e6)):
        write = found.price(field)
        if write is not None:
            forms += [hold_price(write, base, seconds), drain_tier(seconds, bandwidth)]
    storage = found.price("storage")
    if storage is not None:
        forms.append(rented_kv(storage, _LONG))
    quick = found.price("output", mode="fast")
    faster = found.price("speed", mode="fast") if speed is None else speed
    if quick and output and faster:
        forms.append(fast_inversion(float(fleet.relative_to(quick, output)), faster))
    return tuple(forms)
