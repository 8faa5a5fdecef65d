"""One half-open rule: every window, bin and block owns its first moment and not its end."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from funnelsim.calibration.counting import Visits, blocks_back, count_visits, counts_between
from funnelsim.calibration.intake import block_counts, expected_path, weekday_pattern
from funnelsim.calibration.shocks import latest_windows
from funnelsim.forecasting.baselines import View, cohort_rates

DAYS = st.lists(st.integers(-84, -1), min_size=1, max_size=60)
PART = st.integers(0, 86_399).map(lambda second: second / 86_400)


def visits(day: np.ndarray, dwell: float) -> Visits:
    zero = np.zeros(len(day), dtype=np.int64)
    return Visits(zero, zero, zero, day, np.zeros(len(day)), np.full(len(day), dwell))


@given(DAYS, PART, st.sampled_from([7, 28]))
def test_time_of_day_moves_no_lead_to_another_block(days: list[int], part: float, block: int) -> None:
    """A date without a time is its day's first moment, so any time of that day lies in the same block."""
    day = np.array(days, dtype=float)
    assert_allclose(block_counts(day + part, -84.0, block), block_counts(day, -84.0, block))
    assert block_counts(day, -84.0, block).sum() == len(days)


@given(DAYS, PART)
def test_time_of_day_moves_no_event_to_another_window(days: list[int], part: float) -> None:
    """Losses and wins that end on a window's edge belong to the newer one, and to one only."""
    day = np.array(days, dtype=float)

    def events(shift: float) -> list[float]:
        found = visits(day - 3 + shift, 3.0)
        counts = [count_visits(found, (1, 1, 1), window=one) for one in latest_windows(-84.0, 7.0)]
        return [float(one.events.sum()) for one in counts]

    assert events(part) == events(0.0)
    assert sum(events(0.0)) == len(days)
    assert events(0.0)[::-1] == block_counts(day, -84.0, 7).tolist()


@given(DAYS, PART)
def test_periods_weekdays_and_cohorts_keep_the_rule(days: list[int], part: float) -> None:
    day = np.array(days, dtype=float)
    edges = np.arange(-84.0, 1.0, 7.0)
    assert_allclose(counts_between(day + part, edges), counts_between(day, edges))
    assert_allclose(counts_between(day, edges), block_counts(day, -84.0, 7))
    assert_allclose(weekday_pattern(day + part, 12)[0], weekday_pattern(day, 12)[0])


def test_blocks_and_windows_are_the_same_days() -> None:
    day = np.arange(-56.0, 0.0, 0.25)
    for number, (first, end) in enumerate(latest_windows(-56.0, 7.0)):
        assert ((blocks_back(day, 7.0) == number) == ((day >= first) & (day < end))).all()


def test_the_last_week_of_dates_without_times_has_seven_days() -> None:
    assert block_counts(np.arange(-28.0, 0.0), -28.0, 7).tolist() == [7.0] * 4
    days = np.arange(-364.0, 0.0)
    assert_allclose(expected_path(days, -364.0, 28.0)[0], expected_path(days + 0.5, -364.0, 28.0)[0])


def test_a_win_on_the_first_day_of_the_running_period_is_not_of_the_last() -> None:
    assert counts_between(np.array([-30.0, -10.0]), np.array([-30.0, -20.0, -10.0])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_lead_of_a_whole_period_ago_is_of_the_newest_cohort(part: float) -> None:
    """Of ten leads 28 days old and ten 29 days old, all of the second won within their first period."""
    days = np.repeat([-28.0, -29.0], 10) + part
    frame = pd.DataFrame({"lead": np.arange(20).astype(str), "start": days, "stop": -0.5, "entry": True})
    frame["exit"] = np.repeat(["", "Won"], 10)
    frame.loc[10:, "stop"] = -28.25
    edges = np.array([-56.0, -28.0, 0.0])
    view = View(frame, np.full(10, -28.25), np.ones(10), ("Won",), edges, np.array([0.0, 28.0]), 13)
    # the newest cohort of ten: no win of its own yet, and a tenth of nothing from older ones
    assert_allclose(cohort_rates(view)[0], 10 * 10 / 20)
