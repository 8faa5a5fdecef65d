"""Where the expected revenue comes from: a forecast's means by segment, channel, owner or stage."""

from __future__ import annotations

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError, nearest
from funnelsim.forecasting.exact import chances
from funnelsim.forecasting.forecast import Forecast, by_way
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.situation import Situation
from funnelsim.model.model import Cell, Model, amounts, expected

COLUMNS = ("segment", "channel", "owner", "stage")
UNBORN = "not yet created"
ORIGINS = ("booked", "open", "new")


def check_column(column: str) -> None:
    """Refuse a word by which no forecast is split.

    Raises:
        FunnelError: it is unknown.
    """
    if column not in COLUMNS:
        raise FunnelError(f"by '{column}': no forecast is split so; {nearest(column, COLUMNS)}")


def revenue_by(place: Situation, found: Forecast, column: str) -> pd.DataFrame:
    """Return expected revenue of every part of the business, period by period; parts add up to the forecast.

    Open deals count with their chance times their amount; leads not yet created by the ways in of the
    model, which know channel and the model's groups: by owner or stage they are a part of their own.

    Args:
        place: where the company stands.
        found: its forecast, by the exact engine.
        column: "segment", "channel", "owner" or "stage" (in which open deals are now).

    Returns:
        part, period, leads (open now), booked, open, new, expected; largest part first.

    Raises:
        FunnelError: no such column, or deals have no chances because the forecast was simulated.
    """
    check_column(column)
    if found.engine != "exact":
        raise FunnelError(f"by {column}: a simulated forecast has no chances of single deals to split")
    pieces = [_open(place, found, column), _new(place, column), _booked(place, column)]
    labels = [period.label for period in place.periods]
    rows = pd.concat(pieces)
    every = pd.MultiIndex.from_product([rows["part"].unique(), labels], names=["part", "period"])
    sums = rows.pivot_table(index=["part", "period"], columns="origin", values="money", aggfunc="sum")
    table = _to_means(sums.reindex(every, columns=pd.Index(ORIGINS)).fillna(0.0), found)
    table["expected"] = table[list(ORIGINS)].sum(axis=1)
    size = table.groupby("part")["expected"].sum().sort_values(ascending=False, kind="stable")
    table = table.reindex(pd.MultiIndex.from_product([size.index, labels], names=["part", "period"]))
    leads = _names(found.deals, column).value_counts()
    open_now = leads.reindex(table.index.get_level_values("part"), fill_value=0)
    table.insert(0, "leads", open_now.to_numpy())
    told: pd.DataFrame = table.reset_index()
    return told


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return the parts as a table to read: part, open leads, and expected revenue of each period."""
    found = table.pivot(index="part", columns="period", values="expected")
    found = found.loc[table["part"].unique(), table["period"].unique()].reset_index()
    leads = table.drop_duplicates("part").set_index("part")["leads"]
    found.insert(1, "open leads", found["part"].map(leads))
    return found.rename_axis(columns=None)


def _names(frame: pd.DataFrame, column: str) -> pd.Series:
    if column not in frame.columns:
        return pd.Series("unknown", index=frame.index, dtype=object)
    return frame[column].astype(object).where(frame[column].notna() & (frame[column] != ""), "unknown")


def _open(place: Situation, found: Forecast, column: str) -> pd.DataFrame:
    """Return chance x amount of every open deal and period."""
    worth = pd.Series(amounts(place.model, place.deals), index=place.deals.name)
    money = found.deals["lead"].map(worth).to_numpy(dtype=np.float64)
    part = _names(found.deals, column)
    rows = [
        {"part": part, "period": p.label, "origin": "open", "money": found.deals[f"P(win {p.label})"] * money}
        for p in place.periods
    ]
    return pd.concat([pd.DataFrame(row) for row in rows], ignore_index=True)


def _new(place: Situation, column: str) -> pd.DataFrame:
    """Return the revenue of leads not yet created by way in, at the model's own rates."""
    model, edges = place.model, days_of(place.periods, place.model.as_of)
    chance = chances(model.funnel, model.table, edges)
    per_day = expected(model.entries, int(np.ceil(edges[-1])))
    worth = model.values.mean
    rows = []
    for cell, wins in zip(model.entries.cells, by_way(chance, model, per_day), strict=True):
        part, money = _part_of_way(model, cell, column), wins * worth[cell.group]
        rows += [(part, p.label, "new", m) for p, m in zip(place.periods, money, strict=True)]
    return pd.DataFrame(rows, columns=["part", "period", "origin", "money"])


def _part_of_way(model: Model, cell: Cell, column: str) -> str:
    if column == model.grouped_by:
        return model.groups[cell.group]
    return (cell.channel or UNBORN) if column == "channel" else UNBORN


def _booked(place: Situation, column: str) -> pd.DataFrame:
    if place.history is None:
        return pd.DataFrame(columns=["part", "period", "origin", "money"])
    first, leads = place.periods[0], place.history.leads
    inside = place.booked[(place.booked["at"] >= first.start).to_numpy()]
    stages = place.booked["stage"].loc[inside.index]
    told = leads.reindex(inside["lead"]).reset_index(drop=True)
    part = stages.reset_index(drop=True) if column == "stage" else _names(told, column)
    money = inside["value"].fillna(0.0).to_numpy()
    return pd.DataFrame({"part": part, "period": first.label, "origin": "booked", "money": money})


def _to_means(table: pd.DataFrame, found: Forecast) -> pd.DataFrame:
    """Return the parts scaled so that every origin of every period adds up to the forecast's mean."""
    revenue = found.periods[found.periods["measure"] == "revenue"]
    mean = revenue.pivot(index="period", columns="origin", values="mean")
    scaled = table.copy()
    for origin in ORIGINS:
        total = table[origin].groupby("period").transform("sum")
        goal = mean[origin].reindex(table.index.get_level_values("period")).to_numpy(dtype=np.float64)
        scaled[origin] = table[origin] * np.divide(goal, total, out=np.zeros(len(table)), where=total > 0)
    return scaled
