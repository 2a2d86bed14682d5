"""How a step is run beside its layout: schedule, micro-batch, recomputation, sharding, formats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Recipe:
    """Choices of a training run.

    Parameters
    ----------
    schedule : str
        A key of ``headway.training.schedules.SCHEDULES``.
    chunks : int or array
        Model chunks per stage, for the interleaved schedule [1].
    micro_batch : int or array
        Sequences that one data rank multiplies at once [1].
    recompute : str
        A key of ``headway.training.memory.POLICIES``.
    zero : int or array
        Sharding stage over data ranks: 1 optimiser, 2 gradients, 3 weights as well (FSDP).
    precision : str
        Format of the matrix products; attention proper runs in 16 bit.
    optimiser, gradients : str
        Keys of ``headway.training.memory.OPTIMISERS`` and ``GRADIENT_BYTES``.
    sequence_parallel : bool
        Norms and residuals divided over the tensor ranks.
    fused_attention : bool
        Score matrices are never written to memory.
    reserve : float, array or None
        Memory of a chip that holds no tensors [B]; ``headway.training.memory.reserve_of`` the layout where None.

    Examples
    --------
    >>> Recipe(recompute="full").storing().recompute
    'store'
    """

    schedule: str = "1f1b"
    chunks: Any = 1
    micro_batch: Any = 1
    recompute: str = "store"
    zero: Any = 1
    precision: str = "bf16"
    optimiser: str = "adam-fp32"
    gradients: str = "fp32"
    sequence_parallel: bool = True
    fused_attention: bool = True
    reserve: Any = None

    def storing(self) -> Recipe:
        """The same with every activation kept."""
        return replace(self, recompute="store")
