"""How long a stage takes, as people say it ("half within 20 days, nine in ten in 60"), made into rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from funnelsim.arrays import Floats
from funnelsim.errors import FunnelError

MOST_BINS = 170  # so many keep the incidence of every exit within 1e-4 at all ages (tests/test_dwell.py)
ACCURACY = 2e-6  # a bin that is as right as this is not cut any further
TAIL_CHANCE = 1e-7  # chance of still being there when the last, open bin begins
LONGEST = 7300.0  # days after which it begins all the same, unless one in a hundred is still there
JITTER = 1e-3  # part of a fixed duration that is left to chance


class Duration(Protocol):
    """What a distribution of days must tell; every frozen continuous distribution of scipy.stats does."""

    def sf(self, days: ArrayLike, /) -> Floats:
        """Chance of lasting longer than so many days."""

    def isf(self, chance: ArrayLike, /) -> Floats:
        """Days that are exceeded with a chance."""

    def pdf(self, days: ArrayLike, /) -> Floats:
        """Density per day."""

    def mean(self) -> float:
        """Mean in days."""


def lognormal(median: float, p90: float) -> Duration:
    """Return the lognormal duration that half exceed after `median` days and one in ten after `p90`.

    >>> lognormal(20.0, 60.0).sf([20.0, 60.0]).round(6).tolist()
    [0.5, 0.1]
    """
    from scipy import stats

    law: Duration = stats.lognorm(np.log(p90 / median) / stats.norm.ppf(0.9), scale=median)
    return law


def weibull(shape: float, scale: float) -> Duration:
    """Return the Weibull duration with S(t) = exp(-(t / scale) ** shape), scale in days."""
    from scipy import stats

    law: Duration = stats.weibull_min(shape, scale=scale)
    return law


def gamma(shape: float, scale: float) -> Duration:
    """Return the gamma duration of mean shape * scale days."""
    from scipy import stats

    law: Duration = stats.gamma(shape, scale=scale)
    return law


def exponential(mean: float) -> Duration:
    """Return the memoryless duration of a mean in days."""
    from scipy import stats

    law: Duration = stats.expon(scale=mean)
    return law


def fixed(days: float) -> Duration:
    """Return a duration of exactly so many days on average, give or take a thousandth of it.

    Rates cannot express certainty: the last thousandth is exponential, so that mean and standard
    deviation are `days` and `days` / 1000.
    """
    from scipy import stats

    law: Duration = stats.expon(loc=days * (1 - JITTER), scale=days * JITTER)
    return law


def stated_rates(exits: Sequence[tuple[float, Duration]], step: float = 1.0) -> tuple[Floats, Floats]:
    """Return age bins and rates under which each exit happens by each bin edge exactly as stated.

    With S(t) = sum of chance_x S_x(t) and F_x(t) = chance_x (1 - S_x(t)), the bin from a to b has
    rate_x = log(S(a) / S(b)) / (b - a) * (F_x(b) - F_x(a)) / (S(a) - S(b)); the last bin is open and
    has the mean residual life of the stated tail. A memoryless stage needs one bin.

    Args:
        exits: for each exit its chance and the days it takes, given that this exit is the one taken.
        step: days between the whole units that edges are put on where that costs no accuracy.

    Returns:
        edges (bins,) in days, first 0, and rate (exits, bins) per day.

    Raises:
        FunnelError: the chances do not sum to 1.

    >>> edges, rate = stated_rates([(0.25, exponential(10.0)), (0.75, exponential(10.0))])
    >>> edges.tolist(), rate.round(3).tolist()
    ([0.0], [[0.025], [0.075]])
    """
    chance = np.array([given for given, _ in exits])
    if not np.isclose(chance.sum(), 1.0, rtol=0, atol=1e-6) or chance.min() < 0:
        raise FunnelError(f"the chances {', '.join(f'{c:g}' for c in chance)} sum to {chance.sum():g}, not 1")
    chance = chance / chance.sum()
    laws = [law for _, law in exits]
    constant = _constant_hazard(laws)
    if constant is not None:
        return np.zeros(1), chance[:, None] * constant
    edges = _edges(chance, laws, step)
    beyond = _beyond(chance, laws, edges)
    total = beyond.sum(axis=0)
    hazard = np.log(total[:-1] / total[1:]) / np.diff(edges)
    tail = beyond[:, -1:] / total[-1] / _residual_life(chance, laws, edges[-1])
    return edges, np.hstack([hazard * _split(beyond), tail])


def _beyond(chance: Floats, laws: Sequence[Duration], days: Floats) -> Floats:
    """Return the chance of each exit being taken, and later than so many days, shape (exits, days)."""
    # Far beyond a short duration the exponent overflows, and the survival is 0 as it should be.
    with np.errstate(over="ignore", under="ignore"):
        beyond: Floats = chance[:, None] * np.array([law.sf(days) for law in laws])
    return beyond


def _split(beyond: Floats) -> Floats:
    """Return the share of each exit among the leads that leave in each bin, shape (exits, bins - 1)."""
    gone = beyond[:, :-1] - beyond[:, 1:]
    everyone = gone.sum(axis=0)
    split: Floats = np.divide(gone, everyone, out=np.zeros_like(gone), where=everyone > 0)
    return split


def _constant_hazard(laws: Sequence[Duration]) -> float | None:
    """Return the one hazard that all durations have at all ages, or None."""
    hazards = []
    for law in laws:
        days = law.isf([1.0, 0.9, 0.5, 0.1, 0.001])
        with np.errstate(divide="ignore", invalid="ignore"):
            hazards.append(law.pdf(days) / law.sf(days) if days[0] == 0 else np.full(5, np.nan))
    every = np.concatenate(hazards)
    return float(every[0]) if np.allclose(every, every[0], rtol=1e-9, atol=0) else None


def _edges(chance: Floats, laws: Sequence[Duration], step: float) -> Floats:
    """Return about `BINS` bin edges, on whole steps where bins are wide, each about equally wrong inside."""
    tail = np.geomspace(TAIL_CHANCE, 0.02, 10)
    levels = np.concatenate([tail, np.linspace(0.02, 0.98, 20)[1:-1], 1 - tail[::-1]])
    some = [law for given, law in zip(chance, laws, strict=True) if given > 0]
    days = np.unique(np.concatenate([law.isf(levels) for law in some]))
    left = _beyond(chance, laws, days).sum(axis=0)
    last = np.interp(-np.log(TAIL_CHANCE), -np.log(np.maximum(left, 1e-300)), days)
    last = min(last, max(LONGEST, np.interp(-0.01, -left, days)))
    first = np.interp(levels, 1 - left, days)
    first = np.where(np.gradient(first) >= step, np.round(first / step) * step, first)
    starts = [float(law.isf(1.0)) for law in some]
    edges = np.unique(np.concatenate([[0.0], first, starts, [last]]))
    return _refine(chance, laws, edges[edges <= last], step)


def _refine(chance: Floats, laws: Sequence[Duration], edges: Floats, step: float) -> Floats:
    """Return edges with the worst bins divided, again and again, until there are `BINS` or all is accurate.

    A bin whose ends differ much is cut at their geometric mean: near 0 many durations have an unbounded rate.
    """
    while edges.size < MOST_BINS:
        error = _error(chance, laws, edges)
        if error.max() < ACCURACY:
            break
        worst = np.flatnonzero(error > max(error.max() / 3, ACCURACY))
        left, right = edges[worst], edges[worst + 1]
        middle = np.where(
            right > 4 * left, np.sqrt(np.maximum(left, right / 100) * right), (left + right) / 2
        )
        whole = np.round(middle / step) * step
        inside = (whole > left) & (whole < right)
        more = np.unique(np.concatenate([edges, np.where(inside, whole, middle)]))
        if more.size == edges.size:
            break
        edges = more
    return edges


def _error(chance: Floats, laws: Sequence[Duration], edges: Floats) -> Floats:
    """Return how far the cumulative incidences inside each bin are from the stated ones, shape (bins - 1,).

    Relative to the root of the survival, so that the chances of old leads are accurate too.
    """
    beyond = _beyond(chance, laws, edges)
    total, split = beyond.sum(axis=0), _split(beyond)
    error = np.zeros(edges.size - 1)
    for part in (0.02, 0.25, 0.5, 0.75):
        inside = _beyond(chance, laws, edges[:-1] + part * np.diff(edges))
        left = total[:-1] ** (1 - part) * total[1:] ** part
        error = np.maximum(error, np.abs(beyond[:, :-1] - split * (total[:-1] - left) - inside).max(axis=0))
    relative: Floats = error / np.sqrt(total[:-1])
    return relative


def _residual_life(chance: Floats, laws: Sequence[Duration], age: float) -> float:
    """Return the mean days still to go at an age: the integral of the survival beyond it, over itself."""
    furthest = max(float(law.isf(1e-15)) for law in laws)
    days = age + np.concatenate([[0.0], np.geomspace(1e-6, 1.0, 4000)]) * max(furthest - age, age)
    beyond = _beyond(chance, laws, days).sum(axis=0)
    return float(np.trapezoid(beyond, days) / beyond[0])
