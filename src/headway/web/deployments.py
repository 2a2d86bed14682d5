"""Layouts from controls, and a plan from the fields of a request: what ``headway plan --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from headway.facts.errors import InputError, unknown
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.models import model
from headway.facts.plain import to_json
from headway.facts.systems import system
from headway.facts.units import format_quantity, parse
from headway.physics.attention import kv_bytes_per_token
from headway.physics.layout import Layout, domains_of, fitting_layout
from headway.serving.document import plans_document
from headway.serving.plan import PlanResult, default_prices, plan
from headway.serving.workload import Workload

MOST_SYSTEMS = 4

#: Fields of a request: dimension, default (in the unit of the dimension), what it is.
NUMBERS: tuple[tuple[str, str, float | None, str], ...] = (
    ("isl", "tokens", 4000.0, "input tokens of a request"),
    ("osl", "tokens", 1000.0, "output tokens of a request"),
    ("cache_hit", "fraction", 0.0, "share of the input found in a prefix cache"),
    ("ttft", "seconds", None, "limit on the mean time to first token; none where absent"),
    ("tpot", "seconds", None, "limit on the mean time per output token; none where absent"),
    ("gpus", "count", None, "chips that may be used; one node or rack where absent"),
)
FIELDS = ("model", "on", *(name for name, *_ in NUMBERS))


@lru_cache(maxsize=64)
def searched(
    name: str, where: str, isl: int, osl: int, cache_hit: float, ttft: float, tpot: float, chips: int | None
) -> PlanResult:
    """One search, remembered."""
    box = system(where)
    work = Workload(isl, osl, cache_hit, ttft=ttft, tpot=tpot)
    return plan(model(name), box, work, prices=default_prices(box), chips=chips)


def layout_of(what: Model, where: System, tp: float, dp: float, ep: float) -> tuple[Layout, tuple[str, ...]]:
    """The layout of three controls that the model can take.

    With it come notes: one where it is not the layout asked for, one where it is wider than a domain of the system.

    >>> from headway.facts.models import model
    >>> found, notes = layout_of(model("llama-3.1-70b"), system("hgx-h100"), 8, 2, 4)
    >>> found.label()
    'TP8 DP2'
    >>> for note in notes:
    ...     print(note)
    Shown for TP8 DP2: llama-3.1-70b cannot be split as TP8 DP2 EP4.
    16 chips are 2 domains of hgx-h100; what they exchange over the network is not counted.
    """
    asked = Layout(tp=int(tp), dp=int(dp), ep=int(ep))
    found = fitting_layout(what, asked)
    wide = wider_than_a_domain(where, int(found.chips))
    if found == asked:
        return found, wide
    return found, (f"Shown for {found.label()}: {what.name} cannot be split as {asked.label()}.", *wide)


def wider_than_a_domain(where: System, chips: int) -> tuple[str, ...]:
    """A note where chips that share everything are more than a scale-up domain of the system joins.

    >>> wider_than_a_domain(system("gb200-nvl72"), 72)
    ()
    >>> wider_than_a_domain(system("hgx-h100"), 72)
    ('72 chips are 9 domains of hgx-h100; what they exchange over the network is not counted.',)
    """
    if where.domain_size >= chips:
        return ()
    domains = domains_of(chips, where.domain_size)
    counted = f"{chips:,} chips are {domains:,} domains of {where.name}"
    return (f"{counted}; what they exchange over the network is not counted.",)


def too_many(seats: float, batch: float) -> tuple[str, ...]:
    """A note where memory holds fewer sequences than the pass is drawn for.

    >>> too_many(100.0, 100.0), too_many(0.0, 1.0)
    ((), ('Does not fit: memory holds not one sequence of this context beside the weights.',))
    >>> too_many(100.0, 2048.0)
    ('Does not fit: memory holds 100 sequences of this context, and the pass is drawn for 2,048.',)
    """
    if seats >= batch:
        return ()
    if seats < 1.0:
        return ("Does not fit: memory holds not one sequence of this context beside the weights.",)
    held = f"memory holds {seats:,.0f} sequences of this context"
    return (f"Does not fit: {held}, and the pass is drawn for {batch:,.0f}.",)


def cache_said(what: Model) -> tuple[str, ...]:
    """A note of the format in which a model's cache is counted: many claims of the lecture take another one.

    >>> from headway.facts.models import model
    >>> cache_said(model("deepseek-v3"))
    ('Cache in BF16, 70.3 kB a token of context; the claims of the lecture take FP8 where they say so.',)
    """
    size, format_ = kv_bytes_per_token(what), what.precision.kv
    if not size:
        return ()
    other = "" if format_ == "fp8" else "; the claims of the lecture take FP8 where they say so"
    return (f"Cache in {format_.upper()}, {format_quantity(size, 'bytes', 3)} a token of context{other}.",)


def _number(name: str, dimension: str, default: float | None, given: Any) -> float | None:
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        raise InputError(name, type(given).__name__, "a number in SI units, or text with a unit")
    if isinstance(given, str):
        return parse(given, dimension, name)
    found = float(given) if abs(given) < 1e300 else float("inf")
    if not 0 <= found < 1e15:
        raise InputError(name, given, "a number from 0 to 1e15")
    return found


def _text(name: str, given: Any) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= 200:
        raise InputError(name, type(given).__name__, "a name of the catalog")
    return given


def _whole(name: str, value: float) -> int:
    if value != int(value) or value < 1:
        raise InputError(name, value, "a whole number from 1")
    return int(value)


def read(given: Mapping[str, Any]) -> tuple[PlanResult, ...]:
    """Search what a request asks for.

    Raises
    ------
    InputError
        Naming the field that cannot be used.
    """
    for name in given:
        if name not in FIELDS:
            raise unknown(str(name)[:60], str(name), FIELDS)
    if "model" not in given:
        raise InputError("model", "nothing", "a name of the catalog")
    what = _text("model", given["model"])
    places = given.get("on", [])
    if not isinstance(places, list) or not 1 <= len(places) <= MOST_SYSTEMS:
        raise InputError("on", type(places).__name__, f"a list of 1 to {MOST_SYSTEMS} names of systems")
    numbers = {name: _number(name, dim, default, given.get(name)) for name, dim, default, _ in NUMBERS}
    isl, osl = (_whole(name, float(numbers[name] or 0)) for name in ("isl", "osl"))
    limits = [float("inf") if numbers[name] is None else float(numbers[name] or 0) for name in ("ttft", "tpot")]
    chips = None if numbers["gpus"] is None else _whole("gpus", min(numbers["gpus"], 1e6))
    names = [_text("on", place) for place in places]
    return tuple(
        searched(what, place, isl, osl, float(numbers["cache_hit"] or 0), limits[0], limits[1], chips)
        for place in names
    )


def plan_answer(given: Mapping[str, Any]) -> Any:
    """The object that ``headway plan --json`` prints for the same request."""
    results = read(given)
    return to_json(plans_document(results[0].model, results))
