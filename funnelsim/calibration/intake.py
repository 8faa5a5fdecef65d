"""Leads not yet born, from a history: the ways in, expected leads per day, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats, Integers
from funnelsim.calibration.counting import OTHER, blocks_back, group_numbers, numbers_of
from funnelsim.calibration.structural import (
    MONTH,
    MOST_BLOCKS,
    OF_COUNTS,
    SIZES,
    WEEK,
    YEAR,
    condition,
    each_block,
    sizes,
    variance_of_sum,
)
from funnelsim.model.model import Cell, Entries

PATH_DAYS = 2 * YEAR
# The last half year tells by which ways leads come, and how far ahead they state their date: a year costs 6 %
# at the hotel, elsewhere nothing. Conventions: a table of more channels is not read; and weekdays differ
# where they vary four times as much as weeks do (F of 4 with 6 degrees and many: p < .001).
SHARE_HALF_LIFE, MOST_CHANNELS, CLEAR_PATTERN = 180.0, 30, 4.0
# A convention: the mean of under two weeks may well be half or twice as much.
UNKNOWN_SPREAD = 0.4
# Of the normal law, for the middle 80 %.
TENTH = 1.2815515655446004
# Conventions of words: what is said of the level and the season, and from which weight on.
LIKELY, CLEAR_SEASON = 0.5, 0.05


def fit_entries(
    spells: pd.DataFrame,
    stages: Sequence[str],
    groups: Sequence[str] = ("all",),
    *,
    grouped_by: str = "segment",
    began: float = -np.inf,
    period: float = 91.0,
    as_of: pd.Timestamp | None = None,
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
        as_of: the as-of date, so that words can name a month.
    """
    rows = came_in(spells, began)
    if rows.empty:
        nothing = Entries((Cell(0, 0),), np.zeros(1), np.zeros(YEAR), UNKNOWN_SPREAD)
        return nothing, ("No lead ever came in, so no new leads are expected.",)
    day = np.asarray(rows["start"], dtype=np.float64)
    cells, share = _cells(rows, day, stages, groups, grouped_by)
    path, spread, notes = expected_path(day, max(began, float(day.min())), period, as_of)
    return Entries(cells, share, path, spread), notes


def came_in(spells: pd.DataFrame, began: float = -np.inf) -> pd.DataFrame:
    """Return the visits by which leads came in, new or back after an end, since recording began."""
    enters = spells["entry"].astype(bool)
    if "reopened" in spells:
        enters |= spells["reopened"].astype(bool)
    enters = enters & (spells["start"] >= began)
    return spells if enters.all() else spells[enters]  # of all, a copy would be for nothing


