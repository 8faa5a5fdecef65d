"""Notebooks can be checked only if every cell was run, in order, without magics; they need `fs` alone."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from scripts import script

import funnelsim as fs

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(path for path in FOLDER.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
MAGIC = re.compile(r"^\s*[%!?]|\?\s*$|^\s*\w+\s*=\s*[%!]", re.MULTILINE)
MACHINE = re.compile(r"(?<![\w./])(?:/(?:work|root|home|Users|tmp|opt|var|mnt)/|[A-Za-z]:\\\\?)[\w.]")
MOST_LINES = 15
OURS = "import funnelsim as fs"
LIBRARIES = sys.stdlib_module_names | {"numpy", "pandas"}
DOORS = {"fs": fs.__all__, "fs.charts": fs.charts.__all__, "fs.inside": fs.inside.__all__}


def code_cells(book: dict) -> list[dict]:
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    return [cell for cell in cells if "".join(cell["source"]).strip()]


def faults(book: dict) -> list[str]:
    """Everything that keeps a notebook from being checked or read, one sentence each."""
    found = []
    for number, cell in enumerate(code_cells(book), 1):
        source = "".join(cell["source"])
        if cell.get("execution_count") != number:
            found.append(f"code cell {number} was not run in order: count {cell.get('execution_count')}")
        if MAGIC.search(source):
            found.append(f"code cell {number} uses a magic, on which nbval cannot fail")
        if source.rstrip().endswith(";"):
            found.append(f"code cell {number} ends in a semicolon, which nbval does not honour")
        if source.count("\n") + 1 > MOST_LINES:
            found.append(f"code cell {number} has {source.count(chr(10)) + 1} lines, {MOST_LINES} at most")
        found += [f"code cell {number} {fault}" for fault in reaches(source)]
    found += [f"a path of one machine: {hit}" for hit in MACHINE.findall(words(book))]
    if book["metadata"].get("kernelspec") != KERNEL:
        found.append(f"kernelspec is {book['metadata'].get('kernelspec')}")
    return found


def reaches(source: str) -> Iterator[str]:
    """Everything in a cell that reaches deeper than the names of `fs`, `fs.charts` and `fs.inside`."""
    for node in parts(source):
        if libraries(node) - LIBRARIES and (code := ast.unparse(node)) != OURS:
            yield f"has '{code}'; a lesson needs '{OURS}', numpy, pandas and Python"
        door = ast.unparse(node.value) if isinstance(node, ast.Attribute) else ""
        if door in DOORS and node.attr not in DOORS[door]:
            yield f"takes '{door}.{node.attr}', which is not public"


def libraries(node: ast.AST) -> set[str]:
    """The libraries that an import takes from; nothing of other code."""
    if isinstance(node, ast.ImportFrom):
        return {(node.module or ".").split(".")[0]}
    return {one.name.split(".")[0] for one in node.names} if isinstance(node, ast.Import) else set()


def parts(source: str) -> Iterator[ast.AST]:
    """Every piece of a cell's code; nothing of a cell with a magic, which is a fault of its own."""
    try:
        yield from ast.walk(ast.parse(source))
    except SyntaxError:
        return


def words(book: dict) -> str:
    """All that a reader sees as text: sources, and outputs that are not pictures or chart data."""
    texts = ["".join(cell["source"]) for cell in book["cells"]]
    for cell in book["cells"]:
        for output in cell.get("outputs", []):
            texts.append("".join(output.get("text", "")))
            shown = output.get("data", {})
            texts += ["".join(shown[kind]) for kind in shown if kind.startswith("text/")]
    return "\n".join(texts)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_notebook_can_be_checked(path):
    assert faults(json.loads(path.read_text(encoding="utf-8"))) == []


def book_of(source: str, count: int | None = 1, output: str = "") -> dict:
    shown = [{"output_type": "stream", "name": "stdout", "text": [output]}]
    cell = {"cell_type": "code", "source": [source], "execution_count": count, "outputs": shown}
    return {"cells": [cell], "metadata": {"kernelspec": KERNEL}}


@pytest.mark.parametrize(
    ("source", "count", "output", "words"),
    [
        ("1 + 1", None, "", "not run"),
        ("1 + 1", 2, "", "not run in order"),
        ("%time 1 + 1", 1, "", "magic"),
        ("x = 1\n!ls", 1, "", "magic"),
        ("files = !ls", 1, "", "magic"),
        ("x = 1\nx;", 1, "", "semicolon"),
        ("\n".join(["x = 1"] * 16), 1, "", "16 lines"),
        ("from funnelsim import forecast", 1, "", "from funnelsim import forecast"),
        ("import funnelsim", 1, "", "needs 'import funnelsim as fs'"),
        ("import funnelsim as fs, altair", 1, "", "import"),
        ("from funnelsim.model.model import Model", 1, "", "funnelsim.model.model"),
        ("import altair as alt", 1, "", "altair"),
        ("fs.history.log.spells(1)", 1, "", "'fs.history', which is not public"),
        ("fs.inside.no_such_thing", 1, "", "fs.inside.no_such_thing"),
        ("chart = fs.charts.theme.rounded", 1, "", "fs.charts.theme"),
        ("open('/Users/ann/leads.csv')", 1, "", "path"),
        ("print(page)", 1, "/tmp/report.html", "path"),
    ],
)
def test_a_fault_is_found(source, count, output, words):
    found = faults(book_of(source, count, output))
    assert len(found) == 1
    assert words in found[0]


def test_a_good_notebook_passes():
    source = "share = 7 % 4\nprint(share)\nwhy = 'how? why?'\nsite = 'a/home/b'"
    source += "\nimport json\nimport numpy as np\nimport funnelsim as fs\nrun = fs.inside.money"
    assert faults(book_of(source, output="3\nread out/home/x, 5 % of /1")) == []
    assert "kernelspec" in faults({"cells": [], "metadata": {}})[0]


def test_there_are_notebooks():
    assert NOTEBOOKS != []


def test_the_machine_is_open_only_where_a_lesson_shows_it():
    cells = [cell for path in NOTEBOOKS for cell in code_cells(json.loads(path.read_text(encoding="utf-8")))]
    nodes = [node for cell in cells for node in parts("".join(cell["source"]))]
    taken = {n.attr for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "fs.inside"}
    assert taken == set(fs.inside.__all__)


@pytest.fixture
def execute(tmp_path, monkeypatch) -> ModuleType:
    """The script that runs notebooks, looking into a folder of its own."""
    module = script("notebooks/execute.py")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return module


def write_book(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_execute_writes_what_can_be_checked_and_the_same_twice(execute, tmp_path):
    path = write_book(tmp_path / "01_sum.ipynb", "print('one')", "1 + 1")
    assert execute.main([]) == 0
    once = path.read_bytes()
    assert faults(json.loads(once)) == []
    assert json.loads(once)["cells"][1]["outputs"][0]["data"]["text/plain"] == ["2"]
    assert execute.main(["01"]) == 0
    assert path.read_bytes() == once
    assert list(tmp_path.iterdir()) == [path]


def test_execute_fails_when_a_notebook_fails_and_leaves_it_as_it_was(execute, tmp_path, capsys):
    path = write_book(tmp_path / "02_wrong.ipynb", "1 / 0")
    before = path.read_bytes()
    assert execute.main([]) == 1
    assert path.read_bytes() == before
    assert "02_wrong.ipynb: FAILED" in capsys.readouterr().err


def test_execute_with_nothing_to_run_fails(execute):
    assert execute.main(["99"]) == 1
