"""The table of dimensions and units that the parser, its error messages and the documentation share.

A prefix is a multiple; decimal and binary prefixes are distinct. A unit is a symbol with a factor and the
prefixes it may carry. A dimension is what a quantity measures, with the units it may be written in and the
scales it is shown in.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

LARGEST = 1e36

_SI = MappingProxyType(
    {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24}
)
_BINARY = MappingProxyType({"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50})

#: Sets of prefixes by name, each prefix with its multiple [1].
PREFIXES: MappingProxyType[str, MappingProxyType[str, float]] = MappingProxyType(
    {
        "none": MappingProxyType({"": 1.0}),
        "si": _SI,
        "bytes": MappingProxyType(_SI | _BINARY),
        "count": MappingProxyType(
            {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "P": 1e15}
            | {name: _BINARY[name] for name in ("Ki", "Mi", "Gi")}
        ),
        "money": MappingProxyType({"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9}),
    }
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A way to write a quantity.

    Parameters
    ----------
    symbol : str
        The unit without prefix; empty where a bare number is accepted.
    factor : float
        Value of one such unit in the unit of its dimension.
    prefixes : str
        Key of :data:`PREFIXES`: the prefixes it may carry.
    """

    symbol: str
    factor: float = 1.0
    prefixes: str = "none"


