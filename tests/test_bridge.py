"""The parts of a bridge add up to the last digit, are all 0 where nothing changed, and are right by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from companies import random_company
from made_up import history
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting import bridge as bridging
from funnelsim.forecasting.bridge import Bridge, as_kept, bridge_between, shapley_three, summed
from funnelsim.forecasting.cohorts import Cohorts, four_factors, past_cohorts
from funnelsim.forecasting.periods import within
from funnelsim.forecasting.situation import situation
from funnelsim.history.log import History
from funnelsim.history.read import read_history
from funnelsim.sample import sample_path

DRAWS = 12


def sample() -> History:
    return read_history(sample_path(), sample_path("mapping.yaml"))


HISTORIES = {
    "sample": sample,
    "made up": history,
    "of another luck": lambda: history(1500, seed=11),
    "company 3": lambda: random_company(3).history,
    "company 8": lambda: random_company(8).history,
}


def last_bit(found: Bridge) -> float:
    return math.ulp(max(found.before, found.after))


def adds_up(found: Bridge) -> None:
    assert abs(math.fsum([found.before, *found.parts["change"], -found.after])) <= last_bit(found)
    shown, unit = found.frame, 1.0 if max(found.before, found.after) >= 1000 else 0.01
    steps = shown["change"].iloc[1:-1]
    assert round(steps.sum(), 2) == round(shown["level"].iloc[-1] - shown["level"].iloc[0], 2)
    np.testing.assert_allclose(steps, found.parts["change"], atol=1.01 * unit)
    assert shown["level"].iloc[-1] == pytest.approx(found.after, abs=unit / 2 + 1e-9)


@pytest.mark.parametrize("name", HISTORIES)
def test_parts_add_up_to_the_last_digit(name: str, tmp_path: Path) -> None:
    known = HISTORIES[name]()
    now = known.until
    for back in (7, 40):
        since = now - pd.Timedelta(days=back)
        found = fs.bridge(known, since=since, period="month", draws=DRAWS)
        adds_up(found)
        assert found.after == mean(fs.forecast(known, period="month", draws=DRAWS))
    adds_up(fs.bridge(known, than="last year", period="quarter", draws=DRAWS))


def mean(found: fs.Forecast) -> float:
    rows = found.periods.query("origin == 'total' and measure == 'revenue'")
    return float(rows["mean"].iloc[0])


def test_a_record_and_the_history_as_it_was_known_tell_the_same(tmp_path: Path) -> None:
    known, day = history(), "2025-12-10"
    early = situation(known.as_of(day), period="month", periods=3)
    fs.forecast(early, draws=DRAWS, record=tmp_path / "r.db")
    told = fs.bridge(known, record=tmp_path / "r.db", period="month", draws=DRAWS)
    assert told.earlier == day and told.period == "2026-01"
    adds_up(told)
    anew = fs.bridge(known, since=day, period="month", draws=DRAWS)
    assert told.after == anew.after
    assert set(told.parts["part"]) == set(anew.parts["part"])
    with pytest.raises(FunnelError, match="no forecast of the history from before 2025-12-10 is kept"):
        fs.bridge(known.as_of(day), record=tmp_path / "r.db", period="month", draws=DRAWS)


@pytest.mark.parametrize("name", HISTORIES)
def test_where_nothing_changed_every_part_is_0(name: str) -> None:
    place = situation(HISTORIES[name]())
    found = fs.forecast(place, draws=DRAWS)
    told = bridge_between(as_kept(place, found, DRAWS, 1), place, found, draws=DRAWS, seed=1)
    assert told.change == 0
    assert (told.parts["change"] == 0).all() and told.deals.empty
    assert str(told).endswith("nothing changed.")


def at(day: str) -> pd.Timestamp:
    return pd.Timestamp(day)


def test_each_deal_has_the_reason_that_it_has() -> None:
    """Seven leads of a made-up company are moved by hand in the last week; nothing else happens in it."""
    base = history().as_of("2025-12-20")
    waits = base.open[base.open["stage"] == "Offer"]["lead"].tolist()
    first = base.open[base.open["stage"] == "Lead"]["lead"].tolist()
    won, lost, dearer, gone, moved = waits[0], waits[1], waits[2], waits[3], first[0]
    rows = [(won, "Won"), (lost, "Lost"), (moved, "Offer"), ("Z001", "Lead")]
    more = pd.DataFrame([(lead, stage, at("2025-12-23 12:00")) for lead, stage in rows],
                        columns=["lead", "stage", "at"])  # fmt: skip
    events = pd.concat([base.events, more], ignore_index=True)
    events = events[(events["lead"] != gone).to_numpy()].sort_values(["lead", "at"], kind="stable")
    leads = base.leads.copy()
    leads.loc["Z001"] = leads.iloc[0]
    leads.loc[dearer, "value"] *= 2
    leads = leads.drop(index=gone)
    later = replace(base, events=events.reset_index(drop=True), leads=leads, until=at("2025-12-27"))
    place, early = situation(later, period="month"), situation(base, period="month")
    then = as_kept(early, fs.forecast(early, draws=DRAWS), DRAWS, 1)
    told = bridge_between(then, place, fs.forecast(place, draws=DRAWS), draws=DRAWS, seed=1)
    adds_up(told)
    reason = told.deals.set_index("lead")["part"]
    said = {won: "won", lost: "lost", moved: "moved on", gone: "no longer on record", "Z001": "new leads"}
    assert {lead: reason[lead] for lead in said} == said
    count = told.parts.set_index("part")["deals"]
    assert [count[part] for part in ("won", "lost", "moved on", "new leads", "amounts")] == [1] * 5
    row = told.deals.set_index("lead").loc
    assert row[won, "now"] == base.leads.loc[won, "value"] and row[lost, "now"] == 0
    amounts = told.parts.set_index("part")["change"]["amounts"]
    assert 0 < amounts == pytest.approx(row[dearer, "amount"])
    assert row[dearer, "amount"] == pytest.approx(
        (row[dearer, "then"] + row[dearer, "now"] / 2) / 2, rel=0.02
    )


def test_three_deals_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chances are stated, so that each part is arithmetic: 100 at .5, 200 at .2, 300 at .1 become
    100 won; 200 lost; 300 moved on to .3 with its amount now 400. Before 50 + 40 + 30 = 120, after
    100 + 0 + 120 = 220: won +50, lost -40, and of the last (+90) the amount has 100 x (.1 + .3) / 2 = 20."""
    base = history().as_of("2025-12-20")
    names = base.open[base.open["stage"] == "Offer"]["lead"].tolist()[:2] + base.open[
        base.open["stage"] == "Lead"]["lead"].tolist()[:1]  # fmt: skip
    keep = base.events[base.events["lead"].isin(names).to_numpy()]
    leads = base.leads.loc[base.leads.index.isin(names)].copy()
    leads.loc[names, "value"] = [100.0, 200.0, 300.0]
    early = situation(base, period="month", periods=1)
    small = replace(base, events=keep.reset_index(drop=True), leads=leads)
    more = pd.DataFrame({"lead": names, "stage": ["Won", "Lost", "Offer"], "at": at("2025-12-22")})
    events = pd.concat([keep, more]).sort_values(["lead", "at"], kind="stable").reset_index(drop=True)
    dearer = leads.copy()
    dearer.loc[names[2], "value"] = 400.0
    later = replace(small, events=events, leads=dearer, until=at("2025-12-27"))
    model = replace(early.model, values=replace(early.model.values, ratio=np.ones(2), tilt=None))
    places = [place_of(small, model), place_of(later, model)]
    stated = {0: dict(zip(names, (0.5, 0.2, 0.1), strict=True)), 1: {names[2]: 0.3}}

    def chance(self: object, moved: object, deals: object, *_: object) -> tuple[np.ndarray, float]:
        now = deals is not places[0].deals
        return np.array([stated[int(now)].get(name, 0.0) for name in deals.name]), 0.0

    monkeypatch.setattr(bridging._Two, "_pass", chance)
    then = as_kept(places[0], told_by(places[0], 0.0, 120.0), DRAWS, 1)
    found = bridge_between(then, places[1], told_by(places[1], 100.0, 120.0), draws=DRAWS, seed=1)
    parts = found.parts.set_index("part")["change"]
    assert (found.before, found.after) == (120.0, 220.0)
    expected = {"won": 50.0, "lost": -40.0, "moved on": 70.0, "amounts": 20.0}
    assert {part: parts[part] for part in expected} == pytest.approx(expected)
    assert parts.drop(list(expected)).abs().max() < 1e-9
    adds_up(found)


