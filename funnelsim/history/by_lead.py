"""A table with one row per lead: whose row it is, and the places entered; state stands above clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from funnelsim.arrays import Flags
from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.history.quality import Finding, found
from funnelsim.history.tables import Table

COLUMNS = ["lead", "stage", "at", "typed", "turn"]
NO_TIME = "kept: a stay of no time, the end at the creation"
LEFT_OUT = "set aside: closed, but not known when"
EARLY = (
    "{:,} ends lay before the creation of their lead and stand at it: where many do, waits are longer than "
    "the forecast believes."
)
UNDATED = (
    "{:,} closed leads have no date of closing and are left out: they are no open pipeline and no revenue, "
    "and the forecast expects {:.0%} fewer new leads than came."
)
EXPONENT = r"\d(?:[.,](?P<decimals>\d+))?[eE]\+?(?P<power>\d{1,3})"
LONG = r"\d{16,}"
# So many ids that all end in zeros after the fifteenth digit are no chance: a spreadsheet keeps fifteen.
ENOUGH_LONG = 5
KEPT_DIGITS = 15
AGAIN = "format the column as text and export again"


@dataclass(frozen=True)
class LeadRows:
    """What the rows of such a table say; all series have one cell per row, and the row's number as index.

    Args:
        lead: names.
        stages: columns lead, stage, at: one row for each stage entered, under the row's number.
        ended: end -> moments of reaching it.
        state: the end that the lead is in, "" while it is open; None where only the dates tell.
        closed: moments at which the present end was reached, where `ended` does not tell; None for no column.
        kinds: end -> "won", "lost" or "handed over".
        reopens: a stage entered after an end opens the lead again (its dates are stamped by the CRM); else a
            lead with the date of an end is closed, whatever its other dates.
        typed: whether the dates of ends are typed by hand, so that they may lie in the future.
    """

    lead: pd.Series
    stages: pd.DataFrame
    ended: dict[str, pd.Series]
    state: pd.Series | None
    closed: pd.Series | None
    kinds: dict[str, str]
    reopens: bool = False
    typed: bool = True


@dataclass(frozen=True)
class Moves:
    """Places entered (columns lead, stage, at, typed, turn; the index is the row number), and what was odd.

    Turn: stages come before other ends, and these before the present end, where moments tie.
    """

    rows: pd.DataFrame
    findings: tuple[Finding, ...]
    limits: tuple[str, ...]


def moves_of(table: LeadRows) -> Moves:
    """Return the places that leads entered, each lead's present end last and never before its creation.

    A closed lead without a date of closing is set aside; so is a row without any date. The date of an end
    that contradicts the state is not used.
    """
    blank = pd.Series(pd.NaT, table.lead.index, dtype="datetime64[us]")
    stages = table.stages[["lead", "stage", "at"]].assign(rank=0)
    last = stages["at"].groupby(level=0).max().reindex(table.lead.index)
    state, at = _present(table, last, blank)
    undated = ((state != "") & at.isna()).to_numpy()
    early = (at < last).to_numpy()
    at = at.where(~early, last)
    present = pd.DataFrame({"lead": table.lead, "stage": state, "at": at, "rank": 2})
    ends, odd = _other_ends(table, present, last)
    rows = pd.concat([stages, ends, present[(state != "").to_numpy() & ~undated]])
    rows = rows[~rows.index.isin(table.lead.index[undated])]
    empty = _without_any(table, rows, undated)
    rows = _in_order(pd.concat([rows, empty]), table.lead.index)
    rows = rows.rename(columns={"rank": "turn"})
    rows["typed"] = table.typed & rows["turn"].gt(0)
    findings = (
        *_undated(present[undated], table.kinds),
        *found("ends before the creation", present[early], NO_TIME),
        *odd,
    )
    limits = [EARLY.format(early.sum())] if early.any() else []
    if undated.any():
        limits.append(UNDATED.format(undated.sum(), undated.mean()))
    return Moves(rows[COLUMNS], findings, tuple(limits))


def places_by_date(lead: pd.Series, columns: dict[str, pd.Series]) -> pd.DataFrame:
    """Return one row (lead, stage, at) for each place and lead with a date, under the row's number.

    Args:
        lead: names, one per row of the table.
        columns: place -> moments of entering it, NaT where it was not entered.
    """
    parts = [pd.DataFrame({"lead": lead, "stage": place, "at": at}) for place, at in columns.items()]
    blank = pd.DataFrame({"lead": lead, "stage": "", "at": pd.NaT}).iloc[:0].astype({"at": "datetime64[us]"})
    every = pd.concat([blank, *parts])
    return every[every["at"].notna().to_numpy()]


def _present(table: LeadRows, last: pd.Series, blank: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the end that each lead is in, "" where it is open, and when it got there."""
    ended = places_by_date(table.lead, table.ended)
    if table.state is None:
        latest = ended.iloc[::-1].sort_values("at", kind="stable", ascending=False)
        latest = latest[~latest.index.duplicated()]
        state = latest["stage"].reindex(table.lead.index).fillna("").astype("str")
        at = latest["at"].reindex(table.lead.index)
        again = (last > at).to_numpy() & table.reopens
        return state.mask(again, ""), at.mask(again)
    at = blank if table.closed is None else table.closed
    for place, moments in table.ended.items():
        at = at.where((table.state != place) | at.notna(), moments)
    kind = table.state.map(table.kinds)
    for place, moments in table.ended.items():
        at = at.where((kind != table.kinds.get(place)) | at.notna(), moments)
    return table.state, at.where(table.state != "")


