"""Alerts: published e-values, no more false alarms than stated, breaks that are seen, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import history
from scipy.special import gammaln
from scipy.stats import binom, nbinom
from scripts import script
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting.alerts import (
    Watched,
    alert_words,
    at_stake,
    change_logs,
    discoveries,
    e_bh,
    e_process,
    evidence,
    mean_money,
    mixture_log,
    onward,
    watched_of,
)
from funnelsim.forecasting.health import level_said, signals_of_run
from funnelsim.forecasting.situation import after_run
from funnelsim.history.log import DAY, spells
from funnelsim.history.metrics import of_leads

bench = script("benchmarks/alerts.py")


@pytest.mark.parametrize(
    ("seen", "fair", "e"), [(30, 20, 1.759728), (10, 20, 6.026056), (20, 20, 0.290399), (0, 5, 12.11536)]
)
def test_e_values_are_the_published_ones(seen: float, fair: float, e: float) -> None:
    assert e_process(seen, fair) == pytest.approx(e, rel=1e-6, abs=1e-6)


def test_the_mixture_is_the_negative_binomial_but_for_a_common_factor() -> None:
    # Gamma(5, 5) on the rate of Poisson counts of mean 7: negative binomial with n = 5, p = 5 / 12.
    count = np.arange(30.0)
    ours = mixture_log(count, np.full(30, 7.0), 5.0) - mixture_log(np.zeros(30), np.full(30, 7.0), 5.0)
    theirs = nbinom.logpmf(count, 5, 5 / 12) - nbinom.logpmf(0, 5, 5 / 12)
    shared = count * np.log(7.0) - np.array([np.log(np.arange(1, n + 1)).sum() for n in range(30)])
    np.testing.assert_allclose(ours + shared, theirs, atol=1e-9)


@pytest.mark.parametrize("shape", [30.0, np.inf])
def test_the_mean_evidence_of_an_unchanged_company_is_one(shape: float) -> None:
    # All counts of two weeks, with their chances under the law of the rate before the watch.
    fair, most = np.array([3.0, 4.0]), 60
    one = Watched("speed", "", "", "", fair, fair, shape, 1.0, fair)
    mean = 0.0
    for first in range(most):
        for second in range(most):
            logs = first * np.log(3) + second * np.log(4) - gammaln(first + 1) - gammaln(second + 1)
            logs += mixture_log(np.array(first + second), np.array(7.0), shape)
            mean += np.exp(logs) * evidence(replace(one, seen=np.array([first, second], dtype=float)))
    assert mean == pytest.approx(1.0, abs=1e-6)


def test_noise_beyond_poisson_makes_evidence_of_a_fall_smaller_than_it_may_be() -> None:
    # A Gamma factor of deviation .3 on counts of mean 40: they vary 1 + .09 x 40 = 4.6 times as much.
    rng = np.random.default_rng(5)
    fair, lives = np.full(6, 40.0), 4000
    counts = rng.poisson(rng.gamma(1 / 0.09, 0.09, (lives, 6)) * fair).astype(float)
    one = Watched("speed", "", "", "", fair, fair, np.inf, 1 + 0.09 * 40, fair)
    e = np.array([evidence(replace(one, seen=row)) for row in counts])
    assert e.mean() - 4 * e.std() / np.sqrt(lives) < 1
    assert np.mean(e >= 20) <= 0.05


def test_e_bh_takes_the_largest_set_that_is_large_enough() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        values = np.exp(rng.normal(2, 2, 9))
        sizes = [k for k in range(1, 10) if np.sum(values >= 9 / (k * 0.05)) >= k]
        most = max(sizes, default=0)
        assert e_bh(values, 0.05).sum() == most


def test_unchanged_companies_see_no_more_alerts_than_stated() -> None:
    # Every fourth week of a year, each time fitted anew; benchmarks/alerts.py looks every week.
    years = 60
    alarms = sum(
        np.isfinite(bench.first_alert(bench.looks(bench.company(77_000 + seed), every=4)))
        for seed in range(years)
    )
    assert binom.sf(alarms - 1, years, 0.05) > 0.01


@pytest.mark.parametrize("broken", bench.BREAKS)
def test_a_fall_by_sixty_per_cent_is_seen_within_a_quarter(broken: str) -> None:
    for seed in range(3):
        assert bench.first_alert(bench.looks(bench.company(500 + seed, broken, 0.6))) <= 13


def test_since_when_is_told_within_a_month() -> None:
    rng = np.random.default_rng(4)
    fair = np.full(52, 20.0)
    rate = np.where(np.arange(52) < 30, 20.0, 10.0)
    one = Watched("speed", "", "", "", rng.poisson(rate).astype(float), fair, 500.0, 1.0, fair)
    assert abs(int(np.argmax(change_logs(one))) - 30) <= 4


def test_money_at_stake_is_what_a_lever_would_bring_back() -> None:
    place = fs.situation(fs.sample_path())
    stage = place.model.funnel.stages.index("Proposal")
    exits = np.flatnonzero(onward(place.model.funnel, place.model.table)[stage])
    assert [place.model.funnel.exits[stage][one] for one in exits] == ["Negotiation"]
    fair = np.ones(4)
    one = Watched("conversion", "Proposal", "", "", fair, fair, np.inf, 1.0, fair, exits)
    lost = at_stake(place, one, 0.5, 1.0)[0]
    under = fs.situation(place, what_if="rate Proposal > Negotiation x0.5")
    both = [mean_money(model, place)[0] for model in (place.model, under.model)]
    assert lost == pytest.approx(both[0] - both[1], rel=1e-9)
    assert lost > 0


FAR = """
name: far
unit: day
currency: EUR
start: 2026-01-01
stages: {Wait: {exits: {Won: {chance: 0.999, fixed: 120}, Lost: {chance: rest, fixed: 120}}}}
ends: [Won, Lost]
earns: {Won: 1}
value: {fixed: 100}
entries: [{stage: Wait, leads: 7 per week}]
"""


def test_what_a_far_stage_has_at_stake_is_told_of_later_periods(tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text(FAR, encoding="utf-8")
    place = fs.situation(tmp_path / "far.yaml", period="quarter", periods=2)
    fair = np.ones(4)
    gap = at_stake(place, Watched("intake", "", "", "", fair, fair, np.inf, 1.0, fair), 0.5, 1.0)
    # A lead a day wins 120 days later: none by 31 March, those of the first 61 days by 30 June.
    assert gap == pytest.approx([0.0, 0.5 * 61 * 100], rel=0.01, abs=1e-6)


@pytest.mark.parametrize(
    ("stake", "whole", "said"),
    [
        (900.0, 14_600.0, "; 900 EUR of Q1, and 14.6 k EUR of all periods until the end of Q2 at stake: "),
        (900.0, 1_000.0, "; 900 EUR of Q1 at stake: "),
        (0.0, 3_050.0, "; nothing of Q1, and 3.05 k EUR of all periods until the end of Q2 at stake: "),
        (0.0, 0.0, "; nothing of Q1 at stake, as what it brings comes later still: "),
        (0.0, np.nan, "; nothing of Q1 at stake, as what it brings comes later still: "),
        (np.nan, np.nan, "looks: "),
    ],
)
def test_words_say_where_nothing_of_the_period_hangs_on_it(stake: float, whole: float, said: str) -> None:
    row = {"luck": 0.01, "why": "intake is off", "stake": stake, "whole": whole, "advice": "call"}
    (told,) = alert_words(pd.DataFrame([row]), "EUR", "Q1", "Q2")
    assert said in told and told.startswith("Intake is off; by luck in at most 1 % of looks")


def test_the_sample_company_did_not_change() -> None:
    found = fs.health(fs.sample_path(), draws=20)
    assert found.alerts.empty


def test_a_stage_that_converts_half_as_often_as_stated_is_found_in_simulated_lives() -> None:
    plain, broken = (
        fs.simulate("lead_funnel", 364, what_if=words)
        for words in ((), "odds Consideration > Conversion x0.4 from 2026-06-01")
    )
    calm, odd = fs.health(plain, draws=1), fs.health(broken, draws=1)
    assert calm.alerts.empty
    first = odd.alerts.iloc[0]
    assert (first["stage"], first["kind"]) == ("Consideration", "conversion")
    assert abs((first["since"] - pd.Timestamp("2026-06-01")).days) <= 45
    assert first["high"] < 1
    assert "conversion of Consideration fell" in str(first["why"])


def test_where_leads_wait_for_reps_the_stage_is_slower_than_stated() -> None:
    """The three stages of which waiting is the largest part, by the reps' book, are those seen as slow."""
    run = fs.simulate("sales_process", 364)
    watched = watched_of(after_run(run))
    slow = {one.stage for one in watched if one.kind == "speed" and evidence(one) > 1000}
    visits = spells(run.history)
    stay = (visits["stop"] - visits["start"]).groupby(visits["stage"]).median()
    waiting = run.waits.groupby("stage")["wait"].mean() / stay
    assert slow == set(waiting.nlargest(3).index)


