"""The forecast as a workbook that keeps counting: a planner's own chances move the totals by formulas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from funnelsim.forecasting.bridge import Bridge
from funnelsim.forecasting.crm_scores import reason_of
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.situation import INSTANT, Situation
from funnelsim.forecasting.track import Track
from funnelsim.history.export import cell_name, reading_notes, write_workbook
from funnelsim.history.log import quality_table
from funnelsim.model.model import amounts

MOST_DEALS = 100_000  # rows of formulas that a spreadsheet opens without a long wait


@dataclass(frozen=True)
class Book:
    """Tables of a workbook by the names of their sheets, and formulas by sheet and cell."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    formulas: dict[str, dict[str, str]] = field(default_factory=dict)


def write_forecast_book(
    path: Path,
    place: Situation,
    found: Forecast,
    *,
    bridge: Bridge | None = None,
    track: Track | None = None,
    more: Mapping[str, pd.DataFrame] | None = None,
    notes: tuple[str, ...] = (),
) -> None:
    """Write a forecast as a workbook, a sheet per section, whole or not at all.

    On the sheet "plan" stand the expected revenue of each period as forecast, and as it becomes with the
    chances that somebody types on "deals"; without any both are equal.

    Args:
        path: where to.
        place, found: where the company stands, and its forecast.
        bridge, track: what changed, and the record, where they are known.
        more: further tables by the names of their sheets.
        notes: assumptions, a sentence each.
    """
    sheets = forecast_sheets(place, found)
    tables = dict(sheets.tables)
    if bridge is not None:
        tables["bridge"] = bridge.frame
        tables["bridge deals"] = bridge.deals
    if track is not None:
        tables |= {"record": track.said, "commits": track.people, "plans": track.plans}
        tables["overrides"] = track.overrides
        tables["scores"] = pd.DataFrame() if track.scores is None else track.scores.summary
    tables |= {name: frame for name, frame in (more or {}).items() if name not in tables}
    known = place.history or place.facts
    if known is not None:
        tables["data"] = quality_table(known)
        notes = (*reading_notes(known), *notes)
    tables["notes"] = pd.DataFrame({"note": list(dict.fromkeys(notes))})
    filled = {name: frame for name, frame in tables.items() if len(frame)}
    write_workbook(filled, path, sheets.formulas)


def forecast_sheets(place: Situation, found: Forecast) -> Book:
    """Return the sheets of the numbers, with the formulas that recompute totals."""
    periods, widths = found.with_total
    sheets = Book(
        {
            "plan": pd.DataFrame(),
            "periods": periods,
            "widths": widths,
            "deals": found.deals,
            "parts": pd.DataFrame() if found.parts is None else found.parts,
            "targets": pd.DataFrame() if found.goals is None else found.goals,
            "past": found.past,
            "simpler ways": place.ways,
        }
    )
    if found.silent or found.engine != "exact" or len(found.deals) > MOST_DEALS:
        return sheets
    return _with_formulas(sheets, place, found)


def _with_formulas(sheets: Book, place: Situation, found: Forecast) -> Book:
    """Return the sheets with deals that somebody can give chances of his own, and the plan that follows."""
    labels = [period.label for period in place.periods]
    deals, cells = deal_sheet(place, found)
    rows = len(deals) + 1
    wanted = found.widths.set_index("period")["target"]
    plan, formulas = [], {}
    for number, label in enumerate(labels, start=2):
        mean = _means(found, label)
        column = cell_name(list(deals.columns).index(f"expected {label}"), None)
        likely = float(deals[f"expected {label}"].sum())
        plan.append(
            {
                "period": label, "target": wanted[label], "booked": mean["booked"],
                "open deals": mean["open"], "leads to come": mean["new"],
                "rounding": mean["open"] - likely, "expected": mean["total"],
                "with your chances": mean["total"], "change": 0.0,
                "gap to target": wanted[label] - mean["total"],
            }
        )  # fmt: skip
        if rows > 1:
            formulas[f"H{number}"] = f"=C{number}+SUM(deals!{column}2:{column}{rows})+E{number}+F{number}"
        formulas[f"I{number}"] = f"=H{number}-G{number}"
        if np.isfinite(wanted[label]):
            formulas[f"J{number}"] = f"=B{number}-H{number}"
    tables = {**sheets.tables, "plan": pd.DataFrame(plan), "deals": deals}
    return Book(tables, {"plan": formulas, "deals": cells})


def deal_sheet(place: Situation, found: Forecast) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the open deals with a column for chances of one's own, and what is expected with them."""
    worth = pd.Series(amounts(place.model, place.deals), index=place.deals.name)
    shown = [
        name
        for name in ("lead", "stage", "segment", "channel", "owner", "age", "value")
        if name in found.deals
    ]
    deals = found.deals[shown].copy()
    deals["worth if won"] = found.deals["lead"].map(worth).to_numpy(dtype=np.float64)
    cells: dict[str, str] = {}
    start = len(deals.columns)
    value = cell_name(start - 1, None)
    for number, period in enumerate(place.periods):
        chance = found.deals[f"P(win {period.label})"].to_numpy(dtype=np.float64)
        deals[f"P(win {period.label})"] = chance
        deals[f"P(your chance {period.label})"] = np.nan
        deals[f"expected {period.label}"] = chance * deals["worth if won"]
        given, own, out = (cell_name(start + 3 * number + k, None) for k in range(3))
        for row in range(2, len(deals) + 2):
            cells[f"{out}{row}"] = f'=IF({own}{row}="",{given}{row},{own}{row})*{value}{row}'
    deals["reason"] = [reason_of(row) for row in found.deals.to_dict("records")]
    return deals, cells


def _means(found: Forecast, label: str) -> dict[str, float]:
    rows = found.periods[(found.periods["period"] == label) & (found.periods["measure"] == "revenue")]
    return {str(origin): float(mean) for origin, mean in zip(rows["origin"], rows["mean"], strict=True)}


def as_of_day(place: Situation) -> str:
    """Return the as-of date as a person says it, as in Tuesday 30 June 2026."""
    day = place.model.as_of - INSTANT
    return f"{day:%A} {day.day} {day:%B %Y}"
