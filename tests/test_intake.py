"""The pool of intake forecasters: what each says, how they are weighted, what no past forecast may see."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from funnelsim.calibration.intake import LARGEST_ERROR, outlook, seasonal_factors, smoothing


def seasonal(blocks: int, season: int = 13) -> np.ndarray:
    return 200 * np.exp(0.4 * np.sin(2 * np.pi * np.arange(blocks) / season))


def test_nothing_but_a_level_is_kept() -> None:
    found = outlook(np.full(20, 50.0), season=13, horizon=3, ahead=5)
    assert_allclose(found.expected, 50.0, rtol=1e-6)
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert found.tried == 17


def test_a_season_is_seen_from_two_years_on_and_not_before() -> None:
    truth = seasonal(52)
    short, long = outlook(truth[:25], 13, 3, 13), outlook(truth[:39], 13, 3, 13)
    assert not any("season" in name for name in short.weights)
    error = abs(np.log(long.expected / truth[39:52]))
    flat = abs(np.log(truth[:39].mean() / truth[39:52]))
    assert error.mean() < 0.3 * flat.mean()
    assert sum(weight for name, weight in long.weights.items() if "season" in name or "year" in name) > 0.8


def test_factors_are_those_of_the_blocks_that_follow() -> None:
    truth = seasonal(65)
    factors = seasonal_factors(truth[:52], 13)
    shape = np.log(truth[52:65]) - np.log(truth[52:65]).mean()
    assert np.corrcoef(np.log(factors), shape)[0, 1] > 0.99
    assert_allclose(np.log(factors).mean(), 0, atol=1e-12)


def test_a_growing_intake_is_followed() -> None:
    found = outlook(np.exp(np.linspace(3.0, 6.0, 24)), 13, 3, 3)
    assert found.expected[0] > np.exp(5.6)


def test_past_forecasts_do_not_see_later_blocks() -> None:
    """Smoothing runs over all blocks once; what it says at an origin must not depend on what came after."""
    rng = np.random.default_rng(8)
    counts = rng.poisson(60, 30).astype(float)
    edited = np.append(counts[:18], counts[18:] * 5)
    assert_allclose(smoothing(counts)(18, 4), smoothing(edited)(18, 4), rtol=0)
    assert_allclose(smoothing(counts)(18, 4), smoothing(counts[:18])(18, 4), rtol=0)


def test_simple_smoothing_agrees_with_statsmodels() -> None:
    """On a random walk with noise the grid comes near the parameter that statsmodels estimates."""
    from statsmodels.tsa.holtwinters import SimpleExpSmoothing

    rng = np.random.default_rng(11)
    logs = 5 + np.cumsum(rng.normal(0, 0.1, 120)) + rng.normal(0, 0.2, 120)
    fit = SimpleExpSmoothing(logs, initialization_method="known", initial_level=logs[:4].mean()).fit()
    ours = np.log(smoothing(np.exp(logs) - 0.5)(120, 1)[0] + 0.5)
    assert abs(ours - fit.forecast(1)[0]) < 0.05


def test_spread_is_what_remains_beyond_poisson_luck() -> None:
    """Pure Poisson: hardly any. Levels that jump by 30 % at random: about that much."""
    rng = np.random.default_rng(21)
    calm = [outlook(rng.poisson(100, 40).astype(float), 1000, 1, 1).spread for _ in range(20)]
    wild = [
        outlook(rng.poisson(400 * np.exp(rng.normal(0, 0.3, 40))).astype(float), 1000, 1, 1).spread
        for _ in range(20)
    ]
    assert np.mean(calm) < 0.09
    assert 0.25 < np.mean(wild) < 0.45


def test_one_exploded_block_does_not_decide() -> None:
    counts = np.full(30, 100.0)
    counts[12] = 100_000
    found = outlook(counts, 1000, 1, 1)
    assert 80 < found.expected[0] < 160
    assert found.spread < LARGEST_ERROR


def test_short_and_empty_records_give_numbers() -> None:
    for counts in ([5.0], [0.0, 0.0, 0.0], [3.0, 0.0]):
        found = outlook(np.array(counts), 13, 1, 4)
        assert np.isfinite(found.expected).all() and (found.expected > 0).all()
        assert found.spread > 0
