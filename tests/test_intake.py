"""The pool of intake forecasters: what each says, how they are weighted, what no past forecast may see."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from funnelsim.calibration.intake import LARGEST_ERROR, Outlook, outlook, seasonal_factors, smoothing


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


def aged_mean(counts: list[float], keep: float) -> float:
    """The mean with weights keep^age, one block after the other."""
    total = weight = 0.0
    for count in counts:
        total, weight = keep * total + count, keep * weight + 1
    return total / weight


def test_a_jump_after_a_steady_record_by_hand() -> None:
    """40, 40, 40, 40, 80: before the last nobody erred, so all weigh alike, and then all by log 80.5 / 40.5.

    Poisson luck alone would give 1 / outcome; a past forecast weighs 5 % less than the next one; the
    prior is a fifth, worth two forecasts.
    """
    found = outlook(np.array([40.0, 40, 40, 40, 80]), 13, 1, 2)
    assert_allclose(list(found.weights.values()), 1 / 4)
    levels = [80.0, *(aged_mean([40, 40, 40, 40, 80], keep) for keep in (0.4, 0.7, 0.9))]
    assert_allclose(found.expected, [np.prod(levels) ** (1 / 4)] * 2)
    weights = 0.95 ** np.arange(4)
    excess = np.array([np.log(80.5 / 40.5) ** 2 - 1 / 80, -1 / 40, -1 / 40, -1 / 40])
    spread = np.sqrt(((weights * excess).sum() + 2 * 0.2**2) / (weights.sum() + 2))
    assert_allclose(found.spread, spread)
    assert found.tried == 4


def pool_by_hand(counts: list[float], horizon: int) -> Outlook:
    """The pool of a record too short for smoothing and seasons, one origin and one forecaster at a time."""
    origins = range(1, len(counts) - horizon + 1)

    def says(origin: int) -> list[float]:
        known = counts[:origin]
        flat = np.mean(known[-horizon:])
        return [
            horizon * max(float(x), 0.02)
            for x in (flat, *(aged_mean(known, keep) for keep in (0.4, 0.7, 0.9)))
        ]

    def error(origin: int, forecast: float) -> float:
        outcome = sum(counts[origin : origin + horizon])
        return float(np.clip(np.log((outcome + 0.5) / (forecast + 0.5)), -0.7, 0.7))

    def weights(errors: list[list[float]]) -> np.ndarray:
        discount = 0.95 ** np.arange(len(errors))[::-1]
        squares = (discount[:, None] * np.array(errors).reshape(-1, 4) ** 2).sum(0)
        typical = (squares.sum() + 0.2**2) / (4 * discount.sum() + 1)
        raw = np.maximum((squares + 2 * typical) / (discount.sum() + 2), 1e-6) ** -1.5
        return raw / raw.sum()

    errors = [[error(origin, one) for one in says(origin)] for origin in origins]
    over, total = 2 * 0.2**2, 2.0
    for number, origin in enumerate(origins):
        # What is known at an origin are the forecasts whose horizon is over by then.
        known = weights(errors[: max(number - horizon + 1, 0)])
        pooled = error(origin, float(np.prod(np.array(says(origin)) ** known)))
        discount = 0.95 ** (len(errors) - 1 - number)
        over += discount * (pooled**2 - 1 / max(sum(counts[origin : origin + horizon]), 1))
        total += discount
    last = weights(errors)
    expected = float(np.prod(np.array(says(len(counts))) ** last)) / horizon
    spread = float(np.sqrt(np.clip(over / total, 0.03**2, 0.7**2)))
    return Outlook(np.array([expected]), spread, {str(k): w for k, w in enumerate(last)}, len(errors))


@pytest.mark.parametrize("horizon", [1, 2])
@pytest.mark.parametrize("counts", [[30.0, 60, 20, 90, 45, 30], [200.0, 20, 0, 0, 5, 40, 41], [9.0, 9, 9]])
def test_the_pool_by_hand(counts: list[float], horizon: int) -> None:
    found, known = outlook(np.array(counts), 13, horizon, 1), pool_by_hand(counts, horizon)
    assert_allclose(found.expected, known.expected)
    assert_allclose(list(found.weights.values()), list(known.weights.values()))
    assert_allclose(found.spread, known.spread)
    assert found.tried == known.tried


def test_two_years_without_trend_or_noise_give_the_season_shrunk() -> None:
    """A factor is the mean log ratio to the year around it, times years / (years + 1/2)."""
    counts = np.tile([10.0, 20.0, 60.0], 3)
    logs = np.log(np.array([10.5, 20.5, 60.5]) / 30.5) * np.array([2 / 2.5, 3 / 3.5, 2 / 2.5])
    assert_allclose(seasonal_factors(counts, 3), np.exp(logs - logs.mean()))
    even = np.tile([10.0, 30.0], 3)
    logs = np.log(np.array([10.5, 30.5]) / 20.5) * 2 / 2.5
    assert_allclose(seasonal_factors(even, 2), np.exp(logs - logs.mean()))


def test_last_year_is_repeated_with_the_root_of_its_growth() -> None:
    """All forecasters of a doubled year: weights are read, and the pool taken apart, at a season of two."""
    counts = np.array([10.0, 30.0, 20.0, 60.0])
    found = outlook(counts, 2, 1, 4)
    assert set(found.weights) == {
        "flat",
        *(f"{head}level {keep}" for head in ("", "season x ") for keep in (0.4, 0.7, 0.9)),
        "last year",
    }
    factors = np.tile(seasonal_factors(counts, 2), 2)
    even = counts / factors
    paths = {"flat": np.full(4, 60.0), "last year": np.tile([20.0, 60.0], 2) * np.sqrt(2)}
    for keep in (0.4, 0.7, 0.9):
        paths[f"level {keep}"] = np.full(4, aged_mean(counts.tolist(), keep))
        paths[f"season x level {keep}"] = factors * aged_mean(even.tolist(), keep)
    pooled = np.prod([paths[name] ** weight for name, weight in found.weights.items()], axis=0)
    assert_allclose(found.expected, pooled)


def test_smoothing_of_one_jump_by_hand() -> None:
    """The level begins at the mean of four logs; without errors to choose by, the first alpha is kept."""
    level = np.log(40.5)
    assert_allclose(smoothing(np.full(9, 40.0))(9, 2), 40.0)
    jump = np.append(np.full(9, 40.0), 80.0)
    error = np.log(80.5) - level
    assert_allclose(smoothing(jump)(10, 3), np.exp(level + 0.1 * error) - 0.5)
