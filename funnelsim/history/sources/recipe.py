"""What a reader of one source says: how to read the table, in the words of a mapping file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.quality import Finding
from funnelsim.history.tables import Table

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
    """

    table: Table
    mapping: Said
    words: str
    limits: tuple[str, ...] = ()
    extra: Table | None = None
    findings: tuple[Finding, ...] = ()


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


def small(table: Table) -> frozenset[str]:
    """Return a table's column names in small letters."""
    return frozenset(str(name).strip().casefold() for name in table.frame.columns)


def having(*names: str) -> Callable[[frozenset[str]], bool]:
    """Return a test whether all these columns (small letters) are there.

    >>> having("id", "stage")(frozenset({"id", "stage", "at"}))
    True
    """
    return lambda columns: columns.issuperset(names)


def first_of(table: Table, *names: str) -> str | None:
    """Return the first of these columns that a table has, as it is written there; None if it has none."""
    there = {str(name).strip().casefold(): str(name) for name in reversed(list(table.frame.columns))}
    return next((there[name.casefold()] for name in names if name.casefold() in there), None)


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


def true(cells: pd.Series) -> pd.Series:
    """Return whether each cell says yes.

    >>> true(pd.Series(["TRUE", "1", "no", ""])).tolist()
    [True, True, False, False]
    """
    return cells.astype("str").str.strip().str.casefold().isin(["true", "1", "1.0", "yes", "wahr"])
