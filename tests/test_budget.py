"""The next euro: curves, the best split of a budget, what a lead is worth, and how sure the gain is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from funnelsim import read_history, sample_path, situation
from funnelsim.calibration.posterior import stream
from funnelsim.calibration.response import Power, Saturation, fit_saturation, saturation_through
from funnelsim.errors import FunnelError
from funnelsim.forecasting.allocation import (
    DealLuck,
    best_of_worst,
    best_split,
    best_splits,
    best_to_reach,
    worst_weights,
)
from funnelsim.forecasting.budget import (
    Worth,
    acts_on,
    best_budget,
    budget_rows,
    budget_words,
    channel_quality,
    drawn_elasticities,
    regret_words,
    worth_of_channels,
)
from funnelsim.history.spend import read_spend
from funnelsim.model.model import IntakeChange, Spend
from funnelsim.pages import budget_page
from funnelsim.show import charts, words
from funnelsim.show.charts.forecast import budget_chart
from funnelsim.show.charts.theme import heading

ANYTHING = np.array([np.inf, np.inf])


@pytest.fixture(scope="module")
def place():
    return situation(read_history(sample_path()), periods=4, spend=read_spend(sample_path("spend.csv")))


@pytest.fixture(scope="module")
def found(place):
    return best_budget(place, draws=40)


def test_michaelis_menten_optimum_of_the_books():
    """Tops 100 and 100, halves 10 and 40, budget 50: the slope is 0.9 at 70 / 3 and 80 / 3; they earn 110."""
    curve = Saturation(np.array([100.0, 100.0]), np.array([10.0, 40.0]))
    spend, multiplier = best_split(curve.slope, 50.0, np.zeros(2), ANYTHING)
    assert_allclose(spend, [70 / 3, 80 / 3], rtol=1e-9)
    assert_allclose(multiplier, 0.9, rtol=1e-9)
    assert_allclose(curve.revenue(spend).sum(), 110.0, rtol=1e-12)
    assert_allclose(curve.revenue(np.array([25.0, 25.0])).sum(), 109.8901, atol=5e-5)


def test_power_optimum_in_closed_form():
    """With one elasticity e, shares of the best split are as (revenue / spend ** e) ** (1 / (1 - e))."""
    curve = Power(np.array([300.0, 100.0, 50.0]), np.array([10.0, 20.0, 5.0]), np.full(3, 0.4))
    weight = (curve.at_today / curve.today**0.4) ** (1 / 0.6)
    spend, multiplier = best_split(curve.slope, 77.0, np.zeros(3), np.full(3, np.inf))
    assert_allclose(spend, 77 * weight / weight.sum(), rtol=1e-8)
    assert_allclose(curve.slope(spend), multiplier, rtol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_split_earns_more(seed):
    rng = np.random.default_rng(seed)
    today = rng.uniform(5, 50, 4)
    curve = saturation_through(rng.uniform(10, 500, 4), today, rng.uniform(0.05, 0.9, 4))
    low, high = 0.7 * today, 1.3 * today
    spend, _ = best_split(curve.slope, today.sum(), low, high)
    best = curve.revenue(spend).sum()
    assert_allclose(spend.sum(), today.sum(), rtol=1e-9)
    for _ in range(200):
        one, other = rng.choice(4, 2, replace=False)
        step = rng.uniform(0, min(spend[one] - low[one], high[other] - spend[other]) + 1e-12)
        moved = spend.copy()
        moved[[one, other]] += [-step, step]
        assert curve.revenue(moved).sum() <= best + 1e-6


def test_bounds_hold_and_refuse_what_they_do_not_allow():
    curve = Power(np.array([1000.0, 1.0]), np.array([10.0, 10.0]), np.array([0.5, 0.5]))
    spend, _ = best_split(curve.slope, 20.0, np.full(2, 7.0), np.full(2, 13.0))
    assert_allclose(spend, [13.0, 7.0])
    with pytest.raises(FunnelError, match="budget 30: the bounds allow 14 to 26"):
        best_split(curve.slope, 30.0, np.full(2, 7.0), np.full(2, 13.0))
    everything, _ = best_split(curve.slope, 26.0, np.full(2, 7.0), np.full(2, 13.0))
    assert_allclose(everything, [13.0, 13.0])


def problem(seed, draws=1):
    """Two or three channels, some draws of their curves, a budget and bounds: (curve, budget, low, high)."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 4))
    today = rng.uniform(5, 50, count)
    make = Power if seed % 2 else saturation_through
    revenue = rng.uniform(10, 500, count) * rng.lognormal(0.0, 0.3, (draws, count))
    curve = make(revenue, today, rng.uniform(0.05, 0.9, (draws, count)))
    return curve, today.sum() * rng.uniform(0.9, 1.1), 0.6 * today, 1.5 * today


