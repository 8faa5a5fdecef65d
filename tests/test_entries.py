"""Leads not yet born: ways in, shares, days of the week, and a path that ends in the right sum."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from funnelsim.calibration.intake import (
    PATH_DAYS,
    block_counts,
    expected_path,
    fit_entries,
    intake_blocks,
    outlook,
    weekday_pattern,
)
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
    first, both = frame["entry"], frame["entry"] | frame["reopened"]
    assert_allclose(one.path, fit_entries(frame[first].drop(columns="reopened"), ("Lead",))[0].path)
    assert_allclose(two.path, fit_entries(frame[both].assign(entry=True), ("Lead",))[0].path)
    assert_allclose(two.path[:91].sum() / one.path[:91].sum(), 3 / 2, rtol=0.03)


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
    known, _ = fit_entries(frame[frame["start"] >= -98.0], ("Lead",), began=-98.0)
    assert_allclose(entries.path, known.path, rtol=0)
    assert 27 < entries.path[:28].sum() < 30


def test_intake_is_fitted_in_a_blink() -> None:
    import time

    rng = np.random.default_rng(1)
    frame = leads(-rng.uniform(0, 1100, 20_000), channel=rng.choice(["a", "b", "c"], 20_000))
    begin = time.process_time()
    fit_entries(frame, ("Lead",))
    assert time.process_time() - begin < 0.5


def test_a_flat_record_by_weeks_and_by_months() -> None:
    """Ten leads a day: blocks are four weeks from three months of record and a month of horizon on."""
    for began, horizon, words in (
        (-83.0, 91.0, "in the first week (the last one had 70)"),
        (-84.0, 91.0, "in the first four weeks (the last one had 280)"),
        (-84.0, 28.0, "in the first four weeks (the last one had 280)"),
        (-84.0, 27.0, "in the first week (the last one had 70)"),
    ):
        path, _, notes = expected_path(-np.arange(0.05, -began, 0.1), began, horizon)
        assert_allclose(path[:91], 10.0, rtol=0.04)
        assert words in notes[0] and len(path) == PATH_DAYS


def test_a_period_in_whole_blocks() -> None:
    """Ten weeks: 14 days are two blocks, 15 days three; a sum of three is surer than one of two."""
    days = -np.random.default_rng(5).uniform(0, 70, 800)
    spread = {period: expected_path(days, -70.0, period)[1] for period in (14.0, 15.0, 21.0)}
    assert spread[15.0] == spread[21.0] != spread[14.0]
    # Matrices of another size, for fewer blocks to come, are added up in another order.
    assert_allclose(spread[14.0], outlook(block_counts(days, -70.0, 7), 52, 2, 2).spread, rtol=1e-14)


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


def test_a_level_that_broke_is_told_with_its_month() -> None:
    """Two hundred leads in each of 18 blocks and eighty in each of six; the break is 168 days old."""
    counts = np.repeat([200, 80], [18, 6])
    days = np.concatenate([-28.0 * (24 - k) + np.linspace(0.1, 27.9, n) for k, n in enumerate(counts)])
    (said, *_) = expected_path(days, -672.0, 28.0, pd.Timestamp("2026-07-01"))[2]
    assert "a level that broke in January 2026" in said
    assert "a level that broke 168 days ago" in expected_path(days, -672.0, 28.0)[2][0]
    even = -np.arange(0.1, 672, 0.2)
    assert "a level without a break, no clear season" in expected_path(even, -672.0, 28.0)[2][0]


def test_a_season_is_told_with_its_size() -> None:
    rng = np.random.default_rng(6)
    rate = 300 * np.exp(0.4 * np.sin(2 * np.pi * np.arange(39) / 13))
    days = np.concatenate([-28.0 * (39 - k) + rng.uniform(0, 28, int(n)) for k, n in enumerate(rate)])
    (said, *_) = expected_path(days, -1092.0, 28.0)[2]
    assert 0.24 < float(said.split("a season of ")[1].split("%")[0]) / 100 < 0.32  # .4 / sqrt(2)


def test_what_is_drawn_is_what_is_expected() -> None:
    frame = leads(-np.random.default_rng(7).uniform(0, 400, 900))
    table = intake_blocks(frame, -400.0)
    path, _, _ = expected_path(frame["start"].to_numpy(), -400.0, 91.0)
    coming = table[table["block"] >= 0]
    assert_allclose(coming["expected"], path[: 28 * len(coming)].reshape(-1, 28).sum(axis=1))
    assert table["block"].tolist() == list(range(-14, 6))
    assert table["counted"].sum() == (frame["start"] >= -392).sum()
    assert intake_blocks(frame[:0]).empty and intake_blocks(frame[frame["start"] > -13]).empty
