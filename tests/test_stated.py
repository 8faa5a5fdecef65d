"""Funnels stated in YAML: the ten shipped ones, their rates, and every refusal."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting import exact
from funnelsim.forecasting.outputs import mapping_text
from funnelsim.history.log import bookings
from funnelsim.history.metrics import metrics
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Model, expected
from funnelsim.model.rates import model_incidence
from funnelsim.model.stated import read_funnel, scenario_path, shipped_funnels
from funnelsim.model.units import per_day
from funnelsim.pages import forecast_page
from funnelsim.simulation.run import run_model

TEN = {
    "ecommerce": ("Visit", "Product", "Basket"),
    "flywheel": ("Qualified lead", "Proposal", "Purchase", "Customer"),
    "inbound_tofu_mofu_bofu": ("Top", "Middle", "Bottom"),
    "lead_funnel": ("Awareness", "Consideration", "Dormant", "Conversion"),
    "real_estate": ("Awareness", "Enquiry", "Proposal", "Visit", "Financing", "Contract"),
    "saas_marketing_and_sales": ("Visitor", "Lead", "MQL", "SAL", "SQL", "Opportunity"),
    "sales_funnel_4": ("Awareness", "Interaction", "Interest", "Action"),
    "sales_funnel_5": ("Awareness", "Interest", "Decision", "Action", "Retention"),
    "sales_funnel_cyclical": ("Qualified lead", "Proposal", "Purchase", "Customer"),
    "sales_process": (
        "Lead generation",
        "Qualification",
        "Needs analysis",
        "Demo",
        "Negotiation and signing",
        "After-sales",
    ),
}

TINY: dict[str, Any] = {
    "name": "Tiny",
    "start": "2026-07-01",
    "stages": {
        "Lead": {
            "exits": {
                "Offer": {"chance": 0.4, "median": 10, "p90": 30},
                "Lost": {"chance": "rest", "mean": 20},
            }
        },
        "Offer": {
            "exits": {"Won": {"chance": 0.5, "mean": 30}, "Lost": {"chance": 0.5, "mean": 30}},
            "alert_after": 60,
        },
    },
    "ends": ["Won", "Lost"],
    "earns": {"Won": 1},
    "value": 1000,
    "entries": [
        {"stage": "Lead", "leads": "14 per week", "channel": "web"},
        {"stage": "Offer", "leads": "1 per day"},
    ],
}


def tiny(folder: Path, change: Callable[[dict[str, Any]], Any] | None = None) -> Path:
    data = copy.deepcopy(TINY)
    if change is not None:
        change(data)
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def chances(model: Model, group: int, stage: str) -> dict[str, float]:
    """Chance of every exit of a stage under a model's rates."""
    number = model.funnel.numbers[stage]
    edges, rate = model.table.edges[group, number], model.table.rate[0, group, number]
    wide = np.diff(edges[np.isfinite(edges)], append=np.inf)
    rate = rate[:, : wide.size]
    total = rate.sum(axis=0)
    hazard = np.where(total > 0, total * np.where(total > 0, wide, 0), 0)
    left = np.exp(-(np.cumsum(hazard) - np.where(np.isinf(hazard), 0, hazard)))
    left[-1] = np.exp(-hazard[:-1].sum())
    split = np.divide(rate, total, out=np.zeros_like(rate), where=total > 0)
    taken = split @ (left * -np.expm1(-hazard))
    return dict(zip(model.funnel.exits[number], taken, strict=False))


def test_the_ten_funnels_are_shipped() -> None:
    assert set(TEN) <= set(shipped_funnels())


@pytest.mark.parametrize("name", TEN)
def test_shipped_funnel_loads_and_lives(name: str) -> None:
    model = read_funnel(name)
    stages = model.funnel.stages
    assert [stage for stage in stages if stage in TEN[name]] == list(TEN[name])
    assert model.as_of == pd.Timestamp("2026-01-01")
    for group in range(len(model.groups)):
        for stage in stages:
            assert_allclose(sum(chances(model, group, stage).values()), 1, atol=1e-9)
    assert_allclose(model.entries.share.sum(), 1)
    assert expected(model.entries, 400).min() > 0
    assert all(cell.channel for cell in model.entries.cells)
    assert (model.values.mean.min() > 0) == bool(model.funnel.earns)
    assert_reaches_an_end(model.funnel)


