"""The clock of expected dates, from a history: drop-outs by days to the date, wins at it, new leads ahead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.exits import visits_of, weighed_days
from funnelsim.calibrate.pieces import Pieces, pieces_of
from funnelsim.calibrate.posterior import posterior_table, winning_exits
from funnelsim.calibrate.punctual import COLUMN, date_words, due_days, evidence, has_dates, why_not
from funnelsim.calibrate.shocks import PRIOR_SPREAD, excess_spread, latest_windows
from funnelsim.history.log import History, known_at, spells
from funnelsim.model.due import REACH, Due
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import DEFAULT_BINS, Counts

Floats = NDArray[np.float64]

INTAKE_HALF_LIFE = 180.0
GROUP_PRIOR = 50.0
MOST_AHEAD = 1100
WINDOW = 28.0
EDGES = np.array(DEFAULT_BINS)


def fit_due(
    history: History, funnel: Funnel, groups: Sequence[str], *, grouped_by: str, half_life: float
) -> tuple[Due | None, tuple[str, ...]]:
    """Return the clock of expected dates, None where they mean nothing, and what was found in words.

    Args:
        history: what happened; without any expected date there is nothing to say.
        funnel, groups, grouped_by: the map and the kinds of lead of the model.
        half_life: days after which an observation weighs half.
    """
    if not has_dates(history):
        return None, ()
    if funnel.wins_again:
        return None, ("Dates: expected close dates are not used, as leads win again; they win by their age.",)
    found = evidence(history)
    if why_not(found):
        return None, date_words(found)
    pieces = pieces_of(history, funnel, groups, grouped_by)
    counts = count_pieces(pieces, funnel, len(groups), half_life)
    reached, hits, late = outcomes(pieces, funnel, len(groups), half_life)
    stated, ahead = coming(history, funnel, groups, grouped_by)
    spread = drop_out_spread(pieces, funnel, counts)
    return Due(counts, reached, hits, late, stated, ahead, spread), date_words(found)


def count_pieces(
    pieces: Pieces,
    funnel: Funnel,
    groups: int,
    half_life: float = np.inf,
    window: tuple[float, float] = (-np.inf, np.inf),
) -> Counts:
    """Count leavers but winners, and days at risk, by days until the date's day begins.

    Every event, and every instant of exposure, weighs 2^(t / half_life), t being its day.

    Args:
        pieces: parts of visits with a date.
        funnel: the map.
        groups: number of groups.
        half_life: days after which an observation weighs half.
        window: first day (included) and last day (not) of what is counted.

    Returns:
        Counts with events (groups, stages, exits, bins) and exposure (groups, stages, bins).
    """
    stages, exits = funnel.targets.shape
    first = np.maximum(pieces.start, window[0])
    last = np.maximum(np.minimum(pieces.stop, window[1]), first)
    moments = np.clip(pieces.due[:, None] - np.append(EDGES, np.inf), first[:, None], last[:, None])
    days = -np.diff(weighed_days(moments, half_life), axis=1)
    place = pieces.group * stages + pieces.stage
    exposure = np.stack([np.bincount(place, column, groups * stages) for column in days.T], axis=-1)
    left = (pieces.exit >= 0) & (pieces.stop < pieces.due)
    left &= (pieces.stop >= window[0]) & (pieces.stop < window[1])
    left &= ~winning_exits(funnel)[pieces.stage, pieces.exit]
    away = np.searchsorted(EDGES, (pieces.due - pieces.stop)[left], side="right") - 1
    cell = (place[left] * exits + pieces.exit[left]) * len(EDGES) + away
    weight = 2.0 ** (pieces.stop[left] / half_life)
    events = np.bincount(cell, weight, groups * stages * exits * len(EDGES))
    return Counts(
        EDGES,
        events.reshape(groups, stages, exits, len(EDGES)).astype(np.float64),
        exposure.reshape(groups, stages, len(EDGES)).astype(np.float64),
    )


def outcomes(
    pieces: Pieces, funnel: Funnel, groups: int, half_life: float = np.inf
) -> tuple[Floats, Floats, Floats]:
    """Return what became of leads whose date's day began, or that won before it.

    Only dates so long past that a late win would be known are counted.

    Returns:
        reached, hits (groups, stages), and late (2 REACH + 1,): see `Due`.
    """
    stages = len(funnel.stages)
    ended = (pieces.exit >= 0) & (funnel.targets[pieces.stage, pieces.exit] >= stages)
    there = (pieces.start <= pieces.due) & (
        (pieces.stop > pieces.due) | ((pieces.stop == pieces.due) & (ended | (pieces.exit < 0)))
    )
    same_day = pieces.enters & (pieces.start > pieces.due) & (pieces.start < pieces.due + 1)
    early = (pieces.exit >= 0) & (pieces.stop < pieces.due)
    early &= winning_exits(funnel)[pieces.stage, pieces.exit]
    counted = (there | same_day | early) & (pieces.due <= -REACH - 1)
    won = counted & (pieces.won < pieces.due + 1 + REACH)
    weight = 2.0 ** (pieces.due / half_life)
    place = pieces.group * stages + pieces.stage
    reached = np.bincount(place[counted], weight[counted], groups * stages).astype(np.float64)
    hits = np.bincount(place[won], weight[won], groups * stages).astype(np.float64)
    days = np.clip(np.floor((pieces.won - pieces.due)[won]), -REACH, REACH).astype(np.int64)
    late = np.bincount(days + REACH, weight[won], 2 * REACH + 1)
    shares: Floats = late / max(float(late.sum()), 1e-12)
    return reached.reshape(groups, stages), hits.reshape(groups, stages), shares


def coming(history: History, funnel: Funnel, groups: Sequence[str], grouped_by: str) -> tuple[Floats, Floats]:
    """Return what leads state when they come in: whether there is a date, and how many days ahead.

    This is the additive pick-up, as shares of the intake: its level is that of all leads to come. Recent
    leads weigh more; a group's days ahead are shrunk to those of all by fifty leads.

    Returns:
        stated (groups, stages) and ahead (groups, days): see `Due`.
    """
    visited = spells(history)
    came = visited[(visited["entry"] | visited["reopened"]).to_numpy()].reset_index(drop=True)
    visits = visits_of(came, funnel, groups, grouped_by=grouped_by)
    at = history.until + pd.to_timedelta(came["start"], unit="D").dt.round("us")
    dates = known_at(history, COLUMN, came["lead"], at, exact=True)
    ahead = np.floor(due_days(dates, history.until) - due_days(at, history.until) + 0.5)
    stated = ahead >= 0
    weight = 2.0 ** (visits.start / INTAKE_HALF_LIFE)
    shape = (len(groups), len(funnel.stages))
    place = (visits.group * shape[1] + visits.stage).astype(np.int64)
    every = np.bincount(place, weight, shape[0] * shape[1])
    dated = np.bincount(place, weight * stated, shape[0] * shape[1])
    rows = stated & (ahead <= MOST_AHEAD)
    days = int(ahead[rows].max(initial=0.0)) + 1
    cell = visits.group[rows].astype(np.int64) * days + ahead[rows].astype(np.int64)
    own = np.bincount(cell, weight[rows], shape[0] * days).reshape(shape[0], days)
    pooled = own.sum(axis=0) / max(float(own.sum()), 1e-12)
    of_group = np.bincount(visits.group[stated], weight[stated], shape[0])[:, None]
    shrunk: Floats = (own + GROUP_PRIOR * pooled) / (of_group + GROUP_PRIOR)
    return (dated / np.maximum(every, 1e-12)).reshape(shape), shrunk


def drop_out_spread(pieces: Pieces, funnel: Funnel, counts: Counts) -> float:
    """Return how much windows of four weeks differ in their losses, beyond the rates and Poisson luck."""
    lost = (funnel.targets >= len(funnel.stages)) & ~winning_exits(funnel)
    rate = (posterior_table(counts, funnel) * lost[:, :, None]).sum(axis=2)
    windows = latest_windows(float(pieces.start.min(initial=0.0)), WINDOW)
    seen, said = [], []
    for window in windows:
        found = count_pieces(pieces, funnel, len(rate), window=window)
        seen.append(float((found.events * lost[:, :, None]).sum()))
        said.append(float((rate * found.exposure).sum()))
    return excess_spread(np.array(seen), np.array(said)) if windows else PRIOR_SPREAD
