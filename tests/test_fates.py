"""Fates of the same leads under two plans: chances are met, and gaps are those of lives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from test_forecast import DAY_0, QUARTERS, THREE, serial

from funnelsim.forecasting.attribution import Bench, lived_revenue, revenue_by_draw
from funnelsim.forecasting.compare import _number_off, _with_sum, compare_models
from funnelsim.forecasting.fates import FUTURES, Side, _agree, fate_gaps
from funnelsim.forecasting.intensity import PeriodParts
from funnelsim.forecasting.periods import TOTAL, days_of
from funnelsim.model.levers import Lever, OddsLever, Scenario, ValueLever, apply_scenario
from funnelsim.model.model import amounts

EDGES = days_of(QUARTERS, DAY_0)
LATER = OddsLever(odds={"C": "Won"}, multiply=1.5, **{"from": f"{QUARTERS[1].start:%Y-%m-%d}"})
MORE = OddsLever(odds={"C": "Won"}, multiply=1.3)
DEARER = ValueLever(value="all", multiply=1.1)
SIGNED = ValueLever(
    value="all",
    multiply=0.8,
    deals="signed",
    **{"from": f"{QUARTERS[0].start + pd.Timedelta(days=60):%Y-%m-%d}"},
)


def deals(chance: list[list[float]], draws: int = 400) -> Side:
    """Deals worth 1, 10, 100 ... without leads to come."""
    rows = np.broadcast_to(np.array(chance), (draws, len(chance), len(chance[0]))).copy()
    money = np.repeat(10.0 ** np.arange(len(chance))[:, None], rows.shape[2], axis=1)
    return Side(money, rows, np.zeros((draws, 1, rows.shape[2])), np.ones((1, rows.shape[2], 1)))


def names(count: int) -> np.ndarray:
    return np.array([f"deal {n}" for n in range(count)], dtype=object)


def test_pairs_keep_the_chances_of_each_plan_and_agree_as_often_as_can_be() -> None:
    """By hand: 2 agree in .2 and .1; the .1 that leaves period 2 goes to period 1, and .05 is new."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        one, two = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4))
        flow = np.zeros((4, 4))
        _agree(one.copy(), two.copy(), flow)
        assert_allclose(flow.sum(axis=1), one, atol=1e-14)
        assert_allclose(flow.sum(axis=0), two, atol=1e-14)
        assert_allclose(np.diag(flow), np.minimum(one, two))
    flow = np.zeros((3, 3))
    _agree(np.array([0.2, 0.2, 0.6]), np.array([0.35, 0.1, 0.55]), flow)
    assert_allclose(flow, [[0.2, 0, 0], [0.1, 0.1, 0], [0.05, 0, 0.55]], atol=1e-15)


def test_a_gap_of_single_deals_is_what_their_chances_say() -> None:
    """A deal of 10 gains .2 in the first period; one of 100 moves from the second to the first with .1."""
    before, after = deals([[0.1, 0.1], [0.3, 0.2], [0.2, 0.3]]), deals([[0.1, 0.1], [0.5, 0.2], [0.3, 0.2]])
    gaps = fate_gaps(before, after, names(3), spread=0.0, seed=5)
    assert set(np.unique(gaps[:, 0])) == {0.0, 10.0, 100.0, 110.0}
    assert set(np.unique(gaps[:, 1])) == {0.0, -100.0}
    found = [(gaps[:, 0] % 100 == 10).mean(), (gaps[:, 0] >= 100).mean(), (gaps[:, 1] == -100).mean()]
    error = np.sqrt(0.25 / len(gaps))
    assert_allclose(found, [0.2, 0.1, 0.1], atol=4 * error)
    assert ((gaps[:, 0] >= 100) == (gaps[:, 1] == -100)).all()


def test_order_and_company_of_deals_do_not_matter() -> None:
    before, after = deals([[0.1, 0.1], [0.3, 0.2]]), deals([[0.2, 0.1], [0.5, 0.2]])
    both = fate_gaps(before, after, names(2), spread=0.0, seed=5)
    turned = [
        Side(one.money[::-1].copy(), one.chance[:, ::-1].copy(), one.ways, one.atoms)
        for one in (before, after)
    ]
    assert (fate_gaps(turned[0], turned[1], names(2)[::-1], spread=0.0, seed=5) == both).all()


