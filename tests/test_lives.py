"""The page of moving leads in a browser: its counts, lives and lanes, offline; and the tables beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Tab, browser, drive
from test_cli import run as terminal

import funnelsim as fs
from funnelsim.model.stated import read_funnel, shipped_funnels
from funnelsim.show.live import Moving
from funnelsim.simulation.moving import moving, side_stages, stated_chances
from funnelsim.simulation.record import Run

SPAN = 120  # days: enough for queues and for leads that come back
SIZES = """[...document.querySelectorAll('main *')]
    .filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
    .map(node => parseFloat(getComputedStyle(node).fontSize))"""


def in_browser(page: Moving, folder: Path, what: Callable[[Tab], Any], width: int = 1280) -> Any:
    """Open a saved page from its file, stop it, do something there; nothing may go wrong, or be asked for."""
    browser()
    path = page.save(folder / "lives.html")

    async def visit(tab: Tab) -> Any:
        await tab.go(path.as_uri(), width, 900)
        await tab.until("window.theatre && document.querySelector('.figures b')")
        await tab.ask("theatre.turn(false)")
        found = await what(tab)
        assert tab.problems == []
        assert [
            url for url in tab.requests if not url.startswith(("file:", "about:", "blob:", "data:"))
        ] == []
        return found

    return drive(folder / f"profile-{width}", visit)


@pytest.fixture(scope="module")
def busy() -> Run:
    return fs.simulate("sales_process", days=SPAN)


@pytest.fixture(scope="module")
def free() -> Run:
    return fs.simulate("lead_funnel", days=365)


def test_counts_of_a_run_that_is_played_are_the_logs(busy: Run, tmp_path: Path) -> None:
    async def look(tab: Tab) -> Any:
        found = []
        for part in (0.25, 0.5, 1.0):
            await tab.ask(f"theatre.jump({part * SPAN})")
            found.append(await tab.ask("[theatre.made.shown, theatre.made.read(theatre.state.time).length]"))
        return found

    said = in_browser(fs.charts.lives(busy), tmp_path, look)
    for part, (shown, dots) in zip((0.25, 0.5, 1.0), said, strict=True):
        log = busy.log[busy.day <= part * SPAN]
        last = log.drop_duplicates("lead", keep="last")["stage"].value_counts()
        came = log["stage"].value_counts()
        for place, told in zip(busy.model.funnel.places, shown, strict=True):
            assert told["here"] == last.get(place, 0)
            assert told["came"] == came.get(place, 0)
        open_now = sum(last.get(stage, 0) for stage in busy.model.funnel.stages)
        assert open_now * 0.8 < dots < open_now * 1.3  # dots on their way out are seen, too


def test_queues_are_those_of_the_run(busy: Run) -> None:
    told = moving(busy)
    waits = busy.waits[busy.waits["stage"] == "Needs analysis"]
    moment = np.array(told["moments"])
    here = [((waits["joined"] <= t) & (waits["joined"] + waits["wait"] > t)).sum() for t in moment]
    team = next(team for team in told["teams"] if team["name"] == "sales reps")
    stage = busy.model.funnel.numbers["Needs analysis"]
    assert team["waiting"][str(stage)] == here
    assert max(here) > 0


def test_the_pages_own_lives_keep_the_stated_chances(free: Run, tmp_path: Path) -> None:
    moved = [0.5, 0.3, 0.2]  # Consideration's exits under a slider

    async def look(tab: Tab) -> Any:
        return [
            await tab.ask(
                f"""(() => {{ const g = theatre.given; const chances = g.exits.map(() => null);
                chances[1] = {json.dumps(given)};
                const lives = Lives.live(g, {{ seed: 5, each: 1, days: 5000, chances,
                  stretch: theatre.plan.stretch }});
                const found = Lives.cohorts(g, lives, 5000, 3000);
                const stay = Lives.cohorts(g, lives, 5000, 30);
                return [found, stay]; }})()"""
            )
            for given in (None, moved)
        ]

    stated = stated_chances(free.model)[0]
    asked = (None, moved)
    said = in_browser(fs.charts.lives(free), tmp_path, look)
    for given, (ever, month) in zip(asked, said, strict=True):
        for stage, found in enumerate(ever):
            chance = np.array(given if given and stage == 1 else stated[stage])
            share = np.array(found["taken"]) / found["visits"]
            error = np.sqrt(chance * (1 - chance) / found["visits"])
            assert found["visits"] > 2000
            assert (np.abs(share - chance) < 4 * error + 1e-3).all()  # 1e-3: those who leave after 3,000 days
        stage = free.model.funnel.numbers["Awareness"]
        visits, taken = month[stage]["visits"], sum(month[stage]["taken"])
        table = fs.inside.model_incidence(
            free.model.table.edges[0, stage], free.model.table.rate[0, 0, stage], np.array([30.0])
        )
        chance = float(table.sum())
        assert abs(taken / visits - chance) < 4 * np.sqrt(chance * (1 - chance) / visits)


def test_leads_come_as_often_as_stated_and_bring_others(tmp_path: Path) -> None:
    made = fs.simulate("sales_funnel_4", days=30)

    async def look(tab: Tab) -> Any:
        return await tab.ask(
            """(() => { const g = theatre.given; const lives = Lives.live(g, { seed: 3, each: 1, days: 700,
            chances: g.exits.map(() => null), stretch: theatre.plan.stretch });
            const end = g.places.indexOf('Bought');
            let bought = 0;
            lives.place.forEach((place, row) => { if (place === end && lives.at[row] < 450) bought += 1; });
            const brought = lives.referred.filter(one => one).length;
            return [lives.referred.length - brought, brought, bought,
              lives.channel.filter(one => g.channels[one] === 'social').length]; })()"""
        )

    page = fs.charts.lives(made)
    page.contract["days"] = 700.0  # the rates go on as they are
    born, referred, bought, social = in_browser(page, tmp_path, look)
    assert abs(born - 75 * 700) < 4 * np.sqrt(75 * 700)
    assert abs(social - 300 / 7 * 700) < 4 * np.sqrt(300 / 7 * 700)
    mean = made.model.referrals[0].mean
    assert referred > 0.85 * mean * bought  # nearly all delays of those who bought by day 450 are over


LANES = """(() => { const { zones } = theatre.made.plan; let out = 0, rest = 0;
  theatre.made.read(theatre.state.time).forEach(scene => {
    const hall = zones[scene.zone];
    if (!hall || theatre.state.time - scene.start < theatre.made.flight) return;
    rest += 1;
    const [x, y] = Stage.spot(hall, scene.seat);
    const r = hall.pitch / 2;
    const [left, top, e] = [hall.x, hall.y, 0.01];
    if (x - r < left - e || x + r > left + hall.w + e) out += 1;
    if (y - r < top - e || y + r > top + hall.h + e) out += 1;
  });
  const seen = theatre.made.read(theatre.state.time).filter(scene => zones[scene.zone]);
  const seats = seen.map(scene => scene.zone + ':' + scene.seat);
  return [rest, out, seats.length - new Set(seats).size]; })()"""


@pytest.mark.parametrize("name", ["lead_funnel", "sales_process"])
@pytest.mark.parametrize("width", [1280, 390])
def test_dots_stay_in_their_lanes_and_nobody_sits_on_another(
    name: str, width: int, busy: Run, free: Run, tmp_path: Path
) -> None:
    async def look(tab: Tab) -> Any:
        found = []
        for part in (0.1, 0.5, 0.9, 0.4):
            await tab.ask(f"theatre.jump({part} * theatre.given.days)")
            found.append(await tab.ask(LANES))
        wide = await tab.ask("document.documentElement.scrollWidth")
        return (
            found,
            wide,
            await tab.ask(SIZES),
            await tab.ask("document.querySelector('canvas').clientHeight"),
        )

    made = busy if name == "sales_process" else free
    found, wide, sizes, tall = in_browser(fs.charts.lives(made), tmp_path, look, width)
    assert all(rest > 20 for rest, _, _ in found)
    assert [out for _, out, _ in found] == [0] * 4
    assert [shared for _, _, shared in found] == [0] * 4
    assert wide <= width
    assert min(sizes) >= 11
    assert tall > 300


def test_a_slider_moves_the_answer_keys_play_and_a_frame_is_cheap(free: Run, tmp_path: Path) -> None:
    async def look(tab: Tab) -> Any:
        await tab.ask("theatre.jump(364)")
        before = await tab.ask("theatre.made.shown.at(-2).came")
        await tab.ask(
            """(() => { const slider = document.getElementById('c1-0'); slider.value = 60;
            slider.dispatchEvent(new Event('input')); })()"""
        )
        await tab.until("/as stated/.test(document.querySelector('.figures').textContent)")
        after = await tab.ask("theatre.made.shown.at(-2).came")
        others = await tab.ask("[1, 2].map(exit => Number(document.getElementById(`c1-${exit}`).value))")
        await tab.ask("document.activeElement.blur()")
        key = {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32}
        await tab.ask("theatre.jump(100)")
        await tab.call("Input.dispatchKeyEvent", type="keyDown", **key)
        await tab.until("theatre.state.time > 101")
        await tab.call("Input.dispatchKeyEvent", type="keyDown", **key)
        playing = await tab.ask("theatre.state.playing")
        spent = await tab.ask(
            """(() => { const began = performance.now();
            for (let i = 0; i < 60; i += 1) { theatre.state.time = 150 + i * 0.1; theatre.paint(); }
            return (performance.now() - began) / 60; })()"""
        )
        return before, after, others, playing, spent

    before, after, others, playing, spent = in_browser(fs.charts.lives(free), tmp_path, look)
    assert after > 1.5 * before > 0
    assert abs(sum(others) - 40) < 2
    assert not playing
    assert spent < 16  # milliseconds: sixty pictures a second, also on a busy machine


def test_whoever_wants_no_motion_sees_a_still_picture_and_so_does_paper(free: Run, tmp_path: Path) -> None:
    path = fs.charts.lives(free).save(tmp_path / "lives.html")
    browser()

    async def look(tab: Tab) -> Any:
        await tab.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}]
        )
        await tab.go(path.as_uri())
        await tab.until("window.theatre")
        still = await tab.ask(
            "[theatre.state.playing, theatre.state.time > 100, theatre.made.spots.length > 50]"
        )
        await tab.call("Emulation.setEmulatedMedia", media="print")
        hidden = await tab.ask("getComputedStyle(document.querySelector('.controls-row')).display")
        return still, hidden, await tab.ask("document.querySelector('canvas').clientHeight > 100")

    still, hidden, drawn = drive(tmp_path / "profile", look)
    assert still == [False, True, True]
    assert (hidden, drawn) == ("none", True)


def test_what_is_beside_the_way_is_found() -> None:
    found = {name: [read_funnel(name).funnel.stages[stage] for stage in side_stages(read_funnel(name).funnel)]
             for name in shipped_funnels()}  # fmt: skip
    assert found["lead_funnel"] == ["Dormant"]
    assert found["saas_marketing_and_sales"] == ["Nurturing"]
    assert found["sales_funnel_4"] == ["Retargeting"]
    assert found["sales_funnel_5"] == found["sales_process"] == []


def test_a_question_in_words_is_what_the_page_lives_by() -> None:
    plain, asked = (
        moving(fs.simulate("lead_funnel", days=20, what_if=words))["chances"][0]
        for words in ((), "odds Consideration > Conversion x2")
    )
    row = 1
    odds = 2 * plain[row][0] / (1 - plain[row][0])
    assert asked[row][0] == pytest.approx(odds / (1 + odds), abs=0.03)  # the split differs with age
    assert asked[0] == plain[0]


def test_tables_of_a_run_agree_with_its_log(free: Run) -> None:
    stages, log = free.stages.set_index("stage"), free.log
    first = log.drop_duplicates("lead")["stage"].value_counts()
    last = log.drop_duplicates("lead", keep="last")["stage"].value_counts()
    for stage in free.model.funnel.stages:
        assert stages.loc[stage, "from_outside"] == first[stage]
        assert (
            stages.loc[stage, "from_outside"] + stages.loc[stage, "from_stages"]
            == (log["stage"] == stage).sum()
        )
        assert stages.loc[stage, "at_the_end"] == last[stage]
    assert stages.loc["Awareness", "half_leave_within"] == pytest.approx(10.7, abs=0.8)
    exits = free.exits.set_index(["stage", "exit"])
    assert exits.loc[("Awareness", "Consideration"), "chance"] == pytest.approx(0.35, abs=1e-4)
    assert exits.loc[("Conversion", "To sales"), "within"] == pytest.approx(0.75, abs=0.05)
    assert (exits["within"].groupby("stage").sum() <= 1).all()
    short = fs.simulate("sales_funnel_5", days=10)
    assert (free.horizon, short.horizon, fs.simulate("sales_funnel_5", days=1).horizon) == (90, 3, 1 / 3)
    assert short.exits["within"].notna().any()


def test_the_terminal_prints_tables_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "lives.html"
    assert terminal("simulate", "lead_funnel", "--days", "120", "--html", str(page)) == 0
    told = capsys.readouterr().out
    assert "Who came, and who is there" in told and "Where they went" in told and "What happened" in told
    assert "theatre" in page.read_text(encoding="utf-8")
    assert terminal("simulate", "lead_funnel", "--replications", "4", "--html", str(page)) == 2


def test_a_notebook_shows_the_page(free: Run) -> None:
    shown = fs.charts.lives(free)
    assert shown._repr_html_().startswith("<iframe srcdoc=")
    assert str(shown) == "Lead funnel: 365 days of moving leads."