def place_of(known: History, model: fs.Model) -> fs.Situation:
    from funnelsim.calibration.calibrate import open_pipeline
    from funnelsim.forecasting.periods import periods_from
    from funnelsim.history.log import valued

    made = replace(model, as_of=known.until)
    ahead = periods_from(known.until, "month", 1)
    return fs.Situation("three", known, made, open_pipeline(known, made), valued(known)[0], ahead, "month")


def told_by(place: fs.Situation, booked: float, opened: float) -> fs.Forecast:
    found = fs.forecast(place, draws=DRAWS, model=None)
    periods = found.periods.copy()
    money = {"booked": booked, "open": opened, "new": 0.0, "total": booked + opened}
    revenue = periods["measure"] == "revenue"
    periods.loc[revenue, "mean"] = periods.loc[revenue, "origin"].map(money)
    return replace(found, periods=periods, silent=())


def test_four_factors_by_hand() -> None:
    """The factors of a product, alone and together; parts of a single one that moved are its whole change."""
    old = Cohorts(np.array([100.0, 100.0]), np.array([10.0, 0.0]), 5.0)
    new = Cohorts(np.array([200.0, 160.0]), np.array([12.5, 10.0]), 4.0)
    parts = four_factors(old, new)
    assert math.fsum(parts) == pytest.approx(4 * 22.5 - 5 * 10.0)
    only = four_factors(old, replace(old, size=4.0))
    assert only == pytest.approx([0, 0, 0, -10.0])
    twice = four_factors(old, Cohorts(2 * old.leads, 2 * old.wins, 5.0))
    assert twice == pytest.approx([50.0, 0, 0, 0])
    better = four_factors(old, Cohorts(old.leads, 2 * old.wins, 5.0))
    assert better == pytest.approx([0, 50.0, 0, 0])
    slower = four_factors(replace(old, leads=np.array([100.0, 60.0])),
                          Cohorts(np.array([100.0, 60.0]), np.array([0.0, 6.0]), 5.0))  # fmt: skip
    assert slower == pytest.approx([0, 0, -20.0, 0])


