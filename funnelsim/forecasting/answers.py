"""What each part of a page answers, in a sentence: the headings of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.health import Health
from funnelsim.history.log import WINS
from funnelsim.history.quality import Quality
from funnelsim.show import words

NOT_KEPT = "Not known: no forecast is kept yet; --record FILE keeps them from now on"


def headline(result: Forecast) -> tuple[str, str]:
    """Return the answer of a page, and below it what is expected and how sure that is."""
    if result.silent:
        return "No forecast: there is no number to give", ""
    first = _first(result)
    unit = result.currency if result.measure == "revenue" else WINS
    if first["mean"] == 0:
        return str(result), ""
    low, high = (words.amount(float(first[level]), unit) for level in ("0.10", "0.90"))
    mean, futures = words.amount(float(first["mean"]), unit), f"{low} to {high} in 80 of 100 futures"
    width = result.widths.iloc[0]
    if not np.isfinite(width["target"]):
        return f"{mean} expected in {first['period']}", futures
    goal = words.money(float(width["target"]), result.currency)
    return (
        f"{words.odds(float(width['p_target']))} of {goal} in {first['period']}",
        f"{mean} expected; {futures}",
    )


def _first(result: Forecast) -> pd.Series:
    """Return the first period's row of the total, in revenue, or in wins where there are no amounts."""
    rows = result.periods
    return rows[(rows["origin"] == "total") & (rows["measure"] == result.measure)].iloc[0]


def covered(value: float, gap: float) -> str:
    """Return how often the shown value of what is open covers what is still missing.

    >>> covered(30.0, 4.0), covered(30.0, 0.0)
    ('7.5×', '–')
    """
    return f"{words.digits(value / gap, 2)}\N{MULTIPLICATION SIGN}" if gap else words.DASH


def ways_words(ways: pd.DataFrame, result: Forecast) -> str:
    """Say what simpler ways expect of the first period, beside this forecast."""
    first = _first(result)
    said = pd.to_numeric(ways[str(first["period"])], errors="coerce").dropna()
    if said.empty or result.measure != "revenue":
        return "Simpler ways have nothing to go by"
    low, high = words.short(float(said.min())), words.money(float(said.max()), result.currency)
    ours = words.money(float(first["mean"]), result.currency)
    between = high if len(said) == 1 or low == words.short(float(said.max())) else f"{low} to {high}"
    return f"Simpler ways say {between} for {first['period']}; this forecast {ours}"


def carry_words(deals: pd.DataFrame, shown: int) -> str:
    """Say which part of what open deals should bring lies in those that bring most."""
    whole, part = float(deals["expected"].sum()), float(deals["expected"].head(shown).sum())
    if not whole > 0:
        return f"None of the {len(deals):,} open deals is expected to bring money"
    if shown >= len(deals):
        return f"{len(deals):,} open deals bring all that open deals should"
    return (
        f"{shown} of {len(deals):,} open deals hold {words.percent(part / whole)} of what they should bring"
    )


def reach_words(goals: pd.DataFrame) -> str:
    """Say how many parts of the business are more likely than not to reach their targets."""
    likely = int((goals["p_target"] > 0.5).sum())
    return f"{likely} of {len(goals)} targets are reached more likely than not"


def first_said(said: Sequence[str], otherwise: str) -> str:
    """Return the first sentence without its full stop, as a heading has none.

    >>> first_said(("It fell.", "More."), ""), first_said((), "Nothing")
    ('It fell', 'Nothing')
    """
    return said[0].removesuffix(".") if said else otherwise


def health_heading(found: Health, name: str, title: str) -> tuple[str, tuple[str, ...]]:
    """Return what heads a table of what is going on, and what is said below it.

    Args:
        found: what is going on.
        name: of the frame.
        title: of its table, where no sentence tells of it.
    """
    said = found.said.get(name, ())
    return first_said(said, title), said[1:]


def bias_words(people: pd.DataFrame) -> str:
    """Say who said most too much or too little."""
    known = people[(people["periods"] > 0).to_numpy() & np.isfinite(people["bias"].to_numpy(dtype=float))]
    if known.empty:
        return "No period that somebody spoke of is over yet"
    row = known.loc[known["bias"].abs().idxmax()]
    side = "too much" if row["bias"] > 0 else "too little"
    few = "; that may be luck" if row["low"] <= 0 <= row["high"] or math.isnan(row["low"]) else ""
    return f"{words.name(row['who'])} said {words.percent(abs(float(row['bias'])))} {side}{few}"


def plan_words(plans: pd.DataFrame) -> str:
    """Say how many decided plans are over, and how many of these brought what they promised."""
    over = plans.dropna(subset=["came"])
    if over.empty:
        return f"{len(plans)} decided {'plan' if len(plans) == 1 else 'plans'}, none of them over yet"
    held = int((over["came"] >= over["promised"]).sum())
    return f"{held} of {len(over)} plans that are over brought what they promised"


def used_words(found: Quality) -> str:
    """Say how many rows were used."""
    return f"{found.used:,} of {found.read:,} rows used" if found.read else "What was read"
