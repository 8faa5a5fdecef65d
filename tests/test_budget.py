"""The next euro: curves, the best split of a budget, what a lead is worth, and how sure the gain is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from funnelsim import read_history, sample_path, situation
from funnelsim.calibration.posterior import stream
from funnelsim.calibration.response import fit_saturation
from funnelsim.errors import FunnelError
from funnelsim.forecasting.budget import (
    Power,
    Saturation,
    best_budget,
    best_split,
    budget_rows,
    budget_words,
    channel_quality,
    drawn_elasticities,
    saturation_through,
    worth_of_channels,
)
from funnelsim.history.spend import read_spend
from funnelsim.model.model import IntakeChange, Spend
from funnelsim.pages import budget_page
from funnelsim.show import charts
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
