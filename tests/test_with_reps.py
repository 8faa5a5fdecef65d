"""Queues on a fitted funnel: today's reps reproduce its times, and more reps are asked against that."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from test_closed_form import model_of
from test_queues import exponential

from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Pool, Work
from funnelsim.simulation.run import run_model
from funnelsim.simulation.with_reps import stage_days, with_reps

TEAM = Pool("team", np.array([-np.inf]), np.array([5]))
DESK = (Work(0, 0, exponential(1.0)),)


def fitted(days: float = 12.0):
    laws = [[(0.6, stats.gamma(2, scale=days / 2)), (0.4, stats.gamma(2, scale=days / 2))],
            [(1.0, stats.expon(scale=8.0))]]  # fmt: skip
    return model_of([("s1", "Lost"), ("Won",)], laws, np.full(730, 4.4))


def test_todays_reps_reproduce_the_fitted_times():
    found = with_reps(fitted(), [TEAM], DESK)
    row = found.check.iloc[0]
    assert row["now"] == pytest.approx(row["before"], rel=0.01)
    assert row["waiting"] > 0.5
    assert row["own"] == pytest.approx(row["before"] - row["waiting"] - row["desk"], rel=0.02)
    other = run_model(found.model, 730, seed=99)
    assert stage_days(other)[0, 0] == pytest.approx(12.0, rel=0.1)
    assert found.model.table.speed[0, 0, 1] == 1.0


def test_more_reps_are_asked_against_that():
    found = with_reps(fitted(), [TEAM], DESK)
    more = replace(found.model, pools=(replace(TEAM, size=np.array([7])),))
    before, after = (run_model(model, 730) for model in (found.model, more))
    assert after.waits["wait"].mean() < 0.5 * before.waits["wait"].mean()
    assert stage_days(after)[0, 0] < stage_days(before)[0, 0]


def test_reps_who_cannot_have_been_so_slow_are_refused():
    with pytest.raises(FunnelError, match="'s0' of 'all' took"):
        with_reps(fitted(1.5), [TEAM], DESK)
