"""Spend and what it brings: the table read, the elasticity found again, and its doubt kept."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from funnelsim import read_history, sample_path
from funnelsim.calibration.calibrate import fit_model
from funnelsim.calibration.response import (
    NOTHING,
    PRIOR,
    PRIOR_ERROR,
    answer,
    answer_carried,
    fit_response,
    fit_saturation,
    spend_words,
)
from funnelsim.errors import FunnelError
from funnelsim.history.spend import read_spend, spent_per_day
from funnelsim.model.levers import apply_scenario
from funnelsim.model.model import Spend, expected
from funnelsim.model.scenario import read_scenario, read_words
from funnelsim.model.store import load_model, save_model


@pytest.fixture(scope="module")
def history():
    return read_history(sample_path())


@pytest.fixture(scope="module")
def spend():
    return read_spend(sample_path("spend.csv"))


@pytest.fixture(scope="module")
def found(history, spend):
    return {one.channel: one for one in fit_response(history, spend)}


@pytest.fixture(scope="module")
def model(history, spend):
    return fit_model(history, spend=spend)


TRUTH = json.loads(sample_path("truth.json").read_text(encoding="utf-8"))["channels"]


@pytest.mark.parametrize("channel", ["email", "events", "search", "social"])
def test_the_samples_truth_is_found_again(found, channel):
    one = found[channel]
    assert abs(one.elasticity - TRUTH[channel]["elasticity"]) < 2.5 * one.error
    assert one.error < PRIOR_ERROR / 2


@pytest.mark.parametrize("channel", ["events", "search", "social"])
def test_the_lag_is_found_where_spend_matters_enough(found, channel):
    """Email's elasticity is so small that its lag cannot be seen in three years; its error says so."""
    assert found[channel].lag_days == 7 * TRUTH[channel]["lag"]


def test_todays_spend_is_the_mean_of_the_last_year(found, spend, history):
    year = spend[(spend["channel"] == "search") & (spend["start"] < history.until)].tail(52)
    assert_allclose(found["search"].per_day, year["spend"].mean() / 7, rtol=0.01)


def test_later_rows_are_not_used(history, spend, found):
    later = pd.DataFrame(
        {"channel": "search", "start": history.until + pd.to_timedelta([5, 12], "D"), "spend": 1e6}
    )
    again = {one.channel: one for one in fit_response(history, pd.concat([spend, later]))}
    assert again == found


def made(elasticity, lag, seed, weeks=150, per_week=30.0, spread=0.4):
    """Weekly leads of a known answer: (leads, spend by lag, years)."""
    rng = np.random.default_rng(seed)
    money = np.exp(spread * rng.standard_normal(weeks + 4))
    shifted = np.array([money[4 - k : 4 - k + weeks] for k in range(5)])
    leads = rng.poisson(per_week * shifted[lag] ** elasticity).astype(float)
    return leads, shifted, np.arange(weeks) / 52


def test_errors_are_honest():
    """Of forty known elasticities, the distance over the error has mean 0 and spread about 1."""
    scores = []
    for seed in range(40):
        truth, lag = 0.1 + 0.02 * (seed % 20), seed % 5
        got = answer(*made(truth, lag, seed))
        scores.append((got.elasticity - truth) / got.error)
    assert abs(np.mean(scores)) < 4 / np.sqrt(40)
    assert 0.6 < np.std(scores) < 1.4


def poisson_fit(leads, design):
    """Coefficients, deviance, dispersion and standard errors of the first coefficient, by Newton's steps."""
    found = np.zeros(design.shape[1])
    found[1] = np.log(leads.mean())
    for _ in range(50):
        mean = np.exp(design @ found)
        information = np.linalg.inv(design.T @ (design * mean[:, None]))
        found = found + information @ design.T @ (leads - mean)
    mean = np.exp(design @ found)
    ratio = np.log(np.where(leads > 0, leads, 1) / mean) * leads
    deviance = 2 * (ratio - leads + mean).sum()
    scale = ((leads - mean) ** 2 / mean).sum() / (leads.size - design.shape[1])
    score = design * (leads - mean)[:, None]
    meat = score.T @ score
    for lag in range(1, 5):
        part = score[lag:].T @ score[:-lag]
        meat += (1 - lag / 5) * (part + part.T)
    alike = (information @ meat @ information)[0, 0]
    return found[0], deviance, scale, np.sqrt(scale * information[0, 0]), np.sqrt(alike)


