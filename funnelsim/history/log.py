"""What happened: one row per stage entered, what is known of each lead, and until when we know."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Flags, Integers
from funnelsim.cards import card
from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.history.quality import Quality

ATTRIBUTES = ("channel", "segment", "owner", "value", "expected_close")
DAY = pd.Timedelta(days=1)
# Fewer may be leads that were marked as won by mistake.
LEADS_AFTER = 3
WINS = "wins"


def _no_updates() -> pd.DataFrame:
    return pd.DataFrame({"lead": pd.Series(dtype="str"), "at": pd.Series(dtype="datetime64[us]")})


def _no_events() -> pd.DataFrame:
    return _no_updates().assign(stage=pd.Series(dtype="str"))[["lead", "stage", "at"]]


@dataclass(frozen=True, eq=False)
class History:
    """A company's record of its leads, as it was known at one moment.

    Args:
        events: columns lead (text), stage (text), at (datetime64, no time zone); one row per place
            entered, stages and ends alike, sorted by lead and time; where leads win again and amounts are
            shown also value: the amount of that very win, nan on other rows.
        leads: indexed by lead; any of channel, segment, owner (text), value (float), expected_close.
        until: everything strictly before this moment is known, nothing after it.
        stages: stage names in the order in which they are usually passed.
        won, lost: names of the ends.
        handed_over: names of further ends, at which others take the lead on: no win, no revenue, no loss.
        began: when recording began: time before it counts as neither event nor exposure (late entry).
        currency: three letters, "" where none is stated.
        source: how the file was understood, in words.
        limits: what the source cannot tell, each in one sentence.
        quality: rows read, used, set aside and why.
        period_start: first month of the company's fiscal year.
        updates: attributes that changed on the way: columns lead, at, and any attribute, sorted by
            time; from `at` on the attribute had this value (blank: no change). A lead's attribute that
            is in here anywhere is known only from here.
        again: whether a lead can win again (instalments, renewals, repeat purchases); a won place is then
            no end: the lead waits there for what comes next.
        undone: wins of leads that were lost later, which are no revenue: columns as in `events`; the index
            says before which row of `events` each stood.
        churns: whether a loss after a win is the churn of a customer, whose win stays.
        teams: who owns which stages: team and its stages.
        cash_after: days by which money comes after a win was booked; wins are of the day on which it comes.
    """

    events: pd.DataFrame
    leads: pd.DataFrame
    until: pd.Timestamp
    stages: tuple[str, ...]
    won: tuple[str, ...]
    lost: tuple[str, ...]
    began: pd.Timestamp
    currency: str = ""
    source: str = ""
    limits: tuple[str, ...] = ()
    quality: Quality = field(default_factory=Quality)
    period_start: int = 1
    updates: pd.DataFrame = field(default_factory=_no_updates)
    again: bool = False
    undone: pd.DataFrame = field(default_factory=_no_events)
    churns: bool = False
    handed_over: tuple[str, ...] = ()
    teams: tuple[tuple[str, tuple[str, ...]], ...] = ()
    cash_after: float = 0.0

    @property
    def ends(self) -> tuple[str, ...]:
        """Names of the places where a life ends: won (unless leads win again), lost, and handed over."""
        return (() if self.again else self.won) + self.lost + self.handed_over

    @property
    def waits(self) -> tuple[str, ...]:
        """Names of the places where a lead waits: the stages, and won where leads win again."""
        return self.stages + self.won if self.again else self.stages

    @functools.cached_property
    def visits(self) -> pd.DataFrame:
        """What `spells` returns, worked out once; never to be changed."""
        return _visits(self)

    @functools.cached_property
    def wins(self) -> pd.DataFrame:
        """What `bookings` returns, worked out once; never to be changed."""
        return _wins(self)

    @functools.cached_property
    def open(self) -> pd.DataFrame:
        """What `open_leads` returns, worked out once; never to be changed."""
        return _open(self)

    @functools.cached_property
    def whose(self) -> Integers:
        """Place among the leads of each row of the record, -1 where its lead is none; worked out once."""
        return _places_of(self.leads.index, self.record["lead"])

    def __str__(self) -> str:
        first, last = f"{self.began:%Y-%m-%d}", f"{self.until - pd.Timedelta(microseconds=1):%Y-%m-%d}"
        return f"{len(self.leads):,} leads and {len(self.events):,} moves from {first} to {last}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        counts = self.events["stage"].value_counts().reindex([*self.stages, *self.won, *self.lost])
        return card(str(self), counts.fillna(0).astype(int).rename_axis("place").reset_index(name="moves"))

    def as_of(self, date: str | datetime.date | pd.Timestamp) -> History:
        """Return what was known at an earlier date: no later row, no lead not yet seen, values as shown then.

        Raises:
            FunnelError: `date` is no date, or lies after the moment until which this history is known.
        """
        until = as_of_moment(date)
        if until > self.until:
            raise FunnelError(f"as-of {date}: the history is known only until {self.until:%Y-%m-%d %H:%M}")
        record = self.record
        before = (record["at"] < until).to_numpy()
        events = record[before]
        gone = undone_wins(events, () if self.churns else self.won, self.lost)
        events, undone = apart(events, gone)
        seen = np.zeros(len(self.leads) + 1, dtype=bool)  # the last one stands for leads without a row
        seen[self.whose[before][~gone]] = True
        leads = self.leads[seen[:-1]]
        updates = self.updates[(self.updates["at"] < until).to_numpy()]
        for column in self.updates.columns.drop(["lead", "at"]):
            changed = self.updates.loc[self.updates[column].notna().to_numpy(), "lead"].unique()
            leads = _overwrite(leads, column, changed, updates)
        return replace(self, events=events, undone=undone, leads=leads, until=until, updates=updates)

    @property
    def record(self) -> pd.DataFrame:
        """The events with the wins that were undone later, each where it stood."""
        if self.undone.empty:
            return self.events
        return pd.concat([self.events, self.undone]).sort_index(kind="stable").reset_index(drop=True)


def undone_wins(events: pd.DataFrame, won: tuple[str, ...], lost: tuple[str, ...]) -> Flags:
    """Return which events are wins of a lead that was lost later.

    Args:
        events: columns lead, stage, sorted by lead and time.
        won: the won places of which a loss undoes a win; () where no win can be undone.
        lost: the places of losses.

    >>> log = pd.DataFrame({"lead": ["a", "a", "b", "b"], "stage": ["Won", "Lost", "Lost", "Won"]})
    >>> undone_wins(log, ("Won",), ("Lost",)).tolist()
    [True, False, False, False]
    """
    win, loss = events["stage"].isin(won).to_numpy(), events["stage"].isin(lost).to_numpy()
    if not (win.any() and loss.any()):
        return np.zeros(len(events), dtype=bool)
    codes = pd.factorize(events["lead"])[0]
    last_loss = np.full(codes.max() + 1, -1)
    last_loss[codes[loss]] = np.flatnonzero(loss)
    gone: Flags = win & (np.arange(codes.size) < last_loss[codes])
    return gone


def apart(events: pd.DataFrame, gone: Flags) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the other events, numbered from 0, and those gone, numbered half before whom they stood before.

    >>> rest, gone = apart(pd.DataFrame({"stage": ["A", "Won", "Lost"]}), np.array([False, True, False]))
    >>> rest.index.tolist(), gone.index.tolist()
    ([0, 1], [0.5])
    """
    place = pd.Index(np.cumsum(~gone)[gone] - 0.5, dtype="float64")
    return events[~gone].reset_index(drop=True), events[gone].set_axis(place, axis=0)


