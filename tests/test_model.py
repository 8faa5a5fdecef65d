"""The open pipeline: parts of it keep order and numbers, and what it brings is one rule for all engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from companies import expected_revenue
from numpy.testing import assert_allclose, assert_array_equal
from test_forecast import serial

from funnelsim.errors import FunnelError
from funnelsim.model.model import Model, OpenDeals, Values, amounts, only
from funnelsim.simulation.run import period_sums, run_model


def deals() -> OpenDeals:
    names = np.array(["a", "b", "c"], dtype=object)
    numbers = np.array([0, 1, 2])
    return OpenDeals(
        names, numbers, numbers[::-1].copy(), np.array([1.0, 2.0, 3.0]), np.array([10.0, np.nan, 30.0])
    )


def test_only_keeps_the_order_and_the_facts_of_each_deal():
    part = only(deals(), ["c", "a"])
    assert part.name.tolist() == ["a", "c"]
    assert (part.stage.tolist(), part.group.tolist()) == ([0, 2], [2, 0])
    assert (part.age.tolist(), part.value.tolist()) == ([1.0, 3.0], [10.0, 30.0])


def test_only_refuses_a_lead_that_is_not_open():
    with pytest.raises(FunnelError, match="lead 'd' is not open; known: a, b, c"):
        only(deals(), ["d"])


def half_without_amounts() -> tuple[Model, OpenDeals]:
    """Eight deals, every second one without an amount; past wins brought 100 to 8,000; no new leads."""
    atoms = np.geomspace(100.0, 8000.0, 200)[None]
    values = Values(atoms, np.array([0.9]), np.array([0.7, 0.8, 0.95]))
    numbers = np.arange(8)
    names = np.array([f"deal {number}" for number in numbers], dtype=object)
    shown = np.where(numbers % 2 == 0, 50.0 * numbers, np.nan)
    deals = OpenDeals(names, numbers % 3, np.zeros(8, dtype=np.int64), numbers / 2.0, shown)
    return replace(serial(leads_per_day=0.0), values=values), deals


def test_deals_with_an_amount_bring_it_by_ratio_and_tilt_and_others_one_of_past_wins() -> None:
    model, deals = half_without_amounts()
    worth = amounts(model, deals)
    assert_allclose(worth[[0, 2, 4]], [0, 100 * 0.9 * 0.95, 200 * 0.9 * 0.8])
    atoms = model.values.amounts[0]
    assert np.isin(worth[1::2], atoms).all() and np.unique(worth[1::2]).size == 4
    refund = replace(deals, value=np.full(8, -5.0))
    assert (amounts(model, refund) == 0).all()


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_simulated_deals_bring_what_exact_ones_do(engine: str) -> None:
    model, deals = half_without_amounts()
    run = run_model(model, 5.0, open_deals=deals, engine=engine)
    assert_array_equal(run.value[: len(deals)], amounts(model, deals))


def test_exact_and_simulated_revenue_agree_where_deals_lack_amounts() -> None:
    model, deals = half_without_amounts()
    edges = np.array([0.0, 30.0, 120.0])
    exact = expected_revenue(model, deals, edges, draws=1, seed=1)
    lives = period_sums(model, edges, open_deals=deals, replications=4000, seed=11).revenue.sum(axis=(1, 2))
    assert abs(lives.mean() - exact) < 4 * lives.std() / np.sqrt(lives.size)