@dataclass(frozen=True, slots=True)
class Scale:
    """How to show values of at least `least`: divided by `factor`, followed by `suffix`."""

    least: float
    factor: float
    suffix: str


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a quantity measures, how it may be written and how it is shown.

    Parameters
    ----------
    name : str
        Name used in code (``"bytes_per_second"``).
    noun : str
        What an error message calls it.
    unit : str
        Unit of the float that :func:`~headway.facts.units.parse` returns.
    examples : tuple of str
        Two ways to write it.
    units : tuple of Unit
        Every accepted unit.
    scales : tuple of Scale
        Shown units, largest first.
    largest : float
        Upper limit, in `unit`.
    money : bool
        Shown with a leading dollar sign.
    scientific : bool
        Shown with an exponent on the plain unit beyond the largest prefix (``9e25 FLOP``).
    """

    name: str
    noun: str
    unit: str
    examples: tuple[str, ...]
    units: tuple[Unit, ...]
    scales: tuple[Scale, ...]
    largest: float = LARGEST
    money: bool = False
    scientific: bool = False


def _many(symbols: str, factor: float = 1.0, prefixes: str = "none") -> tuple[Unit, ...]:
    return tuple(Unit(symbol, factor, prefixes) for symbol in symbols.split())


def _steps(suffix: str, prefixes: str, gap: str = " ") -> tuple[Scale, ...]:
    """Shown scales for a row of prefixes, each a thousand times the next."""
    top = len(prefixes)
    large = tuple(
        Scale(1e3 ** (top - i), 1e3 ** (top - i), f"{gap}{prefix}{suffix}") for i, prefix in enumerate(prefixes)
    )
    return (*large, Scale(0.0, 1.0, f"{gap}{suffix}" if suffix else ""))


_MINUTE, _HOUR, _DAY, _WEEK = 60.0, 3600.0, 86_400.0, 604_800.0
_PER_TIME = (("s", 1.0), ("min", _MINUTE), ("h", _HOUR), ("hr", _HOUR), ("d", _DAY), ("day", _DAY))


def _rates(names: str, extra: str, seconds: float) -> tuple[Unit, ...]:
    """Units of events per time, for a dimension whose unit is events per `seconds`."""
    spelled = [Unit(f"{name}/{time}", seconds / span, "count") for name in names.split() for time, span in _PER_TIME]
    return (*spelled, *_many(extra, seconds, "count"))


_TOKENS = "tok token tokens"

#: Every dimension by name.
DIMENSIONS: MappingProxyType[str, Dimension] = MappingProxyType(
    {
        dimension.name: dimension
        for dimension in (
            Dimension(
                "bytes",
                "an amount of memory",
                "B",
                ("80 GiB", "141 GB"),
                (Unit("B", 1, "bytes"), Unit("byte"), Unit("bytes")),
                _steps("B", "EPTGMk"),
            ),
            Dimension(
                "bytes_per_second",
                "a bandwidth",
                "B/s",
                ("8 TB/s", "800 Gb/s"),
                (*_many("B/s Bps", 1, "bytes"), *_many("b/s bps bit/s", 0.125, "si")),
                _steps("B/s", "EPTGMk"),
            ),
            Dimension(
                "flop",
                "an amount of arithmetic",
                "FLOP",
                ("1e26 FLOP", "300 ZFLOP"),
                _many("FLOP FLOPs flop flops", 1, "si"),
                _steps("FLOP", "EPTGMk"),
                scientific=True,
            ),
            Dimension(
                "flop_per_second",
                "an arithmetic rate",
                "FLOP/s",
                ("5 PFLOP/s", "989 TFLOPS"),
                _many("FLOP/s FLOPs/s FLOPS OP/s OPS", 1, "si"),
                _steps("FLOP/s", "EPTGMk"),
                scientific=True,
            ),
            Dimension(
                "seconds",
                "a time",
                "s",
                ("20 ms", "2 s"),
                (
                    *_many("ns", 1e-9),
                    *_many("us \u00b5s \u03bcs", 1e-6),
                    *_many("ms", 1e-3),
                    *_many("s sec second seconds", 1.0),
                    *_many("min minute minutes", _MINUTE),
                    *_many("h hr hour hours", _HOUR),
                    *_many("d day days", _DAY),
                    *_many("wk week weeks", _WEEK),
                ),
                (
                    Scale(3 * _DAY, _DAY, " d"),
                    Scale(2 * _HOUR, _HOUR, " h"),
                    Scale(2 * _MINUTE, _MINUTE, " min"),
                    Scale(1.0, 1.0, " s"),
                    Scale(1e-3, 1e-3, " ms"),
                    Scale(1e-6, 1e-6, " us"),
                    Scale(0.0, 1e-9, " ns"),
                ),
            ),
            Dimension(
                "tokens",
                "a number of tokens",
                "token",
                ("4k (4,000)", "4Ki (4,096)"),
                (*_many(_TOKENS, 1, "count"), Unit("", 1, "count")),
                _steps(" tok", "TBMk", gap=""),
            ),
            Dimension(
                "watts",
                "a power",
                "W",
                ("1.2 kW", "700 W"),
                _many("W", 1, "si"),
                _steps("W", "TGMk"),
            ),
            Dimension(
                "joules",
                "an energy",
                "J",
                ("350 mJ", "1.2 kWh"),
                (Unit("J", 1, "si"), Unit("mJ", 1e-3), Unit("Wh", _HOUR, "si")),
                (*_steps("J", "TGMk")[:-1], Scale(1.0, 1.0, " J"), Scale(0.0, 1e-3, " mJ")),
            ),
            Dimension(
                "dollars",
                "an amount of money",
                "$",
                ("$87.1k", "5 $"),
                (Unit("$", 1, "money"),),
                _steps("", "BMk", gap=""),
                money=True,
            ),
            Dimension(
                "dollars_per_gpu_hour",
                "a price of one chip for one hour",
                "$/GPU-h",
                ("$2.10/GPU-h", "2.10 $/GPU-h"),
                _many(
                    "$/GPU-h $/GPU-hr $/GPU-hour $/GPUh $/GPU/h $/GPU/hr $/GPU/hour $/h/GPU $/hr/GPU "
                    "$/gpu-h $/gpu-hr $/gpu-hour $/chip-h $/chip-hr $/chip-hour $/TPU-h $/TPU-hour"
                ),
                (Scale(0.0, 1.0, "/GPU-h"),),
                money=True,
            ),
            Dimension(
                "dollars_per_mtok",
                "a price of a million tokens",
                "$/Mtok",
                ("$0.30/Mtok", "1.25 $/Mtok"),
                (
                    *_many("$/Mtok $/MTok $/Mtoken $/Mtokens $/1Mtok $/1Mtokens $/M $/1M"),
                    *_many("$/ktok $/1ktok", 1e3),
                    *_many("$/tok $/token", 1e6),
                ),
                (Scale(0.0, 1.0, "/Mtok"),),
                money=True,
            ),
            Dimension(
                "dollars_per_mtok_hour",
                "a price of keeping a million tokens for one hour",
                "$/Mtok-h",
                ("$4.50/Mtok-h", "1 $/Mtok-h"),
                _many("$/Mtok-h $/Mtok-hr $/Mtok-hour $/Mtok/h $/Mtok/hr $/M/h $/1M/h"),
                (Scale(0.0, 1.0, "/Mtok-h"),),
                money=True,
            ),
            Dimension(
                "dollars_per_kwh",
                "a price of electricity",
                "$/kWh",
                ("$0.08/kWh", "60 $/MWh"),
                (Unit("$/kWh"), Unit("$/MWh", 1e-3)),
                (Scale(0.0, 1.0, "/kWh"),),
                money=True,
            ),
            Dimension(
                "fraction",
                "a fraction",
                "1",
                ("56%", "0.56"),
                (Unit("%", 0.01), Unit("")),
                (Scale(0.0, 0.01, "%"),),
                largest=1.0,
            ),
            Dimension(
                "count",
                "a plain number",
                "1",
                ("1.5k", "3e9"),
                (Unit("", 1, "count"), Unit("x")),
                _steps("", "TBMk", gap=""),
            ),
            Dimension(
                "tokens_per_second",
                "a rate of tokens",
                "token/s",
                ("50 tok/s", "128k tok/s"),
                _rates(_TOKENS, "tps tok/s/user tok/s/GPU", 1.0),
                _steps(" tok/s", "TBMk", gap=""),
            ),
            Dimension(
                "requests_per_second",
                "a rate of requests",
                "request/s",
                ("12 req/s", "1.5k req/min"),
                (*_rates("req request requests", "rps qps", 1.0), Unit("", 1, "count"), Unit("/s", 1, "count")),
                _steps(" req/s", "Mk", gap=""),
            ),
            Dimension(
                "tokens_per_day",
                "a daily volume of tokens",
                "token/day",
                ("608B tok/day", "1.2M tok/s"),
                _rates(_TOKENS, "tps", _DAY),
                _steps(" tok/day", "TBMk", gap=""),
            ),
        )
    }
)