def goes_on_after(events: pd.DataFrame, won: tuple[str, ...], lost: tuple[str, ...]) -> bool:
    """Return whether won places lead on to stages of their own, such as onboarding.

    That is so where a stage is entered from a win by at least `LEADS_AFTER` leads, and by none before one.

    Args:
        events: columns lead, stage, sorted by lead and time.
    """
    codes = pd.factorize(events["lead"])[0]
    win = events["stage"].isin(won).to_numpy()
    won_by_now = pd.Series(win).groupby(codes).cummax().to_numpy(bool)
    from_win = np.concatenate([[False], win[:-1] & (codes[1:] == codes[:-1])])[: codes.size]
    stage = events["stage"].where(~events["stage"].isin((*won, *lost)).to_numpy())
    before = set(stage[~won_by_now].dropna().unique())
    after = events[from_win & stage.notna().to_numpy() & ~stage.isin(before).to_numpy()]
    return bool((after.groupby("stage")["lead"].nunique() >= LEADS_AFTER).any())


def _overwrite(
    leads: pd.DataFrame, column: str, changed: Iterable[str], updates: pd.DataFrame
) -> pd.DataFrame:
    """Return leads whose attribute, where it is known from updates, is the last one of these updates."""
    filled = updates.loc[updates[column].notna().to_numpy(), ["lead", column]]
    last = filled.drop_duplicates("lead", keep="last").set_index("lead")[column].reindex(leads.index)
    if column not in leads.columns:
        return leads.assign(**{column: last})
    return leads.assign(**{column: leads[column].where(~among(leads.index, changed), last)})


