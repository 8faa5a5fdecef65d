"""Does the expected date of a lead mean something? Judged by what became of past dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.calibration.counting import visits_of, weighed_days
from funnelsim.calibration.posterior import posterior_table
from funnelsim.calibration.shocks import PRIOR_SPREAD, excess_spread, latest_windows
from funnelsim.history.log import DAY, History, bookings, days_since, known_at, open_leads, spells
from funnelsim.model.funnel import Funnel, winning_exits
from funnelsim.model.model import REACH, Due
from funnelsim.model.rates import DEFAULT_BINS, Counts

COLUMN = "expected_close"
DATES = "Dates:"
# A date that the win itself wrote is not counted as one: what stood there a week before is.
BEFOREHAND = pd.Timedelta(days=7)
# Conventions, wide on both sides: of hotel stays 96 % are won at their date, 0.3 % are overdue, 2 % of losses
# come after it and 22 % on it; where reps guess a date, or closing overwrites it, one of these is far off.
LEAST_WINS, LEAST_OPEN, LEAST_LOSSES = 50, 10, 20
LEAST_NEAR, MOST_OVERDUE, MOST_AFTER, MOST_ON_DATE = 0.8, 0.05, 0.1, 0.9
# Conventions: half a year's intake tells how far ahead leads state their date, and a group of fifty leads
# tells half of its own; a date over three years ahead is a slip; losses differ by four weeks, as wins do.
INTAKE_HALF_LIFE, GROUP_PRIOR, MOST_AHEAD, WINDOW = 180.0, 50.0, 1100, 28.0
EDGES = np.array(DEFAULT_BINS)


@dataclass(frozen=True)
class Punctuality:
    """What became of expected dates, as they were known a week before the lead closed.

    Args:
        wins, near: wins of leads with a date, and those within one day of it.
        open, overdue: open leads with a date, and those whose date is more than a day past.
        losses, on_date, after: losses of leads with a date, within one day of it, and later than that.
        followed: whether the record shows that dates changed, so that it holds them as they were.
    """

    wins: int
    near: int
    open: int
    overdue: int
    losses: int
    on_date: int
    after: int
    followed: bool


def has_dates(history: History) -> bool:
    """Return whether any lead of the history states an expected date."""
    return COLUMN in history.leads.columns and bool(history.leads[COLUMN].notna().any())


def punctuality(history: History) -> Punctuality:
    """Return what became of the expected dates of a history that has some."""
    won = _days_late(history, bookings(history)[["lead", "at"]])
    ended = history.events["stage"].isin(history.lost).to_numpy()
    lost = _days_late(history, history.events.loc[ended, ["lead", "at"]].reset_index(drop=True))
    waiting = due_days(open_leads(history)[COLUMN], history.until)
    waiting = waiting[np.isfinite(waiting)]
    changes = history.updates[COLUMN].notna().any() if COLUMN in history.updates.columns else False
    return Punctuality(
        len(won), int((np.abs(won) <= 1).sum()), len(waiting), int((waiting <= -2).sum()),
        len(lost), int((np.abs(lost) <= 1).sum()), int((lost > 1).sum()), bool(changes),
    )  # fmt: skip


def why_not(record: Punctuality) -> str:
    """Return why expected dates mean nothing here, "" when deals win at them.

    An export that overwrites the date when a deal closes makes every win punctual: its open deals are
    overdue, or its losses are as punctual as its wins, or come after their date. One that overwrites wins
    only, while nobody ever leaves an open date behind, would not be noticed.

    >>> why_not(Punctuality(900, 900, 200, 60, 900, 20, 300, False))
    '30% of 200 open deals are overdue'
    """
    if record.wins < LEAST_WINS:
        return f"only {record.wins:,} wins had one a week before"
    if record.near < LEAST_NEAR * record.wins:
        return f"only {record.near / record.wins:.0%} of {record.wins:,} wins came within one day of it"
    if record.open < LEAST_OPEN:
        return f"only {record.open} open deals have one"
    if record.overdue > MOST_OVERDUE * record.open:
        return f"{record.overdue / record.open:.0%} of {record.open:,} open deals are overdue"
    if record.on_date > MOST_ON_DATE * record.losses:
        share = f"{record.on_date / record.losses:.0%} of {record.losses:,} losses"
        return f"{share} fall on it as well, so the export seems to overwrite it on closing"
    if record.after > MOST_AFTER * record.losses:
        return f"{record.after / record.losses:.0%} of {record.losses:,} losses came after it"
    before = record.losses - record.on_date - record.after
    if before < LEAST_LOSSES and not record.followed:
        return f"{before} losses before it are too few to tell whether the export overwrites it on closing"
    return ""


def date_words(record: Punctuality) -> tuple[str, ...]:
    """Return in sentences whether deals win at their expected date, and what follows."""
    reason = why_not(record)
    if reason:
        return (f"{DATES} expected close dates are not used, as {reason}; leads win by their age.",)
    near, overdue = record.near / record.wins, record.overdue / record.open
    first = (
        f"{DATES} deals win at their expected date: {near:.1%} of {record.wins:,} wins came within one day "
        f"of it and {overdue:.1%} of {record.open:,} open deals are overdue; leads with a date drop out by "
        "days to it, and new ones are picked up by days ahead."
    )
    sentences = [first]
    if not record.followed:
        sentences.append(
            f"{DATES} the export shows them as they are now; earlier forecasts use the same ones."
        )
    return tuple(sentences)


def due_days(dates: pd.Series, until: pd.Timestamp) -> Floats:
    """Return the days from `until` to the start of each date's day, nan where there is none.

    >>> due_days(pd.Series(pd.to_datetime(["2026-01-03 12:00", None])), pd.Timestamp("2026-01-01"))
    array([ 2., nan])
    """
    return days_since(pd.to_datetime(dates).dt.normalize(), until)


def _days_late(history: History, ends: pd.DataFrame) -> Floats:
    """Return by how many days each end came after its lead's date, as known a week before; those with one.

    A lead that came in within that week has the date that it then stated.
    """
    came = history.events.drop_duplicates("lead").set_index("lead")["at"].reindex(ends["lead"])
    came = came.reset_index(drop=True)
    asked = (ends["at"] - BEFOREHAND).where(lambda at: at > came, came)
    dates = pd.to_datetime(known_at(history, COLUMN, ends["lead"], asked, exact=True))
    late = np.asarray((ends["at"].dt.normalize() - dates.dt.normalize()) / DAY, dtype=np.float64)
    return late[np.isfinite(late)]


@dataclass(frozen=True)
class Pieces:
    """Parts of visits during which a lead's date stayed the same, one element each.

    Args:
        stage, group: numbers.
        exit: position among the stage's exits, -1 while open or when only the date moved.
        start, stop: days since the as-of date, at most 0.
        due: day on which the date's day begins.
        enters: whether the lead came in with it.
        won: day of the lead's first win from `start` on, inf if none is known.
    """

    stage: Integers
    group: Integers
    exit: Integers
    start: Floats
    stop: Floats
    due: Floats
    enters: NDArray[np.bool_]
    won: Floats


def known_dates(history: History) -> pd.DataFrame:
    """Return when each lead's date was known to be what: columns lead, since, until (days), due."""
    leads = history.leads
    known = leads.loc[leads[COLUMN].notna().to_numpy(), COLUMN]
    fixed = pd.DataFrame({"lead": known.index, "date": known.to_numpy(), "since": -np.inf, "until": np.inf})
    if COLUMN in history.updates.columns:
        rows = history.updates[history.updates[COLUMN].notna().to_numpy()]
        rows = rows.sort_values(["lead", "at"], kind="stable").drop_duplicates(["lead", "at"], keep="last")
        moving = pd.DataFrame({"lead": rows["lead"].to_numpy(), "date": rows[COLUMN].to_numpy()})
        moving["since"] = days_since(rows["at"], history.until)
        moving["until"] = moving.groupby("lead")["since"].shift(-1).fillna(np.inf)
        fixed = pd.concat([fixed[~fixed["lead"].isin(rows["lead"])], moving], ignore_index=True)
    fixed["due"] = due_days(pd.Series(pd.to_datetime(fixed["date"])), history.until)
    return fixed.drop(columns="date")


