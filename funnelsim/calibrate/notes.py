"""What calibration says of itself: what was counted, how wins ran of late, and what to beware of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from funnelsim.calibrate.exits import Visits
from funnelsim.calibrate.shocks import SUSPICIOUS_WINS, Level, wins_before_the_first, won_visits
from funnelsim.history.log import History
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import Counts

FEW_WINS = 30
DAY = pd.Timedelta(days=1)


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


def warnings_of(visits: Visits, funnel: Funnel, counts: Counts, history: History) -> tuple[str, ...]:
    """Return sentences on what makes this history doubtful."""
    wins = len(won_visits(visits, funnel))
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
