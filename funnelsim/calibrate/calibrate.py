"""History -> model: everything that a forecast needs, counted from what happened, and said in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.calendar import win_calendar
from funnelsim.calibrate.entries import fit_entries
from funnelsim.calibrate.exits import (
    OTHER,
    Visits,
    count_visits,
    funnel_of,
    group_numbers,
    visits_of,
)
from funnelsim.calibrate.posterior import table_of
from funnelsim.calibrate.response import fit_response, spend_words
from funnelsim.calibrate.shocks import SUSPICIOUS_WINS, Level, win_level, wins_before_the_first
from funnelsim.calibrate.values import fit_values
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import History, bookings, open_leads, spells
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Model, OpenDeals
from funnelsim.model.rates import DEFAULT_BINS, Counts

Floats = NDArray[np.float64]

ALL = "all"
GROUPINGS = ("segment", "channel", "owner", "")
MOST_GROUPS = 12
LEADS_OF_A_GROUP = 30
FEW_WINS = 30
MOST_AHEAD = 6
DAY = pd.Timedelta(days=1)


def calibrate(
    history: History,
    *,
    groups: str = "segment",
    bins: Sequence[float] | Floats = DEFAULT_BINS,
    half_life: float = 365.0,
    horizon: float = 91.0,
    period: float = 28.0,
    spend: pd.DataFrame | None = None,
) -> Model:
    """Fit a model to a history: exits, intake, values and common shocks.

    Args:
        history: what happened.
        groups: the column whose values get rates and amounts of their own: "segment", "channel", "owner",
            or "" for one group. Values with under thirty leads, and beyond the twelve largest, form "other".
        bins: left edges of the age bins in days, first 0.
        half_life: days after which an observation weighs half; inf: all weigh alike.
        horizon: days over which the forecast of new leads is to be good.
        period: days of one period to be forecast; how much periods differ is judged on such windows, of
            7 days at least and 28 at most.
        spend: channel, start, spend as `read_spend` returns: the model then knows how leads answer to it.

    Raises:
        FunnelError: an unknown grouping, a half-life or horizon that is not positive, or no visit at all.
    """
    if groups not in GROUPINGS:
        raise FunnelError(f"groups '{groups}' is no column to group by; {nearest(groups, GROUPINGS[:3])}")
    if not (half_life > 0 and horizon > 0):
        raise FunnelError(f"half-life {half_life:g} and horizon {horizon:g}: both must be positive days")
    visited = spells(history)
    if visited.empty:
        raise FunnelError(f"no lead was in any stage before {history.until:%Y-%m-%d}: nothing to learn from")
    began = (history.began - history.until) / DAY
    names = group_names(visited, groups)
    funnel = funnel_of(visited, history.stages, history.won, history.lost)
    visits = visits_of(visited, funnel, names, grouped_by=groups, began=began)
    counts = count_visits(visits, (len(names), *funnel.targets.shape), bins, half_life)
    entries, intake_notes = fit_entries(
        visited, funnel.stages, names, grouped_by=groups, began=began, horizon=horizon
    )
    if spend is not None:
        answers = fit_response(history, spend)
        entries = replace(entries, spend=answers)
        intake_notes = (*intake_notes, *spend_words(answers, spend))
    booked = bookings(history)
    values, value_notes = fit_values(
        visited,
        booked,
        history.until,
        funnel.stages,
        names,
        grouped_by=groups,
        half_life=half_life,
    )
    calendar, calendar_notes = win_calendar(
        booked["at"], max(history.began, booked["at"].min()), history.until, history.period_start
    )
    window = float(np.clip(period, 7.0, 28.0))
    level = win_level(
        visits,
        funnel,
        counts,
        window=window,
        ahead=int(np.clip(horizon // window, 1, MOST_AHEAD)),
        began=began,
    )
    notes = (
        *_rate_notes(visits, funnel, counts, half_life, names, groups),
        _level_note(level, window),
        *intake_notes,
        *value_notes,
        *calendar_notes,
        *_warnings(visits, funnel, counts, history),
    )
    return Model(
        funnel,
        names,
        table_of(counts, funnel, level.factor),
        entries,
        values,
        history.until,
        history.currency,
        counts=counts,
        win_spread=level.spread,
        win_level=level.factor,
        calendar=calendar,
        grouped_by=groups if len(names) > 1 else "",
        notes=notes,
    )


def pipeline(history: History, model: Model) -> OpenDeals:
    """Return the leads that are in a stage on the history's as-of date, numbered as in the model.

    Raises:
        FunnelError: a lead is in a stage that the model does not have.
    """
    found = open_leads(history)
    number = {name: row for row, name in enumerate(model.funnel.stages)}
    stage = found["stage"].astype(object).map(number)
    if stage.isna().any():
        name = found["stage"][stage.isna()].iloc[0]
        raise FunnelError(f"stage '{name}' is no stage of the model; {nearest(name, number)}")
    grouping = found[model.grouped_by] if model.grouped_by else None
    return OpenDeals(
        found["lead"].astype(str).to_numpy(dtype=object),
        np.asarray(stage, dtype=np.int64),
        group_numbers(grouping, model.groups, len(found)),
        np.asarray(found["age"], dtype=np.float64),
        np.asarray(found["value"], dtype=np.float64),
    )


def describe(model: Model) -> str:
    """Return what calibration chose and why, and what it warns of, one sentence a line."""
    return "\n".join(model.notes)


def group_names(spells: pd.DataFrame, column: str) -> tuple[str, ...]:
    """Return the groups that are large enough to stand alone, largest first, and "other" for the rest.

    >>> frame = pd.DataFrame({"lead": range(100), "segment": ["small"] * 60 + ["big"] * 35 + ["odd"] * 5})
    >>> group_names(frame, "segment")
    ('small', 'big', 'other')
    """
    if not column or column not in spells:
        return (ALL,)
    sizes = spells.drop_duplicates("lead")[column].astype(object).replace("", np.nan).value_counts()
    large = [str(name) for name in sizes[sizes >= LEADS_OF_A_GROUP].index if str(name) != OTHER][:MOST_GROUPS]
    if not large:
        return (ALL,)
    rest = len(sizes) > len(large)
    return (*large, OTHER) if rest else tuple(large)


def _rate_notes(
    visits: Visits, funnel: Funnel, counts: Counts, half_life: float, names: tuple[str, ...], column: str
) -> tuple[str, ...]:
    weighing = "all alike" if np.isinf(half_life) else f"half as much after {half_life:g} days"
    sentence = (
        f"Rates: {int((visits.exit >= 0).sum()):,} moves in {len(visits):,} visits to {len(funnel.stages)} "
        f"stages, by age in {len(counts.edges)} bins; observations weigh {weighing}."
    )
    if len(names) == 1:
        return (sentence,)
    return (sentence, f"Groups: by {column}: {', '.join(names)}; each shrunk to all as far as the data asks.")


def _level_note(level: Level, window: float) -> str:
    return (
        f"Level of wins: taken at {level.factor:.0%} of the counted rates, as wins ran of late; windows of "
        f"{window:g} days differ by {level.spread:.0%} beyond chance ({level.windows} windows)."
    )


def _warnings(visits: Visits, funnel: Funnel, counts: Counts, history: History) -> tuple[str, ...]:
    """Return sentences on what makes this history doubtful."""
    taken = funnel.targets[visits.stage, visits.exit]
    wins = int(((visits.exit >= 0) & (funnel.booked[taken] > 0)).sum())
    found = []
    if wins < FEW_WINS:
        found.append(f"Warning: only {wins} wins in the history; the forecast rests mostly on assumptions.")
    expected, first = wins_before_the_first(visits, funnel, counts.edges, len(counts.events))
    if expected > SUSPICIOUS_WINS:
        date = history.until + first * DAY
        found.append(
            f"Warning: {expected:.0f} wins would be expected before the first recorded one, {date:%Y-%m-%d}; "
            "if wins were recorded only from some date on, state it (`began:` in the mapping file)."
        )
    return tuple(found)
