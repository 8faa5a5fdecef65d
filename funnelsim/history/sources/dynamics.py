"""Dynamics 365 process tables, and Business Central's opportunity entries."""

from __future__ import annotations

import numpy as np
import pandas as pd

from funnelsim.history.parse import day_first, to_moments
from funnelsim.history.sources.recipe import Recipe, Said, Source, columns_of, first_of, having, needed
from funnelsim.history.tables import Table

SPREAD = (
    "{} entries of stages between a deal's first and present one have no date: they are spread evenly over "
    "the days between, so waits in those stages are rough."
)


def process(table: Table, _: tuple[Table, ...]) -> Recipe:
    """One row per process: the path of stages, when it began, and when its last stage did.

    The stages between have no date of their own; their entries are spread evenly over the days between.
    """
    created, started = _moments(table, "createdon"), _moments(table, "activestagestartedon")
    completed = _moments(table, "completedon")
    lead = table.text(needed(table, "opportunityid", "leadid", "businessprocessflowinstanceid"))
    active, name = table.text(needed(table, "activestageid")), _names(table)
    status = table.text(needed(table, "statuscode", "statecode")).str.casefold()
    rows, between = [], 0
    for row in table.frame.index:
        path = _path(table, row) or [active[row]]
        started_on = started[row] if pd.notna(started[row]) else created[row]
        share = np.linspace(0.0, 1.0, len(path)) if len(path) > 1 else np.array([0.0])
        between += max(len(path) - 2, 0)
        for stage, part in zip(path, share, strict=True):
            rows.append(
                (row, lead[row], name.get(stage, stage), created[row] + part * (started_on - created[row]))
            )
        if status[row] in ("2", "finished", "3", "aborted"):
            end = "Won" if status[row] in ("2", "finished") else "Lost"
            rows.append((row, lead[row], end, completed[row]))
    frame = pd.DataFrame(rows, columns=["row", "lead", "stage", "at"]).set_index("row")
    limits: tuple[str, ...] = ("A finished process counts as won, an aborted one as lost.",)
    if between:
        limits += (SPREAD.format(between),)
    said: Said = {"columns": {"lead": "lead", "stage": "stage", "at": "at"}, "won": "Won", "lost": "Lost"}
    words = "a Dynamics 365 sales process table, stages from traversedpath"
    return Recipe(Table(frame, table.file, table.words), said, words, limits)


def _moments(table: Table, column: str) -> pd.Series:
    name = first_of(table, column)
    if name is None:
        return pd.Series(pd.NaT, index=table.frame.index, dtype="datetime64[us]")
    where = f"{table.file}, column '{name}'"
    cells = table.frame[name]
    return to_moments(cells, where, day_first(table.text(name), where) if cells.dtype.kind == "O" else None)


def _path(table: Table, row: object) -> list[str]:
    name = first_of(table, "traversedpath")
    return (
        [part.strip() for part in str(table.frame.at[row, name]).split(",") if part.strip()] if name else []
    )


def _names(table: Table) -> dict[str, str]:
    """Return stage id -> name, as far as any row shows both."""
    label = first_of(table, "activestageidname", "activestageid_name")
    if label is None:
        return {}
    pairs = zip(table.text(needed(table, "activestageid")), table.text(label), strict=True)
    return {stage: name for stage, name in pairs if name}


def entries(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Business Central: one row per change of a sales cycle stage; the action taken tells win and loss."""
    action = table.text(needed(table, "Action Taken")).str.casefold()
    place = table.text(needed(table, "Sales Cycle Stage Description", "Sales Cycle Stage"))
    number = table.text(needed(table, "Sales Cycle Stage"))
    place = place.where(place != "", "stage " + number)
    frame = table.frame.assign(place=place.mask(action == "won", "Won").mask(action == "lost", "Lost"))
    said: Said = {
        "columns": {
            **columns_of(
                table,
                lead=("Opportunity No.",),
                at=("Date of Change",),
                owner=("Salesperson Code",),
                value=("Estimated Value (LCY)",),
                expected_close=("Estimated Close Date",),
            ),
            "stage": "place",
        },
        "won": "Won",
        "lost": "Lost",
    }
    shaped = Table(frame, table.file, table.words)
    return Recipe(shaped, said, "Business Central opportunity entries, stages from Sales Cycle Stage", ())


SOURCES = (
    Source("dynamics", having("activestageid", "activestagestartedon", "createdon"), process),
    Source(
        "business-central",
        having("opportunity no.", "sales cycle stage", "date of change", "action taken"),
        entries,
    ),
)
