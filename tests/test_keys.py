"""Names of leads: repeated, rounded by a spreadsheet, or matching nothing, half or twice in a second file."""

from pathlib import Path

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.by_lead import lost_digits
from funnelsim.history.log import History, bookings, open_leads
from funnelsim.history.read import read_history
from funnelsim.history.tables import Table

DEALS = pd.DataFrame(
    [("Renewal", f"2025-01-{n:02d}", "Won", f"2025-03-{n:02d}", 1000) for n in range(1, 13)]
    + [(f"Deal {n}", f"2025-02-{n + 1:02d}", "Open", "", 500) for n in range(5)]
    + [("Renewal", f"2025-02-{n:02d}", "Open", "", 500) for n in range(11, 14)],
    columns=["name", "created", "stage", "closed", "value"],
)
MAPPING = {
    "columns": {"lead": "name", "value": "value"},
    "dates": {"Start": "created"},
    "outcome": {"stage": "stage", "at": "closed"},
    "won": "Won",
}


def lines(history: History) -> dict[str, int]:
    return {line.kind: line.count for line in history.quality.findings}


@pytest.mark.parametrize("more", [{}, {"row": "lead"}, {"row": "lead", "columns": {"value": "value"}}])
def test_rows_that_share_a_name_are_leads_of_their_own(more: dict[str, object]) -> None:
    made = read_history(DEALS, MAPPING | more)
    assert len(made.leads) == made.quality.read == made.quality.used == 20
    assert (len(bookings(made)), bookings(made)["value"].sum()) == (12, 12_000.0)
    assert (len(open_leads(made)), open_leads(made)["value"].sum()) == (8, 4_000.0)
    assert lines(made).get("rows that share a lead's name", 0) == (0 if more else 15)


def test_names_say_which_row_it_is() -> None:
    assert read_history(DEALS, MAPPING).leads.index.tolist()[:2] == ["Deal 0", "Deal 1"]
    assert "Renewal (row 1)" in read_history(DEALS, MAPPING).leads.index
    assert "row 13" in read_history(DEALS, {**MAPPING, "row": "lead", "columns": {}}).leads.index


def test_row_lead_needs_one_row_per_lead() -> None:
    with pytest.raises(FunnelError, match="`row: lead` needs a table with one row per lead"):
        read_history(DEALS, {"columns": {"lead": "name", "at": "created"}, "row": "lead"})


def test_exact_copies_of_a_row_are_set_aside_where_names_are_keys() -> None:
    keyed = DEALS.assign(name=[f"id {n}" for n in range(20)])
    made = read_history(pd.concat([keyed, keyed[:3]]), MAPPING)
    assert (len(bookings(made)), lines(made)["exact copies of a row"]) == (12, 3)
    assert (made.quality.read, made.quality.used) == (23, 20)
    named = read_history(pd.concat([DEALS, DEALS[:3]]), MAPPING)
    assert (len(bookings(named)), lines(named)["exact copies of a row"]) == (15, 3), "a name is no key"
    every = read_history(pd.concat([keyed, keyed[:3]]), {**MAPPING, "row": "lead"})
    assert len(bookings(every)) == 15, "the mapping says that each row is a lead"


