"""Files, archives and folders to tables: every kind is told by content, every damaged one refused."""

import gzip
import os
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history import tables as doors
from funnelsim.history.log import bookings, open_leads
from funnelsim.history.read import read_history
from funnelsim.history.tables import Door, read_table, read_tables

CELLS = [["lead", "stage", "at"], ["a", "Lead, first", "2026-01-01"], ["b", 'say "hi"', "2026-01-02"]]
TEXT = 'lead,stage,at\na,"Lead, first",2026-01-01\nb,"say ""hi""",2026-01-02\n'


def put(folder: Path, data: bytes, name: str = "file") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def cells(path: Path) -> list[list[str]]:
    frame = read_table(path).frame
    return [list(frame.columns), *frame.astype(str).to_numpy().tolist()]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(tmp_path: Path, separator: str, end: str) -> None:
    lines = [separator.join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in CELLS]
    assert cells(put(tmp_path, end.join(lines).encode())) == CELLS


def test_archives_and_a_spreadsheet(tmp_path: Path) -> None:
    assert cells(put(tmp_path, gzip.compress(TEXT.encode()), "a.gz")) == CELLS
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("__MACOSX/._log.csv", b"junk")
        archive.writestr("log.csv", TEXT)
    assert cells(tmp_path / "b.zip") == CELLS
    book = openpyxl.Workbook()
    for row in CELLS:
        book.active.append(row)
    book.create_sheet("other").append(["x"])
    book.save(tmp_path / "c.xlsx")
    assert cells(tmp_path / "c.xlsx") == CELLS
    with pytest.raises(FunnelError, match="no sheet 'othr'; did you mean 'other'"):
        read_table(tmp_path / "c.xlsx", Door(sheet="othr"))
    pd.DataFrame(CELLS[1:], columns=CELLS[0]).to_parquet(tmp_path / "d.parquet")
    assert cells(tmp_path / "d.parquet") == CELLS


def test_several_tables_in_a_folder(tmp_path: Path) -> None:
    put(tmp_path, TEXT.encode(), "a.csv")
    put(tmp_path, b"x,y\n1,2\n", "b.csv")
    put(tmp_path, b"not a table", "README.md")
    assert [table.file for table in read_tables(tmp_path)] == ["a.csv", "b.csv"]
    with pytest.raises(FunnelError, match=r"holds 2 tables \(a.csv, b.csv\); expected one"):
        read_table(tmp_path)


def test_the_row_number_is_that_of_a_spreadsheet(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, b'lead,note\na,"two\nlines"\n\nb,x\n'))
    assert table.frame.index.tolist() == [2, 4]
    assert table.text("note")[2] == "two lines", "a line break inside quotes is a blank"


def test_headers_that_repeat_or_are_blank(tmp_path: Path) -> None:
    assert read_table(put(tmp_path, b"x,x,,y\n1,2,3,4\n")).frame.columns.tolist() == [
        "x",
        "x (2)",
        "column 3",
        "y",
    ]


def test_rows_longer_by_blank_cells_are_read_and_others_refused(tmp_path: Path) -> None:
    assert cells(put(tmp_path, b"x,y\n1,2,,\n3\n")) == [["x", "y"], ["1", "2"], ["3", ""]]
    with pytest.raises(FunnelError, match="file, row 3: 3 cells, but the header has 2"):
        read_table(put(tmp_path, b"x,y\n1,2\n1,2,3\n"))


def test_excel_says_its_separator_first(tmp_path: Path) -> None:
    assert cells(put(tmp_path, b"sep=;\nx;y\n1;2\n")) == [["x", "y"], ["1", "2"]]


