"""How late an open deal is, beside the deals that won."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose
from test_forecast import QUARTERS, deals, serial

from funnelsim.forecasting.forecast import with_names
from funnelsim.forecasting.split import deal_table, winners_faster
from funnelsim.simulation.run import run_model


def test_share_of_winners_that_were_faster_is_that_of_simulated_winners() -> None:
    model = serial()
    run = run_model(model, 4000.0, seed=5)
    won = model.funnel.places.index("Won")
    rows = pd.DataFrame({"who": run.who, "place": run.place, "day": run.day})
    stage = model.funnel.stages[-1]
    place = model.funnel.stages.index(stage)
    entered = rows[rows["place"] == place].groupby("who")["day"].first()
    wins = rows[rows["place"] == won].groupby("who")["day"].first()
    stay = (wins - entered).dropna().to_numpy()
    ages = np.quantile(stay, [0.1, 0.5, 0.9])
    share = winners_faster(model, deals(*[(place, float(age), 1.0) for age in ages]))
    error = np.sqrt(share * (1 - share) / len(stay))
    assert (np.abs(share - [0.1, 0.5, 0.9]) < 4 * error).all()


def test_it_does_not_depend_on_the_other_open_deals_and_flags_the_slow() -> None:
    model = serial()
    alone = winners_faster(model, deals((0, 30.0, 1.0)))
    both = winners_faster(model, deals((0, 30.0, 1.0), (0, 900.0, 1.0)))
    assert_allclose(alone[0], both[0])
    table = pd.DataFrame({"lead": ["a", "b"], "stage": ["x", "x"], "winners_faster": [0.5, 0.95]})
    known = pd.DataFrame({"lead": ["a", "b"], "zombie": [False, False]})
    assert with_names(table, known)["flag"].tolist() == ["", "slower than 90 % of winners"]


def test_flags_names_and_dates_by_hand() -> None:
    """At 90 % a deal is slow; never closed says more; with a date, only being overdue says anything."""
    names = list("abcd")
    table = pd.DataFrame({"lead": names, "stage": "x", "segment": "all", "age": 1.0,
                          "winners_faster": [0.899, 0.9, 0.95, 0.1]})  # fmt: skip
    known = pd.DataFrame({"lead": names[::-1], "zombie": [False, True, False, False], "owner": list("DCBA")})
    slow, stale = "slower than 90 % of winners", "never closed this late"
    plain = with_names(table, known)
    assert plain["flag"].tolist() == ["", slow, stale, ""]
    assert plain["owner"].tolist() == list("ABCD") and plain.columns[4] == "owner"
    assert with_names(table, known.assign(channel="web")).columns.tolist()[3:5] == ["channel", "owner"]
    due = pd.Series({"a": -0.5, "b": 0.0, "c": -3.0})
    assert with_names(table, known, due)["flag"].tolist() == ["overdue", "", "overdue", ""]


def test_the_table_of_deals_by_hand() -> None:
    """Amounts of 1,000 and 500 at chances of .1 and .4 over two periods: 100 and 200 are expected."""
    some = deals((0, 1.26, 1000.0), (1, 2.0, 500.0))
    chance = np.array([[0.06, 0.04], [0.3, 0.1]])
    table = deal_table(serial(), some, chance, QUARTERS[:2])
    assert table["lead"].tolist() == ["d1", "d0"] and table["expected"].tolist() == [200.0, 100.0]
    assert table["stage"].tolist() == ["B", "A"] and table["age"].tolist() == [2.0, 1.3]
    assert table["P(win 2026 Q1)"].tolist() == [0.3, 0.06] and table["P(win 2026 Q2)"].tolist() == [0.1, 0.04]
    again = deal_table(serial(), some, chance, QUARTERS[:2], more=np.array([[0.2, 0.0], [0.0, 0.0]]))
    assert again["expected"].tolist() == [300.0, 200.0]