TOO_FEW = """
name: Too few reps
start: 2026-01-01
stages: {Offer: {exits: {Won: {chance: 30%, mean: 10}, Lost: {chance: rest, mean: 10}}}}
ends: [Won, Lost]
earns: {Won: 1}
value: 1000
entries: [{stage: Offer, leads: 20 per week}]
pools: {sellers: {size: 2}}
work: [{stage: Offer, pool: sellers, hours: {mean: 4}}]
"""


@pytest.mark.parametrize(("level", "code"), [("any", 3), ("0.1%", 3), ("900bn", 0)])
def test_a_scheduler_gets_three_where_enough_is_at_stake(level: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text(TOO_FEW, encoding="utf-8")
    words = ["health", str(tmp_path / "few.yaml"), "--days", "364", "--draws", "20", "--fail-on-alert", level]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output


def test_a_level_that_is_none_is_one_sentence() -> None:
    with pytest.raises(FunnelError, match="level 'high': expected any"):
        level_said("high")


def test_the_mean_evidence_of_a_rise_is_one_at_most_also_where_months_run_hot_and_cold() -> None:
    rng = np.random.default_rng(3)
    for spread in (0.0, 0.2, 0.4):
        noise, found = 1 + spread**2 * 4 * 10, []
        for _ in range(1500):
            month = rng.gamma(1 / spread**2, spread**2, 13) if spread else np.ones(13)
            seen = rng.poisson(10 * np.repeat(month, 4) * rng.gamma(200, 1 / 200)).astype(float)
            one = Watched("intake", "", "", "", seen, np.full(52, 10.0), 200.0, noise, np.full(52, 10.0))
            found.append(evidence(one, rise=True))
        assert np.mean(found) - 2 * np.std(found) / np.sqrt(1500) <= 1.0
        assert np.mean(np.array(found) >= 20) <= 0.05


def test_what_doubles_is_good_news_and_what_halves_an_alert() -> None:
    usual = np.full(52, 10.0)
    up, down = usual.copy(), usual.copy()
    up[30:], down[30:] = 20.0, 5.0
    watched = [
        Watched("intake", "", "", name, seen, usual, 400.0, 1.0, usual)
        for name, seen in (("up", up), ("down", down), ("same", usual))
    ]
    falls, rises = discoveries(watched)
    assert [one.channel for one, _ in falls] == ["down"] and [one.channel for one, _ in rises] == ["up"]
    assert abs(int(np.argmax(change_logs(watched[0], rise=True))) - 30) <= 2
    slow = [Watched("speed", "Offer", "", "", up, usual, 400.0, 1.0, usual)]
    assert discoveries(slow) == ([], []), "that leads leave a stage sooner need not be good"


def test_an_export_without_late_open_leads_is_told_and_raises_no_alarm() -> None:
    whole = history(4000, seed=2)
    came, last = whole.events.groupby("lead")["at"].min(), whole.events.groupby("lead")["stage"].last()
    late = came >= whole.until - 40 * DAY
    kept = came.index[~(late & last.isin(["Lead", "Offer"]))]
    place = fs.situation(of_leads(whole, whole.leads.index[whole.leads.index.isin(kept)]))
    told = fs.health(place, draws=4)
    assert "intake" not in set(told.alerts["kind"])
    assert "the export seems to lack late leads that are open" in " ".join(told.notes)
    fewer = came.index[~late | (np.arange(len(came)) % 3 == 0)]
    real = fs.health(fs.situation(of_leads(whole, whole.leads.index[whole.leads.index.isin(fewer)])), draws=4)
    assert "intake" in set(real.alerts["kind"]), "where open leads are there too, fewer of them are an alarm"


def test_a_simulation_tells_the_same_alerts_as_health(tmp_path: Path) -> None:
    question = "odds Consideration > Conversion x0.4 from 2026-06-01"
    run = fs.simulate("lead_funnel", 364, what_if=question)
    known, found = fs.health(run, draws=1), signals_of_run(run)
    assert found is not None and len(found.alerts)
    pd.testing.assert_frame_equal(found.alerts.drop(columns="share"), known.alerts.drop(columns="share"))
    pd.testing.assert_frame_equal(found.overdue, known.overdue)
    page = tmp_path / "lives.html"
    words = ["simulate", "lead_funnel", "--days", "364", "--what-if", question, "--html", str(page)]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    for sentence in (*found.said["alerts"], *found.said["overdue"]):
        assert sentence in told.output and sentence in page.read_text(encoding="utf-8")
    assert "Leads in a stage for longer than it states" in told.output


def test_lives_of_a_fitted_record_are_held_against_nothing_stated() -> None:
    assert signals_of_run(fs.simulate(history(300), 30)) is None
