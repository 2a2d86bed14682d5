"""From kernel tables to rows of collectives: all-reduce of the engines and of NCCL, and the experts' exchange.

What a rank sends in an exchange is counted as the kernel fidelity counts it: a token goes once to each rank that holds
one of its experts, in 8 bit on the way out and in 16 bit on the way back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headway.evidence.kernel_tables import Array, Columns, KernelTables, codes, least_rows, spread_rows
from headway.evidence.operator_forms import Rows, joined
from headway.evidence.operator_rows import Card, cards, make_rows, newest_tables

_HALF: Final = 2.0
#: Bytes per element on the way out and back.
_WAYS: Final = (("dispatch", 1.0), ("combine", 2.0))
_DOMAIN: Final = 8
# Over PCIe only the floor is wanted: what is larger meets the host bridges, which no constant describes.
_PCIE_BYTES: Final = 2.0**16
_PCIE_RANKS: Final = 4
_EXCHANGES: Final = 8


def _kept(d: Columns, keep: NDArray[Any]) -> Columns:
    return {name: values[keep] for name, values in d.items()}


def _reduce(card: Card, engine: str, d: Columns, nbytes: Array) -> Rows:
    none = dict.fromkeys(("near", "far", "spread", "relayed", "hop"), 0.0)
    columns = {**none, "wire": nbytes / card.link, "ranks": d["num_gpus"]}
    return make_rows("collective", card, engine, "all-reduce", d["latency"] * 1e-3, columns)


def _engine_reductions(tables: KernelTables) -> Iterator[Rows]:
    for card, engine, table in newest_tables(tables, "comm", "custom_allreduce_perf"):
        if card.generation == "ada":
            continue
        d = tables.read(table, ("kernel_source", "num_gpus", "message_size", "latency"))
        nbytes = _HALF * d["message_size"]
        keep = np.char.find(d["kernel_source"], "eager") < 0
        # Beyond a tray, and for large buffers, these two fall back to NCCL on the Grace boards.
        if card.name == "gb300" and engine != "trtllm":
            keep &= d["num_gpus"] <= 4
        if card.name == "gb200" and engine == "vllm":
            keep &= nbytes < 2**21
        d, nbytes = _kept(d, keep), nbytes[keep]
        best = least_rows(codes([d["num_gpus"], nbytes]), d["latency"])
        yield _reduce(card, engine, _kept(d, best), nbytes[best])


def _library_reductions(tables: KernelTables) -> Iterator[Rows]:
    for card in cards():
        table = tables.newest(card.name, "comm", "nccl", "nccl_perf")
        if table is None:
            continue
        d = tables.read(table, ("op_name", "nccl_dtype", "num_gpus", "message_size", "latency"))
        nbytes = _HALF * d["message_size"]
        keep = (d["op_name"] == "all_reduce") & (d["nccl_dtype"] == "half")
        if card.generation == "ada":
            keep &= (nbytes <= _PCIE_BYTES) & (d["num_gpus"] <= _PCIE_RANKS)
        yield _reduce(card, "nccl", _kept(d, keep), nbytes[keep])


def sent_ranks(ranks: Any, top_k: Any) -> Any:
    """Ranks that a token with `top_k` experts reaches, of `ranks` that hold them alike [1]: ``n (1 - (1 - 1/n)^k)``.

    >>> round(float(sent_ranks(8.0, 8.0)), 2)
    5.25
    """
    n = np.asarray(ranks, dtype=float)
    return np.minimum(top_k, n * (1.0 - (1.0 - 1.0 / n) ** top_k))


def _exchange(
    card: Card, engine: str, lane: str, ranks: Array, stage: Array, nbytes: Array, top_k: Array, seconds: Array
) -> Rows:
    outside = np.maximum(0.0, 1.0 - stage / ranks)
    network = card.network if card.network > 0 else 1.0
    domains = np.maximum(ranks / stage, 1.0)
    saved = sent_ranks(domains, top_k) / sent_ranks(ranks, top_k)
    columns = {
        "wire": 0.0,
        "near": nbytes * (1.0 - outside) / card.link,
        "far": nbytes * outside / network,
        "spread": nbytes / card.link,
        "relayed": nbytes * saved * outside / network,
        "ranks": ranks,
        "hop": np.where(outside > 0, card.hop, 0.0),
    }
    return make_rows("collective", card, engine, lane, seconds, columns)


def _node_exchange(tables: KernelTables) -> Iterator[Rows]:
    """DeepEP under SGLang: for each shape the faster of its two kernels, at the best number of multiprocessors."""
    shape = ("node_num", "hidden_size", "num_token", "num_topk", "num_experts")
    for card in cards():
        domain = 4 if card.name.startswith("gb") else _DOMAIN
        for way, size in _WAYS:
            found: list[Columns] = []
            for name in ("wideep_deepep_ll_perf", "wideep_deepep_normal_perf"):
                found.extend(_deepep(tables, card, name, way, shape))
            if not found:
                continue
            d: Columns = {key: np.concatenate([f[key] for f in found]) for key in (*shape, "us")}
            # Tables of several nodes are the same file for two chips: they count once.
            keep = (d["node_num"] == 1) | ((card.name == "h100_sxm") & (d["num_token"] <= 8192))
            d = _kept(d, keep & (d["num_experts"] >= domain))
            d = _kept(d, least_rows(codes([d[key] for key in shape]), d["us"]))
            d = _kept(d, spread_rows(codes([d["node_num"], np.floor(np.log2(d["num_token"]))]), _EXCHANGES))
            ranks = domain * d["node_num"]
            nbytes = d["num_token"] * d["hidden_size"] * size * sent_ranks(ranks, d["num_topk"])
            for far in (False, True):
                k = (d["node_num"] > 1) == far
                lane = f"{way} {'across nodes' if far else 'inside'}"
                yield _exchange(
                    card,
                    "sglang",
                    lane,
                    ranks[k],
                    np.full(k.sum(), domain),
                    nbytes[k],
                    d["num_topk"][k],
                    d["us"][k] * 1e-6,
                )


def _deepep(tables: KernelTables, card: Card, name: str, way: str, shape: tuple[str, ...]) -> Iterator[Columns]:
    parts = (f"{way}_avg_t_us", f"{way}_transmit_us", f"{way}_notify_us")
    every = tables.versions(card.name, "comm", "sglang", name)
    for table in every:
        d = tables.read(table, (*shape, *parts))
        one_node = d["node_num"] == 1
        # The newest version speaks for one node; older ones only for what it does not have.
        keep = one_node if table == every[-1] else ~one_node
        times = np.sum([d[part] for part in parts if part in d], axis=0)
        yield {**{key: d[key][keep] for key in shape}, "us": times[keep]}


def _rack_exchange(tables: KernelTables) -> Iterator[Rows]:
    """TensorRT-LLM's exchange inside a rack of 72."""
    shape = ("num_tokens", "hidden_size", "topk", "moe_ep_size")
    for card in cards():
        table = tables.newest(card.name, "comm", "trtllm", "trtllm_alltoall_perf")
        if table is None:
            continue
        d = tables.read(table, ("op_name", "moe_dtype", *shape, "latency"))
        for (way, size), stored in zip(_WAYS, ("fp8", "bfloat16"), strict=True):
            one = _kept(d, (d["op_name"] == f"alltoall_{way}") & (d["moe_dtype"] == stored))
            one = _kept(one, least_rows(codes([one[key] for key in shape]), one["latency"]))
            ranks = one["moe_ep_size"]
            nbytes = one["num_tokens"] * one["hidden_size"] * size * sent_ranks(ranks, one["topk"])
            yield _exchange(
                card, "trtllm", f"{way} in a rack", ranks, ranks, nbytes, one["topk"], one["latency"] * 1e-3
            )


def collective_rows(tables: KernelTables) -> Rows:
    """All-reduce in graphs and by NCCL, exchange inside a domain and across nodes."""
    readers = (_engine_reductions, _library_reductions, _node_exchange, _rack_exchange)
    return joined([rows for reader in readers for rows in reader(tables) if rows.seconds.size])
