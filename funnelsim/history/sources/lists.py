"""Tables of further CRMs (Bitrix24, Zoho, Odoo, Close, Copper, monday.com and their like), and of no vendor.

Their columns as public documentation, connectors and exports name them; where a name is not evidenced, any of
the usual words for it counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from funnelsim.errors import FunnelError, nearest
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
    small,
    spellings_of,
    state_of_words,
    with_state,
)
from funnelsim.history.tables import Table
from funnelsim.history.vocabulary import NO, YES, flags, plain

# Other words for our columns, as they stand in tidy logs and process-mining logs.
SYNONYMS = {
    "lead": ("lead", "lead_id", "case", "case_id", "case:concept:name", "deal_id", "deal", "客户", "线索"),
    "stage": ("stage", "activity", "concept:name", "stage_name", "status", "阶段"),
    "at": ("at", "timestamp", "time:timestamp", "date", "time", "entered_at", "start_time", "日期", "时间"),
    "channel": ("channel", "lead_source", "渠道"),
    "segment": ("segment", "细分"),
    "owner": ("owner", "resource", "org:resource", "负责人"),
    "value": ("value", "amount", "金额"),
    "currency": ("currency", "币种"),
    "expected_close": ("expected_close", "expected_close_date", "预计成交日期"),
}
LEAD = (
    "Record Id", "Item ID", "Item ID (auto generated)", "Deal ID", "Opportunity ID", "External ID", "id",
    "Deal Name", "Opportunity Name", "Opportunity", "lead_name", "Deal", "Lead ID", "Lead", "Name", "Title",
)  # fmt: skip
CREATED = (
    "Created Time", "DATE_CREATE", "create_date", "date_created", "Created At", "deal_created_at",
    "Created On", "Created Date", "Deal creation date", "Creation date", "Creation log", "Create Date",
    "Created", "createdTime",
)  # fmt: skip
STATE_NAMES = (
    "STAGE_SEMANTIC_ID", "STATUS_SEMANTIC_ID", "won_status", "status_type", "Deal Status", "Status",
    "Deal Stage", "deal_stage_name", "deal_deal_stage_name", "Stage Name", "Stage", "STAGE_ID", "STATUS_ID",
)  # fmt: skip
CLOSED_NAMES = (
    "date_closed", "Closed Date", "deal_closed_date", "Closed Time", "Actual Close Date", "Closed On",
    "Deal close date", "Closing Date", "CLOSEDATE", "Close Date", "date_stage_changed", "Closed At", "Closed",
)  # fmt: skip
ZOHO_KEYS = ("Deal Id", "Potential Id", "Parent Id", "Related To", "Deal Name", "Potential Name")
WON_ON, LOST_ON = ("date_won", "Won Date", "Won Time"), ("date_lost", "Lost Date", "Lost Time")
ROLES = {
    "value": (
        "value_formatted", "Deal Amount", "Amount", "Deal Value", "Expected Revenue", "planned_revenue",
        "monetary_value", "Value",
    ),
    "currency": ("CURRENCY_ID", "Currency", "value_currency", "currency_code", "deal_currency_name"),
    "owner": ("ASSIGNED_BY_ID", "Deal Owner", "Owner", "user_name", "user_id", "Salesperson", "Owned By"),
    "channel": ("SOURCE_ID", "Lead Source", "Source", "deal_source_name"),
    "segment": ("TYPE_ID", "Type", "Deal Type", "deal_deal_type_name"),
    "expected_close": ("Expected Close Date", "Expected Closing", "deal_expected_close", "date_deadline"),
}  # fmt: skip
# Codes of states that are no words of a language.
CODES = {
    "s": "Won",
    "f": "Lost",
    "p": "",
    "apology": "Lost",
    "abandoned": "Lost",
    "pending": "",
    "active": "",
}
ALONE = (
    "The list has no stage history: one stage 'Open' from creation to close. Export the history of stages "
    "for a forecast by stage."
)
CENTS = (
    "Close keeps amounts in cents: where the column `value` holds them so, divide it by 100 before reading."
)


@dataclass(frozen=True)
class Listing:
    """A kind of list: its words for a planner, columns that come before the usual ones, and a note."""

    words: str
    roles: dict[str, tuple[str, ...]]
    note: str = ""


def _listed(kind: Listing) -> Callable[[Table, tuple[Table, ...]], Recipe]:
    """Return the reader of a kind of list."""

    def read(table: Table, _: tuple[Table, ...]) -> Recipe:
        state = _state(table)
        usual = {"lead": LEAD, **ROLES}
        roles = {role: kind.roles.get(role, ()) + names for role, names in usual.items()}
        said: Said = {"columns": columns_of(table, **roles), **one_stage(creation(table, *CREATED))}
        limits = (ALONE, kind.note) if kind.note else (ALONE,)
        words = f"{kind.words}, created and closed"
        return Recipe(with_state(table, state, _closed_on(table, state)), said, words, limits)

    return read


def _state(table: Table) -> pd.Series:
    """Return "Won" or "Lost", told by the first column of states that says so, else the state's own word."""
    state = pd.Series("", table.frame.index, dtype="str")
    for name in STATE_NAMES:
        column = first_of(table, name)
        if column is not None:
            cells = table.text(column).str.replace(r"^[Cc]\d+:", "", regex=True)
            coded = cells.str.casefold().map(CODES).fillna(cells)
            words = state_of_words(coded.astype("str"))
            state = state.where(state.isin(["Won", "Lost"]) | (words == ""), words)
    if not any(first_of(table, name) for name in STATE_NAMES):
        for end, names in (("Won", WON_ON), ("Lost", LOST_ON)):
            column = first_of(table, *names)
            state = state if column is None else state.mask(table.text(column) != "", end)
    active = first_of(table, "active")
    if active is not None:
        state = state.mask(~flags(table, active) & (table.text(active) != "") & (state != "Won"), "Lost")
    return state