def test_ids_in_exponent_form_are_told_and_lose_no_deal(tmp_path: Path) -> None:
    rows = [
        f"{name},Deal {n},{end},1000,2025-01-{n + 1:02d} 10:00,2025-02-{n + 1:02d} 10:00"
        for name, end in (("1.23457E+12", "Closed Won"), ("9.87654E+11", "Closed Lost"))
        for n in range(10)
    ]
    header = "Record ID,Deal Name,Deal Stage,Amount,Create Date,Close Date"
    (tmp_path / "deals.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    made = read_history(tmp_path / "deals.csv")
    assert (len(made.leads), len(bookings(made)), bookings(made)["value"].sum()) == (20, 10, 10_000.0)
    assert lines(made)["ids rounded by a spreadsheet"] == 20


def test_rounded_ids_in_a_log_are_refused() -> None:
    log = pd.DataFrame(
        {"lead": ["1.23457E+12"] * 2, "stage": ["A", "Won"], "at": ["2025-01-01", "2025-01-02"]}
    )
    with pytest.raises(FunnelError, match="row 1, column 'lead': '1.23457E.12' was rounded by a spreadsheet"):
        read_history(log)


def test_which_ids_are_rounded() -> None:
    exact = pd.Series(["4711", "1.5E+01", "1E5A", "006A00E+1", "1234567890123456", "12e"])
    assert not lost_digits(exact).any()
    assert lost_digits(pd.Series(["1,23457E+12", "1e9", "9.87654e+11"])).all()
    cut = pd.Series([f"{n}23456789012345000" for n in range(1, 7)])
    assert lost_digits(cut).all(), "Excel keeps fifteen digits"
    assert not lost_digits(cut[:3]).any(), "three ids may end in zeros by chance"


LOG = "lead,stage,at\n" + "".join(
    f"006A0000001{n:04d},New,2025-01-01\n006A0000001{n:04d},Won,2025-02-01\n" for n in range(10)
)
TOLD = {"columns": {"lead": "lead", "value": "Amount"}, "attributes": {"file": "attr.csv", "lead": "Id"}}


def with_attributes(folder: Path, rows: list[str]) -> History:
    (folder / "log.csv").write_text(LOG, encoding="utf-8")
    (folder / "attr.csv").write_text("\n".join(["Id,Amount", *rows]), encoding="utf-8")
    (folder / "map.yaml").write_text(
        "columns: {lead: lead, value: Amount}\nattributes: {file: attr.csv, lead: Id}\n", encoding="utf-8"
    )
    return read_history(folder / "log.csv", folder / "map.yaml")


def test_a_second_file_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match=r"0 of 10 leads are in attr.csv.*15 and of 18 characters"):
        with_attributes(tmp_path, [f"006A0000001{n:04d}AAX,100" for n in range(10)])
    with pytest.raises(FunnelError, match=r"0 of 10 leads are in attr.csv: it names them like '006A"):
        with_attributes(tmp_path, ["x,1", "y,2"])


def test_a_second_file_that_matches_half_or_twice_is_told(tmp_path: Path) -> None:
    half = with_attributes(tmp_path, [f"006A0000001{n:04d},100" for n in range(4)])
    line = next(line for line in half.quality.findings if line.kind == "leads without a row in attr.csv")
    assert (line.count, "4 of 10 leads are in attr.csv" in line.done) == (6, True)
    rows = [f"006A0000001{n:04d},{amount}" for amount in (100, 250) for n in range(10)]
    twice = with_attributes(tmp_path, [*rows[:13], *rows[:2]])
    line = next(line for line in twice.quality.findings if line.kind == "leads with several rows in attr.csv")
    assert line.count == 3
    assert "3 of them differ" in line.done
    assert bookings(twice)["value"].sum() == 1000.0
    same = with_attributes(tmp_path, rows[:10] + rows[:2])
    assert any("0 of them differ" in line.done for line in same.quality.findings)


def test_deleted_rows_of_a_second_file_are_no_match(tmp_path: Path) -> None:
    with_attributes(tmp_path, ["006A00000010000,100"])
    (tmp_path / "attr.csv").write_text(
        "Id,Amount,IsDeleted\n006A00000010000,100,true\n006A00000010001,70,false\n", encoding="utf-8"
    )
    assert bookings(read_history(tmp_path / "log.csv", tmp_path / "map.yaml"))["value"].sum() == 70.0


def test_whole_numbers_are_the_same_keys_with_and_without_a_decimal_point() -> None:
    """A column of numbers with a blank cell is one of floats to pandas; 7.5 stays as it is."""
    table = Table(pd.DataFrame({"id": [7.0, 1e6, None], "part": [7.5, 8.0, None]}), "x.csv", "in memory")
    assert table.text("id").tolist() == ["7", "1000000", ""]
    assert table.text("part").tolist() == ["7.5", "8.0", ""]
