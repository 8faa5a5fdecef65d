"""Leads not yet born: ways in, shares, days of the week, and a path that ends in the right sum."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from funnelsim.calibration.intake import PATH_DAYS, expected_path, fit_entries, weekday_pattern
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
    begin = time.perf_counter()
    fit_entries(frame, ("Lead",))
    assert time.perf_counter() - begin < 0.5
