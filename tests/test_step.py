"""One step of a life against the law that the rate table states."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Cell, Entries, Model, Values
from funnelsim.model.rates import RateTable, constant_table
from funnelsim.simulation import step
from funnelsim.simulation.compiled import BLOCK_SIZE, new_block
from funnelsim.simulation.luck import W64

EDGES = np.array([0.0, 10.0, 30.0])
RATES = np.array([[0.02, 0.03, 0.005], [0.01, 0.02, 0.03]])


def one_stage(table: RateTable | None = None) -> Model:
    funnel = Funnel("one", ("Open",), ("Won", "Lost"), (("Won", "Lost"),), {"Won": 1.0})
    table = table or constant_table(EDGES[None, None], RATES[None, None])
    entries = Entries((Cell(0, 0),), np.ones(1), np.zeros(1))
    return Model(
        funnel, ("all",), table, entries, Values(np.array([[1.0, 2.0, 3.0]]), np.ones(1)), pd.Timestamp(0)
    )


def moves(model: Model, leads: int = 4000, age: float = 0.0, now: float = 0.0):
    ready = step.rules_of(model, 5)
    found = [step.move(ready, W64(lead), lead, 0, 0, age, now) for lead in range(leads)]
    return np.array([moment for moment, _ in found]), np.array([place for _, place in found])


def within(share: float, truth: float, count: int) -> bool:
    return abs(share - truth) < 4 * np.sqrt(truth * (1 - truth) / count)


@pytest.mark.parametrize(("days", "chance"), [(10, 0.17278785), (30, 0.45375971), (90, 0.48792521)])
def test_fresh_lead_wins_as_the_table_says(days, chance):
    moment, place = moves(one_stage())
    assert within(np.mean((place == 1) & (moment <= days)), chance, moment.size)


@pytest.mark.parametrize(("age", "chance"), [(20.0, 0.31745982), (60.0, 0.13673541)])
def test_open_deal_starts_at_its_age(age, chance):
    moment, place = moves(one_stage(), age=age)
    assert within(np.mean((place == 1) & (moment <= 90)), chance, moment.size)


def test_time_of_leaving_follows_the_total_hazard():
    moment, _ = moves(one_stage())
    total = RATES.sum(axis=0)
    hazard = np.interp(moment, EDGES, [0.0, *np.cumsum(total[:2] * np.diff(EDGES))]) + np.maximum(
        moment - 30.0, 0.0
    ) * total[2]  # fmt: skip
    assert stats.kstest(hazard, "expon").pvalue > 1e-4


def test_eras_change_the_rates_from_their_day_on():
    base = constant_table(EDGES[None, None], RATES[None, None])
    eras = RateTable(
        base.edges, np.concatenate([base.rate, base.rate * 0.0, base.rate * 2]),
        np.array([-np.inf, 15.0, 40.0]), np.ones((3, 1, 1)),
    )  # fmt: skip
    plain, _ = moves(one_stage())
    changed, _ = moves(one_stage(eras))
    early = plain < 15.0
    np.testing.assert_array_equal(changed[early], plain[early])
    assert np.all(changed[~early] >= 40.0)
    survival = np.exp(-0.03 * 10 - 0.05 * 5)
    doubled = 1 - np.exp(-2 * 0.035 * 10)
    assert within(np.mean((changed >= 40) & (changed < 50)), survival * doubled, changed.size)


def test_speed_stretches_time_and_leaves_the_split_alone():
    base = constant_table(EDGES[None, None], RATES[None, None])
    plain, where = moves(one_stage())
    half, place = moves(one_stage(replace(base, speed=np.full((1, 1, 1), 0.5))))
    np.testing.assert_allclose(half, 2 * plain, atol=2e-9)
    np.testing.assert_array_equal(place, where)


def test_a_lever_half_way_through_meets_the_walk_by_hand():
    # speed 1 until day 4, then 2: a lead that would leave at age a > 4 leaves at day 4 + (a - 4) / 2
    base = constant_table(EDGES[None, None], RATES[None, None])
    rates = np.concatenate([base.rate, base.rate])
    eras = RateTable(base.edges, rates, np.array([-np.inf, 4.0]), np.array([1.0, 2.0]).reshape(2, 1, 1))
    plain, _ = moves(one_stage())
    changed, _ = moves(one_stage(eras))
    np.testing.assert_allclose(changed, np.where(plain < 4, plain, 4 + (plain - 4) / 2), atol=1e-8)


def test_a_stage_without_exits_is_never_left():
    base = constant_table(EDGES[None, None], RATES[None, None])
    moment, _ = moves(one_stage(base.with_rate(base.rate * 0)), leads=20)
    assert np.all(np.isinf(moment))


def test_an_exit_of_rate_zero_is_never_taken():
    base = constant_table(EDGES[None, None], RATES[None, None] * np.array([[1.0], [0.0]]))
    _, place = moves(one_stage(base))
    assert set(place) == {1}


def test_a_block_moves_as_single_leads_do_bit_for_bit():
    ready = step.rules_of(one_stage(), 11, 3)
    block = new_block()
    block.lead[:] = np.arange(BLOCK_SIZE, dtype=np.uint64)
    block.age[: BLOCK_SIZE // 2] = np.linspace(0, 500, BLOCK_SIZE // 2)
    step.advance(
        ready, 4, BLOCK_SIZE, block.lead, block.who, block.kind, block.age, block.now,
        block.luck, block.chance, block.moment, block.place,
    )  # fmt: skip
    single = [step.move(ready, block.lead[i], i, 4, 0, block.age[i], 0.0) for i in range(BLOCK_SIZE)]
    assert [(m, p) for m, p in zip(block.moment, block.place, strict=True)] == single


def test_amounts_are_equally_likely():
    ready = step.rules_of(one_stage(), 1)
    duration_at = np.array([step.amount_of(ready, W64(lead), 0) for lead in range(6000)])
    for value in (1.0, 2.0, 3.0):
        assert within(np.mean(duration_at == value), 1 / 3, duration_at.size)


def test_durations_are_read_between_their_quantiles():
    quantiles = np.array([1.0, 2.0, 5.0])
    assert [step.duration_at(quantiles, chance) for chance in (0.0, 0.25, 0.5, 0.75)] == [1.0, 1.5, 2.0, 3.5]
    assert step.duration_at(np.array([4.0]), 0.7) == 4.0
    assert step.duration_at(np.array([0.0]), 0.7) == 2.0**-32
