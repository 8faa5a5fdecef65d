"""The page that keeps answering: Python's numbers in a browser, offline, without names, refused by name."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from chromium import Tab, browser, drive
from numpy.testing import assert_allclose
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting.forecast import NAMES, forecast_periods, totals
from funnelsim.forecasting.intensity import draws_of
from funnelsim.forecasting.live import DRAGS, Live, few_draws, live_page, why_not_live
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.situation import Situation
from funnelsim.model.levers import (
    DaysLever,
    EntriesLever,
    OddsLever,
    Scenario,
    SpendLever,
    ValueLever,
    apply_scenario,
)
from funnelsim.model.model import Model, SigningPrice, Spend, expected
from funnelsim.model.scenario import scenario_of
from funnelsim.pages import compare_page
from funnelsim.show.live import LANGUAGES, live_module, live_words, why_sentence

TARGET, DRAWS, POSITIONS = 5e6, 24, 30
SECRET = "secret-lead"


@pytest.fixture(scope="module")
def place() -> Situation:
    """The sample company, its leads called by names that could be found."""
    made = fs.situation(fs.sample_path(), mapping=fs.sample_path("mapping.yaml"))
    names = np.array([f"{SECRET}-{name}" for name in made.deals.name], dtype=object)
    return replace(made, deals=replace(made.deals, name=names))


@pytest.fixture(scope="module")
def page(place: Situation) -> Live:
    """Its page, of a few draws: all are reckoned alike."""
    return live_page(place, target=TARGET, draws=DRAWS)


PAID = (
    Spend("events", 900.0, 0.35, lag_days=12.5),
    Spend("search", 2000.0, 0.6, lag_days=3.0, carry_over=0.55),
    Spend("social", 400.0, 0.2),
)


def paid(place: Situation) -> Situation:
    """The same with what is spent on three channels: at once, after a while, and for weeks."""
    entries = replace(place.model.entries, spend=PAID)
    return replace(place, model=replace(place.model, entries=entries))


def positions(model: Model, channels: list[str]) -> list[tuple[list[dict[str, Any]], list[Any], float]]:
    """Seeded positions of the sliders: levers of the page, the same of a scenario, and a target."""
    rng, found = np.random.default_rng(13), []
    funnel, months = model.funnel, pd.date_range(model.as_of, periods=5, freq="MS")[1:]
    for _ in range(POSITIONS):
        stage, other = (int(x) for x in rng.integers(len(funnel.stages), size=2))
        way, channel = int(rng.integers(len(funnel.exits[stage]))), int(rng.integers(len(channels)))
        odds, days, leads, value = (round(float(x), 2) for x in rng.uniform(0.6, 1.5, 4))
        month = months[int(rng.integers(len(months)))] if rng.random() < 0.5 else None
        start = 0.0 if month is None else (month - model.as_of) / pd.Timedelta(days=1)
        since = {} if month is None else {"from": f"{month:%Y-%m-%d}"}
        moved = [
            {"kind": "odds", "stage": stage, "exit": way, "multiply": odds, "start": start},
            {"kind": "days", "stage": other, "multiply": days, "start": start},
            {"kind": "leads", "channel": channel, "multiply": leads, "start": start},
            {"kind": "value", "multiply": value},
        ]
        changes = [
            OddsLever(odds={funnel.stages[stage]: funnel.exits[stage][way]}, multiply=odds, **since),
            DaysLever(days=funnel.stages[other], multiply=days, **since),
            EntriesLever(entries="all", channel=channels[channel], multiply=leads, **since),
            ValueLever(value="all", multiply=value),
        ]
        some = rng.random(4) < 0.7
        kept = [one for one, keep in zip(moved, some, strict=True) if keep]
        found.append(
            (
                kept,
                [one for one, keep in zip(changes, some, strict=True) if keep],
                float(rng.uniform(3e6, 8e6)),
            )
        )
    return found


def in_browser(page: Any, folder: Path, what: Any) -> Any:
    """Save a page, open it in a browser from its file, do something there; nothing may go wrong meanwhile."""
    browser()
    path = page.save(folder / "live.html")

    async def visit(tab: Tab) -> Any:
        await tab.go(path.as_uri())
        found = await what(tab)
        assert tab.problems == []
        outside = [url for url in tab.requests if not url.startswith(("file:", "blob:", "about:", "data:"))]
        assert outside == []
        return found

    return drive(folder / "profile", visit)


REST = "!document.querySelector('main').classList.contains('quick')"
ANSWERS = """(asked => asked.map(([levers, target]) => {
  window.whole ??= Engine.create(JSON.parse(document.getElementById('data').textContent).contract.engine);
  return Engine.forecast(window.whole, levers, target).periods;
}))"""


def test_at_rest_the_page_says_what_python_says(place: Situation, page: Live, tmp_path: Path) -> None:
    model, deals, edges = place.model, place.deals, days_of(place.periods, place.model.as_of)
    asked = [([], [], TARGET), *positions(model, page.contract["page"]["channels"])]

    async def answers(tab: Tab) -> Any:
        return await tab.ask(f"{ANSWERS}({json.dumps([[levers, target] for levers, _, target in asked])})")

    said = in_browser(page, tmp_path, answers)
    common = draws_of(model, deals, edges, draws=DRAWS, seed=1).common
    for (_, changes, target), periods in zip(asked, said, strict=True):
        other = apply_scenario(model, Scenario("moved", changes=tuple(changes)))
        drawn = draws_of(other, deals, edges, draws=DRAWS, seed=1, common=common)
        wanted = forecast_periods(
            other, deals, place.periods, booked=place.booked, target=target, drawn=drawn
        )
        rows = {origin: totals(wanted, origin=origin) for origin in ("total", "open", "new")}
        for k, told in enumerate(periods):
            row = rows["total"].iloc[k]
            assert_allclose(told["total"]["mean"], row["mean"], rtol=1e-6)
            assert_allclose(told["total"]["sd"], row["sd"], rtol=1e-6)
            assert_allclose(
                told["total"]["quantile"],
                row[NAMES].to_numpy(float),
                rtol=1e-6,
                atol=1.001 * told["total"]["grid"],
            )
            assert_allclose(told["total"]["reach"], wanted.widths["p_target"].iloc[k], atol=1e-6)
            assert_allclose(
                [told["open"], told["fresh"]], [rows[o]["mean"].iloc[k] for o in ("open", "new")], rtol=1e-6
            )


def test_moved_spend_says_what_python_says(place: Situation, tmp_path: Path) -> None:
    """Seeded positions of one or two channels' spend, some from a later month, some with other levers."""
    rich, rng = paid(place), np.random.default_rng(21)
    page = live_page(rich, target=TARGET, draws=4)
    model, deals, edges = rich.model, rich.deals, days_of(rich.periods, rich.model.as_of)
    names, months = page.contract["page"]["channels"], pd.date_range(model.as_of, periods=5, freq="MS")[1:]
    asked: list[tuple[list[dict[str, Any]], list[Any]]] = []
    for number in range(12):
        month = months[int(rng.integers(len(months)))] if number % 3 else None
        start = 0.0 if month is None else (month - model.as_of) / pd.Timedelta(days=1)
        since = {} if month is None else {"from": f"{month:%Y-%m-%d}"}
        moved: list[dict[str, Any]] = []
        changes: list[Any] = []
        for one in rng.permutation(len(PAID))[: 1 + number % 2]:
            name, factor = PAID[one].channel, round(float(rng.uniform(0.5, 1.5)), 2)
            channel = names.index(name)
            moved.append({"kind": "spend", "channel": channel, "multiply": factor, "start": start})
            changes.append(SpendLever(spend=name, multiply=factor, **since))
            if number % 4 == 3:
                moved.append({"kind": "leads", "channel": channel, "multiply": 1.2, "start": start})
                changes.append(EntriesLever(entries="all", channel=name, multiply=1.2, **since))
        asked.append((moved, changes))

    async def answers(tab: Tab) -> Any:
        return await tab.ask(f"{ANSWERS}({json.dumps([[levers, TARGET] for levers, _ in asked])})")

    common = draws_of(model, deals, edges, draws=4, seed=1).common
    for (_, changes), periods in zip(asked, in_browser(page, tmp_path, answers), strict=True):
        other = apply_scenario(model, Scenario("moved", changes=tuple(changes)))
        drawn = draws_of(other, deals, edges, draws=4, seed=1, common=common)
        wanted = forecast_periods(other, deals, rich.periods, booked=rich.booked, target=TARGET, drawn=drawn)
        fresh, total = totals(wanted, origin="new"), totals(wanted)
        for k, told in enumerate(periods):
            assert_allclose(told["fresh"], fresh["mean"].iloc[k], rtol=1e-6)
            assert_allclose(told["total"]["sd"], total["sd"].iloc[k], rtol=1e-6)
            assert_allclose(told["total"]["reach"], wanted.widths["p_target"].iloc[k], atol=1e-6)