def test_damaged_and_dangerous_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "LARGEST", 10_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 20_000)
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as archive:
        archive.writestr("../a.csv", TEXT)
    zipfile.ZipFile(tmp_path / "none.zip", "w").close()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").mkdir()
    for path, said in [
        (tmp_path / "bomb.zip", "unpacks to more than 10,000 bytes"),
        (put(tmp_path, gzip.compress(b"0" * 20_000), "bomb.gz"), "unpacks to more than 10,000 bytes"),
        (put(tmp_path, gzip.compress(TEXT.encode())[:-9], "cut.gz"), "damaged gzip file"),
        (put(tmp_path, b"\x1f\x8bxxxxxxxxxxxxxxxxxxxxxxxx", "bad.gz"), "damaged gzip file"),
        (tmp_path / "up.zip", "the entry '../a.csv' points outside the archive"),
        (tmp_path / "none.zip", "an archive without a file"),
        (put(tmp_path, b"PK\x03\x04" + b"x" * 50, "bad.xlsx"), "damaged Excel file"),
        (put(tmp_path, b"PAR1" + b"x" * 50, "bad.parquet"), "damaged Parquet file"),
        (put(tmp_path, b"x" * 10_001, "large.csv"), "at most 10,000 are read"),
        (tmp_path / "pipe", "not a file"),
        (tmp_path / "loop", "cannot be read"),
        (tmp_path / "absent", "No such file"),
        (tmp_path / "empty", "a folder without a table"),
        (put(tmp_path, b"", "nothing"), "the file is empty"),
        (put(tmp_path, b"sep=;\n \n", "separator"), "no row with a cell in it"),
        (put(tmp_path, b"\xef\xbb\xbf\x1c\n", "blanks"), "no row with a cell in it"),
    ]:
        with pytest.raises(FunnelError) as refusal:
            read_tables(path)
        assert said in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_an_endless_line_is_refused_quickly(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="a first line of more than 16,777,216 characters"):
        read_table(put(tmp_path, b"x" * 20_000_000))


def test_a_sheet_that_claims_a_million_columns_is_read_as_it_is(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in CELLS:
        book.active.append(row)
    book.save(tmp_path / "plain.xlsx")
    with zipfile.ZipFile(tmp_path / "plain.xlsx") as old, zipfile.ZipFile(tmp_path / "wide.xlsx", "w") as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry).replace(b'ref="A1:C3"', b'ref="A1:XFD1048576"'))
    assert cells(tmp_path / "wide.xlsx") == CELLS


def test_damage_inside_a_sheet_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["x"])
    book.save(tmp_path / "plain.xlsx")
    with zipfile.ZipFile(tmp_path / "plain.xlsx") as old, zipfile.ZipFile(tmp_path / "cut.xlsx", "w") as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry)[: 200 if "sheet1" in entry else None])
    with pytest.raises(FunnelError, match=r"cut.xlsx: damaged Excel file"):
        read_table(tmp_path / "cut.xlsx")


def test_a_header_below_many_blank_lines_is_found(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, b"\n" * 120_000 + b"lead,stage\na,b\n", "late.csv"))
    assert table.frame.to_numpy().tolist() == [["a", "b"]]


TITLED = b"""Pipeline report,,,
Generated 2025-06-01,,,
,,,
lead,stage,at,value
1000,New,2025-01-01,10
1000,Won,2025-02-01,10
"""


@pytest.mark.parametrize(
    "data",
    [
        TITLED,
        TITLED.replace(b",,,", b""),  # titles without commas
        TITLED.replace(b"Generated 2025-06-01,,", b"Generated,2025-06-01,"),
        TITLED.replace(b",", b";"),
        TITLED.replace(b",", b"\t"),
    ],
)
def test_a_header_below_title_rows_is_found(tmp_path: Path, data: bytes) -> None:
    table = read_table(put(tmp_path, data))
    assert table.frame.columns.tolist() == ["lead", "stage", "at", "value"]
    assert table.frame["stage"].tolist() == ["New", "Won"]
    assert table.frame.index.tolist() == [5, 6], "the rows as a spreadsheet numbers them"
    assert table.words.endswith(", header in row 4")


def test_blank_lines_above_count_as_rows(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, b"\r\n\r\n" + TITLED.replace(b"\n", b"\r\n")))
    assert table.frame.index.tolist() == [7, 8]


def test_the_row_of_the_header_can_be_stated(tmp_path: Path) -> None:
    data = b"a,b,c,d\nx,y,z,w\nlead,stage,at,value\n1,New,2025-01-01,10\n"
    assert read_table(put(tmp_path, data)).frame.columns.tolist() == ["a", "b", "c", "d"]
    assert read_table(put(tmp_path, data), Door(header=3)).frame.to_numpy().tolist() == [
        ["1", "New", "2025-01-01", "10"]
    ]
    with pytest.raises(FunnelError, match="header: 9 given, but that row holds no cell"):
        read_table(put(tmp_path, data), Door(header=9))
    log = put(
        tmp_path,
        b"some,words,of,ours\nlead,stage,at,value\n1,New,2025-01-01,1\n1,Won,2025-01-02,1\n",
        "l.csv",
    )
    assert len(read_history(log, {"header": 2}).events) == 2
    with pytest.raises(FunnelError, match="header: 0 given"):
        read_history(log, {"header": 0})


