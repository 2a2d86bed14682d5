"""What keeping no activations costs: measured overheads of reversible and checkpointed training, with their source.

The table ``data/reversible.toml`` is written by ``python -m headway.reversible.overheads``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from headway.facts.catalog import Column
from headway.facts.named import named_row, row_names
from headway.facts.sources import Source

#: Columns of a policy.
POLICY_COLUMNS: tuple[Column, ...] = (
    Column("time_ratio", "quantity", "time of a training step over that with stored activations", "count", True),
    Column("shallow_layers", "whole", "layers of the shallow network", required=True),
    Column("deep_layers", "whole", "layers of the deep network", required=True),
    Column("shallow_bytes", "quantity", "peak activation memory of the shallow network", "bytes", True),
    Column("deep_bytes", "quantity", "peak activation memory of the deep network", "bytes", True),
    Column("gradient_error", "quantity", "relative difference of the gradient in float32", "count", True),
    Column("note", "text", "how it was measured"),
)


@dataclass(frozen=True, slots=True)
class MemoryPolicy:
    """A way to keep activations, as measured.

    Parameters
    ----------
    name : str
        ``"store"``, ``"reversible"`` or ``"checkpoint"``.
    time_ratio : float
        Time of a training step over that with stored activations [1].
    shallow_layers, deep_layers : int
        Depths at which memory was measured.
    shallow_bytes, deep_bytes : float
        Peak activation memory at these depths [B].
    gradient_error : float
        Norm of the gradient's difference to that with stored activations over its norm, float32 [1].
    sources : tuple of Source
        The measurement.
    note : str
        How it was measured.
    """

    name: str
    time_ratio: float
    shallow_layers: int
    deep_layers: int
    shallow_bytes: float
    deep_bytes: float
    gradient_error: float
    sources: tuple[Source, ...] = ()
    note: str = ""

    @property
    def growth(self) -> float:
        """Peak memory of the deep network over that of the shallow one [1]."""
        return self.deep_bytes / self.shallow_bytes


def policy_names() -> tuple[str, ...]:
    """Names of the measured policies."""
    return row_names("reversible.toml", "policy")


@lru_cache(maxsize=8)
def memory_policy(name: str) -> MemoryPolicy:
    """The measured policy of that name.

    Raises
    ------
    UnknownNameError
        If there is none, with the nearest name.

    Examples
    --------
    >>> memory_policy("store").time_ratio
    1.0
    """
    found = named_row("reversible.toml", "policy", name, POLICY_COLUMNS, "memory policy")
    return MemoryPolicy(
        found.name,
        found.number("time_ratio"),
        found.whole("shallow_layers"),
        found.whole("deep_layers"),
        found.number("shallow_bytes"),
        found.number("deep_bytes"),
        found.number("gradient_error"),
        found.sources,
        found.text("note"),
    )