def test_a_slider_of_spend_says_its_money_and_what_cannot_be_moved_is_named(
    place: Situation, tmp_path: Path
) -> None:
    page = live_page(paid(place), target=TARGET, draws=8)

    async def pushed(tab: Tab) -> Any:
        address = await tab.ask("location.href")
        await tab.until(f"{REST} && document.querySelector('.hint')")
        await tab.go(f"{address}#spend-{page.contract['page']['channels'].index('social')}=50")
        await tab.until(f"{REST} && document.querySelector('td.gain')")
        names = (".changes", "footer")
        return [await tab.ask(f"document.querySelector('{name}').textContent") for name in names]

    changes, notes = in_browser(page, tmp_path, pushed)
    money = 400 * 0.5 * page.contract["page"]["days"]
    assert changes == f"Spend on social +50\u202f% (+{money / 1e3:.0f}\u202fk in the span)."
    assert "is not known, so only their leads can be moved: " in notes
    assert "email" in notes


def test_channels_with_spend_have_sliders_first(place: Situation) -> None:
    entries = place.model.entries
    cells = tuple(replace(cell, channel=f"c{number}") for number, cell in enumerate(entries.cells))
    spend = tuple(Spend(f"c{number}", 10.0, 0.3) for number in range(len(cells)))[-7:]
    crowd = replace(place.model, entries=replace(entries, cells=cells, spend=spend))
    page = live_page(replace(place, model=crowd), draws=2).contract["page"]
    names, moved = page["channels"], [page["channels"][one["channel"]] for one in page["spend"]]
    assert names[-1] == "" and moved == names[:-1]
    assert sorted([*moved, *page["unmoved"]["crowded"]]) == sorted(one.channel for one in spend)
    assert page["unmoved"]["unknown"] == []


