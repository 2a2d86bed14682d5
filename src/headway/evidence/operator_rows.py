"""From kernel tables to rows of work: which kernels count, and what each of them has to do.

Left out, by rule before scoring: rows timed with the host in the loop (vLLM's block-scaled products; eager
collectives and the exchange tables around them), data that a benchmark's repetition leaves in the last-level cache,
lanes that fall back to a generic kernel (Triton; widening a whole cache or all weights first), weights widened on a
chip that multiplies them as they stand, attention in 8-bit
math, sliding windows, experts without a gate, and routing that is not balanced. `message_size` counts elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headway.evidence.kernel_tables import (
    Array,
    Columns,
    KernelTables,
    Table,
    codes,
    least_rows,
    median_rows,
    spread_rows,
)
from headway.evidence.operator_forms import TILE, Rows, joined
from headway.facts.calibration import WIDENING
from headway.facts.hardware import Chip
from headway.facts.precision import number_format
from headway.facts.sources import Source
from headway.facts.systems import system
from headway.physics.machine import tiled_rows

ENGINES: Final = ("trtllm", "sglang", "vllm")
_ADA: Final = Chip(
    "l40s", "NVIDIA", 2023, "ada", MappingProxyType({"bf16": 362.05e12, "fp8": 733e12}), 48e9, 864e9,
    sources=(Source("NVIDIA L40S datasheet, rates without sparsity", "2026-11-23", "datasheet"),),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """A chip of the tables: its datasheet, and what only the choice of rows and the exponentials need.

    Parameters
    ----------
    name : str
        Folder of the tables.
    chip : Chip
    link, network, hop : float
        Rates of one chip, one way [B/s], and latency of the network [s].
    cache : float
        Last-level cache [B]; makers' architecture papers.
    exponential : float
        16-bit tensor FLOP in the time of one exponential [FLOP]: FLOP per clock and multiprocessor over its
        special-function results per clock (16; 32 on Blackwell Ultra). Makers' architecture papers.
    """

    name: str
    chip: Chip
    link: float
    network: float
    hop: float
    cache: float
    exponential: float

    @property
    def generation(self) -> str:
        """Generation whose constants it shares; the two Blackwells differ only in their exponentials."""
        return self.chip.generation.removesuffix("-ultra")

    def native(self, fmt: str) -> bool:
        """Whether it multiplies a narrow format as it stands."""
        found = number_format(fmt)
        return found.bits < 16 and found.compute != "bf16" and found.compute in self.chip.flops

    def peak(self, fmt: str) -> float:
        """Datasheet rate that the kernel fidelity starts from: no more than twice that of the next wider format."""
        wide = self.chip.peak("bf16")
        return min(self.chip.peak(fmt), wide * 16.0 / number_format(fmt).bits) if self.native(fmt) else wide


def _card(name: str, found: str, cache: float, exponential: float) -> Card:
    s = system(found)
    return Card(name, s.chip, s.link_bandwidth, s.network_bandwidth or 0.0, s.network_latency, cache, exponential)


def cards() -> tuple[Card, ...]:
    """The chips of the tables that share constants with chips of the catalog, and Ada, which has only a table."""
    return (
        _card("a100_sxm", "hgx-a100", 40e6, 2048 / 16),
        Card("l40s", _ADA, 32e9, 0.0, 0.0, 96e6, 1024 / 16),
        _card("h100_sxm", "hgx-h100", 50e6, 4096 / 16),
        _card("h200_sxm", "hgx-h200", 50e6, 4096 / 16),
        _card("b200_sxm", "hgx-b200", 126e6, 8192 / 16),
        _card("b300_sxm", "hgx-b300", 126e6, 8192 / 32),
        _card("gb200", "gb200-nvl72", 126e6, 8192 / 16),
        _card("gb300", "gb300-nvl72", 126e6, 8192 / 32),
    )


def make_rows(
    family: str, card: Card, engine: str, lane: str | NDArray[Any], seconds: Array, columns: dict[str, Any]
) -> Rows:
    """Rows of one chip and engine; scalars among the columns are repeated."""
    n = seconds.size
    full = {name: np.broadcast_to(np.asarray(v, dtype=float), n).copy() for name, v in columns.items()}
    labels = (np.full(n, card.name), np.full(n, card.generation), np.full(n, engine))
    lanes = np.full(n, lane) if isinstance(lane, str) else lane
    return Rows(family, *labels, np.asarray(lanes, dtype=str), seconds, MappingProxyType(full))


def newest_tables(tables: KernelTables, kind: str, name: str) -> Iterator[tuple[Card, str, Table]]:
    """The newest full table of every chip and engine."""
    for card in cards():
        for engine in ENGINES:
            found = tables.newest(card.name, kind, engine, name)
            if found is not None:
                yield card, engine, found


def _kept(columns: Columns, keep: NDArray[Any]) -> Columns:
    return MappingProxyType({name: values[keep] for name, values in columns.items()})


def _log2(values: Array, step: float = 1.0) -> Array:
    return np.asarray(np.floor(np.log2(values) / step))


_PRODUCTS: Final = MappingProxyType({"bfloat16": "bf16", "fp8": "fp8", "fp8_block": "fp8-block", "nvfp4": "nvfp4"})


def product_rows(tables: KernelTables, most: int = 10) -> Rows:
    """Matrix products, evenly over formats and sizes."""
    parts = []
    for card, engine, table in newest_tables(tables, "gemm", "gemm_perf"):
        d = tables.read(table, ("gemm_dtype", "m", "n", "k", "latency"))
        weights = d["n"] * d["k"]
        keep = (np.minimum(d["n"], d["k"]) >= 512) & (d["n"] <= 65536) & (d["k"] <= 32768) & (weights >= 2**20)
        names = [n for n, fmt in _PRODUCTS.items() if fmt == "bf16" or card.native(fmt)]
        keep &= np.isin(d["gemm_dtype"], [n for n in names if (engine, n) != ("vllm", "fp8_block")])
        if card.generation == "ada":
            size = np.where(d["gemm_dtype"] == "bfloat16", 2.0, 1.0) * weights
            keep &= ~((size > 1e6) & (size < 40e6) & (d["m"] <= 256))
        d = _kept(d, keep)
        d = _kept(d, median_rows(codes([d["gemm_dtype"], d["m"], d["n"], d["k"]]), d["latency"]))
        d = _kept(d, spread_rows(codes([d["gemm_dtype"], _log2(d["m"])]), most))
        for name in np.unique(d["gemm_dtype"]):
            one, fmt = _kept(d, d["gemm_dtype"] == name), _PRODUCTS[str(name)]
            m, n, k = one["m"], one["n"], one["k"]
            stored, narrow = number_format(fmt), card.native(fmt)
            taken = stored.bytes if narrow else 2.0
            columns = {
                "flop": 2.0 * tiled_rows(m, TILE) * n * k / card.peak(fmt),
                "bytes": (n * k * stored.bytes + m * (2.0 * n + taken * k)) / card.chip.hbm_bandwidth,
                "beside": m * k * (2.0 + taken) * narrow / card.chip.hbm_bandwidth,
                "length": k,
                "halvings": np.log2(16.0 / stored.bits) if narrow else 0.0,
                "narrowed": float(narrow),
            }
            parts.append(make_rows("product", card, engine, fmt, one["latency"] * 1e-3, columns))
    return joined(parts)


_HEADS: Final = ("batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim", "window_size", "step", "latency")
_KINDS: Final = ("kernel_source", "attn_dtype", "kv_cache_dtype")
_GENERIC: Final = ("triton", "vllm_triton_attn", "torch_flow_flashinfer", "vllm_flash_attn_fa4")


def _look(
    card: Card,
    engine: str,
    lane: Any,
    d: Columns,
    dots: Array,
    exps: Any,
    nbytes: Array,
    new: Any,
    widened: Any = 0.0,
) -> Rows:
    columns = {
        "widened": widened / card.chip.peak("bf16"),
        "dots": dots / card.chip.peak("bf16"),
        "exponentials": exps * card.exponential / card.chip.peak("bf16"),
        "bytes": nbytes / card.chip.hbm_bandwidth,
        "short": 1.0 / new,
    }
    return make_rows("attention", card, engine, lane, d["latency"] * 1e-3, columns)


def _uncached(card: Card, nbytes: Array) -> NDArray[Any]:
    share = nbytes / card.cache
    return (share < 0.1) | (share > 1.6)


def _grouped_heads(tables: KernelTables, name: str) -> Iterator[tuple[Card, str, Columns, Array, Array]]:
    for card, engine, table in newest_tables(tables, "attention", name):
        d = tables.read(table, (*_HEADS, *_KINDS))
        keep = np.isin(d["head_dim"], (64, 128)) & ~np.isin(d["kernel_source"], _GENERIC)
        if "window_size" in d:
            keep &= np.nan_to_num(d["window_size"]) == 0
        if engine == "sglang" and card.generation == "blackwell":
            keep &= d["kernel_source"] == "trtllm_mha"
        shared = np.where(d["num_key_value_heads"] == 0, d["num_heads"], d["num_key_value_heads"])
        keep &= d["num_heads"] >= 2 * shared
        narrow = d["attn_dtype"] == "fp8" if "attn_dtype" in d else np.zeros(shared.size, dtype=bool)
        if name.startswith("context"):
            keep &= ~narrow
        yield card, engine, _kept(d, keep), shared[keep], np.where(d["kv_cache_dtype"] == "fp8", 1.0, 2.0)[keep]


def _decode_rows(tables: KernelTables, most: int) -> Iterator[Rows]:
    for card, engine, d, shared, size in _grouped_heads(tables, "generation_attention_perf"):
        context = d["step"] + 1.0
        nbytes = 2.0 * d["batch_size"] * context * shared * d["head_dim"] * size
        keep = _uncached(card, nbytes) & (context <= 65536) & (d["batch_size"] <= 1024)
        strata = codes([size, _log2(d["batch_size"]), _log2(context, 2.0)])
        kept = np.flatnonzero(keep)[spread_rows(strata[keep], most)]
        dots = 4.0 * d["batch_size"] * context * d["num_heads"] * d["head_dim"]
        lane = np.where(size == 1.0, "decode, 8-bit cache", "decode, 16-bit cache")
        # Kernels of Hopper multiply in 16 bit what they read in 8.
        widened = nbytes * (size == 1.0) * (card.generation in WIDENING)
        yield _look(card, engine, lane[kept], _kept(d, kept), dots[kept], 0.0, nbytes[kept], np.inf, widened[kept])


def _prefill_rows(tables: KernelTables, most: int) -> Iterator[Rows]:
    for card, engine, d, shared, size in _grouped_heads(tables, "context_attention_perf"):
        new = d["isl"]
        keep = (new >= 64) & (d["batch_size"] <= 64) & (card.generation != "ada")
        strata = codes([size, _log2(d["batch_size"], 2.0), _log2(new)])
        kept = np.flatnonzero(keep)[spread_rows(strata[keep], most)]
        pairs = d["batch_size"] * d["num_heads"] * new * (new + 1.0) / 2.0
        nbytes = 2.0 * d["batch_size"] * new * shared * d["head_dim"] * size
        dots = 4.0 * d["head_dim"] * pairs
        yield _look(card, engine, "prefill", _kept(d, kept), dots[kept], pairs[kept], nbytes[kept], new[kept])


def _latent_rows(tables: KernelTables, most: int) -> Iterator[Rows]:
    """Latent attention with the shapes of DeepSeek-V3: rank 512, rope 64, keys of 192, values of 128."""
    for name in ("generation_mla_perf", "context_mla_perf"):
        for card, engine, table in newest_tables(tables, "mla", name):
            d = tables.read(table, ("kv_cache_dtype", "batch_size", "isl", "num_heads", "step", "latency"))
            narrow = d["kv_cache_dtype"] == "fp8"
            decode, old = name.startswith("generation"), card.generation != "blackwell"
            # On Blackwell an 8-bit cache means 8-bit math; before it SGLang widens the cache and prefills absorbed.
            keep = ~narrow if not (decode and old and engine != "sglang") else np.ones(narrow.size, dtype=bool)
            if card.generation in ("ampere", "ada") or (not decode and old and engine == "sglang"):
                continue
            b, h, size = d["batch_size"], d["num_heads"], np.where(narrow, 1.0, 2.0)
            context = d["step"] + 1.0 if decode else d["isl"]
            nbytes = b * context * 576.0 * size
            keep &= (h >= 8) & (_uncached(card, nbytes) if decode else context >= 64)
            strata = codes([size, _log2(b, 2.0), _log2(context, 2.0)])
            kept = np.flatnonzero(keep)[spread_rows(strata[keep], most)]
            pairs = np.where(decode, b * h * context, b * h * context * (context + 1.0) / 2.0)[kept]
            dots = pairs * 2.0 * (2 * 512 + 64 if decode else 192 + 128)
            exps, new = (0.0, np.inf) if decode else (pairs, context[kept])
            lane = "latent decode" if decode else "latent prefill"
            yield _look(card, engine, lane, _kept(d, kept), dots, exps, nbytes[kept], new)


def attention_rows(tables: KernelTables, most: int = 3) -> Rows:
    """Attention proper: grouped heads and latent, decoding and prefilling, in 16-bit math."""
    parts = [*_decode_rows(tables, most), *_prefill_rows(tables, 2 * most), *_latent_rows(tables, 2 * most)]
    return joined([p for p in parts if p.seconds.size])


_EXPERTS: Final = MappingProxyType(
    {"bfloat16": "bf16", "fp8": "fp8", "fp8_block": "fp8-block", "nvfp4": "nvfp4", "w4a16_mxfp4": "mxfp4"}
)
_SHAPE: Final = ("num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size")


def expert_rows(tables: KernelTables, most: int = 12) -> Rows:
    """Gated experts on one chip's slice, balanced routing, best kernel of each shape."""
    parts = []
    for card, engine, table in newest_tables(tables, "moe", "moe_perf"):
        d = tables.read(table, ("moe_dtype", "kernel_source", "distribution", *_SHAPE, "latency"))
        keep = (d["moe_ep_size"] == 1) & (d["num_tokens"] <= 16384) & (d["topk"] < 22)
        keep &= (d["hidden_size"] != 2688) & (d["inter_size"] != 1856) & (d["distribution"] == "balanced")
        keep &= (d["inter_size"] / d["moe_tp_size"] >= 128) & (np.char.find(d["kernel_source"], "nongated") < 0)
        keep &= np.isin(d["moe_dtype"], [name for name in _EXPERTS if _runs(card, engine, name)])
        d = _kept(d, keep)
        d = _kept(d, least_rows(codes([d["moe_dtype"], *(d[n] for n in _SHAPE)]), d["latency"]))
        d = _kept(d, spread_rows(codes([d["moe_dtype"], _log2(d["num_tokens"])]), most))
        for name in np.unique(d["moe_dtype"]):
            one, fmt = _kept(d, d["moe_dtype"] == name), _EXPERTS[str(name)]
            parts.append(_experts(card, engine, one, fmt, wide=name == "w4a16_mxfp4"))
    return joined(parts)


