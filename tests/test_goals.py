"""A good period is what one in four of them would beat, by people's own past, and teams own stages."""

import re
from pathlib import Path

import numpy as np
import pytest
from made_up import history
from scipy.stats import poisson

import funnelsim as fs
from funnelsim.arrays import Flags
from funnelsim.errors import FunnelError
from funnelsim.forecasting.deals import Stakes, stakes_of
from funnelsim.forecasting.distribution import distributions, quantiles
from funnelsim.forecasting.goals import (
    amounts_like,
    goal_words,
    goals_of,
    good_periods,
    habits,
    money_of,
)
from funnelsim.history.log import History
from funnelsim.history.read import read_history

LOG = """lead,stage,at,owner
a,Lead,2026-01-05,Ada
a,Offer,2026-01-20,Ada
a,Won,2026-02-03,Ada
b,Lead,2026-02-02,Ada
b,Offer,2026-02-10,Ada
b,Lost,2026-03-04,Ada
c,Lead,2026-02-04,Ben
c,Offer,2026-03-05,Ben
c,Won,2026-03-20,Ben
d,Lead,2026-03-02,Ben
d,Lost,2026-04-02,Ben
e,Lead,2026-01-02,Ada
e,Offer,2026-01-08,Ada
e,Won,2026-04-10,Ada
f,Lead,2026-04-12,Ben
g,Lead,2026-02-01,Ada
g,Offer,2026-02-08,Ada
g,Won,2026-03-09,Ada
h,Lead,2026-02-03,Ben
h,Offer,2026-02-09,Ben
h,Won,2026-03-10,Ben
i,Lead,2026-01-01,Ada
"""
TEAMS = {"won": ["Won"], "lost": ["Lost"], "stages": ["Lead", "Offer"], "columns": {"owner": "owner"}}


def read(folder: Path, teams: dict[str, object], text: str = LOG) -> History:
    path = folder / "log.csv"
    path.write_text(text, encoding="utf-8")
    return read_history(path, {**TEAMS, "teams": teams}, as_of="2026-04-15")


def test_one_in_four_periods_of_made_up_people_is_better() -> None:
    rng = np.random.default_rng(7)
    rate = rng.gamma(20, 1.0, 400)
    past, ahead = rng.poisson(rate[:, None], (400, 8)).astype(float), rng.poisson(rate)
    usual, good = good_periods(past)
    assert usual.mean() == pytest.approx(rate.mean(), rel=0.02)
    beaten, reached = (ahead > good).mean(), (ahead >= good).mean()
    assert beaten < 0.25 < reached, (
        "a quantile of counts: at most a quarter lies above it, a quarter from it on"
    )


def test_few_periods_draw_a_person_to_all() -> None:
    seen = np.full((6, 8), np.nan)
    seen[:5] = 20 + np.array([-4, -2, 0, 2, 4])[:, None] + np.tile([-3.0, 3.0], 4)
    seen[5, -2:] = [26.0, 26.0]
    usual, _ = good_periods(seen)
    pool = np.nansum(seen) / np.isfinite(seen).sum()
    assert pool < usual[5] < 26, "two great periods alone are no habit"
    assert (26 - usual[5]) / (26 - pool) > 2 * (usual[0] - 16) / (pool - 16), "eight periods count for more"


def test_an_unchanging_person_alone_has_a_goal_of_poisson_luck() -> None:
    usual, good = good_periods(np.full((1, 800), 20.0))
    assert usual[0] == pytest.approx(20, rel=1e-3)
    assert good[0] == poisson.ppf(0.75, 20)


def test_teams_own_stages_and_send_leads_on(tmp_path: Path) -> None:
    known = read(tmp_path, {"marketing": "Lead", "sales": ["Offer"]})
    assert known.teams == (("marketing", ("Lead",)), ("sales", ("Offer",)))
    place = fs.situation(known, period="month")
    goals = goals_of(place).set_index("who")
    # Offers: 2 in January, 3 in February, 1 in March, of one team among few: the usual month has about two.
    assert goals.loc["marketing", "usual"] == pytest.approx(2, rel=0.25)
    assert goals["so_far"].to_dict() == {"marketing": 0, "sales": 1, "Ada": 1}
    assert set(goals["periods"]) == {3}, "Ben had been there for one whole month only"
    assert goals["over"].tolist() == pytest.approx([0.5] * 3)
    # 1 so far, and half of what is usual in the half of the month that is left.
    sales = goals.loc["sales"]
    assert sales["expected"] == pytest.approx(1 + 0.5 * sales["usual"])
    assert goals.loc["marketing", "expected"] == pytest.approx(0.5 * goals.loc["marketing", "usual"])


def test_a_team_with_a_stage_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="teams: sales: 'Ofer' is no stage here; .*Offer"):
        read(tmp_path, {"sales": ["Ofer"]})
    with pytest.raises(FunnelError, match="'Offer' is owned by both 'sales' and 'field'"):
        read(tmp_path, {"sales": ["Offer"], "field": ["Offer"]})


