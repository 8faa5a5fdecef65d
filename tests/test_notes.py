"""What calibration warns of: here, a record that ends long before the as-of date."""

from dataclasses import replace

import pandas as pd
import pytest
from made_up import UNTIL, history

from funnelsim.calibrate.calibrate import calibrate, describe

DATA = history(300)


def test_an_as_of_date_long_after_the_last_event_is_noticed() -> None:
    """The last event is of 2025-12-31, as somebody enters about every second day."""
    late = replace(DATA, until=UNTIL + pd.Timedelta(days=500))
    said = describe(calibrate(late))
    assert "nothing is recorded in the 500 days before the as-of date (last event: 2025-12-31)" in said
    assert "the longest pause before took 7 days" in said


@pytest.mark.parametrize("days", [0, 6])
def test_a_week_without_events_is_usual(days: int) -> None:
    assert "nothing is recorded" not in describe(
        calibrate(replace(DATA, until=UNTIL + pd.Timedelta(days=days)))
    )


def test_a_pause_like_an_earlier_one_is_usual() -> None:
    events = DATA.events
    summer = (events["at"] >= "2025-07-01") & (events["at"] < "2025-09-01")
    gap = replace(DATA, events=events[~summer].reset_index(drop=True))
    said = [describe(calibrate(replace(gap, until=UNTIL + pd.Timedelta(days=days)))) for days in (50, 70)]
    assert ["nothing is recorded" in words for words in said] == [False, True]
