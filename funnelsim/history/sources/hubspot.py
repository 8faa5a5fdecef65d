"""HubSpot: deals and contacts with a date per stage, property history, and what connectors make of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.quality import Finding
from funnelsim.history.sources.recipe import (
    CLOSED_ON,
    STATE,
    Changes,
    Recipe,
    Said,
    Source,
    columns_of,
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
from funnelsim.history.vocabulary import outcome_of, plain

LABEL = re.compile(
    r"^(?P<kind>date entered|cumulative time in|latest time in) [\"'“”‘’\[]*(?P<stage>.+?)"
    r"(?: \((?P<pipeline>[^()]*)\))?[\"'“”‘’\]]*$",
    re.IGNORECASE,
)
INTERNAL = re.compile(
    r"^(?:property_|properties_)?hs_(?P<new>v_?2_)?(?P<kind>date_entered|cumulative_time_in|latest_time_in)_"
    r"(?P<stage>.+)$",
    re.IGNORECASE,
)
LAST_ENTRY = "HubSpot keeps one date per stage: a stage that was entered again shows its last entry only."
NO_STAGES = (
    "No dates of entering stages: one stage 'Open' from creation to close. Export the properties "
    "'Date entered ...' of each stage for a forecast by stage."
)
TWENTY = "HubSpot keeps a deal property's last 20 changes (a contact's 45): long lives lose their start."
STAGE = ("Deal Stage", "dealstage", "pipeline_stage_label", "deal_pipeline_stage_id")
CLOSE = ("Close Date", "closedate")
IS_WON = ("hs_is_closed_won", "Is Closed Won", "Is closed won")
IS_CLOSED = ("hs_is_closed", "Is Deal Closed?", "Is closed")
ROLES = {
    "lead": (
        "Record ID",
        "Deal ID",
        "Contact ID",
        "hs_object_id",
        "dealId",
        "deal_id",
        "id",
        "Deal Name",
        "dealname",
    ),
    "value": ("Amount", "amount"),
    "currency": ("Currency", "deal_currency_code"),
    "owner": ("Deal owner", "Contact owner", "hubspot_owner_id"),
    "channel": ("Original Source Type", "Original Traffic Source", "hs_analytics_source"),
    "segment": ("Deal Type", "dealtype"),
}


@dataclass(frozen=True)
class Stamp:
    """One column about one stage."""

    column: str
    kind: str
    stage: str
    pipeline: str
    new: bool


def stage_columns(columns: frozenset[str] | list[str]) -> list[Stamp]:
    """Return the columns that tell when stages were entered, and for how long.

    >>> [stamp.stage for stamp in stage_columns(["Date entered 'Won (Sales)'", "hs_date_entered_lead"])]
    ['Won', 'lead']
    """
    found = []
    for column in columns:
        match = LABEL.match(column)
        if match:
            new = '"' in column or "“" in column
            found.append(
                Stamp(
                    column,
                    match["kind"].casefold().replace(" ", "_"),
                    match["stage"],
                    match["pipeline"] or "",
                    new,
                )
            )
            continue
        match = INTERNAL.match(column)
        if match and match["stage"].casefold() != "current_stage":
            found.append(Stamp(column, match["kind"].casefold(), match["stage"], "", bool(match["new"])))
    return found


def stage_dates(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Deals or contacts with a "Date entered" column for each stage."""
    stamps = stage_columns([str(column) for column in table.frame.columns])
    entered = [stamp for stamp in stamps if stamp.kind == "date_entered"]
    filled = [stamp for stamp in entered if (table.text(stamp.column) != "").any()]
    if not filled and small(table) >= {"createdate", "closedate"} and first_of(table, *STAGE, *IS_WON):
        return bare_deals(table, ())
    if not filled:
        raise FunnelError(
            f"{table.file}: all {len(entered)} columns like '{entered[0].column[:80]}' are empty; export the "
            "properties 'Date entered ...' (hs_v2_date_entered_...) of each stage, which only HubSpot "
            "Professional and Enterprise fill"
        )
    several = len({stamp.pipeline for stamp in filled}) > 1
    dates: dict[str, str] = {}
    for stamp in sorted(filled, key=lambda stamp: not stamp.new):
        name = f"{stamp.stage} ({stamp.pipeline})" if several and stamp.pipeline else stamp.stage
        dates.setdefault(name, stamp.column)
    said: Said = {"columns": columns_of(table, **ROLES), "dates": dates}
    if any(plain(name) == "customer" for name in dates):
        said["won"] = [name for name in dates if plain(name) == "customer"]
    else:
        for end in ("won", "lost"):
            names = [name for name in dates if outcome_of(name) == end]
            said |= {end: names} if names else {}
    shaped, told = _with_present_stage(table, dates, said)
    old = [stamp.column for stamp in filled if not stamp.new and stamp.column in dates.values()]
    limits: tuple[str, ...] = (LAST_ENTRY,)
    if old:
        limits += (f"{len(old)} stages have their dates in the older columns only, such as '{old[0]}'.",)
    kind = "contact" if any(plain(name) == "customer" for name in dates) else "deal"
    words = f"a HubSpot {kind} export, stages from {len(dates)} 'Date entered' columns"
    return Recipe(shaped, said | told, words, limits, findings=_again(table, stamps), reopens=True)