def test_a_few_draws_answer_nearly_as_all_do(place: Situation, tmp_path: Path) -> None:
    page = live_page(place, target=TARGET)
    assert len(page.html.encode()) < 800_000
    asked = [
        [levers, TARGET] for levers, _, _ in positions(place.model, page.contract["page"]["channels"])[:6]
    ]
    fewer = ANSWERS.replace("whole", "few").replace(".engine)", ".engine, contractOf().drags[0])")

    async def answers(tab: Tab) -> Any:
        await tab.ask(
            "window.contractOf = () => JSON.parse(document.getElementById('data').textContent).contract"
        )
        return [await tab.ask(f"{way}({json.dumps(asked)})") for way in (ANSWERS, fewer)]

    for whole, few in zip(*in_browser(page, tmp_path, answers), strict=True):
        for exact, quick in zip(whole, few, strict=True):
            few_, all_ = quick["total"], exact["total"]
            width = all_["quantile"][13] - all_["quantile"][3]
            assert_allclose(few_["mean"], all_["mean"], rtol=0.01)
            assert_allclose(few_["quantile"][3:14], all_["quantile"][3:14], atol=0.03 * width)
            assert_allclose(few_["reach"], all_["reach"], atol=0.02)


def test_readme_and_lesson_say_how_few_draws_answer() -> None:
    root = Path(__file__).parent.parent
    lesson = (root / "notebooks" / "10_what_if_live.ipynb").read_text(encoding="utf-8")
    assert f" {DRAGS[0]} weighted draws" in (root / "README.md").read_text(encoding="utf-8")
    assert f" {DRAGS[0]} chosen futures" in lesson


