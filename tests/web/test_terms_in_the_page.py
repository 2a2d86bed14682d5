"""The page's evaluator of terms equals Python's, at thousands of random points."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.blackboard import decode_terms, prefill_terms
from headway.physics.layout import Layout
from headway.physics.terms import Term, Terms

STATIC = Path(__file__).resolve().parents[2] / "src" / "headway" / "web" / "static"
POINTS = 4000

PROGRAM = """
import { binding, total } from '%s';
import { readFileSync } from 'node:fs';
const asked = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(asked.map(({ terms, points }) =>
  points.map(([batch, context, tokens]) => {
    const at = { batch, context, tokens };
    return [total(terms, at), binding(terms, at)];
  }))));
"""


def _lists() -> list[Terms]:
    names = ("deepseek-v3", "llama-3.1-70b", "gpt-oss-120b", "gemma-3-27b", "deepseek-v3.2", "qwen3-next-80b-a3b")
    box = system("gb200-nvl72")
    found = [decode_terms(model(name), box, Layout(dp=8)) for name in names]
    found += [prefill_terms(model(name), box, Layout(dp=8)) for name in names]
    found += [found[0].times(3.0, batch=-1), found[1].times(0.5, context=0.5, tokens=-1)]
    apart = (
        Term("compute", "a", 1e-6, batch=1, phase="one"),
        Term("memory", "b", 1e-3, phase="one"),
        Term("memory", "c", 2e-9, batch=1, context=1, phase="two"),
    )
    return [*found, Terms(apart)]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_page_evaluates_what_python_does() -> None:
    random = np.random.default_rng(1)
    asked, wanted, names = [], [], []
    for terms in _lists():
        points = np.column_stack(
            [
                10 ** random.uniform(0, 5, POINTS),
                10 ** random.uniform(0, 8, POINTS),
                np.floor(10 ** random.uniform(0, 4, POINTS)),
            ]
        )
        asked.append({"terms": terms.to_dict()["terms"], "points": points.tolist()})
        wanted.append(terms.seconds(*points.T))
        names.append(terms.binding(*points.T))
    done = subprocess.run(
        ["node", "--input-type=module", "-e", PROGRAM % (STATIC / "terms.js").as_uri()],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for found, value, name in zip(json.loads(done.stdout), wanted, names, strict=True):
        np.testing.assert_allclose([v for v, _ in found], value, rtol=1e-9)
        assert [n for _, n in found] == name.tolist()
