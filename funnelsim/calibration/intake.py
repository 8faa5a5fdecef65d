"""Leads not yet born, from a history: the ways in, expected leads per day, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats, Integers
from funnelsim.calibration.counting import OTHER, blocks_back, group_numbers, numbers_of
from funnelsim.model.model import Cell, Entries

# Whole weeks, so that every block holds each weekday alike.
YEAR, MONTH, WEEK = 364, 28, 7
PATH_DAYS = 2 * YEAR
# Conventions: the last half year tells by which ways leads come; a table of more channels is not read; and
# weekdays differ where they vary four times as much as weeks do (F of 4 with 6 degrees and many: p < .001).
SHARE_HALF_LIFE, MOST_CHANNELS, CLEAR_PATTERN = 180.0, 30, 4.0
# All from the prototype's back-tests on six real processes, chosen for all of them together: weights
# 1 / MSE^1.5, errors discounted by .95 a block and capped at .7, smoothing from eight blocks on. Priors of
# spread are weak: a fifth, worth two past forecasts.
DISCOUNT, SHARPNESS, LARGEST_ERROR, ENOUGH_FOR_SMOOTHING = 0.95, 1.5, 0.7, 8
PRIOR_SPREAD, PRIOR_WEIGHT, LEAST_SPREAD = 0.2, 2.0, 0.03
# Convention: so many blocks ahead are judged apart; a quarter has three blocks and a bit.
MOST_STEPS = 4


def fit_entries(
    spells: pd.DataFrame,
    stages: Sequence[str],
    groups: Sequence[str] = ("all",),
    *,
    grouped_by: str = "segment",
    began: float = -np.inf,
    period: float = 91.0,
) -> tuple[Entries, tuple[str, ...]]:
    """Return the intake from the as-of date on, and what was chosen in words.

    Leads are counted in blocks of four weeks (of one week when the history is shorter than three months, or a
    period than four weeks), back from the as-of date, so that no block is cut and every weekday weighs
    alike. A lead that comes back after an end counts as a new one.

    Args:
        spells: columns stage, start (days since the as-of date), entry, and optionally reopened, channel
            and the column that groups come from.
        stages: stage names in the funnel's order.
        groups: group names.
        began: day on which recording began; earlier leads are not counted.
        period: days of one period to be forecast.
    """
    enters = spells["entry"].astype(bool)
    if "reopened" in spells:
        enters |= spells["reopened"].astype(bool)
    rows = spells[enters & (spells["start"] >= began)]
    if rows.empty:
        nothing = Entries((Cell(0, 0),), np.zeros(1), np.zeros(YEAR), PRIOR_SPREAD)
        return nothing, ("No lead ever came in, so no new leads are expected.",)
    day = np.asarray(rows["start"], dtype=np.float64)
    cells, share = _cells(rows, day, stages, groups, grouped_by)
    path, spread, notes = expected_path(day, max(began, float(day.min())), period)
    return Entries(cells, share, path, spread), notes


def expected_path(day: Floats, began: float, period: float) -> tuple[Floats, float, tuple[str, ...]]:
    """Return expected leads per coming day, the spread of their sum over a period, and words.

    What is expected of a day does not depend on how many days after it are asked for (see `_by_steps`). Where
    periods are shorter than four weeks, the first four weeks are forecast by weeks, what follows by blocks of
    four weeks.

    Args:
        day: (leads,) day on which each lead came, negative.
        began: first day on which leads were counted.
        period: days of one period to be forecast.
    """
    # Weeks in the first year let two Christmas weeks set the level of a January (error of arrivals on fifteen
    # sets x horizons .384, with months .336), so they serve near horizons and records of under three months.
    block = WEEK if -began < 3 * MONTH else MONTH
    if int(-began // block) < 2:
        per_day = len(day) / max(-began, 1.0)
        sentence = f"Intake: {per_day:.3g} leads a day; the history is too short to say more."
        return np.full(PATH_DAYS, per_day), 2 * PRIOR_SPREAD, (sentence,)
    near = WEEK if period < MONTH else block
    counts = block_counts(day, began, near)
    span = int(np.clip(np.ceil(period / near - 1e-9), 1, max(len(counts) // 2, 1)))
    looks = _looks(counts, near)
    coming = looks[span - 1] if span <= len(looks) else outlook(counts, YEAR // near, span, span)
    daily = _by_steps(looks, near)
    if near != block:
        daily[MONTH:] = _by_steps(_looks(block_counts(day, began, block), block), block)[MONTH:]
    pattern, weekdays = weekday_pattern(day, int(-began // block) * block // WEEK)
    path = daily * np.resize(pattern, PATH_DAYS)
    return path, coming.spread, _words(coming, counts, near, weekdays)


def _looks(counts: Floats, block: int) -> list[Outlook]:
    """Return what pools expect that are judged on one block ahead, on two, and so on.

    Up to `MOST_STEPS` of them, and half of the record.
    """
    steps = min(max(len(counts) // 2, 1), MOST_STEPS)
    return [outlook(counts, YEAR // block, step, PATH_DAYS // block) for step in range(1, steps + 1)]


def _by_steps(looks: Sequence[Outlook], block: int) -> Floats:
    """Return expected leads per coming day, (days,): each block from the pool judged so many blocks ahead."""
    found = looks[-1].expected.copy()
    found[: len(looks)] = [look.expected[step] for step, look in enumerate(looks)]
    daily: Floats = np.repeat(found / block, block)
    return daily


def block_counts(day: Floats, began: float, block: int) -> Floats:
    """Return leads in each whole block back from the as-of date, oldest first.

    >>> block_counts(np.array([-14.0, -7.0, -0.5]), -14.0, 7).tolist()
    [1.0, 2.0]
    """
    blocks = int(-began // block)
    counts = np.bincount(blocks_back(day, block), minlength=blocks)[:blocks]
    return counts[::-1].astype(np.float64)


def weekday_pattern(day: Floats, weeks: int) -> tuple[Floats, bool]:
    """Return factors, mean 1, of the seven days from the as-of date on, and whether they differ clearly.

    They differ clearly when the variation between weekdays is more than four times that within them.
    """
    weeks = min(weeks, 52)
    recent = day[day >= -WEEK * weeks]
    if len(recent) < 70 or weeks < 4:
        return np.ones(WEEK), False
    table = np.bincount((recent + WEEK * weeks).astype(np.int64), minlength=WEEK * weeks)
    table = table[: WEEK * weeks].reshape(weeks, WEEK).astype(np.float64)
    by_week, by_day = table.sum(1, keepdims=True), table.sum(0, keepdims=True)
    even = by_week / WEEK
    even_mix = np.maximum(by_week * by_day / table.sum(), 1e-9)
    within = max(1.0, float(((table - even_mix) ** 2 / even_mix).sum() / ((weeks - 1) * (WEEK - 1))))
    between = float(((even_mix - even) ** 2 / np.maximum(even, 1e-9)).sum() / (WEEK - 1))
    if between < CLEAR_PATTERN * within:
        return np.ones(WEEK), False
    factors: Floats = WEEK * by_day[0] / table.sum()
    return factors, True


def _cells(
    rows: pd.DataFrame, day: Floats, stages: Sequence[str], groups: Sequence[str], grouped_by: str
) -> tuple[tuple[Cell, ...], Floats]:
    """Return the ways in and their shares, recent leads weighing more."""
    stage = numbers_of(rows["stage"], {name: row for row, name in enumerate(stages)}, 0)
    group = group_numbers(rows.get(grouped_by), groups, len(rows))
    channel, names = _channels(rows)
    way = (stage * len(groups) + group) * len(names) + channel
    weight = np.bincount(way, 2.0 ** (day / SHARE_HALF_LIFE))
    ways = np.flatnonzero(np.bincount(way))
    places = zip(*np.unravel_index(ways, (len(stages), len(groups), len(names))), strict=True)
    cells = tuple(Cell(int(stage), int(group), names[channel]) for stage, group, channel in places)
    share: Floats = weight[ways] / weight[ways].sum()
    return cells, share


def _channels(rows: pd.DataFrame) -> tuple[Integers, list[str]]:
    """Return each lead's channel as a number, and their names; beyond the thirty largest they are "other"."""
    if "channel" not in rows:
        return np.zeros(len(rows), dtype=np.int64), [""]
    codes, kinds = pd.factorize(rows["channel"])
    given = [*map(str, kinds), ""]
    sizes = np.bincount(codes % len(given), minlength=len(given))
    ranked = sorted(range(len(given)), key=lambda place: (-sizes[place], given[place]))
    largest = {given[place] for place in ranked[:MOST_CHANNELS]}
    shown = [name if name in largest else OTHER for name in given]
    names = sorted({shown[place] for place in np.flatnonzero(sizes)})
    known = np.array([names.index(name) if name in names else 0 for name in shown], dtype=np.int64)
    numbers: Integers = known[codes]
    return numbers, names


