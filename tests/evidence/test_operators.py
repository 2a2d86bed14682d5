"""Constants of operators: the forms are the kernel's own, the fit finds what was planted, the table is whole."""

from __future__ import annotations

import dataclasses
import math
import sys
import zipfile
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.evidence import operators
from headway.evidence.collective_rows import sent_ranks
from headway.evidence.kernel_tables import codes, least_rows, median_rows, open_tables, spread_rows
from headway.evidence.operator_fit import ENGINES, GENERATIONS, filled, fit, fit_stage, names_of, spread
from headway.evidence.operator_forms import FORMS, GROUPED_SOFTNESS, SOFTNESS, Rows, joined
from headway.evidence.operator_rows import cards
from headway.facts.calibration import MEANINGS
from headway.facts.catalog import packaged
from headway.facts.efficiency import Efficiency
from headway.facts.errors import InputError, MissingExtraError
from headway.facts.layers import ExpertFFN, LinearAttention, SoftmaxAttention
from headway.facts.models import model
from headway.facts.precision import number_format
from headway.facts.systems import system
from headway.physics.attention import look_shape
from headway.physics.experts import touched_experts
from headway.physics.kernel import Machine, Operator, Work, forward
from headway.physics.layout import Layout

CONSTANTS = {
    "generation.hopper.compute": 0.75,
    "generation.hopper.narrow": 0.7,
    "generation.hopper.memory": 0.85,
    "generation.hopper.operator_latency": 3e-6,
    "generation.hopper.latency_factor": 1.0,
    "engine.vllm.quantise_latency": 4e-6,
    "engine.vllm.attention_latency": 9e-6,
    "engine.vllm.widening": 300.0,
    "engine.vllm.experts": 0.6,
    "engine.vllm.experts_latency": 2e-5,
    "engine.vllm.collective_latency": 4e-6,
    "engine.vllm.exchange_latency": 1.1e-5,
    "shared.serial": 4e-10,
    "shared.attention": 0.9,
    "shared.softmax_weight": 0.8,
    "shared.half_length": 900.0,
    "shared.weight_only": 0.6,
    "shared.link": 0.6,
    "shared.exchange": 0.4,
    "shared.network": 0.8,
    "shared.relay_latency": 5e-5,
    "shared.scan": 8e-8,
    "nccl.latency": 4e-6,
    "nccl.per_rank": 1.5e-6,
}
EXPONENTIAL = next(card.exponential for card in cards() if card.name == "h200_sxm")
H200 = system("hgx-h200")


def efficiency() -> Efficiency:
    """The same constants as the kernel fidelity takes them."""
    names = {f.name for f in dataclasses.fields(Efficiency)}
    own = {name.rpartition(".")[2]: value for name, value in CONSTANTS.items()}
    own["softmax_flops"] = own["softmax_weight"] * own["attention"] * EXPONENTIAL
    own["widening"] = own["widening"] * own["attention"]
    return Efficiency(**{k: v for k, v in own.items() if k in names}, softness=SOFTNESS)


def row(family: str, seconds: float = 1.0, engine: str = "vllm", **columns: float) -> Rows:
    """One measurement on a Hopper."""
    labels = (np.array([label]) for label in ("h200_sxm", "hopper", engine, "lane"))
    full = MappingProxyType({name: np.array([value]) for name, value in columns.items()})
    return Rows(family, *labels, np.array([seconds]), full)


def predicted(family: str, **columns: float) -> float:
    return float(FORMS[family](CONSTANTS, row(family, **columns))[0])


def kernel(name: str, of: str, layout: Layout, work: Work, **precision: str) -> Operator:
    """The first operator of that name in a pass over H200s."""
    what = model(of)
    ops = forward(what, Machine(H200, efficiency()), layout, work, dataclasses.replace(what.precision, **precision))
    return next(op for op in ops if op.name == name)


