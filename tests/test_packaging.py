"""What users install: a wheel with every file of the package and a small base."""

from __future__ import annotations

import re
import tomllib
import zipfile
from pathlib import Path

import pytest

from headway import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINNED = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK, re.M))


def test_the_wheel_holds_the_whole_package(tmp_path: Path) -> None:
    wheels = pytest.importorskip("hatchling.builders.wheel", reason="the build backend is not installed")
    built = next(wheels.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    with zipfile.ZipFile(built) as wheel:
        inside = set(wheel.namelist())
        meta = wheel.read(f"headway-{__version__}.dist-info/METADATA").decode()
    source = ROOT / "src"
    kept = {p for p in (source / "headway").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert {p.relative_to(source).as_posix() for p in kept} <= inside
    assert "headway/py.typed" in inside
    assert f"Version: {__version__}\n" in meta
    assert any(name.endswith("licenses/LICENSE") for name in inside)


def test_the_base_install_stays_small() -> None:
    names = {re.split(r"[<>=!~;\[ ]", line)[0] for line in PROJECT["project"]["dependencies"]}
    assert names == {"numpy", "click", "rich", "starlette", "uvicorn"}


def test_the_lock_pins_and_hashes_everything() -> None:
    groups = PROJECT["dependency-groups"]
    asked = [line for group in groups.values() for line in group if isinstance(line, str)]
    names = {re.split(r"[<>=!~;\[ ]", line)[0].lower() for line in [*PROJECT["project"]["dependencies"], *asked]}
    assert names <= set(PINNED)
    found = entries(LOCK)
    assert len(found) == len(PINNED)
    assert all("--hash=sha256:" in entry for entry in found)
    assert "://" not in LOCK


def test_the_demonstration_installs_a_part_of_the_lock() -> None:
    base = (ROOT / "requirements-base.lock").read_text(encoding="utf-8")
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]]
    found = entries(base)
    assert {re.split(r"[<>=!~;\[ ]", line)[0] for line in wanted} <= {entry.split("==")[0] for entry in found}
    assert {entry.split()[0] for entry in found} <= {entry.split()[0] for entry in entries(LOCK)}
    assert all("--hash=sha256:" in entry for entry in found)
    assert "://" not in base


def entries(lock: str) -> list[str]:
    """The packages of a lock, each with its hashes."""
    return [entry for entry in re.split(r"^(?=[a-z0-9])", lock, flags=re.M) if "==" in entry]
