"""Batches are found where many leave on one day, and not where days are busy, few or short."""

import numpy as np
import pandas as pd
import pytest

from funnelsim.calibration.calibrate import fit_model
from funnelsim.calibration.trust import Trust, batch_days, batch_words, trust_of
from funnelsim.history.log import History

UNTIL = pd.Timestamp("2026-01-01")


def told(lost: np.ndarray, days: float) -> Trust:
    """Leads that come evenly over so many days; `lost` are the days on which they drop out, nan for never."""
    rng = np.random.default_rng(3)
    came = np.minimum(-days * rng.random(len(lost)), np.nan_to_num(lost) - 0.5)
    names = np.array([f"L{i:05d}" for i in range(len(lost))])
    out = ~np.isnan(lost)
    events = pd.DataFrame(
        {
            "lead": np.concatenate([names, names[out]]),
            "stage": np.concatenate([np.full(len(lost), "Open"), np.full(out.sum(), "Lost")]),
            "at": UNTIL + pd.to_timedelta(np.concatenate([came, lost[out]]), unit="D"),
        }
    ).sort_values(["lead", "at"], ignore_index=True)
    leads = pd.DataFrame({"value": 1.0}, index=pd.Index(names, name="lead"))
    began = UNTIL - pd.Timedelta(days=days + 1)
    history = History(events, leads, UNTIL, ("Open",), ("Won",), ("Lost",), began)
    return trust_of(history, fit_model(history))


def test_a_clean_up_is_found_and_said() -> None:
    rng = np.random.default_rng(1)
    lost = np.concatenate([-300 * rng.random(400), np.full(100, -40.25), np.full(200, np.nan)])
    record = told(lost, 365)
    found = batch_days(record)
    assert len(found) == 1
    assert found["day"][0] == pd.Timestamp("2025-11-21")
    assert found["leavers"][0] - 100 in range(8)
    (sentence,) = batch_words(record)
    assert "from Open to Lost fell on 2025-11-21, 2" in sentence
    assert "planned event" in sentence


@pytest.mark.parametrize(("days", "busy"), [(365, 1), (365, 5), (8, 1)])
def test_busy_weekdays_and_short_records_are_no_batches(days: float, busy: int) -> None:
    rng = np.random.default_rng(2)
    lost = -np.ceil(days * 0.9 * rng.random(600) / busy) * busy + 0.25
    assert batch_days(told(lost, days)).empty


def test_all_on_a_few_days_are_batches() -> None:
    lost = np.repeat([-300.5, -200.5, -100.5], 30)
    record = told(lost, 365)
    assert batch_days(record)["leavers"].tolist() == [30, 30, 30]
    assert "100% on 3 such days" in batch_words(record)[0]


def test_nobody_left() -> None:
    assert batch_days(told(np.full(30, np.nan), 90)).empty