def test_draws_and_weights_keep_what_they_stand_for() -> None:
    rng = np.random.default_rng(2)
    sold, born = rng.gamma(9, 1, (200, 2)), rng.gamma(4, 0.5, (200, 2))
    rows, weights = few_draws((sold, born, sold**2), DRAGS[0])
    assert len(set(rows)) == DRAGS[0]
    assert weights.min() > 0
    money = sold + born
    for every in (sold, born, sold**2, money**2, money[:, :1] * money[:, 1:]):
        assert_allclose(weights @ every[rows], every.mean(axis=0), rtol=2e-3)


def test_a_key_moves_the_answer_and_rest_makes_it_exact(page: Live, tmp_path: Path) -> None:
    async def pressed(tab: Tab) -> Any:
        await tab.until(f"{REST} && document.querySelector('.hint')")
        before = await tab.ask("document.querySelector('.second').textContent")
        await tab.ask("document.getElementById('s-size').focus()")
        key = {"key": "ArrowRight", "code": "ArrowRight", "windowsVirtualKeyCode": 39}
        for _ in range(20):
            for turn in ("keyDown", "keyUp"):
                await tab.call("Input.dispatchKeyEvent", type=turn, **key)
        await tab.until(f"{REST} && /^#size=20$/.test(location.hash) && document.querySelector('td.gain')")
        names = (".kicker", ".second", ".changes", ".unseen[role=status]")
        texts = [await tab.ask(f"document.querySelector('{name}').textContent") for name in names]
        return (
            before,
            texts,
            await tab.ask("document.getElementById('s-size').getAttribute('aria-valuetext')"),
        )

    before, (kicker, second, changes, spoken), value = in_browser(page, tmp_path, pressed)
    assert kicker == "Plan with one change"
    assert before != second
    assert second in spoken
    assert changes == "Size of a win +20\u202f%."
    assert value == "+20\u202f%"


def test_a_phone_sees_all_and_a_page_without_workers_answers(page: Live, tmp_path: Path) -> None:
    sizes = """[...document.querySelectorAll('main *')]
        .filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
        .map(node => parseFloat(getComputedStyle(node).fontSize))"""
    named = """[...document.querySelectorAll('input, select')]
        .every(node => node.labels.length === 1 && node.labels[0].textContent)"""

    async def looked(tab: Tab) -> Any:
        address = await tab.ask("location.href")
        await tab.call("Page.addScriptToEvaluateOnNewDocument", source="delete window.Worker")
        await tab.go(f"{address}#odds-5-1=15&from=1", 390, 844)
        await tab.until(f"{REST} && document.querySelector('td.gain')")
        wide = await tab.ask("document.documentElement.scrollWidth")
        status = await tab.ask("document.querySelector('.status').textContent")
        return wide, min(await tab.ask(sizes)), await tab.ask(named), status

    wide, smallest, labelled, status = in_browser(page, tmp_path, looked)
    assert wide == 390
    assert smallest >= 11
    assert labelled
    assert status == "Exact: all 24 draws of the rates, as Python says it."


def test_the_page_names_no_deal_and_is_sound_json(place: Situation, page: Live) -> None:
    assert SECRET not in page.html
    entries = place.model.entries
    cells = [replace(cell, channel=cell.channel.replace("email", "</script><b>")) for cell in entries.cells]
    model = replace(place.model, entries=replace(entries, cells=tuple(cells)))
    odd = live_page(replace(place, model=model), draws=8).html
    assert "</script><b>" not in odd
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', odd, flags=re.S)
    assert text

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    held = json.loads(text[1], parse_constant=refuse)
    assert "</script><b>" in held["contract"]["page"]["channels"]


async def dearer(tab: Tab) -> Any:
    """Raise the price in a page that another page holds, and return what it then says was changed."""
    inside = "document.querySelector('iframe').contentDocument"
    await tab.until(f"{inside}.querySelector('.hint') && {inside}.querySelector('main:not(.quick)')")
    moves = "(input => { input.value = 10; input.dispatchEvent(new Event('input')); })"
    await tab.ask(f"{moves}({inside}.getElementById('s-price'))")
    await tab.until(
        f"{inside}.querySelector('main:not(.quick) td.gain') && {inside}.querySelector('.changes')"
    )
    return await tab.ask(f"{inside}.querySelector('.changes').textContent")


