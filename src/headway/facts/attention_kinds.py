"""Attention that keeps what it has seen: grouped-query, latent and compressed, and the selector of sparse attention.

Import these names from :mod:`headway.facts.layers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.facts.projection import Projection


@dataclass(frozen=True, slots=True)
class Indexer:
    """Selector of sparse attention: scores every cached key with few cheap heads, keeps the best.

    Parameters
    ----------
    heads, dim : int
        Scoring heads and their width [1].
    top_k : int
        Keys kept per query [token].
    block : int
        Keys that share one score [token]; 1 for token-level selection.
    query_inputs : int
        Width of what the scoring queries are projected from [1]; 0 means the hidden size.
    compress : int
        Cached tokens per stored indexer key [token].
    key_outputs : int
        Width that keys are projected to before they are pooled [1]; 0 means `dim`.
    weighted : bool
        A learned weight per scoring head.
    vectors : int
        Parameters of norms and position tables [1]; -1 means weight and bias of one norm of `dim`.
    shared : bool
        True where the layer reuses the choice of an earlier layer: it projects and caches nothing.
    """

    heads: int
    dim: int
    top_k: int
    block: int = 1
    query_inputs: int = 0
    compress: int = 1
    key_outputs: int = 0
    weighted: bool = True
    vectors: int = -1
    shared: bool = False

    @property
    def key_elements(self) -> float:
        """Elements of indexer key that one token of context adds to the cache, beside the attention's own [1].

        >>> Indexer(64, 128, 2048).key_elements, Indexer(64, 128, 1024, compress=4).key_elements
        (128.0, 32.0)
        """
        return 0.0 if self.shared else self.dim / self.compress

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Scoring queries, one shared key, and a weight per head; replicated on each rank."""
        if self.shared:
            return ()
        found = [
            Projection("index_q", self.query_inputs or hidden, self.heads * self.dim, "none"),
            Projection("index_k", hidden, self.key_outputs or self.dim, "none"),
        ]
        if self.weighted:
            found.append(Projection("index_weights", hidden, self.heads, "none"))
        return tuple(found)

    def extra_params(self) -> int:
        """Norms and position tables [1]."""
        if self.shared:
            return 0
        return 2 * self.dim if self.vectors < 0 else self.vectors