def _closed_on(table: Table, state: pd.Series) -> pd.Series:
    """Return the cells with the date of closing."""
    at = pd.Series("", table.frame.index, dtype="str")
    for end, names in (("Won", WON_ON), ("Lost", LOST_ON)):
        column = first_of(table, *names)
        if column is not None:
            at = at.where(state != end, table.text(column))
    column = first_of(table, *(name for name in CLOSED_NAMES if _holds_dates(table, name)))
    return at if column is None else at.where(at != "", table.text(column))


def _holds_dates(table: Table, name: str) -> bool:
    """Return whether a column is no flag, such as "Closed" with yes and no."""
    column = first_of(table, name)
    return column is None or not table.text(column).str.casefold().isin(YES | NO | {""}).all()


def bitrix_leads(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Bitrix24's leads: created, and converted (handed over to sales as a deal) or given up."""
    stage = table.text(needed(table, "STATUS_ID"))
    state = _state(table)
    state = state.mask((state == "Won") | (stage.str.casefold() == "converted"), "Converted")
    columns = columns_of(table, **{**ROLES, "lead": ("ID",), "value": ("OPPORTUNITY",)})
    said: Said = {
        **one_stage(creation(table, "DATE_CREATE", "createdTime")),
        "columns": columns,
        "won": [],
        "handed_over": "Converted",
    }
    return Recipe(with_state(table, state, _closed_on(table, state)), said, "Bitrix24 leads", ())


def bitrix_history(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Bitrix24's history of stages: one row per stage that a deal or lead entered."""
    stage = needed(table, "STAGE_ID", "STATUS_ID")
    columns = columns_of(table, lead=("OWNER_ID",), at=("CREATED_TIME",))
    place = table.text(stage)
    bare = place.str.replace(r"^[Cc]\d+:", "", regex=True)
    semantic = first_of(table, "STAGE_SEMANTIC_ID", "STATUS_SEMANTIC_ID")
    end = state_of_words(bare.str.casefold().map(CODES).fillna(bare).astype("str"))
    if semantic is not None:
        end = table.text(semantic).str.casefold().map(CODES).fillna(end)
    end = end.mask(bare.str.casefold() == "converted", "Handed_over")
    kinds = ("won", "lost", "handed_over")
    ends = {kind: sorted(place[end == kind.capitalize()].unique()) for kind in kinds}
    said: Said = {
        "columns": {**columns, "stage": stage},
        **{kind: names for kind, names in ends.items() if names},
    }
    return Recipe(table, said, "Bitrix24 history of stages", ())


def zoho_history(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Zoho's history of stages: one row per stage, with the moment at which the deal was moved there."""
    columns = columns_of(
        table,
        lead=(*ZOHO_KEYS, "Full Name"),
        stage=("Stage", "Lead Status"),
        at=("Modified Time", "Last Modified Time"),
        value=("Amount",),
        expected_close=("Closing Date", "Close Date"),
    )
    return Recipe(table, {"columns": columns}, "Zoho history of stages", ())


def _is_zoho_history(columns: frozenset[str]) -> bool:
    of_deals = "stage" in columns and any(plain(key) in columns for key in ZOHO_KEYS)
    of_leads = {"leadstatus", "fullname"} <= columns
    dated = bool(columns & {"modifiedtime", "lastmodifiedtime"}) and "createdtime" not in columns
    return dated and (of_deals or of_leads)


def _is_list(columns: frozenset[str]) -> bool:
    """Return whether a table is a list of deals by its columns: created, a state, a date of closing."""

    def any_of(*groups: tuple[str, ...]) -> bool:
        return any(
            spelling in columns for names in groups for name in names for spelling in spellings_of(name)
        )

    moves = {name for name in SYNONYMS["at"] if name in columns}
    told = any_of(STATE_NAMES) and any_of(CLOSED_NAMES, WON_ON, LOST_ON)
    return any_of(CREATED) and (told or (any_of(WON_ON) and any_of(LOST_ON))) and not moves


def two_dates(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Deals with a date on which work began and one of the end: the public "CRM sales opportunities"."""
    said: Said = {
        "columns": columns_of(
            table, lead=("opportunity_id", "deal_id"), owner=("sales_agent",), value=("close_value",)
        ),
        "dates": {"Engaging": needed(table, "engage_date")},
        "outcome": {"stage": first_of(table, "deal_stage"), "at": first_of(table, "close_date")},
        "value_known": "win",
    }
    return Recipe(table, said, "a table of deals with two dates, engage_date and close_date", ())


def leads_and_wins(table: Table, others: tuple[Table, ...]) -> Recipe:
    """Marketing-qualified leads, and a second file with those that were won."""
    wins = next((other for other in others if small(other) >= {"mql_id", "won_date"}), None)
    if wins is None:
        raise FunnelError(
            f"{table.file}: leads without their wins; give the folder that also holds the closed deals "
            "(mql_id, won_date), or name that file under `attributes` in a mapping file"
        )
    said: Said = {
        "columns": {
            **columns_of(table, lead=("mql_id",), channel=("origin",)),
            **columns_of(wins, owner=("sr_id",)),
        },
        "dates": {"Contacted": first_of(table, "first_contact_date"), "Won": first_of(wins, "won_date")},
        "attributes": {"file": wins.file, "lead": first_of(wins, "mql_id")},
        "won": "Won",
    }
    return Recipe(table, said, f"qualified leads, with the wins of {wins.file}", (), wins)


def log(table: Table, _: tuple[Table, ...]) -> Recipe:
    """One row per stage entered, with columns called as they usually are; the fallback of all.

    Raises:
        FunnelError: lead, stage or time cannot be found; names the columns that are there.
    """
    columns = columns_of(table, **SYNONYMS)
    for role in ("lead", "stage", "at"):
        if role not in columns:
            known = [str(name) for name in table.frame.columns]
            raise FunnelError(
                f"{table.file}: no column '{role}'; {nearest(role, known)}; other names can be given in a "
                "mapping file"
            )
    said: Said = {"columns": columns}
    transition = first_of(table, "lifecycle:transition")
    if transition is not None:
        complete = sorted(word for word in table.text(transition).unique() if word.casefold() == "complete")
        said |= {"where": {transition: complete}} if complete else {}
    return Recipe(table, said, "a log with one row per stage entered", ())


TIDY = Source("tidy", having("lead", "stage", "at"), log)
BITRIX = Listing("a Bitrix24 list of deals", {"lead": ("ID",), "value": ("OPPORTUNITY",)})
SOURCES = (
    Source("bitrix-history", having("owner_id", "stage_id", "created_time"), bitrix_history),
    Source("bitrix-lead-history", having("owner_id", "status_id", "created_time"), bitrix_history),
    Source("bitrix", having("stage_id", "date_create", "closedate"), _listed(BITRIX)),
    Source("bitrix-items", having("stageid", "createdtime", "closedate"), _listed(BITRIX)),
    Source("bitrix-leads", having("status_id", "date_create", "date_closed"), bitrix_leads),
    Source("zoho-history", _is_zoho_history, zoho_history),
    Source(
        "zoho", having("stage", "createdtime", "closingdate"), _listed(Listing("a Zoho list of deals", {}))
    ),
    Source("odoo", having("create_date", "date_closed"), _listed(Listing("an Odoo list of leads", {}))),
    Source(
        "close",
        having("date_created", "date_won"),
        _listed(Listing("a Close list of opportunities", {}, CENTS)),
    ),
    Source(
        "copper",
        having("date_created", "monetary_value"),
        _listed(Listing("a Copper list of opportunities", {})),
    ),
    Source("list", _is_list, _listed(Listing("a list of deals", {}))),
    Source("two-dates", having("deal_stage", "engage_date", "close_date"), two_dates),
    Source("leads-and-wins", having("mql_id", "first_contact_date"), leads_and_wins),
    Source("log", bool, log),
)
