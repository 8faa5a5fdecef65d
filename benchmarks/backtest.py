"""How long the record of past forecasts takes, and one forecast: seconds on a made-up company.

    python benchmarks/backtest.py [--leads 15000] [--origins 24] [--deals 1000] [--draws 200] [--workers 2]
    python benchmarks/backtest.py --leads 150000    (a log of full size)

Backtest: a company of 15,000 leads over three years, six stages, two segments; the last 24 months are each
forecast from what was known at their start, beside six simpler ways. Forecast: 1,000 open deals and the leads
to come, 200 draws of the rates, this quarter and the next. Wall seconds, processor seconds of all processes
(and for each origin), the peak memory of the largest process, and a ratio that hardly depends on the machine:
processor seconds over those of a plain Python loop that walks once through all rows of the history and adds
up. The exit code is 1 when a limit of 15,000 leads is passed: 60 s and 2 s.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as at the terminal; read when NumPy is loaded

import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.forecasting.backtest import replay
from funnelsim.forecasting.forecast import forecast_periods
from funnelsim.forecasting.periods import periods_from
from funnelsim.history.log import History
from funnelsim.model.model import OpenDeals

UNTIL = pd.Timestamp("2026-07-01")
DAYS = 1096
STAGES = ("Lead", "Qualified", "Needs", "Proposal", "Negotiation", "Contract")
WAIT = (9.0, 14.0, 21.0, 30.0, 25.0, 12.0)
PASS = (0.55, 0.6, 0.65, 0.6, 0.65, 0.9)
BACKTEST_LIMIT, FORECAST_LIMIT = 60.0, 2.0


def company(leads: int, seed: int = 15) -> History:
    """Return a history of leads that come ever more often, drop out or move on, and win."""
    rng = np.random.default_rng(seed)
    names = np.array([f"L{number:06d}" for number in range(leads)])
    at = DAYS * np.sqrt(rng.uniform(0.1, 1.0, leads)) - DAYS
    large = rng.random(leads) < 0.3
    value = np.exp(rng.normal(np.where(large, 10.0, 8.5), 0.8)).round(2)
    going, rows = np.ones(leads, dtype=bool), []
    for stage, wait, on in zip(STAGES, WAIT, PASS, strict=True):
        here = np.flatnonzero(going)
        rows.append((names[here], np.full(len(here), stage), at[here]))
        at = at + rng.gamma(0.8, wait / 0.8, leads)
        on_its_way = rng.random(leads) < on * np.where(large, 0.9, 1.0)
        lost = np.flatnonzero(going & ~on_its_way)
        rows.append((names[lost], np.full(len(lost), "Lost"), at[lost]))
        going &= on_its_way
    won = np.flatnonzero(going)
    rows.append((names[won], np.full(len(won), "Won"), at[won]))
    lead, place, day = (np.concatenate(column) for column in zip(*rows, strict=True))
    events = pd.DataFrame({"lead": pd.Series(lead, dtype="str"), "stage": pd.Series(place, dtype="str")})
    events["at"] = UNTIL + pd.to_timedelta(day, unit="D").as_unit("us")
    events = events[events["at"] < UNTIL].sort_values(["lead", "at"], kind="stable").reset_index(drop=True)
    facts = {
        "segment": np.where(large, "large", "small"),
        "channel": np.where(rng.random(leads) < 0.5, "web", "fair"),
    }
    known = pd.DataFrame(facts | {"value": value}, index=pd.Index(names, name="lead", dtype="str"))
    return History(events, known, UNTIL, STAGES, ("Won",), ("Lost",), UNTIL - pd.Timedelta(days=DAYS))


def spent() -> float:
    """Return processor seconds of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall seconds and processor seconds of some work."""
    wall, processor = time.perf_counter(), spent()
    work()
    wall = time.perf_counter() - wall
    get_reusable_executor().shutdown(wait=True)
    return wall, spent() - processor


def walk(history: History) -> float:
    """Add up the days from each row of a lead to its next, by a plain loop: the unit of the ratios."""
    last: dict[str, float] = {}
    total = 0.0
    days = ((history.events["at"] - UNTIL) / pd.Timedelta(days=1)).tolist()
    for lead, day in zip(history.events["lead"].tolist(), days, strict=True):
        total += day - last.get(lead, day)
        last[lead] = day
    return total


def first_of(deals: OpenDeals, number: int) -> OpenDeals:
    """Return some of the open deals, repeated where there are too few."""
    rows = np.resize(np.arange(len(deals)), number)
    names = np.array([f"deal {place}" for place in range(number)], dtype=object)
    return replace(
        deals, name=names, stage=deals.stage[rows], group=deals.group[rows], age=deals.age[rows],
        value=deals.value[rows],
    )  # fmt: skip


def main() -> int:
    """Make the company, time both, and say whether a limit was passed."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("leads", 15_000),
        ("origins", 24),
        ("deals", 1_000),
        ("draws", 200),
        ("workers", 2),
    ):
        words.add_argument(f"--{name}", type=int, default=default)
    asked = words.parse_args()
    history = company(asked.leads)
    first = UNTIL - pd.DateOffset(months=asked.origins)
    model = fit_model(history, period=91.0)
    deals = first_of(open_pipeline(history, model), asked.deals)
    periods = periods_from(UNTIL, "quarter", 2)
    forecast_periods(model, deals, periods, draws=2)
    loop = min(timed(lambda: [walk(history) for _ in range(10)])[1] for _ in range(3)) / 10
    ahead = timed(lambda: forecast_periods(model, deals, periods, draws=asked.draws))
    back = timed(lambda: replay(history, start=f"{first:%Y-%m-%d}", workers=asked.workers))
    rows = (
        (f"forecast of {len(deals):,} deals, {asked.draws} draws", *ahead, FORECAST_LIMIT),
        (f"backtest of {asked.origins} origins, {asked.leads:,} leads", *back, BACKTEST_LIMIT),
    )
    print(f"a plain loop over {len(history.events):,} rows: {loop:.3f} s")
    for name, wall, processor, limit in rows:
        seconds = f"{wall:.1f} s wall (limit {limit:.0f}), {processor:.1f} s processor"
        print(f"{name}: {seconds}, {processor / loop:,.0f} loops")
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"an origin: {back[1] / asked.origins:.2f} s processor; largest process: {peak / 2**20:.2f} GiB")
    return 1 if any(wall > limit for _, wall, _, limit in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
