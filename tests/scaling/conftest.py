from __future__ import annotations

import csv
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from headway.scaling.forms import Point

ROOT = Path(__file__).resolve().parents[2]


def shared(name: str) -> Path:
    """A file of open data that lies beside the repository, or a skip."""
    folder = Path(os.environ.get("HEADWAY_SHARED", ROOT.parent / "shared"))
    path = folder / "data" / "scaling" / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the repository")
    return path


def columns(name: str) -> dict[str, np.ndarray]:
    with shared(name).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def points(size: np.ndarray, tokens: np.ndarray, compute: np.ndarray | None = None) -> Point:
    n, d = size.astype(float), tokens.astype(float)
    return Point(size=n, tokens=d, compute=6 * n * d if compute is None else compute.astype(float))


@pytest.fixture(scope="session")
def chinchilla() -> tuple[Point, np.ndarray]:
    """The 240 points of Besiroglu et al., without the five that they leave out."""
    c = columns("chinchilla_epoch_extracted.csv")
    kept = c["dropped_by_epoch"] == "0"
    at = points(c["N_params"][kept], c["D_tokens"][kept], c["C_flop"][kept])
    return at, c["loss"][kept].astype(float)


@pytest.fixture(scope="session")
def open_data() -> SimpleNamespace:
    """Readers of the open data beside the repository."""
    return SimpleNamespace(columns=columns, points=points, shared=shared)
