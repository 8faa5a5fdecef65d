"""Rates from counts: the Gamma posterior, shrinkage of groups, the first bin, draws under a scenario."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import count_exits
from numpy.testing import assert_allclose
from scipy.special import gammaln

from funnelsim.calibration.posterior import (
    STRENGTHS,
    draw_counts,
    draw_rates,
    effective_exposure,
    posterior_table,
    strength,
    table_of,
)
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Cell, Entries, Model, Values
from funnelsim.model.rates import Counts, RateChange, table_under

ONE = Funnel("one", ("Open",), ("Won", "Lost"), (("Won", "Lost"),), {"Won": 1.0})
TWO = Funnel("two", ("Lead", "Offer"), ("Won", "Lost"), (("Offer",), ("Won", "Lost")), {"Won": 1.0})
GROUPED = Counts(
    np.array([0.0, 30.0]),
    np.array([[[[40.0, 9.0], [30.0, 20.0]]], [[[8.0, 8.0], [4.0, 3.0]]], [[[0.0, 1.0], [0.0, 0.0]]]]),
    np.array([[[2000.0, 1500.0]], [[900.0, 700.0]], [[10.0, 30.0]]]),
)


def model_with(counts: Counts, funnel: Funnel = ONE, levers: tuple[RateChange, ...] = ()) -> Model:
    groups = tuple(f"group {g}" for g in range(len(counts.events)))
    entries = Entries((Cell(0, 0),), np.ones(1), np.ones(1))
    base = table_of(counts, funnel)
    model = Model(
        funnel, groups, base, entries, Values(np.ones((1, 1)), np.ones(1)), pd.Timestamp(0), counts=counts
    )
    return replace(model, levers=levers, table=table_under(levers, base))


def test_half_a_pseudo_event_at_the_rate_of_the_bin_before() -> None:
    """Stage rate (6 + 2 + 1 + 1) / 100; the win's part of the first pseudo-event is (8 + .25) / (10 + .5)."""
    counts = Counts(np.array([0.0, 5.0]), np.array([[[[6.0, 2], [1, 1]]]]), np.array([[[60.0, 40]]]))
    win = 0.5 * 8.25 / 10.5
    first = np.array([6 + win, 1.5 - win]) / (60 + 0.5 / 0.1)
    second = (np.array([2, 1]) + 0.5 * first / first.sum()) / (40 + 0.5 / first.sum())
    assert_allclose(posterior_table(counts, ONE)[0, 0], np.stack([first, second], axis=1))


def test_leads_that_waited_long_are_not_taken_for_new_ones() -> None:
    """40 of 50 leave in the first bin, one in the second, none of 3 in the last: the rate falls with them."""
    events = np.array([[[[30.0, 1, 0], [10, 0, 0]]]])
    counts = Counts(np.array([0.0, 10, 100]), events, np.array([[[250.0, 400, 30]]]))
    rate = posterior_table(counts, ONE)[0, 0].sum(axis=0)
    assert_allclose(rate[0], 40 / 250, rtol=0.05)
    assert rate[2] < rate[1] < 0.005


def test_an_exit_that_nobody_took_is_rare_and_one_that_does_not_exist_is_never_taken() -> None:
    counts = Counts(np.array([0.0]), np.array([[[[5.0], [0]], [[0], [5.0]]]]), np.array([[[50.0], [50.0]]]))
    rate = posterior_table(counts, TWO)[0, :, :, 0]
    assert rate[0, 1] == 0
    assert 0 < rate[1, 0] < 0.01
    assert (draw_counts(counts, 50, np.random.default_rng(1), TWO)[:, 0, 0, 1] == 0).all()


def test_without_any_lead_there_are_rates_all_the_same() -> None:
    rate = posterior_table(Counts(np.array([0.0]), np.zeros((2, 1, 2, 1)), np.zeros((2, 1, 1))), ONE)
    assert np.isfinite(rate).all() and (rate > 0).all()


def test_parameter_and_process_variance_add_up() -> None:
    """Rate ~ Gamma(20 events, 100 days), 30 days at risk: mean 6, variance 6 (chance) + 1.8 (parameter)."""
    counts = Counts(np.array([0.0]), np.array([[[[19.5]]]]), np.array([[[97.5]]]))
    alone = Funnel("alone", ("Open",), ("Won",), (("Won",),), {"Won": 1.0})
    number = 40_000
    mean = 30 * draw_counts(counts, number, np.random.default_rng(5), alone).ravel()
    wins = np.random.default_rng(6).poisson(mean)
    assert abs(mean.mean() - 6) < 4 * np.sqrt(1.8 / number)
    assert abs(mean.var() - 1.8) < 4 * 1.8 * np.sqrt(2.3 / number)
    assert abs(wins.var() - 7.8) < 4 * 7.8 * np.sqrt(2.5 / number)


def test_the_first_bin_lets_as_many_leave_as_left() -> None:
    """60 of 100 leave within minutes; the others stay the day: 1 - exp(-rate) must be .6, not .78."""
    funnel = Funnel("fast", ("Open",), ("Won",), (("Won",),), {"Won": 1.0})
    start = np.full(100, -50.0)
    frame = pd.DataFrame(
        {"stage": "Open", "start": start, "stop": np.where(np.arange(100) < 60, start + 0.001, 0.0)}
    )
    frame["exit"] = np.where(np.arange(100) < 60, "Won", "")
    counts = count_exits(frame, funnel, bins=(0, 1))
    assert_allclose(1 - np.exp(-60 / effective_exposure(counts)[0, 0, 0]), 0.6)
    assert_allclose(effective_exposure(counts)[0, 0, 1], 40 * 49)
    everyone = count_exits(frame[:60], funnel, bins=(0, 1))
    assert 0.99 < 1 - np.exp(-60 / effective_exposure(everyone)[0, 0, 0]) < 1


