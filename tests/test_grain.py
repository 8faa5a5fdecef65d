"""Dates that are rounded to months or weeks are found, told, and spread within them by luck of their own."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from companies import random_company

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.forecasting.forecast import forecast_periods, totals
from funnelsim.forecasting.periods import periods_from
from funnelsim.history import assemble as assembling
from funnelsim.history.assemble import Raw, assemble
from funnelsim.history.export import reading_notes
from funnelsim.history.log import History
from funnelsim.history.quality import grain_of

STAGES = ("Lead", "Qualified", "Proposal", "Negotiation")


def to_grain(at: pd.Series, grain: str) -> pd.Series:
    """Return dates as a file shows them that rounds to months or weeks."""
    if grain in ("first", "last"):
        month = at.dt.to_period("M")
        return (month.dt.start_time if grain == "first" else month.dt.end_time).dt.normalize()
    monday = at.dt.normalize() - pd.to_timedelta(at.dt.day_of_week, unit="D")
    return monday if grain == "Monday" else monday + pd.Timedelta(days=6)


def rows_of(history: History, grain: str = "") -> pd.DataFrame:
    rows = history.events[["lead", "stage", "at"]].copy()
    rows["at"] = to_grain(rows["at"], grain) if grain else rows["at"].dt.floor("s")
    return rows.astype({"at": "datetime64[us]"})


def read(rows: pd.DataFrame, as_of: str | None = None) -> History:
    return assemble(Raw("x.csv", rows, "a test", STAGES, ("Won",), ("Lost",)), as_of)


GRAINS = {
    "first": ("the first of a month", "month"),
    "last": ("the last of a month", "month"),
    "Monday": ("a Monday", "week"),
    "Sunday": ("a Sunday", "week"),
}


@pytest.mark.parametrize("grain", list(GRAINS))
@pytest.mark.parametrize("seed", [1, 2])
def test_rounded_dates_are_found_told_and_stay_in_their_grain(grain: str, seed: int) -> None:
    rows = rows_of(random_company(seed).history, grain)
    history = read(rows)
    day, unit = GRAINS[grain]
    told = [note for note in reading_notes(history) if note.startswith("All dates fall on")]
    assert len(told) == 1 and day in told[0] and f"rounded to {unit}s" in told[0]
    again = to_grain(history.events["at"], grain)
    kept = pd.DataFrame({"lead": history.events["lead"], "stage": history.events["stage"], "at": again})
    order = ["lead", "at", "stage"]
    expected = rows.drop_duplicates().sort_values(order).reset_index(drop=True)
    found = kept.drop_duplicates().sort_values(order).reset_index(drop=True)
    assert len(found) > 0.97 * len(expected), "two moves of one place in a month may be one"
    both = expected.merge(found, on=order)
    assert len(both) == len(found), "every event is within the month or week that the file states"
    assert (history.events["at"] < history.until).all()
    parts = history.events["at"].dt.day if unit == "month" else history.events["at"].dt.day_of_week
    assert parts.nunique() == (31 if unit == "month" else 7)


def test_dates_in_a_month_are_even_and_a_leads_events_in_their_order() -> None:
    rows = rows_of(random_company(3).history, "first")
    history = read(rows)
    at = history.events["at"]
    start = at.dt.to_period("M").dt.start_time
    whole = start < start.max()
    part = ((at - start) / (start + pd.offsets.MonthBegin(1) - start))[whole]
    alone = history.events.groupby([history.events["lead"], start])["stage"].transform("size") == 1
    single = part[alone[whole]]
    assert abs(single.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(single))
    place = history.events["stage"].map({name: n for n, name in enumerate((*STAGES, "Won", "Lost"))})
    assert (place.groupby(history.events["lead"]).diff().dropna() >= 0).all()


def test_luck_is_each_leads_own_and_the_order_of_rows_tells_nothing() -> None:
    rows = rows_of(random_company(4).history, "first")
    one = read(rows).events
    mixed = read(rows.sample(frac=1.0, random_state=1).reset_index(drop=True)).events
    pd.testing.assert_frame_equal(one, mixed)
    some = rows[rows["lead"] != rows["lead"].iloc[0]]
    fewer = read(some.reset_index(drop=True)).events
    left = one[one["lead"] != rows["lead"].iloc[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(fewer, left)


def test_nothing_after_the_as_of_date_is_known() -> None:
    rows = rows_of(random_company(5).history, "first")
    whole = read(rows)
    earlier = read(rows, as_of="2025-07-15")
    pd.testing.assert_frame_equal(earlier.events, whole.as_of("2025-07-15").events.reset_index(drop=True))
    last = rows["at"].max()
    inside = read(rows, as_of=f"{last + pd.Timedelta(days=9):%Y-%m-%d}")
    assert inside.until == last + pd.Timedelta(days=10)
    assert (inside.events["at"] < inside.until).all()
    assert len(inside.events) == len(whole.events), "what the file holds of its last month has happened"


def test_other_dates_are_left_alone() -> None:
    history = random_company(6).history
    true = rows_of(history)
    assert grain_of(true) is None
    days = true.assign(at=true["at"].dt.normalize())
    assert grain_of(days) is None
    rounded = rows_of(history, "first")
    assert grain_of(rounded) is not None
    assert grain_of(rounded.head(49)) is None
    assert grain_of(rounded[(rounded["at"] < rounded["at"].min() + pd.Timedelta(days=140))]) is None
    assert grain_of(rounded.assign(instant=rounded["at"])) is None
    one = rounded.assign(at=rounded["at"].where(rounded.index != 3, rounded["at"] + pd.Timedelta(hours=1)))
    assert grain_of(one) is None
    assert grain_of(rounded.assign(expected_close=rounded["at"])) is None
    assert grain_of(rounded.assign(expected_close=rounded["at"] + pd.Timedelta(days=3))) is not None
    assert not any(note.startswith("All dates fall") for note in reading_notes(read(days)))


def test_forecasts_are_no_further_from_those_of_true_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next month's wins of ten companies: with true dates, spread ones, and the first of each month."""
    apart = {"spread": [], "rounded": []}
    for seed in range(10):
        history = random_company(seed).history
        as_of = f"{history.until - pd.Timedelta(days=1):%Y-%m-%d}"
        rows = rows_of(history, "first")
        said = {"true": read(rows_of(history), as_of), "spread": read(rows, as_of)}
        with monkeypatch.context() as patch:
            patch.setattr(assembling, "grain_of", lambda rows: None)
            said["rounded"] = read(rows, as_of)
        wins = {}
        for name, known in said.items():
            known = replace(known, began=history.began)
            model = fit_model(known, period=31.0)
            periods = periods_from(known.until, "month", 1)
            found = forecast_periods(model, open_pipeline(known, model), periods, draws=10)
            wins[name] = float(totals(found, "wins")["mean"].iloc[0])
        for name, gaps in apart.items():
            gaps.append(abs(np.log(wins[name] / wins["true"])))
    assert np.mean(apart["spread"]) < np.mean(apart["rounded"]), apart
