"""Cells to moments: every way of writing, and which of day and month comes first."""

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.parse import day_first, to_moments

MARCH = pd.Timestamp("2026-03-31")
AFTERNOON = pd.Timestamp("2026-03-31 14:05")


def one(text: object, **how: object) -> pd.Timestamp:
    return to_moments(pd.Series([text]), "x.csv, column 'at'", **how)[0]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-31", "2026-3-31", "2026/3/31", "31.03.2026", "31.3.26", "3/31/2026", "31 Mar 2026",
        "31-Mar-26", "Mar 31, 2026", "March 31, 2026", "20260331", "46112", "2026年3月31日", " 2026-03-31 ",
    ],
)  # fmt: skip
def test_days(text: str) -> None:
    assert one(text) == MARCH


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-31 14:05", "2026-03-31T14:05:00", "2026-03-31T14:05:00.000Z", "2026-03-31T16:05:00+02:00",
        "2026-03-31 14:05:00 UTC", "2026-03-31 16:05:00.5+02:00", "3/31/2026 2:05 PM", "31.03.2026 14:05:00",
        "3/31/26 2:05 p.m.", "2026年3月31日 下午2:05", "2026/3/31 14:05", "1774965900", "1774965900000",
    ],
)  # fmt: skip
def test_moments(text: str) -> None:
    assert one(text).floor("s") == AFTERNOON


def test_midnight_and_noon_on_the_twelve_hour_clock() -> None:
    assert one("3/31/2026 12:05 AM") == pd.Timestamp("2026-03-31 00:05")
    assert one("3/31/2026 12:05 PM") == pd.Timestamp("2026-03-31 12:05")
    assert one("2026年3月31日 上午12:05") == pd.Timestamp("2026-03-31 00:05")


def test_the_whole_column_tells_whether_the_day_comes_first() -> None:
    cells = pd.Series(["03/04/2026", "25/04/2026", ""])
    assert to_moments(cells, "x")[:2].tolist() == [pd.Timestamp("2026-04-03"), pd.Timestamp("2026-04-25")]
    cells = pd.Series(["03/04/2026", "04/25/2026"])
    assert to_moments(cells, "x")[0] == pd.Timestamp("2026-03-04")
    assert one("03/04/2026", first=True) == pd.Timestamp("2026-04-03")
    assert one("05/05/2026") == pd.Timestamp("2026-05-05"), "either way the same day"
    assert day_first(pd.Series(["03/04/2026"]), "x") is None
    with pytest.raises(FunnelError, match=r"row 0: '03/04/2026' may have the day or the month first"):
        one("03/04/2026")
    with pytest.raises(FunnelError, match=r"the day comes first in one date \(row 0: '25/04/2026'\)"):
        to_moments(pd.Series(["25/04/2026", "04/25/2026"]), "x")


def test_zones_and_daylight_saving() -> None:
    assert one("2026-03-29T00:30:00Z", zone="Europe/Berlin") == pd.Timestamp("2026-03-29 01:30")
    assert one("2026-03-29T01:30:00Z", zone="Europe/Berlin") == pd.Timestamp("2026-03-29 03:30")
    aware = pd.Series(pd.to_datetime(["2026-03-31 16:05+02:00"]))
    assert to_moments(aware, "x")[0] == AFTERNOON
    with pytest.raises(FunnelError, match="'Europe/Berlim' is no time zone"):
        one("2026-03-29T01:30:00Z", zone="Europe/Berlim")


def test_typed_cells() -> None:
    assert to_moments(pd.Series([AFTERNOON, None]), "x").isna().tolist() == [False, True]
    assert to_moments(pd.Series([AFTERNOON.to_pydatetime(), None], dtype=object), "x")[0] == AFTERNOON
    assert to_moments(pd.Series([MARCH.date()], dtype=object), "x")[0] == MARCH
    assert to_moments(pd.Series([46112]), "x")[0] == MARCH


@pytest.mark.parametrize("text", ["", "-", "N/A", "null", "0000-00-00", "0000-00-00 00:00:00", None])
def test_blank_cells(text: object) -> None:
    assert pd.isna(one(text))


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30", "31/31/2026", "2026-03-31 25:00", "31.03.2026 10:00:60",
        "31.03.2026 10:60", "31.03.2026 24:00", "12:30", "3", "2026", "yesterday", "9999-01-01",
        "1066-10-14", "2026-13-01", "1.2.3.4", "99999999999999999999", "-46112", "inf",
        "2026-03-31T14:05:00+99:00",
    ],
)  # fmt: skip
def test_what_is_no_date_is_refused_with_its_row(text: str) -> None:
    with pytest.raises(FunnelError) as refusal:
        to_moments(pd.Series(["2026-01-01", text], index=[2, 3]), "x.csv, column 'at'")
    assert text[:10] in str(refusal.value)
    assert "x.csv, column 'at'" in str(refusal.value)


def test_cells_of_a_spreadsheet_without_a_zone_are_not_moved() -> None:
    cells = pd.Series([AFTERNOON.to_pydatetime(), None], dtype=object)
    assert to_moments(cells, "x", zone="Europe/Berlin")[0] == AFTERNOON


def test_a_column_of_dates_and_texts_is_read_cell_by_cell() -> None:
    mixed = pd.Series([AFTERNOON.to_pydatetime(), "2026-03-31", None], index=[1, 2, 3], dtype=object)
    assert to_moments(mixed, "x").tolist()[:2] == [AFTERNOON, MARCH]
    with pytest.raises(FunnelError, match="row 2: 'soon'"):
        to_moments(mixed.replace("2026-03-31", "soon"), "x")