def test_a_page_in_a_notebook_answers_too(page: Live, tmp_path: Path) -> None:
    class Shown:
        def save(self, path: Path) -> Path:
            path.write_text(f"<!DOCTYPE html><p>a notebook</p>{page._repr_html_()}", encoding="utf-8")
            return path

    assert in_browser(Shown(), tmp_path, dearer) == "Price +10\u202f%."
    assert str(page) == str(page.forecast)
    assert page.save(tmp_path / "same.html").read_text(encoding="utf-8") == page.html


HARNESS = """(async ([source, held]) => {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const { default: widget } = await import(url);
  const hears = new Set(), state = { held, at: {} };
  window.told = [];
  window.model = {
    get: key => state[key],
    set: (key, value) => { state[key] = value; },
    save_changes: () => window.told.push(state.at),
    on: (_, hear) => hears.add(hear),
    off: (_, hear) => hears.delete(hear),
    from_python: at => { state.at = at; hears.forEach(hear => hear()); },
  };
  window.end = await widget.render({ model: window.model, el: document.body });
  window.inside = document.querySelector('div').shadowRoot;
  window.listeners = hears;
})"""


def test_a_notebook_shows_the_same_page_and_hears_its_sliders(
    place: Situation, page: Live, tmp_path: Path
) -> None:
    """In a bare page that stands for the notebook; what is heard asks `compare` for what is shown."""
    held = {**page.widget.held}

    class Bare:
        def save(self, path: Path) -> Path:
            path.write_text("<!DOCTYPE html><html lang='en'><title>cells</title>", encoding="utf-8")
            return path

    rest = "window.inside.querySelector('main:not(.quick) td.gain, main:not(.quick) td.loss')"

    async def moved(tab: Tab) -> Any:
        await tab.ask(f"{HARNESS}({json.dumps([page.widget._esm, held])})")
        await tab.until(
            "window.inside.querySelector('.hint') && window.inside.querySelector('main:not(.quick)')"
        )
        await tab.ask(
            "(box => { box.value = 1; box.dispatchEvent(new Event('change')); })"
            "(window.inside.getElementById('s-from'))"
        )
        await tab.ask(
            "(line => { line.value = 25; line.dispatchEvent(new Event('input')); })"
            "(window.inside.getElementById('s-odds-5-1'))"
        )
        await tab.until(f"{rest} && window.told.at(-1)['odds-5-1'] === 25")
        shown = (
            "[...window.inside.querySelectorAll('.against td[data-name=expected]')].map(x => x.textContent)"
        )
        first = [await tab.ask("window.told.at(-1)"), await tab.ask(shown)]
        await tab.ask("window.model.from_python({ size: -30 })")
        await tab.until("window.inside.querySelector('main:not(.quick) td.loss')")
        second = [await tab.ask("window.inside.getElementById('s-odds-5-1').value"), await tab.ask(shown)]
        await tab.ask("window.end()")
        return first, second, await tab.ask("window.listeners.size")

    (at, odds), (back, size), left = in_browser(Bare(), tmp_path, moved)
    assert (at, back, left) == ({"from": 1, "odds-5-1": 25}, "0", 0)
    for told, shown in ((at, odds), ({"size": -30}, size)):
        page.widget.at = told
        table = fs.compare(place, page.plan, draws=DRAWS).table
        wanted = table[(table["scenario"] == page.plan) & (table["period"] != "total")]["mean"]
        assert [float(text) for text in shown] == [round(mean / 1e6, 2) for mean in wanted]


def test_what_the_sliders_ask_is_said_in_words(place: Situation) -> None:
    page = live_page(paid(place), draws=2)
    told, since = page.contract["page"], "2026-08-01"
    assert page.plan == ""
    search, other = told["channels"].index("search"), told["channels"].index("email")
    at = {"from": 1, "days-4": -20, f"leads-{other}": 10, f"spend-{search}": 30, "price": 5, "loss": 2}
    page.widget.at = at | {"odds-5-1": 15, "size": -10, "target": 5e6, "period": 1}
    assert page.plan == (
        f"days Proposal -20% from {since}; leads +10% by email from {since}; spend search +30% from {since}; "
        f"odds Negotiation > Won +15% from {since}; price +5% elasticity 1; price -10%"
    )
    changes = scenario_of(page.plan, paid(place).model).changes
    assert changes == (
        DaysLever(days="Proposal", multiply=0.8, **{"from": since}),
        EntriesLever(entries="all", channel="email", multiply=1.1, **{"from": since}),
        SpendLever(spend="search", multiply=1.3, **{"from": since}),
        OddsLever(odds={"Negotiation": "Won"}, multiply=1.15, **{"from": since}),
        ValueLever(value="all", multiply=1.05, elasticity=1.0),
        ValueLever(value="all", multiply=0.9),
    )


