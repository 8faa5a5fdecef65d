"""Durations as people say them, turned into rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from funnelsim.errors import FunnelError
from funnelsim.model import dwell

Floats = NDArray[np.float64]


def taken(edges: Floats, rate: Floats, days: Floats, age: float = 0.0) -> Floats:
    """Cumulative incidence of every exit at ages `days` given still there at `age`, (days, exits)."""
    upper = np.append(edges[1:], np.inf)
    time = np.clip(days[:, None], edges, upper) - np.clip(age, edges, upper)
    total = rate.sum(axis=0)
    hazard = time * total
    before = np.cumsum(hazard, axis=1) - hazard
    split = np.divide(rate, total, out=np.zeros_like(rate), where=total > 0)
    return np.exp(-before) * -np.expm1(-hazard) @ split.T


MIXTURES = {
    "one lognormal": [(1.0, dwell.lognormal(5, 18))],
    "two lognormals": [(0.4, dwell.lognormal(30, 90)), (0.6, dwell.lognormal(60, 200))],
    "ageing deal": [(0.3, dwell.weibull(1.5, 30)), (0.7, dwell.weibull(0.8, 60))],
    "fixed and memoryless": [(0.5, dwell.fixed(14)), (0.5, dwell.exponential(20))],
    "two fixed": [(0.5, dwell.fixed(14)), (0.5, dwell.fixed(60))],
    "gammas": [(0.5, dwell.gamma(4, 2)), (0.5, dwell.gamma(0.5, 20))],
    "minutes": [(1.0, dwell.lognormal(0.01, 0.03))],
    "years": [(1.0, dwell.lognormal(4000, 9000))],
    "an exit never taken": [(0.0, dwell.lognormal(1, 3)), (1.0, dwell.lognormal(10, 30))],
}


@pytest.mark.parametrize("name", MIXTURES)
def test_incidence_is_exact_at_edges_and_close_between(name: str) -> None:
    exits = MIXTURES[name]
    edges, rate = dwell.stated_rates(exits)
    assert edges[0] == 0
    assert (np.diff(edges) > 0).all()
    assert (rate >= 0).all()
    assert edges.size < 300
    stated = np.array([chance * (1 - law.sf(edges)) for chance, law in exits]).T
    assert_allclose(taken(edges, rate, edges), stated, atol=1e-12)
    levels = np.linspace(1e-6, 1 - 1e-6, 5001)
    days = np.concatenate([law.isf(levels) for _, law in exits])
    days = days[days < edges[-1]]
    stated = np.array([chance * (1 - law.sf(days)) for chance, law in exits]).T
    assert_allclose(taken(edges, rate, days), stated, atol=1e-4)


def test_open_deals_age_as_published() -> None:
    # Win chance .3 after Weibull(1.5, 30) days, lost after Weibull(.8, 60): chances given the age.
    edges, rate = dwell.stated_rates(MIXTURES["ageing deal"])
    ever, within = (
        [0.3, 0.295052, 0.218753, 0.064421, 0.009375],
        [0.298339, 0.294449, 0.218553, 0.064406, 0.009374],
    )
    for age, won_ever, won_within in zip([0.0, 15.0, 30.0, 60.0, 90.0], ever, within, strict=True):
        won = taken(edges, rate, np.array([age + 90, 1e6]), age)[:, 0]
        assert_allclose(won, [won_within, won_ever], atol=3e-5)


@pytest.mark.parametrize("law", [dwell.exponential(20), dwell.weibull(1, 20), dwell.gamma(1, 20)])
def test_memoryless_stage_needs_one_bin(law: dwell.Duration) -> None:
    edges, rate = dwell.stated_rates([(0.5, dwell.exponential(20)), (0.5, law)])
    assert edges.tolist() == [0]
    assert_allclose(rate, [[0.025], [0.025]], rtol=1e-12)


def test_memoryless_exits_of_different_speed_need_more() -> None:
    assert dwell.stated_rates([(0.5, dwell.exponential(20)), (0.5, dwell.exponential(10))])[0].size > 50


def test_fixed_keeps_its_mean_and_a_thousandth_of_spread() -> None:
    law = dwell.fixed(14)
    edges, rate = dwell.stated_rates([(1.0, law)])
    assert_allclose(taken(edges, rate, np.array([13.985, 14.07]))[:, 0], [0, 1], atol=7e-3)
    days = np.linspace(0, 15, 300_001)
    left = 1 - taken(edges, rate, days)[:, 0]
    assert_allclose(np.trapezoid(left, days), 14, rtol=1e-6)


def test_tail_continues_with_the_mean_residual_life() -> None:
    law = dwell.gamma(2, 10)
    edges, rate = dwell.stated_rates([(1.0, law)])
    last = edges[-1]
    # Gamma of shape 2: S = exp(-x) (1 + x), integral of S beyond x = exp(-x) (2 + x), x = days / 10.
    assert_allclose(1 / rate[0, -1], 10 * (2 + last / 10) / (1 + last / 10), rtol=1e-3)
    assert law.sf(last) < 1.1e-7


def test_hours_put_edges_on_whole_hours() -> None:
    edges, _ = dwell.stated_rates([(1.0, dwell.lognormal(2, 6))], step=1 / 24)
    whole = np.abs(edges * 24 - np.round(edges * 24)) < 1e-9
    assert whole.mean() > 0.8


@settings(max_examples=40)
@given(st.floats(0.01, 500), st.floats(1.05, 12), st.floats(0.05, 0.95), st.floats(0.4, 3))
def test_any_stated_stage_keeps_its_chances_and_median(
    median: float, ratio: float, chance: float, shape: float
) -> None:
    law = dwell.lognormal(median, ratio * median)
    exits = [(chance, law), (1 - chance, dwell.weibull(shape, median))]
    edges, rate = dwell.stated_rates(exits)
    assert np.isfinite(rate).all()
    assert_allclose(taken(edges, rate, np.array([1e9]))[0], [chance, 1 - chance], atol=1e-4)
    assert_allclose(taken(edges, rate, np.array([median]))[0, 0], chance / 2, atol=3e-4)


def test_chances_must_sum_to_one() -> None:
    with pytest.raises(FunnelError, match=r"the chances 0\.5, 0\.4 sum to 0\.9, not 1"):
        dwell.stated_rates([(0.5, dwell.fixed(1)), (0.4, dwell.fixed(2))])