def _other_ends(
    table: LeadRows, present: pd.DataFrame, last: pd.Series
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return the ends that a lead reached before its present state, and what was found of dates not used."""
    ends = places_by_date(table.lead, table.ended).assign(rank=1)
    state, at = (present[name].reindex(ends.index) for name in ("stage", "at"))
    past = (ends["at"] <= at) | ((state == "") & (ends["at"] < last.reindex(ends.index)))
    alike = (ends["stage"].map(table.kinds) == state.map(table.kinds)) & (state != "")
    same = alike.to_numpy() if table.state is not None else (ends["stage"] == state).to_numpy()
    odd = ends[~past.to_numpy() & ~same]
    findings = found("dates of ends that are not the present state", odd, "the date is not used")
    if table.closed is not None and table.state is not None:
        dated = (present["stage"] == "") & table.closed.notna()
        rows = present[dated.to_numpy()].assign(at=table.closed[dated], stage="open")
        findings += found("rows with an end date but no end", rows, "the date is not used: the lead is open")
    return ends[past.to_numpy() & ~same], findings


def _without_any(table: LeadRows, rows: pd.DataFrame, undated: Flags) -> pd.DataFrame:
    """Return one row without a date for each lead that has none and is not closed."""
    empty = ~np.asarray(table.lead.index.isin(rows.index)) & ~undated
    place = "no stage" if table.stages.empty else table.stages["stage"].iloc[0]
    return pd.DataFrame({"lead": table.lead, "stage": place, "at": pd.NaT, "rank": 0})[empty].astype(
        {"at": "datetime64[us]"}
    )


def _in_order(rows: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """Return rows as the file has them, those of one row by time, stages before ends where they tie."""
    turn = pd.Series(np.arange(len(index)), index=index).reindex(rows.index)
    order = rows.assign(turn=turn.to_numpy(), place=np.arange(len(rows)))
    return order.sort_values(["turn", "at", "rank", "place"], kind="stable").drop(columns=["turn", "place"])


def _undated(rows: pd.DataFrame, kinds: dict[str, str]) -> Iterator[Finding]:
    kind = rows["stage"].map(kinds)
    for name in ("won", "lost", "handed over"):
        yield from found(f"{name} without a date of closing", rows[(kind == name).to_numpy()], LEFT_OUT)


@dataclass(frozen=True)
class Names:
    """The table, the name of the lead of each of its rows, and what was odd about the names."""

    table: Table
    lead: pd.Series
    findings: tuple[Finding, ...]


def lost_digits(lead: pd.Series) -> pd.Series:
    """Return which names are numbers that a spreadsheet has rounded.

    >>> lost_digits(pd.Series(["1.23457E+12", "1.5E+01", "4711", "1234567890123456789"])).tolist()
    [True, False, False, False]
    """
    codes, unique = pd.factorize(lead)
    names = pd.Series(unique, dtype="str")
    parts = names.str.extract(f"^{EXPONENT}$")
    short = pd.to_numeric(parts["power"]) > parts["decimals"].fillna("").str.len()
    long = names.str.fullmatch(LONG)
    cut = names[long].str.slice(KEPT_DIGITS).str.fullmatch("0+")
    every = len(cut) >= ENOUGH_LONG and bool(cut.all())
    return pd.Series((short | (long & every)).to_numpy()[codes], lead.index, dtype=bool)


def names_of_events(table: Table, column: str) -> pd.Series:
    """Return the lead of each row of a log.

    Raises:
        FunnelError: no such column, or ids that a spreadsheet has rounded: leads cannot be told apart.
    """
    lead = table.text(column, "lead")
    odd = lost_digits(lead)
    if odd.any():
        row = int(odd.to_numpy().argmax())
        raise FunnelError(
            f"{table.file}, row {lead.index[row]}, column '{column}': {shown(lead.iloc[row])} was rounded by "
            f"a spreadsheet, so that several leads may share it; {AGAIN}"
        )
    return lead


def names_of_rows(table: Table, column: str, each: bool) -> Names:
    """Return a table with one row per lead, and the names of the leads, each of them once.

    Rows whose name stands in several rows are told apart by their numbers; exact copies of a row are set
    aside where the names are unique otherwise, so that they are keys.

    Args:
        table: the table.
        column: the column with the names; where each row is said to be a lead it may be absent.
        each: whether each row is said to be a lead of its own.

    Raises:
        FunnelError: no such column.
    """
    if each and column not in table.frame.columns:
        lead = pd.Series([f"row {row}" for row in table.frame.index], table.frame.index, dtype="str")
        return Names(table, lead, ())
    lead = table.text(column, "lead")
    copies = lead.duplicated()
    if copies.any():
        copies &= table.frame.astype("str").duplicated()
    findings: tuple[Finding, ...] = ()
    if copies.any() and not each:
        keys = not lead[~copies].duplicated().any()
        done = "set aside: each lead has one row" if keys else "kept: each row is a lead of its own"
        findings = _line("exact copies of a row", lead[copies], done)
        if keys:
            table, lead = replace(table, frame=table.frame[~copies.to_numpy()]), lead[~copies]
    odd = lost_digits(lead)
    findings += _line("ids rounded by a spreadsheet", lead[odd], f"kept: each row is a lead; {AGAIN}")
    same = lead.duplicated(keep=False) & (lead != "")
    if not each:
        done = "kept: each row is a lead of its own, named with its row (`row: lead` in the mapping says so)"
        findings += _line("rows that share a lead's name", lead[same], done)
    numbers = pd.Series(lead.index, lead.index).astype("str")
    lead = lead.mask(same, lead + " (row " + numbers + ")").mask((lead == "") & each, "row " + numbers)
    return Names(table, lead, findings)


def _line(kind: str, lead: pd.Series, done: str) -> tuple[Finding, ...]:
    if lead.empty:
        return ()
    return (Finding(kind, len(lead), f"row {lead.index[0]}: lead '{str(lead.iloc[0])[:40]}'", done),)


@dataclass(frozen=True)
class Second:
    """A second file with one row per lead.

    Args:
        table: the file.
        key: its column that names the lead.
        used: its columns that are used.
        asked: whether a mapping asked for it, so that it must match.
    """

    table: Table
    key: str
    used: list[str]
    asked: bool


def matches(main: Table, lead: pd.Series, second: Second) -> tuple[Finding, ...]:
    """Return how the leads of a table and the rows of a second file belong together.

    Args:
        main: the table.
        lead: its leads, as it names them.
        second: the second file.

    Raises:
        FunnelError: not one lead is in a file that was asked for.
    """
    extra, keys = second.table, second.table.text(second.key, "lead")
    leads = lead[lead != ""].drop_duplicates()
    there = leads.isin(keys)
    share = f"{there.sum():,} of {len(leads):,} leads are in {extra.file}"
    if second.asked and len(leads) and not there.any():
        raise FunnelError(
            f"{main.file}: {share}: it names them like {shown(leads.iloc[0])}, column '{second.key}' of the "
            f"file like {shown(keys.iloc[0])}{_salesforce_hint(leads, keys)}"
        )
    done = f"kept without its columns: {share}"
    findings = _line(f"leads without a row in {extra.file}", leads[~there], done)
    twice = keys[keys.duplicated(keep=False) & keys.isin(leads)]
    if len(twice):
        cells = extra.frame.loc[twice.index, second.used].astype("str").assign(key=twice).drop_duplicates()
        differ = cells["key"][cells["key"].duplicated()].nunique()
        done = f"kept: the first by its cells counts; {differ:,} of them differ in the columns that are used"
        findings += _line(f"leads with several rows in {extra.file}", twice.drop_duplicates(), done)
    return findings


def first_by_cells(table: Table, key: str) -> Table:
    """Return a table whose rows of one lead stand by their cells, blank ones last, whatever the file's order.

    Args:
        table: a second file; where no lead has two rows it is given back as it is.
        key: its column that names the lead.
    """
    if key not in table.frame.columns or not table.text(key).duplicated().any():
        return table
    names = sorted(map(str, table.frame.columns))
    cells = table.frame[names].astype("str")
    cells = cells.mask(cells == "", "\uffff")
    order = np.lexsort([pd.factorize(cells[name], sort=True)[0] for name in reversed(names)])
    return replace(table, frame=table.frame.iloc[order])


def _salesforce_hint(leads: pd.Series, keys: pd.Series) -> str:
    """Return what to do where one file has Salesforce's ids of 15 characters and the other those of 18."""
    if leads.str.slice(0, 15).isin(keys.str.slice(0, 15)).mean() < 0.5:
        return ""
    return "; Salesforce ids of 15 and of 18 characters: export both alike"
