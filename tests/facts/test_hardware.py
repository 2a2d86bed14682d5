"""The hardware catalog: every row sourced, the survey's figures reproduced, names and user files read or refused."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts import catalog
from headway.facts.catalog import Column, check_row, document, packaged
from headway.facts.errors import HeadwayError, InputError, RangeError, UnitError, UnknownNameError
from headway.facts.hardware import Chip, Conflict, System
from headway.facts.sources import KINDS, Source
from headway.facts.systems import (
    CHIP_COLUMNS,
    SYSTEM_COLUMNS,
    TARIFF_COLUMNS,
    chip,
    chip_names,
    load_system_toml,
    missing_chips,
    system,
    system_names,
)

DATA = Path(catalog.__file__).parent / "data"

# Device of the hardware survey, its BF16 FLOP per byte of memory bandwidth and its drain time [ms].
SURVEY = [
    ("A100-SXM-80GB", "a100-sxm", 153.0, 39.2),
    ("H100-SXM", "h100-sxm", 295.0, 23.9),
    ("H800-SXM", "h800-sxm", 288.0, 23.3),
    ("H200-SXM", "h200-sxm", 206.0, 29.4),
    ("H20", "h20", 37.0, 24.0),
    ("GH200 (HBM3e)", "gh200", 206.0, 29.4),
    ("B200-SXM", "b200-sxm", 281.0, 22.5),
    ("B300-SXM", "b300-sxm", 281.0, 36.0),
    ("GB200-NVL72 (per GPU)", "gb200", 312.0, 23.2),
    ("GB300-NVL72 (per GPU)", "gb300", 312.0, 36.0),
    ("Vera Rubin NVL72 (per GPU)", "rubin", 182.0, 13.1),
    ("MI300X", "mi300x", 245.0, 36.2),
    ("MI325X", "mi325x", 217.0, 42.7),
    ("MI355X", "mi355x", 312.0, 36.0),
    ("MI455X", "mi455x", 215.0, 18.5),
    ("TPU v5e", "tpu-v5e", 240.0, 19.5),
    ("TPU v5p", "tpu-v5p", 166.0, 34.3),
    ("TPU v6e (Trillium)", "tpu-v6e", 574.0, 20.0),
    ("TPU v7x (Ironwood)", "ironwood", None, None),
    ("Trainium2", "trainium2", 230.0, 33.1),
    ("Trainium3", "trainium3", 137.0, 29.4),
    ("Cerebras WSE-3", "cerebras-wse-3", None, 0.0),
    ("Groq LPU", "groq-lpu", None, None),
]
LOADABLE = [entry for entry in SURVEY if entry[1] != "groq-lpu"]


def sourced(sources: tuple[Source, ...]) -> bool:
    return bool(sources) and all(s.text and s.retrieved and s.kind in KINDS for s in sources)


@pytest.mark.parametrize("name", chip_names())
def test_every_chip_is_sourced_and_possible(name: str) -> None:
    found = chip(name)
    assert found.name == name
    assert sourced(found.sources)
    assert all(sourced((conflict.source,)) and conflict.value > 0 for conflict in found.conflicts)
    assert found.hbm_bytes > 0
    assert found.hbm_bandwidth > 0
    assert found.peak("bf16") <= found.peak("fp8")
    assert found.status in {"shipping", "announced"}
    assert all(rate <= found.peak(form) for form, rate in found.measured_flops.items())


@pytest.mark.parametrize("name", system_names())
def test_every_system_is_sourced_and_possible(name: str) -> None:
    found = system(name)
    assert found.name == name
    assert sourced(found.sources)
    assert all(sourced((tariff.source,)) and tariff.usd_per_chip_hour > 0 and tariff.date for tariff in found.tariffs)
    assert all(sourced((conflict.source,)) and conflict.value > 0 for conflict in found.conflicts)
    assert found.chips % found.domain_size == 0
    assert found.link_bandwidth > 0
    assert 0 < found.link_latency < 1e-4
    assert found.network_bandwidth is None or found.domain_size == 1 or found.network_bandwidth < found.link_bandwidth
    assert found.power is None or found.chip.power is None or found.power > found.chip.power
    assert all(memory.bandwidth < found.chip.hbm_bandwidth for memory in found.memories)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.toml")), ids=lambda path: path.name)
def test_no_row_of_a_packaged_table_lacks_its_source(path: Path) -> None:
    doc = packaged(path.name)
    known = doc.tables.get("sources", {})
    assert all({"text", "retrieved", "kind"} <= set(entry) for entry in known.values())
    for table, entries in doc.tables.items():
        if table in ("sources", "missing") or not isinstance(entries, (dict, list)):
            continue
        for entry in entries.values() if isinstance(entries, dict) else entries:
            if isinstance(entry, dict) and table in ("chip", "system", "tariff", "sheet", "device", "model"):
                assert "source" in entry, (table, entry)
                assert entry["source"] in known or {"retrieved", "kind"} <= set(entry), (table, entry)


@pytest.mark.parametrize("name", ["chips", "systems", "tariffs", "api_prices", "storage"])
def test_every_stated_source_is_used(name: str) -> None:
    text = (DATA / f"{name}.toml").read_text(encoding="utf-8")
    unused = [key for key in packaged(f"{name}.toml").tables["sources"] if f'source = "{key}"' not in text]
    assert unused == []


@pytest.mark.parametrize(("_device", "name", "balance", "drain"), LOADABLE)
def test_survey_machine_balance_and_drain_time(
    _device: str, name: str, balance: float | None, drain: float | None
) -> None:
    found = chip(name)
    if balance is not None:
        assert found.flops["bf16"] / found.hbm_bandwidth == pytest.approx(balance, abs=0.5)
    if drain is not None:
        # One row of the survey (GB200, 23.25 ms) is rounded half to even.
        assert found.hbm_bytes / found.hbm_bandwidth * 1e3 == pytest.approx(drain, abs=0.0501)


def test_survey_columns(shared: Path) -> None:
    """Every figure of the survey is the catalog's, or one of the conflicts it shows."""
    table = {name: (device, name) for device, name, _, _ in SURVEY}
    with (shared / "data" / "hardware.csv").open(encoding="utf-8") as stream:
        rows = {row["device"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {device for device, _ in table.values()}
    for device, name in table.values():
        if name == "groq-lpu":
            continue
        row, found, box = rows[device], chip(name), system(name)
        assert (row["vendor"], int(row["year"])) == (found.vendor, found.year)
        facts = {
            "bf16_tflops_dense": (found.peak("bf16"), 1e12, "flops.bf16"),
            "fp8_tflops_dense": (found.peak("fp8"), 1e12, "flops.fp8"),
            "fp4_tflops_dense": (found.flops.get("fp4"), 1e12, "flops.fp4"),
            "int8_tops_dense": (found.flops.get("int8"), 1e12, "flops.int8"),
            "hbm_gb": (found.hbm_bytes, 1e9, "hbm_bytes"),
            "hbm_tb_s": (found.hbm_bandwidth, 1e12, "hbm_bandwidth"),
            "tdp_w": (found.power, 1, "power"),
            "measured_matmul_bf16_tflops": (found.measured_flops.get("bf16"), 1e12, ""),
            "measured_matmul_fp8_tflops": (found.measured_flops.get("fp8"), 1e12, ""),
            "scaleup_domain": (box.domain_size, 1, "domain_size"),
            "scaleup_gb_s_per_gpu_one_way": (box.link_bandwidth, 1e9, "link_bandwidth"),
            "scaleout_gb_s_per_gpu_one_way": (box.network_bandwidth, 1e9, "network_bandwidth"),
            "all_in_kw_per_gpu": (box.power, 1e3, "power"),
        }
        others = found.conflicts + box.conflicts
        for column, (value, scale, field) in facts.items():
            if row[column]:
                shown = [value, *(conflict.value for conflict in others if conflict.field == field)]
                stated = float(row[column]) * scale
                assert any(v is not None and v == pytest.approx(stated, rel=0.01) for v in shown), (device, column)
        prices = {"cost_hyperscaler_usd_h": "hyperscaler-tco", "cost_neocloud_usd_h": "neocloud-tco"}
        for column, tariff in prices.items():
            if row[column]:
                assert box.tariff(tariff).usd_per_chip_hour == pytest.approx(float(row[column]))
        if row["rental_usd_h"]:
            assert box.tariff().usd_per_chip_hour == pytest.approx(float(row["rental_usd_h"]))


def test_conflicts_stay_visible() -> None:
    def values(found: Chip | System, field: str) -> set[float]:
        return {conflict.value for conflict in found.conflicts if conflict.field == field}

    assert 7.7e12 in values(chip("b200"), "hbm_bandwidth")
    assert 100e9 in values(system("b200"), "network_bandwidth")
    assert values(chip("b300"), "flops.fp4") == {12.6e15, 14e15}
    assert {25e15, 50e15} <= values(chip("rubin"), "flops.fp4")
    assert 20e12 in values(chip("rubin"), "hbm_bandwidth")
    assert 2300e12 in values(chip("mi355x"), "flops.bf16")
    assert 3.35e12 in values(chip("h800"), "hbm_bandwidth")
    assert 160e9 in values(system("h800"), "link_bandwidth")
    assert 10e-6 in values(system("gb200"), "link_latency")
    assert chip("rubin").status == chip("mi455x").status == "announced"


@pytest.mark.parametrize("name", system_names())
def test_the_default_tariff_is_what_anyone_can_get(name: str) -> None:
    tariffs = [tariff.name for tariff in system(name).tariffs]
    assert len(set(tariffs)) == len(tariffs)
    if "rental-3y" in tariffs:
        assert tariffs[0] == "rental-3y"
    if len(tariffs) > 1:
        assert tariffs[0] != "lecture"


def test_the_lecture_price_of_two_dollars() -> None:
    for name in ("a100", "h100", "h800", "h200", "b200", "gb200"):
        tariff = system(name).tariff("lecture")
        assert tariff.usd_per_chip_hour == 2.0
        assert tariff.source.kind == "assumed"


@pytest.mark.parametrize(
    ("asked", "name", "chips", "domain"),
    [
        ("hgx-h200", "hgx-h200", 8, 8),
        ("H200", "hgx-h200", 8, 8),
        ("h200-sxm", "hgx-h200", 8, 8),
        ("8xh200", "hgx-h200", 8, 8),
        ("8x H200", "hgx-h200", 8, 8),
        (" 8 x h200 ", "hgx-h200", 8, 8),
        ("8*h200", "hgx-h200", 8, 8),
        ("4xh200", "4xh200-sxm", 4, 4),
        ("1xh100", "1xh100-sxm", 1, 1),
        ("32xh200", "32xh200-sxm", 32, 8),
        ("0032xh200", "32xh200-sxm", 32, 8),
        ("gb200", "gb200-nvl72", 72, 72),
        ("72xgb200", "gb200-nvl72", 72, 72),
        ("36xgb200", "36xgb200", 36, 36),
        ("1xgb200-nvl72", "gb200-nvl72", 72, 72),
        ("2xgb200-nvl72", "2xgb200-nvl72", 144, 72),
        ("3xhgx-h100", "3xhgx-h100", 24, 8),
        ("4xgh200", "4xgh200", 4, 1),
        ("16xtpu-v5e", "16xtpu-v5e", 16, 16),
        ("rubin-nvl144", "rubin-nvl72", 72, 72),
        ("rubin-ultra-nvl576", "rubin-ultra-nvl576", 144, 144),
    ],
)
def test_names_and_sizes(asked: str, name: str, chips: int, domain: int) -> None:
    found = system(asked)
    assert (found.name, found.chips, found.domain_size) == (name, chips, domain)
    assert system(found.name) == found


def test_no_alias_stands_for_two_things() -> None:
    for table, columns in (("chip", CHIP_COLUMNS), ("system", SYSTEM_COLUMNS)):
        doc = packaged(f"{table}s.toml")
        said: list[str] = []
        for name in catalog.names(doc, table):
            said += [name, *catalog.row(doc, table, name, columns).texts("aliases")]
        assert len(set(said)) == len(said)
        assert all(word == word.lower() for word in said)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("h300", "h100|h200|h800|b300|gb300"),
        ("8xh201", "8xh20"),
        ("gb200-nvl27", "gb200-nvl72"),
        ("", None),
        ("x", None),
    ],
)
def test_unknown_system(asked: str, hint: str | None) -> None:
    with pytest.raises(UnknownNameError) as caught:
        system(asked)
    if hint:
        assert caught.value.nearest is not None
        assert any(part in caught.value.nearest for part in hint.split("|"))


