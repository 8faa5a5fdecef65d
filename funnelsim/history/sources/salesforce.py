"""Salesforce: stage history, field history, historical trend, opportunities alone, and custom entry dates."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pandas as pd

from funnelsim.history.quality import Finding
from funnelsim.history.sources.recipe import (
    CLOSED_ON,
    STATE,
    Changes,
    Recipe,
    Said,
    Source,
    columns_of,
    creation,
    first_of,
    having,
    needed,
    one_stage,
    rows_of_changes,
    small,
    state_of_flags,
    state_of_words,
    with_state,
)
from funnelsim.history.tables import Table
from funnelsim.history.vocabulary import flags, outcome_of

STAMP = re.compile(r"^(?P<place>.+?)[ _](?:(?:entry|entered)[ _])?date(?:__c)?$", re.IGNORECASE)
EDITED = "Close dates and amounts of open deals are edited by hand."
ALONE = (
    "Opportunities alone have no stage history: one stage 'Open' from creation to close. Export "
    "OpportunityHistory for a forecast by stage."
)
TYPED = "CloseDate is typed by hand and may lie before the creation."


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
            turn=("Id",),
        ),
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
    joint = _with_leads(table, others)
    words = "Salesforce OpportunityHistory, stages from StageName"
    limits = (EDITED, *joint.limits)
    return Recipe(joint.table, said, words, limits, opportunities, joint.findings, read=joint.read)


def columns_dict(said: Said) -> Said:
    """Return the columns part of what a mapping says."""
    columns = said["columns"]
    return dict(columns) if isinstance(columns, dict) else {}


@dataclass(frozen=True)
class Joint:
    """The history with its leads, what was found and cannot be told of them, and how many rows they had."""

    table: Table
    findings: tuple[Finding, ...] = ()
    limits: tuple[str, ...] = ()
    read: int = 0


def _with_leads(table: Table, others: tuple[Table, ...]) -> Joint:
    """Return the history with a stage "Lead" before it, for leads whose creation and conversion are known."""
    leads = next((other for other in others if "convertedopportunityid" in small(other)), None)
    if leads is None:
        return Joint(table)
    created = first_of(leads, "CreatedDate")
    if created is None:
        return Joint(table, limits=(f"{leads.file} has no CreatedDate: the time before a deal is unknown.",))
    deal = leads.text(needed(leads, "ConvertedOpportunityId"))
    names = columns_of(table, lead=("OpportunityId",), stage=("StageName",), at=("CreatedDate",))
    gone = deal.isin(table.text(str(names["lead"])))
    findings: tuple[Finding, ...] = ()
    left = pd.Series(True, leads.frame.index)
    converted, status = first_of(leads, "IsConverted"), first_of(leads, "Status")
    closed = deal != "" if converted is None else flags(leads, converted) | (deal != "")
    lost = pd.Series(False, leads.frame.index)
    if status is not None:
        lost = leads.text(status).map(_given_up).astype(bool) & ~closed
    for kind, odd in (("converted to no deal of this export", closed & ~gone), ("leads given up", lost)):
        if odd.any():
            example = f"row {odd.index[odd.to_numpy()][0]} of {leads.file}"
            findings += (Finding(kind, int(odd.sum()), example, "set aside: closed, but not known when"),)
        left &= ~odd
    rows = leads.frame[left.to_numpy()]
    born = pd.DataFrame(
        {
            str(names["lead"]): deal[left].where(gone[left], leads.text(needed(leads, "Id"))[left]),
            str(names["stage"]): "Lead",
            str(names["at"]): leads.text(created)[left],
        }
    ).set_axis([f"{row} of {leads.file}" for row in rows.index], axis=0)
    joined = replace(table, frame=pd.concat([born, table.frame]).fillna(""))
    return Joint(joined, findings, (f"Stage 'Lead' from {leads.file}.",), len(leads.frame))


def _given_up(status: str) -> bool:
    """Return whether a lead's status says that nobody works on it any more."""
    return outcome_of(status) == "lost" or "not converted" in status.casefold()


