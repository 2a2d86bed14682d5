"""The release gate as a truth table: tier before safeguards, residual risk after them, mode of release.

A safeguard that lives outside the weights (filters, monitoring, access control) does not travel with
them. So a service is judged on what remains after safeguards, and open weights are judged on both.

Source: Meta's Advanced AI Scaling Framework (April 2026), as its blog and the Muse Spark safety and
preparedness report (arXiv 2606.12429, abstract) describe it: risk is assessed before and after
safeguards, in tiers of which one is "high", for open, API and closed releases alike. The framework's own
threshold tests are not in here: the tier and the residual are inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from headway.facts.errors import InputError, unknown

Tier = Literal["below-high", "high"]
Residual = Literal["acceptable", "not-acceptable"]
Mode = Literal["closed", "api", "open-weights"]

TIERS: tuple[str, ...] = get_args(Tier)
RESIDUALS: tuple[str, ...] = get_args(Residual)
MODES: tuple[str, ...] = get_args(Mode)

_REMAINS = "the risk that remains after safeguards is not acceptable"
_TRAVELS = "the tier before safeguards is high, and safeguards around a service do not travel with its weights"
_BELOW = "the tier before safeguards is below high and the residual risk is acceptable"
_GUARDED = "the tier before safeguards is high, but the residual risk is acceptable while the service stays behind them"

# (tier before safeguards, residual after them, mode) -> (may be released, why)
_TABLE: Mapping[tuple[str, str, str], tuple[bool, str]] = MappingProxyType(
    {
        ("below-high", "acceptable", "closed"): (True, _BELOW),
        ("below-high", "acceptable", "api"): (True, _BELOW),
        ("below-high", "acceptable", "open-weights"): (True, _BELOW),
        ("below-high", "not-acceptable", "closed"): (False, _REMAINS),
        ("below-high", "not-acceptable", "api"): (False, _REMAINS),
        ("below-high", "not-acceptable", "open-weights"): (False, _REMAINS),
        ("high", "acceptable", "closed"): (True, _GUARDED),
        ("high", "acceptable", "api"): (True, _GUARDED),
        ("high", "acceptable", "open-weights"): (False, _TRAVELS),
        ("high", "not-acceptable", "closed"): (False, _REMAINS),
        ("high", "not-acceptable", "api"): (False, _REMAINS),
        ("high", "not-acceptable", "open-weights"): (False, _TRAVELS),
    }
)


@dataclass(frozen=True, slots=True)
class Decision:
    """Outcome of the gate.

    Parameters
    ----------
    allowed : bool
        Whether the release may go ahead.
    reason : str
        The line of the table that decided.
    binding : str
        Domain that decided; empty for a single finding.
    """

    allowed: bool
    reason: str
    binding: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the evaluation of one risk domain found.

    Parameters
    ----------
    tier : {"below-high", "high"}
        Tier before safeguards.
    residual : {"acceptable", "not-acceptable"}
        What remains after them.
    """

    tier: Tier
    residual: Residual


def release_decision(pre_mitigation_tier: str, post_mitigation_residual: str, mode: str) -> Decision:
    """Whether one finding allows one mode of release (claim W06).

    Parameters
    ----------
    pre_mitigation_tier : {"below-high", "high"}
        Tier before safeguards.
    post_mitigation_residual : {"acceptable", "not-acceptable"}
        What remains after them.
    mode : {"closed", "api", "open-weights"}
        Own products only, a programming interface, or the weights themselves.

    Raises
    ------
    UnknownNameError
        If one of the three is not in its list.

    Examples
    --------
    >>> release_decision("high", "acceptable", "closed").allowed
    True
    >>> release_decision("high", "acceptable", "open-weights").allowed
    False
    """
    for field, value, options in (
        ("pre_mitigation_tier", pre_mitigation_tier, TIERS),
        ("post_mitigation_residual", post_mitigation_residual, RESIDUALS),
        ("mode", mode, MODES),
    ):
        if value not in options:
            raise unknown(field, str(value), options)
    allowed, reason = _TABLE[pre_mitigation_tier, post_mitigation_residual, mode]
    return Decision(allowed, reason)


def release_gate(findings: Mapping[str, Finding], mode: str) -> Decision:
    """Whether every domain allows one mode of release; the first that does not is the binding one (claim W06).

    Parameters
    ----------
    findings : mapping of str to Finding
        Domain (``"chemical-biological"``, ``"cyber"``, ``"loss-of-control"``) to what was found.
    mode : {"closed", "api", "open-weights"}
        Mode of release.

    Raises
    ------
    InputError
        If there is no finding at all: nothing evaluated is not the same as nothing found.

    Examples
    --------
    >>> found = {"cyber": Finding("below-high", "acceptable"), "chem-bio": Finding("high", "acceptable")}
    >>> release_gate(found, "open-weights").binding
    'chem-bio'
    """
    if not findings:
        raise InputError("findings", "nothing", "at least one evaluated domain")
    last = ("", Decision(True, _BELOW))
    for domain, finding in findings.items():
        decision = release_decision(finding.tier, finding.residual, mode)
        if not decision.allowed:
            return Decision(False, decision.reason, domain)
        if not last[0] or finding.tier == "high":
            last = (domain, decision)
    return Decision(True, last[1].reason, last[0])
