"""Reading measurements: whole or not at all, and every refusal names its row and column."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.evidence import measurements as m
from headway.facts.errors import InputError

HEADER = "row_id,model,hardware,n_gpus,parallelism,mode,engine,isl,osl,concurrency,metric,value"
GOOD = "a,llama-3.1-8b,H100,1,TP1,aggregated,vLLM,1024,128,4,tpot_ms,7.5"


def write(folder: Path, *lines: str) -> Path:
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_package_has_the_open_rows():
    rows = m.open_serving()
    assert len(rows) == 727
    assert len({row.row_id for row in rows}) == 727
    assert all(row.source_url.startswith("https://") for row in rows)
    assert len(m.open_training()) == 199


def test_a_small_file(tmp_path):
    (row,) = m.read_serving(write(tmp_path, HEADER, GOOD))
    assert (row.row_id, row.setup_id, row.source_id) == ("a", "a", "rows.csv")
    assert (row.isl, row.concurrency, row.value, row.weight_precision) == (1024, 4.0, 7.5, "")


def test_approximate_numbers_and_data_sets(tmp_path):
    line = 'a,llama-2-70b,H100,8,,mlperf-offline,TensorRT-LLM,MLPerf dataset,"~3,700",,system_throughput,1e4'
    (row,) = m.read_serving(write(tmp_path, HEADER, line))
    assert (row.isl, row.osl, row.dataset, row.value) == (None, 3700, "MLPerf dataset", 10_000.0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("7.5", "nan"), "row 2: value"),
        (("7.5", "-1"), "row 2: value"),
        (("7.5", "0"), "row 2: value"),
        (("7.5", ""), "row 2: value"),
        (("7.5", "1e999"), "row 2: value"),
        (("7.5", "\u0667"), "row 2: value"),
        (("1024", "10.5"), "row 2: isl"),
        (("1024", "1_024"), "row 2: isl"),
        ((",1,TP1", ",,TP1"), "row 2: n_gpus"),
        (("tpot_ms", "tpot"), "row 2: metric"),
        (("aggregated", "agregated"), "row 2: mode"),
        (("llama-3.1-8b", ""), "row 2: model"),
        (("vLLM", "v" * 20_000), "row 2: engine"),
        ((GOOD, GOOD + ",1"), "row 2"),
        ((GOOD, ""), "no rows"),
        ((GOOD, '"' + GOOD), "CSV"),
        (("row_id", "rowid"), "did you mean row_id"),
        (("row_id,", "model,"), "each column once"),
        ((",value", ""), "a column value"),
        (("7.5", "7\0"), "NUL"),
    ],
)
def test_refusals_name_the_place(tmp_path, change, named):
    lines = [line.replace(*change) for line in (HEADER, GOOD)]
    with pytest.raises(InputError) as caught:
        m.read_serving(write(tmp_path, *lines))
    assert named in str(caught.value)


def test_columns_of_the_users_own_are_left_alone(tmp_path):
    path = write(tmp_path, HEADER + ",rack,operator", GOOD + ",r7,me")
    assert m.read_serving(path) == m.read_serving(write(tmp_path, HEADER, GOOD))
    path = write(tmp_path, HEADER + ",rack,operator", GOOD + ",r7,me")
    assert m.unread_columns(path) == ("rack", "operator")


def test_hostile_files(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        m.read_serving(path)
    with pytest.raises(InputError, match="can be read"):
        m.read_serving(tmp_path)
    with pytest.raises(InputError, match="can be read"):
        m.read_serving(tmp_path / "absent.csv")
    path.write_bytes(b"")
    with pytest.raises(InputError, match="a column model"):
        m.read_serving(path)
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(InputError, match="at most"):
        m.read_serving(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=300) | st.text(max_size=300).map(lambda t: (HEADER + "\n" + t).encode("utf-8", "replace"))
)
def test_bytes_are_read_or_refused(tmp_path, data):
    path = tmp_path / "any.csv"
    path.write_bytes(data)
    for read in (m.read_serving, m.read_training):
        with contextlib.suppress(InputError):
            assert read(path)


def test_packaged_tables_survive_a_round_trip(tmp_path):
    """A user's file with the package's own rows is read as the package's own."""
    from importlib import resources

    text = resources.files("headway.facts").joinpath("data", "measurements", "serving.csv").read_text(encoding="utf-8")
    path = tmp_path / "serving.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert m.read_serving(path) == m.open_serving()
    assert len(next(csv.reader([text.splitlines()[0]]))) == 24
