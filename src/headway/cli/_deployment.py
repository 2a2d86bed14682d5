"""What the commands about deployments share: their options, and how a plan becomes a row."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._params import (
    CONFIG,
    FRACTION,
    PRECISION,
    TIME,
    TOKENS,
    Converted,
    integer,
    model_names,
    named_model,
    quantity,
    system_names,
)
from headway.cli._report import Cell, Column, Table
from headway.serving.document import layout_name

if TYPE_CHECKING:
    from headway.evidence.stack_file import StackCalibration
    from headway.facts.hardware import System
    from headway.facts.model import Model
    from headway.facts.precision import Precision
    from headway.serving.plan import Plan, PlanResult
    from headway.serving.workload import Prices, Workload


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a deployment as given on the command line, in SI units.

    Parameters
    ----------
    model : str or None
        Name in the catalog; None where a config is given.
    config : str or None
        Path of a ``config.json``.
    on : tuple of str
        Names of systems.
    hardware : str or None
        Path of a TOML file with the user's own systems.
    isl, osl, cache_hit, ttft, tpot, draft, acceptance
        Of :class:`headway.serving.workload.Workload`.
    weights, kv : str or None
        Formats of weights and cache; None for the model's own.
    gpus : int or None
        Chips that may be used; None for one unit of the system.
    price, tariff, power_price
        Rent given, name of a tariff, price of electricity.
    calibration : str or None
        Path of a TOML file with constants of the user's own stack.
    """

    model: str | None
    config: str | None
    on: tuple[str, ...]
    hardware: str | None
    isl: float
    osl: float
    cache_hit: float
    ttft: float
    tpot: float
    draft: int
    acceptance: float | None
    weights: str | None
    kv: str | None
    gpus: int | None
    price: float | None
    tariff: str | None
    power_price: float
    calibration: str | None


def _names(text: str, _field: str) -> tuple[str, ...]:
    return tuple(piece.strip() for piece in text.split(",") if piece.strip())


SYSTEMS: Final = Converted("system,...", _names, system_names)

_WHAT: Final = (
    click.argument(
        "model", required=False, metavar="[MODEL]", type=Converted("model", lambda text, _: text, model_names)
    ),
    click.option("--config", type=CONFIG, help="A published config.json instead of MODEL; nothing is downloaded."),
    click.option("--on", type=SYSTEMS, multiple=True, required=True, help="Systems, separated by commas or repeated."),
    click.option("--hardware", type=CONFIG, help="A TOML file with systems of your own, named by --on."),
)
_WORKLOAD: Final = (
    click.option("--isl", type=TOKENS, default="4k", show_default=True, help="Input tokens of a request."),
    click.option("--osl", type=TOKENS, default="1k", show_default=True, help="Output tokens of a request."),
    click.option("--cache-hit", type=FRACTION, default="0", help="Share of the input found in a prefix cache."),
    click.option("--ttft", type=TIME, help="Limit on the mean time to first token; on each one where simulated."),
    click.option("--tpot", type=TIME, help="Limit on the mean time per output token; on each request where simulated."),
    click.option("--draft", type=integer(0, 64), default="0", help="Tokens drafted per pass by an MTP module."),
    click.option("--acceptance", type=quantity("count", "tokens"), help="Mean tokens kept per pass, 1 to 1 + draft."),
    click.option("--gpus", type=integer(1, 1_000_000), help="Chips that may be used; one node or rack by default."),
)
_REST: Final = (
    click.option("--weights", type=PRECISION, help="Format of the linear layers; the model's own by default."),
    click.option("--kv", type=PRECISION, help="Format of the KV cache; the model's own by default."),
    click.option("--price", type=quantity("dollars_per_gpu_hour", "price"), help="Rent, as '$2.10/GPU-h'."),
    click.option("--tariff", help="A tariff of the system by name; 'headway system' lists them."),
    click.option("--power-price", type=quantity("dollars_per_kwh", "price"), default="$0/kWh", help="As '$0.08/kWh'."),
    click.option("--calibration", type=CONFIG, help="Constants of your own stack, from 'headway calibrate'."),
)


def deployment_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a deployment; the function gets them as its first argument, an :class:`Asked`."""
    return _gathered(function, (*_WHAT, *_WORKLOAD, *_REST))


def pass_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of one pass: those of a deployment, without a workload and its limits."""
    return _gathered(function, (*_WHAT, *_REST))


