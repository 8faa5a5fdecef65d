"""What companies use today, each as a fair opponent: a point forecast dressed with its own past errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import ndtri

from funnelsim.arrays import Flags, Floats, Integers
from funnelsim.calibration.counting import blocks_back, counts_between
from funnelsim.errors import missing
from funnelsim.forecasting.periods import Period, most_within, past_periods
from funnelsim.history.log import DAY, History, spells, valued

PER_YEAR = {"week": 52, "month": 12, "quarter": 4, "half": 2, "year": 1}
# A simpler way is dressed with the spread of its own past log errors; before it has any, with the 40 % that
# real histories showed for last-period forecasts of months; one error counts for e^1.5 at most.
PRIOR_ERROR = 0.4
LARGEST_ERROR = 1.5
ENOUGH_FOR_SMOOTHING = 8  # periods: ETS fits three numbers, and fewer points let it follow noise
NAIVE = ("last period", "same period last year")  # what stands beside every forecast: no library is loaded
SMOOTHED = "ETS"
NAMES = (
    *NAIVE,
    SMOOTHED,
    "stage-weighted pipeline",
    "cohort win rates",
    "pipeline conversion",
)


@dataclass(frozen=True)
class View:
    """What a baseline may look at, at one moment.

    Args:
        spells: visits known then, with days since that moment (see `funnelsim.history.log.spells`).
        wins: day of each past win, negative.
        amounts: money of each past win.
        won: names of the won ends.
        edges: (past + 1,) edges of the whole past periods in days since that moment, the last being 0.
        ahead: (periods + 1,) edges of the coming periods, the first being 0.
        season: periods in a year.
    """

    spells: pd.DataFrame
    wins: Floats
    amounts: Floats
    won: tuple[str, ...]
    edges: Floats
    ahead: Floats
    season: int

    @cached_property
    def lead(self) -> Integers:
        """Number of each visit's lead, (visits,)."""
        return pd.factorize(self.spells["lead"])[0].astype(np.int64)

    @cached_property
    def stage(self) -> tuple[Integers, Sequence[str]]:
        """Number of each visit's stage, (visits,), and the stages' names in their order."""
        codes, names = pd.factorize(self.spells["stage"], sort=True)
        return codes.astype(np.int64), names.tolist()

    @cached_property
    def won_on(self) -> Floats:
        """Day of each lead's first win, (leads,), nan where there is none."""
        found = np.full(int(self.lead.max(initial=-1)) + 1, np.nan)
        winning = np.flatnonzero(self.spells["exit"].isin(self.won))[::-1]
        found[self.lead[winning]] = self.spells["stop"].to_numpy(dtype=np.float64)[winning]
        return found

    @cached_property
    def still(self) -> Flags:
        """Which visits go on, (visits,)."""
        return np.asarray(self.spells["exit"] == "", dtype=bool)

    @property
    def series(self) -> tuple[Floats, Floats]:
        """Revenue and number of wins of each whole past period."""
        revenue = counts_between(self.wins, self.edges, self.amounts)
        return revenue, counts_between(self.wins, self.edges)


def points(view: View) -> dict[str, Floats]:
    """Return each baseline's point forecast of revenue and wins, (2, periods), nan where it has none."""
    found = simple_points(view)
    worth = float(view.amounts.mean()) if len(view.amounts) else 0.0
    found["stage-weighted pipeline"] = stage_weighted(view)
    for name, rule in (("cohort win rates", cohort_rates), ("pipeline conversion", conversion)):
        number = rule(view)
        found[name] = np.stack([number * worth, number])
    return found


def simple_points(view: View, names: Sequence[str] = (*NAIVE, SMOOTHED)) -> dict[str, Floats]:
    """Return the point forecasts of baselines that look at past revenue and wins only, (2, periods) each."""
    revenue, wins = view.series
    steps = len(view.ahead) - 1
    return {
        name: np.stack([rule(series, steps, view.season) for series in (revenue, wins)])
        for name, rule in (
            ("last period", last_period),
            ("same period last year", same_period_last_year),
            (SMOOTHED, exponential_smoothing),
        )
        if name in names
    }


def last_period(series: Floats, steps: int, season: int) -> Floats:  # noqa: ARG001
    """Return what the last whole period brought, for every period to come."""
    return np.full(steps, series[-1] if len(series) else np.nan)