def test_leads_to_come_gain_a_poisson_number_of_wins_and_share_their_factor() -> None:
    """Two more wins of mean 3 and square 11: variance 22, with a factor of deviation .5 also (.5 x 6)^2."""
    atoms, none = np.array([[[1.0, 3.0, 5.0, 3.0]]]), np.zeros((500, 0, 1))
    before = Side(np.zeros((0, 1)), none, np.full((500, 1, 1), 1.0), atoms)
    after = replace(before, ways=np.full((500, 1, 1), 3.0))
    for spread, variance in ((0.0, 22.0), (0.5, 22.0 + 9.0)):
        gap = fate_gaps(before, after, names(0), spread=spread, seed=2)[:, 0]
        assert abs(gap.mean() - 6.0) < 4 * np.sqrt(variance / len(gap))
        assert_allclose(gap.var(), variance, rtol=4 * np.sqrt(5 / len(gap)))
    dearer = replace(before, atoms=2 * atoms)
    gap = fate_gaps(before, dearer, names(0), spread=0.0, seed=2)[:, 0]
    assert abs(gap.mean() - 3.0) < 4 * np.sqrt(11.0 / len(gap)) and gap.min() == 0.0


@pytest.mark.parametrize(
    "changes",
    [(MORE,), (DEARER,), (MORE, DEARER), (MORE, SIGNED)],
    ids=["odds", "price", "both", "price at signing"],
)
def test_gaps_are_as_wide_as_those_of_lives(changes: tuple[Lever, ...]) -> None:
    """Where a lever moves who wins and not when, lives give the same gap: mean, width and deciles."""
    model = serial(spread=0.2, win_spread=0.15)
    plan = apply_scenario(model, Scenario("s", "", changes))
    bench = Bench.of(model, THREE, EDGES, 600, 1)
    lives = _with_sum(
        lived_revenue(plan, THREE, EDGES, bench.drawn(plan), 1, False)
        - lived_revenue(model, THREE, EDGES, bench.drawn(model), 1, False)
    )
    sides = []
    for one in (model, plan):
        found = bench.found(one, cuts=plan.values.signing_days)
        parts = found.parts or PeriodParts(
            np.arange(3), found.chance, found.born, found.ways, np.ones((1, 3))
        )
        money, price = amounts(one, THREE)[:, None] * parts.price[THREE.group], parts.price[found.kind]
        sides.append(
            Side(money, parts.chance, parts.ways, found.atoms[found.kind][:, None] * price[..., None])
        )
    gaps = _with_sum(parts.by_period(fate_gaps(*sides, THREE.name, spread=0.2, seed=1)))
    means = _with_sum(
        revenue_by_draw(plan, THREE, bench.found(plan)) - revenue_by_draw(model, THREE, bench.found(model))
    )
    own = gaps.reshape(600, FUTURES, -1).mean(axis=1) - means
    assert (np.abs(own.mean(axis=0)) < 4 * own.std(axis=0) / np.sqrt(600)).all()
    assert_allclose(gaps.std(axis=0), lives.std(axis=0), rtol=4 * np.sqrt(2 / 600))
    for level in (0.1, 0.9):
        share = (lives <= np.quantile(gaps, level, axis=0) + 1e-9).mean(axis=0)
        assert (share > level - 4 * np.sqrt(0.09 / 600)).all()


def test_a_period_that_no_chance_of_moves_differs_by_nothing() -> None:
    base = serial()
    plan = apply_scenario(base, Scenario("s", "", (LATER,)))
    found = compare_models({"base": base, "later": plan}, THREE, QUARTERS, draws=50)
    rows = found[found["scenario"] == "later"].set_index("period")
    first = rows.loc[QUARTERS[0].label]
    assert (first[["difference", "low", "high", "futures"]] == 0).all() and first["p_better"] == 0.5
    assert rows.loc[TOTAL, "p_better"] == 1.0 and rows.loc[TOTAL, "difference"] > 0


def test_futures_of_one_draw_that_are_alike_count_as_one() -> None:
    rng = np.random.default_rng(2)
    apart, alike = rng.normal(size=1600), np.repeat(rng.normal(size=100), 16)
    assert_allclose(_number_off(apart, -1.28, 100), np.sqrt(0.09 / 1600), rtol=0.3)
    assert_allclose(_number_off(alike, float(np.quantile(alike, 0.1)), 100), np.sqrt(0.09 / 100), rtol=1e-6)


def test_quantiles_are_left_out_where_nobody_wants_them_and_move_nothing() -> None:
    models = {"base": serial(), "better": apply_scenario(serial(), Scenario("s", "", (MORE,)))}
    full = compare_models(models, THREE, QUARTERS, draws=30, target=5.0)
    plain = compare_models(models, THREE, QUARTERS, draws=30, target=5.0, quantiles=False)
    assert "0.10" in full and "0.10" not in plain
    for name in plain.select_dtypes("number"):
        assert_allclose(plain[name], full[name], rtol=1e-9, atol=1e-12, err_msg=name)
