"""The formats that tables come in: text between separators, Excel, Parquet."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable

import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.files import shown

LONGEST_LINE = 1 << 24
LONGEST_NAME = 200
MOST_XML = 1 << 29
MOMENT = re.compile(r"\s*(\d{4}-\d\d-\d\d|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{13}\s*$)")
SEPARATORS = (",", ";", "\t", "|")


def parquet_frame(data: bytes, name: str) -> pd.DataFrame:
    """Return a Parquet file's columns with their types, rows numbered from 1.

    Raises:
        FunnelError: damaged.
    """
    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except Exception as error:  # pyarrow raises many kinds for damaged files
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise FunnelError(f"{name}: damaged Parquet file: {said}") from None
    frame.columns = pd.Index(_unique(map(str, frame.columns)))
    return frame.set_axis(range(1, len(frame) + 1), axis=0)


def excel_frame(data: bytes, name: str, sheet: str | None) -> pd.DataFrame:
    """Return a sheet's cells below its first row, rows numbered as Excel does; the first if none is named.

    Raises:
        FunnelError: damaged, empty, no such sheet, or openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError:
        raise FunnelError(f"{name}: Excel files need openpyxl: pip install 'funnelsim[formats]'") from None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_XML:
            raise FunnelError(f"{name}: unpacks to {size:,} bytes; at most {MOST_XML:,} are read from Excel")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        if sheet is not None and sheet not in book.sheetnames:
            raise FunnelError(f"{name}: no sheet {shown(sheet)}; {nearest(sheet, book.sheetnames)}")
        page = book[sheet or book.sheetnames[0]]
        page.reset_dimensions()  # a file may claim a million columns
        rows = [list(row) for row in page.iter_rows(values_only=True)]
    except FunnelError:
        raise
    except Exception as error:  # openpyxl raises many kinds for damaged files
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise FunnelError(f"{name}: damaged Excel file: {said}") from None
    if not rows or not rows[0]:
        raise FunnelError(f"{name}: the sheet {shown(sheet or book.sheetnames[0])} is empty")
    header = _unique("" if cell is None else str(cell) for cell in rows[0])
    return _boxed(rows[1:], header, name)


def _boxed(rows: list[list[object]], header: list[str], name: str) -> pd.DataFrame:
    """Return rows of a sheet under their header, rows without any cell left out."""
    width = len(header)
    for number, row in enumerate(rows, start=2):
        if any(cell is not None for cell in row[width:]):
            raise FunnelError(f"{name}, row {number}: {len(row)} cells, but the header has {width}")
    boxed = [row[:width] + [None] * (width - len(row)) for row in rows]
    frame = pd.DataFrame(boxed, columns=header, index=range(2, len(rows) + 2), dtype=object)
    return frame.dropna(how="all")


def text_frame(text: str, name: str) -> tuple[pd.DataFrame, str]:
    """Return the cells below the header as text, "" where blank, and the separator found between cells.

    Raises:
        FunnelError: an endless line, a quotation mark left open, or a row longer than the header.
    """
    longest = text.find("\n") if "\n" in text[:LONGEST_LINE] else len(text)
    if longest > LONGEST_LINE:
        raise FunnelError(f"{name}, row 1: a line of {longest:,} characters; expected a header")
    if text[:4].lower() == "sep=":
        text = text.partition("\n")[2]
    if not text.strip():
        raise FunnelError(f"{name}: no row with a cell in it; expected a header")
    text = text.lstrip("\r\n")
    separator = _separator(text[:100_000])
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=None,
            dtype="str",
            keep_default_na=False,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError):
        frame = _ragged(text, separator, name)
    frame = frame.fillna("")
    header = _unique(str(cell).strip() for cell in frame.iloc[0])
    body = frame.iloc[1:].set_axis(header, axis=1).set_axis(range(2, len(frame) + 1), axis=0)
    return body[(body != "").any(axis=1)], separator


def _separator(text: str) -> str:
    """Return the separator that gives the first rows most cells, and equally many."""
    lines = [line for line in text.splitlines() if line.strip()][:30]
    if not lines:
        return SEPARATORS[0]

    def evenness(separator: str) -> tuple[float, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        except csv.Error:
            return 0.0, 0
        usual = max(set(widths), key=widths.count)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0), widths[0]

    return max(SEPARATORS, key=lambda separator: (round(evenness(separator)[0], 1), evenness(separator)[1]))


def _ragged(text: str, separator: str, name: str) -> pd.DataFrame:
    """Return rows of unequal length, where the longer ones are longer by blank cells only."""
    csv.field_size_limit(1 << 24)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        raise FunnelError(f"{name}: not a table: {error} (is a quotation mark left open?)") from None
    width = len(rows[0]) if rows else 0
    if any(len(row) > width for row in rows) and all(_in_pairs(row) for row in rows[1:] if any(row)):
        return _pairs(rows)
    for number, row in enumerate(rows, start=1):
        if any(cell.strip() for cell in row[width:]):
            raise FunnelError(f"{name}, row {number}: {len(row)} cells, but the header has {width}")
    return pd.DataFrame([row[:width] + [""] * (width - len(row)) for row in rows], dtype="str")


def _in_pairs(row: list[str]) -> bool:
    """Return whether a row is a name or two, then values each with its moment, as HubSpot wrote histories."""
    cells = row[: max((place for place, cell in enumerate(row, 1) if cell.strip()), default=0)]
    return len(cells) >= 4 and len(cells) % 2 == 0 and all(MOMENT.match(cell) for cell in cells[3::2])


def _pairs(rows: list[list[str]]) -> pd.DataFrame:
    """Return such rows at full width, under a header with "value 1", "timestamp 1", "value 2" and so on."""
    width = max(len(row) + len(row) % 2 for row in rows)
    named = [] if _in_pairs(rows[0]) else [rows.pop(0)]
    header = [*(named[0] if named else ["Record ID", "Name"])[:2]]
    header += [f"{word} {number}" for number in range(1, width // 2) for word in ("value", "timestamp")]
    return pd.DataFrame([header, *(row + [""] * (width - len(row)) for row in rows)], dtype="str")


def _unique(names: Iterable[str]) -> list[str]:
    """Return the names, the second 'x' as 'x (2)', a blank as 'column 3'; long ones are cut."""
    seen: dict[str, int] = {}
    found = []
    for number, cell in enumerate(names, start=1):
        name = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", cell).split())[:LONGEST_NAME] or f"column {number}"
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
