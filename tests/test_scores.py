"""Scores: closed forms, identities, and two roads to one number."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm, poisson

from funnelsim.forecasting.scores import (
    crps_ensemble,
    crps_pmf,
    crps_quantiles,
    inside,
    mape,
    normal_scores,
    pinball,
    probability_below,
    quantile_at,
)

LEVELS = np.array([0.01, 0.05, 0.10, 0.20, 0.25, 0.30, 0.40, 0.50, 0.60, 0.70, 0.75, 0.80, 0.90, 0.95, 0.99])
FINE = (np.arange(4000) + 0.5) / 4000


@pytest.mark.parametrize(("observed", "score"), [(0, 0.233694977), (1, 0.602441358), (2, 1.452791822)])
def test_normal(observed: float, score: float) -> None:
    """Closed form y (2 Phi(y) - 1) + 2 phi(y) - 1 / sqrt(pi)."""
    y = np.array(float(observed))
    assert_allclose(crps_quantiles(y, FINE, norm.ppf(FINE)), score, atol=1e-5)
    assert_allclose(crps_ensemble(y, norm.ppf(FINE)), score, atol=2e-4)
    assert_allclose(crps_quantiles(y, LEVELS, norm.ppf(LEVELS)), score, rtol=0.01)


@pytest.mark.parametrize(("observed", "score"), [(7, 1.707395294), (10, 0.729335374), (15, 3.434092019)])
def test_poisson(observed: float, score: float) -> None:
    values = np.arange(80.0)
    assert_allclose(crps_pmf(float(observed), values, poisson.pmf(values, 10)), score, atol=1e-9)


def test_ensemble_and_points_and_pairs_agree_on_generic_data() -> None:
    rng = np.random.default_rng(17)
    members = rng.lognormal(2, 1, 37)
    for y in (0.1, 5.0, 60.0):
        pairs = abs(members - y).mean() - abs(members[:, None] - members).mean() / 2
        assert_allclose(crps_ensemble(np.array(y), members), pairs)
        assert_allclose(crps_pmf(y, np.sort(members), np.full(37, 1 / 37)), pairs)


def test_a_sure_forecast_scores_its_absolute_error() -> None:
    for y in (-3.0, 2.0, 9.0):
        assert_allclose(crps_ensemble(np.array(y), np.full(7, 2.0)), abs(y - 2), atol=1e-12)
        assert_allclose(crps_quantiles(np.array(y), LEVELS, np.full(15, 2.0)), abs(y - 2), atol=1e-12)
        assert_allclose(crps_pmf(y, np.array([2.0]), np.array([1.0])), abs(y - 2))


def test_scores_move_with_their_unit_and_not_with_the_origin() -> None:
    rng = np.random.default_rng(4)
    quantiles, y = np.sort(rng.normal(0, 5, (6, 15)), axis=1), rng.normal(0, 5, 6)
    plain = crps_quantiles(y, LEVELS, quantiles)
    assert_allclose(crps_quantiles(y * 3 + 7, LEVELS, quantiles * 3 + 7), plain * 3)
    members = rng.normal(0, 5, (6, 30))
    assert_allclose(crps_ensemble(y * 3 + 7, members * 3 + 7), crps_ensemble(y, members) * 3)


def test_many_outcomes_meet_one_forecast_and_one_outcome_many() -> None:
    rng = np.random.default_rng(6)
    y, forecasts = rng.normal(0, 5, 4), np.sort(rng.normal(0, 5, (3, 15)), axis=1)
    for score in (crps_quantiles, probability_below):
        table = score(y[:, None], LEVELS, forecasts)
        assert table.shape == (4, 3)
        for i in range(4):
            assert_allclose(score(y[i], LEVELS, forecasts), table[i])
            assert_allclose(score(y[i], LEVELS, forecasts[2]), table[i, 2])
        assert_allclose(score(y, LEVELS, forecasts[1]), table[:, 1])


def test_the_score_grows_by_one_a_unit_far_outside_and_is_least_at_the_middle() -> None:
    """d CRPS / dy = 2 F(y) - 1."""
    normal, grid = norm.ppf(LEVELS), np.linspace(-20, 20, 401)
    score = crps_quantiles(grid, LEVELS, normal)
    slope = np.diff(score) / np.diff(grid)
    assert_allclose(slope[[0, -1]], [-1, 1])
    middle = (grid[1:] + grid[:-1]) / 2
    assert_allclose(slope, 2 * probability_below(middle, LEVELS, normal) - 1, atol=1e-2)
    assert abs(grid[score.argmin()]) < 0.06


def test_the_score_is_twice_the_mean_quantile_loss() -> None:
    y = np.array([-0.7, 0.2, 2.5])
    quantiles = np.tile(norm.ppf(FINE), (3, 1))
    mean = 2 * pinball(y, FINE, quantiles).mean(axis=-1)
    assert_allclose(mean, crps_quantiles(y, FINE, quantiles), atol=2e-3)


def test_the_true_distribution_scores_best() -> None:
    rng = np.random.default_rng(9)
    y = rng.normal(0, 1, 4000)
    truth = crps_quantiles(y, LEVELS, np.tile(norm.ppf(LEVELS), (4000, 1)))
    for other in (norm.ppf(LEVELS, 0.3), norm.ppf(LEVELS, 0, 1.4), norm.ppf(LEVELS, 0, 0.7)):
        gap = crps_quantiles(y, LEVELS, np.tile(other, (4000, 1))) - truth
        assert gap.mean() > 4 * gap.std() / np.sqrt(4000)


def test_intervals_hold_what_they_promise() -> None:
    rng = np.random.default_rng(10)
    y = rng.normal(3, 2, 5000)
    quantiles = np.tile(norm.ppf(LEVELS, 3, 2), (5000, 1))
    for share in (0.5, 0.8, 0.95):
        found = inside(y, LEVELS, quantiles, share).mean()
        assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / 5000)


def test_outcomes_of_a_true_forecast_fall_evenly() -> None:
    rng = np.random.default_rng(12)
    y = rng.normal(3, 2, 4000)
    pit = probability_below(y, LEVELS, np.tile(norm.ppf(LEVELS, 3, 2), (4000, 1)))
    counts = np.histogram(pit, 10, (0, 1))[0]
    assert ((counts - 400) ** 2 / 400).sum() < 9 + 4 * np.sqrt(18)


def test_a_quantile_between_two_is_that_of_a_normal() -> None:
    for level in (0.001, 0.025, 0.45, 0.975):
        assert_allclose(quantile_at(level, LEVELS, norm.ppf(LEVELS, 5, 2)), norm.ppf(level, 5, 2))


def test_an_outcome_on_a_lump_of_chance_is_in_its_middle() -> None:
    """Half of the chance lies on 0."""
    quantiles = np.maximum(norm.ppf(LEVELS), 0)
    assert 0.2 < probability_below(np.array(0.0), LEVELS, quantiles) < 0.3
    assert probability_below(np.array(-1.0), LEVELS, quantiles) == 0
    assert probability_below(np.array(99.0), LEVELS, quantiles) == 1


def test_percentage_error_leaves_out_zeros() -> None:
    assert_allclose(mape(np.array([200.0, 0, 50]), np.array([100.0, 9, 50])), 0.25)
    assert np.isnan(mape(np.zeros(2), np.ones(2)))


def test_normal_scores_invert_normal_quantiles() -> None:
    y = np.array([-9.0, -2.2, 0.0, 0.37, 5.0])
    assert_allclose(normal_scores(3 + 2 * y, LEVELS, np.tile(norm.ppf(LEVELS, 3, 2), (5, 1))), y, atol=1e-9)
