"""Simulated lives against numbers that are known in closed form."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from funnelsim.model.dwell import stated_rates
from funnelsim.model.funnel import Draw, Funnel, Referral
from funnelsim.model.model import Cell, Entries, Model, OpenDeals, Values, nobody
from funnelsim.model.rates import constant_table
from funnelsim.simulation.record import Run
from funnelsim.simulation.run import period_sums, run_model

ENDS = ("Won", "Lost")
LONG = 20000.0


def model_of(exits, laws, leads_on_day=None, earns=None, referrals=()) -> Model:
    """Return a stated model: for each stage its exits' places, and for each of these (chance, law)."""
    stages = tuple(f"s{i}" for i in range(len(exits)))
    funnel = Funnel("stated", stages, ENDS, tuple(map(tuple, exits)), earns or {"Won": 1.0})
    tables = [stated_rates(law) for law in laws]
    bins, most = max(edges.size for edges, _ in tables), max(map(len, exits))
    edges, rate = np.full((1, len(stages), bins), np.inf), np.zeros((1, len(stages), most, bins))
    for stage, (cuts, rates) in enumerate(tables):
        edges[0, stage, : cuts.size], rate[0, stage, : len(rates), : cuts.size] = cuts, rates
    path = np.zeros(1) if leads_on_day is None else leads_on_day
    entries = Entries((Cell(0, 0),), np.ones(1), path)
    return Model(
        funnel, ("all",), constant_table(edges, rate), entries, Values(np.ones((1, 1)), np.ones(1)),
        pd.Timestamp("2026-01-01"), referrals=referrals,
    )  # fmt: skip


def crowd(stage: int, count: int, age: float = 0.0) -> OpenDeals:
    names = np.array([f"lead {i}" for i in range(count)], dtype=object)
    return OpenDeals(names, np.full(count, stage), np.zeros(count, int), np.full(count, age), np.ones(count))