@pytest.mark.parametrize("asked", ["0xh200", "12xh200", "100xgb200", "2000000xh100", "999999999xgb200-nvl72"])
def test_impossible_sizes(asked: str) -> None:
    with pytest.raises(RangeError) as caught:
        system(asked)
    if asked == "12xh200":
        assert caught.value.nearest == "8xh200-sxm"


def test_a_device_without_facts_says_so() -> None:
    assert "groq-lpu" in missing_chips()
    assert "groq-lpu" not in chip_names()
    for ask in (chip, system):
        with pytest.raises(UnknownNameError, match="no vendor datasheet"):
            ask("groq-lpu")
    with pytest.raises(UnknownNameError, match="did you mean"):
        chip("h1000")


def test_importing_reads_nothing() -> None:
    code = (
        "import sys, headway.facts.systems, headway.facts.prices, headway.facts.storage\n"
        "from headway.facts.catalog import packaged\n"
        "print(packaged.cache_info().currsize, 'tomllib' in sys.modules)"
    )
    source = str(Path(catalog.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": source})
    assert done.stdout.split() == ["0", "False"], done.stderr


MINE = """
[sources.maker]
text = "the maker's datasheet"
retrieved = "2026-11-23"
kind = "datasheet"

[chip.mine]
vendor = "Mine"
year = 2026
generation = "mine"
flops = { bf16 = "1 PFLOP/s", fp8 = "2 PFLOP/s" }
hbm_bytes = "96 GiB"
hbm_bandwidth = "4 TB/s"
source = "maker"

[system.box]
chip = "mine"
chips = 16
domain_size = 8
link_bandwidth = "3.2 Tb/s"
link_latency = "2 us"
network_bandwidth = "400 Gb/s"
network_latency = "5 us"
memories = [{ name = "dram", capacity = "2 TB", bandwidth = "512 GB/s", shared_by = 8, source = "maker" }]
source = "measured in our own rack"
retrieved = 2026-11-20
kind = "measured"
conflicts = [{ field = "memories.dram.bandwidth", value = "60 GB/s", source = "maker" }]

[[tariff]]
systems = ["box"]
name = "own"
price = "$1.75/GPU-h"
date = 2026-11-01
source = "maker"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    box = load_system_toml(write(tmp_path, MINE))
    assert (box.name, box.chips, box.domain_size, box.link_bandwidth) == ("box", 16, 8, 400e9)
    assert box.chip.hbm_bytes == 96 * 2**30
    assert box.tariff().usd_per_chip_hour == 1.75
    assert (box.tariff().date, box.sources[0].retrieved) == ("2026-11-01", "2026-11-20")
    assert (box.memories[0].capacity, box.memories[0].bandwidth) == (250e9, 64e9)
    assert box.conflicts == (Conflict("memories.dram.bandwidth", 60e9, box.sources[1]),)
    catalogued = load_system_toml(write(tmp_path, MINE.replace('chip = "mine"', 'chip = "h100"')))
    assert catalogued.chip == chip("h100-sxm")


def test_a_file_of_several_systems_needs_a_name(tmp_path: Path) -> None:
    path = write(tmp_path, MINE + MINE[MINE.index("[system.box]") : MINE.index("[[tariff]]")].replace("box", "rack"))
    assert load_system_toml(path, "rack").name == "rack"
    with pytest.raises(InputError, match="box, rack"):
        load_system_toml(path)
    with pytest.raises(UnknownNameError, match="did you mean rack"):
        load_system_toml(path, "rak")


@pytest.mark.parametrize(
    ("old", "new", "kind", "said"),
    [
        ('source = "maker"\n\n[system', "\n[system", InputError, "chip.mine.source"),
        ('source = "maker"\n\n[system', 'source = "makr"\n\n[system', UnknownNameError, "did you mean maker"),
        ("retrieved = 2026-11-20\n", "", InputError, "system.box.retrieved"),
        ('kind = "measured"\n', "", InputError, "system.box.kind"),
        ('kind = "measured"', 'kind = "guessed"', UnknownNameError, "assumed, config"),
        ("retrieved = 2026-11-20", 'retrieved = "yesterday"', InputError, "YYYY-MM-DD"),
        ("retrieved = 2026-11-20", 'retrieved = "2026-13-40"', InputError, "YYYY-MM-DD"),
        ('text = "the maker\'s datasheet"', 'txt = "x"', UnknownNameError, "did you mean text"),
        ('hbm_bytes = "96 GiB"', 'hbm_byte = "96 GiB"', UnknownNameError, "did you mean hbm_bytes"),
        ('hbm_bytes = "96 GiB"', "", InputError, "chip.mine.hbm_bytes"),
        ('hbm_bytes = "96 GiB"', 'hbm_bytes = "96 GiB/s"', UnitError, "measures a bandwidth"),
        ('hbm_bytes = "96 GiB"', "hbm_bytes = 96", UnitError, "the unit is missing"),
        ('hbm_bytes = "96 GiB"', 'hbm_bytes = "0 GB"', RangeError, "above 0"),
        ('hbm_bytes = "96 GiB"', "hbm_bytes = [96]", UnitError, "hbm_bytes"),
        ('bf16 = "1 PFLOP/s"', 'fp7 = "1 PFLOP/s"', UnknownNameError, "fp7"),
        ('flops = { bf16 = "1 PFLOP/s", fp8 = "2 PFLOP/s" }', "flops = {}", InputError, "at least one rate"),
        ('flops = { bf16 = "1 PFLOP/s", fp8 = "2 PFLOP/s" }', 'flops = "1 PFLOP/s"', InputError, "a table"),
        ('vendor = "Mine"', 'vendor = ""', InputError, "chip.mine.vendor"),
        ('vendor = "Mine"', 'vendor = "Mine"\nstatus = "dreamt"', UnknownNameError, "announced, shipping"),
        ("year = 2026", "year = 0", InputError, "chip.mine.year"),
        ("year = 2026", "year = true", InputError, "chip.mine.year"),
        ("chips = 16", "chips = 12", RangeError, "multiple of the domain of 8"),
        ("chips = 16", "chips = 1e9", InputError, "system.box.chips"),
        ('chip = "mine"', 'chip = "mien"', UnknownNameError, "did you mean mine"),
        ("shared_by = 8", "shared_by = 0", InputError, "shared_by"),
        ("shared_by = 8", "shard_by = 8", UnknownNameError, "did you mean shared_by"),
        ("memories.dram.bandwidth", "memories.dram.speed", UnknownNameError, "quantity of this row"),
        ("memories.dram.bandwidth", "chip", UnknownNameError, "quantity of this row"),
        ('value = "60 GB/s"', 'value = "60 GB"', UnitError, "measures an amount of memory"),
        ("[[tariff]]", "[[tarif]]", UnknownNameError, "did you mean tariff"),
        ('price = "$1.75/GPU-h"', 'price = "$1.75"', UnitError, "tariff[0].price"),
        ('systems = ["box"]', 'systems = "box"', InputError, "a list"),
        ("[system.box]", "[system.BOX]", UnknownNameError, "lower-case"),
        ("[chip.mine]", "[[chip.mine]]", InputError, "a table"),
        ("[system.box]", "[sys.box]", UnknownNameError, "did you mean system"),
        ("[system.box]", "[system.box", InputError, "a TOML file"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, old: str, new: str, kind: type[Exception], said: str) -> None:
    assert old in MINE
    with pytest.raises(kind) as caught:
        load_system_toml(write(tmp_path, MINE.replace(old, new, 1)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_tables(tmp_path: Path) -> None:
    for name, content in {
        "binary.toml": b"\xff\xfe\x00",
        "empty.toml": b"",
        "large.toml": b"#" * (1 << 21),
        "nested.toml": b"a = " + b"[" * 100_000,
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            load_system_toml(path)
        assert len(str(caught.value)) < 400
    for missing in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(InputError, match="readable"):
            load_system_toml(missing)


plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.dates())
values = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
keys = st.sampled_from([c.name for c in (*CHIP_COLUMNS, *SYSTEM_COLUMNS)] + ["source", "also", "conflicts", "kind"])


@given(raw=st.dictionaries(keys, values, max_size=8), columns=st.sampled_from([CHIP_COLUMNS, SYSTEM_COLUMNS]))
def test_any_row_is_checked_without_a_traceback(raw: dict[str, Any], columns: tuple[Column, ...]) -> None:
    doc = document("", "any.toml")
    with pytest.raises(HeadwayError) as caught:
        check_row(doc, "any.toml: row", columns, raw)
    assert "\n" not in str(caught.value)


def test_schema_tables_describe_every_column() -> None:
    for columns in (CHIP_COLUMNS, SYSTEM_COLUMNS, TARIFF_COLUMNS):
        assert all(column.description for column in columns)
        assert len({column.name for column in columns}) == len(columns)
