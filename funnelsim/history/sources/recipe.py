"""What a reader of one source says: how to read the table, in the words of a mapping file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.parse import day_first, name_and_currency, to_moments
from funnelsim.history.quality import Finding, most_first
from funnelsim.history.tables import Table
from funnelsim.history.vocabulary import flags, outcome_of, plain

Said = dict[str, object]
PREFIX = re.compile(r"^(?:property_|properties_|properties\.)")
STATE, CLOSED_ON = "end of it", "closed on"
NO_START = (
    "{:,} leads appear with their first recorded change: when they were created, and where they were before "
    "it, is unknown."
)
USUAL = "{:,} leads without a change of stage are taken to be in '{}', where most others began."


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


def spellings_of(column: object) -> frozenset[str]:
    """Return how a column may be called: as it is, and as its twin without marks or a connector's prefix.

    >>> sorted(spellings_of("Created_Date")), sorted(spellings_of("property_dealname"))
    (['created_date', 'createddate'], ['dealname', 'property_dealname', 'propertydealname'])
    """
    name = str(column).strip().casefold()
    bare = PREFIX.sub("", name)
    worth = name_and_currency(bare)[0]
    return frozenset((name, plain(name) or name, bare, plain(bare) or bare, plain(worth) or bare))


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


def with_state(table: Table, state: pd.Series, closed_on: pd.Series) -> Table:
    """Return a table with one row per lead and two more columns: its state, and when it was closed.

    Args:
        table: as it came.
        state: "Won", "Lost", "" while it is open, or another word of the source's own.
        closed_on: the cells with the date of closing; those of rows without a state are left out.
    """
    columns = {STATE: state, CLOSED_ON: closed_on.where(state != "", "")}
    return replace(table, frame=table.frame.assign(**columns))


def state_of_flags(table: Table, won: str, closed: str | None, stage: str | None = None) -> pd.Series:
    """Return "Won", "Lost" or "" for each row, told by a flag for won and one for closed.

    A row whose flags are all blank is told by the words of its stage.

    Args:
        table: as it came.
        won, closed: names of the flags' columns.
        stage: name of the column with the stage, where there is one.

    Raises:
        FunnelError: a flag is neither yes nor no; names the row.
    """
    wins = flags(table, won)
    ended = wins if closed is None else flags(table, closed)
    state = pd.Series("", index=table.frame.index).mask(ended, "Lost").mask(wins, "Won")
    if stage is None:
        return state
    blank = (table.text(won) == "") & (closed is None or table.text(str(closed)) == "")
    words = state_of_words(table.text(stage))
    return state.mask(blank & words.isin(["Won", "Lost"]), words)


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


@dataclass(frozen=True)
class Changes:
    """One cell per change: whose, when (as it stands in the file), which field, its new and its old value."""

    lead: pd.Series
    at: pd.Series
    field: pd.Series
    new: pd.Series
    old: pd.Series | None = None


@dataclass(frozen=True)
class ChangeRows:
    """Rows as a mapping reads them, under these columns, and what was found and cannot be told."""

    table: Table
    columns: Said
    findings: tuple[Finding, ...]
    limits: tuple[str, ...]


def rows_of_changes(
    table: Table,
    changes: Changes,
    roles: dict[str, str],
    born: tuple[str, ...] = (),
    more: dict[str, str] | None = None,
) -> ChangeRows:
    """Return a log of single changes as rows that show stage and attributes together.

    Args:
        table: the log.
        changes: its cells.
        roles: field -> our word (stage, value, expected_close); changes of other fields are set aside.
        born: fields that stand for the creation; the lead's first stage is the old value of its first change.
        more: our words -> further columns of the table that are kept.

    Raises:
        FunnelError: no row tells of a stage.
    """
    names = list(dict.fromkeys(roles.values()))
    rows = _with_roles(table, changes, roles, born).assign(
        **{name: table.frame[column] for name, column in (more or {}).items()}
    )
    other = rows[rows["role"].isna().to_numpy()]
    rows = rows[rows["role"].notna().to_numpy()]
    rows = rows.sort_values(["lead", "moment", "later", "role", *names], kind="stable")
    rows, limits = _with_births(rows, names)
    rows[names] = rows.groupby("lead", sort=False)[names].ffill()
    early = rows["stage"].isna().to_numpy()
    findings = (
        *_aside("changes of other fields", other, "another field"),
        *_aside("changes before a stage is known", rows[early], "used from the first known stage on"),
    )
    shaped = rows[~early].fillna("")[["lead", "at", *names, *(more or {})]]
    columns: Said = {name: name for name in shaped.columns}
    return ChangeRows(replace(table, frame=shaped), columns, findings, limits)


def _with_roles(table: Table, changes: Changes, roles: dict[str, str], born: tuple[str, ...]) -> pd.DataFrame:
    """Return the changes with what each is about: one of our words, "born", or blank."""
    fields = {name.casefold(): role for name, role in (roles | dict.fromkeys(born, "born")).items()}
    role = changes.field.str.casefold().map(fields)
    if not role.isin(["stage", "born"]).any():
        wanted = " or ".join(name for name, word in roles.items() if word == "stage")
        raise FunnelError(f"{table.file}: no row tells of a change of {wanted}; export the changes of it")
    rows = pd.DataFrame({"lead": changes.lead, "at": changes.at, "role": role})
    for name in dict.fromkeys(roles.values()):
        rows[name] = changes.new.where(role == name)
    old = "" if changes.old is None else changes.old
    return rows.assign(old=old, moment=_moments(table, changes), later=role != "born")


def _moments(table: Table, changes: Changes) -> pd.Series:
    where = f"{table.file}, column '{changes.at.name}'"
    typed = changes.at.dtype.kind in "Miuf"
    first = None if typed else day_first(table.text(str(changes.at.name)), where)
    return to_moments(changes.at, where, first)


def _with_births(rows: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return rows where that of the creation shows the old value of the first change of each field."""
    born = (rows["role"] == "born").to_numpy()
    known = set(rows.loc[born, "lead"])
    limits = []
    for name in names:
        first = rows[(rows["role"] == name).to_numpy()].drop_duplicates("lead").set_index("lead")["old"]
        first = first[first != ""]
        began = rows["lead"].map(first)
        if name == "stage" and len(first):
            alone = born & ~rows["lead"].isin(rows.loc[(rows["role"] == name).to_numpy(), "lead"]).to_numpy()
            usual = str(most_first(first.value_counts()).index[0])
            began = began.mask(alone, usual)
            limits += [USUAL.format(alone.sum(), usual[:40])] if alone.any() else []
        rows[name] = rows[name].where(~born, began)
    without = rows["lead"].nunique() - len(known)
    limits += [NO_START.format(without)] if without else []
    return rows, tuple(limits)


def _aside(kind: str, rows: pd.DataFrame, why: str) -> tuple[Finding, ...]:
    if rows.empty:
        return ()
    example = f"row {rows.index[0]}: lead '{str(rows['lead'].iloc[0])[:40]}'"
    return (Finding(kind, len(rows), example, f"set aside: {why}"),)