def test_the_cohorts_of_a_past_period_are_what_was_counted() -> None:
    known = history()
    place = situation(known)
    period = place.periods[0]
    past = replace(period, start=at("2025-07-01"), end=at("2025-10-01"))
    found = past_cohorts(place, past)
    revenue, wins = within(place.booked, past.start, past.end)
    assert found.wins.sum() == wins and found.size * wins == pytest.approx(revenue)
    came = known.events.groupby("lead")["at"].min()
    assert found.leads[0] == ((came >= past.start) & (came < past.end)).sum()
    assert found.leads[1] == ((came >= "2025-04-01") & (came < past.start)).sum()
    assert found.leads.sum() == (came < past.end).sum()


def test_shapley_of_a_product_is_the_mean_over_orders() -> None:
    rng = np.random.default_rng(4)
    a, b, c = rng.uniform(1, 2, (3, 2))
    parts = shapley_three(lambda i, j, k: np.array([a[i] * b[j] * c[k]]))
    whole = a[1] * b[1] * c[1] - a[0] * b[0] * c[0]
    first = (a[1] - a[0]) * (2 * b[0] * c[0] + b[0] * c[1] + b[1] * c[0] + 2 * b[1] * c[1]) / 6
    assert sum(parts).item() == pytest.approx(whole)
    assert parts[0].item() == pytest.approx(first)


def test_what_rounding_leaves_goes_to_the_largest_part() -> None:
    rng = np.random.default_rng(2)
    change = rng.normal(0, 1e6, 9)
    after = float(change.sum()) + 1e7 + 1e-9
    made = summed(pd.DataFrame({"part": list("abcdefghi"), "change": change}), 1e7, after)
    assert abs(math.fsum([1e7, *made["change"], -after])) <= math.ulp(1e6)
    np.testing.assert_allclose(made["change"], change, rtol=1e-12)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, "say from where"),
        ({"since": "2026-02-01"}, "known only until|is not before"),
        ({"than": "1999Q1"}, "no such whole quarter is on record"),
        ({"than": "2025Q3", "since": "2025-11-01"}, "say from where"),
        ({"record": "nowhere.db"}, "no such file"),
    ],
)
def test_wrong_questions_are_refused(words: dict[str, str], said: str) -> None:
    with pytest.raises(FunnelError, match=said):
        fs.bridge(history(), draws=4, **words)


def test_a_simulated_forecast_is_told_by_origin() -> None:
    place = situation(history())
    found = fs.forecast(place, draws=40, engine="compiled")
    told = bridge_between(as_kept(place, found, 40, 1), place, found, draws=40, seed=1)
    assert list(told.parts["part"]) == ["booked", "open deals", "leads to come"] and told.notes


def test_the_terminal_says_it_and_the_chart_draws_it(tmp_path: Path) -> None:
    known = history()
    log = known.events.merge(known.leads.reset_index(), on="lead")
    log.to_csv(tmp_path / "log.csv", index=False)
    ask = ["bridge", str(tmp_path / "log.csv"), "--since", "2025-11-20", "--draws", "8", "--no-cache"]
    done = CliRunner().invoke(app, [*ask, "--json", str(tmp_path / "b.json")])
    assert done.exit_code == 0 and "What changed" in done.output
    said = json.loads((tmp_path / "b.json").read_text())
    found = fs.bridge(known, since="2025-11-20", draws=8)
    parts = math.fsum(row["change"] for row in said["parts"])
    assert abs(parts - said["change"]) <= last_bit(found)
    drawn = json.dumps(fs.charts.bridge(found).to_dict(), ensure_ascii=False)
    assert "lost" in drawn and "forecast of 2025-11-20" in drawn