@pytest.mark.parametrize("fmt", ["bf16", "fp8"])
@pytest.mark.parametrize("rows", [1, 64, 4096])
def test_products_are_those_of_the_kernel(fmt: str, rows: int) -> None:
    what = model("llama-3.1-70b")
    op = kernel("head", "llama-3.1-70b", Layout(), Work(sequences=rows, context=8), head=fmt)
    h, v, peak = what.hidden, what.vocab, H200.chip.peak("bf16")
    narrow = fmt == "fp8"
    rate = min(H200.chip.peak("fp8"), 2 * peak) if narrow else peak
    taken = 1.0 if narrow else 2.0
    nbytes = h * v * number_format(fmt).bytes + rows * (taken * h + 2.0 * v)
    found = predicted(
        "product",
        flop=2.0 * rows * h * v / rate,
        bytes=nbytes / H200.chip.hbm_bandwidth,
        beside=narrow * rows * h * (taken + 2.0) / H200.chip.hbm_bandwidth,
        length=h,
        halvings=float(narrow),
        narrowed=float(narrow),
    )
    assert found == pytest.approx(float(op.seconds), rel=1e-9)


@pytest.mark.parametrize(("prefill", "kv"), [(False, "bf16"), (False, "fp8"), (True, "bf16")])
@pytest.mark.parametrize("tokens", [128, 8192])
def test_attention_is_that_of_the_kernel(prefill: bool, kv: str, tokens: int) -> None:
    group = model("llama-3.1-70b").layers[0]
    a = group.attention
    assert isinstance(a, SoftmaxAttention)
    work = Work(prompts=4, new=tokens) if prefill else Work(sequences=4, context=tokens)
    op = kernel("attention prefill" if prefill else "attention core", "llama-3.1-70b", Layout(), work, kv=kv)
    elements = 4.0 * tokens * a.kv_elements
    pairs = 4.0 * a.heads * (tokens * (tokens + 1) / 2 if prefill else tokens)
    peak = H200.chip.peak("bf16")
    found = predicted(
        "attention",
        dots=4.0 * a.head_dim * pairs / peak,
        exponentials=pairs * EXPONENTIAL / peak if prefill else 0.0,
        bytes=elements * number_format(kv).bytes / H200.chip.hbm_bandwidth,
        widened=elements * (kv == "fp8") / peak,
        short=1.0 / tokens if prefill else 0.0,
    )
    assert found == pytest.approx(float(op.seconds) / group.count, rel=1e-9)


@pytest.mark.parametrize("fmt", ["bf16", "fp8", "int4"])
def test_experts_are_those_of_the_kernel(fmt: str) -> None:
    what = model("qwen3-235b-a22b")
    group = next(g for g in what.layers if isinstance(g.ffn, ExpertFFN))
    f, tokens, h, wide = group.ffn, 256, what.hidden, fmt == "int4"
    assert isinstance(f, ExpertFFN)
    work = Work(sequences=tokens, context=8, tokens=tokens)
    op = kernel("experts", "qwen3-235b-a22b", Layout(), work, experts=fmt)
    peak, params, rows = H200.chip.peak("bf16"), 3.0 * h * f.width, tokens * f.top_k
    rate = min(H200.chip.peak("fp8"), 2 * peak) if fmt == "fp8" else peak
    taken = 1.0 if fmt == "fp8" else 2.0
    weights = float(touched_experts(f.experts, f.top_k, tokens)) * params * number_format(fmt).bytes
    found = predicted(
        "experts",
        flop=2.0 * params * rows / rate,
        bytes=(weights + rows * (h * (taken + 2.0) + f.width * (taken + 4.0))) / H200.chip.hbm_bandwidth,
        beside=(fmt == "fp8") * rows * (h + f.width) * (taken + 2.0) / H200.chip.hbm_bandwidth,
        halvings=1.0 if fmt == "fp8" else 0.0,
        widened=float(wide),
    )
    assert found == pytest.approx(float(op.seconds) / group.count, rel=1e-9)


@pytest.mark.parametrize("rows", [1, 4096])
def test_reductions_are_those_of_the_kernel(rows: int) -> None:
    what = model("llama-3.1-70b")
    op = kernel("all-reduce", "llama-3.1-70b", Layout(tp=8), Work(sequences=rows, context=8))
    wire = rows * what.hidden * 2.0 / H200.link_bandwidth
    found = predicted("collective", wire=wire, near=0.0, far=0.0, spread=0.0, relayed=0.0, ranks=8, hop=0.0)
    assert found == pytest.approx(float(op.seconds) / what.layers[0].count, rel=1e-9)


