"""Storage devices: sourced, and with the drain times the lecture's check computes."""

from __future__ import annotations

import pytest

from headway.facts.errors import UnknownNameError
from headway.facts.storage import DEVICE_COLUMNS, storage, storage_names


@pytest.mark.parametrize("name", storage_names())
def test_every_device_is_sourced_and_possible(name: str) -> None:
    device = storage(name)
    assert device.name == name
    assert device.sources
    assert device.capacity > 0
    assert device.bandwidth > 0
    assert device.technology in {"dram", "cxl", "nvme", "disk", "flash cluster"}


@pytest.mark.parametrize(
    ("name", "seconds", "digits"),
    [
        ("ddr5-6400-12ch", 2.5, 0.05),
        ("nvme-1.92tb", 4.6 * 60, 3.0),
        ("nvme-7.68tb", 18 * 60, 30.0),
        ("nvme-61.44tb", 2.4 * 3600, 180.0),
        ("nvme-122.88tb", 4.6 * 3600, 180.0),
        ("nvme-122.88tb-gen5", 2.3 * 3600, 180.0),
        ("hdd-24tb", 23.4 * 3600, 180.0),
        ("hdd-14tb-dual", 7.4 * 3600, 180.0),
        ("3fs-cluster", 1.70 * 3600, 18.0),
    ],
)
def test_drain_times_as_published(name: str, seconds: float, digits: float) -> None:
    device = storage(name)
    assert device.capacity / device.bandwidth == pytest.approx(seconds, abs=digits)


def test_names_and_aliases() -> None:
    assert storage("HDD") == storage("hdd-24tb")
    assert storage("hdd").conflicts[0].value == 309e6
    with pytest.raises(UnknownNameError, match="did you mean hdd-24tb"):
        storage("hdd-24")
    assert all(column.description for column in DEVICE_COLUMNS)
