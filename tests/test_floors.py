"""Imports point only downwards, and each heavy library is known to few modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import funnelsim as fs

PACKAGE = Path(__file__).resolve().parent.parent / "funnelsim"
FLOORS = {
    "errors": 0,
    "arrays": 0,
    "cards": 0,
    "files": 1,
    "model": 2,
    "history": 2,
    "show": 2,
    "sample": 2,
    "calibration": 3,
    "simulation": 3,
    "forecasting": 4,
    "verbs": 5,
    "inside": 6,
    "exercises": 6,
    "course": 7,
    "pages": 6,
    "cli": 7,
    "__init__": 8,
}
# Module prefixes, below funnelsim, that may import the library.
KNOWN_TO = {
    "simpy": ("simulation.simpy_engine",),
    "altair": ("show",),
    "vl_convert": ("show",),
    "yaml": ("files",),
    "statsmodels": ("calibration", "forecasting.baselines"),
    "numba": ("simulation",),
    "typer": ("cli",),
    "anywidget": ("show", "forecasting.live"),
}
# Slow to import: not before they are used, so that `funnelsim --help` answers at once.
SLOW = {"statsmodels", "altair", "numba", "vl_convert", "scipy.stats"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that the code imports, by full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def faults(module: str, source: str) -> list[str]:
    """Everything that the imports of one module do against the floors, one sentence each."""
    here = module.split(".")[0]
    found = []
    for name in imports(ast.parse(source)):
        parts = name.split(".")
        if name.startswith("."):
            found.append(f"{module} imports relatively: {name}")
        elif parts[0] == "funnelsim" and len(parts) > 1 and parts[1] != here:
            if FLOORS[parts[1]] >= FLOORS[here]:
                found.append(f"{module} imports {name}, which is not below it")
        elif not any(within(module, prefix) for prefix in KNOWN_TO.get(parts[0], (here,))):
            found.append(f"{module} knows {parts[0]}, which only {KNOWN_TO[parts[0]]} may")
    return found


def within(module: str, prefix: str) -> bool:
    """Whether a module is, lies in, or is named as a continuation of, the prefix (exact, exact_pass)."""
    return module == prefix or module.startswith((prefix + ".", prefix + "_"))


def slow(code: str) -> list[str]:
    """Slow libraries that a fresh Python has loaded after running the code."""
    tell = f"import sys; {code}; print(*sorted({SLOW!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_downwards(path):
    assert faults(module_name(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", ["funnelsim", "funnelsim.cli"])
def test_slow_libraries_wait_until_they_are_used(module):
    assert slow(f"import {module}") == []


def test_a_slow_library_is_found():
    assert slow("import vl_convert") == ["vl_convert"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("model.rates", "from funnelsim.history.log import History"),
        ("history.log", "import funnelsim.model.rates"),
        ("show.charts", "from funnelsim.forecasting.forecast import Forecast"),
        ("errors", "from funnelsim.files import read_yaml"),
        ("simulation.run", "def f():\n    from funnelsim.calibration.counting import count"),
        ("simulation.compiled", "import simpy"),
        ("forecasting.forecast", "import numba"),
        ("model.stated", "import yaml"),
        ("model.rates", "from . import entries"),
    ],
)
def test_a_wrong_import_is_found(module, source):
    assert len(faults(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("simulation.jit", "import numba\nfrom funnelsim.model.rates import RateTable"),
        ("calibration.counting", "import numpy as np\nfrom funnelsim.errors import FunnelError"),
        ("calibration.counting", "from funnelsim.calibration.intake import fit"),
    ],
)
def test_a_right_import_is_let_pass(module, source):
    assert faults(module, source) == []


def circles(graph: dict[str, set[str]]) -> list[str]:
    """The modules that import each other, found by taking away, again and again, whatever imports nothing."""
    left = dict(graph)
    while free := [name for name, wanted in left.items() if not wanted & set(left)]:
        for name in free:
            del left[name]
    return sorted(left)


def ours(path: Path) -> set[str]:
    """Modules of the package that a module imports when it is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in lines for alias in node.names}
    full = {node.module or "" for node in lines} | names
    return {name.removeprefix("funnelsim.") for name in full if name.startswith("funnelsim.")}


def test_no_modules_import_each_other():
    graph = {module_name(path): ours(path) for path in MODULES if path.name != "__init__.py"}
    assert circles({name: wanted & set(graph) for name, wanted in graph.items()}) == []
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": set()}) == ["a", "b", "c"]


def public(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    own = [node for node in defined if "overload" not in map(ast.unparse, node.decorator_list)]
    return [node.name for node in own if not node.name.startswith("_")]


def test_a_public_name_and_a_file_name_stand_once():
    rooms = [path for path in MODULES if path.name not in {"__init__.py", "cli.py"}]
    # `fs.course.check` is asked by the name of its room: an exercise is checked, as a record is.
    names = Counter(name for path in rooms if path.name != "course.py" for name in public(path))
    assert [name for name, times in names.items() if times > 1] == []
    files = Counter(path.name for path in rooms if path.parent.name not in {"charts", "sources"})
    assert [name for name, times in files.items() if times > 1] == []


def test_the_house_has_no_more_rooms_than_it_needs():
    assert len([path for path in MODULES if path.name != "__init__.py"]) <= 108


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_a_package_says_what_enters_what_leaves_and_where_to_begin(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert len(text.splitlines()) >= 3


@pytest.mark.parametrize("verb", fs.__all__)
def test_no_package_hides_a_verb(verb):
    assert not (PACKAGE / verb).is_dir()


def test_floors_name_every_room():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert rooms <= set(FLOORS)
    assert {"model", "history", "simulation"} <= rooms