def grid(budget, low, high, steps):
    """All splits of a budget on a grid within the bounds, (splits, channels)."""
    ways = np.meshgrid(*(np.linspace(a, b, steps) for a, b in zip(low[:-1], high[:-1], strict=True)))
    first = np.stack([way.ravel() for way in ways], axis=1)
    last = budget - first.sum(axis=1)
    inside = (last >= low[-1] - 1e-12) & (last <= high[-1] + 1e-12)
    return np.column_stack([first, last])[inside]


def by_brute_force(value, budget, low, high):
    """The largest value on grids, each around the best split of the one before."""
    near, far = low.copy(), high.copy()
    for _ in range(14):
        splits = grid(budget, near, far, 61 if len(low) == 2 else 25)
        best = splits[int(np.argmax([value(split) for split in splits]))]
        reach = (far - near) / 4
        near = np.append(np.maximum(low, best - reach)[:-1], low[-1])
        far = np.append(np.minimum(high, best + reach)[:-1], high[-1])
    return value(best)


@pytest.mark.parametrize("seed", range(200))
def test_the_mean_is_as_large_as_by_brute_force(seed):
    curve, budget, low, high = problem(seed)
    spend, _ = best_split(lambda one: curve.slope(one).mean(axis=0), budget, low, high)
    found = curve.revenue(spend).sum()
    assert found >= by_brute_force(lambda one: curve.revenue(one).sum(), budget, low, high) * (1 - 1e-6)
    assert_allclose(spend.sum(), budget)
    assert (spend >= low - 1e-9).all() and (spend <= high + 1e-9).all()


