"""The width of a forecast, corrected by its record: how far off it used to be, against what it said."""

from __future__ import annotations

import numpy as np
import pandas as pd

from funnelsim.arrays import Floats
from funnelsim.forecasting.forecast import LEVELS, NAMES
from funnelsim.forecasting.scores import normal_scores

FEWEST_FOR_SCALE = 4

PRIOR_WINDOWS = 4.0

LARGEST_SQUARE = 9.0


def scale_of(quantiles: Floats, actual: Floats) -> float:
    """Return by how much past forecasts were farther off than they said; 1 with under four of them.

    The root of (4 + sum z^2) / (4 + n), z being the outcome's place in its forecast on the scale of the
    normal distribution, z^2 capped at 9.

    Args:
        quantiles: (n, levels) of past forecasts.
        actual: (n,) what happened.

    >>> scale_of(np.zeros((2, 17)), np.zeros(2))
    1.0
    """
    if len(actual) < FEWEST_FOR_SCALE:
        return 1.0
    squares = np.minimum(normal_scores(actual, np.array(LEVELS), quantiles) ** 2, LARGEST_SQUARE)
    return float(np.sqrt((PRIOR_WINDOWS + squares.sum()) / (PRIOR_WINDOWS + len(actual))))


def widened(quantiles: Floats, scale: float) -> Floats:
    """Return quantiles (..., levels) as far from their median as `scale` says, none below 0."""
    middle = quantiles[..., LEVELS.index(0.5), None]
    wider: Floats = np.maximum(middle + scale * (quantiles - middle), np.minimum(quantiles, 0.0))
    return wider


def scaled_by(periods: pd.DataFrame, scales: pd.DataFrame) -> pd.DataFrame:
    """Return a forecast's `periods` table with the totals as wide as the record says.

    Args:
        periods: see `funnelsim.forecasting.forecast.Forecast`; the n-th period is scaled by step n.
        scales: measure, step, scale; steps that it lacks are left alone.
    """
    factor = {
        (str(measure), int(step)): float(scale)
        for measure, step, scale in scales[["measure", "step", "scale"]].itertuples(index=False)
    }
    place = {name: number + 1 for number, name in enumerate(periods["period"].unique())}
    keys = [(str(m), place[p]) for m, p in zip(periods["measure"], periods["period"], strict=True)]
    booked = {key: row for row, key in enumerate(keys) if periods["origin"].iloc[row] == "booked"}
    quantiles = periods[NAMES].to_numpy(dtype=np.float64, copy=True)
    sd = periods["sd"].to_numpy(dtype=np.float64, copy=True)
    mean = periods["mean"].to_numpy(dtype=np.float64)
    for row in np.flatnonzero(periods["origin"] == "total"):
        scale = factor.get(keys[row], 1.0)
        sure = float(mean[booked[keys[row]]]) if keys[row] in booked else 0.0
        if scale != 1.0:
            quantiles[row] = widened(quantiles[row] - sure, scale) + sure
            sd[row] *= scale
    return periods.assign(sd=sd, **{name: quantiles[:, column] for column, name in enumerate(NAMES)})
