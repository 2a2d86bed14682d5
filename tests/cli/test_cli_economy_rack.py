"""``headway economy tokens|racks|keep``: figures, forms of output, refusals."""

from __future__ import annotations

import csv
import io

import pytest
from tests.cli.conftest import Invoke


def test_tokens_show_the_line_and_what_it_leaves(headway: Invoke) -> None:
    found = headway("economy", "tokens", "--sellers", "3,30", "--prices", "gpt-5", "--json").json()
    assert [row["input_tokens"] for row in found["deals"]] == [8583, 50298]
    assert [row["input_residual"] for row in found["fit"]] == [-132, 135, -5, 1]
    assert round(found["prices"][0]["usd_per_deal"], 3) == 0.017
    thinking = headway("economy", "tokens", "--sellers", "3", "--thinking", "10", "--json").json()
    assert thinking["deals"][0]["output_tokens"] == pytest.approx(10 * found["deals"][0]["output_tokens"], rel=0.01)


def test_racks_of_a_public_figure(headway: Invoke) -> None:
    arguments = ("economy", "racks", "deepseek-v3", "--on", "gb200-nvl72", "--volume", "meta-business-chats")
    found = headway(*arguments, "--json").json()
    assert [round(m["rates"]["decode_replicas"]) for m in found["markets"]] == [36, 79]
    assert found["markets"][0]["units"] < found["markets"][1]["units"]
    text = headway(*arguments)
    assert text.code == 0
    assert "nodes or" in text.out
    same = headway("economy", "racks", "deepseek-v3", "--on", "gb200-nvl72", "--conversations", "600M", "--json").json()
    assert same["markets"][0]["chips"] == found["markets"][0]["chips"]


def test_racks_as_csv(headway: Invoke) -> None:
    out = headway("economy", "racks", "llama-3.1-8b", "--on", "hgx-h200", "--conversations", "10M", "--csv").out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["sellers"] for row in rows] == ["3.0", "10.0"] or [row["sellers"] for row in rows] == ["3", "10"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("racks", "deepseek-v3", "--on", "gb200-nvl72"), "neither"),
        (
            ("racks", "deepseek-v3", "--on", "gb200-nvl72", "--conversations", "1M", "--volume", "meta-business-ai"),
            "both",
        ),
        (
            ("racks", "deepseek-v3", "--on", "gb200-nvl72", "--volume", "meta-busines-ai"),
            "did you mean meta-business-ai",
        ),
        (("racks", "deepseek-v3", "--on", "gb200-nvl72", "--conversations", "1M", "--peak", "0.5"), "peak"),
        (("keep", "deepseek-v3", "--on", "gb200-nvl72", "--stores", "floppy"), "floppy"),
        (("tokens", "--prices", "gpt-99"), "gpt-99"),
        (("tokens", "--thinking", "0"), "output_multiple"),
    ],
)
def test_misuse_is_one_line(headway: Invoke, arguments: tuple[str, ...], said: str) -> None:
    found = headway("economy", *arguments)
    assert found.code == 2
    assert said in found.err
    assert len(found.err.strip().splitlines()) == 1
    assert not found.out


def test_infeasible_is_said(headway: Invoke) -> None:
    for command in (("racks", "--conversations", "1M"), ("keep",)):
        found = headway("economy", command[0], "deepseek-v3", "--on", "gb200-nvl72", "--tpot", "1us", *command[1:])
        assert found.code == 1
        assert "TPOT" in found.out


def test_keep_lists_tiers_delays_and_offers(headway: Invoke) -> None:
    found = headway("economy", "keep", "deepseek-v3", "--on", "gb200-nvl72", "--reply", "1s,365d", "--json").json()
    assert [tier["tier"] for tier in found["tiers"]] == ["hbm", "dram", "nvme-7.68tb", "hdd-24tb"]
    assert found["cheapest_from_s"][-1]["tier"] == "recompute"
    assert [row["best"] for row in found["delays"]] == ["dram", "recompute"]
    for columns in ("80", "120"):
        text = headway("economy", "keep", "deepseek-v3", "--on", "gb200-nvl72").out
        assert "pays up" in text
        assert max(map(len, text.splitlines())) <= int(columns)
