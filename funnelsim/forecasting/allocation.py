"""How money is split best over concave curves: for the mean, for the worst draws, or to reach a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from funnelsim.arrays import Floats
from funnelsim.calibration.response import Curve
from funnelsim.errors import FunnelError

ENOUGH = 1e-15  # of a number: what halving cannot tell apart any more
# Planes that a split for the worst draws may take: four channels need about 40, and a tenth of a second.
MOST_PLANES, NEAR_ENOUGH = 400, 1e-7


def best_split(
    slope: Callable[[Floats], Floats], budget: float, low: Floats, high: Floats
) -> tuple[Floats, float]:
    """Return the split of a budget that earns most, and what one more euro would bring.

    Args:
        slope: spend (channels,) -> revenue per extra euro of each channel, falling with its spend.
        budget: money to split.
        low, high: (channels,) least and most spend; high may be inf.

    Raises:
        FunnelError: the bounds do not allow the budget.

    >>> from funnelsim.calibration.response import Saturation
    >>> curve = Saturation(np.array([100.0, 100.0]), np.array([10.0, 40.0]))
    >>> spend, multiplier = best_split(curve.slope, 50.0, np.zeros(2), np.full(2, np.inf))
    >>> spend.round(4).tolist(), round(multiplier, 6)
    ([23.3333, 26.6667], 0.9)
    """
    spend, multiplier = best_splits(lambda one: slope(one[0])[None], budget, low, high, rows=1)
    return spend[0], float(multiplier[0])


def best_splits(
    slope: Callable[[Floats], Floats], budget: float, low: Floats, high: Floats, *, rows: int
) -> tuple[Floats, Floats]:
    """Do `best_split` for many rows of curves at once.

    With concave curves the best split has the same slope m everywhere, except where a bound is in the
    way; the spend at slope m falls with m, so m is found by bisection, and each spend at m likewise, between
    those of the last two m.

    Args:
        slope: spend (rows, channels) -> revenue per extra euro, of the same shape.
        budget, low, high: as there, the same for all rows.
        rows: how many.

    Returns:
        spend (rows, channels), and what one more euro brings, (rows,).
    """
    if not low.sum() <= budget * (1 + 1e-9) or not high.sum() >= budget * (1 - 1e-9):
        raise FunnelError(
            f"budget {budget:,.0f}: the bounds allow {low.sum():,.0f} to {high.sum():,.0f}; widen them with "
            "--at-least and --at-most"
        )
    tiny = 1e-9 * budget / len(low)
    little = np.repeat(low[None].astype(np.float64), rows, axis=0)
    much = np.repeat(np.minimum(high, budget)[None].astype(np.float64), rows, axis=0)
    least = slope(np.maximum(much, tiny)).min(axis=1, keepdims=True) / 2
    most = slope(np.maximum(little, tiny)).max(axis=1, keepdims=True) * 2
    for _ in range(100):
        middle = np.sqrt(least * most)
        spend = _spend_at(slope, middle, little, much)
        above = spend.sum(axis=1, keepdims=True) > budget
        least, much = np.where(above, middle, least), np.where(above, spend, much)
        most, little = np.where(above, most, middle), np.where(above, little, spend)
        if (most <= least * (1 + ENOUGH)).all():
            break
    return _spend_at(slope, most, little, much), most[:, 0]


def _spend_at(slope: Callable[[Floats], Floats], level: Floats, low: Floats, high: Floats) -> Floats:
    """Return the spend of each channel at which its slope has fallen to a level, within its bounds."""
    left, right = low, high
    for _ in range(60):
        if (right - left <= ENOUGH * right).all():
            break
        middle = (left + right) / 2
        steep = slope(middle) > level
        left, right = np.where(steep, middle, left), np.where(steep, right, middle)
    spend: Floats = (left + right) / 2
    return spend


def worst_weights(money: Floats, tail: float) -> Floats:
    """Return the weight of each draw in the mean of the worst part of them: CVaR is weights @ money.

    >>> worst_weights(np.array([3.0, 1.0, 2.0, 9.0]), 0.375).round(3).tolist()
    [0.0, 0.667, 0.333, 0.0]
    """
    rank = np.empty(len(money))
    rank[np.argsort(money, kind="stable")] = np.arange(len(money))
    weight: Floats = np.clip(tail * len(money) - rank, 0.0, 1.0) / (tail * len(money))
    return weight


def best_of_worst(earned: Curve, tail: float, budget: float, low: Floats, high: Floats) -> Floats:
    """Return the split whose mean revenue over the worst part of the draws is largest (CVaR).

    It is concave in the split, so each split tried gives a plane above it; the highest point below all
    planes is a bound, and is tried next, half-way from the best split so far. It ends where bound and best
    are one ten-millionth apart.

    Args:
        earned: curves (draws, channels).
        tail: part of the draws, above 0; 1 is the mean.
        budget, low, high: as in `best_split`.

    Source: Kelley 1960, doi:10.1137/0108053; Rockafellar and Uryasev 2000, doi:10.21314/JOR.2000.038.
    """
    from scipy.optimize import linprog

    best = best_split(lambda spend: earned.slope(spend).mean(axis=0), budget, low, high)[0]
    top, scale = -np.inf, max(float(earned.revenue(best).sum(axis=1).mean()), 1e-300)
    ends = [*zip(low / budget, np.minimum(high, budget) / budget, strict=True), (None, None)]
    planes, levels, spend = [], [], best
    for _ in range(MOST_PLANES):
        money = earned.revenue(spend).sum(axis=1)
        weight = worst_weights(money, tail)
        value, climb = float(weight @ money), weight @ earned.slope(np.maximum(spend, 1e-9 * budget))
        if value > top:
            top, best = value, spend
        planes.append(np.append(-climb * budget / scale, 1.0))
        levels.append((value - climb @ spend) / scale)
        found = linprog(
            np.append(np.zeros(len(low)), -1.0), A_ub=np.array(planes), b_ub=np.array(levels),
            A_eq=np.append(np.ones(len(low)), 0.0)[None], b_eq=[1.0], bounds=ends, method="highs",
        )  # fmt: skip
        if found.x is None or found.x[-1] * scale - top <= NEAR_ENOUGH * abs(top):
            break
        spend = (best + budget * np.asarray(found.x[:-1])) / 2
    return best


@dataclass(frozen=True)
class DealLuck:
    """How far the money of a split may lie from what its draw expects, as deals are won or not.

    Wins come independently and their number has a common factor: money of expectation m has the variance
    sum over channels of m_c size_c + (spread m)^2, and nearly a Gamma distribution.

    Args:
        size: (channels,) money of a win, weighted by money: E X^2 / E X.
        spread: standard deviation of the common factor.
    """

    size: Floats
    spread: float = 0.0

    def chance(self, money: Floats, wanted: float) -> Floats:
        """Return the chance of each draw to reach a target, (draws,), from expected money (draws, channels).

        >>> DealLuck(np.array([1e-9])).chance(np.array([[2.0], [3.0]]), 2.5).round(6).tolist()
        [0.0, 1.0]
        """
        from scipy.special import gammaincc

        mean = np.maximum(money.sum(axis=1), 1e-300)
        variance = np.maximum(money @ self.size + (self.spread * mean) ** 2, 1e-300)
        chance: Floats = gammaincc(mean**2 / variance, wanted * mean / variance)
        return chance


def best_to_reach(
    earned: Curve, wanted: float, budget: float, low: Floats, high: Floats, luck: DealLuck | None = None
) -> Floats:
    """Return the split with the highest chance to reach a target; of equal ones, that with the highest mean.

    Without luck the chance is the share of draws, a step function with many peaks. It is climbed from the
    best splits for the mean and for the worst parts of the draws: each draw counts by how near the target it
    is, within a width that shrinks, and money is moved between two channels at a time as long as that helps.

    Args:
        earned: curves (draws, channels).
        wanted: the target.
        budget, low, high: as in `best_split`.
        luck: that of single deals; without it each draw brings what it expects.
    """
    best = best_split(lambda spend: earned.slope(spend).mean(axis=0), budget, low, high)[0]
    starts = [best, *(best_of_worst(earned, tail, budget, low, high) for tail in (0.2, 0.6))]

    def worth(spend: Floats) -> tuple[float, float]:
        money = earned.revenue(spend)
        total = money.sum(axis=1)
        reach = total >= wanted if luck is None else luck.chance(money, wanted)
        return float(reach.mean()), float(total.mean())

    spread = float(earned.revenue(best).sum(axis=1).std()) or 1.0
    found = [
        _exchange(worth, _toward(earned, wanted, spread, one, budget, low, high), low, high) for one in starts
    ]
    return max([*starts, *found], key=worth)


def _toward(
    earned: Curve, wanted: float, spread: float, spend: Floats, budget: float, low: Floats, high: Floats
) -> Floats:
    """Return a split from which a smooth chance to reach a target does not grow, its width shrinking."""
    from scipy.special import ndtr

    for width in spread * np.array([1.0, 0.3, 0.1, 0.03]):
        for _ in range(10):
            off = (earned.revenue(spend).sum(axis=1) - wanted) / width
            weight = np.exp(-0.5 * np.minimum(off**2, 600.0))
            goal = best_split(lambda one, w=weight: w @ earned.slope(one), budget, low, high)[0]  # type: ignore[misc]
            tried = [spend + step * (goal - spend) for step in (1.0, 0.5, 0.25, 0.1)]
            level = [
                ndtr((earned.revenue(one).sum(axis=1) - wanted) / width).mean() for one in (spend, *tried)
            ]
            at = int(np.argmax(level))
            if at == 0:
                break
            spend = tried[at - 1]
    return spend


def _exchange(
    worth: Callable[[Floats], tuple[float, float]], spend: Floats, low: Floats, high: Floats
) -> Floats:
    """Return a split from which no exchange of money between two channels, in steps that halve, is better."""
    value, step = worth(spend), 0.1 * float(spend.sum())
    while step > 1e-3 * spend.sum():
        before = value
        for give in range(len(spend)):
            for take in range(len(spend)):
                moved = min(step, spend[give] - low[give], high[take] - spend[take])
                if give == take or moved <= 0:
                    continue
                other = spend.copy()
                other[give], other[take] = other[give] - moved, other[take] + moved
                if (found := worth(other)) > value:
                    spend, value = other, found
        step = step if value > before else step / 2
    return spend
