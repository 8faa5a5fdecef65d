"""Weekdays and quarter ends count when they are clearly in the record, and not otherwise."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from funnelsim.calibration.shocks import win_calendar
from funnelsim.model.model import Calendar, booking_factors, in_rush

BEGAN, UNTIL = pd.Timestamp("2023-01-01"), pd.Timestamp("2026-01-01")
DAYS = pd.date_range(BEGAN, UNTIL - pd.Timedelta(days=1))


def wins(per_day: np.ndarray, seed: int) -> pd.Series:
    return pd.Series(DAYS.repeat(np.random.default_rng(seed).poisson(per_day)))


def test_even_wins_have_no_calendar() -> None:
    found, notes = win_calendar(wins(np.full(len(DAYS), 1.5), 1), BEGAN, UNTIL)
    assert found == Calendar()
    assert notes == ()


def test_weekends_without_signatures_are_found() -> None:
    factor = np.where(DAYS.day_of_week < 5, 1.4, 0.0)
    found, notes = win_calendar(wins(1.5 * factor, 2), BEGAN, UNTIL)
    assert_allclose(found.week, [1.4] * 5 + [0, 0], atol=4 * 1.4 / np.sqrt(1.5 * 1.4 * 156))
    assert "Saturday and Sunday" in notes[0]
    assert found.rush == 1.0


def test_quarter_end_rush_is_found() -> None:
    found, notes = win_calendar(wins(np.where(in_rush(DAYS), 4.0, 1.6), 3), BEGAN, UNTIL)
    error = np.sqrt(1 / (12 * 40) + 1 / (12 * 81 * 1.6))
    assert abs(np.log(found.rush / 2.5) * 13 / 12) < 4 * error + np.log(2.5) / 12
    assert "12 quarters" in notes[-1]


def test_too_few_wins_say_nothing() -> None:
    assert win_calendar(pd.Series(DAYS[:40:7]), BEGAN, UNTIL)[0] == Calendar()


def test_factors_average_one_over_years() -> None:
    calendar = Calendar(week=(1.2, 1.2, 1.2, 1.2, 1.2, 0.5, 0.5), rush=3.0)
    assert_allclose(booking_factors(calendar, BEGAN, 4 * 1461).mean(), 1.0, atol=2e-3)


def test_quarters_of_a_fiscal_year() -> None:
    assert in_rush(pd.DatetimeIndex(["2026-01-31", "2026-03-31"]), first_month=2).tolist() == [True, False]
