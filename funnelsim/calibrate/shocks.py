"""What rates alone do not tell: periods in which everything wins more, or less, and wins never recorded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from funnelsim.calibrate.exits import Visits, count_visits
from funnelsim.calibrate.posterior import posterior_table
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import Counts

Floats = NDArray[np.float64]

DISCOUNT = 0.8
PRIOR_SPREAD = 0.05
PRIOR_WINDOWS = 4.0
MOST_WINDOWS = 24
LARGEST_SPREAD = 0.6
SUSPICIOUS_WINS = 10.0


def win_spread(
    visits: Visits, funnel: Funnel, counts: Counts, *, block: float = 28.0, began: float = -np.inf
) -> tuple[float, int]:
    """Return the sd of a common factor on the win intensity of a period, and the number of windows used.

    For past windows of `block` days, wins are compared with those that the fitted rates expect of the days
    that leads really spent at risk: sum of w ((observed - expected)^2 - expected) over sum of w expected^2,
    the weight w falling by 0.8 from window to window, plus a prior of four windows at 0.05^2.

    Args:
        visits: the visits that the rates were fitted to.
        counts: the counts of the fit.
        began: first day of the record.
    """
    first = max(began, float(visits.start.min(initial=0.0)))
    windows = int(min(-first // block, MOST_WINDOWS))
    rate = winning(posterior_table(counts, funnel), funnel)
    excess = PRIOR_WINDOWS * PRIOR_SPREAD**2
    total = PRIOR_WINDOWS
    for window in range(windows):
        observed, expected = _in_window(
            visits, funnel, counts, rate, (-block * (window + 1), -block * window)
        )
        if expected < 1.0:
            continue
        weight = DISCOUNT**window
        excess += weight * ((observed - expected) ** 2 - expected) / expected**2
        total += weight
    return float(np.sqrt(np.clip(excess / total, 0.0, LARGEST_SPREAD**2))), windows


def wins_before_the_first(visits: Visits, funnel: Funnel, bins: Floats, groups: int) -> tuple[float, float]:
    """Return wins that the fitted rates expect before the first recorded win, and the day of that win.

    Rates are those of the time from that win on. A clean record gives about 0; one whose wins were
    recorded only from some date on gives dozens: its leads seem to have waited for nothing.
    """
    shape = (groups, *funnel.targets.shape)
    taken = funnel.targets[visits.stage, visits.exit]
    won = (visits.exit >= 0) & (funnel.booked[taken] > 0)
    if not won.any():
        return 0.0, 0.0
    first = float((visits.start + visits.dwell)[won].min())
    after = count_visits(visits, shape, bins, window=(first, np.inf))
    before = count_visits(visits, shape, bins, window=(-np.inf, first))
    rate = winning(posterior_table(after, funnel), funnel)
    return float((rate * before.exposure).sum()), first


def winning(rate: Floats, funnel: Funnel) -> Floats:
    """Return the rate of winning per day, (groups, stages, bins), of rates (groups, stages, exits, bins)."""
    booked = np.append(funnel.booked > 0, False)[funnel.targets]
    wins: Floats = (rate * booked[None, :, :, None]).sum(axis=2)
    return wins


def _in_window(
    visits: Visits, funnel: Funnel, counts: Counts, rate: Floats, window: tuple[float, float]
) -> tuple[float, float]:
    """Return wins observed, and expected, within a window of days."""
    alive = (visits.start < window[1]) & (visits.start + visits.dwell >= window[0])
    rows = np.flatnonzero(alive)
    part = Visits(
        visits.stage[rows],
        visits.group[rows],
        visits.exit[rows],
        visits.start[rows],
        visits.since[rows],
        visits.dwell[rows],
    )
    found = count_visits(part, counts.events.shape[:3], counts.edges, window=window)
    booked = np.append(funnel.booked > 0, False)[funnel.targets]
    observed = float((found.events * booked[None, :, :, None]).sum())
    return observed, float((rate * found.exposure).sum())
