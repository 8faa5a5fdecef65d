"""Leads not yet born: ways in, shares, days of the week, and a path that ends in the right sum."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from funnelsim.calibration.intake import PATH_DAYS, expected_path, fit_entries, outlook, weekday_pattern
from funnelsim.model.model import Cell, expected


def leads(days: np.ndarray, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"stage": "Lead", "start": days, "entry": True, **columns})


def test_ways_in_are_stage_group_and_channel() -> None:
    frame = leads(-np.arange(1.0, 9.0), stage=["Lead", "Offer"] * 4, channel=["web"] * 6 + ["", None])
    frame["segment"] = ["big", "big", "small", "small"] * 2
    entries, _ = fit_entries(frame, ("Lead", "Offer"), ("small", "big"))
    assert Cell(0, 1, "web") in entries.cells and Cell(1, 0, "") in entries.cells
    assert_allclose(entries.share.sum(), 1)


def test_recent_leads_weigh_more_in_the_shares() -> None:
    frame = leads(np.array([-181.0, -1.0]), channel=["old", "new"])
    entries, _ = fit_entries(frame, ("Lead",))
    share = dict(zip([cell.channel for cell in entries.cells], entries.share, strict=True))
    assert_allclose(share["new"] / share["old"], 2)


def test_only_first_visits_and_returns_after_an_end_are_entries() -> None:
    frame = leads(-np.arange(1.0, 401.0))
    frame["entry"] = np.arange(400) % 2 == 0
    one, _ = fit_entries(frame, ("Lead",))
    frame["reopened"] = np.arange(400) % 4 == 1
    two, _ = fit_entries(frame, ("Lead",))
    assert_allclose(one.path[:91].sum(), 91 / 2, rtol=0.02)
    assert_allclose(two.path[:91].sum(), 91 * 3 / 4, rtol=0.02)


def test_days_without_leads_in_the_past_have_none_in_the_future() -> None:
    """Nobody comes on two of the seven days; day 0 continues the rhythm."""
    rng = np.random.default_rng(4)
    days = -rng.integers(1, 365, 6000).astype(float)
    days = days[(days % 7) < 5]
    path, _, notes = expected_path(days, -364.0, 28.0)
    assert_allclose(path[[5, 6, 12, 13]], 0)
    assert_allclose(path[:7].sum(), len(days) / 52, rtol=0.1)
    assert any("weekdays differ" in note for note in notes)
    even = -rng.uniform(0, 364, 6000)
    assert not weekday_pattern(even, 52)[1]


def test_a_new_company_without_leads_expects_none() -> None:
    frame = leads(np.array([-3.0]))[:0]
    entries, notes = fit_entries(frame, ("Lead",))
    assert expected(entries, 30).sum() == 0
    assert "No lead" in notes[0]


def test_ten_days_of_history_are_averaged_and_called_short() -> None:
    path, spread, notes = expected_path(-np.arange(0.5, 10.0), -10.0, 91.0)
    assert_allclose(path, 1.0)
    assert len(path) == PATH_DAYS and spread >= 0.4
    assert "too short" in notes[0]


def test_leads_before_recording_began_are_not_counted() -> None:
    frame = leads(np.append(-np.arange(0.5, 100), -np.arange(100.5, 120, 0.01)))
    entries, _ = fit_entries(frame, ("Lead",), began=-98.0)
    assert_allclose(entries.path[:28].sum(), 28, rtol=0.02)


def test_intake_is_fitted_in_a_blink() -> None:
    import time

    rng = np.random.default_rng(1)
    frame = leads(-rng.uniform(0, 1100, 20_000), channel=rng.choice(["a", "b", "c"], 20_000))
    begin = time.process_time()
    fit_entries(frame, ("Lead",))
    assert time.process_time() - begin < 0.5


def test_a_flat_record_by_weeks_and_by_months() -> None:
    """A lead a day: blocks are four weeks from three months of record and a month of horizon on."""
    for began, horizon, words in (
        (-83.0, 91.0, "in the first week (the last one had 7)"),
        (-84.0, 91.0, "in the first four weeks (the last one had 28)"),
        (-84.0, 28.0, "in the first four weeks (the last one had 28)"),
        (-84.0, 27.0, "in the first week (the last one had 7)"),
    ):
        path, _, notes = expected_path(-np.arange(0.5, -began), began, horizon)
        assert_allclose(path, 1.0, rtol=1e-9)
        assert words in notes[0] and len(path) == PATH_DAYS


def test_the_horizon_in_whole_blocks_and_half_of_them_at_most() -> None:
    """Ten weeks, judged over a horizon of 15 days (three blocks): origins 1 to 7; of 90 days: five blocks."""
    days = -np.arange(0.5, 70)
    for horizon, forecasts in ((14.0, 8), (15.0, 7), (90.0, 5)):
        assert f"judged on {forecasts} past forecasts" in expected_path(days, -70.0, horizon)[2][0]


def test_thirteen_days_are_too_short_and_fourteen_are_not() -> None:
    assert "too short" in expected_path(-np.arange(0.5, 13), -13.0, 7.0)[2][0]
    assert "too short" not in expected_path(-np.arange(0.5, 14), -14.0, 7.0)[2][0]
    hours, _, _ = expected_path(np.full(3, -0.1), -0.25, 7.0)
    assert_allclose(hours, 3.0), "less than a day counts as one"


def weekdays(table: np.ndarray) -> np.ndarray:
    """Days of leads that come in the numbers of a table (weeks, days), the last week last."""
    weeks = len(table)
    return np.repeat(np.arange(-7 * weeks, 0) + 0.5, table.ravel())


def test_weekday_factors_by_hand() -> None:
    """Every week 10, 4, 4, 4, 4, 4, 5: nothing varies within, which counts as 1; between, 1 a week."""
    week = np.array([10, 4, 4, 4, 4, 4, 5])
    factors, clear = weekday_pattern(weekdays(np.tile(week, (8, 1))), 8)
    assert clear
    assert_allclose(factors, week / 5)
    # Four weeks: 4 (25 + 5) / 5 / 6 = 4 is just clear; 4 (16 + 4) / 5 / 6 = 2.7 is not.
    assert weekday_pattern(weekdays(np.tile([10, 4, 4, 4, 4, 4, 5], (4, 1))), 4)[1]
    assert not weekday_pattern(weekdays(np.tile([9, 4, 4, 4, 4, 5, 5], (4, 1))), 4)[1]


def test_weekdays_need_seventy_leads_and_four_weeks() -> None:
    busy = np.tile([10, 2, 2, 2, 1, 1, 0], (4, 1))
    assert weekday_pattern(weekdays(busy), 4)[1]
    assert not weekday_pattern(weekdays(busy[:3] * 3), 3)[1]
    assert not weekday_pattern(weekdays(busy)[3:], 4)[1], "69 leads"


def test_weekdays_that_vary_as_much_within_are_not_clear() -> None:
    """Between weekdays 8.6 times what luck gives; but within them 6.2 times, a big day in every week."""
    table = np.full((7, 7), 4) + 16 * np.eye(7, dtype=int)
    table[:, 0] += 8
    assert not weekday_pattern(weekdays(table), 7)[1]


def test_only_the_last_year_tells_the_weekdays() -> None:
    old, new = np.tile([30, 1, 1, 1, 1, 1, 0], (52, 1)), np.full((52, 7), 2)
    assert not weekday_pattern(weekdays(np.concatenate([old, new])), 104)[1]
    factors, clear = weekday_pattern(weekdays(np.concatenate([new, old])), 104)
    assert clear
    assert_allclose(factors, np.array([30, 1, 1, 1, 1, 1, 0]) / 5)


def test_the_thirty_largest_channels_keep_their_names() -> None:
    """Channel k has k leads; k = 1 and 2 of 32 go together under another name."""
    names = [f"c{k:02d}" for k in range(1, 33) for _ in range(k)]
    entries, _ = fit_entries(leads(np.full(len(names), -1.0), channel=names), ("Lead",))
    share = dict(zip([cell.channel for cell in entries.cells], entries.share, strict=True))
    assert set(share) == {"other", *(f"c{k:02d}" for k in range(3, 33))}
    assert_allclose([share["other"], share["c32"]], np.array([3, 32]) / 528)


def test_a_way_in_is_named_by_its_own_stage_group_and_channel() -> None:
    frame = leads(np.full(6, -1.0), stage=["Lead", "Offer", "Offer"] * 2, channel=["b", "a", "b"] * 2)
    frame["segment"] = ["small", "small", "big"] * 2
    entries, _ = fit_entries(frame, ("Lead", "Offer"), ("small", "big"))
    assert entries.cells == (Cell(0, 0, "b"), Cell(1, 0, "a"), Cell(1, 1, "b"))
    assert_allclose(entries.share, 1 / 3)


def test_the_forecasters_of_most_weight_are_named_with_their_weights() -> None:
    """A trend: the shortest memory is right most often."""
    days = np.concatenate([-28.0 * back + np.linspace(0.1, 27.9, int(400 / back)) for back in range(1, 14)])
    (said, *_) = expected_path(days, -364.0, 28.0)[2]
    counts = np.array([float(int(400 / back)) for back in range(13, 0, -1)])
    best = sorted(outlook(counts, 13, 1, 1).weights.items(), key=lambda pair: pair[1])[::-1][:3]
    assert f"most weight on {', '.join(f'{name} {weight:.0%}' for name, weight in best)};" in said
