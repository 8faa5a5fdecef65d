"""A good period is what one in four of them would beat, by people's own past, and teams own stages."""

from pathlib import Path

import numpy as np
import pytest
from made_up import history
from scipy.stats import poisson

import funnelsim as fs
from funnelsim.errors import FunnelError
from funnelsim.forecasting.goals import goals_of, good_periods
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


def read(folder: Path, teams: dict[str, object]) -> History:
    path = folder / "log.csv"
    path.write_text(LOG, encoding="utf-8")
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
    goals = goals_of(place, fs.forecast(place, draws=4)).set_index("who")
    # Offers: 2 in January, 3 in February, 1 in March, of one team among few: the usual month has about two.
    assert goals.loc["marketing", "usual"] == pytest.approx(2, rel=0.25)
    assert goals["so_far"].to_dict() == {"marketing": 0, "sales": 1, "Ada": 1}
    assert set(goals["periods"]) == {3}, "Ben had been there for one whole month only"
    assert goals["over"].tolist() == pytest.approx([0.5] * 3)


def test_a_team_with_a_stage_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="teams: sales: 'Ofer' is no stage here; .*Offer"):
        read(tmp_path, {"sales": ["Ofer"]})
    with pytest.raises(FunnelError, match="'Offer' is owned by both 'sales' and 'field'"):
        read(tmp_path, {"sales": ["Offer"], "field": ["Offer"]})


def test_people_have_in_sight_what_they_won_and_what_is_open() -> None:
    place = fs.situation(fs.sample_path())
    found = fs.forecast(place, draws=4)
    goals = goals_of(place, found)
    by_owner = found.deals.groupby("owner")[f"P(win {place.periods[0].label})"].sum()
    assert len(goals) == 8 and set(goals["kind"]) == {"person"}
    for row in goals.to_dict("records"):
        assert row["open"] == pytest.approx(by_owner[row["who"]])
        assert row["in_sight"] == pytest.approx(row["so_far"] + row["open"])


def test_without_owners_or_teams_there_are_no_goals() -> None:
    state = fs.health(history(300), draws=4)
    assert state.goals.empty and "goals" not in state.frames
