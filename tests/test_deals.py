"""How late an open deal is, beside the deals that won."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose
from test_forecast import deals, serial

from funnelsim.forecasting.forecast import winners_faster, with_names
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
