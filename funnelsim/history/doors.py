"""A file to a table of cells: CSV and its kin, Parquet, Excel, and any of them in a .zip or .gz."""

from __future__ import annotations

import csv
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.encodings import decode

LARGEST = 1 << 30
LONGEST_LINE = 1 << 24
LONGEST_CELL = 2000
SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Table:
    """Cells as they stand in a file.

    Args:
        frame: text cells ("" where blank), or typed ones where the format has types; the index is the
            row number as a spreadsheet shows it.
        file: the file's name, for sentences.
        words: how it was read ("CSV, UTF-8, ';' between cells").
    """

    frame: pd.DataFrame
    file: str
    words: str

    def column(self, name: str, role: str = "") -> pd.Series:
        """Return one column.

        Raises:
            FunnelError: there is none of this name; names the nearest.
        """
        if name not in self.frame.columns:
            known = [str(column) for column in self.frame.columns]
            purpose = f" for '{role}'" if role and role != name else ""
            raise FunnelError(f"{self.file}: no column '{name}'{purpose}; {nearest(name, known)}")
        return self.frame[name]

    def text(self, name: str, role: str = "") -> pd.Series:
        """Return one column as text without blanks around it, "" where the cell is empty.

        Raises:
            FunnelError: no such column, or a cell longer than any name.
        """
        cells = self.column(name, role)
        blank = cells.isna()
        if cells.dtype.kind == "f" and (cells.dropna() % 1 == 0).all():
            cells = cells.astype("Int64")
        text = cells.astype("str").str.strip().mask(blank, "")
        length = text.str.len()
        if (length > LONGEST_CELL).any():
            place = int(length.to_numpy().argmax())
            raise FunnelError(
                f"{self.file}, row {text.index[place]}, column '{name}': a cell of {length.iloc[place]:,} "
                f"characters ('{text.iloc[place][:20]}...'); expected at most {LONGEST_CELL:,}"
            )
        return text


def read_table(path: str | Path, encoding: str | None = None, sheet: str | None = None) -> Table:
    """Return the cells of a file; its kind is told from its content, not from its name.

    Args:
        path: .csv, .tsv, .txt, .parquet, .xlsx, or one of them in a .zip or .gz.
        encoding: the text's encoding; recognised when not given.
        sheet: the Excel sheet; the first when not given.

    Raises:
        FunnelError: no such file, empty, binary, too large, or damaged; says which.
    """
    name = Path(path).name
    name, data = _unpacked(name, file_bytes(path))
    if not data.strip():
        raise FunnelError(f"{path}: the file is empty")
    if data.startswith(b"PAR1"):
        frame, words = _parquet(data, name), "Parquet"
    elif data.startswith(b"PK\x03\x04"):
        frame, words = _excel(data, name, sheet), "Excel"
    else:
        text, chosen = decode(data, name, encoding)
        frame, separator = _cells(text, name)
        shown = "tab" if separator == "\t" else f"'{separator}'"
        words = f"text in {chosen.upper()}, {shown} between cells"
    if frame.empty:
        raise FunnelError(f"{name}: no row below the header ({', '.join(map(str, frame.columns[:8]))})")
    return Table(frame, name, words)


def file_bytes(path: str | Path) -> bytes:
    """Return what a file holds.

    Raises:
        FunnelError: no such file, not a regular file, larger than 1 GiB, or not readable.
    """
    try:
        kind = Path(path).stat()
        if stat.S_ISDIR(kind.st_mode):
            raise FunnelError(f"{path}: is a folder; give a file")
        if not stat.S_ISREG(kind.st_mode):
            raise FunnelError(f"{path}: not a file")
        if kind.st_size > LARGEST:
            raise FunnelError(
                f"{path}: {kind.st_size:,} bytes; at most {LARGEST:,} are read: split it by date"
            )
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, FunnelError):
            raise
        raise FunnelError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _unpacked(name: str, data: bytes) -> tuple[str, bytes]:
    if data.startswith(b"\x1f\x8b"):
        return name.removesuffix(".gz"), _ungzipped(name, data)
    if data.startswith(b"PK") and zipfile.is_zipfile(io.BytesIO(data)):
        return _unzipped(name, data)
    return name, data


