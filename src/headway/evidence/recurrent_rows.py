"""Linear layers of the kernel tables: the convolution and the scan of gated delta nets, as rows of work."""

from __future__ import annotations

from typing import Final

import numpy as np

from headway.evidence.kernel_tables import Array, KernelTables, codes, median_rows, spread_rows
from headway.evidence.operator_forms import Rows, joined
from headway.evidence.operator_rows import Card, make_rows, newest_tables
from headway.facts.layers import LinearAttention
from headway.physics.attention import look_shape

_SHAPE: Final = ("batch_size", "seq_len", "num_k_heads", "head_k_dim", "num_v_heads", "head_v_dim", "d_conv")
_STATE_BYTES: Final = 4.0
_ELEMENT_BYTES: Final = 2.0
_SHORTEST: Final = 64


def recurrent_rows(tables: KernelTables, most: int = 20) -> Rows:
    """Prompts and decode steps of one layer, both kernels together, evenly over lengths and batches."""
    parts = []
    for card, engine, table in newest_tables(tables, "linear_attention", "gdn_perf"):
        if card.generation == "ada":
            continue
        d = tables.read(table, ("kernel_source", "phase", *_SHAPE, "latency"))
        convolution = np.char.startswith(d["kernel_source"], "causal_conv1d")
        shape = np.stack([(d["phase"] == "context").astype(float), *(d[name] for name in _SHAPE)])
        group = codes(list(shape))
        seconds = np.zeros(group.max() + 1)
        both = np.ones(seconds.size, dtype=bool)
        for own in (convolution, ~convolution):
            kept = np.flatnonzero(own)
            kept = kept[median_rows(group[kept], d["latency"][kept])]
            seconds[group[kept]] += d["latency"][kept] * 1e-3
            both &= np.bincount(group[kept], minlength=seconds.size) > 0
        first = np.unique(group, return_index=True)[1]
        use = both & ((shape[0][first] == 0.0) | (shape[2][first] >= _SHORTEST))
        lengths = np.floor(np.log2(shape[1:3, first[use]]))
        picked = np.flatnonzero(use)[spread_rows(codes([shape[0][first[use]], *lengths]), most)]
        parts.append(_rows(card, engine, shape[:, first[picked]], seconds[picked]))
    return joined(parts)


def _rows(card: Card, engine: str, shape: Array, seconds: Array) -> Rows:
    """Work of the shapes, each a column of phase, batch, length, heads, widths and taps."""
    prompt, batch, new, key_heads, key_dim, value_heads, value_dim, taps = shape
    tokens = batch * np.where(prompt > 0.0, new, 1.0)
    layers = [
        LinearAttention("gated-deltanet", int(kh), int(vh), int(kd), int(vd), int(width))
        for kh, vh, kd, vd, width in zip(key_heads, value_heads, key_dim, value_dim, taps, strict=True)
    ]
    moved = np.where(prompt > 0.0, tokens, 0.0) * np.array([one.scan_elements * _ELEMENT_BYTES for one in layers])
    state = 2.0 * batch * np.array([one.state_elements * _STATE_BYTES for one in layers])
    columns = {
        "flop": tokens * np.array([look_shape(one).per_token for one in layers]) / card.chip.peak("bf16"),
        "bytes": (moved + state) / card.chip.hbm_bandwidth,
        "walked": np.where(prompt > 0.0, new, 0.0),
    }
    lane = np.where(prompt > 0.0, "scan of a prompt", "recurrent decode")
    return make_rows("recurrent", card, engine, lane, seconds, columns)
