"""Scenarios differ by their levers only; what they bring is split among the levers without remainder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from test_forecast import DAY_0, QUARTERS, THREE, row, serial
from test_scenario import company

from funnelsim.errors import FunnelError
from funnelsim.forecasting.compare import (
    _shapley_part,
    _spread,
    compare_models,
    expected_revenue,
    lever_parts,
    shapley,
    shared_luck,
)
from funnelsim.forecasting.forecast import forecast_periods
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.situation import situation
from funnelsim.model.levers import DaysLever, Lever, OddsLever, Scenario, apply_scenario

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


def test_shared_luck_makes_differences_far_less_noisy() -> None:
    base = shared_luck(serial(), THREE, EDGES, draws=300, seed=3)
    close = apply_scenario(serial(), Scenario("s", "", (OddsLever(odds={"C": "Won"}, multiply=1.1),)))
    same_luck = shared_luck(close, THREE, EDGES, draws=300, seed=3) - base
    other_luck = shared_luck(close, THREE, EDGES, draws=300, seed=4) - base
    assert same_luck[:, 2].var() < 0.2 * other_luck[:, 2].var()


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
        worth[chosen] = float(np.prod([high[i] if i in chosen else low[i] for i in range(3)]))
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
    """Sets of n levers are 2 ** n; below twenty draws a part is noise; lives to simulate are given twenty."""
    monkeypatch.setattr("funnelsim.forecasting.compare.shapley", lambda *given, draws, seed: draws)
    alone, many = tmp_path / "alone.yaml", tmp_path / "many.yaml"
    alone.write_text("changes: [{days: Lead, multiply: 0.9}]", encoding="utf-8")
    many.write_text(f"changes: [{', '.join(['{days: Lead, multiply: 0.9}'] * levers)}]", encoding="utf-8")
    files = {"alone": alone, "many": many}
    free = replace(company(), work=(), referrals=(), pools=())
    assert lever_parts(situation(free), files, draws=asked) == {"many": taken}
    assert lever_parts(situation(company()), files, draws=asked) == {"many": min(asked, 20)}


def test_too_little_or_too_much_is_refused() -> None:
    with pytest.raises(FunnelError, match="at least one scenario"):
        compare_models({"base": serial()}, THREE, QUARTERS)
    many = Scenario("many", "", (MORE_WINS,) * 9)
    with pytest.raises(FunnelError, match="9 levers"):
        shapley(replace(serial()), many, THREE, EDGES)


def test_the_interval_of_a_gap_is_the_middle_eight_tenths_and_reaches_its_mean() -> None:
    """Gaps 0 to 10: a tenth lies below 1 and above 9; one future in eleven does not differ."""
    gap = np.arange(11.0)
    assert _spread(gap, 5.0) == {"low": 1.0, "high": 9.0, "p_better": 1.0, "futures": 10.0}
    assert _spread(gap, 9.5)["high"] == 9.5 and _spread(gap, 0.5)["low"] == 0.5
    assert _spread(gap - 4, 1.0)["p_better"] == 0.6
    assert _spread(np.zeros(5), 0.0) == {"low": 0.0, "high": 0.0, "p_better": 0.5, "futures": 0.0}
