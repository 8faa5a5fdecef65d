"""Salesforce: stage history, field history, historical trend, opportunities alone, and custom entry dates."""

from __future__ import annotations

import re

import pandas as pd

from funnelsim.history.parse import day_first, to_moments
from funnelsim.history.sources.recipe import (
    Recipe,
    Said,
    Source,
    columns_of,
    first_of,
    having,
    needed,
    small,
    true,
)
from funnelsim.history.tables import Table

STAMP = re.compile(r"^(?P<place>.+?)[ _](?:(?:entry|entered)[ _])?date(?:__c)?$", re.IGNORECASE)
EDITED = "Close dates and amounts of open deals are edited by hand."
ALONE = (
    "Opportunities alone have no stage history: one stage 'Open' from creation to close. Export "
    "OpportunityHistory for a forecast by stage."
)
TYPED = "CloseDate is typed by hand and may lie before the creation."
NO_START = "The stage before the first recorded change is unknown: such a lead appears with its first change."


def opportunity_history(table: Table, others: tuple[Table, ...]) -> Recipe:
    """One row per change of stage, amount, probability or close date, with the values after the change."""
    said: Said = {
        "columns": columns_of(
            table,
            lead=("OpportunityId",),
            stage=("StageName",),
            at=("CreatedDate",),
            value=("Amount",),
            expected_close=("CloseDate",),
            currency=("CurrencyIsoCode",),
        ),
        **_not_deleted(table),
    }
    opportunities = next(
        (other for other in others if small(other) >= {"id", "stagename", "closedate"}), None
    )
    if opportunities is not None:
        more = columns_of(opportunities, channel=("LeadSource",), owner=("OwnerId",), segment=("Type",))
        key = first_of(opportunities, "Id")
        said |= {
            "columns": {**columns_dict(said), **more},
            "attributes": {"file": opportunities.file, "lead": key},
        }
    table, limits = _with_leads(table, others)
    words = "Salesforce OpportunityHistory, stages from StageName"
    return Recipe(table, said, words, (EDITED, *limits), opportunities)


def columns_dict(said: Said) -> Said:
    """Return the columns part of what a mapping says."""
    columns = said["columns"]
    return dict(columns) if isinstance(columns, dict) else {}


def _not_deleted(table: Table) -> Said:
    """Return the condition that leaves out deleted rows, where there is a column that tells."""
    name = first_of(table, "IsDeleted")
    if name is None:
        return {}
    cells = table.text(name)
    return {"where": {name: sorted(cells[~true(cells)].unique())}} if true(cells).any() else {}


def _with_leads(table: Table, others: tuple[Table, ...]) -> tuple[Table, tuple[str, ...]]:
    """Return the history with a stage "Lead" before it, for leads whose creation and conversion are known."""
    leads = next((other for other in others if "convertedopportunityid" in small(other)), None)
    if leads is None:
        return table, ()
    created = first_of(leads, "CreatedDate")
    if created is None:
        return table, (f"{leads.file} has no CreatedDate: the time before an opportunity is unknown.",)
    opportunity = leads.text(needed(leads, "ConvertedOpportunityId"))
    lead = opportunity.where(opportunity != "", leads.text(needed(leads, "Id")))
    names = columns_of(table, lead=("OpportunityId",), stage=("StageName",), at=("CreatedDate",))
    born = pd.DataFrame(
        {str(names["lead"]): lead, str(names["stage"]): "Lead", str(names["at"]): leads.text(created)}
    )
    joined = pd.concat([born, table.frame]).fillna("")
    return Table(joined, table.file, table.words), (
        f"Stage 'Lead' from {leads.file}: leads given up without conversion have no date and look open.",
    )


def field_history(table: Table, _: tuple[Table, ...]) -> Recipe:
    """One row per change of a tracked field: stages, with amount and close date as they were then."""
    lead, at = needed(table, "OpportunityId"), needed(table, "CreatedDate")
    rows = changes_to_rows(
        table,
        lead,
        at,
        needed(table, "Field"),
        needed(table, "NewValue"),
        {"StageName": "stage", "Amount": "value", "CloseDate": "expected_close"},
    )
    said: Said = {
        "columns": {"lead": lead, "at": at, **{name: name for name in ("stage", "value", "expected_close")}}
    }
    return Recipe(
        rows, said, "Salesforce OpportunityFieldHistory, stages from Field = StageName", (EDITED, NO_START)
    )


