"""How good a forecast was: proper scores of distributions, coverage, and where outcomes fell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from funnelsim.arrays import Floats

TAIL = 0.05


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
