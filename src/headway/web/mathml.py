"""Equations in plain signs as MathML: a small reader of the lines that chapters write.

A line reads as it is printed: ``t(B) = max( 2 B N_active / F ,  w / BW )``. Two spaces or a comma part phrases, each an
element of its own, so that a narrow page can break between them. A slash between spaces divides everything before it
in its product by everything after it; one without spaces stays a slash. ``^`` and ``_`` raise and lower what follows;
words stand upright, single letters are variables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape

_TOKEN = re.compile(
    r"(?P<gap>\s+)|(?P<word>\d+[A-Z]\d+[A-Z]\b|[^\W\d_²³]+(?:-[^\W\d_]+)*\d*(?:_\w+)?'?)"
    r"|(?P<number>\d+(?:[.,]\d+)*)"
    r"|(?P<sign>[()\[\],;:^/=<>≤≥≠±+−·×~→Σ∈|'²³-])|(?P<other>.)"
)
_RELATIONS = frozenset("=<>≤≥≠~→,;:")
_SUMS = frozenset("+−±-")
_OPEN = {"(": ")", "[": "]"}.items()
_POWERS = (("²", "2"), ("³", "3"))
_TIMES = '<mo rspace="0" lspace="0">&#x2062;</mo><mspace width="0.18em"/>'
_SIGNS = ("<mo>·</mo>", "<mo>×</mo>", '<mo lspace="0" rspace="0">/</mo>')
_WORD = re.compile(r"^<mi>\w[\w-]+</mi>|<mi>\w[\w-]+</mi>$")
_SPACE = '<mspace width="0.3em"/>'
_LOWERED = re.compile("[₀-₉]+")
_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    spaced: bool


def _tokens(text: str) -> tuple[_Token, ...]:
    found: list[_Token] = []
    spaced = False
    for match in _TOKEN.finditer(_LOWERED.sub(lambda m: "_" + m.group().translate(_DIGITS), text)):
        kind = str(match.lastgroup)
        if kind == "gap":
            spaced = True
            continue
        found.append(_Token(kind, match.group(), spaced))
        spaced = False
    return tuple(
        replace(token, kind="article") if token.text == "a" and _between_words(found, i) else token
        for i, token in enumerate(found)
    )


def _between_words(tokens: list[_Token], at: int) -> bool:
    """Whether a letter stands between words, as the article of a sentence does."""
    sides = [tokens[i].text for i in (at - 1, at + 1) if 0 <= i < len(tokens)]
    return len(sides) == 2 and all(re.fullmatch(r"[a-z]{2,}", side) for side in sides)


def _pieces(text: str) -> tuple[str, ...]:
    """Phrases between two spaces or after a comma, those inside brackets left alone."""
    found, depth = [""], 0
    for word in re.split(r"(\s{2,}|(?<=,)\s)", text.strip()):
        if word.isspace():
            if depth:
                found[-1] += word
            else:
                found.append("")
            continue
        depth += sum(word.count(sign) for sign in "([") - sum(word.count(sign) for sign in ")]")
        found[-1] += word
    return tuple(found)


@lru_cache(maxsize=512)
def mathml(text: str) -> str:
    """One line as ``math`` elements, each labelled with its part of the line.

    >>> print(mathml("f = p / s").partition(">")[2])
    <mi>f</mi><mo>=</mo><mfrac><mi>p</mi><mi>s</mi></mfrac></math>
    """
    return "".join(
        f'<math role="math" displaystyle="true" aria-label="{escape(piece)}">{_phrases(_tokens(piece), 0)[0]}</math>'
        for piece in _pieces(text)
    )


def _phrases(tokens: tuple[_Token, ...], at: int, close: str = "") -> tuple[str, int]:
    """Sums, relations and words up to a closing bracket."""
    found: list[str] = []
    while at < len(tokens) and tokens[at].text != (close or None):
        token = tokens[at]
        if token.text in _RELATIONS or token.text in _SUMS:
            sign = "&#x223c;" if token.text == "~" else escape(token.text.replace("-", "−"))
            found.append(f"<mo{_form(token, found)}>{sign}</mo>")
            at += 1
        elif token.text in (")", "]", "/"):
            found.append(f"<mo>{token.text}</mo>")
            at += 1
        else:
            product, at = _product(tokens, at)
            found.append(product)
    return "".join(found), at


def _form(token: _Token, before: list[str]) -> str:
    """A sign without anything before it belongs to what follows."""
    if token.text == ":":
        return ' rspace="0.3em"'
    if token.text == "~":
        return ' lspace="0.28em" rspace="0.28em"'
    return ' form="prefix"' if token.text in _SUMS and (not before or before[-1].startswith("<mo")) else ""


def _product(tokens: tuple[_Token, ...], at: int) -> tuple[str, int]:
    """Factors side by side; a spaced slash divides all of them by all that follow."""
    top, at = _factors(tokens, at)
    while at < len(tokens) and tokens[at].text == "/":
        low, at = _factors(tokens, at + 1)
        top = [_fraction(top, low)]
    return _row(top), at


def _fraction(top: list[str], low: list[str]) -> str:
    return f"<mfrac>{_one(top)}{_one(low)}</mfrac>"


def _one(factors: list[str]) -> str:
    """Factors as one element; brackets that hold all of it are not needed over or under a line."""
    if len(factors) == 1:
        inner = re.fullmatch(r"<mrow class=\"held\"><mo>.</mo>(.*)<mo>.</mo></mrow>", factors[0])
        if inner is not None:
            return f"<mrow>{inner.group(1)}</mrow>"
        return factors[0] if factors[0].count("<m") == 1 else f"<mrow>{factors[0]}</mrow>"
    return f"<mrow>{_row(factors)}</mrow>"


def _row(factors: list[str]) -> str:
    row = ""
    for factor in factors:
        sign = factor in _SIGNS or row.endswith(_SIGNS)
        words = any(_WORD.search(side) for side in (row, factor))
        row += ("" if not row or sign else _SPACE if words else _TIMES) + factor
    return row


def _factors(tokens: tuple[_Token, ...], at: int) -> tuple[list[str], int]:
    found: list[str] = []
    while at < len(tokens):
        token = tokens[at]
        if token.text in _RELATIONS or token.text in _SUMS or token.text in (")", "]"):
            break
        if token.text == "/":
            if token.spaced or not found:
                break
            found.append(_SIGNS[-1])
            at += 1
            continue
        if token.text in "·×":
            found.append(f"<mo>{token.text}</mo>")
            at += 1
            continue
        atom, at = _atom(tokens, at)
        found.append(atom)
    return found, at


def _atom(tokens: tuple[_Token, ...], at: int) -> tuple[str, int]:
    """A number, a name with its arguments, or a bracket; then its powers."""
    if at >= len(tokens):
        return "<mrow></mrow>", at
    token = tokens[at]
    if token.text in _SUMS:
        inner, at = _atom(tokens, at + 1)
        return f'<mrow><mo form="prefix">{token.text.replace("-", "−")}</mo>{inner}</mrow>', at
    closing = dict(_OPEN).get(token.text)
    if closing:
        found, at = _bracket(tokens, at, closing)
    else:
        found, at = _name(token), at + 1
        following = tokens[at] if at < len(tokens) else None
        if token.kind == "word" and following and following.text in ("(", "[") and not following.spaced:
            inner, at = _bracket(tokens, at, dict(_OPEN)[following.text])
            found = f"<mrow>{found}<mo>&#x2061;</mo>{inner}</mrow>"
    return _raised(tokens, at, found)


def _bracket(tokens: tuple[_Token, ...], at: int, closing: str) -> tuple[str, int]:
    inner, end = _phrases(tokens, at + 1, closing)
    return f'<mrow class="held"><mo>{tokens[at].text}</mo>{inner}<mo>{closing}</mo></mrow>', end + 1


def _raised(tokens: tuple[_Token, ...], at: int, base: str) -> tuple[str, int]:
    while at < len(tokens):
        token, powers = tokens[at], dict(_POWERS)
        if token.text in powers:
            base, at = f"<msup>{base}<mn>{powers[token.text]}</mn></msup>", at + 1
        elif token.text == "^":
            power, at = _atom(tokens, at + 1)
            base = f"<msup>{base}{_one([power])}</msup>"
        elif token.text == "'":
            base, at = f"<msup>{base}<mo>&#x2032;</mo></msup>", at + 1
        else:
            break
    return base, at


def _name(token: _Token) -> str:
    """A number, a word, or a variable with what stands lowered."""
    if token.kind == "number":
        return f"<mn>{escape(token.text)}</mn>"
    if token.kind == "article":
        return f'<mi mathvariant="normal">{token.text}</mi>'
    if token.kind != "word":
        return f"<mo>{escape(token.text)}</mo>"
    text, prime = (token.text[:-1], True) if token.text.endswith("'") else (token.text, False)
    name, _, low = text.partition("_")
    letters = re.fullmatch(r"([^\W\d]+?)(\d+)", name)
    if letters and not low:
        name, low = letters.groups()
    found = f"<mi>{escape(name)}</mi>"
    if low:
        kind = "mn" if low.isdigit() else "mi"
        found = f"<msub>{found}<{kind}>{escape(low)}</{kind}></msub>"
    return f"<msup>{found}<mo>&#x2032;</mo></msup>" if prime else found
