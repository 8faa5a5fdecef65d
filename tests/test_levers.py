"""Levers: how one is added and said in words; and on rates, what they keep, what they change, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from test_scenario import company, scenario

from funnelsim.errors import FunnelError
from funnelsim.model.levers import LEVERS, Scenario, apply_scenario, lever
from funnelsim.model.model import Model
from funnelsim.model.rates import RateChange, constant_table, era_rates, era_speed, era_starts, table_under

Floats = NDArray[np.float64]


def test_a_new_lever_is_one_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEVERS, "currency", None)  # so that it is taken out again after the test

    @lever
    class CurrencyLever:
        """The currency of all amounts."""

        currency: str
        rate_of_exchange: float

        def check(self, model: Model) -> tuple[str, ...]:
            if self.currency == model.currency:
                raise FunnelError(f"currency: amounts are in '{self.currency}' already")
            return ("rates of exchange move",)

        @property
        def sentence(self) -> str:
            return f"amounts in {self.currency}"

        @staticmethod
        def act(model: Model, levers: Sequence[CurrencyLever]) -> Model:
            return replace(model, currency=levers[-1].currency)

    made = scenario(tmp_path, "changes: [{currency: USD, rate_of_exchange: 1.1}, {value: all, multiply: 2}]")
    assert [change.sentence for change in made.changes] == [
        "amounts in USD",
        "prices, also of open deals, are multiplied by 2",
    ]
    assert made.notes == ("plan.yaml: changes[0]: rates of exchange move",)
    changed = apply_scenario(company(), made)
    assert changed.currency == "USD"
    assert_allclose(changed.values.mean, 2 * company().values.mean)
    for wrong, words in {
        "{curency: USD}": r"plan.yaml: changes\[0\]: unknown lever 'curency'; did you mean 'currency'\?",
        "{currency: USD, rate_of_exchnge: 1}": "unknown key .*did you mean 'rate_of_exchange'",
        "{currency: EUR, rate_of_exchange: 1}": r"changes\[0\].currency: amounts are in 'EUR' already",
    }.items():
        with pytest.raises(FunnelError, match=words):
            scenario(tmp_path, f"changes: [{wrong}]")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "{odds: {Negotiation: Won}, multiply: 1.15, from: 2026-10-01}",
            "odds of Negotiation > Won rise by 15 % from 1 October 2026",
        ),
        (
            "{rate: {Lead: Lost, Proposal: Lost}, multiply: 2, segment: large, to: 2026-12-31}",
            "rates of Lead > Lost and Proposal > Lost in large are multiplied by 2 until 31 December 2026",
        ),
        ("{days: Lead, multiply: 0.8}", "days in Lead fall by 20 %"),
        ("{entries: all, multiply: 1.5}", "new leads rise by 50 %"),
        (
            "{entries: events, stage: Lead, segment: large, add: 10 per month, from: 2026-07-01}",
            "new leads of events at Lead in large rise by 10 per month from 1 July 2026",
        ),
        (
            "{entries: all, channel: email, multiply: 0.5, add: 7 per week}",
            "new leads by email fall by 50 %, then rise by 1 per day",
        ),
        ("{spend: events, add: -6000 per month}", "costs of events fall by 6,000 per month"),
        ("{spend: events, multiply: 0.8}", "costs of events fall by 20 %"),
        ("{value: large, multiply: 1.05}", "prices in large, also of open deals, rise by 5 %"),
        (
            "{reps: closers, add: 2, from: 2026-08-01, ramp: [0, 0.5] per month}",
            "2 more reps in closers from 1 August 2026, in their first months at 0 %, 50 % of full speed",
        ),
        ("{reps: closers, add: -1}", "1 fewer rep in closers"),
        ("{reps: closers, set: 9, to: 2026-12-31}", "9 reps in closers until 31 December 2026"),
        ("{referrals: Won, multiply: 3}", "referrals by Won are multiplied by 3"),
        ("{work: all, multiply: 0.5}", "hours of work in all stages fall by 50 %"),
    ],
)
def test_a_change_is_said_in_a_sentence(tmp_path: Path, change: str, sentence: str) -> None:
    assert [made.sentence for made in scenario(tmp_path, f"changes: [{change}]").changes] == [sentence]


def test_levers_of_one_kind_act_in_their_order_and_of_one_budget_together(tmp_path: Path) -> None:
    both = scenario(
        tmp_path,
        "changes: [{spend: events, multiply: 0.5}, {rate: {Lead: Lost}, multiply: 2}, "
        "{odds: {Lead: Lost}, multiply: 3}, {spend: events, add: 400 per day}]",
    )
    changed = apply_scenario(company(), both)
    assert [(change.kind, change.multiply) for change in changed.levers] == [("rate", 2), ("odds", 3)]
    # Half of 800 per day and 400 more are today's 800: nothing to answer to.
    assert changed.entries.changes == ()
    assert apply_scenario(company(), Scenario("empty")).levers == ()


def some_rates(seed: int = 7) -> Floats:
    """Draws (3) of rates of 2 groups, 2 stages, 3 exits, 4 bins; one bin empty, one with a single exit."""
    rate = np.random.default_rng(seed).gamma(1.0, 0.02, size=(3, 2, 2, 3, 4))
    rate[:, 0, 0, :, 1] = 0
    rate[:, 0, 0, 1:, 2] = 0
    return rate


@settings(max_examples=50)
@given(st.floats(1e-3, 50), st.integers(0, 2))
def test_odds_multiply_and_the_leaving_rate_stays(multiply: float, column: int) -> None:
    rate = some_rates()
    changed = era_rates([RateChange("odds", 1, column, multiply, (0, 1))], rate)
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
    changed = era_rates([RateChange("odds", 0, 0, 0.0, (0,))], rate)[:, 1, 0, 0]
    assert_array_equal(changed[..., 1:3], rate[:, 0, 0, :, 1:3])
    assert (changed[:, 0, 0] == 0).all()


def test_odds_of_one_are_bit_for_bit_nothing() -> None:
    rate = some_rates()
    assert_array_equal(era_rates([RateChange("odds", 1, 2, 1.0, (0, 1))], rate)[:, 1], rate)


def test_rate_multiplies_one_exit_of_one_group() -> None:
    rate = some_rates()
    changed = era_rates([RateChange("rate", 1, 2, 3.0, (1,))], rate)[:, 1]
    assert_allclose(changed[:, 1, 1, 2], 3 * rate[:, 1, 1, 2])
    changed[:, 1, 1, 2] = rate[:, 1, 1, 2]
    assert_array_equal(changed, rate)


def test_eras_begin_and_end_with_their_levers() -> None:
    first = RateChange("rate", 0, 0, 2.0, (0, 1), 10.0, 40.0)
    second = RateChange("rate", 0, 0, 5.0, (0, 1), 30.0)
    assert era_starts([first, second]).tolist() == [-np.inf, 10, 30, 40]
    rate = some_rates()
    changed = era_rates([first, second], rate)[:, :, 0, 0, 0, 0]
    assert_allclose(changed, rate[:, None, 0, 0, 0, 0] * np.array([1, 2, 10, 5]))


def test_days_change_the_speed_only() -> None:
    lever = RateChange("days", 1, -1, 0.8, (1,), 0.0, 92.0)
    assert_allclose(era_speed([lever], 2, 2), [[[1, 1], [1, 1]], [[1, 1], [1, 1.25]], [[1, 1], [1, 1]]])
    rate = some_rates()
    assert_array_equal(era_rates([lever], rate), np.repeat(rate[:, None], 3, axis=1))


def test_levers_act_on_draws_as_on_each_draw() -> None:
    levers = [RateChange("odds", 1, 0, 2.0, (0,), 5.0), RateChange("rate", 0, 1, 0.5, (0, 1), 0.0, 9.0)]
    rate = some_rates()
    assert_array_equal(era_rates(levers, rate)[1], era_rates(levers, rate[1]))


@pytest.mark.parametrize("levers", [(), (RateChange("rate", 0, 0, 2.0, (0, 1), 30.0),)])
def test_table_keeps_its_base_in_the_first_era(levers: tuple[RateChange, ...]) -> None:
    base = constant_table(np.tile([0.0, 5.0, 9.0, np.inf], (2, 2, 1)), some_rates()[0])
    changed = table_under(levers, base)
    assert (changed is base) == (levers == ())
    assert_array_equal(changed.rate[0], base.rate[0])
    assert changed.speed.shape == (len(changed.starts), 2, 2)
