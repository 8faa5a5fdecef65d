"""When wins are booked: weekdays on which nobody signs, and the rush before a quarter ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RUSH_DAYS = 10


@dataclass(frozen=True)
class Calendar:
    """How often wins are booked on a day, compared with an average day.

    Args:
        week: factors of the weekdays, Monday first, averaging 1.
        rush: factor of the last ten days of a quarter, compared with its other days.
        first_month: month in which the fiscal year starts; it moves the quarters.
    """

    week: tuple[float, ...] = (1.0,) * 7
    rush: float = 1.0
    first_month: int = 1


def in_rush(days: pd.DatetimeIndex, first_month: int = 1) -> NDArray[np.bool_]:
    """Return which days are among the last ten of a quarter.

    >>> in_rush(pd.DatetimeIndex(["2026-06-20", "2026-06-21", "2026-05-31"])).tolist()
    [False, True, False]
    """
    last = (days.month.to_numpy() - first_month) % 3 == 2
    found: NDArray[np.bool_] = last & (days.day.to_numpy() > days.days_in_month.to_numpy() - RUSH_DAYS)
    return found


def booking_factors(calendar: Calendar, as_of: pd.Timestamp, days: int) -> Floats:
    """Return the factor of each of the next days, averaging 1 over whole weeks and quarters, shape (days,).

    >>> booking_factors(Calendar(week=(1.4,) * 5 + (0.0, 0.0)), pd.Timestamp("2026-01-02"), 4).tolist()
    [1.4, 0.0, 0.0, 1.4]
    """
    index = pd.date_range(as_of.normalize(), periods=days)
    share = 4 * RUSH_DAYS / 365.25
    level = 1 / (1 + (calendar.rush - 1) * share)
    quarter = np.where(in_rush(index, calendar.first_month), calendar.rush, 1.0) * level
    factors: Floats = np.array(calendar.week)[index.day_of_week.to_numpy()] * quarter
    return factors