@pytest.mark.parametrize("odd", ["it's", "it's 19\"", "a > b", "30% off"])
def test_channels_without_a_slider_are_moved_by_words_too(place: Situation, odd: str) -> None:
    """All are moved, and those with a slider of their own back; odd names stand in quotes."""
    entries = place.model.entries
    cells = tuple(replace(cell, channel=f"{odd} {number}") for number, cell in enumerate(entries.cells))
    model = replace(place.model, entries=replace(entries, cells=cells))
    page = live_page(replace(place, model=model), draws=2)
    names = page.contract["page"]["channels"]
    page.widget.at = {f"leads-{names.index('')}": 25}
    other = apply_scenario(model, scenario_of(page.plan, model))
    before, after = expected(model.entries, 90), expected(other.entries, 90)
    for cell, was, now in zip(cells, before, after, strict=True):
        assert_allclose(now, was * (1.0 if cell.channel in names else 1.25), rtol=1e-12)


def test_a_notebook_loads_each_script_once(page: Live) -> None:
    module = live_module()
    for name in ("distribution.js", "engine.js", "charts.js", "view.js", "main.js", "widget.js"):
        assert module.count(files("funnelsim.show.live").joinpath(name).read_text(encoding="utf-8")) == 1
    assert page.widget._esm == module
    assert page.widget is page.widget
    assert SECRET not in json.dumps(page.widget.held)


