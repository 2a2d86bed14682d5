"""Names of modules as quantization tools list them: plain, with wildcards, or as regular expressions."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headway.facts.families.fields import Fields

_MOST_PATTERNS: Final = 100_000
_MOST_GENERAL: Final = 64
_MOST_LETTERS: Final = 300
_MOST_BRANCHES: Final = 64
_DEEPEST: Final = 4
# What an expression may be made of: any run, a class or digit that may repeat, an escaped or plain sign, a group.
_TOKEN: Final = re.compile(
    r"\.[*+]|(\\d|\[\^?[\w.-]+\])(\?|[*+]|\{\d+(,\d*)?\})?|(\\[.\-_/]|[\w.:/-])\??|\((\?:)?|\)\??|\|", re.ASCII
)


@dataclass(frozen=True)
class Patterns:
    """Names of modules as quantization tools list them: plain, with wildcards, or as simple expressions.

    Parameters
    ----------
    plain : frozenset of str
        Names that match a module, its parents or any run of its components.
    heads : tuple of str
        Beginnings (``"model.layers.3.self_attn*"``).
    general : tuple of compiled expressions
        All other wildcards.
    """

    plain: frozenset[str]
    heads: tuple[str, ...]
    general: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, fields: Fields, key: str) -> Patterns:
        """Read a list of names under `key`; of GPTQModel's rules by expression, those that exclude."""
        value = fields.data.get(key)
        if isinstance(value, Mapping):
            value = [f"re:{rule[2:]}" for rule in value if isinstance(rule, str) and rule.startswith("-:")]
        if value is None:
            return cls(frozenset(), (), ())
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, (list, tuple)) or len(value) > _MOST_PATTERNS:
            raise fields.refuse(key, "not a list or too long", "a list of module names")
        plain: set[str] = set()
        heads: list[str] = []
        general: list[re.Pattern[str]] = []
        for entry in value:
            if not isinstance(entry, str) or len(entry) > _MOST_LETTERS:
                raise fields.refuse(key, entry, "a list of module names")
            for glob in globs(entry):
                if not set("*[") & set(glob):
                    plain.add(glob)
                elif "[" not in glob and glob.index("*") == len(glob) - 1:
                    heads.append(glob[:-1])
                elif len(general) < _MOST_GENERAL:
                    general.append(re.compile(fnmatch.translate(glob)))
                    general.append(re.compile(fnmatch.translate(glob + ".*")))
        return cls(frozenset(plain), tuple(heads), tuple(general))

    def match(self, name: str) -> bool:
        """Tell whether `name` or something that contains it is listed.

        >>> listed = Patterns.of(Fields({"ignore": ["lm_head", "re:.*self_attn.*"]}), "ignore")
        >>> listed.match("model.layers.3.self_attn.o_proj"), listed.match("model.layers.3.mlp.down_proj")
        (True, False)
        """
        if self.plain:
            parts = name.split(".")
            ends = range(1, len(parts) + 1)
            if any(".".join(parts[i:j]) in self.plain for j in ends for i in range(j)):
                return True
        return name.startswith(self.heads) or any(p.match(name) for p in self.general)


def globs(entry: str) -> list[str]:
    r"""Turn a listed name into wildcards; of ``re:`` entries those that repeat no group are read.

    Running a published expression would let a file stall its reader.

    Returns
    -------
    list of str
        Empty where the expression is not understood.

    Examples
    --------
    >>> globs(r"re:.*mlp\.(gate|up)_proj.*")
    ['*mlp.gate_proj*', '*mlp.up_proj*']
    >>> globs(r"re:.*self_attn\.[qkvo]_proj$")
    ['*self_attn.[qkvo]_proj']
    """
    if not entry.startswith("re:"):
        return [entry.replace("[", "[[]")]
    body = entry[3:].removeprefix("^")
    body = body.removesuffix("$") if body.endswith("$") else body + ".*"
    return list(dict.fromkeys(re.sub(r"\*+", "*", text) for text in _alternatives(body)))


def _alternatives(body: str) -> list[str]:
    """Every choice that the groups of an expression leave, as wildcards; none where it is not understood."""
    # For each group that is open: the branches that are complete, and what the last one reads so far.
    open_groups: list[tuple[list[str], list[str]]] = [([], [""])]
    at = 0
    while at < len(body):
        token = _TOKEN.match(body, at)
        if token is None:
            return []
        at, text = token.end(), token[0]
        done, now = open_groups[-1]
        if text.startswith("("):
            if len(open_groups) > _DEEPEST:
                return []
            open_groups.append(([], [""]))
            continue
        if text == "|":
            open_groups[-1] = (done + now, [""])
            continue
        if text.startswith(")"):
            open_groups.pop()
            if not open_groups:
                return []
            pieces = done + now + ([""] if text == ")?" else [])
            done, now = open_groups[-1]
        else:
            pieces = _wildcards(text)
        if len(now) * len(pieces) > _MOST_BRANCHES:
            return []
        open_groups[-1] = (done, [before + after for before in now for after in pieces])
    done, now = open_groups[0]
    return done + now if len(open_groups) == 1 else []


def _wildcards(token: str) -> list[str]:
    """One sign or class of an expression as wildcards: one reading, or two where it may be absent."""
    if token in (".*", ".+"):
        return ["*"]
    one = token[0] if token[0] not in "\\[" else "[0-9]" if token.startswith("\\d") else ""
    if not one:
        one = token[1] if token[0] == "\\" else token[: token.rindex("]") + 1].replace("[^", "[!")
    rest = token[2:] if token[0] == "\\" else token[token.rindex("]") + 1 :] if token[0] == "[" else token[1:]
    if rest == "?":
        return [one, ""]
    return ["*" if rest else one]