def changes_to_rows(table: Table, lead: str, at: str, key: str, value: str, roles: dict[str, str]) -> Table:
    """Return a log of single changes as rows that show stage and attributes together.

    Args:
        table: one row per change.
        lead, at, key, value: its columns: whose, when, which field, the new value.
        roles: field -> our word; rows of other fields are left out.
    """
    fields = {name.casefold(): role for name, role in roles.items()}
    role = table.text(key).str.casefold().map(fields)
    rows = pd.DataFrame({lead: table.text(lead), at: table.frame[at]})
    for name in dict.fromkeys(roles.values()):
        rows[name] = table.text(value).where(role == name)
    rows = rows[role.notna().to_numpy()]
    where = f"{table.file}, column '{at}'"
    first = None if rows[at].dtype.kind in "Miuf" else day_first(Table(rows, table.file, "").text(at), where)
    moments = to_moments(rows[at], where, first)
    rows = rows.assign(moment=moments).sort_values([lead, "moment"], kind="stable")
    names = list(dict.fromkeys(roles.values()))
    rows[names] = rows.groupby(lead, sort=False)[names].ffill()
    rows = rows[rows["stage"].notna().to_numpy()].drop(columns="moment").fillna("")
    return Table(rows, table.file, table.words)


def historical_trend(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Data Cloud: one row per state of an opportunity between two dates."""
    columns = columns_of(
        table,
        lead=("OpportunityId",),
        stage=("NewStageName",),
        at=("EffectiveFromDate",),
        value=("NewAmount",),
        expected_close=("NewCloseDate",),
    )
    return Recipe(
        table, {"columns": columns}, "Salesforce historical trend, stages from NewStageName", (EDITED,)
    )


def opportunities(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Opportunities without history: created on one day, closed on another."""
    won, closed = (
        true(table.text(needed(table, "IsWon"))),
        true(table.text(needed(table, "IsClosed"))),
    )
    end = pd.Series("", index=table.frame.index).mask(closed, "Lost").mask(won, "Won")
    frame = table.frame.assign(**{"end of it": end})
    at = first_of(table, "CloseDate")
    close = frame[str(at)].where(end != "", "")
    said: Said = {
        "columns": columns_of(
            table,
            lead=("Id", "OpportunityId"),
            channel=("LeadSource",),
            segment=("Type",),
            owner=("OwnerId",),
            value=("Amount",),
            currency=("CurrencyIsoCode",),
        ),
        "dates": {"Open": needed(table, "CreatedDate")},
        "outcome": {"stage": "end of it", "at": "closed on"},
        "won": "Won",
        "lost": "Lost",
    }
    words = "Salesforce Opportunity, created and closed"
    return Recipe(
        Table(frame.assign(**{"closed on": close}), table.file, table.words), said, words, (ALONE, TYPED)
    )


def stamps(columns: frozenset[str]) -> dict[str, str]:
    """Return place -> column for entry-date columns such as Proposal_Entry_Date__c.

    >>> stamps(frozenset({"proposal_entry_date__c", "closed_won_date__c", "close date"}))
    {'closed won': 'closed_won_date__c', 'proposal': 'proposal_entry_date__c'}
    """
    found = {}
    for column in sorted(columns):
        match = STAMP.match(column)
        if match and (re.search(r"[ _](entry|entered)[ _]", column, re.I) or "closed_" in column.casefold()):
            found[re.sub(r"[ _]+", " ", match["place"]).strip()] = column
    return found


def entry_dates(table: Table, _: tuple[Table, ...]) -> Recipe:
    """One row per opportunity with a custom date column for each stage."""
    said: Said = {
        "columns": columns_of(
            table,
            lead=("Id", "OpportunityId", "Opportunity ID", "Name"),
            channel=("LeadSource", "Lead Source"),
            owner=("OwnerId", "Owner"),
            value=("Amount",),
            segment=("Type",),
            expected_close=("CloseDate", "Close Date"),
        ),
        "dates": stamps(frozenset(map(str, table.frame.columns))),
    }
    return Recipe(table, said, "a table with an entry date for each stage", ())


SOURCES = (
    Source("salesforce-history", having("opportunityid", "stagename", "createddate"), opportunity_history),
    Source("salesforce-fields", having("opportunityid", "field", "newvalue", "createddate"), field_history),
    Source(
        "salesforce-trend", having("opportunityid", "newstagename", "effectivefromdate"), historical_trend
    ),
    Source("entry-dates", lambda columns: len(stamps(columns)) >= 2, entry_dates),
    Source(
        "salesforce-opportunities", having("createddate", "closedate", "iswon", "isclosed"), opportunities
    ),
)
