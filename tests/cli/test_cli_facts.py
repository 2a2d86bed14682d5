"""``model(s)``, ``system(s)`` and ``cite``: every row of the catalogs shows, in every format, without loss."""

from __future__ import annotations

import csv
import io
import json

import pytest

from headway.cli._params import model_names, system_names
from headway.cli.cite_command import citable
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.attention import kv_bytes_per_token
from headway.physics.memory import weight_bytes


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_models_lists_the_catalog(headway):
    found = headway("models", "--json").json()["models"]
    assert [row["model"] for row in found] == list(model_names())
    assert [row["model"] for row in _rows(headway("models", "--csv").out)] == list(model_names())
    text = headway("models").out
    assert all(name in text for name in model_names())


@pytest.mark.parametrize("name", model_names())
def test_every_model_shows(headway, name):
    outcome = headway("model", name, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found, wanted = outcome.json(), model(name)
    assert found["total_params"] == wanted.total_params
    assert found["weight_bytes"]["published"] == pytest.approx(weight_bytes(wanted))
    assert found["kv_bytes_per_token"]["bf16"] == pytest.approx(kv_bytes_per_token(wanted, "bf16"))
    assert sum(group["count"] for group in found["layers"]) == wanted.n_layers
    assert found["sources"]
    text = headway("model", name).out
    assert text.startswith(f"{name}: {wanted.n_layers} layers")
    assert max(map(len, text.splitlines())) <= 80


def test_deepseek_v3_in_words(headway):
    text = headway("model", "deepseek-v3").out
    for words in ("MLA", "8 of 256 experts", "671B", "70.3 kB", "fp8"):
        assert words in text


def test_a_config_is_a_model_too(headway, tmp_path, llama_config):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(llama_config))
    found = headway("model", "--config", str(file), "--json").json()
    assert found["kv_bytes_per_token"]["bf16"] == 2 * 32 * 8 * 128 * 2


@pytest.mark.parametrize("arguments", [("model",), ("model", "deepseek-v3", "--config", "x.json")])
def test_a_model_has_one_origin(headway, arguments):
    outcome = headway(*arguments)
    assert outcome.code == 2
    assert "--config" in outcome.err


def test_systems_lists_the_catalog(headway):
    found = headway("systems", "--json").json()["systems"]
    assert [row["system"] for row in found] == list(system_names())
    text = headway("systems").out
    assert all(name in text for name in system_names())


@pytest.mark.parametrize("name", system_names())
def test_every_system_shows(headway, name):
    outcome = headway("system", name, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found, wanted = outcome.json(), system(name)
    assert found["chips"] == wanted.chips
    assert found["chip"]["hbm_bytes"] == wanted.chip.hbm_bytes
    assert found["sources"]
    assert len(found["conflicts"]) == len(wanted.conflicts) + len(wanted.chip.conflicts)
    text = headway("system", name).out
    assert text.startswith(f"{name}: {wanted.chips} x {wanted.chip.name}")
    assert max(map(len, text.splitlines())) <= 80


def test_near_names(headway):
    assert "did you mean deepseek-v3?" in headway("model", "deepsek-v3").err
    assert "did you mean gb200-nvl72?" in headway("system", "gb200-nvl7").err


@pytest.mark.parametrize("name", citable())
def test_everything_citable_has_sources_or_needs_none(headway, name):
    outcome = headway("cite", name, "--json")
    assert outcome.code == 0
    cited = outcome.json()["cited"][0]
    assert cited["of"] in {"model", "system", "chip", "claim"}
    assert cited["sources"] or cited["of"] == "claim"


def test_cite_several(headway):
    rows = _rows(headway("cite", "deepseek-v3", "gb200-nvl72", "--csv").out)
    assert {row["name"] for row in rows} == {"deepseek-v3", "gb200-nvl72"}
    assert all(row["kind"] and row["retrieved"] and row["source"] for row in rows)


def test_cite_an_unknown_name(headway):
    outcome = headway("cite", "deepsek-v3")
    assert outcome.code == 2
    assert "did you mean deepseek-v3?" in outcome.err


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("system gb200", "gb200-nvl72"),
        ("plan deeps", "deepseek-v3"),
        ("size deeps", "deepseek-v3"),
        ("board ba", "batch"),
    ],
)
def test_names_complete(headway, monkeypatch, typed, found):
    monkeypatch.setenv("_HEADWAY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"headway {typed}")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert f"plain,{found}" in headway().out.splitlines()


def test_the_chapters_of_the_board_are_named(headway):
    assert "simulation  What does every one" in headway("board", "--help").out
    outcome = headway("board", "nosuch")
    assert outcome.code == 2
    assert "expected one of batch, train, " in outcome.err
