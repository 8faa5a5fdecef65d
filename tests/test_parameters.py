"""The report's notebook runs with values that are put below its parameters, as papermill does."""

import os
from pathlib import Path

import nbformat
from made_up import history
from nbclient import NotebookClient

import funnelsim as fs

BOOK = Path(__file__).resolve().parent.parent / "notebooks" / "monday_report.ipynb"


def put(book: nbformat.NotebookNode, **values: object) -> nbformat.NotebookNode:
    """Return the notebook with a cell of values below the one that is tagged, as papermill makes it."""
    (place,) = [n for n, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", [])]
    source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    book.cells.insert(place + 1, nbformat.v4.new_code_cell(source, id="injected-parameters"))
    return book


def test_it_tells_of_the_history_that_is_put_in(tmp_path: Path) -> None:
    known = history(400)
    log = tmp_path / "deals.csv"
    known.events.merge(known.leads.reset_index(), on="lead").to_csv(log, index=False)
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    given = {"history": str(log), "target": 5000, "period": "month", "page": str(tmp_path / "page.html")}
    book = put(nbformat.read(BOOK, as_version=4), **given, record=str(tmp_path / "r.db"))
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = "".join(str(output) for cell in book.cells if cell.cell_type == "code" for output in cell.outputs)
    forecast = fs.forecast(fs.situation(log, period="month"), target=5000)
    assert str(forecast) in said
    assert (tmp_path / "page.html").exists() and (tmp_path / "page.xlsx").exists()
    assert "with a kept forecast of" in said
