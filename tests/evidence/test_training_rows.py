"""Training rows as sources spell them, and rows that nobody should predict."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from headway.evidence.measurements import TrainingMeasurement, open_training, read_training
from headway.evidence.setups import Refusal
from headway.evidence.training_cells import batch_in, number_in, recompute_in, spread_in
from headway.evidence.training_predict import training_predictions
from headway.evidence.training_setups import training_setup
from headway.facts.errors import InputError
from headway.facts.training_models import GPT_SHAPES, stand_in, training_model
from headway.physics.layout import Layout, check_layout

ROW = open_training()[0]


def row(model: str = "Llama-3.1-70B", hardware: str = "H100", gpus: int = 64, **cells: str) -> TrainingMeasurement:
    precision = cells.pop("precision", "bf16")
    return replace(
        ROW, row_id="X", source_id="mine", model=model, hardware=hardware, n_gpus=gpus, precision=precision, cells=cells
    )


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"tp": "eight"}, "tp"),
        ({"tp": "-8"}, "tp"),
        ({"tp": "0"}, "tp"),
        ({"pp": "1.5"}, "pp"),
        ({"tp": "8", "vp": "2.5"}, "vp"),
        ({"tp": "8", "pp": "2", "vp": "50"}, "vp"),
        ({"tp": "7"}, "n_gpus"),
        ({"tp": "8", "dp_or_fsdp": "DP9"}, "dp_or_fsdp"),
        ({"tp": "8", "dp_or_fsdp": "pipeline magic"}, "dp_or_fsdp"),
        ({"tp": "8", "recompute": "banana"}, "recompute"),
        ({"tp": "8", "global_batch": "0"}, "global_batch"),
        ({"tp": "8", "global_batch": "many"}, "global_batch"),
        ({"tp": "8", "micro_batch": "nan"}, "micro_batch"),
        ({"tp": "8", "seq_len": "1e9999"}, "seq_len"),
        ({"tp": "8", "precision": "fp6x"}, "precision"),
    ],
)
def test_what_a_cell_may_not_say_is_refused_by_its_column(cells: dict[str, str], field: str) -> None:
    found = training_setup(row(**cells))
    assert isinstance(found, Refusal)
    assert found.reason.startswith(f"{field}: ")


def test_hardware_and_model_are_refused_by_name() -> None:
    for one, field in ((row(hardware="H1000"), "hardware"), (row(model="nobody's"), "model")):
        found = training_setup(one)
        assert isinstance(found, Refusal)
        assert found.reason.startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("text", "zero", "ranks"),
    [
        ("", 1, None),
        ("n/a", 1, None),
        ("DP", 1, None),
        ("DP=16", 1, 16),
        ("DP8 ZeRO-2", 2, 8),
        ("DP8, zero stage 3", 3, 8),
        ("ZeRO-1 (distributed optimizer)", 1, None),
        ("FSDP full shard", 3, None),
        ("FSDP2", 3, None),
        ("HSDP 2x128", 3, None),
    ],
)
def test_ways_to_spread(text: str, zero: int, ranks: int | None) -> None:
    found = spread_in(row(dp_or_fsdp=text))
    assert (found.zero, found.ranks) == (zero, ranks)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("full", "full"),
        ("full (uniform, 1)", "full"),
        ("selective + sequence parallel", "selective"),
        ("core_attn, norm", "selective"),
        ("norm, moe_act", "store"),
        ("see recipe", "store"),
        ("none", "store"),
    ],
)
def test_policies(text: str, policy: str) -> None:
    assert recompute_in(row(recompute=text))[0] == policy


def test_numbers_with_units_and_batches_that_grew() -> None:
    assert number_in(row(seq_len="128k"), "seq_len") == 131072
    assert number_in(row(tp="8 (ETP 1)"), "tp") == 8
    assert batch_in(row(global_batch="3072->15360"), 4096) == 15360
    assert batch_in(row(global_batch="4M tok"), 8192) == 512
    assert batch_in(row(global_batch="1,536"), 8192) == 1536


ODD = [
    row(gpus=7, tp="1", pp="1", global_batch="14"),
    row(gpus=24, tp="4", pp="3", global_batch="26"),
    row("GPT 1T", "A100-80GB", 3072, total_params_b="1008", tp="8", pp="64", global_batch="3072", recompute="full"),
    row("BLOOM 176B", "A100", 384, tp="4", pp="12", dp_or_fsdp="DP8 ZeRO-1", global_batch="2048"),
    row("Grok-1", "H100", 256, tp="8", pp="4", ep="8", global_batch="256"),
    row("Nemotron-4 340B", "B200", 256, precision="fp8", tp="8", pp="8", vp="12", global_batch="64"),
    row("a model of mine", "MI300X", 64, total_params_b="83", tp="8", pp="1", global_batch="64"),
    row("a mixture of mine", "GB200", 72, total_params_b="900", active_params_b="31", tp="", pp="", global_batch=""),
    row("Llama-3-8B", "TPU v5p", 128, dp_or_fsdp="FSDP", seq_len="8k"),
    row("DeepSeek-V3", "H800", 2048, precision="fp8", pp="16", ep="64", global_batch="15360"),
]


@pytest.mark.parametrize("one", ODD, ids=lambda one: f"{one.model} on {one.hardware}")
def test_odd_layouts_have_a_finite_prediction_and_its_interval(one: TrainingMeasurement) -> None:
    for metric in ("tokens_per_s_per_gpu", "model_tflops_per_gpu", "mfu_pct", "step_time_s"):
        (found,) = training_predictions([replace(one, metric=metric, unit="")])
        assert found.refusal is None
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert 0.0 < found.low < found.value < found.high < math.inf


def test_rows_that_count_recomputation() -> None:
    """Narayanan et al., table 1: 145.6B on 1,536 A100, 148 TFLOP/s with what is computed again."""
    one = replace(
        row("GPT 145B", "A100", 1536, total_params_b="145.6", tp="8", pp="8", vp="n/a", global_batch="2304"),
        metric="model_tflops_per_gpu",
        source_id="narayanan-2021",
        value=148.0,
    )
    cells = dict(one.cells) | {"micro_batch": "2", "seq_len": "2048", "recompute": "full", "measured_date": "2021"}
    plain, counted = training_predictions(
        [replace(one, cells=cells), replace(one, cells=cells | {"note": "hardware FLOP/s"})]
    )
    assert plain.value is not None
    assert counted.value is not None
    assert counted.value / plain.value == pytest.approx(4 / 3, rel=0.01)
    assert abs(counted.value / 148.0 - 1.0) < 0.1


def test_shapes_have_the_parameters_of_their_names() -> None:
    for name, shape in GPT_SHAPES.items():
        told = re.search(r"([0-9.]+)b$", name)
        if told and not name.startswith("mpt"):
            assert shape.model(name).total_params / 1e9 == pytest.approx(float(told[1]), rel=0.045)
    assert training_model("GPT 76B", 76.1e9).name == "gpt-76.1b"
    with pytest.raises(InputError):
        training_model("GPT 5T", 5e12)


@pytest.mark.parametrize("ways", [1, 2, 4, 8, 12])
def test_a_stand_in_divides_over_its_tensor_ranks(ways: int) -> None:
    made = stand_in("x", 39e9, None, ways)
    check_layout(made, Layout(tp=ways))
    assert made.total_params == pytest.approx(39e9, rel=0.05)


def test_a_file_with_a_misspelt_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["model", "hardware", "n_gpus", "metric", "value", "micro_bach"], ["x"] * 6])
    with pytest.raises(InputError, match="micro_bach"):
        read_training(path)


#: Billions of parameters, TFLOP/s a chip, chips, batch, tensor ranks and stages: Narayanan et al., arXiv 2104.04473,
#: table 1. Not among the rows that constants are fitted on.
NARAYANAN = [
    ("1.7", 137.0, 32, 512, 1, 1),
    ("3.6", 138.0, 64, 512, 2, 1),
    ("7.5", 142.0, 128, 512, 4, 1),
    ("18.4", 135.0, 256, 1024, 8, 1),
    ("39.1", 138.0, 512, 1536, 8, 2),
    ("76.1", 140.0, 1024, 1792, 8, 4),
    ("145.6", 148.0, 1536, 2304, 8, 8),
    ("310.1", 155.0, 1920, 2160, 8, 16),
    ("529.6", 163.0, 2520, 2520, 8, 35),
    ("1008", 163.0, 3072, 3072, 8, 64),
]


def test_ten_runs_that_nothing_was_fitted_on() -> None:
    """Micro-batches of one are assumed: the table does not say."""
    rows = [
        replace(
            row(
                f"GPT {size}B",
                "A100",
                gpus,
                precision="fp16",
                total_params_b=size,
                tp=str(tp),
                pp=str(pp),
                vp="n/a",
                global_batch=str(batch),
                micro_batch="1",
                seq_len="2048",
                recompute="full",
                measured_date="2021",
                note="hardware FLOP/s",
            ),
            metric="model_tflops_per_gpu",
            source_id="narayanan-2021",
            value=value,
        )
        for size, value, gpus, batch, tp, pp in NARAYANAN
    ]
    errors = [found.error for found in training_predictions(rows)]
    assert all(error is not None and -0.2 < error < 0.15 for error in errors)
    assert all(error is not None and abs(error) < 0.12 for error in errors[3:])