def _with_present_stage(table: Table, dates: dict[str, str], said: Said) -> tuple[Table, Said]:
    """Return the table with the end that each deal is in now, where the export tells its present stage."""
    stage, won, closed = (first_of(table, *names) for names in (STAGE, IS_WON, IS_CLOSED))
    if stage is None and won is None:
        return table, {}
    end = state_of_words(table.text(str(stage))) if won is None else state_of_flags(table, won, closed, stage)
    names = {kind: (said.get(kind) or [kind.title()]) for kind in ("won", "lost")}
    first = {kind.title(): str(group[0]) for kind, group in names.items() if isinstance(group, list)}
    state = end.replace(first)
    if stage is not None:
        ours = {plain(name): name for group in names.values() if isinstance(group, list) for name in group}
        own = table.text(stage).map(plain).map(ours)
        state = state.mask((state != "") & own.notna(), own).astype("str")
    at = pd.Series("", index=table.frame.index)
    for place, column in dates.items():
        at = at.where(state != place, table.text(column))
    close = first_of(table, *CLOSE)
    at = at if close is None else at.where(at != "", table.text(close))
    told: Said = {"outcome": {"stage": STATE, "at": CLOSED_ON}, **names}
    return with_state(table, state, at), told


def _again(table: Table, stamps: list[Stamp]) -> tuple[Finding, ...]:
    """Return how many stages were entered more than once: more time in all than in the latest visit."""
    cumulative = {(s.stage, s.pipeline): s.column for s in stamps if s.kind == "cumulative_time_in"}
    count, example = 0, ""
    for stamp in stamps:
        if stamp.kind == "latest_time_in" and (stamp.stage, stamp.pipeline) in cumulative:
            longest = pd.to_numeric(table.text(cumulative[(stamp.stage, stamp.pipeline)]), errors="coerce")
            again = longest > pd.to_numeric(table.text(stamp.column), errors="coerce") * (1 + 1e-9)
            count += int(again.sum())
            if again.any() and not example:
                example = f"row {again.index[again.to_numpy()][0]}: '{stamp.stage}'"
    done = "kept: with the date of their last entry"
    return (Finding("stages that were entered again", count, example, done),) if count else ()


