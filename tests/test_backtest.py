"""Backtests: only what was known then, the same from any number of workers, and skill where there is some."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import UNTIL, history
from numpy.testing import assert_allclose

from funnelsim.errors import FunnelError
from funnelsim.forecasting.backtest import (
    OURS,
    SCALED,
    Record,
    origins,
    past_scales,
    replay,
    snapshot,
    summary,
)
from funnelsim.forecasting.forecast import NAMES

DATA = history(1500)
RECORD = replay(DATA, period="month", count=2, start="2025-07-01", draws=10, workers=1).record


def test_every_month_from_the_start_on_is_scored() -> None:
    mine = RECORD[(RECORD["method"] == OURS) & (RECORD["measure"] == "wins")]
    first, second = mine[mine["step"] == 1], mine[mine["step"] == 2]
    assert first["period"].tolist() == [f"2025-{month:02d}" for month in range(7, 13)]
    assert second["period"].tolist() == [f"2025-{month:02d}" for month in range(8, 13)]
    assert (first["origin"] == first["start"]).all()
    won = DATA.events[DATA.events["stage"] == "Won"]["at"]
    assert_allclose(first["actual"].iloc[0], ((won >= "2025-07-01") & (won < "2025-08-01")).sum())


def test_forecasts_are_near_what_happened() -> None:
    """Wins are counts: their error is no more than a few times the luck of a Poisson number."""
    mine = RECORD[(RECORD["method"] == OURS) & (RECORD["measure"] == "wins")]
    z = (mine["actual"] - mine["mean"]) / np.sqrt(mine["mean"])
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert (z**2).mean() < 4


def test_an_edit_of_later_rows_changes_no_forecast_made_before() -> None:
    cut = pd.Timestamp("2025-10-01")
    events = DATA.events.copy()
    late = events["at"] >= cut
    events.loc[late, "stage"] = events.loc[late, "stage"].replace({"Won": "Lost"})
    edited = replace(DATA, events=events[~(late & (np.arange(len(events)) % 3 == 0))].reset_index(drop=True))
    again = replay(edited, period="month", count=2, start="2025-07-01", draws=10, workers=1).record
    for record in (RECORD, again):
        assert (record["origin"] < cut).any()
    columns = ["origin", "period", "measure", "method", *NAMES]
    one, two = (record.loc[record["origin"] < cut, columns] for record in (RECORD, again))
    pd.testing.assert_frame_equal(one.reset_index(drop=True), two.reset_index(drop=True))
    after = [record.loc[record["start"] >= cut, "actual"].sum() for record in (RECORD, again)]
    assert after[0] > after[1]


def test_our_own_forecasts_one_period_ahead() -> None:
    made = Record(RECORD, "month", "")
    mine = made.mine("wins")
    assert list(mine.columns) == list(RECORD.columns) and list(mine.index) == list(range(6))
    assert set(mine["step"]) == {1} and set(mine["method"]) == {OURS} and set(mine["measure"]) == {"wins"}


def test_two_workers_say_what_one_says() -> None:
    two, one = (
        replay(DATA, period="quarter", count=1, start="2025-10-01", draws=4, workers=workers).record
        for workers in (2, 1)
    )
    pd.testing.assert_frame_equal(two, one)


def test_a_snapshot_is_the_forecast_of_that_day() -> None:
    known = DATA.as_of(pd.Timestamp("2025-07-01"))
    said = snapshot(known, "month", 2, draws=10, seed=1)
    row = RECORD[
        (RECORD["method"] == OURS) & (RECORD["origin"] == known.until) & (RECORD["measure"] == "revenue")
    ]
    assert said.quantiles is not None
    assert_allclose(row[NAMES], said.quantiles[0], rtol=0)
    assert snapshot(known, "month", 2, draws=0, seed=1).quantiles is None


def test_scales_rest_on_the_latest_origins() -> None:
    table = past_scales(DATA, period="month", count=1, latest=4, draws=5, workers=1)
    assert table["n"].tolist() == [4, 4]
    assert table["scale"].between(0.5, 2.0).all() and (table["scale"] != 1).all()


def test_all_methods_are_summed_up() -> None:
    table = summary(RECORD)
    assert {OURS, SCALED, "last period", "ETS", "cohort win rates"} <= set(table["method"])
    assert (table["crps"] > 0).all()


def test_the_first_third_is_learned_from_unless_a_date_is_given() -> None:
    starts, first = origins(DATA, "month")
    assert first == len(starts) // 3
    assert starts[origins(DATA, "month", "2025-09-15")[1]] == pd.Timestamp("2025-10-01")
    assert starts[origins(DATA, "month", "2025-09-01")[1]] == pd.Timestamp("2025-09-01")


def test_too_short_a_history_is_refused() -> None:
    young = replace(DATA, began=UNTIL - pd.Timedelta(days=70))
    with pytest.raises(
        FunnelError, match="of the 2 whole months between 2025-10-23 and 2026-01-01 none is left"
    ):
        replay(young, period="month")
    with pytest.raises(FunnelError, match="'soon' is no date"):
        replay(DATA, period="month", start="soon")
    with pytest.raises(FunnelError, match="period 'fortnight' is unknown"):
        replay(DATA, period="fortnight")
