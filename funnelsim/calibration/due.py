"""Does the expected date of a lead mean something? Judged by what became of past dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.calibration.counting import visits_of, weighed_days
from funnelsim.calibration.intake import SHARE_HALF_LIFE
from funnelsim.calibration.posterior import PRIOR_CASES, posterior_table
from funnelsim.calibration.shocks import Level, excess_spread, expected_by, latest_windows, level_of
from funnelsim.history.log import (
    DAY,
    History,
    among,
    bookings,
    days_since,
    first_moments,
    known_at,
    open_leads,
    spells,
)
from funnelsim.history.metrics import Cohort, aalen_johansen
from funnelsim.model.funnel import Funnel, winning_exits
from funnelsim.model.model import LEAD_TIMES, REACH, Due, lead_time_classes
from funnelsim.model.rates import DEFAULT_BINS, Counts

COLUMN = "expected_close"
DATES = "Dates:"
# A date that the win itself wrote is not counted as one: what stood there a week before is.
BEFOREHAND = pd.Timedelta(days=7)
# Conventions, wide on both sides: of hotel stays 96 % are won at their date, 0.3 % are overdue, 2 % of losses
# come after it and 22 % on it; where reps guess a date, or closing overwrites it, one of these is far off.
LEAST_WINS, LEAST_OPEN, LEAST_LOSSES = 50, 10, 20
LEAST_NEAR, MOST_OVERDUE, MOST_AFTER, MOST_ON_DATE = 0.8, 0.05, 0.1, 0.9
# Where losses fall on dates as well, these are deadlines, or were overwritten. Two things tell. Days ahead of
# open leads are under deadlines by luck at most 1.63 / sqrt(n) apart from those of ended ones (Kolmogorov's
# one per cent, whose table holds from thirty on), or a tenth, as habits change; and days of won and lost
# leads are alike. Of 44 made-up CRMs that overwrite (tests/test_punctual.py) six look like deadlines by the
# first, four by the second (a gap of .2, by convention), one by both; crowd-funding only confirmed it.
LEAST_AHEAD, LUCK_APART, HABIT_APART, MOST_UNLIKE = 30, 1.63, 0.1, 0.2
# Conventions: a date over three years ahead is a slip; losses differ by four weeks, as wins do.
MOST_AHEAD, WINDOW = 1100, 28.0
# Prices are looked at a year ahead; amounts all alike are known to a hundredth.
PRICE_BLOCKS, LEAST_LUCK = 13, 1e-4
EDGES = np.array(DEFAULT_BINS)
# Factors are found when none moves by a thousandth any more, of the hotels after 20 rounds; a note tells of
# what differs twofold.
SAME_FACTOR, MOST_ROUNDS, CLEAR_FACTOR, LEAST_AT_RISK = 1e-3, 100, 2.0, 1e-9


@dataclass(frozen=True)
class Punctuality:
    """What became of expected dates, as they were known a week before the lead closed.

    Args:
        wins, near: wins of leads with a date, and those within one day of it.
        open, overdue: open leads with a date, and those whose date is more than a day past.
        losses, on_date, after: losses of leads with a date, within one day of it, and later than that.
        followed: whether the record shows that dates changed, so that it holds them as they were.
        ahead: open leads whose date lies ahead; counted where losses fall on dates as wins do.
        apart: greatest gap between the shares of these by days from coming in to the date, and those that
            ended leads let expect; 1 where not looked at.
        unlike: greatest gap between such shares of won and of lost leads; 1 where not looked at.
    """

    wins: int
    near: int
    open: int
    overdue: int
    losses: int
    on_date: int
    after: int
    followed: bool
    ahead: int = 0
    apart: float = 1.0
    unlike: float = 1.0

    @property
    def decided(self) -> bool:
        """Whether leads are decided at their date, won or lost: it is a deadline."""
        if self.losses < LEAST_LOSSES or self.on_date <= MOST_ON_DATE * self.losses:
            return False
        if self.followed:
            return True
        close = self.apart <= max(LUCK_APART / np.sqrt(max(self.ahead, 1)), HABIT_APART)
        return self.ahead >= LEAST_AHEAD and bool(close) and self.unlike <= MOST_UNLIKE


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
    found = Punctuality(
        len(won), int((np.abs(won) <= 1).sum()), len(waiting), int((waiting <= -2).sum()),
        len(lost), int((np.abs(lost) <= 1).sum()), int((lost > 1).sum()), bool(changes),
    )  # fmt: skip
    if found.on_date <= MOST_ON_DATE * found.losses or changes:
        return found
    ahead, apart, unlike = _days_apart(history)
    return replace(found, ahead=ahead, apart=apart, unlike=unlike)


def _days_apart(history: History) -> tuple[int, float, float]:
    """Return how many open leads have a date ahead, how far their days are from others', and won from lost.

    With S(x) the share of leads that state a date more than x days after they came in (Kaplan-Meier, open
    ones being seen for their age only), a lead of age a has a date within x days by the chance
    1 - S(x) / S(a). The gap is the greatest one between the shares that these chances add up to and those
    that are stated.
    """
    came = first_moments(history)
    date = pd.to_datetime(history.leads[COLUMN]).reindex(came.index)
    came, date = came[date.notna()], date[date.notna()]
    age = -days_since(came, history.until)
    days = days_since(date, history.until) + age
    unseen = np.maximum(-days_since(came, history.began), 0.0)
    waits = among(came.index, open_leads(history)["lead"])
    lasted = np.where(waits, age, np.maximum(days, 0.0))
    seen = lasted > unseen
    left = aalen_johansen(Cohort(lasted[seen], (~waits[seen]).astype(np.int64), unseen[seen]), 1)
    share = np.append(0.0, left.share)
    rows = waits & (days > age)
    stated, age = np.sort(days[rows]), age[rows][np.argsort(days[rows], kind="stable")]
    won = among(came.index, bookings(history)["lead"])
    if not len(stated) or not won.any() or (won | waits).all():
        return 0, 1.0, 1.0
    ends = np.sort(lasted[~waits])
    shares = [
        np.searchsorted(np.sort(one), ends, side="right") / len(one)
        for one in (lasted[won], lasted[~won & ~waits])
    ]
    gap = 0.0
    for side in ("left", "right"):
        beyond = 1 - share[np.searchsorted(left.days, stated, side=side)]
        still = 1 - share[np.searchsorted(left.days, age, side="right")]
        within = np.clip(1 - beyond[:, None] / np.maximum(still, 1e-12), 0.0, 1.0).sum(axis=1)
        gap = max(gap, float(np.abs(within - np.searchsorted(stated, stated, side=side)).max()))
    return len(stated), gap / len(stated), float(np.abs(shares[0] - shares[1]).max())


def why_not(record: Punctuality) -> str:
    """Return why expected dates mean nothing here, "" when deals win at them or are decided at them.

    An export that overwrites the date when a deal closes makes every win punctual: its open deals are
    overdue, or its losses are as punctual as its wins, or come after their date. Losses are as punctual at a
    deadline too (`Punctuality.decided`), but then open deals state dates as far ahead as ended ones did. One
    that overwrites wins only, while nobody ever leaves an open date behind, would not be noticed.

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
    if record.on_date > MOST_ON_DATE * record.losses and not record.decided:
        share = f"{record.on_date / record.losses:.0%} of {record.losses:,} losses"
        return f"{share} fall on it as well, so the export seems to overwrite it on closing"
    if record.after > MOST_AFTER * record.losses:
        return f"{record.after / record.losses:.0%} of {record.losses:,} losses came after it"
    before = record.losses - record.on_date - record.after
    if before < LEAST_LOSSES and not record.followed and not record.decided:
        return f"{before} losses before it are too few to tell whether the export overwrites it on closing"
    return ""


