"""Run the numbered notebooks and keep their outputs: `python notebooks/execute.py [01 04_forecast ...]`.

Notebooks are committed with their outputs, and the tests run them again and compare. Written by this
script, they differ between two runs only where their results do: no time stamps, cell names by position.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).resolve().parent
# JupyterLab writes this form on opening; any other would mark the file as changed.
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
SECONDS_PER_CELL = 300


def numbered(wanted: list[str]) -> list[Path]:
    """Return the notebooks whose names begin with a number and with one of the wanted beginnings."""
    paths = [path for path in sorted(FOLDER.rglob("[0-9]*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
    return [path for path in paths if not wanted or path.name.startswith(tuple(wanted))]


def blank(path: Path) -> nbformat.NotebookNode:
    """Read a notebook and take away all that an earlier run left."""
    book: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    book.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    book.nbformat, book.nbformat_minor = 4, 5
    for number, cell in enumerate(book.cells, 1):
        cell.id = f"cell-{number:02d}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return book


def forget_widgets(book: nbformat.NotebookNode) -> None:
    """Take away which widgets were shown: they live as long as the kernel, the picture beside them stays."""
    for cell in book.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)


def execute(path: Path) -> float:
    """Run one notebook in its own folder, write it whole or not at all, and return its seconds.

    Raises:
        CellExecutionError: a cell failed; the file stays as it was.
    """
    began = time.monotonic()
    book = blank(path)
    options: dict[str, Any] = {"timeout": SECONDS_PER_CELL, "record_timing": False, "coalesce_streams": True}
    options |= {"store_widget_state": False}
    NotebookClient(book, resources={"metadata": {"path": str(path.parent)}}, **options).execute()
    forget_widgets(book)
    draft = path.with_suffix(".ipynb.part")
    nbformat.write(book, draft)
    draft.replace(path)
    return time.monotonic() - began


def main(wanted: list[str]) -> int:
    """Run the wanted notebooks and return 0 if all of them ran."""
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    paths, failed = numbered(wanted), 0
    for path in paths:
        name = path.relative_to(FOLDER)
        try:
            print(f"{name}: {execute(path):.1f} s", flush=True)
        except CellExecutionError as error:
            failed += 1
            print(f"{name}: FAILED\n{error}", file=sys.stderr, flush=True)
    print(f"{len(paths) - failed} of {len(paths)} notebooks ran" + (f", {failed} FAILED" if failed else ""))
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