def ends_of(run: Run, end: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which open deals came to an end, and when."""
    rows = run.place == run.model.funnel.numbers[end]
    return run.who[rows], run.day[rows]


def near(found: float, truth: float, error: float) -> bool:
    return abs(found - truth) < 4 * error


def share_near(share: float, truth: float, count: int) -> bool:
    return near(share, truth, np.sqrt(truth * (1 - truth) / count))


gamma = stats.gamma
# Gamma days, squared coefficient of variation 1, 1/2, 1/4 by stage of origin
CHAIN = model_of(
    [("s1", "s2", "Lost"), ("s2", "Lost"), ("s1", "Won", "Lost")],
    [
        [(0.5, gamma(1, scale=10)), (0.1, gamma(1, scale=5)), (0.4, gamma(1, scale=7))],
        [(0.6, gamma(2, scale=10)), (0.4, gamma(2, scale=6))],
        [(0.1, gamma(4, scale=3.75)), (0.5, gamma(4, scale=7.5)), (0.4, gamma(4, scale=6.25))],
    ],
)  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "win", "time", "sd", "won", "sd_won", "lost"),
    [(0, 10 / 47, 28.69148936, 27.57035077, 55.98404255, 25.94178711, 21.31512363),
     (1, 15 / 47, 34.78723404, 25.94673, 52.23404255, 22.90281246, 26.60904255),
     (2, 25 / 47, 29.9787234, 17.23662642, 32.23404255, 18.01496096, 27.41586074)],
)  # fmt: skip
def test_absorbing_chain(stage, win, time, sd, won, sd_won, lost):
    count = 40000
    run = run_model(CHAIN, LONG, open_deals=crowd(stage, count))
    winners, won_on = ends_of(run, "Won")
    _, lost_on = ends_of(run, "Lost")
    every = np.concatenate([won_on, lost_on])
    assert every.size == count
    assert share_near(winners.size / count, win, count)
    assert near(every.mean(), time, sd / np.sqrt(count))
    assert near(won_on.mean(), won, sd_won / np.sqrt(won_on.size))
    assert near(lost_on.mean(), lost, lost_on.std() / np.sqrt(lost_on.size))
    fourth = np.mean((every - every.mean()) ** 4)
    assert near(every.var(), sd**2, np.sqrt((fourth - sd**4) / count))


SERIAL = [("s1", "Lost"), ("s2", "Lost"), ("Won", "Lost")]


def serial(leads=None) -> Model:
    laws = [
        [(chance, stats.expon(scale=mean)), (1 - chance, stats.expon(scale=mean))]
        for chance, mean in ((0.5, 10), (0.6, 20), (0.5, 30))
    ]
    return model_of(SERIAL, laws, leads)


@pytest.mark.parametrize(("stage", "chance"), [(0, 0.123049871), (1, 0.261857036), (2, 0.475106466)])
def test_serial_funnel_of_open_deals(stage, chance):
    count = 40000
    winners, _ = ends_of(run_model(serial(), 90, open_deals=crowd(stage, count), seed=2), "Won")
    assert share_near(winners.size / count, chance, count)


def test_serial_funnel_of_new_leads():
    sums = period_sums(serial(np.full(270, 2.0)), [0, 90, 180, 270], replications=400, seed=4)
    wins = sums.wins[:, :, 1]
    truth = np.array([10.74994547, 25.34748218, 26.90753754])
    assert np.all(np.abs(wins.mean(axis=0) - truth) < 4 * np.sqrt(truth / 400))
    # independent leads of a Poisson intake: wins of a period are Poisson
    assert np.all(np.abs(wins.var(axis=0, ddof=1) / truth - 1) < 4 * np.sqrt((2 + 1 / truth) / 400))
    assert sums.wins[:, :, 0].sum() == 0


def test_fast_stage():
    laws = [
        [(0.5, stats.expon(scale=0.01)), (0.5, stats.expon(scale=0.01))],
        [(0.6, stats.expon(scale=20)), (0.4, stats.expon(scale=20))],
    ]
    model, count = model_of([("s1", "Lost"), ("Won", "Lost")], laws), 40000
    winners, _ = ends_of(run_model(model, 90, open_deals=crowd(0, count)), "Won")
    assert share_near(winners.size / count, 0.296665633855455, count)


@pytest.mark.parametrize(
    ("age", "eventual", "soon"),
    [(0, 0.3, 0.298339), (15, 0.295052, 0.294449), (30, 0.218753, 0.218553), (60, 0.064421, 0.064406),
     (90, 0.009375, 0.009374)],
)  # fmt: skip
def test_ageing_deal(age, eventual, soon):
    laws = [(0.3, stats.weibull_min(1.5, scale=30)), (0.7, stats.weibull_min(0.8, scale=60))]
    count = 40000
    run = run_model(
        model_of([("Won", "Lost")], [laws]), LONG, open_deals=crowd(0, count, float(age)), seed=age
    )
    winners, days = ends_of(run, "Won")
    assert share_near(winners.size / count, eventual, count)
    assert share_near(np.mean(np.append(days, np.full(count - days.size, np.inf)) <= 90), soon, count)


def test_sinusoidal_arrivals():
    day = np.arange(365 * 3) + 0.5
    stage = [(1.0, stats.expon(scale=30))]
    model = model_of([("Won",)], [stage], 2 + np.sin(2 * np.pi * day / 365))
    truth = {0.0: 47.769137, 91.25: 83.683662, 182.5: 72.230863}
    found = {moment: [] for moment in truth}
    for replicate in range(60):
        run = run_model(model, 365 * 2 + 183, seed=9, replicate=replicate)
        for moment in truth:
            came = (run.day < 365 * 2 + moment) & (run.visit == 0)
            left = (run.day < 365 * 2 + moment) & (run.visit == 1)
            found[moment].append(came.sum() - left.sum())
    for moment, mean in truth.items():
        assert near(np.mean(found[moment]), mean, np.sqrt(mean / 60))


def family(mean: float, delay: float = 5.0) -> Model:
    """Return a funnel where every lead wins within the day and refers a Poisson number of others."""
    quick = [(1.0, stats.expon(scale=0.01))]
    referral = Referral(1, 0, mean, Draw(np.array([delay])))
    return model_of([("Won",)], [quick], referrals=(referral,))


def test_referrals_are_a_branching_process():
    # mean of the whole family of one: 1 / (1 - m); variance m / (1 - m) ** 3
    mean, count = 0.6, 4000
    run = run_model(family(mean), 1000.0, open_deals=crowd(0, count), seed=1)
    assert near(run.lead.size / count, 1 / (1 - mean), np.sqrt(mean / (1 - mean) ** 3 / count))
    generations = np.bincount(np.round(run.day[run.visit == 0] / 5).astype(int))
    for number in (1, 2, 3):
        variance = mean**number * (1 + sum(mean**k for k in range(1, number + 1)))
        assert near(generations[number] / count, mean**number, np.sqrt(variance / count))


def test_a_family_above_one_dies_out_with_the_known_chance():
    # q = exp(m (q - 1)): for m = 1.5 it is 0.417188
    alive = [run_model(family(1.5), 60.0, open_deals=crowd(0, 1), seed=seed) for seed in range(300)]
    died = np.mean([run.lead.size < 40 for run in alive])
    assert share_near(died, 0.417188, 300)


def test_repeat_purchases_are_renewals():
    # each stay is gamma of mean 20 and shape 2; the customer buys again with chance 1
    # renewals in t: t / mu + (scv - 1) / 2 in the long run, variance t scv / mu
    again = [(1.0, stats.gamma(2, scale=10))]
    model, count, days = model_of([("s0",)], [again], earns={"s0": 1.0}), 400, 1000.0
    sums = period_sums(model, [0, days], open_deals=crowd(0, count), replications=5, seed=1)
    mean, variance = days / 20 + (0.5 - 1) / 2, days * 0.5 / 20
    assert near(sums.wins.sum() / (5 * count), mean, np.sqrt(variance / (5 * count)))
    np.testing.assert_array_equal(sums.revenue, sums.wins)


def test_customers_who_churn_buy_a_geometric_number_of_times():
    again = [(0.7, stats.expon(scale=3)), (0.3, stats.expon(scale=3))]
    model, count = model_of([("s0", "Lost")], [again], earns={"s0": 1.0}), 20000
    run = run_model(model, 2000.0, open_deals=crowd(0, count))
    bought = np.bincount(run.who[run.place == 0], minlength=count)
    assert near(bought.mean(), 0.7 / 0.3, np.sqrt(0.7 / 0.09 / count))
    assert share_near(np.mean(bought == 0), 0.3, count)


def test_common_luck_shrinks_the_noise_of_a_difference():
    # pass rate of the last stage + 10 %: the difference of wins with common luck against without
    base = serial()
    rate = base.table.rate.copy()
    rate[0, 0, 2] = np.array([0.55, 0.45])[:, None] / 30
    better = replace(base, table=base.table.with_rate(rate))
    deals = crowd(0, 500)
    first = period_sums(base, [0, 5000], open_deals=deals, replications=200, seed=1).wins[:, 0, 0]
    second = period_sums(better, [0, 5000], open_deals=deals, replications=200, seed=1).wins[:, 0, 0]
    other = period_sums(better, [0, 5000], open_deals=deals, replications=200, seed=2).wins[:, 0, 0]
    assert np.all(second >= first)
    assert np.var(second - first) < 0.1 * np.var(other - first)


def test_an_empty_pipeline_is_the_default():
    model = serial(np.full(30, 2.0))
    assert run_model(model, 30).log.equals(run_model(model, 30, open_deals=nobody()).log)
