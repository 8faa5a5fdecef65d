"""The way back from a target: published numbers, brute force, and what a user may say wrongly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting.periods import Period
from funnelsim.forecasting.seek import candidates, cheapest_mix, find_ways, information_value
from funnelsim.forecasting.situation import Situation
from funnelsim.model.funnel import Funnel
from funnelsim.model.levers import Scenario
from funnelsim.model.model import Cell, Entries, Model, OpenDeals, Values
from funnelsim.model.rates import constant_table

MAP = Funnel("one", ("Open",), ("Won", "Lost"), (("Won", "Lost"),), {"Won": 1.0})
TODAY = fs.read_funnel("sales_funnel_5").as_of


def hundred_deals(count: int = 100, coming: float = 0.0) -> Situation:
    """Open deals of 50,000, each won with chance .2 and decided within hours; `coming` leads a day."""
    table = constant_table(np.zeros((1, 1, 1)), np.array([[[[40.0], [160.0]]]]))
    entries = Entries((Cell(0, 0, "web"),), np.array([1.0]), np.full(30, coming))
    model = Model(
        MAP,
        ("all",),
        table,
        entries,
        Values(np.full((1, 1), 50_000.0), np.ones(1)),
        as_of=TODAY,
        currency="EUR",
    )
    names = np.array([f"D{i}" for i in range(count)], dtype=object)
    deals = OpenDeals(
        names, np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count), np.full(count, 50_000.0)
    )
    plain = fs.situation(model)
    period = Period("30 days", TODAY, TODAY + np.timedelta64(30, "D"))
    return replace(plain, name="a hundred deals", deals=deals, periods=(period,))


def test_the_smallest_change_of_the_odds_is_the_published_one() -> None:
    # 24 wins are needed: binomial(100, p) reaches 24 with chance .8 at p = .272701, odds 1.499799 times .25.
    found = find_ways(hundred_deals(), 1_200_000.0, chance=0.8, draws=1)
    odds = found.levers.set_index("lever").loc["odds Open > Won"]
    assert odds["change"] == pytest.approx(1.499799, abs=0.002)
    assert found.now == pytest.approx(binom.sf(23, 100, 0.2), abs=1e-4)
    assert 0.8 <= odds["chance"] < 0.803


def test_prices_that_do_it_are_those_with_which_fewer_wins_suffice() -> None:
    # With chance .8 at least 17 of 100 are won: the price must be such that 17 reach the target.
    enough = next(n for n in range(100, 0, -1) if binom.sf(n - 1, 100, 0.2) >= 0.8)
    found = find_ways(hundred_deals(), 1_200_000.0, chance=0.8, draws=1)
    price = found.levers.set_index("lever").loc["price"]
    # An amount between two points of the grid is shared by both, so that sums of 17 blur over three points.
    assert price["change"] == pytest.approx(1_200_000 / enough / 50_000, abs=0.005)


def test_leads_needed_are_those_of_the_poisson_distribution() -> None:
    # Nobody is open; leads of today win with chance .2 each: the wins are Poisson, 24 of them are needed.
    found = find_ways(hundred_deals(0, coming=1.0), 1_200_000.0, chance=0.8, draws=1)
    stage = found.leads.set_index("way").loc["in Open today"]
    from scipy.optimize import brentq
    from scipy.stats import poisson

    mean = brentq(lambda m: poisson.sf(23, m) - 0.8, 1, 100)
    assert stage["more"] == pytest.approx((mean - 30 * 0.2) / 0.2, rel=0.02)
    web = found.leads.set_index("way").loc["by web"]
    assert web["leads"] == pytest.approx(30, rel=0.01)
    assert web["more"] == pytest.approx(stage["more"], rel=0.05)


def test_must_win_deals_are_those_of_the_binomial() -> None:
    found = find_ways(hundred_deals(), 1_200_000.0, chance=0.8, draws=1)
    first = found.deals.iloc[0]
    assert first["if won"] == pytest.approx(binom.sf(22, 99, 0.2), abs=1e-4)
    assert first["if lost"] == pytest.approx(binom.sf(23, 99, 0.2), abs=1e-4)
    assert first["P(win)"] == pytest.approx(0.2, abs=1e-6)


def test_what_it_is_worth_to_know_is_the_published_number() -> None:
    assert information_value(10, 20) == pytest.approx(3.955931, abs=1e-6)
    assert information_value(10, 20**2 / (20**2 + 40**2 / 4) ** 0.5) == pytest.approx(1.996412, abs=1e-6)
    assert information_value(-10, 20) == information_value(10, 20)
    assert information_value(10, 0) == 0.0


def test_the_cheapest_mix_is_no_dearer_than_any_on_a_grid() -> None:
    place = hundred_deals()
    costs = {"odds Open > Won": 100.0, "price": 130.0}
    found = find_ways(place, 1_200_000.0, chance=0.8, costs=costs, draws=1)
    best = np.inf
    for odds in np.linspace(1, 2, 101):
        chance = 0.25 * odds / (1 + 0.25 * odds)
        wins = next(n for n in range(100, 0, -1) if binom.sf(n - 1, 100, chance) >= 0.8)
        price = max(1_200_000 / wins / 50_000, 1.0)
        if price <= 2:
            best = min(best, 100 * 100 * (odds - 1) + 130 * 100 * (price - 1))
    assert found.mix["cost"].sum() <= 1.1 * best
    assert found.mix["cost"].sum() >= 0.97 * best


def test_who_has_enough_need_change_nothing() -> None:
    found = find_ways(hundred_deals(), 500_000.0, chance=0.8, draws=1)
    assert "Nothing must change" in str(found)
    assert set(found.levers["change"]) == {1.0}


def test_what_cannot_be_reached_is_said_so() -> None:
    found = find_ways(hundred_deals(10), 5_000_000.0, chance=0.8, draws=1)
    assert found.levers["change"].isna().all()
    assert found.levers["words"].str.startswith("cannot: even").all()
    assert "No lever alone reaches it" in str(found)
    assert found.mix.empty


def test_reps_are_whole_people() -> None:
    model = fs.read_funnel("saas_marketing_and_sales")
    reps = [one for one in candidates(model) if one.whole]
    assert reps
    assert reps[0].pulled(2.0).changes[0].sentence.startswith("2 more reps")
    assert reps[0].pulled(0.0).changes == ()


def test_a_mix_may_be_one_rep_more() -> None:
    class Ask:
        def chance(self, scenario: Scenario) -> float:
            return 0.9 if scenario.changes else 0.5

    reps = next(one for one in candidates(fs.read_funnel("saas_marketing_and_sales")) if one.whole)
    none = pd.DataFrame({"lever": ["price"], "change": [np.nan], "words": [""], "cost": [np.nan]})
    mix = cheapest_mix(Ask(), [replace(reps, most=12.0)], {reps.name: 5000.0}, 0.5, 0.8, none)
    assert mix["change"].tolist() == [1.0]
    assert mix["cost"].tolist() == [5000.0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "0"], "target 0"),
        (["--target", "6M", "--chance", "120%"], "chance 1.2"),
        (["--target", "6M", "--chance", "most"], "chance 'most'"),
        (["--target", "6M", "--cost", "odds Proposal > Wonn=5"], "no such lever"),
        (["--target", "6M", "--cost", "price"], "expected LEVER=MONEY"),
        (["--target", "2026Q1=6M"], "expected one amount"),
        (["--target", "6M", "--until", "2020-01-01"], "is over"),
    ],
)
def test_wrong_wishes_are_one_sentence(words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["seek", "sales_funnel_5", *words])
    assert isinstance(result.exception, FunnelError)
    assert said in str(result.exception)


def test_the_terminal_and_the_file_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    result = CliRunner().invoke(
        app,
        [
            "seek",
            "sales_funnel_5",
            "--target",
            "500k",
            "--until",
            "2026-06-30",
            "--cost",
            "leads=900",
            "--json",
            str(file),
        ],
    )
    assert result.exit_code == 0, result.output
    data = json.loads(file.read_text())
    again = fs.seek("sales_funnel_5", "500k", until="2026-06-30", costs={"leads": 900})
    assert data["chance"] == pytest.approx(again.now, abs=1e-9)
    assert str(again) in result.output
    assert [row["lever"] for row in data["levers"]] == list(again.levers["lever"])
