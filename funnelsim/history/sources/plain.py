"""Tables without a vendor: two dates per deal, leads with a second file of wins, and plain logs."""

from __future__ import annotations

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.sources.recipe import Recipe, Said, Source, columns_of, first_of, having, needed, small
from funnelsim.history.tables import Table

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
SOURCES = (
    Source("two-dates", having("deal_stage", "engage_date", "close_date"), two_dates),
    Source("leads-and-wins", having("mql_id", "first_contact_date"), leads_and_wins),
    Source("log", bool, log),
)
