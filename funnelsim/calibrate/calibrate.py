"""History -> model: everything that a forecast needs, counted from what happened, and said in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from funnelsim.calibrate.notes import level_note, rate_notes, warnings_of
from funnelsim.calibrate.posterior import table_of
from funnelsim.calibrate.response import fit_response, spend_words
from funnelsim.calibrate.shocks import win_level
from funnelsim.calibrate.values import fit_values
from funnelsim.errors import FunnelError, nearest
from funnelsim.history.log import History, bookings, open_leads, spells
from funnelsim.model.entries import Entries
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Model, OpenDeals
from funnelsim.model.rates import DEFAULT_BINS, Counts

Floats = NDArray[np.float64]

ALL = "all"
GROUPINGS = ("segment", "channel", "owner", "")
MOST_GROUPS = 12
LEADS_OF_A_GROUP = 30
MOST_AHEAD = 6
SHORTEST_WINDOW, LONGEST_WINDOW = 7.0, 28.0
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
    seen = _counted(history, groups, bins, half_life)
    entries, intake_notes = _intake(seen, horizon, spend)
    booked = bookings(history)
    values, value_notes = fit_values(
        seen.spells, booked, history.until, seen.funnel.stages, seen.groups, grouped_by=groups,
        half_life=half_life,
    )  # fmt: skip
    calendar, calendar_notes = win_calendar(
        booked["at"], max(history.began, booked["at"].min()), history.until, history.period_start
    )
    window = float(np.clip(period, SHORTEST_WINDOW, LONGEST_WINDOW))
    ahead = int(np.clip(horizon // window, 1, MOST_AHEAD))
    level = win_level(seen.visits, seen.funnel, seen.counts, window=window, ahead=ahead, began=seen.began)
    notes = (
        *rate_notes(seen.visits, seen.funnel, seen.counts, half_life, seen.groups, groups),
        level_note(level, window),
        *intake_notes,
        *value_notes,
        *calendar_notes,
        *warnings_of(seen.visits, seen.funnel, seen.counts, history),
    )
    table = table_of(seen.counts, seen.funnel, level.factor)
    return Model(
        seen.funnel, seen.groups, table, entries, values, history.until, history.currency, counts=seen.counts,
        win_spread=level.spread, win_level=level.factor, calendar=calendar, notes=notes,
        grouped_by=groups if len(seen.groups) > 1 else "",
    )  # fmt: skip


@dataclass(frozen=True)
class _Seen:
    """A history as calibration sees it: its visits, as a frame and as arrays, and what was counted."""

    history: History
    spells: pd.DataFrame
    funnel: Funnel
    groups: tuple[str, ...]
    grouped_by: str
    began: float
    visits: Visits
    counts: Counts


def _counted(history: History, grouped_by: str, bins: Sequence[float] | Floats, half_life: float) -> _Seen:
    """Return the history's visits and counts; refuse one without any visit."""
    visited = spells(history)
    if visited.empty:
        raise FunnelError(f"no lead was in any stage before {history.until:%Y-%m-%d}: nothing to learn from")
    began = (history.began - history.until) / DAY
    names = group_names(visited, grouped_by)
    funnel = funnel_of(visited, history.stages, history.won, history.lost)
    visits = visits_of(visited, funnel, names, grouped_by=grouped_by, began=began)
    counts = count_visits(visits, (len(names), *funnel.targets.shape), bins, half_life)
    return _Seen(history, visited, funnel, names, grouped_by, began, visits, counts)


def _intake(seen: _Seen, horizon: float, spend: pd.DataFrame | None) -> tuple[Entries, tuple[str, ...]]:
    """Return the leads to come, with how they answer to spend where that is known, and words."""
    entries, notes = fit_entries(
        seen.spells, seen.funnel.stages, seen.groups, grouped_by=seen.grouped_by, began=seen.began,
        horizon=horizon,
    )  # fmt: skip
    if spend is None:
        return entries, notes
    answers = fit_response(seen.history, spend)
    return replace(entries, spend=answers), (*notes, *spend_words(answers, spend))


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
