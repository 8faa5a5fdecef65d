"""Forecasts as they would have been made at past dates, from what was known then, and their record."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import takewhile
from typing import TypeAlias

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.posterior import stream
from funnelsim.cards import card
from funnelsim.errors import FunnelError
from funnelsim.forecasting.baselines import dressed, points, view_of
from funnelsim.forecasting.forecast import LEVELS, NAMES, Forecast, check_luck, forecast_periods, totals
from funnelsim.forecasting.periods import Period, most_within, past_periods, periods_from, spoken, within
from funnelsim.forecasting.scores import (
    FEWEST_FOR_SCALE,
    crps_quantiles,
    inside,
    mape,
    pinball,
    probability_below,
    scale_of,
    scaled_by,
    widened,
)
from funnelsim.history.log import DAY, History, beginning, bookings, valued
from funnelsim.show import words

# This process works as well where its linear algebra is told to use one thread, as at the terminal: more of
# them wait for each other, and a past date takes twice as long.
THREADS = "OPENBLAS_NUM_THREADS"
ALONE = 2.0  # seconds of work before another process is started: about what it costs to start one
LATEST = 8  # past forecasts that set a width: two years of quarters, and seconds of work
SHARE_COLUMNS = dict.fromkeys(("mape", "inside_50", "inside_80", "inside_95"), "share")
MOST_ORIGINS = 24  # two years of months: enough to see a skill of .3, and done within a coffee
BURN_IN = 6  # forecasts before the first that is scored, so that a width can be learned from them
LEAST_PAST = 3  # whole periods that must be known before any forecast: fewer show no spread
LEAST_WINS = 10  # wins before the first origin: a rate known within a factor of two (95 %)
OURS = "funnelsim"
SCALED = "funnelsim, scaled by its record"
MEASURES = ("revenue", "wins")
SHARES = (0.5, 0.8, 0.95)
RESAMPLES = 2000  # bootstrap draws: the ends of a 90 % interval move by about a hundredth of its width


@dataclass(frozen=True)
class Record:
    """The record of past forecasts.

    Args:
        record: one row per origin, period, measure and method: origin, period, start, end, step (1: the
            period that begins at the origin), measure, method, actual, mean, quantiles "0.01" .. "0.99",
            crps, pinball, pit, and inside_50, inside_80, inside_95.
        kind: week, month or quarter.
        currency: three letters, or nothing.
        note: why the record is not whole; empty where it is.
    """

    record: pd.DataFrame
    kind: str
    currency: str
    note: str = ""

    def mine(self, measure: str) -> pd.DataFrame:
        """Our own forecasts of one measure, one period ahead: a row per origin."""
        rows = self.record
        own = (rows["measure"] == measure) & (rows["method"] == OURS) & (rows["step"] == 1)
        return rows[own].reset_index(drop=True)

    def skill(self, measure: str) -> pd.DataFrame:
        """See `skill`, of one measure."""
        return skill(self.record, measure=measure)

    def coverage(self, measure: str) -> pd.DataFrame:
        """See `coverage`, of one measure."""
        return coverage(self.record, measure=measure)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Scores of every method, measure by measure."""
        return summary(self.record)

    @property
    def measure(self) -> str:
        """What to judge: revenue, or wins where no amount is known."""
        return "revenue" if (self.record["measure"] == "revenue").any() else "wins"

    def __str__(self) -> str:
        gains = self.skill(self.measure)
        kept = self.coverage(self.measure).query("step == 1 and nominal == 0.8")
        number = self.record.query("step == 1")["origin"].nunique()
        beaten = f"{int((gains['skill'] > 0).sum())} of {len(gains)} simpler ways beaten"
        held = f"; 80 % intervals held {words.percent(float(kept['covered'].iloc[0]))}" if len(kept) else ""
        return f"{number} past {spoken(self.kind)}, {self.measure}: {beaten}{held}. {self.note}".strip()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), self.summary)


def replay(
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
) -> Record:
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
    check_pace(every, workers)
    scored = [origin for origin in starts[first:] if _end(history, origin, period) <= history.until][::every]
    burnt_from = min(max(first - BURN_IN, LEAST_PAST, _learned(history, starts)), first)
    burnt, early = starts[burnt_from:first], starts[LEAST_PAST:burnt_from]
    tasks = [(origin, 0) for origin in early] + [(origin, draws) for origin in (*burnt, *scored)]
    shots = _snapshots(history, tasks, period, count, seed, workers, progress)
    wins, currency = valued(history)
    made = [origin for origin in scored if origin in shots]
    whole = len(shots) == len(tasks)
    note = "" if whole else f"Stopped early: {len(made)} of {len(scored)} past dates scored."
    if not made:
        raise KeyboardInterrupt
    return Record(record_of(shots, made, wins, history.until), period, currency, note)


