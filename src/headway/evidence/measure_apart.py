"""Measure in a process of its own, whose BLAS has a chosen number of threads: it reads that once, when it loads."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from types import MappingProxyType
from typing import Any, Final

from headway.evidence.measure import CachePass, Measurement, Product, Stream, measure_cpu
from headway.evidence.toy_decoder import ToyCheck, ToyShape, standard_checks
from headway.facts.errors import HeadwayError

_THREADS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_PARTS: Final = MappingProxyType({"streams": Stream, "large": Product, "thin": Product})


def to_json(found: Measurement, checks: tuple[ToyCheck, ...]) -> str:
    """A measurement and its checks as text.

    >>> seen = Measurement("cpu", "", 4, 1.0, (Stream("read", 1, 1, 2.0),), (), (), 1.0, "")
    >>> from_json(to_json(seen, ())) == (seen, ())
    True
    """
    return json.dumps({"cpu": dataclasses.asdict(found), "checks": [dataclasses.asdict(c) for c in checks]})


def from_json(text: str) -> tuple[Measurement, tuple[ToyCheck, ...]]:
    """What :func:`to_json` wrote."""
    raw = json.loads(text)
    cpu: dict[str, Any] = raw["cpu"]
    for name, kind in _PARTS.items():
        cpu[name] = tuple(kind(**one) for one in cpu[name])
    cpu["cache"] = None if cpu["cache"] is None else CachePass(**cpu["cache"])
    checks = tuple(ToyCheck(**{**one, "shape": ToyShape(**one["shape"])}) for one in raw["checks"])
    return Measurement(**cpu), checks


def measure(threads: int | None, *, check: bool) -> tuple[Measurement, tuple[ToyCheck, ...]]:
    """Measure the processor, here or on so many threads elsewhere, and time the decoders where asked.

    Raises
    ------
    HeadwayError
        If the other process fails.
    """
    if threads is None:
        cpu = measure_cpu()
        return cpu, standard_checks(cpu) if check else ()
    own = dict.fromkeys(_THREADS, str(threads)) | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    call = f"from headway.evidence.measure_apart import write; write({check!r})"
    argv, environment = [sys.executable, "-c", call], os.environ | own
    done = subprocess.run(argv, check=False, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise HeadwayError(f"measuring on {threads} threads failed: {done.stderr.strip()[-200:]}")
    return from_json(done.stdout)


def write(check: bool) -> None:
    """Measure here and write the result to standard output."""
    sys.stdout.write(to_json(*measure(None, check=check)))
