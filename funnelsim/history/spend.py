"""What was spent on each channel: a table with one row per channel and week, month or day."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.errors import FunnelError, nearest
from funnelsim.history.parse import to_amounts, to_moments
from funnelsim.history.tables import Table, read_tables

NAMES = {
    "channel": ("channel", "source", "medium", "platform", "kanal", "渠道"),
    "start": ("start", "week", "date", "day", "month", "period", "from", "datum", "woche", "日期"),
    "spend": ("spend", "cost", "costs", "amount", "budget", "ausgaben", "kosten", "费用"),
}
LASTING = ("carry_over", "carry over", "adstock")
COUNTS = {
    "impressions": ("impressions", "views", "shown", "展示"),
    "clicks": ("clicks", "klicks", "点击"),
    "visits": ("visits", "sessions", "besuche", "访问"),
    "bounces": ("bounces", "bounced", "absprünge", "跳出"),
}
DAY = pd.Timedelta(days=1)


def read_spend(path: str | Path) -> pd.DataFrame:
    """Return the money spent on each channel, sorted by channel and time.

    Rows of one channel that start at the same moment, such as two campaigns, are added up.

    Args:
        path: CSV, Parquet or Excel, with columns for the channel, the first day and the money; usual
            names such as week, month, date or cost are understood.

    Returns:
        Columns channel (text), start (datetime64, first day of the week or month that the money was
        for), spend (money of that time); impressions, clicks, visits, bounces, where the table counts them;
        and, where it states it, carry_over: of what the channel's money does, the share that it still does a
        week later, nan where it is to be fitted.

    Raises:
        FunnelError: no such file or column, a blank channel, or a cell that is no date or no amount.
    """
    tables = read_tables(path)
    if len(tables) > 1:
        raise FunnelError(f"{path}: {len(tables)} tables; expected one with channel, start and spend")
    table = tables[0]
    column = {role: _column(table, role) for role in NAMES}
    where = {role: f"{table.file}, column '{name}'" for role, name in column.items()}
    channel = table.text(column["channel"])
    start = to_moments(table.column(column["start"]), where["start"])
    money = to_amounts(table.column(column["spend"]), where["spend"])
    for role, blank in (("channel", channel == ""), ("start", start.isna()), ("spend", money.isna())):
        if blank.any():
            row = channel.index[int(blank.to_numpy().argmax())]
            raise FunnelError(f"{where[role]}, row {row}: the cell is blank; expected a {role}")
    if channel.empty:
        raise FunnelError(f"{table.file}: no row below the header; expected what was spent on each channel")
    frame = pd.DataFrame({"channel": channel, "start": start.dt.normalize(), "spend": money})
    for role in COUNTS:
        if (found := _named(table, COUNTS[role])) is not None:
            frame[role] = to_amounts(table.column(found), f"{table.file}, column '{found}'")
    more = frame.columns.drop(["channel", "start"])
    added: pd.DataFrame = frame.groupby(["channel", "start"])[list(more)].sum(min_count=1).reset_index()
    stated = _stated_carry_over(table, channel)
    return added if stated is None else added.assign(carry_over=added["channel"].map(stated))


def _stated_carry_over(table: Table, channel: pd.Series) -> pd.Series | None:
    """Return the share of what money does that lasts another week, by channel; None without such a column."""
    name = next((name for name in table.frame.columns if str(name).strip().casefold() in LASTING), None)
    if name is None:
        return None
    where = f"{table.file}, column '{name}'"
    share = to_amounts(table.column(str(name)), where)
    for row in share.index[(share < 0) | (share > 0.99)]:
        raise FunnelError(f"{where}, row {row}: {share[row]:g} given, expected a share from 0 to 0.99")
    by_channel = share.groupby(channel)
    for one in by_channel.nunique().index[by_channel.nunique() > 1]:
        raise FunnelError(f"{where}: '{one}' has more than one share; a channel has one")
    found: pd.Series = by_channel.first()
    return found


def _column(table: Table, role: str) -> str:
    """Return the column that plays a role, by its usual names."""
    found = _named(table, NAMES[role])
    if found is None:
        known = [str(name) for name in table.frame.columns]
        raise FunnelError(f"{table.file}: no column for '{role}'; {nearest(role, known)}")
    return found


def _named(table: Table, names: Iterable[str]) -> str | None:
    """Return the first column that bears one of the names, or begins with it."""
    known = {str(name).strip().casefold(): str(name) for name in table.frame.columns}
    for name in names:
        for plain, whole in known.items():
            if plain == name or plain.startswith((name + " ", name + "_")):
                return whole
    return None


def spent_per_day(rows: pd.DataFrame, first: pd.Timestamp, days: int) -> NDArray[np.float64]:
    """Return one channel's money on each day, spread evenly from each row's start to the next one's.

    A row lasts until the next; after a gap of more than one and a half usual steps, nothing was spent.

    Args:
        rows: start and spend, of one channel, sorted by start.
        first: the day that element 0 stands for.
        days: how many days.

    Returns:
        Money per day, shape (days,), nan before the first row and after the last one is over.

    >>> rows = pd.DataFrame({"start": pd.to_datetime(["2026-01-05", "2026-01-12"]), "spend": [70.0, 140.0]})
    >>> spent_per_day(rows, pd.Timestamp("2026-01-10"), 4).tolist()
    [10.0, 10.0, 20.0, 20.0]
    """
    start = np.asarray((rows["start"] - first) / DAY, dtype=np.float64).round().astype(np.int64)
    money = rows["spend"].to_numpy(dtype=np.float64)
    gaps = np.diff(start)
    usual = int(np.median(gaps)) if gaps.size else 7
    lasts = np.append(np.where(gaps <= 1.5 * usual, gaps, usual), usual)
    found = np.full(days, np.nan)
    found[max(start[0], 0) : max(start[-1] + usual, 0)] = 0.0
    for day, length, amount in zip(start, lasts, money, strict=True):
        found[max(day, 0) : max(day + length, 0)] = amount / length
    return found


def matched(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the channels of a spend table that leads name as well: theirs -> ours, whatever the case.

    >>> matched(["Search", "tv"], ["search", "social"])
    {'Search': 'search'}
    """
    ours = {name.casefold(): name for name in known}
    return {name: ours[name.casefold()] for name in names if name.casefold() in ours}
