"""The release gate: the whole truth table, its laws, and misuse."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import InputError, UnknownNameError
from headway.scaling.gate import MODES, RESIDUALS, TIERS, Finding, release_decision, release_gate

TABLE = [
    ("below-high", "acceptable", (True, True, True)),
    ("below-high", "not-acceptable", (False, False, False)),
    ("high", "acceptable", (True, True, False)),
    ("high", "not-acceptable", (False, False, False)),
]


@pytest.mark.parametrize(("tier", "residual", "allowed"), TABLE)
def test_truth_table(tier, residual, allowed):
    assert (
        tuple(release_decision(tier, residual, mode).allowed for mode in ("closed", "api", "open-weights")) == allowed
    )


def test_every_line_gives_a_reason():
    for line in itertools.product(TIERS, RESIDUALS, MODES):
        assert release_decision(*line).reason


finding = st.builds(Finding, st.sampled_from(TIERS), st.sampled_from(RESIDUALS))


@given(st.dictionaries(st.text(min_size=1), finding, min_size=1), st.sampled_from(MODES))
def test_gate_is_the_conjunction_of_its_domains(findings, mode):
    decision = release_gate(findings, mode)
    assert decision.allowed == all(release_decision(f.tier, f.residual, mode).allowed for f in findings.values())
    assert decision.binding in findings


@given(st.dictionaries(st.text(min_size=1), finding, min_size=1))
def test_open_weights_are_never_easier_than_a_service(findings):
    assert release_gate(findings, "open-weights").allowed <= release_gate(findings, "closed").allowed


@pytest.mark.parametrize(
    "line", [("hgh", "acceptable", "api"), ("high", "ok", "api"), ("high", "acceptable", "opn-weights")]
)
def test_unknown_words_are_refused(line):
    with pytest.raises(UnknownNameError):
        release_decision(*line)


def test_nothing_evaluated_is_not_a_pass():
    with pytest.raises(InputError, match="at least one"):
        release_gate({}, "closed")
