"""Each scenario of the library moves money the way that its file says is expected."""

from dataclasses import replace

import numpy as np
import pytest
from test_scenario import FOLDER, company

from funnelsim.arrays import Floats
from funnelsim.forecasting.attribution import outlays
from funnelsim.forecasting.intensity import draws_of, intensities
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.model.levers import Scenario, apply_scenario
from funnelsim.model.model import Model, Spend
from funnelsim.model.scenario import read_scenario
from funnelsim.model.stated import read_funnel
from funnelsim.simulation.run import period_sums

LIBRARY = (
    "shift_budget", "hiring_in_a_freeze", "price_up", "discount_at_quarter_end", "nurture_revival",
    "referral_programme", "slow_spring", "loss_of_the_best_rep", "one_big_tender", "price_for_new_deals",
    "stricter_scoring", "loss_of_the_largest_deal",
)  # fmt: skip
SPEND = (Spend("events", 800.0, 0.35, lag_days=14.0), Spend("search", 530.0, 0.55, lag_days=7.0))


def free() -> Model:
    """The sample company's stages, with leads that are independent, and what two channels cost."""
    model = company()
    entries = replace(model.entries, spend=SPEND)
    return replace(model, work=(), referrals=(), pools=(), entries=entries)


def asked(name: str, model: Model) -> Scenario:
    return read_scenario(FOLDER / f"{name}.yaml", model)


def gains(place: Situation, plan: Scenario) -> Floats:
    """Expected gain of each period, at the model's own rates."""
    edges = days_of(place.periods, place.model.as_of)
    money = []
    for model in (place.model, apply_scenario(place.model, plan)):
        drawn = draws_of(model, place.deals, edges, draws=1, seed=1)
        money.append(intensities(model, place.deals, edges, drawn).new_money[0])
    found: Floats = money[1] - money[0]
    return found


def lived(model: Model, plan: Scenario, ends: list[float], lives: int) -> Floats:
    """Gains of many lives under the same luck, (lives, periods)."""
    one, other = (
        period_sums(each, ends, replications=lives, seed=3).revenue.sum(axis=2)
        for each in (model, apply_scenario(model, plan))
    )
    found: Floats = other - one
    return found


@pytest.mark.parametrize("name", LIBRARY)
def test_a_scenario_asks_and_says_what_is_expected(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert "# Expected: " in text and "\nquestion: " in text and text.count("?") >= 1


def test_moving_money_to_the_channel_that_answers_more_gains_late() -> None:
    place = situation(free(), periods=2)
    plan = asked("shift_budget", place.model)
    gain = gains(place, plan)
    assert 0 < gain[0] < gain[1]
    assert all(np.isfinite(one.amount) for one in outlays(place.model, plan))


def test_a_discount_pulls_wins_forward_and_costs_money_in_the_end() -> None:
    place = situation(free(), periods=2)
    plan = asked("discount_at_quarter_end", place.model)
    gain = gains(place, plan)
    assert gain[0] > 0 > gain[1] and gain.sum() < 0
    price = gains(place, plan.only([2]))
    assert price[0] < 0 and price[1] == 0


def test_a_discount_only_pulls_forward_what_would_have_come_later() -> None:
    """Without its price: what the rate of winning gains in September it loses in October.

    In a steady stage (3 leads a day, .02 a day leave, three tenths of them by winning) the equation
    N' = 3 - (.014 + .006 f) N tells the wins of both months: as many as without, though more are early.
    """
    plan = asked("discount_at_quarter_end", free())
    sped = [(change.multiply, (change.to - change.from_).days + 1) for change in plan.changes[:2]]
    leads, wins, step = 150.0, [0.0, 0.0], 0.01
    for month, (factor, days) in enumerate(sped):
        for _ in range(round(days / step)):
            wins[month] += 0.006 * factor * leads * step
            leads += (3 - (0.014 + 0.006 * factor) * leads) * step
    late = 0.006 * (leads - 150) / 0.02  # what the leads that are missing would still have won
    usual = [0.9 * days for _, days in sped]
    early = wins[0] - usual[0]
    assert early > 0.4 * usual[0] and abs(sum(wins) - sum(usual) + late) < 0.1 * early
    gain = gains(situation(free(), periods=2), plan.only([0, 1]))
    assert gain[0] > 0 > gain[1]


def test_a_stricter_score_costs_a_little_revenue() -> None:
    """Three of ten leads go, and the share that is qualified rises from 1/3 to .6 / 1.4."""
    place = situation(free(), periods=4)
    plan = asked("stricter_scoring", place.model)
    gain = gains(place, plan)
    leads = gains(place, plan.only([0]))
    assert (gain < 0).all() and (gain > leads).all()
    kept = 0.7 * (1.5 * (1 / 3) / (1 + 0.5 * (1 / 3))) / (1 / 3)
    assert 0.85 < kept < 1


def test_higher_prices_and_fewer_wins_nearly_cancel_out() -> None:
    place = situation(free(), periods=2)
    plan = asked("price_up", place.model)
    price, odds = plan.only([0]), plan.only([1])
    assert (gains(place, price) > 0).all() and (gains(place, odds) < 0).all()
    assert abs(gains(place, plan).sum()) < gains(place, price).sum()


def test_a_price_for_new_deals_gains_more_from_quarter_to_quarter() -> None:
    place = situation(free(), periods=2)
    gain = gains(place, asked("price_for_new_deals", place.model))
    assert 0 < gain[0] < gain[1]


def test_parked_leads_come_back_late() -> None:
    place = situation(free(), periods=2)
    gain = gains(place, asked("nurture_revival", place.model))
    assert 0 < gain[0] < gain[1]


def test_a_slow_spring_is_felt_in_summer_too() -> None:
    model = read_funnel("sales_funnel_5")
    gain = lived(model, asked("slow_spring", model), [0.0, 90.0, 181.0, 273.0], 12).mean(axis=0)
    assert (gain < 0).all()


def test_a_tender_changes_nothing_in_most_futures() -> None:
    model = read_funnel("sales_funnel_5")
    plan = asked("one_big_tender", model)
    gain = lived(model, plan, [0.0, 181.0], 60)[:, 0]
    assert gain.mean() > 0 and (gain > -1e-6).all()  # the same wins added up in another order
    assert (gain < 1e-6).mean() > 0.5


def test_referrals_grow_upon_themselves() -> None:
    model = read_funnel("flywheel")
    gain = lived(model, asked("referral_programme", model), [0.0, 91.0, 182.0, 273.0], 12).mean(axis=0)
    assert 0 < gain[0] < gain[1] < gain[2]


def test_reps_who_come_bring_more_and_one_who_leaves_less() -> None:
    """Nothing moves before the date at which they come or go."""
    model = read_funnel("saas_marketing_and_sales")
    ends = [0.0, 59.0, 90.0, 181.0]
    come = lived(model, asked("hiring_in_a_freeze", model), ends, 8)
    leave = lived(model, asked("loss_of_the_best_rep", model), ends, 8)
    assert (come[:, :2] == 0).all() and come[:, 2].mean() > 0
    assert (leave[:, 0] == 0).all() and leave[:, 2].mean() < 0
