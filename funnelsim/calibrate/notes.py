"""What calibration says of itself: what was counted, how wins ran of late, and what to beware of."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.calibrate.exits import BLOCK, Visits
from funnelsim.calibrate.shocks import SUSPICIOUS_WINS, Level, wins_before_the_first, won_visits
from funnelsim.history.log import DAY, History, days_since
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import Counts

FEW_WINS = 30
FEW_APART = 0.02
USUAL_DAYS = 7.0


def rate_notes(
    visits: Visits, funnel: Funnel, counts: Counts, half_life: float, names: tuple[str, ...], column: str
) -> tuple[str, ...]:
    """Return sentences on what the rates were counted from, and on the groups."""
    weighing = "all alike" if np.isinf(half_life) else f"half as much after {half_life:g} days"
    sentence = (
        f"Rates: {int((visits.exit >= 0).sum()):,} moves in {len(visits):,} visits to {len(funnel.stages)} "
        f"stages, by age in {len(counts.edges)} bins; observations weigh {weighing}."
    )
    if len(names) == 1:
        return (sentence,)
    return (sentence, f"Groups: by {column}: {', '.join(names)}; each shrunk to all as far as the data asks.")


def level_note(level: Level, window: float) -> str:
    """Return a sentence on the level of wins and on how much periods differ."""
    return (
        f"Level of wins: taken at {level.factor:.0%} of the counted rates, as wins ran of late; windows of "
        f"{window:g} days differ by {level.spread:.0%} beyond chance ({level.windows} windows)."
    )


def warnings_of(
    visits: Visits, funnel: Funnel, counts: Counts, history: History, won: pd.Series
) -> tuple[str, ...]:
    """Return sentences on what makes this history doubtful; `won` holds the moments of all wins."""
    wins, recorded = len(won_visits(visits, funnel)), won[won >= history.began]
    found = list(_silence(visits, history, recorded))
    if wins < FEW_WINS:
        number = f"{wins} win{'' if wins == 1 else 's'} by way of a stage"
        found.append(f"Warning: only {number} in the history; the forecast rests mostly on assumptions.")
    apart = len(recorded) - wins
    if apart > FEW_APART * len(recorded):
        found.append(
            f"Warning: {apart:,} of {len(recorded):,} wins came without a visit to a stage before, as those "
            "of leads that begin with the win; none such is expected: too low a forecast where they go on."
        )
    expected, first = wins_before_the_first(visits, funnel, counts.edges, len(counts.events))
    if expected > SUSPICIOUS_WINS:
        date = history.until + first * DAY
        found.append(
            f"Warning: {expected:.0f} wins would be expected before the first recorded one, {date:%Y-%m-%d}; "
            "if wins were recorded only from some date on, state it (`began:` in the mapping file), or leave "
            "out the leads that came before (`since:`)."
        )
    return tuple(found)


def _silence(visits: Visits, history: History, won: pd.Series) -> tuple[str, ...]:
    """Return a warning where the as-of date lies farther from the last event than any two events before."""
    days = np.flatnonzero(_busy_days(visits, won, history.until))
    usual = max(float(np.diff(days).max(initial=0)), USUAL_DAYS)
    if not len(days) or days[0] <= usual:
        return ()
    last = history.until - (days[0] + 1) * DAY
    sentence = (
        f"Warning: nothing is recorded in the {days[0]:,} days before the as-of date (last event: "
        f"{last:%Y-%m-%d}); the longest pause before took {usual:,.0f} days. The forecast takes it for a "
        "standstill: where the record just ends there, leave the as-of date out."
    )
    return (sentence,)


def _busy_days(visits: Visits, won: pd.Series, until: pd.Timestamp) -> NDArray[np.bool_]:
    """Return for each day, counted back from the as-of date, whether a lead came, moved, left or was won."""
    wins = -days_since(won, until)
    busy = np.zeros(int(max(-visits.start.min(initial=0.0), wins.max(initial=0.0))) + 1, dtype=bool)
    busy[wins.astype(np.int64)] = True
    for begin in range(0, len(visits), BLOCK):
        part = visits.rows(slice(begin, begin + BLOCK))
        busy[(-part.start).astype(np.int64)] = True
        left = part.start + part.dwell
        busy[np.maximum(-left[part.exit >= 0], 0.0).astype(np.int64)] = True
    return busy