def _runs(card: Card, engine: str, name: str) -> bool:
    if name == "w4a16_mxfp4":
        return engine != "sglang" and not card.native("mxfp4")
    if (engine, card.generation, name) == ("vllm", "hopper", "fp8"):
        return False
    return name == "bfloat16" or card.native(_EXPERTS[name])


def _experts(card: Card, engine: str, d: Columns, fmt: str, *, wide: bool) -> Rows:
    stored, h, w = number_format(fmt), d["hidden_size"], d["inter_size"] / d["moe_tp_size"]
    rows, params = d["num_tokens"] * d["topk"], 3.0 * h * w
    touched = np.minimum(d["num_experts"], rows)
    taken = stored.bytes if fmt != "bf16" and not wide else 2.0
    moved = rows * (h * (taken + 2.0) + w * (taken + 4.0))
    columns = {
        "flop": 2.0 * params * rows / (card.chip.peak("bf16") if wide else card.peak(fmt)),
        "bytes": (touched * params * stored.bytes + moved) / card.chip.hbm_bandwidth,
        "beside": rows * (h + w) * (2.0 + taken) * (taken < 2.0) / card.chip.hbm_bandwidth,
        "halvings": 0.0 if wide else np.log2(16.0 / stored.bits),
        "widened": float(wide),
    }
    return make_rows("experts", card, engine, "weights only" if wide else fmt, d["latency"] * 1e-3, columns)


def read_rows(tables: KernelTables) -> tuple[Rows, ...]:
    """Rows of every family, in the order in which they are fitted."""
    from headway.evidence.collective_rows import collective_rows
    from headway.evidence.recurrent_rows import recurrent_rows

    readers: tuple[Callable[[KernelTables], Rows], ...] = (
        *(product_rows, attention_rows, recurrent_rows),
        *(expert_rows, collective_rows),
    )
    return tuple(reader(tables) for reader in readers)
