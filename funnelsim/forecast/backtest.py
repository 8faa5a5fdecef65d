"""Forecasts as they would have been made at past dates, from what was known then, and their record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.calibrate import calibrate, pipeline
from funnelsim.errors import FunnelError
from funnelsim.forecast.baselines import View, points
from funnelsim.forecast.forecast import NAMES, check_luck, forecast, totals
from funnelsim.forecast.money import valued
from funnelsim.forecast.periods import Period, past_periods, periods_from
from funnelsim.forecast.record import MEASURES, Snapshot, record_of, scales_of
from funnelsim.history.log import DAY, History, beginning, bookings, spells

Floats = NDArray[np.float64]

PER_YEAR = {"week": 52, "month": 12, "quarter": 4}
MOST_ORIGINS = 24
BURN_IN = 6
LEAST_PAST = 3
LEAST_WINS = 10


@dataclass(frozen=True)
class Backtest:
    """The record of past forecasts.

    Args:
        record: one row per origin, period, measure and method: origin, period, start, end, step (1: the
            period that begins at the origin), measure, method, actual, mean, quantiles "0.01" .. "0.99",
            crps, pinball, pit, and inside_50, inside_80, inside_95.
        kind: week, month or quarter.
        currency: three letters.
    """

    record: pd.DataFrame
    kind: str
    currency: str


def backtest(
    history: History,
    *,
    period: str = "month",
    count: int = 1,
    start: str | None = None,
    every: int = 1,
    draws: int = 60,
    seed: int = 1,
    workers: int = 2,
    progress: bool = False,
) -> Backtest:
    """Forecast from the start of every past period, with only what was known then, and score what was said.

    Args:
        history: all that is known now.
        period: "week", "month" or "quarter".
        count: periods ahead of each origin.
        start: date of the first origin (the first period start on or after it); by default the first
            third of the history is only learned from, and at most the last 24 origins are scored.
        every: only every n-th of these origins is scored.
        draws: posterior draws of each forecast.
        seed: of the draws.
        workers: processes.

    Raises:
        FunnelError: the history has too few whole periods or wins.
    """
    starts, first = origins(history, period, start)
    check_luck(draws, seed)
    for name, given in (("every", every), ("workers", workers)):
        if given < 1:
            raise FunnelError(f"{name} {given}: expected a whole number from 1 on")
    scored = [origin for origin in starts[first:] if _end(history, origin, period) <= history.until][::every]
    burnt_from = min(max(first - BURN_IN, LEAST_PAST, _learned(history, starts)), first)
    burnt, early = starts[burnt_from:first], starts[LEAST_PAST:burnt_from]
    tasks = [(origin, 0) for origin in early] + [(origin, draws) for origin in (*burnt, *scored)]
    shots = _snapshots(history, tasks, period, count, seed, workers, progress)
    wins, currency = valued(history)
    return Backtest(record_of(shots, scored, wins, history.until), period, currency)


def past_scales(
    history: History,
    *,
    period: str = "quarter",
    count: int = 1,
    latest: int = 8,
    draws: int = 20,
    seed: int = 1,
    workers: int = 2,
    progress: bool = False,
) -> pd.DataFrame:
    """Return by how much the latest forecasts of this history would have been farther off than they said.

    Args:
        period, count: what is to be forecast.
        latest: past origins to forecast from, the last ones.

    Returns:
        measure, step, scale (1 with under four known outcomes), n: see `funnelsim.forecast.record.scaled_by`.
    """
    starts, first = origins(history, period)
    over = [one for one in starts[first:] if _end(history, one, period) <= history.until]
    tasks = [(one, draws) for one in over[-latest:]]
    shots = _snapshots(history, tasks, period, count, seed, workers, progress)
    return scales_of(shots, valued(history)[0], history.until)


def origins(history: History, period: str, start: str | None = None) -> tuple[list[pd.Timestamp], int]:
    """Return the starts of all periods on record, and the place of the first to be scored.

    Raises:
        FunnelError: an unknown period, `start` is no date, or no period is left to be scored.
    """
    periods_from(history.until, period, 1)
    longest = int((history.until - history.began) / DAY) // 7 + 2
    past = past_periods(history.until, period, longest, history.period_start)
    starts = [one.start for one in past if one.start >= history.began]
    if start is not None:
        first = sum(one < beginning(start) for one in starts)
    else:
        first = max(_learned(history, starts), len(starts) // 3, len(starts) - MOST_ORIGINS)
    first = max(first, LEAST_PAST)
    if first >= len(starts):
        raise FunnelError(
            f"backtest: of the {len(starts)} whole {period}s between {history.began:%Y-%m-%d} and "
            f"{history.until:%Y-%m-%d} none is left to be scored: {LEAST_PAST} of them, "
            f"and {LEAST_WINS} wins, are needed to learn from"
        )
    return starts, first


def snapshot(known: History, period: str, count: int, *, draws: int, seed: int) -> Snapshot:
    """Return what is said at the moment until which `known` reaches.

    Args:
        draws: posterior draws; 0 leaves our own forecast out.
    """
    periods = periods_from(known.until, period, count, known.period_start)
    view = view_of(known, period, periods)
    if draws == 0:
        return Snapshot(periods, None, None, points(view))
    model = calibrate(
        known,
        horizon=(periods[-1].end - known.until) / DAY,
        period=(periods[0].end - periods[0].start) / DAY,
    )
    said = forecast(model, pipeline(known, model), periods, draws=draws, seed=seed)
    by_measure = [totals(said, measure) for measure in MEASURES]
    quantiles = np.stack([rows[NAMES].to_numpy(dtype=np.float64) for rows in by_measure])
    mean = np.stack([rows["mean"].to_numpy(dtype=np.float64) for rows in by_measure])
    return Snapshot(periods, quantiles, mean, points(view))


def view_of(known: History, period: str, periods: Sequence[Period]) -> View:
    """Return what the baselines may look at."""
    longest = int((known.until - known.began) / DAY) // 7 + 2
    past = past_periods(known.until, period, longest, known.period_start)
    inside = [one for one in past if one.start >= known.began]
    edges = np.array(
        [(one.start - known.until) / DAY for one in inside] + [(periods[0].start - known.until) / DAY]
    )
    ahead = np.array([0.0] + [(one.end - known.until) / DAY for one in periods])
    won, _ = valued(known)
    day = np.asarray((won["at"] - known.until) / DAY, dtype=np.float64)
    amounts = np.nan_to_num(np.asarray(won["value"], dtype=np.float64))
    return View(spells(known), day, amounts, known.won, edges, ahead, PER_YEAR[period])


def _snapshots(
    history: History,
    tasks: Sequence[tuple[pd.Timestamp, int]],
    period: str,
    count: int,
    seed: int,
    workers: int,
    progress: bool,
) -> dict[pd.Timestamp, Snapshot]:
    """Return what was said at every origin, made in several processes; their number changes nothing."""
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    work = (
        delayed(snapshot)(history.as_of(origin), period, count, draws=draws, seed=seed)
        for origin, draws in tasks
    )
    made = Parallel(n_jobs=workers, return_as="generator")(work)
    shown = tqdm(made, total=len(tasks), desc="origins", disable=not progress, leave=False)
    return dict(zip([origin for origin, _ in tasks], shown, strict=True))


def _learned(history: History, starts: Sequence[pd.Timestamp]) -> int:
    """Return the place of the first origin at which ten wins are known."""
    won = bookings(history)["at"].sort_values()
    enough = won.iloc[LEAST_WINS - 1] if len(won) >= LEAST_WINS else history.until
    return sum(one <= enough for one in starts)


def _end(history: History, origin: pd.Timestamp, period: str) -> pd.Timestamp:
    return periods_from(origin, period, 1, history.period_start)[0].end
