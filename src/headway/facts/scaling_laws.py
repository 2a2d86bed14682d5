"""Published fits of loss against size and data, with their sources.

All have the form ``L(N, D) = E + A / N^a + B / D^b`` (loss in nats per token, natural units of parameters and
tokens). They were fitted below about 100 tokens per parameter; far above that they are extrapolated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from headway.facts.errors import RangeError, unknown
from headway.facts.sources import Source


@dataclass(frozen=True, slots=True)
class LossLaw:
    """Constants of one fit.

    Parameters
    ----------
    name : str
        Catalog name.
    irreducible : float
        ``E`` [nat/token].
    size_coefficient, size_exponent : float
        ``A`` and ``a``.
    data_coefficient, data_exponent : float
        ``B`` and ``b``.
    source : Source
        Who fitted it.
    note : str
        What the reader should know.
    exponent_errors : tuple of (float, float, float) or None
        Standard errors of ``a`` and ``b``, and their correlation [1]; None where none are known.
    """

    name: str
    irreducible: float
    size_coefficient: float
    size_exponent: float
    data_coefficient: float
    data_exponent: float
    source: Source
    note: str = ""
    exponent_errors: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse constants with which loss would not fall."""
        for field in ("size_coefficient", "size_exponent", "data_coefficient", "data_exponent"):
            if not 0 < getattr(self, field) < float("inf"):
                raise RangeError(field, getattr(self, field), "a finite number above 0")
        if not 0 <= self.irreducible < float("inf"):
            raise RangeError("irreducible", self.irreducible, "a finite number of at least 0")


_HOFFMANN = "Hoffmann et al., Training Compute-Optimal Large Language Models, arXiv 2203.15556, approach 3"
_EPOCH = "Besiroglu et al., Chinchilla Scaling: A replication attempt, arXiv 2404.10102"
_READ = "2026-11-23"

LOSS_LAWS: Mapping[str, LossLaw] = MappingProxyType(
    {
        law.name: law
        for law in (
            LossLaw(
                "hoffmann-2022-printed",
                1.69,
                406.4,
                0.34,
                410.7,
                0.28,
                Source(_HOFFMANN, _READ, "reported"),
                "exponents as printed, two digits; the third digit moves the optimum by tens of percent",
            ),
            LossLaw(
                "hoffmann-2022",
                1.69,
                406.4,
                0.33917,
                410.7,
                0.28491,
                Source(f"{_HOFFMANN}; exponents to five digits as quoted in {_EPOCH}, notebook", _READ, "reported"),
                "the fit stopped before convergence, as its replication found",
            ),
            LossLaw(
                "epoch-2024",
                1.8169,
                482.01,
                0.3478,
                2085.43,
                0.3658,
                Source(_EPOCH, _READ, "reported"),
                "the fit that agrees with 20 tokens per parameter; standard errors: A 124.5, B 1293.3, E 0.0257,"
                " a 0.0154, b 0.0206; their correlation is that of the bootstrap of the refit",
                (0.0154, 0.0206, -0.25),
            ),
            LossLaw(
                "epoch-2024-converged",
                1.81722,
                477.83,
                0.34731,
                2143.4,
                0.36717,
                Source(f"refit of the 240 points of {_EPOCH} to convergence", _READ, "inferred"),
                "same objective and points as epoch-2024, run to its optimum; errors of the exponents by 4,000"
                " bootstraps of headway.scaling.laws.bootstrap",
                (0.0149, 0.0203, -0.25),
            ),
            LossLaw(
                "muennighoff-2023",
                1.86914,
                520.82,
                0.35266,
                1487.7,
                0.35266,
                Source(
                    "Muennighoff et al., Scaling Data-Constrained Language Models, arXiv 2305.16264; README of its"
                    " repository (ln A 6.2554, ln B 7.3050, ln E 0.62548)",
                    _READ,
                    "reported",
                ),
                "both exponents tied; the law for fresh data, without the decay of repeated epochs",
            ),
        )
    }
)


def loss_law(name: str) -> LossLaw:
    """Look a fit up by name.

    Raises
    ------
    UnknownNameError
        If there is none of that name.

    Examples
    --------
    >>> loss_law("epoch-2024").data_exponent
    0.3658
    """
    try:
        return LOSS_LAWS[name]
    except (KeyError, TypeError):
        raise unknown("loss law", str(name), LOSS_LAWS) from None
