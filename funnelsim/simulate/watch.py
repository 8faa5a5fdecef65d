"""What can be watched in a run: the line before a team, and how many leads are in each place."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.errors import FunnelError, nearest
from funnelsim.simulate.record import OPEN, Run

Floats = NDArray[np.float64]


def queue_days(run: Run, pool: str) -> pd.DataFrame:
    """Return who waits for a team and who of it is at work, a row for each moment at which that changes.

    Args:
        run: what a simulation left.
        pool: name of the team.

    Returns:
        day (days since the as-of moment; a row holds until the next, the last is the end of the run),
        waiting (leads in line), busy (reps: deals in work, also over night, by the deals that a rep
        carries) and size (reps on the team).

    Raises:
        FunnelError: the model has no team of that name.
    """
    teams = {team.name: team for team in run.model.pools}
    if pool not in teams:
        raise FunnelError(f"no team is called '{pool}'; {nearest(pool, teams)}")
    team, visits = teams[pool], run.waits[run.waits["pool"] == pool]
    joined, began, done = (visits[name].to_numpy(dtype=float) for name in ("joined", "began", "done"))
    # began - joined + joined may miss began by a rounding: the moment itself is taken where there is one
    left = np.where(np.isnan(began), joined + visits["wait"].to_numpy(dtype=float), began)
    left = left[visits["gave_up"].to_numpy(dtype=bool) | ~np.isnan(began)]
    moments = np.concatenate([[0.0, run.days], team.starts, joined, left, began, done])
    day = np.unique(moments[(moments >= 0) & (moments <= run.days)])
    return pd.DataFrame(
        {
            "day": day,
            "waiting": _until(joined, day) - _until(left, day),
            "busy": (_until(began, day) - _until(done, day)) / team.capacity,
            "size": team.size[np.searchsorted(team.starts, day, side="right") - 1],
        }
    )


def movement_days(run: Run, every: float = 1.0) -> pd.DataFrame:
    """Return how many leads are in each stage and how many have come to each end, at evenly spaced moments.

    Args:
        run: what a simulation left.
        every: days between two moments; the first is day 0.

    Returns:
        stage (stages, then ends), day (days since the as-of moment), leads (there at that moment), end.

    Raises:
        FunnelError: moments that are not some days apart.
    """
    if not every > 0:
        raise FunnelError(f"{every:g} days between two moments; expected more than 0")
    funnel, day = run.model.funnel, np.arange(0.0, run.days + every / 2, every)
    day = np.minimum(day, run.days)
    opened = np.flatnonzero(run.origin == OPEN)
    who, visit = np.append(opened, run.who), np.append(np.full(opened.size, -1), run.visit)
    place, came = np.append(run.stage[opened], run.place), np.append(np.zeros(opened.size), run.day)
    order = np.lexsort((visit, who))
    who, place, came = who[order], place[order], came[order]
    moved = np.flatnonzero(who[1:] == who[:-1])
    left_place, left = place[moved], came[moved + 1]
    counts = [_until(came[place == one], day) - _until(left[left_place == one], day)
              for one in range(len(funnel.places))]  # fmt: skip
    return pd.DataFrame(
        {
            "stage": np.repeat(np.array(funnel.places, dtype=object), day.size),
            "day": np.tile(day, len(funnel.places)),
            "leads": np.concatenate(counts),
            "end": np.repeat(np.arange(len(funnel.places)) >= len(funnel.stages), day.size),
        }
    )


def _until(moments: Floats, day: Floats) -> NDArray[np.int64]:
    """Return how many of the moments, those that are known, have come by each day."""
    return np.searchsorted(np.sort(moments[~np.isnan(moments)]), day, side="right")
