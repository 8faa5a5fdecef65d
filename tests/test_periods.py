"""Weeks, months, quarters and fiscal quarters begin and end where a planner expects."""

from typing import Any

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.forecasting.periods import days_of, past_periods, periods_from, periods_until, targets_of


def test_the_first_period_holds_the_moment() -> None:
    week = periods_from(pd.Timestamp("2026-03-19 15:00"), "week", 2)
    assert [str(p.start.date()) for p in week] == ["2026-03-16", "2026-03-23"]
    assert week[0].end == week[1].start


def test_a_moment_on_an_edge_opens_the_next_period() -> None:
    assert periods_from(pd.Timestamp("2026-04-01"), "quarter", 1)[0].label == "2026 Q2"
    assert periods_from(pd.Timestamp("2026-01-01"), "month", 1)[0].label == "2026-01"


@pytest.mark.parametrize(
    ("day", "first_month", "label", "start"),
    [
        ("2026-03-31", 4, "FY2026 Q4", "2026-01-01"),
        ("2026-04-01", 4, "FY2027 Q1", "2026-04-01"),
        ("2026-01-15", 2, "FY2026 Q4", "2025-11-01"),
        ("2026-07-31", 1, "2026 Q3", "2026-07-01"),
    ],
)
def test_fiscal_quarters(day: str, first_month: int, label: str, start: str) -> None:
    period = periods_from(pd.Timestamp(day), "quarter", 1, first_month)[0]
    assert (period.label, str(period.start.date())) == (label, start)


def test_week_of_a_year_change() -> None:
    assert periods_from(pd.Timestamp("2027-01-01"), "week", 1)[0].label == "2026 W53"


def test_past_periods_end_where_the_present_one_begins() -> None:
    past = past_periods(pd.Timestamp("2026-05-20"), "quarter", 3)
    assert [p.label for p in past] == ["2025 Q3", "2025 Q4", "2026 Q1"]
    assert past[-1].end == pd.Timestamp("2026-04-01")


def test_days_count_from_the_moment_and_the_past_is_zero() -> None:
    moment = pd.Timestamp("2026-05-20 12:00")
    assert days_of(periods_from(moment, "month", 2), moment).tolist() == [0.0, 11.5, 41.5]


@pytest.mark.parametrize(
    ("kind", "count", "words"), [("qarter", 1, "did you mean 'quarter'"), ("week", 0, "periods 0")]
)
def test_wrong_words_are_refused(kind: str, count: int, words: str) -> None:
    with pytest.raises(FunnelError, match=words):
        periods_from(pd.Timestamp("2026-05-20"), kind, count)


@pytest.mark.parametrize(
    ("day", "kind", "first_month", "labels", "start"),
    [
        ("2026-06-30", "half", 1, ["2026 H1", "2026 H2"], "2026-01-01"),
        ("2026-07-01", "year", 1, ["2026", "2027"], "2026-01-01"),
        ("2026-03-31", "half", 4, ["FY2026 H2", "FY2027 H1"], "2025-10-01"),
        ("2026-04-01", "year", 4, ["FY2027", "FY2028"], "2026-04-01"),
        ("2026-01-15", "year", 2, ["FY2026", "FY2027"], "2025-02-01"),
    ],
)
def test_halves_and_years(day: str, kind: str, first_month: int, labels: list[str], start: str) -> None:
    found = periods_from(pd.Timestamp(day), kind, 2, first_month)
    assert [one.label for one in found] == labels
    assert str(found[0].start.date()) == start
    assert (
        found[0].end == found[1].start == found[0].start + pd.DateOffset(months=6 if kind == "half" else 12)
    )


@pytest.mark.parametrize("kind", ["week", "month", "quarter", "half", "year"])
@pytest.mark.parametrize("until", ["2026-06-20", "2026-12-31", "2027-02-14", "2028"])
def test_periods_up_to_a_day_are_those_without_it_but_for_the_last(kind: str, until: str) -> None:
    moment = pd.Timestamp("2026-05-20")
    found = periods_until(moment, kind, until)
    whole = periods_from(moment, kind, len(found))
    assert found[:-1] == whole[:-1]
    day = "2028-12-31" if until == "2028" else until
    end = pd.Timestamp(day) + pd.Timedelta(days=1)
    assert found[-1].start < end == found[-1].end <= whole[-1].end
    assert found[-1].cut == (end < whole[-1].end) == found[-1].label.endswith(f" to {day}")


def test_a_last_day_that_is_over_or_none_is_refused() -> None:
    for until, words in (("2026-05-19", "until 2026-05-19: is over"), ("soon", "until 'soon' is no date")):
        with pytest.raises(FunnelError, match=words):
            periods_until(pd.Timestamp("2026-05-20"), "month", until)


AHEAD = periods_until(pd.Timestamp("2026-07-01"), "quarter", "2026-11-15")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, {}),
        (2_500_000, {"2026 Q3": 2.5e6, "2026 Q4 to 2026-11-15": 2.5e6}),
        ("2.5M", {"2026 Q3": 2.5e6, "2026 Q4 to 2026-11-15": 2.5e6}),
        ("2026Q3=1,5 Mio,total=300k", {"2026 Q3": 1.5e6, "total": 3e5}),
        ("2026-q4 = 12,000; 2026 Q3=1.234.567", {"2026 Q4 to 2026-11-15": 12e3, "2026 Q3": 1234567.0}),
        ({"total": 6e6, "2026Q3": "2M"}, {"total": 6e6, "2026 Q3": 2e6}),
    ],
)
def test_targets_by_name(given: Any, wanted: dict[str, float]) -> None:
    assert targets_of(given, AHEAD) == wanted


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("-5", "target -5: expected an amount of money above 0, such as 2500000, 2.5M"),
        ("0", "target 0: expected"),
        (float("inf"), "target inf: expected"),
        ("2026Q3=a lot", "target 2026Q3=a lot: expected an amount"),
        ("2.500", "could be two numbers; write 2.5000 or 2500"),
        ("1,250M", "could be two numbers; write 1.25M or 1250M"),
        ("2026Q3=1M,2026Q3=2M", "'2026Q3' is given twice"),
        ("2026Q3=1M,2026 Q3=2M", "'2026 Q3' is given twice"),
        ("2026Q5=1M", "target 2026Q5: no such period is forecast; did you mean '2026 Q3'"),
    ],
)
def test_wrong_targets_are_refused(given: Any, words: str) -> None:
    with pytest.raises(FunnelError, match=words):
        targets_of(given, AHEAD)