def dates_tell(history: History) -> bool:
    """Return whether leads live by their expected dates, so that `fit_due` makes a clock of them."""
    return has_dates(history) and not history.again and not why_not(punctuality(history))


def date_words(record: Punctuality) -> tuple[str, ...]:
    """Return in sentences whether deals win at their expected date, and what follows."""
    reason = why_not(record)
    if reason:
        return (f"{DATES} expected close dates are not used, as {reason}; leads win by their age.",)
    near, overdue = record.near / record.wins, record.overdue / record.open
    wins, waiting = f"{near:.1%} of {record.wins:,} wins", f"{overdue:.1%} of {record.open:,} open deals"
    first = (
        f"{DATES} deals win at their expected date: {wins} came within one day of it and {waiting} are "
        "overdue; leads with a date drop out by days to it, and new ones are picked up by days ahead."
    )
    if record.decided:
        lost = f"{record.on_date / record.losses:.1%} of {record.losses:,} losses"
        first = (
            f"{DATES} deals are decided at their expected date, as at a deadline: {wins} and {lost} came "
            f"within one day of it and {waiting} are overdue; a lead with a date wins then by the share of "
            "those before it, and new ones are picked up by days ahead."
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
    came = first_moments(history).reindex(ends["lead"])
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
        paid: amount of that win, nan where none is known.
        came: day on which the lead came in.
        shown: amount that the lead showed, nan where none.
    """

    stage: Integers
    group: Integers
    exit: Integers
    start: Floats
    stop: Floats
    due: Floats
    enters: NDArray[np.bool_]
    won: Floats
    paid: Floats
    came: Floats
    shown: Floats


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
            "shown": visited["value"].astype(np.float64),
        }
    ).astype({"lead": "str"})  # fmt: skip
    frame["came"] = frame.groupby("lead")["start"].transform("min")
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
    names = ("start", "stop", "due", "came", "shown")
    begun, ended, due, came, shown = (parts[name].to_numpy(dtype=np.float64) for name in names)
    enters = parts["enters"].to_numpy(dtype=np.bool_)
    won, paid = _won_after(history, parts)
    return Pieces(stage, group, taken, begun, ended, due, enters, won, paid, came, shown)


def _won_after(history: History, parts: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return day and amount of each part's lead's first win from the part's start on; inf and nan without."""
    booked = bookings(history)
    wins = pd.DataFrame(
        {
            "lead": booked["lead"].astype("str"),
            "won": days_since(booked["at"], history.until),
            "paid": booked["value"].astype(np.float64),
        }
    )
    asked = pd.DataFrame({"lead": parts["lead"].to_numpy(), "won": parts["start"].to_numpy()})
    asked["row"] = np.arange(len(asked))
    first = pd.merge_asof(
        asked.sort_values("won").rename(columns={"won": "from"}),
        wins.sort_values("won").assign(day=lambda frame: frame["won"]),
        left_on="from", right_on="won", by="lead", direction="forward",
    )  # fmt: skip
    first = first.sort_values("row")
    day, paid = (first[name].to_numpy(dtype=np.float64) for name in ("day", "paid"))
    return np.where(np.isnan(day), np.inf, day), paid


def fit_due(
    history: History, funnel: Funnel, groups: Sequence[str], *, grouped_by: str, half_life: float,
    typical: Floats | None = None,
) -> tuple[Due | None, tuple[str, ...]]:  # fmt: skip
    """Return the clock of expected dates, None where they mean nothing, and the reason in words.

    Args:
        history: what happened; without any expected date there is nothing to say.
        funnel, groups, grouped_by: the map and the kinds of lead of the model.
        half_life: days after which an observation weighs half.
        typical: (groups,) mean amount of a win; without it prices are not looked at.
    """
    if not has_dates(history):
        return None, ()
    if funnel.wins_again:
        return None, ("Dates: expected close dates are not used, as leads win again; they win by their age.",)
    record = punctuality(history)
    if why_not(record):
        return None, date_words(record)
    pieces = pieces_of(history, funnel, groups, grouped_by)
    counts, haste = counts_by_lead_time(pieces, funnel, len(groups), half_life)
    reached, hits, late = outcomes(pieces, funnel, len(groups), half_life)
    stated, ahead = dates_on_entry(history, funnel, groups, grouped_by)
    spread = drop_out_spread(pieces, funnel, counts, haste)
    level = decided_level(pieces, funnel, reached, hits) if record.decided else Level(1.0, 0.0, 0)
    hits = np.minimum(hits * level.factor, reached)
    price = np.zeros(0) if typical is None else prices_ahead(pieces, funnel, typical, half_life)
    found = Due(
        counts, reached, hits, late, stated, ahead, spread, price, record.decided, level.spread, haste
    )  # fmt: skip
    return found, (*date_words(record), *_haste_words(haste))


def counts_by_lead_time(
    pieces: Pieces, funnel: Funnel, groups: int, half_life: float = np.inf
) -> tuple[Counts, Floats]:
    """Return how leads left by days to their date, and by what factor those of each lead time left faster.

    The rate of a lead u days before its date that came in L days before it is r(u) f(L): many leave soon
    after they came, so that among those as many days before their date it is the new ones that leave. In
    turn r is told by leavers over days at risk times f, and f = (O + 10) / (E + 10), O being leavers of a
    lead time and E what r lets expect of them; over all days at risk the mean of f is 1. Each group has its
    own r here, not shrunk: f would make up for what groups are shrunk.

    Returns:
        counts whose days at risk hold f already, and f (LEAD_TIMES,).
    """
    number = len(LEAD_TIMES)
    apart = replace(pieces, group=pieces.group * number + _classes(pieces))
    found = count_pieces(apart, funnel, groups * number, half_life)
    events, days = (
        np.moveaxis(one.reshape(groups, number, *one.shape[1:]), 1, 0)
        for one in (found.events, found.exposure)
    )
    seen, at_risk, left = events.sum(axis=(1, 2, 3, 4)), days.sum(axis=(1, 2, 3)), events.sum(axis=(0, 3))
    haste = np.ones(number)
    for _ in range(MOST_ROUNDS):
        before = haste
        exposed = np.einsum("lgsb,l->gsb", days, haste)
        fair = np.einsum("lgsb,gsb->l", days, left / np.maximum(exposed, LEAST_AT_RISK))
        haste = (seen + PRIOR_CASES) / (fair + PRIOR_CASES)
        haste /= max(float(haste @ at_risk), LEAST_AT_RISK) / max(float(at_risk.sum()), LEAST_AT_RISK)
        if np.abs(np.log(haste / before)).max() < SAME_FACTOR:
            break
    return Counts(EDGES, events.sum(axis=0), np.einsum("lgsb,l->gsb", days, haste)), haste


def _lead_time(due: Floats, came: Floats) -> Floats:
    """Return the days from the day on which leads came in to that of their date, at least 0.

    With half a minute's grace, as days since the as-of moment are not exact in their last bits.
    """
    days: Floats = np.maximum(np.ceil(due - came - 3e-4), 0.0)
    return days


def _classes(pieces: Pieces) -> Integers:
    """Return the class of lead times of each part."""
    return lead_time_classes(_lead_time(pieces.due, pieces.came))


def _haste_words(haste: Floats) -> tuple[str, ...]:
    """Say how much the time between coming in and the date matters, where it does."""
    if haste.max() < CLEAR_FACTOR * haste.min():
        return ()
    soon, late = (f"{one:.1f}" for one in haste[[0, -1]])
    first = (
        f"{DATES} of leads as many days before it, those that came in within a week of it leave {soon} times"
    )
    return (f"{first} as fast as all, those that came in half a year before it or earlier {late} times.",)


def lead_times(history: History, leads: Sequence[str], due: Floats) -> Floats:
    """Return the days from the day on which leads came in to that of their date, nan where none is stated.

    Args:
        history: in which they came in.
        leads: names.
        due: (leads,) days from the as-of moment to the day of the date, nan where none is stated.
    """
    came = first_moments(history).reindex(list(leads))
    return _lead_time(due, days_since(came.reset_index(drop=True), history.until))


def count_pieces(
    pieces: Pieces,
    funnel: Funnel,
    groups: int,
    half_life: float = np.inf,
    window: tuple[float, float] = (-np.inf, np.inf),
    haste: Floats | None = None,
) -> Counts:
    """Count leavers but winners, and days at risk, by days until the date's day begins.

    Every event, and every instant of exposure, weighs 2^(t / half_life), t being its day.

    Args:
        pieces: parts of visits with a date.
        funnel: the map.
        groups: number of groups.
        half_life: days after which an observation weighs half.
        window: first day (included) and last day (not) of what is counted.
        haste: (LEAD_TIMES,) factor on the days at risk by lead time; 1 by default.

    Returns:
        Counts with events (groups, stages, exits, bins) and exposure (groups, stages, bins).
    """
    stages, exits = funnel.targets.shape
    first = np.maximum(pieces.start, window[0])
    last = np.maximum(np.minimum(pieces.stop, window[1]), first)
    moments = np.clip(pieces.due[:, None] - np.append(EDGES, np.inf), first[:, None], last[:, None])
    days = -np.diff(weighed_days(moments, half_life), axis=1)
    if haste is not None:
        days = days * haste[_classes(pieces)][:, None]
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
    counted = _reached(pieces, funnel) & (pieces.due <= -REACH - 1)
    won = counted & (pieces.won < pieces.due + 1 + REACH)
    weight = 2.0 ** (pieces.due / half_life)
    place = pieces.group * stages + pieces.stage
    reached = np.bincount(place[counted], weight[counted], groups * stages).astype(np.float64)
    hits = np.bincount(place[won], weight[won], groups * stages).astype(np.float64)
    days = np.clip(np.floor((pieces.won - pieces.due)[won]), -REACH, REACH).astype(np.int64)
    late = np.bincount(days + REACH, weight[won], 2 * REACH + 1)
    shares: Floats = late / max(float(late.sum()), 1e-12)
    return reached.reshape(groups, stages), hits.reshape(groups, stages), shares


def _reached(pieces: Pieces, funnel: Funnel) -> NDArray[np.bool_]:
    """Return which parts of visits were there when the date's day began, or came in on it, or won before."""
    ended = (pieces.exit >= 0) & (funnel.targets[pieces.stage, pieces.exit] >= len(funnel.stages))
    there = (pieces.start <= pieces.due) & (
        (pieces.stop > pieces.due) | ((pieces.stop == pieces.due) & (ended | (pieces.exit < 0)))
    )
    same_day = pieces.enters & (pieces.start > pieces.due) & (pieces.start < pieces.due + 1)
    early = (pieces.exit >= 0) & (pieces.stop < pieces.due)
    early &= winning_exits(funnel)[pieces.stage, pieces.exit]
    reached: NDArray[np.bool_] = there | same_day | early
    return reached


def decided_level(pieces: Pieces, funnel: Funnel, reached: Floats, hits: Floats) -> Level:
    """Return at which level of the counted chance leads win at their deadline of late, and how months differ.

    Windows are of the four weeks in which the day of the date was over: a lead is decided then, so that the
    latest one is whole.
    """
    chance = (hits + hits.sum() / max(float(reached.sum()), 1e-12)) / (reached + 1.0)
    there = _reached(pieces, funnel)
    observed, expected, luck = [], [], []
    for first, last in latest_windows(float(pieces.start.min(initial=0.0)), WINDOW):
        rows = there & (pieces.due + 1 > first) & (pieces.due + 1 <= last)
        each = chance[pieces.group[rows], pieces.stage[rows]]
        observed.append(float(np.isfinite(pieces.won[rows]).sum()))
        expected.append(float(each.sum()))
        luck.append(float((each * (1.0 - each)).sum()))
    return level_of(np.array(observed), np.array(expected), luck=sum(luck) / max(sum(expected), 1e-12))


def dates_on_entry(
    history: History, funnel: Funnel, groups: Sequence[str], grouped_by: str
) -> tuple[Floats, Floats]:
    """Return what leads state when they come in: whether there is a date, and how many days ahead.

    This is the additive pick-up, as shares of the intake: its level is that of all leads to come. Recent
    leads weigh more; a group's days ahead are shrunk to those of all by ten leads.

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
    weight = 2.0 ** (visits.start / SHARE_HALF_LIFE)
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
    shrunk: Floats = (own + PRIOR_CASES * pooled) / (of_group + PRIOR_CASES)
    return (with_date / np.maximum(every, 1e-12)).reshape(shape), shrunk


def drop_out_spread(pieces: Pieces, funnel: Funnel, counts: Counts, haste: Floats) -> float:
    """Return how much windows of four weeks differ in their losses, beyond the rates and Poisson luck."""
    lost = (funnel.targets >= len(funnel.stages)) & ~winning_exits(funnel)
    rate = posterior_table(counts, funnel)
    windows = latest_windows(float(pieces.start.min(initial=0.0)), WINDOW)
    observed, expected = [], []
    for window in windows:
        counts = count_pieces(pieces, funnel, len(rate), window=window, haste=haste)
        observed.append(float((counts.events * lost[:, :, None]).sum()))
        expected.append(expected_by(lost, counts, rate))
    return excess_spread(np.array(observed), np.array(expected))


def prices_ahead(pieces: Pieces, funnel: Funnel, typical: Floats, half_life: float = np.inf) -> Floats:
    """Return what wins of leads to come are worth by days to their date, compared with usual wins.

    Where prices have a season, leads to come cost what the open ones cost that are due on the same days. With
    x the level of amounts that leads open at a past moment showed, and y that of the wins that came in after
    it, both for the same four weeks b ahead and compared with usual wins, and dx and dy their logs less that
    of their means,

        price_b = mean y_b exp(P dx_b),  P = 1 / (1 + exp(sum w ((dy - dx)^2 - dy^2) / 2)),

    so that P is the chance that levels of new wins follow those of open leads, and do not stay where they
    are, w being the precision of y by luck alone. With a P of 1 the price is that of open leads times the
    past ratio of new to open. Before that dx is shrunk by V / (V + luck), V being by how much levels y differ
    beyond luck: a few open leads tell little of a level, and nothing where levels never moved.

    Args:
        pieces: parts of visits with a date.
        funnel: the map.
        typical: (groups,) mean amount of a win.
        half_life: days after which a past window weighs half.

    Returns:
        (days,) factors, constant over four weeks; none where open leads show no amounts, or no win has any.
    """
    wins = (pieces.exit >= 0) & winning_exits(funnel)[pieces.stage, pieces.exit] & (pieces.paid >= 0)
    ratio = (pieces.paid / typical[pieces.group])[wins]
    if not (pieces.shown > 0).any() or not (ratio > 0).any():
        return np.zeros(0)
    days = -WINDOW * np.arange(int(-pieces.start.min() // WINDOW) + 1, dtype=np.float64)
    weight = 2.0 ** (days / half_life) * (days + WINDOW * np.arange(1, PRICE_BLOCKS + 1)[:, None] <= 0)
    opened, new = _amounts_ahead(pieces, typical, wins, days)
    luck = max(float(ratio.var() / ratio.mean() ** 2), LEAST_LUCK)
    usual = mean_levels(new * weight, PRIOR_CASES * luck)
    moves = _moves(new, usual)
    here = np.where(new[0] > 0, weight * new[2] / luck, 0.0)
    by_luck = float(weight[here > 0].sum())
    season = max((float((here * moves**2).sum()) - by_luck) / max(float(here.sum()), 1e-12), 0.0)
    told = season / (season + luck / np.maximum(opened[2], 1e-12))
    moves_open = told * _moves(opened, mean_levels(opened * weight, PRIOR_CASES * luck))
    here = np.where(opened[0] > 0, here, 0.0)
    against = (here * ((moves - moves_open) ** 2 - moves**2)).sum() / 2
    follows = 1 / (1 + np.exp(np.clip(against, -700.0, 700.0)))
    price: Floats = usual * np.exp(follows * moves_open[:, 0])
    return np.repeat(price, int(WINDOW))


def _amounts_ahead(
    pieces: Pieces, typical: Floats, wins: NDArray[np.bool_], days: Floats
) -> tuple[Floats, Floats]:
    """Return amounts of leads open on some days, and of wins that came in later, by four weeks ahead.

    A day's own moment is not known on it yet, as nothing of the as-of moment is.

    Returns:
        two of (3, blocks, days): amounts, what usual wins of the same groups would bring, and how many.
    """
    opened: list[list[Floats]] = []
    new: list[list[Floats]] = []
    for day in days:
        block = np.floor((pieces.due - day) / WINDOW)
        inside = (block >= 0) & (block < PRICE_BLOCKS)
        there = inside & (pieces.start < day) & (pieces.stop >= day) & (pieces.shown >= 0)
        for found, rows, money in (
            (opened, there, pieces.shown),
            (new, inside & wins & (pieces.came >= day), pieces.paid),
        ):
            place, usual = block[rows].astype(np.int64), typical[pieces.group[rows]]
            weights = (money[rows], usual, np.ones(len(usual)))
            found.append([np.bincount(place, one, PRICE_BLOCKS).astype(np.float64) for one in weights])
    return np.moveaxis(np.array(opened), 0, 2), np.moveaxis(np.array(new), 0, 2)


def mean_levels(found: Floats, prior: float) -> Floats:
    """Return the level of amounts of each four weeks ahead, shrunk to that of all, and that one to 1.

    Args:
        found: (3, blocks, days) amounts, usual amounts and numbers.
        prior: how many amounts tell half of a level.

    >>> mean_levels(np.array([[[30.0]], [[15.0]], [[10.0]]]), 0.0).tolist()
    [2.0]
    """
    money, usual, number = found.sum(axis=2)
    more = prior * usual.sum() / max(float(number.sum()), 1e-12)
    every = (money.sum() + more) / max(float(usual.sum() + more), 1e-12)
    levels: Floats = (money + more * every) / np.maximum(usual + more, 1e-12)
    return levels


def _moves(found: Floats, usual: Floats) -> Floats:
    """Return by how much the level of amounts differs from the usual one, as logs; 0 without any amount."""
    money, fair, _ = found
    level = np.divide(money, fair, out=np.zeros_like(money), where=fair > 0) / usual[:, None]
    return np.log(np.where(level > 0, level, 1.0))
