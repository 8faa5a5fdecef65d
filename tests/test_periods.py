"""Weeks, months, quarters and fiscal quarters begin and end where a planner expects."""

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.forecasting.periods import days_of, past_periods, periods_from


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
