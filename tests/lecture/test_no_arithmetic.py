"""The lecture has no arithmetic of its own: a claim calls the library."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import headway.lecture

FOLDER = Path(headway.lecture.__file__).parent
MODULES = sorted(FOLDER.glob("*.py"))
# numpy by which one could compute in spite of the rule.
CALLS = {
    "add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "power", "float_power", "square", "prod",
    "dot", "matmul", "exp", "expm1", "log", "log10", "log1p", "sqrt", "reciprocal", "mod", "mean", "average", "cumsum",
}  # fmt: skip


def text_only(node: ast.AST) -> bool:
    """Whether a side of a sum is text, which is joined and not added."""
    if isinstance(node, ast.IfExp):
        return text_only(node.body) and text_only(node.orelse)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def is_annotation_union(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.BitOr)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_operator_on_numbers(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.BinOp) and not is_annotation_union(node):
            if not (isinstance(node.op, ast.Add) and (text_only(node.left) or text_only(node.right))):
                found.append(ast.unparse(node))
        elif (
            isinstance(node, ast.UnaryOp)
            and isinstance(node.op, ast.USub)
            and not isinstance(node.operand, ast.Constant)
        ):
            found.append(ast.unparse(node))
    assert found == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_arithmetic_by_another_name(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    allowed = {"outer"}
    assert called & CALLS <= allowed
    imported = {
        alias.name for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names
    }
    assert not imported & {"operator", "statistics", "fractions", "decimal"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_modules_fit_a_reader(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_modules_of_claims_are_found():
    assert {"chapter1", "chapter6", "derivations", "programme"} <= {path.stem for path in MODULES}
