"""What other programs take on: a workbook that keeps counting, and scores as a CRM imports them.

In the workbook a planner's own chances move the totals by formulas. Scores go into fields of their own, so
that nothing that people typed (probability, close date) is replaced.
Salesforce updates by `Id` with the API names of fields, custom ones ending in __c; HubSpot by "Record ID"
with the labels of properties; Pipedrive by the deal's system ID, fields being called "Deal - NAME" as in its
exports; Dynamics by the primary key and logical names, custom ones with the publisher's prefix new_.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError, check_word
from funnelsim.forecasting.bridge import Bridge
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.intensity import draws_of, intensities
from funnelsim.forecasting.ledger import HASHED
from funnelsim.forecasting.situation import INSTANT, Situation
from funnelsim.forecasting.track import Track
from funnelsim.history.export import cell_name, reading_notes, write_workbook
from funnelsim.history.log import quality_table
from funnelsim.model.model import OpenDeals, amounts
from funnelsim.show import words

MOST_DEALS = 100_000  # rows of formulas that a spreadsheet opens without a long wait
WEEKS = 26  # within which a close date is looked for; half a year, beyond which no planner dates a deal
ENDS = (0.1, 0.9)  # of the dates on which a deal is won, if it is
FEW = 8  # draws of the rates: a date is wanted to the week, and chances come from the forecast itself
ROLES = ("chance", "by", "expected", "close_from", "close_to", "reason")


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
    # With one chance and one amount a deal, no formula tells what it brings at two prices.
    one_price = not place.model.values.signing
    if found.silent or found.engine != "exact" or len(found.deals) > MOST_DEALS or not one_price:
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


@dataclass(frozen=True)
class Shape:
    """How a CRM wants a table: the column that names the deal, and how its own fields are called."""

    key: str
    field: str

    def columns(self) -> dict[str, str]:
        """Return the name of every column by what it holds."""
        named = {role: self.field.format(self._said(role)) for role in ROLES}
        return {"lead": self.key} | named

    def _said(self, role: str) -> str:
        if "__c" in self.field:
            return "_".join(word.capitalize() for word in role.split("_"))
        return role if "_{" in self.field else role.replace("_", " ")


SHAPES_OF = {
    "salesforce": Shape("Id", "Funnelsim_{}__c"),
    "hubspot": Shape("Record ID", "Funnelsim {}"),
    "pipedrive": Shape("Deal - ID", "Deal - Funnelsim {}"),
    "dynamics": Shape("opportunityid", "new_funnelsim_{}"),
}


def score_file(given: str) -> tuple[str, Path]:
    """Return CRM and file of what is said as salesforce:scores.csv.

    Raises:
        FunnelError: no file, or no CRM that is known.

    >>> score_file("salesforce:out/scores.csv")[0]
    'salesforce'
    """
    crm, sign, file = given.partition(":")
    if not sign or not file:
        raise FunnelError(f"scores '{given}': expected CRM:FILE, such as salesforce:scores.csv")
    check_word("scores", crm.casefold(), list(SHAPES_OF))
    return crm.casefold(), Path(file)


def crm_scores(place: Situation, found: Forecast, crm: str) -> pd.DataFrame:
    """Return a row per open deal as a CRM imports it.

    Args:
        place, found: where a company stands, and its forecast.
        crm: salesforce, hubspot, pipedrive or dynamics.

    Returns:
        Columns of the CRM for: the deal; chance (per cent) to be won by the end of what is forecast; that
        day; expected money of it; first and last day between which it is won in eight of ten cases, if it is
        won within half a year; reason in words.

    Raises:
        FunnelError: another CRM, deals without chances, or hashes, which no CRM knows.
    """
    check_word("scores", crm, list(SHAPES_OF))
    names = [str(name) for name in place.deals.name]
    if names and all(HASHED.fullmatch(name) for name in names):
        raise FunnelError("scores: the leads are hashes, which no CRM knows; read the history without a key")
    if found.silent or found.engine != "exact":
        raise FunnelError("scores: single deals have no chances, as the record is too thin or was simulated")
    deals = found.deals
    won = deals[[f"P(win {period.label})" for period in place.periods]].sum(axis=1).clip(upper=1.0)
    dates = close_dates(place).set_index("lead").reindex(deals["lead"])
    told = pd.DataFrame(
        {
            "lead": deals["lead"],
            "chance": (100 * won).round(1),
            "by": f"{place.periods[-1].end - INSTANT:%Y-%m-%d}",
            "expected": deals["expected"].round(2),
            "close_from": dates["from"].dt.strftime("%Y-%m-%d").to_numpy(),
            "close_to": dates["to"].dt.strftime("%Y-%m-%d").to_numpy(),
            "reason": [reason_of(row) for row in deals.to_dict("records")],
        }
    )
    return told.rename(columns=SHAPES_OF[crm].columns())


def close_dates(place: Situation, draws: int = FEW) -> pd.DataFrame:
    """Return the dates between which each open deal is won in eight of ten cases, if within half a year.

    Returns:
        lead, from, to; NaT where it is as good as never won.
    """
    model, deals = place.model, place.deals
    edges = np.arange(WEEKS + 1) * 7.0
    chance = _by_week(place, deals, edges, draws)
    total = chance.sum(axis=1)
    share = np.cumsum(chance, axis=1) / np.maximum(total, 1e-300)[:, None]
    share = np.hstack([np.zeros((len(deals), 1)), share])
    found = {}
    for name, level in zip(("from", "to"), ENDS, strict=True):
        days = np.array([np.interp(level, row, edges) for row in share]) if len(deals) else np.zeros(0)
        moments = model.as_of + pd.to_timedelta(days, unit="D")
        found[name] = pd.Series(moments).dt.normalize().where(total > 1e-6)
    return pd.DataFrame({"lead": deals.name} | found)


def _by_week(place: Situation, deals: OpenDeals, edges: np.ndarray, draws: int) -> np.ndarray:
    """Return the chance of each deal to be won in each week, (deals, weeks)."""
    drawn = draws_of(place.model, deals, edges, draws=draws, seed=1)
    chance: np.ndarray = intensities(place.model, deals, edges, drawn).chance.mean(axis=0)
    return chance


def reason_of(row: dict[object, object]) -> str:
    """Return in words why a deal has its chance: what is odd of it, its stage, its age beside winners'.

    >>> reason_of({"stage": "Proposal", "age": 27.4, "winners_faster": 0.155, "flag": ""})
    'Proposal for 27.4 days; 16 % of winners left sooner.'
    """
    age, faster = float(str(row["age"])), float(str(row["winners_faster"]))
    flag = str(row.get("flag") or "")
    beside = "" if np.isnan(faster) else f"; {words.percent(faster)} of winners left sooner"
    odd = f"{flag[:1].upper()}{flag[1:]}. " if flag else ""
    return f"{odd}{words.name(row['stage'])} for {words.days(age)}{beside}."