def among(names: Iterable[str], known: Iterable[str]) -> Flags:
    """Return which names are among the known ones; with many of both, ten times as quick as `isin`.

    >>> among(["a", "b", "a"], ["a", "a"]).tolist()
    [True, False, True]
    """
    found: Flags = pd.Index(known).unique().get_indexer(pd.Index(names)) >= 0
    return found


def as_of_moment(date: str | datetime.date | pd.Timestamp) -> pd.Timestamp:
    """Return the moment until which all is known: a date without a time means the end of that day.

    Times with a zone are turned into UTC.

    Raises:
        FunnelError: the text is no ISO date.

    >>> as_of_moment("2026-03-31")
    Timestamp('2026-04-01 00:00:00')
    >>> as_of_moment("2026-03-31 12:00")
    Timestamp('2026-03-31 12:00:00')
    """
    whole_day = isinstance(date, datetime.date) and not isinstance(date, datetime.datetime)
    if isinstance(date, str):
        whole_day = _no_time(date)
        try:
            stamp = pd.Timestamp(datetime.datetime.fromisoformat(date.strip()))
        except ValueError:
            raise FunnelError(f"{shown(date)} is no date; write it as 2026-03-31") from None
    else:
        stamp = pd.Timestamp(date)
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC").tz_localize(None)
    return stamp + DAY if whole_day else stamp


def beginning(date: str) -> pd.Timestamp:
    """Return the moment at which a day begins, or that a date with a time names.

    Raises:
        FunnelError: the text is no ISO date.

    >>> beginning("2026-03-31"), beginning("2026-03-31 12:00")
    (Timestamp('2026-03-31 00:00:00'), Timestamp('2026-03-31 12:00:00'))
    """
    return as_of_moment(date) - DAY if _no_time(date) else as_of_moment(date)


def _no_time(date: str) -> bool:
    return not re.search(r"[T: ]", date.strip())


def first_moments(history: History) -> pd.Series:
    """Return the moment at which each lead came in, by lead."""
    return history.events.drop_duplicates("lead").set_index("lead")["at"]


def days_since(at: pd.Series, origin: pd.Timestamp) -> NDArray[np.float64]:
    """Return the days from `origin` to each moment, as floats.

    >>> days_since(pd.Series(pd.to_datetime(["2026-01-02 12:00"])), pd.Timestamp("2026-01-01")).tolist()
    [1.5]
    """
    return np.asarray((at - origin) / DAY, dtype=np.float64)


