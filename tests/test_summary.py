"""What was read is said: as-of date and its row, zone, marks, currency; and one dictionary of all of it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from funnelsim.history.export import reading_notes, summary_of
from funnelsim.history.log import History, bookings, open_leads, spells
from funnelsim.history.read import read_history

OPENED = [(f"L{n}", f"2026-03-{n + 1:02d}T10:00:00-05:00") for n in range(10)]


def evening() -> pd.DataFrame:
    rows = [(lead, "New", at, 100) for lead, at in OPENED]
    rows += [(lead, "Won", "2026-03-31T21:00:00-05:00", 100) for lead, _ in OPENED]
    return pd.DataFrame(rows, columns=["lead", "stage", "at", "value"])


def written(folder: Path, text: str, name: str = "log.csv", **how: object) -> History:
    (folder / name).write_text(text, encoding="utf-8")
    return read_history(folder / name, **how)


def notes(history: History) -> str:
    return " ".join(reading_notes(history))


def test_moments_that_were_moved_to_utc_are_told() -> None:
    made = read_history(evening())
    assert bookings(made)["at"].unique().tolist() == [pd.Timestamp("2026-04-01 02:00")]
    assert "were moved to UTC, so that an evening may count as the next day; say `zone:" in notes(made)
    assert summary_of(made)["zone"] == "UTC"
    there = read_history(evening(), {"zone": "America/New_York"})
    assert bookings(there)["at"].unique().tolist() == [pd.Timestamp("2026-03-31 22:00")], "summer time"
    assert "Moments that carry a time zone are shown in America/New_York." in notes(there)
    assert summary_of(there)["zone"] == "America/New_York"


def test_dates_without_a_zone_have_none() -> None:
    made = read_history(evening().assign(at=[f"2026-03-{n % 10 + 1:02d} 10:00" for n in range(20)]))
    assert summary_of(made)["zone"] is None
    assert "zone" not in notes(made)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "Europe/London", None])
def test_the_hour_that_the_clock_shows_twice_keeps_its_order(zone: str | None) -> None:
    rows = [
        (f"L{n}", place, at)
        for n in range(3)
        for place, at in (("New", "2025-10-26T02:30:00+02:00"), ("Won", "2025-10-26T02:15:00+01:00"))
    ]
    frame = pd.DataFrame(rows, columns=["lead", "stage", "at"])
    for order in (frame, frame[::-1]):
        made = read_history(order, None if zone is None else {"zone": zone})
        assert open_leads(made).empty
        assert made.events["stage"].tolist() == ["New", "Won"] * 3
        visits = spells(made)
        assert (visits["start"] <= visits["stop"]).all()
        assert not any(line.kind == "events after an end" for line in made.quality.findings)


def test_the_as_of_date_names_its_row() -> None:
    made = read_history(evening(), {"zone": "America/New_York"})
    assert notes(made).startswith(
        "As of 2026-03-31, the last day with an event (row 11: lead 'L0', 'Won', 2026-03-31 22:00:00)."
    )
    asked = read_history(evening(), as_of="2026-06-30")
    assert notes(asked).startswith("As of 2026-06-30, as asked for.")
    assert summary_of(read_history(evening(), as_of="2026-06-30 12:00"))["as_of"] == "2026-06-30T12:00:00"


def amounts(*cells: str, separator: str = ",") -> str:
    quoted = [f'"{cell}"' if separator in cell else cell for cell in cells]
    rows = [
        separator.join([str(n), place, f"2025-0{month}-0{n + 2}", cell])
        for n, cell in enumerate(quoted)
        for place, month in (("New", 1), ("Won", 2))
    ]
    return "\n".join([separator.join(["lead", "stage", "at", "value"]), *rows])


@pytest.mark.parametrize(
    ("cells", "separator", "total", "said"),
    [
        (("3.150", "4.250", "5.350"), ",", 12.75, "decimal point: '3.150' is 3.15; say `decimal: comma`"),
        (("3.150", "4.250", "5.350"), ";", 12750, "decimal comma: '3.150' is 3,150; say `decimal: point`"),
        (("3,150", "4,250"), ",", 7400, "decimal point: '3,150' is 3,150; say `decimal: comma`"),
        (("3.15", "4.250"), ",", 7.4, "Amounts are read with a decimal point."),
        (("1.234,50", "20"), ";", 1254.5, "Amounts are read with a decimal comma."),
        (("1.234.500", "20"), ",", 1234520, "Amounts are read with a decimal comma."),
        (("12", "20"), ",", 32, ""),
    ],
)
def test_the_decimal_mark_is_told(
    tmp_path: Path, cells: tuple[str, ...], separator: str, total: float, said: str
) -> None:
    made = written(tmp_path, amounts(*cells, separator=separator))
    assert bookings(made)["value"].sum() == pytest.approx(total)
    assert said in notes(made)
    assert ("decimal" in notes(made)) == bool(said)


def test_a_stated_mark_leaves_no_doubt(tmp_path: Path) -> None:
    made = written(tmp_path, amounts("3.150", "4.250"), mapping={"decimal": "comma"})
    assert bookings(made)["value"].sum() == 7400.0
    assert "Amounts are read with a decimal comma." in notes(made)


def test_the_order_of_day_and_month_is_told(tmp_path: Path) -> None:
    text = "lead,stage,at\na,New,03/04/2026\na,Won,{}\n"
    assert "day first (not the month first)" in notes(written(tmp_path, text.format("25/04/2026")))
    assert "month first (not the day first)" in notes(written(tmp_path, text.format("04/25/2026")))
    assert "first" not in notes(
        written(tmp_path, text.replace("03/04/2026", "2026-04-03").format("2026-04-25"))
    )


def test_one_dictionary_for_other_programs() -> None:
    rows = [
        ("a", "New", "2025-01-01", 10.0), ("a", "Won", "2025-01-05", 12.0), ("b", "New", "2025-01-02", 20.0),
        ("c", "New", "2025-01-03", 30.0), ("c", "Lost", "2025-01-04", 30.0), ("", "New", "2025-01-04", 1.0),
    ]  # fmt: skip
    made = read_history(pd.DataFrame(rows, columns=["lead", "stage", "at", "value"]))
    told = summary_of(made)
    told_notes = told.pop("notes")
    assert told == {
        "source": made.source, "as_of": "2025-01-05", "zone": None, "currency": None,
        "rows_read": 6, "rows_used": 5, "set_aside": {"rows without a lead": 1},
        "leads": 3, "wins": 1, "losses": 1, "open": 1, "revenue": 12.0, "open_amount": 20.0,
    }  # fmt: skip
    assert told_notes[:2] == list(reading_notes(made))
    assert "No currency is stated." in told_notes
    assert json.loads(json.dumps(told)) == told


def test_no_amounts_are_no_zero() -> None:
    made = read_history(evening().drop(columns="value"))
    assert (summary_of(made)["revenue"], summary_of(made)["open_amount"]) == (None, None)


def test_customers_who_may_buy_again_are_not_open() -> None:
    made = read_history(evening(), {"won": "Won", "wins": "each"})
    assert (summary_of(made)["open"], summary_of(made)["open_amount"]) == (0, 0.0)
