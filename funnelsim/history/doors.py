"""A file, an archive or a folder to tables of cells."""

from __future__ import annotations

import gzip
import io
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.files import shown
from funnelsim.history.cells import LONGEST_LINE, excel_frame, parquet_frame, text_frame
from funnelsim.history.encodings import decode
from funnelsim.history.xes import xes_frame

LARGEST = 1 << 30
LONGEST_CELL = 2000
MOST_FILES = 50
CONTROL = r"[\x00-\x1f\x7f\u2028\u2029]+"
ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xes", ".gz", ".zip")


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
            raise FunnelError(f"{self.file}: no column {shown(name)}{purpose}; {nearest(name, known)}")
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
        odd = text.str.contains(CONTROL, regex=True)
        if odd.any():
            text = text.mask(odd, text[odd].str.replace(CONTROL, " ", regex=True).str.strip())
        length = text.str.len()
        if (length > LONGEST_CELL).any():
            place = int(length.to_numpy().argmax())
            raise FunnelError(
                f"{self.file}, row {text.index[place]}, column '{name}': a cell of {length.iloc[place]:,} "
                f"characters ({shown(text.iloc[place])}); expected at most {LONGEST_CELL:,}"
            )
        return text


def read_tables(path: str | Path, encoding: str | None = None, sheet: str | None = None) -> tuple[Table, ...]:
    """Return the tables in a file, an archive or a folder; their kind is told from content, not from names.

    Args:
        path: .csv, .tsv, .txt, .parquet, .xlsx, .xes, any of them in a .gz, several in a .zip or a folder.
        encoding: the text's encoding; recognised when not given.
        sheet: the Excel sheet; the first when not given.

    Raises:
        FunnelError: no such file, empty, binary, too large, or damaged; says which.
    """
    if Path(path).is_dir():
        files = sorted(file for file in Path(path).iterdir() if file.name.casefold().endswith(ENDINGS))[
            :MOST_FILES
        ]
        if not files:
            raise FunnelError(f"{path}: a folder without a table ({', '.join(ENDINGS)})")
        return tuple(table for file in files for table in read_tables(file, encoding, sheet))
    parts = _unpacked(Path(path).name, file_bytes(path))
    return tuple(_table(name, data, encoding, sheet) for name, data in parts)


def read_table(path: str | Path, encoding: str | None = None, sheet: str | None = None) -> Table:
    """Return the one table in a file; as `read_tables`, which names the arguments and refusals."""
    tables = read_tables(path, encoding, sheet)
    if len(tables) > 1:
        listed = ", ".join(table.file for table in tables[:8])
        raise FunnelError(f"{path}: holds {len(tables)} tables ({listed}); expected one")
    return tables[0]


def _table(name: str, data: bytes, encoding: str | None, sheet: str | None) -> Table:
    if not data.strip():
        raise FunnelError(f"{name}: the file is empty")
    if data.startswith(b"PAR1"):
        frame, words = parquet_frame(data, name), "Parquet"
    elif data.startswith(b"PK\x03\x04"):
        frame, words = excel_frame(data, name, sheet), "Excel"
    elif data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<?xml", b"<log")):
        frame, words = xes_frame(data, name), "XES"
    else:
        text, chosen = decode(data, name, encoding)
        frame, separator = text_frame(text, name)
        shown = "tab" if separator == "\t" else f"'{separator}'"
        words = f"text in {chosen.upper()}, {shown} between cells"
    if frame.empty:
        raise FunnelError(f"{name}: no row below the header ({', '.join(map(str, frame.columns[:8]))[:200]})")
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
                f"{path}: {kind.st_size:,} bytes; at most {LARGEST:,} are read at once; `funnelsim "
                "calibrate` reads larger files in parts, with DuckDB (pip install 'funnelsim[formats]')"
            )
        with Path(path).open("rb") as stream:
            head = stream.read(LONGEST_LINE)
            if len(head) == LONGEST_LINE and b"\n" not in head and b"\r" not in head and _is_text(head):
                raise FunnelError(
                    f"{path}: a first line of more than {LONGEST_LINE:,} characters; expected a header"
                )
            return head + stream.read()
    except (OSError, ValueError) as error:
        if isinstance(error, FunnelError):
            raise
        raise FunnelError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _is_text(head: bytes) -> bool:
    return not head.startswith((b"PAR1", b"PK", b"\x1f\x8b", b"<", b"\xef\xbb\xbf<"))


def _unpacked(name: str, data: bytes) -> list[tuple[str, bytes]]:
    """Return names and contents: of the file itself, or of what it holds."""
    if data.startswith(b"\x1f\x8b"):
        return [(name.removesuffix(".gz"), _ungzipped(name, data))]
    if data.startswith(b"PK") and zipfile.is_zipfile(io.BytesIO(data)):
        return _unzipped(name, data)
    return [(name, data)]


def _ungzipped(name: str, data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FunnelError(f"{name}: damaged gzip file: {error}") from None
    if len(content) > LARGEST:
        raise FunnelError(f"{name}: unpacks to more than {LARGEST:,} bytes")
    return content


def _unzipped(name: str, data: bytes) -> list[tuple[str, bytes]]:
    """Return the files in an archive; an Excel file, itself an archive, is returned as it is."""
    found, room = [], LARGEST
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [entry for entry in archive.infolist() if not entry.is_dir()]
            if any(entry.filename == "xl/workbook.xml" for entry in members):
                return [(name, data)]
            for entry in members:
                if entry.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", entry.filename):
                    raise FunnelError(f"{name}: the entry '{entry.filename}' points outside the archive")
            members = [entry for entry in members if not entry.filename.startswith(("__MACOSX/", "."))]
            for entry in members[:MOST_FILES]:
                with archive.open(entry) as stream:
                    found.append((f"{name}/{entry.filename}", stream.read(room + 1)))
                room -= len(found[-1][1])
                if room < 0:
                    raise FunnelError(f"{name}: unpacks to more than {LARGEST:,} bytes")
    except FunnelError:
        raise
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError, OSError) as error:
        raise FunnelError(f"{name}: cannot be unpacked: {error}") from None
    if not found:
        raise FunnelError(f"{name}: an archive without a file")
    return found
