"""Weekdays and quarter ends in the wins of a history, where they are clearly there."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.model.calendar import Calendar, in_rush

Floats = NDArray[np.float64]

FEWEST_WINS = 50
PRIOR_WINS = 10.0
CLEAR = 0.01
FEWEST_QUARTERS = 4
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def win_calendar(
    won: pd.Series, began: pd.Timestamp, until: pd.Timestamp, first_month: int = 1
) -> tuple[Calendar, tuple[str, ...]]:
    """Return the calendar of wins and what was found, in words; what is not clear is left out.

    Weekdays count when a chi-squared test finds them at p < .01, each shrunk by ten wins to an
    average day. The rush of a quarter's last ten days counts when, over four whole quarters or more,
    the log of its wins per day over those of the other days differs from 0 at p < .01 (t test).

    Args:
        won: moments of the wins.
        began, until: first and last moment of the record.
        first_month: month in which the fiscal year starts.
    """
    week, week_note = _week(won, began, until)
    rush, rush_note = _rush(won, began, until, first_month)
    return Calendar(week, rush, first_month), (*week_note, *rush_note)


def _week(
    won: pd.Series, began: pd.Timestamp, until: pd.Timestamp
) -> tuple[tuple[float, ...], tuple[str, ...]]:
    from scipy.stats import chisquare

    days = pd.date_range(began.normalize(), until - pd.Timedelta(1, "ns")).day_of_week
    exposed = np.bincount(days, minlength=7)
    wins = np.bincount(pd.DatetimeIndex(won).day_of_week, minlength=7)
    if wins.sum() < FEWEST_WINS or (exposed == 0).any():
        return (1.0,) * 7, ()
    fair = wins.sum() * exposed / exposed.sum()
    if chisquare(wins, fair).pvalue >= CLEAR:
        return (1.0,) * 7, ()
    factor = (wins + PRIOR_WINS * exposed / exposed.sum()) / (fair + PRIOR_WINS * exposed / exposed.sum())
    factor /= factor.mean()
    quiet = [name for name, f in zip(WEEKDAYS, factor, strict=True) if f < 0.3]
    words = f"hardly any on {' and '.join(quiet)}" if quiet else f"most on {WEEKDAYS[int(factor.argmax())]}"
    return tuple(factor.tolist()), (
        f"Calendar: wins differ by weekday ({words}), and so do the coming days.",
    )


def _rush(
    won: pd.Series, began: pd.Timestamp, until: pd.Timestamp, first_month: int
) -> tuple[float, tuple[str, ...]]:
    from scipy.stats import ttest_1samp

    ratios = _quarter_ratios(won, began, until, first_month)
    if len(ratios) < FEWEST_QUARTERS or ttest_1samp(ratios, 0.0).pvalue >= CLEAR:
        return 1.0, ()
    rush = float(np.exp(ratios.mean() * len(ratios) / (len(ratios) + 1)))
    more = f"{rush:.1f} times as many wins a day as the rest"
    return rush, (f"Calendar: the last ten days of a quarter bring {more} ({len(ratios)} quarters).",)


def _quarter_ratios(won: pd.Series, began: pd.Timestamp, until: pd.Timestamp, first_month: int) -> Floats:
    """Return the log of wins per day in the last ten days over the other days, for each whole quarter."""
    days = pd.date_range(began.normalize(), until - pd.Timedelta(1, "ns"))
    number = pd.DatetimeIndex(won).normalize().value_counts().reindex(days, fill_value=0).to_numpy()
    quarter = (days.year * 12 + days.month - first_month) // 3
    rush = in_rush(days, first_month)
    ratios = []
    for one in np.unique(quarter):
        mine = quarter == one
        if mine.sum() >= 90 and number[mine].sum() >= FEWEST_WINS / 2:
            last, rest = mine & rush, mine & ~rush
            ratios.append(
                np.log((number[last].sum() + 0.5) / last.sum() / ((number[rest].sum() + 0.5) / rest.sum()))
            )
    return np.array(ratios)