def test_a_sheet_with_titles_a_blank_column_and_a_cover(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Cover"
    book.active["B2"] = "Our pipeline"
    page = book.create_sheet("Deals")
    for number, row in enumerate([["Pipeline report"], [], *([None, *cells] for cells in CELLS)], start=1):
        for place, cell in enumerate(row, start=1):
            page.cell(number, place, cell)
    book.save(tmp_path / "book.xlsx")
    table = read_table(tmp_path / "book.xlsx")
    assert table.words == "Excel, sheet 'Deals' of Cover, Deals, header in row 3"
    assert table.frame.columns.tolist() == ["column 1", *CELLS[0]]
    assert table.frame["stage"].tolist() == [CELLS[1][1], CELLS[2][1]]
    assert table.frame.index.tolist() == [4, 5]


def test_zero_bytes_in_a_column_that_nobody_reads_are_no_obstacle(tmp_path: Path) -> None:
    rows = [
        f"L{n},{place},2025-01-0{day},{'x' * 200}"
        for n in range(5)
        for place, day in (("New", 1), ("Won", 2))
    ]
    text = "\n".join(["lead,stage,at,note", *rows]).encode()
    spoilt = text.replace(b"x" * 200, b"x\0" + b"x" * 198, 1)
    assert len(read_history(put(tmp_path, spoilt, "note.csv")).events) == 10
    with pytest.raises(
        FunnelError, match=r"lead.csv, row 4: holds binary data \(a zero byte\) in column 'lead'"
    ):
        read_history(put(tmp_path, text.replace(b"L1", b"L\x001", 1), "lead.csv"))


@pytest.mark.parametrize(
    ("text", "code_page"), [("Müller", "cp1252"), ("贏單甲乙丙丁", "big5"), ("赢单甲乙", "gbk")]
)
def test_parquet_whose_text_is_not_utf8_is_read(tmp_path: Path, text: str, code_page: str) -> None:
    raw = pa.array([text.encode(code_page), b"plain", None], pa.binary())
    table = pa.table(
        {"lead": pa.Array.from_buffers(pa.string(), 3, raw.buffers(), raw.null_count), "n": [1, 2, 3]}
    )
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    found = read_table(tmp_path / "log.parquet").frame
    assert found["lead"].fillna("").tolist() == [text, "plain", ""]
    assert found["n"].tolist() == [1, 2, 3]


def test_stamps_of_postgresql(tmp_path: Path) -> None:
    stamps = ["2025-01-01 10:00:00+00", "2025-01-02 10:00:00.123+02", "2025-01-03 10:00:00-05:30"]
    rows = [f"L{n},Won,{at}" for n, at in enumerate(stamps)]
    made = read_history(put(tmp_path, "\n".join(["lead,stage,at", *rows]).encode()))
    assert [f"{at:%d %H:%M}" for at in made.events["at"]] == ["01 10:00", "02 08:00", "03 15:30"]


DEALS = [
    ("deal", "created", "closed", "status", "amount"),
    (1, "2025-01-01", "2025-02-01", "Won", 1000.125),
    (2, "2025-01-02", "2025-02-02", "Lost", 700),
    (3, "2025-01-03", None, "Open", 500),
]


def workbook(path: Path, formats: list[str]) -> Path:
    """Write deals as a workbook, their amounts in these number formats."""
    book = openpyxl.Workbook()
    sheet = book.active
    for row in DEALS:
        sheet.append(row)
    for row, kind in enumerate(formats, start=2):
        sheet.cell(row, 5).number_format = kind
    book.save(path)
    return path


def test_currencies_that_number_formats_show_are_currencies(tmp_path: Path) -> None:
    euros = ["#,##0.00\\ [$€-407]", "[$EUR]\\ 0", '#,##0.00 "€"']
    made = read_history(workbook(tmp_path / "euros.xlsx", euros))
    assert (made.currency, bookings(made)["value"].tolist()) == ("EUR", [1000.125])
    assert open_leads(made)["value"].tolist() == [500.0]
    with pytest.raises(FunnelError, match="amounts in USD, EUR cannot be added up"):
        read_history(workbook(tmp_path / "mixed.xlsx", ['"$"#,##0', *euros[1:]]))
    assert read_history(workbook(tmp_path / "plain.xlsx", ["0.00", '0 "kg"'])).currency == ""


def test_formulas_that_nobody_has_worked_out_are_refused(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(workbook(tmp_path / "d.xlsx", []))
    book.active["E2"] = "=500*2"
    book.save(tmp_path / "d.xlsx")
    with pytest.raises(FunnelError, match=r"d\.xlsx, sheet 'Sheet': the formula in cell E2 has no value yet"):
        read_history(tmp_path / "d.xlsx")
