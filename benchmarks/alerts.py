"""How often do alerts cry wolf, and how soon do they see a break? Made-up companies whose truth is known.

    python benchmarks/alerts.py [--companies 200] [--breaks 60]

Each company has two stages and two channels, and is looked at every week for a year, fitted anew each time to
what was recorded before the last year. An unchanged one should see an alert in at most 5 % of years. In the
others something falls by 20, 40 or 60 % on the first day of the year of looks: the conversion of the first
stage, the speed of the second, or a channel. Beside it stands the usual rule: the last four weeks lie three
standard deviations under what the fit expects of them, whatever is looked at and however often.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
from scipy.stats import beta

from funnelsim.arrays import Floats
from funnelsim.calibration.counting import Visits
from funnelsim.forecasting.alerts import (
    FEWEST,
    Watched,
    discoveries,
    watched_exits,
    watched_intake,
    weekly_counts,
)
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import DEFAULT_BINS

YEAR, PAST = 52, 104  # weeks of looks, and weeks recorded before them
MAP = Funnel(
    "two stages", ("Lead", "Offer"), ("Won", "Lost"), (("Offer", "Lost"), ("Won", "Lost")), {"Won": 1.0}
)
LEADS = {"search": 1.5, "fair": 1.0}  # a day
RATES = ((0.03, 0.06), (0.012, 0.02))  # a day: of going on, and of being lost
BREAKS = ("conversion of Lead", "speed of Offer", "channel search")
FALLS = (0.2, 0.4, 0.6)


@dataclass(frozen=True)
class Company:
    """All visits to stages and all leads, in days since the end of the year of looks."""

    visits: Visits
    day: Floats
    channel: np.ndarray


def company(seed: int, broken: str = "", fall: float = 0.0) -> Company:
    """Return a company of three years in which something falls on the first day of the last."""
    rng = np.random.default_rng(seed)
    first, breaks = -7.0 * (PAST + YEAR), -7.0 * YEAR
    days, names = [], []
    for name, rate in LEADS.items():
        day = rng.uniform(first, 0, rng.poisson(-first * rate))
        lost = (broken == f"channel {name}") & (day >= breaks) & (rng.random(day.size) < fall)
        days.append(day[~lost])
        names.append(np.full(int((~lost).sum()), name, dtype=object))
    day, channel = np.concatenate(days), np.concatenate(names)
    parts, start = [], day
    for stage, rates in enumerate(RATES):
        factor = np.ones(2)
        if broken == f"conversion of {MAP.stages[stage]}":
            factor[0] = 1 - fall
        if broken == f"speed of {MAP.stages[stage]}":
            factor[:] = 1 - fall
        stops = np.column_stack(
            [_stop(rng, start, rate, rate * f, breaks) for rate, f in zip(rates, factor, strict=True)]
        )
        stop, taken = stops.min(axis=1), stops.argmin(axis=1)
        over = stop < 0
        parts.append((np.full(len(start), stage), np.where(over, taken, -1), start, np.minimum(stop, 0.0)))
        start = stop[over & (taken == 0)]
    stage, taken, begun, ended = (np.concatenate(column) for column in zip(*parts, strict=True))
    zeros = np.zeros(len(stage))
    visits = Visits(stage, zeros.astype(np.int64), taken, begun, zeros, ended - begun)
    return Company(visits, day, channel)


def _stop(rng: np.random.Generator, start: Floats, before: float, after: float, breaks: float) -> Floats:
    """Return when each lead leaves at a rate that changes on a day."""
    work = rng.exponential(size=len(start))
    early = np.maximum(breaks - start, 0.0) * before
    return np.where(work < early, start + work / before, np.maximum(start, breaks) + (work - early) / after)


def looks(made: Company, weeks: int = YEAR, every: int = 1) -> list[tuple[int, list[Watched]]]:
    """Return what each weekly look of the year watches: week of the look (1 to 52), and counts."""
    bins = np.array(DEFAULT_BINS)
    counts = weekly_counts(made.visits, (1, *MAP.targets.shape), bins, PAST + YEAR)
    found = []
    for look in range(every, YEAR + 1, every):
        end = PAST + look
        before = reduce(add, counts[: end - weeks])
        watch = counts[end - weeks : end]
        exits = watched_exits(before, counts[: end - weeks], watch, MAP, ("all",))
        day = made.day + 7.0 * (YEAR - look)
        known = day < 0
        intake = watched_intake(day[known], made.channel[known], -7.0 * end, weeks, None)
        found.append((look, [one for one in (*exits, *intake) if one.fair.sum() >= FEWEST]))
    return found


def first_alert(seen: Sequence[tuple[int, list[Watched]]]) -> float:
    """Return the week of the first look that sees an alert, or good news; inf where none does."""
    for look, watched in seen:
        if any(discoveries(watched)):
            return look
    return np.inf


def first_by_sigma(seen: Sequence[tuple[int, list[Watched]]]) -> float:
    """Return the week in which the last four weeks of anything lie three deviations below."""
    for look, watched in seen:
        for one in watched:
            count, fair = one.seen[-4:].sum(), one.fair[-4:].sum()
            if fair > 0 and (count - fair) / np.sqrt(fair) < -3:
                return look
    return np.inf


def interval(hits: int, of: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper and Pearson 1934)."""
    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    return low, float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0


def main() -> None:
    """Print false alarms, and weeks until a break is seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--companies", type=int, default=200)
    parser.add_argument("--breaks", type=int, default=60)
    given = parser.parse_args()
    rows = []
    cases = [("", 0.0), *((broken, fall) for broken in BREAKS for fall in FALLS)]
    for number, (broken, fall) in enumerate(cases):
        count = given.companies if not broken else given.breaks
        weeks = []
        for seed in range(count):
            seen = looks(company(10_000 * number + seed, broken, fall))
            weeks.append((first_alert(seen), first_by_sigma(seen)))
        ours, sigma = np.array(weeks).T
        for rule, found in (("e-process", ours), ("three sigma", sigma)):
            hits = int(np.isfinite(found).sum())
            low, high = interval(hits, count)
            half = float(np.median(found))
            head = f"{broken} -{fall:.0%}" if broken else "unchanged"
            rows.append((head, rule, count, hits / count, f"{low:.3f} to {high:.3f}", half))
    columns = ["company", "rule", "years", "alerts", "95 % interval", "median week"]
    print(pd.DataFrame(rows, columns=columns).to_string(index=False))


if __name__ == "__main__":
    main()