def same_period_last_year(series: Floats, steps: int, season: int) -> Floats:
    """Return what the same period of last year brought, nan without a year of history.

    >>> same_period_last_year(np.arange(5.0), 3, season=4)
    array([1., 2., 3.])
    """
    if len(series) < season:
        return np.full(steps, np.nan)
    year: Floats = np.resize(series[len(series) - season :], steps)
    return year


def exponential_smoothing(series: Floats, steps: int, season: int) -> Floats:
    """Return the ETS forecast of least AICc among level, damped trend and, from two years on, season.

    Source: Hyndman, Koehler, Snyder and Grose 2002, doi:10.1016/S0169-2070(01)00110-8.
    """
    if len(series) < ENOUGH_FOR_SMOOTHING:
        return np.full(steps, np.nan)
    import warnings

    try:
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel
    except ModuleNotFoundError:
        raise missing("statsmodels", "exponential smoothing, against which forecasts are held,") from None
    unit = max(float(series.mean()), 1e-12)
    shapes: list[dict[str, object]] = [{}, {"trend": "add", "damped_trend": True}]
    if len(series) >= 2 * season and 1 < season <= 13:
        shapes.append({"seasonal": "add", "seasonal_periods": season})
    best, least = np.full(steps, float(series[-4:].mean())), np.inf
    for shape in shapes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ETSModel(series / unit, **shape)
            # How sure its numbers are is not asked; unasked, it takes a quarter of the time.
            model.hessian = lambda params, **_: np.eye(len(params))
            fit = model.fit(disp=False, maxiter=200)
        if np.isfinite(fit.aicc) and fit.aicc < least:
            best, least = np.asarray(fit.forecast(steps), dtype=np.float64) * unit, float(fit.aicc)
    positive: Floats = np.maximum(best, 0.0)
    return positive


def stage_weighted(view: View) -> Floats:
    """Return what a CRM shows: amount x (won / closed) of the stage for all that is open, (2, periods).

    A deal is expected in the period in which deals of its stage are won on average. Closed-only rates
    forget what is still open; deals without an amount count with the mean of past wins.
    """
    steps, (stage, names) = len(view.ahead) - 1, view.stage
    worth = float(view.amounts.mean()) if len(view.amounts) else 0.0
    start = view.spells["start"].to_numpy(dtype=np.float64)
    value = np.nan_to_num(view.spells["value"].to_numpy(dtype=np.float64), nan=worth)
    over = np.zeros(view.won_on.size, dtype=bool)
    over[view.lead] = ~view.still  # of several visits the last one counts
    found = np.zeros((2, steps))
    for number in range(len(names)):
        deals, visits = np.flatnonzero(view.still & (stage == number)), np.flatnonzero(stage == number)
        closed = int(over[np.unique(view.lead[visits])].sum())
        winners = _last_of_each(view.lead, visits[np.isfinite(view.won_on[view.lead[visits]])])
        if not (deals.size and closed and winners.size):
            continue
        wait = float((view.won_on[view.lead[winners]] - start[winners]).mean())
        due = np.maximum(start[deals] + wait, 0.0)
        period = np.searchsorted(view.ahead, due, side="right") - 1
        rate = len(winners) / closed
        inside = period < steps
        found[0] += rate * np.bincount(period[inside], value[deals[inside]], steps)
        found[1] += rate * np.bincount(period[inside], minlength=steps)
    return found


def _last_of_each(lead: Integers, rows: Integers) -> Integers:
    """Return of some rows the last one of each lead, in their order."""
    _, from_end = np.unique(lead[rows][::-1], return_index=True)
    last: Integers = rows[np.sort(rows.size - 1 - from_end)]
    return last