def test_leads_to_come_count_in_the_shares_of_recent_ones(tmp_path: Path) -> None:
    handed = re.sub("^(e,.*),Ada$", r"\1,Ben", LOG, flags=re.MULTILINE)
    place = fs.situation(read(tmp_path, {}, handed), period="month")
    found = fs.forecast(place, draws=8)
    stakes = stakes_of(place, found, draws=8, seed=1)
    ada = goals_of(place, stakes).set_index("who").loc["Ada"]
    # Since 15 January came b and g of Ada's, c, d, f and h of Ben's: two of six. Her open lead is i.
    rows = found.periods[(found.periods["period"] == "2026-04") & (found.periods["measure"] == "wins")]
    due = rows.set_index("origin")["mean"]
    own = found.deals.set_index("lead")["P(win 2026-04)"]
    assert ada["so_far"] == 0
    assert ada["new"] == pytest.approx(due["new"] * 2 / 6)
    assert ada["open"] == pytest.approx(own["i"], abs=1e-4)
    assert ada["expected"] == pytest.approx(ada["open"] + ada["new"])
    assert ada["good"] == 1, "a coin and a negative binomial variable"
    chance = some_win(stakes, np.isin(place.deals.name, ["i"]), 2 / 6)
    assert ada["p_good"] == pytest.approx(chance, abs=1e-6)


def some_win(stakes: Stakes | None, own: Flags, share: float) -> float:
    """Return the chance of a win by hand: 1 - P(no coin falls and no lead to come is won)."""
    assert stakes is not None
    nobody = np.prod(1 - stakes.first.chance[:, own], axis=1)
    mean, spread = stakes.first.mean_new.sum(axis=1) * share, stakes.first.spread
    none = (1 + mean * spread**2) ** (-1 / spread**2) if spread else np.exp(-mean)
    return float((1 - nobody * none).mean())


def test_what_is_expected_of_people_adds_up_to_the_forecast() -> None:
    place = fs.situation(fs.sample_path())
    found = fs.forecast(place, draws=4)
    goals = goals_of(place, stakes_of(place, found, draws=4, seed=1))
    assert len(goals) == 16 and set(goals["kind"]) == {"person"}
    for counts, measure in (("wins", "wins"), ("money", "revenue")):
        mine = goals[goals["counts"] == counts]
        rows = found.periods[(found.periods["measure"] == measure) & (found.periods["origin"] == "total")]
        assert mine["expected"].sum() == pytest.approx(rows["mean"].iloc[0], rel=1e-6), "everybody is counted"
        assert (mine["expected"] == mine["so_far"] + mine["open"] + mine["new"]).all()


def test_one_in_four_periods_brings_more_money() -> None:
    rng = np.random.default_rng(5)
    people = 300
    rate, value = rng.gamma(20, 1.0, people), rng.lognormal(3, 1.0, people * 200)
    past, ahead = rng.poisson(rate[:, None], (people, 8)).astype(float), rng.poisson(rate)
    habit, beaten = habits(past), []
    for law in range(people):
        good = quantiles(distributions(money_of(habit, law, value[:1000]))["total"], np.array([0.75]))[0]
        beaten.append(rng.choice(value, (200, ahead[law])).sum(axis=1) > good)
    assert np.mean(beaten) == pytest.approx(0.25, abs=0.02)


def test_a_person_is_held_against_wins_in_the_groups_that_he_sells_to() -> None:
    value, group = np.repeat([10.0, 1000.0], [90, 10]), np.repeat([0, 1], [90, 10])
    mine = np.zeros(100, dtype=bool)
    mine[90:92] = True
    assert set(amounts_like(value, group, mine)) == {1000.0}
    value[90:92] = 400.0
    # 2 wins of his, and 10 like those of the group, 8 in 10 of which bring 1000.
    assert amounts_like(value, group, mine).mean() == pytest.approx((2 * 400 + 10 * 880) / 12, rel=1e-3)


def test_words_say_what_was_counted(tmp_path: Path) -> None:
    place = fs.situation(read(tmp_path, {"sales": ["Offer"]}), period="month")
    by_pace = " ".join(goal_words(goals_of(place), "2026-04", "month", ""))
    assert "the usual pace for the days that are left: 50 % of 2026-04 is over" in by_pace
    assert "A good month of sales, as one in four was, had" in by_pace
    stakes = stakes_of(place, fs.forecast(place, draws=4), draws=4, seed=1)
    assert "open deals and leads to come: 50 %" in " ".join(
        goal_words(goals_of(place, stakes), "2026-04", "month", "")
    )


def test_without_owners_or_teams_there_are_no_goals() -> None:
    state = fs.health(history(300), draws=4)
    assert state.goals.empty and "goals" not in state.frames
