"""Pipedrive and Zendesk Sell: lists that know the last stage change only, and Pipedrive's log of changes."""

from __future__ import annotations

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.sources.recipe import (
    Changes,
    Recipe,
    Source,
    columns_of,
    creation,
    first_of,
    having,
    needed,
    one_stage,
    rows_of_changes,
    state_of_words,
    with_state,
)
from funnelsim.history.tables import Table
from funnelsim.history.vocabulary import outcome_of

ONE_STAGE = (
    "The list knows a deal's last stage change only, not the earlier ones: read as one stage 'Open' from "
    "creation to close, so that no visit is missing. Export the log of changes for a forecast by stage."
)


def deals(table: Table, _: tuple[Table, ...]) -> Recipe:
    """The list of deals, as a file or from the API: created, won or lost, with the stage of today."""

    def names(label: str, *api: str) -> tuple[str, ...]:
        return (f"Deal - {label}", label, *api)

    columns = columns_of(
        table,
        lead=names("ID", "id"),
        owner=names("Owner", "owner_id"),
        value=names("Value", "value"),
        currency=names("Currency of Value", "Deal - Currency", "Currency", "currency"),
        channel=names("Source channel", "channel"),
        segment=names("Label", "label"),
        expected_close=names("Expected close date", "expected_close_date"),
    )
    created = creation(table, *names("Deal created", "Deal - Creation date", "add_time"))
    status = table.text(needed(table, *names("Status", "status")))
    state = state_of_words(status)
    at = pd.Series("", index=table.frame.index)
    own = (("Won", names("Won time", "won_time")), ("Lost", names("Lost time", "lost_time")))
    for end, columns_of_end in own:
        name = first_of(table, *columns_of_end)
        if name is not None:
            at = at.where(state != end, table.text(name))
    closed = first_of(table, *names("Deal closed on", "Deal - Closed on", "close_time"))
    if closed is not None:
        at = at.where(at != "", table.text(closed))
    said = {"columns": columns, **one_stage(created)}
    words = "a Pipedrive list of deals, created and closed"
    return Recipe(with_state(table, state, at), said, words, (ONE_STAGE,))


def flow(table: Table, _: tuple[Table, ...]) -> Recipe:
    """The log of changes of deals: stages and status, with the value and the expected date as they were."""
    field = table.text(needed(table, "field_key")).str.casefold()
    new = table.text(needed(table, "new_value"))
    old = first_of(table, "old_value")
    ended = (field == "status") & new.map(outcome_of).ne("")
    changes = Changes(
        lead=table.text(needed(table, "item_id")),
        at=table.frame[needed(table, "log_time")],
        field=field.mask(ended, "stage_id"),
        new=_stage_names(new, field).mask(ended, new.str.title()),
        old=None if old is None else _stage_names(table.text(old), field).mask(ended, ""),
    )
    roles = {"stage_id": "stage", "stage": "stage", "value": "value", "expected_close_date": "expected_close"}
    rows = rows_of_changes(table, changes, roles, born=("add_time",), more=_owner(table))
    words = "a Pipedrive log of changes, stages from stage_id"
    return Recipe(rows.table, {"columns": rows.columns}, words, rows.limits, findings=rows.findings)


def _stage_names(cells: pd.Series, field: pd.Series) -> pd.Series:
    """Return cells where the numbers of stages are called so."""
    return cells.mask(field.isin(["stage_id", "stage"]) & cells.str.fullmatch(r"\d+"), "stage " + cells)


def _owner(table: Table) -> dict[str, str]:
    name = first_of(table, "user_id")
    return {} if name is None else {"owner": name}


def sell(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Zendesk Sell: created, and the last stage change, which for a closed deal is its end."""
    named = first_of(table, "stage_name", "stage")
    state = state_of_words(table.text(named or needed(table, "stage_id")))
    reason = first_of(table, "loss_reason_id", "loss_reason")
    if named is None and not (state == "Won").any():
        raise FunnelError(
            f"{table.file}: stage_id is a number here; add a column 'stage' with the names of the stages, "
            "so that wins can be told"
        )
    if reason is not None:
        state = state.mask((state == "") & (table.text(reason) != ""), "Lost")
    columns = columns_of(
        table, lead=("id",), value=("value",), currency=("currency",), owner=("owner_id",),
        channel=("source", "source_id"), expected_close=("estimated_close_date",),
    )  # fmt: skip
    shaped = with_state(table, state, table.text(needed(table, "last_stage_change_at")))
    said = {"columns": columns, **one_stage(creation(table, "created_at"))}
    return Recipe(shaped, said, "a Zendesk Sell list of deals, created and closed", (ONE_STAGE,))


SOURCES = (
    Source("pipedrive", having("deal - id", "deal - status"), deals),
    Source("pipedrive-api", having("id", "add_time", "stage_change_time", "status"), deals),
    Source("pipedrive-table", having("id", "add_time", "won_time", "lost_time", "status"), deals),
    Source("pipedrive-flow", having("item_id", "field_key", "new_value", "log_time"), flow),
    Source("zendesk-sell", having("id", "stage_id", "last_stage_change_at", "created_at"), sell),
)
