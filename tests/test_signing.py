"""Prices by the day of signing: who pays them, the same money by every road, and who does not know them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hotels import company as company_with_dates
from numpy.testing import assert_allclose, assert_array_equal
from test_forecast import DAY_0, QUARTERS, THREE, serial
from test_library import free
from test_prices import dearer, one_stage
from test_scenario import company

import funnelsim as fs
from funnelsim.errors import FunnelError
from funnelsim.forecasting.attribution import Bench, break_even
from funnelsim.forecasting.compare import compare_models, compared
from funnelsim.forecasting.delivery import forecast_sheets
from funnelsim.forecasting.distribution import (
    Distribution,
    Lump,
    at_least,
    distributions,
    reached,
    width_parts,
)
from funnelsim.forecasting.forecast import MOST_AT_ONCE, NAMES, engine_for, forecast_periods
from funnelsim.forecasting.intensity import (
    deal_money,
    draws_of,
    intensities,
    joined,
    revenue_lump,
    wins_lump,
)
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.seek import find_ways
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.model.model import Model, OpenDeals, SigningPrice, amounts, nobody
from funnelsim.model.scenario import read_scenario, read_words, scenario_text
from funnelsim.model.store import decode, encode, same
from funnelsim.simulation.run import period_sums, run_model

EDGES = days_of(QUARTERS, DAY_0)
SPRING = "price -30% for signed deals from 2026-03-01 until 2026-04-15"
RNG = np.random.default_rng(11)


def pair() -> OpenDeals:
    """Two deals, of 50 and of 20."""
    none = np.zeros(2, dtype=np.int64)
    return OpenDeals(np.array(["a", "b"], dtype=object), none, none, np.zeros(2), np.array([50.0, 20.0]))


def half(model: Model, start: float, end: float) -> Model:
    """Half the price for what is won between two days."""
    groups = tuple(range(len(model.groups)))
    return replace(model, values=replace(model.values, signing=(SigningPrice(groups, start, end, 0.5),)))


def by_hand(amount: np.ndarray, chance: np.ndarray) -> dict[float, float]:
    """Money and its chance over all outcomes of deals that win at one of several prices, or not at all."""
    found: dict[float, float] = {}
    for fates in product(range(amount.shape[1] + 1), repeat=len(amount)):
        money, likely = 0.0, 1.0
        for deal, fate in enumerate(fates):
            money += amount[deal, fate - 1] if fate else 0.0
            likely *= chance[deal, fate - 1] if fate else 1 - chance[deal].sum()
        found[round(money, 9)] = found.get(round(money, 9), 0.0) + likely
    return found


def chances_of(found: Distribution) -> dict[float, float]:
    seen = found.chance > 1e-13
    return dict(zip(found.grid[seen].round(6).tolist(), found.chance[seen].tolist(), strict=True))


def test_two_deals_by_hand() -> None:
    """Memoryless deals of 50 and 20, half the price from day 10 to 20: nine outcomes in sixty days."""
    model = half(one_stage(per_day=0.0), 10.0, 20.0)
    edges = np.array([0.0, 60.0])
    found = intensities(model, pair(), edges, draws_of(model, pair(), edges, draws=1, seed=1))
    inside = 0.3 * (np.exp(-0.2) - np.exp(-0.4))
    outside = 0.3 * (1 - np.exp(-1.2)) - inside
    mean = 50 * outside + 25 * inside, 20 * outside + 10 * inside
    assert_allclose(deal_money(model, pair(), found)[0, :, 0], mean, rtol=2e-4)
    lump = revenue_lump(model, pair(), found, 0)
    assert_allclose(lump.by_deal[1][0], [[inside, outside]] * 2, rtol=2e-4)
    told = by_hand(np.array([[25.0, 50.0], [10.0, 20.0]]), np.array([[inside, outside]] * 2))
    total = distributions(lump)["total"]
    seen = chances_of(total)
    assert seen.keys() == told.keys() and len(told) == 9
    assert_allclose([seen[money] for money in told], list(told.values()), atol=1e-4)
    luck = sum(money**2 * likely for money, likely in told.items()) - sum(mean) ** 2
    assert_allclose([total.mean, total.chance_variance], [sum(mean), luck], rtol=3e-4)
    assert_allclose(width_parts(lump), (luck, 0.0), rtol=3e-4, atol=1e-9)
    assert_allclose(reached(lump, 45.0)[0], sum(p for money, p in told.items() if money >= 45), atol=1e-4)
    wins = distributions(wins_lump(model, pair(), found, 0))["total"]
    assert_allclose(wins.mean, 2 * (inside + outside), rtol=2e-4)


def test_a_price_over_the_whole_span_is_an_ordinary_price_for_all() -> None:
    """Every number of the forecast, quantiles and single deals, and every number of the comparison."""
    model = serial(spread=0.2, win_spread=0.2)
    plain, always, dated = (
        dearer(model, words)
        for words in (
            "price -10%", "price -10% for signed deals",
            "price -10% for signed deals from 2026-01-01 until 2026-12-31",
        )
    )  # fmt: skip
    one, *others = (
        forecast_periods(each, THREE, QUARTERS, draws=30, whole=True) for each in (plain, always, dated)
    )
    for other in others:
        columns = ["mean", "sd", *NAMES]
        for frame in ("periods", "total"):
            mine, theirs = (getattr(each, frame)[columns] for each in (one, other))
            assert_allclose(mine, theirs, rtol=1e-9)
        assert_allclose(one.deals["expected"], other.deals["expected"], atol=0.011)
        assert_allclose(one.widths["total"], other.widths["total"], rtol=1e-9)
    table = compare_models(
        {"now": model, "plain": plain, "always": always, "dated": dated}, THREE, QUARTERS, draws=30,
        target=60_000,
    ).set_index("scenario")  # fmt: skip
    numbers = table.select_dtypes("number").columns
    for name in ("always", "dated"):
        assert_allclose(table.loc[name, numbers], table.loc["plain", numbers], rtol=1e-7, atol=1e-7)


def test_a_price_of_the_second_quarter_moves_no_other() -> None:
    model = serial(win_spread=0.2)
    plan = dearer(model, "price -10% for signed deals from 2026-04-01 until 2026-06-30")
    table = compare_models({"now": model, "plan": plan}, THREE, QUARTERS, draws=20).set_index("scenario")
    rows = table.loc["plan"]
    assert_array_equal(rows["difference"].iloc[[0, 2]], 0.0)
    assert_allclose(rows["difference"].iloc[1], -rows["mean"].iloc[1] / 9, rtol=1e-9)
    assert (rows.iloc[[1, 3]]["p_better"] == 0.0).all() and np.isinf(rows.iloc[[1, 3]]["futures"]).all()


def test_a_price_that_changes_nothing_differs_by_nothing() -> None:
    model = serial(spread=0.2, win_spread=0.2)
    assert dearer(model, "price x1 for signed deals from 2026-03-01") is model
    idle = replace(model, values=replace(model.values, signing=(SigningPrice((0,), 20.0, 50.0, 1.0),)))
    cut = dearer(model, SPRING)
    table = compare_models(
        {"now": model, "idle": idle, "cut": cut}, THREE, QUARTERS, draws=20, target=60_000
    ).set_index("scenario")
    assert_array_equal(table.loc["idle", ["difference", "error", "low", "high", "futures"]], 0.0)
    assert_array_equal(table.loc["idle", ["target_gain", "target_low", "target_high"]].iloc[:3], 0.0)
    alone = compare_models({"now": model, "same": model}, THREE, QUARTERS, draws=20, target=60_000)
    before = alone.set_index("scenario").loc["now"]
    told = ["mean", "p_target", "chance", "parameter", "0.10", "0.50", "0.90"]
    assert_allclose(table.loc["now", told].astype(float), before[told].astype(float), rtol=1e-9)


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_lives_and_the_exact_pass_tell_the_same(engine: str) -> None:
    """Mean of each quarter and of all, and their widths; common factors are those of the draws."""
    model = serial(spread=0.2, win_spread=0.3)
    plan = dearer(model, SPRING)
    lives = 1500 if engine == "compiled" else 100
    drawn = draws_of(plan, THREE, EDGES, draws=lives, seed=3)
    assert_array_equal(drawn.common, draws_of(model, THREE, EDGES, draws=lives, seed=3).common)
    found = intensities(plan, THREE, EDGES, drawn, whole=True)
    sums = period_sums(plan, EDGES, open_deals=THREE, replications=lives, seed=3, engine=engine, drawn=drawn)
    plain = period_sums(
        model, EDGES, open_deals=THREE, replications=lives, seed=3, engine=engine, drawn=drawn
    )
    assert_array_equal(sums.wins, plain.wins)
    columns = [*sums.revenue.sum(axis=2).T, sums.revenue.sum(axis=(1, 2))]
    lumps = [
        *(revenue_lump(plan, THREE, found, k) for k in range(3)),
        revenue_lump(plan, THREE, joined(found), 0),
    ]
    for money, lump in zip(columns, lumps, strict=True):
        own = money - lump.expected
        assert abs(own.mean()) < 4 * own.std() / np.sqrt(lives)
        total = distributions(lump)["total"]
        kurtosis = float(((money - money.mean()) ** 4).mean() / money.var() ** 2)
        assert_allclose(money.std(), total.sd, rtol=4 * np.sqrt((kurtosis - 1) / 4 / lives))
        assert abs(at_least(total, 30_000.0) - (money >= 30_000).mean()) < 4 * np.sqrt(0.25 / lives)
    assert columns[0].mean() < plain.revenue[:, 0].sum(axis=1).mean()


def test_both_engines_write_the_same_log_and_only_wins_have_the_price() -> None:
    model = serial(20.0)
    plan = half(model, 60.0, 90.0)
    one, two, usual = (
        run_model(each, 120, seed=4, engine=engine)
        for each, engine in ((plan, "compiled"), (plan, "simpy"), (model, "compiled"))
    )
    pd.testing.assert_frame_equal(one.log, two.log)
    ratio = (one.log["value"] / usual.log["value"]).to_numpy()
    won = (one.log["stage"] == "Won").to_numpy()
    inside = (one.day >= 60) & (one.day < 90)
    assert_array_equal(ratio, np.where(won & inside, 0.5, 1.0))
    assert (won & inside).sum() > 10 and (won & ~inside).sum() > 10
    booked = period_sums(plan, [0.0, 120.0], replications=1, seed=4).revenue.sum()
    assert booked == pytest.approx(one.log["value"][won].sum())


@pytest.mark.parametrize("count", [2, 3])
def test_coins_at_several_prices_are_enumerated(count: int) -> None:
    amount = RNG.integers(1, 30, (5, count)).astype(float)
    chance = RNG.dirichlet(np.ones(count + 1), 5)[:, :count]
    lump = Lump(amount.reshape(-1), chance.reshape(1, -1), np.zeros((1, 1)), np.ones((1, 1)), 0.0, count)
    told = by_hand(amount, chance)
    seen = chances_of(distributions(lump)["open"])
    assert_allclose([seen[money] for money in told], list(told.values()), atol=1e-11)
    for money in (1.0, 40.0, 90.0):
        likely = sum(p for sum_, p in told.items() if sum_ >= money)
        assert_allclose(reached(lump, money)[0], likely, atol=1e-11)


def test_a_giant_wins_at_one_of_its_prices() -> None:
    """Beside a deal of a million the grid of the rest stays fine, and its two prices are told apart."""
    small = RNG.integers(1, 40, 6).astype(float)
    amount = np.column_stack([small, 2 * small])
    amount = np.vstack([amount, [4e6, 5e6]])
    chance = np.vstack([RNG.uniform(0.05, 0.3, (6, 2)), [0.2, 0.3]])
    lump = Lump(amount.reshape(-1), chance.reshape(1, -1), np.zeros((1, 1)), np.ones((1, 1)), 0.0, 2)
    total = distributions(lump)["total"]
    told = by_hand(amount, chance)
    for money in (10.0, 100.0, 4e6, 4e6 + 50, 5e6, 5e6 + 100):
        likely = sum(p for sum_, p in told.items() if sum_ >= money)
        assert_allclose(at_least(total, money), likely, atol=1e-9)
        assert_allclose(reached(lump, money)[0], likely, atol=1e-9)


def test_an_elasticity_moves_the_odds_of_these_days_only() -> None:
    model = one_stage()
    words = "from 2026-02-01 until 2026-03-15"
    plan = dearer(model, f"price x0.8 for signed deals elasticity 2 {words}")
    same_ = dearer(model, f"price x0.8 for signed deals {words}; odds s0 > Won x{0.8**-2!r} {words}")
    edges = np.array([0.0, 90.0])
    money = [
        intensities(each, nobody(), edges, draws_of(each, nobody(), edges, draws=1, seed=1)).new_money[0, 0]
        for each in (plan, same_, model)
    ]
    assert money[0] == pytest.approx(money[1], rel=1e-12) and money[0] > money[2]


def test_break_even_is_that_of_the_odds_of_these_days() -> None:
    """A win at .9 is worth one at 1 where .9 w = .3: odds of 1/2 in the place of 3/7, whatever the day."""
    model = one_stage(per_day=0.0)
    place = replace(situation(model, periods=1), deals=pair())
    edges = days_of(place.periods, model.as_of)
    start = model.as_of + pd.Timedelta(days=20)
    plan = read_words(f"price -10% for signed deals from {start:%Y-%m-%d}", model)
    rise, error = break_even(Bench.of(model, pair(), edges, 1, 1), plan)
    assert rise == pytest.approx(0.5 / (3 / 7) - 1, rel=1e-4) and error == 0.0
    found = compared(place, {"sale": plan}, draws=1)
    assert found.findings == (
        "'sale' pays only if the odds of winning in the days of its price rise by more than 17 %.",
    )
    assert f"{start.day} {start:%B %Y}" in found.swings["sale"]["lever"].iloc[0]


def test_new_deals_at_a_price_of_their_own_pay_the_price_at_signing_too() -> None:
    model = free()
    new = "price +20% for new deals from 2026-08-01"
    signed = "price large -10% for signed deals from 2026-09-01"
    plans = [dearer(model, f"{one}; {two}") for one, two in ((new, signed), (signed, new))]
    edges = np.array([0.0, 92.0, 184.0])
    money = [
        intensities(each, nobody(), edges, draws_of(each, nobody(), edges, draws=1, seed=1)).new_money
        for each in (*plans, dearer(model, new))
    ]
    assert_allclose(money[0], money[1], rtol=1e-12)
    assert (money[0] < money[2]).all()
    assert {one.multiply for one in plans[0].values.signing} == {0.9}
    lives = period_sums(plans[0], edges, replications=300, seed=2).revenue.sum(axis=2)
    error = lives.std(axis=0) / np.sqrt(300)
    assert (np.abs(lives.mean(axis=0) - money[0][0]) < 4 * error).all()


def test_who_wins_again_or_at_a_date_is_lived() -> None:
    model = serial()
    places = replace(model.funnel, earns={"C": 1.0, "Won": 1.0})
    often = half(replace(model, funnel=places), 20.0, 40.0)
    assert engine_for(often, EDGES) == "compiled"
    with pytest.raises(FunnelError, match="prices change with the day of winning, and leads win again"):
        engine_for(often, EDGES, "exact")
    dated = situation(company_with_dates(3)[0], period="month", periods=2)
    assert engine_for(dated.model, np.array([0.0, 30.0])) == "exact"
    assert engine_for(half(dated.model, 10.0, 20.0), np.array([0.0, 30.0])) == "compiled"
    many = half(model, 20.0, 40.0)
    assert engine_for(many, EDGES, deals=MOST_AT_ONCE) == "exact"
    assert engine_for(many, EDGES, deals=MOST_AT_ONCE + 1) == "compiled"
    assert engine_for(model, EDGES, deals=MOST_AT_ONCE + 1) == "exact"
    with pytest.raises(FunnelError, match="knows no prices at signing of over 20,000 open deals"):
        engine_for(many, EDGES, "exact", MOST_AT_ONCE + 1)


def test_it_is_written_read_and_saved(tmp_path: Path) -> None:
    words = "price large -10% for signed deals elasticity 1.5 from 2026-09-10 until 2026-09-30"
    plan = read_words(words, company())
    path = tmp_path / "plan.yaml"
    path.write_text(scenario_text(plan), encoding="utf-8")
    assert "deals: signed" in path.read_text(encoding="utf-8")
    assert read_scenario(path, company()).changes == plan.changes
    assert plan.sentence == (
        "Prices at signing in large fall by 10 % from 10 September 2026 until 30 September 2026, and their "
        "odds of winning rise by 17 %."
    )
    model = dearer(company(), words)
    assert model.values.signing == (SigningPrice((1,), 71.0, 92.0, 0.9),)
    assert same(decode(encode(model)), model)


def test_wrong_words_name_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="expected 'new' \\(deals that come then\\) or 'signed'"):
        read_words("price +5% for all from 2026-10", company())
    path = tmp_path / "plan.yaml"
    path.write_text("changes: [{value: all, multiply: 0.9, deals: singed}]\n", encoding="utf-8")
    with pytest.raises(FunnelError, match="signed"):
        read_scenario(path, company())


@pytest.fixture(scope="module")
def sale() -> Situation:
    """The sample company under a discount of three weeks."""
    words = "price -10% for signed deals from 2026-09-10 until 2026-09-30"
    return situation(fs.sample_path(), spend=fs.sample_path().parent / "spend.csv", what_if=words)


def test_who_takes_a_deal_at_one_price_says_so(sale: Situation) -> None:
    one_price = "takes a deal at one price whatever the day"
    with pytest.raises(FunnelError, match=f"by segment: {one_price}"):
        fs.forecast(sale, by="segment", draws=4)
    with pytest.raises(FunnelError, match=f"budget: {one_price}"):
        fs.budget(sale, draws=4)
    page = fs.live(sale, draws=4)
    assert page.why.startswith("The page stands still: its scenario changes prices with the day of signing")
    worries = fs.health(sale, draws=4)
    assert any("Prices change with the day of signing" in note for note in worries.notes)
    changed = fs.bridge(sale, since="2026-06-22", draws=4)
    assert changed.notes == (
        "What single deals bring is not told apart, as prices change with the day of signing.",
    )
    assert changed.parts["change"].sum() == pytest.approx(changed.after - changed.before)
    assert not forecast_sheets(sale, fs.forecast(sale, draws=4)).formulas
    lived = run_model(half(serial(), 10.0, 20.0), 30.0)
    with pytest.raises(FunnelError, match="the page of moving leads knows no prices by the day of signing"):
        _ = lived.moving


def test_what_must_change_is_sought_at_these_prices() -> None:
    """Chances are those of a forecast at these prices; what takes a deal at one price is left out."""
    place = replace(situation(half(serial(), 20.0, 60.0), periods=1), deals=THREE)
    found = find_ways(place, 25_000.0)
    assert found.notes == (
        "Prices change with the day of signing: leads needed and must-win deals are not worked out.",
    )
    told = forecast_periods(place.model, THREE, place.periods, draws=1, target=25_000.0)
    assert found.now == pytest.approx(told.widths["p_target"].iloc[0], abs=1e-9)
    plain = find_ways(replace(place, model=serial()), 25_000.0)
    assert found.now < plain.now and len(plain.leads) and not len(found.leads)


def test_the_deal_table_and_the_forecast_tell_one_sum(sale: Situation) -> None:
    found = fs.forecast(sale, draws=10)
    money = found.periods.query("measure == 'revenue' and origin == 'open'")["mean"].sum()
    assert found.deals["expected"].sum() == pytest.approx(money, rel=1e-6)
    listed = found.deals.set_index("lead").loc[list(sale.deals.name)]
    chance = listed[[column for column in listed if column.startswith("P(win ")]].sum(axis=1)
    assert found.deals["expected"].sum() < 0.995 * float(chance.to_numpy() @ amounts(sale.model, sale.deals))


def test_month_by_month_only_that_of_the_discount_loses(sale: Situation) -> None:
    place = situation(fs.sample_path())
    words = "price -10% for signed deals from 2026-09-10 until 2026-09-30"
    found = fs.compare(place, f"{words}; costs 1000", draws=4)
    gain = found.months.set_index("month")["gain"]
    assert gain.index.tolist()[2] == "2026-09" and (gain.drop("2026-09") == 0.0).all()
    assert gain["2026-09"] == pytest.approx(
        found.whole.set_index("scenario").loc[f"{words}; costs 1000", "difference"]
    )
    mean = (
        fs.forecast(sale, draws=4).with_total[0].query("measure == 'revenue' and origin == 'total'")["mean"]
    )
    assert gain["2026-09"] == pytest.approx(
        mean.iloc[-1] - found.whole.set_index("scenario").loc["as planned", "mean"], rel=1e-6
    )
