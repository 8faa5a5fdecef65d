"""What a win is worth: equally likely amounts for leads not yet born, a ratio for deals already quoted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Values:
    """Amounts of money per group.

    Args:
        amounts: (groups, atoms) equally likely amounts of one win, ascending, in the model's currency.
        ratio: (groups,) mean of won amount / amount shown while open (1: deals close at what they show).
        tilt: (stages,) mean amount of the leads of a stage that win / of all leads at risk there, where
            the history tells: large deals win less often; None stands for 1 everywhere.
    """

    amounts: Floats
    ratio: Floats
    tilt: Floats | None = None

    @property
    def mean(self) -> Floats:
        """Mean amount of a win per group, shape (groups,)."""
        mean: Floats = self.amounts.mean(axis=1)
        return mean
