"""Bottlenecks: elasticities in closed form, by finite differences, and of teams whose leads queue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_seek import hundred_deals

import funnelsim as fs
from funnelsim.forecasting.alerts import mean_money
from funnelsim.forecasting.health import bottlenecks_of
from funnelsim.forecasting.situation import Situation, after_run
from funnelsim.model.rates import constant_table


def slow_deals(won: float = 0.02, lost: float = 0.01) -> Situation:
    """A hundred deals that are decided within months, and nobody to come."""
    place = hundred_deals()
    table = constant_table(np.zeros((1, 1, 1)), np.array([[[[won], [lost]]]]))
    return replace(place, model=replace(place.model, table=table))


def test_elasticities_of_one_stage_are_those_of_its_formula() -> None:
    # q = w / c (1 - exp(-c T)), c = w + l: d log q / d log w = 1 - w / c + w T exp(-c T) / (1 - exp(-c T)).
    won, lost, days = 0.02, 0.01, 30.0
    table = bottlenecks_of(slow_deals(won, lost), "30 days").set_index("kind")
    total = won + lost
    late = np.exp(-total * days) / (1 - np.exp(-total * days))
    wanted = 1 - won / total + won * days * late
    assert table.loc["conversion", "elasticity"] == pytest.approx(wanted, abs=1e-4)
    assert table.loc["speed", "elasticity"] == pytest.approx(total * days * late, abs=1e-4)
    assert table.loc["intake", "elasticity"] == 0.0
    now = 100 * 50_000 * won / total * (1 - np.exp(-total * days))
    assert table.loc["conversion", "gain"] == pytest.approx(0.1 * wanted * now, rel=1e-3)


def test_elasticities_of_a_company_are_finite_differences_of_its_forecast() -> None:
    place = fs.situation(fs.sample_path())
    label, now = place.periods[0].label, mean_money(place.model, place)[0]
    table = bottlenecks_of(place, label).set_index(["kind", "name"])["elasticity"]
    for key, words in (
        (("conversion", "Negotiation"), "rate Negotiation > Won"),
        (("conversion", "Proposal"), "rate Proposal > Negotiation"),
        (("intake", "search"), "leads search"),
    ):
        ends = [
            mean_money(fs.situation(place, what_if=f"{words} x{f}").model, place)[0] for f in (1.03, 0.97)
        ]
        assert table[key] == pytest.approx((ends[0] - ends[1]) / now / np.log(1.03 / 0.97), rel=2e-3)
    faster, slower = (
        mean_money(fs.situation(place, what_if=f"days Proposal x{f}").model, place)[0] for f in (0.97, 1.03)
    )
    speed = (faster - slower) / now / np.log(1.03 / 0.97)
    # A stage's lattice of ages is stretched with its speed, and leads of today are read between its points.
    assert table["speed", "Proposal"] == pytest.approx(speed, rel=1e-2)


def test_intake_of_all_channels_is_the_share_of_leads_to_come() -> None:
    place = fs.situation(fs.sample_path())
    label = place.periods[0].label
    table = bottlenecks_of(place, label)
    nobody = fs.situation(place, what_if="leads x0")
    share = 1 - mean_money(nobody.model, place)[0] / mean_money(place.model, place)[0]
    assert table.loc[table["kind"] == "intake", "elasticity"].sum() == pytest.approx(share, rel=1e-4)


def test_where_leads_queue_teams_are_told_with_waits_and_work() -> None:
    table = bottlenecks_of(after_run(fs.simulate("sales_process", 200)), "total")
    teams = table[table["kind"] == "capacity"]
    assert len(teams) == 2
    assert teams["busy"].between(0.1, 1).all()
    assert (teams[["wait", "work"]] > 0).all(axis=None)
    assert teams["gain"].notna().all()