def _ungzipped(name: str, data: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(data, LARGEST)
    except zlib.error as error:
        raise FunnelError(f"{name}: damaged gzip file: {error}") from None
    if stream.unconsumed_tail:
        raise FunnelError(f"{name}: unpacks to more than {LARGEST:,} bytes")
    if not stream.eof:
        raise FunnelError(f"{name}: damaged gzip file: it ends too early")
    return text


def _unzipped(name: str, data: bytes) -> tuple[str, bytes]:
    """Return the one table in an archive; an Excel file, itself an archive, is returned as it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [entry for entry in archive.infolist() if not entry.is_dir()]
            if any(entry.filename == "xl/workbook.xml" for entry in members):
                return name, data
            for entry in members:
                if entry.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", entry.filename):
                    raise FunnelError(f"{name}: the entry '{entry.filename}' points outside the archive")
            members = [entry for entry in members if not entry.filename.startswith(("__MACOSX/", "."))]
            if len(members) != 1:
                listed = ", ".join(entry.filename for entry in members[:8]) or "none"
                raise FunnelError(f"{name}: holds {len(members)} files ({listed}); expected one table")
            with archive.open(members[0]) as stream:
                content = stream.read(LARGEST + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise FunnelError(f"{name}: cannot be unpacked: {error}") from None
    if len(content) > LARGEST:
        raise FunnelError(f"{name}: unpacks to more than {LARGEST:,} bytes")
    return f"{name}/{members[0].filename}", content


def _parquet(data: bytes, name: str) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except Exception as error:  # pyarrow raises many kinds for damaged files
        raise FunnelError(f"{name}: damaged Parquet file: {str(error).splitlines()[0][:200]}") from None
    frame.columns = pd.Index(_unique(map(str, frame.columns)))
    return frame.set_axis(range(1, len(frame) + 1), axis=0)


def _excel(data: bytes, name: str, sheet: str | None) -> pd.DataFrame:
    try:
        import openpyxl

        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except ImportError:
        raise FunnelError(f"{name}: Excel files need openpyxl: pip install 'funnelsim[formats]'") from None
    except Exception as error:  # openpyxl raises many kinds for damaged files
        raise FunnelError(f"{name}: damaged Excel file: {str(error).splitlines()[0][:200]}") from None
    if sheet is not None and sheet not in book.sheetnames:
        raise FunnelError(f"{name}: no sheet '{sheet}'; {nearest(sheet, book.sheetnames)}")
    rows = [list(row) for row in book[sheet or book.sheetnames[0]].iter_rows(values_only=True)]
    if not rows:
        raise FunnelError(f"{name}: the sheet '{sheet or book.sheetnames[0]}' is empty")
    frame = pd.DataFrame(rows[1:], dtype=object)
    frame.columns = pd.Index(_unique("" if cell is None else str(cell) for cell in rows[0])[: frame.shape[1]])
    return frame.set_axis(range(2, len(frame) + 2), axis=0)


def _cells(text: str, name: str) -> tuple[pd.DataFrame, str]:
    longest = text.find("\n") if "\n" in text[:LONGEST_LINE] else len(text)
    if longest > LONGEST_LINE:
        raise FunnelError(f"{name}, row 1: a line of {longest:,} characters; expected a header")
    if text[:4].lower() == "sep=":
        text = text.partition("\n")[2]
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
    csv.field_size_limit(LARGEST)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        raise FunnelError(f"{name}: not a table: {error} (is a quotation mark left open?)") from None
    width = len(rows[0]) if rows else 0
    for number, row in enumerate(rows, start=1):
        if any(cell.strip() for cell in row[width:]):
            raise FunnelError(f"{name}, row {number}: {len(row)} cells, but the header has {width}")
    return pd.DataFrame([row[:width] + [""] * (width - len(row)) for row in rows], dtype="str")


def _unique(names: Iterable[str]) -> list[str]:
    """Return the names, the second 'x' as 'x (2)', a blank as 'column 3'."""
    seen: dict[str, int] = {}
    found = []
    for number, name in enumerate(names, start=1):
        name = name or f"column {number}"
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