@pytest.mark.parametrize(("seed", "season"), [(3, False), (4, True), (11, False)])
def test_an_answer_by_newtons_steps(seed, season):
    """Lags weigh exp(-deviance / 2 / dispersion); the error holds theirs and the doubt between them."""
    leads, shifted, years = made(0.15, 2, seed, weeks=110, per_week=8.0)
    leads[40:60] *= 2  # weeks in a row are alike
    months = np.arange(110) // 9 % 12 + 1 if season else None
    seasons = [months == month for month in range(2, 13)] if season else []
    rest = np.column_stack([np.ones(110), years - years.mean(), *seasons]).astype(float)
    fits = np.array([poisson_fit(leads, np.column_stack([np.log(row), rest])) for row in shifted])
    slope, deviance, scale, error, alike = fits.T
    weight = np.exp(-(deviance - deviance.min()) / 2 / scale.min())
    weight /= weight.sum()
    best = deviance.argmin()
    wider = error * max(1.0, alike[best] / error[best])
    mean = weight @ slope
    got = answer(leads, shifted, years, months)
    assert_allclose(got.elasticity, mean, rtol=1e-5)
    assert_allclose(got.error, np.sqrt(weight @ (wider**2 + (slope - mean) ** 2)), rtol=1e-5)
    assert_allclose(got.dispersion, scale.min(), rtol=1e-5)
    assert got.lag == best


def test_twenty_weeks_and_thirty_leads_are_needed():
    _, shifted, years = made(0.3, 0, 2, weeks=40)
    two_a_week = np.full(40, 2.0)
    assert answer(two_a_week[:20], shifted[:, :20], years[:20]) != NOTHING
    assert answer(two_a_week[:19], shifted[:, :19], years[:19]) == NOTHING
    few = (np.arange(40) < 30).astype(float)
    assert answer(few, shifted, years) != NOTHING
    assert answer(few[1:], shifted[:, 1:], years[1:]) == NOTHING


def test_leads_as_by_a_timetable_have_an_answer():
    """Two every week: nothing answers, with a tenth of the error that Poisson luck would leave."""
    _, shifted, years = made(0.3, 0, 2, weeks=60)
    got = answer(np.full(60, 2.0), shifted, years)
    assert_allclose(got.elasticity, 0.0, atol=1e-9)
    rest = np.column_stack([np.ones(60), years - years.mean()])
    moved = [row - rest @ np.linalg.lstsq(rest, row, rcond=None)[0] for row in np.log(shifted)]
    poisson = np.sqrt(np.mean([1 / (2 * (row**2).sum()) for row in moved]))
    assert_allclose(got.error, poisson / 10, rtol=0.2)
    assert got.dispersion == 1.0


def test_a_channel_by_hand(history):
    """Weeks of 20, 10, 10 a day, two of nothing, and thrice as many leads two weeks after the dear ones.

    The record begins in the middle of a week of the spend table, so that this week is not whole; the year's
    mean is that of the days on record; the prior has the precision 1 / .2 ** 2.
    """
    until, weeks = pd.Timestamp("2026-01-05"), 32
    start = pd.Timestamp("2026-01-01") - pd.Timedelta(weeks=weeks)
    money = np.where(np.arange(weeks) % 3 == 0, 140.0, 70.0)
    money[[20, 25]] = 0.0  # counts as a twentieth of the mean of the others
    spend = pd.DataFrame({
        "channel": "Ads", "start": start + pd.to_timedelta(7 * np.arange(weeks + 1), "D"),
        "spend": np.append(money, 70.0),
    })  # fmt: skip
    numbers = np.where((np.arange(weeks) - 2) % 3 == 0, 30, 10)
    days = [
        (start - until) / pd.Timedelta(days=1) + 7 * w + 3.3 for w, n in enumerate(numbers) for _ in range(n)
    ]
    visits = pd.DataFrame({"start": days, "entry": True, "reopened": False, "channel": "ads"})
    known = replace(history, until=until, began=start + pd.Timedelta(days=3))
    (one,) = fit_response(known, spend, visits=visits)
    leads = numbers[1:].astype(float)
    daily = np.append([np.nan] * 4, np.where(money > 0, money, 0.05 * money[money > 0].mean())) / 7
    shifted = np.array([daily[4 + 1 - lag : 4 + weeks - lag] for lag in range(5)])
    usable = np.isfinite(shifted).all(axis=0)
    raw = answer(leads[usable], shifted[:, usable], 7 / 365.25 * np.arange(weeks - 1)[usable])
    assert usable.sum() == 28 and raw.lag == 2
    weight = raw.error**-2
    assert_allclose(one.elasticity, (weight * raw.elasticity + 25 * 0.3) / (weight + 25))
    assert_allclose(one.error, (weight + 25) ** -0.5)
    assert one.lag_days == 14.0 and one.channel == "ads"
    known_days = np.append(np.repeat(money / 7, 7), np.full(4, 10.0))
    assert_allclose(one.per_day, known_days.mean())


