"""The house rules that a machine can hold: floors, sizes, frozen values, quiet imports, documented formulas."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "headway"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = ("serving", "simulation", "pricing", "training", "scaling", "economy", "reversible")
LOWER_FLOORS = ("facts", "physics", *ROOMS)
NEIGHBOURS = {("simulation", "serving"), ("pricing", "serving"), ("economy", "serving"), ("scaling", "training")}

MOST_LINES = 400
LONG_MODULES: dict[str, str] = {}
"""Modules that may be longer than the limit, each with the reason. Keep it empty."""

WITHOUT_EXAMPLES = {"facts/families/": "readers of whole config files, shown by the tests over published ones"}
"""Parts of the lower floors whose functions need no doctest, each with the reason."""

Finding = tuple[int, str]


def _lint_imports(folder: Path, source: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(source), "COLUMNS": "200", "NO_COLOR": "1"}
    call = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_logo=True))"
    return subprocess.run(
        [sys.executable, "-c", call], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def _house(folder: Path, edges: list[tuple[str, str]]) -> Path:
    """A house of empty rooms, all built, with these imports and the contracts of this one."""
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(contracts, encoding="utf-8")
    package = folder / "headway"
    for room in ("", *LOWER_FLOORS, "lecture", "evidence", "cli", "web"):
        (package / room).mkdir(exist_ok=True, parents=True)
        (package / room / "__init__.py").touch()
    for number, (importer, imported) in enumerate(edges):
        (package / importer / f"m{number}.py").write_text(f"import {imported}\n", encoding="utf-8")
    return folder


def _edges(pairs: set[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(importer, f"headway.{imported}") for importer, imported in sorted(pairs)]


ALLOWED = (
    NEIGHBOURS
    | {("physics", "facts")}
    | {(room, below) for room in ROOMS for below in ("facts", "physics")}
    | {("lecture", room) for room in ROOMS}
    | {("evidence", room) for room in ROOMS}
    | {("cli", below) for below in ("web", "lecture", "evidence", *LOWER_FLOORS)}
    | {("web", below) for below in ("lecture", "evidence", *LOWER_FLOORS)}
)
FORBIDDEN = (
    {(a, b) for a in ROOMS for b in ROOMS if a != b} - NEIGHBOURS
    | {("facts", "physics"), ("facts", "serving"), ("physics", "serving"), ("serving", "lecture")}
    | {("lecture", "cli"), ("lecture", "web"), ("web", "cli"), ("evidence", "lecture")}
)


def test_floors_hold() -> None:
    done = _lint_imports(ROOT, ROOT / "src")
    assert done.returncode == 0, done.stdout + done.stderr


def test_contracts_allow_what_the_design_allows(tmp_path: Path) -> None:
    done = _lint_imports(
        _house(tmp_path, [*_edges(ALLOWED), ("cli", "click"), ("cli", "rich"), ("web", "starlette")]), tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_contracts_name_every_forbidden_edge(tmp_path: Path) -> None:
    """All forbidden edges at once, each reported by some contract."""
    done = _lint_imports(_house(tmp_path, _edges(FORBIDDEN)), tmp_path)
    assert done.returncode == 1
    said = set(re.findall(r"headway\.(\w+) is not allowed to import headway\.(\w+)", done.stdout))
    assert not FORBIDDEN - said


@pytest.mark.parametrize("edge", [("physics", "rich"), ("lecture", "click"), ("cli", "starlette")])
def test_only_faces_draw(tmp_path: Path, edge: tuple[str, str]) -> None:
    assert _lint_imports(_house(tmp_path, [edge]), tmp_path).returncode == 1


def test_a_new_room_must_join_the_contracts(tmp_path: Path) -> None:
    house = _house(tmp_path, [])
    (house / "headway" / "garage").mkdir()
    (house / "headway" / "garage" / "__init__.py").touch()
    assert _lint_imports(house, tmp_path).returncode == 1


def asserts(tree: ast.Module) -> Iterator[Finding]:
    """Statements that vanish under ``python -O``."""
    yield from ((n.lineno, "assert") for n in ast.walk(tree) if isinstance(n, ast.Assert))


def mutable_globals(tree: ast.Module) -> Iterator[Finding]:
    """Module-level lists, dicts and sets, and functions that rebind a module's names."""
    literals = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
    makers = {"list", "dict", "set", "bytearray", "defaultdict", "OrderedDict", "Counter", "deque"}
    for node in _top_level(tree):
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if value is None or any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            continue
        if isinstance(value, literals):
            yield node.lineno, "mutable container; freeze it with MappingProxyType, tuple or frozenset"
        elif isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in makers:
            yield node.lineno, f"mutable {ast.unparse(value.func)}; freeze it"
    yield from ((n.lineno, "global statement") for n in ast.walk(tree) if isinstance(n, ast.Global))


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from (child for child in ast.walk(node) if isinstance(child, ast.Assign | ast.AnnAssign))


