"""Leads to come from structural models: level, season, break, growth, spread, and sums that agree."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import poisson
from scripts import script

from funnelsim.calibration.intake import outlook
from funnelsim.calibration.structural import (
    MOST_BLOCKS,
    OF_COUNTS,
    PERSISTENCE,
    SUDDEN,
    condition,
)


def seasonal(blocks: int, season: int = 13) -> np.ndarray:
    return 200 * np.exp(0.4 * np.sin(2 * np.pi * np.arange(blocks) / season))


def test_nothing_but_a_level_is_kept() -> None:
    found = outlook(np.full(20, 50.0), season=13, horizon=3, ahead=5)
    assert_allclose(found.expected, 50.0, rtol=0.02)
    assert found.weights["break"] < 0.5
    assert found.spread < 0.15


def covariance(walk: float, noise: float, season: float, blocks: int, year: int) -> np.ndarray:
    """The prior of log counts, one pair of blocks at a time, as the formula says it in words."""
    months = 13 / year
    found = np.full((blocks, blocks), OF_COUNTS.level**2)
    for i in range(blocks):
        for j in range(blocks):
            found[i, j] += months * walk**2 * min(i, j) + noise**2 * (i == j)
            apart = min(abs(i - j) % year, -abs(i - j) % year) / year
            found[i, j] += season**2 * np.exp(-((13 * apart) ** 2) / 2)
            slopes = [[PERSISTENCE ** (months * abs(a - b)) for a in range(i)] for b in range(j)]
            found[i, j] += (OF_COUNTS.growth * months) ** 2 * np.sum(slopes)
    return found


@pytest.mark.parametrize("year", [4, 13])
def test_each_posterior_is_that_of_the_whole_normal_law(year: int) -> None:
    """Conditioned directly, each shape as a part of the covariance: no rule of Sherman and Morrison."""
    counts = np.random.default_rng(3).poisson(40, 7).astype(float)
    found = condition(counts, year, 4, OF_COUNTS)
    around = (counts.sum() + 0.5) / 7  # six blocks each way are all
    drawn = np.log(poisson(around).ppf((np.arange(400_000) + 0.5) / 400_000) + 0.5)
    luck = np.diag([drawn.var()] * 7)
    logs = np.log(counts + 0.5) - drawn.mean() + np.log(around)
    shapes = [np.zeros(11)]
    shapes += [OF_COUNTS.level * (np.arange(11) < first) for first in range(1, 7)]
    shapes += [OF_COUNTS.level * (np.arange(11) == one) for one in range(7)]
    evidence, mean, cover = [], [], []
    grid = [(0.03, 4), (0.1, 2), (0.3, 1)]
    for (walk, a), (noise, b), (season, c) in itertools.product(grid, grid, grid):
        for number, shape in enumerate(shapes):
            full = covariance(walk, noise, season, 11, year) + np.outer(shape, shape)
            known = full[:7, :7] + luck
            residual = logs - logs.mean()
            fit = -0.5 * (residual @ np.linalg.solve(known, residual) + np.linalg.slogdet(known)[1])
            evidence.append(a * b * c * (SUDDEN if number else 1.0) * np.exp(OF_COUNTS.temper * fit))
            gain = np.linalg.solve(known, full[:7, 7:]).T
            mean.append(logs.mean() + gain @ residual)
            cover.append(full[7:, 7:] - gain @ full[:7, 7:])
    weight = np.array(evidence) / sum(evidence)
    assert_allclose(found.weight, weight.reshape(27, 14), rtol=1e-4)
    assert_allclose(found.mean, np.reshape(mean, (27, 14, 4)), rtol=1e-6)
    bend = found.bend[:, :, :, None] * found.bend[:, :, None, :]
    assert_allclose(found.cover[:, None] + bend, np.reshape(cover, (27, 14, 4, 4)), atol=1e-6)
    said = outlook(counts, year, 4, 4)
    middle = weight @ np.array(mean)
    variance = weight @ (np.array([np.diag(one) for one in cover]) + (np.array(mean) - middle) ** 2)
    walked = weight.reshape(3, -1).sum(axis=1) @ np.array([0.03, 0.1, 0.3]) ** 2 * 13 / year
    assert_allclose(said.expected, np.exp(middle + (variance - walked * np.arange(1, 5)) / 2), rtol=1e-5)


def test_a_season_is_seen_from_two_years_on() -> None:
    truth = seasonal(52)
    found = outlook(truth[:39], 13, 3, 13)
    error = abs(np.log(found.expected / truth[39:52]))
    flat = abs(np.log(truth[:39].mean() / truth[39:52]))
    assert error.mean() < 0.3 * flat.mean()
    assert found.weights["season"] > 0.95
    assert np.corrcoef(found.season[39:], truth[39:52])[0, 1] > 0.99
    assert outlook(np.full(39, 200.0), 13, 3, 13).weights["season"] < 0.3


def test_level_and_season_make_up_the_forecast() -> None:
    """But for the mean above the median, which grows with what is not known of blocks far away."""
    found = outlook(seasonal(39), 13, 3, 13)
    ratio = found.expected / (found.level * found.season)[39:]
    assert (np.diff(ratio) > 0).all() and 1 < ratio[0] < ratio[-1] < 1.02


def test_a_break_is_found_where_it_is_and_the_old_level_forgotten() -> None:
    counts = np.random.default_rng(2).poisson(np.repeat([200.0, 80.0], [18, 6])).astype(float)
    found = outlook(counts, 13, 3, 3)
    assert found.weights["break"] > 0.9
    assert found.breaks.argmax() == 18
    assert 70 < found.expected[0] < 95


def test_a_growing_intake_is_followed() -> None:
    found = outlook(np.exp(np.linspace(3.0, 6.0, 24)), 13, 3, 3)
    assert found.expected[0] > np.exp(5.6)


def test_young_intake_that_walks_is_neither_too_low_nor_too_sure() -> None:
    """Five blocks of a walk of .15 a block without drift: sums of three more are right, 80 % bands hold."""
    rng = np.random.default_rng(17)
    rate = 150 * np.exp(np.cumsum(rng.normal(-(0.15**2) / 2, 0.15, (300, 8)), axis=1))
    counts = rng.poisson(rate).astype(float)
    found = [outlook(row[:5], 13, 3, 3) for row in counts]
    ahead, said = counts[:, 5:].sum(axis=1), np.array([one.expected.sum() for one in found])
    error = (ahead - said) / said.mean()
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(300)
    single = [one.low[0] <= row[5] <= one.high[0] for one, row in zip(found, counts, strict=True)]
    assert 0.75 < np.mean(single) < 0.95


def test_spread_is_what_remains_beyond_poisson_luck() -> None:
    """Pure Poisson: hardly any. Levels that jump by 30 % at random: about that much."""
    rng = np.random.default_rng(21)
    calm = [outlook(rng.poisson(100, 40).astype(float), 1000, 1, 1).spread for _ in range(20)]
    wild = [
        outlook(rng.poisson(400 * np.exp(rng.normal(0, 0.3, 40))).astype(float), 1000, 1, 1).spread
        for _ in range(20)
    ]
    assert np.mean(calm) < 0.1
    assert 0.25 < np.mean(wild) < 0.5


def test_one_exploded_block_does_not_decide() -> None:
    counts = np.full(30, 100.0)
    counts[12] = 100_000
    found = outlook(counts, 1000, 1, 1)
    assert 80 < found.expected[0] < 200


def test_short_and_empty_records_give_numbers() -> None:
    for counts in ([5.0], [0.0, 0.0, 0.0], [3.0, 0.0]):
        found = outlook(np.array(counts), 13, 1, 4)
        assert np.isfinite(found.expected).all() and (found.expected > 0).all()
        assert found.spread > 0


def test_old_blocks_beyond_the_last_sixty_change_nothing() -> None:
    counts = np.random.default_rng(8).poisson(60, 90).astype(float)
    edited = np.append(counts[:30] * 5, counts[30:])
    assert MOST_BLOCKS == 60
    assert_allclose(outlook(counts, 13, 3, 3).expected, outlook(edited, 13, 3, 3).expected, rtol=0)


@pytest.mark.parametrize("scale", [10, 100])
def test_a_company_ten_times_as_large_is_forecast_ten_times_as_much(scale: int) -> None:
    small = outlook(seasonal(30), 13, 3, 6)
    large = outlook(seasonal(30) * scale, 13, 3, 6)
    assert_allclose(large.expected / small.expected, scale, rtol=0.05)


def test_what_is_expected_of_a_block_depends_on_no_horizon() -> None:
    counts = np.random.default_rng(9).poisson(60, 20).astype(float)
    one, far = outlook(counts, 13, 1, 2), outlook(counts, 13, 6, 26)
    assert_allclose(one.expected, far.expected[:2], rtol=1e-9)
    assert far.spread > one.spread


@pytest.mark.parametrize("mean", [0.3, 1.0, 5.0, 100.0])
def test_few_leads_are_not_forecast_too_high(mean: float) -> None:
    """A steady company of under one lead a block: its logarithms would say almost three times as many."""
    rng = np.random.default_rng(10)
    said = [outlook(rng.poisson(mean, 24).astype(float), 13, 1, 1).expected[0] for _ in range(60)]
    assert abs(np.mean(said) / mean - 1) < 3 * np.std(said) / mean / np.sqrt(60) + 0.05


def test_a_pulse_is_no_level() -> None:
    """Four times as many leads in one block, half a year ago: the level is kept; now, it may be either."""
    counts = np.random.default_rng(12).poisson(100, 30).astype(float)
    for place, limit in ((24, 110), (29, 260)):
        found = outlook(np.where(np.arange(30) == place, 400, counts), 13, 1, 1)
        assert 90 < found.expected[0] < limit
    assert outlook(np.where(np.arange(30) == 24, 400, counts), 13, 1, 1).weights["pulse"] > 0.9


def test_weeks_and_months_of_the_same_leads_say_the_same() -> None:
    """Walk and growth are those of four weeks, in whatever blocks leads are counted."""
    weeks = np.random.default_rng(13).poisson(50, 56).astype(float)
    month = outlook(weeks.reshape(-1, 4).sum(axis=1), 13, 1, 1)
    week = outlook(weeks, 52, 4, 4)
    assert_allclose(week.expected.sum(), month.expected[0], rtol=0.05)
    assert_allclose(week.spread, month.spread, rtol=0.5)


def test_the_benchmark_scores_by_hand() -> None:
    """Two cases of one made-up series: a way that says 10 for sure, of 12 that came, errs by 2 of 72 / 7."""
    intake = script("benchmarks/intake.py")
    cases = [
        intake.Case("made up", "a", np.full(6, 10.0), ahead, outcome, 13)
        for ahead, outcome in ((1, 12), (3, 31))
    ]
    sure = {"ours": lambda case: np.full(len(intake.LEVELS), 10.0 * case.ahead)}
    rows = intake.scored(cases, sure, {})
    found = intake.table(rows, "set", np.random.default_rng(1)).set_index("ahead")
    assert_allclose(found["CRPS"], [2 / (72 / 7), 1 / (91 / 3)])
    assert_allclose(found["bias"], [-2 / (72 / 7), -1 / (91 / 3)])
    assert found["in 95"].tolist() == [0.0, 0.0]
    assert (found["chose"] == "yes").all()


def test_the_benchmark_cuts_the_outcome_off_the_past() -> None:
    intake = script("benchmarks/intake.py")
    cases = list(intake.made_up_cases(6, np.random.default_rng(2)))
    for one, three in zip(cases[::2], cases[1::2], strict=True):
        assert (one.ahead, three.ahead) == (1, 3) and one.outcome <= three.outcome
        assert (one.past == three.past).all() and len(one.past) in intake.MONTHS
        for way in intake.SIMPLER:
            assert len(intake.simpler(one, way)) == len(intake.LEVELS)