def _words(coming: Outlook, counts: Floats, block: int, weekdays: bool) -> tuple[str, ...]:
    """Say what the pool chose."""
    name = "week" if block == WEEK else "four weeks"
    best = sorted(coming.weights.items(), key=lambda pair: -pair[1])[:3]
    listed = ", ".join(f"{forecaster} {weight:.0%}" for forecaster, weight in best)
    first = (
        f"Intake: {coming.expected[0]:.3g} leads expected in the first {name} (the last one had "
        f"{counts[-1]:.0f}); pool of {len(coming.weights)} forecasters judged on {coming.tried} past "
        f"forecasts, most weight on {listed}; typical error {coming.spread:.0%} beyond chance."
    )
    sentences = [first]
    if len(counts) * block < 2 * YEAR:
        sentences.append("Intake: under two years of history, so no season can be seen in it.")
    if weekdays:
        sentences.append("Intake: weekdays differ clearly, and so do the coming days.")
    return tuple(sentences)


@dataclass(frozen=True)
class Outlook:
    """What the pool expects.

    Args:
        expected: (blocks ahead,) expected leads in each coming block of days.
        spread: standard deviation of log(outcome / forecast) over the horizon, beyond Poisson luck.
        weights: forecaster -> its weight in the pool.
        tried: number of past forecasts that weights and spread rest on.
    """

    expected: Floats
    spread: float
    weights: dict[str, float]
    tried: int


