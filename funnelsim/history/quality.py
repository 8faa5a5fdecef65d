"""What was found in a file: rows read, used, set aside and why, and what is odd among those kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# By luck alone fifty dates never share a day of the month or a weekday; six months, or twelve weeks, tell
# rounded dates from a few lists that were read in on such a day.
GRAIN_ROWS, GRAIN_MONTHS, GRAIN_WEEKS = 50, 6, 12


@dataclass(frozen=True)
class Finding:
    """One kind of oddity: how many rows, an example, and what was done with them."""

    kind: str
    count: int
    example: str
    done: str


@dataclass(frozen=True)
class CellReading:
    """How the cells of a file were understood.

    Args:
        until: the row that the as-of date comes from; "" where the date was given.
        zone: the time zone in which moments that carry one are shown; "" where none carries one.
        zone_stated: whether a mapping says so; else they are shown in UTC.
        decimal: the decimal mark of amounts, "point" or "comma"; "" where no amount has a mark.
        doubt: an amount that could be read otherwise; "" where there is none.
        date_order: "day first" or "month first"; "" where no date leaves it open.
        grain: to what dates are rounded, and what was done about it; "" where they are not.
    """

    until: str = ""
    zone: str = ""
    zone_stated: bool = False
    decimal: str = ""
    doubt: str = ""
    date_order: str = ""
    grain: str = ""


NOTHING_READ = CellReading()


@dataclass(frozen=True)
class Quality:
    """The tally of a reading, and how its cells were understood; nothing is dropped without a line here."""

    read: int = 0
    used: int = 0
    findings: tuple[Finding, ...] = ()
    reading: CellReading = NOTHING_READ

    def __add__(self, other: Quality) -> Quality:
        """Return the tally of both readings, each kind of oddity with its first example."""
        kinds: dict[str, Finding] = {}
        for line in self.findings + other.findings:
            known = kinds.get(line.kind)
            kinds[line.kind] = line if known is None else replace(known, count=known.count + line.count)
        reading = self.reading if self.read else other.reading
        return Quality(self.read + other.read, self.used + other.used, tuple(kinds.values()), reading)


def tally(findings: tuple[Finding, ...]) -> int:
    """Return how many rows of the file findings set aside.

    >>> tally((Finding("repeats", 3, "", "set aside: no move"), Finding("jumps", 2, "", "kept")))
    3
    """
    return sum(finding.count for finding in findings if finding.done.startswith("set aside"))


def example(rows: pd.DataFrame) -> str:
    """Return the first of some rows as a planner would look it up.

    Args:
        rows: columns lead, stage, at; the index is the row number in the file.
    """
    row = rows.iloc[0]
    day = "no date" if pd.isna(row["at"]) else f"{row['at']:%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")
    return f"row {rows.index[0]}: lead '{str(row['lead'])[:40]}', '{str(row['stage'])[:40]}', {day}"


def found(kind: str, rows: pd.DataFrame, done: str) -> tuple[Finding, ...]:
    """Return one finding about some rows, none when there are no such rows."""
    return (Finding(kind, len(rows), example(rows), done),) if len(rows) else ()


def most_first(often: pd.Series) -> pd.Series:
    """Return counts by name with the largest first, and by name where they are alike.

    >>> most_first(pd.Series({"b": 2, "a": 2, "c": 5})).index.tolist()
    ['c', 'a', 'b']
    """
    return often.sort_index().sort_values(ascending=False, kind="stable")


def move_findings(
    events: pd.DataFrame, stages: tuple[str, ...], ends: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Return what is odd in the moves of leads; all of it is kept.

    Args:
        events: columns lead, stage, at, sorted by lead and time; the index is the row number in the file.
        stages: in the order in which they are usually passed.
        ends: won and lost.
    """
    codes = pd.factorize(events["lead"])[0]
    follows = np.concatenate([[False], codes[1:] == codes[:-1]])[: codes.size]
    place = events["stage"].map({name: number for number, name in enumerate(stages)}).to_numpy(np.float64)
    step = np.diff(place, prepend=np.nan)
    ended = events["stage"].isin(ends).to_numpy()
    after_end = follows & np.concatenate([[False], ended[:-1]])[: codes.size]
    at = events["at"].to_numpy(dtype="datetime64[s]")
    at_once = follows & np.concatenate([[False], at[1:] == at[:-1]])[: codes.size]
    kinds: list[tuple[str, NDArray[np.bool_], str]] = [
        ("skipped stages", follows & (step > 1), "kept: the lead went straight there"),
        ("backward moves", follows & (step < 0), "kept: the stage is visited again"),
        ("same-second jumps", at_once, "kept: a visit of no time"),
        ("events after an end", after_end & ~ended, "kept: the lead is open again"),
        ("an end straight after another", after_end & ended, "kept: no time was spent in a stage between"),
        (
            "leads that begin with an end",
            ~follows & ended,
            "kept: counted as an end, without a visit to a stage",
        ),
    ]
    return tuple(finding for kind, rows, done in kinds for finding in found(kind, events[rows], done))


