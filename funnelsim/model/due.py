"""The second clock: leads that state the day on which they will be won, and drop out before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from funnelsim.model.rates import Counts

Floats = NDArray[np.float64]

REACH = 30


@dataclass(frozen=True)
class Due:
    """How leads live that state an expected date: days to that date are their clock, not age.

    A lead leaves its stage at rates by days to its date, other than by winning; if it is still there
    when the day begins, it wins with the stage's chance, some days late or early.

    Args:
        counts: leavers (winners left out) and days at risk; the bins are of days until the date's day
            begins, the first one being the last before it.
        reached: (groups, stages) leads that were in the stage when the day began, or won before it.
        hits: (groups, stages) those of them that won.
        late: (2 REACH + 1,) share of the wins by days after their date, from -REACH to REACH.
        stated: (groups, stages) share of the leads entering there that state a date.
        ahead: (groups, days) share of them by days between coming in and the date, 0, 1, 2 ...
        spread: standard deviation of a common Gamma factor on dropping out.
    """

    counts: Counts
    reached: Floats
    hits: Floats
    late: Floats
    stated: Floats
    ahead: Floats
    spread: float = 0.0