@dataclass(frozen=True, slots=True)
class SoftmaxAttention:
    """Multi-head, grouped-query or multi-query attention, full or within a window.

    Parameters
    ----------
    heads, kv_heads : int
        Query heads and key/value heads [1].
    head_dim, v_head_dim : int
        Width of a query/key head and of a value head [1]; ``v_head_dim=0`` means `head_dim`.
    window : int, optional
        Sliding window or chunk [token].
    output_gate : bool
        An elementwise gate on the heads' output, as wide as the queries.
    qkv_bias, output_bias, qk_norm, sinks : bool
        Vectors that add parameters.
    keys_are_values : bool
        One tensor serves as key and value (stored and projected once).
    values_from_keys : bool
        Values come from the key matrix before norm and rotation: one matrix, but both are stored.
    wide_qk_norm : bool
        Query and key norms span all heads instead of one.
    stores_kv : bool
        False for a layer that reads an earlier layer's cache and projects no keys or values.
    indexer : Indexer, optional
        Selector of sparse attention.
    """

    heads: int
    kv_heads: int
    head_dim: int
    v_head_dim: int = 0
    window: int | None = None
    output_gate: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: bool = False
    sinks: bool = False
    keys_are_values: bool = False
    stores_kv: bool = True
    indexer: Indexer | None = None
    values_from_keys: bool = False
    wide_qk_norm: bool = False

    @property
    def value_dim(self) -> int:
        """Width of a value head [1]."""
        return self.v_head_dim or self.head_dim

    @property
    def kv_elements_read(self) -> int:
        """Elements that attention reads per visible token [1], stored here or by an earlier layer."""
        return self.kv_heads * (self.head_dim if self.keys_are_values else self.head_dim + self.value_dim)

    @property
    def kv_elements(self) -> int:
        """Elements that one token of context adds to the cache of this layer [1].

        >>> SoftmaxAttention(heads=64, kv_heads=8, head_dim=128).kv_elements
        2048
        """
        return self.kv_elements_read if self.stores_kv else 0

    @property
    def state_elements(self) -> int:
        """Softmax attention keeps no constant state."""
        return 0

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Queries (and gate), keys, values, output."""
        queries = self.heads * self.head_dim * (2 if self.output_gate else 1)
        found = [Projection("q", hidden, queries, "outputs", self.heads)]
        if self.stores_kv:
            found.append(Projection("k", hidden, self.kv_heads * self.head_dim, "outputs", self.kv_heads))
            if not (self.keys_are_values or self.values_from_keys):
                found.append(Projection("v", hidden, self.kv_heads * self.value_dim, "outputs", self.kv_heads))
        found.append(Projection("o", self.heads * self.value_dim, hidden, "inputs", self.heads))
        if self.indexer:
            found.extend(self.indexer.projections(hidden))
        return tuple(found)

    def extra_params(self, hidden: int) -> int:
        """Biases, per-head norms and attention sinks [1]."""
        kv = self.kv_heads * (self.head_dim + self.value_dim) if self.stores_kv else 0
        found = self.heads * self.head_dim + kv if self.qkv_bias else 0
        found += hidden if self.output_bias else 0
        if self.qk_norm:
            key_heads = self.kv_heads if self.wide_qk_norm else 1
            found += self.head_dim * (self.heads if self.wide_qk_norm else 1)
            found += self.head_dim * key_heads if self.stores_kv else 0
        found += self.indexer.extra_params() if self.indexer else 0
        return found + (self.heads if self.sinks else 0)


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (MLA): one low-rank vector per token is cached for all heads.

    Parameters
    ----------
    heads : int
        Query heads [1].
    kv_rank, q_rank : int
        Width of the cached latent and of the query bottleneck [1]; ``q_rank=0`` means none.
    nope_dim, rope_dim, v_head_dim : int
        Per head: part without and with rotary position, and value width [1].
    output_gate : bool
        A full-rank elementwise gate on the heads' output.
    indexer : Indexer, optional
        Selector of sparse attention (DSA).
    """

    heads: int
    kv_rank: int
    q_rank: int
    nope_dim: int
    rope_dim: int
    v_head_dim: int
    output_gate: bool = False
    indexer: Indexer | None = None

    @property
    def window(self) -> int | None:
        """MLA sees the whole context."""
        return None

    @property
    def kv_elements_read(self) -> int:
        """Latent and shared rotary key [1], read once for all heads."""
        return self.kv_rank + self.rope_dim

    @property
    def kv_elements(self) -> int:
        """Elements that one token of context adds to the cache of this layer [1].

        >>> LatentAttention(128, 512, 1536, 128, 64, 128).kv_elements
        576
        """
        return self.kv_elements_read

    @property
    def state_elements(self) -> int:
        """MLA keeps no constant state."""
        return 0

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Down- and up-projections of queries and latent, output."""
        q_width = self.heads * (self.nope_dim + self.rope_dim)
        found = (
            [
                Projection("q_a", hidden, self.q_rank, "none"),
                Projection("q_b", self.q_rank, q_width, "outputs", self.heads),
            ]
            if self.q_rank
            else [Projection("q", hidden, q_width, "outputs", self.heads)]
        )
        found += [
            Projection("kv_a", hidden, self.kv_rank + self.rope_dim, "none"),
            Projection("kv_b", self.kv_rank, self.heads * (self.nope_dim + self.v_head_dim), "outputs", self.heads),
            Projection("o", self.heads * self.v_head_dim, hidden, "inputs", self.heads),
        ]
        if self.output_gate:
            found.append(Projection("gate", hidden, self.heads * self.v_head_dim, "outputs", self.heads))
        if self.indexer:
            found.extend(self.indexer.projections(hidden))
        return tuple(found)

    def extra_params(self, hidden: int) -> int:
        """Norms of the two bottlenecks [1]."""
        return self.q_rank + self.kv_rank + (self.indexer.extra_params() if self.indexer else 0)


@dataclass(frozen=True, slots=True)
class CompressedAttention:
    """Attention over compressed blocks of the past plus a short window of raw tokens (CSA/HCA).

    Parameters
    ----------
    heads, head_dim, rope_dim, q_rank : int
        Query heads, width of the shared key/value head, its rotary part, query bottleneck [1].
    o_groups, o_rank : int
        Grouped low-rank output projection [1].
    raw_window : int
        Raw tokens kept beside the compressed past [token].
    compress : int
        Tokens per compressed entry [token]; 1 keeps only the raw window.
    indexer : Indexer, optional
        Selector over compressed entries (``top_k`` counts entries).
    overlap : int
        Compression windows that each entry draws from [1]: 2 where neighbours overlap.
    """

    heads: int
    head_dim: int
    rope_dim: int
    q_rank: int
    o_groups: int
    o_rank: int
    raw_window: int
    compress: int
    indexer: Indexer | None = None
    overlap: int = 1

    @property
    def window(self) -> int | None:
        """The compressed past is seen whole; with no compression only the raw window is."""
        return self.raw_window if self.compress <= 1 else None

    @property
    def kv_elements_read(self) -> float:
        """Elements per token of context, after compression [1]; one tensor is key and value."""
        return self.head_dim / self.compress

    @property
    def kv_elements(self) -> float:
        """Elements that one token of context adds on average [1].

        >>> CompressedAttention(128, 512, 64, 1536, 16, 1024, 128, 128).kv_elements
        4.0
        """
        return self.kv_elements_read

    @property
    def state_elements(self) -> int:
        """The raw window beside the compressed past, per sequence [1]."""
        return self.raw_window * self.head_dim if self.compress > 1 else 0

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Query bottleneck, one shared key/value, compressor, grouped output."""
        width = self.heads * self.head_dim
        found = [
            Projection("q_a", hidden, self.q_rank, "none"),
            Projection("q_b", self.q_rank, width, "outputs", self.heads),
            Projection("kv", hidden, self.head_dim, "none"),
            Projection("o_a", width // self.o_groups, self.o_groups * self.o_rank, "outputs", self.o_groups),
            Projection("o_b", self.o_groups * self.o_rank, hidden, "inputs", self.o_groups),
        ]
        if self.compress > 1:
            found.append(Projection("compressor", hidden, 2 * self.overlap * self.head_dim, "none"))
        if self.indexer:
            found.extend(self.indexer.projections(hidden))
        return tuple(found)

    def extra_params(self, hidden: int) -> int:
        """Norms, sinks and the compressor's position table [1]."""
        table = self.overlap * self.head_dim * self.compress + self.head_dim if self.compress > 1 else 0
        table += self.indexer.extra_params() if self.indexer else 0
        return self.q_rank + self.head_dim + self.heads + table
