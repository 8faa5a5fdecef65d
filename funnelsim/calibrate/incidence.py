"""The chance to have left a stage by each exit, as a rate table says it; `history.incidence` counts it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """Chance to have left by each exit, by age.

    Args:
        ages: (ages,) days since entering the stage.
        left: (exits, ages) chance to have left by an exit up to that age, that age included.
        stays: (ages,) chance to be still there.
    """

    ages: Floats
    left: Floats
    stays: Floats


def incidence(edges: Floats, rate: Floats, ages: Floats) -> Fitted:
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
    return Fitted(ages, left, np.exp(-hazard.sum(axis=1)))


def age_by_which(edges: Floats, rate: Floats, share: float) -> float:
    """Return the age in days by which a share of leads has left the stage; inf if that many never leave.

    Args:
        edges: (bins,) left edges in days; inf pads.
        rate: (exits, bins) per day.
        share: between 0 and 1.

    >>> round(age_by_which(np.array([0.0]), np.array([[0.01], [0.01]]), 0.5), 3)
    34.657
    """
    finite = np.isfinite(edges)
    lower, total = edges[finite], rate[:, finite].sum(axis=0)
    before = np.append(0.0, np.cumsum(np.diff(lower) * total[:-1]))
    wanted = -float(np.log1p(-share))
    place = int(np.searchsorted(before, wanted, side="right")) - 1
    with np.errstate(divide="ignore"):
        return float(lower[place] + (wanted - before[place]) / total[place])