@dataclass(frozen=True)
class Grain:
    """To what the dates of a file are rounded.

    Args:
        weekday: the weekday of all dates, Monday being 0; -1 where they are rounded to months.
        words: the day that stands for all days of its grain.
    """

    weekday: int
    words: str

    @property
    def told(self) -> str:
        """What was found, and what is done about it, in a sentence."""
        unit = "month" if self.weekday < 0 else "week"
        return (
            f"All dates fall on {self.words}, so they are taken for rounded to {unit}s: each is spread in "
            f"its {unit} by luck of its own, those of a lead in their order, and the last {unit} counts as "
            "whole unless the as-of date lies in it."
        )

    def bounds(self, at: pd.Series) -> tuple[pd.Series, pd.Series]:
        """Return the first moment of the month or week of each date, and that after its last.

        A week of Mondays begins with its date; one of another weekday, as of a list closed on Fridays, ends.
        """
        if self.weekday < 0:
            start = at.dt.to_period("M").dt.start_time
            return start, start + pd.offsets.MonthBegin(1)
        start = at.dt.normalize() - pd.Timedelta(days=6 if self.weekday else 0)
        return start, start + pd.Timedelta(days=7)


def grain_of(rows: pd.DataFrame) -> Grain | None:
    """Return to what the dates of rows are rounded, None where they are not.

    Args:
        rows: columns at, and any of instant and expected_close. Rounded events beside expected dates that are
            rounded as well are left alone: the two tell of each other.
    """
    dates = rows["at"].drop_duplicates()
    if "instant" in rows.columns or len(rows) < GRAIN_ROWS or len(dates) < min(GRAIN_MONTHS, GRAIN_WEEKS):
        return None
    grain = _grain(dates)
    if grain is None or "expected_close" not in rows.columns or not rows["expected_close"].notna().any():
        return grain
    return None if _grain(pd.to_datetime(rows["expected_close"]).dropna()) else grain


def _grain(dates: pd.Series) -> Grain | None:
    if (dates != dates.dt.normalize()).any():
        return None
    if dates.dt.is_month_start.all():
        return Grain(-1, "the first of a month")
    if dates.dt.is_month_end.all():
        return Grain(-1, "the last of a month")
    if len(dates) >= GRAIN_WEEKS and (dates.dt.day_of_week == dates.dt.day_of_week.iloc[0]).all():
        return Grain(int(dates.dt.day_of_week.iloc[0]), f"a {dates.dt.day_name().iloc[0]}")
    return None


def spread(rows: pd.DataFrame, grain: Grain, until: pd.Timestamp) -> pd.DataFrame:
    """Return rows with dates spread within their grain, in the order given for each lead.

    The luck of a row is a function of lead, grain and number alone. Where the as-of date lies in the last
    month or week of the file, all of it has happened by then.

    Args:
        rows: columns lead and at, those of a lead in order.
        grain: to what dates are rounded.
        until: the as-of moment.
    """
    start, end = grain.bounds(rows["at"])
    last = (start == start.max()) & (start < until)
    end = end.where(~last | (end < until), until)
    kin = rows.groupby([rows["lead"], start])
    number, cell = kin.cumcount(), kin.ngroup().to_numpy()
    key = rows["lead"].astype(str) + "|" + start.dt.strftime("%Y%m%d") + "|" + number.astype(str)
    luck = pd.util.hash_array(key.to_numpy(dtype=object), categorize=False) / 2.0**64
    order = np.lexsort((luck, cell))
    place = np.lexsort((number.to_numpy(), cell))
    part = np.empty(len(rows))
    part[place] = luck[order]
    at = (start + (end - start) * part).dt.floor("s").astype(rows["at"].dtype)
    return rows.assign(at=at)