def intake_blocks(spells: pd.DataFrame, began: float = -np.inf) -> pd.DataFrame:
    """Return leads per block of days, past and to come in half a year: `Outlook.blocks` and the block's days.

    Returns:
        No rows where the record is shorter than two blocks.
    """
    day = came_in(spells, began)["start"].to_numpy(dtype=np.float64)
    since = max(began, float(day.min())) if len(day) else 0.0
    block = block_days(since)
    if int(-since // block) < 2:
        return pd.DataFrame()
    table = coming_leads(day, since, block, 91.0).blocks
    return table[table["block"] < YEAR // block // 2].assign(days=block)


def expected_path(
    day: Floats, began: float, period: float, as_of: pd.Timestamp | None = None
) -> tuple[Floats, float, tuple[str, ...]]:
    """Return expected leads per coming day, the spread of their sum over a period, and words.

    What is expected of a day does not depend on how many days after it are asked for. Where periods are
    shorter than four weeks, the first four weeks are forecast by weeks, what follows by blocks of four weeks.

    Args:
        day: (leads,) day on which each lead came, negative.
        began: first day on which leads were counted.
        period: days of one period to be forecast.
        as_of: the as-of date, so that words can name a month.
    """
    block = block_days(began)
    if int(-began // block) < 2:
        per_day = len(day) / max(-began, 1.0)
        sentence = f"Intake: {per_day:.3g} leads a day; the history is too short to say more."
        return np.full(PATH_DAYS, per_day), UNKNOWN_SPREAD, (sentence,)
    near = WEEK if period < MONTH else block
    coming = coming_leads(day, began, near, period)
    daily = np.repeat(coming.expected / near, near)
    if near != block:
        later = coming_leads(day, began, block, period)
        daily[MONTH:] = np.repeat(later.expected / block, block)[MONTH:]
    pattern, weekdays = weekday_pattern(day, int(-began // block) * block // WEEK)
    path = daily * np.resize(pattern, PATH_DAYS)
    return path, coming.spread, _words(coming, near, weekdays, as_of)


def block_days(began: float) -> int:
    """Return the days of a block: four weeks, or one where the record is shorter than three months.

    Weeks in the first year let two Christmas weeks set the level of a January (error of arrivals on fifteen
    sets x horizons .384, with months .336), so they serve near horizons and records of under three months.

    >>> block_days(-84.0), block_days(-83.0)
    (28, 7)
    """
    return WEEK if -began < 3 * MONTH else MONTH


def coming_leads(day: Floats, began: float, block: int, period: float) -> Outlook:
    """Return what is expected of two years in blocks of days, with the spread of a period."""
    span = max(int(np.ceil(period / block - 1e-9)), 1)
    return outlook(block_counts(day, began, block), YEAR // block, span, PATH_DAYS // block)


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


def _words(coming: Outlook, block: int, weekdays: bool, as_of: pd.Timestamp | None) -> tuple[str, ...]:
    """Say what is expected, and which models count most."""
    name = "week" if block == WEEK else "four weeks"
    most = ", ".join(f"{kind} {coming.weights[kind]:.0%}" for kind in ("break", "season", "walk", "noise"))
    first = (
        f"Intake: {coming.expected[0]:.3g} leads expected in the first {name} (the last one had "
        f"{coming.counts[-1]:.0f}); {_shape_words(coming, block, as_of)}; weight of models with a {most}; "
        f"typical error {coming.spread:.0%} beyond chance."
    )
    sentences = [first]
    if len(coming.counts) * block < 2 * YEAR:
        sentences.append("Intake: under two years of history, so little of a season can be seen in it.")
    if weekdays:
        sentences.append("Intake: weekdays differ clearly, and so do the coming days.")
    return tuple(sentences)


def _shape_words(coming: Outlook, block: int, as_of: pd.Timestamp | None) -> str:
    """Say how the level moved, and how large the season is."""
    number = len(coming.counts)
    level = "a level without a break"
    if coming.weights["break"] > LIKELY:
        ago = (number - int(coming.breaks.argmax())) * block
        when = f"{ago} days ago" if as_of is None else f"in {as_of - pd.Timedelta(days=ago):%B %Y}"
        level = f"a level that broke {when}"
    swing = float(np.log(coming.season[number:]).std())
    return f"{level}, a season of {swing:.0%}" if swing > CLEAR_SEASON else f"{level}, no clear season"


@dataclass(frozen=True)
class Outlook:
    """What the mixture says of past blocks, and expects of those to come.

    Args:
        counts: (blocks,) the past blocks that it rests on, oldest first.
        expected: (ahead,) mean leads in each coming block.
        spread: standard deviation of a common factor of mean 1 on the leads of the horizon, beyond Poisson
            luck.
        low, high: (ahead,) the middle 80 % of each single block, with Poisson luck.
        level: (blocks + ahead,) leads per block but for season, noise and pulses, past and to come.
        season: (blocks + ahead,) factor of the time of year.
        breaks: (blocks,) chance that the level broke just before each block.
        weights: what models may have ("break", "pulse", "season", "walk", "noise") -> weight of those that
            have it; of the sizes all but the least count.
    """

    counts: Floats
    expected: Floats
    spread: float
    low: Floats
    high: Floats
    level: Floats
    season: Floats
    breaks: Floats
    weights: dict[str, float]

    @property
    def blocks(self) -> pd.DataFrame:
        """One row per block: block (0 is the next), counted, expected, low, high, level, season."""
        past, ahead = len(self.counts), len(self.expected)
        none = np.full(past, np.nan)
        table = {"block": np.arange(-past, ahead), "counted": np.append(self.counts, np.full(ahead, np.nan))}
        coming = {"expected": self.expected, "low": self.low, "high": self.high}
        table |= {name: np.append(none, values) for name, values in coming.items()}
        return pd.DataFrame(table | {"level": self.level, "season": self.season})


def outlook(counts: Floats, season: int, horizon: int, ahead: int) -> Outlook:
    """Forecast leads per block of days from past blocks by a mixture of small structural models.

    log count(i) = level + walk(i) + growth(i) + season(i) + noise(i) + luck(i)
                   (+ jump x [i before a break], or + jump x [i is the pulse])

    Of four weeks, level ~ N(0, 2^2) about the mean of the logs; the walk adds steps N(0, w^2), the growth
    slopes N(0, .01^2) that persist by .9; season N(0, s^2) is the same every year, and alike within four
    weeks; noise N(0, e^2); jump N(0, 2^2); luck that of a Poisson count. Three sizes of w, e and s make 27
    models, each without a shape, or with a break or a pulse at any block. History and future are jointly
    normal, so each posterior is a linear solve, and no past forecast is needed. Models are weighted by
    prior x likelihood^.5. Of a block's log the mixture has the mean m and the variance v, within models and
    between them, of which u is due to coming steps of the walk. A block is expected to bring
    exp(m + (v - u) / 2): it is the counts that have no drift, not their logs, so a walk's steps bring as many
    leads as they take. The spread is sqrt(exp(v) - 1), v that of the log of the sum over the horizon.

    Args:
        counts: (blocks,) leads in each past block, oldest first; the last 60 count.
        season: blocks in a year.
        horizon: blocks over whose sum the spread is told; what is expected does not depend on it.
        ahead: blocks to forecast.

    Source: structural time series: Harvey, Forecasting, Structural Time Series Models and the Kalman
    Filter, 1989; likelihoods to a power: Holmes and Walker, Biometrika 2017, doi:10.1093/biomet/asx010.

    >>> steady = outlook(np.full(12, 400.0), season=13, horizon=3, ahead=2)
    >>> steady.expected.round(-1).tolist()
    [400.0, 400.0]
    """
    recent = np.asarray(counts, dtype=np.float64)[-MOST_BLOCKS:]
    number = len(recent)
    found = condition(recent, season, max(ahead, horizon), OF_COUNTS)
    variance = variance_of_sum(found, horizon)
    middle, single, steps = (part[:ahead] for part in each_block(found, season, OF_COUNTS))
    wide = TENTH * np.sqrt(single + np.exp(-middle))
    return Outlook(
        recent,
        np.exp(middle + (single - steps) / 2),
        float(np.sqrt(np.expm1(variance))),
        np.exp(middle - wide),
        np.exp(middle + wide),
        np.exp(found.level[: number + ahead]),
        np.exp(found.season[: number + ahead]),
        np.append(0.0, found.weight[:, 1:number].sum(axis=0)),
        _kinds(found.weight, number),
    )


def _kinds(weight: Floats, blocks: int) -> dict[str, float]:
    """Return the weight of all models with each shape, and of those with more than the least of each size."""
    shapes = {"break": weight[:, 1:blocks], "pulse": weight[:, blocks:]}
    parts = zip(("walk", "noise", "season"), sizes(OF_COUNTS), strict=True)
    more = {name: weight[size > min(SIZES)] for name, size in parts}
    return {name: float(rows.sum()) for name, rows in (shapes | more).items()}