@pytest.mark.parametrize("seed", range(12))
def test_the_mean_of_the_worst_fifth_is_as_large_as_by_brute_force(seed):
    curve, budget, low, high = problem(seed, draws=40)

    def worst(one):
        return np.sort(curve.revenue(one).sum(axis=1))[:8].mean()

    spend = best_of_worst(curve, 0.2, budget, low, high)
    assert worst(spend) >= by_brute_force(worst, budget, low, high) * (1 - 1e-6)
    assert_allclose(spend.sum(), budget)
    usual = best_split(lambda one: curve.slope(one).mean(axis=0), budget, low, high)[0]
    assert worst(spend) >= worst(usual) * (1 - 1e-12)
    assert_allclose(
        curve.revenue(best_of_worst(curve, 1.0, budget, low, high)).sum(axis=1).mean(),
        curve.revenue(usual).sum(axis=1).mean(), rtol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_as_many_draws_reach_a_target_as_by_brute_force(seed):
    curve, budget, low, high = problem(seed, draws=40)
    usual = best_split(lambda one: curve.slope(one).mean(axis=0), budget, low, high)[0]
    wanted = float(np.quantile(curve.revenue(usual).sum(axis=1), 0.3 + 0.05 * seed))

    def reach(one):
        return (curve.revenue(one).sum(axis=1) >= wanted).mean()

    spend = best_to_reach(curve, wanted, budget, low, high)
    assert_allclose(spend.sum(), budget)
    assert (spend >= low - 1e-9).all() and (spend <= high + 1e-9).all()
    assert reach(spend) >= max(reach(one) for one in grid(budget, low, high, 61)) - 1e-12


@pytest.mark.parametrize("seed", range(6))
def test_with_luck_a_target_is_reached_as_surely_as_by_brute_force(seed):
    curve, budget, low, high = problem(seed, draws=40)
    usual = best_split(lambda one: curve.slope(one).mean(axis=0), budget, low, high)[0]
    money = curve.revenue(usual)
    luck = DealLuck(np.linspace(0.02, 0.4, len(low)) * money.sum(axis=1).mean(), 0.1 * (seed % 2))
    wanted = float(np.quantile(money.sum(axis=1), 0.2 + 0.1 * seed))

    def reach(one):
        return luck.chance(curve.revenue(one), wanted).mean()

    spend = best_to_reach(curve, wanted, budget, low, high, luck)
    assert_allclose(spend.sum(), budget)
    assert reach(spend) >= max(reach(one) for one in grid(budget, low, high, 61)) - 1e-4
    assert reach(spend) > reach(usual) or reach(spend) == pytest.approx(reach(usual), abs=1e-4)


def test_the_luck_of_a_target_is_that_of_lives():
    """Money counted win by win: the number is Poisson about a Gamma factor, each win has an amount."""
    rng = np.random.default_rng(8)
    atoms = np.array([[1.0, 2.0, 6.0], [10.0, 20.0, 30.0]])
    shares, nothing = np.array([[1.0, 0.0], [0.25, 0.75]]), np.zeros(0)
    worth = Worth(("a", "b"), nothing, nothing, nothing, shares, atoms, 0.3)
    money = np.array([[30.0, 80.0], [40.0, 120.0]])
    lives, wanted = 40_000, 140.0
    met = []
    for each in money:
        factor = rng.gamma(1 / 0.09, 0.09, lives)
        total = np.zeros(lives)
        for group, own in enumerate(atoms):
            number = rng.poisson(factor * (each @ shares[:, group]) / own.mean())
            counts = rng.multinomial(number, np.full(3, 1 / 3))
            total += counts @ own
        met.append((total >= wanted).mean())
    error = np.sqrt(0.25 / lives / 2)
    assert abs(worth.reach(money, wanted) - np.mean(met)) < 4 * error
    assert abs(worth.luck.chance(money, wanted).mean() - np.mean(met)) < 0.02


def test_many_splits_at_once_are_those_one_by_one():
    curve, budget, low, high = problem(4, draws=7)
    together, more = best_splits(curve.slope, budget, low, high, rows=7)
    for row in range(7):
        one = Saturation(curve.top[row], curve.half[row])
        spend, back = best_split(one.slope, budget, low, high)
        assert_allclose(together[row], spend, rtol=1e-9)
        assert_allclose(more[row], back, rtol=1e-9)


def test_weights_of_the_worst_add_up_and_take_a_part_of_a_draw():
    money = np.random.default_rng(3).normal(size=25)
    weight = worst_weights(money, 0.2)
    assert_allclose([weight.sum(), weight @ money], [1.0, np.sort(money)[:5].mean()])
    assert_allclose(
        worst_weights(money, 0.22) @ money, (np.sort(money)[:5].sum() + 0.5 * np.sort(money)[5]) / 5.5
    )


def test_aims_are_told_and_each_is_best_at_its_own(place, found):
    careful = best_budget(place, draws=40, aim="worst")
    assert careful.told.loc["best", "worst"] >= found.told.loc["best", "worst"] * (1 - 1e-9)
    assert careful.gain <= found.gain * (1 + 1e-9)
    assert str(careful).startswith("In the worst fifth of what may be true the best split earns")
    wanted = float(found.told.loc["best", "mean"])
    sure = best_budget(place, draws=40, aim="target", target=wanted)
    reach = sure.told["reach"]
    assert reach["best"] >= reach["today"] - 1e-9
    assert 0.2 < reach["today"] < 0.8  # not all or nothing: one draw's luck goes either way
    assert f"with a chance of {words.percent(reach['best'])}" in str(sure) and sure.target == wanted
    assert_allclose(found.told.loc["best", "mean"] - found.told.loc["today", "mean"], found.gain)


def test_regret_is_what_the_best_split_of_each_draw_earns_more(place, found):
    assert 0 < found.regret < found.regret_high
    assert "in one case of ten by more than" in regret_words(found) == found.notes[0]
    known = tuple(replace(one, error=0.0) for one in place.model.entries.spend)
    model = replace(place.model, entries=replace(place.model.entries, spend=known))
    surer = best_budget(replace(place, model=model), draws=40)
    assert surer.regret < 0.5 * found.regret


def test_the_next_euro_has_an_interval_and_channels_without_spend_are_shown(place, found):
    table = found.table
    assert ((table["return_low"] < table["return_now"]) & (table["return_now"] < table["return_high"])).all()
    entries = place.model.entries
    fewer = tuple(one for one in entries.spend if one.channel != "email")
    less = best_budget(
        replace(place, model=replace(place.model, entries=replace(entries, spend=fewer))), draws=5
    )
    assert "email" in set(less.idle["channel"]) and "email" not in set(less.table["channel"])
    rows, _ = budget_rows(less)
    email = rows[rows["channel"] == "email"].iloc[0]
    assert email["spend now"] == 0 and "no spend known" in email["mind"]
    kept = found.table.set_index("channel")
    assert_allclose(
        less.idle.set_index("channel").loc["email", "leads_now"], kept.loc["email", "leads_now"], rtol=0.2
    )


def test_money_that_acts_too_late_is_told(place):
    entries = place.model.entries
    slow = tuple(replace(one, lag_days=300.0) for one in entries.spend)
    model = replace(place.model, entries=replace(entries, spend=slow))
    late = best_budget(replace(place, model=model), draws=2).table
    until = (place.periods[-1].end - place.model.as_of) / pd.Timedelta(days=1)
    share = (300 + 365.25 / 4 - until) / (365.25 / 4)
    assert 0 < share < 1
    assert_allclose(late["late"], share)
    assert late["flag"].str.contains("of it acts too late").all()


def test_money_that_lasts_acts_later_and_as_much(place):
    """Of a window's money, day d has the part that a sum over its weeks gives, and all of it in the end."""
    lasting = Spend("tv", 1.0, 0.3, lag_days=3.0, carry_over=0.6)
    part = acts_on(900, 30.0, lasting)
    assert_allclose(part.sum(), 30.0)
    day = np.arange(900) + 0.5
    moments = np.arange(0, 30, 0.01) + 0.005
    by_hand = [
        np.where(d - 3 > moments, 0.6 ** ((d - 3 - moments) / 7), 0).sum() * 0.01 * np.log(1 / 0.6) / 7
        for d in day[:60]
    ]
    assert_allclose(part[4:60], by_hand[4:], atol=2e-3)
    entries = place.model.entries
    slower = tuple(replace(one, carry_over=0.8) for one in entries.spend)
    model = replace(place.model, entries=replace(entries, spend=slower))
    late = best_budget(replace(place, model=model), draws=3)
    now = best_budget(place, draws=3)
    assert (late.table["value_per_lead"] < now.table["value_per_lead"]).all()


@pytest.mark.parametrize("make", [Power, saturation_through])
def test_curves_go_through_today_with_todays_elasticity(make):
    today, revenue, elasticity = np.array([40.0]), np.array([600.0]), np.array([0.3])
    curve = make(revenue, today, elasticity)
    assert_allclose(curve.revenue(today), revenue)
    assert_allclose(curve.slope(today), elasticity * revenue / today)
    step = 1e-5
    assert_allclose(
        (curve.revenue(today + step) - curve.revenue(today - step)) / (2 * step),
        curve.slope(today),
        rtol=1e-6,
    )


def test_puromycin():
    """Bates and Watts 1988, treated cells: Vm 212.684, K 0.0641213."""
    dose = np.repeat([0.02, 0.06, 0.11, 0.22, 0.56, 1.10], 2)
    speed = np.array([76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200], dtype=float)
    top, half = fit_saturation(dose, speed)
    assert_allclose(top, 212.684, rtol=5e-6)
    assert_allclose(half, 0.0641213, rtol=5e-6)


def test_a_tables_sums_and_slopes_fit(found):
    table = found.table
    assert_allclose(table["spend_best"].sum(), found.total, rtol=1e-6)
    assert_allclose(table["spend_now"].sum(), found.total)
    free = table[table["flag"] == ""]
    assert len(free) >= 2
    assert_allclose(free["return_best"], found.multiplier, rtol=1e-5)
    ratio = table["spend_best"] / table["spend_now"]
    assert ratio.between(0.7 - 1e-9, 1.3 + 1e-9).all()
    assert (table["flag"].str.contains("bound") == ((ratio < 0.7001) | (ratio > 1.2999))).all()


def test_marginal_return_is_elasticity_times_revenue_over_spend(found):
    table = found.table
    by_hand = table["elasticity"] * table["leads_now"] * table["value_per_lead"] / table["spend_now"]
    assert_allclose(table["return_now"], by_hand, rtol=0.15)


def test_more_draws_and_another_seed_find_the_same(place, found):
    other = best_budget(place, draws=40, seed=9)
    assert found.table["return_now"].idxmax() == other.table["return_now"].idxmax()
    assert found.low < other.gain < found.high
    assert best_budget(place, draws=40).table.equals(found.table)


def test_gain_is_nothing_where_nothing_can_move(place):
    tied = best_budget(place, bounds=(1.0, 1.0), draws=5)
    assert_allclose([tied.gain, tied.low, tied.high], 0.0, atol=1e-6 * tied.total)


def test_unsure_answers_widen_the_interval(place, found):
    entries = place.model.entries
    doubtful = tuple(replace(one, error=4 * one.error) for one in entries.spend)
    model = replace(place.model, entries=replace(entries, spend=doubtful))
    wider = best_budget(replace(place, model=model), draws=40)
    assert wider.high - wider.low > 1.5 * (found.high - found.low)


def test_wide_bounds_are_flagged_as_extrapolation(place):
    wide = best_budget(place, bounds=(0.0, 3.0), draws=5).table
    ratio = wide["spend_best"] / wide["spend_now"]
    assert (wide["flag"].str.contains("extrapolation") == ((ratio < 0.7) | (ratio > 1.3))).all()
    assert wide["flag"].str.contains("extrapolation").any()


@pytest.mark.parametrize("curve", ["power", "saturation"])
def test_the_interval_is_the_middle_eight_tenths_of_the_draws(place, curve):
    """The plan taken apart: the same draws of worth and elasticities, the same split, their quantiles."""
    plan = best_budget(place, total=50_000.0, per="month", curve=curve, draws=30, seed=4)
    known = place.model.entries.spend
    days, until = 365.25 / 12, (place.periods[-1].end - place.model.as_of) / pd.Timedelta(days=1)
    worth = worth_of_channels(
        place, tuple(one.channel for one in known), np.array([one.lag_days for one in known]), days, until,
        draws=30, seed=4,
    )  # fmt: skip
    now = days * np.array([one.per_day for one in known])
    make = Power if curve == "power" else saturation_through
    earned = make(worth.revenue, now, drawn_elasticities(known, 30, stream(4, "spend")))
    assert_allclose(plan.table["spend_now"], now)
    best, same = plan.table["spend_best"].to_numpy(), now * 50_000 / now.sum()
    gain = (earned.revenue(best) - earned.revenue(same)).sum(axis=1)
    tenths = np.sort(gain)
    assert_allclose(plan.gain, gain.mean())
    assert_allclose([plan.low, plan.high], [np.interp(q * 29, np.arange(30), tenths) for q in (0.1, 0.9)])
    assert plan.p_better == (gain > 0).mean()
    assert_allclose(plan.total, best.sum())


def test_the_bound_that_holds_a_channel_is_named(place):
    table = best_budget(place, bounds=(0.9, 1.1), draws=5).table
    ratio = table["spend_best"] / table["spend_now"]
    assert (table["flag"].str.contains("at its lower bound") == (ratio < 0.9001)).all()
    assert (table["flag"].str.contains("at its upper bound") == (ratio > 1.0999)).all()
    assert (ratio < 0.9001).any() and (ratio > 1.0999).any()


def test_a_late_lead_is_worth_what_it_can_still_earn(place):
    """The same leads, counted from the start or from 200 days later, until the same last day."""
    names = ("events", "search")
    early, late = (
        worth_of_channels(place, names, np.full(2, day), 90.0, 300.0, draws=3, seed=1) for day in (0.0, 200.0)
    )
    assert (late.per_lead < 0.8 * early.per_lead).all()
    assert (late.per_lead > 0).all()


def test_value_per_lead_is_the_forecasts_own(place):
    """All channels, all days: with qualities taken out, worth adds up to the forecast's new leads."""
    from funnelsim.calibration.posterior import draw_rates, stream
    from funnelsim.forecasting.intensity import intensities
    from funnelsim.model.model import Draws

    names = tuple(sorted({cell.channel for cell in place.model.entries.cells}))
    rates = draw_rates(place.model, 3, stream(5, "rates"))
    born = intensities(place.model, place.deals, np.array([0.0, 91.0]), Draws(rates, np.ones((3, 1)))).born[
        :, :, 0
    ]
    worth = worth_of_channels(place, names, np.zeros(len(names)), 91.0, 91.0, draws=3, seed=5)
    assert_allclose(worth.shares.sum(axis=1), 1)
    _, quality = channel_quality(place, names, 3, stream(5, "quality"))
    assert_allclose((worth.revenue / quality).sum(axis=1), born @ place.model.values.mean, rtol=1e-9)


def test_better_leads_of_a_channel_are_seen(place):
    """The sample's social leads qualify less often than their segment, those of events more often."""
    names = ("events", "social")
    mean, drawn = channel_quality(place, names, 400, np.random.default_rng(1))
    assert mean[0] > 1 > mean[1]
    assert_allclose(drawn.mean(axis=0), mean, atol=4 * float(drawn.std(axis=0).max()) / 20)


def test_elasticities_are_drawn_within_reason():
    spend = (Spend("a", 1.0, 0.3, 0.05), Spend("b", 1.0, 0.02, 0.3), Spend("c", 1.0, 0.9, 0.0))
    drawn = drawn_elasticities(spend, 2000, np.random.default_rng(1))
    assert abs(drawn[:, 0].mean() - 0.3) < 4 * 0.05 / np.sqrt(2000)
    assert drawn.min() >= 0.01 and drawn.max() <= 0.95
    assert (drawn[:, 2] == 0.9).all()


def test_a_scenarios_intake_is_counted(place, found):
    cells = tuple(i for i, cell in enumerate(place.model.entries.cells) if cell.channel == "email")
    more = replace(place.model.entries, changes=(IntakeChange(cells, 0.0, np.inf, 2.0),))
    doubled = best_budget(replace(place, model=replace(place.model, entries=more)), draws=40).table
    email = doubled["channel"] == "email"
    assert_allclose(doubled.loc[email, "return_now"], 2 * found.table.loc[email, "return_now"])
    assert_allclose(doubled.loc[~email, "return_now"], found.table.loc[~email, "return_now"])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"curve": "powr"}, "curve 'powr' is unknown; did you mean 'power'"),
        ({"bounds": (1.3, 0.7)}, "smaller factor first"),
        ({"per": "moon"}, "unknown unit of time 'moon'"),
        ({"total": 1.0}, "budget 1: the bounds allow"),
        ({"total": float("nan")}, "the bounds allow"),
        ({"aim": "men"}, "aim 'men' is unknown; did you mean 'mean'"),
        ({"aim": "target"}, "a target goes with the aim 'target', and it needs one"),
        ({"target": 5.0}, "a target goes with the aim 'target'"),
        ({"aim": "target", "target": -5.0}, "target -5: expected money above 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(place, asked, words):
    with pytest.raises(FunnelError, match=words):
        best_budget(place, draws=2, **asked)


def test_without_spend_it_is_refused(place):
    model = replace(place.model, entries=replace(place.model.entries, spend=()))
    with pytest.raises(FunnelError, match="give a table with --spend FILE"):
        best_budget(replace(place, model=model), draws=2)


def test_words_table_chart_and_page_say_the_same(found, tmp_path):
    first = found.table.loc[found.table["return_now"].idxmax(), "channel"]
    rows, kinds = budget_rows(found)
    assert rows["channel"].iloc[0] == first
    assert set(rows.columns) == set(kinds)
    assert f"brings most in {first}" in budget_words(found)
    assert f"brings most in {first}" in heading(budget_chart(found.table).to_dict())
    budget_page(tmp_path / "budget.html", found)
    page = (tmp_path / "budget.html").read_text(encoding="utf-8")
    assert f"brings most in {first}" in page and "full reps" in page


def test_chart_of_one_channel(found):
    spec = budget_chart(found.table.head(1)).to_dict()
    assert "One more unit of money for email brings" in heading(spec)
    assert charts.png(spec)[1:4] == b"PNG"


def test_extra_money_leaves_what_is_spent_and_beats_every_other_use_of_it(place, found):
    """Of a tenth more: no channel falls, and no split of it by chance over the channels earns more."""
    extra = found.total / 10
    more = best_budget(place, extra=extra)
    rise = more.table["spend_best"].to_numpy() - more.table["spend_now"].to_numpy()
    assert_allclose(rise.sum(), extra, rtol=1e-9)
    assert (rise > -1e-6).all() and more.gain > 0 and more.low > 0
    assert "more, best split, earns" in str(more)
    one = more.table["channel"].iloc[0]
    forced = best_budget(place, extra=extra, least={one: float(more.table["spend_now"].iloc[0] + extra)})
    assert forced.gain <= more.gain * (1 + 1e-9)


def test_contracts_and_what_a_channel_can_take_go_before_the_bounds(place, found):
    """A channel that would fall keeps what its contract binds, and one that would grow stops at its most."""
    table = found.table.set_index("channel")
    falls = (table["spend_best"] / table["spend_now"]).idxmin()
    grows = (table["spend_best"] / table["spend_now"]).idxmax()
    kept, top = float(table.loc[falls, "spend_now"]), 1.05 * float(table.loc[grows, "spend_now"])
    bound = best_budget(place, least={falls: kept}, most={grows: top})
    held = bound.table.set_index("channel")
    assert_allclose(held.loc[falls, "spend_best"], kept, rtol=1e-9)
    assert held.loc[grows, "spend_best"] <= top * (1 + 1e-9)
    assert held.loc[falls, "flag"].startswith("at its lower bound")
    assert bound.gain <= found.gain and abs(held["spend_best"].sum() - found.total) < 1e-6 * found.total


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"extra": -5.0}, "extra -5: expected money above 0"),
        ({"extra": 5.0, "total": 9.0}, "give one"),
        ({"least": {"serch": 1.0}}, "least 'serch': no channel whose spend is known"),
        ({"most": {"search": -1.0}}, "expected money, 0 or more"),
        ({"least": {"search": 9.0}, "most": {"search": 8.0}}, "more than its most"),
    ],
)
def test_impossible_contracts_are_refused(place, asked, words):
    with pytest.raises(FunnelError, match=words):
        best_budget(place, **asked)
