"""Until when a file tells: its last day with events, which no date typed into the future moves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.errors import FunnelError
from funnelsim.history.log import DAY
from funnelsim.history.quality import Finding, found

Moments = NDArray[np.datetime64]

# A pause that no business makes between one event and the next.
FAR = np.timedelta64(180, "D")
# Among dates typed by hand a pause of a month is suspicious where it is twice as long as any before it, where
# there are days enough to know the usual pauses, and where few dates lie behind it. Chosen so that a table of
# leads of a few weeks, followed until they closed, keeps all its dates; a wrong guess moves no state.
QUIET = 30
TWICE = 2
MANY_DAYS = 20
FEW = 0.2
FEWEST = 3
FUTURE = "kept: at the as-of date, as the row says that the lead is closed"


def last_day(
    rows: pd.DataFrame, file: str, size: int | None = None, stamped: pd.Timestamp | None = None
) -> pd.Timestamp:
    """Return the end of the last day with events; dates that were typed into the future are no last day.

    A few dates more than half a year beyond all others are in the future. So are dates typed by hand that
    lie later than anything the source itself stamped, or, where it stamps nothing, a few of them behind a
    gap of more than a month that is also twice as long as any before it.

    Args:
        rows: column at, and typed where some dates are typed by hand.
        file: its name, for the sentence.
        size: the number of rows, where these are only the latest of them.
        stamped: the latest moment that the source itself stamped.

    Raises:
        FunnelError: there is no row.
    """
    size = len(rows) if size is None else size
    if size == 0:
        raise FunnelError(f"{file}: no row has a lead, a stage and a date")
    at = rows["at"].to_numpy(dtype="datetime64[us]")
    typed = rows["typed"].to_numpy(dtype=bool) if "typed" in rows.columns else np.zeros(at.size, dtype=bool)
    if typed.all():
        return _end_of_day(_without_far(at, size))
    last = _without_far(at[~typed], size)
    later = np.sort(at[typed & (at > last)])
    if stamped is not None:
        later = later[later < _end_of_day(max(last, np.datetime64(stamped, "us"))).to_datetime64()]
    else:
        later = _before_a_gap(at[at <= last], later, max(FEW * typed.sum(), FEWEST))
    return _end_of_day(later[-1] if later.size else last)


def _end_of_day(moment: np.datetime64) -> pd.Timestamp:
    return pd.Timestamp(moment).normalize() + DAY


def _without_far(at: Moments, size: int) -> np.datetime64:
    """Return the last moment, without a few that lie half a year beyond all others."""
    times = np.sort(at)
    tail = times[-max(FEWEST, size // 200) - 1 :]
    far = np.flatnonzero(np.diff(tail) > FAR)
    last: np.datetime64 = tail[int(far[0])] if far.size and size > MANY_DAYS else times[-1]
    return last


def _before_a_gap(before: Moments, later: Moments, few: float) -> Moments:
    """Return those of the later moments that come before a gap that is too long to be one of business."""
    days = np.unique(np.concatenate([before, later]).astype("datetime64[D]").astype(np.int64))
    gaps = np.diff(days)
    known = int(np.searchsorted(days, before.max().astype("datetime64[D]").astype(np.int64)))
    for place in range(max(known, MANY_DAYS), gaps.size):
        beyond = later.astype("datetime64[D]").astype(np.int64) >= days[place + 1]
        if gaps[place] > max(QUIET, TWICE * gaps[:place].max()) and beyond.sum() <= few:
            return np.asarray(later[~beyond], dtype="datetime64[us]")
    return later


def happened_ends(rows: pd.DataFrame, until: pd.Timestamp) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return rows whose ends were typed into the future on the last day known: they have happened by then.

    Args:
        rows: columns lead, stage, at, and typed where some dates are typed by hand; the index is the row of
            the file.
        until: until when the file tells.
    """
    if "typed" not in rows.columns or not rows["typed"].any():
        return rows, ()
    typed = rows["typed"].to_numpy(dtype=bool)
    start = rows["at"].where(~typed).groupby(rows.index).transform("max")
    future = typed & (rows["at"] >= until).to_numpy() & ~(start >= until).to_numpy()
    latest = start.where(start > until - DAY, until - DAY)
    moved = rows.assign(at=rows["at"].where(~future, latest))
    return moved, found("closed with a date in the future", rows[future], FUTURE)
