"""``headway reversible``: ciphers and networks by one construction, and what recomputing activations costs."""

from __future__ import annotations

from collections.abc import Sequence

from headway.cli._chart import Axis, Series, XYChart
from headway.cli._lazy import LazyGroup, Row

_CIPHER = "Integers (numpy alone)"
_NETWORK = "Tensors (pip install 'headway[torch]')"
_HERE = "headway.cli._reversible_"

ROWS = (
    Row("shuffle", f"{_HERE}integers:shuffle", "Items of a data set in an order given by a key.", _CIPHER),
    Row("cipher", f"{_HERE}integers:cipher", "Encipher or decipher one block with Simon.", _CIPHER),
    Row("avalanche", f"{_HERE}integers:avalanche", "Output bits that one input bit flips, by round.", _CIPHER),
    Row("trail", f"{_HERE}integers:trail", "The likeliest differential trail that a search finds.", _CIPHER),
    Row("memory", f"{_HERE}tensors:memory", "Peak activation memory and time, by policy and depth.", _NETWORK),
    Row("precision", f"{_HERE}tensors:precision", "Error of what is recomputed, by depth and format.", _NETWORK),
    Row("train", f"{_HERE}tensors:train", "A character model trained with and without stored activations.", _NETWORK),
    Row("growth", f"{_HERE}tensors:growth", "How a perturbation grows by layer, fresh and trained.", _NETWORK),
    Row("twins", f"{_HERE}tensors:twins", "A cipher's trail and a network's adversary: one picture twice.", _NETWORK),
)

reversible = LazyGroup(
    "reversible",
    ROWS,
    [],
    "Feistel networks: a cipher, a shuffle of any range, and layers trained without stored activations.\n\n"
    "Example: headway reversible shuffle 1000000 --key 7",
    "The cipher is for study, not for protection.",
)


def lines(
    title: str,
    x: str,
    y: Axis,
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
) -> XYChart:
    """A line chart over counts."""
    made = tuple(Series(name, list(at), list(values)) for name, at, values in series)
    return XYChart(title, Axis(x, "count"), y, made)


def shares(title: str, x: str, y: str, series: Sequence[tuple[str, Sequence[float]]]) -> XYChart:
    """A line chart of shares after 0, 1, ... rounds."""
    return lines(title, x, Axis(y, "fraction"), [(name, range(len(values)), values) for name, values in series])
