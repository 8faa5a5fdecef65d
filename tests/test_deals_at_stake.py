"""Deals to worry about: money at stake by hand, reasons that hold, and what is left without the largest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import history as made_up
from scipy.stats import binom
from test_seek import hundred_deals
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.forecasting.deals import concentration_of, patience, stakes_of, worries_of
from funnelsim.forecasting.forecast import Forecast, forecast_periods
from funnelsim.forecasting.situation import Situation
from funnelsim.history.log import History
from funnelsim.model.model import OpenDeals


def forecast_of(place: Situation, target: float | None = None) -> Forecast:
    return forecast_periods(
        place.model, place.deals, place.periods, booked=place.booked, draws=1, target=target, whole=True
    )


def a_hundred(large: float = 50_000.0) -> Situation:
    """A hundred deals won with chance .2, the first of them of another size."""
    place = hundred_deals()
    deals = place.deals
    value = np.append(large, deals.value[1:])
    return replace(place, deals=OpenDeals(deals.name, deals.stage, deals.group, deals.age, value))


def test_money_at_stake_is_chance_times_amount_and_the_chance_without_it_is_binomial() -> None:
    place = a_hundred()
    found = forecast_of(place, 1_200_000.0)
    stakes = stakes_of(place, found, draws=1, seed=1)
    assert stakes is not None
    assert stakes.money == pytest.approx(np.full(100, 10_000.0), rel=1e-6)
    assert stakes.mean == pytest.approx(float(found.periods["mean"].max()), rel=1e-9)
    assert stakes.reach(stakes.lump) == pytest.approx(float(found.widths["p_target"].iloc[0]), abs=1e-9)
    assert stakes.reach(stakes.without([3])) == pytest.approx(binom.sf(23, 99, 0.2), abs=1e-4)
    assert stakes.reach(stakes.without([3, 7])) == pytest.approx(binom.sf(23, 98, 0.2), abs=1e-4)


def test_without_the_two_largest_is_what_the_others_bring() -> None:
    place = a_hundred(large=400_000.0)
    stakes = stakes_of(place, forecast_of(place, 1_200_000.0), draws=1, seed=1)
    table = concentration_of(place, stakes)
    assert table["leads"].tolist()[1] == "D0"
    assert table["mean"].tolist() == pytest.approx([99 * 1e4 + 8e4, 99 * 1e4, 98 * 1e4], rel=1e-6)
    assert table["p_target"].iloc[2] == pytest.approx(binom.sf(23, 98, 0.2), abs=1e-4)


def test_a_deal_larger_than_all_wins_is_named_and_equal_ones_are_not() -> None:
    place = a_hundred(large=400_000.0)
    stakes = stakes_of(place, forecast_of(place), draws=1, seed=1)
    worries = worries_of(place, stakes)
    assert worries["lead"].tolist() == ["D0"]
    assert worries["reason"].tolist() == ["Too large"]
    assert worries["stake"].iloc[0] == pytest.approx(80_000, rel=1e-6)


def test_nine_in_ten_have_left_by_the_fitted_age() -> None:
    # Rates 40 and 160 a day: nine in ten have left after log(10) / 200 days, whatever way.
    assert patience(hundred_deals().model).item() == pytest.approx(np.log(10) / 200)


def test_alert_after_of_a_stated_funnel_is_its_patience() -> None:
    model = fs.read_funnel("lead_funnel")
    days = patience(model)[0]
    stated = dict(zip(model.funnel.stages, model.max_days, strict=True))
    assert days[0] == stated["Awareness"] == 30
    assert np.isfinite(model.max_days).sum() < len(days)


def with_dates(known: History) -> History:
    """The same history; one open lead's date passed ten days ago, another's was put off twice, by 40 days."""
    first, second = known.open["lead"].iloc[:2]
    dates = pd.Series(pd.NaT, index=known.leads.index, dtype="datetime64[us]")
    dates[first], dates[second] = known.until - pd.Timedelta(days=10), known.until + pd.Timedelta(days=70)
    start = known.until - pd.Timedelta(days=30)
    rows = [
        (second, start + pd.Timedelta(days=10 * step), known.until + pd.Timedelta(days=30 + 20 * step))
        for step in range(3)
    ]
    updates = pd.DataFrame(rows, columns=["lead", "at", "expected_close"])
    updates["at"] = updates["at"].astype("datetime64[us]")
    return replace(known, leads=known.leads.assign(expected_close=dates), updates=updates)


def test_dates_that_passed_or_were_put_off_are_told() -> None:
    known = with_dates(made_up())
    place = fs.situation(known)
    table = worries_of(place, None).set_index("lead")
    first, second = known.open["lead"].iloc[:2]
    assert "expected 10 days ago" in table.loc[first, "why"]
    assert "Overdue" in table.loc[first, "reason"]
    assert "put off 2 times, by 40 days in all" in table.loc[second, "why"]


def test_an_update_ends_the_silence() -> None:
    known = made_up()
    place = fs.situation(known)
    table = worries_of(place, None)
    stuck = table[table["reason"].str.contains("Stuck")]
    assert len(stuck)
    lead = stuck["lead"].iloc[0]
    at = pd.Series([known.until - pd.Timedelta(days=1)]).astype("datetime64[us]")
    touched = replace(known, updates=pd.DataFrame({"lead": [lead], "at": at, "value": [5.0]}))
    again = worries_of(fs.situation(touched), None).set_index("lead")
    assert lead not in again.index or "Stuck" not in again.loc[lead, "reason"]


def test_a_deal_that_moved_back_has_faded() -> None:
    known = made_up()
    rows = known.open[(known.open["stage"] == "Offer") & (known.open["age"] > 8)]
    lead = rows.sort_values("age")["lead"].iloc[0]
    back = pd.DataFrame({"lead": [lead], "stage": ["Lead"], "at": [known.until - pd.Timedelta(days=1)]})
    events = pd.concat([known.events, back]).sort_values(["lead", "at"], kind="stable").reset_index(drop=True)
    place = fs.situation(replace(known, events=events))
    stakes = stakes_of(place, fs.forecast(place, draws=20), draws=20, seed=1)
    table = worries_of(place, stakes).set_index("lead")
    assert "Faded" in table.loc[lead, "reason"]
    assert "a week ago over as many days" in table.loc[lead, "why"]


def test_leads_of_a_stated_funnel_are_held_against_its_own_limits() -> None:
    found = fs.health("lead_funnel", days=200, draws=1)
    rows = found.worries[found.worries["stage"] == "Consideration"]
    assert len(rows)
    assert (rows["age"] > 120).all()
    assert rows["why"].str.contains("to be looked at after 120 days").all()
    assert found.worries["stake"].isna().all()  # nothing is won in a lead funnel


def test_overdue_leads_are_counted_beside_what_the_stated_rates_expect() -> None:
    found = fs.health("lead_funnel", days=364, draws=1)
    table = found.overdue.set_index("stage")
    assert table["alert_after"].to_dict() == {"Awareness": 30.0, "Consideration": 120.0, "Conversion": 21.0}
    error = (table["overdue"] - table["expected"]) / np.sqrt(table["expected"].clip(lower=1.0))
    assert (error.abs() < 4).all()
    assert not any("longer than" in sentence for sentence in found.sentences)
    slow = fs.health(fs.simulate("lead_funnel", 364, what_if="days Conversion x3"), draws=1)
    row = slow.overdue.set_index("stage").loc["Conversion"]
    assert row["overdue"] > 1.5 * row["expected"]
    assert any(sentence.startswith("Conversion: ") for sentence in slow.sentences)


def test_the_terminal_says_what_the_verb_says(tmp_path: Path) -> None:
    file, book, table = tmp_path / "health.json", tmp_path / "health.xlsx", tmp_path / "worries.csv"
    words = ["health", str(fs.sample_path()), "--target", "5M", "--draws", "20", "--no-cache"]
    words += ["--json", str(file), "--xlsx", str(book), "--worries", str(table)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found = fs.health(fs.sample_path(), target="5M", draws=20)
    told = json.loads(file.read_text())
    assert told["sentences"] == list(found.sentences)
    assert all(sentence in result.output for sentence in found.sentences)
    assert len(told["worries"]) == len(found.worries) == len(pd.read_csv(table))
    assert set(pd.ExcelFile(book).sheet_names) == set(found.frames)
    plain = fs.forecast(fs.sample_path(), target="5M", draws=20)
    total = plain.periods[(plain.periods["origin"] == "total") & (plain.periods["measure"] == "revenue")]
    assert found.mean == pytest.approx(float(total["mean"].iloc[0]), rel=1e-12)
    assert found.concentration["mean"].iloc[0] == pytest.approx(found.mean, rel=1e-9)
    assert found.worries["p_target"].iloc[0] == pytest.approx(plain.widths["p_target"].iloc[0], abs=1e-9)
