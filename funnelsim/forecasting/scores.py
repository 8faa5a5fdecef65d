"""How good a forecast was: proper scores, coverage, and how much wider its own record asks it to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from funnelsim.arrays import Floats
from funnelsim.forecasting.forecast import LEVELS, NAMES

# How far beyond the outermost quantiles the tails reach, as a share of the range between: a convention that
# moves a CRPS by under one per cent, as 2 % of futures lie there.
TAIL = 0.05
# Under four known outcomes their spread says less than the prior; the prior weighs as much as four of them
# (chosen in advance, not by a back-test: scaling by the record gained nothing reliable, see the README).
FEWEST_FOR_SCALE = 4
PRIOR_WINDOWS = 4.0
# An outcome more than three standard deviations off counts as three: one odd quarter is no habit.
LARGEST_SQUARE = 9.0


def crps_ensemble(observed: Floats, ensemble: Floats) -> Floats:
    """Return the continuous ranked probability score of equally likely values.

    CRPS = E|X - y| - E|X - X'| / 2, by the sorted form of the second mean.

    Args:
        observed: (...) what happened, y.
        ensemble: (..., members) values of the forecast, X, in the unit of `observed`.

    Returns:
        (...) scores in the unit of `observed`; lower is better, and one member gives the absolute error.

    Source: Gneiting and Raftery, JASA 2007, doi:10.1198/016214506000001437.

    >>> crps_ensemble(np.array(3.0), np.array([1.0, 2.0, 4.0])).round(6).item()
    0.666667
    """
    members = ensemble.shape[-1]
    distance = abs(ensemble - np.asarray(observed)[..., None]).mean(axis=-1)
    weight = (2 * np.arange(1, members + 1) - members - 1) / members**2
    score: Floats = distance - (np.sort(ensemble, axis=-1) * weight).sum(axis=-1)
    return score


def crps_pmf(observed: float, values: Floats, chance: Floats) -> float:
    """Return the continuous ranked probability score of a distribution on points.

    CRPS = integral of (F(x) - 1{x >= y})^2 dx, F being a step function.

    Args:
        observed: what happened.
        values: (points,) ascending.
        chance: (points,) chances, summing to 1.

    >>> round(crps_pmf(3.0, np.array([1.0, 2.0, 4.0]), np.full(3, 1 / 3)), 6)
    0.666667
    """
    points = np.append(values, observed)
    order = np.argsort(points, kind="stable")
    below = np.cumsum(np.append(chance, 0.0)[order])[:-1]
    widths = np.diff(points[order])
    return float((widths * (below - (points[order][:-1] >= observed)) ** 2).sum())


def crps_quantiles(observed: Floats, levels: Floats, quantiles: Floats) -> Floats:
    """Return the continuous ranked probability score of a distribution known by some quantiles.

    The distribution function is linear between quantiles; each tail goes on to a twentieth of the
    outermost chance as a normal distribution would from the two outermost quantiles.

    Args:
        observed: (...) what happened.
        levels: (levels,) chances, ascending, between 0 and 1.
        quantiles: (..., levels) in the unit of `observed`; many outcomes are scored against one forecast, or
            one outcome against many, by the rules of NumPy's broadcasting.

    Returns:
        (...) scores in the unit of `observed`.

    >>> from scipy.stats import norm
    >>> levels = np.linspace(0.005, 0.995, 199)
    >>> crps_quantiles(np.array(1.0), levels, norm.ppf(levels)).round(3).item()
    0.602
    """
    chance, value = _with_tails(levels, np.asarray(quantiles, dtype=np.float64))
    shape = np.broadcast_shapes(np.shape(observed), value.shape[:-1])
    value = np.broadcast_to(value, (*shape, len(chance)))
    y = np.broadcast_to(np.asarray(observed, dtype=np.float64), shape)[..., None]
    left, right = value[..., :-1], value[..., 1:]
    low, high = chance[:-1], chance[1:]
    width = right - left
    cut = np.clip(y, left, right)
    part = np.divide(cut - left, width, out=np.zeros_like(width), where=width > 0)
    at_cut = low + part * (high - low)
    below = _integral(cut - left, low, at_cut)
    above = _integral(right - cut, 1 - high, 1 - at_cut)
    outside = np.maximum(value[..., 0] - y[..., 0], 0) + np.maximum(y[..., 0] - value[..., -1], 0)
    score: Floats = (below + above).sum(axis=-1) + outside
    return score


def pinball(observed: Floats, levels: Floats, quantiles: Floats) -> Floats:
    """Return the quantile loss, (level - 1{y < q}) (y - q), shape (..., levels).

    Args:
        observed: (...) what happened, y.
        levels: (levels,) chances.
        quantiles: (..., levels) q.

    Source: Koenker and Bassett, Econometrica 1978, doi:10.2307/1913643.

    >>> pinball(np.array(10.0), np.array([0.1, 0.9]), np.array([8.0, 12.0])).round(3).tolist()
    [0.2, 0.2]
    """
    gap = np.asarray(observed)[..., None] - quantiles
    loss: Floats = np.maximum(levels * gap, (levels - 1) * gap)
    return loss


def quantile_at(level: float, levels: Floats, quantiles: Floats) -> Floats:
    """Return a quantile between (or beyond) known ones, linear on the scale of the normal distribution.

    Args:
        quantiles: (..., levels).

    >>> quantile_at(0.975, np.array([0.5, 0.95, 0.99]), np.array([0.0, 1.645, 2.326])).round(2).item()
    1.96
    """
    place = int(np.clip(np.searchsorted(levels, level) - 1, 0, len(levels) - 2))
    z, low, high = ndtri(level), ndtri(levels[place]), ndtri(levels[place + 1])
    share = (z - low) / (high - low)
    found: Floats = quantiles[..., place] * (1 - share) + quantiles[..., place + 1] * share
    return found


def inside(observed: Floats, levels: Floats, quantiles: Floats, share: float) -> NDArray[np.bool_]:
    """Return whether what happened lies within the central interval of a given share, ends included."""
    low = quantile_at((1 - share) / 2, levels, quantiles)
    high = quantile_at((1 + share) / 2, levels, quantiles)
    return (observed >= low) & (observed <= high)


def probability_below(observed: Floats, levels: Floats, quantiles: Floats) -> Floats:
    """Return the probability integral transform: the forecast chance of at most what happened.

    Where many quantiles are equal to what happened, the middle of their chances is taken.

    >>> probability_below(np.array(1.0), np.array([0.4, 0.6]), np.array([0.0, 2.0])).round(3).item()
    0.5
    """
    chance, value = _with_tails(levels, np.asarray(quantiles, dtype=np.float64))
    shape = np.broadcast_shapes(np.shape(observed), value.shape[:-1])
    rows = np.broadcast_to(value, (*shape, len(chance))).reshape(-1, len(chance))
    flat = np.broadcast_to(np.asarray(observed, dtype=np.float64), shape).reshape(-1)
    found = np.empty(len(flat))
    for row, (y, points) in enumerate(zip(flat, rows, strict=True)):
        same = np.flatnonzero(points == y)
        found[row] = chance[same].mean() if same.size else np.interp(y, points, chance)
    return found.reshape(shape)


def normal_scores(observed: Floats, levels: Floats, quantiles: Floats) -> Floats:
    """Return where outcomes fell in their forecasts, in standard deviations of the normal distribution.

    Linear between quantiles, and beyond them as between the two outermost.

    Args:
        observed: (n,) what happened.
        levels: (levels,) chances.
        quantiles: (n, levels).

    >>> normal_scores(np.array([3.0]), np.array([0.5, 0.8413]), np.array([[1.0, 2.0]])).round(2).tolist()
    [2.0]
    """
    z, rows = ndtri(levels), np.maximum.accumulate(quantiles, axis=1)
    right = np.clip((rows < observed[:, None]).sum(axis=1), 1, len(levels) - 1)
    place = np.arange(len(rows))
    low, high = rows[place, right - 1], rows[place, right]
    share = np.divide(observed - low, high - low, out=np.full(len(rows), 0.5), where=high > low)
    scores: Floats = z[right - 1] + share * (z[right] - z[right - 1])
    return scores


def mape(observed: Floats, median: Floats) -> float:
    """Return the mean absolute percentage error of the median, as a share, over outcomes other than 0.

    >>> round(mape(np.array([100.0, 0.0, 50.0]), np.array([110.0, 5.0, 45.0])), 3)
    0.1
    """
    some = observed != 0
    return float((abs(median - observed)[some] / abs(observed)[some]).mean()) if some.any() else np.nan


def _with_tails(levels: Floats, quantiles: Floats) -> tuple[Floats, Floats]:
    """Return levels and quantiles with both tails added, and no quantile below the one before it."""
    low = quantile_at(TAIL * levels[0], levels, quantiles)
    high = quantile_at(1 - TAIL * (1 - levels[-1]), levels, quantiles)
    chance = np.concatenate([[0.0], levels, [1.0]])
    value = np.concatenate([low[..., None], quantiles, high[..., None]], axis=-1)
    return chance, np.maximum.accumulate(value, axis=-1)


def _integral(width: Floats, start: Floats, end: Floats) -> Floats:
    """Return the integral of the square of a line over a width."""
    area: Floats = width * (start**2 + start * end + end**2) / 3
    return area


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
