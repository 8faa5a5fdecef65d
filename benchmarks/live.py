"""Does the live page keep up with a hand? Milliseconds of an update, seconds until all draws stand, kB.

    python benchmarks/live.py [--positions 30] [--seed 1]

The sample's page is opened from its file in a browser without a window, and a mouse drags its sliders to
seeded positions, first with changes from today, then from a month to come. An update lasts from the event of
the slider until the frame after what it changed begins; one that begins meanwhile is not counted. At rest
all draws are reckoned in a worker: from the last event until their numbers are painted; what it says is held
against the forecast in Python. Last, the same with the page's thread slowed four times (the worker is not).
On a machine that others use as well times rise, so limits are printed and judged by nobody.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import funnelsim as fs
from funnelsim.forecasting.forecast import NAMES, forecast_periods, totals
from funnelsim.forecasting.intensity import draws_of
from funnelsim.forecasting.live import Live, live_page
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.situation import Situation
from funnelsim.model.levers import apply_scenario
from funnelsim.model.scenario import scenario_of

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from chromium import Tab, drive

TARGET, DRAWS, SEED = 5e6, 200, 1
TOGETHER = 5  # sliders moved before all go back
MOVES = 20  # of the mouse from a slider's old position to its new one
FRAME = 1 / 60  # seconds between two of them
BY = (0.2, 0.5)  # of its way that a slider is moved: nowhere out of reach, never to where it stood
THUMB = 8  # pixels from a slider's end to the middle of its thumb
SLOWER = 4
PASS = ("odds", "days")  # whose change asks a new pass of the lattice; other sliders use the last one
LIMITS = {"from today": 100.0, "from a month": 200.0}
LIMIT_REST, LIMIT_SIZE, LIMIT_APART = 1.5, 800.0, 1e-6

WATCH = """(() => {
  window.bench = { updates: [], rest: null, moved: NaN, result: null };
  let begun = 0;
  // A frame begins after the one before it was painted, up to a sixtieth of a second later; other signs of
  // its end, as messages, wait for half a second when a hand begins to drag.
  const painted = then => requestAnimationFrame(() => requestAnimationFrame(() => then(performance.now())));
  addEventListener("input", () => {
    bench.moved = performance.now();
    if (begun) return;
    begun = bench.moved;
    painted(now => { bench.updates.push(now - begun); begun = 0; });
  }, true);
  window.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        bench.result = data.result;
        painted(now => {
          if (!document.querySelector("main").classList.contains("quick")) bench.rest = now - bench.moved;
        });
      });
    }
  };
})()"""
SLIDERS = """(() => {
  document.querySelectorAll("details").forEach(one => { one.open = true; });
  return [...document.querySelectorAll("input[type=range]")].map(one => one.id);
})()"""
PLACE = """(async id => {
  const input = document.getElementById(id);
  input.scrollIntoView({ block: "center" });
  await new Promise(done => setTimeout(done, 200)); // no hand is quicker, and the page is painted anew
  const { left, top, width, height } = input.getBoundingClientRect();
  const at = (input.value - input.min) / (input.max - input.min);
  Object.assign(bench, { updates: [], rest: null });
  return { left, width, middle: top + height / 2, at };
})"""
CHOOSE = """((id, number) => {
  const box = document.getElementById(id);
  bench.rest = null;
  bench.moved = performance.now();
  box.value = number;
  box.dispatchEvent(new Event("change", { bubbles: true }));
  return box.options.length;
})"""
BACK = "(bench.rest = null, document.querySelector('form.controls button').click())"
RESTS = "bench.rest !== null"
FEW = "document.querySelector('.status').textContent"


@dataclass(frozen=True)
class Drag:
    """One slider, dragged to a place and let go.

    Args:
        begin: "from today" or "from a month".
        kind: of the slider.
        updates: milliseconds of each update on the way.
        rest: seconds from the last event until all draws are painted.
        at: position by slider, of all that stand elsewhere than planned.
        said: periods as the worker told them.
    """

    begin: str
    kind: str
    updates: list[float]
    rest: float
    at: dict[str, float]
    said: list[dict[str, Any]]


@dataclass(frozen=True)
class Tried:
    """What a browser did: how many draws answered while a slider was dragged, and each drag."""

    few: int
    drags: list[Drag]


# In the browser


def tried(page: Live, positions: int, seed: int, slower: int = 1) -> Tried:
    """Open the page in a browser whose page thread is slowed, and drag sliders, each begin as often."""

    async def visit(tab: Tab) -> Tried:
        await tab.call("Page.enable")
        await tab.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        await tab.call("Emulation.setCPUThrottlingRate", rate=slower)
        await tab.go(path.as_uri())
        await tab.until(RESTS)
        rng = np.random.default_rng(seed)
        drags = [drag for begin in LIMITS async for drag in _drags(tab, begin, positions, rng)]
        few = await _few(tab)
        if tab.problems:
            raise RuntimeError(f"the page complains: {tab.problems}")
        return Tried(few, drags)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = page.save(Path(folder) / "live.html")
        return drive(Path(folder) / "profile", visit)


async def _drags(tab: Tab, begin: str, positions: int, rng: np.random.Generator) -> Any:
    """Yield drags; every slider has its turn, a few together before all go back."""
    sliders = await tab.ask(SLIDERS)
    for number, slider in zip(range(positions), _in_turn(sliders, rng), strict=False):
        if number % TOGETHER == 0:
            await tab.ask(BACK)
            await tab.until(RESTS)
            months = await tab.ask(f"{CHOOSE}('s-from', 0)")
            month = 0 if begin == "from today" else int(rng.integers(1, months))
            await _chosen(tab, "s-from", month)
            await _chosen(tab, "s-loss", int(rng.integers(4)))
        yield await _drag(tab, begin, slider, float(rng.uniform(*BY)))


def _in_turn(sliders: list[str], rng: np.random.Generator) -> Iterator[str]:
    """Yield sliders without end, each as often, in an order that changes."""
    while True:
        yield from rng.permutation(sliders).tolist()


async def _chosen(tab: Tab, box: str, number: int) -> None:
    """Choose an entry of a list, and wait for all draws."""
    await tab.ask(f"{CHOOSE}('{box}', {number})")
    await tab.until(RESTS)


async def _drag(tab: Tab, begin: str, slider: str, by: float) -> Drag:
    """Drag a thumb by a share of its way, as a hand does, slow at both ends; let go; wait for rest."""
    place = await tab.ask(f"{PLACE}('{slider}')")
    to = place["at"] + by if place["at"] + by < 1 else place["at"] - by

    async def mouse(kind: str, share: float) -> None:
        x = place["left"] + THUMB + (place["width"] - 2 * THUMB) * share
        await tab.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=place["middle"], button="left", buttons=1,
            clickCount=1,
        )  # fmt: skip

    await mouse("mousePressed", place["at"])
    for way in (1 - np.cos(np.pi * np.arange(1, MOVES + 1) / MOVES)) / 2:
        await mouse("mouseMoved", place["at"] + (to - place["at"]) * float(way))
        await asyncio.sleep(FRAME)
    await mouse("mouseReleased", to)
    await tab.until(RESTS)
    return await _dragged(tab, begin, slider)


async def _dragged(tab: Tab, begin: str, slider: str) -> Drag:
    """Return what was seen of a drag; where the sliders stand is what the page writes into its address."""
    seen = await tab.ask("({ ...bench, at: [...new URLSearchParams(location.hash.slice(1))] })")
    at = {name: float(value) for name, value in seen["at"]}
    kind = slider.split("-")[1]
    updates, said = seen["updates"], seen["result"]["periods"]
    return Drag(begin, kind, updates, seen["rest"] / 1000, at, said)


async def _few(tab: Tab) -> int:
    """Return how many draws answer while a slider is dragged, as the page says in the frame of a move."""
    said = await tab.ask(
        "new Promise(done => { document.getElementById('s-size').dispatchEvent(new Event('input'));"
        f" requestAnimationFrame(() => done({FEW})); }})"
    )
    return int(next(word for word in said.split() if word.isdigit()))


# Beside Python


def apart(place: Situation, page: Live, drags: list[Drag]) -> dict[str, float]:
    """Return how far the page at rest is from Python at most: mean and width relative, quantiles in steps."""
    model, deals, edges = place.model, place.deals, days_of(place.periods, place.model.as_of)
    common = draws_of(model, deals, edges, draws=DRAWS, seed=SEED).common
    found = {"mean": 0.0, "sd": 0.0, "quantile": 0.0, "chance": 0.0}
    for drag in drags:
        page.widget.at = {name: int(value) for name, value in drag.at.items() if name != "target"}
        other = apply_scenario(model, scenario_of(page.plan, model)) if page.plan else model
        drawn = draws_of(other, deals, edges, draws=DRAWS, seed=SEED, common=common)
        target = drag.at.get("target", TARGET)
        wanted = forecast_periods(
            other, deals, place.periods, booked=place.booked, target=target, drawn=drawn
        )
        rows, reach = totals(wanted), wanted.widths["p_target"].to_numpy(dtype=np.float64)
        for k, told in enumerate(period["total"] for period in drag.said):
            row = rows.iloc[k]
            steps = np.abs(np.array(told["quantile"]) - row[NAMES].to_numpy(dtype=np.float64)) / told["grid"]
            new = {
                "mean": abs(told["mean"] / row["mean"] - 1),
                "sd": abs(told["sd"] / row["sd"] - 1),
                "quantile": float(steps.max()),
                "chance": abs(told["reach"] - float(reach[k])) if target else 0.0,
            }
            found = {name: max(found[name], new[name]) for name in found}
    return found


# The table


def print_times(title: str, found: Tried, *, judged: bool) -> None:
    """Print updates by begin and kind of slider, and the times until all draws stand."""
    print(f"{title}: {found.few} draws while a slider is dragged")
    for begin, limit in LIMITS.items():
        own = [drag for drag in found.drags if drag.begin == begin]
        passes = [ms for drag in own if drag.kind in PASS for ms in drag.updates]
        others = [ms for drag in own if drag.kind not in PASS for ms in drag.updates]
        for name, updates in (("odds, days", passes), ("other sliders", others), ("all", passes + others)):
            print_row(f"{begin}, {name}", "ms", updates, limit if judged else None)
        print_row(f"{begin}, all draws", "s", [drag.rest for drag in own], LIMIT_REST if judged else None)


def print_row(name: str, unit: str, values: list[float], limit: float | None) -> None:
    """Print how many there are, their median, 95th percentile and most, and the limit of the 95th."""
    if not values:
        return  # no slider of this kind had its turn
    digits = 0 if unit == "ms" else 2
    shown = "".join(f"{value:9.{digits}f}" for value in (*np.quantile(values, [0.5, 0.95]), max(values)))
    print(f"  {name:30s}{len(values):6d}{shown}{'' if limit is None else f'{limit:9.{digits}f}':>9s} {unit}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--positions", type=int, default=30, help="of sliders from today, and as many dated")
    parser.add_argument("--seed", type=int, default=1, help="of the positions")
    given = parser.parse_args()
    place = fs.situation(fs.sample_path(), mapping=fs.sample_path("mapping.yaml"))
    page = live_page(place, target=TARGET, draws=DRAWS, seed=SEED)
    print(f"{'':32s}{'number':>6s}{'median':>9s}{'95 %':>9s}{'most':>9s}{'limit':>9s}")
    found = tried(page, given.positions, given.seed)
    print_times("as it is", found, judged=True)
    slow = tried(page, max(given.positions // 3, TOGETHER), given.seed, SLOWER)
    print_times(f"{SLOWER} times slower", slow, judged=False)
    print(f"page: {len(page.html.encode()) / 1000:.0f} kB, limit {LIMIT_SIZE:.0f}")
    far = apart(place, page, found.drags)
    print(f"at rest, from Python at most, relative: mean {far['mean']:.1e}, sd {far['sd']:.1e}, ", end="")
    print(f"limit {LIMIT_APART:.0e}; quantiles {far['quantile']:.2f} steps, chance {far['chance']:.1e}")
    print("load average:", *(f"{load:.2f}" for load in os.getloadavg()))


if __name__ == "__main__":
    main()
