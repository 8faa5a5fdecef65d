"""Observed over expected: slices add up, planted faults stand out, memory is found only where it is."""

import numpy as np
import pandas as pd
import pytest
from companies import random_company
from numpy.testing import assert_allclose

from funnelsim.calibration.calibrate import fit_model
from funnelsim.calibration.trust import (
    SLICINGS,
    Trust,
    observed_expected,
    past_visits,
    previous_dwell,
    trust_of,
)
from funnelsim.errors import FunnelError
from funnelsim.history.log import History
from funnelsim.model.stated import read_funnel

UNTIL = pd.Timestamp("2026-01-01")
COMPANY = random_company(11).history


def beside(history: History, **wishes: object) -> Trust:
    return trust_of(history, fit_model(history, half_life=np.inf, **wishes))


def two_stages(seed: int, leads: int, memory: float = 0.0) -> History:
    """Leads that pass A at their own pace; with memory, those slow in A are slow in B and lost more often."""
    rng = np.random.default_rng(seed)
    pace = rng.normal(size=leads)
    came = -rng.uniform(50, 400, leads)
    at_b = came + np.minimum(np.exp(2 + pace), 45.0)
    over = at_b + np.exp(2 + memory * pace + rng.normal(size=leads))
    won = rng.random(leads) < 1 / (1 + np.exp(memory * 2 * pace))
    names = np.array([f"L{i:05d}" for i in range(leads)])
    end = np.where(won, "Won", "Lost")
    frame = pd.DataFrame(
        {
            "lead": np.tile(names, 3),
            "stage": np.concatenate([np.full(leads, "A"), np.full(leads, "B"), end]),
            "day": np.concatenate([came, at_b, over]),
        }
    )
    frame["at"] = UNTIL + pd.to_timedelta(frame.pop("day"), unit="D")
    events = frame[frame["at"] < UNTIL].sort_values(["lead", "at"]).reset_index(drop=True)
    segment = np.where(rng.random(leads) < 0.3, "big", "small")
    facts = pd.DataFrame({"segment": segment, "value": 10.0}, index=pd.Index(names, name="lead"))
    began = UNTIL - pd.Timedelta(days=400)
    return History(events, facts, UNTIL, ("A", "B"), ("Won",), ("Lost",), began)


@pytest.mark.parametrize("by", SLICINGS)
def test_slices_add_up_to_the_whole(by: str) -> None:
    record = beside(two_stages(1, 600))
    whole, table = observed_expected(record, "age"), observed_expected(record, by)
    moves = (record.frame["exit"] != "").sum()
    assert table["leavers"].sum() == moves
    assert table["wins"].sum() == (record.frame["exit"] == "Won").sum()
    for column in ("leavers_expected", "wins_expected"):
        assert_allclose(table[column].sum(), whole[column].sum(), rtol=1e-9)
    assert_allclose(table["leavers_expected"].sum(), moves, rtol=0.03)


def test_first_days_are_compared_by_number_of_leads() -> None:
    """Nine of ten leave within a minute: 90 observed, and the rates expect about as many."""
    minutes = np.where(np.arange(100) < 90, 1 / 1440, 20.0)
    events = pd.concat(
        [
            pd.DataFrame({"lead": [f"{i:03d}" for i in range(100)], "stage": stage, "day": day})
            for stage, day in (("A", np.full(100, -60.0)), ("Won", -60.0 + minutes))
        ]
    )
    events["at"] = UNTIL + pd.to_timedelta(events.pop("day"), unit="D")
    events = events.sort_values(["lead", "at"]).reset_index(drop=True)
    facts = pd.DataFrame(index=pd.Index(events["lead"].unique(), name="lead"))
    began = UNTIL - pd.Timedelta(days=61)
    record = beside(History(events, facts, UNTIL, ("A",), ("Won",), ("Lost",), began))
    first = observed_expected(record, "age").iloc[0]
    assert first["wins"] == 90
    assert_allclose(first["wins_expected"], 90, rtol=0.02)


def test_a_month_without_recorded_wins_stands_out() -> None:
    history = two_stages(2, 3000)
    may = (history.events["at"] >= "2025-05-01") & (history.events["at"] < "2025-06-01")
    events = history.events.copy()
    events.loc[may & (events["stage"] == "Won"), "stage"] = "Lost"
    edited = History(events, history.leads, UNTIL, history.stages, history.won, history.lost, history.began)
    table = observed_expected(beside(edited), "month").set_index("month")
    assert table.loc["2025-05", "wins"] == 0
    assert table["wins_z"].idxmin() == "2025-05" and table.loc["2025-05", "wins_z"] < -5
    assert table["z"].abs().max() < 4


def test_memory_is_found_where_it_is() -> None:
    table = previous_dwell(beside(two_stages(3, 1500, memory=0.5)))
    won = table[(table["stage"] == "B") & (table["exit"] == "Won")].set_index("previous")
    assert won["p"].iloc[0] < 1e-6
    assert won.loc["fast", "ratio"] > 1.2 > 0.9 > won.loc["slow", "ratio"]
    assert set(table["stage"]) == {"B"}


def test_memory_is_not_found_where_it_is_not() -> None:
    """Of 60 histories without memory about three have p < .05."""
    small = [previous_dwell(beside(two_stages(100 + seed, 150)))["p"].min() for seed in range(60)]
    assert (np.array(small) < 0.05).mean() <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 60)
    assert 0.5 - 4 * 0.5 / np.sqrt(60) < np.median(small) < 0.95


def test_past_visits_are_those_that_lasted_longer_and_were_watched() -> None:
    record = beside(COMPANY)
    stage, age = np.array([0, 0, 1]), np.array([0.0, 12.5, 40.0])
    here = record.visits.stage[:, None] == stage
    watched = (record.visits.since[:, None] <= age) & (record.visits.dwell[:, None] > age)
    assert past_visits(record, stage, age).tolist() == (here & watched).sum(0).tolist()


def test_what_cannot_be_asked() -> None:
    record = beside(COMPANY)
    with pytest.raises(FunnelError, match="slices by 'moth' are unknown; did you mean 'month'"):
        observed_expected(record, "moth")
    with pytest.raises(FunnelError, match="was stated, not fitted"):
        trust_of(COMPANY, read_funnel("sales_funnel_5"))


def test_leavers_at_the_edge_of_a_bin_were_at_risk() -> None:
    """All stay 30 days to the minute: nobody spends time in the bin from day 30 on, yet all leave in it."""
    events = [
        (f"L{lead}", stage, UNTIL - pd.Timedelta(days=300 - lead - late))
        for lead in range(90)
        for stage, late in (("A", 0), ("B", lead % 3 + 1), ("Won", lead % 3 + 31))
    ]
    frame = pd.DataFrame(events, columns=["lead", "stage", "at"])
    facts = pd.DataFrame({"value": 1.0}, index=pd.Index(frame["lead"].unique(), name="lead"))
    began = UNTIL - pd.Timedelta(days=400)
    table = previous_dwell(beside(History(frame, facts, UNTIL, ("A", "B"), ("Won",), ("Lost",), began)))
    assert_allclose(table["ratio"], 1.0)
    assert_allclose(table["expected"].sum(), 90.0)
