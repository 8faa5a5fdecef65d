"""Does the expected date of a lead mean something? Judged by what became of past dates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.history.log import DAY, History, bookings, days_since, known_at, open_leads

Floats = NDArray[np.float64]

COLUMN = "expected_close"
DATES = "Dates:"
BEFOREHAND = pd.Timedelta(days=7)
LEAST_WINS, LEAST_OPEN, LEAST_LOSSES = 50, 10, 20
LEAST_NEAR, MOST_OVERDUE, MOST_AFTER, MOST_ON_DATE = 0.8, 0.05, 0.1, 0.9


@dataclass(frozen=True)
class Evidence:
    """What became of expected dates, as they were known a week before the lead closed.

    Args:
        wins, near: wins of leads with a date, and those within one day of it.
        waiting, overdue: open leads with a date, and those whose date is more than a day past.
        losses, on_date, after: losses of leads with a date, within one day of it, and later than that.
        followed: whether the record shows that dates changed, so that it holds them as they were.
    """

    wins: int
    near: int
    waiting: int
    overdue: int
    losses: int
    on_date: int
    after: int
    followed: bool


def has_dates(history: History) -> bool:
    """Return whether any lead of the history states an expected date."""
    return COLUMN in history.leads.columns and bool(history.leads[COLUMN].notna().any())


def evidence(history: History) -> Evidence:
    """Return what became of the expected dates of a history that has some."""
    won = _days_late(history, bookings(history)[["lead", "at"]])
    ended = history.events["stage"].isin(history.lost).to_numpy()
    lost = _days_late(history, history.events.loc[ended, ["lead", "at"]].reset_index(drop=True))
    waiting = due_days(open_leads(history)[COLUMN], history.until)
    waiting = waiting[np.isfinite(waiting)]
    changes = history.updates[COLUMN].notna().any() if COLUMN in history.updates.columns else False
    return Evidence(
        len(won), int((np.abs(won) <= 1).sum()), len(waiting), int((waiting <= -2).sum()),
        len(lost), int((np.abs(lost) <= 1).sum()), int((lost > 1).sum()), bool(changes),
    )  # fmt: skip


def why_not(found: Evidence) -> str:
    """Return why expected dates mean nothing here, "" when deals win at them.

    An export that overwrites the date when a deal closes makes every win punctual: its open deals are
    overdue, or its losses are as punctual as its wins, or come after their date. One that overwrites wins
    only, while nobody ever leaves an open date behind, would not be found out.

    >>> why_not(Evidence(900, 900, 200, 60, 900, 20, 300, False))
    '30% of 200 open deals are overdue'
    """
    if found.wins < LEAST_WINS:
        return f"only {found.wins:,} wins had one a week before"
    if found.near < LEAST_NEAR * found.wins:
        return f"only {found.near / found.wins:.0%} of {found.wins:,} wins came within one day of it"
    if found.waiting < LEAST_OPEN:
        return f"only {found.waiting} open deals have one"
    if found.overdue > MOST_OVERDUE * found.waiting:
        return f"{found.overdue / found.waiting:.0%} of {found.waiting:,} open deals are overdue"
    if found.on_date > MOST_ON_DATE * found.losses:
        share = f"{found.on_date / found.losses:.0%} of {found.losses:,} losses"
        return f"{share} fall on it as well, so the export seems to overwrite it on closing"
    if found.after > MOST_AFTER * found.losses:
        return f"{found.after / found.losses:.0%} of {found.losses:,} losses came after it"
    before = found.losses - found.on_date - found.after
    if before < LEAST_LOSSES and not found.followed:
        return f"{before} losses before it are too few to tell whether the export overwrites it on closing"
    return ""


def date_words(found: Evidence) -> tuple[str, ...]:
    """Return in sentences whether deals win at their expected date, and what follows."""
    reason = why_not(found)
    if reason:
        return (f"{DATES} expected close dates are not used, as {reason}; leads win by their age.",)
    near, overdue = found.near / found.wins, found.overdue / found.waiting
    first = (
        f"{DATES} deals win at their expected date: {near:.1%} of {found.wins:,} wins came within one day of "
        f"it and {overdue:.1%} of {found.waiting:,} open deals are overdue; leads with a date drop out by "
        "days to it, and new ones are picked up by days ahead."
    )
    second = (
        f"{DATES} compare, budget and the simulations do not know this clock; there all leads win by age."
    )
    sentences = [first, second]
    if not found.followed:
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