def pieces_of(history: History, funnel: Funnel, groups: Sequence[str], grouped_by: str) -> Pieces:
    """Return the parts of visits with a date; where a date moved, a visit is cut in two.

    A visit's exit belongs to the date that was known just before it: one that is overwritten by the win
    is not the one that the win is judged by.
    """
    visited = spells(history)
    began = float((history.began - history.until) / DAY)
    visits = visits_of(visited, funnel, groups, grouped_by=grouped_by, began=began)
    frame = pd.DataFrame(
        {
            "lead": visited["lead"], "stage": visits.stage, "group": visits.group, "exit": visits.exit,
            "start": visits.start + visits.since, "stop": visits.start + visits.dwell,
            "enters": (visited["entry"] | visited["reopened"]).to_numpy() & (visits.since == 0),
        }
    ).astype({"lead": "str"})  # fmt: skip
    parts = frame.merge(known_dates(history).astype({"lead": "str"}), on="lead")
    at_once = (parts["start"] == parts["stop"]) & parts["start"].between(
        parts["since"], parts["until"], inclusive="left"
    )
    start, stop = parts[["start", "since"]].max(axis=1), parts[["stop", "until"]].min(axis=1)
    parts = parts.assign(
        exit=parts["exit"].where(at_once | (parts["until"] >= parts["stop"]), -1),
        enters=parts["enters"] & (parts["since"] <= parts["start"]),
        start=start, stop=stop,
    )[at_once | (stop > start)]  # fmt: skip
    stage, group, taken = (parts[name].to_numpy(dtype=np.int64) for name in ("stage", "group", "exit"))
    begun, ended, due = (parts[name].to_numpy(dtype=np.float64) for name in ("start", "stop", "due"))
    enters = parts["enters"].to_numpy(dtype=np.bool_)
    return Pieces(stage, group, taken, begun, ended, due, enters, _won_after(history, parts))


