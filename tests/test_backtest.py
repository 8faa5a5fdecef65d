"""Backtests: only what was known then, the same from any number of workers, and skill where there is some."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import UNTIL, history
from numpy.testing import assert_allclose
from scipy.stats import norm

from funnelsim.errors import FunnelError
from funnelsim.forecasting.backtest import (
    OURS,
    SCALED,
    Record,
    Snapshot,
    coverage,
    origins,
    past_scales,
    record_of,
    replay,
    scales_of,
    skill,
    snapshot,
    summary,
)
from funnelsim.forecasting.forecast import LEVELS, NAMES
from funnelsim.forecasting.periods import periods_from

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


@pytest.mark.parametrize(("alone", "threads"), [(0.0, "1"), (1e9, "1"), (0.0, "2")])
def test_two_workers_say_what_one_says(monkeypatch: pytest.MonkeyPatch, alone: float, threads: str) -> None:
    monkeypatch.setattr("funnelsim.forecasting.backtest.ALONE", alone)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
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


def months_said(mean: float, sd: float, wins_each: int) -> tuple[dict[pd.Timestamp, Snapshot], pd.DataFrame]:
    """Six monthly forecasts of two periods, normal for both measures, and so many wins of 100 every month."""
    normal = mean + sd * norm.ppf(LEVELS)
    quantiles = np.stack([np.stack([100 * normal] * 2), np.stack([normal] * 2)])
    starts = pd.date_range("2025-01-01", periods=6, freq="MS")
    shots = {
        start: Snapshot(
            periods_from(start, "month", 2), quantiles, np.array([[100 * mean] * 2, [mean] * 2]),
            {"as ever": np.array([[1000.0, np.nan], [10.0, np.nan]])},
        )
        for start in starts
    }  # fmt: skip
    days = [start + pd.Timedelta(days=n) for start in starts for n in range(wins_each)]
    return shots, pd.DataFrame({"at": days, "value": 100.0})


def test_a_record_by_hand() -> None:
    """All fall two standard deviations high; from four on, forecasts that are over scale the next one."""
    shots, wins = months_said(10.0, 2.0, 14)
    scored = list(shots)[2:]
    table = record_of(shots, scored, wins, pd.Timestamp("2025-07-01"))
    mine = table[(table["method"] == OURS) & (table["measure"] == "wins")]
    assert [(row.origin.month, row.step) for row in mine.itertuples()] == [
        (3, 1), (3, 2), (4, 1), (4, 2), (5, 1), (5, 2), (6, 1),
    ]  # fmt: skip
    assert (mine["actual"] == 14).all() and (mine["mean"] == 10).all()
    assert_allclose(mine["pit"], norm.cdf(2.0), atol=1e-3)
    assert mine[["inside_50", "inside_80", "inside_95"]].to_numpy().tolist() == [[False] * 3] * 7
    money = table[(table["method"] == OURS) & (table["measure"] == "revenue")]
    assert (money["actual"] == 1400).all()
    assert_allclose(money["crps"], 100 * mine["crps"])
    scaled = table[(table["method"] == SCALED) & (table["measure"] == "wins") & (table["step"] == 1)]
    factors = [1.0, 1.0, np.sqrt((4 + 4 * 4) / 8), np.sqrt((4 + 5 * 4) / 9)]
    assert_allclose(scaled["0.90"] - 10, 2 * norm.ppf(0.9) * np.array(factors))
    late = table[(table["method"] == SCALED) & (table["measure"] == "wins") & (table["step"] == 2)]
    assert_allclose(late["0.90"] - 10, 2 * norm.ppf(0.9) * np.ones(3), err_msg="one forecast fewer is over")
    assert set(table.loc[table["method"] == "as ever", "step"]) == {1}, "it says nothing of the second month"
    unpriced = record_of(shots, scored, wins.assign(value=np.nan), pd.Timestamp("2025-07-01"))
    assert set(unpriced["measure"]) == {"wins"}


def test_scales_by_hand() -> None:
    shots, wins = months_said(10.0, 2.0, 14)
    table = scales_of(shots, wins, pd.Timestamp("2025-06-01")).set_index(["measure", "step"])
    assert table["n"].to_dict() == {("revenue", 1): 5, ("wins", 1): 5, ("revenue", 2): 4, ("wins", 2): 4}
    assert_allclose(table["scale"], np.sqrt([24 / 9, 24 / 9, 20 / 8, 20 / 8]))


def scores(ours: list[float], theirs: list[float], step: int = 1) -> pd.DataFrame:
    rows = [
        {"origin": n, "measure": "wins", "step": step, "method": method, "crps": score}
        for method, row in ((OURS, ours), ("theirs", theirs), (SCALED, ours))
        for n, score in enumerate(row)
    ]
    return pd.DataFrame(rows)


def test_skill_of_two_origins() -> None:
    """Drawn twice from (1, 2) and (3, 2): a quarter of draws has skill .5, a half 0, a quarter -.5."""
    (row,) = skill(scores([1.0, 3.0], [2.0, 2.0]), measure="wins").to_dict("records")
    assert row == {"baseline": "theirs", "skill": 0.0, "low": -0.5, "high": 0.5, "n": 2}


@pytest.mark.parametrize(
    ("number", "step", "whole"), [(8, 1, True), (3, 1, False), (8, 4, True), (2, 2, True)]
)
def test_origins_are_drawn_in_blocks(number: int, step: int, whole: bool) -> None:
    """Of 0, 2, 0, 2 ... blocks of two (the cube root of eight), or of the step, have a mean of 1 for sure."""
    ours = ([0.0, 2.0] * number)[:number]
    (row,) = skill(scores(ours, [2.0] * number, step), measure="wins", step=step).to_dict("records")
    assert_allclose(row["skill"], 1 - np.mean(ours) / 2)
    assert (row["low"] == row["high"] == row["skill"]) == whole


def test_coverage_with_the_range_of_a_true_promise() -> None:
    """Of ten intervals eight hold; at a true 80 % six to ten would in nine cases of ten (binomial)."""
    held = {f"inside_{share}": [n < 8 for n in range(10)] for share in (50, 80, 95)}
    record = pd.DataFrame({"measure": "wins", "method": OURS, "step": 1, **held})
    table = coverage(record, measure="wins").set_index("nominal")
    assert table["covered"].tolist() == [0.8] * 3 and table["n"].tolist() == [10] * 3
    assert_allclose(table.loc[0.8, ["low", "high"]].astype(float), [0.6, 1.0])
    assert coverage(record, measure="revenue").empty