def test_more_luck_in_common_gives_a_larger_error():
    leads, shifted, years = made(0.4, 1, 7)
    rng = np.random.default_rng(8)
    shaken = rng.poisson(leads * rng.gamma(4, 1 / 4, leads.size)).astype(float)
    calm, wild = answer(leads, shifted, years), answer(shaken, shifted, years)
    assert wild.dispersion > 3 * calm.dispersion
    assert wild.error > 1.5 * calm.error


@pytest.mark.parametrize(
    "money",
    [np.ones(154), np.exp(np.arange(154) / 50), np.where(np.arange(154) % 2 == 0, 1.0, 1.01)],
    ids=["never moved", "only grew", "hardly moved"],
)
def test_spend_that_did_not_move_tells_nothing(money):
    leads = np.random.default_rng(1).poisson(30, 150).astype(float)
    shifted = np.array([money[4 - k : 154 - k] for k in range(5)])
    assert answer(leads, shifted, np.arange(150) / 52) == NOTHING


def test_without_evidence_the_prior_stands(history, spend):
    flat = spend.assign(spend=700.0)
    for one in fit_response(history, flat):
        assert_allclose([one.elasticity, one.error, one.per_day], [PRIOR, PRIOR_ERROR, 100.0])
    assert "assumed" in spend_words(fit_response(history, flat), flat)[0]


def test_a_daily_table_means_the_same_money(history, spend):
    day = spend.loc[spend.index.repeat(7)].assign(spend=lambda rows: rows["spend"] / 7)
    day["start"] += pd.to_timedelta(np.tile(np.arange(7), len(spend)), "D")
    weekly, daily = fit_response(history, spend), fit_response(history, day.reset_index(drop=True))
    for one, other in zip(weekly, daily, strict=True):
        assert_allclose([one.per_day, one.elasticity], [other.per_day, other.elasticity], rtol=0.02)


def test_days_between_campaigns_cost_nothing():
    rows = pd.DataFrame(
        {"start": pd.to_datetime(["2026-01-01", "2026-01-08", "2026-01-29", "2026-02-05"]), "spend": 70.0}
    )
    daily = spent_per_day(rows, pd.Timestamp("2025-12-31"), 50)
    assert np.isnan(daily[0]) and np.isnan(daily[43])
    assert daily[1] == 10.0 and daily[14] == 10.0 and daily[15] == 0.0 and daily[29] == 10.0