def _won_after(history: History, parts: pd.DataFrame) -> Floats:
    """Return the day of each part's lead's first win from the part's start on, inf where none is."""
    booked = bookings(history)
    wins = pd.DataFrame(
        {"lead": booked["lead"].astype("str"), "won": days_since(booked["at"], history.until)}
    )
    asked = pd.DataFrame({"lead": parts["lead"].to_numpy(), "won": parts["start"].to_numpy()})
    asked["row"] = np.arange(len(asked))
    first = pd.merge_asof(
        asked.sort_values("won").rename(columns={"won": "from"}),
        wins.sort_values("won").assign(day=lambda frame: frame["won"]),
        left_on="from", right_on="won", by="lead", direction="forward",
    )  # fmt: skip
    return first.sort_values("row")["day"].fillna(np.inf).to_numpy(dtype=np.float64)


def fit_due(
    history: History, funnel: Funnel, groups: Sequence[str], *, grouped_by: str, half_life: float
) -> tuple[Due | None, tuple[str, ...]]:
    """Return the clock of expected dates, None where they mean nothing, and the reason in words.

    Args:
        history: what happened; without any expected date there is nothing to say.
        funnel, groups, grouped_by: the map and the kinds of lead of the model.
        half_life: days after which an observation weighs half.
    """
    if not has_dates(history):
        return None, ()
    if funnel.wins_again:
        return None, ("Dates: expected close dates are not used, as leads win again; they win by their age.",)
    record = punctuality(history)
    if why_not(record):
        return None, date_words(record)
    pieces = pieces_of(history, funnel, groups, grouped_by)
    counts = count_pieces(pieces, funnel, len(groups), half_life)
    reached, hits, late = outcomes(pieces, funnel, len(groups), half_life)
    stated, ahead = dates_on_entry(history, funnel, groups, grouped_by)
    spread = drop_out_spread(pieces, funnel, counts)
    return Due(counts, reached, hits, late, stated, ahead, spread), date_words(record)


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


def dates_on_entry(
    history: History, funnel: Funnel, groups: Sequence[str], grouped_by: str
) -> tuple[Floats, Floats]:
    """Return what leads state when they come in: whether there is a date, and how many days ahead.

    This is the additive pick-up, as shares of the intake: its level is that of all leads to come. Recent
    leads weigh more; a group's days ahead are shrunk to those of all by fifty leads.

    Returns:
        stated (groups, stages) and ahead (groups, days): see `Due`.
    """
    frame = spells(history)
    came = frame[(frame["entry"] | frame["reopened"]).to_numpy()].reset_index(drop=True)
    visits = visits_of(came, funnel, groups, grouped_by=grouped_by)
    at = history.until + pd.to_timedelta(came["start"], unit="D").dt.round("us")
    dates = known_at(history, COLUMN, came["lead"], at, exact=True)
    ahead = np.floor(due_days(dates, history.until) - due_days(at, history.until) + 0.5)
    stated = ahead >= 0
    weight = 2.0 ** (visits.start / INTAKE_HALF_LIFE)
    shape = (len(groups), len(funnel.stages))
    place = (visits.group * shape[1] + visits.stage).astype(np.int64)
    every = np.bincount(place, weight, shape[0] * shape[1])
    with_date = np.bincount(place, weight * stated, shape[0] * shape[1])
    rows = stated & (ahead <= MOST_AHEAD)
    days = int(ahead[rows].max(initial=0.0)) + 1
    cell = visits.group[rows].astype(np.int64) * days + ahead[rows].astype(np.int64)
    own = np.bincount(cell, weight[rows], shape[0] * days).reshape(shape[0], days)
    pooled = own.sum(axis=0) / max(float(own.sum()), 1e-12)
    of_group = np.bincount(visits.group[stated], weight[stated], shape[0])[:, None]
    shrunk: Floats = (own + GROUP_PRIOR * pooled) / (of_group + GROUP_PRIOR)
    return (with_date / np.maximum(every, 1e-12)).reshape(shape), shrunk


def drop_out_spread(pieces: Pieces, funnel: Funnel, counts: Counts) -> float:
    """Return how much windows of four weeks differ in their losses, beyond the rates and Poisson luck."""
    lost = (funnel.targets >= len(funnel.stages)) & ~winning_exits(funnel)
    rate = (posterior_table(counts, funnel) * lost[:, :, None]).sum(axis=2)
    windows = latest_windows(float(pieces.start.min(initial=0.0)), WINDOW)
    observed, expected = [], []
    for window in windows:
        counts = count_pieces(pieces, funnel, len(rate), window=window)
        observed.append(float((counts.events * lost[:, :, None]).sum()))
        expected.append(float((rate * counts.exposure).sum()))
    return excess_spread(np.array(observed), np.array(expected)) if windows else PRIOR_SPREAD
