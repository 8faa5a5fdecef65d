"""What is written reads back as the same history, and no cell runs as a formula."""

from dataclasses import replace
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.export import crm_shape, harmless, process_log, tidy_log, write_table
from funnelsim.history.log import History, bookings, open_leads, spells
from funnelsim.history.read import read_history

ROWS = [
    ("a", "Lead", "2026-01-01 10:00:00.250", "web", 100.0),
    ("a", "Offer", "2026-01-05", "web", 120.0),
    ("a", "Won", "2026-01-10", "web", 90.0),
    ("b", "Lead", "2026-01-02", "=fair", None),
    ("b", "Lost", "2026-01-03", "=fair", None),
    ("b", "Lead", "2026-01-04", "=fair", 70.0),
]


def history() -> History:
    return read_history(pd.DataFrame(ROWS, columns=["lead", "stage", "at", "channel", "value"]))


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_the_tidy_log_reads_back_as_the_same_history(tmp_path: Path, ending: str) -> None:
    made = history()
    write_table(tidy_log(made), tmp_path / f"log.{ending}")
    again = read_history(tmp_path / f"log.{ending}")
    if ending != "parquet":
        assert again.leads["channel"].tolist() == ["web", "'=fair"]
        again = replace(again, leads=again.leads.assign(channel=made.leads["channel"]))
    for table in (spells, open_leads, bookings):
        pd.testing.assert_frame_equal(table(again), table(made))
    for day in ("2026-01-02", "2026-01-05", "2026-01-07"):
        pd.testing.assert_series_equal(again.as_of(day).leads["value"], made.as_of(day).leads["value"])
    assert (again.stages, again.won, again.lost) == (made.stages, made.won, made.lost)


def test_an_update_without_a_move_is_written_too() -> None:
    rows = [*ROWS, ("a", "Offer", "2026-01-07", "web", 95.0)]
    made = read_history(pd.DataFrame(rows, columns=["lead", "stage", "at", "channel", "value"]))
    again = read_history(tidy_log(made))
    pd.testing.assert_frame_equal(spells(again), spells(made))
    assert again.as_of("2026-01-08").leads.loc["a", "value"] == 95.0


def test_the_process_log_has_a_row_per_visit() -> None:
    found = process_log(history())
    assert found.columns.tolist() == ["case_id", "activity", "start_time", "end_time", "resource"]
    assert found["end_time"][:3].tolist() == [pd.Timestamp("2026-01-05")] + [pd.Timestamp("2026-01-10")] * 2
    assert found["end_time"].isna().tolist() == [False] * 5 + [True], "b is open"


def test_formulas_are_neutralised_and_numbers_are_not(tmp_path: Path) -> None:
    bad = ["=1+1", "+1", "-1", "@x", "\t=1", "|calc", "plain", None]
    frame = pd.DataFrame({"=name": bad, "value": range(-4, 4)})
    assert harmless(frame)["'=name"].tolist()[:6] == [f"'{text}" for text in bad[:6]]
    write_table(frame, tmp_path / "deals.xlsx")
    cells = list(openpyxl.load_workbook(tmp_path / "deals.xlsx").active.iter_rows())
    assert all(cell.data_type != "f" for row in cells for cell in row)
    assert cells[1][1].value == -4
    write_table(frame, tmp_path / "deals.csv")
    lines = (tmp_path / "deals.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "'=name,value"
    assert lines[1] == "'=1+1,-4"


def test_a_wrong_ending_or_folder_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match=r"'.xsl' is no known ending; did you mean '.xlsx'"):
        write_table(tidy_log(history()), tmp_path / "log.xsl")
    with pytest.raises(FunnelError, match="there is no folder"):
        write_table(tidy_log(history()), tmp_path / "absent" / "log.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_hubspot_export_has_the_last_entry_into_each_stage() -> None:
    found = crm_shape(history(), "hubspot").set_index("Record ID")
    stages = ("Lead", "Offer", "Won", "Lost")
    assert list(found.columns) == ["Amount", *(f'Date entered "{name} (Sales Pipeline)"' for name in stages)]
    lead, _, won, lost = found.columns[1:]
    assert found.loc["b", [lead, lost]].tolist() == [
        "2026-01-04 00:00:00.000000",
        "2026-01-03 00:00:00.000000",
    ]
    assert found.loc["a", lead] == "2026-01-01 10:00:00.250000" and found[won].isna().tolist() == [
        False,
        True,
    ]
    assert found["Amount"].tolist() == [90.0, 70.0]


def test_cells_of_a_workbook_are_shown_as_what_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"lead": ["a" * 90], "at": pd.to_datetime(["2026-01-01"]), "share": [0.5], "P(win)": [0.25],
         "worth": [1234.5], "n": [3]}
    )  # fmt: skip
    write_table(frame, tmp_path / "table.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "table.xlsx").active
    shapes = [cell.number_format for cell in sheet[2]]
    assert shapes == ["General", "yyyy-mm-dd hh:mm", "0.0%", "0.0%", "#,##0.00", "General"]
    assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref == "A1:F2"
    assert sheet.column_dimensions["F"].width == 3 and sheet.column_dimensions["A"].width == 48