def known_at(
    history: History, column: str, lead: pd.Series, at: pd.Series, exact: bool, place: Integers | None = None
) -> pd.Series:
    """Return an attribute of each lead as it was known at a moment (of its own), in the order given.

    Args:
        exact: whether a change at that very moment counts as known.
        place: of each lead among the history's, where that is known already.
    """
    given = history.leads[column] if column in history.leads.columns else pd.Series(dtype=object)
    if place is None or not len(given) or place.min(initial=0) < 0:
        static = given.reindex(lead).reset_index(drop=True)
    else:
        static = given.iloc[place].reset_index(drop=True)
    if column not in history.updates.columns:
        return static
    changes = history.updates.loc[history.updates[column].notna().to_numpy(), ["lead", "at", column]]
    changes = changes.astype({"lead": "str", "at": "datetime64[us]"})
    asked = pd.DataFrame({"lead": lead.to_numpy(), "at": at.to_numpy(), "row": np.arange(len(lead))})
    asked = asked.astype({"lead": "str", "at": "datetime64[us]"}).sort_values("at")
    found = pd.merge_asof(asked, changes, on="at", by="lead", allow_exact_matches=exact)
    moving = among(lead, changes["lead"])
    return static.where(~moving, found.sort_values("row")[column].reset_index(drop=True))


def _places_of(leads: pd.Index, names: pd.Series) -> Integers:
    """Return the place of each name among leads, -1 where it is not among them; each is looked up once."""
    codes, distinct = pd.factorize(names)
    places: Integers = leads.get_indexer(pd.Index(distinct))[codes].astype(np.int64)
    return places


def _attributes(history: History, position: Integers) -> dict[str, pd.Series]:
    """Return segment, channel and owner of the leads at some places; "unknown" where the cell was blank."""
    columns = {}
    for name, absent in (("segment", "all"), ("channel", ""), ("owner", "")):
        if name in history.leads.columns:
            text = history.leads[name].astype("str").fillna("unknown").replace("", "unknown")
            columns[name] = text.iloc[position].reset_index(drop=True)
        else:
            columns[name] = pd.Series(absent, index=range(position.size), dtype="str")
    return columns


def _chain(history: History) -> tuple[Flags, Flags, Flags, Flags]:
    """Return for each event: is it an end, has its lead a later event, an earlier one, an earlier stage."""
    codes = pd.factorize(history.events["lead"])[0]
    follows = np.concatenate([[False], codes[1:] == codes[:-1]])[: codes.size]
    ended = history.events["stage"].isin(history.ends).to_numpy()
    seen = np.zeros(codes.size, dtype=bool)
    seen[~ended] = pd.Series(codes[~ended]).duplicated().to_numpy()
    return ended, np.append(follows[1:], False)[: codes.size], follows, seen


def spells(history: History) -> pd.DataFrame:
    """Return one row per visit of a lead to a stage.

    Returns:
        lead, stage; start, stop: days since `until`, at most 0, an open visit stopping at 0; exit: the
        place entered next, "" while open; entry: the lead's first visit; reopened: the visit follows an
        end; since: age in days at which observation began (0 unless the visit began before `began`;
        visits over by then are left out); segment, channel, owner; value: as shown just before the
        visit stopped, nan where none was.
    """
    return history.visits.copy(deep=False)


def _visits(history: History) -> pd.DataFrame:
    """Work out the visits: see `spells`."""
    ended, more, follows, seen = _chain(history)
    events, rows = history.events, np.flatnonzero(~ended)
    day, place = days_since(events["at"], history.until), events["stage"].to_numpy(dtype=object)
    after = np.minimum(rows + 1, max(len(events) - 1, 0))
    lead = events["lead"].iloc[rows].reset_index(drop=True)
    whose = _places_of(history.leads.index, lead)
    stop = pd.Series(events["at"].iloc[after].to_numpy()).where(more[rows], history.until)
    visits = pd.DataFrame(
        {
            "lead": lead,
            "stage": events["stage"].iloc[rows].to_numpy(),
            "start": day[rows],
            "stop": np.where(more[rows], day[after], 0.0),
            "exit": pd.Series(np.where(more[rows], place[after], ""), dtype="str"),
            "entry": ~seen[rows],
            "reopened": follows[rows] & ended[rows - 1],
            **_attributes(history, whose),
            "value": known_at(history, "value", lead, stop, False, whose).astype(np.float64),
        }
    )
    began = (history.began - history.until) / DAY
    visits.insert(7, "since", (began - visits["start"]).clip(0.0, visits["stop"] - visits["start"]))
    return visits[visits["stop"] >= min(began, 0.0)].reset_index(drop=True)