def outlook(counts: Floats, season: int, horizon: int, ahead: int) -> Outlook:
    """Forecast leads per block of days from past blocks, with a spread from the pool's own past errors.

    The pool is the log-average of its forecasters with weights 1 / MSE^1.5, MSE being the discounted mean
    of squared past errors log(outcome / forecast) of the sum over the horizon, each capped at 0.7. Each
    past error uses only what was known at its origin.

    Args:
        counts: (blocks,) leads in each past block, oldest first.
        season: blocks in a year.
        horizon: blocks over which the forecast is to be good.
        ahead: blocks to forecast.

    >>> steady = outlook(np.full(12, 40.0), season=13, horizon=3, ahead=2)
    >>> steady.expected.round(2).tolist()
    [40.0, 40.0]
    """
    origins = range(1, len(counts) - horizon + 1)
    smooth = smoothing(counts)
    past = [_forecasts(counts[:origin], season, horizon, horizon, smooth) for origin in origins]
    outcome = np.array([counts[origin : origin + horizon].sum() for origin in origins])
    now = _forecasts(counts, season, horizon, max(ahead, horizon), smooth)
    errors = {name: np.full(len(past), np.nan) for name in now}
    pooled = np.full(len(past), np.nan)
    for origin, forecasts in enumerate(past):
        weights = _weights({name: errors[name][: max(origin - horizon + 1, 0)] for name in forecasts})
        mean = _log_average(forecasts, weights)[:horizon].sum()
        pooled[origin] = _log_error(outcome[origin], mean)
        for name, forecast in forecasts.items():
            if name in errors:
                errors[name][origin] = _log_error(outcome[origin], forecast[:horizon].sum())
    weights = _weights(errors)
    expected = _log_average(now, weights)[:ahead]
    return Outlook(expected, _spread(pooled, outcome), weights, len(past))


def smoothing(counts: Floats) -> Callable[[int, int], Floats]:
    """Return damped-trend exponential smoothing of log counts, refitted at every origin in one pass.

    level' = level + phi trend + alpha e, trend' = phi trend + alpha beta e; simple smoothing has no trend.
    Parameters lie on a grid; at each origin the one with the least AICc of its one-step errors so far is
    used. So past forecasts are as honest as today's, at the cost of one recursion for all of them.

    Returns:
        A function (origin, ahead) -> (ahead,) forecast from the first `origin` blocks.

    Source: Hyndman, Koehler, Snyder and Grose, International Journal of Forecasting 2002,
    doi:10.1016/S0169-2070(01)00110-8.
    """
    logs = np.log(counts + 0.5)
    alpha, beta, phi = _grid()
    level = np.full(alpha.size, logs[: min(4, len(logs))].mean() if len(logs) else 0.0)
    trend, squares = np.zeros(alpha.size), np.zeros(alpha.size)
    levels, trends, sums = [level], [trend], [squares]
    for value in logs:
        error = value - (level + phi * trend)
        level, trend = level + phi * trend + alpha * error, phi * trend + alpha * beta * error
        squares = squares + error**2
        levels.append(level)
        trends.append(trend)
        sums.append(squares)
    parameters = np.where(beta > 0, 5.0, 2.0)

    def forecast(origin: int, ahead: int) -> Floats:
        correction = 2 * parameters * origin / np.maximum(origin - parameters - 1, 0.5)
        best = int(np.argmin(origin * np.log(sums[origin] / max(origin, 1) + 1e-6) + correction))
        damped = np.cumsum(phi[best] ** np.arange(1, ahead + 1)) * trends[origin][best]
        return _positive(np.exp(levels[origin][best] + damped) - 0.5)

    return forecast


