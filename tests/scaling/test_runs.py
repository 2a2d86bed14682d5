"""Malformed run tables are refused by row and column."""

from __future__ import annotations

import numpy as np
import pytest

from headway.facts.errors import InputError
from headway.scaling.ladder import climb, forecasts, place
from headway.scaling.runs import read_runs

HEAD = "run,params,tokens,loss\n"
GOOD = "a,1e8,2e9,3.4\nb,2e8,4e9,3.1\nc,4e8,8e9,2.9\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no runs"),
        (HEAD, "no runs"),
        ("run,params,loss\na,1e8,3\n", "no tokens"),
        ("run,tokens,loss\na,1e8,3\n", "no size"),
        ("run,params,tokens\na,1e8,2e9\n", "no loss"),
        (HEAD + "a,1e8,0,3.4\nb,2e8,4e9,3.1\n", "row 2, column 'tokens'"),
        ("compute,loss\n1e18,3\n0,2.9\n", "row 3, column 'compute'"),
        (HEAD + GOOD + "d,8e8,2e10,nan\n", "row 5, column 'loss'"),
        (HEAD + GOOD + "d,8e8,inf,2.8\n", "row 5, column 'tokens'"),
        (HEAD + GOOD + "d,8e8,,2.8\n", "row 5, column 'tokens'"),
        (HEAD + GOOD + "d,8e8,-1,2.8\n", "row 5, column 'tokens'"),
        (HEAD + GOOD + "a,1e8,2e9,3.4\n", "row 5, column 'run'"),
        ("params,tokens,loss\n1e8,2e9,3\n2e8,2e9,2.9\n1e8,2e9,3\n", "row 4"),
        (HEAD + GOOD + "d,0.8,1.6e10,2.8\n", "row 5, column 'params'.*one unit"),
        (HEAD + GOOD + "d,8e8,16B,2.8\n", "row 5, column 'tokens'.*plain number"),
        (HEAD + GOOD + "d,8e8,1.6e10,2800\n", "row 5, column 'loss'"),
        (HEAD + "a,1e8,2e9,3.4\n", "1 runs, 1 rung"),
        (HEAD + "a,1e8,2e9,3.4\nb,2e8,1e9,3.3\n", "1 rung"),
        (HEAD + GOOD + "d,8e8\n", "row 5.*2 cells"),
        ("run,params,params,tokens,loss\na,1,1,1,1\n", "each column once"),
    ],
)
def test_refused(tmp_path, text, said):
    path = tmp_path / "runs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_runs(str(path))


def test_repeats_with_names_of_their_own_are_kept(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(HEAD + GOOD + "a-rerun,1e8,2e9,3.41\n", encoding="utf-8")
    assert len(read_runs(str(path)).loss) == 4


def test_compute_alone_is_a_ladder(tmp_path):
    c = np.logspace(18, 21, 8)
    rows = "".join(f"{x},{1.7 + 300 * x**-0.13}\n" for x in c)
    path = tmp_path / "runs.csv"
    path.write_text("C_flop,loss\n" + rows, encoding="utf-8")
    ladder = climb(read_runs(str(path)))
    first = forecasts(ladder, place(ladder, 1e23))[0]
    assert first.method == "compute"
    assert first.value[0] == pytest.approx(1.7 + 300 * 1e23**-0.13, rel=1e-4)
    assert first.low[0] < first.value[0] < first.high[0]


def test_columns_can_be_named_and_rows_chosen(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("set,params,tokens,ppl,bad\nx,1e8,2e9,3,0\nx,2e8,4e9,2.9,0\nx,3e8,4e9,9,1\ny,1e8,3e9,5,0\n")
    runs = read_runs(str(path), target="ppl", leave_out="bad", where=(("set", "x"),))
    assert runs.loss.tolist() == [3.0, 2.9]
    assert runs.left_out == ("row 4 (bad)",)
    with pytest.raises(InputError, match="did you mean bad"):
        read_runs(str(path), target="ppl", leave_out="bat")
