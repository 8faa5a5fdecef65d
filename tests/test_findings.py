"""What a fitted model says in tables agrees with counting by hand, and with itself on two roads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from funnelsim.calibration.calibrate import fit_model
from funnelsim.calibration.trust import Trust, exit_shares, fitted_and_observed, group_factors, trust_of
from funnelsim.errors import FunnelError
from funnelsim.history.log import History, spells
from funnelsim.history.read import read_history
from funnelsim.sample import sample_path


@pytest.fixture(scope="module")
def history() -> History:
    return read_history(sample_path())


@pytest.fixture(scope="module")
def trust(history) -> Trust:
    return trust_of(history, fit_model(history, half_life=np.inf))


def test_fitted_and_observed_lie_on_each_other_at_bin_edges(history, trust):
    found = fitted_and_observed(trust, "small")
    near = found[np.isclose(found["days"], 30.0, atol=0.05)]
    assert set(near["stage"]) >= {"Lead", "Proposal", "Nurturing"}
    error = (found["high"] - found["low"]).loc[near.index] / (2 * 1.96)
    assert ((near["fitted"] - near["observed"]).abs() < 4 * error + 1e-4).all()


def test_observed_is_of_the_group_alone(history, trust):
    found = fitted_and_observed(trust, "large").query("stage == 'Lead' and exit == 'Lost'")
    visits = spells(history).query("stage == 'Lead' and segment == 'large' and start < -120")
    left = ((visits["exit"] == "Lost") & (visits["stop"] - visits["start"] <= 120)).mean()
    width = (found["high"] - found["low"]).iloc[-1] / (2 * 1.96)
    assert abs(found["observed"].iloc[-1] - left) < 4 * width


def test_exit_shares_add_up_to_at_most_one_and_grow_with_time(trust):
    early, late = exit_shares(trust, 30.0), exit_shares(trust, 90.0)
    assert (late["share"] > early["share"]).all()
    assert late.groupby(["group", "stage"])["share"].sum().max() < 1
    assert (late["low"] < late["share"]).mean() > 0.9
    assert (late["share"] < late["high"]).mean() > 0.9


def test_group_factors_count_what_was_seen_and_shrink_towards_one(trust):
    found = group_factors(trust, "Negotiation", "Won").set_index("group")
    assert found["seen"].sum() == trust.model.counts.events[:, 5, 1].sum()
    assert ((found["factor"] - 1).abs() <= (found["raw"] - 1).abs()).all()
    assert (np.sign(found["factor"] - 1) == np.sign(found["raw"] - 1)).all()


def test_unknown_names_are_refused(history, trust):
    with pytest.raises(FunnelError, match="did you mean 'small'"):
        fitted_and_observed(trust, "smal")
    with pytest.raises(FunnelError, match="exit 'Wone' is unknown; did you mean 'Won'"):
        group_factors(trust, "Negotiation", "Wone")


def test_counted_shares_of_a_stage_by_hand():
    """Of three leads in Lead one goes on after 4 days, two are lost after 3 and 5."""
    rows = [
        ("a", "Lead", 0), ("a", "Offer", 4), ("a", "Won", 9),
        ("b", "Lead", 0), ("b", "Lost", 3), ("b", "Offer", 5), ("b", "Won", 8),
        ("c", "Lead", 1), ("c", "Lost", 6),
        ("d", "Offer", 2),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["lead", "stage", "day"])
    frame["at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["day"], unit="D")
    small = read_history(frame, as_of="2026-01-10")
    found = fitted_and_observed(trust_of(small, fit_model(small)), "all").query("stage == 'Lead'")
    assert found[["exit", "days"]].to_numpy().tolist() == [["Offer", 4.0], ["Lost", 3.0], ["Lost", 5.0]]
    np.testing.assert_allclose(found["observed"], [1 / 3, 1 / 3, 2 / 3])