def assert_reaches_an_end(funnel: Funnel) -> None:
    good = set(funnel.ends)
    for _ in funnel.stages:
        good |= {stage for stage, exits in zip(funnel.stages, funnel.exits, strict=True) if good & set(exits)}
    assert good == set(funnel.places)


def entered(model: Model) -> set[str]:
    return {model.funnel.stages[cell.stage] for cell in model.entries.cells}


def test_lead_funnel_takes_leads_at_every_stage_and_wakes_the_dormant() -> None:
    model = read_funnel("lead_funnel")
    assert entered(model) == set(model.funnel.stages)
    assert "Consideration" in model.funnel.exits[model.funnel.numbers["Dormant"]]
    assert_allclose(chances(model, 0, "Dormant")["Consideration"], 0.2, atol=1e-6)


def test_what_is_handed_over_to_sales_is_neither_won_nor_revenue() -> None:
    for name, end in (("lead_funnel", "To sales"), ("inbound_tofu_mofu_bofu", "Handed to sales")):
        made = fs.simulate(name, days=300)
        told = made.history
        assert (told.won, told.handed_over, bookings(told).empty) == ((), (end,), True)
        assert " handed over, no wins, of " in str(made)
        table = metrics(told).set_index(["metric", "scope"])["value"]
        assert table["hand-overs", end] == (made.log["stage"] == end).sum() > 100
        assert not {"wins", "win rate", "total revenue", "lifetime value"} & {name for name, _ in table.index}
        assert 0 < table["hand-over rate", "all"] < 1
        found = fs.forecast(name, draws=4)
        assert found.silent[0].startswith("Nothing is won here: leads are handed over")
        assert found.periods.query("origin == 'total'")["mean"].isna().all()
        with pytest.raises(FunnelError, match="Nothing is won here"):
            fs.budget(name, draws=4)


def test_the_page_of_a_funnel_without_wins_says_so_and_has_no_empty_table(tmp_path: Path) -> None:
    place = fs.situation("inbound_tofu_mofu_bofu", periods=1)
    forecast_page(tmp_path / "f.html", place, fs.forecast(place, draws=2))
    told = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert "Nothing is won here" in told and "Expected to be handed over: " in told
    assert "<table" not in told and "booked so far" not in told


def test_expected_hand_overs_are_those_of_simulated_lives() -> None:
    said = fs.forecast("lead_funnel", draws=2, period="quarter", periods=1).silent[1]
    assert (got := re.fullmatch(r"Expected to be handed over: (\d+) in 2026 Q1\.", said))
    lives = [fs.simulate("lead_funnel", days=90, replicate=one).log["stage"] for one in range(40)]
    counts = [(stages == "To sales").sum() for stages in lives]
    assert abs(np.mean(counts) - int(got[1])) < 4 * np.std(counts) / np.sqrt(40) + 0.5


def test_a_fitted_model_hands_over_as_its_history_does() -> None:
    made = fs.simulate("lead_funnel", days=200).history
    funnel = fs.calibrate(made).funnel
    assert (funnel.handed_over, dict(funnel.earns), funnel.roles["lost"]) == (("To sales",), {}, ["Gone"])
    assert fs.simulate(fs.calibrate(made), days=20).history.handed_over == ("To sales",)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("handed_over", "Won", "'Won' is named under both `earns` and `handed_over`"),
        ("handed_over", ["Offer"], "hand-over 'Offer' is a stage, expected an end"),
        ("handed_over", ["Lots"], "hand-over 'Lots' is unknown; did you mean 'Lost'"),
        ("earns", {}, "the key 'earns' is missing"),
    ],
)
def test_hand_overs_that_cannot_be(tmp_path: Path, key: str, value: object, sentence: str) -> None:
    with pytest.raises(FunnelError, match=re.escape(sentence)):
        read_funnel(tiny(tmp_path, lambda data: data.update({key: value})))


