"""Whatever is typed, a command line ends with 0, 1 or 2 and at most one line of error, never a traceback."""

from __future__ import annotations

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.cli.main import COMMANDS, Row

# Commands that run a search are fuzzed where they live; here each run must be quick.
QUICK = {row.name: row for row in COMMANDS if row.name in {"lecture", "model", "models", "system", "systems", "cite"}}

NUMBERS = ("0", "-1", "nan", "inf", "-inf", "1e999", "1e-400", "٣", "4k", "80 GiB", "$2/GPU-h", "20ms")
PLACES = ("", " ", "-", "--", "../..", "/", "/dev/null", "~", "a" * 5000, "é" * 50, "\ud800")
MARKUP = ("\x1b[31m", "%s%n", "{}", "[red]x[/red]")
NAMES = ("deepseek-v3", "gpt-oss-120b", "gb200-nvl72", "hgx-h100", "deepsek-v3", "h100", "C04", "7", "W")
odd = st.sampled_from((*NUMBERS, *PLACES, *MARKUP, *NAMES))
# Arguments come from an operating system: no NUL is in them.
typed = st.text(st.characters(exclude_characters="\0"), max_size=20) | odd


def _options(row: Row) -> list[str]:
    safe = {"--output", "-o", "--explain"}
    return [
        name
        for param in row.load().params
        if isinstance(param, click.Option)
        for name in param.opts
        if name not in safe
    ]


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    row = draw(st.sampled_from(sorted(QUICK.values(), key=lambda r: r.name)))
    pieces = st.one_of(typed, typed, st.sampled_from(_options(row)), typed.map(lambda text: f"--{text}"))
    return [row.name, *draw(st.lists(pieces, max_size=4))]


def _check(outcome) -> None:
    assert outcome.code in {0, 1, 2}, outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.err.count("\n") == (1 if outcome.code == 2 else 0)
    if outcome.code == 2:
        assert outcome.err.startswith("headway: error: ")
        assert outcome.err.rstrip("\n").isprintable()


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(words=lines())
def test_any_words(headway, words):
    # A lecture without a filter recomputes every claim: that is not what this test is about.
    if words == ["lecture"] or (words[0] == "lecture" and not set(words) & {"--explain", "--chapter"}):
        words = [*words, "--chapter", "no such chapter"]
    _check(headway(*words))


@settings(max_examples=60)
@given(words=st.lists(typed, max_size=3))
def test_any_first_word(headway, words):
    if words and words[0] in QUICK:
        words[0] += "x"
    _check(headway(*words))


@settings(max_examples=60)
@given(name=typed.filter(lambda text: not text.startswith("-")))
@pytest.mark.parametrize("command", ["model", "system", "cite"])
def test_any_name(headway, command, name):
    _check(headway(command, name))


@settings(max_examples=60)
@given(place=typed)
def test_any_output_place(headway, tmp_path_factory, monkeypatch_module, place):
    monkeypatch_module.chdir(tmp_path_factory.getbasetemp())
    outcome = headway("completion", "bash") if place.startswith("/dev") else headway("systems", "-o", place)
    _check(outcome)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@settings(max_examples=100)
@given(content=st.binary(max_size=200) | st.text(max_size=100).map(lambda t: ("{" + t).encode("utf-8", "replace")))
def test_any_config(headway, tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "config.json"
    file.write_bytes(content)
    outcome = headway("model", "--config", str(file))
    assert outcome.code == 2
    _check(outcome)