def leads_alone(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Leads without a history: created, and converted (handed over to sales) or given up."""
    deal = first_of(table, "ConvertedOpportunityId")
    converted = flags(table, needed(table, "IsConverted"))
    state = pd.Series("", table.frame.index).mask(converted, "Converted")
    status = first_of(table, "Status")
    if status is not None:
        state = state.mask(table.text(status).map(_given_up).astype(bool) & ~converted, "Given up")
    closed = first_of(table, "ConvertedDate")
    at = pd.Series("", table.frame.index) if closed is None else table.text(closed)
    columns = columns_of(table, lead=("Id",), channel=("LeadSource",), owner=("OwnerId",))
    columns |= {} if deal is None else {"deal": deal}
    said: Said = {
        **one_stage(creation(table, "CreatedDate")),
        "columns": columns,
        "won": [],
        "lost": "Given up",
        "handed_over": "Converted",
    }
    return Recipe(with_state(table, state, at), said, "Salesforce leads, created and converted", ())


def field_history(table: Table, _: tuple[Table, ...]) -> Recipe:
    """One row per change of a tracked field: stages, with amount and close date as they were then."""
    lead, at = needed(table, "OpportunityId"), needed(table, "CreatedDate")
    changes = Changes(
        lead=table.text(lead),
        at=table.frame[at],
        field=table.text(needed(table, "Field")),
        new=table.text(needed(table, "NewValue")),
        old=table.text(name) if (name := first_of(table, "OldValue")) else None,
    )
    roles = {"StageName": "stage", "Amount": "value", "CloseDate": "expected_close"}
    rows = rows_of_changes(table, changes, roles, born=("created", "opportunityCreatedFromLead"))
    words = "Salesforce OpportunityFieldHistory, stages from Field = StageName"
    return Recipe(
        rows.table, {"columns": rows.columns}, words, (EDITED, *rows.limits), findings=rows.findings
    )


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
    """Opportunities without history, of the object or a report: created on one day, closed on another."""
    won, stage = first_of(table, "IsWon", "Won"), first_of(table, "StageName", "Stage")
    if won is not None:
        state = state_of_flags(
            table, won, first_of(table, "IsClosed", "Closed"), first_of(table, "StageName", "Stage")
        )
    else:
        state = state_of_words(table.text(str(stage)))
    shaped = with_state(table, state, table.text(needed(table, "CloseDate")))
    columns = columns_of(
        table,
        lead=("Id", "OpportunityId", "Opportunity Name", "Name"),
        channel=("LeadSource",),
        segment=("Type",),
        owner=("OwnerId", "Opportunity Owner"),
        value=("Amount",),
        currency=("CurrencyIsoCode", "Amount Currency"),
    )
    said: Said = {"columns": columns, **one_stage(creation(table, "CreatedDate"))}
    return Recipe(shaped, said, "Salesforce Opportunity, created and closed", (ALONE, TYPED))


def _are_opportunities(columns: frozenset[str]) -> bool:
    """Return whether these are columns of opportunities: created, closed, and either flags or a stage."""
    named = {"opportunityname", "opportunityid", "opportunityowner", "fiscalperiod"}
    flagged = {"iswon", "isclosed"} <= columns
    return {"createddate", "closedate"} <= columns and (
        flagged or "stagename" in columns or ("stage" in columns and bool(named & columns))
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
    """One row per opportunity with a custom date column for each stage, and perhaps what became of it."""
    columns = columns_of(
        table,
        lead=("Id", "OpportunityId", "Opportunity ID", "Name"),
        channel=("LeadSource", "Lead Source"),
        owner=("OwnerId", "Owner"),
        value=("Amount",),
        segment=("Type",),
        expected_close=("CloseDate", "Close Date"),
    )
    dates = stamps(frozenset(map(str, table.frame.columns)))
    said: Said = {"columns": columns, "dates": dates}
    shaped, told = _with_known_state(table, dates)
    return Recipe(shaped, said | told, "a table with an entry date for each stage", ())


def _with_known_state(table: Table, dates: dict[str, str]) -> tuple[Table, Said]:
    """Return the table with the end of each row, where flags or the name of the present stage tell it."""
    won, closed = first_of(table, "IsWon", "Won"), first_of(table, "IsClosed", "Closed")
    stage = first_of(table, "StageName", "Stage")
    if won is not None:
        state = state_of_flags(table, won, closed, stage)
    elif stage is not None:
        state = state_of_words(table.text(stage))
    else:
        return table, {}
    ends = {outcome_of(place): place for place in dates}
    names = {"Won": ends.get("won", "Won"), "Lost": ends.get("lost", "Lost")}
    at = pd.Series("", index=table.frame.index)
    for end, place in names.items():
        if place in dates:
            at = at.where(state != end, table.text(dates[place]))
    close = first_of(table, "CloseDate", "Close Date")
    at = at if close is None else at.where(at != "", table.text(close))
    state = state.replace(names)
    said: Said = {"outcome": {"stage": STATE, "at": CLOSED_ON}, "won": names["Won"], "lost": names["Lost"]}
    return with_state(table, state, at), said


SOURCES = (
    Source("salesforce-history", having("opportunityid", "stagename", "createddate"), opportunity_history),
    Source("salesforce-fields", having("opportunityid", "field", "newvalue", "createddate"), field_history),
    Source(
        "salesforce-trend", having("opportunityid", "newstagename", "effectivefromdate"), historical_trend
    ),
    Source("entry-dates", lambda columns: len(stamps(columns)) >= 2, entry_dates),
    Source("salesforce-opportunities", _are_opportunities, opportunities),
    Source("salesforce-leads", having("isconverted", "createddate", "status"), leads_alone),
)
