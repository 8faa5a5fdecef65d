"""What calibration warns of: a record that ends long before the as-of date, wins without a stage."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import UNTIL, history, words

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.history.log import valued
from funnelsim.history.metrics import metrics
from funnelsim.history.read import read_history

DATA = history(300)


def test_an_as_of_date_long_after_the_last_event_is_noticed() -> None:
    """The last event is of 2025-12-31, as somebody enters about every second day."""
    late = replace(DATA, until=UNTIL + pd.Timedelta(days=500))
    said = words(fit_model(late))
    assert "nothing is recorded in the 500 days before the as-of date (last event: 2025-12-31)" in said
    assert "the longest pause before took 7 days" in said


@pytest.mark.parametrize("days", [0, 6])
def test_a_week_without_events_is_usual(days: int) -> None:
    assert "nothing is recorded" not in words(fit_model(replace(DATA, until=UNTIL + pd.Timedelta(days=days))))


def test_a_pause_like_an_earlier_one_is_usual() -> None:
    events = DATA.events
    summer = (events["at"] >= "2025-07-01") & (events["at"] < "2025-09-01")
    gap = replace(DATA, events=events[~summer].reset_index(drop=True))
    said = [words(fit_model(replace(gap, until=UNTIL + pd.Timedelta(days=days)))) for days in (50, 70)]
    assert ["nothing is recorded" in notes for notes in said] == [False, True]


@pytest.fixture(scope="module")
def walk_ins(tmp_path_factory):
    """Forty leads that go through a stage, and forty whose first event is the win, the last on 30 April."""
    path = tmp_path_factory.mktemp("walk_ins") / "log.csv"
    day = pd.Timestamp("2025-01-01")
    rows = []
    for number in range(40):
        came = day + pd.Timedelta(days=2 * number)
        rows += [(f"L{number}", "Lead", came, 0), (f"L{number}", "Won", came + pd.Timedelta(days=9), 0)]
        rows += [(f"W{number}", "Won", came + pd.Timedelta(days=41), 0)]
    pd.DataFrame(rows, columns=["lead", "stage", "at", "value"]).to_csv(path, index=False)
    return path


def test_wins_without_a_stage_before_are_counted_and_warned_of(walk_ins) -> None:
    known = read_history(walk_ins)
    said = words(fit_model(known))
    assert "40 of 80 wins came without a visit to a stage before" in said
    assert "nothing is recorded" not in said
    assert "without a visit to a stage" not in words(fit_model(DATA))
    table = metrics(known).set_index(["metric", "scope"])
    assert table.loc[("win rate", "all"), "value"] == pytest.approx(1.0)
    assert table.loc[("cycle length", "all"), "value"] == pytest.approx(9.0)


def test_a_history_of_wins_alone_has_measures(walk_ins, tmp_path) -> None:
    table = pd.read_csv(walk_ins)
    table[table["stage"] == "Won"].to_csv(tmp_path / "wins.csv", index=False)
    found = metrics(read_history(tmp_path / "wins.csv")).set_index(["metric", "scope"])
    assert found.loc[("wins", "all"), ["value", "unit"]].tolist() == [80.0, "wins"]


def test_amounts_that_are_all_zero_are_no_amounts(walk_ins) -> None:
    known = read_history(walk_ins, as_of="2025-03-01")
    won, unit = valued(known)
    assert unit == "wins" and set(won["value"]) == {1.0}
    deals = open_pipeline(known, fit_model(known))
    assert len(deals) > 0 and np.isnan(deals.value).all()


def through_a_stage(wins: int, without: int = 0) -> str:
    """What is said of leads that are won nine days after they came, and of wins without a stage before."""
    day = pd.Timestamp("2025-01-01")
    rows = [(f"L{n}", place, day + pd.Timedelta(days=n + late)) for n in range(wins)
            for place, late in (("Lead", 0), ("Won", 9))]  # fmt: skip
    rows += [(f"W{n}", "Won", day + pd.Timedelta(days=n % wins + 1)) for n in range(without)]
    return words(fit_model(read_history(pd.DataFrame(rows, columns=["lead", "stage", "at"]))))


def test_thirty_wins_are_not_few() -> None:
    assert "Warning: only 29 wins by way of a stage in the history" in through_a_stage(29)
    assert "Warning: only" not in through_a_stage(30)
    assert "Warning: only 1 win by way of a stage" in through_a_stage(1)


def test_two_percent_of_wins_may_come_from_nowhere() -> None:
    assert "came without a visit" not in through_a_stage(49, without=1)
    assert "2 of 51 wins came without a visit" in through_a_stage(49, without=2)