def open_leads(history: History) -> pd.DataFrame:
    """Return the leads that are in a stage now.

    Returns:
        lead, stage, age (days in the stage), segment, channel, owner, value (nan where none is shown),
        expected_close (NaT where none is); zombie: longer in its stage than any visit to it that ended.
        Where leads win again, those that won are among them, never as zombies.
    """
    return history.open.copy(deep=False)


def _open(history: History) -> pd.DataFrame:
    """Work out the leads that are in a stage now: see `open_leads`."""
    visits = history.visits
    closed = visits[visits["exit"] != ""]
    longest = (closed["stop"] - closed["start"]).groupby(closed["stage"]).max()
    rows = visits[visits["exit"] == ""].reset_index(drop=True)
    leads = rows[["lead", "stage", "segment", "channel", "owner"]].copy()
    leads.insert(2, "age", -rows["start"])
    facts = history.leads.reindex(rows["lead"])
    blank = pd.Series(np.nan, index=facts.index)
    leads["value"] = facts.get("value", blank).to_numpy(dtype=np.float64)
    leads["expected_close"] = facts.get("expected_close", blank).to_numpy(dtype="datetime64[us]")
    old = leads["age"] > rows["stage"].map(longest).fillna(np.inf).astype(np.float64)
    leads["zombie"] = (old & ~rows["stage"].isin(history.won)).to_numpy()
    return leads


def shows_amounts(history: History) -> bool:
    """Return whether any lead ever showed an amount above 0; a column of zeros says nothing."""
    tables = (history.leads, history.updates)
    return any("value" in table.columns and bool((table["value"] > 0).any()) for table in tables)


def bookings(history: History) -> pd.DataFrame:
    """Return one row per win: lead, at, stage (the end entered), value as shown then (nan where none was)."""
    return history.wins.copy(deep=False)


def _wins(history: History) -> pd.DataFrame:
    """Work out the wins: see `bookings`."""
    won = history.events[history.events["stage"].isin(history.won).to_numpy()].reset_index(drop=True)
    if "value" in won.columns:
        return won[["lead", "at", "stage", "value"]]
    value = known_at(history, "value", won["lead"], won["at"], exact=True).astype(np.float64)
    return won[["lead", "at", "stage"]].assign(value=value)


def valued(history: History) -> tuple[pd.DataFrame, str]:
    """Return past wins (lead, at, stage, value) and the currency; where no lead shows one, a win counts 1."""
    booked = bookings(history)
    if shows_amounts(history):
        return booked, history.currency
    return booked.assign(value=1.0), WINS


def with_quality(history: History, quality: Quality) -> History:
    """Return the history with the tally of its reading; what its rows gave is not worked out again."""
    whole = replace(history, quality=quality)
    kept = {"visits", "wins", "open"} & vars(history).keys()
    vars(whole).update({name: vars(history)[name] for name in kept})
    return whole


def quality_table(history: History) -> pd.DataFrame:
    """Return the tally of a reading as a table.

    Returns:
        kind, rows, share (of the rows read), example, done; the first line is the rows read, the last
        the rows used.
    """
    quality = history.quality
    lines = [
        ("rows read", quality.read, "", history.source),
        *((finding.kind, finding.count, finding.example, finding.done) for finding in quality.findings),
        ("rows used", quality.used, "", "in the history"),
    ]
    table = pd.DataFrame(lines, columns=["kind", "rows", "example", "done"])
    table.insert(2, "share", table["rows"] / max(quality.read, 1))
    return table