@pytest.mark.parametrize("prompt", [False, True])
@pytest.mark.parametrize("length", [128, 8192])
def test_linear_layers_are_those_of_the_kernel(prompt: bool, length: int) -> None:
    what = model("qwen3.5-397b-a17b")
    group = next(g for g in what.layers if isinstance(g.attention, LinearAttention))
    a = group.attention
    assert isinstance(a, LinearAttention)
    work = Work(prompts=4, new=length) if prompt else Work(sequences=length, context=8)
    op = kernel("attention prefill" if prompt else "attention core", what.name, Layout(), work)
    sequences, tokens = (4, 4 * length) if prompt else (length, length)
    moved = tokens * a.scan_elements * 2.0 if prompt else 0.0
    found = predicted(
        "recurrent",
        flop=tokens * look_shape(a).per_token / H200.chip.peak("bf16") * (1.0 + prompt * 900.0 / length),
        bytes=(moved + 2.0 * sequences * a.state_elements * a.state_bytes) / H200.chip.hbm_bandwidth,
        walked=float(prompt * length),
    )
    assert found == pytest.approx(float(op.seconds) / group.count, rel=1e-9)


@pytest.mark.parametrize("tokens", [16, 128, 8192])
@pytest.mark.parametrize("ranks", [8, 32])
@pytest.mark.parametrize(("way", "size"), [("dispatch", 1.0), ("combine", 2.0)])
def test_exchanges_are_those_of_the_kernel(ranks: int, way: str, size: float, tokens: int) -> None:
    what = model("qwen3-235b-a22b")
    group = next(g for g in what.layers if isinstance(g.ffn, ExpertFFN))
    assert isinstance(group.ffn, ExpertFFN)
    work = Work(sequences=tokens, context=8, tokens=tokens * ranks)
    op = kernel(way, "qwen3-235b-a22b", Layout(dp=ranks, ep=ranks), work)
    sent = tokens * what.hidden * size * float(sent_ranks(ranks, group.ffn.top_k))
    domains = max(ranks / H200.domain_size, 1.0)
    saved = float(sent_ranks(domains, group.ffn.top_k) / sent_ranks(ranks, group.ffn.top_k))
    outside = max(0.0, 1.0 - H200.domain_size / ranks)
    found = predicted(
        "collective",
        wire=0.0,
        near=sent * (1 - outside) / H200.link_bandwidth,
        far=sent * outside / float(H200.network_bandwidth or 1),
        spread=sent / H200.link_bandwidth,
        relayed=sent * saved * outside / float(H200.network_bandwidth or 1),
        ranks=ranks,
        hop=H200.network_latency if outside else 0.0,
    )
    assert found == pytest.approx(float(op.seconds) / group.count, rel=1e-6)


def test_a_ring_of_the_library_has_a_floor_of_its_own() -> None:
    one = row("collective", engine="nccl", wire=1e-4, near=0.0, far=0.0, spread=0.0, relayed=0.0, ranks=8.0, hop=0.0)
    assert FORMS["collective"](CONSTANTS, one)[0] == pytest.approx(2 * 7 / 8 * 1e-4 / 0.6 + 4e-6 + 8 * 1.5e-6)
    assert 1 < GROUPED_SOFTNESS < SOFTNESS


PLANTED = MappingProxyType(
    {name: start * (1.0 + 0.03 * (k % 5)) for family in FORMS for k, (name, start, *_) in enumerate(names_of(family))}
    | {"generation.hopper.latency_factor": 1.0}
)
CHIPS = (("a", "ampere"), ("b", "ada"), ("c", "hopper"), ("d", "hopper"), ("e", "blackwell"), ("f", "blackwell"))


def synthetic(family: str, noise: float = 0.0) -> Rows:
    """Rows that obey the form with :data:`PLANTED`, over chips, engines and lanes."""
    rng = np.random.default_rng(7)
    engines = (*ENGINES, "nccl") if family == "collective" else ENGINES
    parts = []
    for chip, generation in CHIPS:
        for engine in engines:
            for lane in range(3):
                n = 40
                columns = _columns(family, rng, n, lane, engine)
                labels = (np.full(n, text) for text in (chip, generation, engine, _lane(family, lane)))
                bare = Rows(family, *labels, np.ones(n), MappingProxyType(columns))
                seconds = FORMS[family](PLANTED, bare) * np.exp(noise * rng.standard_normal(n))
                parts.append(dataclasses.replace(bare, seconds=seconds))
    return joined(parts)


