"""What a fitted model says in tables agrees with counting by hand, and with itself on two roads."""

from __future__ import annotations

import numpy as np
import pytest

from funnelsim.calibration.calibrate import fit_model
from funnelsim.calibration.trust import exit_shares, fitted_and_observed, group_factors
from funnelsim.errors import FunnelError
from funnelsim.history.log import History, spells
from funnelsim.history.read import read_history
from funnelsim.model.model import Model
from funnelsim.sample import sample_path


@pytest.fixture(scope="module")
def history() -> History:
    return read_history(sample_path())


@pytest.fixture(scope="module")
def model(history) -> Model:
    return fit_model(history, half_life=np.inf)


def test_fitted_and_observed_lie_on_each_other_at_bin_edges(history, model):
    found = fitted_and_observed(history, model, "small")
    near = found[np.isclose(found["days"], 30.0, atol=0.05)]
    assert set(near["stage"]) >= {"Lead", "Proposal", "Nurturing"}
    error = (found["high"] - found["low"]).loc[near.index] / (2 * 1.96)
    assert ((near["fitted"] - near["observed"]).abs() < 4 * error + 1e-4).all()


def test_observed_is_of_the_group_alone(history, model):
    found = fitted_and_observed(history, model, "large").query("stage == 'Lead' and exit == 'Lost'")
    visits = spells(history).query("stage == 'Lead' and segment == 'large' and start < -120")
    left = ((visits["exit"] == "Lost") & (visits["stop"] - visits["start"] <= 120)).mean()
    width = (found["high"] - found["low"]).iloc[-1] / (2 * 1.96)
    assert abs(found["observed"].iloc[-1] - left) < 4 * width


def test_exit_shares_add_up_to_at_most_one_and_grow_with_time(model):
    early, late = exit_shares(model, 30.0), exit_shares(model, 90.0)
    assert (late["share"] > early["share"]).all()
    assert late.groupby(["group", "stage"])["share"].sum().max() < 1
    assert (late["low"] < late["share"]).mean() > 0.9
    assert (late["share"] < late["high"]).mean() > 0.9


def test_group_factors_count_what_was_seen_and_shrink_towards_one(model):
    found = group_factors(model, "Negotiation", "Won").set_index("group")
    assert found["seen"].sum() == model.counts.events[:, 5, 1].sum()
    assert ((found["factor"] - 1).abs() <= (found["raw"] - 1).abs()).all()
    assert (np.sign(found["factor"] - 1) == np.sign(found["raw"] - 1)).all()


def test_unknown_names_are_refused(history, model):
    with pytest.raises(FunnelError, match="did you mean 'small'"):
        fitted_and_observed(history, model, "smal")
    with pytest.raises(FunnelError, match="exit 'Wone' is unknown; did you mean 'Won'"):
        group_factors(model, "Negotiation", "Wone")
