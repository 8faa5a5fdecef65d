"""A file, an archive or a folder to tables of cells."""

from __future__ import annotations

import csv
import gzip
import io
import re
import stat
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import pandas as pd

from funnelsim.errors import FunnelError, missing, nearest
from funnelsim.files import likely_encoding, shown, to_text

if TYPE_CHECKING:
    import openpyxl
    import pyarrow

LARGEST = 1 << 30
LONGEST_CELL = 2000
MOST_FILES = 50
CONTROL = r"[\x00-\x1f\x7f\u2028\u2029]+"
ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xes", ".gz", ".zip")
LONGEST_LINE = 1 << 24
LONGEST_NAME = 200
MOST_XML = 1 << 29
# How number formats name a currency: [$€-407], [$USD], "CHF", or a bare sign.
SHOWN_SIGN = re.compile(r'\[\$([^\]-]+)[^\]]*\]|"\s*([^"\d\s]{1,4})\s*"|\\?([€£¥₹$])')
UNCOUNTED = re.compile(rb"<c([^>]*)>\s*<f[^>]*(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
XML_BLOCK = 1 << 16
MOMENT = re.compile(r"\s*(\d{4}-\d\d-\d\d|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{13}\s*$)")
SEPARATORS = (",", ";", "\t", "|")
# So many rows tell where the header is; reports have a handful of lines above it.
HEADER_ROWS = 60
# A row with at most half the cells of the usual row is a title, not a header.
TITLE = 0.5
KINDS = frozenset(("string", "date", "int", "float", "boolean", "id"))


@dataclass(frozen=True)
class Table:
    """Cells as they stand in a file.

    Args:
        frame: text cells ("" where blank), or typed ones where the format has types; the index is the
            row number as a spreadsheet shows it.
        file: the file's name, for sentences.
        words: how it was read ("CSV, UTF-8, ';' between cells").
        separator: the sign between the cells of a text; "" for other formats.
    """

    frame: pd.DataFrame
    file: str
    words: str
    separator: str = ""

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
        self._refuse_zero_bytes(cells, name)
        if cells.dtype.kind == "f" and (cells.dropna() % 1 == 0).all():
            cells = cells.astype("Int64")
        text = cells.astype("str").str.strip().mask(blank, "")
        if re.search(CONTROL, "".join(text.tolist())):  # once for all: a search in each cell takes far longer
            odd = text.str.contains(CONTROL, regex=True)
            text = text.mask(odd, text[odd].str.replace(CONTROL, " ", regex=True).str.strip())
        length = text.str.len()
        if (length > LONGEST_CELL).any():
            place = int(length.to_numpy().argmax())
            raise FunnelError(
                f"{self.file}, row {text.index[place]}, column '{name}': a cell of {length.iloc[place]:,} "
                f"characters ({shown(text.iloc[place])}); expected at most {LONGEST_CELL:,}"
            )
        return text

    def _refuse_zero_bytes(self, cells: pd.Series, name: str) -> None:
        """Refuse a column that is read and holds binary data; in others it is no obstacle."""
        if cells.dtype.kind in "iufbM":
            return
        zero = cells.astype("str").str.contains("\0", regex=False)
        if zero.any():
            row = cells.index[zero.to_numpy()][0]
            raise FunnelError(
                f"{self.file}, row {row}: holds binary data (a zero byte) in column '{name}'; expected text"
            )


@dataclass(frozen=True)
class Door:
    """How a file is to be opened, where the user knows it.

    Args:
        encoding: the text's encoding; recognised when None.
        sheet: the Excel sheet; the first with a table when None.
        header: the number of the row with the names of the columns; found when None.
    """

    encoding: str | None = None
    sheet: str | None = None
    header: int | None = None


AS_FOUND = Door()


def read_tables(path: str | Path, door: Door = AS_FOUND) -> tuple[Table, ...]:
    """Return the tables in a file, an archive or a folder; their kind is told from content, not from names.

    Args:
        path: .csv, .tsv, .txt, .parquet, .xlsx, .xes, any of them in a .gz, several in a .zip or a folder.
        door: its encoding, sheet and header, where they are known.

    Raises:
        FunnelError: no such file, empty, binary, too large, or damaged; says which.
    """
    return tuple(
        _table(name, data, door)
        for file in files_in(Path(path))
        for name, data in _unpacked(file.name, file_bytes(file))
    )


def files_in(path: Path) -> list[Path]:
    """Return the files with tables in a folder and the folders in it; of a file, the file itself.

    Raises:
        FunnelError: a folder without any.
    """
    if not path.is_dir():
        return [path]
    inside = sorted(file for file in path.iterdir() if file.name.casefold().endswith(ENDINGS))[:MOST_FILES]
    if not inside:
        raise FunnelError(f"{path}: a folder without a table ({', '.join(ENDINGS)})")
    return [file for one in inside for file in files_in(one)]


def read_table(path: str | Path, door: Door = AS_FOUND) -> Table:
    """Return the one table in a file; as `read_tables`, which names the arguments and refusals."""
    tables = read_tables(path, door)
    if len(tables) > 1:
        listed = ", ".join(table.file for table in tables[:8])
        raise FunnelError(f"{path}: holds {len(tables)} tables ({listed}); expected one")
    return tables[0]


def _table(name: str, data: bytes, door: Door) -> Table:
    if not data.strip():
        raise FunnelError(f"{name}: the file is empty")
    separator = ""
    if data.startswith(b"PAR1"):
        frame, words = parquet_frame(data, name), "Parquet"
    elif data.startswith(b"PK\x03\x04"):
        frame, words = excel_frame(data, name, door)
    elif data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<?xml", b"<log")):
        frame, words = xes_frame(data, name), "XES"
    else:
        text, chosen = to_text(data, name, door.encoding)
        cells = text_frame(text, name, door.header)
        frame, separator = cells.frame, cells.separator
        between = "tab" if separator == "\t" else f"'{separator}'"
        words = f"text in {chosen.upper()}, {between} between cells{_header_words(cells.header)}"
    if frame.empty:
        raise FunnelError(f"{name}: no row below the header ({', '.join(map(str, frame.columns[:8]))[:200]})")
    return Table(frame, name, words, separator)


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


def parquet_frame(data: bytes, name: str) -> pd.DataFrame:
    """Return a Parquet file's columns with their types, rows numbered from 1.

    Text that is not UTF-8, though the format asks for it, is read in the code page that it is in.

    Raises:
        FunnelError: damaged, or pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise missing("pyarrow", f"{name}: reading a Parquet file") from None
    try:
        table = _in_utf8(pyarrow.parquet.read_table(io.BytesIO(data)))
        frame: pd.DataFrame = table.to_pandas()
    except Exception as error:  # pyarrow raises many kinds for damaged files
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise FunnelError(f"{name}: damaged Parquet file: {said}") from None
    frame.columns = pd.Index(_unique(map(str, frame.columns)))
    return frame.set_axis(range(1, len(frame) + 1), axis=0)


def _in_utf8(table: pyarrow.Table) -> pyarrow.Table:
    """Return an Arrow table whose texts are UTF-8."""
    import pyarrow

    for place, column in enumerate(table.column_names):
        cells = table.column(place)
        if not (pyarrow.types.is_string(cells.type) or pyarrow.types.is_large_string(cells.type)):
            continue
        try:
            cells.validate(full=True)
        except pyarrow.ArrowInvalid:
            raw = cells.cast(pyarrow.binary()).to_pylist()
            chosen = likely_encoding(b"\n".join(cell for cell in raw if cell and not cell.isascii()))
            texts = [None if cell is None else _decoded(cell, chosen) for cell in raw]
            table = table.set_column(place, column, pyarrow.array(texts, pyarrow.string()))
    return table


def _decoded(cell: bytes, chosen: str) -> str:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return cell.decode(chosen, errors="replace")


def excel_frame(data: bytes, name: str, door: Door = AS_FOUND) -> tuple[pd.DataFrame, str]:
    """Return a sheet's cells below its header, rows numbered as Excel does, and how it was read.

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
        if door.sheet is not None and door.sheet not in book.sheetnames:
            raise FunnelError(f"{name}: no sheet {shown(door.sheet)}; {nearest(door.sheet, book.sheetnames)}")
        sheet, rows = _first_table(book, book.sheetnames if door.sheet is None else [door.sheet])
        _refuse_uncounted(data, book[sheet], name)
    except FunnelError:
        raise
    except Exception as error:  # openpyxl raises many kinds for damaged files
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise FunnelError(f"{name}: damaged Excel file: {said}") from None
    filled = [sum(cell not in (None, "") for cell in row) for row in rows]
    if not any(filled):
        raise FunnelError(f"{name}: the sheet {shown(sheet)} is empty")
    top = _header_place(filled, door.header, name)
    others = f" of {', '.join(book.sheetnames[:8])[:80]}" if len(book.sheetnames) > 1 else ""
    return _boxed(rows, top, name), f"Excel, sheet '{sheet[:40]}'{others}{_header_words(top)}"


def _first_table(book: openpyxl.Workbook, sheets: list[str]) -> tuple[str, list[list[object]]]:
    """Return the first of these sheets with two rows of two cells, the very first where none has."""
    first: tuple[str, list[list[object]]] | None = None
    for sheet in sheets:
        page = book[sheet]
        page.reset_dimensions()  # a file may claim a million columns
        rows = _sheet_rows(page, any(map(_sign_of, book._number_formats)))
        first = first or (sheet, rows)
        if sum(sum(cell is not None for cell in row) > 1 for row in rows[:HEADER_ROWS]) > 1:
            return sheet, rows
    return first or (sheets[0], [])


def _sheet_rows(page: Any, signed: bool) -> list[list[object]]:
    """Return the cells of a sheet; where formats name currencies, numbers have the sign that is shown."""
    if not signed:
        return [list(row) for row in page.iter_rows(values_only=True)]
    signs: dict[str, str] = {}

    def shown_as(cell: Any) -> object:
        if not isinstance(cell.value, int | float) or isinstance(cell.value, bool):
            return cell.value
        kind = cell.number_format
        if kind not in signs:
            signs[kind] = _sign_of(kind)
        sign = signs[kind]
        return f"{_digits(cell.value)} {sign}" if sign else cell.value

    return [[shown_as(cell) for cell in row] for row in page.iter_rows()]


def _sign_of(kind: str) -> str:
    """Return the currency that a number format shows, "" where it shows none.

    >>> _sign_of('#,##0.00 [$€-407]'), _sign_of('"$"#,##0'), _sign_of("[$CHF] 0"), _sign_of('0.0 "kg"')
    ('€', '$', 'CHF', '')
    """
    found = SHOWN_SIGN.search(kind)
    sign = "" if found is None else next(part for part in found.groups() if part)
    return sign if re.fullmatch(r"[A-Z]{3}", sign) or not sign.isascii() or "$" in sign else ""


def _digits(value: float) -> str:
    """Return a number as text that cannot be taken for thousands: 3.125 has four decimals."""
    text = f"{value:.10f}".rstrip("0")
    return text.rstrip(".") if text.endswith(".") else text + "0" * (len(text.partition(".")[2]) == 3)


def _refuse_uncounted(data: bytes, page: Any, name: str) -> None:
    """Refuse a sheet with formulas whose values nobody has worked out yet: their cells would be blank."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read(page._worksheet_path)
    for cell in UNCOUNTED.finditer(text):
        if b't="str"' not in cell[1]:
            place = (re.search(rb'r="([A-Z0-9]+)"', cell[1]) or [b"", b"?"])[1].decode()
            raise FunnelError(
                f"{name}, sheet {shown(page.title)}: the formula in cell {place} has no value yet, as "
                "programs write them; open the file in a spreadsheet, save it, and give that"
            )


def _boxed(rows: list[list[object]], top: int, name: str) -> pd.DataFrame:
    """Return rows of a sheet under their header, rows without any cell left out."""
    header = _unique("" if cell is None else str(cell) for cell in rows[top])
    width, below = len(header), rows[top + 1 :]
    for number, row in enumerate(below, start=top + 2):
        if any(cell is not None for cell in row[width:]):
            raise FunnelError(f"{name}, row {number}: {len(row)} cells, but the header has {width}")
    boxed = [row[:width] + [None] * (width - len(row)) for row in below]
    frame = pd.DataFrame(boxed, columns=header, index=range(top + 2, len(rows) + 1), dtype=object)
    return frame.dropna(how="all")


def _header_place(filled: list[int], stated: int | None, name: str) -> int:
    """Return the place of the row with the names of the columns, counted from 0.

    Args:
        filled: how many cells of each row are not blank.
        stated: the row's number as a spreadsheet counts, where it is known.
        name: the file's name, for the sentence.

    Raises:
        FunnelError: the file has no such row.
    """
    if stated is not None:
        if stated > len(filled) or not filled[stated - 1]:
            raise FunnelError(f"{name}: header: {stated} given, but that row holds no cell")
        return stated - 1
    first = next((place for place, count in enumerate(filled) if count), 0)
    head = sorted(count for count in filled[first : first + HEADER_ROWS] if count)
    usual = head[(3 * len(head)) // 4] if head else 0
    if usual < 3:
        return first
    wide = (place for place, count in enumerate(filled[: first + HEADER_ROWS]) if count > TITLE * usual)
    return next(wide, first)


def _header_words(place: int) -> str:
    return f", header in row {place + 1}" if place else ""


@dataclass(frozen=True)
class TextCells:
    """The cells of a text below its header, the sign between them, and the header's place, counted from 0."""

    frame: pd.DataFrame
    separator: str
    header: int


def text_frame(text: str, name: str, header: int | None = None) -> TextCells:
    """Return the cells below the header as text, "" where blank.

    Args:
        text: the whole file.
        name: its name, for sentences.
        header: the number of the row with the names of the columns; found when not given.

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
    above = _blank_lines(text) if header is None else 0
    text = text.lstrip("\r\n") if header is None else text
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
        frame, top = _ragged(text, separator, name, header)
    else:
        frame = frame.fillna("")
        top = _header_place((frame.iloc[: 4 * HEADER_ROWS] != "").sum(axis=1).tolist(), header, name)
    names = _unique(str(cell).strip() for cell in frame.iloc[top])
    numbers = range(above + top + 2, above + len(frame) + 1)
    body = frame.iloc[top + 1 :].set_axis(names, axis=1).set_axis(numbers, axis=0)
    return TextCells(body[(body != "").any(axis=1)], separator, above + top)


def _blank_lines(text: str) -> int:
    """Return how many lines without a sign stand above the first one with one."""
    head = text[: len(text) - len(text.lstrip("\r\n"))]
    return head.count("\n") or head.count("\r")


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


def _ragged(text: str, separator: str, name: str, header: int | None) -> tuple[pd.DataFrame, int]:
    """Return rows of unequal length, the longer ones longer by blank cells only, and the header's place."""
    csv.field_size_limit(1 << 24)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        raise FunnelError(f"{name}: not a table: {error} (is a quotation mark left open?)") from None
    width = len(rows[0]) if rows else 0
    if any(len(row) > width for row in rows) and all(_in_pairs(row) for row in rows[1:] if any(row)):
        return _pairs(rows), 0
    top = _header_place([sum(bool(cell.strip()) for cell in row) for row in rows], header, name)
    width = len(rows[top]) if rows else 0
    for number, row in enumerate(rows[top:], start=top + 1):
        if any(cell.strip() for cell in row[width:]):
            raise FunnelError(f"{name}, row {number}: {len(row)} cells, but the header has {width}")
    even = [row[:width] + [""] * (width - len(row)) for row in rows]
    return pd.DataFrame(even, dtype="str"), top


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


def xes_frame(data: bytes, name: str) -> pd.DataFrame:
    """Return one row per event: its attributes, and those of its trace under "case:" and their name.

    Args:
        data: the file; a document type is refused, as it could make a small file huge.
        name: the file's name, for sentences.

    Raises:
        FunnelError: not well-formed, or without an event.
    """
    if _declares_a_type(data):
        raise FunnelError(f"{name}: declares a document type, which an event log does not need")
    rows: list[dict[str, str]] = []
    try:
        for _, element in ElementTree.iterparse(io.BytesIO(data), events=("end",)):
            if _tag(element) == "trace":
                rows += _trace(element)
                element.clear()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise FunnelError(f"{name}: not well-formed XML: {error}") from None
    if not rows:
        raise FunnelError(f"{name}: an event log without an event")
    return pd.DataFrame(rows, index=range(1, len(rows) + 1), dtype="str").fillna("")


def _declares_a_type(data: bytes) -> bool:
    """Return whether a document type stands before the first element, however far down, in any encoding."""
    met: list[bool] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = lambda *_: met.append(True)
    parser.StartElementHandler = lambda *_: met.append(False)
    with suppress(expat.ExpatError):  # whoever reads it next says what is wrong
        for start in range(0, len(data), XML_BLOCK):
            parser.Parse(data[start : start + XML_BLOCK], False)
            if met:
                break
    return bool(met) and met[0]


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _values(element: ElementTree.Element, prefix: str = "") -> dict[str, str]:
    return {
        prefix + child.attrib["key"]: child.attrib.get("value", "")
        for child in element
        if _tag(child) in KINDS and "key" in child.attrib
    }


def _trace(element: ElementTree.Element) -> list[dict[str, str]]:
    case = _values(element, "case:")
    return [case | _values(child) for child in element if _tag(child) == "event"]
