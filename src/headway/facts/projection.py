"""One matrix product of a layer: its shape and the way tensor parallelism divides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["outputs", "inputs", "none"]


@dataclass(frozen=True, slots=True)
class Projection:
    """One matrix product applied to every token.

    Parameters
    ----------
    name : str
        Field's name of the matrix (``"q"``, ``"kv_a"``, ``"gate_up"``).
    inputs, outputs : int
        Shape of the weight matrix [1].
    split : {"outputs", "inputs", "none"}
        Dimension that tensor parallelism divides; ``"none"`` means replicated on each rank.
    units : int
        Number of heads (or other indivisible units) along the divided dimension: a rank holds at
        least one, so ``tp`` above `units` replicates. 0 where any division works.
    """

    name: str
    inputs: int
    outputs: int
    split: Split
    units: int = 0

    @property
    def params(self) -> int:
        """Weights in the matrix [1].

        >>> Projection("o", 16384, 7168, "inputs").params
        117440512
        """
        return self.inputs * self.outputs
