"""Checked reading of a published configuration: every number has a kind and a bound, every failure one clear line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from headway.facts.errors import ConfigError
from headway.facts.layers import AttentionKind, FeedForward
from headway.facts.model import LayerGroup

# Far above any model published, low enough that a hostile file costs neither time nor memory.
MOST: MappingProxyType[str, int] = MappingProxyType(
    {
        "num_hidden_layers": 10_000,
        "hidden_size": 1_000_000,
        "vocab_size": 100_000_000,
        "num_attention_heads": 100_000,
        "num_experts": 1_000_000,
        "max_position_embeddings": 10**12,
        "sliding_window": 10**12,
    }
)
MOST_OTHERWISE = 10_000_000


@dataclass(frozen=True)
class Fields:
    """A configuration (or one section of it) with the name that errors give it.

    Parameters
    ----------
    data : mapping
        Keys and values as published.
    label : str
        File and section, for messages (``"config.json"``, ``"config.json: text_config"``).
    """

    data: Mapping[str, Any]
    label: str = "config.json"

    def refuse(self, key: str, value: object, expected: str, nearest: str | None = None) -> ConfigError:
        """Build the error for one field."""
        return ConfigError(f"{self.label}: {key}", value, expected, nearest)

    def find(self, *keys: str) -> tuple[str, Any]:
        """Return the first of `keys` that is present and not null, with its value; (first key, None) if none is."""
        for key in keys:
            value = self.data.get(key)
            if value is not None:
                return key, value
        return keys[0], None

    def whole(self, *keys: str, default: int | None = None, least: int = 1, most: int | None = None) -> int:
        """Read a whole number under the first present name of `keys`.

        >>> Fields({"num_hidden_layers": 61}).whole("num_hidden_layers", "n_layer")
        61
        """
        key, value = self.find(*keys)
        top = most if most is not None else MOST.get(keys[0], MOST_OTHERWISE)
        expected = f"a whole number from {least} to {top:,}"
        if value is None:
            if default is None:
                raise self.refuse(" or ".join(keys), "absent", expected)
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= top:
            raise self.refuse(key, value, expected)
        return int(value)

    def count(self, *keys: str, default: int | None = 0) -> int:
        """Read a whole number that may be zero."""
        return self.whole(*keys, default=default, least=0)

    def flag(self, *keys: str, default: bool = False) -> bool:
        """Read true or false (also 0 or 1)."""
        key, value = self.find(*keys)
        if value is None:
            return default
        if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
            return bool(value)
        raise self.refuse(key, value, "true or false")

    def word(self, *keys: str, default: str = "") -> str:
        """Read a short string."""
        key, value = self.find(*keys)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > 1000:
            raise self.refuse(key, value, "a short string")
        return value

    def section(self, key: str) -> Fields | None:
        """Read a nested object; None where it is absent."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.refuse(key, value, "an object")
        return Fields(value, f"{self.label}: {key}")

    def per_layer(self, key: str, layers: int, *, spare: int = 0) -> Sequence[Any] | None:
        """Read a list with one entry per layer (and up to `spare` more, for prediction modules); None if absent."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)) or not layers <= len(value) <= layers + spare:
            given = f"{len(value)} entries" if isinstance(value, (list, tuple)) else value
            raise self.refuse(key, given, f"a list of {layers} entries, one per layer")
        return value[:layers]

    def flags_per_layer(self, key: str, layers: int) -> list[bool] | None:
        """Read a list of 0 and 1 with one entry per layer; None if absent."""
        values = self.per_layer(key, layers)
        if values is None:
            return None
        for value in values:
            if not isinstance(value, int) or value not in (0, 1):
                raise self.refuse(key, value, "0 or 1 for each layer")
        return [bool(value) for value in values]

    def kinds_per_layer(self, key: str, layers: int, accepted: Mapping[str, str]) -> list[str] | None:
        """Read a list of names with one entry per layer, each mapped by `accepted`; None if absent."""
        values = self.per_layer(key, layers)
        if values is None:
            return None
        for value in values:
            if not isinstance(value, str) or value not in accepted:
                raise self.refuse(key, value, f"one of {', '.join(sorted(accepted))} for each layer")
        return [accepted[value] for value in values]

    def places(self, key: str, layers: int, *, first: int = 0) -> frozenset[int]:
        """Read a list of layer numbers counted from `first`, returned counted from 0; empty where it is absent."""
        value = self.data.get(key)
        if value is None:
            return frozenset()
        last = layers - 1 + first
        expected = f"a list of layer numbers from {first} to {last}"
        if not isinstance(value, (list, tuple)) or len(value) > layers:
            raise self.refuse(key, value if not isinstance(value, (list, tuple)) else f"{len(value)} entries", expected)
        for entry in value:
            if isinstance(entry, bool) or not isinstance(entry, int) or not first <= entry <= last:
                raise self.refuse(key, entry, expected)
        return frozenset(entry - first for entry in value)


@dataclass(frozen=True)
class Stack:
    """What a family reader finds: the layers and what stands beside them.

    Parameters
    ----------
    layers : tuple of LayerGroup
        The stack, grouped by shape.
    extra_params : int
        Parameters that no layer holds [1].
    mtp_layers : int
        Multi-token-prediction modules [1].
    notes : tuple of str
        What the reader should know.
    """

    layers: tuple[LayerGroup, ...]
    extra_params: int = 0
    mtp_layers: int = 0
    notes: tuple[str, ...] = ()


def grouped(layers: Iterable[LayerGroup]) -> tuple[LayerGroup, ...]:
    """Merge layers of one shape, in order of first appearance.

    >>> from headway.facts.layers import DenseFFN, SoftmaxAttention
    >>> one = LayerGroup(1, SoftmaxAttention(8, 8, 64), DenseFFN(2048))
    >>> grouped([one, one, one])[0].count
    3
    """
    counts: dict[tuple[AttentionKind | None, FeedForward | None, int, int], int] = {}
    for layer in layers:
        shape = (layer.attention, layer.ffn, layer.norms, layer.extra_params)
        counts[shape] = counts.get(shape, 0) + layer.count
    return tuple(LayerGroup(n, a, f, norms, extra) for (a, f, norms, extra), n in counts.items())


def mtp_layers(fields: Fields) -> int:
    """Read how many multi-token-prediction modules are published with the model.

    >>> mtp_layers(Fields({"num_nextn_predict_layers": 1}))
    1
    """
    modules = fields.count("num_mtp_modules", "num_nextn_predict_layers", "mtp_num_hidden_layers", "mtp_num_layers")
    return modules if fields.flag("use_mtp", default=True) else 0