def _lane(family: str, lane: int) -> str:
    return {"product": ("bf16", "fp8", "nvfp4"), "attention": ("prefill", "decode", "latent")}.get(
        family, ("one", "two", "three")
    )[lane]


def _columns(family: str, rng: np.random.Generator, n: int, lane: int, engine: str) -> dict[str, Any]:
    def times() -> Any:
        return 10.0 ** rng.uniform(-8, -2, n)

    full = np.ones(n)
    if family == "product":
        length = rng.choice([512.0, 4096.0, 16384.0], n)
        return {
            "flop": times(),
            "bytes": times(),
            "beside": times() * (lane > 0),
            "length": length,
            "halvings": lane * full,
            "narrowed": full * (lane > 0),
        }
    if family == "attention":
        prefill = full * (lane != 1)
        short = prefill / rng.choice([64.0, 512.0, 8192.0], n)
        widened = times() * (full - prefill) / 100.0
        return {
            "dots": times(),
            "exponentials": times() * prefill,
            "bytes": times(),
            "widened": widened,
            "short": short,
        }
    if family == "recurrent":
        walked = full * (lane != 1) * rng.choice([64.0, 512.0, 8192.0], n)
        return {"flop": times(), "bytes": times(), "walked": walked}
    if family == "experts":
        narrow = full * (lane == 1)
        return {
            "flop": times(),
            "bytes": times(),
            "beside": times() * narrow,
            "halvings": narrow,
            "widened": full * (lane == 2),
        }
    ranks = rng.choice([2.0, 4.0, 8.0], n)
    if lane == 0 or engine == "nccl":
        return {"wire": times(), "ranks": ranks} | dict.fromkeys(("near", "far", "spread", "relayed", "hop"), 0 * full)
    far = full * (lane == 2)
    sent = times()
    return {
        "wire": 0 * full,
        "near": sent * (1 - far),
        "far": sent * far,
        "ranks": ranks,
        "hop": 5e-6 * far,
        "spread": sent * far * 0.3,
        "relayed": sent * far * 0.4,
    }


@pytest.mark.parametrize("family", list(FORMS))
def test_a_stage_finds_what_was_planted(family: str) -> None:
    pytest.importorskip("scipy", reason="the extra calibrate is not installed")
    before = {name: value for name, value in PLANTED.items() if name not in [n for n, *_ in names_of(family)]}
    found = fit_stage(synthetic(family), before)
    assert set(found) == {name for name, *_ in names_of(family)}
    assert found == pytest.approx({name: PLANTED[name] for name in found}, rel=0.01)


def test_a_constant_that_no_row_moves_is_not_fitted() -> None:
    pytest.importorskip("scipy", reason="the extra calibrate is not installed")
    rows = synthetic("product")
    found = fit_stage(rows.where((rows.generation != "ampere") | (rows.lane == "bf16")), PLANTED)
    assert "generation.ampere.narrow" not in found
    assert "generation.ampere.compute" in found
    values = filled(found, ["generation.ampere.narrow"])
    others = [found[f"generation.{g}.narrow"] for g in GENERATIONS if g != "ampere"]
    assert values["generation.ampere.narrow"] == pytest.approx(float(np.median(others)))


def test_the_whole_fit_brackets_what_was_planted() -> None:
    pytest.importorskip("scipy", reason="the extra calibrate is not installed")
    families = [synthetic(family, noise=0.05) for family in FORMS]
    done = fit(families)
    for name, known in done.known.items():
        assert known.low <= known.value <= known.high, name
        if name in PLANTED:
            assert known.value == pytest.approx(PLANTED[name], rel=0.15), name
    assert all(np.median(errors) < 0.1 for (_, _, protocol), errors in done.errors.items() if protocol == "in the fit")
    text = operators.toml(done, "0")
    assert text == operators.toml(fit(families), "0")
    assert "chip left out" in operators.error_table(done, families)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=12), st.floats(-5, 5))
def test_a_spread_is_that_of_the_refits(logs: list[float], shift: float) -> None:
    assert spread(logs) >= 0
    assert spread([x + shift for x in logs]) == pytest.approx(spread(logs), abs=1e-6)
    assert spread([2 * x for x in logs]) == pytest.approx(2 * spread(logs), abs=1e-6)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 5))
