"""Levers on rates: what they keep, what they change, and when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from funnelsim.model.rates import RateLever, constant_table, era_rates, era_speed, era_starts, table_under

Floats = NDArray[np.float64]


def some_rates(seed: int = 7) -> Floats:
    """Draws (3) of rates of 2 groups, 2 stages, 3 exits, 4 bins; one bin empty, one with a single exit."""
    rate = np.random.default_rng(seed).gamma(1.0, 0.02, size=(3, 2, 2, 3, 4))
    rate[:, 0, 0, :, 1] = 0
    rate[:, 0, 0, 1:, 2] = 0
    return rate


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-3, 50), st.integers(0, 2))
def test_odds_multiply_and_the_leaving_rate_stays(multiply: float, column: int) -> None:
    rate = some_rates()
    changed = era_rates([RateLever("odds", 1, column, multiply, (0, 1))], rate)
    assert changed.shape == (3, 2, 2, 2, 3, 4)
    assert_array_equal(changed[:, 0], rate)
    assert_array_equal(changed[:, 1, :, 0], rate[:, :, 0])
    before, after = rate[:, :, 1], changed[:, 1, :, 1]
    assert_allclose(after.sum(axis=-2), before.sum(axis=-2), rtol=1e-12)
    others = [i for i in range(3) if i != column]
    odds = before[..., column, :] / before[..., others, :].sum(axis=-2)
    assert_allclose(after[..., column, :] / after[..., others, :].sum(axis=-2), odds * multiply, rtol=1e-9)
    assert_allclose(
        after[..., others[0], :] * before[..., others[1], :],
        before[..., others[0], :] * after[..., others[1], :],
    )


def test_odds_where_there_is_no_choice_change_nothing() -> None:
    rate = some_rates()
    changed = era_rates([RateLever("odds", 0, 0, 0.0, (0,))], rate)[:, 1, 0, 0]
    assert_array_equal(changed[..., 1:3], rate[:, 0, 0, :, 1:3])
    assert (changed[:, 0, 0] == 0).all()


def test_odds_of_one_are_bit_for_bit_nothing() -> None:
    rate = some_rates()
    assert_array_equal(era_rates([RateLever("odds", 1, 2, 1.0, (0, 1))], rate)[:, 1], rate)


def test_rate_multiplies_one_exit_of_one_group() -> None:
    rate = some_rates()
    changed = era_rates([RateLever("rate", 1, 2, 3.0, (1,))], rate)[:, 1]
    assert_allclose(changed[:, 1, 1, 2], 3 * rate[:, 1, 1, 2])
    changed[:, 1, 1, 2] = rate[:, 1, 1, 2]
    assert_array_equal(changed, rate)


def test_eras_begin_and_end_with_their_levers() -> None:
    first = RateLever("rate", 0, 0, 2.0, (0, 1), 10.0, 40.0)
    second = RateLever("rate", 0, 0, 5.0, (0, 1), 30.0)
    assert era_starts([first, second]).tolist() == [-np.inf, 10, 30, 40]
    rate = some_rates()
    changed = era_rates([first, second], rate)[:, :, 0, 0, 0, 0]
    assert_allclose(changed, rate[:, None, 0, 0, 0, 0] * np.array([1, 2, 10, 5]))


def test_days_change_the_speed_only() -> None:
    lever = RateLever("days", 1, -1, 0.8, (1,), 0.0, 92.0)
    assert_allclose(era_speed([lever], 2, 2), [[[1, 1], [1, 1]], [[1, 1], [1, 1.25]], [[1, 1], [1, 1]]])
    rate = some_rates()
    assert_array_equal(era_rates([lever], rate), np.repeat(rate[:, None], 3, axis=1))


def test_levers_act_on_draws_as_on_each_draw() -> None:
    levers = [RateLever("odds", 1, 0, 2.0, (0,), 5.0), RateLever("rate", 0, 1, 0.5, (0, 1), 0.0, 9.0)]
    rate = some_rates()
    assert_array_equal(era_rates(levers, rate)[1], era_rates(levers, rate[1]))


@pytest.mark.parametrize("levers", [(), (RateLever("rate", 0, 0, 2.0, (0, 1), 30.0),)])
def test_table_keeps_its_base_in_the_first_era(levers: tuple[RateLever, ...]) -> None:
    base = constant_table(np.tile([0.0, 5.0, 9.0, np.inf], (2, 2, 1)), some_rates()[0])
    changed = table_under(levers, base)
    assert (changed is base) == (levers == ())
    assert_array_equal(changed.rate[0], base.rate[0])
    assert changed.speed.shape == (len(changed.starts), 2, 2)
