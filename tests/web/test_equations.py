"""Equations of the chapters as MathML: well formed, nothing lost, labelled with the line they were made of."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.web.document import answered
from headway.web.mathml import mathml
from headway.web.registry import chapters

INVISIBLE = {"\u2062": "", "\u2061": "", "\u223c": "~", "\u2032": "'"}
LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉²³", "012345678923")


def signs(text: str) -> str:
    """What a reader sees of a line, brackets and slashes aside: those may become lines and places."""
    for shown, sign in INVISIBLE.items():
        text = text.replace(shown, sign)
    return re.sub(r"[\s()\[\]/_^]", "", text.translate(LOWERED))


def parsed(line: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<line>{mathml(line)}</line>")


@pytest.mark.parametrize("name", chapters())
def test_every_sign_of_an_equation_is_there(name: str) -> None:
    for line in answered(name, {})["equations"]:
        tree = parsed(line)
        assert signs("".join(tree.itertext())) == signs(line)
        assert re.sub(r"\s+", "", "".join(one.attrib["aria-label"] for one in tree)) == re.sub(r"\s+", "", line)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a b / c", "frac(row(a b) c)"),
        ("M/P", "M / P"),
        ("x^(1/b)", "sup(x row(1 / b))"),
        ("N_active", "sub(N active)"),
        ("D0", "sub(D 0)"),
        ("u²", "sup(u 2)"),
        ("(s − 1) / (1 − p)", "frac(row(s − 1) row(1 − p))"),
    ],
)
def test_form(line: str, found: str) -> None:
    def read(element: ElementTree.Element) -> str:
        inner = " ".join(filter(None, (read(child) for child in element if child.tag != "mspace")))
        text = (element.text or "").strip("\u2061\u2062")
        if element.tag in ("mfrac", "msup", "msub", "mrow"):
            return f"{element.tag[1:]}({inner})"
        return text or inner

    assert read(parsed(line)) == found


@given(st.text(alphabet="ab1 ()[]/^_=+−·,<&'\u00b2", max_size=30))
def test_any_line_is_well_formed(line: str) -> None:
    parsed(line)