def passed_through(tree: ast.Module) -> Iterator[Finding]:
    """Functions that take any keyword, so that a misspelt one is nobody's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.kwarg is not None:
            yield node.lineno, f"{node.name} takes **{node.args.kwarg.arg}"


def open_classes(tree: ast.Module) -> Iterator[Finding]:
    """Classes that are neither an interface, an error, an enumeration, a frozen record nor one that torch asks for."""
    torch = r"nn\.Module|autograd\.Function|TorchDispatchMode"
    kinds = re.compile(rf"(Protocol|Exception|Error|Enum|NamedTuple|TypedDict|{torch})$")
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
        frozen = any(
            isinstance(d, ast.Call)
            and ast.unparse(d.func).endswith("dataclass")
            and any(k.arg == "frozen" and ast.unparse(k.value) == "True" for k in d.keywords)
            for d in node.decorator_list
        )
        if not frozen and not any(kinds.search(base) for base in bases):
            yield node.lineno, f"class {node.name} is not an interface and not a frozen dataclass"


def _public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in tree.body:
        overloaded = isinstance(node, ast.FunctionDef) and any(
            "overload" in ast.unparse(d) for d in node.decorator_list
        )
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not overloaded:
            yield node


def undocumented(tree: ast.Module) -> Iterator[Finding]:
    """Public functions and classes without a docstring."""
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    for node in [*_public_functions(tree), *classes]:
        if not ast.get_docstring(node):
            yield node.lineno, f"{node.name} has no docstring"


def without_example(tree: ast.Module) -> Iterator[Finding]:
    """Public functions without a doctest. A lone statement without arithmetic is plain enough, and so are methods."""
    for node in _public_functions(tree):
        plain = len(node.body) <= 2 and not any(isinstance(n, ast.BinOp | ast.Compare) for n in ast.walk(node))
        if ">>> " not in (ast.get_docstring(node) or "") and not plain:
            yield node.lineno, f"{node.name} has no doctest"


def _findings(check: Callable[[ast.Module], Iterator[Finding]], floors: tuple[str, ...] | None = None) -> list[str]:
    found = []
    for path in MODULES:
        inside = path.relative_to(PACKAGE)
        if floors is not None and inside.parts[0] not in floors:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{inside}:{line}: {what}" for line, what in check(tree)]
    return found


@pytest.mark.parametrize("check", [asserts, mutable_globals, undocumented], ids=lambda c: c.__name__)
def test_rules_of_every_floor(check: Callable[[ast.Module], Iterator[Finding]]) -> None:
    found = _findings(check)
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("check", [passed_through, open_classes, without_example], ids=lambda c: c.__name__)
def test_rules_of_the_lower_floors(check: Callable[[ast.Module], Iterator[Finding]]) -> None:
    found = _findings(check, LOWER_FLOORS)
    if check is without_example:
        found = [f for f in found if "/_" not in f and not f.startswith(tuple(WITHOUT_EXAMPLES))]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    ("check", "bad", "good"),
    [
        (asserts, "def f(x):\n    assert x", "def f(x):\n    return x"),
        (mutable_globals, "A: Final = {'a': 1}", "A: Final = MappingProxyType({'a': 1})"),
        (mutable_globals, "if X:\n    A = collections.defaultdict(list)", "A = (1, 2)\n__all__ = ['A']"),
        (mutable_globals, "def f():\n    global A\n    A = 1", "def f():\n    a = [1]\n    return a"),
        (passed_through, "def f(**options): ...", "def f(*, option): ..."),
        (open_classes, "@dataclass\nclass A: ...", "@dataclass(frozen=True)\nclass A: ..."),
        (open_classes, "class A(B): ...", "class A(Protocol[T]): ..."),
        (undocumented, "class A: ...", "class _A: ..."),
        (
            without_example,
            "def f(x):\n    '''F.'''\n    y = g(x)\n    return y",
            "def f(x):\n    '''F.'''\n    return g(x)",
        ),
        (without_example, "def f(x):\n    '''F.'''\n    return 2 * x", "def f():\n    '''F.\n\n    >>> f()\n    '''"),
    ],
)
def test_rules_see_what_they_should(check: Callable[[ast.Module], Iterator[Finding]], bad: str, good: str) -> None:
    assert list(check(ast.parse(bad)))
    assert not list(check(ast.parse(good)))


def test_modules_are_short() -> None:
    lines = {str(p.relative_to(PACKAGE)): len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    long = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert set(long) == set(LONG_MODULES), "\n".join(["", *(f"{name}: {count} lines" for name, count in long.items())])


def _python(code: str) -> str:
    """Standard output of a fresh interpreter, which must warn of nothing and write nothing else."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("headway", {"numpy", "click", "rich", "starlette", "uvicorn", "asyncio"}),
        ("headway.cli.main", {"numpy", "rich", "starlette", "uvicorn", "asyncio"}),
    ],
)
def test_imports_stay_light(module: str, heavy: set[str]) -> None:
    loaded = set(_python(f"import sys, {module}; print(*sys.modules)").split())
    assert not heavy & loaded


def test_importing_everything_has_no_effect() -> None:
    """No output, no warning, no thread, no changed environment, no new handler or hook."""
    code = """
import importlib, logging, os, pkgutil, signal, sys, threading
import numpy
import headway

def state():
    return (
        dict(os.environ), os.getcwd(), threading.active_count(), list(logging.root.handlers), sys.excepthook,
        sys.displayhook, signal.getsignal(signal.SIGINT), numpy.geterr(), numpy.get_printoptions(), list(sys.path),
    )

before = state()
for found in pkgutil.walk_packages(headway.__path__, "headway."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
after = state()
changed = [(a, b) for a, b in zip(before, after) if a != b]
if changed:
    raise SystemExit(f"changed by importing: {changed}")
"""
    assert _python(code) == ""


def _tracked() -> list[Path]:
    """Files that a commit would hold: tracked ones and new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_files_name_no_machine() -> None:
    """No path of the machine it was written on, no address of a package index."""
    places = "|".join([r"work\b", r"tmp/", r"root/"])
    hosts = "|".join([r"pypi\.\w+", r"pythonhosted\.\w+", r"registry\.npmjs", r"deb\.debian"])
    pattern = re.compile(rf"(?<![\w.~])/({places})|\b({hosts})".encode())
    found = []
    for path in _tracked():
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line[:120].decode(errors='replace')}")
    assert not found, "\n".join(["", *found])


def test_the_version_has_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project
    assert "version" in project["dynamic"]
