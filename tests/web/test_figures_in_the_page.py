"""The page shows figures as the command line does: one table of dimensions, one rounding."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from headway.facts.dimensions import DIMENSIONS
from headway.facts.units import format_quantity
from headway.web.document import boot_document

STATIC = Path(__file__).resolve().parents[2] / "src" / "headway" / "web" / "static"
PROGRAM = """
import { setDimensions, show } from '%s';
import { readFileSync } from 'node:fs';
const { table, asked } = JSON.parse(readFileSync(0, 'utf8'));
setDimensions(table);
console.log(JSON.stringify(asked.map(([value, name, digits]) => show(value, name, digits))));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_figures_read_alike() -> None:
    random = np.random.default_rng(2)
    asked = [
        [float(sign * 10**power), name, int(digits)]
        for name in DIMENSIONS
        for power in random.uniform(-11, 20, 120)
        for sign, digits in [(1.0, random.integers(2, 6)), (-1.0, 3)]
    ]
    asked += [[v, name, 3] for name in DIMENSIONS for v in (0.0, 1.0, 999.5, 1e3, 2.5, 0.5, 1e-3)]
    asked += [[v, name, 3] for name in DIMENSIONS for v in (6.75e24, 1e18, 9.995e17, 3e-17, 3e-24)]
    done = subprocess.run(
        ["node", "--input-type=module", "-e", PROGRAM % (STATIC / "units.js").as_uri()],
        input=json.dumps({"table": boot_document()["dimensions"], "asked": asked}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [format_quantity(*one) for one in asked]
