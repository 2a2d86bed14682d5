"""Linear attention and state-space layers: a state of fixed size instead of a cache.

Import these names from :mod:`headway.facts.layers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.facts.projection import Projection


@dataclass(frozen=True, slots=True)
class LinearAttention:
    """Linear attention or state-space layer: a state of fixed size per sequence replaces the cache.

    Parameters
    ----------
    kind : str
        ``"gated-deltanet"``, ``"kda"``, ``"lightning"`` or ``"mamba2"``.
    key_heads, value_heads : int
        Heads of queries/keys and of values [1].
    key_dim, value_dim : int
        Width of a key head and of a value head [1]; the state is ``key_dim x value_dim`` per value head.
    conv_width : int
        Length of the short causal convolution [token]; 0 where there is none.
    gates : tuple of Projection
        Further matrices (decay, write strength, output gate).
    vector_params : int
        Parameters of vectors (decay biases, norms, convolution is counted apart) [1].
    state_bytes : float
        Bytes per element of the state [B].
    """

    kind: str
    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    conv_width: int = 0
    gates: tuple[Projection, ...] = ()
    vector_params: int = 0
    state_bytes: float = 4.0

    @property
    def window(self) -> int | None:
        """A state sees the whole past, compressed."""
        return None

    @property
    def kv_elements(self) -> int:
        """Nothing grows with context [1]."""
        return 0

    @property
    def kv_elements_read(self) -> int:
        """Nothing is read per token of context [1]."""
        return 0

    @property
    def conv_channels(self) -> int:
        """Channels of the short convolution over queries, keys and values [1]."""
        return 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim if self.conv_width else 0

    @property
    def state_elements(self) -> int:
        """Recurrent state plus the tail that the convolution needs, per sequence [1].

        >>> LinearAttention("gated-deltanet", 16, 64, 128, 128, conv_width=4).state_elements
        1085440
        """
        tail = self.conv_channels * max(self.conv_width - 1, 0)
        return self.value_heads * self.key_dim * self.value_dim + tail

    @property
    def scan_elements(self) -> int:
        """Elements read and written per token of a prompt: the convolution's input and output, the scan's [1].

        >>> LinearAttention("gated-deltanet", 16, 64, 128, 128, conv_width=4).scan_elements
        45056
        """
        values = self.value_heads * self.value_dim
        return 2 * self.conv_channels + (2 * self.key_heads * self.key_dim + values) + values

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Queries, keys, values, gates, output."""
        keys, values = self.key_heads * self.key_dim, self.value_heads * self.value_dim
        return (
            Projection("q", hidden, keys, "outputs", self.key_heads),
            Projection("k", hidden, keys, "outputs", self.key_heads),
            Projection("v", hidden, values, "outputs", self.value_heads),
            *self.gates,
            Projection("o", values, hidden, "inputs", self.value_heads),
        )

    def extra_params(self, hidden: int) -> int:
        """Convolution taps and vectors [1]."""
        return self.conv_channels * self.conv_width + self.vector_params