def test_other_names_and_campaigns_of_a_channel(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text(
        "Month;Source;Cost (EUR)\n2026-01-01;ads;1.000,50\n2026-01-01;ads;100\n", encoding="utf-8"
    )
    read = read_spend(path)
    assert read["spend"].tolist() == [1100.5]
    assert read["start"].tolist() == [pd.Timestamp("2026-01-01")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("week,channel,clicks\n2026-01-05,ads,1\n", "no column for 'spend'"),
        ("week,channel,spend\n2026-01-05,,1\n", "column 'channel', row 2: the cell is blank"),
        ("week,channel,spend\nsoon,ads,1\n", "row 2: 'soon' is no date"),
        ("week,channel,spend\n2026-01-05,ads,much\n", "row 2: 'much' is no amount"),
        ("week,channel,spend\n2026-01-05,ads,-5\n", "is a negative amount"),
        ("week,channel,spend\n", "no row below the header"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(tmp_path, text, words):
    path = tmp_path / "spend.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FunnelError, match="spend.csv") as refused:
        read_spend(path)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_channels_that_no_lead_names(history, spend):
    more = pd.concat([spend, spend[spend["channel"] == "search"].assign(channel="radio")])
    assert any("radio: set aside" in note for note in fit_model(history, spend=more).notes)
    with pytest.raises(FunnelError, match="no lead came from 'serach'.*did you mean 'search'"):
        fit_response(history, spend[spend["channel"] == "search"].assign(channel="serach"))


def test_leads_without_channels_are_said_so(history, spend):
    with pytest.raises(FunnelError, match="name no channel"):
        fit_response(replace(history, leads=history.leads.drop(columns="channel")), spend)


def test_the_unit_of_money_does_not_matter(history, spend):
    """Also where weeks cost nothing: they count as a twentieth of the usual."""
    some = spend.assign(spend=spend["spend"].where(np.arange(len(spend)) % 7 > 0, 0.0))
    plain, small = (fit_response(history, some.assign(spend=some["spend"] * unit)) for unit in (1.0, 1e-6))
    for one, other in zip(plain, small, strict=True):
        assert_allclose([other.elasticity, other.error], [one.elasticity, one.error], rtol=1e-6)
        assert_allclose(other.per_day, one.per_day * 1e-6)


def test_spend_that_ended_long_ago_is_none_today(history, spend):
    old = spend[spend["start"] < "2025-01-01"]
    assert {one.per_day for one in fit_response(history, old)} == {0.0}


def test_a_model_keeps_its_spend_in_a_file(model, tmp_path):
    assert [one.channel for one in model.entries.spend] == ["email", "events", "search", "social"]
    save_model(model, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json").entries.spend == model.entries.spend


def test_leads_answer_after_the_lag(model, tmp_path):
    path = tmp_path / "more_events.yaml"
    path.write_text("changes:\n  - {spend: events, multiply: 1.5}\n", encoding="utf-8")
    more = apply_scenario(model, read_scenario(path, model))
    cells = [i for i, cell in enumerate(model.entries.cells) if cell.channel == "events"]
    ratio = expected(more.entries, 60)[cells].sum(axis=0) / expected(model.entries, 60)[cells].sum(axis=0)
    one = next(one for one in model.entries.spend if one.channel == "events")
    assert_allclose(ratio[: int(one.lag_days)], 1.0)
    assert_allclose(ratio[int(one.lag_days) :], 1.5**one.elasticity)


def test_a_campaign_ends_after_the_lag_too(model, tmp_path):
    path = tmp_path / "burst.yaml"
    path.write_text("changes:\n  - {spend: events, add: 5000 per month, from: 2026-07-11, to: 2026-07-20}\n")
    model = replace(model, entries=replace(model.entries, spend=(Spend("events", 100.0, 0.5, 0.1, 21.0),)))
    more = apply_scenario(model, read_scenario(path, model))
    assert [(change.start, change.end) for change in more.entries.changes] == [(31.0, 41.0)]


def test_real_quotes_follow_tv_spend_in_the_same_month(real_data):
    """Hyndman and Athanasopoulos' example: quotes follow advertising at once, and about in proportion."""
    table = pd.read_csv(real_data / "insurance_tv" / "insurance.csv")
    quotes, money = table["Quotes"].to_numpy(), table["TVadverts"].to_numpy()
    got = answer(10 * quotes[1:], np.array([money[1:], money[:-1]]), np.arange(39) / 12)
    assert got.lag == 0
    assert 0.7 < got.elasticity < 1.3 and got.error < 0.2


@pytest.mark.parametrize(
    ("spend", "words"), [([1.0, 2.0], "expected at least three"), ([1.0, 2.0, 3.0], "does not bend")]
)
def test_saturation_is_not_invented(spend, words):
    spend = np.array(spend)
    with pytest.raises(FunnelError, match=words):
        fit_saturation(spend, spend**1.5)


def lasting(share, seed, elasticity=0.6, weeks=150, per_week=40.0):
    """Weekly leads and money, from four weeks earlier, of which a known share acts on from week to week."""
    rng = np.random.default_rng(seed)
    money = np.exp(0.7 * rng.standard_normal(weeks + 60))
    acting = np.array(
        [(1 - share) * share ** np.arange(56) @ money[t - np.arange(56)] for t in range(56, weeks + 60)]
    )
    leads = rng.poisson(per_week * acting[4:] ** elasticity).astype(float)
    return leads, money[56:], np.arange(weeks) / 52


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
def test_what_lasts_is_found(share):
    got = [answer_carried(*swapped(*lasting(share, seed))) for seed in range(12)]
    shares = np.array([one.carry_over for one in got])
    assert abs(shares.mean() - share) < max(4 * shares.std() / np.sqrt(12), 0.05)
    scores = [(one.elasticity - 0.6) / one.error for one in got]
    assert abs(np.mean(scores)) < 4 / np.sqrt(12) + 0.5  # the share is taken at its best, without its doubt
    plain = [answer_carried(*swapped(*lasting(share, seed)), carry_over=0.0) for seed in range(12)]
    off = [np.mean([abs(one.elasticity - 0.6) for one in some]) for some in (got, plain)]
    assert off[0] < off[1]


def swapped(leads, money, years):
    return leads, money, 4, years


def test_nothing_lasts_where_all_acts_at_once():
    """As seldom as luck has it a share is found, and the elasticity stays what it was."""
    got = [answer_carried(*swapped(*lasting(0.0, seed, weeks=100))) for seed in range(40)]
    assert sum(one.carry_over > 0 for one in got) <= 7  # 5 % asked; six tries of a share raise it a little
    plain = [answer_carried(*swapped(*lasting(0.0, seed, weeks=100)), carry_over=0.0) for seed in range(40)]
    off = [np.mean([abs(one.elasticity - 0.6) for one in some]) for some in (got, plain)]
    assert off[0] < 1.1 * off[1]


def test_a_stated_share_is_taken(history, spend, tmp_path):
    shares = {"search": 0.5, "email": 0.0}
    stated = spend.assign(carry_over=spend["channel"].map(shares))
    path = tmp_path / "spend.csv"
    stated.to_csv(path, index=False)
    found = {one.channel: one for one in fit_response(history, read_spend(path))}
    assert found["search"].carry_over == 0.5 and found["email"].carry_over == 0.0
    assert "of whose effect 50% last another week" in " ".join(spend_words(tuple(found.values()), spend))
    for wrong, words in ((1.5, "expected a share from 0 to 0.99"), (0.4, "'search' has more than one share")):
        other = stated.copy()
        other.loc[other["channel"] == "search", "carry_over"] = [wrong] + [0.5] * (
            sum(other["channel"] == "search") - 1
        )
        other.to_csv(path, index=False)
        with pytest.raises(FunnelError, match=words):
            read_spend(path)


def test_leads_answer_by_and_by_to_money_that_lasts(model):
    """Week k after the change: ratio (1 + .5 (1 - mean of .5^(d / 7))) ** .4; and back again when it ends."""
    own = replace(model.entries, spend=(Spend("events", 100.0, 0.4, 0.0, 7.0, 0.5),))
    model = replace(model, entries=own)
    more = apply_scenario(model, read_words("spend events +50% from 2026-07-01 until 2026-07-14", model))
    cells = [i for i, cell in enumerate(model.entries.cells) if cell.channel == "events"]
    ratio = expected(more.entries, 120)[cells].sum(axis=0) / expected(model.entries, 120)[cells].sum(axis=0)
    fade = 7 / np.log(2)
    mean = [fade / 7 * (0.5**k - 0.5 ** (k + 1)) for k in range(10)]
    assert_allclose(ratio[:7], 1.0)
    assert_allclose(ratio[7:14], (1.5 - 0.5 * mean[0]) ** 0.4)
    assert_allclose(ratio[14:21], (1.5 - 0.5 * mean[1]) ** 0.4)
    assert_allclose(ratio[21:28], (1 + 0.5 * (mean[0] - mean[2])) ** 0.4)
    assert_allclose(ratio[110:], 1.0, atol=1e-3)
    stays = apply_scenario(model, read_words("spend events +50% lasting 0.8", model))
    later = expected(stays.entries, 400)[cells].sum(axis=0) / expected(model.entries, 400)[cells].sum(axis=0)
    assert (np.diff(later[7:]) > -1e-12).all()
    assert_allclose(later[-1], 1.5**0.4, rtol=1e-3)


def test_real_quotes_do_not_show_surely_that_tv_lasts(real_data):
    """Forty months: a tenth that lasts fits best, though not surely; four tenths fit clearly worse."""
    table = pd.read_csv(real_data / "insurance_tv" / "insurance.csv")
    quotes, money = 10 * table["Quotes"].to_numpy(), table["TVadverts"].to_numpy()

    def fit(share):
        return answer_carried(quotes[1:], money, 1, np.arange(39) / 12, carry_over=share)

    assert fit(None) == fit(0.0) and fit(None).lag == 0
    assert fit(0.1).deviance < fit(0.0).deviance < fit(0.1).deviance + 3.84 < fit(0.4).deviance
