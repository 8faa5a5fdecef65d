"""What a reader of one source says: how to read the table, in the words of a mapping file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.quality import Finding
from funnelsim.history.tables import Table
from funnelsim.history.vocabulary import flags, outcome_of, plain

Said = dict[str, object]


@dataclass(frozen=True)
class Recipe:
    """How to read an export.

    Args:
        table: the table, put into shape where it needs to be.
        mapping: what a mapping file would say.
        words: how the export was understood.
        limits: what this kind of export cannot tell, each in one sentence.
        extra: a second table with one row per lead.
        findings: rows that were set aside while putting it into shape.
        reopens: of one row per lead: its dates are stamped, so that a stage after an end opens it again.
        read: rows of the file that became rows of the table, before any of them was set aside.
    """

    table: Table
    mapping: Said
    words: str
    limits: tuple[str, ...] = ()
    extra: Table | None = None
    findings: tuple[Finding, ...] = ()
    reopens: bool = False
    read: int = 0


@dataclass(frozen=True)
class Source:
    """A kind of export, told by its columns.

    Args:
        name: as `--source` takes it.
        fits: whether a table with these columns (in small letters) is one.
        read: the table, and the other tables given with it, to a recipe.
    """

    name: str
    fits: Callable[[frozenset[str]], bool]
    read: Callable[[Table, tuple[Table, ...]], Recipe]


PREFIX = re.compile(r"^(?:property_|properties_|properties\.)")


def spellings_of(column: object) -> frozenset[str]:
    """Return how a column may be called: as it is, and as its twin without marks or a connector's prefix.

    >>> sorted(spellings_of("Created_Date")), sorted(spellings_of("property_dealname"))
    (['created_date', 'createddate'], ['dealname', 'property_dealname', 'propertydealname'])
    """
    name = str(column).strip().casefold()
    bare = PREFIX.sub("", name)
    return frozenset((name, plain(name) or name, bare, plain(bare) or bare))


def small(table: Table) -> frozenset[str]:
    """Return a table's column names in small letters, also without blanks and marks."""
    return frozenset().union(*(spellings_of(name) for name in table.frame.columns))


def having(*names: str) -> Callable[[frozenset[str]], bool]:
    """Return a test whether all these columns (small letters) are there.

    >>> having("id", "stage")(frozenset({"id", "stage", "at"}))
    True
    """
    return lambda columns: columns.issuperset(names)


def first_of(table: Table, *names: str) -> str | None:
    """Return the first of these columns that a table has, as it is written there; None if it has none.

    A column that is called just so comes before one that differs by blanks, marks or a connector's prefix.
    """
    columns = [str(name) for name in reversed(list(table.frame.columns))]
    exact = {name.strip().casefold(): name for name in columns}
    alike = {spelling: name for name in columns for spelling in spellings_of(name)}
    for name in names:
        small_name = name.casefold()
        if small_name in exact:
            return exact[small_name]
        if plain(name) in alike:
            return alike[plain(name)]
    return None


def needed(table: Table, *names: str) -> str:
    """Return the first of these columns that a table has.

    Raises:
        FunnelError: it has none of them.
    """
    found = first_of(table, *names)
    if found is None:
        known = [str(name) for name in table.frame.columns]
        raise FunnelError(f"{table.file}: no column '{names[0]}'; {nearest(names[0], known)}")
    return found


def columns_of(table: Table, **wanted: tuple[str, ...]) -> Said:
    """Return our words -> the table's columns, for those that the table has."""
    found = {role: first_of(table, *names) for role, names in wanted.items()}
    return {role: name for role, name in found.items() if name is not None}


def creation(table: Table, *names: str) -> str:
    """Return the first of these columns, which hold the date of creation, that a table has.

    Raises:
        FunnelError: it has none of them, so that nothing is dated.
    """
    found = first_of(table, *names)
    if found is None:
        raise FunnelError(
            f"{table.file}: nothing is dated: no column with the day on which a lead was created, such as "
            f"'{names[0]}'; export it too"
        )
    return found


STATE, CLOSED_ON = "end of it", "closed on"


def with_state(table: Table, state: pd.Series, closed_on: pd.Series) -> Table:
    """Return a table with one row per lead and two more columns: its state, and when it was closed.

    Args:
        table: as it came.
        state: "Won", "Lost", "" while it is open, or another word of the source's own.
        closed_on: the cells with the date of closing; those of rows without a state are left out.
    """
    columns = {STATE: state, CLOSED_ON: closed_on.where(state != "", "")}
    return replace(table, frame=table.frame.assign(**columns))


def state_of_flags(table: Table, won: str, closed: str | None) -> pd.Series:
    """Return "Won", "Lost" or "" for each row, told by a flag for won and one for closed.

    Raises:
        FunnelError: a flag is neither yes nor no; names the row.
    """
    wins = flags(table, won)
    ended = wins if closed is None else flags(table, closed)
    return pd.Series("", index=table.frame.index).mask(ended, "Lost").mask(wins, "Won")


def state_of_words(words: pd.Series) -> pd.Series:
    """Return "Won" or "Lost" for each name of a state that says so, all others as they are.

    >>> state_of_words(pd.Series(["Gewonnen", "Closed Lost", "deleted", "Offer"])).tolist()
    ['Won', 'Lost', 'deleted', 'Offer']
    """
    ends = words.map(outcome_of).map({"won": "Won", "lost": "Lost"})
    return ends.fillna(words).astype("str")


def one_stage(created: str) -> Said:
    """Return what a mapping says of a table made by `with_state`: one stage from creation to the end."""
    ends: Said = {"won": "Won", "lost": "Lost", "outcome": {"stage": STATE, "at": CLOSED_ON}}
    return {"dates": {"Open": created}, **ends}
