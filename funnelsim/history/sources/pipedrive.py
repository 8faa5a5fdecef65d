"""Pipedrive and Zendesk Sell: lists that know the last stage change only, and Pipedrive's log of changes."""

from __future__ import annotations

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.assemble import LOST, WON, plain
from funnelsim.history.quality import Finding
from funnelsim.history.sources.recipe import Recipe, Said, Source, columns_of, first_of, having, needed
from funnelsim.history.tables import Table

ONE_STAGE = (
    "The list knows a deal's last stage change only, not the earlier ones: read as one stage 'Open' from "
    "creation to close, so that no visit is missing. Export the log of changes for a forecast by stage."
)


def _one_stage(
    table: Table, columns: Said, created: str, won: pd.Series, lost: pd.Series
) -> tuple[Table, Said]:
    """Return a table and mapping with the stage "Open" from creation to the date of the win or the loss."""
    frame = table.frame.assign(**{"won on": won, "lost on": lost})
    dates = {"Open": created, "Won": "won on", "Lost": "lost on"}
    said: Said = {"columns": columns, "dates": dates, "won": "Won", "lost": "Lost"}
    return Table(frame, table.file, table.words), said


def deals(table: Table, _: tuple[Table, ...]) -> Recipe:
    """The list of deals, as a file or from the API: created, won or lost, with the stage of today."""

    def names(label: str, *api: str) -> tuple[str, ...]:
        return (f"Deal - {label}", label, *api)

    columns = columns_of(
        table,
        lead=names("ID", "id"),
        owner=names("Owner", "owner_id"),
        value=names("Value", "value"),
        currency=names("Currency of Value", "currency"),
        channel=names("Source channel", "channel"),
        segment=names("Label", "label"),
        expected_close=names("Expected close date", "expected_close_date"),
    )
    created = first_of(table, *names("Deal created", "Deal - Creation date", "add_time"))
    status = table.text(needed(table, *names("Status", "status"))).str.casefold()
    closed = first_of(table, *names("Deal closed on", "Deal - Closed on", "close_time"))

    def ended(word: str, *own: str) -> pd.Series:
        """Return the date of the end of those deals that have the status; blank for the others."""
        at = pd.Series("", index=table.frame.index)
        for name in (first_of(table, *own), closed):
            if name is not None:
                at = at.where(at != "", table.text(name))
        return at.where(status == word, "")

    won, lost = ended("won", *names("Won time", "won_time")), ended("lost", *names("Lost time", "lost_time"))
    kept = (status != "deleted").to_numpy()
    shaped, said = _one_stage(table, columns, str(created), won, lost)
    gone = table.frame.index[~kept]
    findings = (
        (Finding("deleted deals", len(gone), f"row {gone[0]}", "set aside: deleted in Pipedrive"),)
        if len(gone)
        else ()
    )
    shaped = Table(shaped.frame[kept], table.file, table.words)
    return Recipe(
        shaped, said, "a Pipedrive list of deals, created and closed", (ONE_STAGE,), findings=findings
    )


def flow(table: Table, _: tuple[Table, ...]) -> Recipe:
    """The log of changes of deals: stages and status."""
    key = table.text(needed(table, "field_key")).str.casefold()
    new = table.text(needed(table, "new_value"))
    status = (key == "status") & new.str.casefold().isin(["won", "lost"])
    stages = key.isin(["stage_id", "stage"])
    if not stages.any():
        raise FunnelError(f"{table.file}: no row has field_key = stage_id; export the changes of that field")
    place = new.where(~new.str.fullmatch(r"\d+"), "stage " + new).mask(status, new.str.title())
    rows = table.frame.assign(place=place)
    columns = {**columns_of(table, lead=("item_id",), at=("log_time",), owner=("user_id",)), "stage": "place"}
    limits = ("The stage before a deal's first change is unknown: it appears with its first change.",)
    shaped = Table(rows[(status | stages).to_numpy()], table.file, table.words)
    return Recipe(shaped, {"columns": columns}, "a Pipedrive log of changes, stages from stage_id", limits)


def sell(table: Table, _: tuple[Table, ...]) -> Recipe:
    """Zendesk Sell: created, and the last stage change, which for a closed deal is its end."""
    named = first_of(table, "stage_name", "stage")
    place = table.text(named or needed(table, "stage_id")).map(plain)
    reason = first_of(table, "loss_reason_id", "loss_reason")
    changed = table.text(needed(table, "last_stage_change_at"))
    lost = place.isin(LOST) | (table.text(reason) != "" if reason else False)
    won = place.isin(WON)
    if named is None and not won.any():
        raise FunnelError(
            f"{table.file}: stage_id is a number here; add a column 'stage' with the names of the stages, "
            "so that wins can be told"
        )
    columns = columns_of(
        table, lead=("id",), value=("value",), currency=("currency",), owner=("owner_id",),
        channel=("source", "source_id"), expected_close=("estimated_close_date",),
    )  # fmt: skip
    shaped, said = _one_stage(
        table, columns, needed(table, "created_at"), changed.where(won, ""), changed.where(lost, "")
    )
    return Recipe(shaped, said, "a Zendesk Sell list of deals, created and closed", (ONE_STAGE,))


SOURCES = (
    Source("pipedrive", having("deal - id", "deal - status"), deals),
    Source("pipedrive-api", having("id", "add_time", "stage_change_time", "status"), deals),
    Source("pipedrive-flow", having("item_id", "field_key", "new_value", "log_time"), flow),
    Source("zendesk-sell", having("id", "stage_id", "last_stage_change_at", "created_at"), sell),
)