def bare_deals(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Deals without a date per stage: created on one day, closed on another."""
    stage, close = first_of(table, *STAGE), needed(table, *CLOSE)
    columns, created = columns_of(table, **ROLES), needed(table, "Create Date", "createdate")
    words = "a HubSpot deal export, created and closed"
    won = first_of(table, *IS_WON)
    if won is not None:
        state = state_of_flags(table, won, first_of(table, *IS_CLOSED), stage)
        shaped = with_state(table, state, table.text(close))
        return Recipe(shaped, {"columns": columns, **one_stage(created)}, words, (NO_STAGES,))
    said: Said = {
        "columns": columns,
        "dates": {"Open": created},
        "outcome": {"stage": needed(table, *STAGE), "at": close},
    }
    return Recipe(table, said, words, (NO_STAGES,))


def property_history(table: Table, _: tuple[Table, ...]) -> Recipe:
    """The history of deal properties, one row per change."""
    changes = Changes(
        lead=table.text(needed(table, "dealId", "deal_id", "vid")),
        at=table.frame[needed(table, "timestamp")],
        field=table.text(needed(table, "property", "name")),
        new=table.text(needed(table, "value")),
    )
    roles = {
        "dealstage": "stage",
        "lifecyclestage": "stage",
        "amount": "value",
        "closedate": "expected_close",
    }
    rows = rows_of_changes(table, changes, roles)
    said: Said = {"columns": rows.columns}
    return Recipe(rows.table, said, "a HubSpot property history", (TWENTY,), findings=rows.findings)


def pairs(table: Table, _: tuple[Table, ...]) -> Recipe:
    """The older history of one property: id, name, then a value and its moment for each change."""
    lead = str(table.frame.columns[0])
    parts = []
    for number in range(1, len(table.frame.columns) // 2):
        cells = {name: table.text(f"{name} {number}") for name in ("value", "timestamp")}
        part = pd.DataFrame({lead: table.text(lead), **cells, "place": range(len(table.frame))})
        parts.append(part[(part["value"] != "").to_numpy() | (part["timestamp"] != "").to_numpy()])
    rows = pd.concat(parts).sort_values("place", kind="stable").drop(columns="place")
    blank = table.frame[~table.frame.index.isin(rows.index)].index
    findings = (
        (Finding("rows without a change", len(blank), f"row {blank[0]}", "set aside: nothing is dated"),)
        if len(blank)
        else ()
    )
    columns = {"lead": lead, "stage": "value", "at": "timestamp"}
    words = "a HubSpot property history with the changes of a deal in one row"
    shaped = replace(table, frame=rows)
    return Recipe(shaped, {"columns": columns}, words, (TWENTY,), findings=findings)


def connector(table: Table, _: tuple[Table, ...]) -> Recipe:
    """What Fivetran makes of it: one row per stage that a deal entered."""
    columns = columns_of(
        table,
        lead=("deal_id",),
        stage=("pipeline_stage_label",),
        at=("date_stage_entered",),
        value=("amount",),
    )
    return Recipe(table, {"columns": columns}, "HubSpot deal stages of a connector", ())


def _has_stamps(columns: frozenset[str]) -> bool:
    return any(stamp.kind == "date_entered" for stamp in stage_columns(columns))


def _is_property_table(columns: frozenset[str]) -> bool:
    """Return whether these are the columns of a connector's table of property changes, and not of a log."""
    return columns >= {"dealid", "name", "timestamp", "value"} and not columns & {
        "stage",
        "activity",
        "status",
    }


SOURCES = (
    Source("hubspot", _has_stamps, stage_dates),
    Source("hubspot-history", having("dealid", "property", "timestamp", "value"), property_history),
    Source("hubspot-pairs", having("value 1", "timestamp 1"), pairs),
    Source("hubspot-connector", having("deal_id", "pipeline_stage_label", "date_stage_entered"), connector),
    Source("hubspot-two-dates", having("deal stage", "create date", "close date"), bare_deals),
    Source("hubspot-two-dates-internal", having("dealstage", "createdate", "closedate"), bare_deals),
    Source("hubspot-deal-table", having("deal_pipeline_stage_id", "createdate", "closedate"), bare_deals),
    Source("hubspot-history-table", _is_property_table, property_history),
)
