"""Cells of a training row as sources spell them: numbers, ways to spread, recomputation.

What is none of them is refused by its column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from headway.evidence.measurements import TrainingMeasurement
from headway.facts.errors import InputError, shorten

#: What sources write where they say nothing.
NOTHING: Final = ("", "n/a", "na", "-", "none stated", "not stated", "unknown", "?", "none")
#: A number, and what a source adds to it in brackets.
_NUMBER: Final = re.compile(r"~?([0-9][0-9,]*(?:\.[0-9]+)?)\s*([kmb]?)(?:\s*\(.*\))?", re.ASCII)
_TOKENS: Final = re.compile(
    r"~?([0-9][0-9,]*(?:\.[0-9]+)?)\s*([kmb]?)i?\s*(?:tok|token|tokens)(?:\s*\(.*\))?", re.ASCII
)
#: A batch that grew in the run.
_GROWN: Final = re.compile(r"[0-9][0-9,]*\s*(?:-+>?|to|\u2192|\u2013)\s*([0-9][0-9,]*)", re.ASCII)
#: Sources count sequences and tokens of a step in powers of two.
_BINARY: Final[Mapping[str, int]] = MappingProxyType({"": 1, "k": 2**10, "m": 2**20, "b": 2**30})
_SPREADS: Final = re.compile(
    r"(d?dp|fsdp2?|hsdp|zero)[0-9]*(x[0-9]+)?|[0-9]+(way|x[0-9]+)?|full|fully|sharded|shard|hybrid|distributed|optimi[sz]er"
    r"|data|parallel|stage|way|x|on|off|with",
    re.ASCII,
)
_STAGE: Final = re.compile(r"zero\W*(?:stage\W*)?([0-3])", re.ASCII)
_RANKS: Final = re.compile(r"\bd?dp\W*([0-9]+)", re.ASCII)
#: Modules that frameworks compute again by name: those with attention proper cost its forward pass, the rest little.
_ATTENTION: Final = ("core_attn", "attn", "attention", "sel", "selective")
_CHEAP: Final = (
    *("norm", "layernorm", "rmsnorm", "act", "activation", "moe_act", "mla_up_proj", "mlp", "shared_experts"),
    *("shared_expert", "moe", "swiglu", "gelu", "embedding"),
)
_STORES: Final = ("", "none", "no", "off", "n/a", "na", "-", "store", "see recipe", "not stated", "unknown")
_FULL: Final = ("full", "yes", "all", "uniform", "block")
_BESIDE: Final = (
    "sequence",
    "parallel",
    "activation",
    "activations",
    "recompute",
    "recomputation",
    "checkpointing",
    "sp",
)


def _refuse(column: str, text: str, accepted: str) -> InputError:
    return InputError(column, shorten(text, 60).strip("'"), accepted)


def number_in(row: TrainingMeasurement, column: str) -> float | None:
    """Number of a cell, above zero; None where the source says nothing.

    Raises
    ------
    InputError
        If it is no number, naming the column.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from headway.evidence.measurements import open_training
    >>> row = open_training()[0]
    >>> number_in(row, "global_batch"), number_in(replace(row, cells={"seq_len": "32k"}), "seq_len")
    (1536.0, 32768.0)
    >>> number_in(replace(row, cells={"tp": "eight"}), "tp")
    Traceback (most recent call last):
    headway.facts.errors.InputError: tp: 'eight' is not accepted: expected a number above 0, or nothing
    """
    text = row.cells.get(column, "").strip().lower()
    if text in NOTHING:
        return None
    if column.endswith("_params_b"):
        text = text.removesuffix("b")
    found = _NUMBER.fullmatch(text)
    value = float(found[1].replace(",", "")) * _BINARY[found[2]] if found else 0.0
    if not 0.0 < value < 1e15:
        raise _refuse(column, text, "a number above 0, or nothing")
    return value


def whole_in(row: TrainingMeasurement, column: str) -> int | None:
    """Whole number of a cell; None where the source says nothing.

    Raises
    ------
    InputError
        If it is none, naming the column.

    Examples
    --------
    >>> from headway.evidence.measurements import open_training
    >>> whole_in(open_training()[0], "tp")
    4
    """
    found = number_in(row, column)
    if found is not None and found != int(found):
        raise _refuse(column, row.cells[column], "a whole number above 0, or nothing")
    return None if found is None else int(found)


def batch_in(row: TrainingMeasurement, context: int) -> float | None:
    """Sequences of a step, of which a source may tell the tokens, or where they grew to; None where it says nothing.

    Raises
    ------
    InputError
        If it is neither a number of sequences nor of tokens.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from headway.evidence.measurements import open_training
    >>> batch_in(replace(open_training()[0], cells={"global_batch": "16M tokens"}), 8192)
    2048.0
    """
    text = row.cells.get("global_batch", "").strip().lower()
    grown, found = _GROWN.fullmatch(text), _TOKENS.fullmatch(text)
    if grown:
        return float(grown[1].replace(",", ""))
    if found is None:
        stated = number_in(row, "global_batch")
        if stated is not None and stated != int(stated):
            raise _refuse("global_batch", text, "a whole number of sequences, or of tokens such as 16M tokens")
        return stated
    return float(found[1].replace(",", "")) * _BINARY[found[2]] / context


@dataclass(frozen=True, slots=True)
class Spread:
    """How data ranks share a model.

    Parameters
    ----------
    zero : int
        Sharding stage: 1 optimiser states, 2 gradients too, 3 weights too.
    ranks : int or None
        Data ranks that the source tells [1].
    """

    zero: int
    ranks: int | None


def spread_in(row: TrainingMeasurement) -> Spread:
    """Sharding over data ranks; optimiser states alone where the source says nothing.

    Raises
    ------
    InputError
        If the cell is no way to spread.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from headway.evidence.measurements import open_training
    >>> row = open_training()[0]
    >>> [spread_in(replace(row, cells={"dp_or_fsdp": t})).zero for t in ("DP64", "FSDP full shard", "DP8 ZeRO-2", "")]
    [1, 3, 2, 1]
    """
    text = row.cells.get("dp_or_fsdp", "").strip().lower()
    if text in NOTHING:
        return Spread(1, None)
    words = [w for w in re.split(r"[^a-z0-9]+", text) if w]
    if not all(_SPREADS.fullmatch(w) for w in words) or not any(w[0] in "dfhz" for w in words):
        raise _refuse("dp_or_fsdp", text, "DP, DP64, FSDP, HSDP or DP64 ZeRO-2, or nothing")
    stage, ranks = _STAGE.search(text), _RANKS.search(text)
    told = None if ranks is None else int(ranks[1])
    if stage:
        return Spread(max(int(stage[1]), 1), told)
    return Spread(3 if "sdp" in text or "full" in text else 1, told)


def recompute_in(row: TrainingMeasurement) -> tuple[str, tuple[str, ...]]:
    """Policy for activations, and what was assumed: modules of little work are timed as stored.

    Raises
    ------
    InputError
        If the cell is no policy.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from headway.evidence.measurements import open_training
    >>> row = open_training()[0]
    >>> recompute_in(replace(row, cells={"recompute": "selective + sequence parallel"}))
    ('selective', ())
    >>> recompute_in(replace(row, cells={"recompute": "norm, act"}))
    ('store', ('computes norm, act again: timed as stored',))
    """
    text = row.cells.get("recompute", "").strip().lower()
    if text in _STORES:
        return "store", ()
    words = [w for w in re.split(r"[\s,;+/&()]+", text) if w and w not in _BESIDE]
    if not words:
        # "sequence parallel" alone says nothing of activations.
        return "store", ()
    if words[0].split("-")[0].split("_")[0] in _FULL:
        return "full", ()
    unknown = [w for w in words if w not in _ATTENTION and w not in _CHEAP]
    if unknown:
        raise _refuse("recompute", text, "full, selective, none, or modules such as core_attn, norm, moe_act")
    if any(w in _ATTENTION for w in words):
        return "selective", ()
    return "store", (f"computes {', '.join(words)} again: timed as stored",)
