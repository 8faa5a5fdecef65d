"""Write back: logs, tables that are safe to open, and what was read, for people and for programs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.files import whole_file
from funnelsim.history.log import History, bookings, open_leads, shows_amounts
from funnelsim.history.parse import to_amounts

ENDINGS = (".csv", ".parquet", ".xlsx")
MOST_SHEET_ROWS = 1_048_576  # of the file format, its header included
WIDTH_ROWS, WIDEST = 200, 48  # rows looked at for a column's width, and the most that is readable
# A spreadsheet runs a cell that begins with one of these as a formula.
FORMULA = r"^([=+\-@\t\r\n|])"
SHARE_NAMES = ("P(", "p_", "share", "roi", "break_even", "target_")  # how columns of shares begin
SHAPES = ("salesforce", "hubspot", "pipedrive")


def tidy_log(history: History) -> pd.DataFrame:
    """Return the history as a table that reads back as the same history.

    Returns:
        lead, stage, at, and the attributes: on a lead's first row those known from the start, later
        those that changed by then (blank: no change). Where leads win again each win shows its own amount,
        and what changed while a customer waited for the next win is left out, as its row would be a win.
    """
    rows = history.record.copy()
    own = rows.pop("value") if "value" in rows.columns else None
    updates = history.updates
    names = [name for name in history.leads.columns if len(history.leads)]
    first = ~rows["lead"].duplicated().to_numpy()
    for name in names:
        static = rows["lead"].map(history.leads[name])
        moving = updates[updates[name].notna().to_numpy()] if name in updates.columns else updates[:0]
        rows[name] = static.where(first & ~rows["lead"].isin(moving["lead"]).to_numpy())
    if own is not None:
        rows["value"] = own.where(rows["stage"].isin(history.won), rows["value"])
    if updates.empty:
        return rows
    changes = updates.assign(stage=_stage_then(history))
    told = changes["stage"].notna() & ~(changes["stage"].isin(history.won) & history.again)
    both = pd.concat([rows, changes[told.to_numpy()]], ignore_index=True)
    both = both.sort_values(["lead", "at"], kind="stable")
    return both[["lead", "stage", "at", *names]].reset_index(drop=True)


def _stage_then(history: History) -> pd.Series:
    """Return the place in which each update's lead was at that moment."""
    events = history.events.assign(at=history.events["at"].astype("datetime64[us]")).sort_values(
        "at", kind="stable"
    )
    asked = history.updates[["lead", "at"]].astype({"at": "datetime64[us]"})
    return pd.merge_asof(asked, events, on="at", by="lead")["stage"].set_axis(history.updates.index)