def check_pace(every: int, workers: int) -> None:
    """Refuse a step between past dates, or a number of processes, with which nothing could be done.

    Raises:
        FunnelError: one of them is below 1.
    """
    for name, given in (("every", every), ("workers", workers)):
        if given < 1:
            raise FunnelError(f"{name} {given}: expected a whole number from 1 on")


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
        measure, step, scale (1 with under four known outcomes), n: see `scales_of`.
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
    longest = most_within((history.until - history.began) / DAY, period)
    past = past_periods(history.until, period, longest, history.period_start)
    starts = [one.start for one in past if one.start >= history.began]
    if start is not None:
        first = sum(one < beginning(start) for one in starts)
    else:
        first = max(_learned(history, starts), len(starts) // 3, len(starts) - MOST_ORIGINS)
    first = max(first, LEAST_PAST)
    if first >= len(starts):
        raise FunnelError(
            f"backtest: of the {len(starts)} whole {spoken(period)} between {history.began:%Y-%m-%d} and "
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
    model = fit_model(known, period=(periods[0].end - periods[0].start) / DAY)
    said = forecast_periods(model, open_pipeline(known, model), periods, draws=draws, seed=seed)
    by_measure = [totals(said, measure) for measure in MEASURES]
    quantiles = np.stack([rows[NAMES].to_numpy(dtype=np.float64) for rows in by_measure])
    mean = np.stack([rows["mean"].to_numpy(dtype=np.float64) for rows in by_measure])
    return Snapshot(periods, quantiles, mean, points(view))


def _snapshots(
    history: History,
    tasks: Sequence[tuple[pd.Timestamp, int]],
    period: str,
    count: int,
    seed: int,
    workers: int,
    progress: bool,
) -> dict[pd.Timestamp, Snapshot]:
    """Return what was said at every origin, made in several processes; their number changes nothing.

    This process works from the first origin on and others, once it has worked for a while, from the last:
    starting one costs as much as a dozen origins. Ctrl-C gives those that are made so far without a gap.
    """
    from concurrent.futures import FIRST_COMPLETED, Future, wait

    from joblib.executor import get_memmapping_executor  # of the kind that `Parallel` shares with all
    from tqdm.auto import tqdm

    ask = partial(snapshot, period=period, count=count, seed=seed)
    works = workers == 1 or os.environ.get(THREADS) == "1"
    others, alone_until = workers - works, time.monotonic() + (ALONE if works else 0.0)
    left, sent, shots = deque(tasks), dict[pd.Timestamp, "Future[Snapshot]"](), dict[pd.Timestamp, Snapshot]()
    shown = tqdm(total=len(tasks), desc="origins", disable=not progress, leave=False)
    try:
        while left or sent:
            while left and len(sent) < 2 * others and time.monotonic() >= alone_until:
                # Large arrays by pickles: files in shared memory are only told to be left over at the end.
                pool = get_memmapping_executor(others, env={THREADS: "1"}, max_nbytes=None)
                origin, draws = left.pop() if works else left.popleft()
                sent[origin] = pool.submit(ask, history.as_of(origin), draws=draws)
            if left and works:
                origin, draws = left.popleft()
                shots[origin] = ask(history.as_of(origin), draws=draws)
            else:
                wait(sent.values(), return_when=FIRST_COMPLETED)
            for origin in [origin for origin, one in sent.items() if one.done()]:
                shots[origin] = sent.pop(origin).result()
            shown.update(len(shots) - shown.n)
    except KeyboardInterrupt:
        for one in sent.values():
            one.cancel()
        if tasks[0][0] not in shots:
            raise
    finally:
        shown.close()
    return {origin: shots[origin] for origin, _ in takewhile(lambda task: task[0] in shots, tasks)}


def _learned(history: History, starts: Sequence[pd.Timestamp]) -> int:
    """Return the place of the first origin at which ten wins are known."""
    won = bookings(history)["at"].sort_values()
    enough = won.iloc[LEAST_WINS - 1] if len(won) >= LEAST_WINS else history.until
    return sum(one <= enough for one in starts)


def _end(history: History, origin: pd.Timestamp, period: str) -> pd.Timestamp:
    return periods_from(origin, period, 1, history.period_start)[0].end


@dataclass(frozen=True)
class Snapshot:
    """What was said at one origin, from what was known then.

    Args:
        periods: the periods forecast.
        quantiles, mean: (2 measures, periods, levels) and (2, periods): our forecast; None where it was not
            made.
        points: baseline -> (2 measures, periods) point forecasts, nan where it has none.
    """

    periods: tuple[Period, ...]
    quantiles: Floats | None
    mean: Floats | None
    points: Mapping[str, Floats]


def record_of(
    shots: Mapping[pd.Timestamp, Snapshot],
    scored: Sequence[pd.Timestamp],
    wins: pd.DataFrame,
    until: pd.Timestamp,
) -> pd.DataFrame:
    """Return one row per scored origin, period, measure and method, with what happened and scores.

    Baselines are dressed, and our own forecast is scaled, with errors that were known at the origin.

    Args:
        shots: origin -> what was said, of scored and earlier origins.
        scored: the origins to score.
        wins: all wins, columns at and value; without any amount only wins are scored.
        until: the moment until which outcomes are known.
    """
    measures = MEASURES if wins["value"].notna().any() else MEASURES[1:]
    # Each origin asks again for every period before it.
    return record_by(shots, scored, cache(partial(_within_known, wins, until)), measures)


Came: TypeAlias = Callable[[Period], tuple[float, float] | None]  # revenue and wins; None: not known


def record_by(
    shots: Mapping[pd.Timestamp, Snapshot],
    scored: Sequence[pd.Timestamp],
    came: Came,
    measures: Sequence[str],
) -> pd.DataFrame:
    """Return what `record_of` does, from what came in each period.

    Args:
        shots, scored: see there.
        came: tells what a period brought.
        measures: which of revenue and wins are scored.
    """
    rows = []
    for origin in scored:
        for step, period in enumerate(shots[origin].periods):
            actual = came(period)
            if actual is None:
                continue
            past = [
                shot
                for shot in shots.values()
                if step < len(shot.periods) and shot.periods[step].end <= origin and came(shot.periods[step])
            ]
            outcomes = _outcomes(came, past, step)
            for measure in measures:
                number = MEASURES.index(measure)
                head = {"origin": origin, "period": period.label, "start": period.start, "end": period.end}
                head |= {"step": step + 1, "measure": measure, "actual": actual[number]}
                said = _said(shots[origin], past, outcomes, number, step)
                for method, (mean, quantiles) in said.items():
                    named = dict(zip(NAMES, quantiles.tolist(), strict=True))
                    rows.append(head | {"method": method, "mean": mean} | named)
    return scored_rows(pd.DataFrame(rows))


def _within_known(wins: pd.DataFrame, until: pd.Timestamp, period: Period) -> tuple[float, float] | None:
    return None if period.end > until else within(wins, period.start, period.end)


def _said(
    shot: Snapshot, past: Sequence[Snapshot], outcomes: Floats, number: int, step: int
) -> dict[str, tuple[float, Floats]]:
    """Return mean and quantiles of every method for one measure and step."""
    floor = 0.5
    if number == 0:
        floor *= max(float(outcomes[:, 0].sum()), 1e-9) / max(float(outcomes[:, 1].sum()), 1.0)
    found: dict[str, tuple[float, Floats]] = {}
    if shot.quantiles is not None and shot.mean is not None:
        mine, mean = shot.quantiles[number, step], float(shot.mean[number, step])
        own = [
            (old.quantiles[number, step], row)
            for old, row in zip(past, outcomes, strict=True)
            if old.quantiles is not None
        ]
        scale = scale_of(np.array([q for q, _ in own]), np.array([row[number] for _, row in own]))
        found = {OURS: (mean, mine), SCALED: (mean, widened(mine, scale))}
    for name, point in shot.points.items():
        said = float(point[number, step])
        if np.isfinite(said):
            before = np.array([old.points[name][number, step] for old in past])
            found[name] = (said, dressed(said, before, outcomes[:, number], floor, np.array(LEVELS)))
    return found


def scored_rows(record: pd.DataFrame) -> pd.DataFrame:
    """Add crps, pinball, pit, inside_50, inside_80 and inside_95 to rows with actual and quantiles."""
    levels, quantiles = np.array(LEVELS), record[NAMES].to_numpy(dtype=np.float64)
    actual = record["actual"].to_numpy(dtype=np.float64)
    scored = record.assign(
        crps=crps_quantiles(actual, levels, quantiles),
        pinball=pinball(actual, levels, quantiles).mean(axis=1),
        pit=probability_below(actual, levels, quantiles),
    )
    held = {f"inside_{share * 100:.0f}": inside(actual, levels, quantiles, share) for share in SHARES}
    return scored.assign(**held)


def summary(record: pd.DataFrame) -> pd.DataFrame:
    """Return for each measure, step and method: n, mean crps and pinball, mape, coverages, mean pit."""
    rows = []
    for keys, rows_of in record.groupby(["measure", "step", "method"], sort=False):
        held = {f"inside_{share * 100:.0f}": rows_of[f"inside_{share * 100:.0f}"].mean() for share in SHARES}
        means = {name: rows_of[name].mean() for name in ("crps", "pinball", "pit")}
        error = mape(rows_of["actual"].to_numpy(dtype=float), rows_of["0.50"].to_numpy(dtype=float))
        head = dict(zip(("measure", "step", "method"), keys, strict=True))
        rows.append(head | {"n": len(rows_of)} | means | {"mape": error} | held)
    return pd.DataFrame(rows)


def skill(
    record: pd.DataFrame, *, measure: str = "revenue", step: int = 1, method: str = OURS, seed: int = 1
) -> pd.DataFrame:
    """Return how much smaller our CRPS is than each baseline's, with a paired block-bootstrap interval.

    Skill = 1 - mean of ours / mean of theirs, over the origins that both forecast; origins are drawn
    together, in blocks, because neighbouring errors are alike.

    Returns:
        baseline, skill, low, high (90 % interval), n (origins), hardest baseline first.

    Source: Kuensch, Annals of Statistics 1989, doi:10.1214/aos/1176347265.
    """
    rows = record[(record["measure"] == measure) & (record["step"] == step)]
    scores = rows.pivot(index="origin", columns="method", values="crps")
    rng = stream(seed, "resamples")
    found = []
    for baseline in scores.columns.drop([OURS, SCALED], errors="ignore"):
        pair = scores[[method, baseline]].dropna().to_numpy()
        if len(pair) and pair[:, 1].mean() > 0:
            low, high = _interval(pair, step, rng)
            value = 1 - pair[:, 0].mean() / pair[:, 1].mean()
            found.append((baseline, value, low, high, len(pair)))
    table = pd.DataFrame(found, columns=["baseline", "skill", "low", "high", "n"])
    return table.sort_values("skill", kind="stable").reset_index(drop=True)


def coverage(record: pd.DataFrame, *, measure: str = "revenue", method: str = OURS) -> pd.DataFrame:
    """Return promised and observed shares of intervals, with the 90 % binomial range of a true promise.

    Returns:
        step, nominal, covered, low, high, n.
    """
    from scipy.stats import binom

    rows = record[(record["measure"] == measure) & (record["method"] == method)]
    found = []
    for step, mine in rows.groupby("step"):
        for share in SHARES:
            number, covered = len(mine), mine[f"inside_{share * 100:.0f}"].mean()
            low, high = binom.ppf([0.05, 0.95], number, share) / number
            found.append((step, share, covered, low, high, number))
    return pd.DataFrame(found, columns=["step", "nominal", "covered", "low", "high", "n"])


def _interval(pair: Floats, step: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 90 % interval of the skill from circular blocks of origins."""
    number = len(pair)
    length = min(max(step, round(number ** (1 / 3))), number)
    starts = rng.integers(0, number, (RESAMPLES, -(-number // length)))
    places = ((starts[:, :, None] + np.arange(length)) % number).reshape(RESAMPLES, -1)[:, :number]
    means = pair[places].mean(axis=1)
    values = 1 - means[:, 0] / np.maximum(means[:, 1], 1e-300)
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)


def _outcomes(came: Came, shots: Sequence[Snapshot], step: int) -> Floats:
    """Return revenue and wins of the period that each past forecast was of, (shots, 2)."""
    return np.array([came(one.periods[step]) or (0.0, 0.0) for one in shots]).reshape(-1, 2)


def scales_of(
    shots: Mapping[pd.Timestamp, Snapshot], wins: pd.DataFrame, until: pd.Timestamp
) -> pd.DataFrame:
    """Return by how much past forecasts were farther off than said: measure, step, scale, n (forecasts)."""
    made = [shot for shot in shots.values() if shot.quantiles is not None]
    found = []
    for step in range(max((len(shot.periods) for shot in made), default=0)):
        over = [shot for shot in made if shot.periods[step].end <= until]
        outcomes = _outcomes(partial(_within_known, wins, until), over, step)
        for number, measure in enumerate(MEASURES):
            said = np.array([shot.quantiles[number, step] for shot in over if shot.quantiles is not None])
            found.append((measure, step + 1, scale_of(said, outcomes[:, number]), len(over)))
    return pd.DataFrame(found, columns=["measure", "step", "scale", "n"])


def by_own_record(
    found: Forecast,
    history: History,
    period: str,
    *,
    latest: int = LATEST,
    seed: int = 1,
    workers: int = 2,
    progress: bool = False,
) -> Forecast:
    """Return a forecast whose intervals are as wide as the last forecasts of this history should have been.

    The periods' totals are stretched about their medians by the root mean square of past errors, in standard
    deviations of what was said (see `scale_of`); the means stay. `notes` then says
    by how much. On real histories this made 95 % intervals hold more often and single forecasts no better, at
    the cost of eight past forecasts, so nobody gets it unasked.

    Args:
        found: a forecast of the history.
        history: what was known.
        period: week, month or quarter, as forecast.
        latest: past origins to forecast from, the last ones.
        seed: of their draws.
        workers: processes.
    """
    if found.silent:
        return found
    count = int(found.periods["period"].nunique())
    try:
        scales = past_scales(
            history, period=period, count=count, latest=latest, seed=seed, workers=workers, progress=progress
        )
    except FunnelError as error:
        return replace(found, notes=(*found.notes, f"Own record: not used, as there is none ({error})."))
    periods = scaled_by(found.periods, scales)
    notes = (*found.notes, *words_of(scales, period))
    made = replace(found, periods=periods, widths=_widths(found.periods, periods, found.widths), notes=notes)
    if not len(found.total):
        return made
    total = scaled_by(found.total, total_scales(found.periods, periods))
    return replace(made, total=total, total_width=_widths(found.total, total, found.total_width))


def total_scales(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return by how much the total of all periods is wider, as their variances together are: one step."""
    rows = []
    for measure in ("revenue", "wins"):
        one, two = (
            float((frame[(frame["origin"] == "total") & (frame["measure"] == measure)]["sd"] ** 2).sum())
            for frame in (before, after)
        )
        rows.append({"measure": measure, "step": 1, "scale": np.sqrt(two / one) if one > 0 else 1.0})
    return pd.DataFrame(rows)


def words_of(scales: pd.DataFrame, period: str) -> tuple[str, ...]:
    """Return what the record asks for, a sentence for each measure.

    Args:
        scales: measure, step, scale, n, as `past_scales` returns.
        period: week, month or quarter.

    >>> words_of(pd.DataFrame({"measure": ["wins"], "step": [1], "scale": [1.25], "n": [8]}), "month")[0][:63]
    'Own record, wins: against what they said, past forecasts were o'
    """
    sentences = []
    for measure, rows in scales.groupby("measure", sort=False):
        known = rows[rows["n"] >= FEWEST_FOR_SCALE]
        parts = [
            f"{scale:.2f} ({step} {spoken(period, step)} ahead, {number} forecasts)"
            for scale, step, number in zip(known["scale"], known["step"], known["n"], strict=True)
        ]
        sentences.append(
            f"Own record, {measure}: against what they said, past forecasts were off by a factor of "
            f"{', '.join(parts)}; intervals are as much wider or narrower (a prior of four says 1)."
            if parts
            else f"Own record, {measure}: under four past forecasts are over, so widths stay as they are."
        )
    return tuple(sentences)


def _widths(before: pd.DataFrame, periods: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the widths of stretched periods: chance stays, the rest of the total is what is not known."""
    total = (periods["origin"] == "total") & (periods["measure"] == "revenue")
    rows = periods[total].reset_index(drop=True)
    widths = known.copy()
    moved = (rows["sd"] != before.loc[total, "sd"].to_numpy()).to_numpy()
    widths["total"] = rows["sd"]
    rest = np.sqrt(np.maximum(widths["total"] ** 2 - widths["chance"] ** 2, 0.0))
    widths["parameter"] = widths["parameter"].where(~moved, rest)
    wanted = widths["target"].notna().to_numpy()
    if wanted.any():
        quantiles, goals = rows[NAMES].to_numpy(dtype=np.float64), widths["target"].to_numpy(dtype=np.float64)
        below = probability_below(np.where(wanted, goals, 0.0), np.array(LEVELS), quantiles)
        widths["p_target"] = widths["p_target"].where(~(moved & wanted), 1 - below)
    return widths
