"""The front door: a file, of whatever kind, to a History."""

from __future__ import annotations

import datetime
from collections.abc import Mapping as Dictionary
from pathlib import Path

import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.assemble import assemble
from funnelsim.history.doors import Table, read_table
from funnelsim.history.log import History

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


def read_history(
    path: str | Path | pd.DataFrame,
    mapping: str | Path | Dictionary[str, object] | None = None,
    as_of: str | datetime.date | pd.Timestamp | None = None,
    source: str | None = None,
) -> History:
    """Return the history that a file holds; `history.source` says how it was understood.

    Args:
        path: the file (or a table already in memory).
        mapping: a mapping file, or its content, where columns and stages have other names than ours.
        as_of: what is later is set aside; the day of the last event when not given.
        source: "tidy" reads the columns lead, stage, at; recognised when not given.

    Raises:
        FunnelError: the file cannot be read or understood; one sentence with file, row, column, value.
    """
    from funnelsim.history.mapped import read_mapped
    from funnelsim.history.mapping import read_mapping

    if source not in (None, "tidy"):
        raise FunnelError(f"'{source}' is no source; {nearest(source, ['tidy'])}")
    made, folder = read_mapping(mapping) if mapping is not None else (None, None)
    if isinstance(path, pd.DataFrame):
        table = Table(path.set_axis(range(1, len(path) + 1), axis=0), "the table", "in memory")
        folders: tuple[Path, ...] = ()
    else:
        table = read_table(path, made.encoding if made else None, made.sheet if made else None)
        folders = tuple(place for place in (folder, Path(path).parent) if place is not None)
    if made is None:
        made, _ = read_mapping({"columns": tidy_columns(table)})
        raw = read_mapped(table, made)
    else:
        raw = read_mapped(table, made, folders)
    return assemble(raw, as_of)


def tidy_columns(table: Table) -> dict[str, str]:
    """Return which columns of a log hold lead, stage, time and attributes, by their usual names.

    Raises:
        FunnelError: lead, stage or time cannot be found; names the columns that are there.
    """
    there = {str(column).strip().casefold(): str(column) for column in table.frame.columns}
    found = {}
    for role, names in SYNONYMS.items():
        name = next((there[word] for word in names if word in there), None)
        if name is not None:
            found[role] = name
        elif role in ("lead", "stage", "at"):
            raise FunnelError(
                f"{table.file}: no column '{role}'; {nearest(role, there.values())}; "
                "other names can be given in a mapping file"
            )
    return found
