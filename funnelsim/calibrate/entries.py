"""Leads not yet born, from a history: the ways in, expected leads per day, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.exits import OTHER, group_numbers, numbered
from funnelsim.calibrate.intake import PRIOR_SPREAD, Outlook, outlook
from funnelsim.model.entries import Cell, Entries

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

YEAR, MONTH, WEEK = 364, 28, 7
SHARE_HALF_LIFE = 180.0
MOST_CHANNELS = 30
PATH_DAYS = 2 * YEAR
CLEAR_PATTERN = 4.0


def fit_entries(
    spells: pd.DataFrame,
    stages: Sequence[str],
    groups: Sequence[str] = ("all",),
    *,
    grouped_by: str = "segment",
    began: float = -np.inf,
    horizon: float = 91.0,
) -> tuple[Entries, tuple[str, ...]]:
    """Return the intake from the as-of date on, and what was chosen in words.

    Leads are counted in blocks of four weeks (of one week when the history is shorter than a year, or the
    horizon than four weeks), back from the as-of date, so that no block is cut and every weekday weighs
    alike. A lead that comes back after an end counts as a new one.

    Args:
        spells: columns stage, start (days since the as-of date), entry, and optionally reopened, channel
            and the column that groups come from.
        stages: stage names, numbered as in the funnel.
        groups: group names.
        began: day on which recording began; earlier leads are not counted.
        horizon: days over which the forecast is to be good.
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
    path, spread, notes = expected_path(day, max(began, float(day.min())), horizon)
    return Entries(cells, share, path, spread), notes


def expected_path(day: Floats, began: float, horizon: float) -> tuple[Floats, float, tuple[str, ...]]:
    """Return expected leads per coming day, the spread of their sum over the horizon, and words.

    Args:
        day: (leads,) day on which each lead came, negative.
        began: first day on which leads were counted.
    """
    block = WEEK if -began < YEAR or horizon < MONTH else MONTH
    blocks = int(-began // block)
    if blocks < 2:
        per_day = len(day) / max(-began, 1.0)
        sentence = f"Intake: {per_day:.3g} leads a day; the history is too short to say more."
        return np.full(PATH_DAYS, per_day), 2 * PRIOR_SPREAD, (sentence,)
    counts = np.bincount((-day / block).astype(np.int64), minlength=blocks)[:blocks][::-1].astype(np.float64)
    span = int(np.clip(np.ceil(horizon / block - 1e-9), 1, max(blocks // 2, 1)))
    found = outlook(counts, YEAR // block, span, PATH_DAYS // block)
    pattern, weekdays = weekday_pattern(day, blocks * block // WEEK)
    path = np.repeat(found.expected / block, block) * np.resize(pattern, PATH_DAYS)
    return path, found.spread, _words(found, counts, block, weekdays)


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
    fitted = np.maximum(by_week * by_day / table.sum(), 1e-9)
    within = max(1.0, float(((table - fitted) ** 2 / fitted).sum() / ((weeks - 1) * (WEEK - 1))))
    between = float(((fitted - even) ** 2 / np.maximum(even, 1e-9)).sum() / (WEEK - 1))
    if between < CLEAR_PATTERN * within:
        return np.ones(WEEK), False
    factors: Floats = WEEK * by_day[0] / table.sum()
    return factors, True


def _cells(
    rows: pd.DataFrame, day: Floats, stages: Sequence[str], groups: Sequence[str], grouped_by: str
) -> tuple[tuple[Cell, ...], Floats]:
    """Return the ways in and their shares, recent leads weighing more."""
    stage = numbered(rows["stage"], {name: row for row, name in enumerate(stages)}, 0)
    group = group_numbers(rows.get(grouped_by), groups, len(rows))
    channel, names = _channels(rows)
    way = (stage * len(groups) + group) * len(names) + channel
    weight = np.bincount(way, 2.0 ** (day / SHARE_HALF_LIFE))
    found = np.flatnonzero(np.bincount(way))
    places = zip(*np.unravel_index(found, (len(stages), len(groups), len(names))), strict=True)
    cells = tuple(Cell(int(stage), int(group), names[channel]) for stage, group, channel in places)
    share: Floats = weight[found] / weight[found].sum()
    return cells, share


def _channels(rows: pd.DataFrame) -> tuple[Integers, list[str]]:
    """Return each lead's channel as a number, and their names; beyond the thirty largest they are "other"."""
    if "channel" not in rows:
        return np.zeros(len(rows), dtype=np.int64), [""]
    codes, found = pd.factorize(rows["channel"])
    given = [*map(str, found), ""]
    sizes = np.bincount(codes % len(given), minlength=len(given))
    largest = {given[place] for place in np.argsort(-sizes, kind="stable")[:MOST_CHANNELS]}
    shown = [name if name in largest else OTHER for name in given]
    names = sorted({shown[place] for place in np.flatnonzero(sizes)})
    known = np.array([names.index(name) if name in names else 0 for name in shown], dtype=np.int64)
    numbers: Integers = known[codes]
    return numbers, names


def _words(found: Outlook, counts: Floats, block: int, weekdays: bool) -> tuple[str, ...]:
    """Say what the pool chose."""
    name = "week" if block == WEEK else "four weeks"
    best = sorted(found.weights.items(), key=lambda pair: -pair[1])[:3]
    listed = ", ".join(f"{forecaster} {weight:.0%}" for forecaster, weight in best)
    first = (
        f"Intake: {found.expected[0]:.3g} leads expected in the first {name} (the last one had "
        f"{counts[-1]:.0f}); pool of {len(found.weights)} forecasters judged on {found.tried} past "
        f"forecasts, most weight on {listed}; typical error {found.spread:.0%} beyond chance."
    )
    sentences = [first]
    if len(counts) * block < 2 * YEAR:
        sentences.append("Intake: under two years of history, so no season can be seen in it.")
    if weekdays:
        sentences.append("Intake: weekdays differ clearly, and so do the coming days.")
    return tuple(sentences)