def cohort_rates(view: View) -> Floats:
    """Return expected wins by the age of entry cohorts, (periods,), as many leads coming as lately.

    Of the leads that entered k periods ago, the share that won k periods after entering (chain ladder);
    cohorts are the periods of entry, and every rate is a ratio of sums over all cohorts old enough.
    """
    width, steps = float(view.ahead[1]), len(view.ahead) - 1
    rows = np.flatnonzero(view.spells["entry"])
    lead, first = np.unique(view.lead[rows], return_index=True)
    cohort = blocks_back(view.spells["start"].to_numpy(dtype=np.float64)[rows[first]], width)
    oldest = int(-view.edges[0] // width)
    cohort = np.minimum(cohort, oldest)
    size = np.bincount(cohort, minlength=oldest + 1).astype(np.float64)
    won_on = view.won_on[lead]
    won = np.isfinite(won_on)
    delay = cohort[won] - np.minimum(blocks_back(won_on[won], width), oldest)
    wins = np.bincount(np.maximum(delay, 0), minlength=oldest + 1).astype(np.float64)
    at_risk = np.cumsum(size[::-1])[::-1]
    rate = np.append(wins / np.maximum(at_risk, 1.0), np.zeros(steps))
    ages = np.arange(oldest + 1)
    old = [float((size * rate[ages + step + 1]).sum()) for step in range(steps)]
    new = [float(size[0] * rate[: step + 1].sum()) for step in range(steps)]
    both: Floats = np.array(old) + np.array(new)
    return both


def conversion(view: View) -> Floats:
    """Return what commercial tools show: shares of each stage's open deals that won later, plus new business.

    At past period starts, the share of the deals then open in a stage that won in the k-th period after;
    plus the mean number of wins from leads that did not exist then, (periods,).
    """
    steps, (stage, stages), still = len(view.ahead) - 1, view.stage, view.still
    start, stop = (view.spells[name].to_numpy(dtype=np.float64) for name in ("start", "stop"))
    day, born = view.won_on, np.full(view.won_on.size, np.inf)
    np.minimum.at(born, view.lead, start)
    target = day[view.lead]
    now = np.bincount(stage[still], minlength=len(stages)).astype(np.float64)
    found = np.zeros(steps)
    for step in range(steps):
        moments = view.edges[: max(len(view.edges) - 1 - step, 0)]
        seen, later, fresh = np.zeros(len(stages)), np.zeros(len(stages)), 0.0
        for place, moment in enumerate(moments):
            low, high = view.edges[place + step], view.edges[place + step + 1]
            there = (start < moment) & ((stop >= moment) | still)
            seen += np.bincount(stage[there], minlength=len(stages))
            hit = there & (target >= low) & (target < high)
            later += np.bincount(stage[hit], minlength=len(stages))
            fresh += float(((day >= low) & (day < high) & (born >= moment)).sum())
        found[step] = (now * later / np.maximum(seen, 1.0)).sum() + fresh / max(len(moments), 1)
    return found


def dressed(point: float, past: Floats, actual: Floats, floor: float, levels: Floats) -> Floats:
    """Return quantiles of a point forecast from its own past log errors, shape (levels,).

    log((y + floor) / (point + floor)) is taken for normal: its middle is the median of past errors shrunk
    by n / (n + 4), its variance their mean square about that, with a prior error of 0.4.

    Args:
        point: the forecast.
        past, actual: (n,) its past forecasts, and what happened.
        floor: an amount that keeps logarithms finite, such as half a win.
        levels: (levels,) chances.

    >>> dressed(100.0, np.zeros(0), np.zeros(0), 0.5, np.array([0.5])).round(6)
    array([100.])
    """
    known = np.isfinite(past) & np.isfinite(actual)
    errors = np.log((actual[known] + floor) / (np.maximum(past[known], 0.0) + floor))
    errors = np.clip(errors, -LARGEST_ERROR, LARGEST_ERROR)
    number = errors.size
    shift = float(np.median(errors)) * number / (number + 4) if number else 0.0
    sd = np.sqrt((((errors - shift) ** 2).sum() + PRIOR_ERROR**2) / (number + 1))
    quantiles: Floats = np.maximum((point + floor) * np.exp(shift + sd * ndtri(levels)) - floor, 0.0)
    return quantiles


def view_of(known: History, period: str, periods: Sequence[Period], won: pd.DataFrame | None = None) -> View:
    """Return what the baselines may look at.

    Args:
        known: the history, or facts of one that is not held.
        period, periods: what is to be forecast.
        won: past wins (at, value), where the history does not hold them.
    """
    longest = most_within((known.until - known.began) / DAY, period)
    past = past_periods(known.until, period, longest, known.period_start)
    inside = [one for one in past if one.start >= known.began]
    edges = np.array(
        [(one.start - known.until) / DAY for one in inside] + [(periods[0].start - known.until) / DAY]
    )
    ahead = np.array([0.0] + [(one.end - known.until) / DAY for one in periods])
    won = valued(known)[0] if won is None else won
    day = np.asarray((won["at"] - known.until) / DAY, dtype=np.float64)
    amounts = np.nan_to_num(np.asarray(won["value"], dtype=np.float64))
    return View(spells(known), day, amounts, known.won, edges, ahead, PER_YEAR[period])
