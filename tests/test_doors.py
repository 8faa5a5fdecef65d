"""Files, archives and folders to tables: every kind is told by content, every damaged one refused."""

import gzip
import os
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history import tables as doors
from funnelsim.history.tables import read_table, read_tables

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
        read_table(tmp_path / "c.xlsx", sheet="othr")
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
