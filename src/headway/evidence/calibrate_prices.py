"""Sample the price law of the open models once: ``python -m headway.evidence.calibrate_prices``.

Writes the draws of the physics form that the package keeps, so that a reading needs neither emcee nor a second of
sampling; ``--check`` compares with the packaged table instead.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from headway.pricing.forms import PACKAGED_DRAWS, PHYSICS_PARAMETERS, Physics
from headway.pricing.offers import open_offers, quotes
from headway.pricing.posterior import fit_prices

_OUT: Final = Path(__file__).parents[1] / "facts" / "data" / PACKAGED_DRAWS


def fingerprint() -> str:
    """SHA-256 of the packaged table of offers that the draws were learned from.

    >>> len(fingerprint())
    64
    """
    table = resources.files("headway.facts").joinpath("data", "open_prices.csv").read_bytes()
    return hashlib.sha256(table.replace(b"\r\n", b"\n")).hexdigest()


def to_toml(form: Physics, models: int) -> str:
    """The table of draws as the package keeps it.

    >>> import numpy as np
    >>> to_toml(Physics(np.array([[-5.0, -6.0, -5.0, -6.0, -0.9, -0.9, 0.6]])), 34).splitlines()[-2]
    '  [-5, -6, -5, -6, -0.9, -0.9, 0.6],'
    """
    rows = (f"  [{', '.join(f'{value:.7g}' for value in row)}]," for row in form.draws)
    text = (
        "# Written by python -m headway.evidence.calibrate_prices. Draws of the physics form, one a row:",
        f"# {', '.join(PHYSICS_PARAMETERS)}.",
        f'offers_sha256 = "{fingerprint()}"',
        f'source = "emcee on the prices of {models} open models of facts/data/open_prices.csv, seed 0"',
        'retrieved = "2026-11-25"',
        'kind = "inferred"',
        "draws = [",
        *rows,
        "]",
    )
    return "\n".join(text) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Sample, and write the table or compare it."""
    fitted = fit_prices(quotes(open_offers()))
    if fitted.physics is None:
        return 1
    text = to_toml(fitted.physics, len(fitted.quotes.models))
    if "--check" in arguments:
        return int(text != _OUT.read_text(encoding="utf-8"))
    _OUT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
