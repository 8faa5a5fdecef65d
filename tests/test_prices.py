"""Prices of new deals: who pays them, how the odds answer, and that nothing else moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hotels import company as company_with_dates
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from test_closed_form import model_of
from test_library import free
from test_scenario import company

from funnelsim.errors import FunnelError
from funnelsim.forecasting.attribution import Bench, break_even
from funnelsim.forecasting.compare import compare_models
from funnelsim.forecasting.fates import ways_like
from funnelsim.forecasting.intensity import draws_of, intensities
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.situation import situation, under
from funnelsim.model.levers import apply_scenario
from funnelsim.model.model import Model, OpenDeals, amounts, expected, nobody, set_apart
from funnelsim.model.scenario import read_scenario, read_words, scenario_text
from funnelsim.model.store import decode, encode, same
from funnelsim.simulation.run import period_sums, run_model

DAY = 40  # from which new deals cost more, in days
EDGES = np.array([0.0, 60.0, 120.0])


def one_stage(rate: float = 0.02, won: float = 0.3, per_day: float = 3.0) -> Model:
    """Leads that leave a single stage at one rate, three tenths of them by winning; a win brings 1."""
    waits = [[(won, stats.expon(scale=1 / rate)), (1 - won, stats.expon(scale=1 / rate))]]
    return model_of([("Won", "Lost")], waits, np.full(400, per_day))


def dearer(model: Model, words: str) -> Model:
    return apply_scenario(model, read_words(words, model))


def revenue(model: Model, deals: OpenDeals) -> np.ndarray:
    drawn = draws_of(model, deals, EDGES, draws=1, seed=1)
    found = intensities(model, deals, EDGES, drawn)
    money: np.ndarray = found.chance[0].T @ amounts(model, deals) + found.new_money[0]
    return money


def left_by(start: float, end: float, rate: float, per_day: float) -> float:
    """Leads that came between two days and have left by the second."""
    days = end - start
    return per_day * (days - (1 - np.exp(-rate * days)) / rate)


def test_revenue_of_a_dated_price_in_closed_form() -> None:
    """Leads since day 40 bring 1.1 each, and win with odds 3 / 7 * 1.1 ** -2."""
    model = one_stage()
    date = model.as_of + np.timedelta64(DAY, "D")
    found = revenue(dearer(model, f"price x1.1 elasticity 2 from {date:%Y-%m-%d}"), nobody())
    odds = 0.3 / 0.7 * 1.1**-2
    won = odds / (1 + odds)
    rows = []
    for end in EDGES[1:]:
        new = left_by(DAY, end, 0.02, 3.0)
        rows.append(1.1 * won * new + 0.3 * (left_by(0.0, end, 0.02, 3.0) - new))
    assert_allclose(found, np.diff([0.0, *rows]), rtol=2e-4)


def test_open_deals_keep_price_and_odds_unless_they_are_meant() -> None:
    """One open deal of 50, memoryless: it wins in 60 days with .3 (1 - exp(-1.2)) at the old price."""
    quiet = one_stage(per_day=0.0)
    deal = OpenDeals(
        np.array(["a"], dtype=object), *np.zeros((2, 1), dtype=np.int64), np.zeros(1), np.full(1, 50.0)
    )
    before = 50 * 0.3 * (1 - np.exp(-1.2))
    assert_allclose(revenue(dearer(quiet, "price +10% for new elasticity 3"), deal)[0], before, rtol=2e-4)
    odds = 0.3 / 0.7 * 1.1**-3
    after = 55 * odds / (1 + odds) * (1 - np.exp(-1.2))
    assert_allclose(revenue(dearer(quiet, "price +10% for all elasticity 3"), deal)[0], after, rtol=2e-4)


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_lives_meet_the_exact_pass(engine: str) -> None:
    model = one_stage()
    date = model.as_of + np.timedelta64(DAY, "D")
    plan = dearer(model, f"price x1.5 elasticity 1 from {date:%Y-%m-%d}")
    lives = 400 if engine == "compiled" else 40
    found = period_sums(plan, EDGES, replications=lives, seed=5, engine=engine).revenue.sum(axis=2)
    error = found.std(axis=0) / np.sqrt(lives)
    assert (np.abs(found.mean(axis=0) - revenue(plan, nobody())) < 4 * error).all()


def test_the_same_leads_come_with_the_same_luck() -> None:
    """At an unchanged price, leads of a kind of their own live the very same lives."""
    model = free()
    plan = set_apart(model, range(2), 20.0, 50.0, "apart")
    assert_allclose(
        expected(plan.entries, 90).sum(axis=0), expected(model.entries, 90).sum(axis=0), rtol=1e-12
    )
    one, other = (run_model(each, 90, seed=4).log for each in (model, plan))
    columns = ["lead", "day", "stage"] if "day" in one else list(one.columns[:3])
    rows = [frame[columns].sort_values(columns).reset_index(drop=True) for frame in (one, other)]
    assert rows[0].equals(rows[1])


def test_a_later_change_of_intake_adds_no_lead_twice() -> None:
    """Ten more leads a day are ten more, whether a price keeps kinds of lead apart or not."""
    model = free()
    plan = dearer(dearer(model, "price +5% from 2026-07-20 until 2026-08-10"), "leads +10 per day in large")
    plain = dearer(model, "leads +10 per day in large")
    assert_allclose(
        expected(plan.entries, 60).sum(axis=0), expected(plain.entries, 60).sum(axis=0), rtol=1e-12
    )


def test_a_higher_elasticity_earns_less_and_at_break_even_nothing() -> None:
    place = situation(one_stage(), periods=2)
    edges = days_of(place.periods, place.model.as_of)
    bench = Bench.of(place.model, place.deals, edges, 1, 1)
    now = bench.today(False).mean()
    plans = [read_words(f"price +10% for new elasticity {e}", place.model) for e in (0, 0.5, 1, 3)]
    gains = [bench.by_draw(plan, False).mean() - now for plan in plans]
    assert gains == sorted(gains, reverse=True) and gains[0] > 0 > gains[-1]
    falls = [break_even(bench, plan)[0] for plan in plans]
    # In one stage a win of 1.1 is worth as much as one of 1 where the chance is .3 / 1.1, whoever comes when.
    even = (0.3 / 1.1) / (1 - 0.3 / 1.1) / (0.3 / 0.7)
    assert_allclose([1 + falls[0], (1 + falls[1]) * 1.1**-0.5, (1 + falls[3]) * 1.1**-3], even, rtol=1e-4)


def test_kinds_of_a_way_share_its_wins_and_gaps_are_small() -> None:
    """A price that changes nothing differs by nothing; one of new deals moves a part of the money only."""
    rng = np.random.default_rng(2)
    before, after = rng.uniform(1, 2, (3, 2, 4)), rng.uniform(1, 2, (3, 3, 4))
    split = ways_like(before, after, (0, 1, 1))
    assert_allclose(split[:, 0], before[:, 0])
    assert_allclose(split[:, 1:].sum(axis=1), before[:, 1])
    model = free()
    place = situation(model, periods=2)
    plans = {"now": model} | {
        words: dearer(model, words) for words in ("price x1 for new", "price +5% for new")
    }
    table = compare_models(plans, place.deals, place.periods, draws=4).set_index(["scenario", "period"])
    assert_array_equal(table.loc["price x1 for new", ["difference", "low", "high"]], 0.0)
    row = table.loc[("price +5% for new", "total")]
    assert_allclose(
        row["difference"], 0.05 * row["mean"] / 1.05, rtol=1e-9
    )  # nobody is open in a stated funnel
    assert row["low"] > 0 and row["high"] < 0.1 * row["mean"]


def test_it_is_written_read_and_saved(tmp_path: Path) -> None:
    words = "price large +5% for new deals elasticity 1.5 from 2026-10 until 2026-12"
    plan = read_words(words, company())
    path = tmp_path / "plan.yaml"
    path.write_text(scenario_text(plan), encoding="utf-8")
    assert read_scenario(path, company()).changes == plan.changes
    assert plan.sentence == (
        "Prices of new deals in large rise by 5 % from 1 October 2026 until 31 December 2026, and their odds "
        "of winning fall by 7.1 %."
    )
    model = apply_scenario(company(), plan)
    assert model.groups == ("small", "large", "large, at a new price") and model.alike == (0, 1, 1)
    assert same(decode(encode(model)), model)
    again = dearer(model, "price large +5%; odds Negotiation > Won +10% in large; leads +1 per day in large")
    assert_allclose(again.values.mean[1:], 1.05 * model.values.mean[1:])
    assert again.levers[-1].groups == (1, 2)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (
            "price +5% for some",
            "'some' (character 15) stands where 'new deals', 'all deals' or 'signed deals' was expected",
        ),
        (
            "price +5% for all from 2026-10",
            "deals: 'all' get another price today; with a date expected 'new'",
        ),
        ("price x0 elasticity 1", "elasticity: 1 given, but nothing is left of the price"),
        ("price +5% elasticity 21", "elasticity: 21.0 given, expected less than or equal to 20"),
        ("price +5% until 2026-06", "to: 2026-06-30 is over"),
    ],
)
def test_wrong_prices_are_refused(words: str, wrong: str) -> None:
    with pytest.raises(FunnelError) as told:
        read_words(words, company())
    assert wrong in str(told.value)


def test_two_prices_of_the_same_days_are_refused() -> None:
    plan = read_words("price +5% from 2026-08; price large +5% from 2026-12", company())
    with pytest.raises(FunnelError, match="two changes of the prices of new deals overlap"):
        apply_scenario(company(), plan)
    apart_ = read_words("price +5% from 2026-08 until 2026-11; price large +5% from 2026-12", company())
    assert len(apply_scenario(company(), apart_).groups) == 5


def test_the_work_of_a_kind_is_that_of_its_group() -> None:
    model = company()
    narrow = replace(model, work=(replace(model.work[0], groups=(1,)),))
    assert dearer(narrow, "price +5% for new").work[0].groups == (1, 3)


def test_the_largest_deal_is_lost_with_its_amount_and_its_chance() -> None:
    """Of three memoryless deals the one of 50 goes: 50 * .3 * (1 - exp(-1.2)) in sixty days."""
    bare = one_stage(per_day=0.0)
    with pytest.raises(FunnelError, match="no amounts are known here"):
        read_words("lose largest", bare)
    quiet = replace(bare, values=replace(bare.values, amounts=2 * bare.values.amounts))
    names = np.array(["a", "b", "c"], dtype=object)
    none = np.zeros(3, dtype=np.int64)
    deals = OpenDeals(names, none, none, np.zeros(3), np.array([20.0, 50.0, 30.0]))
    chance = 0.3 * (1 - np.exp(-1.2))
    gap = revenue(quiet, deals)[0] - revenue(dearer(quiet, "lose largest deal"), deals)[0]
    assert_allclose(gap, 50 * chance, rtol=2e-4)
    two = dearer(dearer(quiet, "lose largest"), "lose 1 largest open deal")
    assert amounts(two, deals).tolist() == [20.0, 0.0, 0.0]
    plan = read_words("lose 2 largest deals", quiet)
    assert plan.sentence == "The 2 largest open deals are lost."
    place = replace(situation(quiet, periods=1), deals=deals)
    assert under(place, plan).deals.name.tolist() == ["a"] and under(place, plan).model.values.lost == 0
    table = compare_models(
        {"now": quiet, "lost": apply_scenario(quiet, plan)}, deals, place.periods, draws=20
    )
    row = table.set_index("scenario").loc["lost"]
    assert row["difference"] < 0 and row["high"] == 0.0 and row["p_better"] == 0.0
    with pytest.raises(FunnelError, match="expected one of largest deal"):
        read_words("lose smallest", quiet)


def test_leads_with_a_date_pay_the_new_price_too() -> None:
    """All of the money of leads to come is a tenth more, whether they state a date or not."""
    place = situation(company_with_dates(3)[0], period="month", periods=2)
    assert place.model.due is not None
    edges = days_of(place.periods, place.model.as_of)
    plans = [
        place.model,
        *(dearer(place.model, words) for words in ("price x1 for new", "price +10% for new")),
    ]
    usual, same_, more = (
        intensities(each, place.deals, edges, draws_of(each, place.deals, edges, draws=3, seed=1))
        for each in plans
    )
    assert_allclose(same_.new_money, usual.new_money, rtol=1e-9)
    assert_allclose(more.new_money, 1.1 * usual.new_money, rtol=1e-9)
    assert_allclose(more.chance, usual.chance, rtol=1e-9)