def test_rows_are_chosen_by_key(keys: list[int], most: int) -> None:
    values = np.arange(len(keys), dtype=float)[::-1]
    coded = codes([np.array(keys)])
    assert len(least_rows(coded, values)) == len(median_rows(coded, values)) == len(set(keys))
    assert np.all(values[least_rows(coded, values)] <= values[median_rows(coded, values)])
    kept = spread_rows(coded, most)
    assert np.array_equal(np.unique(coded[kept], return_counts=True)[1], np.minimum(np.bincount(coded), most))


def _wheel(folder: Path) -> tuple[Path, Path]:
    """A wheel with three versions of one table and a text table that must stay closed, packed and unpacked."""
    pyarrow = pytest.importorskip("pyarrow", reason="the extra calibrate is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    tree = folder / "tree"
    (tree / "aiconfigurator_core-9.1.dist-info").mkdir(parents=True)
    (tree / "aiconfigurator_core-9.1.dist-info" / "METADATA").write_text("x")
    for version, n in (("1.9", 400), ("1.10", 390), ("1.11", 3)):
        place = tree / "aiconfigurator_core" / "systems" / "data" / "h200_sxm" / "gemm" / "vllm" / version
        place.mkdir(parents=True)
        table = {"gemm_dtype": ["fp8"] * n, "m": list(range(n)), "latency": np.random.default_rng(0).random(n)}
        parquet.write_table(pyarrow.table(table), place / "gemm_perf.parquet")
        (place / "gemm_perf.csv").write_bytes(b"closed")
        (place / "gemm_perf.csv").chmod(0)
    packed = folder / "w.whl"
    with zipfile.ZipFile(packed, "w") as wheel:
        for path in sorted(tree.rglob("*")):
            if path.is_file() and path.suffix != ".csv":
                wheel.write(path, path.relative_to(tree).as_posix())
    return packed, tree


def test_a_wheel_and_its_folder_read_alike(tmp_path: Path) -> None:
    packed, tree = (open_tables(place) for place in _wheel(tmp_path))
    assert packed.version == tree.version == "9.1"
    assert [t.member for t in packed.tables] == [t.member for t in tree.tables]
    assert all(t.member.endswith(".parquet") for t in tree.tables)
    newest = packed.newest("h200_sxm", "gemm", "vllm", "gemm_perf")
    assert newest is not None
    assert newest.version == "1.10"
    for tables in (packed, tree):
        read = tables.read(newest, ("gemm_dtype", "m", "absent", "latency"))
        assert sorted(read) == ["gemm_dtype", "latency", "m"]
        assert read["m"][-1] == 389.0
        assert set(read["gemm_dtype"]) == {"fp8"}
    assert packed.newest("h200_sxm", "gemm", "sglang", "gemm_perf") is None


def test_a_place_without_tables_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="DIR"):
            open_tables(place)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtraError, match="calibrate"):
        fit_stage(synthetic("experts"), PLANTED)


TABLES = packaged("operators.toml").tables
SCOPES = {
    "shared": TABLES["shared"],
    **{f"{kind}.{name}": own for kind in ("generation", "engine") for name, own in TABLES[kind].items()},
}


def test_the_table_names_its_source() -> None:
    assert "aiconfigurator-core" in TABLES["source"]["source"]
    assert "Apache-2.0" in TABLES["source"]["source"]
    assert TABLES["source"]["kind"] == "measured"
    assert set(TABLES["generation"]) == {"ampere", "ada", "hopper", "blackwell", "blackwell-ultra"}
    assert set(TABLES["engine"]) == set(ENGINES)


@pytest.mark.parametrize("scope", list(SCOPES))
def test_every_constant_has_an_interval_around_it(scope: str) -> None:
    for name, (value, low, high) in SCOPES[scope].items():
        assert name in MEANINGS
        assert 0 < low <= value <= high < math.inf
        if name not in ("softness", "tile", "latency_factor"):
            assert low < high, name
        if MEANINGS[name][0] == "1" and name not in ("softness", "tile", "latency_factor"):
            assert high <= 1, name


def test_blackwell_ultra_differs_in_its_exponentials_only() -> None:
    plain, ultra = TABLES["generation"]["blackwell"], TABLES["generation"]["blackwell-ultra"]
    assert [name for name in plain if plain[name] != ultra[name]] == ["softmax_flops"]
    assert plain["softmax_flops"][0] == pytest.approx(2 * ultra["softmax_flops"][0], rel=0.01)
