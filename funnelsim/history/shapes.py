"""A history in the shape in which a CRM exports it: for lessons, and to try a reader on a known truth."""

from __future__ import annotations

import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.export import tidy_log
from funnelsim.history.log import History

SHAPES = ("salesforce", "hubspot", "pipedrive")


def crm_shape(history: History, crm: str) -> pd.DataFrame:
    """Return the table that a CRM would export of this history.

    Args:
        history: what happened.
        crm: "salesforce" (stage history, nothing lost), "hubspot" (one date per stage, the last entry)
            or "pipedrive" (log of changes; amounts are lost).

    Raises:
        FunnelError: another CRM.
    """
    if crm == "salesforce":
        return _salesforce(history)
    if crm == "hubspot":
        return _hubspot(history)
    if crm == "pipedrive":
        return _pipedrive(history)
    raise FunnelError(f"'{crm}' is no CRM whose shape is known; {nearest(crm, SHAPES)}")


def _salesforce(history: History) -> pd.DataFrame:
    """Return rows of OpportunityHistory: after each change, the stage and the amount."""
    log = tidy_log(history)
    amount = log["value"] if "value" in log.columns else pd.Series(index=log.index, dtype="float64")
    return pd.DataFrame(
        {
            "Id": [f"008{number:015d}" for number in range(len(log))],
            "OpportunityId": log["lead"],
            "CreatedDate": log["at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "StageName": log["stage"],
            "Amount": amount.groupby(log["lead"]).ffill(),
            "IsDeleted": "FALSE",
        }
    )


def _hubspot(history: History) -> pd.DataFrame:
    """Return one row per deal, with the date of its last entry into each stage."""
    last = history.events.drop_duplicates(["lead", "stage"], keep="last")
    table = last.pivot(index="lead", columns="stage", values="at")
    order = [name for name in history.waits + history.ends if name in table.columns]
    table = table[order].apply(lambda column: column.dt.strftime("%Y-%m-%d %H:%M:%S.%f"))
    table.columns = pd.Index([f'Date entered "{name} (Sales Pipeline)"' for name in order])
    if "value" in history.leads.columns:
        table.insert(0, "Amount", history.leads["value"])
    shaped: pd.DataFrame = table.rename_axis("Record ID").reset_index()
    return shaped


def _pipedrive(history: History) -> pd.DataFrame:
    """Return the log of changes of stage and status."""
    events = history.events
    status = events["stage"].isin(history.ends)
    word = events["stage"].isin(history.won).map({True: "won", False: "lost"})
    return pd.DataFrame(
        {
            "id": range(1, len(events) + 1),
            "item_id": events["lead"],
            "field_key": status.map({True: "status", False: "stage_id"}),
            "new_value": events["stage"].mask(status, word),
            "log_time": events["at"].dt.strftime("%Y-%m-%d %H:%M:%S.%f"),
        }
    )