def test_strength_is_the_maximum_of_the_likelihood() -> None:
    observed, expected = np.array([3.0, 18, 7, 40, 1]), np.array([10.0, 10, 8, 20, 4])

    def log_likelihood(k: float) -> float:
        terms = gammaln(k + observed) - gammaln(k) + k * np.log(k) - (k + observed) * np.log(k + expected)
        return float(terms.sum())

    fine = np.geomspace(0.3, 3000, 20_001)
    best = fine[np.argmax([log_likelihood(k) for k in fine])]
    found = float(strength(observed, expected))
    assert abs(np.log(found / best)) <= np.log(STRENGTHS[1] / STRENGTHS[0])


def test_equal_groups_are_pooled_and_different_ones_are_not() -> None:
    same = np.full((4, 1), 20.0)
    assert strength(same, same).item() == STRENGTHS[-1]
    apart = posterior_table(GROUPED, ONE)[:, 0, 0]
    raw = GROUPED.events[:, 0, 0] / GROUPED.exposure[:, 0]
    pooled = GROUPED.events.sum(0)[0, 0] / GROUPED.exposure.sum(0)[0]
    assert (abs(apart[:2] - raw[:2]) < abs(raw[:2] - pooled)).all()
    assert abs(np.log(apart[2, 1] / pooled[1])) < abs(np.log(raw[2, 1] / pooled[1]))


def test_one_group_is_the_pool() -> None:
    one = Counts(GROUPED.edges, GROUPED.events[:1], GROUPED.exposure[:1])
    drawn = draw_counts(one, 4000, np.random.default_rng(2), ONE)
    mean, se = drawn.mean(0), drawn.std(0) / np.sqrt(4000)
    assert (abs(mean - posterior_table(one, ONE)) < 4 * se).all()


def test_draws_lie_around_the_mean_table() -> None:
    """Nearly: the mean table takes the pool at its mean, which shifts a group with few leads a little."""
    drawn = draw_counts(GROUPED, 4000, np.random.default_rng(3), ONE)
    assert_allclose(drawn.mean(0)[:2], posterior_table(GROUPED, ONE)[:2], rtol=0.05)
    assert (drawn.std(0)[2] / drawn.mean(0)[2] > drawn.std(0)[0] / drawn.mean(0)[0]).all()


def test_draws_keep_the_levers_of_a_scenario() -> None:
    levers = (RateChange("odds", 0, 0, 2.0, (0, 1, 2), 10.0), RateChange("rate", 0, 1, 0.5, (1,), 20.0, 30.0))
    plain = draw_rates(model_with(GROUPED), 20, np.random.default_rng(4))
    drawn = draw_rates(model_with(GROUPED, levers=levers), 20, np.random.default_rng(4))
    assert plain.shape == (20, 1, 3, 1, 2, 2) and drawn.shape == (20, 4, 3, 1, 2, 2)
    assert_allclose(drawn[:, 0], plain[:, 0], rtol=0)
    assert_allclose(drawn[:, 1].sum(-2), plain[:, 0].sum(-2))
    odds = drawn[:, 1, :, :, 0] / drawn[:, 1, :, :, 1]
    assert_allclose(odds, 2 * plain[:, 0, :, :, 0] / plain[:, 0, :, :, 1])
    assert_allclose(drawn[:, 2, 1, 0, 1], 0.5 * drawn[:, 1, 1, 0, 1])


def test_a_stated_model_has_no_parameter_uncertainty() -> None:
    model = replace(model_with(GROUPED), counts=None)
    drawn = draw_rates(model, 3, np.random.default_rng(0))
    assert_allclose(drawn, np.stack([model.table.rate] * 3), rtol=0)


@pytest.mark.parametrize("seed", [1, 2])
def test_draws_depend_on_the_generator_alone(seed: int) -> None:
    one, two = (draw_rates(model_with(GROUPED), 5, np.random.default_rng(seed)) for _ in range(2))
    assert (one == two).all()


def test_a_small_group_with_another_age_profile_keeps_it_beside_a_large_one() -> None:
    edges = np.array([0.0, 10.0, 20.0, 40.0])
    large = np.array([400.0, 200.0, 100.0, 20.0])
    small = np.array([0.0, 0.0, 14.0, 10.0])
    events = np.stack([large, small])[:, None, None, :]
    exposure = np.array([[8000.0, 5000.0, 6000.0, 4000.0], [900.0, 900.0, 1500.0, 900.0]])[:, None, :]
    fitted = posterior_table(Counts(edges, events, exposure))[1, 0, 0]
    assert fitted[0] < 0.15 * 400 / 8000
    assert abs(fitted[2] / (14 / 1500) - 1) < 0.25


def test_a_bin_that_surely_differs_is_not_drowned_by_the_days_of_the_bin_before() -> None:
    """Of 500 leads nobody leaves for thirty days; then 400 pay at once and 100 wait on."""
    edges, days = np.array([0.0, 14.0, 30.0]), np.array([[[7000.0, 8000.0, 2500.0]]])
    rate = posterior_table(Counts(edges, np.array([[[[0.0, 0.0, 400.0]]]]), days))[0, 0, 0]
    assert rate[1] < 1e-4
    assert_allclose(rate[2], 400 / 2500, rtol=0.02)
    alone = posterior_table(Counts(edges, np.array([[[[0.0, 0.0, 1.0]]]]), days))[0, 0, 0]
    assert_allclose(alone[2], 1.5 / (2500 + 0.5 / alone[1]))
