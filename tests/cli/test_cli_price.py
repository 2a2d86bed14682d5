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


def test_check_fails_where_nothing_is_in_both(headway, tmp_path) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"strange": {"litellm_provider": "nobody", "input_cost_per_token": 1e-6}}', encoding="utf-8")
    found = headway("price", "check", str(path))
    assert found.code == 1
    assert "nothing could be compared" in found.out


def test_a_cache_price_of_ones_own_is_read(headway) -> None:
    own, other = (
        headway("price", "invert", "claude-opus-5", *more, "--json").json()["kv_bytes_per_token"]["posterior"]
        for more in ((), ("--cache-read", "$9/Mtok"))
    )
    assert own["median"] != other["median"]


def test_a_day_may_be_spelt_as_one_likes(headway) -> None:
    spelt = [headway("price", "show", "gpt-5.6-sol", "--on", day).out for day in ("20260820", "2026-08-20")]
    assert spelt[0] == spelt[1]


def test_a_name_in_capitals_is_found(headway, tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'sheet = [{ model = "Mine-Pro", provider = "me", input = "$1/Mtok", output = "$4/Mtok", date = "2026-11-20",'
        ' source = "my contract", retrieved = "2026-11-20", kind = "reported" }]',
        encoding="utf-8",
    )
    for name in ("Mine-Pro", "mine-pro"):
        assert headway("price", "show", name, "--sheet", str(path), "--json").json()["model"] == "Mine-Pro"
    assert headway("price", "show", "GPT-5", "--json").json()["model"] == "gpt-5"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "gemini-3.1"), "gemini-3.1-pro"),
        (("invert", "--input", "$2/Mtok"), "--output-price"),
        (("invert", "--input", "-2", "--output-price", "$3/Mtok"), "--input"),
        (("validate", "absent.csv"), "absent.csv"),
        (("check", "absent.json"), "absent.json"),
        (("invert", "deepseek-v4-pro", "--at", "25"), "time of day"),
        (("invert", "--input", "$2/Mtok", "--output-price", "$9/Mtok", "--sheet", "absent.toml"), "--sheet"),
        (("invert", "--input", "$2/Mtok", "--output-price", "$9/Mtok", "--at", "99:99"), "--at"),
        (("shw",), "show"),
        (("show", "gpt-5", "--on", "yesterday"), "on"),
    ],
)
def test_misuse_is_one_line(headway, arguments, said: str) -> None:
    found = headway("price", *arguments)
    assert found.code == 2
    assert said in found.err
    assert len(found.err.strip().splitlines()) == 1
