"""The catalog of models: names, sources, and counts against what makers state."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from headway.facts.counting import CONVENTIONS, StatedCount, counted_params, mtp_params, relative_error
from headway.facts.errors import ConfigError, InputError, UnknownNameError
from headway.facts.models import Entry, entries, find, model, model_names
from headway.facts.precision import number_format
from headway.facts.sources import KINDS

# Beyond the reference table.
WANTED = ("muse-spark-open", "qwen3.5-27b", "qwen3.5-35b-a3b", "deepseek-v3.1", "qwen3-0.6b", "llama-3.3-70b")


def counts(entry: Entry) -> list[tuple[str, StatedCount, float]]:
    """What is stated about a row beside what the layout gives, in the row's own convention."""
    found, pairs = model(entry.name), []
    if entry.total:
        computed = counted_params(found, entry.total_counts) + entry.towers_total
        pairs.append(("total", entry.total, float(computed)))
    if entry.active:
        computed = counted_params(found, entry.active_counts, active=True) + entry.towers_active
        pairs.append(("active", entry.active, float(computed)))
    return pairs


def test_every_row_has_a_source_and_a_kind() -> None:
    for entry in entries().values():
        assert entry.source.text
        assert entry.source.kind in KINDS
        assert entry.total_counts in CONVENTIONS
        assert entry.active_counts in CONVENTIONS
        assert bool(entry.total) == bool(entry.counts_source), entry.name
        assert (entry.active_residual != 0) == bool(entry.residual), entry.name


@pytest.mark.parametrize("name", WANTED)
def test_wanted_models_are_there(name: str) -> None:
    assert name in model_names()


def test_counts_are_within_one_percent_or_within_the_stated_digits() -> None:
    """Prints the whole table (``pytest -s``); rows that need the rounding or leave a residual are marked."""
    lines, rounded, residual = [], [], []
    for name in model_names():
        entry = find(name)
        for what, stated, computed in counts(entry):
            error = relative_error(computed, stated.value)
            mark = "" if abs(error) <= 0.01 else "rounding" if stated.agrees(computed) else "residual"
            lines.append(f"{name:28s} {what:6s} {computed / 1e9:10.3f}B {stated.text:>8s} {error:+8.2%} {mark}")
            if mark == "rounding":
                rounded.append((name, what))
            if mark == "residual":
                residual.append((name, what, round(error, 4)))
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert residual == [
        (name, "active", find(name).active_residual) for name in model_names() if find(name).active_residual
    ]
    assert [name for name, _, _ in residual] == ["minimax-m3", "muse-spark-open", "qwen3-30b-a3b"]
    # A total that leans on rounding is one written with two digits or fewer.
    assert {name for name, what in rounded if what == "total"} <= {
        "deepseek-v4-pro",
        "kimi-k2",
        "kimi-k2.5",
        "kimi-k2.6",
        "qwen3-1.7b",
    }
    assert len(lines) >= 120


def test_counts_computed_elsewhere_agree(shared: Path) -> None:
    """The reference table's own computation, both embeddings included."""
    with (shared / "data" / "models.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 37
    for row in rows:
        found = model(row["hf_id"])
        for column, computed in (
            ("total_params_b_computed", found.total_params),
            ("active_params_b_computed", found.active_params),
        ):
            if row[column]:
                assert computed / 1e9 == pytest.approx(float(row[column]), abs=0.06), (found.name, column)


def test_the_reference_table_is_covered_field_by_field(shared: Path) -> None:
    with (shared / "data" / "models.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        found = model(row["hf_id"])
        if row["n_layers"]:
            assert found.n_layers == int(row["n_layers"]), found.name
            assert found.hidden == int(row["hidden"]), found.name
        if row["tied_embed"]:
            assert found.tied_embeddings == (row["tied_embed"] == "True"), found.name


def test_checkpoint_bytes_of_kimi_k3() -> None:
    """Formats and counts together: 1,560,860,324,864 bytes are published, vision tower (0.06 %) included."""
    found = model("kimi-k3")
    experts = found.routed_params * number_format(found.precision.experts).bytes
    rest = (found.total_params - found.routed_params) * number_format(found.precision.attention).bytes
    assert 0.999 < (experts + rest) / 1_560_860_324_864 < 1.0


def test_prediction_module_of_deepseek_v3() -> None:
    """The maker states 11.5B parameters of its own for the module and 14B with copies of embedding and head."""
    found = model("deepseek-v3")
    module = mtp_params(found, active=False)
    assert module == pytest.approx(11.5e9, rel=0.02)
    assert module + found.embedding_params + found.head_params == pytest.approx(14e9, rel=0.05)
    assert mtp_params(model("llama-3.1-8b"), active=True) == 0


def test_names_and_aliases() -> None:
    assert find("deepseek-ai/DeepSeek-V3").name == "deepseek-v3"
    assert find("  DeepSeek_V3 ").name == "deepseek-v3"
    assert find("Llama-3.3-70B-Instruct").name == "llama-3.3-70b"
    assert model("muse").name == "muse-spark-open"
    for name in model_names():
        assert find(name).name == name
        assert find(find(name).hf_id).name in (name, find(find(name).hf_id).name)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean deepseek-v3"):
        model("deepsek-v3")
    for name in ("", "x" * 10_000, "../../etc/passwd", None, 3):
        with pytest.raises(InputError):
            model(name)  # type: ignore[arg-type]


def test_a_model_known_by_its_size_only_says_what_is_known() -> None:
    blank = [name for name, entry in entries().items() if not entry.config]
    assert blank == ["deepseek-v4.1-flash"]
    assert blank[0] not in model_names()
    with pytest.raises(ConfigError, match="known of it: 552B parameters") as caught:
        model(blank[0])
    assert "\n" not in str(caught.value)


def test_models_carry_counts_and_sources() -> None:
    found = model("gpt-oss-120b")
    assert found.published_active == 5.1e9
    assert [source.kind for source in found.sources] == ["config", "reported"]
    assert model("gpt-oss-120b") is found


def test_the_import_reads_no_file() -> None:
    code = (
        "import builtins, io, sys\n"
        "import headway.facts.models as m\n"
        "assert m.entries.cache_info().currsize == 0\n"
        "assert 'tomllib' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))})


def test_stated_counts_are_read_with_their_digits() -> None:
    assert StatedCount.parse("45.9B").half_unit == pytest.approx(0.05e9)
    assert StatedCount.parse("1T").agrees(1.026e12)
    assert not StatedCount.parse("1T").agrees(1.4e12)
    for text in ("", "B", "671", "6.7.1B", "-3B", "nanB", "1" * 50 + "B"):
        with pytest.raises(InputError):
            StatedCount.parse(text)


def test_conventions_are_checked_and_ordered() -> None:
    found = model("deepseek-v3")
    without = counted_params(found, "no-embeddings", active=True)
    assert without < counted_params(found, "no-input-embedding", active=True) < counted_params(found, active=True)
    with pytest.raises(UnknownNameError, match="did you mean no-embeddings"):
        counted_params(found, "no-embedings")
    tied = model("gemma-3-27b")
    assert counted_params(tied, "no-input-embedding") == counted_params(tied)
