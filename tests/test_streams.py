"""Luck that holds still: streams share nothing, draws are even, and numbers hardly move with the seed."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import gamma, kstest

import funnelsim as fs
from funnelsim.calibration.posterior import PURPOSES, even_chances, gamma_at, stream
from funnelsim.forecasting.intensity import even_pairs


def test_streams_of_other_seeds_and_purposes_share_no_number():
    drawn = [stream(seed, purpose).random(500) for seed in (1, 2, 3) for purpose in PURPOSES]
    assert len(np.unique(np.concatenate(drawn))) == 500 * len(drawn)
    for one in range(len(drawn)):
        for other in range(one):
            assert abs(np.corrcoef(drawn[one], drawn[other])[0, 1]) < 5 / np.sqrt(500)


def test_strata_are_gamma_variables_one_in_each_stratum():
    shape = np.array([[0.3, 1.0], [4.0, 80.0]])
    drawn = gamma_at(shape, even_chances(np.ones(4), 400, stream(5, "rates")))
    assert drawn.shape == (400, 2, 2)
    for place in np.ndindex(shape.shape):
        values = drawn[(slice(None), *place)]
        assert kstest(values, gamma(shape[place]).cdf).pvalue > 0.9
        strata = np.floor(gamma(shape[place]).cdf(values) * 400 * (1 - 1e-12)).astype(int)
        assert sorted(strata) == list(range(400))
    assert_allclose(drawn.mean(axis=0), shape, rtol=0.02)
    others = np.corrcoef(drawn.reshape(400, -1).T) - np.eye(4)
    assert np.abs(others).max() < 5 / np.sqrt(400)


def test_the_most_important_variables_are_freed_of_correlations():
    """Of 300 variables a hundred are turned; what they make together then has the spread that it should."""
    importance = np.arange(300.0)
    turned, plain = (even_chances(importance * on, 200, stream(3, "rates")) for on in (1, 0))
    for chance in (turned, plain):
        assert (np.sort(np.floor(chance * 200).astype(int), axis=0) == np.arange(200)[:, None]).all()
    apart = [np.abs(np.corrcoef(one[:, 200:].T) - np.eye(100)).mean() for one in (turned, plain)]
    assert apart[0] < 0.02 < 0.05 < apart[1]
    spread = [
        np.std(
            [
                even_chances(importance * on, 200, stream(seed, "rates"))[:, 200:].sum(1).std()
                for seed in range(9)
            ]
        )
        for on in (1, 0)
    ]  # of a sum of a hundred: sqrt(100 / 12) = 2.9, which luck alone moves by a twentieth
    assert spread[0] / np.sqrt(100 / 12) < 0.02 < 0.03 < spread[1] / np.sqrt(100 / 12)


def test_few_draws_are_turned_without_a_fault():
    for draws in range(1, 9):
        chance = even_chances(np.ones(6), draws, stream(draws, "rates"))
        assert chance.shape == (draws, 6) and ((chance > 0) & (chance < 1)).all()


def test_factors_are_spread_evenly_over_draws_of_all_sizes():
    money = stream(7, "rates").gamma(3.0, 1.0, 200)
    rank = even_pairs(money, 3, stream(7, "wins"))
    for column in rank.T:
        assert sorted(column) == list(range(200))
        halves = column[np.argsort(money)].reshape(4, 50)
        assert all(abs(np.sort(part).mean() - 99.5) < 10 for part in halves)


def test_the_headline_hardly_moves_with_the_seed():
    place = fs.situation(fs.sample_path())
    rows = [fs.inside.totals(fs.forecast(place, seed=seed)).iloc[0] for seed in range(1, 7)]
    mean, low, high = (np.array([row[name] for row in rows]) for name in ("mean", "0.10", "0.90"))
    # Six seeds know a standard deviation within a factor of about two, hence the room above .2 and .5 %.
    assert mean.std(ddof=1) / mean.mean() < 0.004
    assert low.std(ddof=1) / mean.mean() < 0.01 and high.std(ddof=1) / mean.mean() < 0.01
