"""Dynamics 365 process tables, and Business Central's opportunity entries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from funnelsim.history.by_lead import LeadRows, moves_of, names_of_rows
from funnelsim.history.parse import day_first, to_moments
from funnelsim.history.sources.recipe import (
    Recipe,
    Said,
    Source,
    columns_of,
    creation,
    first_of,
    having,
    needed,
    one_stage,
    state_of_words,
    with_state,
)
from funnelsim.history.tables import Table
from funnelsim.history.vocabulary import outcome_of

SPREAD = (
    "{} entries of stages between a deal's first and present one have no date: they are spread evenly over "
    "the days between, so waits in those stages are rough."
)

NO_STAGES = (
    "Opportunities alone have no stage history: one stage 'Open' from creation to close. Export the process "
    "table (opportunitysalesprocess) for a forecast by stage."
)
FINISHED = {"2": "Won", "finished": "Won", "3": "Lost", "aborted": "Lost"}
STATES = {"1": "Won", "2": "Lost"}
WORTH = "amount of it"


def process(table: Table, _: tuple[Table, ...]) -> Recipe:
    """One row per process: the path of stages, when it began, and when its last stage did.

    The stages between have no date of their own; their entries are spread evenly over the days between.
    """
    key = needed(table, "opportunityid", "leadid", "businessprocessflowinstanceid")
    names = names_of_rows(table, key, each=False)
    table, lead = names.table, names.lead
    stages, between = _stages(table, lead)
    status = table.text(needed(table, "statuscode", "statecode")).str.casefold()
    state = status.map(FINISHED).fillna("").astype("str")
    closed = _moments(table, "completedon")
    kinds = {"Won": "won", "Lost": "lost"}
    moves = moves_of(LeadRows(lead, stages, {}, state, closed, kinds, typed=False))
    limits: tuple[str, ...] = ("A finished process counts as won, an aborted one as lost.",)
    if between:
        limits += (SPREAD.format(between),)
    said: Said = {"columns": {"lead": "lead", "stage": "stage", "at": "at"}, "won": "Won", "lost": "Lost"}
    words = "a Dynamics 365 sales process table, stages from traversedpath"
    shaped = replace(table, frame=moves.rows[["lead", "stage", "at"]])
    return Recipe(shaped, said, words, limits + moves.limits, findings=names.findings + moves.findings)


def _stages(table: Table, lead: pd.Series) -> tuple[pd.DataFrame, int]:
    """Return a row for each stage of each path, and how many of them have no date of their own."""
    created, started = _moments(table, "createdon"), _moments(table, "activestagestartedon")
    active, name = table.text(needed(table, "activestageid")), _names(table)
    rows, between = [], 0
    for row in table.frame.index:
        path = _path(table, row) or [active[row]]
        started_on = started[row] if pd.notna(started[row]) else created[row]
        share = np.linspace(0.0, 1.0, len(path)) if len(path) > 1 else np.array([0.0])
        between += max(len(path) - 2, 0)
        for stage, part in zip(path, share, strict=True):
            at = created[row] + part * (started_on - created[row])
            rows.append((row, lead[row], name.get(stage, stage), at))
    frame = pd.DataFrame(rows, columns=["row", "lead", "stage", "at"]).set_index("row")
    frame["at"] = frame["at"].astype("datetime64[us]")
    return frame[frame["at"].notna().to_numpy()], between


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
    action = table.text(needed(table, "Action Taken")).map(outcome_of)
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
    shaped = replace(table, frame=frame)
    return Recipe(shaped, said, "Business Central opportunity entries, stages from Sales Cycle Stage", ())


def dynamics_opportunities(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Opportunities as a view or the service gives them: created, and closed on an actual date."""
    state = state_of_words(table.text(needed(table, "statecode", "Status", "Status Reason")).replace(STATES))
    closed = table.text(needed(table, "actualclosedate", "Actual Close Date"))
    if first_of(table, "statecode", "Status") is None:
        state = state.mask((state != "Won") & (closed != ""), "Lost")
    shaped = with_state(table, state, closed)
    worth = first_of(table, "estimatedvalue", "Est. Revenue", "Est. revenue", "Estimated Revenue")
    actual = first_of(table, "actualvalue", "Actual Revenue")
    if worth is not None and actual is not None:
        cells = table.frame[worth].where((state != "Won") | (table.text(actual) == ""), table.frame[actual])
        shaped = replace(shaped, frame=shaped.frame.assign(**{WORTH: cells}))
    columns = columns_of(
        table,
        lead=("opportunityid", "(Do Not Modify) Opportunity", "Opportunity", "Topic", "name"),
        owner=("owneridname", "Owner", "ownerid"),
        currency=("transactioncurrencyidname", "Currency", "transactioncurrencyid"),
        channel=("campaignidname", "Source Campaign"),
        expected_close=("estimatedclosedate", "Est. Close Date", "Est. close date"),
    )
    value = WORTH if WORTH in shaped.frame.columns else worth or actual
    columns |= {} if value is None else {"value": value}
    said = {"columns": columns, **one_stage(creation(table, "createdon", "Created On"))}
    return Recipe(shaped, said, "Dynamics 365 opportunities, created and closed", (NO_STAGES,))


SOURCES = (
    Source("dynamics", having("activestageid", "activestagestartedon", "createdon"), process),
    Source("dynamics-opportunities", having("statecode", "actualclosedate"), dynamics_opportunities),
    Source("dynamics-view", having("status", "actual close date"), dynamics_opportunities),
    Source("dynamics-view-reason", having("status reason", "actual close date"), dynamics_opportunities),
    Source(
        "business-central",
        having("opportunity no.", "sales cycle stage", "date of change", "action taken"),
        entries,
    ),
)
