"""``headway validate``: the package's rows, a file of one's own, and what it refuses."""

from __future__ import annotations

import csv
import io

import pytest

HEADER = "row_id,model,hardware,n_gpus,parallelism,mode,engine,isl,osl,concurrency,metric,value"
GOOD = "a,llama-3.1-8b,H100,1,TP1,aggregated,vLLM,1024,128,4,tpot_ms,7.5"
UNKNOWN = "b,my-own-model,H100,1,TP1,aggregated,vLLM,1024,128,4,tpot_ms,7.5"


@pytest.fixture
def rows(tmp_path):
    def write(*lines):
        path = tmp_path / "rows.csv"
        path.write_text("\n".join((HEADER, *lines)) + "\n", encoding="utf-8")
        return str(path)

    return write


def test_a_file_of_ones_own(headway, rows):
    shown = headway("validate", rows(GOOD, UNKNOWN))
    assert shown.code == 0
    assert "1 of 2 measurements predicted" in shown.out
    assert "my-own-model" in shown.out
    found = headway("validate", rows(GOOD, UNKNOWN), "--json").json()
    assert {"metric", "group", "rows", "covered", "median_ape", "p90_ape", "bias"} <= set(found["summary"][0])
    total = next(s for s in found["summary"] if s["group"] == "all")
    assert (total["rows"], total["covered"]) == (2, 1)
    first, second = found["rows"]
    assert first["error"] == pytest.approx(first["predicted"] / first["measured"] - 1)
    assert second["predicted"] is None
    assert "my-own-model" in second["reason"]


def test_csv_has_every_row(headway, rows):
    lines = list(csv.DictReader(io.StringIO(headway("validate", rows(GOOD, UNKNOWN), "--csv").out)))
    assert [line["row_id"] for line in lines] == ["a", "b"]
    assert float(lines[0]["predicted"]) > 0
    assert lines[1]["predicted"] == ""


def test_nothing_predicted_is_a_failed_check(headway, rows):
    assert headway("validate", rows(UNKNOWN)).code == 1


def test_broken_files_are_misuse(headway, rows, tmp_path):
    shown = headway("validate", rows(GOOD.replace("7.5", "fast")))
    assert shown.code == 2
    assert "row 2: value" in shown.err
    assert headway("validate", str(tmp_path / "absent.csv")).code == 2
    assert headway("validate", "--metric", "tpot").code == 2
    assert headway("validate", "--by", "colour").code == 2


def test_a_directory_of_configs_is_needed_to_be_one(headway, rows, tmp_path):
    shown = headway("validate", rows(GOOD), "--config", str(tmp_path / "absent"))
    assert shown.code == 2
    assert "--config" in shown.err
    assert headway("validate", rows(GOOD), "--hardware", str(tmp_path / "absent.toml")).code == 2


def test_open_rows_of_one_metric(headway):
    found = headway("validate", "--metric", "itl_ms", "--by", "all,chip", "--json").json()
    assert len(found["rows"]) == 4
    assert all(row["predicted"] for row in found["rows"])


def test_training_rows_are_predicted(headway, tmp_path):
    shown = headway("validate", "--training")
    assert shown.code == 0
    assert "184 of 199" in shown.out
    found = headway("validate", "--training", "--json").json()
    counted = sum(s["rows"] for s in found["summary"] if s["group"] == "all" and s["metric"] != "step")
    assert counted == len(found["rows"]) == 199
    assert all(row["predicted"] or row["reason"] for row in found["rows"])
    bad = tmp_path / "t.csv"
    bad.write_text("model\nx\n", encoding="utf-8")
    assert headway("validate", "--training", str(bad)).code == 2
