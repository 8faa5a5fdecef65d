"""Scenarios differ by their levers only; what they bring is split among the levers without remainder."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from companies import expected_revenue
from numpy.testing import assert_allclose
from test_forecast import DAY_0, QUARTERS, THREE, row, serial
from test_scenario import company

from funnelsim.arrays import Floats
from funnelsim.errors import FunnelError
from funnelsim.forecasting.attribution import (
    Bench,
    _by_orders,
    _root,
    _shapley_part,
    break_even,
    lever_parts,
    shapley,
    shared_luck,
    split_of,
    swing,
    width_by_source,
)
from funnelsim.forecasting.compare import _spread, compare_models, compared
from funnelsim.forecasting.forecast import forecast_periods
from funnelsim.forecasting.intensity import draws_of
from funnelsim.forecasting.periods import TOTAL, days_of
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.model.funnel import Draw, Pool
from funnelsim.model.levers import (
    CostsLever,
    DaysLever,
    Lever,
    OddsLever,
    Scenario,
    ValueLever,
    apply_scenario,
)
from funnelsim.model.scenario import read_words
from funnelsim.show import charts, words

EDGES = days_of(QUARTERS, DAY_0)
MORE_WINS = OddsLever(odds={"C": "Won"}, multiply=1.3)
FASTER = DaysLever(days="B", multiply=0.7)


def under(*changes: Lever):
    return apply_scenario(serial(), Scenario("s", "", changes))


def test_a_scenario_without_levers_differs_by_exactly_nothing() -> None:
    found = compare_models({"base": serial(), "same": under()}, THREE, QUARTERS, draws=20)
    same = found[found["scenario"] == "same"]
    assert (same[["difference", "low", "high"]] == 0).all(axis=None)
    assert (same["p_better"] == 0.5).all()


def test_a_better_close_is_better_in_every_quarter_and_mean_meets_the_exact_forecast() -> None:
    found = compare_models({"base": serial(), "better": under(MORE_WINS)}, THREE, QUARTERS, draws=200)
    better = found[found["scenario"] == "better"]
    assert (better["difference"] > 0).all()
    assert (better["p_better"] > 0.8).all()
    exact = forecast_periods(under(MORE_WINS), THREE, QUARTERS)
    assert_allclose(better["mean"].iloc[1], row(exact, 1, "total")["mean"])


def test_the_width_of_plans_by_hand() -> None:
    """Squares 9 and 16 by chance, 1 and 4 by parameters; means of 10 and 14 lie 2 from their middle."""
    both = {"scenario": ["a", "b"], "period": ["Q1", "Q1"], "mean": [10.0, 14.0]}
    table = pd.DataFrame(both | {"chance": [3.0, 4.0], "parameter": [1.0, 2.0]})
    row = width_by_source(table).iloc[0]
    assert_allclose(row[["chance", "parameter", "scenario", "total"]].astype(float) ** 2, [12.5, 2.5, 4, 19])
    lived = width_by_source(table.assign(parameter=np.nan)).iloc[0]
    assert np.isnan(lived["parameter"])
    assert_allclose(float(lived["total"]) ** 2, 16.5)


def test_the_width_of_plans_is_that_of_their_forecasts_and_of_lives() -> None:
    """Whoever lives each plan equally often sees the whole variance, whatever made it."""
    models = {"base": serial(), "better": under(MORE_WINS)}
    found = compare_models(models, THREE, QUARTERS, draws=200)
    said = [forecast_periods(model, THREE, QUARTERS, whole=True).with_total[1] for model in models.values()]
    for name in ("chance", "parameter"):
        assert_allclose(found[name], np.concatenate([frame[name] for frame in said]))
    widths = width_by_source(found).set_index("period")
    lives = [shared_luck(model, THREE, EDGES, draws=3000, seed=5) for model in models.values()]
    every = np.concatenate(lives)
    for period, money in zip(widths.index, [*every.T, every.sum(axis=1)], strict=True):
        error = ((money - money.mean()) ** 2).std() / np.sqrt(
            len(money) / 2
        )  # the two plans share their luck
        assert abs(money.var() - widths.loc[period, "total"] ** 2) < 4 * error
    assert widths["scenario"].gt(0).all()


def test_where_the_width_comes_from_is_said() -> None:
    place = situation(serial(), periods=2)
    plans = {"better": Scenario("better", "", (MORE_WINS,))}
    found = compared(place, plans, draws=30)
    share = found.widths.iloc[-1][["chance", "parameter", "scenario"]].astype(float) ** 2
    share = share / share.sum()
    assert found.where_from.startswith(f"Of the width of revenue, {found.span} (its variance), chance makes ")
    assert all(words.percent(part) in found.where_from for part in share)
    first = found.widths.iloc[0]
    choice = words.percent(float((first["scenario"] / first["total"]) ** 2))
    assert f"the choice of a plan is {choice}" in str(charts.spread(found).to_dict()["title"]["text"])


def test_shared_luck_makes_differences_far_less_noisy() -> None:
    base = shared_luck(serial(), THREE, EDGES, draws=300, seed=3)
    close = apply_scenario(serial(), Scenario("s", "", (OddsLever(odds={"C": "Won"}, multiply=1.1),)))
    same_luck = shared_luck(close, THREE, EDGES, draws=300, seed=3) - base
    other_luck = shared_luck(close, THREE, EDGES, draws=300, seed=4) - base
    assert same_luck[:, 2].var() < 0.2 * other_luck[:, 2].var()


@pytest.mark.parametrize("lever", [MORE_WINS, FASTER, ValueLever(value="all", multiply=1.05)])
def test_a_plan_has_the_common_factors_of_the_present(lever: Lever) -> None:
    """Good and bad periods fall on the same draws, whatever a plan does to rates, and so to their ranks."""
    today = replace(serial(), win_spread=0.3)
    plan = apply_scenario(today, Scenario("s", "", (lever,)))
    now, then = (draws_of(one, THREE, EDGES, draws=40, seed=2).common for one in (today, plan))
    assert np.unique(now[:, 0]).size == 40
    assert_allclose(then, now, rtol=0)


def test_paired_difference_agrees_with_the_exact_one() -> None:
    luck = shared_luck(under(MORE_WINS), THREE, EDGES, draws=1500, seed=5) - shared_luck(
        serial(), THREE, EDGES, draws=1500, seed=5
    )
    gap = luck.sum(axis=1)
    exact = expected_revenue(under(MORE_WINS), THREE, EDGES, draws=1, seed=1) - expected_revenue(
        serial(), THREE, EDGES, draws=1, seed=1
    )
    assert abs(gap.mean() - exact) < 4 * gap.std() / np.sqrt(len(gap))


def test_parts_of_a_product_meet_the_known_split() -> None:
    low, high = (100, 0.2, 50), (120, 0.25, 45)
    worth = {}
    for mask in range(8):
        chosen = tuple(i for i in range(3) if mask >> i & 1)
        worth[chosen] = np.array(np.prod([high[i] if i in chosen else low[i] for i in range(3)]))
    parts = [_shapley_part(worth, lever, 3) for lever in range(3)]
    assert_allclose(parts, [213.33333, 260.83333, -124.16667], atol=1e-4)
    assert_allclose(sum(parts), 350)


def test_parts_of_levers_add_up_to_the_whole_gain() -> None:
    scenario = Scenario("both", "", (MORE_WINS, FASTER))
    parts = shapley(serial(), scenario, THREE, EDGES, draws=1)
    whole = expected_revenue(apply_scenario(serial(), scenario), THREE, EDGES, draws=1, seed=1)
    before = expected_revenue(serial(), THREE, EDGES, draws=1, seed=1)
    assert_allclose(parts["part"].sum(), whole - before, rtol=1e-9)
    assert parts["lever"].tolist() == ["odds of C > Won rise by 30 %", "days in B fall by 30 %"]


@pytest.mark.parametrize(
    ("levers", "asked", "taken"), [(2, 500, 500), (2, 2000, 800), (7, 500, 25), (8, 500, 20), (8, 7, 7)]
)
def test_a_split_takes_the_draws_of_the_comparison_or_what_3200_forecasts_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, levers: int, asked: int, taken: int
) -> None:
    """Sets of n levers are 2 ** n; below twenty draws a part is noise; lives: eight times the plan's."""
    monkeypatch.setattr("funnelsim.forecasting.attribution.split_of", lambda bench, *_: bench.draws)
    alone, many = tmp_path / "alone.yaml", tmp_path / "many.yaml"
    alone.write_text("changes: [{days: Lead, multiply: 0.9}]", encoding="utf-8")
    many.write_text(f"changes: [{', '.join(['{days: Lead, multiply: 0.9}'] * levers)}]", encoding="utf-8")
    files = {"alone": alone, "many": many}
    free = replace(company(), work=(), referrals=(), pools=())
    assert lever_parts(situation(free), files, draws=asked) == {"many": taken}
    lives = min(asked, max(8 * asked // 2**levers, 20))
    assert lever_parts(situation(company()), files, draws=asked) == {"many": lives}


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(FunnelError, match="at least one scenario"):
        compare_models({"base": serial()}, THREE, QUARTERS)


def test_the_interval_of_a_gap_is_the_middle_eight_tenths_and_reaches_its_mean() -> None:
    """Gaps 0 to 10: a tenth lies below 1 and above 9; one future in eleven does not differ."""
    gap = np.arange(11.0)
    found = _spread(gap, 5.0)
    kept = ("low", "high", "p_better", "futures", "lives")
    assert [found[name] for name in kept] == [1.0, 9.0, 1.0, 10.0, 11.0]
    assert _spread(gap, 9.5)["high"] == 9.5 and _spread(gap, 0.5)["low"] == 0.5
    assert _spread(gap - 4, 1.0)["p_better"] == 0.6
    assert set(_spread(np.zeros(5), 0.0).values()) == {0.0, 0.5, 5.0}


def test_the_error_of_an_end_is_that_of_many_samples() -> None:
    """Ends of 400 samples of 200 normal gaps scatter as their errors say."""
    rng = np.random.default_rng(3)
    many = [_spread(rng.normal(size=200), 0.0) for _ in range(400)]
    scatter = np.std([one["low"] for one in many])
    assert_allclose(np.mean([one["low_error"] for one in many]), scatter, rtol=0.15)


def test_orders_give_the_parts_of_nine_levers_within_their_error() -> None:
    """Of a sum every order gives the parts themselves; a product of pairs is met within four errors."""
    rng = np.random.default_rng(5)
    own = rng.normal(size=9)
    parts, errors = _by_orders(lambda chosen: own[list(chosen)].sum(keepdims=True), 9, 8, rng)
    assert_allclose(parts[:, 0], own)
    assert_allclose(errors, 0, atol=1e-12)

    def worth(chosen: Sequence[int]) -> Floats:
        return own[list(chosen)].sum(keepdims=True) ** 3

    known = {c: worth(c) for size in range(10) for c in combinations(range(9), size)}
    exact = np.array([_shapley_part(known, lever, 9) for lever in range(9)])
    parts, errors = _by_orders(worth, 9, 40, rng)
    assert (np.abs(parts - exact)[:, 0] < 4 * errors).all()
    assert_allclose(parts.sum(), own.sum() ** 3)


def test_a_price_is_surely_better_however_few_futures_there_are() -> None:
    dearer = ValueLever(value="all", multiply=1.05)
    base = serial()
    models = {"base": base} | {
        name: apply_scenario(base, Scenario(name, "", changes))
        for name, changes in {"dearer": (dearer,), "both": (dearer, MORE_WINS)}.items()
    }
    found = compare_models(models, THREE, QUARTERS, draws=4)
    of = found.set_index(["scenario", "period"]).xs(TOTAL, level="period")
    assert (of.loc["dearer", "p_better"], of.loc["dearer", "futures"]) == (1.0, np.inf)
    assert words.verdict(1.0, np.inf) == "surely better"
    assert np.isfinite(of.loc["both", "futures"])
    assert_allclose(of.loc["dearer", "mean"] / of.loc["base", "mean"], 1.05)


def test_all_periods_together_are_a_row_of_their_own() -> None:
    """Its mean is the sum, its chance that of the forecast; what costs is taken off, period by period."""
    costs = {"better": np.array([5.0, 0.0, 1.0])[: len(QUARTERS)]}
    found = compare_models(
        {"base": serial(), "better": under(MORE_WINS)}, THREE, QUARTERS, draws=50, costs=costs,
        target={TOTAL: 60.0},
    )  # fmt: skip
    rows = found[found["scenario"] == "better"].set_index("period")
    whole, single = rows.loc[TOTAL], rows.drop(TOTAL)
    assert_allclose(whole["difference"], single["difference"].sum())
    assert_allclose(whole["net"], single["net"].sum())
    assert whole["cost"] == costs["better"].sum()
    base = found[found["scenario"] == "base"].set_index("period").loc[TOTAL]
    assert_allclose(whole["target_gain"], whole["p_target"] - base["p_target"], atol=1e-12)
    exact = forecast_periods(under(MORE_WINS), THREE, QUARTERS, draws=50, target={TOTAL: 60.0})
    assert_allclose(whole["p_target"], exact.total_width["p_target"].iloc[0])
    assert whole["target_low"] <= whole["target_gain"] <= whole["target_high"]


def test_months_of_a_plan_add_up_to_its_difference_and_tell_when_it_pays() -> None:
    place = situation(serial(), periods=2)
    dear = Scenario("dear", "", (MORE_WINS, CostsLever(costs=1e9)))
    cheap = Scenario("cheap", "", (MORE_WINS, CostsLever(costs=0.01)))
    found = compared(place, {"dear": dear, "cheap": cheap}, draws=20)
    whole = found.whole.set_index("scenario")
    for name in ("dear", "cheap"):
        rows = found.months[found.months["scenario"] == name]
        assert_allclose(rows["net"].iloc[-1], whole.loc[name, "net"], rtol=1e-6)
    pays = found.worth.set_index("scenario")["pays"]
    assert pays["dear"] == "" and pays["cheap"] != ""
    assert found.best == "cheap" and "it pays from" in str(found)


def test_at_its_break_even_a_price_earns_nothing_more() -> None:
    """With one way to win, a tenth more for each win is lost where a tenth fewer are won."""
    place = situation(serial(), periods=2)
    plan = Scenario("dearer", "", (ValueLever(value="all", multiply=1.1),))
    edges = days_of(place.periods, place.model.as_of)
    bench = Bench.of(place.model, place.deals, edges, 1, 1)
    now = bench.today(False).mean()
    found, error = break_even(bench, plan)
    worse = OddsLever(odds={"C": "Won"}, multiply=1 + found)
    assert -0.75 < found < 0 and error == 0
    assert abs(bench.by_draw(replace(plan, changes=(*plan.changes, worse)), False).mean() - now) < 2e-3 * now
    assert np.isnan(break_even(bench, Scenario("faster", "", (FASTER,)))[0])


def test_where_reps_queue_a_lever_swings_by_as_much_with_other_luck_within_its_error() -> None:
    """Two hundred lives of each side share their luck; other two hundred agree within both errors."""
    place = situation(company(), periods=1)
    edges = days_of(place.periods, place.model.as_of)
    plan = Scenario("p", "", (DaysLever(days="Lead", multiply=0.5), ValueLever(value="all", multiply=1.0)))
    one, two = (
        swing(Bench.of(place.model, place.deals, edges, 200, seed), plan).set_index("lever")
        for seed in (1, 2)
    )
    assert set(one.index) == set(two.index)
    for end in ("weak", "strong"):
        assert (abs(one[end] - two[end]) < 4 * np.hypot(one["error"], two["error"])).all()
    days = one.loc["days in Lead fall by 50 %"]
    assert days["strong"] > days["weak"] and 0 < days["error"] < (days["strong"] - days["weak"])


def busy() -> Situation:
    """The small company with one closer, who has five days of work with each deal and is too few."""
    one = (Pool("closers", np.array([-np.inf]), np.array([1])),)
    slow = (replace(company().work[0], time=Draw(np.array([0.0, 10.0]))),)
    return situation(replace(company(), pools=one, work=slow), periods=1)


def on_bench(place: Situation, draws: int, seed: int) -> Bench:
    return Bench.of(place.model, place.deals, days_of(place.periods, place.model.as_of), draws, seed)


def test_where_reps_queue_parts_of_levers_are_those_of_many_other_lives_within_their_error() -> None:
    """They add up, life by life, to what the same lives gain."""
    place = busy()
    plan = read_words("reps closers +3; price +20%", place.model)
    few, many = (split_of(on_bench(place, draws, seed), plan) for draws, seed in ((150, 1), (600, 2)))
    assert (abs(few["part"] - many["part"]) < 4 * np.hypot(few["error"], many["error"]) + 1e-9).all()
    assert (few["part"] > 3 * few["error"]).all() and (few["error"] > 0).all()
    bench = on_bench(place, 150, 1)
    gain = bench.by_draw(plan, True) - bench.today(True)
    assert_allclose(few["part"].sum(), gain.mean(), rtol=1e-9)


def test_where_reps_queue_a_price_breaks_even_where_other_lives_earn_nothing_more() -> None:
    place = busy()
    plan = read_words("price +20%", place.model)
    found, error = break_even(on_bench(place, 150, 1), plan)
    other, wide = on_bench(place, 600, 2), []
    for odds in (found - 4 * error, found, found + 4 * error):
        worse = OddsLever(odds={"Negotiation": "Won"}, multiply=1 + odds)
        gap = other.by_draw(replace(plan, changes=(*plan.changes, worse)), True) - other.today(True)
        wide.append(float(gap.mean()))
    assert 0 < 2 * error < -found
    assert wide[0] < 0 < wide[2] and abs(wide[1]) < (wide[2] - wide[0]) / 2


def test_a_break_even_by_lives_scatters_as_its_error_says() -> None:
    """Gains of made-up lives bend as odds do; the exact root is where half as many wins are worth as much."""
    rng, places = np.random.default_rng(4), -np.log(4) / 2 * (1 - np.cos(np.pi * np.arange(8) / 7))
    chance = 0.5 * np.exp(places) / (0.5 * np.exp(places) + 0.5)
    roots = []
    for _ in range(300):
        luck, worth = rng.uniform(size=(200, 20)), rng.lognormal(size=(200, 20))
        won = luck[None] < chance[:, None, None]
        gains = (worth * (1.5 * won - won[:1])).sum(axis=2)
        roots.append(_root(places, gains, True))
    found, errors = np.array(roots).T
    assert_allclose(found.mean(), (1 / 3) / (2 / 3) - 1, atol=0.01)
    assert_allclose(errors.mean(), found.std(), rtol=0.25)


def test_what_lives_say_of_a_plan_is_printed_with_its_error() -> None:
    found = compared(busy(), {"both": read_words("reps closers +3; price +20%", busy().model)}, draws=40)
    parts, shown = found.parts["both"], found.rounded_parts["both"]
    assert_allclose(parts["part"].sum(), found.whole.set_index("scenario").loc["both", "difference"])
    assert shown["part"].tolist() == [
        words.to_error(part, off) for part, off in zip(parts["part"], parts["error"], strict=True)
    ]
    worth = found.worth.iloc[0]
    assert worth["lives"] == 40 and worth["break_even_error"] > 0
    assert "by 40 futures)" in found.findings[0] and "standard error" in found.findings[0]


def test_a_lever_swings_from_half_to_half_more_and_a_fitted_one_within_its_error() -> None:
    place = situation(serial(), periods=1)
    edges = days_of(place.periods, place.model.as_of)
    bench = Bench.of(place.model, place.deals, edges, 1, 1)
    now = bench.today(False).mean()
    plan = Scenario("p", "", (ValueLever(value="all", multiply=1.1), CostsLever(costs=3.0)))
    rows = swing(bench, plan).set_index("lever")
    price = rows.loc["prices, also of open deals, rise by 10 %"]
    assert_allclose([price["weak"], price["strong"]], [0.05 * now - 3, 0.15 * now - 3])
    paid = rows.loc["the plan costs 3 once"]
    assert_allclose([paid["weak"], paid["strong"]], [0.1 * now - 1.5, 0.1 * now - 4.5])


def test_the_picture_of_a_plan_tells_the_gain_that_the_table_tells() -> None:
    """9,494 more that are known to within 3,000 are 10,000 in both."""
    plan = Scenario("better", "", (MORE_WINS,))
    found = compared(situation(serial(), periods=2), {"better": plan}, draws=4)
    found = replace(found, table=found.table.assign(error=3000.0))
    assert found.rounded.set_index(["scenario", "period"]).loc[("better", TOTAL), "net"] == 10_000
    assert "(planned +10 k" in " ".join(charts.swings(found, "better").to_dict()["title"]["text"])
