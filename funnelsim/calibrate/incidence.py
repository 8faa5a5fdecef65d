"""The chance to have left a stage by each exit, as a rate table says it and as the visits themselves do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from funnelsim.calibrate.exits import Visits

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Incidence:
    """Chance to have left by each exit, by age.

    Args:
        ages: (ages,) days since entering the stage, ascending.
        left: (exits, ages) chance to have left by an exit up to that age, that age included.
        stays: (ages,) chance to be still there.
        error: (exits, ages) standard error of `left`; nan where there is none.
    """

    ages: Floats
    left: Floats
    stays: Floats
    error: Floats


def incidence(edges: Floats, rate: Floats, ages: Floats) -> Incidence:
    """Return the cumulative incidence of a stage's exits under piecewise-constant rates, in closed form.

    F_x(a) = sum over bins up to a of S(left edge) * rate_x / rate * (1 - exp(-rate * days in the bin)).

    Args:
        edges: (bins,) left edges in days; inf pads.
        rate: (exits, bins) per day.
        ages: (ages,) days.

    >>> found = incidence(np.array([0.0, 10.0, 30.0]), np.array([[0.02, 0.03, 0.005]]), np.array([10.0]))
    >>> round(float(found.left[0, 0]), 6)
    0.181269
    """
    finite = np.isfinite(edges)
    lower, rates = edges[finite], rate[:, finite]
    upper = np.append(lower[1:], np.inf)
    days = np.clip(ages[:, None], lower, upper) - lower
    total = rates.sum(axis=0)
    hazard = total * days
    before = np.exp(-np.concatenate([np.zeros((len(ages), 1)), np.cumsum(hazard, axis=1)[:, :-1]], axis=1))
    share = np.divide(rates, total, out=np.zeros_like(rates), where=total > 0)
    left = np.einsum("ab,xb->xa", before * -np.expm1(-hazard), share)
    return Incidence(ages, left, np.exp(-hazard.sum(axis=1)), np.full(left.shape, np.nan))


def aalen_johansen(visits: Visits, stage: int, exits: int, weight: Floats | None = None) -> Incidence:
    """Return the Aalen-Johansen estimate of a stage's cumulative incidence, with late entry.

    At each age t at which somebody left, F_x gains S(t-) d_x / n, where n visits are at risk: those
    observed from an age before t (or from age 0) that lasted until t. The standard error is Aalen's.

    Args:
        visits: visits to any stage.
        stage: number of the stage.
        exits: number of its exits.
        weight: (visits,) weights; the standard error is then approximate.

    Source: Aalen and Johansen, Scandinavian Journal of Statistics 1978; variance: Putter, Fiocco and
    Geskus, Statistics in Medicine 2007, doi:10.1002/sim.2712.
    """
    here = (visits.stage == stage) & (visits.dwell >= visits.since)
    since, dwell, taken = visits.since[here], visits.dwell[here], visits.exit[here]
    weights = np.ones(len(dwell)) if weight is None else weight[here]
    ages, place = np.unique(dwell[taken >= 0], return_inverse=True)
    leavers = np.zeros((exits, len(ages)))
    np.add.at(leavers, (taken[taken >= 0], place), weights[taken >= 0])
    at_risk = _at_risk(ages, since, dwell, weights)
    total = leavers.sum(axis=0)
    stays = np.cumprod(1.0 - total / at_risk)
    before = np.concatenate([[1.0], stays[:-1]])
    left = np.cumsum(before * leavers / at_risk, axis=1)
    return Incidence(ages, left, stays, _standard_error(left, before, leavers, at_risk))


def _at_risk(ages: Floats, since: Floats, dwell: Floats, weights: Floats) -> Floats:
    """Return the weight of visits at risk at each age; a visit seen from its start is at risk at age 0."""
    by_dwell, by_since = np.argsort(dwell), np.argsort(since)
    lasted = np.append(0.0, np.cumsum(weights[by_dwell]))
    joined = np.append(0.0, np.cumsum(weights[by_since]))
    gone = lasted[np.searchsorted(dwell[by_dwell], ages, side="left")]
    came = joined[np.searchsorted(since[by_since], ages, side="left")]
    at_zero = joined[np.searchsorted(since[by_since], 0.0, side="right")]
    risk: Floats = np.where(ages > 0, came, at_zero) - gone
    return risk


def _standard_error(left: Floats, before: Floats, leavers: Floats, at_risk: Floats) -> Floats:
    """Return Greenwood's formula for several exits (Aalen's variance).

    var F_x(t) = sum_u (F_x(t) - F_x(u))^2 d / (n (n - d)) + S(u-)^2 d_x (n - d_x) / n^3
                 - 2 (F_x(t) - F_x(u)) S(u-) d_x / n^2.
    """
    total = leavers.sum(axis=0)
    spare = np.maximum(at_risk - total, 1e-300)
    greenwood = np.where(at_risk > total, total / (at_risk * spare), 0.0)
    own = before**2 * leavers * (at_risk - leavers) / at_risk**3
    cross = before * leavers / at_risk**2
    zero, one, two = (np.cumsum(greenwood * left**power, axis=1) for power in (0, 1, 2))
    variance = left**2 * zero - 2 * left * one + two
    variance += np.cumsum(own, axis=1) - 2 * (
        left * np.cumsum(cross, axis=1) - np.cumsum(cross * left, axis=1)
    )
    error: Floats = np.sqrt(np.maximum(variance, 0.0))
    return error
