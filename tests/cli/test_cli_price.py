"""The command ``headway price``."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "gemini-3.1-pro"),
        ("show", "deepseek-v4-pro", "--at", "07:30"),
        ("show", "deepseek-v4-flash"),
        ("compare", "gpt-5,claude-opus-5"),
        ("history", "gpt-5.6-luna"),
        ("invert", "gemini-3.1-pro"),
        ("invert", "--input", "$2/Mtok", "--output-price", "$12/Mtok"),
        ("floor", "llama-3.1-8b", "--on", "hgx-h200", "--price", "$2/GPU-h", "--utilisation", "20%,60%"),
    ],
)
def test_json_and_text(headway, arguments) -> None:
    assert headway("price", *arguments, "--json").json()
    shown = headway("price", *arguments)
    assert (shown.code, shown.err) == (0, "")
    assert all(len(line) <= 80 for line in shown.out.splitlines())


def test_validate_scores_a_test_file(headway, tmp_path) -> None:
    head = "model,total_params_b,active_params_b,host,tier,in_usd_mtok,out_usd_mtok\n"
    test = tmp_path / "test.csv"
    test.write_text(head + "strange-9b,9,9,nobody,std,0.08,0.1\nodd-300b-a20b,300,20,,std,0.3,\n", encoding="utf-8")
    import headway.pricing.offers as offers

    train = tmp_path / "train.csv"
    rows = [o for o in offers.open_offers() if o.total_params == o.total_params]
    lines = [
        f"{o.model},{o.total_params / 1e9},{o.active_params / 1e9},{o.host},{o.tier},{o.input_usd_per_mtok},"
        f"{o.output_usd_per_mtok}\n"
        for o in rows
    ]
    train.write_text(head + "".join(lines), encoding="utf-8")
    found = headway("price", "validate", str(train), "--test", str(test), "--json").json()
    assert [m["model"] for m in found["models"]] == ["strange-9b"]
    assert {"coverage", "median_error", "interval_score", "half_width"} <= set(found["active"]) & set(found["total"])


def test_check_fails_where_a_second_source_differs(headway, tmp_path) -> None:
    path = tmp_path / "prices.json"
    entry = '{"gpt-5": {"litellm_provider": "openai", "input_cost_per_token": %s}}'
    for price, code in (("1.25e-6", 0), ("2e-6", 1)):
        path.write_text(entry % price, encoding="utf-8")
        found = headway("price", "check", str(path), "--json")
        assert (found.code, len(found.json()["differences"])) == (code, code)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "gemini-3.1"), "gemini-3.1-pro"),
        (("invert", "--input", "$2/Mtok"), "--output-price"),
        (("invert", "--input", "-2", "--output-price", "$3/Mtok"), "--input"),
        (("validate", "absent.csv"), "absent.csv"),
        (("check", "absent.json"), "absent.json"),
        (("invert", "deepseek-v4-pro", "--at", "25"), "time of day"),
        (("shw",), "show"),
        (("show", "gpt-5", "--on", "yesterday"), "on"),
    ],
)
def test_misuse_is_one_line(headway, arguments, said: str) -> None:
    found = headway("price", *arguments)
    assert found.code == 2
    assert said in found.err
    assert len(found.err.strip().splitlines()) == 1