def process_log(history: History) -> pd.DataFrame:
    """Return one row per visit to a stage, as process-mining tools such as Simod and PM4Py read it.

    Returns:
        case_id, activity, start_time, end_time (blank while open), resource.
    """
    rows = history.events
    follows = rows["lead"].eq(rows["lead"].shift(-1)).to_numpy()
    end = rows["at"].shift(-1).where(follows)
    ended = rows["stage"].isin(history.ends).to_numpy()
    owner = history.leads["owner"] if "owner" in history.leads.columns else pd.Series(dtype="str")
    return pd.DataFrame(
        {
            "case_id": rows["lead"],
            "activity": rows["stage"],
            "start_time": rows["at"],
            "end_time": end.where(~ended, rows["at"]),
            "resource": rows["lead"].map(owner),
        }
    )


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as .csv, .xlsx or .parquet, whole or not at all.

    In .csv and .xlsx, text that a spreadsheet would run as a formula gets an apostrophe in front.

    Raises:
        FunnelError: another ending, or the folder cannot be written to.
    """
    ending = Path(path).suffix.casefold()
    if ending not in ENDINGS:
        raise FunnelError(f"{path}: '{ending}' is no known ending; {nearest(ending, ENDINGS)}")
    with whole_file(path) as temporary:
        if ending == ".parquet":
            frame.to_parquet(temporary, index=False)
        elif ending == ".csv":
            temporary.write_bytes(csv_text(frame).encode("utf-8"))
        else:
            temporary.write_bytes(_workbook({"table": harmless(frame)}, Path(path), {}))


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table as CSV, with an apostrophe before text that a spreadsheet would run as a formula."""
    return harmless(frame).to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%S.%f")


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with an apostrophe before each text, and column name, that would run as a formula.

    >>> harmless(pd.DataFrame({"name": ["=1+1", "plain"], "value": [-1, 2]}))["name"].tolist()
    ["'=1+1", 'plain']
    """
    safe = frame.copy()
    for name in frame.columns:
        if frame[name].dtype.kind not in "iufbM":
            filled = frame[name].notna()
            text = frame.loc[filled.to_numpy(), name].astype("str").str.replace(FORMULA, r"'\1", regex=True)
            safe[name] = frame[name].astype(object).mask(filled, text)
    safe.columns = pd.Index(frame.columns.astype("str")).str.replace(FORMULA, r"'\1", regex=True)
    return safe


def cell_name(column: int, row: int | None) -> str:
    """Return what a spreadsheet calls a cell, or with no row its column.

    >>> cell_name(0, 2), cell_name(27, None)
    ('A2', 'AB')
    """
    from openpyxl.utils import get_column_letter

    letters: str = get_column_letter(column + 1)
    return letters if row is None else f"{letters}{row}"


def write_workbook(
    sheets: Mapping[str, pd.DataFrame], path: Path, formulas: Mapping[str, Mapping[str, str]] | None = None
) -> None:
    """Write tables as sheets of a workbook, whole or not at all; formulas, by sheet and cell, are ours."""
    with whole_file(path) as temporary:
        safe = {name: harmless(frame.replace([np.inf, -np.inf], np.nan)) for name, frame in sheets.items()}
        temporary.write_bytes(_workbook(safe, path, formulas or {}))


def _workbook(
    sheets: Mapping[str, pd.DataFrame], path: Path, formulas: Mapping[str, Mapping[str, str]]
) -> bytes:
    """Return a workbook: on each sheet bold heads that stay in sight, filters, widths, number formats."""
    try:
        from openpyxl.styles import Font
        from openpyxl.utils import get_column_letter
    except ImportError:
        raise FunnelError("Excel files need openpyxl: pip install 'funnelsim[formats]'") from None
    for frame in sheets.values():  # before the writer is open: on leaving, it would complain of an empty book
        if len(frame) >= MOST_SHEET_ROWS:
            most = f"a sheet holds {MOST_SHEET_ROWS - 1:,} rows"
            raise FunnelError(f"{path}: {most}, this table has {len(frame):,}; write .csv")
    data = io.BytesIO()
    with pd.ExcelWriter(data, engine="openpyxl") as writer:
        for title, frame in sheets.items():
            frame.to_excel(writer, index=False, sheet_name=title)
            sheet = writer.sheets[title]
            sheet.freeze_panes = "A2"
            sheet.auto_filter.ref = sheet.dimensions
            for number, name in enumerate(frame.columns, start=1):
                sheet.cell(1, number).font = Font(bold=True)
                longest = max(
                    (len(str(cell)) for cell in frame[name].head(WIDTH_ROWS) if pd.notna(cell)), default=0
                )
                width = min(max(len(str(name)), longest) + 2, WIDEST)
                sheet.column_dimensions[get_column_letter(number)].width = width
                shape = _number_format(str(name), frame[name])
                for (cell,) in sheet.iter_rows(min_row=2, min_col=number, max_col=number):
                    cell.number_format = shape
            for name, formula in formulas.get(title, {}).items():
                sheet[name] = formula
    return data.getvalue()


def _number_format(name: str, column: pd.Series) -> str:
    """Return how a spreadsheet shows a column: dates, chances as percents, money with thousands."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return "yyyy-mm-dd hh:mm"
    if not pd.api.types.is_float_dtype(column):
        return "General"
    return "0.0%" if name.startswith(SHARE_NAMES) else "#,##0.00"


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