def test_what_a_win_is_worth_needs_a_win(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data.update(earns={}, handed_over="Won")

    with pytest.raises(FunnelError, match="'value' is what a win is worth, but no place earns"):
        read_funnel(tiny(tmp_path, change))


def test_a_currency_that_is_not_stated_stays_unknown(tmp_path: Path) -> None:
    assert read_funnel(tiny(tmp_path)).currency == ""
    made = fs.simulate(tiny(tmp_path), days=30)
    assert made.history.currency == ""
    assert mapping_text(made.model.funnel, "x.csv", "CHF").endswith("currency: CHF\n")


def test_cyclical_funnels_lead_back() -> None:
    assert "Proposal" in read_funnel("sales_funnel_cyclical").funnel.exits[3]
    model = read_funnel("sales_funnel_5")
    assert "Action" in model.funnel.exits[model.funnel.numbers["Retention"]]
    assert model.funnel.earns == {"Retention": 1.0}


def test_sales_funnel_4_shrinks_while_the_chance_grows() -> None:
    model = read_funnel("sales_funnel_4")
    steps = ["Awareness", "Interaction", "Interest", "Action"]
    on = [
        chances(model, 0, stage)[target] for stage, target in zip(steps, [*steps[1:], "Bought"], strict=True)
    ]
    assert on == sorted(on)
    assert "Retargeting" in model.funnel.exits[3]
    leads = fs.simulate(model, days=365).history.leads
    assert (leads["channel"] == "referral").mean() == pytest.approx(1 / 13, abs=0.01)


def test_funnels_that_come_along_are_named() -> None:
    said = CliRunner().invoke(app, ["simulate", "--list"])
    assert said.exit_code == 0
    assert all(name in said.output for name in shipped_funnels())


def test_sales_funnel_5_has_two_kinds_of_deal_and_alerts() -> None:
    model = read_funnel("sales_funnel_5")
    assert model.groups == ("small", "large")
    small, large = model.values.mean
    assert 5_000 < small < 20_000
    assert 500_000 < large < 2_000_000
    assert model.max_days == (21, 30, 30, 21, np.inf)
    assert_allclose([chances(model, g, "Decision")["Action"] for g in (0, 1)], [0.5, 0.3], atol=1e-6)
    assert [work.groups for work in model.work] == [(0,), (1,)]


def test_saas_sends_rejected_leads_to_nurturing() -> None:
    model = read_funnel("saas_marketing_and_sales")
    assert model.funnel.exits[model.funnel.numbers["MQL"]] == ("SAL", "Nurturing")
    assert [pool.name for pool in model.pools] == ["account executives"]
    assert_allclose(model.pools[0].week * 24, [8, 8, 8, 8, 8, 0, 0])


def test_shop_lives_by_the_hour() -> None:
    model = read_funnel("ecommerce")
    assert model.funnel.step == 1 / 24
    assert not model.pools
    assert model.table.edges[0, 0, 20] < 1 / 24


def test_flywheel_settles_by_its_own_formula() -> None:
    model = read_funnel("flywheel")
    purchases = 1 / (1 - chances(model, 0, "Customer")["Purchase"])
    customer = chances(model, 0, "Qualified lead")["Proposal"] * chances(model, 0, "Proposal")["Purchase"]
    assert_allclose(purchases * model.referrals[0].mean * customer, 0.72, atol=1e-6)


def test_numbers_of_a_tiny_funnel(tmp_path: Path) -> None:
    model = read_funnel(tiny(tmp_path))
    assert model.groups == ("all",)
    assert model.grouped_by == ""
    assert_allclose(chances(model, 0, "Lead")["Offer"], 0.4, atol=1e-9)
    assert_allclose(model.table.rate[0, 0, 1, :2, 0], [1 / 60, 1 / 60])
    assert_allclose(expected(model.entries, 3), [[2, 2, 2], [1, 1, 1]])
    assert model.max_days == (np.inf, 60)
    assert_allclose(model.values.mean, [1000])


def test_as_of_replaces_the_start(tmp_path: Path) -> None:
    assert read_funnel(tiny(tmp_path)).as_of == pd.Timestamp("2026-07-01")
    assert read_funnel(tiny(tmp_path), "2026-09-30").as_of == pd.Timestamp("2026-10-01")
    assert read_funnel(tiny(tmp_path), pd.Timestamp("2026-09-30")).as_of == pd.Timestamp("2026-09-30")


def test_a_file_wins_over_a_shipped_name_and_a_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny(tmp_path).rename("flywheel")
    Path("lead_funnel").mkdir()
    assert read_funnel("flywheel").funnel.name == read_funnel(Path("flywheel")).funnel.name == "Tiny"
    assert read_funnel("lead_funnel").as_of == pd.Timestamp("2026-01-01")


def test_units_scale_and_never_round(tmp_path: Path) -> None:
    days = read_funnel(tiny(tmp_path)).table
    hours = read_funnel(tiny(tmp_path, lambda data: data.update(unit="hour"))).table
    assert_allclose(hours.rate[0, 0, 1, :2, 0], days.rate[0, 0, 1, :2, 0] * 24)
    assert read_funnel(tiny(tmp_path, lambda data: data.update(unit="week"))).max_days[1] == 420


@pytest.mark.parametrize(
    ("text", "a_year"),
    [
        ("1 per minute", 525_960.0), ("1 per hour", 8766.0), ("1 per day", 365.25), ("7 per week", 365.25),
        ("1 per month", 12.0), ("1 per quarter", 4.0), ("1 per year", 1.0), ("-2 per years", -2.0),
        ("1_000 per year", 1000.0),
    ],
)  # fmt: skip
def test_an_amount_per_time_in_every_unit(text: str, a_year: float) -> None:
    assert_allclose(per_day(text) * 365.25, a_year)


@pytest.mark.parametrize("text", ["many per day", "inf per day", "3 a day", "3 per", 3, "3 per fortnight"])
def test_no_amount_per_time(text: object) -> None:
    with pytest.raises(FunnelError, match="given, expected|unknown unit of time 'fortnight'"):
        per_day(text)


@pytest.mark.parametrize(
    ("time", "law"),
    [
        ({"weibull": {"shape": 0.8, "scale": 10}}, stats.weibull_min(0.8, scale=70)),
        ({"gamma": {"shape": 2, "scale": 5}}, stats.gamma(2, scale=35)),
        ({"median": 4, "p90": 9}, stats.lognorm(np.log(9 / 4) / stats.norm.ppf(0.9), scale=28)),
        ({"mean": 3}, stats.expon(scale=21)),
        ({"fixed": 2}, stats.expon(loc=14 * 0.999, scale=0.014)),
    ],
    ids=lambda given: "".join(given) if isinstance(given, dict) else "",
)
def test_every_way_to_say_how_long_a_stage_takes(tmp_path: Path, time: dict[str, Any], law: Any) -> None:
    """In weeks of seven days; won by half and lost by half, at the same pace."""

    def change(data: dict[str, Any]) -> None:
        data["unit"] = "week"
        data["stages"]["Offer"] = {
            "exits": {end: {"chance": 0.5, **copy.deepcopy(time)} for end in ("Won", "Lost")}
        }

    model = read_funnel(tiny(tmp_path, change))
    row = model.funnel.numbers["Offer"]
    days = law.ppf([0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
    edges, rate = model.table.edges[0, row], model.table.rate[0, 0, row]
    left = model_incidence(edges, rate, np.array(days))
    assert_allclose(left[:2], 0.5 * np.tile([0.1, 0.3, 0.5, 0.7, 0.9, 0.99], (2, 1)), atol=2e-4)


def test_season_has_mean_one_and_growth_starts_at_one(tmp_path: Path) -> None:
    season = [2.0] * 6 + [4.0] * 6
    model = read_funnel(tiny(tmp_path, lambda data: data.update(season=season, growth_per_year=0.1)))
    leads = expected(model.entries, 366).sum(axis=0)
    assert_allclose(leads[0], 3 * 4 / 3)
    assert_allclose(leads[200], 3 * 2 / 3 * 1.1 ** (200 / 365.25))


def test_values_and_draws_keep_their_means(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["value"] = {"median": 1000, "p90": 5000}
        data["pools"] = {"reps": {"size": {"2026-01-01": 2, "2026-08-01": 3}, "holidays": ["2026-12-25"]}}
        hours, patience = {"median": 2, "p90": 8}, {"mean": 5}
        data["work"] = [
            {"stage": "Offer", "pool": "reps", "hours": hours, "patience": patience, "gives_up_to": "Lost"},
            {"stage": "Lead", "pool": "reps", "hours": {"fixed": 3}},
        ]

    model = read_funnel(tiny(tmp_path, change))
    sigma = np.log(5) / 1.2815515655446004
    assert_allclose(model.values.mean, 1000 * np.exp(sigma**2 / 2), rtol=1e-9)
    sigma = np.log(4) / 1.2815515655446004
    table = model.work[0].time.quantiles
    assert_allclose(((table[1:] + table[:-1]) / 2).mean() * 24, 2 * np.exp(sigma**2 / 2), rtol=1e-9)
    assert model.work[0].patience is not None
    table = model.work[0].patience.quantiles
    assert_allclose(((table[1:] + table[:-1]) / 2).mean(), 5, rtol=1e-9)
    assert_allclose(model.work[1].time.quantiles, [0.125])
    assert model.pools[0].size.tolist() == [2, 3]
    assert model.pools[0].starts.tolist() == [-np.inf, 31]
    assert model.pools[0].holidays == (177,)


def test_a_team_opens_rests_and_learns(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        team = {
            "size": {"2026-01-01": 2, "2026-08-01": 3},
            "holidays": ["2026-07-03", "2026-07-05 to 2026-07-07"],
        }
        other = {"size": 1, "hours": [8] * 5 + [4, 0], "opens": [8, 8, 8, 8, 8.5, 10, 0]}
        data["pools"] = {"reps": team | {"opens": 7.5, "ramp": "[0.4, 0.8] per month"}, "other": other}

    for as_of in (None, pd.Timestamp("2026-07-01 15:00")):
        reps, other = read_funnel(tiny(tmp_path, change), as_of).pools
        assert reps.holidays == (2, 4, 5, 6)
        assert_allclose(reps.opens, 7.5 / 24)
        assert_allclose(other.opens, np.array([8, 8, 8, 8, 8.5, 10, 0]) / 24)
        assert reps.ramp.tolist() == [0.4, 0.8]
        assert reps.ramp_days == 365.25 / 12
        assert other.ramp.size == 0


def test_leads_come_by_day(tmp_path: Path) -> None:
    model = read_funnel(tiny(tmp_path, put("leads_come", value=[8, 20])))
    run = run_model(model, 60)
    hour = run.day[run.visit == 0] % 1 * 24
    assert 8 <= hour.min() < 9 and 19 < hour.max() <= 20
    assert read_funnel(tiny(tmp_path)).entries.clock.size == 0


def test_a_ramp_may_be_followed_by_per_month(tmp_path: Path) -> None:
    path = tiny(tmp_path, put("pools", value={"reps": {"size": 1, "ramp": "RAMP"}}))
    path.write_text(path.read_text().replace("RAMP", "[0.5, 0.75] per month"))
    assert read_funnel(path).pools[0].ramp.tolist() == [0.5, 0.75]


def segments(data: dict[str, Any], **override: Any) -> None:
    data["segments"] = {"small": {"share": 0.75}, "large": {"share": 0.25, "stages": override}}


def test_segments_override_times_and_chances(tmp_path: Path) -> None:
    offer = {"time_factor": 2, "exits": {"Won": {"chance": 0.2}, "Lost": {"chance": 0.8}}}
    model = read_funnel(tiny(tmp_path, lambda data: segments(data, Offer=offer)))
    assert_allclose(model.table.rate[0, :, 1, :2, 0], [[1 / 60, 1 / 60], [0.2 / 60, 0.8 / 60]])
    assert_allclose(expected(model.entries, 1)[:, 0], [1.5, 0.5, 0.75, 0.25])
    assert model.grouped_by == "segment"


def put(*keys: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for key in keys[:-1]:
            data = data.setdefault(key, {}) if isinstance(data, dict) else data[key]
        data[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            put("stages", "Lead", "exits", "Offr", value={"chance": 0, "mean": 1}),
            "'Offr' is unknown; did you mean 'Offer'",
        ),
        (
            put("stages", "Offer", "exits", "Won", "chance", value=0.6),
            "stages.Offer: the chances 0.6, 0.5 sum to 1.1",
        ),
        (
            put("stages", "Lead", "exits", "Offer", "chance", value=1.2),
            "stages.Lead.exits.Offer.chance: 1.2 given",
        ),
        (
            put("stages", "Offer", "exits", "Won", value={"chance": 0.5}),
            "stages.Offer: how long it takes is missing",
        ),
        (
            put("stages", "Offer", "exits", "Won", value={"mean": 3}),
            "stages.Offer: exits.Won: the key 'chance' is missing",
        ),
        (
            put("stages", "Lead", "exits", "Offer", "chance", value="rest"),
            "'rest' is given to more than one exit",
        ),
        (
            put("stages", "Lead", "alert", value=3),
            "stages.Lead: unknown key 'alert'; did you mean 'alert_after'?",
        ),
        (put("earns", "Wonn", value=1), "earning place 'Wonn' is unknown; did you mean 'Won'?"),
        (put("ends", value=["Won", "Lost", "Lead"]), "'Lead' is named twice"),
        (
            put("entries", 0, "stage", value="Led"),
            "entries[0].stage: unknown stage 'Led'; did you mean 'Lead'?",
        ),
        (put("entries", 0, "leads", value="-3 per day"), "entries[0].leads"),
        (put("entries", 0, "segment", value="small"), "entries[0].segment: unknown segment 'small'"),
        (put("channels", value={"wed": {"spend": "1 per day", "elasticity": 0.2}}), "channels: unknown"),
        (put("segments", value={"small": {"share": 0.7}}), "segments: the shares of small sum to 0.7, not 1"),
        (put("value", value=None), "value: what a win is worth is missing"),
        (
            put("value", value={"median": 1, "p90": 5000}),
            "value: p90 (5000) is more than 1000 times the median",
        ),
        (
            put("stages", "Lead", "alert_after", value=1e9),
            "stages.Lead.alert_after: 1000000000.0 given, expected less",
        ),
        (put("start", value="1 July"), "start: '1 July' is not a date; expected one like 2026-07-01"),
        (put("unit", value="fortnight"), "unit: 'fortnight' given, expected 'minute', 'hour'"),
        (
            put("work", value=[{"stage": "Lead", "pool": "x", "hours": {"mean": 1}}]),
            "work[0].pool: unknown pool 'x'",
        ),
        (put("pools", value={"r": {"size": 1, "opens": [9, 9]}}), "pools.r: 'opens' has 2 hours, expected 1"),
        (put("pools", value={"r": {"size": 1, "opens": 18}}), "'opens' at 18 leaves less than the 8 hours"),
        (put("pools", value={"r": {"size": 1, "opens": 24}}), "pools.r.opens: 24 given, expected an hour"),
        (put("pools", value={"r": {"size": 1, "ramp": [0, 1]}}), "'ramp' has a speed of 0"),
        (put("pools", value={"r": {"size": 1, "ramp": [0.5, 1e-9]}}), "expected 0.01 or more once"),
        (
            put("pools", value={"r": {"size": 1, "holidays": ["2026-12-31 to 2026-12-01"]}}),
            "pools.r.holidays: '2026-12-31 to 2026-12-01' given, expected a span of 366 days at most",
        ),
        (put("leads_come", value=[20, 8]), "'leads_come' from 20 to 8; expected the earlier hour first"),
        (put("leads_come", value=[8, 25]), "leads_come"),
        (put("season", value=[1, 2]), "'season' has 2 factors, expected 12"),
        (
            lambda data: segments(data, Ofer={}),
            "segments.large.stages: unknown stage 'Ofer'; did you mean 'Offer'?",
        ),
        (
            lambda data: segments(data, Offer={"exits": {"Wn": {}}}),
            "segments.large.stages.Offer.exits: unknown exit 'Wn'",
        ),
        (
            put(
                "work", value=[{"stage": "Lead", "pool": "r", "hours": {"mean": 1}, "patience": {"mean": 1}}]
            ),
            "work[0].pool: unknown pool 'r'; none is known",
        ),
        (
            put("referrals", value=[{"place": "Wo", "stage": "Lead", "mean": 1, "delay": {"mean": 1}}]),
            "did you mean 'Won'",
        ),
    ],
)
def test_refused_with_file_and_key(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], expected: str
) -> None:
    path = tiny(tmp_path, change)
    with pytest.raises(FunnelError) as caught:
        read_funnel(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def assert_sentences(told: str) -> None:
    """One fault is one line; several are counted, a line each."""
    first, *others = told.split("\n")
    assert not others or first.endswith(f": {len(others)} faults")
    assert all(line.startswith("- ") and len(line) > 5 for line in others)


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    def forms(data: dict[str, Any]) -> None:
        data["unitt"], data["entries"][0]["leads"] = "hour", 14
        data["stages"]["Lead"]["exits"]["Offer"]["chance"] = 40
        data["stages"]["Offer"]["exits"]["Won"] = {"chance": 0.5, "median": "10 dys", "p90": 30}

    def meanings(data: dict[str, Any]) -> None:
        data["entries"][1]["stage"], data["earns"] = "Ofer", {"Wonn": 1}
        data["stages"]["Lead"]["exits"]["Offr"] = {"chance": 0.2, "mean": 3}
        data["stages"]["Offer"]["exits"]["Won"]["chance"] = 0.6
        data["work"] = [{"stage": "Led", "pool": "reps", "hours": 1}]
        data["channels"] = {"wep": {"spend": "1 per day", "elasticity": 1}}

    wanted = {
        forms: [
            "unknown key 'unitt'; did you mean 'unit'?",
            "entries[0].leads: 14 given, expected an amount per time, such as '50 per month'",
            (
                "stages.Lead.exits.Offer.chance: 40 given, expected a chance between 0 and 1, or 'rest'; "
                "40 in a hundred is 40%"
            ),
            "stages.Offer.exits.Won.median: unknown unit of time 'dys'; did you mean 'day'?",
        ],
        meanings: [
            "funnel 'Tiny': exit of stage 'Lead' 'Offr' is unknown; did you mean 'Offer'?",
            "funnel 'Tiny': earning place 'Wonn' is unknown; did you mean 'Won'?",
            "stages.Offer: the chances 0.6, 0.5 sum to 1.1, not 1",
            "entries[1].stage: unknown stage 'Ofer'; did you mean 'Offer'?",
            "channels: unknown channel without entries 'wep'; did you mean 'web'?",
            "work[0].stage: unknown stage 'Led'; did you mean 'Lead'?",
        ],
    }
    for change, sentences in wanted.items():
        path = tiny(tmp_path, change)
        with pytest.raises(FunnelError) as caught:
            read_funnel(path)
        first, *others = str(caught.value).split("\n- ")
        assert first == f"{path}: {len(sentences)} faults"
        assert sorted(others) == sorted(sentences)


def test_what_people_write_is_understood(tmp_path: Path) -> None:
    def people(data: dict[str, Any]) -> None:
        data.update(unit="hour", value="1.2k", growth_per_year="15%")
        data["pools"] = {"reps": {"size": 1}}
        data["work"] = [
            {"stage": "Offer", "pool": "reps", "hours": 0.5},
            {
                "stage": "Lead",
                "pool": "reps",
                "hours": "30 minutes",
                "patience": "2 days",
                "gives_up_to": "Lost",
            },
        ]
        data["referrals"] = [{"place": "Won", "stage": "Lead", "mean": 1, "delay": "30 days"}]
        data["stages"]["Lead"]["exits"]["Offer"] = {"chance": "40 %", "median": "10 days", "p90": "30 days"}
        data["stages"]["Offer"]["alert_after"] = "2 weeks"

    def machines(data: dict[str, Any]) -> None:
        people(data)
        data.update(value=1200, growth_per_year=0.15)
        data["work"][0]["hours"], data["work"][1]["hours"] = {"fixed": 0.5}, {"fixed": 0.5}
        data["work"][1]["patience"] = {"fixed": 48}
        data["referrals"][0]["delay"] = {"fixed": 720}
        data["stages"]["Lead"]["exits"]["Offer"] = {"chance": 0.4, "median": 240, "p90": 720}
        data["stages"]["Offer"]["alert_after"] = 336

    said, meant = (read_funnel(tiny(tmp_path, change)) for change in (people, machines))
    for one, other in zip(
        (said.table.edges, said.table.rate), (meant.table.edges, meant.table.rate), strict=True
    ):
        assert_allclose(one, other)
    assert said.max_days == meant.max_days == (np.inf, 14)
    assert_allclose(said.values.amounts, 1200)
    assert_allclose(expected(said.entries, 400), expected(meant.entries, 400))
    for one, other in zip(said.work, meant.work, strict=True):
        assert_allclose(one.time.quantiles * 24, [0.5])
        assert_allclose(other.time.quantiles * 24, [0.5])
    assert said.work[1].patience is not None
    assert_allclose(said.work[1].patience.quantiles, [2])
    assert_allclose(said.referrals[0].delay.quantiles, [30])


def test_unknown_name_says_the_nearest() -> None:
    with pytest.raises(FunnelError, match="no funnel of that name; did you mean 'sales_funnel_5'"):
        read_funnel("sales_funel_5")
    with pytest.raises(FunnelError, match=r"none\.yaml: cannot be read"):
        read_funnel("none.yaml")


def test_nothing_left_for_the_rest(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["stages"]["Lead"]["exits"]["Offer"]["chance"] = 0.7
        data["stages"]["Lead"]["exits"]["Won"] = {"chance": 0.6, "mean": 3}

    with pytest.raises(FunnelError, match=r"stages\.Lead: the other exits' chances sum to 1\.3"):
        read_funnel(tiny(tmp_path, change))


@pytest.mark.parametrize(("start", "as_of", "key"), [
    ("1500-01-01", None, "start"), ("3000-01-01", None, "start"), ("2026-01-01", "9999-12-31", "as-of"),
    ("2026-01-01", "1500-01-01", "as-of"),
])  # fmt: skip
def test_a_day_0_outside_the_years_of_histories_is_refused(
    tmp_path: Path, start: str, as_of: str | None, key: str
) -> None:
    file = tiny(tmp_path, lambda data: data.update(start=start))
    with pytest.raises(FunnelError, match=rf"{key}: day 0 would lie in the year .* from 1970 to 2169"):
        read_funnel(file, as_of)


def test_the_last_day_0_can_be_lived_for_ninety_years(tmp_path: Path) -> None:
    file = tiny(tmp_path, lambda data: data.update(start="2169-12-31", entries=[]))
    assert fs.simulate(file, days=32_700).log.empty


def test_nobody_notices_considers_and_buys_in_a_week() -> None:
    model = read_funnel("lead_funnel")
    sold = replace(model.funnel, earns={"To sales": 1.0}, handed_over=())
    found = exact.chances(sold, model.table, np.array([0.0, 7.0, 365.0])).at_entry[0, 0]
    awareness, conversion = (model.funnel.numbers[stage] for stage in ("Awareness", "Conversion"))
    assert found[awareness, 0] < 1e-3
    assert found[awareness].sum() > 0.05
    assert found[conversion, 0] > 0.3


@settings(max_examples=150)
@given(st.data())
def test_any_damage_is_read_or_refused_in_a_sentence(tmp_path: Path, data: st.DataObject) -> None:
    damaged = copy.deepcopy(TINY)
    here: Any = damaged
    for _ in range(data.draw(st.integers(0, 4))):
        inner = [key for key in here if isinstance(here[key], dict)]
        if inner:
            here = here[data.draw(st.sampled_from(inner))]
    junk = st.one_of(
        st.none(), st.booleans(), st.floats(-2, 1e9), st.text(max_size=4), st.just({}), st.just([])
    )
    here[data.draw(st.sampled_from([*here, "new"]))] = data.draw(junk)
    path, sentence = tmp_path / "damaged.yaml", "none"
    path.write_text(json.dumps(damaged), encoding="utf-8")
    try:
        model = read_funnel(path)
        assert np.isfinite(model.table.rate).all()
    except FunnelError as error:
        sentence = str(error)
    assert_sentences(sentence)


def test_shipped_scenarios_are_found_by_name() -> None:
    assert scenario_path("price_up") == scenario_path("price_up.yaml")
    assert scenario_path("price_up").is_file()
    with pytest.raises(FunnelError, match="scenario 'prise_up' .*did you mean 'price_up'"):
        scenario_path("prise_up")