def _gathered(function: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    names = tuple(entry.name for entry in fields(Asked))

    @functools.wraps(function)
    def gather(**given: Any) -> Any:
        own = {name: given.pop(name, None) for name in names}
        for limit in ("ttft", "tpot"):
            own[limit] = math.inf if own[limit] is None else own[limit]
        own["on"] = tuple(name for several in own["on"] for name in several)
        _check_draft(own["draft"] or 0, own["acceptance"])
        return function(Asked(**own), **given)

    found: Callable[..., Any] = gather
    for option in reversed(options):
        found = option(found)
    return found


def _check_draft(draft: int, acceptance: float | None) -> None:
    """Refuse a draft of which nobody says how much is kept: it would only cost."""
    if draft and acceptance is None:
        from headway.facts.errors import InputError

        expected = f"--acceptance beside --draft {draft}: mean tokens kept per pass, from 1 to {1 + draft}"
        raise InputError("--acceptance", "nothing", expected)


def read_model(asked: Asked) -> Model:
    """The model asked for, from the catalog or from a config.

    Raises
    ------
    InputError
        If there is none, or both.
    """
    from headway.facts.errors import ConfigError, InputError
    from headway.facts.model import Model

    if (asked.model is None) != (asked.config is None):
        name = asked.config or asked.model or ""
        try:
            return named_model(name) if asked.config is None else Model.from_config(name)
        except ConfigError:
            if asked.weights is None:
                raise
            # Formats that are not understood do not matter where others are asked for.
            return Model.from_config(name, formats=False)
    both = "both MODEL and --config" if asked.model else "neither MODEL nor --config"
    raise InputError("MODEL", both, "a name of the catalog ('headway models') or --config with a config.json")


def read_systems(asked: Asked) -> tuple[System, ...]:
    """The systems asked for, from the user's own file first.

    Raises
    ------
    UnknownNameError
        If a name is in neither; the message gives the nearest.
    """
    return tuple(read_system(asked.hardware, name) for name in asked.on)


def read_system(hardware: str | None, name: str) -> System:
    """One system by name, from the user's own file first where there is one."""
    from headway.facts.systems import own_system, system

    return system(name) if hardware is None else own_system(hardware, name)


def read_precision(model: Model, weights: str | None, kv: str | None) -> Precision:
    """Formats asked for, the model's own where not given."""
    from headway.facts.precision import Precision

    if weights is not None:
        return Precision.uniform(weights, kv or model.precision.kv)
    return replace(model.precision, kv=kv) if kv is not None else model.precision


def read_workload(asked: Asked) -> Workload:
    """The workload asked for."""
    from headway.facts.check import whole
    from headway.serving.workload import Workload

    return Workload(
        isl=int(whole("--isl", asked.isl)),
        osl=int(whole("--osl", asked.osl)),
        cache_hit=asked.cache_hit,
        ttft=asked.ttft,
        tpot=asked.tpot,
        draft=asked.draft,
        acceptance=1.0 if asked.acceptance is None else asked.acceptance,
    )


def read_prices(asked: Asked, system: System) -> Prices:
    """Rent given, else a tariff of the system."""
    from headway.facts.errors import InputError
    from headway.serving.plan import default_prices
    from headway.serving.workload import Prices

    if asked.price is not None:
        if asked.tariff is not None:
            raise InputError("--tariff", asked.tariff, "either --price or --tariff")
        return Prices(asked.price, asked.power_price, "given")
    return default_prices(system, asked.tariff, asked.power_price)


def read_calibration(asked: Asked) -> StackCalibration | None:
    """The stack's own constants, where a file was given."""
    from headway.evidence.stack_file import load_calibration

    return None if asked.calibration is None else load_calibration(asked.calibration)


def search(asked: Asked) -> tuple[Model, tuple[System, ...], tuple[PlanResult, ...]]:
    """Plan on every system asked for."""
    from headway.serving.plan import plan

    model, workload = read_model(asked), read_workload(asked)
    precision = read_precision(model, asked.weights, asked.kv)
    systems, own = read_systems(asked), read_calibration(asked)
    served = workload if own is None else own.workload(workload)
    found = tuple(
        plan(
            model,
            s,
            served,
            prices=read_prices(asked, s),
            precision=precision,
            efficiency=None if own is None else own.efficiency(s),
            chips=asked.gpus,
        )
        for s in systems
    )
    return model, systems, found if own is None else tuple(own.result(one, workload) for one in found)


def context_notes(model: Model, tokens: float) -> tuple[str, ...]:
    """A note where requests of so many tokens are longer than the model was made for."""
    from headway.serving.workload import beyond_context

    found = beyond_context(model, tokens)
    return (found,) if found else ()


PLAN_COLUMNS: Final = (
    Column("system", "system", align="left", priority=5),
    Column("layout", "layout", align="left", fold=True),
    Column("chips", "GPUs"),
    Column("batch", "batch", "count", priority=3),
    Column("tokens_per_second_per_user", "tok/s\nuser"),
    Column("tokens_per_second_per_chip", "tok/s\nGPU", "count"),
    Column("ttft_s", "TTFT", "seconds", priority=1),
    Column("tpot_s", "TPOT", "seconds"),
    Column("usd_per_mtok", "$/Mtok", "dollars"),
    Column("usd_per_mtok_input", "input", "dollars", priority=4),
    Column("usd_per_mtok_cached", "cached", "dollars", priority=6),
    Column("usd_per_mtok_output", "output", "dollars", priority=4),
    Column("joules_per_token", "J/tok", "joules", priority=7),
    Column("memory_bytes", "memory\nGPU", "bytes", priority=8),
    Column("binding", "binds", align="left", priority=2),
)


def plan_row(plan: Plan) -> tuple[Cell, ...]:
    """One plan under :data:`PLAN_COLUMNS`."""
    return (
        plan.system,
        layout_name(plan),
        plan.chips,
        plan.batch,
        plan.tokens_per_second_per_user,
        plan.tokens_per_second_per_chip,
        plan.ttft_s,
        plan.tpot_s,
        plan.usd_per_mtok,
        plan.usd_per_mtok_input,
        None if math.isnan(plan.usd_per_mtok_cached) else plan.usd_per_mtok_cached,
        plan.usd_per_mtok_output,
        None if math.isnan(plan.joules_per_token) else plan.joules_per_token,
        float(plan.memory.total),
        plan.binding,
    )


def plan_table(plans: Sequence[Plan], key: str = "plans", title: str = "") -> Table:
    """Plans as a table."""
    return Table(key, PLAN_COLUMNS, tuple(plan_row(p) for p in plans), title)
