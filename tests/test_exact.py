"""The backward pass meets closed forms: serial chains, fast stages, ageing deals, loops, eras."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from funnelsim.forecasting.exact import at_ages, chances, from_entries
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import RateTable, constant_table

ONE = Funnel("one", ("Open",), ("Won", "Lost"), (("Won", "Lost"),), {"Won": 1.0})
SERIAL = Funnel(
    "serial", ("A", "B", "C"), ("Won", "Lost"), (("B", "Lost"), ("C", "Lost"), ("Won", "Lost")), {"Won": 1.0}
)


def exponential(funnel: Funnel, means: list[float], passes: list[float]) -> RateTable:
    rate = np.array([[[[p / m], [(1 - p) / m]] for m, p in zip(means, passes, strict=True)]])
    return constant_table(np.zeros((1, len(means), 1)), rate)


def test_serial_exponential_stages() -> None:
    table = exponential(SERIAL, [10, 20, 30], [0.5, 0.6, 0.5])
    found = chances(SERIAL, table, np.array([0.0, 30.0, 90.0]))
    by_30, by_90 = found.at_start[0, 0, 0, 0], found.at_start[0, 0, :, 0].sum()
    assert_allclose([by_30, by_90], [0.031825443, 0.123049871], atol=1e-5)
    by_stage = chances(SERIAL, table, np.array([0.0, 90.0])).at_start[0, :, 0, 0]
    assert_allclose(by_stage, [0.123049871, 0.261857036, 0.475106466], atol=1e-5)


@pytest.mark.parametrize(("step", "close"), [(1.0, 5e-5), (0.25, 3e-6)])
def test_arrivals_from_empty_fill_the_funnel(step: float, close: float) -> None:
    table = exponential(SERIAL, [10, 20, 30], [0.5, 0.6, 0.5])
    found = chances(SERIAL, table, np.array([0.0, 90, 180, 270]), step=step)
    wins = from_entries(found, 0, 0, np.full(270, 2.0))
    assert_allclose(wins, [10.74994547, 25.34748218, 26.90753754], rtol=close)


def test_second_order_in_the_step() -> None:
    table = exponential(SERIAL, [10, 20, 30], [0.5, 0.6, 0.5])
    errors = [
        chances(SERIAL, table, np.array([0.0, 90.0]), step=step).at_start[0, 0, 0, 0] - 0.123049871
        for step in (2.0, 1.0)
    ]
    assert 3.5 < errors[0] / errors[1] < 4.5


def test_a_stage_much_faster_than_the_step() -> None:
    funnel = Funnel("fast", ("A", "B"), ("Won", "Lost"), (("B", "Lost"), ("Won", "Lost")), {"Won": 1.0})
    found = chances(funnel, exponential(funnel, [0.01, 20], [0.5, 0.6]), np.array([0.0, 90.0]))
    assert_allclose(found.at_start[0, 0, 0, 0], 0.296665633855455, atol=1e-6)


@pytest.mark.parametrize(("days", "known"), [(10, 0.17278785), (30, 0.45375971), (90, 0.48792521)])
def test_rate_table_from_age_0(days: float, known: float) -> None:
    found = chances(ONE, three_bins(), np.array([0.0, days]))
    assert_allclose(found.at_start[0, 0, 0, 0], known, atol=1e-8)


def three_bins() -> RateTable:
    rate = np.array([[[[0.02, 0.03, 0.005], [0.01, 0.02, 0.03]]]])
    return constant_table(np.array([[[0.0, 10.0, 30.0]]]), rate)


def test_rate_table_for_deals_that_are_open_already() -> None:
    found = chances(ONE, three_bins(), np.array([0.0, 90.0]), oldest=60.0)
    none = np.zeros(3, dtype=np.int64)
    chance = at_ages(found, none, none, np.array([20.0, 60.0, 5000.0]))[:, 0]
    assert_allclose(chance[:2], [0.31745982, 0.13673541], atol=1e-8)
    assert_allclose(chance[2], chance[1], atol=1e-12)


def test_fractional_ages_lie_between() -> None:
    found = chances(ONE, three_bins(), np.array([0.0, 90.0]), oldest=60.0)
    none = np.zeros(1, dtype=np.int64)
    fine = chances(ONE, three_bins(), np.array([0.0, 90.0]), oldest=60.0, step=0.25)
    assert_allclose(
        at_ages(found, none, none, np.array([4.25])), at_ages(fine, none, none, np.array([4.25])), atol=1e-4
    )


def test_loops_follow_chain_algebra() -> None:
    loop = Funnel("loop", ("A", "B"), ("Won", "Lost"), (("B", "Lost"), ("A", "Won")), {"Won": 1.0})
    table = exponential(loop, [3.0, 0.02], [0.5, 0.4])
    found = chances(loop, table, np.array([0.0, 400.0]))
    generator = np.array([[-1 / 3, 0.5 / 3, 0.0], [0.4 / 0.02, -1 / 0.02, 0.6 / 0.02], [0, 0, 0]])
    values, vectors = np.linalg.eig(generator)
    transition = (vectors * np.exp(values * 400)) @ np.linalg.inv(vectors)
    assert_allclose(found.at_start[0, :2, 0, 0], transition.real[:2, 2], atol=1e-6)


def test_a_rate_that_changes_at_a_date() -> None:
    base = np.array([[[[0.02], [0.01]]]])
    table = RateTable(
        np.zeros((1, 1, 1)), np.stack([base, base * 2]), np.array([-np.inf, 30.0]), np.ones((2, 1, 1))
    )
    found = chances(ONE, table, np.array([0.0, 60.0])).at_start[0, 0, 0, 0]
    first = 2 / 3 * -np.expm1(-0.03 * 30)
    second = np.exp(-0.03 * 30) * 2 / 3 * -np.expm1(-0.06 * 30)
    assert_allclose(found, first + second, atol=1e-12)


@pytest.mark.parametrize("speed", [0.5, 1.25, 2.0])
def test_speed_stretches_time_and_leaves_the_split_alone(speed: float) -> None:
    plain = three_bins()
    quick = RateTable(plain.edges, plain.rate, plain.starts, np.full((1, 1, 1), speed))
    a = chances(ONE, quick, np.array([0.0, 40.0 / speed]), step=0.125).at_start[0, 0, 0, 0]
    b = chances(ONE, plain, np.array([0.0, 40.0]), step=0.125).at_start[0, 0, 0, 0]
    assert_allclose(a, b, atol=1e-5)


def test_periods_that_start_inside_a_cell_share_it() -> None:
    table = exponential(SERIAL, [10, 20, 30], [0.5, 0.6, 0.5])
    parts = chances(SERIAL, table, np.array([0.0, 30.5, 90.0])).at_start[0, 0, :, 0]
    whole = chances(SERIAL, table, np.array([0.0, 90.0])).at_start[0, 0, 0, 0]
    assert_allclose(parts.sum(), whole, atol=1e-12)


def test_no_time_left_brings_nothing() -> None:
    found = chances(ONE, three_bins(), np.array([0.0, 0.0, 10.0]))
    assert found.at_start[0, 0, 0, 0] == 0.0
    assert_allclose(found.at_start[0, 0, 1, 0], 0.17278785, atol=1e-8)


def test_speed_that_changes_while_a_deal_ages() -> None:
    plain = three_bins()
    table = RateTable(
        plain.edges,
        np.repeat(plain.rate, 2, 0),
        np.array([-np.inf, 8.0]),
        np.array([1.0, 2.0])[:, None, None],
    )
    found = chances(ONE, table, np.array([0.0, 24.0])).at_start[0, 0, 0, 0]
    same_age = chances(ONE, plain, np.array([0.0, 40.0])).at_start[0, 0, 0, 0]
    assert_allclose(found, same_age, atol=1e-6)


AGAIN = Funnel("again", ("Open", "Won"), ("Lost",), (("Won", "Lost"), ("Won",)), {"Won": 1.0})


@pytest.mark.parametrize("step", [1.0, 0.25])
def test_a_lead_that_wins_again_and_again_meets_poisson(step: float) -> None:
    """After a win the next one comes at a constant rate, so that wins of customers are a Poisson process."""
    rate = np.array([[[[0.02], [0.03]], [[0.01], [0.0]]]])
    table = constant_table(np.zeros((1, 2, 1)), rate)
    ends = np.array([0.0, 50.0, 120.0])
    mean, once = (chances(AGAIN, table, ends, step=step, once=once) for once in (False, True))
    close = 2e-5 * step
    assert_allclose(mean.at_start[0, 1, :, 0], [0.5, 0.7], atol=close)
    assert_allclose(once.at_start[0, 1, :, 0], -np.expm1([-0.5, -0.7]), atol=close)
    # First win at day t has density .02 exp(-.05 t); .01 (T - t) more are expected by day T.
    later = 0.4 * (0.5 - 0.01 / 0.05 * -np.expm1(-2.5))
    assert_allclose(mean.at_start[0, 0, 0, 0], 0.4 * -np.expm1(-2.5) + later, atol=close)
    assert_allclose(once.at_start[0, 0, 0, 0], 0.4 * -np.expm1(-2.5), atol=close)