def test_a_kernel_is_offered_the_widget_beside_the_page_and_a_still_page_has_none(
    page: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = "application/vnd.jupyter.widget-view+json"
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    assert page._repr_mimebundle_(include=None)[view]["model_id"] == page.widget.model_id
    still = replace(page, why="The page stands still.")
    assert still._repr_mimebundle_() == {}
    assert still.plan == ""
    with pytest.raises(FunnelError, match=r"no widget: The page stands still\."):
        _ = still.widget
    monkeypatch.delitem(sys.modules, "ipykernel")
    assert page._repr_mimebundle_() == {}


def test_without_the_library_the_page_stays_in_its_frame(page: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    monkeypatch.setattr("funnelsim.forecasting.live.find_spec", lambda _: None)
    fresh = replace(page)
    assert fresh._repr_mimebundle_() == {}
    assert "<iframe" in fresh._repr_html_()
    with pytest.raises(FunnelError, match="pip install anywidget"):
        _ = fresh.widget


def test_the_page_of_a_comparison_goes_on_answering(place: Situation, tmp_path: Path) -> None:
    """Its policy lets the scripts of the page within run, and no others."""

    class Shown:
        def save(self, path: Path) -> Path:
            compare_page(path, fs.compare(place, "price +5%", draws=DRAWS, target=TARGET))
            return path

    assert in_browser(Shown(), tmp_path, dearer) == "Price +10\u202f%."


OTHERS = {
    "referrals": {"referrals": (object(),)},
    "reps": {"work": (object(),)},
    "dates": {"due": object()},
    "dated": {"table": {"starts": np.array([-np.inf, 30.0])}},
    "again": {"funnel": {"earns": {"Proposal": 1.0, "Won": 1.0}}},
    "share": {"funnel": {"earns": {"Won": 0.5}}},
    "signing": {"values": {"signing": (SigningPrice((0,), 70.0, 91.0, 0.9),)}},
}


@pytest.mark.parametrize("reason", OTHERS)
def test_what_the_engine_does_not_know_is_refused_by_name(place: Situation, reason: str) -> None:
    model = place.model
    for part, change in OTHERS[reason].items():
        inner = replace(getattr(model, part), **change) if isinstance(change, dict) else change
        model = replace(model, **{part: inner})
    assert why_not_live(place.model, place.deals) == ""
    assert why_not_live(model, place.deals) == reason
    for language in LANGUAGES:
        assert live_words(language)["reasons"][reason] in why_sentence(reason, language)


def test_a_still_page_says_why(tmp_path: Path) -> None:
    page = fs.live("saas_marketing_and_sales", period="month", draws=4)
    assert page.why == "The page stands still: leads queue for reps, which its engine does not know."

    async def read(tab: Tab) -> Any:
        text, inputs = (
            "document.querySelector('.lede').textContent",
            "document.querySelectorAll('input').length",
        )
        return await tab.ask(f"[{text}, {inputs}]")

    assert in_browser(page, tmp_path, read) == [page.why, 0]


def keys(words: Any) -> Any:
    return {key: keys(value) for key, value in words.items()} if isinstance(words, dict) else None


def gaps(words: Any) -> list[str]:
    texts = words.values() if isinstance(words, dict) else words if isinstance(words, list) else [words]
    if isinstance(words, str):
        return sorted(re.findall(r"\{\w+\}", words))
    return [gap for text in texts if not isinstance(text, float | int) for gap in gaps(text)]


def test_every_language_has_every_word() -> None:
    english, *others = (live_words(language) for language in LANGUAGES)
    for other in others:
        assert keys(other) == keys(english)
        for key in english:
            assert sorted(set(gaps(other[key]))) == sorted(set(gaps(english[key]))), key


def test_a_wrong_language_and_a_thin_history_are_refused() -> None:
    with pytest.raises(FunnelError, match="language 'fr'"):
        fs.live(fs.sample_path(), language="fr")
    with pytest.raises(FunnelError, match="no numbers can be given"):
        fs.live(
            pd.DataFrame({"lead": ["a", "a"], "stage": ["Lead", "Won"], "at": ["2026-01-01", "2026-01-02"]})
        )


def whales(amounts: list[float]) -> Situation:
    """A small company of whole amounts, its largest deals given."""
    rng, start = np.random.default_rng(3), pd.Timestamp("2025-01-01")
    rows = []
    for lead in range(500):
        large = lead < len(amounts)
        born = pd.Timestamp("2025-12-01") if large else start + pd.Timedelta(days=float(rng.uniform(0, 364)))
        value = amounts[lead] if large else float(rng.integers(1, 9) * 1000)
        rows.append((f"n{lead}", "Offer", born, value))
        end = born + pd.Timedelta(days=float(rng.exponential(40)))
        if not large and end < pd.Timestamp("2026-01-01"):
            rows.append((f"n{lead}", "Won" if rng.random() < 0.4 else "Lost", end, value))
    table = pd.DataFrame(rows, columns=["lead", "stage", "at", "value"])
    return fs.situation(table, as_of="2025-12-31", period="month")


@pytest.mark.parametrize("amounts", [[], [9e6, 31e6]], ids=["whole amounts", "deals that dwarf the rest"])
def test_grids_of_all_kinds_are_those_of_python(amounts: list[float], tmp_path: Path) -> None:
    page = live_page(whales(amounts), target=1.5e5, draws=20)

    async def answers(tab: Tab) -> Any:
        return await tab.ask(f"{ANSWERS}({json.dumps([[[], 1.5e5]])})")

    [told] = in_browser(page, tmp_path, answers)
    for period, plan in zip(told, page.contract["page"]["plan"], strict=True):
        total, near = period["total"], 1.001 * period["total"]["grid"]
        assert_allclose(total["mean"], plan["mean"], rtol=1e-6)
        assert_allclose(total["quantile"], plan["quantile"], rtol=1e-6, atol=near)
        assert_allclose(total["reach"], plan["reach"], atol=1e-6)


def test_the_terminal_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    words = ["live", "ecommerce", "--draws", "10", "--period", "month", "--language", "zh"]
    ran = CliRunner().invoke(app, [*words, "--html", str(path)])
    assert ran.exit_code == 0, ran.output
    assert "written:" in ran.output
    assert '<html lang="zh">' in path.read_text(encoding="utf-8")