def as_of_words(history: History) -> str:
    """Return the as-of date as a person says it: a day whose whole is known, or a moment.

    >>> from funnelsim.history.read import read_history
    >>> log = pd.DataFrame({"lead": "a", "stage": ["Offer", "Won"], "at": ["2026-01-01", "2026-01-05"]})
    >>> as_of_words(read_history(log))
    '2026-01-05'
    """
    if history.until == history.until.normalize():
        return f"{history.until - pd.Timedelta(days=1):%Y-%m-%d}"
    return f"{history.until:%Y-%m-%dT%H:%M:%S}"


def reading_notes(history: History) -> tuple[str, ...]:
    """Return how the file was understood, each in one sentence: as-of date, zone, marks, order, currency.

    Args:
        history: what was read.
    """
    reading = history.quality.reading
    origin = f", the last day with an event ({reading.until})" if reading.until else ", as asked for"
    notes = [f"As of {as_of_words(history)}{origin}."]
    if reading.zone and reading.zone_stated:
        notes.append(f"Moments that carry a time zone are shown in {reading.zone}.")
    elif reading.zone:
        notes.append(
            "Moments carry a time zone and were moved to UTC, so that an evening may count as the next day; "
            "say `zone: America/New_York` (or another) in a mapping for your own clock."
        )
    if reading.date_order:
        other = "month first" if reading.date_order == "day first" else "day first"
        notes.append(f"Dates like 03/04/2026 are read with the {reading.date_order} (not the {other}).")
    notes += [reading.grain] if reading.grain else []
    notes += _mark_notes(reading.decimal, reading.doubt)
    if shows_amounts(history):
        notes.append(f"Amounts are in {history.currency}." if history.currency else "No currency is stated.")
    return tuple(notes)


def _mark_notes(decimal: str, doubt: str) -> list[str]:
    if not decimal:
        return []
    if not doubt:
        return [f"Amounts are read with a decimal {decimal}."]
    other = "comma" if decimal == "point" else "point"
    amount, otherwise = (to_amounts(pd.Series([doubt]), "", mark).iloc[0] for mark in (decimal, other))
    how = f"'{doubt}' is {amount:,.10g}; say `decimal: {other}` in a mapping if it is {otherwise:,.10g}"
    return [f"Amounts are read with a decimal {decimal}: {how}."]


def summary_of(history: History) -> dict[str, object]:
    """Return what was read as other programs take it.

    Args:
        history: what was read.

    Returns:
        source, as_of (a day, or a moment), zone and currency (None where none is stated), rows_read,
        rows_used, set_aside (kind -> rows of the file), leads, wins, losses, open (leads in a stage),
        revenue and open_amount (None where no amount is shown), notes.
    """
    quality, waiting, wins = history.quality, open_leads(history), bookings(history)
    waiting = waiting[~waiting["stage"].isin(history.won).to_numpy()]
    amounts = shows_amounts(history)
    aside = [line for line in quality.findings if line.done.startswith("set aside")]
    return {
        "source": history.source,
        "as_of": as_of_words(history),
        "zone": quality.reading.zone or None,
        "currency": history.currency or None,
        "rows_read": quality.read,
        "rows_used": quality.used,
        "set_aside": {line.kind: line.count for line in aside},
        "leads": len(history.leads),
        "wins": len(wins),
        "losses": int(history.events["stage"].isin(history.lost).sum()),
        "open": len(waiting),
        "revenue": float(wins["value"].sum()) if amounts else None,
        "open_amount": float(waiting["value"].sum()) if amounts else None,
        "notes": [*reading_notes(history), *history.limits],
    }
