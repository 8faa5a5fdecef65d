"""A log of single changes, one field a row, to rows that show stage, amount and close date together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.parse import day_first, to_moments
from funnelsim.history.quality import Finding
from funnelsim.history.sources.recipe import Said
from funnelsim.history.tables import Table

NO_START = (
    "{:,} leads appear with their first recorded change: when they were created, and where they were before "
    "it, is unknown."
)
USUAL = "{:,} leads without a change of stage are taken to be in '{}', where most others began."


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
    rows, limits = _with_births(rows.sort_values(["lead", "moment", "later"], kind="stable"), names)
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
            usual = str(first.value_counts().index[0])
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