def seasonal_factors(counts: Floats, season: int) -> Floats:
    """Return the factor of each of the `season` blocks that follow, 1 on average (geometric).

    The factor of a time of year is the mean log ratio of its blocks to the average of the year around
    them, shrunk by years / (years + 1/2).
    """
    kernel = np.ones(season + 1 - season % 2)
    if season % 2 == 0:
        kernel[[0, -1]] = 0.5
    half = kernel.size // 2
    around = np.convolve(counts, kernel / kernel.sum(), mode="valid")
    ratio = np.log(counts[half : len(counts) - half] + 0.5) - np.log(around + 0.5)
    position = (np.arange(half, half + ratio.size) - len(counts)) % season
    years = np.bincount(position, minlength=season)
    logs = np.bincount(position, ratio, season) / (years + 0.5)
    factors: Floats = np.exp(logs - logs.mean())
    return factors


def _forecasts(
    counts: Floats, season: int, horizon: int, ahead: int, smooth: Callable[[int, int], Floats]
) -> dict[str, Floats]:
    """Return each forecaster's path that the history is long enough for."""
    number = len(counts)
    flat = np.ones(ahead)
    paths = {"flat": flat * counts[-min(horizon, number) :].mean()}
    levels = {f"level {keep}": _discounted(counts, keep) for keep in (0.4, 0.7, 0.9)}
    paths |= {name: flat * level for name, level in levels.items()}
    if number >= ENOUGH_FOR_SMOOTHING:
        paths["smoothing"] = smooth(number, ahead)
    if number >= 2 * season:
        factors = seasonal_factors(counts, season)
        coming = np.resize(factors, ahead)
        even = counts / np.resize(factors[::-1], number)[::-1]
        paths |= {f"season x level {keep}": coming * _discounted(even, keep) for keep in (0.4, 0.7, 0.9)}
        growth = counts[-season:].sum() / max(counts[-2 * season : -season].sum(), 0.5)
        paths["last year"] = np.resize(counts[-season:], ahead) * np.sqrt(np.clip(growth, 0.2, 5.0))
    return {name: _positive(forecast) for name, forecast in paths.items()}


def _discounted(counts: Floats, keep: float) -> float:
    """Return the mean with weights keep^age."""
    weights = keep ** np.arange(len(counts))[::-1]
    return float((counts * weights).sum() / weights.sum())


def _positive(forecast: Floats) -> Floats:
    floored: Floats = np.maximum(forecast, 0.02)
    return floored


def _log_error(outcome: float, forecast: float) -> float:
    return float(np.clip(np.log((outcome + 0.5) / (forecast + 0.5)), -LARGEST_ERROR, LARGEST_ERROR))


def _discounts(number: int) -> Floats:
    discounts: Floats = DISCOUNT ** np.arange(number, dtype=np.float64)[::-1]
    return discounts


def _weights(errors: dict[str, Floats]) -> dict[str, float]:
    """Return weights 1 / MSE^1.5; a forecaster without a record is taken to be as good as the average one."""
    squares, known = {}, {}
    for name, error in errors.items():
        known_error = ~np.isnan(error)
        discounts = _discounts(len(error))[known_error]
        squares[name], known[name] = (
            float((discounts * error[known_error] ** 2).sum()),
            float(discounts.sum()),
        )
    total = sum(known.values())
    typical = (sum(squares.values()) + PRIOR_SPREAD**2) / (total + 1.0)
    mse = {n: (squares[n] + PRIOR_WEIGHT * typical) / (known[n] + PRIOR_WEIGHT) for n in errors}
    raw = {name: max(value, 1e-6) ** -SHARPNESS for name, value in mse.items()}
    return {name: value / sum(raw.values()) for name, value in raw.items()}


def _log_average(forecasts: dict[str, Floats], weights: dict[str, float]) -> Floats:
    average: Floats = np.exp(sum(weights[name] * np.log(path) for name, path in forecasts.items()))
    return average


def _spread(errors: Floats, outcome: Floats) -> float:
    """Return the root of the discounted mean squared error, less what Poisson luck alone would give."""
    discounts = _discounts(len(errors))
    excess = (discounts * (errors**2 - 1.0 / np.maximum(outcome, 1.0))).sum()
    variance = (excess + PRIOR_WEIGHT * PRIOR_SPREAD**2) / (discounts.sum() + PRIOR_WEIGHT)
    return float(np.sqrt(np.clip(variance, LEAST_SPREAD**2, LARGEST_ERROR**2)))


def _grid() -> tuple[Floats, Floats, Floats]:
    """Return the parameters tried: simple smoothing first, then damped trends."""
    alphas = np.arange(0.1, 1.0, 0.1)
    alpha, beta, phi = (a.ravel() for a in np.meshgrid(alphas, [0.1, 0.3], [0.8, 0.9, 0.98], indexing="ij"))
    simple = np.zeros(alphas.size)
    return np.append(alphas, alpha), np.append(simple, beta), np.append(simple + 1.0, phi)
