"""Whose row it is: names of leads that repeat, that a spreadsheet rounded, or that match no second file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.files import shown
from funnelsim.history.quality import Finding
from funnelsim.history.tables import Table

EXPONENT = r"\d(?:[.,](?P<decimals>\d+))?[eE]\+?(?P<power>\d{1,3})"
LONG = r"\d{16,}"
# So many ids that all end in zeros after the fifteenth digit are no chance: a spreadsheet keeps fifteen.
ENOUGH_LONG = 5
KEPT_DIGITS = 15
AGAIN = "format the column as text and export again"


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
    parts = lead.str.extract(f"^{EXPONENT}$")
    short = pd.to_numeric(parts["power"]) > parts["decimals"].fillna("").str.len()
    long = lead.str.fullmatch(LONG)
    cut = lead.str.slice(KEPT_DIGITS).str.fullmatch("0+")
    ids = lead[long].unique()
    every = len(ids) >= ENOUGH_LONG and bool(cut[long].all())
    return short | (long & every)


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
        done = f"kept: the first row of each counts; {differ:,} of them differ in the columns that are used"
        findings += _line(f"leads with several rows in {extra.file}", twice.drop_duplicates(), done)
    return findings


def _salesforce_hint(leads: pd.Series, keys: pd.Series) -> str:
    """Return what to do where one file has Salesforce's ids of 15 characters and the other those of 18."""
    if leads.str.slice(0, 15).isin(keys.str.slice(0, 15)).mean() < 0.5:
        return ""
    return "; Salesforce ids of 15 and of 18 characters: export both alike"
