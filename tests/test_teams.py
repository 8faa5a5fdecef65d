"""Teams of a company whose funnel is fitted: they change nothing today, and hires are asked against them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from funnelsim import compare, read_history, sample_path, situation
from funnelsim.errors import FunnelError
from funnelsim.forecasting.attribution import cost_of, outlays
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.situation import SERVED, Situation, staffed
from funnelsim.model.scenario import read_words
from funnelsim.simulation.run import period_sums

TEAMS = """
pools:
  account executives: {{size: {size}, ramp: [0.35, 0.65], salary: 7500 per month}}
work:
  - {{stage: Needs analysis, pool: account executives, hours: 6}}
  - {{stage: Negotiation, pool: account executives, hours: {{median: 8, p90: 14}}}}
"""


@pytest.fixture(scope="module")
def place() -> Situation:
    return situation(read_history(sample_path()), periods=2)


def team(folder: Path, size: int) -> Path:
    path = folder / "teams.yaml"
    path.write_text(TEAMS.format(size=size), encoding="utf-8")
    return path


def lives(place: Situation, count: int = 200) -> np.ndarray:
    edges = days_of(place.periods, place.model.as_of)
    sums = period_sums(place.model, edges, open_deals=place.deals, replications=count, seed=2)
    found: np.ndarray = sums.revenue.sum(axis=2).sum(axis=1)
    return found


def test_with_plenty_of_reps_nothing_changes(place: Situation, tmp_path: Path) -> None:
    """The same lives with the same luck: the mean of both quarters moves by less than its error."""
    with_team = staffed(place, team(tmp_path, 60))
    gap = lives(with_team) - lives(place)
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))
    assert abs(gap.mean()) < 0.05 * lives(place).mean()
    assert with_team.model.notes[-1] == SERVED
    assert any("Teams: Needs analysis of small takes" in note for note in with_team.model.notes)


def test_a_hire_brings_revenue_where_the_pool_is_full_and_costs_a_salary(
    place: Situation, tmp_path: Path
) -> None:
    full = staffed(place, team(tmp_path, 7))
    found = compare(full, ["reps account executives +3 from 2026-08 ramp 50%"], draws=60)
    row = found.whole.iloc[1]
    assert row["difference"] > 2 * row["error"]
    edges = days_of(full.periods, full.model.as_of)
    plan = read_words("reps account executives +3 from 2026-08 ramp 50%", full.model)
    days = (full.periods[-1].end - np.datetime64("2026-08-01")) / np.timedelta64(1, "D")
    assert_allclose(cost_of(full.model, plan, edges).sum(), 3 * 7500 * 12 / 365.25 * days)
    assert_allclose(row["cost"], 3 * 7500 * 12 / 365.25 * days)
    idle = compare(staffed(place, team(tmp_path, 60)), ["reps account executives +3 from 2026-08"], draws=20)
    assert abs(idle.whole.iloc[1]["difference"]) < 0.1 * row["difference"]


def test_who_leaves_saves_a_salary_and_another_size_counts_from_its_day(
    place: Situation, tmp_path: Path
) -> None:
    model = staffed(place, team(tmp_path, 8)).model
    paid = [
        [
            (one.start, one.end, round(one.amount * 365.25 / 12))
            for one in outlays(model, read_words(words, model))
        ]
        for words in (
            "reps account executives -1",
            "reps account executives =10 from 2026-08-01 until 2026-08-31",
        )
    ]
    assert paid == [[(0.0, np.inf, -7500)], [(31.0, 62.0, 15000)]]
    free = replace(model, pools=tuple(replace(pool, salary=0.0) for pool in model.pools))
    assert outlays(free, read_words("reps account executives -1", free)) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pools: {}\nwork: []\n", "pools"),
        (
            "pools: {closers: {size: 3}}\nwork: [{stage: Negotation, pool: closers, hours: 2}]\n",
            "'Negotiation'",
        ),
        ("pools: {closers: {size: 3}}\nwork: [{stage: Negotiation, pool: closer, hours: 2}]\n", "'closers'"),
        ("pools: {closers: {size: 3, wage: 5}}\nwork: [{stage: Lead, pool: closers, hours: 2}]\n", "wage"),
        (
            "pools: {closers: {size: 1}}\nwork: [{stage: Negotiation, pool: closers, hours: 40}]\n",
            "more reps",
        ),
    ],
)
def test_wrong_teams_are_refused(place: Situation, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "teams.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FunnelError) as told:
        staffed(place, path)
    assert str(told.value).startswith(str(path)) and words in str(told.value)


def test_a_stated_funnel_has_its_own_teams(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="states its teams itself"):
        situation("saas_marketing_and_sales", teams=team(tmp_path, 3))
