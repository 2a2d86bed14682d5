"""One report in every format: files whole or not at all, JSON without NaN, tables that fit."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
import sys
from pathlib import Path
from types import MappingProxyType

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from headway.cli import _output
from headway.cli._chart import BarChart
from headway.cli._lazy import Row
from headway.cli._output import as_csv, check_writable, output_options, render, write_whole
from headway.cli._report import (
    Card,
    Cards,
    Column,
    Passage,
    Quantity,
    Report,
    Table,
    Toned,
    document,
    facts_table,
    records,
    to_json,
)
from headway.cli._text import as_text, fitted, number, show
from headway.facts.errors import InputError

TABLE = Table(
    "plans",
    (
        Column("layout", "layout", align="left", fold=True),
        Column("tpot_s", "TPOT", "seconds"),
        Column("usd_per_mtok", "$/Mtok", "dollars_per_mtok", priority=1),
        Column("fits", "fits", align="left", priority=2),
    ),
    (
        ("TP8 over eight chips of one node", 0.0123456, 0.314159, True),
        ("DP72 EP72", np.float64(0.02), float("nan"), False),
        ("µ × 3", None, Toned(1.5, "good"), None),
    ),
)
REPORT = Report(
    "Plans",
    (
        TABLE,
        facts_table("facts", (("memory", Quantity(8e10, "bytes")), ("rate", Quantity(None, "bytes_per_second")))),
        Passage("Equation", ("t = max(a, b)",), "code"),
        Cards("Claims", (Card("≠", "C04  a statement", (("stated", "2,400"), ("empty", "")), "bad"),)),
        BarChart("Memory", "bytes", (("weights", 2e9),)),
    ),
    ("A note.",),
    {"plans": records(TABLE), "array": np.array([1.0, np.nan]), "inf": math.inf},
    exit_code=1,
)


@click.command()
@output_options
def _shown() -> Report:
    return REPORT


@pytest.fixture
def shown(headway):
    module = type(sys)("headway_test_shown")
    module.shown = _shown  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    rows = (Row("shown", "headway_test_shown:shown", "Shows.", "Tests"),)
    return lambda *arguments, **options: headway("shown", *arguments, rows=rows, **options)


def test_exit_code_of_the_report(shown):
    assert shown().code == 1


def test_json_is_one_document_without_nan(shown):
    found = shown("--json").json()
    assert found["array"] == [1.0, None]
    assert found["inf"] is None
    assert found["plans"][0]["tpot_s"] == 0.0123456


def test_json_without_a_document_is_made_from_the_tables():
    found = document(Report("t", (TABLE,), ("n",)))
    assert found["plans"][1]["usd_per_mtok"] is None
    assert found["notes"] == ["n"]


def test_csv_has_si_numbers_and_units_in_the_keys(shown):
    rows = list(csv.DictReader(io.StringIO(shown("--csv").out)))
    assert rows[0] == {
        "layout": "TP8 over eight chips of one node",
        "tpot_s": "0.0123456",
        "usd_per_mtok": "0.314159",
        "fits": "true",
    }
    assert rows[1]["tpot_s"] == "0.02"
    assert rows[1]["usd_per_mtok"] == ""
    assert rows[2]["usd_per_mtok"] == "1.5"


def test_csv_of_mixed_units_has_a_unit_column():
    report = Report("t", (facts_table("facts", (("memory", Quantity(8e10, "bytes")), ("kind", "dense"))),))
    assert as_csv(report).splitlines() == ["fact,value,value_unit", "memory,80000000000.0,B", "kind,dense,"]


def test_csv_of_a_report_without_tables_is_refused():
    with pytest.raises(InputError, match="--json"):
        as_csv(Report("t"))


def test_text_has_everything(shown):
    text = shown().out
    for words in ("Plans", "12.3 ms", "80 GB", "t = max(a, b)", "≠ C04", "2 GB", "A note.", "yes"):
        assert words in text
    assert "empty" not in text
    assert "\x1b" not in text


def test_text_without_utf8_is_ascii(shown):
    outcome = shown(encoding="ascii")
    assert outcome.out.isascii()
    assert "us" not in shown().out
    assert "u x 3" in outcome.out
    assert "!= C04" in outcome.out


@pytest.mark.parametrize("suffix", [".json", ".csv", ".txt", ".md"])
def test_suffix_tells_the_format(shown, tmp_path, suffix):
    file = tmp_path / f"out{suffix}"
    outcome = shown("-o", str(file))
    assert (outcome.code, outcome.out) == (1, "")
    text = file.read_text(encoding="utf-8")
    start = {".json": "{", ".csv": "layout,", ".txt": "Plans\n", ".md": "# Plans\n"}[suffix]
    assert text.startswith(start)
    assert text.endswith("\n")
    assert sorted(tmp_path.iterdir()) == [file]


def test_a_flag_beats_the_suffix(shown, tmp_path):
    shown("--json", "-o", str(tmp_path / "out.txt"))
    assert json.loads((tmp_path / "out.txt").read_text())


def test_dash_is_stdout(shown):
    assert shown("--csv", "-o", "-").out == shown("--csv").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--json", "--csv"), "one of the two"),
        (("-o", "{tmp}"), "not a directory"),
        (("-o", "{tmp}/none/out.json"), "directory that exists"),
        (("-o", "{tmp}/out.xyz"), ".json .csv .txt .md"),
        (("-o", "{tmp}/out"), "a name ending in"),
        (("-o", "{tmp}/" + "x" * 300 + ".json"), "--output"),
        (("-o", "{tmp}/nul\0l.json"), "--output"),
    ],
)
def test_bad_places_are_refused(shown, tmp_path, arguments, words):
    outcome = shown(*(part.format(tmp=tmp_path) for part in arguments))
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_bad_place_is_refused_before_anything_is_computed(tmp_path):
    with pytest.raises(InputError, match="not a directory"):
        check_writable(tmp_path)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "out.json"
    file.write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_output.os, "fsync", fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_whole(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_rights_of_a_file_are_kept_and_of_a_new_one_ordinary(tmp_path):
    old = tmp_path / "old.json"
    old.write_text("old")
    old.chmod(0o640)
    write_whole(old, "new")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    mask = os.umask(0o022)
    try:
        write_whole(tmp_path / "new.json", "new")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o644


def test_a_link_stays_a_link(tmp_path):
    target = tmp_path / "target.json"
    target.write_text("old")
    link = tmp_path / "link.json"
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_device_is_written_not_replaced():
    before = os.stat(os.devnull).st_mode
    write_whole(Path(os.devnull), "text")
    assert os.stat(os.devnull).st_mode == before


# --- text ---------------------------------------------------------------------------------------

NUMBERS = ["12.3 ms", "20 ms", "$0.314/Mtok"]


@pytest.mark.parametrize("width", [120, 80, 60, 40, 30])
def test_lines_fit_and_no_number_is_cut(width):
    text = as_text(REPORT, None, width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert "12.3 ms" in text
    assert "..." not in text
    assert "…" not in text


def test_least_important_columns_go_first_and_a_note_says_so():
    wide = Table("t", tuple(Column(f"c{i}", f"column {i}", priority=i) for i in range(6)), ((123456789,) * 6,))
    fit = fitted(wide, 40)
    assert [column.key for column in fit.left_out] == ["c3", "c4", "c5"]
    assert "Not shown at 40 columns: column 3, column 4, column 5" in " ".join(
        as_text(Report("t", (wide,)), None, 40).split()
    )


def test_too_narrow_for_any_table_means_one_line_per_value():
    table = Table("t", (Column("a", "first"), Column("b", "second")), ((123456789012, 3), (4, 5)))
    assert as_text(Report("", (table,)), None, 16).split() == [
        "first:",
        "123,456,789,012",
        "second:",
        "3",
        "first:",
        "4",
        "second:",
        "5",
    ]


def test_a_group_becomes_headings():
    table = Table(
        "t", (Column("g", "group", align="left"), Column("n", "n")), (("one", 1), ("one", 2), ("two", 3)), group="g"
    )
    lines = as_text(Report("", (table,)), None, 40).splitlines()
    assert [line.strip() for line in lines if line.strip(" ─")] == ["one", "n", "1", "2", "two", "3"]


words = st.text(st.characters(codec="utf-8"), max_size=30)
cells = st.one_of(words, st.floats(), st.integers(-(10**18), 10**18), st.booleans(), st.none())


@given(
    st.lists(st.tuples(cells, cells, cells), max_size=5),
    st.integers(20, 140),
    st.sampled_from(["text", "markdown", "csv", "json"]),
)
def test_any_cells_render_in_every_format(rows, width, format):
    columns = (Column("a", "a"), Column("b", "b", align="left", fold=True), Column("c", "c", priority=1))
    report = Report("t", (Table("t", columns, tuple(rows)),))
    text = as_text(report, None, width) if format == "text" else render(report, format)
    assert text.endswith("\n")
    assert "\x1b" not in text.replace("\\u001b", "") or format == "csv"


@given(words)
def test_shown_text_is_one_printable_line(text):
    assert all(c.isprintable() or c in "\u00a0\u202f\u2009" for c in show(text))
    assert show(text, unicode=False).isascii()


@given(st.floats(-1e15, 1e15))
def test_numbers_keep_four_digits(value):
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=6e-4, abs=1e-300)


def test_to_json_converts_what_results_hold():
    found = to_json(
        {"a": np.arange(2), "b": (np.float32(1), np.int64(2)), "c": MappingProxyType({1: {3, 2}}), "d": Path("x")}
    )
    assert found == {"a": [0, 1], "b": [1.0, 2], "c": {"1": [2, 3]}, "d": "x"}


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="2 cells"):
        Table("t", (Column("a", "a"), Column("b", "b")), ((1,),))
